/**
 * Operators in the forms of their earlier versions, and in rare ones of the newest, against onnxruntime-web. In: single
 * nodes in models of a given operator set. Out: the interpreter's and the compiled program's answers agree with
 * onnxruntime's. Invariant: each case says its operator set, so that the frontend's rewriting is what is tested.
 */
import { describe, expect, it } from "vitest";
import {
  float,
  floats,
  onnxModel,
  type OnnxAttributes,
  type OnnxModelBuilder,
} from "../compiler/frontend/onnx/write.ts";
import type { Tensor } from "../compiler/ir/dtype.ts";
import { tensorOf } from "../compiler/passes/evaluate.ts";
import { agree, reals, wholes } from "./besideOnnxruntime.ts";

/** Inputs of a node: data of a run, or constants of the model. */
type Input = Tensor | { readonly constant: Tensor } | "";

interface Case {
  readonly op: string;
  readonly opset: number;
  readonly inputs: readonly Input[];
  readonly attributes?: OnnxAttributes;
  /** Element types of the outputs; one of float32 if not said. */
  readonly outputs?: readonly ("float32" | "int64" | "int32" | "uint8" | "bool")[];
  readonly says?: string;
}

const x = (...shape: number[]): Tensor => reals(shape, shape.length);
const constant = (dtype: "float32" | "int64" | "int32" | "uint8" | "int8" | "bool", shape: number[], values: number[]): Input => ({ constant: tensorOf(dtype, shape, values) }); // prettier-ignore
const int64s = (...values: number[]): Input => constant("int64", [values.length], values);
const real = (...values: number[]): Input => constant("float32", [values.length], values);
const scalar = (value: number): Input => constant("float32", [], [value]);

async function check({ op, opset, inputs, attributes = {}, outputs = ["float32"] }: Case): Promise<void> {
  const b: OnnxModelBuilder = onnxModel("older", { opset });
  const fed: Record<string, Tensor> = {};
  const names = inputs.map((input, i) => {
    if (input === "") return "";
    if (!("constant" in input)) {
      fed[`x${i}`] = input;
      return b.input(`x${i}`, input.dtype as "float32", input.shape);
    }
    const { dtype, shape, data } = input.constant;
    return b.initializer(dtype as "float32", shape, [...(data as Iterable<number>)]);
  });
  const made = b.nodeWithOutputs(op, names, outputs.length, attributes);
  made.forEach((value, i) => b.output(value, outputs[i]!, undefined, `y${i}`));
  const results = await agree(b, fed);
  expect(Object.keys(results)).toHaveLength(outputs.length);
}

const softmaxes = ["Softmax", "LogSoftmax", "Hardmax"].flatMap((op): Case[] => [
  { op, opset: 11, inputs: [x(2, 3, 4)], says: "of all dimensions from 1 on" },
  { op, opset: 11, inputs: [x(2, 3, 4)], attributes: { axis: 2 } },
  { op, opset: 11, inputs: [x(2, 3, 4)], attributes: { axis: -2 } },
  { op, opset: 12, inputs: [x(2, 3, 4)], attributes: { axis: 0 } },
  { op, opset: 13, inputs: [x(2, 3, 4)], attributes: { axis: 0 } },
]);

const reductions = ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceL2", "ReduceLogSumExp"].flatMap(
  (op): Case[] => [
    { op, opset: 11, inputs: [x(2, 3, 4)], attributes: { axes: [1, -1], keepdims: 0 } },
    { op, opset: 11, inputs: [x(2, 3, 4)], attributes: { keepdims: 1 }, says: "of all" },
    { op, opset: 18, inputs: [x(2, 3, 4), int64s(0, -1)], attributes: { keepdims: 0 } },
    { op, opset: 18, inputs: [x(2, 3, 4)], attributes: { noop_with_empty_axes: 1 } },
  ],
);

