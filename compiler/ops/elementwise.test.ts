/** Elementwise operators on the values where they are easy to get wrong: zeros, signs, NaN, overflow, wrapping. */
import { describe, expect, it } from "vitest";
import { compiled } from "../../test/besideOnnxruntime.ts";
import { counting, runOperator, tensor } from "../../test/operator.ts";
import { CompileError } from "../diagnostic.ts";
import { onnxModel } from "../frontend/onnx/write.ts";
import { typeNumber } from "../ir/dataType.ts";
import { compile, interpret } from "../whole.ts";
import type { DType, Tensor } from "../ir/dtype.ts";
import type { AttributeLike } from "./define.ts";

const values = (t: Tensor): number[] => Array.from(t.data as Iterable<number>, Number);

function apply(
  op: string,
  dtype: DType,
  x: readonly number[],
  attributes: Record<string, AttributeLike> = {},
): number[] {
  return values(runOperator({ op, inputs: [tensor(dtype, [x.length], x)], attributes })[0]!);
}

function combine(
  op: string,
  dtype: DType,
  a: readonly number[],
  b: readonly number[],
  attributes: Record<string, AttributeLike> = {},
): number[] {
  const inputs = [tensor(dtype, [a.length], a), tensor(dtype, [b.length], b)];
  return values(runOperator({ op, inputs, attributes })[0]!);
}

function expectClose(got: readonly number[], want: readonly number[]): void {
  expect(got.length).toBe(want.length);
  got.forEach((value, i) => {
    if (Number.isFinite(want[i]!)) expect(value).toBeCloseTo(want[i]!, 5);
    else expect(value).toBe(want[i]!);
  });
}

