/** Groups of rare operators, and what dissolves others: they come when a model needs them, and change nothing but when. */
import { beforeEach, describe, expect, it, vi } from "vitest";
import { onnxModel, type OnnxModelBuilder } from "./frontend/onnx/write.ts";
import type * as Compiler from "./index.ts";
import { rareNames } from "./ops/rare/names.ts";
import type * as Table from "./ops/table.ts";
import type * as Vanishing from "./passes/bind/vanishing.ts";
import { addAllVanishing } from "./passes/bind/allVanishing.ts";
import * as whole from "./whole.ts";

/** y = op(x) on numbers that come at run time. */
function model(op: string, dims: readonly (number | string)[], domain = ""): OnnxModelBuilder {
  const b = onnxModel("rare", { opset: 22 });
  if (domain) b.importOpset(domain, 1);
  const x = b.input("x", "float32", dims);
  b.output(b.node(op, [x], {}, domain ? { domain } : {}), "float32", undefined, "y");
  return b;
}

/** Attention of com.microsoft, which expands into an operator of another group. */
function attention(): OnnxModelBuilder {
  const b = onnxModel("attention", { opset: 22 });
  b.importOpset("com.microsoft", 1);
  const [q, k, v] = ["q", "k", "v"].map((name) => b.input(name, "float32", [1, 3, 8]));
  const y = b.node("MultiHeadAttention", [q!, k!, v!], { num_heads: 2 }, { domain: "com.microsoft" });
  b.output(y, "float32", undefined, "y");
  return b;
}

/** A rare operator inside the branch of another one's condition. */
function nested(): OnnxModelBuilder {
  const b = onnxModel("nested", { opset: 22 });
  const x = b.input("x", "float32", [2, 2]);
  const branch = (name: string, op: string) => b.subgraph(name, (g) => g.output(g.node(op, [x]), "float32"));
  const y = b.node("If", [b.scalar("bool", true)], {
    then_branch: branch("then", "Det"),
    else_branch: branch("else", "ReduceSum"),
  });
  b.output(y, "float32", undefined, "y");
  return b;
}

/** A loop that is as long as the sequence of what it made. */
function loop(): OnnxModelBuilder {
  const b = onnxModel("loop", { opset: 22 });
  const x = b.input("x", "float32", [2, 3]);
  const body = b.subgraph("body", (g) => {
    const [, condition, state] = [g.input("i", "int64", []), g.input("more", "bool", []), g.input("s", "float32", [2, 3])]; // prettier-ignore
    g.output(g.node("Identity", [condition]), "bool");
    g.output(g.node("Add", [state, g.node("Sin", [state])]), "float32");
  });
  const last = b.node("Loop", [b.scalar("int64", 3n), "", x], { body });
  const parts = b.node("SplitToSequence", [last], { axis: 1 });
  b.output(b.node("ConcatFromSequence", [parts], { axis: 0 }), "float32", undefined, "y");
  return b;
}

/** x and the derivative of the sum of its squares. */
function gradient(): OnnxModelBuilder {
  const b = onnxModel("gradient", { opset: 22 });
  b.importOpset("ai.onnx.preview.training", 1);
  const x = b.input("x", "float32", [3]);
  const y = b.node("ReduceSum", [b.node("Mul", [x, x])], { keepdims: 0 });
  const dx = b.node("Gradient", [x], { xs: [x], y }, { domain: "ai.onnx.preview.training" });
  b.output(b.node("Add", [x, dx]), "float32", undefined, "dx");
  return b;
}

/** A number that is a text on its way. */
function texts(): OnnxModelBuilder {
  const b = onnxModel("texts", { opset: 22 });
  const x = b.input("x", "float32", [2]);
  const text = b.node("Cast", [b.scalar("float32", 1.5)], { to: 8 });
  b.output(b.node("Add", [x, b.node("Cast", [text], { to: 1 })]), "float32", undefined, "y");
  return b;
}

