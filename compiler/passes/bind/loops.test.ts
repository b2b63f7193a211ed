/**
 * Loops and scans against onnxruntime-web: unrolled, as one kernel, and cut where a condition follows from data.
 * What onnxruntime does not run, or has no opinion on (limits, messages), is checked by hand.
 */
import { describe, expect, it } from "vitest";
import { compile, CompileError, interpret } from "../../whole.ts";
import { onnxModel, type OnnxGraphBuilder, type OnnxModelBuilder } from "../../frontend/onnx/write.ts";
import { importModel } from "../../frontend/onnx/import.ts";
import { readModel } from "../../frontend/onnx/model.ts";
import { verifyKernel } from "../../ir/verify.ts";
import { bind } from "../bind.ts";
import { agree, compiled, floats, int64, isBound } from "../../../test/besideOnnxruntime.ts";

/** A body whose condition stays true: `step` gets iteration and states, and returns states, then scan outputs. */
function forBody(
  b: OnnxGraphBuilder,
  states: number,
  step: (g: OnnxGraphBuilder, i: string, states: string[]) => string[],
  prefix = "",
): ReturnType<OnnxGraphBuilder["subgraph"]> {
  return b.subgraph(`${prefix}body`, (g) => {
    const i = g.input(`${prefix}i`, "int64", []);
    const cond = g.input(`${prefix}cond_in`, "bool", []);
    const given = Array.from({ length: states }, (_, k) => g.input(`${prefix}state${k}`, "float32"));
    const made = step(g, i, given);
    g.output(g.node("Identity", [cond]), "bool", []);
    for (const value of made) g.output(value, "float32");
  });
}

