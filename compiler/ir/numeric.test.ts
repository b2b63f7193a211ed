import { describe, expect, it } from "vitest";
import type { DType } from "./dtype.ts";
import * as numeric from "./numeric.ts";
import type { SmallFloat } from "./numeric.ts";

const types: readonly SmallFloat[] = [
  "float16",
  "bfloat16",
  "float8e4m3fn",
  "float8e4m3fnuz",
  "float8e5m2",
  "float8e5m2fnuz",
  "float4e2m1",
];
const bitsOf = (type: SmallFloat): number =>
  type === "float16" || type === "bfloat16" ? 16 : type === "float4e2m1" ? 4 : 8;

describe.each(types)("%s", (type) => {
  const all = Array.from({ length: 2 ** bitsOf(type) }, (_, bits) => bits);

  it("encodes every value that it decodes to the same bits", () => {
    const changed = all.filter((bits) => {
      const value = numeric.decodeSmallFloat(type, bits);
      return !Number.isNaN(value) && numeric.encodeSmallFloat(type, value, false) !== bits;
    });
    expect(changed).toEqual([]);
  });

  it("rounds what lies between two neighbours to the nearer, the tie to the even one", () => {
    const magnitudes = all
      .slice(0, all.length / 2)
      .map((bits) => [bits, numeric.decodeSmallFloat(type, bits)] as const)
      .filter(([, value]) => Number.isFinite(value));
    for (let n = 0; n + 1 < magnitudes.length; n += bitsOf(type) === 16 ? 37 : 1) {
      const [low, a] = magnitudes[n]!;
      const [high, b] = magnitudes[n + 1]!;
      const middle = (a + b) / 2;
      expect(numeric.encodeSmallFloat(type, middle, false)).toBe(low % 2 === 0 ? low : high);
      expect(numeric.encodeSmallFloat(type, middle - (b - a) / 1e5, false)).toBe(low);
      expect(numeric.encodeSmallFloat(type, middle + (b - a) / 1e5, false)).toBe(high);
    }
  });
});

describe("the tables of ONNX Cast", () => {
  // Columns: -0, NaN, infinity, 1e6, -1e6, 1e-9.
  const inputs = [-0, NaN, Infinity, 1e6, -1e6, 1e-9];
  it.each<[SmallFloat, boolean, number[]]>([
    ["float8e4m3fn", true, [0x80, 0x7f, 0x7e, 0x7e, 0xfe, 0]],
    ["float8e4m3fn", false, [0x80, 0x7f, 0x7f, 0x7f, 0xff, 0]],
    ["float8e4m3fnuz", true, [0, 0x80, 0x7f, 0x7f, 0xff, 0]],
    ["float8e4m3fnuz", false, [0, 0x80, 0x80, 0x80, 0x80, 0]],
    ["float8e5m2", true, [0x80, 0x7e, 0x7b, 0x7b, 0xfb, 0]],
    ["float8e5m2", false, [0x80, 0x7e, 0x7c, 0x7c, 0xfc, 0]],
    ["float8e5m2fnuz", true, [0, 0x80, 0x7f, 0x7f, 0xff, 0]],
    ["float8e5m2fnuz", false, [0, 0x80, 0x80, 0x80, 0x80, 0]],
    ["float4e2m1", true, [8, 8, 7, 7, 15, 0]],
    ["float16", false, [0x8000, 0x7e00, 0x7c00, 0x7c00, 0xfc00, 0]],
    ["bfloat16", false, [0x8000, 0x7fc0, 0x7f80, 0x4974, 0xc974, 0x3089]],
  ])("hold for %s, saturating %s", (type, saturate, expected) => {
    expect(inputs.map((x) => numeric.encodeSmallFloat(type, x, saturate))).toEqual(expected);
  });

  it("hold for the largest values of each type", () => {
    const largest = { float8e4m3fn: 448, float8e4m3fnuz: 240, float8e5m2: 57344, float8e5m2fnuz: 57344, float4e2m1: 6, float16: 65504 }; // prettier-ignore
    for (const [type, value] of Object.entries(largest)) {
      const bits = numeric.encodeSmallFloat(type as SmallFloat, Infinity, true);
      expect(numeric.decodeSmallFloat(type as SmallFloat, bits)).toBe(value);
    }
  });

  it("hold for float8e8m0 in its three roundings", () => {
    const encode = (value: number, rounding?: numeric.ScaleRounding) =>
      numeric.encodeScale(value, true, rounding);
    expect([0, 0.124, 1.1, 1.5, 2, NaN].map((x) => encode(x))).toEqual([0, 124, 128, 128, 128, 255]);
    expect([0.124, 1.1, 1.5].map((x) => encode(x, "down"))).toEqual([123, 127, 127]);
    expect([0.124, 1.1, 1.5].map((x) => encode(x, "nearest"))).toEqual([124, 127, 128]);
    expect(encode(3e38)).toBe(254);
    expect(numeric.encodeScale(3e38, false)).toBe(255);
    expect([0, 127, 254, 255].map(numeric.decodeScale)).toEqual([2 ** -127, 1, 2 ** 127, NaN]);
  });
});

