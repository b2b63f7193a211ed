/**
 * Scalar expressions: what one element of an output is, as a function of coordinates and loaded elements. In:
 * constructor calls. Out: interned nodes (intern.ts), so that equal expressions are `===` and a shared subexpression is
 * one node. Invariant: index arithmetic (`type: "index"`) is kept in linear normal form, with division and remainder
 * by constants simplified by the ranges of the axes; this is what turns a chain of reshapes and transposes back
 * into strides.
 *
 * Constructors keep the normal form and the normal form is built by constructors, so both are here; what only reads
 * expressions is in linear.ts and range.ts, walking and rewriting in walk.ts.
 */
import { computeType, type ComputeType, type DType } from "./dtype.ts";
import { InternalError } from "../diagnostic.ts";
import { intern, internPair } from "./intern.ts";
import { linear, linearRange, type Linear } from "./linear.ts";
import { isComparison, takesBinary, takesUnary } from "./operandTypes.ts";
import { range } from "./range.ts";
import { simplifyOperands } from "./simplifyOperands.ts";

export type UnaryOp =
  | "neg" | "abs" | "floor" | "ceil" | "trunc" | "round" | "sqrt" | "not" | "bitnot"
  | "exp" | "log" | "sin" | "cos" | "tan" | "asin" | "acos" | "atan" | "sinh" | "cosh" | "tanh"
  | "asinh" | "acosh" | "atanh" | "erf" | "sigmoid"; // prettier-ignore

export type BinaryOp =
  | "add" | "sub" | "mul" | "div" | "rem" | "min" | "max" | "pow" | "and" | "or" | "xor" | "shl" | "shr"
  | "eq" | "ne" | "lt" | "le" | "gt" | "ge" | "floordiv" | "floormod"
  /** Of words of four signed bytes: the sum of their four products. */
  | "dot4"; // prettier-ignore

export interface Node {
  /** Position in the intern table; stable within one compilation, for ordering only. */
  readonly id: number;
  readonly type: ComputeType;
}

export interface ConstExpr extends Node {
  readonly kind: "const";
  /** bigint for i64 and u64, number otherwise (bool: 0 or 1). */
  readonly value: number | bigint;
}
/** The coordinate along an axis: 0 <= value < extent. */
export interface AxisExpr extends Node {
  readonly kind: "axis";
  readonly name: string;
  readonly extent: number;
}
/** An element of a buffer of the kernel. With `pad`, reading outside its shape gives that value. */
export interface LoadExpr extends Node {
  readonly kind: "load";
  readonly buffer: number;
  readonly index: readonly Expr[];
  readonly pad: number | undefined;
}
/** The result of the assignment's reduction. */
export interface AccExpr extends Node {
  readonly kind: "acc";
}
export interface UnaryExpr extends Node {
  readonly kind: "unary";
  readonly op: UnaryOp;
  readonly a: Expr;
}
export interface BinaryExpr extends Node {
  readonly kind: "binary";
  readonly op: BinaryOp;
  readonly a: Expr;
  readonly b: Expr;
}
export interface SelectExpr extends Node {
  readonly kind: "select";
  readonly condition: Expr;
  readonly a: Expr;
  readonly b: Expr;
}
/** Conversion with ONNX Cast's rules to a storage type; the value has that type's compute type. */
export interface CastExpr extends Node {
  readonly kind: "cast";
  readonly to: DType | "index";
  readonly a: Expr;
}
/** The same 32 or 64 bits read as another type. */
export interface BitcastExpr extends Node {
  readonly kind: "bitcast";
  readonly a: Expr;
}

export type Expr =
  ConstExpr | AxisExpr | LoadExpr | AccExpr | UnaryExpr | BinaryExpr | SelectExpr | CastExpr | BitcastExpr;

// ---------------------------------------------------------------------------------------------------------------
// Leaves

export function constant(type: ComputeType, value: number | bigint): Expr {
  let v = value;
  const wide = type === "i64" || type === "u64";
  const whole = wide || type === "i32" || type === "u32" || type === "index";
  if (whole && typeof v === "number" && !Number.isInteger(v) && (wide || Number.isFinite(v))) {
    throw new TypeConflict(`the number ${v} as ${type}`);
  }
  if (wide) {
    v = type === "i64" ? BigInt.asIntN(64, BigInt(v)) : BigInt.asUintN(64, BigInt(v));
  } else if (typeof v === "bigint") v = Number(v);
  if (type === "i32" || type === "index") v = (v as number) | 0;
  else if (type === "u32") v = (v as number) >>> 0;
  else if (type === "f32") v = Math.fround(v as number);
  else if (type === "bool") v = v ? 1 : 0;
  const text = Object.is(v, -0) ? "-0" : String(v);
  return intern(`c${type}:${text}`, { kind: "const", type, value: v });
}

