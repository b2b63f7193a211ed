/**
 * Convolutions, poolings, resizing and block movements of TF.js. In: a call on NHWC tensors. Out: the operators of
 * ai.onnx between transpositions, which the compiler turns into strides. Invariant: "SAME" puts the odd element of
 * padding at the end, as TF does; what TF leaves out of an average stays out.
 */
import { elementCount } from "../../../ir/dtype.ts";
import type { ValueId } from "../../../ir/graph.ts";
import type { Attributes, Call } from "../call.ts";
import { SPACE_CROP, SPACE_PAD } from "../dilation.ts";
import type { Conversion, Conversions } from "./conversion.ts";

/** Which dimensions are spatial, and how to bring channels to the front. */
interface Format {
  readonly rank: number;
  readonly channelsLast: boolean;
}

function formatOf(call: Call, spatial: number): Format {
  const format = call.node.attributes.get("data_format");
  return { rank: spatial + 2, channelsLast: !(format?.kind === "string" && format.value.startsWith("NC")) };
}

function ascending(count: number): number[] {
  return Array.from({ length: count }, (_, d) => d);
}

function channelsFirst(call: Call, x: ValueId, { rank, channelsLast }: Format): ValueId {
  if (!channelsLast) return x;
  return call.emit("Transpose", [x], { perm: [0, rank - 1, ...ascending(rank - 2).map((d) => d + 1)] });
}

function channelsBack(call: Call, x: ValueId, { rank, channelsLast }: Format): ValueId {
  if (!channelsLast) return x;
  return call.emit("Transpose", [x], { perm: [0, ...ascending(rank - 2).map((d) => d + 2), 1] });
}

/** The entries of a list per dimension that are for spatial ones. */
function spatialOf(values: readonly number[], { rank, channelsLast }: Format): readonly number[] {
  if (values.length !== rank) return values;
  return channelsLast ? values.slice(1, rank - 1) : values.slice(2);
}

function paddingOf(call: Call, format: Format): Attributes {
  const padding = call.string("pad", "VALID");
  if (padding === "SAME") return { auto_pad: "SAME_UPPER" };
  if (padding === "VALID") return { auto_pad: "VALID" };
  if (padding !== "EXPLICIT") return call.fail("attribute-invalid", `padding "${padding}" is not known`);
  const pairs = call.numbers("explicitPaddings");
  const before = spatialOf(
    pairs.filter((_, i) => i % 2 === 0),
    format,
  );
  const after = spatialOf(
    pairs.filter((_, i) => i % 2 === 1),
    format,
  );
  return { pads: [...before, ...after] };
}

function stridesOf(call: Call, format: Format): Attributes {
  const dilations = spatialOf(call.numbers("dilations", []), format);
  return {
    strides: spatialOf(call.numbers("strides"), format),
    ...(dilations.length > 0 ? { dilations } : {}),
  };
}

type Input = (call: Call) => ValueId;

/** HWIO filters as OIHW. */
function filterOf(call: Call, spatial: number): ValueId {
  return call.emit("Transpose", [call.input("filter")], {
    perm: [spatial + 1, spatial, ...ascending(spatial)],
  });
}

/** Filters of shape [height, width, channels, multiplier] as [channels * multiplier, 1, height, width]. */
function depthwiseFilter(call: Call): { readonly filter: ValueId; readonly channels: number } {
  const shape = call.shape("filter");
  if (shape.length !== 4)
    return call.fail("shape-mismatch", `the filter has shape [${shape.join(", ")}], not four dimensions`);
  const [height, width, channels, multiplier] = shape as readonly [number, number, number, number];
  const outFirst = call.emit("Transpose", [call.input("filter")], { perm: [2, 3, 0, 1] });
  return {
    filter: call.emit("Reshape", [outFirst, call.ints([channels * multiplier, 1, height, width])]),
    channels,
  };
}

function convolution(
  call: Call,
  x: ValueId,
  spatial: number,
  filter: ValueId,
  more: Attributes,
  bias?: ValueId,
): ValueId {
  const format = formatOf(call, spatial);
  const first = channelsFirst(call, x, format);
  const attributes = { ...stridesOf(call, format), ...paddingOf(call, format), ...more };
  const y = call.emit("Conv", [first, filter, ...(bias === undefined ? [] : [bias])], attributes);
  return channelsBack(call, y, format);
}

