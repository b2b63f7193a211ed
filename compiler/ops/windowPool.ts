/**
 * Pools: MaxPool, AveragePool, LpPool, their global forms, and LRN. In: a call with static types. Out: one
 * reduction over window positions (MaxPool with Indices: two). Invariant: a position outside the input is read as
 * the identity of the reduction, and the divisor of an average is an affine count, not a second reduction.
 */
import { acc, add, binary, cast, constant, div, eq, floordiv, int, max, min, mul, or, select, sub, and, unary, type Expr } from "../ir/expr.ts"; // prettier-ignore
import { elementCount, integerRange, isFloat, type DType } from "../ir/dtype.ts";
import { coordinate, rowMajorStrides, type Axis, type Kernel } from "../ir/kernel.ts";
import { axesOver, coordinates, KernelWriter, type OpCall, type OpDefinition } from "./define.ts";
import { numberOrLeast } from "./reduce.ts";
import { inBounds, mayLeave, windowCoordinate, windowGeometry, type WindowDim } from "./windowGeometry.ts";

interface Pool {
  readonly dims: readonly WindowDim[];
  readonly shape: readonly number[];
  readonly axes: readonly Axis[];
  readonly index: readonly Expr[];
  readonly window: readonly Axis[];
  readonly source: readonly Expr[];
}

function pool(call: OpCall): Pool {
  const input = call.input(0).shape;
  if (input.length < 3)
    call.fail("shape-mismatch", `pool over [${input}]: batch, channels and space are needed`);
  const kernel = call.ints("kernel_shape");
  if (!kernel) call.fail("attribute-invalid", "kernel_shape is missing");
  return poolOver(input, windowGeometry(call, input.slice(2), kernel));
}

function poolOver(input: readonly number[], dims: readonly WindowDim[]): Pool {
  const shape = [input[0]!, input[1]!, ...dims.map((d) => d.output)];
  const axes = axesOver(shape, "i");
  const index = coordinates(axes);
  const window = axesOver(
    dims.map((d) => d.kernel),
    "k",
  );
  const at = dims.map((dim, d) => windowCoordinate(dim, index[d + 2]!, coordinate(window[d]!)));
  return { dims, shape, axes, index, window, source: [index[0]!, index[1]!, ...at] };
}

/** The least value of a dtype, for padding a maximum. */
function least(dtype: DType): number {
  return Number(integerRange(dtype)?.[0] ?? -Infinity);
}

function buildMaxPool(call: OpCall): Kernel {
  const { axes, index, window, source } = pool(call);
  const { dtype, shape } = call.input(0);
  const pad = mayLeave(source, shape) ? least(dtype) : undefined;
  const temps = call.wants(0) ? [] : [{ name: "maximum", dtype, shape: call.outputs[0]!.shape }];
  const writer = new KernelWriter(call, temps);
  const values = call.wants(0) ? writer.out(0) : writer.temp("maximum");
  const x = writer.load(0, source, pad);
  // A NaN is the maximum where its place is asked for; else it is passed over, as the reference of ONNX does.
  const body = call.wants(1) ? x : numberOrLeast(x);
  writer.push(writer.assign(values, axes, index, acc(x.type), { op: "max", axes: window, body }));
  if (!call.wants(1)) return writer.done();
  // Indices count over the whole tensor; the first of equal elements is taken, as everywhere in ONNX.
  const strides = rowMajorStrides(shape);
  let flat: Expr = int(0);
  source.forEach((e, d) => (flat = add(flat, mul(e, int(strides[d]!)))));
  const best = writer.loadFrom(values, index);
  let found = eq(x, best);
  if (isFloat(dtype)) found = or(found, binary("ne", x, x)); // a NaN is the maximum
  if (pad !== undefined) found = and(found, inBounds(source, shape));
  const none = constant("i64", 2n ** 63n - 1n);
  const place = select(found, cast(flat, "int64"), none);
  writer.push(
    writer.assign(
      writer.out(1),
      axes,
      index,
      call.int("storage_order", 0) ? columnMajor(acc("i64"), shape) : acc("i64"),
      { op: "min", axes: window, body: place },
    ),
  );
  return writer.done();
}

/** The position in an image whose first dimension is the fastest, from that whose last one is: of the same element. */
function columnMajor(position: Expr, shape: readonly number[]): Expr {
  const whole = (value: number): Expr => constant("i64", BigInt(value));
  let rest = position;
  let result = whole(0);
  let stride = elementCount(shape.slice(2));
  for (const dim of shape.slice(2).reverse()) {
    stride /= dim;
    const above = div(rest, whole(dim));
    result = add(result, mul(sub(rest, mul(above, whole(dim))), whole(stride)));
    rest = above;
  }
  return add(result, mul(rest, whole(elementCount(shape.slice(2)))));
}

const maxPool: OpDefinition = {
  op: "MaxPool",
  infer(call) {
    const { shape } = pool(call);
    return [
      { dtype: call.input(0).dtype, shape },
      { dtype: "int64", shape },
    ];
  },
  implementation: { kind: "compute", build: buildMaxPool },
};

/** How many positions of the window at `o` lie in [low, high) of the input's coordinates. */
function positionsWithin(dim: WindowDim, o: Expr, low: number, high: number): Expr {
  const start = sub(mul(o, int(dim.stride)), int(dim.padBefore));
  const ceilDiv = (e: Expr): Expr => floordiv(add(e, int(dim.dilation - 1)), dim.dilation);
  const first = max(ceilDiv(sub(int(low), start)), int(0));
  const last = min(ceilDiv(sub(int(high), start)), int(dim.kernel));
  return sub(last, first);
}

