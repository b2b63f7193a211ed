/**
 * Random steps that move elements: transpose, reshape, slice, concat, pad, gather, scatter and their kin. In: a
 * builder. Out: steps whose result shapes are computed here, independently of the compiler. Invariant: indices,
 * axes and pads are in range; numbers stay what they are, so exactness passes through.
 */
import { elementCount } from "../../runtime/dtype.ts";
import type { Addition } from "./graphsElementwise.ts";
import { either, type PlanBuilder, Refused, same, type Value } from "./planBuilder.ts";

const ranked = (b: PlanBuilder, least = 1): Value =>
  b.take(({ shape, dtype }) => shape.length >= least && dtype !== "float16");

/** An axis, now and then counted from the end. */
function axisOf(b: PlanBuilder, rank: number): { at: number; written: number } {
  const at = b.random.below(rank);
  return { at, written: b.random.chance(0.3) ? at - rank : at };
}

function withDim(shape: readonly number[], at: number, dim: number): number[] {
  return shape.map((d, i) => (i === at ? dim : d));
}

/** Transpose with its shape: the default order is the reverse. */
const transposed: Addition = (b) => {
  const x = ranked(b, 2);
  const reverse = b.random.chance(0.2);
  const order = reverse
    ? x.shape.map((_, i) => x.shape.length - 1 - i)
    : b.random.shuffled(x.shape.map((_, i) => i));
  b.node("Transpose", [x], reverse ? {} : { perm: order }, x.dtype, order.map((d) => x.shape[d]!), same(x)); // prettier-ignore
};

/** The same number of elements in another shape: prime factors dealt out anew. */
function reshaped(b: PlanBuilder, shape: readonly number[]): number[] {
  const count = elementCount(shape);
  if (count === 0) return b.random.shuffled(shape);
  const result = new Array<number>(b.random.between(1, 4)).fill(1);
  let rest = count;
  for (let p = 2; rest > 1; p++) {
    while (rest % p === 0) {
      result[b.random.below(result.length)]! *= p;
      rest /= p;
    }
  }
  return result;
}

const reshape: Addition = (b) => {
  const x = ranked(b);
  const to = reshaped(b, x.shape);
  const written: number[] = [...to];
  if (elementCount(to) > 0 && b.random.chance(0.4)) written[b.random.below(to.length)] = -1;
  const allowZero = to.includes(0);
  b.node("Reshape", [x, b.integers(written)], allowZero ? { allowzero: 1 } : {}, x.dtype, to, same(x));
};

const flatten: Addition = (b) => {
  const x = ranked(b);
  const axis = b.random.between(0, x.shape.length);
  const shape = [elementCount(x.shape.slice(0, axis)), elementCount(x.shape.slice(axis))];
  b.node("Flatten", [x], { axis }, x.dtype, shape, same(x));
};

const unsqueeze: Addition = (b) => {
  const x = b.take(({ dtype, shape }) => dtype !== "float16" && shape.length <= 4);
  const at = b.random.between(0, x.shape.length);
  b.node("Unsqueeze", [x, b.integers([at])], {}, x.dtype, x.shape.toSpliced(at, 0, 1), same(x));
};

const squeeze: Addition = (b) => {
  const x = b.take(({ dtype, shape }) => dtype !== "float16" && shape.includes(1));
  const ones = x.shape.flatMap((dim, d) => (dim === 1 ? [d] : []));
  const chosen = [b.random.pick(ones)];
  b.node("Squeeze", [x, b.integers(chosen)], {}, x.dtype, x.shape.filter((_, d) => !chosen.includes(d)), same(x)); // prettier-ignore
};

const concat: Addition = (b) => {
  const x = ranked(b);
  const { at, written } = axisOf(b, x.shape.length);
  const parts = [x];
  const count = b.random.between(1, 3);
  for (let i = 0; i < count; i++) {
    const alike = b.values.filter(
      (y) =>
        y.dtype === x.dtype &&
        y.shape.length === x.shape.length &&
        y.shape.every((dim, d) => d === at || dim === x.shape[d]),
    );
    parts.push(
      b.random.chance(0.6)
        ? b.random.pick(alike)
        : b.weight(x.dtype, withDim(x.shape, at, b.random.pick([1, 2, 3, 5]))),
    );
  }
  const ordered = b.random.shuffled(parts);
  const size = ordered.reduce((sum, y) => sum + y.shape[at]!, 0);
  b.node("Concat", ordered, { axis: written }, x.dtype, withDim(x.shape, at, size), either(ordered));
};

