/** Known answers of the statistics, and what they say of nothing. */
import { expect, it } from "vitest";
import { geometricMean, median, minimum } from "./statistics.ts";

it("takes the middle", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([10, 9])).toBe(9.5);
});

it("leaves its input as it is", () => {
  const values = [3, 1, 2];
  median(values);
  expect(values).toEqual([3, 1, 2]);
});

it("takes the least and the mean of ratios", () => {
  expect(minimum([3, 1, 2])).toBe(1);
  expect(geometricMean([2, 8])).toBeCloseTo(4, 12);
  expect(geometricMean([3, 1 / 3])).toBeCloseTo(1, 12);
});

it("says nothing of nothing", () => {
  expect([median([]), minimum([]), geometricMean([])]).toEqual([NaN, NaN, NaN]);
});
