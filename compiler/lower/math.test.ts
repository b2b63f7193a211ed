/**
 * Errors of the polynomials, measured on emitted code. In: a few million arguments per function, of all magnitudes.
 * Out: the largest error in units of the last place against double precision, which must stay below the bound that
 * math.ts states at the function.
 */
import { describe, expect, it } from "vitest";
import { hasRelaxedSimd, nestOf, runEmitted } from "../../test/emitted.ts";
import { add, axis, constant, load, min, mul, unary, type Expr, type UnaryOp } from "../ir/expr.ts";
import { compileUnary, erf } from "../ir/interpOperator.ts";
import type { Kernel } from "../ir/kernel.ts";
import type { Schedule } from "../ir/schedule.ts";

/** Arguments per function, range and variant. */
const COUNT = 1 << 18;

type Range = readonly [low: number, high: number];

/**
 * The bounds that math.ts states, and the ranges of arguments for which they hold; "all" means any bits at all.
 * flushed: subnormal results may be 0 instead.
 */
const stated: readonly { readonly op: UnaryOp; readonly ulp: number; readonly flushed?: boolean; readonly ranges: readonly (Range | "all")[] }[] = [
  { op: "exp", ulp: 1.1, ranges: ["all", [-1, 1], [-10, 10], [-110, 100]] },
  { op: "log", ulp: 1, ranges: ["all", [0.5, 2], [0, 100]] },
  { op: "sigmoid", ulp: 2.5, flushed: true, ranges: ["all", [-1, 1], [-10, 10], [-110, 100]] },
  { op: "tanh", ulp: 1.5, ranges: ["all", [-1, 1], [-10, 10]] },
  { op: "erf", ulp: 1.5, ranges: ["all", [-1, 1], [-5, 5]] },
  { op: "sin", ulp: 2, ranges: [[-1, 1], [-10, 10]] },
  { op: "sin", ulp: 4, ranges: [[-8192, 8192], [-65536, 65536]] },
  { op: "sin", ulp: 8, ranges: [[-(2 ** 22), 2 ** 22]] },
  { op: "cos", ulp: 2, ranges: [[-1, 1], [-10, 10]] },
  { op: "cos", ulp: 4, ranges: [[-8192, 8192], [-65536, 65536]] },
  { op: "cos", ulp: 8, ranges: [[-(2 ** 22), 2 ** 22]] },
]; // prettier-ignore

const vectors: Schedule = [
  { kind: "split", axis: "i", by: 4, tail: "pad" },
  { kind: "bind", axis: "i.i", to: "vector" },
];

/** f of every argument, by emitted code. */
function evaluate(
  op: UnaryOp,
  x: Float32Array,
  relaxed: boolean,
  schedule: Schedule = vectors,
): Float32Array {
  const i = axis("i", x.length);
  const shape = [x.length];
  const kernel: Kernel = {
    name: op,
    buffers: [
      { name: "x", role: "in", dtype: "float32", shape },
      { name: "y", role: "out", dtype: "float32", shape },
    ],
    body: [{ kind: "assign", axes: [{ name: "i", extent: x.length }], out: 1, index: [i], value: unary(op, load(0, "float32", [i])) }], // prettier-ignore
  };
  return runEmitted(nestOf(kernel, schedule), [x, new Float32Array(x.length)], relaxed)[1] as Float32Array;
}

const word = new Int32Array(1);
const single = new Float32Array(word.buffer);

/** A generator of numbers in [0, 1), the same for every run. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 0) / 2 ** 32;
  };
}

function argumentsOf(range: Range | "all", op: UnaryOp, seed: number): Float32Array {
  const next = random(seed);
  return Float32Array.from({ length: COUNT }, () => {
    if (range !== "all") return range[0] + (range[1] - range[0]) * next();
    word[0] = (next() * 2 ** 32) | 0;
    const value = single[0]!;
    if (!Number.isFinite(value)) return 1;
    return op === "log" ? Math.abs(value) : value;
  });
}

/** The unit of the last place of f32 at a number. */
function unit(value: number): number {
  single[0] = Math.abs(value);
  return 2 ** (Math.max(1, (word[0]! >>> 23) & 255) - 150);
}

const variants = hasRelaxedSimd() ? [false, true] : [false];

describe("errors stay within the bounds that are stated", () => {
  for (const { op, ulp, flushed, ranges } of stated) {
    it(`${op}: ${ulp} ULP in ${ranges.map((r) => (r === "all" ? r : `[${r.join(", ")}]`)).join(", ")}`, () => {
      let x = 0;
      const exact = compileUnary(op, "f64", () => x) as () => number;
      for (const [n, range] of ranges.entries()) {
        const data = argumentsOf(range, op, n + 1);
        for (const relaxed of variants) {
          const got = evaluate(op, data, relaxed);
          let worst = 0;
          let at = 0;
          for (let k = 0; k < COUNT; k++) {
            x = data[k]!;
            const right = exact();
            if (Math.fround(right) === got[k]) continue;
            if (flushed && Math.abs(right) < 2 ** -126 && Math.abs(got[k]!) < 2 ** -126) continue;
            const error = Math.abs(got[k]! - right) / unit(right);
            if (error <= worst) continue;
            worst = error;
            at = x;
          }
          expect(worst, `${op}(${at})`).toBeLessThanOrEqual(ulp);
        }
      }
    });
  }
});

