import { describe, expect, it } from "vitest";
import { axis, load, mul, acc } from "../ir/expr.ts";
import type { Assign } from "../ir/kernel.ts";
import { LEAST_SHARED, nanosecondsOf } from "./time.ts";

/** `[m, k]` times `[k, n]`. */
function product(m: number, k: number, n: number): Assign {
  const [i, s, j] = [axis("i", m), axis("s", k), axis("j", n)];
  return {
    kind: "assign",
    axes: [
      { name: "i", extent: m },
      { name: "j", extent: n },
    ],
    reduce: {
      op: "sum",
      axes: [{ name: "s", extent: k }],
      body: mul(load(0, "float32", [i, s]), load(1, "float32", [s, j])),
    },
    value: acc("f32"),
    out: 2,
    index: [i, j],
  };
}

describe("the time of a kernel", () => {
  it("is that of reading where a large matrix meets one vector", () => {
    const vector = nanosecondsOf([product(1, 384, 384)]);
    // 590 KB at 25 to 30 GB/s.
    expect(vector).toBeGreaterThan(LEAST_SHARED);
    expect(vector).toBeLessThan(30_000);
    expect(nanosecondsOf([product(2, 384, 384)])).toBeCloseTo(vector, 0);
  });

  it("is that of the multiply-adds elsewhere", () => {
    expect(nanosecondsOf([product(1, 128, 128)])).toBeLessThan(1000);
    const [small, large] = [product(64, 128, 128), product(64, 256, 128)].map((p) => nanosecondsOf([p]));
    expect(large! / small!).toBeCloseTo(2, 0);
  });
});
