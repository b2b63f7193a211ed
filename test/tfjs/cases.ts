/**
 * At least one case for every TF.js operator that has a conversion: what it is given and with which attributes. In:
 * nothing. Out: cases by operator, with seeded numbers. Invariant: what TF.js's own cpu backend computes for a case is
 * right; operators that it cannot run by themselves (lists, control flow, tables) are in `graphs.test.ts`.
 */
import { attribute, type Weight } from "./graphModel.ts";

/** An input of the run, or a constant of the model. */
export type Operand =
  | { readonly kind: "input"; readonly dtype: "float32" | "int32" | "bool"; readonly shape: readonly number[]; readonly values: readonly number[] } // prettier-ignore
  | { readonly kind: "weight"; readonly weight: Weight };

export interface OperatorCase {
  readonly op: string;
  readonly operands: readonly Operand[];
  readonly attr?: Readonly<Record<string, unknown>>;
  /** How many outputs are compared; 1 if not said. */
  readonly outputs?: number;
  /** What is right, where TF.js goes wrong: the mapping of the converter names other inputs than its executor reads. */
  readonly expected?: readonly number[];
  /** The type of the output is not compared: TF.js gives another one than the graph declares. */
  readonly valuesOnly?: boolean;
  /** Output is random: only its shape and type are compared. */
  readonly random?: boolean;
}

let state = 1;
/** Numbers between -2 and 2, the same in every run. */
function numbers(count: number, low = -2, high = 2): number[] {
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.fround(low + ((high - low) * state) / 2 ** 32);
  });
}

const count = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1);
const T = { T: attribute.type("DT_FLOAT") };
const ofInts = { T: attribute.type("DT_INT32") };

function f(shape: readonly number[], low = -2, high = 2): Operand {
  return { kind: "input", dtype: "float32", shape, values: numbers(count(shape), low, high) };
}
function fs(shape: readonly number[], values: readonly number[]): Operand {
  return { kind: "input", dtype: "float32", shape, values };
}
function i(shape: readonly number[], values: readonly number[]): Operand {
  return { kind: "input", dtype: "int32", shape, values };
}
function b(shape: readonly number[], values: readonly number[]): Operand {
  return { kind: "input", dtype: "bool", shape, values };
}
function w(shape: readonly number[]): Operand {
  return { kind: "weight", weight: { shape, dtype: "float32", values: numbers(count(shape)) } };
}
/** A constant list of integers. */
function ci(...values: number[]): Operand {
  return { kind: "weight", weight: { shape: [values.length], dtype: "int32", values } };
}
function c(value: number, dtype: "int32" | "float32" = "int32"): Operand {
  return { kind: "weight", weight: { shape: [], dtype, values: [value] } };
}
function pairs(...values: number[]): Operand {
  return { kind: "weight", weight: { shape: [values.length / 2, 2], dtype: "int32", values } };
}

const unary = (op: string, low = -2, high = 2): OperatorCase => ({
  op,
  operands: [f([2, 5], low, high)],
  attr: T,
});
const binary = (op: string): OperatorCase => ({ op, operands: [f([2, 3, 4]), f([3, 1], 0.5, 2)], attr: T });
const ofIntegers = (op: string): OperatorCase => ({
  op,
  operands: [i([8], [7, -7, 7, -7, 6, -6, 0, 5]), i([8], [2, 2, -2, -2, 3, 3, 4, 5])],
  attr: ofInts,
});
const logical = (op: string): OperatorCase => ({
  op,
  operands: [b([4], [0, 0, 1, 1]), b([4], [0, 1, 0, 1])],
});
const special = (op: string): OperatorCase => ({
  op,
  operands: [fs([5], [0, NaN, Infinity, -Infinity, 1])],
  attr: T,
});

