/**
 * Derivatives against finite differences. Every case is a small graph between x (and perhaps more) and one value, in
 * float64; the operator Gradient's results are compared with central differences, on the interpreter and as WebAssembly.
 */
import { describe, expect, it } from "vitest";
import { load } from "../../../runtime/index.ts";
import { onnxModel, type OnnxAttributes, type OnnxModelBuilder } from "../../frontend/onnx/write.ts";
import type { Tensor } from "../../ir/dtype.ts";
import { seededRandom } from "../../../test/kernelArena.ts";
import { CompileError, compile, interpret } from "../../whole.ts";
import { gradients } from "./table.ts";

const DOMAIN = "ai.onnx.preview.training";

interface Built {
  readonly model: OnnxModelBuilder;
  readonly inputs: Readonly<Record<string, Tensor>>;
}

interface Operand {
  readonly shape: readonly number[];
  /** Numbers lie in [low, high); -1 to 1 if not said. */
  readonly range?: readonly [low: number, high: number];
  /** All different by more than finite differences reach: for maxima and kinks. */
  readonly apart?: boolean;
}

/** y from the operands; what it makes must be float64. */
type Formula = (b: OnnxModelBuilder, operands: readonly string[]) => string;

function numbers({ shape, range = [-1, 1], apart = false }: Operand, seed: number): Tensor {
  const count = shape.reduce((product, dim) => product * dim, 1);
  const random = seededRandom(seed);
  const [low, high] = range;
  const data = Float64Array.from({ length: count }, () => low + random() * (high - low));
  if (apart) {
    const order = Float64Array.from({ length: count }, (_, i) => i).sort(() => random() - 0.5);
    order.forEach((rank, i) => (data[i] = low + ((rank + 0.3 + 0.2 * random()) / count) * (high - low)));
  }
  return { dtype: "float64", shape, data };
}

/** A model with y, weighted so that its elements differ, and, if wanted, the gradients of the sum of it. */
function modelOf(formula: Formula, operands: readonly Operand[], opset = 22, differentiated = true): Built {
  const model = onnxModel("gradient", { opset });
  model.importOpset(DOMAIN, 1);
  const names = operands.map(({ shape }, i) => model.input(`x${i}`, "float64", shape));
  const made = formula(model, names);
  // As many weights as y may have elements, by their place.
  const flat = model.node("Reshape", [made, model.int64s([-1])]);
  const count = model.node("Cast", [model.node("Size", [flat])], { to: 11 });
  const places = model.node("Range", [model.scalar("float64", 0), count, model.scalar("float64", 1)]);
  const weights = model.node("Add", [model.node("Sin", [places]), model.scalar("float64", 0.4)]);
  const y = model.node("ReduceSum", [model.node("Mul", [flat, weights])], { keepdims: 0 });
  model.output(y, "float64", [], "y");
  const outputs = differentiated ? model.nodeWithOutputs("Gradient", names, names.length, { xs: names, y }, { domain: DOMAIN }) : []; // prettier-ignore
  outputs.forEach((value, i) => model.output(value, "float64", operands[i]!.shape, `d${i}`));
  return { model, inputs: Object.fromEntries(operands.map((o, i) => [`x${i}`, numbers(o, 17 * i + 5)])) };
}

/** The slope of y along one element, by a central difference. */
function slope(bytes: Uint8Array, inputs: Built["inputs"], name: string, at: number): number {
  const step = 1e-6;
  const moved = (by: number): number => {
    const tensor = inputs[name]!;
    const data = (tensor.data as Float64Array).slice();
    data[at]! += by;
    const { y } = interpret(bytes, { ...inputs, [name]: { ...tensor, data } });
    return Number(y!.data[0]);
  };
  return (moved(step) - moved(-step)) / (2 * step);
}

async function check(formula: Formula, operands: readonly Operand[], opset?: number): Promise<void> {
  const { model, inputs } = modelOf(formula, operands, opset);
  const bytes = model.toBytes();
  const forward = modelOf(formula, operands, opset, false).model.toBytes();
  const interpreted = interpret(bytes, inputs);
  const session = await load(compile(bytes).artifact);
  const ran = await session.run(inputs as Parameters<typeof session.run>[0]);
  session.dispose();
  operands.forEach((_, i) => {
    const [a, b] = [interpreted[`d${i}`]!, ran[`d${i}`]!].map(({ data }) => [...(data as Float64Array)]);
    const expected = a!.map((_, at) => slope(forward, inputs, `x${i}`, at));
    a!.forEach((value, at) => {
      const allowed = 1e-6 + 1e-6 * Math.abs(expected[at]!);
      expect(Math.abs(value - expected[at]!), `d${i}[${at}] is ${value}, not ${expected[at]}`).toBeLessThan(allowed); // prettier-ignore
      expect(Math.abs(b![at]! - value), `wasm: d${i}[${at}]`).toBeLessThan(1e-7 + 1e-7 * Math.abs(value));
    });
  });
}

/** One operator on its operands. */
function op(
  name: string,
  attributes: OnnxAttributes = {},
  more: (b: OnnxModelBuilder) => string[] = () => [],
): Formula {
  // prettier-ignore
  return (b, operands) => b.node(name, [...operands, ...more(b)], attributes);
}

