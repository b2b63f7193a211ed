/**
 * Regular expressions of RE2 as JavaScript's. In: a pattern in RE2's syntax. Out: the source and flags of an
 * equivalent `RegExp` with the flag `u`. Invariant: what JavaScript has and RE2 has not (look-around,
 * back-references) is refused, as is what RE2 has and JavaScript has not; nothing changes its meaning silently,
 * except that `\S` inside brackets, and case folding, follow Unicode.
 * Source: RE2's syntax document; ECMA-262, section 22.2.
 */

/** A pattern for the constructor of RegExp. */
export interface TranslatedRegex {
  readonly source: string;
  readonly flags: string;
}

/** RE2's classes of ASCII characters, as parts of a bracket expression. */
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

const SPACE = "\\t\\n\\f\\r ";

/** Characters that a backslash may stand before under the flag `u`, outside and inside brackets. */
const syntax = /[\^$\\.*+?()[\]{}|/]/;
const syntaxInBrackets = /[\^$\\.*+?()[\]{}|/-]/;

/**
 * @param refuse called with why the pattern cannot be translated ("uses ..."); throws
 */
export function translateRegex(pattern: string, refuse: (reason: string) => never): TranslatedRegex {
  return new Translation(pattern, refuse).done();
}

class Translation {
  private readonly pattern: string;
  private readonly refuse: (reason: string) => never;
  private at = 0;
  private flags = "u";

  constructor(pattern: string, refuse: (reason: string) => never) {
    this.pattern = pattern;
    this.refuse = refuse;
  }

  done(): TranslatedRegex {
    this.leadingFlags();
    let source = "";
    while (this.at < this.pattern.length) source += this.piece();
    return { source, flags: this.flags };
  }

  /** Takes what a sticky expression matches here. */
  private take(expression: RegExp): RegExpExecArray | undefined {
    const sticky = new RegExp(expression.source, "suy");
    sticky.lastIndex = this.at;
    const match = sticky.exec(this.pattern) ?? undefined;
    if (match) this.at += match[0].length;
    return match;
  }

  /** `(?ims)` at the start are flags of the whole. */
  private leadingFlags(): void {
    for (let match = this.take(/\(\?([a-zA-Z]+)\)/); match; match = this.take(/\(\?([a-zA-Z]+)\)/)) {
      for (const flag of match[1]!) {
        if (!"ims".includes(flag)) this.refuse(`uses the flag ${flag}`);
        if (!this.flags.includes(flag)) this.flags += flag;
      }
    }
  }

  private piece(): string {
    const literal = this.take(/\\Q(.*?)(?:\\E|$)/);
    if (literal) return literal[1]!.replace(/[\^$\\.*+?()[\]{}|/]/g, "\\$&");
    if (this.take(/\[/)) return this.brackets();
    if (this.take(/\\/)) return this.escape(false);
    const name = this.take(/\(\?P?<([A-Za-z_]\w*)>/);
    if (name) return `(?<${name[1]!}>`;
    const group = this.take(/\(\?(.{1,2})/);
    if (group) {
      if (!group[1]!.startsWith(":")) this.refuse(`uses (?${group[1]!}, which is not translated`);
      this.at -= group[1]!.length - 1;
      return "(?:";
    }
    // Braces that repeat nothing are characters in RE2.
    const repetition = this.take(/\{\d+(?:,\d*)?\}/);
    if (repetition) return repetition[0];
    const brace = this.take(/[{}\]]/);
    if (brace) return `\\${brace[0]}`;
    const possessive = this.take(/([*+?])\+/);
    if (possessive) this.refuse(`repeats ${possessive[1]!} by +`);
    return this.take(/[^]/)![0];
  }

  /** The rest of a bracket expression. */
  private brackets(): string {
    let inner = this.take(/\^/) ? "[^" : "[";
    if (this.take(/\]/)) inner += "\\]";
    for (;;) {
      const posix = this.take(/\[:(\^?)(\w+):\]/);
      if (posix) {
        const known = posixClasses[posix[2]!];
        if (known === undefined || posix[1] !== "") this.refuse(`uses the class ${posix[0]}`);
        inner += known;
      } else if (this.take(/\]/)) return `${inner}]`;
      else if (this.take(/\\/)) inner += this.escape(true);
      else {
        const character = this.take(/[^]/)?.[0] ?? this.refuse("has a bracket without an end");
        inner += character === "[" ? "\\[" : character;
      }
    }
  }

  /** What a backslash begins. */
  private escape(inside: boolean): string {
    const property = this.take(/([pP])(?:\{(\^?)(\w+)\}|([A-Z]))/);
    if (property) {
      const negated = (property[1] === "P") !== (property[2] === "^");
      const name = property[3] ?? property[4]!;
      // Categories have at most two letters, scripts more.
      return `\\${negated ? "P" : "p"}{${name.length <= 2 ? name : `Script=${name}`}}`;
    }
    const code = this.take(/x\{([0-9A-Fa-f]{1,6})\}/);
    if (code) return `\\u{${code[1]!}}`;
    const octal = this.take(/0[0-7]{0,2}|[1-7][0-7]{2}/);
    if (octal) return `\\u{${Number.parseInt(octal[0], 8).toString(16)}}`;
    const character = this.take(/[^]/)?.[0] ?? this.refuse("ends with a backslash");
    if (character === "s") return inside ? SPACE : `[${SPACE}]`;
    if (character === "S") return inside ? "\\S" : `[^${SPACE}]`;
    if (character === "a") return "\\x07";
    if (character === "A" && !inside) return "(?<![^])";
    if (character === "z" && !inside) return "(?![^])";
    if (/[dDwWtnvfrx]/.test(character) || (/[bB]/.test(character) && !inside)) return `\\${character}`;
    if (/[A-Za-z0-9]/.test(character))
      this.refuse(`uses \\${character}, which RE2 or JavaScript does not have`);
    return (inside ? syntaxInBrackets : syntax).test(character) ? `\\${character}` : character;
  }
}