const resizes: readonly Case[] = [
  {
    op: "Upsample",
    opset: 7,
    inputs: [x(1, 2, 3, 3)],
    attributes: { mode: "nearest", scales: floats([1, 1, 2, 3]) },
  },
  { op: "Upsample", opset: 9, inputs: [x(1, 2, 3, 3), real(1, 1, 2, 2.5)], attributes: { mode: "linear" } },
  {
    op: "Upsample",
    opset: 9,
    inputs: [x(1, 2, 3, 3), real(1, 1, 1.5, 2.5)],
    attributes: { mode: "nearest" },
  },
  { op: "Resize", opset: 10, inputs: [x(1, 2, 4, 4), real(1, 1, 0.6, 1.7)], attributes: { mode: "nearest" } },
  { op: "Resize", opset: 10, inputs: [x(1, 2, 4, 4), real(1, 1, 0.6, 1.7)], attributes: { mode: "linear" } },
  ...["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"].flatMap((mode): Case[] => [
    { op: "Resize", opset: 13, inputs: [x(1, 2, 4, 5), "", real(1, 1, 1.75, 0.6)], attributes: { mode: "linear", coordinate_transformation_mode: mode }, says: mode }, // prettier-ignore
    { op: "Resize", opset: 13, inputs: [x(1, 2, 4, 5), "", "", int64s(1, 2, 7, 3)], attributes: { mode: "cubic", cubic_coeff_a: float(-0.5), coordinate_transformation_mode: mode }, says: mode }, // prettier-ignore
    { op: "Resize", opset: 13, inputs: [x(1, 2, 4, 5), "", "", int64s(1, 2, 1, 9)], attributes: { mode: "cubic", exclude_outside: 1, coordinate_transformation_mode: mode }, says: mode }, // prettier-ignore
    ...["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"].map((nearest): Case => ({ op: "Resize", opset: 11, inputs: [x(1, 2, 4, 5), real(), real(1, 1, 2.25, 0.6)], attributes: { mode: "nearest", nearest_mode: nearest, coordinate_transformation_mode: mode }, says: `${mode}, ${nearest}` })), // prettier-ignore
  ]),
  { op: "Resize", opset: 13, inputs: [x(1, 2, 4, 5), real(0, 0, 0.2, 0.1, 1, 1, 0.7, 1.3), "", int64s(1, 2, 3, 4)], attributes: { mode: "linear", coordinate_transformation_mode: "tf_crop_and_resize", extrapolation_value: float(9) } }, // prettier-ignore
  { op: "Resize", opset: 18, inputs: [x(1, 2, 8, 9), "", "", int64s(4, 3)], attributes: { mode: "linear", antialias: 1, axes: [2, 3] } }, // prettier-ignore
  { op: "Resize", opset: 18, inputs: [x(1, 2, 8, 9), "", "", int64s(5, 4)], attributes: { mode: "cubic", antialias: 1, axes: [2, 3] } }, // prettier-ignore
  { op: "Resize", opset: 18, inputs: [x(1, 2, 8, 9), "", "", int64s(5, 4)], attributes: { mode: "nearest", keep_aspect_ratio_policy: "not_larger", axes: [2, 3] } }, // prettier-ignore
  { op: "Resize", opset: 18, inputs: [x(1, 2, 8, 9), "", "", int64s(5, 4)], attributes: { mode: "linear", keep_aspect_ratio_policy: "not_smaller", axes: [3, 2] } }, // prettier-ignore
];

