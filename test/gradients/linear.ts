/**
 * Cases of derivatives of linear maps with fixed coefficients: Fourier transforms, rotations, scales, caches that are
 * written to. In: nothing. Out: formulas with their operands. Invariant: a name begins with the operator whose rule is
 * tested.
 */
import type { OnnxAttributes } from "../../compiler/frontend/onnx/write.ts";
import { int64s, op, type Case } from "./formula.ts";

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

export const linearCases: readonly Case[] = [
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
