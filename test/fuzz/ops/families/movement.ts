/**
 * Samples of operators that move elements or make them from shapes. In: a sampler. Out: one operator each, with axes,
 * shapes and indices in range, written as constants or (now and then) fed. Invariant: as in `elementwise.ts`.
 */
import {
  ONNX_DATA_TYPE,
  type OnnxDataType,
  type OnnxTensorSpec,
  tensor,
} from "../../../../compiler/frontend/onnx/write.ts";
import { elementCount, type DType } from "../../../../runtime/dtype.ts";
import { ANY, FLOATS, INTEGERS, NUMBERS, SIGNED, type Ref, type Sampler } from "../sampler.ts";
import type { SampleTable } from "./elementwise.ts";

/** Axes as an input from version `since`, as an attribute before. */
function axesForm(
  s: Sampler,
  since: number,
  axes: readonly number[] | undefined,
): { input: (Ref | undefined)[]; attributes: Record<string, readonly number[] | undefined> } {
  return s.opset >= since
    ? { input: [axes && s.ints(axes)], attributes: {} }
    : { input: [], attributes: { axes: axes as readonly number[] | undefined } };
}

/** One-element attribute tensor. */
function valueTensor(dtype: DType, value: number): OnnxTensorSpec {
  return tensor(dtype as OnnxDataType, [1], [value]);
}

function dealt(s: Sampler, count: number): number[] {
  const result = new Array<number>(s.random.between(1, 5)).fill(1);
  let rest = count;
  for (let p = 2; rest > 1; p++) {
    while (rest % p === 0) {
      result[s.random.below(result.length)]! *= p;
      rest /= p;
    }
  }
  return result;
}

const modes = (s: Sampler): string => s.pick(["constant", "reflect", "edge", "wrap"]);

