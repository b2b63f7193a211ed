/** Each rule on an expression of its own, as text, and all exact ones on random expressions. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { randomExpr } from "../../test/randomIr.ts";
import { allocate, type DType } from "../ir/dtype.ts";
import type { Expr } from "../ir/expr.ts";
import { operands, visit } from "../ir/walk.ts";
import { runKernel } from "../ir/interp.ts";
import type { Buffer } from "../ir/kernel.ts";
import { parseExpr, printExpr } from "../ir/text/index.ts";
import { applyRules, lastBitMatters, rules, type Surroundings } from "./rules.ts";

/** `c`, `d` and the int8 `q` are constants; `x`, `y` and `n` are not. */
const buffers: readonly Buffer[] = (
  [["x", "float32"], ["y", "float32"], ["n", "int32"], ["c", "float32"], ["d", "float32"], ["q", "int8"], ["b", "bool"]] as const
).map(([name, dtype]) => ({ name, dtype, shape: [4], role: "in" })); // prettier-ignore
const scope = { buffers, axes: new Map([["i", 4]]) };
const fixed = (e: Expr): boolean =>
  (e.kind === "load" ? [3, 4, 5].includes(e.buffer) : e.kind !== "acc") && operands(e).every(fixed);

function simplified(text: string, exactOnly: boolean, signedZero = false): { text: string; hits: string[] } {
  const hits: string[] = [];
  const surroundings: Surroundings = {
    exactOnly,
    signedZero,
    fixed,
    free: fixed,
    dtypeOf: (buffer) => buffers[buffer]!.dtype,
    uniform: () => undefined,
    hit: (rule) => hits.push(rule),
  };
  return { text: printExpr(applyRules(parseExpr(text, scope), surroundings), scope), hits };
}

const exact: [rule: string, before: string, after: string][] = [
  ["negation of a negation", "neg(neg(x[i]))", "x[i]"],
  ["sum with a negation", "x[i] + neg(y[i])", "x[i] - y[i]"],
  ["sum with a negation", "neg(x[i]) + y[i]", "y[i] - x[i]"],
  ["sum with a negation", "x[i] - neg(y[i])", "x[i] + y[i]"],
  ["product with a negation", "neg(x[i]) * 3.0", "x[i] * -3.0"],
  ["product with -1", "x[i] * -1.0", "neg(x[i])"],
  ["quotient by a power of two", "x[i] / 64.0", "x[i] * 0.015625"],
  ["sum with zero", "x[i] + 0.0", "x[i]"],
  ["absolute value of a sign", "abs(neg(x[i]))", "abs(x[i])"],
  ["absolute value of a sign", "abs(abs(x[i]))", "abs(x[i])"],
  ["rounding of a whole number", "floor(round(x[i]) + 2.0)", "round(x[i]) + 2.0"],
  ["rounding of a whole number", "round(float32(n[i]))", "float32(n[i])"],
  ["bound within bounds", "max(min(max(x[i], 0.0), 6.0), -1.0)", "min(max(x[i], 0.0), 6.0)"],
  ["bound within bounds", "max(x[i] * x[i], 0.0)", "x[i] * x[i]"],
  ["bound of a bound", "min(min(x[i], 6.0), 4.0)", "min(x[i], 4.0)"],
  ["bound of a bound", "max(max(x[i], 0.0), 2.0)", "max(x[i], 2.0)"],
  ["bound of equals", "max(x[i], x[i])", "x[i]"],
  ["select on a negation", "select(not(b[i]), x[i], y[i])", "select(b[i], y[i], x[i])"],
  ["select within its own arm", "select(b[i], select(b[i], x[i], 1.0), y[i])", "select(b[i], x[i], y[i])"],
  ["select within its own arm", "select(b[i], x[i], select(b[i], 1.0, y[i]))", "select(b[i], x[i], y[i])"],
  ["cast of the same cast", "int8(int8(x[i]))", "int8(x[i])"],
  ["cast to the stored type", "int8(q[i])", "q[i]"],
  ["cast there and back", "int32(int64(n[i]))", "n[i]"],
  ["cast there and back", "float32(float64(x[i]))", "x[i]"],
  ["cast there and back", "bool(int32(b[i]))", "b[i]"],
  ["whole number through an integer", "float32(int8(min(max(round(x[i]), -9.0), 9.0)))", "min(max(round(x[i]), -9.0), 9.0)"],
  ["shift of bounds", "min(max(round(x[i]) + 5.0, -128.0), 127.0) + -5.0", "min(max(round(x[i]), -133.0), 122.0)"],
]; // prettier-ignore

