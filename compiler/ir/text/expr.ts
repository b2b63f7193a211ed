/**
 * Expressions as text and back. In: an expression and the names in scope. Out: infix text with C's precedence, in
 * which every literal shows its type (`1` index, `1.0` f32, `1i64`), `in0[i, j]` loads, `int8(x)` casts, and a
 * subexpression used several times is named once: `let $0 = exp(in0[i]); $0 / (1.0 + $0)`. Invariant: parsing goes
 * through the constructors of expr.ts, so within one process `parse(print(e)) === e` for everything they made.
 */
import { computeType, dtypes, type ComputeType, type DType } from "../dtype.ts";
import * as x from "../expr.ts";
import type { BinaryOp, Expr, UnaryOp } from "../expr.ts";
import { operands, visit } from "../walk.ts";
import type { Buffer } from "../kernel.ts";
import { nameText } from "./name.ts";
import { float32Text, numberText, parseAll, type Reader } from "./token.ts";

/** The names that a text may use without saying more; both directions must be given the same. */
export interface TextScope {
  readonly buffers: readonly Buffer[];
  /** Extents of the axes in scope. Axes that are not here, or have another extent, are written `i:4`. */
  readonly axes: ReadonlyMap<string, number>;
  /** The type of a plain `acc`. */
  readonly accumulator?: ComputeType;
}

export const emptyScope: TextScope = { buffers: [], axes: new Map() };

const unaryOps: readonly UnaryOp[] = [
  "neg", "abs", "floor", "ceil", "trunc", "round", "sqrt", "not", "bitnot", "exp", "log", "sin", "cos", "tan", "asin",
  "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "sigmoid",
]; // prettier-ignore

const binaryFunctions: readonly BinaryOp[] = ["min", "max", "pow", "dot4"];

/** Infix operators by how tightly they bind, loosest first; all associate to the left. */
const infix: readonly (readonly (readonly [symbol: string, op: BinaryOp])[])[] = [
  [["|", "or"]],
  [["^", "xor"]],
  [["&", "and"]],
  [["==", "eq"], ["!=", "ne"]],
  [["<", "lt"], ["<=", "le"], [">", "gt"], [">=", "ge"]],
  [["<<", "shl"], [">>", "shr"]],
  [["+", "add"], ["-", "sub"]],
  [["*", "mul"], ["/", "div"], ["%", "rem"], ["//", "floordiv"], ["%%", "floormod"]],
]; // prettier-ignore

const symbols = new Map(
  infix.flatMap((level, binding) => level.map(([symbol, op]) => [op, { symbol, binding }] as const)),
);
const TIGHT = infix.length;

const bitcasts = ["f32", "i32", "u32", "f64", "i64", "u64"] as const;
const computeTypes: readonly ComputeType[] = ["f32", "f64", "i32", "u32", "i64", "u64", "bool", "index"];

// ---------------------------------------------------------------------------------------------------------------
// Printing

/** Text of `e`. */
export function printExpr(e: Expr, scope: TextScope = emptyScope): string {
  return new Printer(scope).print(e);
}

/** Printed nodes that a repeated subexpression must have before it is worth a name. */
const SHARED_SIZE = 6;

class Printer {
  private readonly scope: TextScope;
  private readonly names = new Map<Expr, string>();

  constructor(scope: TextScope) {
    this.scope = scope;
  }

  print(root: Expr): string {
    const uses = new Map<Expr, number>();
    const order: Expr[] = [];
    visit(root, (e) => {
      order.push(e);
      for (const operand of operands(e)) uses.set(operand, (uses.get(operand) ?? 0) + 1);
    });
    let text = "";
    const sizes = new Map<Expr, number>();
    for (const e of order) {
      const size = operands(e).reduce((sum, operand) => sum + sizes.get(operand)!, 1);
      const named = size >= SHARED_SIZE && (uses.get(e) ?? 0) > 1;
      sizes.set(e, named ? 1 : size);
      if (!named) continue;
      const name = `$${this.names.size}`;
      text += `let ${name} = ${this.node(e, 0)}; `;
      this.names.set(e, name);
    }
    return text + this.node(root, 0);
  }