/** An index constant. */
export function int(value: number): Expr {
  return constant("index", value);
}

export function f32(value: number): Expr {
  return constant("f32", value);
}

export const TRUE = (): Expr => constant("bool", 1);
export const FALSE = (): Expr => constant("bool", 0);

export function axis(name: string, extent: number): Expr {
  // An axis of one iteration is always 0; folding it here keeps strides free of dead terms.
  if (extent === 1) return int(0);
  return intern(`x${name}:${extent}`, { kind: "axis", type: "index", name, extent });
}

/** Element `index` of kernel buffer number `buffer`, whose dtype is given for the result type. */
export function load(buffer: number, dtype: DType, index: readonly Expr[], pad?: number): Expr {
  return loadTyped(buffer, computeType(dtype), index, pad);
}

export function loadTyped(buffer: number, type: ComputeType, index: readonly Expr[], pad?: number): Expr {
  const key = `l${buffer}:${type}:${index.map((e) => e.id).join(",")}:${pad ?? ""}${Object.is(pad, -0) ? "-" : ""}`;
  return intern(key, { kind: "load", type, buffer, index, pad });
}

export function acc(type: ComputeType): Expr {
  return intern(`a${type}`, { kind: "acc", type });
}

// ---------------------------------------------------------------------------------------------------------------
// Operators

/** Operands do not have the types that their operator takes. */
export class TypeConflict extends InternalError {}

export function unary(op: UnaryOp, a: Expr): Expr {
  if (a.type === "index" && op === "neg") return mul(a, int(-1));
  if (op === "not" && a.kind === "const") return constant("bool", a.value ? 0 : 1);
  return internPair(op, a, undefined, () => {
    if (!takesUnary(op, a.type)) throw new TypeConflict(`${op} of ${a.type}`);
    return { kind: "unary", type: op === "not" ? "bool" : a.type, op, a };
  });
}

export function binary(op: BinaryOp, a: Expr, b: Expr): Expr {
  if (a.type !== b.type) throw new TypeConflict(`${op} of ${a.type} and ${b.type}`);
  if (a.type === "index") {
    const simplified = simplifyIndex(op, a, b);
    if (simplified) return simplified;
  } else {
    const folded = simplifyOperands<Expr>(op, a, b, constant);
    if (folded) return folded;
  }
  return rawBinary(op, a, b);
}

function rawBinary(op: BinaryOp, a: Expr, b: Expr): Expr {
  return internPair(op, a, b, () => {
    if (!takesBinary(op, a.type)) throw new TypeConflict(`${op} of ${a.type}`);
    return { kind: "binary", type: isComparison(op) ? "bool" : a.type, op, a, b };
  });
}

export const add = (a: Expr, b: Expr): Expr => binary("add", a, b);
export const sub = (a: Expr, b: Expr): Expr => binary("sub", a, b);
export const mul = (a: Expr, b: Expr): Expr => binary("mul", a, b);
export const div = (a: Expr, b: Expr): Expr => binary("div", a, b);
export const min = (a: Expr, b: Expr): Expr => binary("min", a, b);
export const max = (a: Expr, b: Expr): Expr => binary("max", a, b);
export const eq = (a: Expr, b: Expr): Expr => binary("eq", a, b);
export const lt = (a: Expr, b: Expr): Expr => binary("lt", a, b);
export const le = (a: Expr, b: Expr): Expr => binary("le", a, b);
export const ge = (a: Expr, b: Expr): Expr => binary("ge", a, b);
export const and = (a: Expr, b: Expr): Expr => binary("and", a, b);
export const or = (a: Expr, b: Expr): Expr => binary("or", a, b);
export const not = (a: Expr): Expr => unary("not", a);
export const neg = (a: Expr): Expr => unary("neg", a);
/** Quotient rounded down; the divisor is positive. */
export const floordiv = (a: Expr, by: number): Expr => binary("floordiv", a, int(by));
/** Remainder in [0, by). */
export const floormod = (a: Expr, by: number): Expr => binary("floormod", a, int(by));

export function select(condition: Expr, a: Expr, b: Expr): Expr {
  if (condition.type !== "bool") throw new TypeConflict(`select on ${condition.type}`);
  if (a.type !== b.type) throw new TypeConflict(`select of ${a.type} and ${b.type}`);
  if (condition.kind === "const") return condition.value ? a : b;
  if (a === b) return a;
  return intern(`s${condition.id}:${a.id}:${b.id}`, { kind: "select", type: a.type, condition, a, b });
}