describe("arithmetic", () => {
  it("broadcasts from the right and takes scalars", () => {
    const [y] = runOperator({ op: "Add", inputs: [counting([2, 1, 3]), counting([2, 1], 10)] });
    expect(y!.shape).toEqual([2, 2, 3]);
    expect(values(y!)).toEqual([11, 12, 13, 21, 22, 23, 14, 15, 16, 24, 25, 26]);
    const [z] = runOperator({ op: "Mul", inputs: [counting([2]), tensor("float32", [], [3])] });
    expect(values(z!)).toEqual([3, 6]);
  });

  it("refuses shapes and types that do not fit", () => {
    expect(() => runOperator({ op: "Add", inputs: [counting([2]), counting([3])] })).toThrow(CompileError);
    expect(() => runOperator({ op: "Add", inputs: [counting([2]), tensor("int32", [2], [1, 2])] })).toThrow(
      CompileError,
    );
  });

  it("wraps integers and truncates quotients", () => {
    expect(combine("Add", "uint8", [250], [10])).toEqual([4]);
    expect(combine("Div", "int32", [-7, 7], [2, -2])).toEqual([-3, -3]);
  });

  it("does not trap on division by zero or overflow", () => {
    expect(combine("Div", "int32", [5, -(2 ** 31), 9], [0, -1, 3])).toEqual([0, -(2 ** 31), 3]);
    expect(combine("Mod", "int64", [5, 5], [0, -1])).toEqual([0, 0]);
    expect(combine("Div", "uint64", [5, 8], [0, 2])).toEqual([0, 4]);
  });

  it("Mod takes the divisor's sign, with fmod the dividend's", () => {
    expect(combine("Mod", "int32", [-4, 7, 5, 4, -7, 8], [2, -3, 8, -2, 3, 5])).toEqual([0, -2, 5, 0, 2, 3]);
    expect(combine("Mod", "int32", [-4, 7, -7], [3, -3, 3], { fmod: 1 })).toEqual([-1, 1, -1]);
    expect(combine("Mod", "float32", [-4.5, 5.5], [2, -3], { fmod: 1 })).toEqual([-0.5, 2.5]);
  });

  it("Pow mixes types; small constant exponents are products", () => {
    for (const exponent of [-1, -0.5, 0.5, 1, 2, 3, 4, 5]) {
      const [y] = runOperator({ op: "Pow", inputs: [counting([3]), tensor("float32", [], [exponent])] });
      expectClose(values(y!), [1, 2 ** exponent, 3 ** exponent].map(Math.fround));
    }
    const [y] = runOperator({
      op: "Pow",
      inputs: [tensor("int32", [2], [2, 9]), tensor("float32", [2], [3, 0.5])],
    });
    expect(values(y!)).toEqual([8, 3]);
    expect(y!.dtype).toBe("int32");
  });

  it.each(["int32", "uint32", "int64", "uint64", "int8"] as const)("powers of %s are exact, and wrap", async (dtype) => {
    const bits = Number(/\d+/.exec(dtype)![0]);
    const signed = dtype.startsWith("int");
    const wrap = (x: bigint): bigint => (signed ? BigInt.asIntN(bits, x) : BigInt.asUintN(bits, x));
    const power = (a: bigint, b: bigint): bigint => {
      if (b < 0n) return a === 1n || (a === -1n && b % 2n === 0n) ? 1n : a === -1n ? -1n : 0n;
      let result = 1n;
      for (let i = 0n; i < b; i++) result = wrap(result * a);
      return wrap(result);
    };
    const bases = [0, 1, 2, 3, 7, 10, 97, ...(signed ? [-1, -2, -3, -7] : [])];
    const exponents = [0, 1, 2, 5, 20, 31, 39, 62, 63, 64, 101, ...(signed ? [-1, -2, -63] : [])];
    const pairs = bases.flatMap((a) => exponents.map((b) => [a, b] as const));
    const [a, b] = [0, 1].map((side) => tensor(dtype, [pairs.length], pairs.map((pair) => pair[side]!)));
    const model = onnxModel("powers", { opset: 20 });
    const x = model.input("x", dtype, [pairs.length]);
    model.output(model.node("Pow", [x, model.input("y", dtype, [pairs.length])]), dtype, [pairs.length], "fed");
    for (const exponent of exponents)
      model.output(model.node("Pow", [x, model.scalar(dtype, exponent)]), dtype, [pairs.length], `to ${exponent}`);
    const bytes = model.toBytes();
    for (const got of [interpret(bytes, { x: a!, y: b! }), await compiled(compile(bytes).artifact, { x: a!, y: b! })]) {
      const numbers = (name: string): bigint[] => Array.from(got[name]!.data as Iterable<number | bigint>, BigInt);
      expect(numbers("fed")).toEqual(pairs.map(([base, exponent]) => power(BigInt(base), BigInt(exponent))));
      for (const exponent of exponents)
        expect(numbers(`to ${exponent}`)).toEqual(pairs.map(([base]) => power(BigInt(base), BigInt(exponent))));
    }
  }); // prettier-ignore

  it.each([
    ["float16", "uint16", [0x7c00, 0x7e00, 0x7d01, 0xfe55, 0x8000, 1, 0x3c00]],
    ["bfloat16", "int16", [0x7f80, 0x7fc0, 0x7f81, -1, -32768, 1, 0x3f80]],
    ["float8e4m3fn", "uint8", [0, 0x7f, 0xff, 0x80, 1, 0x38, 0x7e]],
  ] as const)("the bits of %s as %s and back, NaN and all", async (float, whole, bits) => {
    const model = onnxModel("bits", { opset: 26 });
    const x = model.input("x", whole, [bits.length]);
    const there = model.node("BitCast", [x], { to: typeNumber(float) });
    model.output(there, float, [bits.length], "there");
    model.output(model.node("BitCast", [there], { to: typeNumber(whole) }), whole, [bits.length], "back");
    const given = tensor(whole, [bits.length], bits);
    const bytes = model.toBytes();
    for (const got of [interpret(bytes, { x: given }), await compiled(compile(bytes).artifact, { x: given })]) {
      expect(Array.from(got["back"]!.data as Iterable<number>)).toEqual([...bits]);
      expect(got["there"]!.dtype).toBe(float);
    }
  }); // prettier-ignore

  it("Sign, Round and IsInf of the special values", () => {
    expect(apply("Sign", "float32", [-2, -0, 0, 3, NaN])).toEqual([-1, -0, 0, 1, NaN]);
    expect(apply("Round", "float32", [0.5, 1.5, 2.5, -1.5])).toEqual([0, 2, 2, -2]);
    expect(apply("IsInf", "float32", [Infinity, -Infinity, NaN])).toEqual([1, 1, 0]);
    expect(apply("IsInf", "float32", [Infinity, -Infinity], { detect_positive: 0 })).toEqual([0, 1]);
    expect(apply("IsNaN", "float32", [NaN, 0])).toEqual([1, 0]);
  });

  it("Max, Mean and Sum take any number of inputs", () => {
    const inputs = [
      tensor("float32", [2], [1, NaN]),
      tensor("float32", [2], [5, 2]),
      tensor("float32", [1], [3]),
    ];
    expect(values(runOperator({ op: "Max", inputs })[0]!)).toEqual([5, NaN]);
    expect(values(runOperator({ op: "Mean", inputs })[0]!)[0]).toBe(3);
    expect(values(runOperator({ op: "Sum", inputs: [inputs[1]!] })[0]!)).toEqual([5, 2]);
  });

  it("BitShift by the width or more leaves nothing", () => {
    expect(combine("BitShift", "uint8", [1, 255, 3], [2, 1, 40], { direction: "LEFT" })).toEqual([4, 254, 0]);
    expect(combine("BitShift", "uint64", [16, 16], [2, 64], { direction: "RIGHT" })).toEqual([4, 0]);
  });

  it("bitwise operators on narrow types", () => {
    expect(apply("BitwiseNot", "uint8", [0, 255, 5])).toEqual([255, 0, 250]);
    expect(combine("BitwiseXor", "int16", [6, -1], [3, 1])).toEqual([5, -2]);
  });
});

