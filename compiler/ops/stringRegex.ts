/**
 * Regular expressions of RE2, read. In: a pattern in RE2's syntax. Out: a tree of what it matches (`stringRegexRun.ts`
 * runs it). Invariant: what RE2 has not (look-around, back-references, possessive repetition) is refused, as is the
 * little of RE2 that is not understood here (`\C`); nothing changes its meaning silently. Lazy and eager repetition
 * are one, since only whole texts are matched.
 * Source: RE2's syntax document.
 */

/** One character: any of the parts, or, negated, none of them. Each part is a bracket expression of JavaScript. */
export interface CharacterSet {
  readonly kind: "character";
  readonly parts: readonly { readonly source: string; readonly folds: boolean }[];
  readonly negated: boolean;
}

/** Places between characters; those of lines where the flag m stands. */
export type Place = "text start" | "text end" | "line start" | "line end" | "word edge" | "no word edge";

export type RegexNode =
  | CharacterSet
  | { readonly kind: "place"; readonly place: Place }
  | { readonly kind: "sequence"; readonly parts: readonly RegexNode[] }
  | { readonly kind: "choice"; readonly options: readonly RegexNode[] }
  | { readonly kind: "repeat"; readonly of: RegexNode; readonly least: number; readonly most: number };

/** RE2 repeats no more often. */
const MOST_REPEATS = 1000;

/** Groups within groups; a recursive reader must end before the engine's stack does. */
const MOST_DEPTH = 500;

/** Classes of ASCII characters, as parts of a bracket expression. */
const posixClasses: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  ascii: "\\x00-\\x7f",
  blank: "\\t ",
  cntrl: "\\x00-\\x1f\\x7f",
  digit: "0-9",
  graph: "!-~",
  lower: "a-z",
  print: " -~",
  punct: "!-\\/:-@\\[-`{-~",
  space: "\\t\\n\\v\\f\\r ",
  upper: "A-Z",
  word: "0-9A-Za-z_",
  xdigit: "0-9A-Fa-f",
};

const perlClasses: Readonly<Record<string, string>> = { d: "0-9", s: "\\t\\n\\f\\r ", w: "0-9A-Za-z_" };

const controls: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 };

interface Flags {
  /** i */
  readonly folds: boolean;
  /** m */
  readonly lines: boolean;
  /** s */
  readonly dotIsAll: boolean;
}

/** A part of a bracket expression: one code point, or a class. */
type Item = { readonly point: number } | { readonly source: string; readonly folds: boolean };

/**
 * @param refuse called with why the pattern cannot be read ("uses ..."); throws
 */
export function readRegex(pattern: string, refuse: (reason: string) => never): RegexNode {
  return new Reader(pattern, refuse).whole();
}

class Reader {
  private readonly pattern: string;
  private readonly refuse: (reason: string) => never;
  private at = 0;
  private depth = 0;
  private flags: Flags = { folds: false, lines: false, dotIsAll: false };

  constructor(pattern: string, refuse: (reason: string) => never) {
    this.pattern = pattern;
    this.refuse = refuse;
  }

  whole(): RegexNode {
    const tree = this.choice();
    if (this.at < this.pattern.length) this.refuse("closes a group that is not open");
    return tree;
  }

  /** Takes what an expression matches here. */
  private take(expression: RegExp): RegExpExecArray | undefined {
    const sticky = new RegExp(expression.source, "suy");
    sticky.lastIndex = this.at;
    const match = sticky.exec(this.pattern) ?? undefined;
    if (match) this.at += match[0].length;
    return match;
  }

  private ends(): boolean {
    return this.at >= this.pattern.length || this.pattern[this.at] === ")" || this.pattern[this.at] === "|";
  }

  /** Up to the end of a group; flags that are set inside end with it. */
  private choice(): RegexNode {
    if (++this.depth > MOST_DEPTH) this.refuse(`nests more than ${MOST_DEPTH} groups`);
    const { flags } = this;
    const options = [this.sequence()];
    while (this.take(/\|/)) options.push(this.sequence());
    this.flags = flags;
    this.depth--;
    return options.length === 1 ? options[0]! : { kind: "choice", options };
  }

  private sequence(): RegexNode {
    const parts: RegexNode[] = [];
    while (!this.ends()) {
      const literal = this.take(/\\Q(.*?)(?:\\E|$)/);
      if (literal) {
        const points = Array.from(literal[1]!, (text) => this.one(text.codePointAt(0)!));
        const last = points.pop();
        parts.push(...points);
        if (last) parts.push(this.repeated(last));
        continue;
      }
      const flags = this.take(/\(\?([a-zA-Z]*)(?:-([a-zA-Z]+))?\)/);
      if (flags) this.set(flags[1]!, flags[2]);
      else parts.push(this.repeated(this.atom()));
    }
    return parts.length === 1 ? parts[0]! : { kind: "sequence", parts };
  }

  private set(on: string, off = ""): void {
    const flags = { i: this.flags.folds, m: this.flags.lines, s: this.flags.dotIsAll, U: false };
    for (const [letters, value] of [[on, true], [off, false]] as const) {
      for (const flag of letters) {
        if (!(flag in flags)) this.refuse(`uses the flag ${flag}`);
        flags[flag as keyof typeof flags] = value;
      }
    }
    this.flags = { folds: flags.i, lines: flags.m, dotIsAll: flags.s };
  } // prettier-ignore