const special = [NaN, Infinity, -Infinity, 0, -0, 1e-45, -1e-45, 1e-40, -1e-38, 3.4e38, -3.4e38];

it.each(["exp", "log", "sigmoid", "tanh", "erf"] as const)("%s of NaN, infinities, signed zeros and subnormals", (op) => {
  const data = Float32Array.from(special);
  let x = 0;
  const exact = compileUnary(op, "f32", () => x) as () => number;
  for (const schedule of [vectors, []]) {
    const got = evaluate(op, data, false, schedule);
    special.forEach((_, k) => {
      x = data[k]!;
      const right = exact();
      const close = Object.is(got[k], right) || Math.abs(got[k]! - right) <= 2 * unit(right);
      expect(close && Object.is(Math.sign(got[k]!), Math.sign(right)), `${op}(${x}) is ${got[k]}, not ${right}`).toBe(true);
    });
  }
}); // prettier-ignore

it("sin and cos of NaN and infinities are NaN, of huge arguments within [-1, 1]", () => {
  for (const op of ["sin", "cos"] as const) {
    const got = evaluate(
      op,
      Float32Array.from([NaN, Infinity, -Infinity, 1e9, -1e18, 3.4e38, 7e4, 1e-45]),
      false,
    );
    expect([...got.slice(0, 3)]).toEqual([NaN, NaN, NaN]);
    for (const value of got.slice(3)) expect(Math.abs(value)).toBeLessThanOrEqual(1);
  }
  const [zero, negative] = evaluate("sin", Float32Array.from([0, -0]), false);
  expect([Object.is(zero, 0), Object.is(negative, -0)]).toEqual([true, true]);
});

describe("functions in their places", () => {
  const count = 1 << 12;
  const i = axis("i", count);
  const x = load(0, "float32", [i]);
  const half = constant("f32", 0.5);
  const forms: readonly (readonly [
    name: string,
    value: Expr,
    exact: (x: number) => number,
    error?: number,
  ])[] = [
    ["x sigmoid(x)", mul(x, unary("sigmoid", x)), (v) => v / (1 + Math.exp(-v))],
    ["sigmoid(x) x", mul(unary("sigmoid", x), x), (v) => v / (1 + Math.exp(-v))],
    ["x / 2 (1 + tanh x)", mul(mul(x, half), add(unary("tanh", x), constant("f32", 1))), (v) => v / (1 + Math.exp(-2 * v))], // prettier-ignore
    ["(1 + tanh x) / 2", mul(add(constant("f32", 1), unary("tanh", x)), half), (v) => 1 / (1 + Math.exp(-2 * v))], // prettier-ignore
    [
      "e^min(x, 0)",
      unary("exp", min(x, constant("f32", 0))),
      (v) => Math.exp(v < 0 || Number.isNaN(v) ? v : 0),
    ],
    ["x / 2 (1 + erf x)", mul(mul(x, half), add(unary("erf", x), constant("f32", 1))), (v) => (v / 2) * (1 + erf(v)), 2e-7], // prettier-ignore
    ["2 + tanh x", add(unary("tanh", x), constant("f32", 2)), (v) => 2 + Math.tanh(v)],
  ];
  const shape = [count];
  const arguments_ = Float32Array.from(
    { length: count },
    (_, k) => (k % 2 ? 1 : -1) * 2 ** (-20 + (26 * k) / count),
  );
  const awkward = [NaN, Infinity, -Infinity, 0, -0, 100, -100, 3e38, -3e38];
  arguments_.set(awkward);
  const named = forms.map((form) => [form[0], form] as const);
  it.each(named)("%s", (name, [, value, exact, error = 0]) => {
    const kernel: Kernel = {
      name,
      buffers: [
        { name: "x", role: "in", dtype: "float32", shape },
        { name: "y", role: "out", dtype: "float32", shape },
      ],
      body: [{ kind: "assign", axes: [{ name: "i", extent: count }], out: 1, index: [i], value }],
    };
    for (const relaxed of variants) {
      const got = runEmitted(nestOf(kernel, vectors), [arguments_, new Float32Array(count)], relaxed)[1]!;
      arguments_.forEach((v, k) => {
        const right = exact(v);
        const close =
          Math.abs(Number(got[k]) - right) <=
          Math.max(4 * unit(right), Math.max(1, Math.abs(v)) * 2 ** -126, Math.min(4, Math.abs(v)) * error);
        expect(close || Object.is(got[k], Math.fround(right)), `${name} of ${v} is ${got[k]}, not ${right}`).toBe(true); // prettier-ignore
      });
    }
  });
});
