/**
 * Random kernels of the forms that models are made of: convolutions, contractions, rows with several passes,
 * recurrences and movements, over layouts with borders, gaps and other orders of dimensions. In: fast-check's
 * randomness. Out: kernels whose values stay small integers when their inputs do, so that sums are exact in any
 * order and with any rounding, and every schedule and variant must give the very same numbers.
 */
import fc from "fast-check";
import * as x from "../compiler/ir/expr.ts";
import { rowMajorStrides, coordinate, layoutOf, type Assign, type Axis, type Buffer, type Kernel, type Layout } from "../compiler/ir/kernel.ts"; // prettier-ignore
import type { DType, NumericData } from "../compiler/ir/dtype.ts";
import { allocateBuffer } from "../compiler/ir/interpExpr.ts";
import { storeFunction } from "../compiler/ir/numeric.ts";
import type { Expr } from "../compiler/ir/expr.ts";

const extent = fc.integer({ min: 1, max: 9 });
const { f32, int } = x;

/** Dense, in another order of dimensions, with gaps between rows, or with a border of zeros of up to `border`. */
function layoutOver(
  shape: readonly number[],
  border: readonly number[],
): fc.Arbitrary<Pick<Buffer, "layout">> {
  const permuted = fc.shuffledSubarray(shape.map((_, d) => d), { minLength: shape.length, maxLength: shape.length }); // prettier-ignore
  const form = fc.constantFrom("dense", "permuted", "gaps", "halo");
  return fc.tuple(form, permuted, fc.integer({ min: 1, max: 3 })).map(([kind, order, gap]) => {
    if (kind === "dense") return {};
    const halo = kind === "halo";
    const widths = shape.map((dim, d) => dim + (halo ? 2 * border[d]! : 0) + (kind === "gaps" ? gap : 0));
    const strides = new Array<number>(shape.length);
    const dense = rowMajorStrides(order.map((d) => widths[d]!));
    order.forEach((d, position) => (strides[d] = dense[position]!));
    const offset = (halo ? shape.reduce((sum, _, d) => sum + border[d]! * strides[d]!, 0) : 0) + (kind === "gaps" ? gap : 0); // prettier-ignore
    const layout: Layout = {
      strides,
      offset,
      ...(halo ? { halo: { before: border, after: border, value: 0 } } : {}),
    };
    return { layout };
  });
}

function buffer(
  name: string,
  role: Buffer["role"],
  shape: readonly number[],
  dtype: DType = "float32",
  border?: readonly number[],
): fc.Arbitrary<Buffer> {
  return layoutOver(shape, border ?? shape.map(() => 1)).map((layout) => ({
    name,
    role,
    dtype,
    shape,
    ...layout,
  }));
}

const activation = fc.constantFrom<(value: Expr) => Expr>(
  (value) => value,
  (value) => x.max(value, f32(0)),
  (value) => x.min(x.max(value, f32(-3)), f32(6)),
  (value) => x.select(x.lt(value, f32(1)), x.mul(value, f32(2)), value),
);

