/**
 * Operators as functions: the arithmetic of the interpreter. In: an operator, a compute type and closures that give
 * the operands. Out: a closure that gives the result. Invariant: every result is a value of its type: f32 rounded
 * at once, integers wrapped.
 *
 * Choices that the types leave open, for backends to follow: x / 0 and x rem 0 are 0 for integers, shift counts
 * count modulo the width, the smallest integer / -1 wraps.
 */
import { InternalError } from "../diagnostic.ts";
import type { ComputeType } from "./dtype.ts";
import type { BinaryOp, UnaryOp } from "./expr.ts";
import { identityOf, type Reduction } from "./kernel.ts";
import { roundHalfEven, type Scalar } from "./numeric.ts";

/** A compiled expression: gives its value at the current point. */
export type Evaluate = () => Scalar;

export type Numeric = () => number;
type Big = () => bigint;

/** Brings the exact result of an integer operation back to its type. */
const wrappers: Readonly<Partial<Record<ComputeType, (x: Scalar) => Scalar>>> = {
  i32: (x) => (x as number) | 0,
  index: (x) => (x as number) | 0,
  u32: (x) => (x as number) >>> 0,
  i64: (x) => BigInt.asIntN(64, x as bigint),
  u64: (x) => BigInt.asUintN(64, x as bigint),
};

const floatUnary: Readonly<Partial<Record<UnaryOp, (x: number) => number>>> = {
  neg: (x) => -x,
  abs: Math.abs,
  floor: Math.floor,
  ceil: Math.ceil,
  trunc: Math.trunc,
  round: roundHalfEven,
  sqrt: Math.sqrt,
  exp: Math.exp,
  log: Math.log,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  asinh: Math.asinh,
  acosh: Math.acosh,
  atanh: Math.atanh,
  erf,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
};

export function compileUnary(op: UnaryOp, type: ComputeType, a: Evaluate): Evaluate {
  if (type === "f32" || type === "f64") {
    const f = floatUnary[op];
    if (!f) throw new InternalError(`${op} of ${type}`);
    const x = a as Numeric;
    return type === "f64" ? () => f(x()) : () => Math.fround(f(x()));
  }
  if (type === "bool") {
    if (op === "not") return () => (a() ? 0 : 1);
    throw new InternalError(`${op} of bool`);
  }
  const wrap = wrappers[type]!;
  const big = type === "i64" || type === "u64";
  switch (op) {
    case "neg":
      return () => wrap(-a());
    case "bitnot":
      return () => wrap(~a());
    case "abs":
      if (big) return () => wrap((a() as bigint) < 0n ? -(a() as bigint) : a());
      return () => wrap(Math.abs(a() as number));
    default:
      throw new InternalError(`${op} of ${type}`);
  }
}

export function compileBinary(op: BinaryOp, type: ComputeType, a: Evaluate, b: Evaluate): Evaluate {
  switch (op) {
    // Comparison of two numbers or of two bigints means what it should in either case.
    case "eq":
      return () => (a() === b() ? 1 : 0);
    case "ne":
      return () => (a() !== b() ? 1 : 0);
    case "lt":
      return () => (a() < b() ? 1 : 0);
    case "le":
      return () => (a() <= b() ? 1 : 0);
    case "gt":
      return () => (a() > b() ? 1 : 0);
    case "ge":
      return () => (a() >= b() ? 1 : 0);
    default:
  }
  const x = a as Numeric;
  const y = b as Numeric;
  switch (type) {
    case "f32": {
      const f = floatBinary(op, x, y);
      return () => Math.fround(f());
    }
    case "f64":
      return floatBinary(op, x, y);
    case "i64":
    case "u64":
      return bigBinary(op, type, a as Big, b as Big);
    case "bool":
      if (op === "and" || op === "min") return () => x() & y();
      if (op === "or" || op === "max") return () => x() | y();
      if (op === "xor") return () => x() ^ y();
      throw new InternalError(`${op} of bool`);
    default:
      return intBinary(op, type, x, y);
  }
}

function floatBinary(op: BinaryOp, x: Numeric, y: Numeric): Numeric {
  switch (op) {
    case "add":
      return () => x() + y();
    case "sub":
      return () => x() - y();
    case "mul":
      return () => x() * y();
    case "div":
      return () => x() / y();
    case "rem":
      return () => x() % y();
    case "min":
      return () => Math.min(x(), y());
    case "max":
      return () => Math.max(x(), y());
    case "pow":
      return () => Math.pow(x(), y());
    default:
      throw new InternalError(`${op} of floats`);
  }
}

