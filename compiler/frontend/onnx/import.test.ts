import { describe, expect, it } from "vitest";
import { CompileError, type Diagnostic } from "../../diagnostic.ts";
import type { Graph } from "../../ir/graph.ts";
import { importModel, type ImportOptions } from "./import.ts";
import { readModel } from "./model.ts";
import {
  attributeReference,
  onnxModel,
  tensor,
  writeModel,
  type OnnxGraphSpec,
  type OnnxModelBuilder,
  type OnnxModelSpec,
  type OnnxNodeSpec,
} from "./write.ts";

function graphOf(model: OnnxModelBuilder | OnnxModelSpec, options?: ImportOptions): Graph {
  return importModel(readModel("toBytes" in model ? model.toBytes() : writeModel(model)), options);
}

function refusal(action: () => unknown): readonly Diagnostic[] {
  try {
    action();
  } catch (error) {
    if (error instanceof CompileError) return error.diagnostics;
    throw error;
  }
  return [];
}

/** A hand-written model, for what the builder's unique names rule out. */
function spec(graph: Partial<OnnxGraphSpec>, more: Partial<OnnxModelSpec> = {}): OnnxModelSpec {
  return {
    irVersion: 8,
    opsetImports: { "": 18 },
    graph: { kind: "graph", name: "g", inputs: [], outputs: [], initializers: [], nodes: [], ...graph },
    ...more,
  };
}

function node(
  opType: string,
  inputs: string[],
  outputs: string[],
  more: Partial<OnnxNodeSpec> = {},
): OnnxNodeSpec {
  return { opType, inputs, outputs, ...more };
}

function value(name: string, shape?: readonly (number | string)[]) {
  return { name, type: { kind: "tensor", dtype: "float32", ...(shape ? { shape } : {}) } } as const;
}

/** One line per node: outputs = op(inputs). */
function lines(graph: Graph): string[] {
  return graph.nodes.map(({ op, inputs, outputs }) => `${outputs.join(" ")} = ${op}(${inputs.join(", ")})`);
}

/** All ids that a graph and its subgraphs define. */
function definitions(graph: Graph): string[] {
  return [
    ...graph.inputs.map((input) => input.id),
    ...graph.constants.keys(),
    ...graph.nodes.flatMap((n) => [
      ...n.outputs,
      ...[...n.attributes.values()].flatMap((a) => (a.kind === "graph" ? definitions(a.value) : [])),
    ]),
  ];
}

function subgraph(graph: Graph, at: number, name: string): Graph {
  const attribute = graph.nodes[at]?.attributes.get(name);
  if (attribute?.kind !== "graph") throw new Error(`${name} is no graph`);
  return attribute.value;
}

describe("inputs and constants", () => {
  it("keeps names and symbolic dimensions, and names those without a name", () => {
    const graph = graphOf(
      spec({ inputs: [value("x", ["batch", 3, ""]), value("y")], outputs: [value("x")] }),
    );
    expect(graph.inputs).toEqual([
      { id: "x", type: { dtype: "float32", shape: ["batch", 3, "x_dim2"] } },
      { id: "y", type: { dtype: "float32", shape: undefined } },
    ]);
    expect(graph.outputs).toEqual([{ id: "x", name: "x" }]);
  });

  it("takes an initializer that is also an input as a constant", () => {
    const graph = graphOf(
      spec({
        inputs: [value("w", [1]), value("x", [1])],
        initializers: [tensor("float32", [1], [2], "w")],
        nodes: [node("Mul", ["x", "w"], ["y"])],
        outputs: [value("y")],
      }),
    );
    expect(graph.inputs.map((input) => input.id)).toEqual(["x"]);
    expect(graph.constants.get("w")?.data).toEqual(new Float32Array([2]));
  });

  it("turns every form of Constant into a constant", () => {
    const b = onnxModel("constants");
    const forms = {
      a: { value: tensor("int8", [2], [1, 2]) },
      b: { value_float: { kind: "float", value: 1.5 } },
      c: { value_floats: { kind: "floats", value: [1, 2] } },
      d: { value_int: 2n ** 60n },
      e: { value_ints: [1n, -(2n ** 63n)] },
      f: { value_string: "text" },
      g: { value_strings: ["a", "b"] },
    } as const;
    for (const [output, attributes] of Object.entries(forms)) b.node("Constant", [], attributes, { output });
    const graph = graphOf(b);
    expect(graph.nodes).toEqual([]);
    expect(Object.fromEntries(graph.constants)).toEqual({
      a: { dtype: "int8", shape: [2], data: new Int8Array([1, 2]) },
      b: { dtype: "float32", shape: [], data: new Float32Array([1.5]) },
      c: { dtype: "float32", shape: [2], data: new Float32Array([1, 2]) },
      d: { dtype: "int64", shape: [], data: new BigInt64Array([2n ** 60n]) },
      e: { dtype: "int64", shape: [2], data: new BigInt64Array([1n, -(2n ** 63n)]) },
      f: { dtype: "string", shape: [], data: ["text"] },
      g: { dtype: "string", shape: [2], data: ["a", "b"] },
    });
  });

  it("drops optional inputs and outputs that are not there or not read", () => {
    const graph = graphOf(
      spec({
        inputs: [value("x")],
        nodes: [node("Dropout", ["x", "", ""], ["y", "mask"])],
        outputs: [value("y")],
      }),
    );
    expect(graph.nodes[0]).toMatchObject({ inputs: ["x"], outputs: ["y", ""] });
  });
});