describe("castFunction", () => {
  const cast = (
    from: Parameters<typeof numeric.castFunction>[0],
    to: DType | "index",
    value: numeric.Scalar,
  ) => numeric.castFunction(from, to)(value);

  it("truncates floats, stopping at the ends of 32 and 64 bits", () => {
    expect([-1.9, 1.9, NaN, 1e20, -Infinity].map((x) => cast("f32", "int32", x))).toEqual([-1, 1, 0, 2 ** 31 - 1, -(2 ** 31)]); // prettier-ignore
    expect([-1.9, 3e9, NaN, 1e20].map((x) => cast("f64", "uint32", x))).toEqual([0, 3e9, 0, 2 ** 32 - 1]);
    expect([-1.9, NaN, 1e20, -1e20].map((x) => cast("f64", "int64", x))).toEqual([
      -1n,
      0n,
      2n ** 63n - 1n,
      -(2n ** 63n),
    ]);
    expect([-1, 1e19, 1e20].map((x) => cast("f64", "uint64", x))).toEqual([0n, 10n ** 19n, 2n ** 64n - 1n]);
  });

  it("wraps to narrow integers", () => {
    expect([-9, 8, 15].map((x) => cast("f32", "int4", x))).toEqual([7, -8, -1]);
    expect([-3, 2].map((x) => cast("f32", "int2", x))).toEqual([1, -2]);
    expect([-3, 5].map((x) => cast("i32", "uint2", x))).toEqual([1, 1]);
    expect([300, -129].map((x) => cast("i32", "int8", x))).toEqual([44, 127]);
    expect([2n ** 40n + 70000n, -1n].map((x) => cast("i64", "uint16", x))).toEqual([4464, 65535]);
    expect(cast("i32", "uint64", -1)).toBe(2n ** 64n - 1n);
    expect(cast("i64", "index", -1n)).toBe(-1);
  });

  it("rounds 64-bit integers to float32 once", () => {
    // Just above the middle of two floats by a bit that a double cannot hold: through a double it would go down.
    const above = 2n ** 63n + 2n ** 39n + 1n;
    expect(Math.fround(Number(above))).toBe(2 ** 63);
    expect(cast("u64", "float32", above)).toBe(2 ** 63 + 2 ** 40);
    expect(cast("u64", "float32", above - 1n)).toBe(2 ** 63);
    expect(cast("i64", "float32", -(2n ** 63n))).toBe(-(2 ** 63));
  });

  it("keeps one double rounding out of float64 to float16", () => {
    expect(cast("f64", "float16", 1 + 2 ** -11 + 2 ** -40)).toBe(1 + 2 ** -10);
    expect(cast("f64", "float16", 1 + 2 ** -11)).toBe(1);
  });

  it("makes anything but zero true", () => {
    expect([NaN, -0, 0.25].map((x) => cast("f32", "bool", x))).toEqual([1, 0, 1]);
    expect([0n, 2n ** 40n].map((x) => cast("i64", "bool", x))).toEqual([0, 1]);
  });
});

describe("loading and storing", () => {
  it("are inverse for every pattern that is a number", () => {
    for (const dtype of [...types, "float8e8m0", "int8", "uint4", "int64"] as const) {
      const load = numeric.loadFunction(dtype) ?? ((x: numeric.Scalar) => x);
      const store = numeric.storeFunction(dtype);
      const one = dtype === "int64" ? 5n : 5;
      expect(store(load(one))).toBe(one);
    }
  });
  it("does not saturate, unlike Cast", () => {
    expect(numeric.storeFunction("float8e5m2")(1e6)).toBe(0x7c);
    expect(numeric.castFunction("f32", "float8e5m2")(1e6)).toBe(57344);
  });
});

describe("roundHalfEven", () => {
  it("keeps the sign of zero and leaves large numbers alone", () => {
    expect([0.5, 1.5, 2.5, -0.5, -1.5, -0.2].map(numeric.roundHalfEven)).toEqual([0, 2, 2, -0, -2, -0]);
    expect([2 ** 52 + 1, -Infinity, NaN].map(numeric.roundHalfEven)).toEqual([2 ** 52 + 1, -Infinity, NaN]);
  });
});
