import { describe, expect, it } from "vitest";
import type { Tensor } from "../../runtime/dtype.ts";
import { summarise, summaryJson, summaryLines } from "./tensorSummary.ts";

const scores = Float32Array.from({ length: 12 }, (_, i) => (i * 7) % 12); // 0 7 2 9 4 11 6 1 8 3 10 5

describe("summarise", () => {
  it("ranks what looks like class scores", () => {
    const { top } = summarise({ dtype: "float32", shape: [1, 12], data: scores });
    expect(top).toEqual([
      { index: 5, value: 11 },
      { index: 10, value: 10 },
      { index: 3, value: 9 },
      { index: 8, value: 8 },
      { index: 1, value: 7 },
    ]);
  });

  it("keeps the earlier of equal scores first", () => {
    const { top } = summarise({ dtype: "float32", shape: [10], data: new Float32Array(10).fill(1) });
    expect(top!.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4]);
  });

  it.each<[string, Tensor]>([
    ["two axes", { dtype: "float32", shape: [2, 6], data: scores }],
    ["few elements", { dtype: "float32", shape: [9], data: scores.subarray(0, 9) }],
    ["integers", { dtype: "int32", shape: [12], data: Int32Array.from(scores) }],
    [
      "NaN",
      { dtype: "float32", shape: [12], data: Float32Array.from(scores, (v, i) => (i === 3 ? NaN : v)) },
    ],
  ])("ranks nothing of a tensor with %s", (_, tensor) => {
    expect(summarise(tensor).top).toBeUndefined();
  });

  it("decodes, counts NaN apart and takes the range of the rest", () => {
    // 1, -2, NaN, infinity in float16.
    const half: Tensor = {
      dtype: "float16",
      shape: [4],
      data: Uint16Array.of(0x3c00, 0xc000, 0x7e00, 0x7c00),
    };
    const summary = summarise(half);
    expect(summary).toMatchObject({
      elements: 4,
      nan: 1,
      range: [-2, Infinity],
      first: [1, -2, NaN, Infinity],
    });
    expect(summaryLines("y", summary)).toEqual([
      "y: float16 [4], -2 to Infinity, 1 of 4 are NaN",
      "  1  -2  NaN  Infinity",
    ]);
    expect(summaryJson(summary)).toMatchObject({
      range: [-2, "Infinity"],
      first: [1, -2, "NaN", "Infinity"],
    });
  });

  it("shows empty tensors, strings and large integers", () => {
    expect(
      summaryLines("e", summarise({ dtype: "float32", shape: [0, 3], data: new Float32Array(0) })),
    ).toEqual(["e: float32 [0, 3]", "  (no elements)"]);
    expect(summaryLines("s", summarise({ dtype: "string", shape: [1], data: ['a"b'] }))[1]).toBe('  "a\\"b"');
    const large = summarise({ dtype: "int64", shape: [], data: BigInt64Array.of(2n ** 60n) });
    expect(summaryJson(large)).toMatchObject({ first: ["1152921504606846976"] });
    expect(JSON.stringify(summaryJson(large))).toContain("1152921504606846976");
  });
});