describe("Loop", () => {
  function counted(trips: number): OnnxModelBuilder {
    const b = onnxModel("loop", { opset: 17 });
    const x = b.input("x", "float32", [2, 3]);
    const body = forBody(b, 1, (g, i, [state]) => {
      const t = g.node("Cast", [i], { to: 1 });
      const next = g.node("Add", [g.node("Mul", [state!, x]), t]);
      return [next, g.node("ReduceSum", [next], { keepdims: 0 })];
    });
    const [last, sums] = b.nodeWithOutputs("Loop", [b.scalar("int64", trips), "", x], 2, { body });
    b.output(last!, "float32", undefined, "last");
    b.output(sums!, "float32", undefined, "sums");
    return b;
  }

  it("with a known trip count becomes one program; the body sees iteration, state and captures", async () => {
    const model = counted(4);
    expect(isBound(model)).toBe(true);
    const { sums } = await agree(model, { x: floats([2, 3]) });
    expect(sums!.shape).toEqual([4]);
  });

  it("of no iterations returns its states, and scan outputs of size 0", async () => {
    const model = counted(0);
    const inputs = { x: floats([2, 3]) };
    for (const outputs of [interpret(model.toBytes(), inputs), await compiled(model.toBytes(), inputs)]) {
      expect(outputs["last"]!.data).toEqual(inputs.x.data);
      expect(outputs["sums"]!.shape).toEqual([0]);
    }
  });

  it("with a trip count from data waits for it; iterations that do nothing new are computed once", async () => {
    const b = onnxModel("loop", { opset: 17 });
    const x = b.input("x", "float32", ["n"]);
    const n = b.input("n", "int64", []);
    const body = forBody(b, 1, (g, _, [state]) => [g.node("Add", [state!, g.node("Exp", [x])])]);
    b.output(b.node("Loop", [n, "", x], { body }), "float32", undefined, "y");
    const inputs = { x: floats([5]), n: int64(3) };
    await agree(b, inputs);
    await agree(b, { ...inputs, n: int64(1) });
  });

  it("stops where a condition says so, which may be known in advance", async () => {
    const b = onnxModel("until", { opset: 17 });
    const x = b.input("x", "float32", [3]);
    const body = b.subgraph("body", (g) => {
      const i = g.input("i", "int64", []);
      g.input("cond_in", "bool", []);
      const state = g.input("state", "float32");
      const next = g.node("Mul", [state, x]);
      g.output(g.node("Less", [i, g.scalar("int64", 2)]), "bool", []);
      g.output(next, "float32");
      g.output(g.node("Neg", [next]), "float32");
    });
    const [y, all] = b.nodeWithOutputs("Loop", ["", b.scalar("bool", true), x], 2, { body });
    b.output(y!, "float32", undefined, "y");
    b.output(all!, "float32", undefined, "all");
    expect(isBound(b)).toBe(true);
    const { all: rows } = await agree(b, { x: floats([3]) });
    expect(rows!.shape).toEqual([3, 3]);
  });

  function halving(): OnnxModelBuilder {
    // Halves until the sum is below the limit: how often is known from the data only.
    const b = onnxModel("halve", { opset: 17 });
    const x = b.input("x", "float32", [3]);
    const limit = b.input("limit", "float32", []);
    const body = b.subgraph("body", (g) => {
      const i = g.input("i", "int64", []);
      g.input("cond_in", "bool", []);
      const state = g.input("state", "float32");
      const next = g.node("Mul", [state, g.scalar("float32", 0.5)]);
      g.output(g.node("Greater", [g.node("ReduceSum", [next], { keepdims: 0 }), limit]), "bool", []);
      g.output(next, "float32");
      g.output(g.node("Add", [next, g.node("Cast", [i], { to: 1 })]), "float32");
    });
    const go = b.node("Greater", [b.node("ReduceSum", [x], { keepdims: 0 }), limit]);
    const [y, all] = b.nodeWithOutputs("Loop", ["", go, x], 2, { body });
    b.output(y!, "float32", undefined, "y");
    b.output(all!, "float32", undefined, "all");
    return b;
  }

  it("goes on from program to program where the condition follows from data", async () => {
    const inputs = { x: floats([3], [8, 4, 4]), limit: floats([], [1.5]) };
    const { all } = await agree(halving(), inputs);
    expect(all!.shape).toEqual([4, 3]);
  });

  it("is refused past the limits, and says what to raise", async () => {
    const inputs = { x: floats([3], [8, 4, 4]), limit: floats([], [-1]) };
    const refusal = (work: () => unknown): unknown => {
      try {
        work();
      } catch (error) {
        return error instanceof CompileError ? [error.code, error.message.includes("raise max")] : error;
      }
      return undefined;
    };
    expect(refusal(() => interpret(halving().toBytes(), inputs, { maxIterations: 5 }))).toEqual(["limit-exceeded", true]); // prettier-ignore
    expect(refusal(() => compile(counted(3001).toBytes(), { maxIterations: 3 }))).toEqual(["limit-exceeded", true]); // prettier-ignore
    expect(refusal(() => compile(counted(1_000_003).toBytes()))).toEqual(["limit-exceeded", true]);
    expect(refusal(() => compile(growing(50).toBytes(), { maxUnrolledNodes: 100 }))).toEqual([
      "limit-exceeded",
      true,
    ]);
  });

  it("nests, with an If inside that captures from both bodies", async () => {
    const b = onnxModel("nested", { opset: 17 });
    const x = b.input("x", "float32", [4]);
    const outer = forBody(
      b,
      1,
      (g, i, [state]) => {
        const shifted = g.node("Add", [state!, g.node("Cast", [i], { to: 1 })]);
        const inner = forBody(
          g,
          1,
          (h, j, [inside]) => {
            const even = h.node("Equal", [h.node("Mod", [h.node("Add", [i, j]), h.scalar("int64", 2)]), h.scalar("int64", 0)]); // prettier-ignore
            const then = h.subgraph("then", (t) => {
              t.output(t.node("Add", [inside!, shifted]), "float32");
            });
            const otherwise = h.subgraph("else", (t) => {
              t.output(t.node("Sub", [inside!, x]), "float32");
            });
            return [h.node("If", [even], { then_branch: then, else_branch: otherwise })];
          },
          "inner_",
        );
        const made = g.node("Loop", [g.scalar("int64", 3), "", shifted], { body: inner });
        return [made, g.node("Mul", [made, shifted])];
      },
      "outer_",
    );
    const [y, all] = b.nodeWithOutputs("Loop", [b.scalar("int64", 2), "", x], 2, { body: outer });
    b.output(y!, "float32", undefined, "y");
    b.output(all!, "float32", undefined, "all");
    expect(isBound(b)).toBe(true);
    await agree(b, { x: floats([4]) });
  });

  it("passes through where the body depends on shapes that follow from data", async () => {
    const b = onnxModel("dynamic", { opset: 17 });
    const x = b.input("x", "float32", [6]);
    const body = forBody(b, 1, (g, _, [state]) => {
      const where = g.node("NonZero", [g.node("Relu", [state!])]);
      const some = g.node("Gather", [state!, g.node("Squeeze", [where, g.int64s([0])])]);
      return [g.node("Sub", [some, g.scalar("float32", 0.25)])];
    });
    b.output(b.node("Loop", [b.scalar("int64", 3), "", x], { body }), "float32", undefined, "y");
    const { y } = await agree(b, { x: floats([6], [0.1, 0.3, 0.9, -1, 0.6, 2]) });
    expect(y!.shape).toEqual([3]);
  });

  /** A loop that has to be unrolled, as its state is a sequence. */
  function growing(trips: number): OnnxModelBuilder {
    const b = onnxModel("many", { opset: 17 });
    const x = b.input("x", "float32", [2]);
    const type = { kind: "sequence", element: { kind: "tensor", dtype: "float32" } } as const;
    const body = b.subgraph("body", (g) => {
      g.input("i", "int64", []);
      const cond = g.input("cond_in", "bool", []);
      const list = g.inputOfType("list", type);
      const next = g.node("Add", [g.node("SequenceAt", [list, g.scalar("int64", -1)]), x]);
      g.output(g.node("Identity", [cond]), "bool", []);
      g.outputOfType(g.node("SequenceInsert", [list, next]), type);
    });
    const start = b.node("SequenceConstruct", [x]);
    const list = b.node("Loop", [b.scalar("int64", trips), b.scalar("bool", true), start], { body });
    b.output(b.node("ConcatFromSequence", [list], { axis: 0 }), "float32", undefined, "all");
    return b;
  }

  it("concatenates more values than a kernel takes buffers", async () => {
    await agree(growing(150), { x: floats([2], [0.5, -0.25]) });
  });
});

