import { describe, expect, it } from "vitest";
import * as x from "./expr.ts";
import { runNest } from "./interpNest.ts";
import type { Buffer } from "./kernel.ts";
import type { ForStatement, Nest, Statement } from "./nest.ts";

const loop = (
  mode: ForStatement["mode"],
  variable: string,
  extent: number,
  body: Statement[],
  lanes?: number,
): ForStatement => ({
  kind: "for",
  mode,
  variable,
  from: 0,
  extent,
  body,
  ...(lanes === undefined ? {} : { lanes }),
});

const buffers: readonly Buffer[] = [
  { name: "in0", dtype: "float32", shape: [4, 5], role: "in" },
  { name: "in1", dtype: "float32", shape: [5, 8], role: "in" },
  { name: "out0", dtype: "float32", shape: [4, 8], role: "out" },
];

const integers = (length: number): Float32Array => Float32Array.from({ length }, (_, n) => ((n * 7) % 5) - 2);

function product(a: Float32Array, b: Float32Array): number[] {
  const out: number[] = [];
  for (let i = 0; i < 4; i++) {
    for (let j = 0; j < 8; j++) {
      let sum = 0;
      for (let k = 0; k < 5; k++) sum += a[i * 5 + k]! * b[k * 8 + j]!;
      out.push(sum);
    }
  }
  return out;
}

describe("runNest", () => {
  it("keeps one accumulator for each point of a register tile", () => {
    const row = x.add(x.mul(x.axis("i.o", 2), x.int(2)), x.axis("i.i", 2));
    const column = x.add(x.mul(x.axis("j.o", 2), x.int(4)), x.axis("j.i", 4));
    const k = x.axis("k", 5);
    const tile = (leaf: Statement): ForStatement =>
      loop("unroll", "i.i", 2, [loop("vector", "j.i", 4, [leaf])]);
    const nest: Nest = {
      name: "matmul",
      buffers,
      body: [
        loop("grid", "i.o", 2, [
          loop("serial", "j.o", 2, [
            tile({ kind: "init", accumulator: "a", type: "f32", op: "sum" }),
            loop("serial", "k", 5, [
              tile({ kind: "update", accumulator: "a", op: "sum", body: x.mul(x.load(0, "float32", [row, k]), x.load(1, "float32", [k, column])) }), // prettier-ignore
            ]),
            tile({ kind: "store", buffer: 2, index: [row, column], value: x.acc("f32"), accumulator: "a" }),
          ]),
        ]),
      ],
    };
    const [a, b, out] = [integers(20), integers(40), new Float32Array(32)];
    runNest(nest, [a, b, out]);
    expect([...out]).toEqual(product(a, b));
  });

  it("combines lanes of a vectorised reduction, leaving idle ones out", () => {
    // Row maxima of a 4x5 tensor: k in vectors of 4, the second of which has one lane in use.
    const row = x.axis("i", 4);
    const update = (at: x.Expr): Statement => ({ kind: "update", accumulator: "m", op: "max", body: x.load(0, "float32", [row, at]) }); // prettier-ignore
    const nest: Nest = {
      name: "rowmax",
      buffers: [buffers[0]!, { name: "out0", dtype: "float32", shape: [4], role: "out" }],
      body: [
        loop("serial", "i", 4, [
          loop("vector", "k.i", 4, [{ kind: "init", accumulator: "m", type: "f32", op: "max" }]),
          loop("vector", "k.i", 4, [update(x.axis("k.i", 4))]),
          loop("vector", "k.i", 4, [update(x.add(x.axis("k.i", 4), x.int(4)))], 1),
          { kind: "combine", accumulator: "m", op: "max" },
          { kind: "store", buffer: 1, index: [row], value: x.neg(x.acc("f32")), accumulator: "m" },
        ]),
      ],
    };
    const out = new Float32Array(4);
    runNest(nest, [Float32Array.of(1, 2, 3, 4, 5, 9, 2, 3, 4, 5, -1, -2, -3, -4, -5, 0, 0, 7, 0, 0), out]);
    expect([...out]).toEqual([-5, -9, 1, -7]);
  });

  it("initialises only the lanes in use, and combines only those", () => {
    const nest: Nest = {
      name: "sum",
      buffers: [
        { name: "in0", dtype: "int64", shape: [3], role: "in" },
        { name: "out0", dtype: "int64", shape: [], role: "out" },
      ],
      body: [
        loop("vector", "k", 4, [{ kind: "init", accumulator: "s", type: "i64", op: "sum" }], 3),
        loop("vector", "k", 4, [{ kind: "update", accumulator: "s", op: "sum", body: x.load(0, "int64", [x.axis("k", 4)]) }], 3),
        { kind: "combine", accumulator: "s", op: "sum" },
        { kind: "store", buffer: 1, index: [], value: x.acc("i64"), accumulator: "s" },
      ],
    }; // prettier-ignore
    const out = new BigInt64Array(1);
    runNest(nest, [BigInt64Array.of(1n, 2n, 2n ** 40n), out]);
    expect(out[0]).toBe(2n ** 40n + 3n);
  });

  it("refuses accumulators that were not initialised", () => {
    const store: Statement = { kind: "store", buffer: 0, index: [], value: x.acc("f32"), accumulator: "a" };
    const nest: Nest = {
      name: "n",
      buffers: [{ name: "out0", dtype: "float32", shape: [], role: "out" }],
      body: [store],
    };
    expect(() => runNest(nest, [new Float32Array(1)])).toThrow("used before it is initialised");
  });
});