describe("rare operators", () => {
  let compiler: typeof Compiler;
  let table: typeof Table;
  let vanishing: typeof Vanishing;

  beforeEach(async () => {
    vi.resetModules();
    compiler = await import("./index.ts");
    table = await import("./ops/table.ts");
    vanishing = await import("./passes/bind/vanishing.ts");
  });

  const isLoaded = (op: string, domain = ""): boolean => {
    try {
      return (vanishing.vanishingDoor({ domain, op })?.get() ?? table.findOperator(domain, op)) !== undefined;
    } catch (error) {
      if (error instanceof Error && error.name === "MissingPart") return false;
      throw error;
    }
  };

  it("are not there until a model has them", async () => {
    await compiler.compile(model("Relu", [4]).toBytes());
    expect([isLoaded("Relu"), isLoaded("Det"), isLoaded("Scaler", "ai.onnx.ml")]).toEqual([
      true,
      false,
      false,
    ]);
    await compiler.compile(model("Det", [3, 3]).toBytes());
    expect([isLoaded("Det"), isLoaded("Scaler", "ai.onnx.ml"), isLoaded("If")]).toEqual([true, false, false]);
    await compiler.compile(nested().toBytes());
    expect([isLoaded("If"), isLoaded("Gradient", "ai.onnx.preview.training")]).toEqual([true, false]);
  });

  it.each([
    ["of ai.onnx", model("Det", [3, 3])],
    ["of ai.onnx.ml", model("Normalizer", [2, 3], "ai.onnx.ml")],
    ["that expand into those of another group", attention()],
    ["in a subgraph", nested()],
    ["that are loops and sequences", loop()],
    ["that are derivatives", gradient()],
    ["that others expand into", texts()],
  ])("%s compile to the same bytes as with everything there", async (_, built) => {
    const bytes = built.toBytes();
    const { artifact } = await compiler.compile(bytes);
    expect(artifact).toEqual(whole.compile(bytes).artifact);
    expect(await compiler.inspect(bytes, "kernels")).toBe(whole.inspect(bytes, "kernels"));
  });

  it("come while another model is being compiled", async () => {
    const [det, relu] = [model("Det", [3, 3]).toBytes(), model("Relu", [4]).toBytes()];
    const results = await Promise.all([det, relu, det].map((bytes) => compiler.compile(bytes)));
    expect(results.map(({ artifact }) => artifact)).toEqual(
      [det, relu, det].map((bytes) => whole.compile(bytes).artifact),
    );
  });

  it("come when shapes are bound at run time, and for the interpreter", async () => {
    const bytes = model("Det", ["n", "n"]).toBytes();
    const stage = await compiler.openSource(bytes);
    expect(isLoaded("Det")).toBe(false);
    const bound = await stage.bind({ x: { dtype: "float32", shape: [2, 2] } }, {});
    expect(bound.artifact).toBeDefined();
    const x = { dtype: "float32", shape: [2, 2], data: Float32Array.of(1, 2, 3, 5) } as const;
    const { y } = await compiler.interpret(bytes, { x }, { dims: { n: 2 } });
    expect([...(y!.data as Float32Array)]).toEqual([-1]);
  });

  it("are known by name before that, so that an unknown one is told at once", async () => {
    await expect(compiler.compile(model("Scalar", [2], "ai.onnx.ml").toBytes())).rejects.toThrow(/Scaler/);
  });

  it("that are dissolved are known by name, each to its own door", () => {
    for (const [domain, op] of vanishing
      .vanishingOperators()
      .map((name) => ["", ...name.split(":")].slice(-2)))
      expect(isLoaded(op!, domain!), op!).toBe(false);
    const names = addAllVanishing().flatMap((ops) => Object.keys(ops));
    expect(vanishing.vanishingOperators().toSorted()).toEqual(names.toSorted());
  });

  it("are all found in their groups", async () => {
    for (const [group, names] of Object.entries(rareNames)) {
      await table.loadGroups([group as keyof typeof rareNames]);
      for (const name of names.split(" ")) {
        const [op, domain = ""] = name.split(":").reverse();
        expect(isLoaded(op!, domain), name).toBe(true);
      }
    }
  });
});
