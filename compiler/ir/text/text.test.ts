import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  randomBuffers,
  randomExpr,
  randomGraph,
  randomKernel,
  randomNest,
  randomSchedule,
} from "../../../test/randomIr.ts";
import { CompileError } from "../../diagnostic.ts";
import type { ComputeType } from "../dtype.ts";
import * as x from "../expr.ts";
import type { Graph } from "../graph.ts";
import { allocateBuffer } from "../interpExpr.ts";
import { runKernel } from "../interp.ts";
import { runNest } from "../interpNest.ts";
import type { Buffer, Kernel } from "../kernel.ts";
import { verifyKernel, verifyNest } from "../verify.ts";
import * as text from "./index.ts";

const matrix = (name: string, role: Buffer["role"], shape: readonly number[]): Buffer => ({ name, role, shape, dtype: "float32" }); // prettier-ignore

const fullyConnected: Kernel = {
  name: "gemm",
  buffers: [matrix("in0", "in", [128, 64]), matrix("in1", "in", [64, 32]), matrix("in2", "in", [32]), matrix("out0", "out", [128, 32])],
  body: [
    {
      kind: "assign",
      axes: [{ name: "i0", extent: 128 }, { name: "i1", extent: 32 }],
      reduce: {
        op: "sum",
        axes: [{ name: "k", extent: 64 }],
        body: x.mul(x.load(0, "float32", [x.axis("i0", 128), x.axis("k", 64)]), x.load(1, "float32", [x.axis("k", 64), x.axis("i1", 32)])),
      },
      out: 3,
      index: [x.axis("i0", 128), x.axis("i1", 32)],
      value: x.max(x.add(x.acc("f32"), x.load(2, "float32", [x.axis("i1", 32)])), x.f32(0)),
    },
  ],
}; // prettier-ignore

describe("expressions", () => {
  const scope = { buffers: fullyConnected.buffers, axes: new Map([["i", 8], ["j", 4]]), accumulator: "f32" as ComputeType }; // prettier-ignore
  const i = x.axis("i", 8);
  const j = x.axis("j", 4);

  it.each<[string, x.Expr]>([
    ["i * 4 + j - 1", x.add(x.mul(i, x.int(4)), x.sub(j, x.int(1)))],
    ["i - j * 3", x.sub(i, x.mul(j, x.int(3)))],
    ["(i + j) // 3 %% 5", x.floormod(x.floordiv(x.add(i, j), 3), 5)],
    ["in2[i; pad -0]", x.load(2, "float32", [i], -0)],
    ["1.0 - (acc - 0.1)", x.sub(x.f32(1), x.sub(x.acc("f32"), x.f32(0.1)))],
    ["select(i < j, -inf, nan)", x.select(x.lt(i, j), x.f32(-Infinity), x.f32(NaN))],
    ["int8(acc) << 3i32 & 7i32", x.binary("and", x.binary("shl", x.cast(x.acc("f32"), "int8"), x.constant("i32", 3)), x.constant("i32", 7))],
    ["-9223372036854775808i64", x.constant("i64", -(2n ** 63n))],
    ["-0f64", x.constant("f64", -0)],
    ["-f64.inf", x.constant("f64", -Infinity)],
    ["bitcast.f32(1u32)", x.bitcast(x.constant("u32", 1), "f32")],
    ["#9:i32[k:5]", x.loadTyped(9, "i32", [x.axis("k", 5)])],
    ["acc:i64", x.acc("i64")],
    ["not(true & acc == 0.0)", x.not(x.and(x.TRUE(), x.eq(x.acc("f32"), x.f32(0))))],
  ])("%s", (written, e) => {
    expect(text.parseExpr(written, scope)).toBe(e);
    expect(text.parseExpr(text.printExpr(e, scope), scope)).toBe(e);
  }); // prettier-ignore

  it("names what is used several times, so that sharing does not make the text grow", () => {
    let e: x.Expr = x.add(x.load(2, "float32", [i]), x.f32(0.5));
    for (let n = 0; n < 40; n++) e = x.mul(x.unary("tanh", e), x.unary("exp", e));
    const printed = text.printExpr(e, scope);
    expect(printed.length).toBeLessThan(3000);
    expect(printed).toContain("let $0 = ");
    expect(text.parseExpr(printed, scope)).toBe(e);
  });

  it("are the same node after printing and parsing", () => {
    const types: readonly ComputeType[] = ["f32", "f64", "i32", "u32", "i64", "u64", "bool", "index"];
    const axes = [{ name: "i", extent: 8 }, { name: "let", extent: 3 }, { name: "a*b", extent: 5 }]; // prettier-ignore
    const sample = randomBuffers.chain(
      (buffers) =>
      fc.constantFrom(...types).chain((type) => fc.tuple(fc.constant(buffers), randomExpr(type, { buffers, axes, accumulator: "f32" }))), // prettier-ignore
    );
    const property = fc.property(sample, fc.boolean(), ([buffers, e], known) => {
      const names = known ? { buffers, axes: new Map(axes.map((a) => [a.name, a.extent])) } : text.emptyScope;
      expect(text.parseExpr(text.printExpr(e, names), names)).toBe(e);
    });
    fc.assert(property, { numRuns: 500 });
  });

  it.each([
    ["i +", 'line 1, column 4: expected a name, found "the end"'],
    ["i + 1.0", "add of index and f32"],
    ["in0[i, j", 'expected "]"'],
    ["q", "axis q is not in scope"],
    ["in7[i]", "no buffer in7"],
    ["wibble(i)", "no function wibble"],
    ["exp(acc, acc)", "exp takes 1 operands, has 2"],
    ["select(i, i, j)", "select(index, index, index)"],
    ["i ~ j", 'unexpected "~"'],
    ["$3 + 1", "$3 is not defined"],
    ["i j", 'expected the end, found "j"'],
  ])("refuse %s", (written, message) => {
    expect(() => text.parseExpr(written, scope)).toThrow(CompileError);
    expect(() => text.parseExpr(written, scope)).toThrow(message);
  });
});

