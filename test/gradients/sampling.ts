/**
 * Cases of derivatives of samples at places that are computed. In: nothing. Out: formulas with their operands.
 * Invariant: a name begins with the operator whose rule is tested.
 */
import { int64s, op, type Case, type Operand } from "./formula.ts";

const positions: Operand = { shape: [1, 2, 3, 2], range: [-1.3, 1.3], apart: true };
export const samplingCases: readonly Case[] = [
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