  /** `e` where operators that bind more loosely than `binding` need parentheses. */
  private node(e: Expr, binding: number): string {
    const named = this.names.get(e);
    if (named) return named;
    switch (e.kind) {
      case "const":
        return constantText(e.type, e.value);
      case "axis":
        return nameText(e.name) + (this.scope.axes.get(e.name) === e.extent ? "" : `:${e.extent}`);
      case "acc":
        return this.scope.accumulator === e.type ? "acc" : `acc:${e.type}`;
      case "load": {
        const pad = e.pad === undefined ? "" : `; pad ${numberText(e.pad)}`;
        const index = e.index.map((i) => this.node(i, 0)).join(", ");
        return `${bufferText(this.scope.buffers, e.buffer, e.type)}[${index}${pad}]`;
      }
      case "unary":
        return `${e.op}(${this.node(e.a, 0)})`;
      case "select":
        return `select(${[e.condition, e.a, e.b].map((part) => this.node(part, 0)).join(", ")})`;
      case "cast":
        return `${e.to}(${this.node(e.a, 0)})`;
      case "bitcast":
        return `bitcast.${e.type}(${this.node(e.a, 0)})`;
      case "binary": {
        const known = symbols.get(e.op);
        if (!known) return `${e.op}(${this.node(e.a, 0)}, ${this.node(e.b, 0)})`;
        const right = this.subtrahend(e.op, e.b);
        const text = right
          ? `${this.node(e.a, known.binding)} - ${right}`
          : `${this.node(e.a, known.binding)} ${known.symbol} ${this.node(e.b, known.binding + 1)}`;
        return known.binding < binding ? `(${text})` : text;
      }
      default:
        return e satisfies never;
    }
  }

  /** Index sums hold no differences: what is added with a negative factor reads better as subtracted. */
  private subtrahend(op: BinaryOp, b: Expr): string | undefined {
    if (op !== "add" || b.type !== "index" || this.names.has(b)) return undefined;
    if (b.kind === "const") return Number(b.value) < 0 ? String(-Number(b.value)) : undefined;
    if (b.kind !== "binary" || b.op !== "mul" || b.b.kind !== "const" || !(Number(b.b.value) < 0))
      return undefined;
    const factor = -Number(b.b.value);
    return factor === 1 ? this.node(b.a, TIGHT) : `${this.node(b.a, TIGHT - 1)} * ${factor}`;
  }
}

function constantText(type: ComputeType, value: number | bigint): string {
  switch (type) {
    case "bool":
      return value ? "true" : "false";
    case "index":
      return String(value);
    case "f32":
      return float32Text(value as number);
    case "f64":
      return Number.isFinite(value)
        ? `${numberText(value as number)}f64`
        : numberText(value as number).replace(/[a-z]/, "f64.$&");
    default:
      return `${value}${type}`;
  }
}

/** How a load or store names buffer number `buffer`. */
export function bufferText(buffers: readonly Buffer[], buffer: number, type?: ComputeType): string {
  const known = buffers[buffer];
  const alone = known && buffers.findIndex(({ name }) => name === known.name) === buffer;
  if (alone && (type === undefined || computeType(known.dtype) === type)) return nameText(known.name);
  return `#${buffer}${type === undefined ? "" : `:${type}`}`;
}

// ---------------------------------------------------------------------------------------------------------------
// Parsing

/** Parses what {@link printExpr} printed with the same scope. Throws CompileError where the text is malformed. */
export function parseExpr(text: string, scope: TextScope = emptyScope): Expr {
  return parseAll(text, (reader) => readExpr(reader, scope));
}

/** Reads an expression with its `let`s. */
export function readExpr(reader: Reader, scope: TextScope): Expr {
  return new ExprReader(reader, scope).read();
}

/** The number of the buffer that a load or store names, and its type where the text says so. */
export function readBuffer(
  reader: Reader,
  buffers: readonly Buffer[],
): { buffer: number; type: ComputeType | undefined } {
  if (reader.accept("#")) {
    const buffer = reader.integer();
    return { buffer, type: reader.accept(":") ? reader.choice(computeTypes) : undefined };
  }
  const name = reader.name();
  const buffer = buffers.findIndex((known) => known.name === name);
  if (buffer < 0) reader.fail(`no buffer ${name}`);
  return { buffer, type: computeType(buffers[buffer]!.dtype) };
}

class ExprReader {
  private readonly reader: Reader;
  private readonly scope: TextScope;
  private readonly shared = new Map<string, Expr>();

  constructor(reader: Reader, scope: TextScope) {
    this.reader = reader;
    this.scope = scope;
  }

  read(): Expr {
    const { reader } = this;
    while (reader.accept("let")) {
      const { text } = reader.take();
      reader.expect("=");
      this.shared.set(text, this.level(0));
      reader.expect(";");
    }
    return this.level(0);
  }