function intBinary(op: BinaryOp, type: "i32" | "u32" | "index", x: Numeric, y: Numeric): Numeric {
  const wrap = wrappers[type] as (x: number) => number;
  switch (op) {
    case "add":
      return () => wrap(x() + y());
    case "sub":
      return () => wrap(x() - y());
    case "mul":
      return () => wrap(Math.imul(x(), y()));
    case "div":
      return () => wrap(x() / y()); // x / 0 is infinite or NaN, which wraps to 0
    case "rem":
      return () => wrap(x() % y());
    case "floordiv":
      return () => wrap(Math.floor(x() / y()));
    case "floormod":
      return () => {
        const a = x();
        const b = y();
        return wrap(a - Math.floor(a / b) * b);
      };
    case "min":
      return () => Math.min(x(), y());
    case "max":
      return () => Math.max(x(), y());
    case "and":
      return () => wrap(x() & y());
    case "or":
      return () => wrap(x() | y());
    case "xor":
      return () => wrap(x() ^ y());
    case "shl":
      return () => wrap(x() << y());
    case "shr":
      return type === "u32" ? () => x() >>> y() : () => x() >> y();
    case "dot4":
      return () => dot4(x(), y());
    case "pow":
      return () => wrap(Number(BigInt.asIntN(32, bigPower(BigInt(x()), BigInt(y()), 32))));
    default:
      throw new InternalError(`${op} of ${type}`);
  }
}

/** The sum of the products of four signed bytes each; at most 2^16, so nothing wraps. */
function dot4(a: number, b: number): number {
  let sum = 0;
  for (let shift = 0; shift < 32; shift += 8)
    sum += ((a << (24 - shift)) >> 24) * ((b << (24 - shift)) >> 24);
  return sum;
}

function bigBinary(op: BinaryOp, type: "i64" | "u64", x: Big, y: Big): Big {
  const wrap = wrappers[type] as (x: bigint) => bigint;
  switch (op) {
    case "add":
      return () => wrap(x() + y());
    case "sub":
      return () => wrap(x() - y());
    case "mul":
      return () => wrap(x() * y());
    case "div":
      return () => {
        const b = y();
        return b === 0n ? 0n : wrap(x() / b);
      };
    case "rem":
      return () => {
        const b = y();
        return b === 0n ? 0n : wrap(x() % b);
      };
    case "min":
      return () => {
        const a = x();
        const b = y();
        return b < a ? b : a;
      };
    case "max":
      return () => {
        const a = x();
        const b = y();
        return b > a ? b : a;
      };
    case "and":
      return () => wrap(x() & y());
    case "or":
      return () => wrap(x() | y());
    case "xor":
      return () => wrap(x() ^ y());
    case "shl":
      return () => wrap(x() << (y() & 63n));
    case "shr":
      return () => x() >> (y() & 63n);
    case "pow":
      return () => wrap(bigPower(x(), y(), 64));
    default:
      throw new InternalError(`${op} of ${type}`);
  }
}

/** base ** exponent modulo 2 ** bits; a negative exponent gives the truncated reciprocal. */
function bigPower(base: bigint, exponent: bigint, bits: number): bigint {
  if (exponent < 0n) return base === 1n ? 1n : base === -1n ? (exponent % 2n === 0n ? 1n : -1n) : 0n;
  let result = 1n;
  let square = BigInt.asUintN(bits, base);
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = BigInt.asUintN(bits, result * square);
    square = BigInt.asUintN(bits, square * square);
  }
  return result;
}

/**
 * The error function in double precision: its everywhere positive series near zero, where nothing cancels, and
 * beyond that 1 minus the continued fraction of the complement (Abramowitz and Stegun 7.1.6 and 7.1.14).
 */
export function erf(x: number): number {
  const z = Math.abs(x);
  if (Number.isNaN(x) || x === 0) return x;
  if (z > 6) return Math.sign(x);
  if (z < 2.5) {
    let term = z;
    let sum = z;
    for (let n = 1; term > sum * 1e-17; n++) {
      term *= (2 * z * z) / (2 * n + 1);
      sum += term;
    }
    return (Math.sign(x) * 2 * sum * Math.exp(-z * z)) / Math.sqrt(Math.PI);
  }
  let fraction = z;
  for (let k = 60; k >= 1; k--) fraction = z + k / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-z * z) / (fraction * Math.sqrt(Math.PI)));
}

// ---------------------------------------------------------------------------------------------------------------
// Reductions

/**
 * How a reduction starts, grows and ends. Sums of f32 are kept in double and rounded at the end: of all the orders
 * in which a schedule may add, none is preferred.
 */
export interface Reducer {
  readonly identity: Scalar;
  readonly combine: (a: Scalar, b: Scalar) => Scalar;
  readonly finish: (a: Scalar) => Scalar;
}

const keep = (x: Scalar): Scalar => x;

export function reducer(op: Reduction["op"], type: ComputeType): Reducer {
  if (type === "index") throw new InternalError(`${op} over index values`);
  if (type === "bool" && (op === "sum" || op === "prod")) throw new InternalError(`${op} over bool values`);
  const float = type === "f32" || type === "f64";
  if (op === "sum" && float) {
    const finish = type === "f32" ? (x: Scalar) => Math.fround(x as number) : keep;
    return { identity: 0, combine: (a, b) => (a as number) + (b as number), finish };
  }
  const binary = { sum: "add", prod: "mul", max: "max", min: "min" } as const;
  let left: Scalar = 0;
  let right: Scalar = 0;
  const apply = compileBinary(binary[op], type, () => left, () => right); // prettier-ignore
  const combine = (a: Scalar, b: Scalar): Scalar => {
    left = a;
    right = b;
    return apply();
  };
  return { identity: identityOf(op, type), combine, finish: keep };
}