export function cast(a: Expr, to: DType | "index"): Expr {
  const type = to === "index" ? "index" : computeType(to);
  const identity = (to === "float32" || to === "int32" || to === "uint32" || to === "float64" || to === "int64" || to === "uint64" || to === "bool" || to === "index") && a.type === type; // prettier-ignore
  if (identity) return a;
  // Integers wrap as constants do; floats beyond the type saturate, which is left to the machine.
  const wraps = a.type !== "f32" && a.type !== "f64";
  const whole = (bits: number): boolean =>
    a.kind === "const" && Number.isInteger(a.value) && (wraps || Math.abs(Number(a.value)) < 2 ** (bits - 1));
  if (a.kind === "const" && (to === "index" || to === "int32") && whole(32)) return constant(type, a.value);
  if (a.kind === "const" && (to === "float32" || to === "float64") && typeof a.value === "number") {
    return constant(type, a.value);
  }
  if (a.kind === "const" && to === "int64" && whole(64)) return constant(type, a.value);
  if (a.kind === "const" && to === "index" && typeof a.value === "bigint") {
    return constant(type, Number(BigInt.asIntN(32, a.value)));
  }
  return internPair(`cast ${to}`, a, undefined, () => ({ kind: "cast", type, to, a }));
}

/** Types whose bits may be read as one another, where they are of the same width. */
export type BitsType = "f32" | "i32" | "u32" | "f64" | "i64" | "u64";

export function bitcast(a: Expr, type: BitsType): Expr {
  if (a.type === type) return a;
  return internPair(`bits ${type}`, a, undefined, () => ({ kind: "bitcast", type, a }));
}

// ---------------------------------------------------------------------------------------------------------------
// Index arithmetic

/** Builds the normal form of a linear combination; terms `c*k*(e div k) + c*(e mod k)` collapse to `c*e`. */
export function fromLinear(form: Linear): Expr {
  let offset = form.constant;
  let sorted: (readonly [Expr, number])[] = [];
  let remainders = false;
  for (const entry of form.terms) {
    if (entry[1] === 0) continue;
    const [term] = entry;
    if (term.kind === "binary" && term.op === "floormod") remainders = true;
    sorted.push(entry);
  }
  if (remainders) {
    const terms = new Map(sorted);
    offset += collapse(terms);
    sorted = [...terms];
  }
  if (sorted.length > 1) sorted.sort(([a], [b]) => a.id - b.id);
  let sum: Expr | undefined;
  for (const [term, c] of sorted) {
    const product = c === 1 ? term : rawBinary("mul", term, int(c));
    sum = sum ? rawBinary("add", sum, product) : product;
  }
  if (!sum) return int(offset);
  return offset === 0 ? sum : rawBinary("add", sum, int(offset));
}

/** Joins quotients with their remainders in `terms`; returns what that adds to the constant. */
function collapse(terms: Map<Expr, number>): number {
  let offset = 0;
  let again = true;
  while (again) {
    again = false;
    for (const [term, c] of terms) {
      if (term.kind !== "binary" || term.op !== "floormod" || term.b.kind !== "const") continue;
      const by = Number(term.b.value);
      const quotient = binary("floordiv", term.a, term.b);
      const whole = linear(quotient);
      // The quotient may itself have simplified into several terms; only the plain case collapses.
      if (whole.constant !== 0 || whole.terms.size !== 1) continue;
      const [[key, scale]] = [...whole.terms] as [[Expr, number]];
      if (scale !== 1 || terms.get(key) !== c * by) continue;
      terms.delete(term);
      terms.delete(key);
      const inner = linear(term.a);
      offset += inner.constant * c;
      for (const [t, k] of inner.terms) {
        const sum = (terms.get(t) ?? 0) + k * c;
        if (sum === 0) terms.delete(t);
        else terms.set(t, sum);
      }
      again = true;
      break;
    }
  }
  return offset;
}

