/**
 * Cases of derivatives of norms and losses. In: nothing. Out: formulas with their operands. Invariant: a name begins
 * with the operator whose rule is tested.
 */
import { op, type Case } from "./formula.ts";

export const normaliseCases: readonly Case[] = [
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