export const movementSamples: SampleTable = {
  Transpose: (s) => {
    const x = s.any(ANY, { ranks: [0, 5] });
    const perm = s.random.shuffled(x.shape.map((_, i) => i));
    s.node("Transpose", [x], x.shape.length > 0 && s.chance(0.8) ? { perm } : {});
  },
  Reshape: (s) => {
    const x = s.any(ANY);
    const count = elementCount(x.shape);
    s.decline(s.opset < 5);
    if (count === 0) {
      const order = s.random.shuffled(x.shape);
      s.decline(s.opset < 14);
      s.node("Reshape", [x, s.ints(order)], { allowzero: 1 });
      return;
    }
    const to = dealt(s, count);
    const written = [...to];
    if (s.chance(0.4)) written[s.random.below(to.length)] = -1;
    to.forEach((dim, i) => {
      if (dim === x.shape[i] && written[i] !== -1 && s.chance(0.2)) written[i] = 0;
    });
    s.node("Reshape", [x, s.ints(written)]);
  },
  Flatten: (s) => {
    const x = s.any(ANY, { ranks: [1, 4] });
    const axis = s.random.between(0, x.shape.length);
    s.node("Flatten", [x], { axis: s.opset >= 11 && axis < x.shape.length && s.chance(0.3) ? axis - x.shape.length : s.chance(0.2) ? undefined : axis }); // prettier-ignore
  },
  Squeeze: (s) => {
    const x = s.any(ANY, { shape: s.shape(1, 4).flatMap((d) => (s.chance(0.4) ? [1, d] : [d])).slice(0, 5) });
    const ones = x.shape.flatMap((dim, i) => (dim === 1 && s.chance(0.7) ? [i] : []));
    const axes = s.chance(0.25) || ones.length === 0 ? undefined : ones.map((a) => (s.opset >= 11 && s.chance(0.3) ? a - x.shape.length : a)); // prettier-ignore
    const { input, attributes } = axesForm(s, 13, axes);
    s.node("Squeeze", [x, ...input], attributes);
  }, // prettier-ignore
  Unsqueeze: (s) => {
    const x = s.any(ANY, { ranks: [0, 3] });
    const count = s.random.between(1, 2);
    const rank = x.shape.length + count;
    const axes = s.random.shuffled(Array.from({ length: rank }, (_, i) => i)).slice(0, count);
    const written = s.opset >= 11 ? axes.map((a) => (s.chance(0.3) ? a - rank : a)) : [...axes].sort((a, c) => a - c);
    const { input, attributes } = axesForm(s, 13, written);
    s.node("Unsqueeze", [x, ...input], attributes);
  },
  Concat: (s) => {
    s.since(4);
    const x = s.any(ANY, { ranks: [1, 4] });
    const { at, written } = s.axis(x.shape.length);
    const others = Array.from({ length: s.random.between(0, 3) }, () => {
      const shape = x.shape.map((dim, i) => (i === at ? s.dim(9) : dim));
      return s.chance(0.3) ? s.any([x.dtype], { shape }) : s.tensor(x.dtype, shape);
    });
    s.node("Concat", s.random.shuffled([x, ...others]), { axis: s.opset >= 11 ? written : at });
  },
  Split: (s) => {
    const x = s.any(ANY, { ranks: [1, 4] });
    const { at, written } = s.axis(x.shape.length);
    const axis = s.opset >= 11 ? (at === 0 ? s.maybe(written) : written) : at;
    const dim = x.shape[at]!;
    const wanted = (count: number): boolean[] => {
      const chosen = Array.from({ length: count }, () => s.chance(0.8));
      if (!chosen.includes(true)) chosen[0] = true;
      return chosen;
    };
    if (s.chance(0.6) && s.opset >= 2) {
      const parts: number[] = [];
      let rest = dim;
      while (rest > 0 && parts.length < 3) {
        const part = s.random.between(s.flavour.empty ? 0 : 1, rest);
        parts.push(part);
        rest -= part;
      }
      parts.push(rest);
      const sizes = s.flavour.empty ? parts : parts.filter((p, i) => p > 0 || (i === 0 && dim === 0));
      const outputs = wanted(sizes.length);
      if (s.opset >= 13) s.node("Split", [x, s.ints(sizes)], { axis }, { outputs });
      else s.node("Split", [x], { axis, split: sizes }, { outputs });
      return;
    }
    const counts = [1, 2, 3, 4, 5].filter((n) => (s.opset >= 18 ? n <= dim && Math.ceil(dim / n) * (n - 1) < dim : dim % n === 0 && dim >= n)); // prettier-ignore
    s.decline(counts.length === 0);
    const count = s.pick(counts);
    s.node("Split", [x], { axis, num_outputs: s.opset >= 18 ? count : undefined }, { outputs: wanted(count) });
  },
  Slice: (s) => {
    const x = s.any(ANY, { ranks: [1, 4] });
    const rank = x.shape.length;
    const old = s.opset < 10;
    const chosen = s.random.shuffled(x.shape.map((_, i) => i)).slice(0, s.random.between(1, rank));
    if (old) chosen.sort((a, c) => a - c);
    const starts: number[] = [];
    const ends: number[] = [];
    const steps: number[] = [];
    for (const axis of chosen) {
      const dim = x.shape[axis]!;
      const step = old ? 1 : s.pick([1, 1, 1, 2, 3, -1, -2, 5]);
      const [a, c] = [s.random.between(0, Math.max(0, dim - 1)), s.random.between(0, dim)];
      let [from, to] = step > 0 ? [Math.min(a, c), Math.max(a, c)] : [Math.max(a, c), Math.min(a, c) - 1];
      if (from === to && !s.flavour.empty) [from, to] = step > 0 ? [0, dim] : [dim - 1, -dim - 1];
      const far = s.random.below(6);
      if (far === 0) to = step > 0 ? 2 ** 31 - 1 : -(2 ** 31);
      else if (far === 1 && to > 0 && to < dim) to -= dim;
      else if (to === -1) to = -dim - 1;
      if (s.chance(0.2) && from < dim) from -= dim;
      starts.push(from);
      ends.push(to);
      steps.push(step);
    }
    const axes = old ? chosen : chosen.map((a) => (s.chance(0.3) ? a - rank : a));
    const all = chosen.every((a, i) => a === i);
    if (old) {
      s.node("Slice", [x], { starts, ends, axes: all && s.chance(0.4) ? undefined : axes });
      return;
    }
    const type: DType = s.chance(0.3) ? "int32" : "int64";
    const list = (values: readonly number[]): Ref => s.param(type, [values.length], values);
    s.node("Slice", [
      x,
      list(starts),
      list(ends),
      all && s.chance(0.4) ? undefined : list(axes),
      steps.every((v) => v === 1) && s.chance(0.6) ? undefined : list(steps),
    ]);
  },
  Pad: (s) => {
    s.since(2);
    const x = s.any(ANY.filter((t) => t !== "bool"), { ranks: [1, 4], filled: true });
    const rank = x.shape.length;
    const mode = s.pick([modes(s), "constant"]);
    s.decline(mode === "wrap" && s.opset < 19);
    const some = s.opset >= 18 && s.chance(0.3);
    const axes = some ? s.random.shuffled(x.shape.map((_, i) => i)).slice(0, s.random.between(1, rank)) : x.shape.map((_, i) => i); // prettier-ignore
    const amount = (axis: number): number => {
      const dim = x.shape[axis]!;
      const most = mode === "reflect" ? dim - 1 : mode === "wrap" ? dim : 3;
      const least = mode === "constant" && s.chance(0.2) && dim > 3 ? -1 : 0;
      return s.random.between(least, Math.min(most, 4));
    };
    const pads = [...axes.map(amount), ...axes.map(amount)];
    if (s.opset < 11) {
      s.decline(!FLOATS.includes(x.dtype));
      s.node("Pad", [x], { pads, mode: s.chance(0.3) && mode === "constant" ? undefined : mode, value: s.maybe({ kind: "float" as const, value: 1.5 }) }); // prettier-ignore
      return;
    }
    const value = mode === "constant" && s.chance(0.5) ? s.strictScalar(x.dtype, s.pick([1, 2, 3])) : undefined;
    const inputs: (Ref | undefined)[] = [x, s.ints(pads), value];
    if (some) inputs.push(s.ints(axes.map((a) => (s.chance(0.3) ? a - rank : a))));
    s.node("Pad", inputs, { mode: mode === "constant" && s.chance(0.5) ? undefined : mode });
  },
  Tile: (s) => {
    s.since(6);
    const x = s.any(ANY, { ranks: [0, 3] });
    s.node("Tile", [x, s.ints(x.shape.map(() => s.random.between(s.flavour.empty ? 0 : 1, 3)))]);
  },
  Expand: (s) => {
    s.since(8);
    const x = s.any(ANY, { ranks: [0, 3] });
    const lead = s.chance(0.4) ? [s.dim(5)] : [];
    const shape = [...lead, ...x.shape.map((dim) => (dim === 1 && s.chance(0.6) ? s.dim(5) : s.chance(0.2) ? 1 : dim))]; // prettier-ignore
    const skip = lead.length === 0 && s.chance(0.2) ? Math.min(1, shape.length) : 0;
    s.node("Expand", [x, s.ints(shape.slice(skip))]);
  },
  Shape: (s) => {
    const x = s.any(ANY);
    const bounded = s.opset >= 15 && s.chance(0.5);
    const rank = x.shape.length;
    s.node("Shape", [x], bounded ? { start: s.random.between(-rank - 1, rank), end: s.maybe(s.random.between(-rank, rank + 1)) } : {}); // prettier-ignore
  },
  Size: (s) => void s.node("Size", [s.any(ANY)]),
  Gather: (s) => {
    const x = s.any(ANY, { ranks: [1, 4], filled: true });
    const { at, written } = s.axis(x.shape.length);
    const dim = x.shape[at]!;
    const least = s.opset >= 11 ? -dim : 0;
    const indices = s.range(s.pick<DType>(["int64", "int32"]), s.shape(0, 2, 20), least, dim - 1);
    s.node("Gather", [x, indices], { axis: at === 0 ? s.maybe(written) : written });
  },
  GatherElements: (s) => {
    s.since(11);
    const x = s.any(ANY, { ranks: [1, 4], filled: true });
    const { at, written } = s.axis(x.shape.length);
    const shape = x.shape.map((dim, i) => (i === at ? s.dim(7) : s.random.between(1, dim)));
    const dim = x.shape[at]!;
    s.node("GatherElements", [x, s.range(s.pick<DType>(["int64", "int32"]), shape, -dim, dim - 1)], { axis: written }); // prettier-ignore
  },
  GatherND: (s) => gatherNd(s, undefined),
  "com.microsoft:GatherND": (s) => gatherNd(s, "com.microsoft"),
  ScatterElements: (s) => scatterElements(s, "ScatterElements"),
  Scatter: (s) => {
    s.decline(s.opset < 9 || s.opset > 10);
    scatterElements(s, "Scatter");
  },
  ScatterND: (s) => {
    s.since(11);
    const x = s.any(NUMBERS, { ranks: [1, 4], filled: true });
    const depth = s.random.between(1, x.shape.length);
    const reduction = s.opset >= 16 ? s.maybe("none", "add", "mul", ...(s.opset >= 18 ? ["max", "min"] : [])) : undefined; // prettier-ignore
    const rows = s.random.between(1, 5);
    const seen = new Set<string>();
    const values: number[] = [];
    let count = 0;
    for (let i = 0; i < rows; i++) {
      const row = x.shape.slice(0, depth).map((dim) => s.random.between(0, dim - 1));
      if (seen.has(String(row)) && (reduction === undefined || reduction === "none")) continue;
      seen.add(String(row));
      values.push(...row.map((v, d) => (s.chance(0.2) ? v - x.shape[d]! : v)));
      count++;
    }
    const indices = s.param("int64", [count, depth], values);
    s.node("ScatterND", [x, indices, s.tensor(x.dtype, [count, ...x.shape.slice(depth)])], { reduction });
  },
  TensorScatter: (s) => {
    s.since(24);
    const [batch, length, most, width] = [s.dim(3), s.random.between(1, 3), s.random.between(4, 7), s.dim(5)];
    const four = s.chance(0.4);
    const heads = four ? [s.dim(3)] : [];
    const cache = s.any(["float32", "float16"], { shape: [batch, ...heads, most, width] });
    const update = s.tensor(cache.dtype, [batch, ...heads, length, width]);
    const circular = s.chance(0.3);
    const at = s.chance(0.7) ? s.range("int64", [batch], 0, circular ? most - 1 : most - length) : undefined;
    s.node("TensorScatter", [cache, update, at], { mode: circular ? "circular" : s.maybe("linear"), axis: s.maybe(-2, four ? 2 : 1) }); // prettier-ignore
  },
  DepthToSpace: (s) => {
    const block = s.pick([2, 3]);
    const x = s.any(FLOATS, { shape: [s.dim(2), block * block * s.dim(3), s.dim(4), s.dim(5)] });
    s.node("DepthToSpace", [x], { blocksize: block, mode: s.opset >= 11 ? s.maybe("DCR", "CRD") : undefined });
  },
  SpaceToDepth: (s) => {
    const block = s.pick([2, 3]);
    const x = s.any(FLOATS, { shape: [s.dim(2), s.dim(3), block * s.dim(3), block * s.dim(4)] });
    s.node("SpaceToDepth", [x], { blocksize: block });
  },
  Trilu: (s) => {
    s.since(14);
    const x = s.any(ANY, { ranks: [2, 4] });
    const k = s.chance(0.6) ? s.strictScalar("int64", s.random.between(-4, 5)) : undefined;
    s.node("Trilu", [x, k], { upper: s.maybe(0, 1) });
  },
  "com.microsoft:Trilu": (s) => {
    const x = s.any(["float32", "int64"], { ranks: [2, 4] });
    s.node("Trilu", [x, s.strictScalar("int64", s.random.between(-2, 3), true)], { upper: s.maybe(0, 1) }, { domain: "com.microsoft" }); // prettier-ignore
  },
  EyeLike: (s) => {
    s.since(9);
    const x = s.any(["float32", "int64", "int32", "float64"], { ranks: [2, 2] });
    s.node("EyeLike", [x], { k: s.maybe(1, -1, 0, 5), dtype: s.maybe(1, 7, 6, 11) });
  },
  OneHot: (s) => {
    s.since(9);
    const indices = s.range(s.pick<DType>(["int64", "int32", "float32"]), s.shape(0, 3, 60), -6, 6);
    const depth = s.param(s.pick<DType>(["int64", "int32", "float32"]), s.pick([[], [1]]), [s.random.between(1, 6)]); // prettier-ignore
    const dtype = s.pick<DType>(["float32", "int64", "int32", "float32"]);
    const { written } = s.axis(indices.shape.length + 1);
    s.node("OneHot", [indices, depth, s.param(dtype, [2], [s.random.between(-2, 1), s.random.between(1, 4)])], { axis: s.maybe(written, -1) }); // prettier-ignore
  },
  Range: (s) => {
    s.since(11);
    const dtype = s.pick<DType>(["int64", "int32", "float32", "float64", "int16"]);
    const [start, count, delta] = [s.random.between(-5, 5), s.random.between(s.flavour.empty ? 0 : 1, 12), s.pick([1, 2, -1, -3, ...(dtype.startsWith("float") ? [0.5, -0.25] : [])])]; // prettier-ignore
    const limit = start + (count - (dtype.startsWith("float") && s.chance(0.3) ? 0.5 : 0)) * delta;
    s.node("Range", [s.strictScalar(dtype, start), s.strictScalar(dtype, limit), s.strictScalar(dtype, delta)]);
  },
  ConstantOfShape: (s) => {
    s.since(9);
    const dtype = s.pick<DType>(["float32", "int64", "int32", "uint8", "bool", "float16", "float64"]);
    s.node("ConstantOfShape", [s.ints(s.shape(0, 3, 200))], { value: s.maybe(valueTensor(dtype, 1)) });
  },
  Constant: (s) => {
    const dtype = s.pick<DType>(["float32", "int64", "int32", "uint8", "float16", "bool"]);
    const shape = s.shape(0, 2, 30);
    const forms = [{ value: tensor(dtype as OnnxDataType, shape, new Array<number>(elementCount(shape)).fill(1)) }, ...(s.opset >= 12 ? [{ value_float: { kind: "float" as const, value: 2.5 } }, { value_ints: [1, 2, 3] }, { value_int: 4 }, { value_floats: { kind: "floats" as const, value: [1, 0.5] } }] : [])]; // prettier-ignore
    const [c] = s.node("Constant", [], s.pick<Record<string, unknown>>(forms) as never);
    s.node("Identity", [c!]);
  },
  CenterCropPad: (s) => {
    s.since(18);
    const x = s.any(NUMBERS, { ranks: [1, 4], filled: true });
    const axes = s.chance(0.4) ? undefined : s.axes(x.shape.length, 1);
    const count = axes?.length ?? x.shape.length;
    s.node("CenterCropPad", [x, s.ints(Array.from({ length: count }, () => s.dim(9)))], { axes });
  },
  ReverseSequence: (s) => {
    s.since(10);
    const x = s.any(ANY, { ranks: [2, 4], filled: true });
    const batch = s.random.below(2);
    const [b, t] = [x.shape[batch]!, x.shape[1 - batch]!];
    s.node("ReverseSequence", [x, s.range("int64", [b], 1, t)], { batch_axis: batch, time_axis: 1 - batch });
  },
  Compress: (s) => {
    s.since(9);
    const x = s.any(ANY, { ranks: [1, 3], filled: true });
    if (s.chance(0.3)) return void s.node("Compress", [x, s.any(["bool"], { shape: [elementCount(x.shape)] })]);
    const { at, written } = s.axis(x.shape.length);
    s.node("Compress", [x, s.any(["bool"], { shape: [s.random.between(1, x.shape[at]!)] })], { axis: s.opset >= 11 ? written : at }); // prettier-ignore
  },
  NonZero: (s) => {
    s.since(9);
    s.node("NonZero", [s.any(["float32", "bool", "int64", "int32", "uint8"])]);
  },
  Unique: (s) => {
    s.since(11);
    const x = s.any(["float32", "int64", "int8", "float64"], { ranks: [1, 3], filled: true });
    const { written } = s.axis(x.shape.length);
    const outputs = [true, s.chance(0.6), s.chance(0.6), s.chance(0.6)];
    s.node("Unique", [x], { axis: s.maybe(written), sorted: s.maybe(0, 1) }, { outputs });
  },
  TopK: (s) => {
    const x = s.any(["float32", "float32", "int64", "int32", "float64", "float16"], { ranks: [1, 4], filled: true });
    const { at, written } = s.axis(x.shape.length);
    const k = s.random.between(s.flavour.empty ? 0 : 1, x.shape[at]!);
    const wanted = { outputs: 2 };
    if (s.opset < 10) {
      s.decline(x.dtype.startsWith("int"));
      return void s.node("TopK", [x], { k: Math.max(1, k), axis: at }, { outputs: 2 });
    }
    if (s.opset < 11) return void s.node("TopK", [x, s.param("int64", [1], [k])], { axis: at }, { outputs: 2 });
    s.node("TopK", [x, s.param("int64", [1], [k])], { axis: written, largest: s.maybe(0, 1), sorted: s.maybe(1) }, wanted); // prettier-ignore
  }, // prettier-ignore
  CumSum: (s) => cumulative(s, "CumSum", 11),
  CumProd: (s) => cumulative(s, "CumProd", 26),
  NonMaxSuppression: (s) => {
    s.since(10);
    const [batches, boxes, classes] = [s.dim(2), s.dim(9), s.dim(3)];
    const corner = s.tensor("float32", [batches, boxes, 4], "unit");
    const scores = s.tensor("float32", [batches, classes, boxes], "unit");
    const most = s.chance(0.8) ? s.scalar("int64", s.random.between(0, 4)) : undefined;
    const iou = s.chance(0.7) ? s.scalar("float32", s.pick([0, 0.25, 0.5])) : undefined;
    const score = s.chance(0.5) ? s.scalar("float32", s.pick([0.1, 0.5])) : undefined;
    s.node("NonMaxSuppression", [corner, scores, most, iou, score], { center_point_box: s.maybe(0, 1) });
  },
  ArgMax: (s) => argument(s, "ArgMax"),
  ArgMin: (s) => argument(s, "ArgMin"),
  Hardmax: (s) => softmaxLike(s, "Hardmax", ["float32", "float64", "float16"]),
  ConstantFill: (s) => {
    s.decline(s.opset > 6);
    s.node("ConstantFill", [], { shape: [2, 3], value: { kind: "float", value: 1.5 } });
  },
  Crop: (s) => {
    s.decline(s.opset > 9);
    const x = s.tensor("float32", [1, s.dim(3), 4 + s.dim(5), 4 + s.dim(5)]);
    s.node("Crop", [x], { border: [1, 1, 2, 1] });
  },
  ImageScaler: (s) => {
    s.decline(s.opset > 9);
    const x = s.tensor("float32", [1, 3, s.dim(5), s.dim(5)]);
    s.node("ImageScaler", [x], { scale: { kind: "float", value: 2 }, bias: { kind: "floats", value: [0.5, 1, -1] } });
  },
  Scale: (s) => {
    s.decline(s.opset > 6);
    s.node("Scale", [s.any(["float32"])], { scale: { kind: "float", value: 0.5 } });
  },
}; // prettier-ignore

