/**
 * Convolutions and means at computed positions as the simpler operators that they stand for. In: a call of DeformConv or
 * RoiAlign. Out: its output. Invariant: the same function as the kernels of ops/windowDeform.ts and ops/resizeGrid.ts,
 * which are used wherever nobody asks for a gradient; images, weights, offsets, masks and corners of regions all get
 * theirs. Source: ONNX operators DeformConv (22), RoiAlign (22).
 */
import { elementCount, type DType } from "../../ir/dtype.ts";
import { typeNumber } from "../../ir/dataType.ts";
import type { ValueId } from "../../ir/graph.ts";
import { rowMajorStrides } from "../../ir/kernel.ts";
import type { Expander, OpCall } from "../define.ts";
import { mostSamples } from "../resizeGrid.ts";
import { convolution } from "../window.ts";
import type { OperatorGradient } from "./differential.ts";
import { Arithmetic } from "./sampling.ts";

/** Numbers of a type, in a shape. */
function table(to: Expander, dtype: DType, shape: readonly number[], at: (i: number) => number): ValueId {
  const data = Float64Array.from({ length: elementCount(shape) }, (_, i) => at(i));
  return to.node("Cast", [to.constant({ dtype: "float64", shape, data })], { to: typeNumber(dtype) });
}

const reshaped = (to: Expander, value: ValueId, shape: readonly number[]): ValueId =>
  to.node("Reshape", [value, to.integers(shape)], { allowzero: 1 });

/** Samples of all windows as columns, times the weights: [N, group, C / group * taps, points]. */
function deformConv(call: OpCall, to: Expander): ValueId[] {
  const [image, weights, offsets, bias, mask] = call.node.inputs as [ValueId, ValueId, ValueId, ValueId?, ValueId?]; // prettier-ignore
  const { dims, shape } = convolution(call);
  const { dtype } = call.input(0);
  const [batch, channels] = call.input(0).shape as [number, number];
  const [group, offsetGroups] = [call.int("group", 1), call.int("offset_group", 1)];
  const rank = dims.length;
  const extents = dims.map((dim) => dim.input);
  const kernel = dims.map((dim) => dim.kernel);
  const output = dims.map((dim) => dim.output);
  const [taps, points] = [elementCount(kernel), elementCount(output)];
  const a = new Arithmetic(to, offsets);
  const byGroup = reshaped(to, offsets, [batch, offsetGroups, taps, rank, points]);
  // Along each dimension: the position before the sample, and the share of the one after it.
  const samples = dims.map((dim, d) => {
    const [tapStride, pointStride] = [rowMajorStrides(kernel)[d]!, rowMajorStrides(output)[d]!];
    const regular = table(to, dtype, [taps, points], (i) => {
      const tap = Math.floor(Math.floor(i / points) / tapStride) % dim.kernel;
      const point = Math.floor((i % points) / pointStride) % dim.output;
      return point * dim.stride + tap * dim.dilation - dim.padBefore;
    });
    const moved = a.op("Add", to.node("Gather", [byGroup, to.integers(d)], { axis: 3 }), regular);
    const limited = a.op("Clip", moved, -2, dim.input + 1);
    const before = a.op("Floor", limited);
    return { before, share: a.op("Sub", limited, before) };
  });
  const strides = rowMajorStrides(extents);
  const perGroup = channels / offsetGroups;
  const images = reshaped(to, image, [batch, offsetGroups, perGroup, elementCount(extents)]);
  const everywhere = to.integers([batch, offsetGroups, perGroup, taps * points]);
  const beside = [batch, offsetGroups, 1, taps * points];
  let columns: ValueId | undefined;
  for (let corner = 0; corner < 2 ** rank; corner++) {
    let [place, weight]: [ValueId | undefined, ValueId | undefined] = [undefined, undefined];
    samples.forEach(({ before, share }, d) => {
      const after = (corner >> d) & 1;
      const at = a.op("Add", before, after);
      const within = a.op("Clip", at, 0, extents[d]! - 1);
      const part = after ? share : a.op("Sub", 1, share);
      const seen = a.op("Where", to.node("Equal", [at, within]), part, 0);
      const index = to.node("Cast", [within], { to: typeNumber("int64") });
      const step = to.node("Mul", [index, to.integers(strides[d]!)]);
      place = place === undefined ? step : to.node("Add", [place, step]);
      weight = weight === undefined ? seen : a.op("Mul", weight, seen);
    });
    const index = to.node("Expand", [reshaped(to, place!, beside), everywhere]);
    const pixels = to.node("GatherElements", [images, index], { axis: 3 });
    const term = to.node("Mul", [pixels, reshaped(to, weight!, beside)]);
    columns = columns === undefined ? term : to.node("Add", [columns, term]);
  }
  if (mask) columns = to.node("Mul", [columns!, reshaped(to, mask, beside)]);
  const depth = (channels / group) * taps;
  const inGroups = reshaped(to, columns!, [batch, group, depth, points]);
  const rows = reshaped(to, weights, [group, shape[1]! / group, depth]);
  const sums = reshaped(to, to.node("MatMul", [rows, inGroups]), shape);
  if (!bias) return [sums];
  return [to.node("Add", [sums, reshaped(to, bias, [shape[1]!, ...dims.map(() => 1)])])];
}

