/**
 * Control flow and containers against onnxruntime-web: the same model and inputs on it, on the interpreter and as a
 * compiled program must give the same. What onnxruntime does not run, or has no opinion on (limits, messages), is
 * checked by hand.
 */
import { afterAll, describe, expect, it } from "vitest";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-web";
import { load } from "../../../runtime/index.ts";
import { elementCount, type Tensor } from "../../ir/dtype.ts";
import { compile, CompileError, interpret, openSource, type CompileOptions } from "../../index.ts";
import { onnxModel, type OnnxGraphBuilder, type OnnxModelBuilder } from "../../frontend/onnx/write.ts";
import { importModel } from "../../frontend/onnx/import.ts";
import { readModel } from "../../frontend/onnx/model.ts";
import { verifyKernel } from "../../ir/verify.ts";
import { bind } from "../bind.ts";
import { tensorOf } from "../evaluate.ts";

const sessions: InferenceSession[] = [];

afterAll(async () => {
  for (const session of sessions) await session.release();
});

type Tensors = Readonly<Record<string, Tensor>>;

function floats(shape: readonly number[], values?: readonly number[]): Tensor {
  return tensorOf("float32", shape, values ?? Array.from({ length: elementCount(shape) }, (_, i) => Math.sin(i * 1.7) + 0.3)); // prettier-ignore
}

function int64(values: readonly number[] | number): Tensor {
  return typeof values === "number"
    ? tensorOf("int64", [], [values])
    : tensorOf("int64", [values.length], values);
}

async function compiled(bytes: Uint8Array, inputs: Tensors, options: CompileOptions = {}): Promise<Tensors> {
  const session = await load(bytes, {
    compiler: () => ({ openSource: (source) => openSource(source, options) }),
  });
  const outputs = await session.run(inputs);
  session.dispose();
  return outputs;
}

async function reference(bytes: Uint8Array, inputs: Tensors): Promise<Tensors> {
  const session = await InferenceSession.create(bytes, { executionProviders: ["wasm"], logSeverityLevel: 3 });
  sessions.push(session);
  const feeds = Object.fromEntries(
    Object.entries(inputs).map(([name, { dtype, shape, data }]) => [
      name,
      new OrtTensor(dtype as "float32", data as Float32Array, shape),
    ]),
  );
  const outputs = await session.run(feeds);
  return Object.fromEntries(
    Object.entries(outputs).map(([name, value]) => {
      const { type, dims, data } = value as OrtTensor;
      return [name, { dtype: type, shape: dims, data } as unknown as Tensor];
    }),
  );
}

function expectSame(actual: Tensors, expected: Tensors): void {
  expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, { dtype, shape, data }] of Object.entries(expected)) {
    const made = actual[name]!;
    expect([name, made.dtype, ...made.shape]).toEqual([name, dtype, ...shape]);
    Array.from(data as Iterable<number | bigint>, Number).forEach((value, i) => {
      expect(Number(made.data[i]), `${name}[${i}]`).toBeCloseTo(value, 5);
    });
  }
}

/** Checks a model on all three, and returns what came out. */
async function agree(model: OnnxModelBuilder, inputs: Tensors): Promise<Tensors> {
  const bytes = model.toBytes();
  const expected = await reference(bytes, inputs);
  expectSame(interpret(bytes, inputs), expected);
  expectSame(await compiled(bytes, inputs), expected);
  return expected;
}

/** Whether the model becomes one program, without waiting for values. */
function isBound(model: OnnxModelBuilder): boolean {
  return compile(model.toBytes()).report.kind === "bound";
}

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