  private atom(): RegexNode {
    if (this.take(/\[/)) return this.brackets();
    if (this.take(/\\/)) return this.escape();
    if (this.take(/\((?:\?P?<[A-Za-z_]\w*>|\?:|(?!\?))/)) return this.group();
    const scoped = this.take(/\(\?([a-zA-Z]*)(?:-([a-zA-Z]+))?:/);
    if (scoped) {
      const { flags } = this;
      this.set(scoped[1]!, scoped[2]);
      const inside = this.group();
      this.flags = flags;
      return inside;
    }
    if (this.take(/\(/)) this.refuse(`uses (${this.pattern.slice(this.at, this.at + 2)}`);
    if (this.take(/\^/)) return { kind: "place", place: this.flags.lines ? "line start" : "text start" };
    if (this.take(/\$/)) return { kind: "place", place: this.flags.lines ? "line end" : "text end" };
    if (this.take(/\./)) return this.flags.dotIsAll ? this.negated([]) : this.negated([{ source: "\\n", folds: false }]); // prettier-ignore
    // Braces that repeat nothing are characters.
    if (this.take(/[*+?]/) ?? this.take(/\{\d+(?:,\d*)?\}/)) this.refuse("repeats nothing");
    return this.one(this.take(/[^]/)![0].codePointAt(0)!);
  }

  private group(): RegexNode {
    const inside = this.choice();
    if (!this.take(/\)/)) this.refuse("has a group without an end");
    return inside;
  }

  private repeated(of: RegexNode): RegexNode {
    const mark = this.take(/(?:([*+?])|\{(\d+)(?:(,)(\d*))?\})\??/);
    if (!mark) return of;
    const [, sign, low, comma, high] = mark;
    if (this.take(/[*+?]/) ?? this.take(/\{\d+(?:,\d*)?\}/)) this.refuse("repeats a repetition");
    if (sign) return { kind: "repeat", of, least: sign === "+" ? 1 : 0, most: sign === "?" ? 1 : Infinity };
    const least = Number(low);
    const most = comma === undefined ? least : high === "" ? Infinity : Number(high);
    if (least > MOST_REPEATS || (most !== Infinity && most > MOST_REPEATS) || least > most)
      this.refuse(`repeats ${mark[0]} times`);
    return { kind: "repeat", of, least, most };
  }

  private one(point: number): CharacterSet {
    return {
      kind: "character",
      parts: [{ source: unicode(point), folds: this.flags.folds }],
      negated: false,
    };
  }

  private negated(parts: CharacterSet["parts"]): CharacterSet {
    return { kind: "character", parts, negated: true };
  }

  /** The rest of a bracket expression. */
  private brackets(): CharacterSet {
    const negated = this.take(/\^/) !== undefined;
    const parts: CharacterSet["parts"][number][] = [];
    for (let first = true; first || !this.take(/\]/); first = false) {
      const item = this.item();
      if (!("point" in item)) {
        parts.push(item);
        continue;
      }
      let source = unicode(item.point);
      if (this.take(/-(?!\])/)) {
        const last = this.item();
        if (!("point" in last) || last.point < item.point)
          this.refuse("has a range that ends before it begins");
        else source += `-${unicode(last.point)}`;
      }
      parts.push({ source, folds: this.flags.folds });
    }
    return { kind: "character", parts, negated };
  }

  private item(): Item {
    const posix = this.take(/\[:(\^?)(\w+):\]/);
    if (posix) {
      const known = posixClasses[posix[2]!] ?? this.refuse(`uses the class ${posix[0]}`);
      return { source: posix[1] ? `^${known}` : known, folds: this.flags.folds };
    }
    if (this.take(/\\/)) return this.classOrCharacter();
    const character = this.take(/[^]/)?.[0] ?? this.refuse("has a bracket without an end");
    return { point: character.codePointAt(0)! };
  }

  /** What a backslash begins outside of brackets. */
  private escape(): RegexNode {
    const place = this.take(/[AzbB]/)?.[0];
    if (place) {
      const places = { A: "text start", z: "text end", b: "word edge", B: "no word edge" } as const;
      return { kind: "place", place: places[place as keyof typeof places] };
    }
    const item = this.classOrCharacter();
    return "point" in item ? this.one(item.point) : { kind: "character", parts: [item], negated: false };
  }

  private classOrCharacter(): Item {
    const property = this.take(/([pP])(?:\{(\^?)(\w+)\}|([A-Z]))/);
    if (property) {
      const outside = (property[1] === "P") !== (property[2] === "^");
      const name = property[3] ?? property[4]!;
      // Categories have at most two letters, scripts more.
      const source = `\\${outside ? "P" : "p"}{${name.length <= 2 || name === "Any" ? name : `Script=${name}`}}`;
      try {
        new RegExp(source, "u");
      } catch {
        this.refuse(`uses the class ${property[0]}`);
      }
      return { source, folds: false };
    }
    const code = this.take(/x(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2}))/);
    const octal = code ? undefined : this.take(/0[0-7]{0,2}|[1-7][0-7]{2}/);
    if (code ?? octal) {
      const point = code ? Number.parseInt(code[1] ?? code[2]!, 16) : Number.parseInt(octal![0], 8);
      return point <= 0x10ffff ? { point } : this.refuse(`names the character ${point}`);
    }
    const character = this.take(/[^]/)?.[0] ?? this.refuse("ends with a backslash");
    const own = perlClasses[character.toLowerCase()];
    if (own !== undefined) return { source: character < "a" ? `^${own}` : own, folds: false };
    const control = controls[character];
    if (control !== undefined) return { point: control };
    if (/[A-Za-z0-9]/.test(character)) this.refuse(`uses \\${character}`);
    return { point: character.codePointAt(0)! };
  }
}

function unicode(point: number): string {
  return `\\u{${point.toString(16)}}`;
}