/** What is fused behind a convolution or product: a bias or batch normalization, then an activation. */
function withFused(call: Call, make: (bias: ValueId | undefined) => ValueId): ValueId {
  const fused = call.strings("fusedOps");
  const given = [...call.all("args")];
  let bias: ValueId | undefined;
  let normalise: ((y: ValueId) => ValueId) | undefined;
  const activations: ((y: ValueId) => ValueId)[] = [];
  for (const op of fused) {
    switch (op) {
      case "BiasAdd":
        bias = given.shift();
        break;
      case "FusedBatchNorm": {
        const [scale, offset, mean, variance] = given.splice(0, 4) as [ValueId, ValueId, ValueId, ValueId];
        normalise = (y) =>
          batchNormalization(call, y, { scale, offset, mean, variance }, call.number("epsilon", 0));
        break;
      }
      case "Relu":
      case "Elu":
      case "Sigmoid":
      case "Tanh":
        activations.push((y) => call.emit(op, [y]));
        break;
      case "Relu6":
        activations.push((y) => call.emit("Clip", [y, call.scalar(0), call.scalar(6)]));
        break;
      case "LeakyRelu":
        activations.push((y) =>
          call.emit("LeakyRelu", [y], { alpha: { float: call.number("leakyreluAlpha", 0.2) } }),
        );
        break;
      case "Prelu": {
        const slope = given.shift();
        if (slope === undefined) return call.fail("graph-invalid", "the slope of the fused Prelu is missing");
        activations.push((y) => call.emit("PRelu", [y, slope]));
        break;
      }
      default:
        return call.fail("op-unsupported", `"${op}" fused behind it is not known`);
    }
  }
  let y = make(bias);
  if (normalise) y = normalise(y);
  return activations.reduce((value, activation) => activation(value), y);
}

interface Statistics {
  readonly scale: ValueId;
  readonly offset: ValueId;
  readonly mean: ValueId;
  readonly variance: ValueId;
}

/** x * a + b with a and b constant, over the last dimension. */
function batchNormalization(
  call: Call,
  x: ValueId,
  { scale, offset, mean, variance }: Statistics,
  epsilon: number,
): ValueId {
  const deviation = call.emit("Sqrt", [call.emit("Add", [variance, call.scalar(epsilon)])]);
  const factor = call.emit("Div", [scale, deviation]);
  const shift = call.emit("Sub", [offset, call.emit("Mul", [mean, factor])]);
  return call.emit("Add", [call.emit("Mul", [x, factor]), shift]);
}

const convolution2D =
  (x: Input): Conversion =>
  (call) =>
    withFused(call, (bias) => convolution(call, x(call), 2, filterOf(call, 2), {}, bias));

const depthwise =
  (x: Input): Conversion =>
  (call) =>
    withFused(call, (bias) => {
      const { filter, channels } = depthwiseFilter(call);
      return convolution(call, x(call), 2, filter, { group: channels }, bias);
    });

/** One spatial dimension, with attributes that are numbers. */
function convolution1D(call: Call): ValueId {
  const first = call.emit("Transpose", [call.input("x")], { perm: [0, 2, 1] });
  const attributes = {
    strides: [call.number("stride", 1)],
    dilations: [call.number("dilation", 1)],
    ...paddingOf(call, { rank: 3, channelsLast: true }),
  };
  return call.emit("Transpose", [call.emit("Conv", [first, filterOf(call, 1)], attributes)], {
    perm: [0, 2, 1],
  });
}

/** The gradient of a convolution by its input: a transposed convolution to the size that it is told. */
function transposedConvolution(call: Call): ValueId {
  const format = formatOf(call, 2);
  const first = channelsFirst(call, call.input("x"), format);
  // Height, width, what comes out, what goes in.
  const filter = call.emit("Transpose", [call.input("filter")], { perm: [3, 2, 0, 1] });
  const strides = spatialOf(call.numbers("strides"), format);
  const shape = call.knownOrNot("outputShape");
  const padding = call.string("pad", "VALID");
  if (shape) {
    const output_shape = spatialOf(call.numbers("outputShape"), format);
    const attributes = { strides, output_shape, auto_pad: padding === "SAME" ? "SAME_UPPER" : "NOTSET" };
    return channelsBack(call, call.emit("ConvTranspose", [first, filter], attributes), format);
  }
  // A size that is computed is that of the input times the stride in all networks that were met; of another size it is
  // refused here when shapes are bound, since the elements are then not as many.
  const attributes = { strides, ...paddingOf(call, format) };
  const y = channelsBack(call, call.emit("ConvTranspose", [first, filter], attributes), format);
  return call.emit("Reshape", [y, call.intsOf("outputShape")]);
}

