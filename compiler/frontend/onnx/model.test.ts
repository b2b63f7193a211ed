import { PbfWriter } from "pbf";
import { describe, expect, it } from "vitest";
import { processorMilliseconds } from "../../../test/support/processorTime.ts";
import { CompileError } from "../../diagnostic.ts";
import { ATTRIBUTE_TYPE, FIELD } from "./fields.ts";
import { importModel } from "./import.ts";
import { readModel, type OnnxAttribute } from "./model.ts";
import { attributeReference, externalTensor, onnxModel, tensor, writeTensor } from "./write.ts";

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof CompileError) return error.code;
    throw error;
  }
  return "no error";
}

/** A model whose one node has the given AttributeProto. */
function modelWithAttribute(write: (writer: PbfWriter) => void): Uint8Array {
  const writer = new PbfWriter();
  writer.writeMessage(FIELD.model.graph, (_, graph) =>
    graph.writeMessage(FIELD.graph.node, (__, node) =>
      node.writeMessage(FIELD.node.attribute, (___, attribute) => {
        attribute.writeStringField(FIELD.attribute.name, "a");
        write(attribute);
      }, undefined), undefined), undefined); // prettier-ignore
  return writer.finish().slice();
}

function attributeOf(write: (writer: PbfWriter) => void): OnnxAttribute | undefined {
  return readModel(modelWithAttribute(write)).graph.nodes[0]?.attributes.get("a");
}