/** A convolution with padding, stride, dilation, bias and activation; one channel of weights per output channel, or all. */
export const randomConvolution: fc.Arbitrary<Kernel> = fc
  .record({
    co: extent,
    ci: extent,
    h: extent,
    w: extent,
    kh: fc.integer({ min: 1, max: 3 }),
    kw: fc.integer({ min: 1, max: 3 }),
    stride: fc.integer({ min: 1, max: 2 }),
    dilation: fc.integer({ min: 1, max: 2 }),
    pad: fc.integer({ min: 0, max: 2 }),
    depthwise: fc.boolean(),
    act: activation,
  }) // prettier-ignore
  .filter((p) => p.h + 2 * p.pad > (p.kh - 1) * p.dilation && p.w + 2 * p.pad > (p.kw - 1) * p.dilation)
  .chain((p) => {
    const out = (size: number, kernel: number): number => Math.floor((size + 2 * p.pad - (kernel - 1) * p.dilation - 1) / p.stride) + 1; // prettier-ignore
    const channels = p.depthwise ? p.co : p.ci;
    const [oh, ow] = [out(p.h, p.kh), out(p.w, p.kw)];
    const axes = {
      c: { name: "c", extent: p.co },
      y: { name: "y", extent: oh },
      x: { name: "x", extent: ow },
    };
    const k: Axis = { name: "k", extent: p.depthwise ? 1 : p.ci };
    const [ky, kx]: [Axis, Axis] = [
      { name: "ky", extent: p.kh },
      { name: "kx", extent: p.kw },
    ];
    const channel = p.depthwise ? coordinate(axes.c) : coordinate(k);
    const at = (o: Axis, r: Axis): Expr => x.sub(x.add(x.mul(coordinate(o), int(p.stride)), x.mul(coordinate(r), int(p.dilation))), int(p.pad)); // prettier-ignore
    const input = x.load(0, "float32", [channel, at(axes.y, ky), at(axes.x, kx)], 0);
    const weight = x.load(1, "float32", [coordinate(axes.c), coordinate(k), coordinate(ky), coordinate(kx)]);
    const bias = x.load(2, "float32", [coordinate(axes.c)]);
    const body: Assign = {
      kind: "assign",
      axes: [axes.c, axes.y, axes.x],
      reduce: { op: "sum", axes: [k, ky, kx], body: x.mul(input, weight) },
      value: p.act(x.add(x.acc("f32"), bias)),
      out: 3,
      index: [axes.c, axes.y, axes.x].map(coordinate),
    };
    return fc
      .tuple(
        buffer("input", "in", [channels, p.h, p.w], "float32", [0, 2, 2]),
        buffer("weight", "in", [p.co, k.extent, p.kh, p.kw]),
        buffer("bias", "in", [p.co]),
        buffer("output", "out", [p.co, oh, ow]),
      )
      .map((buffers): Kernel => ({ name: "convolution", buffers, body: [body] }));
  });

/** A product of matrices, of one of several element types, or a maximum over products. */
export const randomContraction: fc.Arbitrary<Kernel> = fc
  .record({
    m: extent,
    n: fc.integer({ min: 1, max: 19 }),
    k: fc.integer({ min: 0, max: 13 }),
    dtype: fc.constantFrom<DType>("float32", "int32", "int8", "uint8", "int64", "float64"),
    op: fc.constantFrom("sum" as const, "sum" as const, "max" as const, "min" as const),
  }) // prettier-ignore
  .chain(({ m, n, k, dtype, op }) => {
    const axes: Axis[] = [{ name: "m", extent: m }, { name: "n", extent: n }]; // prettier-ignore
    const depth: Axis = { name: "k", extent: k };
    const [i, j, r] = [...axes, depth].map(coordinate) as [Expr, Expr, Expr];
    const wide: DType = dtype === "int8" || dtype === "uint8" ? "int32" : dtype;
    const body: Assign = {
      kind: "assign",
      axes,
      reduce: { op, axes: [depth], body: x.mul(x.load(0, dtype, [i, r]), x.load(1, dtype, [r, j])) },
      value: x.acc(x.load(2, wide, [i, j]).type),
      out: 2,
      index: [i, j],
    };
    return fc
      .tuple(
        buffer("a", "in", [m, k], dtype),
        buffer("b", "in", [k, n], dtype),
        buffer("c", "out", [m, n], wide),
      )
      .map((buffers): Kernel => ({ name: "contraction", buffers, body: [body] }));
  });

/** Extents of contractions that are worth tiles of a workgroup: some with rests, the columns in vectors of four. */
const many = fc.integer({ min: 16, max: 36 });
const quads = fc.integer({ min: 1, max: 9 }).map((n) => 4 * n);