const movement: readonly Case[] = [
  { op: "Slice", opset: 9, inputs: [x(4, 5)], attributes: { starts: [1, -3], ends: [9, -1] } },
  { op: "Slice", opset: 9, inputs: [x(4, 5)], attributes: { starts: [1], ends: [3], axes: [1] } },
  { op: "Squeeze", opset: 11, inputs: [x(1, 4, 1)], attributes: { axes: [0, -1] } },
  { op: "Squeeze", opset: 11, inputs: [x(1, 4, 1)], says: "of all" },
  { op: "Unsqueeze", opset: 11, inputs: [x(4, 5)], attributes: { axes: [0, -1] } },
  {
    op: "Split",
    opset: 11,
    inputs: [x(6, 2)],
    attributes: { split: [1, 5] },
    outputs: ["float32", "float32"],
  },
  { op: "Split", opset: 11, inputs: [x(6, 2)], attributes: { axis: -1 }, outputs: ["float32", "float32"] },
  { op: "Split", opset: 18, inputs: [x(7, 2)], attributes: { num_outputs: 3 }, outputs: ["float32", "float32", "float32"] }, // prettier-ignore
  { op: "Pad", opset: 10, inputs: [x(2, 3)], attributes: { pads: [1, 0, 0, 2], value: float(1.5) } },
  { op: "Pad", opset: 10, inputs: [x(4, 3)], attributes: { pads: [2, 1, 1, 2], mode: "reflect" } },
  { op: "Pad", opset: 10, inputs: [x(4, 3)], attributes: { pads: [-1, 1, 1, -1], mode: "edge" } },
  { op: "Pad", opset: 13, inputs: [x(4, 3), int64s(-2, 1, 0, -1), scalar(4)] },
  { op: "Pad", opset: 18, inputs: [x(4, 3, 2), int64s(1, 2), "", int64s(-1)], attributes: { mode: "edge" } },
  { op: "Pad", opset: 19, inputs: [x(4, 3), int64s(3, 1, 2, 2)], attributes: { mode: "wrap" } },
  { op: "TopK", opset: 9, inputs: [x(3, 6)], attributes: { k: 2 }, outputs: ["float32", "int64"] },
  { op: "TopK", opset: 10, inputs: [x(3, 6), int64s(4)], attributes: { axis: 0 - 1 }, outputs: ["float32", "int64"] }, // prettier-ignore
  { op: "Scatter", opset: 9, inputs: [x(3, 4), constant("int64", [1, 2], [1, 3]), x(1, 2)], attributes: { axis: 1 } }, // prettier-ignore
  { op: "DepthToSpace", opset: 1, inputs: [x(1, 8, 2, 3)], attributes: { blocksize: 2 } },
  { op: "OneHot", opset: 9, inputs: [wholes("int64", [2, 3], 0, 4), constant("int64", [1], [5]), real(-1, 2)], attributes: { axis: 1 } }, // prettier-ignore
  { op: "Flatten", opset: 11, inputs: [x(2, 3, 4)], attributes: { axis: -1 } },
  { op: "Tile", opset: 6, inputs: [x(2, 3), int64s(2, 1)] },
  { op: "Expand", opset: 8, inputs: [x(3, 1), int64s(2, 1, 4)] },
  { op: "CenterCropPad", opset: 18, inputs: [x(3, 6), int64s(5, 3)] },
  { op: "CenterCropPad", opset: 18, inputs: [x(3, 6, 2), int64s(5, 3)], attributes: { axes: [-1, 0] } },
  { op: "GatherND", opset: 12, inputs: [x(2, 3, 4), constant("int64", [2, 1], [-1, 1])], attributes: { batch_dims: 1 } }, // prettier-ignore
  { op: "ScatterND", opset: 16, inputs: [x(4, 3), constant("int64", [2, 1], [1, -1]), x(2, 3)], attributes: { reduction: "mul" } }, // prettier-ignore
  { op: "ScatterElements", opset: 18, inputs: [x(4, 3), constant("int64", [2, 3], [0, -1, 2, 3, 3, 2]), x(2, 3)], attributes: { reduction: "max" } }, // prettier-ignore
  { op: "ReverseSequence", opset: 10, inputs: [x(4, 3), int64s(1, 4, 2)], attributes: { batch_axis: 1, time_axis: 0 } }, // prettier-ignore
  { op: "Trilu", opset: 14, inputs: [x(2, 3, 4), constant("int64", [], [-1])], attributes: { upper: 1 } },
  { op: "Col2Im", opset: 18, inputs: [x(1, 8, 4), int64s(4, 5), int64s(2, 2)], attributes: { strides: [1, 2], pads: [0, 0, 0, 0], dilations: [2, 2] } }, // prettier-ignore
];

