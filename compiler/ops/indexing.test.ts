/** Reading and writing at positions from data: signs, ends, and what lies outside, known or not when compiling. */
import { describe, expect, it } from "vitest";
import { counting, runOperator, tensor } from "../../test/operator.ts";
import { runAtRunTime } from "../../test/operatorAtRunTime.ts";
import { CompileError } from "../diagnostic.ts";
import type { Tensor } from "../ir/dtype.ts";
import type { AttributeLike } from "./define.ts";

const values = (t: Tensor): number[] => Array.from(t.data as Iterable<number>, Number);
const ints = (shape: readonly number[], list: readonly number[]): Tensor => tensor("int64", shape, list);

function compute(
  op: string,
  inputs: readonly (Tensor | undefined)[],
  attributes: Record<string, AttributeLike> = {},
): Tensor {
  return runOperator({ op, inputs, attributes })[0]!;
}

describe("gathering", () => {
  const x = counting([3, 2]);

  it("Gather counts negative indices from the end", () => {
    expect(values(compute("Gather", [x, ints([2], [-1, 0])]))).toEqual([5, 6, 1, 2]);
    const columns = compute("Gather", [x, ints([1, 2], [1, 1])], { axis: 1 });
    expect(columns.shape).toEqual([3, 1, 2]);
    expect(values(columns)).toEqual([2, 2, 4, 4, 6, 6]);
  });

  it("refuses known indices outside and keeps unknown ones inside", () => {
    expect(() => compute("Gather", [x, ints([1], [3])])).toThrow(CompileError);
    const clamped = runAtRunTime({ op: "Gather", inputs: [x, ints([4], [100, -100, -1, 1])] });
    expect(values(clamped)).toEqual([5, 6, 1, 2, 5, 6, 3, 4]);
    const far = runAtRunTime({ op: "GatherND", inputs: [x, ints([2, 2], [9, 9, -9, 0])] });
    expect(values(far)).toEqual([6, 1]);
  });

  it("GatherElements and GatherND with batch dimensions", () => {
    expect(values(compute("GatherElements", [x, ints([2, 2], [2, 0, -1, 1])]))).toEqual([5, 2, 5, 4]);
    const batched = compute("GatherND", [counting([2, 2, 2]), ints([2, 1], [1, 0])], { batch_dims: 1 });
    expect(values(batched)).toEqual([3, 4, 5, 6]);
  });
});

describe("scattering", () => {
  const zeros = tensor("float32", [2, 3], new Array<number>(6).fill(0));

  it("ScatterElements: the last of equal indices wins, reductions accumulate", () => {
    const inputs = [zeros, ints([1, 2], [1, 1]), tensor("float32", [1, 2], [5, 7])];
    expect(values(compute("ScatterElements", inputs, { axis: 1 }))).toEqual([0, 7, 0, 0, 0, 0]);
    expect(values(compute("ScatterElements", inputs, { axis: 1, reduction: "add" }))).toEqual([
      0, 12, 0, 0, 0, 0,
    ]);
    expect(() => compute("ScatterElements", inputs, { reduction: "median" })).toThrow(CompileError);
  });

  it("ScatterND gives the same known as strides and unknown", () => {
    const updates = tensor("float32", [2, 2], [1, 2, 3, 4]);
    for (const list of [
      [0, 0, 0, 2, 1, 0, 1, 2], // a rectangle: known, it becomes two assignments
      [1, 1, 1, 0, 0, 2, 0, -3],
      [0, 1, 0, 1, 1, 1, 1, 1], // places named twice
    ]) {
      const inputs = [zeros, ints([2, 2, 2], list), updates];
      const known = values(compute("ScatterND", inputs));
      expect(known).toEqual(values(runAtRunTime({ op: "ScatterND", inputs })));
      const want = new Array<number>(6).fill(0);
      for (let i = 0; i < 4; i++) {
        const at = list[2 * i]! * 3 + ((list[2 * i + 1]! + 3) % 3);
        want[at] = i + 1;
      }
      expect(known).toEqual(want);
    }
  });

  it("MaxUnpool puts values back, and into a larger output", () => {
    const inputs = [tensor("float32", [1, 1, 1, 2], [5, 6]), ints([1, 1, 1, 2], [3, 4])];
    const attributes = { kernel_shape: [2, 2], strides: [2, 2] };
    expect(values(compute("MaxUnpool", inputs, attributes))).toEqual([0, 0, 0, 5, 6, 0, 0, 0]);
    const larger = compute("MaxUnpool", [...inputs, ints([4], [1, 1, 2, 5])], attributes);
    expect(values(larger)).toEqual([0, 0, 0, 5, 0, 6, 0, 0, 0, 0]);
  });

  it("TensorScatter wraps when circular", () => {
    const inputs = [
      tensor("float32", [1, 4, 1], [1, 2, 3, 4]),
      tensor("float32", [1, 2, 1], [8, 9]),
      ints([1], [3]),
    ];
    expect(values(compute("TensorScatter", inputs, { mode: "circular" }))).toEqual([9, 2, 3, 8]);
    const early = [inputs[0]!, inputs[1]!, ints([1], [1])];
    expect(values(compute("TensorScatter", early))).toEqual([1, 8, 9, 4]);
  });
});