function gatherNd(s: Sampler, domain: string | undefined): void {
  s.since(domain ? 1 : 11);
  const x = s.any(domain ? ["float32"] : ANY, { ranks: [1, 4], filled: true });
  const batch =
    s.opset >= 12 && !domain && s.chance(0.4) ? s.random.between(0, Math.min(2, x.shape.length - 1)) : 0;
  const depth = s.random.between(1, x.shape.length - batch);
  const middle = s.shape(batch === 0 ? 0 : 0, 2, 10, true);
  const lead = [...x.shape.slice(0, batch), ...middle];
  const rows = elementCount(lead);
  s.decline(rows > 200 || (lead.length === 0 && false));
  const values = Array.from({ length: rows * depth }, (_, i) => {
    const dim = x.shape[batch + (i % depth)]!;
    return s.random.between(-dim, dim - 1);
  });
  s.node("GatherND", [x, s.param("int64", [...lead, depth], values)], { batch_dims: batch > 0 ? batch : undefined }, domain ? { domain } : {}); // prettier-ignore
}

function scatterElements(s: Sampler, op: string): void {
  s.since(op === "Scatter" ? 9 : 11);
  const x = s.any(NUMBERS, { ranks: [1, 4], filled: true });
  const { at, written } = s.axis(x.shape.length);
  const dim = x.shape[at]!;
  const reduction = op === "ScatterElements" && s.opset >= 16 ? s.maybe("none", "add", "mul", ...(s.opset >= 18 ? ["max", "min"] : [])) : undefined; // prettier-ignore
  const along = s.random.between(1, dim);
  const shape = x.shape.map((d, i) => (i === at ? along : s.random.between(1, d)));
  const distinct = reduction === undefined || reduction === "none";
  const order = s.random.shuffled(Array.from({ length: dim }, (_, i) => i));
  const inner = shape.slice(at + 1).reduce((a, c) => a * c, 1);
  const values = Array.from({ length: elementCount(shape) }, (_, i) => {
    const step = Math.floor(i / inner) % along;
    const index = distinct ? order[step]! : s.random.below(dim);
    return s.opset >= 11 && s.chance(0.2) ? index - dim : index;
  });
  s.node(op, [x, s.param(s.pick<DType>(["int64", "int32"]), shape, values, s.chance(0.5)), s.tensor(x.dtype, shape)], { axis: op === "Scatter" ? at : written, reduction }); // prettier-ignore
}