function simplifyIndex(op: BinaryOp, a: Expr, b: Expr): Expr | undefined {
  switch (op) {
    case "add":
    case "sub": {
      const left = linear(a);
      const right = linear(b);
      const sign = op === "add" ? 1 : -1;
      const terms = new Map(left.terms);
      for (const [term, c] of right.terms) terms.set(term, (terms.get(term) ?? 0) + sign * c);
      return fromLinear({ constant: left.constant + sign * right.constant, terms });
    }
    case "mul": {
      const [factor, other] = a.kind === "const" ? [a, b] : [b, a];
      if (factor.kind !== "const") return undefined;
      const k = Number(factor.value);
      const form = linear(other);
      return fromLinear({
        constant: form.constant * k,
        terms: new Map([...form.terms].map(([t, c]) => [t, c * k])),
      });
    }
    case "floordiv":
    case "floormod":
      return b.kind === "const" ? divideIndex(op, a, Number(b.value)) : undefined;
    case "min":
    case "max": {
      const [al, ah] = range(a);
      const [bl, bh] = range(b);
      if (ah <= bl) return op === "min" ? a : b;
      if (bh <= al) return op === "min" ? b : a;
      return undefined;
    }
    case "lt":
    case "le":
    case "gt":
    case "ge":
    case "eq":
    case "ne": {
      const [l, h] = range(sub(a, b));
      const verdicts: Partial<Record<BinaryOp, readonly [boolean, boolean]>> = {
        lt: [h < 0, l >= 0],
        le: [h <= 0, l > 0],
        gt: [l > 0, h <= 0],
        ge: [l >= 0, h < 0],
        eq: [l === 0 && h === 0, l > 0 || h < 0],
        ne: [l > 0 || h < 0, l === 0 && h === 0],
      };
      const [always, never] = verdicts[op]!;
      return always ? TRUE() : never ? FALSE() : undefined;
    }
    default:
      return undefined;
  }
}

/** (sum c_i t_i + k) div/mod by: terms whose coefficient divides go out; what is left may fall below `by`. */
function divideIndex(op: "floordiv" | "floormod", a: Expr, by: number): Expr | undefined {
  if (by <= 0) throw new InternalError(`division of an index by ${by}`);
  if (by === 1) return op === "floordiv" ? a : int(0);
  const form = linear(a);
  const quotient = new Map<Expr, number>();
  const rest = new Map<Expr, number>();
  for (const [term, c] of form.terms) {
    const q = Math.floor(c / by);
    if (c % by === 0) quotient.set(term, c / by);
    else if (q !== 0 && c > by) {
      quotient.set(term, q);
      rest.set(term, c - q * by);
    } else rest.set(term, c);
  }
  const constantQuotient = Math.floor(form.constant / by);
  const restForm: Linear = { constant: form.constant - constantQuotient * by, terms: rest };
  const [low, high] = linearRange(restForm);
  const whole: Linear = { constant: constantQuotient, terms: quotient };
  if (low >= 0 && high < by) return fromLinear(op === "floordiv" ? whole : restForm);
  // (g*x + r) div (g*m), 0 <= r < g, is x div m: drop the common factor of the terms.
  const coefficients = [...rest.values()];
  const common = coefficients.filter((c) => Math.abs(c) > 1).reduce((g, c) => gcd(g, Math.abs(c)), by);
  if (common > 1 && common < by) {
    const upper = new Map<Expr, number>();
    const lower = new Map<Expr, number>();
    for (const [term, c] of rest) (c % common === 0 ? upper : lower).set(term, c);
    const lowConstant = restForm.constant % common;
    const lowerForm: Linear = { constant: lowConstant, terms: lower };
    const [ll, lh] = linearRange(lowerForm);
    if (ll >= 0 && lh < common) {
      const reduced = fromLinear({
        constant: (restForm.constant - lowConstant) / common,
        terms: new Map([...upper].map(([t, c]) => [t, c / common])),
      });
      if (op === "floordiv") return add(fromLinear(whole), binary("floordiv", reduced, int(by / common)));
      return add(mul(binary("floormod", reduced, int(by / common)), int(common)), fromLinear(lowerForm));
    }
  }
  // (e div a) div b = e div (a*b), and (e mod (a*b)) div a = (e div a) mod b, both for positive a and b.
  const remainder = fromLinear(restForm);
  if (
    op === "floordiv" &&
    remainder.kind === "binary" &&
    remainder.op === "floordiv" &&
    remainder.b.kind === "const"
  ) {
    return add(fromLinear(whole), floordiv(remainder.a, Number(remainder.b.value) * by));
  }
  if (remainder.kind === "binary" && remainder.op === "floormod" && remainder.b.kind === "const") {
    const inner = Number(remainder.b.value);
    if (inner % by === 0) {
      if (op === "floormod") return floormod(remainder.a, by);
      return add(fromLinear(whole), floormod(floordiv(remainder.a, by), inner / by));
    }
  }
  if (op === "floordiv") return quotient.size || constantQuotient ? add(fromLinear(whole), rawBinary(op, remainder, int(by))) : rawBinary(op, remainder, int(by)); // prettier-ignore
  return rawBinary(op, remainder, int(by));
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