/**
 * How much of each bin of each region a row (or column) of the image has, as [regions, bins, extent], and how many
 * samples a bin has, as [regions, 1].
 */
function shares(call: OpCall, a: Arithmetic, bins: number, extent: number, first: number): readonly [ValueId, ValueId] {
  const { to } = a;
  const { dtype, shape } = call.input(1);
  const count = shape[0]!;
  const halfPixel = call.string("coordinate_transformation_mode", "half_pixel") === "half_pixel";
  const corner = (position: number): ValueId => {
    const column = to.node("Gather", [a.like, to.integers(position)], { axis: 1 });
    return a.op("Sub", a.op("Mul", column, call.float("spatial_scale", 1)), halfPixel ? 0.5 : 0);
  };
  const [low, high] = [corner(first), corner(first + 2)];
  const length = halfPixel ? a.op("Sub", high, low) : a.op("Max", a.op("Sub", high, low), 1);
  const bin = a.op("Div", length, bins);
  const fixed = call.int("sampling_ratio", 0);
  const samples = fixed > 0 ? a.op("Add", a.op("Mul", bin, 0), fixed) : a.op("Ceil", bin);
  const most = mostSamples(call, bins, first);
  if (most === undefined)
    call.fail("op-unsupported", "no gradient of RoiAlign with as many samples as regions need that a run tells"); // prettier-ignore
  const perRegion = (value: ValueId): ValueId => reshaped(to, value, [count, 1, 1, 1]);
  const along = (size: number, d: number): ValueId =>
    table(to, dtype, [1, 1, 1, 1].with(d, size), (i) => i);
  const sample = along(most, 2);
  const apart = a.op("Div", perRegion(bin), a.op("Max", perRegion(samples), 1));
  const inBin = a.op("Mul", a.op("Add", sample, 0.5), apart);
  const start = a.op("Add", perRegion(low), a.op("Mul", along(bins, 1), perRegion(bin)));
  const position = a.op("Add", start, inBin);
  const held = a.op("Clip", position, 0, extent - 1);
  const share = a.op("Max", a.op("Sub", 1, a.op("Abs", a.op("Sub", held, along(extent, 3)))), 0);
  const conditions = [
    a.op("GreaterOrEqual", position, -1),
    a.op("LessOrEqual", position, extent),
    a.op("Less", sample, perRegion(samples)),
  ];
  const counts = conditions.reduce((all, one) => to.node("And", [all, one]));
  const seen = a.op("Where", counts, share, 0);
  return [to.node("ReduceSum", [seen, to.integers([2])], { keepdims: 0 }), reshaped(to, samples, [count, 1])];
} // prettier-ignore

/** The mean of a region's bins: rows and columns of its image, each with its share. */
function roiAlign(call: OpCall, to: Expander): ValueId[] {
  const [image, regions, of] = call.node.inputs as [ValueId, ValueId, ValueId];
  if (call.string("mode", "avg") === "max")
    call.fail("op-unsupported", "no gradient of RoiAlign with mode max");
  const [, , height, width] = call.input(0).shape as [number, number, number, number];
  const [count, , bins, columns] = call.outputs[0]!.shape as [number, number, number, number];
  const a = new Arithmetic(to, regions);
  const [rows, down] = shares(call, a, bins, height, 1);
  const [across, over] = shares(call, a, columns, width, 0);
  const own = to.node("Gather", [image, of], { axis: 0 });
  const narrow = to.node("MatMul", [reshaped(to, rows, [count, 1, bins, height]), own]);
  const turned = to.node("Transpose", [reshaped(to, across, [count, 1, columns, width])], { perm: [0, 1, 3, 2] }); // prettier-ignore
  const samples = reshaped(to, a.op("Max", a.op("Mul", down, over), 1), [count, 1, 1, 1]);
  return [to.node("Div", [to.node("MatMul", [narrow, turned]), samples])];
}

export const regionGradients: Readonly<Record<string, OperatorGradient>> = {
  DeformConv: { expand: deformConv },
  RoiAlign: { expand: roiAlign },
};