const split: Addition = (b) => {
  const x = ranked(b);
  const { at, written } = axisOf(b, x.shape.length);
  const size = x.shape[at]!;
  if (size < 2) throw new Refused();
  const first = b.random.between(b.empty ? 0 : 1, size - 1);
  const sizes =
    size - first >= 2 && b.random.chance(0.4) ? [first, 1, size - first - 1] : [first, size - first];
  const outputs = sizes.map((dim) => ({ dtype: x.dtype, shape: withDim(x.shape, at, dim), range: same(x) }));
  if (size % 2 === 0 && b.random.chance(0.4)) {
    const halves = [size / 2, size / 2].map((dim) => ({
      dtype: x.dtype,
      shape: withDim(x.shape, at, dim),
      range: same(x),
    }));
    return void b.nodes("Split", [x], { axis: written, num_outputs: 2 }, halves);
  }
  b.nodes("Split", [x, b.integers(sizes)], { axis: written }, outputs);
};

const slice: Addition = (b) => {
  const x = ranked(b);
  const axes = b.random
    .shuffled(x.shape.map((_, d) => d))
    .slice(0, b.random.between(1, Math.min(2, x.shape.length)));
  const shape = [...x.shape];
  const [starts, ends, steps]: number[][] = [[], [], []];
  for (const d of axes) {
    const dim = x.shape[d]!;
    const step = b.random.pick([1, 1, 1, 2, 3, -1, -2]);
    const from = b.random.between(0, Math.max(0, dim - 1));
    const to = b.random.between(0, dim);
    const [low, high] = [Math.min(from, to), Math.max(from, to)];
    if (step > 0) {
      starts!.push(b.random.chance(0.3) && dim > 0 ? low - dim : low);
      ends!.push(high === dim && b.random.chance(0.5) ? 2 ** 31 - 1 : high);
      shape[d] = Math.max(0, Math.ceil((high - low) / step));
    } else {
      const top = Math.min(high, dim - 1);
      starts!.push(top);
      ends!.push(b.random.chance(0.4) ? -(2 ** 31) : low - dim - 1);
      const bottom = ends!.at(-1) === -(2 ** 31) ? -1 : low - 1;
      shape[d] = Math.max(0, Math.ceil((top - bottom) / -step));
    }
    steps!.push(step);
  }
  b.node(
    "Slice",
    [x, b.integers(starts!), b.integers(ends!), b.integers(axes), b.integers(steps!)],
    {},
    x.dtype,
    shape,
    same(x),
  );
};

const pad: Addition = (b) => {
  const x = b.float(({ shape }) => shape.length >= 1);
  const mode = b.random.pick(["constant", "constant", "reflect", "edge", "wrap"]);
  const before = x.shape.map((dim) => padSize(b, mode, dim));
  const after = x.shape.map((dim) => padSize(b, mode, dim));
  const shape = x.shape.map((dim, d) => dim + before[d]! + after[d]!);
  const fill = b.random.chance(0.4) && mode === "constant" ? [b.literal("float32", [], [0.5])] : [];
  b.node("Pad", [x, b.integers([...before, ...after]), ...fill], { mode }, "float32", shape, {
    ...same(x),
    bound: Math.max(x.bound, 0.5),
    step: Math.min(x.step, 0.5),
  });
};

function padSize(b: PlanBuilder, mode: string, dim: number): number {
  if (b.random.chance(0.5)) return 0;
  if (mode === "constant") return dim > 2 && b.random.chance(0.2) ? -1 : b.random.between(0, 3);
  return dim < 1 ? 0 : b.random.between(0, Math.min(2, dim - 1));
}

const expand: Addition = (b) => {
  const x = b.take(({ dtype, shape }) => dtype !== "float16" && shape.length <= 4);
  const shape = x.shape.map((dim) => (dim === 1 ? b.random.pick([1, 2, 3, 5]) : dim));
  const more = b.random.chance(0.3) ? [b.random.pick([1, 2, 3])] : [];
  const to = [...more, ...shape];
  const written = to.map((dim) => (dim !== 1 && b.random.chance(0.2) && shape === to ? 1 : dim));
  if (to.length === 0) throw new Refused();
  b.node("Expand", [x, b.integers(written)], {}, x.dtype, to, same(x));
};

const tile: Addition = (b) => {
  const x = ranked(b);
  const repeats = x.shape.map(() => b.random.pick([1, 1, 2, 3]));
  b.node("Tile", [x, b.integers(repeats)], {}, x.dtype, x.shape.map((dim, d) => dim * repeats[d]!), same(x)); // prettier-ignore
};

