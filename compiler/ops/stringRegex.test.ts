import { describe, expect, it } from "vitest";
import { seededRandom } from "../../test/kernelArena.ts";
import { processorMilliseconds } from "../../test/support/processorTime.ts";
import { runOperator } from "../../test/operator.ts";

/** Which of the texts the pattern matches from end to end. */
function matched(pattern: string, ...texts: string[]): string[] {
  const inputs = [{ dtype: "string", shape: [texts.length], data: texts }] as const;
  const [made] = runOperator({ op: "RegexFullMatch", inputs, attributes: { pattern } });
  return texts.filter((_, i) => made!.data[i] === 1);
}

describe("RegexFullMatch", () => {
  it.each<[string, readonly string[], readonly string[]]>([
    ["a+b?", ["a", "aab"], ["", "b", "xa", "a\n"]],
    ["a|bc", ["a", "bc"], ["ac", "abc"]],
    ["", [""], ["a"]],
    [".", ["ä", "\u{1f600}"], ["\n", "ab"]],
    ["(?s).", ["\n"], []],
    ["(?i)straße", ["STRAßE"], ["strasse"]],
    ["(?m)a$\\n^b", ["a\nb"], ["a\nbc"]],
    ["\\w+@\\w+\\.(?:com|org)", ["me@here.com"], ["me@here.net", "ü@here.com"]],
    ["(?P<year>\\d{4})-\\d{2}", ["2024-05"], ["2024-5", "٢٠٢٤-05"]],
    ["[[:alpha:]_]+[^[:digit:]]", ["ab_c", "a\u00e4"], ["ab1"]],
    ["[]a]+[^]]", ["]ax"], ["]a]"]],
    ["\\pL\\p{Greek}\\PN\\p{^L}", ["aλ--"], ["aλ1-", "aa--"]],
    ["\\Qa.b*\\E+", ["a.b*", "a.b**"], ["aXb*"]],
    ["a\\-b\\@c\\/d", ["a-b@c/d"], []],
    ["{a}]", ["{a}]"], []],
    ["a{,2}", ["a{,2}"], ["aa"]],
    ["\\x{1F600}\\101\\a", ["\u{1f600}A\x07"], []],
    ["a\\sb[\\s,]", ["a b,", "a\tb\n"], ["a\u00a0b,"]],
    ["\\Aab\\z", ["ab"], ["ab\n"]],
    ["\\bfoo\\b", ["foo"], ["foot"]],
    [".", ["\r", "\u2028"], ["\n"]],
    ["a(?i)b(?-i)c", ["abc", "aBc"], ["Abc", "abC"]],
    ["(?i:a)b|c", ["Ab", "c"], ["aB", "C"]],
    ["(a(?i)b)c", ["aBc"], ["aBC"]],
    ["[^\\S]+", [" \t"], ["a"]],
    ["[[:^digit:]-]+", ["a-"], ["1"]],
    ["[a-]+[+--]", ["a-+", "a,", "--"], ["b,"]],
    ["(?i)[^k]", ["a"], ["K", "\u212a"]],
    ["(|a)+b*?c{2,}d{0}", ["aacc", "bccc", "cc"], ["c", "ccd"]],
    ["(?:a?){3}a{3}", ["aaa", "aaaaaa"], ["aa", "aaaaaaa"]],
    ["(?m)^a$(?s).^b", ["a\nb"], ["ab"]],
    ["a\\B.", ["ab"], ["a-"]],
    ["(?P<n>x)|(?<m>y)", ["x", "y"], [""]],
  ])("%s", (pattern, matching, others) => {
    expect(matched(pattern, ...matching, ...others)).toEqual(matching);
  });

  it.each([
    "(?=a)",
    "(?<!a)b",
    "(a)\\1",
    "a*+",
    "(?x)a",
    "\\Ga",
    "(",
    "[a",
    "a\\",
    "[[:words:]]",
    "*a",
    "a**",
    "a{2}{3}",
    "a{1001}",
    "(a{1000}){1000}",
    "a{3,2}",
    "[b-a]",
    "a)",
    "\\C",
    "\\p{Klingon}",
    "(".repeat(2000) + ")".repeat(2000),
  ])("refuses %s", (pattern) => {
    expect(() => matched(pattern, "a")).toThrow(/the pattern/);
  });

  it("takes time in proportion to the text, whatever the pattern", () => {
    const text = "a".repeat(20_000);
    const start = processorMilliseconds();
    expect(matched("(a+)+b", text, `${text}b`)).toEqual([`${text}b`]);
    expect(matched("(a|a)*(a*)*c", text)).toEqual([]);
    expect(matched("(?:a?){30}a{30}", "a".repeat(30))).toEqual(["a".repeat(30)]);
    expect(processorMilliseconds() - start).toBeLessThan(5000);
  });

  it("matches what JavaScript's engine matches, for patterns that mean the same in both", () => {
    const atoms = ["a", "b", "[ab]", "[^a]", ".", "(a|b)", "(?:ab)", "(|b)", "\\bab", "^a", "b$"];
    const random = seededRandom(20240817);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
    const piece = (): string => pick(atoms) + pick(["", "", "", "*", "+", "?", "{1,2}"]);
    for (let i = 0; i < 400; i++) {
      const pieces = Array.from({ length: 1 + Math.floor(random() * 4) }, piece);
      const pattern = pieces.map((p) => p.replace(/([$]|^\^.?)[*+?{].*/, "$1")).join(pick(["", "", "|"]));
      const texts = Array.from({ length: 8 }, () => Array.from({ length: Math.floor(random() * 6) }, () => pick(["a", "b", "-"])).join("")); // prettier-ignore
      const expected = new RegExp(`(?<![^])(?:${pattern})(?![^])`, "u");
      expect(matched(pattern, ...texts), pattern).toEqual(texts.filter((text) => expected.test(text)));
    }
  });
});