describe("sequences", () => {
  it("are built, changed and taken apart while binding", async () => {
    const b = onnxModel("sequence", { opset: 17 });
    const x = b.input("x", "float32", [2, 3]);
    const y = b.input("y", "float32", [2, 3]);
    const at = (i: number): string => b.scalar("int64", i);
    const pair = b.node("SequenceConstruct", [x, y]);
    const three = b.node("SequenceInsert", [pair, b.node("Neg", [x]), at(-1)]);
    const four = b.node("SequenceInsert", [three, b.node("Abs", [y])]);
    const less = b.node("SequenceErase", [four, at(0)]);
    b.output(b.node("SequenceAt", [less, at(-2)]), "float32", undefined, "at");
    b.output(b.node("SequenceLength", [less]), "int64", undefined, "length");
    b.output(b.node("ConcatFromSequence", [less], { axis: 1 }), "float32", undefined, "concat");
    b.output(b.node("ConcatFromSequence", [less], { axis: -1, new_axis: 1 }), "float32", undefined, "stack");
    expect(isBound(b)).toBe(true);
    const { length } = await agree(b, { x: floats([2, 3]), y: floats([2, 3], [1, -2, 3, -4, 5, -6]) });
    expect([...length!.data]).toEqual([3n]);
  });

  it("come from splits: by ones, by a size, by sizes", async () => {
    const b = onnxModel("split", { opset: 17 });
    const x = b.input("x", "float32", [5, 2]);
    const size = b.scalar("int64", 2);
    const at = b.scalar("int64", -1);
    const ones = b.node("SplitToSequence", [x], { axis: -1, keepdims: 0 });
    const evenly = b.node("SplitToSequence", [x, size]);
    const listed = b.node("SplitToSequence", [x, b.int64s([1, 4])], { axis: 0 });
    [ones, evenly, listed].forEach((list, i) => {
      b.output(b.node("SequenceAt", [list, at]), "float32", undefined, `last${i}`);
      b.output(b.node("SequenceLength", [list]), "int64", undefined, `length${i}`);
    });
    expect(isBound(b)).toBe(true);
    await agree(b, { x: floats([5, 2]) });
  });

  it("wait for a position from data, and go along into the next program", async () => {
    const b = onnxModel("late", { opset: 17 });
    const x = b.input("x", "float32", [2, 2]);
    const i = b.input("i", "int64", []);
    const list = b.node("SequenceConstruct", [x, b.node("Exp", [x]), b.node("Neg", [x])]);
    b.output(b.node("SequenceAt", [b.node("SequenceErase", [list, i]), b.scalar("int64", 0)]), "float32", undefined, "y"); // prettier-ignore
    for (const at of [0, 1, -1]) await agree(b, { x: floats([2, 2]), i: int64(at) });
  });

  it("grow in loops, also when the loop goes on in later programs", async () => {
    for (const fixed of [true, false]) {
      const b = onnxModel("grow", { opset: 17 });
      const x = b.input("x", "float32", [2]);
      const limit = b.input("limit", "float32", []);
      const seq = { kind: "sequence", element: { kind: "tensor", dtype: "float32" } } as const;
      const body = b.subgraph("body", (g) => {
        g.input("i", "int64", []);
        const cond = g.input("cond_in", "bool", []);
        const list = g.inputOfType("list", seq);
        const last = g.node("SequenceAt", [list, g.scalar("int64", -1)]);
        const next = g.node("Mul", [last, g.scalar("float32", 2)]);
        const sum = g.node("ReduceSum", [next], { keepdims: 0 });
        g.output(fixed ? g.node("Identity", [cond]) : g.node("Less", [sum, limit]), "bool", []);
        g.outputOfType(g.node("SequenceInsert", [list, next]), seq);
      });
      const start = b.node("SequenceConstruct", [x]);
      const list = b.node("Loop", [b.scalar("int64", 5), b.scalar("bool", true), start], { body });
      b.output(b.node("ConcatFromSequence", [list], { axis: 0, new_axis: 1 }), "float32", undefined, "y");
      const { y } = await agree(b, { x: floats([2], [1, 0.5]), limit: floats([], [10]) });
      expect(y!.shape).toEqual([fixed ? 6 : 4, 2]);
    }
  });

  it("are refused where a tensor is needed", () => {
    const b = onnxModel("wrong", { opset: 17 });
    const x = b.input("x", "float32", [2]);
    b.output(b.node("Exp", [b.node("SequenceConstruct", [x])]), "float32", undefined, "y");
    expect(() => compile(b.toBytes())).toThrow("is a sequence, not a tensor");
    const d = onnxModel("pieces", { opset: 17 });
    const long = d.node("SplitToSequence", [d.input("x", "float32", [1 << 30])]);
    d.output(d.node("SequenceLength", [long]), "int64", []);
    expect(() => compile(d.toBytes())).toThrow("more than 10000 nodes");
    const c = onnxModel("past", { opset: 17 });
    const list = c.node("SequenceConstruct", [c.input("x", "float32", [2])]);
    c.output(c.node("SequenceAt", [list, c.scalar("int64", 1)]), "float32", undefined, "y");
    expect(() => compile(c.toBytes())).toThrow("position 1 of a sequence of 1 elements");
  });
});