/** Products of matrices, one for each of some heads, of which the right one may lie transposed. */
export const randomProduct: fc.Arbitrary<Kernel> = fc
  .record({
    heads: fc.integer({ min: 1, max: 2 }),
    m: fc.oneof(many, many, many, fc.integer({ min: 1, max: 9 })),
    n: fc.oneof(
      quads,
      quads.map((n) => n + 16),
    ),
    k: fc.oneof(
      quads,
      quads.map((n) => n + 28),
      many,
    ),
    act: activation,
    turned: fc.boolean(),
  }) // prettier-ignore
  .chain(({ heads, m, n, k, act, turned }) => {
    const axes: Axis[] = [{ name: "h", extent: heads }, { name: "m", extent: m }, { name: "n", extent: n }]; // prettier-ignore
    const depth: Axis = { name: "k", extent: k };
    const [h, i, j, r] = [...axes, depth].map(coordinate) as [Expr, Expr, Expr, Expr];
    const right = x.load(1, "float32", turned ? [h, j, r] : [h, r, j]);
    const body: Assign = {
      kind: "assign",
      axes,
      reduce: { op: "sum", axes: [depth], body: x.mul(x.load(0, "float32", [h, i, r]), right) },
      value: act(x.add(x.acc("f32"), x.load(2, "float32", [j]))),
      out: 3,
      index: [h, i, j],
    };
    const dense = (name: string, role: Buffer["role"], shape: readonly number[]): Buffer => ({ name, role, dtype: "float32", shape }); // prettier-ignore
    return buffer("a", "in", [heads, m, k]).map((a): Kernel => ({
      name: "product",
      buffers: [
        a,
        dense("b", "in", turned ? [heads, n, k] : [heads, k, n]),
        dense("bias", "in", [n]),
        dense("c", "out", [heads, m, n]),
      ],
      body: [body],
    }));
  });

/** Few results of long sums, products or not, also of a whole array; or a maximum, or a product of integers. */
export const randomLongReduction: fc.Arbitrary<Kernel> = fc
  .record({
    m: fc.integer({ min: 1, max: 5 }),
    n: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 7 }), quads),
    k: fc.oneof(
      fc.integer({ min: 40, max: 700 }),
      fc.integer({ min: 10, max: 70 }).map((n) => 8 * n),
    ),
    op: fc.constantFrom("sum" as const, "sum" as const, "max" as const, "min" as const),
    dtype: fc.constantFrom<DType>("float32", "float32", "int32"),
    product: fc.boolean(),
  }) // prettier-ignore
  .map(({ m, n, k, op, dtype, product }): Kernel => {
    const axes: Axis[] = [{ name: "m", extent: m }, { name: "n", extent: n }]; // prettier-ignore
    const depth: Axis = { name: "k", extent: k };
    const [i, j, r] = [...axes, depth].map(coordinate) as [Expr, Expr, Expr];
    const [a, b] = [x.load(0, dtype, [i, r]), x.load(1, dtype, [r, j])];
    const body: Assign = {
      kind: "assign",
      axes,
      reduce: { op, axes: [depth], body: product ? x.mul(a, b) : x.add(a, b) },
      value: x.add(x.acc(a.type), x.constant(a.type, 1)),
      out: 2,
      index: [i, j],
    };
    const dense = (name: string, role: Buffer["role"], shape: readonly number[]): Buffer => ({ name, role, dtype, shape }); // prettier-ignore
    const buffers = [dense("a", "in", [m, k]), dense("b", "in", [k, n]), dense("c", "out", [m, n])];
    return { name: "reduction", buffers, body: [body] };
  });

