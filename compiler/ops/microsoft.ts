/**
 * Operators of com.microsoft that exporters and onnxruntime's own optimizer write: fused activations, products,
 * convolutions, layer normalizations and attention. In: a call with static types. Out: ordinary operators, which
 * our own fusion puts together again. Invariant: nothing is computed here that ai.onnx cannot say; forms that it
 * cannot say are refused. Source: onnxruntime, docs/ContribOperators.md.
 */
import type { ValueId } from "../ir/graph.ts";
import type { AttributeLike, Expander, OpCall, OpDefinition } from "./define.ts";

const DOMAIN = "com.microsoft";

function expanded(
  op: string,
  expand: (call: OpCall, to: Expander) => readonly (ValueId | undefined)[],
): OpDefinition {
  return {
    op,
    domain: DOMAIN,
    implementation: { kind: "expand", expand: (call, to) => expand(call, to) as readonly ValueId[] },
  };
}

const given = (call: OpCall, position: number): ValueId => call.node.inputs[position] ?? "";

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

/** Attributes of the call that `names` lists, for the operator it stands for. */
function only(call: OpCall, names: readonly string[]): Record<string, AttributeLike> {
  const kept: Record<string, AttributeLike> = {};
  for (const name of names) {
    const attribute = call.node.attributes.get(name);
    if (attribute) kept[name] = attribute;
  }
  return kept;
}

const fusedConv = expanded("FusedConv", (call, to) => {
  const names = ["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"];
  const inputs = [0, 1, 2].map((position) => given(call, position));
  const y = to.node("Conv", inputs, only(call, names));
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
// Attention

const rotaryEmbedding = expanded("RotaryEmbedding", (call, to) => {
  const [x, positions, cosines, sines] = [0, 1, 2, 3].map((position) => given(call, position)) as [
    ValueId, ValueId, ValueId, ValueId,
  ]; // prettier-ignore
  const { shape } = call.input(0);
  const [batch, length] = shape.length === 4 ? [shape[0]!, shape[2]!] : [shape[0]!, shape[1]!];
  // One position is where the sequence starts; otherwise each element has its own.
  const single = call.input(1).shape.length === 1;
  const steps = to.integers(Array.from({ length }, (_, i) => i));
  const counted = single ? to.node("Add", [positions, steps]) : positions;
  const all = to.node("Expand", [counted, to.integers([batch, length])]);
  return [
    to.node("RotaryEmbedding", [x, cosines, sines, all], {
      interleaved: call.int("interleaved", 0),
      rotary_embedding_dim: call.int("rotary_embedding_dim", 0),
      num_heads:
        call.int("num_heads", 0) ||
        (shape.length === 4 ? shape[1]! : shape[2]! / (2 * call.input(2).shape[1]!)),
    }),
  ];
});

const multiHeadAttention = expanded("MultiHeadAttention", (call, to) => {
  if (given(call, 4)) call.fail("op-unsupported", "key_padding_mask of MultiHeadAttention");
  const shapes = [0, 1, 2].map((position) => call.inputs[position]?.shape.length);
  if (shapes[0] !== 3 || shapes[1] === undefined || shapes[1] === 5) {
    call.fail("op-unsupported", "packed query, key and value");
  }
  const heads = call.int("num_heads", 1);
  let [query, key, value] = [0, 1, 2].map((position) => given(call, position)) as [ValueId, ValueId, ValueId];
  const bias = given(call, 3);
  if (bias) {
    // One bias for all three, one after the other.
    const [q, v] = [call.input(0).shape[2]!, call.input(3).shape[0]! - 2 * call.input(0).shape[2]!];
    const part = (from: number, size: number): ValueId =>
      to.node("Slice", [bias, to.integers([from]), to.integers([from + size]), to.integers([0])]);
    query = to.node("Add", [query, part(0, q)]);
    if (shapes[1] === 3) key = to.node("Add", [key, part(q, q)]);
    if (shapes[2] === 3) value = to.node("Add", [value, part(2 * q, v)]);
  }
  return to.nodes("Attention", [query, key, value, given(call, 5), given(call, 6), given(call, 7)], 3, {
    q_num_heads: heads,
    kv_num_heads: heads,
    is_causal: call.int("unidirectional", 0),
    ...(call.float("scale", 0) ? { scale: { float: call.float("scale", 0) } } : {}),
  });
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
  rotaryEmbedding,
  multiHeadAttention,
];
