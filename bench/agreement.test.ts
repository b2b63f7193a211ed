/** Where agreement ends: at the tolerance for floats, at once for everything else. */
import { describe, expect, it } from "vitest";
import { type DType, type Tensor, type TensorData } from "../runtime/dtype.ts";
import { ATOL_OF_RANGE, LEAST_ATOL, rmsError, RTOL, verify, verifyRounded } from "./agreement.ts";

const tensor = (dtype: DType, data: TensorData, shape: readonly number[] = [data.length]): Tensor => ({
  dtype,
  shape,
  data,
});
const floats = (...values: number[]): Tensor => tensor("float64", Float64Array.from(values));
const agree = (a: Tensor, b: Tensor): boolean => verify({ y: a }, { y: b }, "reference").verified;

describe("floats", () => {
  it("may differ by atol + rtol * |reference|, not more", () => {
    const range = 100;
    const allowed = ATOL_OF_RANGE * range + RTOL * 2;
    expect(agree(floats(2 + 0.99 * allowed, range), floats(2, range))).toBe(true);
    expect(agree(floats(2 - 1.01 * allowed, range), floats(2, range))).toBe(false);
  });

  it("have a least absolute tolerance", () => {
    expect(agree(floats(0.9 * LEAST_ATOL), floats(0))).toBe(true);
    expect(agree(floats(1.1 * LEAST_ATOL), floats(0))).toBe(false);
  });

  it("agree as NaN and as infinities of the same sign only", () => {
    expect(agree(floats(NaN, Infinity, 1), floats(NaN, Infinity, 1))).toBe(true);
    expect(agree(floats(NaN), floats(0))).toBe(false);
    expect(agree(floats(0), floats(NaN))).toBe(false);
    expect(agree(floats(-Infinity), floats(Infinity))).toBe(false);
    expect(agree(floats(1e300), floats(Infinity))).toBe(false);
  });

  it("of 16 bits are compared by value", () => {
    const halves = (...bits: number[]): Tensor => tensor("float16", Uint16Array.from(bits));
    // 0x3c00 is 1, 0x3c01 is 1 + 2^-10 (just inside rtol), 0x4000 is 2, 0x8001 is -2^-24, 0x7c00 is infinite.
    expect(agree(halves(0x3c01), halves(0x3c00))).toBe(true);
    expect(agree(halves(0x4000), halves(0x3c00))).toBe(false);
    expect(agree(halves(0x8001, 0x7c00), halves(0x0001, 0x7c00))).toBe(true);
    const brains = (...bits: number[]): Tensor => tensor("bfloat16", Uint16Array.from(bits));
    expect(agree(brains(0x3f80), brains(0x3f80))).toBe(true);
    expect(agree(brains(0x3f81), brains(0x3f80))).toBe(false);
  });
});

describe("everything else", () => {
  it("must be equal", () => {
    const long = (value: bigint): Tensor => tensor("int64", BigInt64Array.of(value));
    expect(agree(long(2n ** 53n + 1n), long(2n ** 53n + 1n))).toBe(true);
    expect(agree(long(2n ** 53n + 1n), long(2n ** 53n))).toBe(false);
    expect(agree(tensor("string", ["a"]), tensor("string", ["b"]))).toBe(false);
  });

  it("includes dtype, shape and presence", () => {
    expect(agree(tensor("int32", Int32Array.of(1)), tensor("int8", Int8Array.of(1)))).toBe(false);
    const data = new Float32Array(6);
    expect(agree(tensor("float32", data, [2, 3]), tensor("float32", data, [3, 2]))).toBe(false);
    expect(verify({}, { y: floats(1) }, "reference").verified).toBe(false);
  });
});

it("says where the worst error is", () => {
  const found = verify({ y: floats(0, 1, 7) }, { y: floats(0, 2, 4) }, "stored outputs");
  expect(found.worst).toMatch(/^y\[2\]: 7 for 4, off by 3/);
  expect(found.reference).toBe("stored outputs");
});

it("judges rounded weights by the error in the mean", () => {
  const expected = { y: floats(3, 4, NaN) };
  expect(rmsError({ y: floats(3, 4.5, NaN) }, expected)).toBeCloseTo(0.1, 12);
  expect(verifyRounded({ y: floats(3, 4.1, NaN) }, expected, "r").verified).toBe(true);
  expect(verifyRounded({ y: floats(3, 4.5, NaN) }, expected, "r").verified).toBe(false);
  expect(verifyRounded({ y: floats(3, 4.1, 1) }, expected, "r").verified).toBe(false);
  expect(verifyRounded({}, expected, "r").verified).toBe(false);
});