const any: Operand = { shape: [2, 3], apart: true };
const above = (low: number, high: number): Operand => ({ shape: [2, 3], range: [low, high] });
const wide: Operand = { shape: [3, 4], range: [-5, 5], apart: true };

type Case = readonly [name: string, formula: Formula, operands: readonly Operand[], opset?: number];

const unary: readonly Case[] = [
  ...[
    "Neg",
    "Abs",
    "Exp",
    "Erf",
    "Sin",
    "Cos",
    "Tan",
    "Atan",
    "Sinh",
    "Cosh",
    "Tanh",
    "Asinh",
    "Sign",
    "Floor",
  ],
  ...[
    "Ceil",
    "Round",
    "Sigmoid",
    "Relu",
    "Softplus",
    "Softsign",
    "Mish",
    "HardSwish",
    "Identity",
    "LeakyRelu",
  ],
  ...["Elu", "Celu", "Selu", "Gelu", "Shrink", "HardSigmoid", "ThresholdedRelu", "Dropout"],
].map((name): Case => [name, op(name), [name === "Tan" ? any : wide]]);

const domains: readonly Case[] = [
  ["Sqrt", op("Sqrt"), [above(0.3, 2)]],
  ["Log", op("Log"), [above(0.3, 2)]],
  ["Reciprocal", op("Reciprocal"), [above(0.3, 2)]],
  ["Asin", op("Asin"), [above(-0.8, 0.8)]],
  ["Acos", op("Acos"), [above(-0.8, 0.8)]],
  ["Atanh", op("Atanh"), [above(-0.8, 0.8)]],
  ["Acosh", op("Acosh"), [above(1.2, 3)]],
  ["Gelu with tanh", op("Gelu", { approximate: "tanh" }), [wide]],
  ["Swish", op("Swish", { alpha: 1.5 }), [wide], 24],
  ["Elu with alpha", op("Elu", { alpha: 0.7 }), [wide]],
  ["Celu with alpha", op("Celu", { alpha: 0.7 }), [wide]],
  ["Clip", op("Clip"), [{ shape: [7], range: [-2, 2], apart: true }, { shape: [], range: [-1, -0.9] }, { shape: [], range: [0.9, 1] }]], // prettier-ignore
  ["Cast", (b, [x]) => b.node("Cast", [b.node("Cast", [x!], { to: 11 })], { to: 11 }), [any]],
];

const binary: readonly Case[] = [
  ["Add, broadcast", op("Add"), [{ shape: [2, 3] }, { shape: [4, 1, 3] }]],
  ["Sub, broadcast", op("Sub"), [{ shape: [2, 3] }, { shape: [3] }]],
  ["Mul, broadcast", op("Mul"), [{ shape: [2, 1] }, { shape: [1, 3] }]],
  ["Mul of a value by itself", (b, [x]) => b.node("Mul", [x!, x!]), [any]],
  ["Div, broadcast", op("Div"), [{ shape: [2, 3] }, { shape: [2, 1], range: [0.5, 2] }]],
  [
    "Mod",
    op("Mod", { fmod: 1 }),
    [
      { shape: [4], range: [3.1, 3.9] },
      { shape: [1], range: [1.1, 1.2] },
    ],
  ],
  [
    "Pow",
    op("Pow"),
    [
      { shape: [2, 3], range: [0.3, 2] },
      { shape: [3], range: [-2, 3] },
    ],
  ],
  ["Pow by a constant", (b, [x]) => b.node("Pow", [x!, b.scalar("float64", 3)]), [wide]],
  ["Sum", op("Sum"), [{ shape: [2, 3] }, { shape: [3] }, { shape: [] }]],
  ["Mean", op("Mean"), [{ shape: [2, 3] }, { shape: [3] }, { shape: [2, 1] }]],
  [
    "Max",
    op("Max"),
    [
      { shape: [2, 3], apart: true },
      { shape: [3], range: [-0.9, 1.1], apart: true },
    ],
  ],
  [
    "Min",
    op("Min"),
    [
      { shape: [2, 3], apart: true },
      { shape: [3], range: [-0.9, 1.1], apart: true },
    ],
  ],
  ["PRelu", op("PRelu"), [wide, { shape: [4] }]],
  ["SwiGLU", op("SwiGLU"), [wide, { shape: [3, 4] }], 27],
  ["Where", (b, [x, y]) => b.node("Where", [b.node("Less", [x!, y!]), x!, y!]), [wide, { shape: [4], range: [-5, 5] }]], // prettier-ignore
];

