/**
 * Ifs whose condition a run decides, as one program: against the interpreter, which binds the branch taken and nothing
 * else. In: random nests of branches, every combination of conditions, one program for all of them, so that what one run
 * left behind is seen by the next.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { onnxModel, type OnnxGraphBuilder, type OnnxModelBuilder } from "../frontend/onnx/write.ts";
import { compile, interpret, type CompileOptions } from "../whole.ts";
import { load } from "../../runtime/index.ts";
import { expectSame, floats, isBound, whole, type Tensors } from "../../test/besideOnnxruntime.ts";

/** Elements along each side: a product of two such matrices is worth a call of its own. */
const SIZE = 26;
const CONDITIONS = 3;

const operators = ["MatMul", "Softmax", "Tanh", "Add", "Turn", "Part"] as const;

interface Branching {
  readonly op: "If";
  readonly condition: number;
  readonly sides: readonly (readonly Step[])[];
}
type Step = Branching | { readonly op: (typeof operators)[number] };

const plain = fc.constantFrom<Step>(...operators.map((op) => ({ op })));
const steps = fc.letrec<{ step: Step; steps: readonly Step[] }>((tie) => ({
  steps: fc.array(tie("step"), { maxLength: 4 }),
  step: fc.oneof(
    { maxDepth: 2, depthIdentifier: "if", withCrossShrink: true },
    { weight: 3, arbitrary: plain },
    {
      weight: 2,
      arbitrary: fc.record({
        op: fc.constant("If" as const),
        // The last one follows from the data.
        condition: fc.integer({ min: 0, max: CONDITIONS }),
        sides: fc.tuple(tie("steps"), tie("steps")),
      }),
    },
  ),
})).steps;

/** The value after the steps, of the same shape. */
function build(
  g: OnnxGraphBuilder,
  list: readonly Step[],
  x: string,
  around: string,
  names: { n: number },
): string {
  let at = x;
  for (const step of list) {
    if (step.op === "If") {
      const from = at;
      const largest = (): string => g.node("ReduceMax", [from], { keepdims: 0 });
      const condition =
        step.condition < CONDITIONS
          ? `c${step.condition}`
          : g.node("Greater", [largest(), g.scalar("float32", 0.75)]);
      const sides = step.sides.map((side) =>
        g.subgraph(`side${names.n++}`, (inner) => {
          const made = build(inner, side, from, around, names);
          inner.output(inner.node("Identity", [made]), "float32");
          inner.output(inner.node("Mul", [made, around]), "float32");
        }),
      );
      const [a, b] = g.nodeWithOutputs("If", [condition], 2, {
        then_branch: sides[0]!,
        else_branch: sides[1]!,
      });
      at = g.node("Add", [a!, b!]);
    } else if (step.op === "MatMul") at = g.node("MatMul", [at, around]);
    else if (step.op === "Softmax" || step.op === "Tanh") at = g.node(step.op, [at]);
    else if (step.op === "Add") at = g.node("Add", [at, around]);
    else if (step.op === "Turn") at = g.node("Transpose", [at], { perm: [1, 0] });
    else if (step.op === "Part") {
      const half = g.node("Slice", [at, g.int64s([0]), g.int64s([SIZE / 2]), g.int64s([0])]);
      at = g.node("Concat", [half, g.node("Neg", [half])], { axis: 0 });
    }
  }
  return at;
}

function modelOf(list: readonly Step[]): OnnxModelBuilder {
  const b = onnxModel("branches", { opset: 17 });
  const x = b.input("x", "float32", [SIZE, SIZE]);
  const around = b.input("around", "float32", [SIZE, SIZE]);
  for (let c = 0; c < CONDITIONS; c++) b.input(`c${c}`, "bool", []);
  b.output(b.node("Identity", [build(b, list, x, around, { n: 0 })]), "float32", undefined, "y");
  return b;
}

