/**
 * Cases of derivatives of convolutions and pools. In: nothing. Out: formulas with their operands. Invariant: a name
 * begins with the operator whose rule is tested.
 */
import { op, type Case } from "./formula.ts";

export const windowCases: readonly Case[] = [
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