const window = (strides: readonly number[], padding: string, more: Readonly<Record<string, unknown>> = {}): OperatorCase["attr"] => ({
  ...T,
  strides: attribute.ints([1, ...strides, 1]),
  padding: attribute.text(padding),
  ...more,
}); // prettier-ignore
const sized = (size: readonly number[]): Readonly<Record<string, unknown>> => ({
  ksize: attribute.ints([1, ...size, 1]),
});
const dilated = (by: readonly number[]): Readonly<Record<string, unknown>> => ({ dilations: attribute.ints([1, ...by, 1]) }); // prettier-ignore
const fused = (...ops: string[]): Readonly<Record<string, unknown>> => ({ fused_ops: attribute.texts(ops), num_args: attribute.int(1) }); // prettier-ignore
const reduction = (op: string, keep: boolean, ...axes: number[]): OperatorCase => ({
  op,
  operands: [f([2, 3, 4]), ci(...axes)],
  attr: { ...T, keep_dims: attribute.bool(keep) },
});
const resize = (
  op: string,
  corners: boolean,
  centres: boolean,
  height: number,
  width: number,
): OperatorCase => ({
  op,
  operands: [f([1, 5, 7, 2]), ci(height, width)],
  attr: { ...T, align_corners: attribute.bool(corners), half_pixel_centers: attribute.bool(centres) },
});
const masks = (m: { b?: number; e?: number; n?: number; l?: number; s?: number }): Readonly<Record<string, unknown>> => ({
  begin_mask: attribute.int(m.b ?? 0),
  end_mask: attribute.int(m.e ?? 0),
  new_axis_mask: attribute.int(m.n ?? 0),
  ellipsis_mask: attribute.int(m.l ?? 0),
  shrink_axis_mask: attribute.int(m.s ?? 0),
}); // prettier-ignore
const boxes = fs([5, 4], [0, 0, 1, 1, 0, 0.05, 1, 1.05, 0, 2, 1, 3, 0, 2.1, 1, 3.1, 0, 10, 1, 11]);
const scores = fs([5], [0.9, 0.75, 0.6, 0.95, 0.3]);