describe("kernels", () => {
  it("read as loops over assignments", () => {
    expect(text.printKernel(fullyConnected)).toMatchInlineSnapshot(`
      "kernel gemm {
        in in0: float32[128, 64]
        in in1: float32[64, 32]
        in in2: float32[32]
        out out0: float32[128, 32]
        for i0 in 0..128, i1 in 0..32: out0[i0, i1] = sum(k in 0..64) in0[i0, k] * in1[k, i1]; then max(acc + in2[i1], 0.0)
      }"
    `);
  });

  it("keep everything, and compute the same, after printing and parsing", () => {
    const property = fc.property(
      randomKernel,
      fc.infiniteStream(fc.integer({ min: -3, max: 100 })),
      (kernel, stream) => {
        verifyKernel(kernel);
        const parsed = text.parseKernel(text.printKernel(kernel));
        expect(parsed).toEqual(kernel);
        const numbers = stream[Symbol.iterator]();
        const data = kernel.buffers.map((buffer) => {
          const array = allocateBuffer(buffer);
          const big = array instanceof BigInt64Array || array instanceof BigUint64Array;
          for (let n = 0; buffer.role === "in" && n < array.length; n++) {
            const value = numbers.next().value as number;
            array[n] = big ? BigInt(value) : value;
          }
          return array;
        });
        const again = data.map((array) => array.slice());
        runKernel(kernel, data);
        runKernel(parsed, again);
        expect(again).toEqual(data);
      },
    );
    fc.assert(property, { numRuns: 300 });
  });
});

describe("schedules", () => {
  it("are equal after printing and parsing", () => {
    const property = fc.property(randomSchedule, (schedule) => {
      expect(text.parseSchedule(text.printSchedule(schedule))).toEqual(schedule);
    });
    fc.assert(property, { numRuns: 300 });
  });
  it("read as one step a line", () => {
    const written =
      'split i by 8 peel\norder [i.o, k, i.i]\nbind i.i to vector\nmerge a with b\npack 1 in [k by 1, "a*b" by 4]\n';
    expect(text.printSchedule(text.parseSchedule(written))).toBe(written);
  });
});

describe("nests", () => {
  it("keep everything after printing and parsing, and can be run", () => {
    const property = fc.property(randomNest, (nest) => {
      verifyNest(nest);
      expect(text.parseNest(text.printNest(nest))).toEqual(nest);
      runNest(nest, nest.buffers.map(allocateBuffer));
    });
    fc.assert(property, { numRuns: 300 });
  });

  it("read as loops with modes", () => {
    const written = `nest sum {
  in in0: float32[4, 8]
  out out0: float32[4]
  grid i in 0..4 {
    vector k.i in 0..4 {
      init a: f32 sum
    }
    serial k.o in 1..2 {
      vector k.i in 0..4 lanes 3 {
        update a sum = in0[i, k.o * 4 + k.i]
      }
    }
    combine a sum
    store out0[i] from a = acc / 7.0
  }
}`;
    expect(text.printNest(text.parseNest(written))).toBe(written);
  });
});

describe("graphs", () => {
  const graph: Graph = {
    name: "main graph",
    inputs: [{ id: "x", type: { dtype: "float32", shape: ["batch", 3] } }],
    outputs: [{ id: "y", name: "result" }],
    constants: new Map([
      ["w", { dtype: "float32", shape: [2], data: Float32Array.of(0.1, -0) }],
      ["large", { dtype: "int64", shape: [20], data: new BigInt64Array(20).fill(-1n) }],
    ]),
    nodes: [
      {
        name: "node_1",
        op: "Clip",
        domain: "",
        inputs: ["x", "", "w"],
        outputs: ["y"],
        attributes: new Map([
          ["axis", { kind: "int", value: 1 }],
          ["alpha", { kind: "float", value: 1 }],
        ]),
        version: 13,
      },
    ],
  };

  it("read as one node a line, large constants as their hash", () => {
    expect(text.printGraph(graph)).toMatchInlineSnapshot(`
      "graph "main graph" {
        input x: float32[batch, 3]
        const w = float32[2] {0.1, -0.0}
        const large = int64[20] #"0052516839b94ee3"
        y = Clip(x, _, w) @13 { axis = 1, alpha = 1.0 } name node_1
        output y as result
      }"
    `);
  });

  it("find large constants by their hash when parsed", () => {
    const large = graph.constants.get("large")!;
    const parsed = text.parseGraph(text.printGraph(graph), (hash) =>
      hash === text.hashOf(large) ? large : undefined,
    );
    expect(parsed).toEqual(graph);
    expect(() => text.parseGraph(text.printGraph(graph))).toThrow("are not at hand");
  });

  it("are equal after printing in full and parsing", () => {
    const property = fc.property(randomGraph, (random) => {
      expect(text.parseGraph(text.printGraph(random, { full: true }))).toEqual(random);
    });
    fc.assert(property, { numRuns: 300 });
  });
});
