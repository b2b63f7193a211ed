/**
 * Reductions over named axes: the Reduce family, ArgMax and ArgMin. In: a call with static types whose axes are
 * known. Out: one reduction (LogSumExp and the Arg pair: two, the first of which finds the extreme value).
 * Invariant: reducing nothing gives the operation's identity, and a NaN anywhere is kept.
 * Source: ONNX operator documentation, ReduceSum (18) and its like.
 */
import { acc, add, binary, cast, constant, div, eq, int, lt, max, min, mul, or, select, sub, unary, type Expr } from "../ir/expr.ts"; // prettier-ignore
import { computeType, elementCount, integerRange, isFloat, isInteger, type DType } from "../ir/dtype.ts";
import { coordinate, identityOf, type Axis, type Kernel, type Reduction } from "../ir/kernel.ts";
import { KernelWriter, normaliseAxis, type OpCall, type OpDefinition } from "./define.ts";

/** Where a reduction reads and writes. */
export interface ReducedShape {
  /** Output shape with the reduced dimensions kept as 1, and as the operator declares it. */
  readonly keptShape: readonly number[];
  readonly shape: readonly number[];
  readonly axes: readonly Axis[];
  readonly reduced: readonly Axis[];
  /** The point of the input, and of the output in either form. */
  readonly source: readonly Expr[];
  readonly kept: readonly Expr[];
  readonly index: readonly Expr[];
}

/** Reduces the dimensions in `over` (positions) of `input`. */
function reducedShape(input: readonly number[], over: ReadonlySet<number>, keepDims: boolean): ReducedShape {
  const all = input.map((extent, d): Axis => ({ name: `${over.has(d) ? "r" : "i"}${d}`, extent }));
  const source = all.map(coordinate);
  const free = input.map((_, d) => d).filter((d) => !over.has(d));
  const keptShape = input.map((dim, d) => (over.has(d) ? 1 : dim));
  const kept = source.map((e, d) => (over.has(d) ? int(0) : e));
  return {
    keptShape,
    shape: keepDims ? keptShape : free.map((d) => input[d]!),
    axes: free.map((d) => all[d]!),
    reduced: all.filter((_, d) => over.has(d)),
    source,
    kept,
    index: keepDims ? kept : free.map((d) => source[d]!),
  };
}

function reduction(call: OpCall): ReducedShape {
  const { shape } = call.input(0);
  const axes = call.has(1) ? call.integers(1) : [...(call.ints("axes") ?? [])];
  const none = axes.length === 0 && call.int("noop_with_empty_axes", 0) !== 0;
  const over = axes.length === 0 && !none ? shape.map((_, d) => d) : axes;
  return reducedShape(shape, new Set(over.map((a) => normaliseAxis(call, a, shape.length))), call.int("keepdims", 1) !== 0); // prettier-ignore
}

/** What an operator of the family does with an element x, and with the result over `count` elements. */
interface Form {
  readonly op: Reduction["op"];
  body?(x: Expr): Expr;
  finish?(result: Expr, count: number, dtype: DType): Expr;
}

/** A float function of an integer's value, back in the integer's type. */
function inFloat(x: Expr, dtype: DType, f: (x: Expr) => Expr): Expr {
  return isFloat(dtype) ? f(x) : cast(f(cast(x, "float64")), dtype);
}

const absolute = (x: Expr): Expr => (x.type === "u32" || x.type === "u64" ? x : unary("abs", x));

const forms: Readonly<Record<string, Form>> = {
  ReduceSum: { op: "sum" },
  ReduceMean: { op: "sum", finish: (sum, count) => div(sum, constant(sum.type, count)) },
  ReduceProd: { op: "prod" },
  ReduceMax: { op: "max" },
  ReduceMin: { op: "min" },
  ReduceL1: { op: "sum", body: absolute },
  ReduceL2: {
    op: "sum",
    body: (x) => mul(x, x),
    finish: (sum, _, dtype) => inFloat(sum, dtype, (s) => unary("sqrt", s)),
  },
  ReduceSumSquare: { op: "sum", body: (x) => mul(x, x) },
  ReduceLogSum: { op: "sum", finish: (sum, _, dtype) => inFloat(sum, dtype, (s) => unary("log", s)) },
};

function buildReduce(call: OpCall, form: Form): Kernel {
  const { axes, index, reduced, source } = reduction(call);
  const { dtype } = call.input(0);
  const writer = new KernelWriter(call);
  const count = elementCount(reduced.map((a) => a.extent));
  const extreme = form.op === "max" || form.op === "min";
  if (count === 0 && extreme && isInteger(dtype)) {
    // The identity of the compute type would not fit a narrower element.
    const range = integerRange(dtype)!;
    const least = constant(computeType(dtype), form.op === "max" ? range[0] : range[1]);
    return writer.store(0, axes, index, least).done();
  }
  const loaded = writer.load(0, source);
  const x = dtype === "bool" ? cast(loaded, "int32") : loaded;
  const body = form.body?.(x) ?? x;
  // Over nothing the result is the identity; there is nothing to load, so there is no code to make for it.
  const reducedValue = count === 0 ? constant(body.type, identityOf(form.op, body.type)) : acc(body.type);
  const result = form.finish?.(reducedValue, count, dtype) ?? reducedValue;
  const value = dtype === "bool" ? binary("gt", result, constant("i32", 0)) : result;
  if (count === 0) return writer.store(0, axes, index, value).done();
  return writer.store(0, axes, index, value, { op: form.op, axes: reduced, body }).done();
}