describe("order and scopes", () => {
  it("sorts nodes, also by what their subgraphs capture", () => {
    const branch = (name: string): OnnxGraphSpec => ({
      kind: "graph",
      name,
      inputs: [],
      outputs: [value(`${name}_out`)],
      initializers: [],
      nodes: [node("Neg", ["late"], [`${name}_out`])],
    });
    const attributes = {
      then_branch: { kind: "graphValue", value: branch("then") },
      else_branch: { kind: "graphValue", value: branch("else") },
    } as const;
    const graph = graphOf(
      spec({
        inputs: [value("x"), value("c")],
        outputs: [value("y")],
        nodes: [
          node("Relu", ["chosen"], ["y"]),
          node("If", ["c"], ["chosen"], { attributes }),
          node("Abs", ["x"], ["late"]),
        ],
      }),
    );
    expect(lines(graph)).toEqual(["late = Abs(x)", "chosen = If(c)", "y = Relu(chosen)"]);
    expect(lines(subgraph(graph, 1, "then_branch"))).toEqual(["then_out = Neg(late)"]);
  });

  it("refuses cycles", () => {
    const nodes = [node("Relu", ["b"], ["a"]), node("Relu", ["a"], ["b"])];
    expect(refusal(() => graphOf(spec({ nodes, outputs: [value("a")] })))[0]?.code).toBe("graph-invalid");
    const own = [node("Relu", ["a"], ["a"])];
    expect(refusal(() => graphOf(spec({ nodes: own, outputs: [value("a")] })))[0]?.code).toBe(
      "graph-invalid",
    );
  });

  it("sorts a chain longer than the call stack", () => {
    const count = 50_000;
    const nodes = Array.from({ length: count }, (_, i) => node("Relu", [`v${i}`], [`v${i + 1}`])).reverse();
    const graph = graphOf(spec({ inputs: [value("v0")], nodes, outputs: [value(`v${count}`)] }));
    expect(graph.nodes[0]?.inputs).toEqual(["v0"]);
    expect(graph.nodes).toHaveLength(count);
  });

  it("renames what a subgraph shadows, so that ids are unique", () => {
    const branch = (op: string): OnnxGraphSpec => ({
      kind: "graph",
      name: op,
      inputs: [],
      outputs: [value("t")],
      initializers: [tensor("float32", [], [1], "w")],
      nodes: [node(op, ["x", "w"], ["t"])],
    });
    const attributes = {
      then_branch: { kind: "graphValue", value: branch("Add") },
      else_branch: { kind: "graphValue", value: branch("Sub") },
    } as const;
    const graph = graphOf(
      spec({
        inputs: [value("x"), value("c")],
        initializers: [tensor("float32", [], [5], "w")],
        nodes: [
          node("Relu", ["w"], ["t"]),
          node("If", ["c"], ["y"], { attributes }),
          node("Add", ["t", "y"], ["z"]),
        ],
        outputs: [value("z")],
      }),
    );
    const ids = definitions(graph);
    expect(new Set(ids).size).toBe(ids.length);
    const inner = subgraph(graph, 1, "then_branch");
    expect(inner.nodes[0]?.inputs[0]).toBe("x");
    expect(inner.constants.get(inner.nodes[0]!.inputs[1]!)?.data).toEqual(new Float32Array([1]));
    expect(inner.outputs).toEqual([{ id: inner.nodes[0]!.outputs[0], name: "t" }]);
    expect(graph.nodes[2]?.inputs).toEqual(["t", "y"]);
  });

  it("lets a subgraph give out a value from around it, and passes inputs over initializers", () => {
    const body: OnnxGraphSpec = {
      kind: "graph",
      name: "body",
      inputs: [value("i"), value("go"), value("state")],
      outputs: [value("go"), value("x")],
      initializers: [tensor("float32", [], [1], "state")],
      nodes: [],
    };
    const graph = graphOf(
      spec({
        inputs: [value("x"), value("n"), value("c")],
        nodes: [
          node("Loop", ["n", "c", "x"], ["y"], { attributes: { body: { kind: "graphValue", value: body } } }),
        ],
        outputs: [value("y")],
      }),
    );
    const inner = subgraph(graph, 0, "body");
    expect(inner.inputs.map((input) => input.id)).toEqual(["i", "go", "state"]);
    expect(inner.outputs.map((output) => output.id)).toEqual(["go", "x"]);
  });

  it("reports all names that are defined twice or never", () => {
    const found = refusal(() =>
      graphOf(
        spec({
          inputs: [value("image")],
          nodes: [
            node("Relu", ["imagge"], ["a"]),
            node("Relu", ["image"], ["a"]),
            node("Relu", ["nowhere"], ["b"]),
          ],
          outputs: [value("b"), value("gone")],
        }),
      ),
    );
    expect(found.map(({ code }) => code)).toEqual(new Array(4).fill("graph-invalid"));
    expect(found[0]).toMatchObject({ op: "Relu", hint: 'did you mean "image"?' });
    expect(found.map(({ message }) => message).join()).toMatch(/imagge.*"a".*nowhere.*gone/);
  });
});