const rounding: [rule: string, before: string, after: string][] = [
  ["square of a root", "sqrt(x[i] * x[i]) * sqrt(x[i] * x[i])", "x[i] * x[i]"],
  ["affine chain", "x[i] * 2.0 * 3.0", "x[i] * 6.0"],
  ["affine chain", "x[i] + 2.0 + 3.5", "x[i] + 5.5"],
  ["affine chain", "3.0 * (x[i] * c[i] / 6.0)", "x[i] * (c[i] / 6.0 * 3.0)"],
  ["affine chain", "(x[i] - c[i]) * d[i] + 1.0", "x[i] * d[i] + (1.0 - c[i] * d[i])"],
  ["affine chain", "1.0 - (2.0 - x[i])", "x[i] + -1.0"],
  ["affine chain", "(c[i] - x[i]) + d[i]", "c[i] + d[i] - x[i]"],
]; // prettier-ignore

describe("rules", () => {
  it.each(exact)("%s: %s", (rule, before, after) => {
    const made = simplified(before, true);
    expect(made.hits).toContain(rule);
    expect(made.text).toBe(after);
  });

  it.each(rounding)("%s: %s", (rule, before, after) => {
    const made = simplified(before, false);
    expect(made.hits).toContain(rule);
    expect(made.text).toBe(after);
    expect(simplified(before, true).text).toBe(printExpr(parseExpr(before, scope), scope));
  });

  it("has a test for every rule but the one that needs tensors", () => {
    const tested = new Set([...exact, ...rounding].map(([rule]) => rule));
    expect(rules.map((rule) => rule.name).filter((name) => !tested.has(name))).toEqual(["uniform constant"]);
  });

  it.each([
    "x[i] * 0.0",
    "x[i] / 3.0",
    "x[i] + 8388608.0 - 8388608.0",
    "x[i] * 1e-30 * 1e-30",
    "x[i] * 1e+30 * 1e+30",
    "sqrt(x[i]) * sqrt(x[i])",
    "float32(int8(round(x[i])))",
    "float32(int8(min(max(x[i], -9.0), 9.0)))",
    "min(round(x[i]) + 5.0, 127.0) + -5.0",
    "(x[i] - c[i]) * d[i]",
    "int64(float32(n[i]))",
    "int32(uint8(n[i]))",
  ])("leaves %s", (text) => {
    const printed = printExpr(parseExpr(text, scope), scope);
    expect(simplified(text, false).text).toBe(printed);
  });

  it.each([
    "1.0 / (x[i] + 0.0)",
    "1.0 / (x[i] - -0.0)",
    "pow(x[i] + 0.0, -1.0)",
    "1.0 / sqrt(max(x[i] * x[i], 0.0) * y[i])",
    "1.0 / (x[i] + 2.0 + -2.0)",
    "1.0 / max(float32(int8(min(max(round(x[i]), -9.0), 9.0))), y[i])",
  ])("keeps the sign of a zero that is divided by: %s", (text) => {
    const printed = printExpr(parseExpr(text, scope), scope);
    expect(simplified(text, false).text).toBe(printed);
    expect(simplified(text, true).text).toBe(printed);
  });

  it.each([
    ["1.0 / (1.0 + exp(x[i] + 0.0))", "1.0 / (1.0 + exp(x[i]))"],
    ["1.0 / (2.0 - (x[i] + 0.0))", "1.0 / (2.0 - x[i])"],
    ["(x[i] + 0.0) / y[i]", "x[i] / y[i]"],
    ["select(x[i] + 0.0 > y[i], 1.0, 1.0 / y[i])", "select(x[i] > y[i], 1.0, 1.0 / y[i])"],
  ])("but not of one whose sign decides nothing: %s", (before, after) => {
    expect(simplified(before, true).text).toBe(after);
  });

  it("keeps the sign of a zero that is the result, where it is said to count", () => {
    expect(simplified("x[i] + 0.0", true, true).text).toBe("x[i] + 0.0");
  });

  it("does not compute a chain twice for the sake of a shorter one", () => {
    const leaky = "let $0 = x[i] * c[i] + 1.0; select($0 < 0.0, $0 * 0.1, $0)";
    expect(simplified(leaky, false).text).toBe(leaky);
  });

  it("turns the pair of quantization and its inverse into float operations, exactly", () => {
    const { text } = simplified("float32(int8(int8(min(max(round(x[i] / 0.1) + -128.0, -128.0), 127.0))) - -128i32) * 0.1", true); // prettier-ignore
    expect(text).toBe("min(max(round(x[i] / 0.1), 0.0), 255.0) * 0.1");
  });

  it("knows where the last bit matters", () => {
    const matters = (text: string): boolean => lastBitMatters(parseExpr(text, scope));
    expect(["round(x[i])", "int8(x[i])", "x[i] == 1.0", "float16(x[i])"].map(matters)).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(["x[i] < 1.0", "float32(n[i])", "int8(n[i])", "sqrt(x[i])"].map(matters)).toEqual([false, false, false, false]); // prettier-ignore
  });
});

