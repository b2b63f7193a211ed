import { describe, expect, it } from "vitest";
import { InternalError } from "../diagnostic.ts";
import type { DType, NumericData } from "./dtype.ts";
import * as x from "./expr.ts";
import { runKernel } from "./interp.ts";
import { erf } from "./interpOperator.ts";
import { coordinate, type Assign, type Axis, type Buffer, type Kernel } from "./kernel.ts";

const buffer = (name: string, role: Buffer["role"], shape: readonly number[], dtype: DType = "float32"): Buffer => ({ name, role, shape, dtype }); // prettier-ignore
const i: Axis = { name: "i", extent: 2 };
const j: Axis = { name: "j", extent: 4 };
const k: Axis = { name: "k", extent: 3 };

function kernel(buffers: readonly Buffer[], ...body: Kernel["body"]): Kernel {
  return { name: "test", buffers, body };
}

/** Runs `value(element)` over the elements of one array. */
function map(
  from: DType,
  to: DType,
  data: NumericData,
  out: NumericData,
  value: (element: x.Expr) => x.Expr,
): NumericData {
  const axis = { name: "i", extent: data.length };
  const at = [data.length === 1 ? x.int(0) : coordinate(axis)];
  const element = x.load(0, from, at);
  runKernel(
    kernel([buffer("in0", "in", [data.length], from), buffer("out0", "out", [data.length], to)], {
      kind: "assign", axes: [axis], out: 1, index: at, value: value(element) }),
    [data, out],
  ); // prettier-ignore
  return out;
}