/** Convolutions of many channels, which lie side by side for each pixel, with a border around the image. */
export const randomPixels: fc.Arbitrary<Kernel> = fc
  .record({
    co: quads.map((n) => n + 8),
    ci: fc.integer({ min: 2, max: 10 }).map((n) => 4 * n),
    h: fc.integer({ min: 3, max: 8 }),
    w: fc.integer({ min: 3, max: 9 }),
    window: fc.constantFrom(1, 3),
    stride: fc.integer({ min: 1, max: 2 }),
    act: activation,
  }) // prettier-ignore
  .map(({ co, ci, h, w, window, stride, act }): Kernel => {
    const pad = (window - 1) / 2;
    const [oh, ow] = [h, w].map((size) => Math.floor((size + 2 * pad - window) / stride) + 1) as [
      number,
      number,
    ];
    const axes: Axis[] = [{ name: "y", extent: oh }, { name: "x", extent: ow }, { name: "c", extent: co }]; // prettier-ignore
    const reduced: Axis[] = [{ name: "ky", extent: window }, { name: "kx", extent: window }, { name: "k", extent: ci }]; // prettier-ignore
    const [y, at, c, ky, kx, k] = [...axes, ...reduced].map(coordinate) as [
      Expr,
      Expr,
      Expr,
      Expr,
      Expr,
      Expr,
    ];
    const source = (o: Expr, r: Expr): Expr => x.sub(x.add(x.mul(o, int(stride)), r), int(pad));
    const input = x.load(0, "float32", [source(y, ky), source(at, kx), k]);
    const body: Assign = {
      kind: "assign",
      axes,
      reduce: { op: "sum", axes: reduced, body: x.mul(input, x.load(1, "float32", [ky, kx, k, c])) },
      value: act(x.add(x.acc("f32"), x.load(2, "float32", [y, at, c]))),
      out: 3,
      index: [y, at, c],
    };
    const line = (w + 2 * pad) * ci;
    const layout: Layout = {
      strides: [line, ci, 1],
      offset: pad * (line + ci),
      halo: { before: [pad, pad, 0], after: [pad, pad, 0], value: 0 },
    };
    return {
      name: "pixels",
      buffers: [
        { name: "x", role: "in", dtype: "float32", shape: [h, w, ci], layout },
        { name: "w", role: "in", dtype: "float32", shape: [window, window, ci, co] },
        { name: "added", role: "in", dtype: "float32", shape: [oh, ow, co] },
        { name: "y", role: "out", dtype: "float32", shape: [oh, ow, co] },
      ],
      body: [body],
    };
  });

/** Rows in three passes over temps: largest, sum of distances from it, difference. */
export const randomRows: fc.Arbitrary<Kernel> = fc.tuple(extent, fc.integer({ min: 1, max: 21 })).chain(([rows, width]) => {
  const row: Axis = { name: "row", extent: rows };
  const over = (name: string): Axis => ({ name, extent: width });
  const at = (axis: Axis): Expr => x.load(0, "float32", [coordinate(row), coordinate(axis)]);
  const [first, second, third] = [over("j1"), over("j2"), over("j3")];
  const largest = x.load(2, "float32", []);
  const assign = (axes: readonly Axis[], value: Expr, out: number, index: readonly Expr[], reduce?: Assign["reduce"]): Assign => ({ kind: "assign", axes, value, out, index, ...(reduce ? { reduce } : {}) }); // prettier-ignore
  const body: Assign[] = [
    assign([], x.acc("f32"), 2, [], { op: "max", axes: [first], body: at(first) }),
    assign([], x.acc("f32"), 3, [], { op: "sum", axes: [second], body: x.sub(largest, at(second)) }),
    assign([third], x.add(x.sub(at(third), largest), x.load(3, "float32", [])), 1, [coordinate(row), coordinate(third)]),
  ];
  const temp = (name: string): Buffer => ({ name, role: "temp", dtype: "float32", shape: [] });
  return fc.tuple(buffer("x", "in", [rows, width]), buffer("y", "out", [rows, width])).map(([input, output]): Kernel => ({
    name: "rows",
    buffers: [input, output, temp("largest"), temp("sum")],
    body: [{ kind: "loop", axis: row, carried: false, body }],
  }));
}); // prettier-ignore