/** log(sum(exp(x))) as max + log(sum(exp(x - max))): never overflows. */
function buildLogSumExp(call: OpCall): Kernel {
  const { axes, index, reduced, source, kept, keptShape } = reduction(call);
  const { dtype } = call.input(0);
  const working: DType =
    dtype === "float32" || dtype === "float16" || dtype === "bfloat16" ? "float32" : "float64";
  const writer = new KernelWriter(call, [{ name: "maximum", dtype: working, shape: keptShape }]);
  const temp = writer.temp("maximum");
  const type = computeType(working);
  if (elementCount(reduced.map((a) => a.extent)) === 0) {
    const nothing = constant(type, -Infinity);
    return writer.store(0, axes, index, isFloat(dtype) ? nothing : cast(nothing, dtype)).done();
  }
  const x = cast(writer.load(0, source), working);
  writer.push(writer.assign(temp, axes, kept, acc(type), { op: "max", axes: reduced, body: x }));
  const stored = writer.loadFrom(temp, kept);
  const finite = lt(unary("abs", stored), constant(type, Infinity));
  const shift = select(finite, stored, constant(type, 0));
  const value = add(unary("log", acc(type)), shift);
  const result = isFloat(dtype) ? value : cast(value, dtype);
  return writer
    .store(0, axes, index, result, { op: "sum", axes: reduced, body: unary("exp", sub(x, shift)) })
    .done();
}

function reduceDefinition(op: string, build: (call: OpCall) => Kernel): OpDefinition {
  return {
    op,
    infer: (call) => [{ dtype: call.input(0).dtype, shape: reduction(call).shape }],
    implementation: { kind: "compute", build },
  };
}

// ---------------------------------------------------------------------------------------------------------------
// ArgMax, ArgMin

function argShape(call: OpCall): ReducedShape {
  const { shape } = call.input(0);
  const axis = normaliseAxis(call, call.int("axis", 0), shape.length);
  return reducedShape(shape, new Set([axis]), call.int("keepdims", 1) !== 0);
}

/** Whether `x` is the extreme value `best` of its row: a NaN is both the largest and the smallest. */
export function isExtreme(x: Expr, best: Expr): Expr {
  const equal = eq(x, best);
  return x.type === "f32" || x.type === "f64" ? or(equal, binary("ne", x, x)) : equal;
}

/** x, or the least there is for a NaN: what a maximum that passes over NaN is taken of (the emitter knows the form). */
export function numberOrLeast(x: Expr): Expr {
  if (x.type !== "f32" && x.type !== "f64") return x;
  const nothing = constant(x.type, -Infinity);
  return select(binary("ge", x, nothing), x, nothing);
}

function buildArg(call: OpCall, op: "max" | "min"): Kernel {
  const { axes, index, reduced, source, kept, keptShape } = argShape(call);
  const [along] = reduced;
  // A scalar is its own extreme, at the only place there is.
  if (!along) return new KernelWriter(call).store(0, axes, index, cast(constant("i32", 0), "int64")).done();
  const last = call.int("select_last_index", 0) !== 0;
  const { dtype } = call.input(0);
  const writer = new KernelWriter(call, [{ name: "extreme", dtype, shape: keptShape }]);
  const temp = writer.temp("extreme");
  const x = writer.load(0, source);
  writer.push(writer.assign(temp, axes, kept, acc(x.type), { op, axes: reduced, body: x }));
  const position = cast(coordinate(along), "int32");
  const body = select(
    isExtreme(x, writer.loadFrom(temp, kept)),
    position,
    constant("i32", last ? -1 : 2 ** 31 - 1),
  );
  // A lone NaN-free row always has its extreme; the bounds keep the result a valid position in any case.
  const found = acc("i32");
  const within = last
    ? max(found, constant("i32", 0))
    : min(found, constant("i32", Math.max(0, along.extent - 1)));
  const value = cast(within, "int64");
  return writer.store(0, axes, index, value, { op: last ? "max" : "min", axes: reduced, body }).done();
}

function argDefinition(op: string, extreme: "max" | "min"): OpDefinition {
  return {
    op,
    infer: (call) => [{ dtype: "int64", shape: argShape(call).shape }],
    implementation: { kind: "compute", build: (call) => buildArg(call, extreme) },
  };
}

export const reduceOps: readonly OpDefinition[] = [
  ...Object.entries(forms).map(([op, form]) => reduceDefinition(op, (call) => buildReduce(call, form))),
  reduceDefinition("ReduceLogSumExp", buildLogSumExp),
  argDefinition("ArgMax", "max"),
  argDefinition("ArgMin", "min"),
];