/** A small model with a bit of everything, for mutations. */
function sampleModel(): Uint8Array {
  const b = onnxModel("sample", { opset: 12, metadata: { author: "test" } });
  b.function(
    "local",
    "Scaled",
    ["x"],
    (body, [x]) => {
      const by = body.node("Constant", [], { value_float: attributeReference("by", "float") });
      return [body.node("Mul", [x, by])];
    },
    { attributes: ["by"], opsetImports: { "": 13 } },
  );
  const x = b.input("x", "float32", ["batch", 4]);
  const w = b.initializer("float32", [4, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
  const q = b.initializer("int4", [3], [-8, 7, -1]);
  const y = b.node("MatMul", [x, w]);
  const z = b.node(
    "Scaled",
    [b.node("Softmax", [y])],
    { by: { kind: "float", value: 2 } },
    { domain: "local" },
  );
  const cond = b.initializer("bool", [], [true]);
  const branch = (op: string) => b.subgraph(op, (g) => void g.output(g.node(op, [z]), "float32"));
  const chosen = b.node("If", [cond], { then_branch: branch("Relu"), else_branch: branch("Neg") });
  const names = b.initializer("string", [2], ["cat", "dog"]);
  b.output(chosen, "float32", ["batch", 2], "out");
  b.output(b.node("Identity", [q]), "int4", [3], "quantized");
  b.output(b.node("Identity", [names]), "string", [2], "names");
  return b.toBytes();
}

describe("readModel", () => {
  it("mirrors the file", () => {
    const model = readModel(sampleModel());
    expect(model.irVersion).toBe(8);
    expect(model.opsetImports).toEqual(
      new Map([
        ["", 12],
        ["local", 1],
      ]),
    );
    expect(model.metadata).toEqual(new Map([["author", "test"]]));
    expect(model.graph.inputs).toEqual([
      { name: "x", type: { kind: "tensor", dtype: "float32", shape: ["batch", 4] } },
    ]);
    expect(model.graph.initializers[0]?.tensor.data).toEqual(new Float32Array([1, 2, 3, 4, 5, 6, 7, 8]));
    expect(model.graph.nodes.slice(0, 4).map((node) => node.op)).toEqual([
      "MatMul",
      "Softmax",
      "Scaled",
      "If",
    ]);
    const branch = model.graph.nodes[3]?.attributes.get("then_branch");
    expect(branch?.kind === "graph" && branch.value.nodes[0]?.op).toBe("Relu");
    expect(model.functions[0]).toMatchObject({
      domain: "local",
      name: "Scaled",
      inputs: ["x"],
      attributes: ["by"],
    });
    expect(model.functions[0]?.nodes[0]?.attributes.get("value_float")).toEqual({
      kind: "reference",
      attribute: "by",
    });
  });

  it("reads attributes of all kinds", () => {
    const b = onnxModel("attributes");
    const value = tensor("int64", [1], [3]);
    b.node("Op", [], {
      i: 2n ** 62n,
      f: 0.5,
      s: "text",
      is: [1, -1],
      fs: [0.5, 1],
      ss: ["a", "b"],
      t: value,
    });
    const attributes = readModel(b.toBytes()).graph.nodes[0]!.attributes;
    expect(Object.fromEntries(attributes)).toEqual({
      i: { kind: "int", value: 2n ** 62n },
      f: { kind: "float", value: 0.5 },
      s: { kind: "string", value: "text" },
      is: { kind: "ints", value: [1n, -1n] },
      fs: { kind: "floats", value: [0.5, 1] },
      ss: { kind: "strings", value: ["a", "b"] },
      t: { kind: "tensor", value: { dtype: "int64", shape: [1], data: new BigInt64Array([3n]) } },
    });
  });

  it("reads attributes as other writers put them", () => {
    // Packed integers.
    expect(
      attributeOf((w) => {
        w.writePackedVarint(FIELD.attribute.ints, [1, -2]);
        w.writeVarintField(FIELD.attribute.type, ATTRIBUTE_TYPE.ints);
      }),
    ).toEqual({ kind: "ints", value: [1n, -2n] });
    // IR version 1: no type.
    expect(attributeOf((w) => w.writeFloatField(FIELD.attribute.float, 2))).toEqual({
      kind: "float",
      value: 2,
    });
    // Zero left out.
    expect(attributeOf((w) => w.writeVarintField(FIELD.attribute.type, ATTRIBUTE_TYPE.int))).toEqual({
      kind: "int",
      value: 0n,
    });
    expect(codeOf(() => attributeOf((w) => w.writeVarintField(FIELD.attribute.type, 77)))).toBe(
      "model-malformed",
    );
    expect(
      codeOf(() => attributeOf((w) => w.writeVarintField(FIELD.attribute.type, ATTRIBUTE_TYPE.graphValue))),
    ).toBe("model-malformed");
  });

  it("expands sparse tensors, with linear and with full indices", () => {
    const sparse = (indices: Uint8Array) =>
      attributeOf((w) => {
        w.writeMessage(FIELD.attribute.sparseTensor, (_, inner) => {
          inner.writeBytesField(FIELD.sparseTensor.values, writeTensor(tensor("float32", [2], [7, 8])));
          inner.writeBytesField(FIELD.sparseTensor.indices, indices);
          inner.writePackedVarint(FIELD.sparseTensor.dims, [2, 3]);
        }, undefined); // prettier-ignore
        w.writeVarintField(FIELD.attribute.type, ATTRIBUTE_TYPE.sparseTensor);
      });
    const dense = { dtype: "float32", shape: [2, 3], data: new Float32Array([0, 7, 0, 0, 0, 8]) };
    expect(sparse(writeTensor(tensor("int64", [2], [1, 5])))).toEqual({ kind: "tensor", value: dense });
    expect(sparse(writeTensor(tensor("int64", [2, 2], [0, 1, 1, 2])))).toEqual({
      kind: "tensor",
      value: dense,
    });
    expect(codeOf(() => sparse(writeTensor(tensor("int64", [2], [1, 6]))))).toBe("model-malformed");
    expect(codeOf(() => sparse(writeTensor(tensor("int64", [2, 2], [0, 1, 0, 3]))))).toBe("model-malformed");
  });

  it("lists all missing external files", () => {
    const b = onnxModel("external");
    b.initializerOf(externalTensor("float32", [1], { location: "a.bin" }), "a");
    b.initializerOf(externalTensor("float32", [1], { location: "b.bin" }), "b");
    const bytes = b.toBytes();
    expect(() => readModel(bytes)).toThrow(/a\.bin[^]*b\.bin/);
    expect(codeOf(() => readModel(bytes))).toBe("external-data-missing");
    const model = readModel(bytes, { externalData: () => new Uint8Array(4) });
    expect(model.graph.initializers.map(({ name }) => name)).toEqual(["a", "b"]);
  });

  it.each([
    ["nothing", new Uint8Array(0)],
    ["text", new TextEncoder().encode("<!doctype html><title>Not found</title>")],
    ["zeros", new Uint8Array(64)],
    ["an endless number", new Uint8Array(64).fill(0xff)],
    ["a length past the end", Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f)],
    ["a group, which proto3 has not", Uint8Array.of(0x0b, 0x0c)],
  ])("refuses %s", (_, bytes) => {
    expect(codeOf(() => readModel(bytes))).toBe("model-malformed");
  });

  it("refuses nesting without end", () => {
    // graph { node { attribute { graph { ... } } } }, each message filling the rest of the one around it.
    let bytes = new Uint8Array(0);
    for (let i = 0; i < 200; i++) {
      for (const field of [FIELD.attribute.graphValue, FIELD.node.attribute, FIELD.graph.node]) {
        const writer = new PbfWriter();
        writer.writeBytesField(field, bytes);
        bytes = writer.finish().slice();
      }
    }
    const writer = new PbfWriter();
    writer.writeBytesField(FIELD.model.graph, bytes);
    expect(codeOf(() => readModel(writer.finish().slice()))).toBe("model-malformed");
  });

  it("gives a model or a CompileError for every truncation and for seeded mutations", () => {
    const original = sampleModel();
    importModel(readModel(original));
    let state = 20240611;
    const random = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const outcomes = { read: 0, refused: 0 };
    const attempt = (bytes: Uint8Array): void => {
      const start = processorMilliseconds();
      try {
        importModel(readModel(bytes));
        outcomes.read++;
      } catch (error) {
        if (!(error instanceof CompileError)) throw error;
        outcomes.refused++;
      }
      expect(processorMilliseconds() - start).toBeLessThan(1000);
    };
    for (let length = 0; length < original.length; length++) attempt(original.subarray(0, length));
    for (let i = 0; i < 500; i++) {
      const bytes = original.slice();
      for (let changes = 1 + random(3); changes > 0; changes--) {
        const at = random(bytes.length);
        bytes[at] = random(2) === 0 ? bytes[at]! ^ (1 << random(8)) : random(256);
      }
      attempt(bytes);
    }
    expect(outcomes.read).toBeGreaterThan(50);
    expect(outcomes.refused).toBeGreaterThan(300);
  });
});
