/** Expressions: substitution sees every axis once, whatever simplifies on the way. */
import { expect, it } from "vitest";
import { add, axis, floordiv, floormod, int, mul, substituteAxes } from "./expr.ts";

it("an axis that is replaced by a sum with itself is replaced once", () => {
  const [i, j] = [axis("i", 12), axis("j", 4)];
  const by = new Map([
    ["i", add(mul(axis("o", 3), int(4)), j)],
    ["j", axis("k", 4)],
  ]);
  // i mod 4 becomes j itself, which is the new j and not the one to be replaced.
  expect(substituteAxes(floormod(i, 4), by)).toBe(j);
  expect(substituteAxes(floordiv(i, 4), by)).toBe(axis("o", 3));
  expect(substituteAxes(j, by)).toBe(axis("k", 4));
});
