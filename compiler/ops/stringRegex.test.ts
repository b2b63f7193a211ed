import { describe, expect, it } from "vitest";
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
  ])("%s", (pattern, matching, others) => {
    expect(matched(pattern, ...matching, ...others)).toEqual(matching);
  });

  it.each([
    "(?=a)",
    "(?<!a)b",
    "(a)\\1",
    "a*+",
    "a(?i)b",
    "(?x)a",
    "\\Ga",
    "(",
    "[a",
    "a\\",
    "[[:words:]]",
    "*a",
  ])("refuses %s", (pattern) => {
    expect(() => matched(pattern, "a")).toThrow(/the pattern/);
  });
});