describe("functions", () => {
  it("inlines calls, nested ones too, with attributes and their defaults", () => {
    const b = onnxModel("functions");
    b.function(
      "local",
      "Scale",
      ["v"],
      (body, [v]) => [
        body.node("Mul", [v, body.node("Constant", [], { value_float: attributeReference("by", "float") })]),
      ],
      { attributeDefaults: { by: { kind: "float", value: 3 } } },
    );
    b.function(
      "local",
      "Twice",
      ["v"],
      (body, [v]) => [
        body.node(
          "Scale",
          [body.node("Scale", [v], { by: attributeReference("factor", "float") }, { domain: "local" })],
          {},
          { domain: "local" },
        ),
      ],
      { attributes: ["factor"] },
    );
    b.importOpset("local", 1);
    const x = b.input("x", "float32", [2]);
    const half = { factor: { kind: "float", value: 0.5 } } as const;
    b.outputOfType(b.node("Twice", [x], half, { domain: "local", output: "y" }), value("y").type);
    const graph = graphOf(b);
    expect(graph.nodes.map((n) => n.op)).toEqual(["Mul", "Mul"]);
    expect(graph.nodes[1]?.outputs).toEqual(["y"]);
    expect(graph.nodes.map((n) => graph.constants.get(n.inputs[1]!)?.data)).toEqual([
      new Float32Array([0.5]),
      new Float32Array([3]),
    ]);
    const ids = definitions(graph);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("leaves out an attribute that the caller did not give, and an input likewise", () => {
    const b = onnxModel("optional");
    b.function(
      "local",
      "F",
      ["v", "low"],
      (body, [v, low]) => [
        body.node("LeakyRelu", [body.node("Clip", [v, low])], {
          alpha: attributeReference("slope", "float"),
        }),
      ],
      { attributes: ["slope"] },
    );
    b.outputOfType(b.node("F", [b.input("x", "float32")], {}, { domain: "local" }), value("").type);
    const graph = graphOf(b);
    expect(graph.nodes.map((n) => n.inputs.length)).toEqual([1, 1]);
    expect(graph.nodes[1]?.attributes.size).toBe(0);
  });

  it("finds the names of a graph attribute where the caller wrote it", () => {
    const b = onnxModel("closure");
    b.function(
      "local",
      "Either",
      ["c"],
      (body, [c]) => [
        body.node("If", [c], {
          then_branch: attributeReference("a", "graphValue"),
          else_branch: attributeReference("b", "graphValue"),
        }),
      ],
      { attributes: ["a", "b"] },
    );
    const x = b.input("x", "float32");
    const c = b.input("c", "bool", []);
    const branch = (op: string) => b.subgraph(op, (g) => void g.output(g.node(op, [x]), "float32"));
    b.output(b.node("Either", [c], { a: branch("Neg"), b: branch("Abs") }, { domain: "local" }), "float32");
    const graph = graphOf(b);
    expect(subgraph(graph, 0, "then_branch").nodes[0]).toMatchObject({ op: "Neg", inputs: ["x"] });
  });

  it("passes an input straight to an output", () => {
    const b = onnxModel("pass");
    b.function("local", "Pass", ["v"], (_, [v]) => [v!]);
    b.outputOfType(
      b.node("Pass", [b.input("x", "float32")], {}, { domain: "local", output: "y" }),
      value("").type,
    );
    expect(lines(graphOf(b))).toEqual(["y = Identity(x)"]);
  });

  it("refuses recursion and growth without bound", () => {
    const call = (name: string, inputs: string[], outputs: string[]) =>
      node(name, inputs, outputs, { domain: "f" });
    const fn = (name: string, nodes: OnnxNodeSpec[]) =>
      ({ domain: "f", name, inputs: ["a"], outputs: ["b"], nodes, opsetImports: { "": 18, f: 1 } }) as const;
    const main = { inputs: [value("x")], nodes: [call("F0", ["x"], ["y"])], outputs: [value("y")] };
    const imports = { opsetImports: { "": 18, f: 1 } };
    const recursive = [fn("F0", [call("F1", ["a"], ["b"])]), fn("F1", [call("F0", ["a"], ["b"])])];
    expect(refusal(() => graphOf(spec(main, { ...imports, functions: recursive })))[0]?.code).toBe(
      "graph-invalid",
    );
    const doubling = Array.from({ length: 50 }, (_, i) =>
      fn(`F${i}`, [call(`F${i + 1}`, ["a"], ["t"]), call(`F${i + 1}`, ["t"], ["b"])]),
    );
    doubling.push(fn("F50", [node("Relu", ["a"], ["b"])]));
    expect(refusal(() => graphOf(spec(main, { ...imports, functions: doubling })))[0]?.code).toBe(
      "model-too-large",
    );
  });
});

describe("attributes", () => {
  it("that operators do not have are all named, with what may have been meant", () => {
    const b = onnxModel("attributes", { opset: 25 });
    const x = b.input("x", "float32", [1, 2, 4, 8]);
    const y = b.node("Attention", [x, x, x], { left_window: 2, is_causal: 1, __private: 3 });
    b.output(
      b.node("Relu", [b.node("Softmax", [y], { axes: 1 })], { consumed_inputs: [0], slope: 1 }),
      "float32",
    );
    try {
      importModel(readModel(b.toBytes()));
      expect.unreachable();
    } catch (error) {
      const { diagnostics } = error as CompileError;
      expect(diagnostics.map(({ code, op, message, hint }) => [code, op, message, hint])).toEqual([
        ["attribute-invalid", "Attention", "there is no attribute left_window", expect.anything()],
        ["attribute-invalid", "Softmax", "there is no attribute axes", "did you mean axis?"],
        ["attribute-invalid", "Relu", "there is no attribute slope", expect.stringContaining("remove it")],
      ]);
    }
  });
});

describe("what is not supported", () => {
  it("reports all unknown operators together, those in subgraphs too", () => {
    const b = onnxModel("unknown", { opset: 17 });
    const x = b.input("x", "float32");
    const y = b.node("Sofmax", [x], {}, { name: "first" });
    const z = b.node("Magic", [y], {}, { name: "second", domain: "com.example" });
    b.importOpset("com.example", 3);
    const branch = b.subgraph("branch", (g) =>
      g.output(g.node("Odd", [z], {}, { name: "third" }), "float32"),
    );
    b.output(b.node("If", [b.input("c", "bool")], { then_branch: branch, else_branch: branch }), "float32");
    const known = ["Softmax", "If"];
    const found = refusal(() =>
      graphOf(b, {
        supports: (domain, op) => domain === "" && known.includes(op),
        operatorNames: (domain) => (domain === "" ? known : []),
      }),
    );
    expect(found.slice(0, 3)).toEqual([
      {
        code: "op-unsupported",
        message: "ai.onnx.Sofmax, version 17, is not supported",
        node: "first",
        op: "Sofmax",
        hint: "did you mean Softmax?",
      },
      {
        code: "op-unsupported",
        message: "com.example.Magic, version 3, is not supported",
        node: "second",
        op: "Magic",
        hint: "define the operator as a model-local function, or export without custom operators",
      },
      {
        code: "op-unsupported",
        message: "ai.onnx.Odd, version 17, is not supported",
        node: "third",
        op: "Odd",
      },
    ]);
  });

  it("refuses versions from the future and inputs that hold no tensors", () => {
    expect(refusal(() => graphOf(onnxModel("new", { opset: 99 })))[0]?.code).toBe("opset-unsupported");
    expect(refusal(() => graphOf(onnxModel("new", { irVersion: 99 })))[0]?.code).toBe("opset-unsupported");
    const b = onnxModel("sequence");
    const optional = { kind: "optional", element: value("").type } as const;
    b.inputOfType("s", { kind: "sequence", element: optional });
    b.inputOfType("z", { kind: "tensor", dtype: "complex64" });
    expect(refusal(() => graphOf(b))).toMatchObject([
      {
        code: "dtype-unsupported",
        message: expect.stringContaining("seq(optional(tensor(float32)))") as string,
      },
      { code: "dtype-unsupported", node: "z" },
    ]);
  });
});