const reductions: readonly Case[] = [
  ...["Sum", "Mean", "SumSquare", "L1", "L2", "LogSumExp", "Max", "Min", "Prod"].flatMap((name): Case[] => [
    [`Reduce${name}`, op(`Reduce${name}`, { keepdims: 0 }, (b) => [b.int64s([-1, 0])]), [{ shape: [2, 3, 2], apart: true }]], // prettier-ignore
    [`Reduce${name} of all`, op(`Reduce${name}`), [{ shape: [2, 3], apart: true }]],
  ]),
  ["ReduceLogSum", op("ReduceLogSum", {}, (b) => [b.int64s([1])]), [above(0.2, 2)]],
  ["ReduceSum of nothing", op("ReduceSum", { noop_with_empty_axes: 1 }), [any]],
  ["CumSum", op("CumSum", { exclusive: 1 }, (b) => [b.scalar("int64", 1)]), [any]],
  ["CumSum, backwards", op("CumSum", { reverse: 1 }, (b) => [b.scalar("int64", 0)]), [any]],
  ...[0, 1].flatMap((exclusive) =>
    [0, 1].map((reverse): Case => [
      `CumProd ${exclusive} ${reverse}`,
      op("CumProd", { exclusive, reverse }, (b) => [b.scalar("int64", -1)]),
      [{ shape: [2, 4] }],
      26,
    ]),
  ),
  ["Softmax", op("Softmax", { axis: 0 }), [any]],
  ["LogSoftmax", op("LogSoftmax"), [any]],
];

const products: readonly Case[] = [
  ["MatMul", op("MatMul"), [{ shape: [2, 3] }, { shape: [3, 4] }]],
  ["MatMul, broadcast", op("MatMul"), [{ shape: [2, 1, 2, 3] }, { shape: [3, 3, 2] }]],
  ["MatMul of vectors", op("MatMul"), [{ shape: [3] }, { shape: [3] }]],
  ["MatMul by a vector", op("MatMul"), [{ shape: [2, 2, 3] }, { shape: [3] }]],
  ["MatMul of a vector", op("MatMul"), [{ shape: [3] }, { shape: [2, 3, 2] }]],
  ...[0, 1, 2, 3].map((n): Case => {
    const [transA, transB] = [n & 1, n >> 1];
    const shapes = [transA ? [3, 2] : [2, 3], transB ? [4, 3] : [3, 4], [4]];
    return [
      `Gemm ${n}`,
      op("Gemm", { transA, transB, alpha: 0.5, beta: 2 }),
      shapes.map((shape) => ({ shape })),
    ];
  }),
  ["Det", op("Det"), [{ shape: [2, 3, 3] }]],
  ["Det of one", op("Det"), [{ shape: [1, 1] }]],
  ["Einsum", op("Einsum", { equation: "bij,kj->bki" }), [{ shape: [2, 2, 3] }, { shape: [4, 3] }]],
  ["Einsum with labels summed alone", op("Einsum", { equation: "ij,jk,l->i" }), [{ shape: [2, 3] }, { shape: [3, 2] }, { shape: [2] }]], // prettier-ignore
  ["Einsum with an ellipsis", op("Einsum", { equation: "...ij,...jk->...ik" }), [{ shape: [2, 2, 2] }, { shape: [1, 2, 3] }]], // prettier-ignore
];

const windows: readonly Case[] = [
  ["Conv", op("Conv", { pads: [1, 0, 1, 2] }), [{ shape: [2, 3, 4, 3] }, { shape: [2, 3, 3, 2] }, { shape: [2] }]], // prettier-ignore
  ["Conv, strides and dilations", op("Conv", { strides: [2], dilations: [2], pads: [1, 3] }), [{ shape: [2, 2, 9] }, { shape: [3, 2, 3] }]], // prettier-ignore
  ["Conv in groups", op("Conv", { group: 2, strides: [2, 1] }), [{ shape: [2, 4, 4, 3] }, { shape: [6, 2, 2, 2] }]], // prettier-ignore
  ["Conv by depth", op("Conv", { group: 3, auto_pad: "SAME_UPPER" }), [{ shape: [1, 3, 5] }, { shape: [3, 1, 2] }]], // prettier-ignore
  ["ConvTranspose", op("ConvTranspose", { strides: [2, 1], pads: [1, 0, 0, 1] }), [{ shape: [2, 2, 3, 3] }, { shape: [2, 3, 3, 2] }, { shape: [3] }]], // prettier-ignore
  ["ConvTranspose in groups", op("ConvTranspose", { group: 2, strides: [2], output_padding: [1] }), [{ shape: [1, 4, 3] }, { shape: [4, 1, 3] }]], // prettier-ignore
  ["MaxPool", op("MaxPool", { kernel_shape: [2, 3], strides: [1, 2], pads: [0, 1, 0, 1] }), [{ shape: [1, 2, 4, 5], apart: true }]], // prettier-ignore
  ["AveragePool", op("AveragePool", { kernel_shape: [3, 2], strides: [2, 1], pads: [1, 0, 1, 1] }), [{ shape: [2, 2, 5, 3] }]], // prettier-ignore
  ["AveragePool with padding", op("AveragePool", { kernel_shape: [3], strides: [2], pads: [1, 1], count_include_pad: 1, ceil_mode: 1 }), [{ shape: [1, 2, 6] }]], // prettier-ignore
  ["LpPool", op("LpPool", { kernel_shape: [2, 3], strides: [1, 2], pads: [0, 1, 1, 0], p: 3 }), [{ shape: [1, 2, 3, 5], range: [0.2, 1] }]], // prettier-ignore
  ["LpPool, dilated, with part windows", op("LpPool", { kernel_shape: [2], strides: [2], dilations: [2], ceil_mode: 1 }), [{ shape: [1, 2, 6], range: [-1, -0.2] }]], // prettier-ignore
  ["GlobalLpPool", op("GlobalLpPool"), [{ shape: [2, 2, 3], range: [0.2, 1] }]],
  ["MaxUnpool", (b, [x]) => b.node("MaxUnpool", [x!, b.initializer("int64", [1, 2, 2], [1, 2, 4, 7])], { kernel_shape: [2], strides: [2] }), [{ shape: [1, 2, 2] }]], // prettier-ignore
  ["GlobalAveragePool", op("GlobalAveragePool"), [{ shape: [2, 2, 3, 2] }]],
  ["GlobalMaxPool", op("GlobalMaxPool"), [{ shape: [2, 2, 3, 2], apart: true }]],
];

