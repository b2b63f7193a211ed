/**
 * Expressions as functions of the current point: the part of the interpreter that kernels and nests share. In: an
 * expression and the buffers it may read. Out: a closure that gives its value at the point held in the context.
 * Invariant: every operation rounds or wraps to its compute type at once; a subexpression that is used several
 * times is evaluated once per point; both sides of a select are evaluated, as emitted code may do, so that a read
 * out of bounds is found wherever it hides.
 *
 * Choices that the types leave open, for backends to follow: x / 0 and x rem 0 are 0 for integers, shift counts
 * count modulo the width, the smallest integer / -1 wraps.
 */
import { InternalError } from "../diagnostic.ts";
import {
  allocate,
  computeType,
  elementCount,
  type ComputeType,
  type DType,
  type NumericData,
} from "./dtype.ts";
import { operands, visit, type BinaryOp, type Expr, type LoadExpr, type UnaryOp } from "./expr.ts";
import { layoutOf, type Buffer } from "./kernel.ts";
import { castFunction, floatBits, floatFromBits, loadFunction, readBits, roundHalfEven, storeFunction, type Scalar } from "./numeric.ts"; // prettier-ignore

/** A compiled expression. */
export type Evaluate = () => Scalar;

type Numeric = () => number;
type Big = () => bigint;

export type ReduceOp = "sum" | "max" | "min" | "prod";

/** Buffers with their elements, and the point at which expressions are evaluated. */
export class Context {
  readonly buffers: readonly Buffer[];
  readonly data: readonly NumericData[];
  /** The current coordinate of each axis, by slot. */
  readonly point: number[] = [];
  /** The accumulator that `acc` reads. */
  accumulator: Scalar = 0;
  private readonly slots = new Map<string, number>();

  constructor(buffers: readonly Buffer[], data: readonly (NumericData | undefined)[]) {
    this.buffers = buffers;
    this.data = buffers.map((buffer, i) => {
      const given = data[i];
      if (given) return given;
      if (buffer.role === "temp") return allocateBuffer(buffer);
      throw new InternalError(`no data for buffer ${buffer.name}`);
    });
  }

  /** The slot in `point` of the axis called `name`. */
  slot(name: string): number {
    let slot = this.slots.get(name);
    if (slot === undefined) {
      slot = this.point.length;
      this.slots.set(name, slot);
      this.point.push(0);
    }
    return slot;
  }
}

/** Elements of memory that a buffer takes, its halo included. */
export function allocatedLength(buffer: Buffer): number {
  if (elementCount(buffer.shape) === 0) return 0;
  const { strides, offset, halo } = layoutOf(buffer);
  return (
    buffer.shape.reduce((last, dim, d) => last + (dim - 1 + (halo?.after[d] ?? 0)) * strides[d]!, offset) + 1
  );
}

/** Zeroed memory for a buffer; where its layout has a halo, all of it holds the halo's value. */
export function allocateBuffer(buffer: Buffer): NumericData {
  const data = newData(buffer, allocatedLength(buffer));
  const halo = buffer.layout?.halo;
  if (halo) writeAll(data, storeFunction(buffer.dtype)(typedConstant(computeType(buffer.dtype), halo.value)));
  return data;
}

function newData(buffer: Buffer, length: number): NumericData {
  if (buffer.dtype === "string") throw new InternalError(`buffer ${buffer.name} holds strings`);
  return allocate(buffer.dtype, length);
}

function writeAll(data: NumericData, value: Scalar): void {
  for (let i = 0; i < data.length; i++) data[i] = value;
}

const castTargets: Readonly<Record<ComputeType, DType | "index">> = {
  f32: "float32",
  f64: "float64",
  i32: "int32",
  u32: "uint32",
  i64: "int64",
  u64: "uint64",
  bool: "bool",
  index: "index",
};

/** The number `value`, as a pad or a halo gives it, as a value of `type`: converted as Cast would. */
export function typedConstant(type: ComputeType, value: number): Scalar {
  return castFunction("f64", castTargets[type])(value);
}

/** Compiles `e`; the closure may be called at any point of the context's axes. */
export function compileExpr(e: Expr, context: Context): Evaluate {
  const uses = new Map<Expr, number>();
  visit(e, (x) => {
    for (const operand of operands(x)) uses.set(operand, (uses.get(operand) ?? 0) + 1);
  });
  const made = new Map<Expr, Evaluate>();
  const clock = { now: 0 };
  const compile = (x: Expr): Evaluate => {
    const known = made.get(x);
    if (known) return known;
    let code = compileNode(x, context, compile);
    const leaf = x.kind === "const" || x.kind === "axis" || x.kind === "acc";
    if (!leaf && (uses.get(x) ?? 0) > 1) code = remember(code, clock);
    made.set(x, code);
    return code;
  };
  const code = compile(e);
  return () => {
    clock.now++;
    return code();
  };
}

/** Evaluates once per tick of the clock. */
function remember(code: Evaluate, clock: { readonly now: number }): Evaluate {
  let at = -1;
  let value: Scalar = 0;
  return () => {
    if (at !== clock.now) {
      value = code();
      at = clock.now;
    }
    return value;
  };
}

