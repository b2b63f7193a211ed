/** Normalisations and reductions on small cases with known statistics. */
import { describe, expect, it } from "vitest";
import { counting, runOperator, tensor } from "../../test/operator.ts";
import type { Tensor } from "../ir/dtype.ts";

const values = (t: Tensor): number[] => Array.from(t.data as Iterable<number>, Number);

function expectClose(got: Tensor, want: readonly number[]): void {
  const numbers = values(got);
  expect(numbers.length).toBe(want.length);
  numbers.forEach((value, i) => expect(value).toBeCloseTo(want[i]!, 4));
}

describe("along an axis", () => {
  const softmaxOf = (row: readonly number[]): number[] => {
    const powers = row.map(Math.exp);
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((p) => p / sum);
  };

  it("Softmax of the last and of an outer axis", () => {
    const x = counting([2, 3], 0.5);
    expectClose(runOperator({ op: "Softmax", inputs: [x] })[0]!, [
      ...softmaxOf([0.5, 1, 1.5]),
      ...softmaxOf([2, 2.5, 3]),
    ]);
    const [a, b] = softmaxOf([0, 1.5]) as [number, number];
    expectClose(runOperator({ op: "Softmax", inputs: [x], attributes: { axis: 0 } })[0]!, [a, a, a, b, b, b]);
  });

  it("Softmax does not overflow", () => {
    expectClose(
      runOperator({ op: "Softmax", inputs: [tensor("float32", [2], [1000, 1000])] })[0]!,
      [0.5, 0.5],
    );
  });

  it("Softmax of a row with NaN is NaN, and minus infinity gives zero", () => {
    const x = tensor("float32", [3, 2], [NaN, 1, 2, NaN, -Infinity, 5]);
    const [y] = runOperator({ op: "Softmax", inputs: [x] });
    expect(values(y!)).toEqual([NaN, NaN, NaN, NaN, 0, 1]);
  });

  it("LogSoftmax is its logarithm", () => {
    const want = softmaxOf([1, 2, 3]).map(Math.log);
    expectClose(runOperator({ op: "LogSoftmax", inputs: [counting([3])] })[0]!, want);
  });

  it("Hardmax marks the first maximum", () => {
    const x = tensor("float32", [2, 3], [1, 5, 5, 2, 0, 1]);
    expect(values(runOperator({ op: "Hardmax", inputs: [x] })[0]!)).toEqual([0, 1, 0, 1, 0, 0]);
    const down = runOperator({ op: "Hardmax", inputs: [x], attributes: { axis: 0 } })[0]!;
    expect(values(down)).toEqual([0, 1, 1, 1, 0, 0]);
  });

  it("LpNormalization leaves zeros", () => {
    const x = tensor("float32", [2, 2], [3, 4, 0, 0]);
    expectClose(runOperator({ op: "LpNormalization", inputs: [x] })[0]!, [0.6, 0.8, 0, 0]);
  });
});

describe("by mean and variance", () => {
  const root = Math.sqrt(1.25); // deviation of 1, 2, 3, 4
  const normal = [-1.5 / root, -0.5 / root, 0.5 / root, 1.5 / root];

  it("LayerNormalization gives mean and inverse deviation", () => {
    const inputs = [counting([2, 4]), counting([4]), counting([4], 10)];
    const [y, mean, inverse] = runOperator({
      op: "LayerNormalization",
      inputs,
      attributes: { epsilon: { float: 0 } },
      outputs: 3,
    });
    const row = normal.map((v, i) => v * (i + 1) + (i + 1) * 10);
    expectClose(y!, [...row, ...row]);
    expect(mean!.shape).toEqual([2, 1]);
    expectClose(mean!, [2.5, 6.5]);
    expectClose(inverse!, [1 / root, 1 / root]);
  });

  it("RMSNormalization takes no mean off", () => {
    const rms = Math.sqrt(7.5);
    const [y] = runOperator({
      op: "RMSNormalization",
      inputs: [counting([4]), tensor("float32", [4], [1, 1, 1, 1])],
    });
    expectClose(y!, [1 / rms, 2 / rms, 3 / rms, 4 / rms]);
  });

  it("InstanceNormalization and GroupNormalization", () => {
    const ones = tensor("float32", [2], [1, 2]);
    const zeros = tensor("float32", [2], [0, 1]);
    const [y] = runOperator({ op: "InstanceNormalization", inputs: [counting([1, 2, 4]), ones, zeros] });
    expectClose(y!, [...normal, ...normal.map((v) => 2 * v + 1)]);
    const [z] = runOperator({
      op: "GroupNormalization",
      inputs: [counting([1, 2, 2]), ones, zeros],
      attributes: { num_groups: 1 },
    });
    expectClose(z!, [normal[0]!, normal[1]!, 2 * normal[2]! + 1, 2 * normal[3]! + 1]);
  });

  it("BatchNormalization in both modes", () => {
    const parameters = [
      counting([2]),
      tensor("float32", [2], [0, 1]),
      tensor("float32", [2], [0, 1]),
      counting([2], 4),
    ];
    const x = counting([1, 2, 4]);
    const attributes = { epsilon: { float: 0 } };
    const [y] = runOperator({ op: "BatchNormalization", inputs: [x, ...parameters], attributes });
    expectClose(y!, [0.5, 1, 1.5, 2, ...[4, 5, 6, 7].map((v) => (2 * v) / Math.sqrt(8) + 1)]);
    const [trained, mean, variance] = runOperator({
      op: "BatchNormalization",
      inputs: [x, ...parameters],
      attributes: { ...attributes, training_mode: 1, momentum: { float: 0.5 } },
      outputs: 3,
    });
    expectClose(trained!, [...normal, ...normal.map((v) => 2 * v + 1)]);
    expectClose(mean!, [1.25, 3.75]);
    expectClose(variance!, [2.625, 4.625]);
  });
});