const pool =
  (op: string, spatial: number): Conversion =>
  (call) => {
    const format = formatOf(call, spatial);
    const attributes = {
      kernel_shape: spatialOf(call.numbers("kernelSize"), format),
      strides: spatialOf(call.numbers("strides"), format),
      ...paddingOf(call, format),
    };
    return channelsBack(
      call,
      call.emit(op, [channelsFirst(call, call.input("x"), format)], attributes),
      format,
    );
  };

/** `form` says which mode, as ai.onnx has it, belongs to each of the two flags, and to neither. */
const resize =
  (mode: string): Conversion =>
  (call) => {
    const [aligned, centred] = [call.boolean("alignCorners"), call.boolean("halfPixelCenters")];
    const coordinates = aligned ? "align_corners" : centred ? "half_pixel" : "asymmetric";
    // Where a neighbour is chosen, TF rounds half up for aligned corners and pixel centres, and else down.
    const nearest = aligned || centred ? "round_prefer_ceil" : "floor";
    const x = call.cast(call.input("images"), "float32");
    return call.emit("Resize", [x, "", "", call.intsOf("size")], {
      mode,
      axes: [1, 2],
      coordinate_transformation_mode: coordinates,
      ...(mode === "nearest" ? { nearest_mode: nearest } : {}),
    });
  };

/** Boxes of shape [boxes, 4] and the image of each. */
function cropAndResize(call: Call): ValueId {
  const [height, width] = call.numbers("cropSize") as readonly [number, number];
  const first = call.emit("Transpose", [call.input("image")], { perm: [0, 3, 1, 2] });
  const boxes = call.input("boxes");
  const method = call.string("method", "bilinear");
  // As points of a grid between -1 and 1: where the corners of each box lie in the image.
  const grid = [1, 0].map((axis) => {
    const low = call.emit("Gather", [boxes, call.int(axis)], { axis: 1 });
    const high = call.emit("Gather", [boxes, call.int(axis + 2)], { axis: 1 });
    const count = axis === 0 ? height : width;
    const steps = Float32Array.from({ length: count }, (_, i) => (count > 1 ? i / (count - 1) : 0.5));
    const along = call.constant({ dtype: "float32", shape: [1, count], data: steps });
    const column = (id: ValueId): ValueId => call.emit("Unsqueeze", [id, call.ints([1])]);
    const span = call.emit("Mul", [call.emit("Sub", [column(high), column(low)]), along]);
    const at = call.emit("Add", [column(low), span]);
    const scaled = call.emit("Sub", [call.emit("Add", [at, at]), call.scalar(1)]);
    const axes = axis === 0 ? [2] : [1];
    const spread = call.emit("Unsqueeze", [scaled, call.ints(axes)]);
    const size = [1, axis === 0 ? 1 : height, axis === 0 ? width : 1];
    return call.emit("Unsqueeze", [call.emit("Expand", [spread, call.ints(size)]), call.ints([3])]);
  });
  const images = call.emit("Gather", [first, call.input("boxInd")], { axis: 0 });
  const outside = call.number("extrapolationValue", 0);
  const sampled = (x: ValueId): ValueId =>
    call.emit("GridSample", [x, call.emit("Concat", grid, { axis: 3 })], {
      mode: method === "nearest" ? "nearest" : "linear",
      align_corners: 1,
      padding_mode: "zeros",
    });
  let y = sampled(images);
  // TF gives a point outside of the image the extrapolation value as a whole, and does not mix it with the border.
  const inside = grid.map((points) => call.emit("LessOrEqual", [call.emit("Abs", [points]), call.scalar(1)]));
  const within = call.emit("And", [inside[0]!, inside[1]!]);
  const plane = call.emit("Transpose", [within], { perm: [0, 3, 1, 2] });
  y = call.emit("Where", [plane, y, call.scalar(outside)]);
  return call.emit("Transpose", [y], { perm: [0, 2, 3, 1] });
}

