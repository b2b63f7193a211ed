import { describe, expect, it } from "vitest";
import { convertNumbers } from "./convert.ts";
import { type DType } from "./dtype.ts";

/** The value of half-precision bits, computed from the definition of the format. */
function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

describe("convertNumbers", () => {
  it("gives back every half-precision number", () => {
    const all = Array.from({ length: 65536 }, (_, bits) => bits);
    const bits = convertNumbers("float16", all.map(halfValue));
    for (const expected of all) {
      if (Number.isNaN(halfValue(expected))) expect(halfValue(Number(bits[expected]))).toBeNaN();
      else expect(bits[expected]).toBe(expected);
    }
  });

  it("rounds to the nearest half, ties to even, and overflows to infinity", () => {
    for (let bits = 0; bits < 0x7bff; bits += 7) {
      const low = halfValue(bits);
      const high = halfValue(bits + 1);
      const middle = (low + high) / 2;
      const step = (high - low) / 1024;
      expect([...convertNumbers("float16", [middle, middle - step, middle + step, -middle])]).toEqual([
        bits + (bits & 1),
        bits,
        bits + 1,
        0x8000 + bits + (bits & 1),
      ]);
    }
    const large = [65519.99, 65520, 1e300, -Infinity, 1e-300, -0];
    expect([...convertNumbers("float16", large)]).toEqual([0x7bff, 0x7c00, 0x7c00, 0xfc00, 0, 0x8000]);
  });

  it("rounds to bfloat16 once, not through float32", () => {
    // 1 + 2^-8 lies between two bfloat16; a little more, which float32 would lose, decides it.
    expect([...convertNumbers("bfloat16", [1, 1 + 2 ** -8, 1 + 2 ** -8 + 2 ** -40, NaN])]).toEqual([
      0x3f80, 0x3f80, 0x3f81, 0x7fc0,
    ]);
  });

  it.each<[DType, readonly (number | bigint | boolean)[], unknown]>([
    ["int64", [0, -5, 2 ** 53 - 1, 2n ** 63n - 1n], [0n, -5n, 9007199254740991n, 9223372036854775807n]],
    ["uint64", [2n ** 64n - 1n], [2n ** 64n - 1n]],
    ["int32", [-(2 ** 31), 2 ** 31 - 1, 3n], [-2147483648, 2147483647, 3]],
    ["uint8", [0, 255, true], [0, 255, 1]],
    ["int4", [-8, 7], [-8, 7]],
    ["bool", [0, 1, 7, true, false], [0, 1, 1, 1, 0]],
    ["float32", [0.1, 5n], [Math.fround(0.1), 5]],
    ["float64", [0.1], [0.1]],
  ])("converts to %s", (dtype, values, expected) => {
    expect([...convertNumbers(dtype, values)]).toEqual(expected);
  });

  it.each<[DType, readonly unknown[]]>([
    ["int64", [2 ** 53]],
    ["int64", [2n ** 63n]],
    ["uint64", [-1]],
    ["int32", [1.5]],
    ["int32", [NaN]],
    ["int8", [128]],
    ["uint8", [256]],
    ["int4", [8]],
    ["float32", [undefined]],
    ["float32", ["1"]],
    ["float32", [null]],
    ["float8e5m2", [1]],
  ])("refuses for %s: %s", (dtype, values) => {
    expect(() => convertNumbers(dtype, values as number[])).toThrow(RangeError);
  });
});
