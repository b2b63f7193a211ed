/**
 * Tokens of the text form that all IRs share. In: text. Out: a {@link Reader} over its tokens, with the few moves
 * that the parsers need. Invariant: white space only separates; a name that is not a plain word is written as a
 * JSON string, so any name survives printing and parsing.
 */
import { fail } from "../../diagnostic.ts";
import { isReserved } from "./name.ts";

export interface Token {
  readonly kind: "word" | "string" | "number" | "shared" | "symbol" | "end";
  /** As written; of a string, its value. */
  readonly text: string;
  readonly at: number;
}

const pattern = new RegExp(
  [
    /(?<space>\s+)/,
    /(?<word>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)/,
    /(?<string>"(?:[^"\\\n]|\\.)*")/,
    /(?<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?:f64|i32|u32|i64|u64)?\b)/,
    /(?<shared>\$\d+)/,
    /(?<symbol>\.\.|==|!=|<=|>=|<<|>>|\/\/|%%|::|[-+*/%&|^<>=(){}[\],;:#@?])/,
  ]
    .map((part) => part.source)
    .join("|"),
  "y",
);

/** Reads tokens one after another; throws CompileError with line and column when the text is not as expected. */
export class Reader {
  private readonly text: string;
  private readonly tokens: Token[] = [];
  private next = 0;

  constructor(text: string) {
    this.text = text;
    pattern.lastIndex = 0;
    while (pattern.lastIndex < text.length) {
      const at = pattern.lastIndex;
      const found = pattern.exec(text);
      if (!found) this.failAt(at, `unexpected ${JSON.stringify(text[at])}`);
      const [kind, written] = Object.entries(found.groups!).find(([, part]) => part !== undefined)!;
      if (kind === "space") continue;
      const value = kind === "string" ? this.unquote(written, at) : written;
      this.tokens.push({ kind: kind as Token["kind"], text: value, at });
    }
    this.tokens.push({ kind: "end", text: "the end", at: text.length });
  }

  private unquote(written: string, at: number): string {
    try {
      return JSON.parse(written) as string;
    } catch {
      return this.failAt(at, `${written} is no string`);
    }
  }

  /** The token `ahead` places after the next one. */
  peek(ahead = 0): Token {
    return this.tokens[Math.min(this.next + ahead, this.tokens.length - 1)]!;
  }

  take(): Token {
    const token = this.peek();
    this.next++;
    return token;
  }

  /** Whether the token `ahead` is this symbol or word. */
  sees(text: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return token.text === text && (token.kind === "symbol" || token.kind === "word");
  }

  /** Takes the next token if it is `text`. */
  accept(text: string): boolean {
    if (!this.sees(text)) return false;
    this.next++;
    return true;
  }

  expect(text: string): void {
    if (!this.accept(text)) this.fail(`expected "${text}", found "${this.peek().text}"`);
  }

  /** A name, plain or quoted. */
  name(): string {
    const token = this.take();
    if (token.kind === "string") return token.text;
    if (token.kind !== "word" || isReserved(token.text))
      this.failAt(token.at, `expected a name, found "${token.text}"`);
    return token.text;
  }

  /** One of `words`. */
  choice<T extends string>(words: readonly T[]): T {
    const token = this.take();
    const found = token.kind === "word" ? words.find((word) => word === token.text) : undefined;
    return found ?? this.failAt(token.at, `expected one of ${words.join(", ")}, found "${token.text}"`);
  }

  /** A number without type suffix, possibly negative, infinite or NaN. */
  number(): number {
    const at = this.peek().at;
    const negative = this.accept("-");
    const token = this.take();
    const value =
      token.kind === "number" || token.text === "inf" ? Number(token.text.replace("inf", "Infinity")) : NaN;
    if (Number.isNaN(value) && token.text !== "nan")
      this.failAt(at, `expected a number, found "${token.text}"`);
    return negative ? -value : value;
  }

  /** A number that is an integer, possibly negative. */
  integer(): number {
    const at = this.peek().at;
    const value = this.number();
    return Number.isInteger(value) ? value : this.failAt(at, `${value} is no integer`);
  }

  /** `open item, item, ... close`. */
  list<T>(open: string, close: string, item: () => T): T[] {
    this.expect(open);
    const items: T[] = [];
    if (this.accept(close)) return items;
    do items.push(item());
    while (this.accept(","));
    this.expect(close);
    return items;
  }

  /** Items up to `close`, which is taken. */
  until<T>(close: string, item: () => T): T[] {
    const items: T[] = [];
    while (!this.accept(close)) items.push(item());
    return items;
  }

  end(): void {
    if (this.peek().kind !== "end") this.fail(`expected the end, found "${this.peek().text}"`);
  }

  /** Throws, pointing at the next token. */
  fail(message: string): never {
    this.failAt(this.peek().at, message);
  }

  private failAt(at: number, message: string): never {
    const before = this.text.slice(0, at).split("\n");
    return fail("option-invalid", `line ${before.length}, column ${before.at(-1)!.length + 1}: ${message}`);
  }
}

/** Parses the whole of `text` with `parse`. */
export function parseAll<T>(text: string, parse: (reader: Reader) => T): T {
  const reader = new Reader(text);
  const value = parse(reader);
  reader.end();
  return value;
}

// ---------------------------------------------------------------------------------------------------------------
// Numbers as text

/** A number that Reader.number() reads back: -0, infinities and NaN included. */
export function numberText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (value === Infinity) return "inf";
  if (value === -Infinity) return "-inf";
  return Object.is(value, -0) ? "-0" : String(value);
}

/** A number that is seen to be a float: `1.0`, `0.1`, `1e+30`. */
export function floatText(value: number): string {
  const text = numberText(value);
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}

/** The shortest decimal that rounds to the float32 `value`. */
export function float32Text(value: number): string {
  if (!Number.isFinite(value)) return floatText(value);
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return floatText(Object.is(value, -0) ? -0 : short);
  }
  return floatText(Number(value.toPrecision(9)));
}