const int64s =
  (...lists: readonly (readonly number[])[]) =>
  (b: OnnxModelBuilder) =>
    lists.map((l) => b.int64s(l));

const movement: readonly Case[] = [
  ["Reshape", op("Reshape", {}, int64s([3, 2])), [any]],
  ["Flatten", op("Flatten"), [{ shape: [2, 2, 3] }]],
  ["Squeeze", op("Squeeze", {}, int64s([1])), [{ shape: [2, 1, 3] }]],
  ["Unsqueeze", op("Unsqueeze", {}, int64s([0, 3])), [any]],
  ["Transpose", op("Transpose", { perm: [2, 0, 1] }), [{ shape: [2, 3, 4] }]],
  ["Transpose of all", op("Transpose"), [{ shape: [2, 3, 4] }]],
  ["Slice", op("Slice", {}, int64s([1, -1], [4, -6], [0, 1], [2, -2])), [{ shape: [5, 6] }]],
  ["Slice, backwards", op("Slice", {}, int64s([3], [0], [1], [-1])), [{ shape: [2, 5] }]],
  [
    "Pad",
    (b, [x, v]) => b.node("Pad", [x!, b.int64s([1, -1, 0, 2]), v!]),
    [{ shape: [2, 3] }, { shape: [] }],
  ],
  ...["edge", "reflect", "wrap"].map((mode): Case => [
    `Pad, ${mode}`,
    op("Pad", { mode }, int64s([1, 0, 2, 0, -1, 2])),
    [{ shape: [2, 3, 3] }],
    19,
  ]),
  ["CenterCropPad", op("CenterCropPad", {}, int64s([3, 2, 3])), [{ shape: [2, 5, 3] }]],
  ["OneHot", (b, [x]) => b.node("OneHot", [b.initializer("int64", [2, 2], [0, 2, 3, -1]), b.scalar("int64", 3), x!], { axis: 1 }), [{ shape: [2] }]], // prettier-ignore
  ["Concat", op("Concat", { axis: -1 }), [{ shape: [2, 3] }, { shape: [2, 1] }, { shape: [2, 2] }]],
  ["Split", (b, [x]) => b.nodeWithOutputs("Split", [x!, b.int64s([1, 2])], 2, { axis: 1 })[1]!, [any]],
  ["Expand", op("Expand", {}, int64s([4, 2, 3])), [{ shape: [2, 1] }]],
  ["Tile", op("Tile", {}, int64s([2, 3])), [any]],
  ["DepthToSpace", op("DepthToSpace", { blocksize: 2 }), [{ shape: [1, 8, 2, 3] }]],
  ["DepthToSpace CRD", op("DepthToSpace", { blocksize: 2, mode: "CRD" }), [{ shape: [1, 8, 2, 3] }]],
  ["SpaceToDepth", op("SpaceToDepth", { blocksize: 2 }), [{ shape: [1, 2, 4, 2] }]],
  ["Gather", op("Gather", { axis: 1 }, (b) => [b.initializer("int64", [2, 2], [2, 0, -1, 2])]), [any]],
  ["GatherElements", op("GatherElements", { axis: 1 }, (b) => [b.initializer("int64", [2, 2], [2, 0, 1, 1])]), [any]], // prettier-ignore
  ["GatherND", op("GatherND", {}, (b) => [b.initializer("int64", [2, 2], [1, 0, 1, 0])]), [any]],
  ["GatherND in batches", op("GatherND", { batch_dims: 1 }, (b) => [b.initializer("int64", [2, 1], [2, 1])]), [{ shape: [2, 3, 2] }]], // prettier-ignore
  ["ScatterElements", (b, [x, u]) => b.node("ScatterElements", [x!, b.initializer("int64", [1, 2], [2, 0]), u!], { axis: 1 }), [any, { shape: [1, 2] }]], // prettier-ignore
  ["ScatterND", (b, [x, u]) => b.node("ScatterND", [x!, b.initializer("int64", [2, 1], [1, 1]), u!], { reduction: "add" }), [any, { shape: [2, 3] }]], // prettier-ignore
  ["TopK", (b, [x]) => b.nodeWithOutputs("TopK", [x!, b.int64s([2])], 2, {})[0]!, [{ shape: [2, 4], apart: true }]], // prettier-ignore
  ["Compress", op("Compress", {}, (b) => [b.initializer("bool", [5], [0, 1, 1, 0, 1])]), [any]],
  ["Compress along an axis", op("Compress", { axis: 1 }, (b) => [b.initializer("bool", [2], [0, 1])]), [any]],
  ["Trilu", op("Trilu", { upper: 0 }), [{ shape: [3, 3] }]],
  ["ReverseSequence", op("ReverseSequence", {}, int64s([2, 3])), [{ shape: [3, 2] }]],
];

