import { describe, expect, it } from "vitest";
import { dtypes } from "../../runtime/dtype.ts";
import { summarise } from "./tensorSummary.ts";
import { seededTensor } from "./seededTensors.ts";

describe("seededTensor", () => {
  it("gives the same tensor for the same seed and name, and another one otherwise", () => {
    const one = seededTensor("x", "float32", [2, 50], 1);
    expect(seededTensor("x", "float32", [2, 50], 1)).toEqual(one);
    expect(seededTensor("x", "float32", [2, 50], 2).data).not.toEqual(one.data);
    expect(seededTensor("y", "float32", [2, 50], 1).data).not.toEqual(one.data);
    // Pinned: a seed that is noted down must mean the same next year.
    expect(Array.from(seededTensor("x", "int32", [12], 1).data, Number)).toMatchInlineSnapshot(`
      [
        1,
        2,
        5,
        6,
        9,
        4,
        7,
        0,
        4,
        7,
        8,
        7,
      ]
    `);
  });

  it("spreads floats evenly over [0, 1)", () => {
    const { data } = seededTensor("x", "float64", [20_000], 5);
    const values = Array.from(data, Number);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThan(1);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const square = values.reduce((sum, value) => sum + value * value, 0) / values.length;
    expect(mean).toBeCloseTo(1 / 2, 2);
    expect(square).toBeCloseTo(1 / 3, 2);
  });

  it.each(dtypes)("stays in range for %s", (dtype) => {
    const tensor = seededTensor("x", dtype, [500], 9);
    const { range, nan } = summarise(tensor);
    expect(tensor.data).toHaveLength(500);
    expect(nan).toBeUndefined();
    if (range === undefined) return;
    expect(Number(range[0])).toBeGreaterThanOrEqual(0);
    const most = dtype === "bool" || dtype === "int2" || /float/.test(dtype) ? 1 : 127;
    expect(Number(range[1])).toBeLessThanOrEqual(most);
    expect(Number(range[1])).toBeGreaterThan(Number(range[0]));
  });
});