const arithmetic: readonly Case[] = [
  { op: "Clip", opset: 6, inputs: [x(3, 4)], attributes: { min: float(-0.3) } },
  { op: "Clip", opset: 10, inputs: [x(3, 4)], attributes: { min: float(-0.3), max: float(0.2) } },
  { op: "Clip", opset: 13, inputs: [x(3, 4), "", scalar(0.1)] },
  { op: "Clip", opset: 13, inputs: [x(3, 4), scalar(0.5), scalar(-0.5)], says: "with bounds that cross" },
  { op: "Dropout", opset: 7, inputs: [x(3, 4)], attributes: { ratio: float(0.4) } },
  {
    op: "Gemm",
    opset: 7,
    inputs: [x(3, 4), x(4, 2), real(1, 2)],
    attributes: { alpha: float(0.5), beta: float(3) },
  },
  { op: "Gemm", opset: 11, inputs: [x(4, 3), x(2, 4)], attributes: { transA: 1, transB: 1 } },
  { op: "Mod", opset: 10, inputs: [x(3, 4), x(4)], attributes: { fmod: 1 } },
  { op: "Mod", opset: 10, inputs: [wholes("int32", [3, 4], -9, 9), constant("int32", [4], [3, -3, 5, -2])], outputs: ["int32"] }, // prettier-ignore
  { op: "CumSum", opset: 11, inputs: [x(3, 4), constant("int32", [], [-1])], attributes: { exclusive: 1, reverse: 1 } }, // prettier-ignore
  { op: "Einsum", opset: 12, inputs: [x(2, 3), x(3, 4)], attributes: { equation: "ij , jk" } },
  { op: "Einsum", opset: 12, inputs: [x(3, 3)], attributes: { equation: "ii->i" } },
  { op: "Einsum", opset: 12, inputs: [x(2, 3, 3)], attributes: { equation: "...ii->..." } },
  { op: "Einsum", opset: 12, inputs: [x(2, 3, 4), x(4, 3)], attributes: { equation: "b...c,c...->...b" } },
  { op: "Einsum", opset: 12, inputs: [x(2, 3), x(4)], attributes: { equation: "ij,k->kji" } },
  { op: "LRN", opset: 1, inputs: [x(2, 6, 3, 1)], attributes: { size: 3, alpha: float(0.3), beta: float(0.6), bias: float(1.5) } }, // prettier-ignore
  { op: "MeanVarianceNormalization", opset: 9, inputs: [x(2, 3, 4, 2)] },
  { op: "LpNormalization", opset: 1, inputs: [x(2, 3, 4)], attributes: { axis: 1, p: 1 } },
  { op: "BatchNormalization", opset: 7, inputs: [x(2, 3, 4), real(1, 2, 3), real(0, 1, 2), real(0.1, 0.2, 0.3), real(1, 2, 0.5)] }, // prettier-ignore
  { op: "BatchNormalization", opset: 9, inputs: [x(2, 3), real(1, 2, 3), real(0, 1, 2), real(0.1, 0.2, 0.3), real(1, 2, 0.5)] }, // prettier-ignore
  { op: "InstanceNormalization", opset: 6, inputs: [x(2, 3, 4), real(1, 2, 3), real(0, 1, 2)] },
  { op: "GroupNormalization", opset: 18, inputs: [x(2, 4, 3), real(1, 2), real(0, 1)], attributes: { num_groups: 2 } }, // prettier-ignore
  { op: "GroupNormalization", opset: 21, inputs: [x(2, 4, 3), real(1, 2, 3, 4), real(0, 1, 2, 3)], attributes: { num_groups: 2 } }, // prettier-ignore
  { op: "LayerNormalization", opset: 17, inputs: [x(2, 3, 4), x(3, 4)], attributes: { axis: 1 }, outputs: ["float32", "float32", "float32"] }, // prettier-ignore
  { op: "LayerNormalization", opset: 17, inputs: [x(2, 3, 4), real(1, 2, 3, 4), real(2)], attributes: { epsilon: float(0.1) } }, // prettier-ignore
  { op: "ArgMax", opset: 12, inputs: [wholes("int32", [3, 5], 0, 2)], attributes: { axis: 1, select_last_index: 1, keepdims: 0 }, outputs: ["int64"] }, // prettier-ignore
  { op: "IsInf", opset: 10, inputs: [tensorOf("float32", [3], [Infinity, -Infinity, 1])], attributes: { detect_negative: 0 }, outputs: ["bool"] }, // prettier-ignore
  { op: "Shrink", opset: 9, inputs: [x(3, 4)], attributes: { lambd: float(0.3), bias: float(0.1) } },
  { op: "PRelu", opset: 7, inputs: [x(2, 3, 4), constant("float32", [3, 1], [0.1, 0.2, 0.3])] },
];

