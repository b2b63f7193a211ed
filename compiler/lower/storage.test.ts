/**
 * Small floating-point types as integers, on emitted code. In: every bit pattern of each type, and awkward numbers.
 * Out: the same values and the same bits as ir/numeric.ts gives, which defines them.
 */
import { describe, expect, it } from "vitest";
import { nestOf, runEmitted } from "../../test/emitted.ts";
import { allocate, bytesPerElement, type DType, type NumericData } from "../ir/dtype.ts";
import { axis, cast, load, type Expr } from "../ir/expr.ts";
import type { Kernel } from "../ir/kernel.ts";
import { castFunction, loadFunction, storeFunction, type Scalar } from "../ir/numeric.ts";
import { computeType } from "../ir/dtype.ts";
import type { Schedule } from "../ir/schedule.ts";
import { lowerStorage } from "./storage.ts";

const types = ["float16", "bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "float8e8m0", "float4e2m1"] as const; // prettier-ignore

const vectors: Schedule = [
  { kind: "split", axis: "i", by: 4, tail: "pad" },
  { kind: "bind", axis: "i.i", to: "vector" },
];

/** What `value` of each element of `data` is when stored as `to`, by emitted code. */
function convert(
  from: DType,
  to: DType,
  data: NumericData,
  value: (x: Expr) => Expr,
  schedule: Schedule,
): NumericData {
  const extent = data.length;
  const i = axis("i", extent);
  const kernel: Kernel = {
    name: `${from} to ${to}`,
    buffers: [
      { name: "x", role: "in", dtype: from, shape: [extent] },
      { name: "y", role: "out", dtype: to, shape: [extent] },
    ],
    body: [
      { kind: "assign", axes: [{ name: "i", extent }], out: 1, index: [i], value: value(load(0, from, [i])) },
    ],
  };
  return runEmitted(nestOf(lowerStorage(kernel), schedule), [data, allocate(to, extent)], false)[1]!;
}

function allBits(dtype: DType): NumericData {
  const data = allocate(dtype, dtype === "float4e2m1" ? 16 : 2 ** (8 * bytesPerElement(dtype)));
  for (let bits = 0; bits < data.length; bits++) data[bits] = bits;
  return data;
}

/** Every value of a type, what lies halfway between neighbours and just beside that, and numbers beyond all of them. */
function awkward(dtype: DType): Float32Array {
  const values = Array.from(allBits(dtype) as Uint8Array, (bits) => loadFunction(dtype)!(bits) as number);
  const finite = [...new Set(values.filter(Number.isFinite))].sort((a, b) => a - b);
  const between = finite.flatMap((a, n) => {
    const middle = (a + (finite[n + 1] ?? a)) / 2;
    return [middle, middle * (1 + 2 ** -20), middle * (1 - 2 ** -20)];
  });
  const beyond = [1e9, -1e9, 3.4e38, -3.4e38, 65519, 65520, 448, 464, 57344, 61440, 1e-45, -1e-45, 1e-10, Infinity, -Infinity, NaN]; // prettier-ignore
  return Float32Array.from([...finite, ...between, ...beyond, ...beyond.map((v) => v * 1.25)]);
}

/** Bits as values: the pattern of a NaN does not matter. */
function values(dtype: DType, data: NumericData): Scalar[] {
  const decode = loadFunction(dtype);
  return Array.from<Scalar, Scalar>(data, (x) => (decode ? decode(x) : x));
}

describe.each(types)("%s", (dtype) => {
  for (const [how, schedule] of [
    ["in vectors", vectors],
    ["as scalars", []],
  ] as const) {
    it(`every bit pattern is read as its number, ${how}`, () => {
      const bits = allBits(dtype);
      const got = convert(dtype, "float32", bits, (x) => x, schedule);
      expect([...got]).toEqual(values(dtype, bits));
    });

    it(`numbers are stored, ${how}`, () => {
      const data = awkward(dtype);
      const store = storeFunction(dtype);
      const expected = allocate(dtype, data.length);
      data.forEach((value, i) => (expected[i] = store(value)));
      expect(
        values(
          dtype,
          convert("float32", dtype, data, (x) => x, schedule),
        ),
      ).toEqual(values(dtype, expected));
    });

    it(`numbers are converted as Cast says, and keep their value, ${how}`, () => {
      const data = awkward(dtype);
      const expected = Array.from(data, castFunction("f32", dtype));
      expect([...convert("float32", "float32", data, (x) => cast(x, dtype), schedule)]).toEqual(expected);
      const stored = convert("float32", dtype, data, (x) => cast(x, dtype), schedule);
      expect(values(dtype, stored)).toEqual(expected);
    });
  }

  it("doubles and integers are rounded once", () => {
    // Just beside halves, by less than f32 shows.
    const doubles = Float64Array.from(awkward(dtype), (value, i) => value * (1 + ((i % 3) - 1) * 2 ** -40));
    const expected = Array.from(doubles, castFunction("f64", dtype));
    expect([...convert("float64", "float32", doubles, (x) => cast(x, dtype), [])]).toEqual(expected);
    for (const from of ["int32", "int64", "uint64", "uint32"] as const) {
      const integers = allocate(from, 4000);
      const big = integers instanceof BigInt64Array || integers instanceof BigUint64Array;
      for (let i = 0; i < integers.length; i++) {
        const power = 2n ** BigInt(i % (big ? 63 : 31));
        const value = power + power / 2n ** BigInt(i % 13) + BigInt((i % 3) - 1);
        integers[i] = big ? (i % 2 && from === "int64" ? -value : value) : Number(BigInt.asIntN(32, value));
      }
      const right = Array.from<Scalar, Scalar>(integers, castFunction(computeType(from), dtype));
      expect([...convert(from, "float32", integers, (x) => cast(x, dtype), [])], from).toEqual(right);
    }
  });
});

it.each(["int4", "uint4", "int2", "uint2"] as const)("%s keeps its low bits when it is stored", (dtype) => {
  const data = Int32Array.from({ length: 64 }, (_, i) => i - 32);
  const store = storeFunction(dtype);
  for (const schedule of [vectors, []]) {
    expect([...convert("int32", dtype, data, (x) => x, schedule)]).toEqual(Array.from(data, store));
  }
});