const gather: Addition = (b) => {
  const x = ranked(b);
  const { at, written } = axisOf(b, x.shape.length);
  const dim = x.shape[at]!;
  if (dim === 0) throw new Refused();
  const shape = b.random.pick([[], [1], [3], [2, 2], [5]]);
  const indices = Array.from({ length: elementCount(shape) }, () => b.random.between(-dim, dim - 1));
  const dtype = b.random.pick(["int64", "int32"] as const);
  const result = x.shape.toSpliced(at, 1, ...shape);
  b.node("Gather", [x, b.literal(dtype, shape, indices)], { axis: written }, x.dtype, result, same(x));
};

const gatherElements: Addition = (b) => {
  const x = ranked(b);
  const { at, written } = axisOf(b, x.shape.length);
  const dim = x.shape[at]!;
  if (dim === 0) throw new Refused();
  const shape = withDim(x.shape, at, b.random.between(1, 4));
  if (elementCount(shape) > 512) throw new Refused();
  const indices = Array.from({ length: elementCount(shape) }, () => b.random.between(-dim, dim - 1));
  b.node(
    "GatherElements",
    [x, b.literal("int64", shape, indices)],
    { axis: written },
    x.dtype,
    shape,
    same(x),
  );
};

const scatterElements: Addition = (b) => {
  const x = b.float(({ shape }) => shape.length >= 1 && elementCount(shape) > 0);
  const { at, written } = axisOf(b, x.shape.length);
  const dim = x.shape[at]!;
  // One index along the axis for each of its slices, all different, so that the order of stores does not matter.
  const count = b.random.between(1, Math.min(3, dim));
  const shape = withDim(x.shape, at, count);
  if (elementCount(shape) > 512) throw new Refused();
  const chosen = b.random.shuffled(Array.from({ length: dim }, (_, i) => i)).slice(0, count);
  const inner = elementCount(shape.slice(at + 1));
  const indices = Array.from(
    { length: elementCount(shape) },
    (_, i) => chosen[Math.floor(i / inner) % count]!,
  );
  const updates = b.weight("float32", shape);
  const add = b.random.chance(0.3);
  const range = either([x, updates]);
  b.node(
    "ScatterElements",
    [x, b.literal("int64", shape, indices), updates],
    { axis: written, ...(add ? { reduction: "add" } : {}) },
    "float32",
    x.shape,
    {
      ...range,
      bound: x.bound + updates.bound,
    },
  );
};

const depth: Addition = (b) => {
  const x = b.float(({ shape }) => shape.length === 4);
  const [n, c, h, w] = x.shape as [number, number, number, number];
  if (b.random.chance(0.5)) {
    if (c % 4 !== 0) throw new Refused();
    const mode = b.random.pick(["DCR", "CRD"]);
    return void b.node(
      "DepthToSpace",
      [x],
      { blocksize: 2, mode },
      "float32",
      [n, c / 4, h * 2, w * 2],
      same(x),
    );
  }
  if (h % 2 !== 0 || w % 2 !== 0) throw new Refused();
  b.node("SpaceToDepth", [x], { blocksize: 2 }, "float32", [n, c * 4, h / 2, w / 2], same(x));
};

const resize: Addition = (b) => {
  const x = b.float(({ shape }) => shape.length === 4 && elementCount(shape) > 0);
  const factor = b.random.pick([2, 3]);
  const shape = x.shape.map((dim, d) => (d < 2 ? dim : dim * factor));
  const scales = b.literal("float32", [4], [1, 1, factor, factor]);
  if (b.random.chance(0.6)) {
    const attributes = {
      mode: "nearest",
      coordinate_transformation_mode: "asymmetric",
      nearest_mode: "floor",
    };
    return void b.node("Resize", [x, "", scales], attributes, "float32", shape, same(x));
  }
  b.node(
    "Resize",
    [x, "", scales],
    {
      mode: "linear",
      coordinate_transformation_mode: b.random.pick(["half_pixel", "asymmetric", "align_corners"]),
    },
    "float32",
    shape,
    {
      bound: x.bound,
      error: x.error,
    },
  );
};

const triangle: Addition = (b) => {
  const x = b.float(({ shape }) => shape.length >= 2);
  const k = b.literal("int64", [], [b.random.between(-2, 2)]);
  b.node("Trilu", [x, k], { upper: b.random.below(2) }, "float32", x.shape, same(x));
};

export const movements: readonly Addition[] = [
  transposed, transposed, reshape, reshape, flatten, unsqueeze, squeeze, concat, concat, split, slice, slice, pad,
  expand, tile, gather, gatherElements, scatterElements, depth, resize, triangle,
]; // prettier-ignore