describe("reductions", () => {
  const x = tensor("float32", [2, 3], [1, -2, 3, 4, 5, -6]);
  const axes = (...list: number[]): Tensor => tensor("int64", [list.length], list);
  const reduce = (op: string, inputs: (Tensor | undefined)[], attributes = {}): number[] =>
    values(runOperator({ op, inputs, attributes })[0]!);

  it("over named axes, all axes, or none", () => {
    expect(reduce("ReduceSum", [x, axes(1)])).toEqual([2, 3]);
    expect(reduce("ReduceSum", [x, axes(-2)], { keepdims: 0 })).toEqual([5, 3, -3]);
    expect(reduce("ReduceSum", [x])).toEqual([5]);
    expect(reduce("ReduceSum", [x], { noop_with_empty_axes: 1 })).toEqual([1, -2, 3, 4, 5, -6]);
  });

  it("of every kind", () => {
    expect(reduce("ReduceMean", [x, axes(1)])).toEqual([Math.fround(2 / 3), 1]);
    expect(reduce("ReduceProd", [x, axes(1)])).toEqual([-6, -120]);
    expect(reduce("ReduceMax", [x, axes(1)])).toEqual([3, 5]);
    expect(reduce("ReduceMin", [x, axes(1)])).toEqual([-2, -6]);
    expect(reduce("ReduceL1", [x, axes(1)])).toEqual([6, 15]);
    expect(reduce("ReduceL2", [x, axes(1)])[0]).toBeCloseTo(Math.sqrt(14), 5);
    expect(reduce("ReduceSumSquare", [x, axes(1)])).toEqual([14, 77]);
    expect(reduce("ReduceLogSum", [x, axes(1)])[0]).toBeCloseTo(Math.log(2), 5);
    const large = tensor("float32", [2], [1000, 1000]);
    expect(reduce("ReduceLogSumExp", [large])[0]).toBeCloseTo(1000 + Math.log(2), 3);
  });

  it("of nothing gives the identity", () => {
    const none = tensor("float32", [2, 0], []);
    expect(reduce("ReduceSum", [none, axes(1)])).toEqual([0, 0]);
    expect(reduce("ReduceProd", [none, axes(1)])).toEqual([1, 1]);
    expect(reduce("ReduceMax", [none, axes(1)])).toEqual([-Infinity, -Infinity]);
    expect(reduce("ReduceLogSumExp", [none, axes(1)])).toEqual([-Infinity, -Infinity]);
    expect(reduce("ReduceMin", [tensor("int8", [0], [])])).toEqual([127]);
  });

  it("of booleans", () => {
    const b = tensor("bool", [2, 2], [1, 0, 1, 1]);
    expect(reduce("ReduceMax", [b, axes(1)])).toEqual([1, 1]);
    expect(reduce("ReduceMin", [b, axes(1)])).toEqual([0, 1]);
  });

  it("ArgMax and ArgMin take the first, or the last on request, and NaN above all", () => {
    const y = tensor("float32", [2, 3], [2, 2, 1, 1, NaN, 1]);
    expect(reduce("ArgMax", [y], { axis: 1 })).toEqual([0, 1]);
    expect(reduce("ArgMax", [y], { axis: 1, select_last_index: 1 })).toEqual([1, 1]);
    expect(reduce("ArgMin", [y], { axis: 1, keepdims: 0 })).toEqual([2, 1]);
  });

  it.each(["ArgMax", "ArgMin"])("%s of a scalar is 0, a scalar too", (op) => {
    for (const keepdims of [0, 1])
      for (const select_last_index of [0, 1]) {
        const attributes = { keepdims, select_last_index };
        const results = runOperator({ op, inputs: [tensor("float32", [], [7])], attributes });
        expect(results).toEqual([tensor("int64", [], [0])]);
      }
  });
});