const norms: readonly Case[] = [
  ["LayerNormalization", op("LayerNormalization", { axis: 1 }), [{ shape: [2, 3, 2] }, { shape: [3, 2] }, { shape: [3, 2] }]], // prettier-ignore
  ["RMSNormalization", op("RMSNormalization"), [{ shape: [2, 4] }, { shape: [4] }], 23],
  [
    "InstanceNormalization",
    op("InstanceNormalization"),
    [{ shape: [2, 2, 4] }, { shape: [2] }, { shape: [2] }],
  ],
  ["GroupNormalization", op("GroupNormalization", { num_groups: 2 }), [{ shape: [1, 4, 3] }, { shape: [4] }, { shape: [4] }]], // prettier-ignore
  ["MeanVarianceNormalization", op("MeanVarianceNormalization", { axes: [0, 2] }), [{ shape: [2, 2, 3] }]],
  ["BatchNormalization", op("BatchNormalization"), [{ shape: [2, 3, 2] }, { shape: [3] }, { shape: [3] }, { shape: [3] }, { shape: [3], range: [0.5, 1] }]], // prettier-ignore
  ["BatchNormalization when training", (b, xs) => b.nodeWithOutputs("BatchNormalization", xs, 1, { training_mode: 1 })[0]!, [{ shape: [3, 2, 2] }, { shape: [2] }, { shape: [2] }, { shape: [2] }, { shape: [2], range: [0.5, 1] }]], // prettier-ignore
  ["LpNormalization", op("LpNormalization", { axis: 0 }), [{ shape: [3, 2], apart: true }]],
  ["NegativeLogLikelihoodLoss", (b, [x, w]) => b.node("NegativeLogLikelihoodLoss", [x!, b.int64s([1, 2, 0]), w!], { ignore_index: 2 }), [{ shape: [3, 4] }, { shape: [4], range: [0.5, 1] }]], // prettier-ignore
  ["SoftmaxCrossEntropyLoss", (b, [x]) => b.node("SoftmaxCrossEntropyLoss", [x!, b.initializer("int64", [2, 2], [1, 2, 0, 1])]), [{ shape: [2, 3, 2] }]], // prettier-ignore
];

const positions: Operand = { shape: [1, 2, 3, 2], range: [-1.3, 1.3], apart: true };
const sampling: readonly Case[] = [
  ...["linear", "cubic", "nearest"].flatMap((mode, i) =>
    ["zeros", "border", "reflection"].map((padding_mode, j): Case => [
      `GridSample ${mode}, ${padding_mode}, ${(i + j) % 2}`,
      op("GridSample", { mode, padding_mode, align_corners: (i + j) % 2 }),
      [{ shape: [1, 2, 3, 4] }, positions],
    ]),
  ),
  ["GridSample of volumes", op("GridSample"), [{ shape: [1, 2, 2, 3, 2] }, { shape: [1, 2, 1, 2, 3], apart: true }]], // prettier-ignore
  ["AffineGrid", op("AffineGrid", {}, int64s([2, 1, 3, 2])), [{ shape: [2, 2, 3] }]],
  ["AffineGrid of volumes, aligned", op("AffineGrid", { align_corners: 1 }, int64s([1, 1, 2, 3, 2])), [{ shape: [1, 3, 4] }]], // prettier-ignore
];

const corners = (...numbers: readonly number[]): Formula => (b, [x]) =>
  b.node("RoiAlign", [x!, b.initializer("float64", [2, 4], numbers), b.int64s([1, 0])], { output_height: 2, output_width: 3, sampling_ratio: 0 }); // prettier-ignore

const regions: readonly Case[] = [
  ["DeformConv", op("DeformConv", { pads: [1, 0, 0, 1], strides: [2, 1] }), [{ shape: [2, 2, 5, 4] }, { shape: [3, 2, 2, 2] }, { shape: [2, 8, 3, 4], range: [-1.2, 1.2], apart: true }, { shape: [3] }], 22],
  ["DeformConv in groups, masked, dilated", (b, [x, w, o, m]) => b.node("DeformConv", [x!, w!, o!, "", m!], { group: 2, offset_group: 2, dilations: [2, 1] }), [{ shape: [1, 4, 5, 4] }, { shape: [2, 2, 2, 2] }, { shape: [1, 16, 3, 3], apart: true }, { shape: [1, 8, 3, 3] }], 22],
  ["DeformConv of one dimension", op("DeformConv", { pads: [1, 1] }), [{ shape: [1, 2, 5] }, { shape: [2, 2, 3] }, { shape: [1, 3, 5], apart: true }], 22],
  ...["half_pixel", "output_half_pixel"].map((coordinate_transformation_mode): Case => [
    `RoiAlign ${coordinate_transformation_mode}`,
    (b, [x, rois]) => b.node("RoiAlign", [x!, rois!, b.int64s([1, 0])], { output_height: 2, output_width: 3, sampling_ratio: 2, spatial_scale: 0.7, coordinate_transformation_mode }),
    [{ shape: [2, 2, 5, 6] }, { shape: [2, 4], range: [0.2, 8], apart: true }],
    16,
  ]),
  ["RoiAlign of known regions, as many samples as they need", corners(0.3, 0.8, 4.4, 4.1, -1.2, 1.1, 5.3, 2.3), [{ shape: [2, 1, 5, 6] }], 16],
]; // prettier-ignore