function inputsOf(which: number): Tensors {
  const matrix = (scale: number): Tensors[string] =>
    floats(
      [SIZE, SIZE],
      Array.from({ length: SIZE * SIZE }, (_, i) => scale * Math.sin(i * 1.3 + which)),
    );
  const conditions = Array.from({ length: CONDITIONS }, (_, c) => [`c${c}`, whole("bool", (which >> c) & 1)]);
  return { x: matrix(1), around: matrix(0.2), ...Object.fromEntries(conditions) };
}

/** Nodes that some runs leave out, in the words of the trace. */
function leftOut(bytes: Uint8Array, options: CompileOptions = {}): string[] {
  const lines: string[] = [];
  compile(bytes, {
    ...options,
    trace: (stage, text, node) => {
      if (stage === "guards") lines.push(`${node} ${text()}`);
    },
  });
  return lines;
}

async function runs(
  bytes: Uint8Array,
  inputs: readonly Tensors[],
  options: CompileOptions = {},
): Promise<Tensors[]> {
  const session = await load(compile(bytes, options).artifact);
  const results: Tensors[] = [];
  for (const given of inputs) results.push((await session.run(given)) as Tensors);
  session.dispose();
  return results;
}

const TOLERANCE = { relative: 1e-4, absolute: 1e-4, integer: 0 };