/** A state carried through time: s = min(max(W s + x_t, -4), 4). */
export const randomRecurrence: fc.Arbitrary<Kernel> = fc.tuple(extent, fc.integer({ min: 1, max: 11 })).chain(([steps, width]) => {
  const t: Axis = { name: "t", extent: steps };
  const [i, j, copied]: Axis[] = [{ name: "i", extent: width }, { name: "j", extent: width }, { name: "copied", extent: width }]; // prettier-ignore
  const [ci, cj, cc] = [i!, j!, copied!].map(coordinate) as [Expr, Expr, Expr];
  const next: Assign = {
    kind: "assign",
    axes: [i!],
    reduce: { op: "sum", axes: [j!], body: x.mul(x.load(1, "float32", [ci, cj]), x.load(3, "float32", [cj])) },
    value: x.min(x.max(x.add(x.acc("f32"), x.load(0, "float32", [coordinate(t), ci])), f32(-4)), f32(4)),
    out: 2,
    index: [coordinate(t), ci],
  };
  const keep: Assign = { kind: "assign", axes: [copied!], value: x.load(2, "float32", [coordinate(t), cc]), out: 3, index: [cc] }; // prettier-ignore
  const clear: Assign = { kind: "assign", axes: [{ name: "zero", extent: width }], value: f32(0), out: 3, index: [x.axis("zero", width)] }; // prettier-ignore
  return fc.tuple(buffer("x", "in", [steps, width]), buffer("w", "in", [width, width]), buffer("y", "out", [steps, width])).map((buffers): Kernel => ({
    name: "recurrence",
    buffers: [...buffers, { name: "state", role: "temp", dtype: "float32", shape: [width] }],
    body: [clear, { kind: "loop", axis: t, carried: true, body: [next, keep] }],
  }));
}); // prettier-ignore

/** Reversals, transposes, broadcasts, steps and gathers, with conversion between element types. */
export const randomMovement: fc.Arbitrary<Kernel> = fc
  .record({
    h: extent,
    w: fc.integer({ min: 1, max: 23 }),
    reverse: fc.tuple(fc.boolean(), fc.boolean()),
    transpose: fc.boolean(),
    fold: fc.integer({ min: 1, max: 4 }),
    from: fc.constantFrom<DType>("float32", "int8", "uint8", "int16", "float16", "int64", "bool"),
    to: fc.constantFrom<DType>("float32", "int8", "uint16", "float16", "int64", "float64"),
  }) // prettier-ignore
  .chain(({ h, w, reverse, transpose, fold, from, to }) => {
    const axes: Axis[] = [{ name: "i", extent: h }, { name: "j", extent: w }]; // prettier-ignore
    const [i, j] = axes.map(coordinate) as [Expr, Expr];
    const flip = (e: Expr, size: number, wanted: boolean): Expr => (wanted ? x.sub(int(size - 1), e) : e);
    const source = [flip(i, h, reverse[0]), flip(j, w, reverse[1])];
    const gather = x.min(x.max(x.cast(x.load(1, "int64", [j]), "index"), int(0)), int(h - 1));
    const moved = x.load(0, from, transpose ? [source[1]!, source[0]!] : source);
    const folded = x.load(2, "float32", [x.floordiv(j, fold), gather]);
    const shape = transpose ? [w, h] : [h, w];
    const sum = x.add(x.cast(moved, "float32"), folded);
    const body: Assign = { kind: "assign", axes, value: x.cast(sum, to), out: 3, index: [i, j] };
    return fc
      .tuple(
        buffer("x", "in", shape, from),
        buffer("at", "in", [w], "int64"),
        buffer("f", "in", [Math.ceil(w / fold), h]),
        buffer("y", "out", [h, w], to),
      ) // prettier-ignore
      .map((buffers): Kernel => ({ name: "movement", buffers, body: [body] }));
  });

/** Small integers, whose sums and products have no rounding; zeros in the border. */
export function integers(buffer: Buffer, seed: number): NumericData {
  const data = allocateBuffer(buffer);
  if (buffer.role !== "in") return data;
  const store = storeFunction(buffer.dtype);
  const { strides, offset } = layoutOf(buffer);
  const low = buffer.dtype.startsWith("uint") || buffer.dtype === "bool" ? 0 : -2;
  const high = buffer.dtype === "bool" ? 1 : 3;
  const fill = (d: number, at: number, n: number): void => {
    if (d < buffer.shape.length) {
      for (let i = 0; i < buffer.shape[d]!; i++) fill(d + 1, at + i * strides[d]!, n * 31 + i * 7);
      return;
    }
    const value = low + ((n + seed) % (high - low + 1));
    data[at] = data instanceof BigInt64Array || data instanceof BigUint64Array ? BigInt(value) : store(value);
  };
  fill(0, offset, 1);
  return data;
}
