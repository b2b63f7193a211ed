/**
 * Cases of derivatives of deformable convolutions and regions of interest. In: nothing. Out: formulas with their
 * operands. Invariant: a name begins with the operator whose rule is tested.
 */
import { op, type Case, type Formula } from "./formula.ts";

const corners = (...numbers: readonly number[]): Formula => (b, [x]) =>
  b.node("RoiAlign", [x!, b.initializer("float64", [2, 4], numbers), b.int64s([1, 0])], { output_height: 2, output_width: 3, sampling_ratio: 0 }); // prettier-ignore

export const regionsCases: readonly Case[] = [
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