function cumulative(s: Sampler, op: string, since: number): void {
  s.since(since);
  const x = s.any(["float32", "float32", "float64", "int32", "int64"], { ranks: [1, 4] });
  const { written } = s.axis(x.shape.length);
  const axis = s.param(s.pick<DType>(["int64", "int32"]), s.pick([[], [], [1]]), [written]);
  s.node(op, [x, axis], { exclusive: s.maybe(0, 1), reverse: s.maybe(0, 1) });
}

function argument(s: Sampler, op: string): void {
  const x = s.any([...FLOATS, ...SIGNED, "uint8"], { ranks: [1, 4], filled: true });
  const { at, written } = s.axis(x.shape.length);
  s.node(op, [x], { axis: s.opset >= 11 ? written : at, keepdims: s.maybe(0, 1), select_last_index: s.opset >= 12 ? s.maybe(0, 1) : undefined }); // prettier-ignore
}

export function softmaxLike(s: Sampler, op: string, dtypes: readonly DType[]): void {
  const x = s.any(dtypes, { ranks: [1, 4] });
  const { at, written } = s.axis(x.shape.length);
  s.node(op, [x], {
    axis: s.chance(0.2) && (x.shape.length > 1 || s.opset >= 13) ? undefined : s.opset >= 11 ? written : at,
  });
}

export { INTEGERS, ONNX_DATA_TYPE };