/** Operands of a recurrent operator of two directions: X, W, R, B, then states, and peepholes. */
const recurrentOperands = (
  gates: number,
  directions: number,
  states: number,
  peephole = false,
): Operand[] => [
  { shape: [3, 2, 2] },
  { shape: [directions, gates * 2, 2] },
  { shape: [directions, gates * 2, 2] },
  { shape: [directions, gates * 4] },
  ...Array.from({ length: states }, () => ({ shape: [directions, 2, 2] })),
  ...(peephole ? [{ shape: [directions, 6] }] : []),
];

/** All outputs of a recurrent operator in one row; `lengths` are those of the sequences. */
function recurrent(
  op: string,
  outputs: number,
  attributes: OnnxAttributes,
  lengths?: readonly number[],
): Formula {
  return (b, [x, w, r, bias, ...rest]) => {
    const counts = lengths ? b.initializer("int32", [lengths.length], lengths) : "";
    const made = b.nodeWithOutputs(op, [x!, w!, r!, bias!, counts, ...rest], outputs, {
      hidden_size: 2,
      ...attributes,
    });
    return b.node(
      "Concat",
      made.map((value) => b.node("Reshape", [value, b.int64s([-1])])),
      { axis: 0 },
    );
  };
}

const heads: Operand = { shape: [2, 2, 3, 2] };

/** Both outputs of a LinearAttention in one row. */
const attended = (attributes: OnnxAttributes): Formula => (b, operands) => {
  const made = b.nodeWithOutputs("LinearAttention", operands, 2, attributes);
  return b.node("Concat", made.map((value) => b.node("Reshape", [value, b.int64s([-1])])), { axis: 0 }); // prettier-ignore
}; // prettier-ignore

const compound: readonly Case[] = [
  ["tilewright:AttentionScores", op("Attention"), [heads, { shape: [2, 2, 4, 2] }, { shape: [2, 2, 4, 3] }], 24],
  ["tilewright:AttentionOutput, 3-D, grouped, causal, capped", op("Attention", { q_num_heads: 4, kv_num_heads: 2, is_causal: 1, softcap: 0.5 }), [{ shape: [1, 3, 8] }, { shape: [1, 3, 4] }, { shape: [1, 3, 6] }], 24],
  ["tilewright:AttentionScores, within a window", (b, [q, k, v, pk, pv]) => b.node("Attention", [q!, k!, v!, "", pk!, pv!], { left_window_size: 1, right_window_size: 1 }), [heads, heads, heads, { shape: [2, 2, 2, 2] }, { shape: [2, 2, 2, 2] }], 25],
  ["tilewright:MaskedSoftmax, with a mask that hides a row, and a past", (b, [q, k, v, pk, pv]) => b.node("Attention", [q!, k!, v!, b.initializer("bool", [3, 5], [1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1]), pk!, pv!]), [heads, heads, heads, { shape: [2, 2, 2, 2] }, { shape: [2, 2, 2, 2] }], 24],
  ["tilewright:AttentionScores, with an added mask", (b, [q, k, v, m]) => b.node("Attention", [q!, k!, v!, m!]), [heads, heads, heads, { shape: [3, 3] }], 24],
  ["LinearAttention", attended({ q_num_heads: 4, kv_num_heads: 2 }), [{ shape: [2, 3, 12] }, { shape: [2, 3, 6] }, { shape: [2, 3, 4] }, { shape: [2, 2, 3, 2] }, { shape: [2, 3, 2] }, { shape: [2, 3, 2] }], 27],
  ["LinearAttention, each key element with a decay", attended({ q_num_heads: 2, kv_num_heads: 2, scale: 0.7 }), [{ shape: [1, 3, 4] }, { shape: [1, 3, 4] }, { shape: [1, 3, 2] }, { shape: [1, 2, 2, 1] }, { shape: [1, 3, 4] }, { shape: [1, 3, 1] }], 27],
  ["LinearAttention, plain", op("LinearAttention", { q_num_heads: 1, kv_num_heads: 1, update_rule: "linear" }), [{ shape: [1, 3, 2] }, { shape: [1, 3, 2] }, { shape: [1, 3, 3] }], 27],
  ["tilewright:Resample", op("Resize", { mode: "linear" }, (b) => ["", "", b.int64s([2, 1, 5, 2])]), [{ shape: [2, 1, 3, 4] }]],
  ["tilewright:Resample, cubic, antialiased", op("Resize", { mode: "cubic", antialias: 1 }, (b) => ["", "", b.int64s([2, 7])]), [{ shape: [4, 5] }]],
  ["tilewright:Resample, nearest", op("Resize", {}, (b) => ["", b.initializer("float32", [2], [1.6, 0.5])]), [{ shape: [4, 5] }]],
  ["tilewright:Resample, cropped", op("Resize", { mode: "linear", coordinate_transformation_mode: "tf_crop_and_resize", extrapolation_value: 2 }, (b) => [b.initializer("float32", [4], [0.1, -0.3, 0.9, 1.2]), "", b.int64s([4, 6])]), [{ shape: [4, 5] }]],
  ["LRN", op("LRN", { size: 3, alpha: 0.5, beta: 0.6, bias: 1.5 }), [{ shape: [2, 5, 2, 2] }]],
  ["LRN, of an even size", op("LRN", { size: 4, alpha: 0.5 }), [{ shape: [1, 3, 2] }]],
  ["RNN", recurrent("RNN", 2, { direction: "bidirectional", activations: ["Tanh", "Affine"], activation_alpha: [0.7], activation_beta: [0.1] }), recurrentOperands(1, 2, 1)],
  ["RNN, reversed, of several lengths", recurrent("RNN", 2, { direction: "reverse", activations: ["ScaledTanh"], activation_alpha: [0.8], activation_beta: [0.6] }, [2, 3]), recurrentOperands(1, 1, 1)],
  ["GRU", recurrent("GRU", 2, { direction: "bidirectional" }), recurrentOperands(3, 2, 1)],
  ["GRU, with the reset after the product", recurrent("GRU", 2, { linear_before_reset: 1, clip: 0.8 }, [3, 1]), recurrentOperands(3, 1, 0)],
  ["LSTM", recurrent("LSTM", 3, { direction: "bidirectional" }, [3, 2]), recurrentOperands(4, 2, 2, true)],
  ["LSTM, coupled", recurrent("LSTM", 3, { input_forget: 1, activations: ["Sigmoid", "Softsign", "Elu"] }), recurrentOperands(4, 1, 2)],
]; // prettier-ignore

