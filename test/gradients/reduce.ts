/**
 * Cases of derivatives of reductions, of what adds up along an axis, and of softmax. In: nothing. Out: formulas with
 * their operands. Invariant: a name begins with the operator whose rule is tested.
 */
import { above, any, op, type Case } from "./formula.ts";

export const reduceCases: readonly Case[] = [
  ...["Sum", "Mean", "SumSquare", "L1", "L2", "LogSumExp", "Max", "Min", "Prod"].flatMap((name): Case[] => [
    [`Reduce${name}`, op(`Reduce${name}`, { keepdims: 0 }, (b) => [b.int64s([-1, 0])]), [{ shape: [2, 3, 2], apart: true }]], // prettier-ignore
    [`Reduce${name} of all`, op(`Reduce${name}`), [{ shape: [2, 3], apart: true }]],
  ]),
  ["ReduceLogSum", op("ReduceLogSum", {}, (b) => [b.int64s([1])]), [above(0.2, 2)]],
  ["ReduceSum of nothing", op("ReduceSum", { noop_with_empty_axes: 1 }), [any]],
  ["CumSum", op("CumSum", { exclusive: 1 }, (b) => [b.scalar("int64", 1)]), [any]],
  ["CumSum, backwards", op("CumSum", { reverse: 1 }, (b) => [b.scalar("int64", 0)]), [any]],
  ...[0, 1].flatMap((exclusive) =>
    [0, 1].map((reverse): Case => [
      `CumProd ${exclusive} ${reverse}`,
      op("CumProd", { exclusive, reverse }, (b) => [b.scalar("int64", -1)]),
      [{ shape: [2, 4] }],
      26,
    ]),
  ),
  ["Softmax", op("Softmax", { axis: 0 }), [any]],
  ["LogSoftmax", op("LogSoftmax"), [any]],
];