describe("runKernel", () => {
  it("multiplies matrices with an epilogue", () => {
    const [ci, cj, ck] = [coordinate(i), coordinate(j), coordinate(k)];
    const assign: Assign = {
      kind: "assign",
      axes: [i, j],
      reduce: {
        op: "sum",
        axes: [k],
        body: x.mul(x.load(0, "float32", [ci, ck]), x.load(1, "float32", [ck, cj])),
      },
      out: 2,
      index: [ci, cj],
      value: x.max(x.acc("f32"), x.f32(0)),
    };
    const out = new Float32Array(8);
    const buffers = [buffer("in0", "in", [2, 3]), buffer("in1", "in", [3, 4]), buffer("out0", "out", [2, 4])];
    const b = Float32Array.from({ length: 12 }, (_, n) => n);
    runKernel(kernel(buffers, assign), [Float32Array.of(1, 2, 3, -1, 0, -1), b, out]);
    expect([...out]).toEqual([32, 38, 44, 50, 0, 0, 0, 0]);
  });

  it("runs loops in order, with temps and layouts", () => {
    // Softmax over rows whose input lies transposed in memory: max, sum and quotient within one loop over rows.
    const [ci, ck] = [coordinate(i), coordinate(k)];
    const input: Buffer = { ...buffer("in0", "in", [2, 3]), layout: { strides: [1, 2], offset: 1 } };
    const buffers = [
      input,
      buffer("out0", "out", [2, 3]),
      buffer("top", "temp", [1]),
      buffer("total", "temp", [1]),
    ];
    const element = x.load(0, "float32", [ci, ck]);
    const shifted = x.unary("exp", x.sub(element, x.load(2, "float32", [x.int(0)])));
    const body: Assign[] = [
      { kind: "assign", axes: [], reduce: { op: "max", axes: [k], body: element }, out: 2, index: [x.int(0)], value: x.acc("f32") },
      { kind: "assign", axes: [], reduce: { op: "sum", axes: [k], body: shifted }, out: 3, index: [x.int(0)], value: x.acc("f32") },
      { kind: "assign", axes: [k], out: 1, index: [ci, ck], value: x.div(shifted, x.load(3, "float32", [x.int(0)])) },
    ]; // prettier-ignore
    const out = new Float32Array(6);
    runKernel(kernel(buffers, { kind: "loop", axis: i, carried: false, body }), [
      Float32Array.of(99, 1, 5, 2, 5, 3, 5),
      out,
    ]);
    const e = [Math.exp(-2), Math.exp(-1), 1];
    const sum = e.reduce((a, b) => a + b);
    e.forEach((v, n) => expect(out[n]).toBeCloseTo(v / sum, 6));
    expect(out[3]).toBeCloseTo(1 / 3, 6);
  });

  it("carries a running sum", () => {
    const axis = { name: "t", extent: 4 };
    const t = coordinate(axis);
    const previous = x.load(1, "int64", [x.sub(t, x.int(1))], 0);
    const assign: Assign = { kind: "assign", axes: [], out: 1, index: [t], value: x.add(x.load(0, "int64", [t]), previous) }; // prettier-ignore
    const buffers = [buffer("in0", "in", [4], "int64"), buffer("out0", "out", [4], "int64")];
    const out = new BigInt64Array(4);
    runKernel(kernel(buffers, { kind: "loop", axis, carried: true, body: [assign] }), [
      BigInt64Array.of(1n, 2n, 3n, 4n),
      out,
    ]);
    expect([...out]).toEqual([1n, 3n, 6n, 10n]);
  });

  it("refuses reads and writes out of bounds, in unused branches too", () => {
    const one = Float32Array.of(1, 2);
    const guarded = (pad?: number) => () =>
      map("float32", "float32", one, new Float32Array(2), (e) => {
        const at = coordinate(i);
        return x.select(x.lt(at, x.int(1)), x.load(0, "float32", [x.add(at, x.int(1))], pad), e);
      });
    expect(guarded()).toThrow(InternalError);
    expect(guarded()).toThrow("load of in0[2], outside its shape [2]");
    expect(guarded(0)).not.toThrow();
    const buffers = [buffer("out0", "out", [1])];
    const assign: Assign = { kind: "assign", axes: [i], out: 0, index: [coordinate(i)], value: x.f32(1) };
    expect(() => runKernel(kernel(buffers, assign), [new Float32Array(1)])).toThrow("store to out0[1]");
  });

  it("rounds float32 after every operation and wraps integers", () => {
    const third = map("float32", "float32", Float32Array.of(1), new Float32Array(1), (e) =>
      x.mul(x.div(e, x.f32(3)), x.f32(1e-3)),
    );
    expect(third[0]).toBe(Math.fround(Math.fround(1 / 3) * Math.fround(1e-3)));
    const i32 = (v: number): x.Expr => x.constant("i32", v);
    const run = (value: (e: x.Expr) => x.Expr, input = 2 ** 31 - 1): number =>
      Number(map("int32", "int32", Int32Array.of(input), new Int32Array(1), value)[0]);
    expect(run((e) => x.add(e, i32(1)))).toBe(-(2 ** 31));
    expect(run((e) => x.mul(e, e))).toBe(1);
    expect(run((e) => x.binary("div", e, i32(0)))).toBe(0);
    expect(run((e) => x.binary("div", e, i32(-1)), -(2 ** 31))).toBe(-(2 ** 31));
    expect(run((e) => x.binary("rem", e, i32(4)), -7)).toBe(-3);
    expect(run((e) => x.binary("pow", e, i32(3)), -3)).toBe(-27);
    expect(run((e) => x.binary("shr", e, i32(1)), -4)).toBe(-2);
    const u64 = map("uint64", "uint64", BigUint64Array.of(1n), new BigUint64Array(1), (e) =>
      x.unary("neg", e),
    );
    expect(u64[0]).toBe(2n ** 64n - 1n);
  });

  it("propagates NaN through min and max, in reductions too", () => {
    const data = Float32Array.of(1, NaN, 3);
    const out = new Float32Array(1);
    const body = x.load(0, "float32", [coordinate(k)]);
    const assign: Assign = { kind: "assign", axes: [], reduce: { op: "max", axes: [k], body }, out: 1, index: [], value: x.acc("f32") }; // prettier-ignore
    runKernel(kernel([buffer("in0", "in", [3]), buffer("out0", "out", [])], assign), [data, out]);
    expect(out[0]).toBeNaN();
  });

  it("gives a reduction over nothing its identity", () => {
    const none = { name: "k", extent: 0 };
    const identity = (op: "sum" | "max" | "min" | "prod", dtype: DType, out: NumericData): unknown => {
      const body = x.load(0, dtype, [coordinate(none)]);
      const assign: Assign = { kind: "assign", axes: [], reduce: { op, axes: [none], body }, out: 1, index: [], value: x.acc(body.type) }; // prettier-ignore
      const buffers = [buffer("in0", "in", [0], dtype), buffer("out0", "out", [], dtype)];
      runKernel(kernel(buffers, assign), [out.slice(0, 0), out]);
      return out[0];
    };
    expect(identity("max", "float32", new Float32Array(1))).toBe(-Infinity);
    expect(identity("prod", "float16", new Uint16Array(1))).toBe(0x3c00);
    expect(identity("min", "int64", new BigInt64Array(1))).toBe(2n ** 63n - 1n);
    expect(identity("min", "bool", new Uint8Array(1))).toBe(1);
  });

  it("evaluates a shared subexpression once per point", () => {
    // Each step uses the one before twice: 2^60 evaluations if sharing were lost.
    const out = map("float64", "float64", Float64Array.of(1, 2), new Float64Array(2), (e) => {
      let sum = e;
      for (let n = 0; n < 60; n++) sum = x.add(sum, sum);
      return sum;
    });
    expect([...out]).toEqual([2 ** 60, 2 ** 61]);
  });

  it("converts between small floats, integers and booleans", () => {
    const half = map(
      "float32",
      "float16",
      Float32Array.of(1.0009765, -0, 65520, NaN),
      new Uint16Array(4),
      (e) => e,
    );
    expect([...half]).toEqual([0x3c01, 0x8000, 0x7c00, 0x7e00]);
    const back = map("float16", "float32", half, new Float32Array(4), (e) => e);
    expect([...back]).toEqual([1.0009765625, -0, Infinity, NaN]);
    const bytes = map("float32", "uint8", Float32Array.of(-1.5, 300.9, NaN), new Uint8Array(3), (e) =>
      x.cast(e, "uint8"),
    );
    expect([...bytes]).toEqual([255, 44, 0]);
    const flags = map("float32", "bool", Float32Array.of(-0, 0.1, NaN), new Uint8Array(3), (e) =>
      x.cast(e, "bool"),
    );
    expect([...flags]).toEqual([0, 1, 1]);
  });
});

describe("erf", () => {
  it("agrees with published values", () => {
    // Abramowitz and Stegun, table 7.1, and both sides of the switch between series and fraction.
    expect(erf(0.5)).toBeCloseTo(0.520499877813, 12);
    expect(erf(1)).toBeCloseTo(0.842700792949715, 14);
    expect(erf(2)).toBeCloseTo(0.9953222650189527, 15);
    expect(erf(3)).toBeCloseTo(0.999977909503001, 14);
    expect(erf(2.5 - 1e-12)).toBeCloseTo(erf(2.5), 11);
    expect(erf(-1)).toBe(-erf(1));
    expect(erf(1e-300)).toBeGreaterThan(1.12e-300);
    expect([erf(-Infinity), erf(NaN), erf(-0)]).toEqual([-1, NaN, -0]);
  });
});