const averagePool: OpDefinition = {
  op: "AveragePool",
  infer: (call) => [{ dtype: call.input(0).dtype, shape: pool(call).shape }],
  implementation: {
    kind: "compute",
    build(call: OpCall) {
      const { dims, axes, index, window, source } = pool(call);
      const { dtype, shape } = call.input(0);
      const writer = new KernelWriter(call);
      const body = writer.load(0, source, mayLeave(source, shape) ? 0 : undefined);
      const withPadding = call.int("count_include_pad", 0) !== 0;
      // What ceil_mode adds past the padding never counts.
      const counts = dims.map((dim, d) =>
        withPadding
          ? positionsWithin(dim, index[d + 2]!, -dim.padBefore, dim.input + dim.padAfter)
          : positionsWithin(dim, index[d + 2]!, 0, dim.input),
      );
      const type = dtype === "float64" ? "float64" : "float32";
      const constants = counts
        .filter((e) => e.kind === "const")
        .reduce((product, e) => product * Number(e.value), 1);
      let divisor: Expr = constant(body.type, constants);
      for (const e of counts) if (e.kind !== "const") divisor = mul(divisor, cast(e, type));
      return writer
        .store(0, axes, index, div(acc(body.type), divisor), { op: "sum", axes: window, body })
        .done();
    },
  },
};

/** |x|^p, and the p-th root of a sum of such. */
function powerNorm(p: number, x: Expr): { readonly term: Expr; root(sum: Expr): Expr } {
  if (p === 1) return { term: unary("abs", x), root: (sum) => sum };
  if (p === 2) return { term: mul(x, x), root: (sum) => unary("sqrt", sum) };
  return {
    term: binary("pow", unary("abs", x), constant(x.type, p)),
    root: (sum) => binary("pow", sum, constant(x.type, 1 / p)),
  };
}

const lpPool: OpDefinition = {
  op: "LpPool",
  infer: (call) => [{ dtype: call.input(0).dtype, shape: pool(call).shape }],
  implementation: {
    kind: "compute",
    build(call: OpCall) {
      const { axes, index, window, source } = pool(call);
      const writer = new KernelWriter(call);
      const x = writer.load(0, source, mayLeave(source, call.input(0).shape) ? 0 : undefined);
      const norm = powerNorm(call.int("p", 2), x);
      return writer
        .store(0, axes, index, norm.root(acc(x.type)), { op: "sum", axes: window, body: norm.term })
        .done();
    },
  },
};

/** The window that covers all of space. */
function globalPool(call: OpCall): Pool {
  const input = call.input(0).shape;
  if (input.length < 2) call.fail("shape-mismatch", `global pool over [${input}]`);
  const whole = (size: number): WindowDim => {
    return { input: size, kernel: size, stride: 1, dilation: 1, padBefore: 0, padAfter: 0, output: 1 };
  };
  return poolOver(input, input.slice(2).map(whole));
}

function globalDefinition(
  op: string,
  value: (call: OpCall, x: Expr, count: number) => GlobalPoolForm,
): OpDefinition {
  return {
    op,
    infer: (call) => [{ dtype: call.input(0).dtype, shape: globalPool(call).shape }],
    implementation: {
      kind: "compute",
      build(call: OpCall) {
        const { dims, axes, index, window, source } = globalPool(call);
        const writer = new KernelWriter(call);
        const x = writer.load(0, source);
        const form = value(call, x, dims.reduce((n, d) => n * d.kernel, 1)); // prettier-ignore
        return writer
          .store(0, axes, index, form.value, { op: form.reduce, axes: window, body: form.body })
          .done();
      },
    },
  };
}

interface GlobalPoolForm {
  readonly reduce: "sum" | "max";
  readonly body: Expr;
  readonly value: Expr;
}

const globalPools: readonly OpDefinition[] = [
  globalDefinition("GlobalAveragePool", (_, x, count) => ({
    reduce: "sum",
    body: x,
    value: div(acc(x.type), constant(x.type, count)),
  })),
  globalDefinition("GlobalMaxPool", (_, x) => ({
    reduce: "max",
    body: numberOrLeast(x),
    value: acc(x.type),
  })),
  globalDefinition("GlobalLpPool", (call, x) => {
    const norm = powerNorm(call.int("p", 2), x);
    return { reduce: "sum", body: norm.term, value: norm.root(acc(x.type)) };
  }),
];

/** x / (bias + alpha / size * sum of squares over nearby channels) ^ beta. */
const lrn: OpDefinition = {
  op: "LRN",
  infer: (call) => [call.input(0)],
  implementation: {
    kind: "compute",
    build(call: OpCall) {
      const { shape } = call.input(0);
      if (shape.length < 2) call.fail("shape-mismatch", `LRN over [${shape}]: no channels`);
      const size = call.int("size");
      if (size === undefined || size < 1) call.fail("attribute-invalid", "size must be at least 1");
      const writer = new KernelWriter(call);
      const axes = axesOver(shape, "i");
      const index = coordinates(axes);
      const near: Axis = { name: "c", extent: size };
      const channel = add(index[1]!, sub(coordinate(near), int(Math.floor((size - 1) / 2))));
      const neighbour = writer.load(0, [index[0]!, channel, ...index.slice(2)], 0);
      const real = (value: number): Expr => constant(neighbour.type, value);
      const scale = add(
        real(call.float("bias", 1)),
        mul(real(call.float("alpha", 0.0001) / size), acc(neighbour.type)),
      );
      const beta = call.float("beta", 0.75);
      const value = div(writer.load(0, index), binary("pow", scale, real(beta)));
      return writer
        .store(0, axes, index, value, { op: "sum", axes: [near], body: mul(neighbour, neighbour) })
        .done();
    },
  },
};

export const windowPoolOps: readonly OpDefinition[] = [maxPool, averagePool, lpPool, ...globalPools, lrn];