describe("tensors made of positions", () => {
  it("Range, EyeLike, OneHot, Trilu and ConstantOfShape", () => {
    const scalar = (value: number): Tensor => tensor("float32", [], [value]);
    expect(values(compute("Range", [scalar(1), scalar(0), scalar(-0.25)]))).toEqual([1, 0.75, 0.5, 0.25]);
    expect(compute("Range", [scalar(1), scalar(0), scalar(1)]).shape).toEqual([0]);
    expect(values(compute("EyeLike", [counting([2, 3])], { k: 1 }))).toEqual([0, 1, 0, 0, 0, 1]);
    const hot = compute("OneHot", [ints([3], [1, -1, 7]), ints([], [3]), tensor("float32", [2], [2, 5])]);
    expect(values(hot)).toEqual([2, 5, 2, 2, 2, 5, 2, 2, 2]);
    expect(values(compute("Trilu", [counting([2, 3]), ints([], [1])], { upper: 0 }))).toEqual([
      1, 2, 0, 4, 5, 6,
    ]);
    const late = runAtRunTime({ op: "Trilu", inputs: [counting([2, 3]), ints([], [1])] });
    expect(values(late)).toEqual([0, 2, 3, 0, 0, 6]);
    const filled = compute("ConstantOfShape", [ints([2], [1, 2])], {
      value: { kind: "tensor", value: tensor("int32", [1], [7]) },
    });
    expect(filled).toMatchObject({ dtype: "int32", shape: [1, 2] });
    expect(values(filled)).toEqual([7, 7]);
  });

  it("Shape clips its ends, Size counts", () => {
    expect(values(compute("Shape", [counting([2, 3, 4])], { start: -2, end: 10 }))).toEqual([3, 4]);
    expect(values(compute("Size", [counting([2, 3, 4])]))).toEqual([24]);
  });

  it("ReverseSequence turns only what the length covers", () => {
    const y = compute("ReverseSequence", [counting([3, 2]), ints([2], [2, 3])]);
    expect(values(y)).toEqual([3, 6, 1, 4, 5, 2]);
  });
});

describe("sizes that depend on data", () => {
  it("NonZero, Compress and Unique tell how much they found", () => {
    const found = compute("NonZero", [tensor("float32", [2, 2], [0, 1, 2, 0])]);
    expect(found.shape).toEqual([2, 2]);
    expect(values(found)).toEqual([0, 1, 1, 0]);
    const kept = compute("Compress", [counting([3, 2]), tensor("bool", [3], [1, 0, 1])], { axis: 0 });
    expect(kept.shape).toEqual([2, 2]);
    expect(values(kept)).toEqual([1, 2, 5, 6]);
    const inputs = [tensor("float32", [4], [2, 1, 2, 3])];
    const [distinct, , , counts] = runOperator({ op: "Unique", inputs, outputs: 4 });
    expect(values(distinct!)).toEqual([1, 2, 3]);
    expect(values(counts!)).toEqual([1, 2, 1]);
  });

  it("TopK of one axis, also when only the indices are wanted", () => {
    const x = tensor("float32", [2, 3], [1, 3, 2, 9, 7, 8]);
    const [best, where] = runOperator({ op: "TopK", inputs: [x, ints([1], [2])], outputs: 2 });
    expect(values(best!)).toEqual([3, 2, 9, 8]);
    expect(values(where!)).toEqual([1, 2, 0, 2]);
    expect(() => runOperator({ op: "TopK", inputs: [x, ints([1], [4])], outputs: 2 })).toThrow(CompileError);
  });
});