describe("activations", () => {
  const x = [-100, -1, -0.25, 0, 0.25, 1, 100];
  const formulas: Record<string, [(x: number) => number, Record<string, AttributeLike>?]> = {
    Relu: [(v) => Math.max(v, 0)],
    LeakyRelu: [(v) => (v < 0 ? 0.1 * v : v), { alpha: { float: 0.1 } }],
    Elu: [(v) => (v < 0 ? 2 * Math.expm1(v) : v), { alpha: { float: 2 } }],
    Celu: [(v) => Math.max(0, v) + Math.min(0, 2 * Math.expm1(v / 2)), { alpha: { float: 2 } }],
    Selu: [(v) => 1.0507009873554805 * (v < 0 ? 1.6732632423543772 * Math.expm1(v) : v)],
    Softplus: [(v) => (v > 50 ? v : Math.log1p(Math.exp(v)))],
    Softsign: [(v) => v / (1 + Math.abs(v))],
    Mish: [(v) => v * Math.tanh(v > 50 ? v : Math.log1p(Math.exp(v)))],
    HardSigmoid: [(v) => Math.max(0, Math.min(1, 0.2 * v + 0.5))],
    HardSwish: [(v) => v * Math.max(0, Math.min(1, v / 6 + 0.5))],
    Swish: [(v) => v / (1 + Math.exp(-v))],
    ThresholdedRelu: [(v) => (v > 0.5 ? v : 0), { alpha: { float: 0.5 } }],
    Shrink: [(v) => (v < -0.5 ? v + 0.1 : v > 0.5 ? v - 0.1 : 0), { bias: { float: 0.1 } }],
    Gelu: [
      (v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
      { approximate: "tanh" },
    ],
  };
  for (const [op, [formula, attributes]] of Object.entries(formulas)) {
    it(`${op} follows its formula and stays finite`, () => {
      expectClose(apply(op, "float32", x, attributes), x.map(formula));
    });
  }

  it("Softplus keeps tiny results", () => {
    expect(apply("Softplus", "float32", [-30])[0]! / Math.exp(-30)).toBeCloseTo(1, 4);
  });

  it("Clip without one bound, and with crossed bounds", () => {
    const bound = (value: number): Tensor => tensor("float32", [], [value]);
    const input = tensor("float32", [3], [-5, 0, 5]);
    expect(values(runOperator({ op: "Clip", inputs: [input, undefined, bound(1)] })[0]!)).toEqual([-5, 0, 1]);
    expect(values(runOperator({ op: "Clip", inputs: [input, bound(2), bound(1)] })[0]!)).toEqual([1, 1, 1]);
  });
});

describe("conversions", () => {
  const to = (dtype: DType): Record<string, AttributeLike> => ({ to: dtype });

  it("truncates, wraps and saturates as Cast says", () => {
    expect(apply("Cast", "float32", [2.7, -2.7, 1e10], to("int32"))).toEqual([2, -2, 2147483647]);
    expect(apply("Cast", "int32", [300, -1], to("uint8"))).toEqual([44, 255]);
    expect(apply("Cast", "float32", [0, 0.1, NaN], to("bool"))).toEqual([0, 1, 1]);
    expect(apply("Cast", "float32", [1000], to("float8e4m3fn"))).toEqual([0x7e]);
    expect(apply("Cast", "float32", [1000], { to: "float8e4m3fn", saturate: 0 })).toEqual([0x7f]);
  });

  it("rounds powers of two by mode", () => {
    const bits = (mode: string): number[] =>
      apply("Cast", "float32", [5, 6, 8], { to: "float8e8m0", round_mode: mode });
    expect(bits("up")).toEqual([130, 130, 130]);
    expect(bits("down")).toEqual([129, 129, 130]);
    expect(bits("nearest")).toEqual([129, 130, 130]);
  });

  it("BitCast keeps the bits", () => {
    expect(apply("BitCast", "float32", [1, -0], { to: "uint32" })).toEqual([0x3f800000, 0x80000000]);
    expect(apply("BitCast", "uint16", [65535], { to: "int16" })).toEqual([-1]);
    const [long] = runOperator({
      op: "BitCast",
      inputs: [tensor("float64", [1], [-2])],
      attributes: { to: "uint64" },
    });
    expect(Array.from(long!.data as BigUint64Array)).toEqual([0xc000000000000000n]);
    expect(() => apply("BitCast", "float32", [1], { to: "int64" })).toThrow(CompileError);
  });
});

describe("scans", () => {
  const axis = (at: number): Tensor => tensor("int64", [], [at]);
  it("CumSum forward, backward and exclusive", () => {
    const x = tensor("float32", [2, 3], [1, 2, 3, 4, 5, 6]);
    const run = (at: number, attributes: Record<string, AttributeLike> = {}): number[] =>
      values(runOperator({ op: "CumSum", inputs: [x, axis(at)], attributes })[0]!);
    expect(run(1)).toEqual([1, 3, 6, 4, 9, 15]);
    expect(run(0)).toEqual([1, 2, 3, 5, 7, 9]);
    expect(run(-1, { reverse: 1 })).toEqual([6, 5, 3, 15, 11, 6]);
    expect(run(1, { reverse: 1, exclusive: 1 })).toEqual([5, 3, 0, 11, 6, 0]);
  });

  it("CumProd starts from one when exclusive", () => {
    const [y] = runOperator({
      op: "CumProd",
      inputs: [counting([4]), axis(0)],
      attributes: { exclusive: 1 },
    });
    expect(values(y!)).toEqual([1, 1, 2, 6]);
  });
});

describe("Dropout", () => {
  it("passes through without training", () => {
    const [y, mask] = runOperator({ op: "Dropout", inputs: [counting([3])], outputs: 2 });
    expect(values(y!)).toEqual([1, 2, 3]);
    expect(values(mask!)).toEqual([1, 1, 1]);
  });

  it("in training drops about the ratio and scales the rest", () => {
    const inputs = [
      tensor("float32", [4000], new Array<number>(4000).fill(1)),
      tensor("float32", [], [0.25]),
      tensor("bool", [], [1]),
    ];
    const [y, mask] = runOperator({ op: "Dropout", inputs, attributes: { seed: 3 }, outputs: 2 });
    const kept = values(mask!).filter((bit) => bit === 1).length;
    expect(kept / 4000).toBeGreaterThan(0.7);
    expect(kept / 4000).toBeLessThan(0.8);
    values(y!).forEach((value, i) => expect(value).toBeCloseTo(values(mask!)[i]! / 0.75, 5));
  });
});
