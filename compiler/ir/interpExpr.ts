/**
 * Expressions as functions of the current point: the part of the interpreter that kernels and nests share. In: an
 * expression and the buffers it may read. Out: a closure that gives its value at the point held in the context.
 * Invariant: every operation rounds or wraps to its compute type at once; a subexpression that is used several
 * times is evaluated once per point; both sides of a select are evaluated, as emitted code may do, so that a read
 * out of bounds is found wherever it hides.
 */
import { InternalError } from "../diagnostic.ts";
import { allocate, computeType, elementCount, type NumericData } from "./dtype.ts";
import type { Expr, LoadExpr } from "./expr.ts";
import { operands, visit } from "./walk.ts";
import { compileBinary, compileUnary, type Evaluate, type Numeric } from "./interpOperator.ts";
import { layoutOf, type Buffer } from "./kernel.ts";
import { castFunction, floatBits, floatFromBits, loadFunction, readBits, storeFunction, typedConstant, type Scalar } from "./numeric.ts"; // prettier-ignore

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
export function compileAddress(buffer: Buffer, index: readonly Evaluate[], bordered = true): () => number {
  const { strides, offset, halo } = layoutOf(buffer);
  const { shape } = buffer;
  // A halo is memory of the buffer like any other: kernels fill it, and read their padding from it.
  const first = shape.map((_, d) => -(bordered ? (halo?.before[d] ?? 0) : 0));
  const end = shape.map((dim, d) => dim + (bordered ? (halo?.after[d] ?? 0) : 0));
  const rank = index.length;
  if (rank !== shape.length)
    throw new InternalError(`${buffer.name} has rank ${shape.length}, indexed by ${rank}`);
  const coordinates = index as readonly Numeric[];
  return () => {
    let at = offset;
    let inside = true;
    for (let d = 0; d < rank; d++) {
      const i = coordinates[d]!();
      if (i < first[d]! || i >= end[d]!) inside = false;
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
  const address = compileAddress(buffer, index, e.pad === undefined);
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