const rotary = (rank: 3 | 4, attributes: OnnxAttributes, half: number, positions?: readonly number[]): Case => [
  `RotaryEmbedding of rank ${rank}${positions ? ", at positions" : ""}`,
  (b, [x, cosines, sines]) => b.node("RotaryEmbedding", [x!, cosines!, sines!, ...(positions ? [b.initializer("int64", [2, 3], positions)] : [])], attributes),
  [{ shape: rank === 4 ? [2, 2, 3, 6] : [2, 3, 12] }, ...[0, 1].map(() => ({ shape: positions ? [4, half] : [2, 3, half] }))],
  23,
]; // prettier-ignore

const dequantized = (shape: readonly number[], scale: readonly number[], attributes: OnnxAttributes, zero = false): Case => [
  `DequantizeLinear, scales [${scale}]`,
  (b, [s]) => {
    const count = shape.reduce((a, n) => a * n, 1);
    const x = b.initializer("int8", shape, Array.from({ length: count }, (_, i) => ((i * 37) % 19) - 9));
    const origin = Array.from({ length: scale.reduce((a, n) => a * n, 1) }, (_, i) => i - 1);
    return b.node("DequantizeLinear", [x, s!, ...(zero ? [b.initializer("int8", scale, origin)] : [])], attributes);
  },
  [{ shape: scale }],
  21,
]; // prettier-ignore

const linear: readonly Case[] = [
  ["tilewright:FourierProduct", op("DFT", {}, (b) => ["", b.scalar("int64", 1)]), [{ shape: [2, 4, 3, 1] }], 20],
  ["tilewright:FourierProduct, onesided, shorter", op("DFT", { onesided: 1 }, (b) => [b.scalar("int64", 3), b.scalar("int64", 1)]), [{ shape: [2, 5, 1] }], 20],
  ["tilewright:FourierProduct, back, longer", op("DFT", { inverse: 1 }, (b) => [b.scalar("int64", 6)]), [{ shape: [2, 4, 2] }], 20],
  ["tilewright:FourierProduct, back to real", op("DFT", { inverse: 1, onesided: 1 }), [{ shape: [2, 4, 2] }], 20],
  ["tilewright:FramedFourierProduct", (b, [x, w]) => b.node("STFT", [x!, b.scalar("int64", 2), w!]), [{ shape: [2, 9, 1] }, { shape: [4] }], 17],
  ["tilewright:FramedFourierProduct, complex", (b, [x]) => b.node("STFT", [x!, b.scalar("int64", 3), "", b.scalar("int64", 4)], { onesided: 0 }), [{ shape: [1, 8, 2] }], 17],
  ["Col2Im", op("Col2Im", { pads: [1, 0, 0, 1], dilations: [1, 2], strides: [2, 1] }, int64s([4, 5], [2, 2])), [{ shape: [2, 8, 8] }]],
  ["Col2Im of one dimension", op("Col2Im", { strides: [2] }, int64s([6], [3])), [{ shape: [1, 6, 2] }]],
  rotary(4, {}, 3),
  rotary(4, { interleaved: 1, rotary_embedding_dim: 4 }, 2, [0, 3, 1, 1, 2, 0]),
  rotary(3, { num_heads: 2, rotary_embedding_dim: 4 }, 2, [3, 2, 1, 0, 0, 1]),
  ["TensorScatter", (b, [c, u]) => b.node("TensorScatter", [c!, u!, b.int64s([1, 2])]), [{ shape: [2, 2, 4, 2] }, { shape: [2, 2, 2, 2] }], 24],
  ["TensorScatter, circular", (b, [c, u]) => b.node("TensorScatter", [c!, u!, b.int64s([3, 1])], { mode: "circular", axis: 1 }), [{ shape: [2, 4, 2] }, { shape: [2, 2, 2] }], 24],
  dequantized([2, 3], [], {}),
  dequantized([2, 3, 2], [3], { axis: 1 }, true),
  dequantized([2, 5], [2, 3], { axis: 1, block_size: 2 }, true),
]; // prettier-ignore

