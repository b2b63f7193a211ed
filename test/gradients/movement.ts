/**
 * Cases of derivatives of operators that only move elements. In: nothing. Out: formulas with their operands.
 * Invariant: a name begins with the operator whose rule is tested.
 */
import { any, int64s, op, type Case } from "./formula.ts";

export const movementCases: readonly Case[] = [
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
