import { describe, expect, it } from "vitest";
import type { Tensor } from "../../runtime/dtype.ts";
import {
  combine,
  compareTensors,
  compareValues,
  coordinatesOf,
  magnitude,
  networkTolerance,
} from "./compare.ts";

const exact = { relative: 0, absolute: 0 };
const usual = { relative: 1e-3, absolute: 1e-5 };

const floats = (...values: number[]): Tensor => ({
  dtype: "float32",
  shape: [values.length],
  data: Float32Array.from(values),
});

describe("compareTensors", () => {
  it("passes equal tensors with errors of 0", () => {
    expect(compareTensors(floats(1, -2, 0), floats(1, -2, 0), exact)).toEqual({
      passed: true,
      worstAbsolute: 0,
      worstRelative: 0,
      wrong: 0,
      elements: 3,
    });
  });

  it("allows the absolute and the relative part together, of the expected value", () => {
    const tolerance = { relative: 0.5, absolute: 1 };
    expect(compareTensors(floats(7), floats(4), tolerance).passed).toBe(true); // 3 <= 1 + 2
    expect(compareTensors(floats(7.5), floats(4), tolerance).passed).toBe(false);
    expect(compareTensors(floats(4), floats(7.5), tolerance).passed).toBe(true); // 3.5 <= 1 + 3.75
  });

  it("says how many are wrong, where the worst is, and both values", () => {
    const actual: Tensor = { dtype: "float32", shape: [2, 2], data: Float32Array.of(1, 2.5, 3, 5) };
    const expected: Tensor = { dtype: "float32", shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) };
    const { reason, wrong, worstAbsolute, worstRelative } = compareTensors(actual, expected, usual);
    expect(reason).toBe("2 of 4 elements differ, the worst at [1, 1]: 5 instead of 4");
    expect({ wrong, worstAbsolute, worstRelative }).toEqual({
      wrong: 2,
      worstAbsolute: 1,
      worstRelative: 0.25,
    });
  });

  it("lets NaN equal only NaN and infinities match by sign", () => {
    expect(
      compareTensors(floats(NaN, Infinity, -Infinity), floats(NaN, Infinity, -Infinity), usual).passed,
    ).toBe(true);
    expect(compareTensors(floats(NaN), floats(0), usual).passed).toBe(false);
    expect(compareTensors(floats(0), floats(NaN), usual).passed).toBe(false);
    expect(compareTensors(floats(Infinity), floats(-Infinity), usual).passed).toBe(false);
    expect(compareTensors(floats(3e38), floats(Infinity), usual).passed).toBe(false);
    expect(compareTensors(floats(Infinity), floats(3e38), usual).passed).toBe(false);
  });

  it("wants integers exact unless a difference is allowed, however large they are", () => {
    const big = (value: bigint): Tensor => ({ dtype: "int64", shape: [1], data: BigInt64Array.of(value) });
    expect(compareTensors(big(2n ** 60n), big(2n ** 60n + 1n), usual).passed).toBe(false);
    expect(compareTensors(big(2n ** 60n), big(2n ** 60n + 1n), { ...usual, integer: 1 }).passed).toBe(true);
    const byte = (value: number): Tensor => ({ dtype: "uint8", shape: [1], data: Uint8Array.of(value) });
    expect(compareTensors(byte(200), byte(201), usual).passed).toBe(false);
    expect(compareTensors(byte(200), byte(201), { ...usual, integer: 1 }).passed).toBe(true);
  });

  it("compares booleans, strings and small floats by what they mean", () => {
    const bool = (value: number): Tensor => ({ dtype: "bool", shape: [1], data: Uint8Array.of(value) });
    expect(compareTensors(bool(1), bool(0), { ...usual, integer: 1 }).passed).toBe(false);
    const text = (value: string): Tensor => ({ dtype: "string", shape: [], data: [value] });
    expect(compareTensors(text("a"), text("a"), usual).passed).toBe(true);
    expect(compareTensors(text("a"), text("b"), usual).reason).toContain('"a" instead of "b"');
    // 0x3c00 is 1 and 0x3c01 is 1 + 2^-10 in float16.
    const half = (bits: number): Tensor => ({ dtype: "float16", shape: [1], data: Uint16Array.of(bits) });
    expect(compareTensors(half(0x3c01), half(0x3c00), usual).worstAbsolute).toBe(2 ** -10);
    expect(compareTensors(half(0x3c01), half(0x3c00), usual).passed).toBe(true);
    expect(compareTensors(half(0x4000), half(0x3c00), usual).reason).toContain("2 instead of 1");
  });

  it("refuses another dtype, shape or number of elements", () => {
    const ints: Tensor = { dtype: "int32", shape: [1], data: Int32Array.of(1) };
    expect(compareTensors(ints, floats(1), usual).reason).toBe("dtype int32 instead of float32");
    expect(compareTensors(floats(1, 2), { ...floats(1, 2), shape: [2, 1] }, usual).reason).toBe("shape [2] instead of [2, 1]"); // prettier-ignore
    expect(compareTensors({ ...floats(1), shape: [2] }, floats(1, 2), usual).reason).toContain("1 elements");
    expect(compareTensors(floats(1, 2), floats(1), usual).passed).toBe(false);
  });
});

describe("compareValues", () => {
  it("goes into sequences and tells tensors, sequences and nothing apart", () => {
    expect(compareValues([floats(1), floats(2)], [floats(1), floats(2)], usual).passed).toBe(true);
    expect(compareValues([floats(1), floats(3)], [floats(1), floats(2)], usual).passed).toBe(false);
    expect(compareValues([floats(1)], [floats(1), floats(2)], usual).reason).toContain(
      "1 elements in the sequence",
    );
    expect(compareValues(undefined, undefined, usual).passed).toBe(true);
    expect(compareValues(undefined, floats(1), usual).reason).toBe("nothing instead of a tensor");
    expect(compareValues(floats(1), [floats(1)], usual).reason).toBe("a tensor instead of a sequence");
  });
});

describe("the parts", () => {
  it("combines verdicts to the worst of each figure and the first reason", () => {
    const good = compareTensors(floats(1), floats(1), usual);
    const bad = compareTensors(floats(3), floats(2), usual);
    expect(combine([good, bad])).toMatchObject({ passed: false, worstAbsolute: 1, worstRelative: 0.5, wrong: 1, elements: 2 }); // prettier-ignore
    expect(combine([good, bad]).reason).toBe(bad.reason);
  });

  it("finds coordinates and magnitudes", () => {
    expect(coordinatesOf(23, [2, 3, 4])).toEqual([1, 2, 3]);
    expect(coordinatesOf(0, [])).toEqual([]);
    expect(magnitude(floats(1, -5, NaN, -Infinity))).toBe(5);
    expect(magnitude({ dtype: "string", shape: [1], data: ["9"] })).toBe(0);
    expect(networkTolerance(floats(1, -5)).absolute).toBeCloseTo(5e-4);
    expect(networkTolerance(floats(1e-6)).absolute).toBe(1e-5);
  });
});