describe("containers as inputs and outputs", () => {
  const tensor = { kind: "tensor", dtype: "float32" } as const;
  const sequence = { kind: "sequence", element: tensor } as const;

  async function both(model: OnnxModelBuilder, inputs: Tensors): Promise<Tensors> {
    const bytes = model.toBytes();
    const made = await compiled(bytes, inputs);
    expectSame(made, interpret(bytes, inputs));
    return made;
  }

  it("go in and come out by their elements' names, in any number", async () => {
    const b = onnxModel("elements", { opset: 17 });
    const s = b.inputOfType("s", sequence);
    const last = b.node("SequenceAt", [s, b.scalar("int64", -1)]);
    b.outputOfType(b.node("SequenceInsert", [s, b.node("Neg", [last])], {}, { output: "more" }), sequence);
    b.output(b.node("SequenceLength", [s]), "int64", [], "length");
    const made = await both(b, { "s[0]": floats([2], [1, 2]), "s[1]": floats([1, 1], [3]) });
    expect(Object.keys(made)).toEqual(["more[0]", "more[1]", "more[2]", "length"]);
    expect(made["more[2]"]).toMatchObject({ shape: [1, 1], data: Float32Array.of(-3) });
    expect(compile(b.toBytes()).report.kind).toBe("late");
  });

  it("keep their elements' order across programs", async () => {
    const b = onnxModel("order", { opset: 17 });
    const x = b.input("x", "float32", [4]);
    const some = b.node("Gather", [
      x,
      b.node("Squeeze", [b.node("NonZero", [b.node("Relu", [x])]), b.int64s([0])]),
    ]);
    const list = b.node(
      "SequenceConstruct",
      [some, b.node("Neg", [x]), b.node("Exp", [some])],
      {},
      { output: "y" },
    );
    b.outputOfType(list, sequence);
    const made = await both(b, { x: floats([4], [1, -1, 2, -2]) });
    expect(Object.entries(made).map(([name, { shape }]) => [name, ...shape])).toEqual([["y[0]", 2], ["y[1]", 4], ["y[2]", 2]]); // prettier-ignore
  });

  it("may be optional, and then be left out", async () => {
    const b = onnxModel("maybe", { opset: 18 });
    const x = b.inputOfType("x", { kind: "optional", element: tensor });
    const s = b.inputOfType("s", { kind: "optional", element: sequence });
    for (const value of [x, s]) b.output(b.node("OptionalHasElement", [value]), "bool", [], `has_${value}`);
    const has = async (inputs: Tensors): Promise<number[]> => Object.values(await both(b, inputs)).map(({ data }) => Number(data[0])); // prettier-ignore
    expect(await has({})).toEqual([0, 0]);
    expect(await has({ x: floats([1]), "s[0]": floats([2]) })).toEqual([1, 1]);
  });
});

describe("optionals", () => {
  const optional = { kind: "optional", element: { kind: "tensor", dtype: "float32" } } as const;

  it("are their value or nothing, through branches", async () => {
    const b = onnxModel("optional", { opset: 18 });
    const x = b.input("x", "float32", [2]);
    const c = b.input("c", "bool", []);
    const then = b.subgraph("then", (t) => {
      t.outputOfType(t.node("Optional", [x]), optional);
    });
    const otherwise = b.subgraph("else", (t) => {
      t.outputOfType(t.node("Optional", [t.node("Neg", [x])]), optional);
    });
    const some = b.node("If", [c], { then_branch: then, else_branch: otherwise });
    b.output(b.node("OptionalHasElement", [some]), "bool", undefined, "has");
    b.output(b.node("OptionalGetElement", [some]), "float32", undefined, "y");
    for (const value of [1, 0]) {
      const inputs = { x: floats([2], [1, 2]), c: tensorOf("bool", [], [value]) };
      for (const outputs of [interpret(b.toBytes(), inputs), await compiled(b.toBytes(), inputs)]) {
        expect([...outputs["has"]!.data]).toEqual([1]);
        expect([...outputs["y"]!.data]).toEqual(value ? [1, 2] : [-1, -2]);
      }
    }
  });
});
