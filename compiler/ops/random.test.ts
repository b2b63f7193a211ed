/** Random operators: ranges, moments, and that a seed fixes the numbers. */
import { describe, expect, it } from "vitest";
import { runOperator, tensor } from "../../test/operator.ts";
import type { Tensor } from "../ir/dtype.ts";

const values = (t: Tensor): number[] => Array.from(t.data as Iterable<number>, Number);
const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length;

describe("random numbers", () => {
  it("are uniform in their range and follow from the seed", () => {
    const draw = (seed: number): number[] =>
      values(
        runOperator({
          op: "RandomUniform",
          inputs: [],
          attributes: { shape: [2000], low: { float: 2 }, high: { float: 4 }, seed: { float: seed } },
        })[0]!,
      );
    const list = draw(7);
    expect(Math.min(...list)).toBeGreaterThanOrEqual(2);
    expect(Math.max(...list)).toBeLessThanOrEqual(4);
    expect(mean(list)).toBeCloseTo(3, 1);
    expect(draw(7)).toEqual(list);
    expect(draw(8)).not.toEqual(list);
  });

  it("are normal with mean and deviation, in half precision too", () => {
    const attributes = { mean: { float: 5 }, scale: { float: 2 }, dtype: "float16" };
    const like = tensor("float32", [4000], new Array<number>(4000).fill(0));
    const made = runOperator({ op: "RandomNormalLike", inputs: [like], attributes })[0]!;
    expect(made.dtype).toBe("float16");
    const list = values(runOperator({ op: "Cast", inputs: [made], attributes: { to: "float32" } })[0]!);
    expect(mean(list)).toBeGreaterThan(4.8);
    expect(mean(list)).toBeLessThan(5.2);
    expect(mean(list.map((x) => (x - 5) ** 2))).toBeGreaterThan(3.5);
    expect(mean(list.map((x) => (x - 5) ** 2))).toBeLessThan(4.5);
  });

  it("Bernoulli and Multinomial draw by probability", () => {
    const p = tensor("float32", [3000], new Array<number>(3000).fill(0.2));
    expect(mean(values(runOperator({ op: "Bernoulli", inputs: [p] })[0]!))).toBeCloseTo(0.2, 1);
    const logits = tensor("float32", [1, 3], [0, -1000, 0]);
    const drawn = values(
      runOperator({ op: "Multinomial", inputs: [logits], attributes: { sample_size: 1000 } })[0]!,
    );
    expect(new Set(drawn)).toEqual(new Set([0, 2]));
    expect(mean(drawn)).toBeCloseTo(1, 0);
  });
});
