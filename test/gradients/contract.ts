/**
 * Cases of derivatives of products: MatMul, Gemm, Einsum and determinants. In: nothing. Out: formulas with their
 * operands. Invariant: a name begins with the operator whose rule is tested.
 */
import { op, type Case } from "./formula.ts";

export const contractCases: readonly Case[] = [
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