const windows: readonly Case[] = [
  ...["SAME_UPPER", "SAME_LOWER", "VALID"].flatMap((auto_pad): Case[] => [
    { op: "Conv", opset: 11, inputs: [x(1, 2, 6, 7), x(3, 2, 3, 2)], attributes: { auto_pad, strides: [2, 2] }, says: auto_pad }, // prettier-ignore
    { op: "Conv", opset: 11, inputs: [x(1, 2, 9), x(3, 2, 3)], attributes: { auto_pad, strides: [3] }, says: auto_pad }, // prettier-ignore
    { op: "ConvTranspose", opset: 11, inputs: [x(1, 2, 4, 3), x(2, 3, 3, 3)], attributes: { auto_pad, strides: [2, 3] }, says: auto_pad }, // prettier-ignore
    { op: "MaxPool", opset: 10, inputs: [x(1, 2, 6, 7)], attributes: { auto_pad, kernel_shape: [3, 2], strides: [2, 2] }, says: auto_pad }, // prettier-ignore
    { op: "AveragePool", opset: 10, inputs: [x(1, 2, 6, 7)], attributes: { auto_pad, kernel_shape: [3, 2], strides: [2, 3] }, says: auto_pad }, // prettier-ignore
    { op: "LpPool", opset: 11, inputs: [x(1, 2, 6, 7)], attributes: { auto_pad, kernel_shape: [3, 2], strides: [2, 2], p: 3 }, says: auto_pad }, // prettier-ignore
  ]),
  { op: "ConvTranspose", opset: 11, inputs: [x(1, 2, 4, 3), x(2, 3, 3, 2)], attributes: { strides: [2, 3], output_shape: [9, 9] } }, // prettier-ignore
  { op: "ConvTranspose", opset: 11, inputs: [x(1, 2, 4, 3), x(2, 3, 3, 2)], attributes: { strides: [3, 2], output_shape: [10, 6], auto_pad: "SAME_UPPER" } }, // prettier-ignore
  { op: "ConvTranspose", opset: 11, inputs: [x(1, 4, 5), x(4, 3, 3), x(6)], attributes: { group: 2, dilations: [2], pads: [1, 2], output_padding: [1], strides: [2] } }, // prettier-ignore
  { op: "MaxPool", opset: 12, inputs: [x(1, 2, 7, 6)], attributes: { kernel_shape: [3, 2], dilations: [2, 3], ceil_mode: 1, strides: [2, 1], pads: [1, 1, 1, 0] }, outputs: ["float32", "int64"] }, // prettier-ignore
  { op: "MaxPool", opset: 12, inputs: [x(1, 2, 5, 4)], attributes: { kernel_shape: [2, 2], storage_order: 1, strides: [2, 2], ceil_mode: 1 }, outputs: ["float32", "int64"] }, // prettier-ignore
  {
    op: "MaxPool",
    opset: 8,
    inputs: [x(1, 1, 3, 4, 5)],
    attributes: { kernel_shape: [2, 2, 3], strides: [1, 2, 2] },
  },
  { op: "AveragePool", opset: 19, inputs: [x(1, 2, 7, 6)], attributes: { kernel_shape: [3, 2], dilations: [2, 2], count_include_pad: 1, pads: [1, 0, 1, 1] } }, // prettier-ignore
  { op: "AveragePool", opset: 19, inputs: [x(1, 2, 7)], attributes: { kernel_shape: [3], strides: [2], ceil_mode: 1, pads: [1, 1], count_include_pad: 1 } }, // prettier-ignore
  {
    op: "AveragePool",
    opset: 11,
    inputs: [x(1, 2, 8)],
    attributes: { kernel_shape: [3], strides: [3], ceil_mode: 1 },
  },
  { op: "GlobalLpPool", opset: 2, inputs: [x(1, 2, 3, 4)], attributes: { p: 1 } },
  { op: "MaxUnpool", opset: 11, inputs: [x(1, 1, 2, 2), constant("int64", [1, 1, 2, 2], [5, 7, 13, 15])], attributes: { kernel_shape: [2, 2], strides: [2, 2] } }, // prettier-ignore
];