  private level(binding: number): Expr {
    if (binding === TIGHT) return this.primary();
    let left = this.level(binding + 1);
    for (;;) {
      const found = infix[binding]!.find(([symbol]) => this.reader.sees(symbol));
      if (!found) return left;
      this.reader.take();
      left = this.binary(found[1], left, this.level(binding + 1));
    }
  }

  private binary(op: BinaryOp, a: Expr, b: Expr): Expr {
    if (a.type !== b.type) this.reader.fail(`${op} of ${a.type} and ${b.type} before here`);
    return x.binary(op, a, b);
  }

  private primary(): Expr {
    const { reader } = this;
    const token = reader.peek();
    if (token.kind === "number" || reader.sees("-")) return this.literal();
    if (reader.accept("(")) {
      const inner = this.level(0);
      reader.expect(")");
      return inner;
    }
    if (token.kind === "shared") {
      reader.take();
      return this.shared.get(token.text) ?? reader.fail(`${token.text} is not defined before here`);
    }
    if (reader.sees("#") || reader.sees("[", 1)) return this.load();
    if (token.kind === "word" && reader.sees("(", 1)) return this.call();
    switch (token.kind === "word" ? token.text : "") {
      case "true":
        reader.take();
        return x.TRUE();
      case "false":
        reader.take();
        return x.FALSE();
      case "acc": {
        reader.take();
        const type = reader.accept(":") ? reader.choice(computeTypes) : this.scope.accumulator;
        return type ? x.acc(type) : reader.fail("acc without a reduction before here");
      }
      case "inf":
      case "nan":
      case "f64.inf":
      case "f64.nan":
        return this.literal();
      default:
        return this.axis();
    }
  }

  private axis(): Expr {
    const { reader } = this;
    const name = reader.name();
    const extent = reader.accept(":") ? reader.integer() : this.scope.axes.get(name);
    return extent === undefined
      ? reader.fail(`axis ${name} is not in scope before here`)
      : x.axis(name, extent);
  }

  private literal(): Expr {
    const { reader } = this;
    const negative = reader.accept("-");
    const { kind, text } = reader.take();
    const special = /^(f64\.)?(inf|nan)$/.exec(text);
    if (special) {
      const value = special[2] === "nan" ? NaN : Infinity;
      return x.constant(special[1] ? "f64" : "f32", negative ? -value : value);
    }
    if (kind !== "number") reader.fail("expected a number before here");
    const [, digits, suffix] = /^(.*?)(f64|i32|u32|i64|u64)?$/.exec(text) as unknown as [
      string,
      string,
      ComputeType?,
    ];
    if (suffix === "i64" || suffix === "u64")
      return x.constant(suffix, negative ? -BigInt(digits) : BigInt(digits));
    const type = suffix ?? (/[.e]/i.test(digits) ? "f32" : "index");
    return x.constant(type, negative ? -Number(digits) : Number(digits));
  }

  private load(): Expr {
    const { reader } = this;
    const { buffer, type } = readBuffer(reader, this.scope.buffers);
    if (type === undefined) return reader.fail(`the type of #${buffer} is missing before here`);
    const index: Expr[] = [];
    let pad: number | undefined;
    reader.expect("[");
    if (!reader.sees("]") && !reader.sees(";")) {
      do index.push(this.level(0));
      while (reader.accept(","));
    }
    if (reader.accept(";")) {
      reader.expect("pad");
      pad = reader.number();
    }
    reader.expect("]");
    return x.loadTyped(buffer, type, index, pad);
  }

  private call(): Expr {
    const { reader } = this;
    const name = reader.take().text;
    const given = reader.list("(", ")", () => this.level(0));
    const need = (count: number): void => {
      if (given.length !== count)
        reader.fail(`${name} takes ${count} operands, has ${given.length} before here`);
    };
    if (name === "select") {
      need(3);
      const [condition, a, b] = given as [Expr, Expr, Expr];
      const fits = condition.type === "bool" && a.type === b.type;
      return fits
        ? x.select(condition, a, b)
        : reader.fail(`select(${given.map((e) => e.type).join(", ")}) before here`);
    }
    const binary = binaryFunctions.find((op) => op === name);
    if (binary) {
      need(2);
      return this.binary(binary, given[0]!, given[1]!);
    }
    need(1);
    const [a] = given as [Expr];
    const unary = unaryOps.find((op) => op === name);
    if (unary) return x.unary(unary, a);
    const word = bitcasts.find((type) => name === `bitcast.${type}`);
    if (word) return x.bitcast(a, word);
    const to = name === "index" ? name : dtypes.find((dtype): dtype is DType => dtype === name);
    return to ? x.cast(a, to) : reader.fail(`no function ${name} before here`);
  }
}