/** Blocks of space go to the batch: [N, H, W, rest] to [N * blocks, H / block, W / block, rest]. */
function spaceToBatch(call: Call): ValueId {
  const block = call.numbers("blockShape");
  const x = padded(call, block.length, call.input("x"), "paddings");
  const dim = dimensionsOf(call, x);
  const rest = call.emit("Slice", [dim.all, call.ints([block.length + 1]), call.ints([END])]);
  const cells = block.map((size, i) => call.emit("Div", [dim.at(i + 1), call.ints([size])]));
  const split = block.flatMap((size, i) => [cells[i]!, call.ints([size])]);
  const inner = call.emit("Reshape", [
    x,
    call.emit("Concat", [dim.at(0), ...split, call.ints([-1])], { axis: 0 }),
  ]);
  const order = [
    ...block.map((_, i) => 2 * i + 2),
    0,
    ...block.map((_, i) => 2 * i + 1),
    2 * block.length + 1,
  ];
  const moved = call.emit("Transpose", [inner], { perm: order });
  const batch = call.emit("Mul", [dim.at(0), call.ints([elementCount(block)])]);
  return call.emit("Reshape", [moved, call.emit("Concat", [batch, ...cells, rest], { axis: 0 })], {
    allowzero: 1,
  });
}

/** The inverse of {@link spaceToBatch}, after which borders are cut off. */
function batchToSpace(call: Call): ValueId {
  const block = call.numbers("blockShape");
  const x = call.input("x");
  const dim = dimensionsOf(call, x);
  const rest = call.emit("Slice", [dim.all, call.ints([block.length + 1]), call.ints([END])]);
  const batch = call.emit("Div", [dim.at(0), call.ints([elementCount(block)])]);
  const cells = block.map((_, i) => dim.at(i + 1));
  const shape = [...block.map((size) => call.ints([size])), batch, ...cells, call.ints([-1])];
  const inner = call.emit("Reshape", [x, call.emit("Concat", shape, { axis: 0 })]);
  const m = block.length;
  const order = [m, ...block.flatMap((_, i) => [m + 1 + i, i]), 2 * m + 1];
  const moved = call.emit("Transpose", [inner], { perm: order });
  const sizes = block.map((size, i) => call.emit("Mul", [cells[i]!, call.ints([size])]));
  const whole = call.emit("Reshape", [moved, call.emit("Concat", [batch, ...sizes, rest], { axis: 0 })], { allowzero: 1 }); // prettier-ignore
  return cropped(call, m, whole, "crops");
}

/** Beyond every extent. */
const END = 2 ** 31 - 1;

interface Dimensions {
  readonly all: ValueId;
  at(d: number): ValueId;
}

function dimensionsOf(call: Call, x: ValueId): Dimensions {
  const all = call.emit("Shape", [x]);
  return { all, at: (d) => call.emit("Slice", [all, call.ints([d]), call.ints([d + 1])]) };
}

/** Column 0 or 1 of an input of shape [count, 2]: what is before, or after, each spatial dimension. */
function amounts(call: Call, name: string, side: 0 | 1): ValueId {
  if (call.knownOrNot(name)) return call.ints(call.numbers(name).filter((_, i) => i % 2 === side));
  return call.emit("Gather", [call.cast(call.input(name), "int64"), call.int(side)], { axis: 1 });
}

function spatialAxes(call: Call, count: number): ValueId {
  return call.ints(ascending(count).map((d) => d + 1));
}

/** Pads dimensions 1 to `count` with zeros. */
function padded(call: Call, count: number, x: ValueId, name: string): ValueId {
  const both = call.emit("Concat", [amounts(call, name, 0), amounts(call, name, 1)], { axis: 0 });
  return call.emit("Pad", [x, both, "", spatialAxes(call, count)]);
}

function cropped(call: Call, count: number, x: ValueId, name: string): ValueId {
  const sizes = call.emit("Slice", [call.emit("Shape", [x]), call.ints([1]), call.ints([count + 1])]);
  const ends = call.emit("Sub", [sizes, amounts(call, name, 1)]);
  return call.emit("Slice", [x, amounts(call, name, 0), ends, spatialAxes(call, count)]);
}

