/** Movement operators: where each element comes from, and that the kernels stay plain strided loads. */
import { describe, expect, it } from "vitest";
import { counting, runOperator, tensor } from "../../test/operator.ts";
import { runAtRunTime } from "../../test/operatorAtRunTime.ts";
import { CompileError } from "../diagnostic.ts";
import type { Tensor } from "../ir/dtype.ts";
import type { Expr } from "../ir/expr.ts";
import { linear } from "../ir/linear.ts";
import { some } from "../ir/walk.ts";
import { singleAssign } from "../ir/kernel.ts";
import { OpCall, type AttributeLike } from "./define.ts";
import { findOperator } from "./table.ts";

const values = (t: Tensor): number[] => Array.from(t.data as Iterable<number>, Number);
const ints = (...list: number[]): Tensor => tensor("int64", [list.length], list);

function move(
  op: string,
  inputs: readonly (Tensor | undefined)[],
  attributes: Record<string, AttributeLike> = {},
): Tensor {
  return runOperator({ op, inputs, attributes })[0]!;
}

describe("reshaping", () => {
  it("Reshape keeps dimensions for 0 and finds -1", () => {
    expect(move("Reshape", [counting([2, 3, 4]), ints(0, -1)]).shape).toEqual([2, 12]);
    expect(move("Reshape", [counting([2, 3, 4]), ints(4, 3, 2)]).shape).toEqual([4, 3, 2]);
    expect(move("Reshape", [counting([0, 3]), ints(3, 0)], { allowzero: 1 }).shape).toEqual([3, 0]);
    expect(() => move("Reshape", [counting([2, 3]), ints(4)])).toThrow(CompileError);
    expect(() => move("Reshape", [counting([2, 3]), ints(-1, -1)])).toThrow(CompileError);
  });

  it("Squeeze, Unsqueeze and Flatten take negative axes", () => {
    expect(move("Squeeze", [counting([1, 3, 1]), ints(-1)]).shape).toEqual([1, 3]);
    expect(move("Squeeze", [counting([1, 3, 1])]).shape).toEqual([3]);
    expect(move("Unsqueeze", [counting([3]), ints(0, -1)]).shape).toEqual([1, 3, 1]);
    expect(move("Flatten", [counting([2, 3, 4])], { axis: -1 }).shape).toEqual([6, 4]);
    expect(() => move("Squeeze", [counting([2, 3]), ints(0)])).toThrow(CompileError);
  });

  it("Transpose reverses without a permutation", () => {
    expect(values(move("Transpose", [counting([2, 3])]))).toEqual([1, 4, 2, 5, 3, 6]);
    expect(() => move("Transpose", [counting([2, 3])], { perm: [0, 0] })).toThrow(CompileError);
  });
});

describe("cutting and joining", () => {
  it("Slice clamps, steps backwards and may be empty", () => {
    const x = counting([5]);
    expect(values(move("Slice", [x, ints(-3), ints(1000)]))).toEqual([3, 4, 5]);
    expect(values(move("Slice", [x, ints(4), ints(-1000), ints(0), ints(-2)]))).toEqual([5, 3, 1]);
    expect(move("Slice", [x, ints(3), ints(1)]).shape).toEqual([0]);
    expect(() => move("Slice", [x, ints(0), ints(1), ints(0), ints(0)])).toThrow(CompileError);
  });

  it("Split by parts and by sizes, Concat puts them back", () => {
    const x = counting([2, 5]);
    const parts = runOperator({
      op: "Split",
      inputs: [x],
      attributes: { axis: 1, num_outputs: 2 },
      outputs: 2,
    });
    expect(parts.map((part) => part.shape)).toEqual([
      [2, 3],
      [2, 2],
    ]);
    expect(values(parts[1]!)).toEqual([4, 5, 9, 10]);
    expect(values(move("Concat", parts, { axis: 1 }))).toEqual(values(x));
    const [first] = runOperator({
      op: "Split",
      inputs: [x, ints(1, 4)],
      attributes: { axis: 1 },
      outputs: 2,
    });
    expect(values(first!)).toEqual([1, 6]);
    expect(() => move("Concat", [counting([2, 3]), counting([3, 2])], { axis: 1 })).toThrow(CompileError);
  });

  it("Tile and Expand", () => {
    expect(values(move("Tile", [counting([1, 2]), ints(2, 2)]))).toEqual([1, 2, 1, 2, 1, 2, 1, 2]);
    expect(values(move("Expand", [counting([2, 1]), ints(2, 1, 2)]))).toEqual([1, 1, 2, 2, 1, 1, 2, 2]);
  });
});

