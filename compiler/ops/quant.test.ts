/** Quantization: rounding, saturation, axes and blocks, and that a round trip stays within half a step. */
import { describe, expect, it } from "vitest";
import { counting, runOperator, tensor } from "../../test/operator.ts";
import { CompileError } from "../diagnostic.ts";
import type { Tensor } from "../ir/dtype.ts";
import type { AttributeLike } from "./define.ts";

const values = (t: Tensor): number[] => Array.from(t.data as Iterable<number>, Number);
const scalar = (value: number): Tensor => tensor("float32", [], [value]);

function compute(
  op: string,
  inputs: readonly (Tensor | undefined)[],
  attributes: Record<string, AttributeLike> = {},
): Tensor {
  return runOperator({ op, inputs, attributes })[0]!;
}

describe("QuantizeLinear", () => {
  it("rounds half to even before the zero point and saturates", () => {
    const x = tensor("float32", [6], [1, 3, -1, 5, 1e9, -1e9]);
    expect(values(compute("QuantizeLinear", [x, scalar(2), tensor("uint8", [], [1])]))).toEqual([
      1, 3, 1, 3, 255, 0,
    ]);
    expect(values(compute("QuantizeLinear", [x, scalar(2), tensor("int4", [], [0])]))).toEqual([
      0, 2, 0, 2, 7, -8,
    ]);
  });

  it("without a zero point makes uint8, or what is asked for", () => {
    expect(compute("QuantizeLinear", [counting([2]), scalar(1)]).dtype).toBe("uint8");
    const asked = compute("QuantizeLinear", [counting([2]), scalar(1)], { output_dtype: "int16" });
    expect(asked.dtype).toBe("int16");
  });

  it("by axis and by block", () => {
    const x = tensor("float32", [2, 4], [1, 2, 3, 4, 5, 6, 7, 8]);
    const axis = compute("QuantizeLinear", [x, tensor("float32", [2], [1, 2])], { axis: 0 });
    expect(values(axis)).toEqual([1, 2, 3, 4, 2, 3, 4, 4]);
    const block = compute("QuantizeLinear", [x, tensor("float32", [2, 2], [1, 2, 0.5, 4])], {
      axis: 1,
      block_size: 2,
    });
    expect(values(block)).toEqual([1, 2, 2, 2, 10, 12, 2, 2]);
    expect(() => compute("QuantizeLinear", [x, tensor("float32", [3], [1, 1, 1])], { axis: 0 })).toThrow(
      CompileError,
    );
  });
});

describe("DequantizeLinear", () => {
  it("subtracts in integers, so nothing is lost", () => {
    const x = tensor("int32", [2], [2 ** 24 + 1, 5]);
    expect(values(compute("DequantizeLinear", [x, scalar(1), tensor("int32", [], [2 ** 24])]))).toEqual([
      1,
      5 - 2 ** 24,
    ]);
  });

  it("undoes QuantizeLinear within half a step", () => {
    const x = tensor("float32", [5], [-1, -0.3, 0, 0.7, 1]);
    const scale = scalar(0.02);
    const zero = tensor("int8", [], [3]);
    const back = compute("DequantizeLinear", [compute("QuantizeLinear", [x, scale, zero]), scale, zero]);
    values(back).forEach((value, i) => expect(Math.abs(value - values(x)[i]!)).toBeLessThanOrEqual(0.0101));
  });
});

describe("DynamicQuantizeLinear", () => {
  it("takes in zero, and survives all zeros", () => {
    const [y, scale, zero] = runOperator({
      op: "DynamicQuantizeLinear",
      inputs: [tensor("float32", [2], [2, 5.1])],
      outputs: 3,
    });
    expect(values(scale!)[0]).toBeCloseTo(0.02, 6);
    expect(values(zero!)).toEqual([0]);
    expect(values(y!)).toEqual([100, 255]);
    const [none] = runOperator({
      op: "DynamicQuantizeLinear",
      inputs: [tensor("float32", [2], [0, 0])],
      outputs: 3,
    });
    expect(values(none!)).toEqual([0, 0]);
  });
});
