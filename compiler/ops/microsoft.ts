/**
 * Operators of com.microsoft that exporters and onnxruntime's own optimizer write: fused activations, products,
 * convolutions and layer normalizations. In: a call with static types. Out: ordinary operators, which
 * our own fusion puts together again. Invariant: nothing is computed here that ai.onnx cannot say; forms that it
 * cannot say are refused. Source: onnxruntime, docs/ContribOperators.md.
 */
import type { ValueId } from "../ir/graph.ts";
import type { AttributeLike, Expander, OpCall, OpDefinition } from "./define.ts";
import { channelsLast, channelsSecond, expanded, given, only, part, same } from "./microsoftForm.ts";

/** Sum of the given inputs among `positions`. */
function sum(call: OpCall, to: Expander, ...positions: readonly number[]): ValueId {
  const ids = positions.map((position) => given(call, position)).filter((id) => id !== "");
  return ids.reduce((total, id) => to.node("Add", [total, id]));
}

/** The activation that a fused operator ends with. */
function activated(call: OpCall, to: Expander, x: ValueId, parameters: readonly number[]): ValueId {
  const name = call.string("activation", "");
  const alpha = (otherwise: number): AttributeLike => ({ float: parameters[0] ?? otherwise });
  const beta = (otherwise: number): AttributeLike => ({ float: parameters[1] ?? otherwise });
  switch (name) {
    case "":
      return x;
    case "Relu":
    case "Tanh":
    case "Sigmoid":
    case "Softplus":
    case "Softsign":
      return to.node(name, [x]);
    case "LeakyRelu":
      return to.node(name, [x], { alpha: alpha(0.01) });
    case "Elu":
      return to.node(name, [x], { alpha: alpha(1) });
    case "HardSigmoid":
      return to.node(name, [x], { alpha: alpha(0.2), beta: beta(0.5) });
    case "Clip": {
      const { dtype } = to.typeOf(x);
      const [low, high] = [parameters[0] ?? -Infinity, parameters[1] ?? Infinity];
      return to.node("Clip", [x, to.scalar(dtype, low), to.scalar(dtype, high)]);
    }
    default:
      return call.fail("op-unsupported", `fused activation "${name}"`);
  }
}

const convAttributes = ["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"];

const fusedConv = expanded("FusedConv", (call, to) => {
  const inputs = [0, 1, 2].map((position) => given(call, position));
  const y = to.node("Conv", inputs, only(call, convAttributes));
  const z = given(call, 3);
  return [activated(call, to, z ? to.node("Add", [y, z]) : y, call.floats("activation_params") ?? [])];
});

const fusedGemm = expanded("FusedGemm", (call, to) => {
  const inputs = [0, 1, 2].map((position) => given(call, position));
  const y = to.node("Gemm", inputs, only(call, ["alpha", "beta", "transA", "transB"]));
  const parameters = ["activation_alpha", "activation_beta"].flatMap((name) => call.float(name) ?? []);
  return [activated(call, to, y, parameters)];
});

/** The operand with its last two dimensions exchanged. */
function exchanged(to: Expander, id: ValueId): ValueId {
  const rank = to.typeOf(id).shape.length;
  if (rank < 2) return id;
  const perm = Array.from({ length: rank }, (_, d) => d);
  [perm[rank - 2], perm[rank - 1]] = [rank - 1, rank - 2];
  return to.node("Transpose", [id], { perm });
}

const fusedMatMul = expanded("FusedMatMul", (call, to) => {
  if (call.int("transBatchA", 0) || call.int("transBatchB", 0))
    call.fail("op-unsupported", "transposed batches");
  const operand = (position: number, flag: string): ValueId =>
    call.int(flag, 0) ? exchanged(to, given(call, position)) : given(call, position);
  const y = to.node("MatMul", [operand(0, "transA"), operand(1, "transB")]);
  const alpha = call.float("alpha", 1);
  return [alpha === 1 ? y : to.node("Mul", [y, to.scalar(to.typeOf(y).dtype, alpha)])];
});

// ---------------------------------------------------------------------------------------------------------------
// Activations

const gelu = expanded("Gelu", (call, to) => [to.node("Gelu", [given(call, 0)])]);
const biasGelu = expanded("BiasGelu", (call, to) => [to.node("Gelu", [sum(call, to, 0, 1)])]);
const fastGelu = expanded("FastGelu", (call, to) => [
  to.node("Gelu", [sum(call, to, 0, 1)], { approximate: "tanh" }),
]);
const quickGelu = expanded("QuickGelu", (call, to) => {
  const x = given(call, 0);
  const scaled = to.node("Mul", [x, to.scalar(call.input(0).dtype, call.float("alpha", 1.702))]);
  return [to.node("Mul", [x, to.node("Sigmoid", [scaled])])];
});

// ---------------------------------------------------------------------------------------------------------------
// Layer normalizations after a residual sum

const skipLayerNorm = expanded("SkipLayerNormalization", (call, to) => {
  const total = sum(call, to, 0, 1, 4);
  const parameters = [given(call, 2), given(call, 3)].filter((id) => id !== "");
  const attributes = { axis: -1, epsilon: { float: call.float("epsilon", 1e-12) } };
  return [...to.nodes("LayerNormalization", [total, ...parameters], 3, attributes), total];
});

const skipSimplifiedLayerNorm = expanded("SkipSimplifiedLayerNormalization", (call, to) => {
  const total = sum(call, to, 0, 1, 3);
  const attributes = { axis: -1, epsilon: { float: call.float("epsilon", 1e-12) } };
  const [y, inverse] = to.nodes("RMSNormalization", [total, given(call, 2)], 2, attributes) as [
    ValueId,
    ValueId,
  ];
  return [y, undefined, inverse, total];
});

// ---------------------------------------------------------------------------------------------------------------
// Other forms of operators of ai.onnx

/** Conv of channels last; the weights are as ever. */
const nhwcConv = expanded("NhwcConv", (call, to) => {
  const inputs = [channelsSecond(to, given(call, 0)), given(call, 1), given(call, 2)];
  return [channelsLast(to, to.node("Conv", inputs, only(call, convAttributes)))];
});

const nhwcMaxPool = expanded("NhwcMaxPool", (call, to) => {
  const names = ["auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "strides"];
  return [channelsLast(to, to.node("MaxPool", [channelsSecond(to, given(call, 0))], only(call, names)))];
});

/** The first half of x + bias times the Gelu of the second. */
const biasSplitGelu = expanded("BiasSplitGelu", (call, to) => {
  const x = sum(call, to, 0, 1);
  const { shape } = call.input(0);
  const axis = shape.length - 1;
  const half = shape[axis]! / 2;
  return [to.node("Mul", [part(to, x, 0, half, axis), to.node("Gelu", [part(to, x, half, 2 * half, axis)])])];
});

export const microsoftOps: readonly OpDefinition[] = [
  fusedConv,
  fusedGemm,
  fusedMatMul,
  gelu,
  biasGelu,
  fastGelu,
  quickGelu,
  skipLayerNorm,
  skipSimplifiedLayerNorm,
  nhwcConv,
  nhwcMaxPool,
  biasSplitGelu,
  same("Trilu", ["upper"]),
  same("GatherND", []),
];