const recurrent = (["RNN", "GRU", "LSTM"] as const).flatMap((op): Case[] => {
  const gates = { RNN: 1, GRU: 3, LSTM: 4 }[op];
  const [steps, batch, width, hidden] = [4, 2, 3, 5];
  const both = (directions: number): Input[] => [
    x(steps, batch, width),
    { constant: reals([directions, gates * hidden, width], 2, 0.5) },
    { constant: reals([directions, gates * hidden, hidden], 3, 0.5) },
    { constant: reals([directions, 2 * gates * hidden], 4, 0.5) },
    constant("int32", [batch], [4, 2]),
    { constant: reals([directions, batch, hidden], 5) },
  ];
  const outputs = ["float32", "float32", ...(op === "LSTM" ? ["float32"] : [])] as "float32"[];
  return [
    { op, opset: 7, inputs: both(1), attributes: { hidden_size: hidden }, outputs },
    {
      op,
      opset: 14,
      inputs: both(2),
      attributes: { hidden_size: hidden, direction: "bidirectional" },
      outputs,
    },
    { op, opset: 14, inputs: both(1), attributes: { hidden_size: hidden, direction: "reverse", clip: float(0.4) }, outputs }, // prettier-ignore
    ...(op === "GRU" ? [{ op, opset: 14, inputs: both(1), attributes: { hidden_size: hidden, linear_before_reset: 1, activations: ["HardSigmoid", "Softsign"] }, outputs } as Case] : []), // prettier-ignore
    ...(op === "LSTM" ? [{ op, opset: 14, inputs: both(1), attributes: { hidden_size: hidden, input_forget: 1, activations: ["Sigmoid", "Tanh", "LeakyRelu"], activation_alpha: floats([0.1]) }, outputs } as Case] : []), // prettier-ignore
  ];
});

const quantized: readonly Case[] = [
  { op: "QuantizeLinear", opset: 10, inputs: [x(3, 4), scalar(0.02), constant("uint8", [], [100])], outputs: ["uint8"] }, // prettier-ignore
  { op: "QuantizeLinear", opset: 13, inputs: [x(2, 3, 2), real(0.01, 0.02, 0.03), constant("uint8", [3], [10, 20, 30])], attributes: { axis: -2 }, outputs: ["uint8"] }, // prettier-ignore
  { op: "DequantizeLinear", opset: 13, inputs: [wholes("uint8", [2, 3], 0, 255), real(0.5, 0.25, 1), constant("uint8", [3], [1, 2, 3])], attributes: { axis: 1 } }, // prettier-ignore
  { op: "DequantizeLinear", opset: 21, inputs: [wholes("int8", [4, 6], -99, 99), { constant: reals([2, 6]) }], attributes: { axis: 0, block_size: 2 } }, // prettier-ignore
  { op: "DynamicQuantizeLinear", opset: 11, inputs: [x(3, 4)], outputs: ["uint8", "float32", "uint8"] },
  { op: "MatMulInteger", opset: 10, inputs: [wholes("uint8", [2, 3, 4], 0, 255), constant("uint8", [4, 2], [1, 255, 3, 4, 128, 6, 7, 8]), constant("uint8", [], [12]), constant("uint8", [2], [3, 200])], outputs: ["int32"] }, // prettier-ignore
  { op: "ConvInteger", opset: 10, inputs: [wholes("uint8", [1, 2, 5, 4], 0, 255), { constant: wholes("uint8", [3, 2, 2, 3], 0, 255) }, constant("uint8", [], [9])], attributes: { pads: [1, 0, 1, 1], strides: [2, 1] }, outputs: ["int32"] }, // prettier-ignore
  { op: "QLinearMatMul", opset: 10, inputs: [wholes("uint8", [3, 4], 0, 255), scalar(0.02), constant("uint8", [], [100]), { constant: wholes("uint8", [4, 2], 0, 255, 3) }, scalar(0.03), constant("uint8", [], [120]), scalar(0.5), constant("uint8", [], [128])], outputs: ["uint8"] }, // prettier-ignore
  { op: "QLinearConv", opset: 10, inputs: [wholes("uint8", [1, 2, 5, 5], 0, 255), scalar(0.02), constant("uint8", [], [100]), { constant: wholes("int8", [3, 2, 3, 3], -99, 99) }, real(0.01, 0.02, 0.03), constant("int8", [3], [0, 0, 0]), scalar(0.5), constant("uint8", [], [128]), constant("int32", [3], [10, -200, 3000])], outputs: ["uint8"] }, // prettier-ignore
];