const random = fc.constantFrom<DType>("float32", "int32", "int64", "bool").chain((dtype) => {
  const types = { float32: "f32", int32: "i32", int64: "i64", bool: "bool" } as const;
  const type = types[dtype as keyof typeof types];
  return fc.tuple(fc.constant(dtype), randomExpr(type, { buffers, axes: [{ name: "i", extent: 4 }] }, 5));
});

it("exact rules keep random expressions bit for bit", () => {
  const special = [0, -0, 1, -1.5, 2.5, 127, -128, 1e10, -3e38, Infinity, -Infinity, 0.1];
  const property = fc.property(
    random,
    fc.array(fc.nat(special.length - 1), { minLength: 28, maxLength: 28 }),
    fc.boolean(),
    ([dtype, e], picks, signedZero) => {
      const surroundings: Surroundings = { exactOnly: true, signedZero, fixed, free: fixed, dtypeOf: (b) => buffers[b]!.dtype, uniform: () => undefined, hit: () => undefined }; // prettier-ignore
      const after = applyRules(e, surroundings);
      const run = (value: Expr, dtypeOfResult: DType = dtype): ArrayLike<number | bigint> => {
        const data = buffers.map((buffer, n) => {
          const array = allocate(buffer.dtype, 4);
          for (let k = 0; k < 4; k++)
            array[k] = buffer.dtype === "bool" ? picks[n * 4 + k]! % 2 : special[picks[n * 4 + k]!]!;
          return array;
        });
        const out = allocate(dtypeOfResult, 4);
        const axes = [{ name: "i", extent: 4 }];
        runKernel(
          { name: "k", buffers: [...buffers, { name: "out", dtype: dtypeOfResult, shape: [4], role: "out" }], body: [{ kind: "assign", axes, out: buffers.length, index: [parseExpr("i", scope)], value }] }, // prettier-ignore
          [...data, out],
        );
        return out;
      };
      // Which bits a NaN has is not defined.
      visit(e, (x) => {
        if (x.kind === "bitcast") fc.pre(!Array.from(run(x.a, "float32")).some(Number.isNaN));
      });
      const [expected, actual] = [run(e), run(after)];
      for (let k = 0; k < 4; k++) {
        const zero = !signedZero && actual[k] === expected[k];
        expect(zero || Object.is(actual[k], expected[k]), `${printExpr(e, scope)} became ${printExpr(after, scope)}`).toBe(true); // prettier-ignore
      }
    },
  );
  fc.assert(property, { numRuns: 3000 });
});