function compileNode(e: Expr, context: Context, compile: (e: Expr) => Evaluate): Evaluate {
  switch (e.kind) {
    case "const": {
      const { value } = e;
      return () => value;
    }
    case "axis": {
      const { point } = context;
      const slot = context.slot(e.name);
      return () => point[slot]!;
    }
    case "acc":
      return () => context.accumulator;
    case "load":
      return compileLoad(e, context, compile);
    case "unary":
      return compileUnary(e.op, e.a.type, compile(e.a));
    case "binary":
      return compileBinary(e.op, e.a.type, compile(e.a), compile(e.b));
    case "select": {
      const condition = compile(e.condition);
      const a = compile(e.a);
      const b = compile(e.b);
      return () => {
        const x = a();
        const y = b();
        return condition() ? x : y;
      };
    }
    case "cast": {
      const convert = castFunction(e.a.type, e.to);
      const a = compile(e.a);
      return () => convert(a());
    }
    case "bitcast": {
      if (e.type === "f64" || e.type === "i64" || e.type === "u64") {
        const a = compile(e.a);
        const { type } = e;
        return () => readBits(type, a());
      }
      const a = compile(e.a) as Numeric;
      if (e.type === "f32") return () => floatFromBits(a());
      if (e.a.type === "f32") return e.type === "i32" ? () => floatBits(a()) : () => floatBits(a()) >>> 0;
      return e.type === "i32" ? () => a() | 0 : () => a() >>> 0;
    }
    default:
      throw new InternalError(`unknown expression ${(e satisfies never as Expr).kind}`);
  }
}

/** The position of the element at `index` in the buffer's memory, or -1 outside its shape. */
export function compileAddress(buffer: Buffer, index: readonly Evaluate[]): () => number {
  const { strides, offset } = layoutOf(buffer);
  const { shape } = buffer;
  const rank = index.length;
  if (rank !== shape.length)
    throw new InternalError(`${buffer.name} has rank ${shape.length}, indexed by ${rank}`);
  const coordinates = index as readonly Numeric[];
  return () => {
    let at = offset;
    let inside = true;
    for (let d = 0; d < rank; d++) {
      const i = coordinates[d]!();
      if (i < 0 || i >= shape[d]!) inside = false;
      at += i * strides[d]!;
    }
    return inside ? at : -1;
  };
}

/** Throws, naming the place that was asked for. */
export function outOfBounds(what: string, buffer: Buffer, index: readonly Evaluate[]): never {
  const at = index.map((i) => String(i())).join(", ");
  throw new InternalError(`${what} ${buffer.name}[${at}], outside its shape [${buffer.shape.join(", ")}]`);
}

function compileLoad(e: LoadExpr, context: Context, compile: (e: Expr) => Evaluate): Evaluate {
  const buffer = context.buffers[e.buffer];
  const data = context.data[e.buffer];
  if (!buffer || !data) throw new InternalError(`load from buffer ${e.buffer} of ${context.buffers.length}`);
  const index = e.index.map(compile);
  const address = compileAddress(buffer, index);
  const decode = loadFunction(buffer.dtype);
  const pad = e.pad === undefined ? undefined : typedConstant(e.type, e.pad);
  const otherwise = pad === undefined ? () => outOfBounds("load of", buffer, index) : () => pad;
  if (decode) {
    return () => {
      const at = address();
      return at < 0 ? otherwise() : decode(data[at]!);
    };
  }
  return () => {
    const at = address();
    return at < 0 ? otherwise() : data[at]!;
  };
}

// ---------------------------------------------------------------------------------------------------------------
// Operators

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

function compileUnary(op: UnaryOp, type: ComputeType, a: Evaluate): Evaluate {
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

function compileBinary(op: BinaryOp, type: ComputeType, a: Evaluate, b: Evaluate): Evaluate {
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
    case "pow":
      return () => wrap(Number(BigInt.asIntN(32, bigPower(BigInt(x()), BigInt(y()), 32))));
    default:
      throw new InternalError(`${op} of ${type}`);
  }
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

export function reducer(op: ReduceOp, type: ComputeType): Reducer {
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

/** What a reduction over nothing gives: for max and min of integers the ends of the type. */
export function identityOf(op: ReduceOp, type: ComputeType): Scalar {
  if (op === "sum") return typedConstant(type, 0);
  if (op === "prod") return typedConstant(type, 1);
  switch (type) {
    case "f32":
    case "f64":
      return op === "max" ? -Infinity : Infinity;
    case "bool":
      return op === "max" ? 0 : 1;
    case "i64":
      return op === "max" ? -(2n ** 63n) : 2n ** 63n - 1n;
    case "u64":
      return op === "max" ? 0n : 2n ** 64n - 1n;
    case "u32":
      return op === "max" ? 0 : 2 ** 32 - 1;
    default:
      return op === "max" ? -(2 ** 31) : 2 ** 31 - 1;
  }
}