export const windowOps: Conversions = {
  Conv1D: convolution1D,
  Conv2D: convolution2D((call) => call.input("x")),
  _FusedConv2D: convolution2D((call) => call.input("x")),
  Conv3D: (call) => convolution(call, call.input("x"), 3, filterOf(call, 3), {}),
  Conv2DBackpropInput: transposedConvolution,
  DepthwiseConv2d: depthwise((call) => call.input("input")),
  DepthwiseConv2dNative: depthwise((call) => call.input("input")),
  FusedDepthwiseConv2dNative: depthwise((call) => call.input("x")),
  AvgPool: pool("AveragePool", 2),
  AvgPool3D: pool("AveragePool", 3),
  MaxPool: pool("MaxPool", 2),
  MaxPool3D: pool("MaxPool", 3),
  ResizeBilinear: resize("linear"),
  ResizeNearestNeighbor: resize("nearest"),
  CropAndResize: cropAndResize,
  SpaceToBatchND: spaceToBatch,
  BatchToSpaceND: batchToSpace,
  [SPACE_PAD]: (call) => padded(call, 2, call.input("x"), "paddings"),
  [SPACE_CROP]: (call) => cropped(call, 2, call.input("x"), "crops"),
  DepthToSpace: (call) => {
    const format = formatOf(call, 2);
    const first = channelsFirst(call, call.input("x"), format);
    const y = call.emit("DepthToSpace", [first], { blocksize: call.number("blockSize"), mode: "DCR" });
    return channelsBack(call, y, format);
  },
  FusedBatchNorm: normalised,
  FusedBatchNormV2: normalised,
  FusedBatchNormV3: normalised,
  LRN: (call) => {
    const format = formatOf(call, 2);
    const radius = call.number("radius");
    const size = 2 * radius + 1;
    const y = call.emit("LRN", [channelsFirst(call, call.input("x"), format)], {
      size,
      // ai.onnx divides by the size of the window, TF does not.
      alpha: { float: call.number("alpha") * size },
      beta: { float: call.number("beta") },
      bias: { float: call.number("bias") },
    });
    return channelsBack(call, y, format);
  },
  _FusedMatMul: (call) =>
    withFused(call, (bias) => {
      const y = product(call, call.boolean("transposeA"), call.boolean("transposeB"));
      return bias === undefined ? y : call.emit("Add", [y, bias]);
    }),
  MatMul: (call) => product(call, call.boolean("transposeA"), call.boolean("transposeB")),
  BatchMatMul: (call) => product(call, call.boolean("transposeA"), call.boolean("transposeB"), true),
  BatchMatMulV2: (call) => product(call, call.boolean("transposeA"), call.boolean("transposeB"), true),
};

function normalised(call: Call): ValueId[] {
  const [scale, offset, mean, variance] = ["scale", "offset", "mean", "variance"].map((name) => call.input(name)) as [ValueId, ValueId, ValueId, ValueId]; // prettier-ignore
  const first = call.node.attributes.get("data_format");
  const channelsFirstFormat = first?.kind === "string" && first.value.startsWith("NC");
  const column = (id: ValueId): ValueId =>
    channelsFirstFormat ? call.emit("Unsqueeze", [id, call.ints([1, 2])]) : id;
  const statistics = {
    scale: column(scale),
    offset: column(offset),
    mean: column(mean),
    variance: column(variance),
  };
  const y = batchNormalization(call, call.input("x"), statistics, call.number("epsilon", 0.001));
  return [y, mean, variance, mean, variance];
}

/** Transposition of the last two dimensions is an Einsum where the rank is not known. */
function product(call: Call, transposeA: boolean, transposeB: boolean, batched = false): ValueId {
  const [a, b] = [call.input("a"), call.input("b")];
  if (!transposeA && !transposeB) return call.emit("MatMul", [a, b]);
  if (!batched) {
    const turned = (x: ValueId, turn: boolean): ValueId =>
      turn ? call.emit("Transpose", [x], { perm: [1, 0] }) : x;
    return call.emit("MatMul", [turned(a, transposeA), turned(b, transposeB)]);
  }
  const equation = `...${transposeA ? "ki" : "ik"},...${transposeB ? "jk" : "kj"}->...ij`;
  return call.emit("Einsum", [a, b], { equation });
}