export const operatorCases: readonly OperatorCase[] = [
  ...["Add", "AddV2", "Sub", "Mul", "RealDiv", "Div", "Maximum", "Minimum", "SquaredDifference", "Mod", "FloorMod"].map(binary), // prettier-ignore
  { ...binary("FloorDiv"), valuesOnly: true },
  ...["Add", "Sub", "Mul", "RealDiv", "FloorDiv", "Mod", "FloorMod", "Maximum", "SquaredDifference"].map(
    ofIntegers,
  ),
  { op: "AddN", operands: [f([3]), f([3]), f([3])] },
  { op: "BiasAdd", operands: [f([2, 3, 4]), w([4])], attr: T },
  { op: "DivNoNan", operands: [fs([4], [1, 2, 0, -3]), fs([4], [2, 0, 0, 1])], attr: T },
  { op: "Pow", operands: [f([6], 0.1, 3), f([6])], attr: T },
  ...["Abs", "Atan", "Asinh", "Ceil", "Cos", "Cosh", "Elu", "Erf", "Exp", "Floor", "Neg", "Relu", "Selu", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Square", "Tan", "Tanh", "Identity", "Snapshot", "StopGradient"].map((op) => unary(op)), // prettier-ignore
  ...["Acos", "Asin", "Atanh"].map((op) => unary(op, -0.9, 0.9)),
  unary("Acosh", 1.1, 4),
  ...["Log", "Reciprocal", "Rsqrt", "Sqrt"].map((op) => unary(op, 0.1, 4)),
  { op: "Expm1", operands: [fs([7], [0, 1e-6, -1e-6, 0.5, -0.5, 5, -20])], attr: T },
  { op: "Log1p", operands: [fs([6], [0, 1e-6, -1e-6, 0.5, -0.5, 500])], attr: T },
  {
    op: "Atan2",
    operands: [fs([9], [1, -1, 1, -1, 0, 0, 2, -2, 0]), fs([9], [1, 1, -1, -1, 1, -1, 0, 0, 0])],
    attr: T,
  },
  { op: "ClipByValue", operands: [f([8]), c(-0.5, "float32"), c(1, "float32")], attr: T },
  { op: "Relu6", operands: [f([9], -3, 9)], attr: T },
  { op: "Round", operands: [fs([6], [0.5, 1.5, 2.5, -0.5, -1.5, 1.2])], attr: T },
  { op: "LeakyRelu", operands: [f([6])], attr: { ...T, alpha: attribute.float(0.3) } },
  { op: "Prelu", operands: [f([1, 2, 2, 3]), w([1, 1, 3])], attr: T },
  ...["IsNan", "IsInf", "IsFinite"].map(special),
  ...["Equal", "NotEqual", "Greater", "GreaterEqual", "Less", "LessEqual"].map(ofIntegers),
  ...["LogicalAnd", "LogicalOr"].map(logical),
  { op: "LogicalNot", operands: [b([2], [0, 1])] },
  {
    op: "BitwiseAnd",
    operands: [i([3], [6, 255, -1]), i([3], [3, 15, 77])],
    attr: ofInts,
    expected: [2, 15, 77],
  },
  { op: "Select", operands: [b([2, 2], [1, 0, 0, 1]), f([2, 2]), f([2, 2])], attr: T },
  { op: "SelectV2", operands: [b([2, 1], [1, 0]), f([2, 3]), f([1, 3])], attr: T },
  { op: "Cast", operands: [fs([4], [1.7, -1.7, 0, 3])], attr: { SrcT: attribute.type("DT_FLOAT"), DstT: attribute.type("DT_INT32") } }, // prettier-ignore
  { op: "Cast", operands: [i([3], [0, 1, 5])], attr: { SrcT: attribute.type("DT_INT32"), DstT: attribute.type("DT_BOOL") } }, // prettier-ignore
  { op: "Cast", operands: [i([3], [0, 1, 5])], attr: { SrcT: attribute.type("DT_INT32"), DstT: attribute.type("DT_HALF") } }, // prettier-ignore
  { op: "IdentityN", operands: [f([2]), f([3])], outputs: 2 },

  { op: "Conv1D", operands: [f([1, 9, 3]), w([3, 3, 4])], attr: { ...T, stride: attribute.int(2), padding: attribute.text("SAME"), dilation: attribute.int(1) } }, // prettier-ignore
  {
    op: "Conv2D",
    operands: [f([1, 7, 6, 3]), w([3, 3, 3, 4])],
    attr: window([2, 2], "SAME", dilated([1, 1])),
  },
  {
    op: "Conv2D",
    operands: [f([2, 7, 6, 3]), w([3, 2, 3, 4])],
    attr: window([1, 1], "VALID", dilated([2, 2])),
  },
  { op: "Conv2D", operands: [f([1, 5, 5, 2]), w([3, 3, 2, 2])], attr: window([1, 1], "EXPLICIT", { ...dilated([1, 1]), explicit_paddings: attribute.ints([0, 0, 1, 2, 0, 1, 0, 0]) }) }, // prettier-ignore
  { op: "_FusedConv2D", operands: [f([1, 5, 5, 2]), w([3, 3, 2, 3]), w([3])], attr: window([1, 1], "SAME", { ...dilated([1, 1]), ...fused("BiasAdd", "Relu6") }) }, // prettier-ignore
  { op: "_FusedConv2D", operands: [f([1, 5, 5, 2]), w([1, 1, 2, 3]), w([3]), w([3])], attr: window([1, 1], "SAME", { ...dilated([1, 1]), fused_ops: attribute.texts(["BiasAdd", "Prelu"]), num_args: attribute.int(2) }) }, // prettier-ignore
  { op: "_FusedConv2D", operands: [f([1, 5, 5, 2]), w([2, 2, 2, 3]), w([3])], attr: window([1, 1], "VALID", { ...dilated([1, 1]), ...fused("BiasAdd", "LeakyRelu"), leakyrelu_alpha: attribute.float(0.1) }) }, // prettier-ignore
  { op: "Conv2DBackpropInput", operands: [ci(1, 8, 8, 3), w([3, 3, 3, 2]), f([1, 4, 4, 2])], attr: window([2, 2], "SAME") }, // prettier-ignore
  { op: "Conv2DBackpropInput", operands: [ci(1, 9, 9, 3), w([3, 3, 3, 2]), f([1, 4, 4, 2])], attr: window([2, 2], "VALID") }, // prettier-ignore
  { op: "Conv2DBackpropInput", operands: [ci(1, 7, 7, 3), w([2, 2, 3, 2]), f([1, 4, 4, 2])], attr: window([2, 2], "SAME") }, // prettier-ignore
  { op: "Conv3D", operands: [f([1, 4, 5, 4, 2]), w([2, 3, 2, 2, 3])], attr: window([1, 2, 1], "SAME", { ...dilated([1, 1, 1]), data_format: attribute.text("NDHWC") }) }, // prettier-ignore
  {
    op: "DepthwiseConv2d",
    operands: [f([1, 6, 6, 3]), w([3, 3, 3, 2])],
    attr: window([1, 1], "SAME", dilated([1, 1])),
  },
  { op: "DepthwiseConv2dNative", operands: [f([1, 7, 6, 3]), w([3, 3, 3, 1])], attr: window([2, 2], "SAME", dilated([1, 1])) }, // prettier-ignore
  { op: "DepthwiseConv2dNative", operands: [f([1, 9, 9, 3]), w([3, 3, 3, 1])], attr: window([1, 1], "VALID", dilated([2, 2])) }, // prettier-ignore
  { op: "FusedDepthwiseConv2dNative", operands: [f([1, 6, 6, 3]), w([3, 3, 3, 1]), w([3])], attr: window([1, 1], "SAME", { ...dilated([1, 1]), ...fused("BiasAdd", "Relu") }) }, // prettier-ignore
  { op: "AvgPool", operands: [f([1, 7, 6, 3])], attr: window([2, 2], "SAME", sized([3, 3])) },
  { op: "MaxPool", operands: [f([1, 7, 6, 3])], attr: window([2, 2], "SAME", sized([2, 3])) },
  { op: "MaxPool", operands: [f([1, 7, 6, 3])], attr: window([1, 1], "VALID", sized([2, 2])) },
  { op: "AvgPool3D", operands: [f([1, 4, 5, 6, 2])], attr: window([2, 2, 2], "SAME", sized([2, 2, 2])) },
  { op: "MaxPool3D", operands: [f([1, 4, 5, 6, 2])], attr: window([2, 2, 2], "VALID", sized([2, 3, 2])) },
  resize("ResizeBilinear", false, false, 10, 3),
  resize("ResizeBilinear", true, false, 9, 11),
  resize("ResizeBilinear", false, true, 8, 4),
  resize("ResizeNearestNeighbor", false, false, 10, 3),
  resize("ResizeNearestNeighbor", true, false, 9, 11),
  resize("ResizeNearestNeighbor", false, true, 8, 4),
  { op: "CropAndResize", operands: [f([2, 5, 6, 3]), fs([3, 4], [0, 0, 1, 1, 0.2, 0.1, 0.7, 0.9, 0.5, 0.5, 1.4, 1.2]), i([3], [0, 1, 1]), ci(4, 3)], attr: { ...T, method: attribute.text("bilinear"), extrapolation_value: attribute.float(0.25) } }, // prettier-ignore
  { op: "SpaceToBatchND", operands: [f([1, 5, 6, 2]), ci(2, 3), pairs(0, 1, 2, 1)], attr: T },
  { op: "BatchToSpaceND", operands: [f([6, 3, 3, 2]), ci(2, 3), pairs(0, 1, 2, 1)], attr: T },
  { op: "DepthToSpace", operands: [f([1, 2, 3, 8])], attr: { ...T, block_size: attribute.int(2), data_format: attribute.text("NHWC") } }, // prettier-ignore
  ...["FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"].map((op): OperatorCase => ({ op, operands: [f([1, 2, 2, 3]), w([3]), w([3]), w([3]), { kind: "weight", weight: { shape: [3], dtype: "float32", values: [0.5, 1, 2] } }], attr: { ...T, epsilon: attribute.float(0.001) } })), // prettier-ignore
  { op: "LRN", operands: [f([1, 2, 2, 9])], attr: { ...T, depth_radius: attribute.int(2), bias: attribute.float(1), alpha: attribute.float(0.3), beta: attribute.float(0.7) } }, // prettier-ignore
  { op: "_FusedMatMul", operands: [f([3, 4]), w([4, 5]), w([5])], attr: { ...T, ...fused("BiasAdd", "Relu"), transpose_a: attribute.bool(false), transpose_b: attribute.bool(false) } }, // prettier-ignore
  { op: "MatMul", operands: [f([4, 3]), w([5, 4])], attr: { ...T, transpose_a: attribute.bool(true), transpose_b: attribute.bool(true) } }, // prettier-ignore
  { op: "BatchMatMul", operands: [f([2, 3, 4]), f([2, 4, 5])], attr: { ...T, adj_x: attribute.bool(false), adj_y: attribute.bool(false) } }, // prettier-ignore
  { op: "BatchMatMulV2", operands: [f([2, 3, 4]), f([2, 5, 4])], attr: { ...T, adj_x: attribute.bool(false), adj_y: attribute.bool(true) } }, // prettier-ignore

  { op: "StridedSlice", operands: [f([4, 5, 6]), ci(1, 0, 2), ci(3, 5, -1), ci(1, 2, 1)], attr: masks({}) },
  { op: "StridedSlice", operands: [fs([3, 2], [1, 2, 3, 4, 5, 6]), ci(-1, 0), ci(0, 2), ci(1, 1)], attr: masks({ s: 1 }), expected: [5, 6] }, // prettier-ignore
  { op: "StridedSlice", operands: [f([4, 5]), ci(0, 4), ci(0, 1), ci(-1, -2)], attr: masks({ b: 1, e: 1 }) },
  { op: "StridedSlice", operands: [f([4, 5, 6]), ci(0, 0, 2), ci(0, 0, 3), ci(1, 1, 1)], attr: masks({ b: 2, e: 2, l: 1, n: 2, s: 4 }) }, // prettier-ignore
  { op: "StridedSlice", operands: [f([4, 5]), ci(0, 0, 0), ci(0, 0, 0), ci(1, 1, 1)], attr: masks({ b: 5, e: 5, n: 2 }) }, // prettier-ignore
  { op: "Slice", operands: [f([4, 5]), ci(1, 2), ci(-1, 2)], attr: T },
  {
    op: "Reverse",
    operands: [f([2, 3]), { kind: "weight", weight: { shape: [2], dtype: "bool", values: [0, 1] } }],
  },
  { op: "ReverseV2", operands: [f([2, 3, 4]), ci(-1, 0)] },
  { op: "Pad", operands: [f([2, 3]), pairs(1, 0, 2, 1)], attr: T },
  { op: "PadV2", operands: [f([2, 3]), pairs(1, 0, 2, 1), c(1.5, "float32")], attr: T },
  {
    op: "MirrorPad",
    operands: [f([3, 4]), pairs(1, 2, 2, 3)],
    attr: { ...T, mode: attribute.text("REFLECT") },
  },
  {
    op: "MirrorPad",
    operands: [f([3, 4]), pairs(1, 3, 4, 2)],
    attr: { ...T, mode: attribute.text("SYMMETRIC") },
  },
  { op: "Gather", operands: [f([4, 3]), i([2], [2, 0])] },
  {
    op: "GatherV2",
    operands: [f([2, 4, 3]), i([2, 2], [3, 0, 1, 1]), c(1)],
    attr: { batch_dims: attribute.int(0) },
  },
  {
    op: "GatherV2",
    operands: [f([2, 4, 3]), i([2, 2], [3, 0, 1, 1]), c(1)],
    attr: { batch_dims: attribute.int(1) },
  },
  { op: "GatherNd", operands: [f([3, 4, 2]), i([2, 2], [0, 1, 2, 3])] },
  { op: "ScatterNd", operands: [i([3, 1], [1, 3, 1]), f([3, 2]), ci(4, 2)] },
  { op: "TensorScatterUpdate", operands: [f([4, 2]), i([2, 1], [1, 3]), f([2, 2])] },
  { op: "SparseToDense", operands: [i([3], [0, 2, 4]), ci(6), f([3]), c(0.5, "float32")] },
  { op: "SparseToDense", operands: [i([2, 2], [0, 1, 2, 2]), ci(3, 3), f([2]), c(0, "float32")] },
  { op: "ConcatV2", operands: [f([2, 1]), f([2, 3]), c(-1)], attr: { N: attribute.int(2) } },
  { op: "Concat", operands: [c(0), f([2, 3]), f([1, 3])], attr: { N: attribute.int(2) } },
  { op: "Pack", operands: [f([2, 3]), f([2, 3])], attr: { axis: attribute.int(1) } },
  { op: "Pack", operands: [f([2, 3]), f([2, 3])], attr: { axis: attribute.int(-1) } },
  {
    op: "Unpack",
    operands: [f([2, 3])],
    attr: { axis: attribute.int(1), num: attribute.int(3) },
    outputs: 3,
  },
  { op: "Split", operands: [c(1), f([2, 6])], attr: { num_split: attribute.int(3) }, outputs: 3 },
  {
    op: "SplitV",
    operands: [f([2, 6]), ci(1, -1, 2), c(1)],
    attr: { num_split: attribute.int(3) },
    outputs: 3,
  },
  { op: "Tile", operands: [f([2, 3]), ci(2, 1)] },
  { op: "Reshape", operands: [f([2, 6]), ci(3, -1)] },
  { op: "EnsureShape", operands: [f([2, 6]), ci(2, 6)] },
  { op: "ExpandDims", operands: [f([2, 3]), c(-2)] },
  { op: "Squeeze", operands: [f([1, 2, 1, 3])], attr: { squeeze_dims: attribute.ints([0]) } },
  { op: "Squeeze", operands: [f([1, 2, 1, 3])], attr: { squeeze_dims: attribute.ints([]) } },
  { op: "Transpose", operands: [f([2, 3, 4]), ci(2, 0, 1)] },
  { op: "BroadcastTo", operands: [f([3, 1]), ci(2, 3, 4)] },
  { op: "BroadcastArgs", operands: [i([2], [3, 1]), i([3], [2, 1, 4])] },
  { op: "Shape", operands: [f([2, 3])] },
  { op: "ShapeN", operands: [f([2, 3]), f([4])], outputs: 2, valuesOnly: true },
  { op: "Size", operands: [f([2, 3])] },
  { op: "Rank", operands: [f([2, 3])] },
  { op: "Fill", operands: [ci(2, 3), c(1.5, "float32")], attr: T },
  { op: "Ones", operands: [ci(2, 3)], attr: T },
  { op: "Zeros", operands: [ci(2, 3)], attr: ofInts },
  { op: "OnesLike", operands: [f([2, 3])], attr: T },
  { op: "ZerosLike", operands: [f([2, 3])], attr: T },
  { op: "OneHot", operands: [i([4], [0, 2, -1, 5]), c(4), c(2, "float32"), c(-1, "float32")], attr: T },
  { op: "Range", operands: [c(1), c(9), c(3)], attr: { Tidx: attribute.type("DT_INT32") } },
  { op: "LinSpace", operands: [c(1, "float32"), c(3, "float32"), c(5)], attr: T },
  { op: "MatrixBandPart", operands: [fs([3, 4], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]), c(1), c(2)], expected: [1, 2, 3, 0, 5, 6, 7, 8, 0, 10, 11, 12] }, // prettier-ignore
  { op: "MatrixBandPart", operands: [f([4, 4]), c(-1), c(-1)] },
  {
    op: "Print",
    operands: [f([2]), f([2])],
    attr: { message: attribute.text("x"), summarize: attribute.int(1) },
  },

  ...["Max", "Mean", "Min", "Prod", "Sum", "EuclideanNorm"].flatMap((op) => [reduction(op, false, 1), reduction(op, true, 0, -1)]), // prettier-ignore
  ...["All", "Any"].map((op): OperatorCase => ({ op, operands: [b([2, 3], [1, 1, 1, 0, 1, 0]), ci(1)], attr: { keep_dims: attribute.bool(false) } })), // prettier-ignore
  ...["ArgMax", "ArgMin"].map((op): OperatorCase => ({ op, operands: [f([3, 4]), c(-1)], attr: T })),
  ...["Cumsum", "Cumprod"].map((op): OperatorCase => ({ op, operands: [f([3, 4]), c(1)], attr: { exclusive: attribute.bool(true), reverse: attribute.bool(true) } })), // prettier-ignore
  ...["Cumsum", "Cumprod"].map((op): OperatorCase => ({ op, operands: [f([3, 4]), c(0)], attr: { exclusive: attribute.bool(false), reverse: attribute.bool(false) } })), // prettier-ignore
  { op: "Softmax", operands: [f([2, 5])] },
  { op: "LogSoftmax", operands: [f([2, 5])] },
  { op: "Einsum", operands: [f([2, 3]), f([3, 4])], attr: { equation: attribute.text("ij,jk->ik"), N: attribute.int(2) } }, // prettier-ignore
  { op: "Bincount", operands: [i([5], [0, 2, 2, 1, 4]), c(6), w([0])] },
  { op: "DenseBincount", operands: [i([5], [0, 2, 2, 1, 4]), c(6), w([5])], attr: { binary_output: attribute.bool(false) } }, // prettier-ignore
  { op: "NonMaxSuppressionV2", operands: [boxes, scores, c(3), c(0.5, "float32")] },
  { op: "NonMaxSuppressionV3", operands: [boxes, scores, c(5), c(0.5, "float32"), c(0.4, "float32")] },
  { op: "NonMaxSuppressionV4", operands: [boxes, scores, c(5), c(0.5, "float32"), c(0, "float32")], attr: { pad_to_max_output_size: attribute.bool(false) }, outputs: 2 }, // prettier-ignore
  { op: "NonMaxSuppressionV5", operands: [boxes, scores, c(5), c(0.5, "float32"), c(0, "float32"), c(0, "float32")], outputs: 2 }, // prettier-ignore
  { op: "Where", operands: [b([2, 3], [1, 0, 1, 0, 0, 1])] },
  { op: "ListDiff", operands: [i([6], [1, 2, 3, 4, 5, 6]), i([3], [1, 3, 5])], outputs: 2 },
  { op: "LowerBound", operands: [fs([1, 5], [0, 3, 9, 9, 10]), fs([1, 3], [2, 9, 11])] },
  { op: "UpperBound", operands: [fs([1, 5], [0, 3, 9, 9, 10]), fs([1, 3], [2, 9, 11])] },
  { op: "TopKV2", operands: [f([2, 6]), c(3)], attr: { sorted: attribute.bool(true) }, outputs: 2 },
  { op: "Unique", operands: [i([6], [1, 1, 2, 4, 4, 7])], outputs: 2 },
  { op: "UniqueV2", operands: [i([6], [1, 1, 2, 4, 4, 7]), ci(0)], outputs: 2 },
  { op: "RandomUniform", operands: [ci(2, 3)], attr: { dtype: attribute.type("DT_FLOAT"), seed: attribute.int(3) }, random: true }, // prettier-ignore
  { op: "RandomStandardNormal", operands: [ci(2, 3)], attr: { dtype: attribute.type("DT_FLOAT"), seed: attribute.int(3) }, random: true }, // prettier-ignore
  { op: "RandomUniformInt", operands: [ci(2, 3)], attr: { minval: attribute.int(2), maxval: attribute.int(9), seed: attribute.int(3) }, random: true }, // prettier-ignore
  { op: "Multinomial", operands: [f([2, 3]), c(4)], attr: { ...T, output_dtype: attribute.type("DT_INT32"), seed: attribute.int(3) }, random: true }, // prettier-ignore
  { op: "FakeQuantWithMinMaxVars", operands: [f([2])], attr: T },
];

/** Operators that are tested as parts of graphs. */
export const inGraphs: ReadonlySet<string> = new Set([
  "Complex",
  "Real",
  "Imag",
  "ComplexAbs",
  "FFT",
  "IFFT",
  "RFFT",
  "IRFFT",
  "TensorListReserve",
  "EmptyTensorList",
  "TensorListFromTensor",
  "TensorListScatter",
  "TensorListScatterV2",
  "TensorListSplit",
  "TensorListGetItem",
  "TensorListSetItem",
  "TensorListPushBack",
  "TensorListPopBack",
  "TensorListStack",
  "TensorListGather",
  "TensorListConcat",
  "TensorListConcatV2",
  "TensorListLength",
  "TensorArrayV3",
  "TensorArrayWriteV3",
  "TensorArrayReadV3",
  "TensorArrayGatherV3",
  "TensorArrayScatterV3",
  "TensorArrayConcatV3",
  "TensorArraySplitV3",
  "TensorArraySizeV3",
  "tilewright:SpacePad",
  "tilewright:SpaceCrop",
]);