describe("an If whose condition a run decides", () => {
  it("is one program, which computes what the branch taken would", async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.boolean(), async (list, guards) => {
        const bytes = modelOf(list).toBytes();
        const options = { passes: { guards } };
        expect(compile(bytes, options).report.kind).toBe("bound");
        const inputs = [5, 2, 7, 0].map(inputsOf);
        const made = await runs(bytes, inputs, options);
        inputs.forEach((given, i) => expectSame(made[i]!, interpret(bytes, given), TOLERANCE, `run ${i}:`));
      }),
      { numRuns: 25 },
    );
  });

  function twoSides(size: number): OnnxModelBuilder {
    const b = onnxModel("sides", { opset: 17 });
    const x = b.input("x", "float32", [size, size]);
    const limit = b.input("limit", "int64", []);
    const side = (name: string, op: string): ReturnType<OnnxGraphBuilder["subgraph"]> =>
      b.subgraph(name, (g) => {
        const product = g.node("MatMul", [x, g.node(op, [x])]);
        g.output(g.node("MatMul", [product, g.node("Softmax", [product])]), "float32");
      });
    const condition = b.node("Equal", [limit, b.scalar("int64", 16000)]);
    const y = b.node("If", [condition], {
      then_branch: side("one", "Tanh"),
      else_branch: side("other", "Neg"),
    });
    b.output(b.node("Relu", [y]), "float32", undefined, "y");
    return b;
  }

  it("leaves out the work of the other branch, on both sides, and nothing else", () => {
    const lines = leftOut(twoSides(SIZE).toBytes());
    const [yes, no] = ["runs where Equal", "runs where not Equal"].map((text) =>
      lines.filter((line) => line.includes(text)),
    );
    expect(yes!.length).toBeGreaterThanOrEqual(2);
    expect(no!.length).toBe(yes!.length);
    expect(lines.every((line) => /MatMul|Softmax|Tanh|Neg/.test(line))).toBe(true);
  });

  it("computes both in one kernel where that is next to nothing", () => {
    const b = onnxModel("small", { opset: 17 });
    const [x, c] = [b.input("x", "float32", [2, 3]), b.input("c", "bool", [])];
    const side = (op: string): ReturnType<OnnxGraphBuilder["subgraph"]> =>
      b.subgraph(op, (g) => g.output(g.node(op, [x]), "float32"));
    const y = b.node("If", [c], { then_branch: side("Neg"), else_branch: side("Abs") });
    b.output(b.node("Relu", [y]), "float32", undefined, "y");
    expect(compile(b.toBytes()).report).toMatchObject({ kind: "bound", kernelsOut: 1 });
  });

  function refusing(): Uint8Array {
    const b = onnxModel("refusing", { opset: 17 });
    const x = b.input("x", "float32", [2, 3]);
    const [outer, inner] = ["outer", "inner"].map((name) => b.input(name, "bool", [1])) as [string, string];
    const nested = b.subgraph("nested", (g) => {
      const fits = g.subgraph("fits", (h) => h.output(h.node("Neg", [x]), "float32"));
      const not = g.subgraph("not", (h) =>
        h.output(h.node("MatMul", [x, x], {}, { name: "crooked" }), "float32"),
      );
      g.output(g.node("If", [inner], { then_branch: fits, else_branch: not }), "float32");
    });
    const other = b.subgraph("other", (g) => g.output(g.node("Abs", [x]), "float32"));
    b.output(b.node("If", [outer], { then_branch: nested, else_branch: other }), "float32", undefined, "y");
    return b.toBytes();
  }

  it("with a branch that does not fit the shapes fails where a run takes that, and goes on", async () => {
    const session = await load(compile(refusing()).artifact);
    const x = [1, -2, 3, -4, 5, -6];
    const run = async (outer: boolean, inner: boolean): Promise<number[]> => {
      const { y } = await session.run({ x, outer: [Number(outer)], inner: [Number(inner)] });
      return [...(y!.data as Float32Array)];
    };
    expect(await run(true, true)).toEqual([-1, 2, -3, 4, -5, 6]);
    expect(await run(false, false)).toEqual([1, 2, 3, 4, 5, 6]);
    await expect(run(true, false)).rejects.toMatchObject({
      code: "run-failed",
      message: expect.stringMatching(/\[shape-mismatch\] MatMul/),
    });
    expect(await run(false, true)).toEqual([1, 2, 3, 4, 5, 6]);
    session.dispose();
  });

  it("waits for its condition where the branches give other shapes, or lists", () => {
    const shaped = onnxModel("shaped", { opset: 17 });
    const x = shaped.input("x", "float32", [2, 3]);
    const c = shaped.input("c", "bool", []);
    const side = (axis: number): ReturnType<OnnxGraphBuilder["subgraph"]> =>
      shaped.subgraph(`along${axis}`, (g) => g.output(g.node("Concat", [x, x], { axis }), "float32"));
    shaped.output(
      shaped.node("If", [c], { then_branch: side(0), else_branch: side(1) }),
      "float32",
      undefined,
      "y",
    );
    expect(isBound(shaped)).toBe(false);
  });

  it("repeats in a loop that becomes one kernel, and in one that is unrolled", async () => {
    for (const trips of [3, 40]) {
      const b = onnxModel("loop", { opset: 17 });
      const x = b.input("x", "float32", [5]);
      const body = b.subgraph("body", (g) => {
        g.input("i", "int64", []);
        const go = g.input("go", "bool", []);
        const state = g.input("state", "float32");
        const sum = g.node("ReduceSum", [state], { keepdims: 0 });
        const up = g.subgraph("up", (h) =>
          h.output(h.node("Mul", [state, h.scalar("float32", 1.5)]), "float32"),
        );
        const down = g.subgraph("down", (h) => h.output(h.node("Sub", [x, state]), "float32"));
        g.output(g.node("Identity", [go]), "bool", []);
        const small = g.node("Less", [sum, g.scalar("float32", 3)]);
        g.output(g.node("If", [small], { then_branch: up, else_branch: down }), "float32");
      });
      b.output(b.node("Loop", [b.scalar("int64", trips), "", x], { body }), "float32", undefined, "y");
      expect(isBound(b)).toBe(true);
      const bytes = b.toBytes();
      const inputs = [floats([5]), floats([5], [1, 0, 2, 0, 3])].map((given) => ({ x: given }));
      const made = await runs(bytes, inputs);
      inputs.forEach((given, i) => expectSame(made[i]!, interpret(bytes, given), TOLERANCE));
    }
  });
});