describe("Pad", () => {
  const x = counting([4]);
  const pad = (mode: string, before: number, after: number): number[] =>
    values(move("Pad", [x, ints(before, after)], { mode }));

  it("by a constant, also one that is not known", () => {
    expect(values(move("Pad", [x, ints(1, 2), tensor("float32", [], [9])]))).toEqual([9, 1, 2, 3, 4, 9, 9]);
    const late = runAtRunTime({ op: "Pad", inputs: [x, ints(1, 0), tensor("float32", [], [7])], known: [1] });
    expect(values(late)).toEqual([7, 1, 2, 3, 4]);
  });

  it("by edge, reflection and wrapping, also past the whole tensor", () => {
    expect(pad("edge", 2, 1)).toEqual([1, 1, 1, 2, 3, 4, 4]);
    expect(pad("reflect", 2, 3)).toEqual([3, 2, 1, 2, 3, 4, 3, 2, 1]);
    expect(pad("reflect", 0, 7)).toEqual([1, 2, 3, 4, 3, 2, 1, 2, 3, 4, 3]);
    expect(pad("wrap", 2, 3)).toEqual([3, 4, 1, 2, 3, 4, 1, 2, 3]);
    expect(pad("wrap", 5, 0)).toEqual([4, 1, 2, 3, 4, 1, 2, 3, 4]);
  });

  it("crops where negative", () => {
    expect(pad("constant", -1, 1)).toEqual([2, 3, 4, 0]);
    expect(pad("edge", -1, 1)).toEqual([2, 3, 4, 4]);
  });

  it("of some axes only", () => {
    const y = move("Pad", [counting([2, 2]), ints(1, 0), undefined, ints(-1)]);
    expect(values(y)).toEqual([0, 1, 2, 0, 3, 4]);
  });

  it("CenterCropPad crops one axis and pads another", () => {
    const y = move("CenterCropPad", [counting([3, 2]), ints(1, 4)]);
    expect(values(y)).toEqual([0, 3, 4, 0]);
  });
});

describe("blocks", () => {
  it("SpaceToDepth undoes DepthToSpace", () => {
    const x = counting([1, 8, 2, 3]);
    const wide = move("DepthToSpace", [x], { blocksize: 2 });
    expect(wide.shape).toEqual([1, 2, 4, 6]);
    expect(values(move("SpaceToDepth", [wide], { blocksize: 2 }))).toEqual(values(x));
    expect(values(wide).slice(0, 4)).toEqual([1, 13, 2, 14]);
    const crd = move("DepthToSpace", [x], { blocksize: 2, mode: "CRD" });
    expect(values(crd).slice(0, 4)).toEqual([1, 7, 2, 8]);
  });

  it("Col2Im sums what overlaps", () => {
    // Two patches of 2 on a line of 3: the middle element is covered twice.
    const y = move("Col2Im", [tensor("float32", [1, 2, 2], [1, 2, 3, 4]), ints(3), ints(2)]);
    expect(y.shape).toEqual([1, 1, 3]);
    expect(values(y)).toEqual([1, 5, 4]);
  });
});

describe("kernels", () => {
  /** Index expressions of the one load of a movement operator. */
  function indexOf(
    op: string,
    inputs: readonly Tensor[],
    attributes: Record<string, number | readonly number[]> = {},
  ): readonly Expr[] {
    const node = {
      name: op,
      op,
      domain: "",
      inputs: inputs.map((_, i) => `in${i}`),
      outputs: ["out"],
      attributes: new Map(Object.entries(attributes).map(([key, value]) => [key, typeof value === "number" ? ({ kind: "int", value } as const) : ({ kind: "ints", value } as const)])), // prettier-ignore
      version: 25,
    };
    const known = inputs.map((input, i) => (i > 0 ? input : undefined));
    const definition = findOperator("", op)!;
    const types = definition.infer!(new OpCall(node, inputs, known));
    const call = new OpCall(node, inputs, known, types);
    const { implementation } = definition;
    if (typeof implementation === "function" || implementation.kind !== "compute")
      throw new Error("not a kernel");
    const value = singleAssign(implementation.build(call))!.value;
    if (value.kind !== "load") throw new Error(`${op} computes`);
    return value.index;
  }

  it("are one load whose index divides only where the shape forces it", () => {
    const divides = (index: readonly Expr[]): boolean =>
      index.some((e) => some(e, (x) => x.kind === "binary" && (x.op === "floordiv" || x.op === "floormod")));
    expect(divides(indexOf("Transpose", [counting([2, 3])]))).toBe(false);
    expect(divides(indexOf("Slice", [counting([6]), ints(1), ints(6), ints(0), ints(2)]))).toBe(false);
    expect(divides(indexOf("Reshape", [counting([6, 4]), ints(6, 2, 2)]))).toBe(false);
    expect(divides(indexOf("Gather", [counting([4, 3]), ints(1, 3)]))).toBe(false);
    expect(divides(indexOf("Tile", [counting([3]), ints(2)]))).toBe(true);
  });

  it("Gather at known places in progression is a stride", () => {
    const [row] = indexOf("Gather", [counting([8, 3]), ints(1, 3, 5)]);
    const form = linear(row!);
    expect(form.constant).toBe(1);
    expect([...form.terms.values()]).toEqual([2]);
  });
});
