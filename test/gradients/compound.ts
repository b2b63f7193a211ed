/**
 * Cases of derivatives of operators that expand into many: attention, recurrences, resampling, local norms. In:
 * nothing. Out: formulas with their operands. Invariant: a name begins with the operator whose rule is tested.
 */
import type { OnnxAttributes } from "../../compiler/frontend/onnx/write.ts";
import { op, type Case, type Formula, type Operand } from "./formula.ts";

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

export const compoundCases: readonly Case[] = [
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