const signals: readonly Case[] = [
  { op: "DFT", opset: 17, inputs: [x(1, 8, 3, 1)], attributes: { axis: 1, onesided: 1 } },
  { op: "DFT", opset: 17, inputs: [x(2, 6, 2)], attributes: { axis: 1, inverse: 1 } },
  { op: "DFT", opset: 17, inputs: [x(2, 6, 2), constant("int64", [], [9])], attributes: { axis: 1 } },
  { op: "DFT", opset: 20, inputs: [x(2, 6, 5, 1), constant("int64", [], [4]), constant("int64", [], [-3])] },
  { op: "STFT", opset: 17, inputs: [x(1, 32, 1), constant("int64", [], [4]), { constant: reals([8]) }] },
  { op: "STFT", opset: 17, inputs: [x(1, 32, 1), constant("int64", [], [5]), "", constant("int64", [], [8])], attributes: { onesided: 0 } }, // prettier-ignore
  { op: "HannWindow", opset: 17, inputs: [constant("int64", [], [9])], attributes: { periodic: 0 } },
  { op: "BlackmanWindow", opset: 17, inputs: [constant("int64", [], [9])] },
  { op: "MelWeightMatrix", opset: 17, inputs: [constant("int64", [], [6]), constant("int64", [], [16]), constant("int64", [], [8000]), constant("float32", [], [100]), constant("float32", [], [3800])] }, // prettier-ignore
  { op: "GridSample", opset: 16, inputs: [x(1, 2, 4, 5), x(1, 3, 3, 2)], attributes: { mode: "bicubic", padding_mode: "reflection", align_corners: 1 } }, // prettier-ignore
  { op: "GridSample", opset: 20, inputs: [x(1, 2, 4, 5), x(1, 3, 3, 2)], attributes: { mode: "linear", padding_mode: "border" } }, // prettier-ignore
  { op: "RoiAlign", opset: 16, inputs: [x(1, 2, 6, 6), constant("float32", [2, 4], [0.4, 0.2, 4.6, 5.1, 1, 1, 2, 2]), int64s(0, 0)], attributes: { output_height: 2, output_width: 3, sampling_ratio: 0 } }, // prettier-ignore
  { op: "RoiAlign", opset: 10, inputs: [x(1, 2, 6, 6), constant("float32", [1, 4], [0.4, 0.2, 4.6, 5.1]), int64s(0)], attributes: { output_height: 2, output_width: 2, mode: "max", sampling_ratio: 2, spatial_scale: float(0.8) } }, // prettier-ignore
];

const all: readonly (readonly [family: string, cases: readonly Case[]])[] = [
  ["softmaxes", softmaxes],
  ["reductions", reductions],
  ["resizing", resizes],
  ["movement", movement],
  ["arithmetic and norms", arithmetic],
  ["windows", windows],
  ["recurrent networks", recurrent],
  ["quantized", quantized],
  ["signals and images", signals],
];

const words = (value: unknown): string => JSON.stringify(value, (_, v: unknown) => (v && typeof v === "object" && "value" in v ? v.value : v)); // prettier-ignore

describe.each(all)("%s", (_, cases) => {
  it.each(cases.map((each) => [`${each.op} ${each.opset}, ${each.says ?? words(each.attributes ?? {})}`, each] as const))("%s", (_, each) => check(each)); // prettier-ignore
});