const cases = [
  ...unary,
  ...domains,
  ...binary,
  ...reductions,
  ...products,
  ...windows,
  ...movement,
  ...norms,
  ...sampling,
  ...linear,
  ...regions,
  ...compound,
];

describe("derivatives agree with finite differences", () => {
  for (const [name, formula, operands, opset] of cases) it(name, () => check(formula, operands, opset));

  it("is tested for every operator that has one", () => {
    const tested = new Set(cases.map(([name]) => name.split(/[ ,]/)[0]!));
    const through = [
      "CastLike",
      "EyeLike",
      "RandomNormalLike",
      "RandomUniformLike",
      "SimplifiedLayerNormalization",
      "Hardmax",
      "tilewright:ScaleShift",
    ];
    expect([...gradients.keys()].filter((name) => !tested.has(name) && !through.includes(name))).toEqual([]);
  });
});

describe("Gradient", () => {
  it("goes through branches, loops, sequences and functions", async () => {
    await check(
      (b, [x]) => {
        const body = b.subgraph("body", (g) => {
          const i = g.input("i", "int64", []);
          const cond = g.input("cond", "bool", []);
          const state = g.input("state", "float64");
          const branch = (name: string, op: string) =>
            b.subgraph(name, (h) => h.output(h.node(op, [state]), "float64"));
          const even = g.node("Equal", [g.node("Mod", [i, g.scalar("int64", 2)]), g.scalar("int64", 0)]);
          const next = g.node("If", [even], {
            then_branch: branch("t", "Sin"),
            else_branch: branch("e", "Exp"),
          });
          g.output(g.node("Identity", [cond]), "bool");
          g.output(g.node("Mul", [next, x!]), "float64");
        });
        return b.node("Loop", [b.scalar("int64", 11), "", x!], { body });
      },
      [{ shape: [3], range: [0.2, 0.9] }],
    );
  });

  it("is zero for what y does not follow from, and is taken again for second derivatives", () => {
    const b = onnxModel("second", { opset: 22 });
    b.importOpset(DOMAIN, 1);
    const x = b.input("x", "float64", [2]);
    const z = b.input("z", "float64", [3]);
    const y = b.node("Mul", [b.node("Mul", [x, x]), x]);
    b.output(y, "float64", [2], "y");
    const [first, none] = b.nodeWithOutputs("Gradient", [x, z], 2, { xs: [x, z], y }, { domain: DOMAIN });
    const second = b.node("Gradient", [x], { xs: [x], y: first! }, { domain: DOMAIN });
    for (const [value, name] of [[first, "first"], [none, "none"], [second, "second"]] as const) b.output(value!, "float64", undefined, name); // prettier-ignore
    const tensor = (values: number[]): Tensor => ({ dtype: "float64", shape: [values.length], data: Float64Array.from(values) }); // prettier-ignore
    const made = interpret(b.toBytes(), { x: tensor([2, -3]), z: tensor([1, 1, 1]) });
    expect(Object.entries(made).map(([name, { data }]) => [name, ...(data as Float64Array)])).toEqual([
      ["y", 8, -27],
      ["first", 12, 27],
      ["none", 0, 0, 0],
      ["second", 12, -18],
    ]);
  });

  it("differentiates at values other than those that it names", () => {
    const b = onnxModel("elsewhere", { opset: 22 });
    b.importOpset(DOMAIN, 1);
    const x = b.input("x", "float32", []);
    const z = b.input("z", "float32", []);
    const y = b.node("Mul", [b.node("Mul", [x, x]), z]);
    b.output(y, "float32", [], "y");
    const there = [b.scalar("float32", 5), b.scalar("float32", 7)];
    b.output(b.node("Gradient", there, { xs: [x], zs: [z], y }, { domain: DOMAIN }), "float32", [], "dx");
    const one: Tensor = { dtype: "float32", shape: [], data: Float32Array.of(1) };
    expect(interpret(b.toBytes(), { x: one, z: one })["dx"]!.data[0]).toBe(70);
  });

  it("refuses by name what has no derivative", () => {
    const { model } = modelOf(
      (b, [x]) =>
        b.node("MaxRoiPool", [x!, b.initializer("float64", [1, 5], [0, 0, 0, 1, 1])], {
          pooled_shape: [1, 1],
        }),
      [{ shape: [1, 1, 2, 2] }],
    );
    expect(() => compile(model.toBytes())).toThrow(CompileError);
    expect(() => compile(model.toBytes())).toThrow(/no derivative of MaxRoiPool/);
  });
});
