/** Expressions: substitution sees every axis once, and constants fold as the machine computes. */
import { expect, it } from "vitest";
import { add, axis, cast, constant, f32, floordiv, floormod, int, mul } from "./expr.ts";
import { substituteAxes } from "./walk.ts";

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

it("constants are converted as values are: integers wrap, floats beyond the type are left to saturate", () => {
  expect(cast(f32(7), "int32")).toBe(constant("i32", 7));
  expect(cast(f32(-0), "int64")).toBe(constant("i64", 0n));
  expect(cast(f32(2 ** 31), "int32").kind).toBe("cast");
  expect(cast(f32(-(2 ** 40)), "index").kind).toBe("cast");
  expect(cast(f32(2 ** 70), "int64").kind).toBe("cast");
  expect(cast(constant("u32", 2 ** 32 - 1), "int32")).toBe(constant("i32", -1));
  expect(cast(constant("i64", 2n ** 63n - 1n), "index")).toBe(int(-1));
});