describe("long loops", () => {
  const TRIPS = 12;

  /** How many calls the program makes; a loop that stays one is a single call. */
  function calls(model: OnnxModelBuilder): number {
    return compile(model.toBytes()).report.kernelsOut;
  }

  it("become one kernel: products, softmax, what was captured and what does not change", async () => {
    const b = onnxModel("cell", { opset: 17 });
    const x = b.input("x", "float32", [TRIPS, 3]);
    const start = b.input("start", "float32", [2, 3]);
    const weight = b.initializer(
      "float32",
      [3, 3],
      Array.from({ length: 9 }, (_, i) => Math.cos(i)),
    );
    const body = b.subgraph("body", (g) => {
      const state = g.input("state", "float32");
      const kept = g.input("kept", "float32");
      const element = g.input("element", "float32");
      const scale = g.node("Sigmoid", [start]);
      const next = g.node("Softmax", [
        g.node("Add", [g.node("MatMul", [g.node("Mul", [state, scale]), weight]), element]),
      ]);
      g.output(next, "float32");
      g.output(g.node("Identity", [kept]), "float32");
      // Not the state itself: onnxruntime 1.30 gives zeros for a scan output that is an input of the body.
      g.output(g.node("Identity", [state]), "float32");
      g.output(g.node("ReduceMax", [next], { axes: [1], keepdims: 0 }), "float32");
    });
    const outputs = b.nodeWithOutputs("Scan", [start, weight, x], 4, { body, num_scan_inputs: 1, scan_output_axes: [1, -1], scan_output_directions: [0, 1] }); // prettier-ignore
    outputs.forEach((value, i) => b.output(value, "float32", undefined, `y${i}`));
    expect(calls(b)).toBeLessThan(TRIPS);
    const { y2, y3 } = await agree(b, { x: floats([TRIPS, 3]), start: floats([2, 3]) });
    expect([y2!.shape, y3!.shape]).toEqual([[2, TRIPS, 3], [2, TRIPS]]); // prettier-ignore
  });

  it("know the iteration, and nest", async () => {
    const b = onnxModel("nest", { opset: 17 });
    const x = b.input("x", "float32", [4]);
    const outer = forBody(
      b,
      1,
      (g, i, [state]) => {
        const inner = forBody(
          g,
          1,
          (h, j, [inside]) => {
            const both = h.node("Cast", [h.node("Add", [h.node("Mul", [i, h.scalar("int64", 3)]), j])], {
              to: 1,
            });
            return [h.node("Sub", [h.node("Mul", [inside!, h.scalar("float32", 0.5)]), both]), both];
          },
          "inner_",
        );
        const [made, all] = g.nodeWithOutputs("Loop", [g.scalar("int64", TRIPS), "", state!], 2, {
          body: inner,
        });
        return [made!, g.node("Add", [all!, g.node("ReduceSum", [x], { keepdims: 0 })])];
      },
      "outer_",
    );
    const [y, all] = b.nodeWithOutputs("Loop", [b.scalar("int64", TRIPS), "", x], 2, { body: outer });
    b.output(y!, "float32", undefined, "y");
    b.output(all!, "float32", undefined, "all");
    expect(calls(b)).toBeLessThan(TRIPS);
    const made = await agree(b, { x: floats([4]) });
    expect(made["all"]!.shape).toEqual([TRIPS, TRIPS]);
  });

  it("go over other axes, backwards, and over several inputs at once", async () => {
    const b = onnxModel("axes", { opset: 17 });
    const x = b.input("x", "float32", [2, TRIPS]);
    const z = b.input("z", "float32", [TRIPS, 2]);
    const body = b.subgraph("body", (g) => {
      const state = g.input("state", "float32");
      const e = g.input("e", "float32");
      const f = g.input("f", "float32");
      g.output(g.node("Identity", [f]), "float32");
      g.output(g.node("Add", [g.node("Mul", [state, e]), f]), "float32");
    });
    const attributes = { scan_input_axes: [-1, 0], scan_input_directions: [1, 0], scan_output_axes: [1], scan_output_directions: [1] }; // prettier-ignore
    const [y, all] = b.nodeWithOutputs("Scan", [b.initializer("float32", [2], [1, 2]), x, z], 2, { body, num_scan_inputs: 2, ...attributes }); // prettier-ignore
    b.output(y!, "float32", undefined, "y");
    b.output(all!, "float32", undefined, "all");
    expect(calls(b)).toBeLessThan(TRIPS);
    await agree(b, { x: floats([2, TRIPS]), z: floats([TRIPS, 2]) });
  });

  it("are unrolled where states change places, grow, or shapes follow from the iteration", async () => {
    const swap = (g: OnnxGraphBuilder, _: string, [p, q]: string[]): string[] => [
      q!,
      g.node("Add", [p!, q!]),
    ];
    const swapped = (g: OnnxGraphBuilder, i: string, [p, q]: string[]): string[] => [g.node("Identity", [q!]), p!, g.node("Sub", [p!, g.node("Cast", [i], { to: 1 })])]; // prettier-ignore
    const grow = (g: OnnxGraphBuilder, _: string, [p, q]: string[]): string[] => [
      g.node("Concat", [p!, q!], { axis: 0 }),
      q!,
    ];
    const slice = (g: OnnxGraphBuilder, i: string, [p, q]: string[]): string[] => {
      const end = g.node("Unsqueeze", [g.node("Add", [i, g.scalar("int64", 1)]), g.int64s([0])]);
      return [
        p!,
        g.node("Add", [
          q!,
          g.node("ReduceSum", [g.node("Slice", [p!, g.int64s([0]), end])], { keepdims: 0 }),
        ]),
      ];
    };
    for (const step of [swap, swapped, grow, slice]) {
      const b = onnxModel("irregular", { opset: 17 });
      const states = [b.input("x", "float32", [2]), b.input("z", "float32", [2])];
      const body = forBody(b, 2, step);
      const count = step === swapped ? 3 : 2;
      const made = b.nodeWithOutputs("Loop", [b.scalar("int64", TRIPS), "", ...states], count, { body });
      made.forEach((value, i) => b.output(value, "float32", undefined, `y${i}`));
      await agree(b, { x: floats([2], [0.5, -0.25]), z: floats([2], [0.125, 1]) });
    }
  });

  it("are verified kernels whose temps hold the types that the body has", () => {
    const b = onnxModel("types", { opset: 17 });
    const x = b.input("x", "float16", [TRIPS, 4]);
    const body = b.subgraph("body", (g) => {
      const state = g.input("state", "bool");
      const element = g.input("element", "float16");
      const positive = g.node("Greater", [element, g.node("CastLike", [g.scalar("float32", 0), element])]);
      g.output(g.node("Xor", [state, positive]), "bool");
      g.output(g.node("Where", [state, element, g.node("Neg", [element])]), "float16");
    });
    const start = b.initializer("bool", [4], [1, 0, 1, 0]);
    const [y, all] = b.nodeWithOutputs("Scan", [start, x], 2, { body, num_scan_inputs: 1 });
    b.output(y!, "bool", undefined, "y");
    b.output(all!, "float16", undefined, "all");
    const graph = importModel(readModel(b.toBytes()));
    const bound = bind(graph, new Map([["x", { dtype: "float16", shape: [TRIPS, 4] }]]), new Map());
    const [node] = bound.nodes.filter(({ op }) => op === "Scan");
    if (node?.computation.kind !== "kernel") throw new Error("the loop did not become a kernel");
    verifyKernel(node.computation.kernel);
    expect(new Set(node.computation.kernel.buffers.map(({ dtype }) => dtype))).toEqual(
      new Set(["bool", "float16"]),
    );
  });
});

