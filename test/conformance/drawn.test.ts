/** What no draw could have given is found. */
import { describe, expect, it } from "vitest";
import type { Tensor } from "../../runtime/index.ts";
import { implausible } from "./drawn.ts";

const floats = (values: readonly number[]): Tensor => ({ dtype: "float32", shape: [values.length], data: Float32Array.from(values) }); // prettier-ignore
const many = (value: number): Tensor => floats(new Array<number>(400).fill(value));
const some = (value: number, every: number): Tensor => floats(Array.from({ length: 400 }, (_, i) => (i % every ? 0 : value))); // prettier-ignore

describe("draws", () => {
  it("of Bernoulli are zeros and ones, as often as they must", () => {
    expect(implausible("test_bernoulli", [many(0.5)], [some(1, 2)])).toBeUndefined();
    expect(implausible("test_bernoulli", [many(0.5)], [some(1, 4)])).toMatch(/100 of 400/);
    expect(implausible("test_bernoulli", [many(0.5)], [some(2, 2)])).toMatch(/neither 0 nor 1/);
  });

  it("of Dropout are zeros and scaled inputs, as often as they must", () => {
    const name = "test_training_dropout";
    expect(implausible(name, [many(3), floats([0.75])], [some(12, 4)])).toBeUndefined();
    expect(implausible(name, [many(3), floats([0.75])], [some(12, 2)])).toMatch(/200 of 400/);
    expect(implausible(name, [many(3), floats([0.75])], [some(3, 4)])).toMatch(/neither 0 nor the scaled/);
    expect(implausible(name, [many(3)], [some(6, 2), some(1, 2)])).toBeUndefined();
    expect(implausible(name, [many(3)], [some(6, 2), many(1)])).toMatch(/neither/);
  });
});