describe("Scan", () => {
  function scanned(
    attributes: Readonly<Record<string, readonly number[]>>,
    shape: readonly number[],
  ): OnnxModelBuilder {
    const b = onnxModel("scan", { opset: 17 });
    const x = b.input("x", "float32", shape);
    const start = b.input("start", "float32", [2]);
    const body = b.subgraph("body", (g) => {
      const state = g.input("state", "float32");
      const element = g.input("element", "float32");
      const next = g.node("Add", [g.node("Mul", [state, start]), element]);
      g.output(next, "float32");
      g.output(g.node("Tanh", [next]), "float32");
    });
    const [y, all] = b.nodeWithOutputs("Scan", [start, x], 2, { body, num_scan_inputs: 1, ...attributes });
    b.output(y!, "float32", undefined, "y");
    b.output(all!, "float32", undefined, "all");
    return b;
  }

  it("goes over the first axis", async () => {
    const model = scanned({}, [5, 2]);
    expect(isBound(model)).toBe(true);
    await agree(model, { x: floats([5, 2]), start: floats([2], [0.5, -1]) });
  });

  it("goes over another axis, backwards, and writes backwards along an axis of choice", async () => {
    const attributes = {
      scan_input_axes: [1],
      scan_input_directions: [1],
      scan_output_axes: [1],
      scan_output_directions: [1],
    };
    await agree(scanned(attributes, [2, 4]), { x: floats([2, 4]), start: floats([2], [0.5, -1]) });
    const mixed = { scan_input_axes: [-1], scan_output_axes: [-1], scan_output_directions: [1] };
    await agree(scanned(mixed, [2, 3]), { x: floats([2, 3]), start: floats([2], [0.5, -1]) });
  });

  it("of nothing returns its states", () => {
    const inputs = { x: floats([0, 2]), start: floats([2], [0.5, -1]) };
    const { y, all } = interpret(scanned({}, [0, 2]).toBytes(), inputs, { inputShapes: { x: [0, 2] } });
    expect([...(y!.data as Float32Array)]).toEqual([0.5, -1]);
    expect(all!.shape).toEqual([0, 2]);
  });
});
