/**
 * Written models are read by onnxruntime-web, an independent reader: it must load the bytes and give the
 * results that the model's arithmetic says. What onnxruntime does not show (dims names, external data, 64-bit
 * attributes) is checked on the wire with the field numbers of onnx.proto written out here.
 */

import { PbfReader } from "pbf";
import { afterAll, describe, expect, it } from "vitest";
import { InferenceSession, Tensor } from "onnxruntime-web";
import {
  attributeReference,
  externalTensor,
  float16Bits,
  bfloat16Bits,
  onnxModel,
  tensor,
  writeTensor,
  type OnnxModelBuilder,
} from "./write.ts";

const sessions: InferenceSession[] = [];

async function run(model: OnnxModelBuilder, feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> {
  const session = await InferenceSession.create(model.toBytes(), { executionProviders: ["wasm"] });
  sessions.push(session);
  return (await session.run(feeds)) as Record<string, Tensor>;
}

afterAll(async () => {
  for (const session of sessions) await session.release();
});

/** All length-delimited fields and varints of a message, by number. */
function fields(bytes: Uint8Array): Map<number, (Uint8Array | bigint)[]> {
  const found = new Map<number, (Uint8Array | bigint)[]>();
  const reader = new PbfReader(bytes);
  reader.readFields((tag, _result, pbf) => {
    const list = found.get(tag) ?? [];
    if (pbf.type === 2) list.push(pbf.readBytes());
    else if (pbf.type === 0) list.push(readBigVarint(pbf));
    else return;
    found.set(tag, list);
  }, null);
  return found;
}

function readBigVarint(pbf: PbfReader): bigint {
  let value = 0n;
  for (let shift = 0n; ; shift += 7n) {
    const byte = pbf.buf[pbf.pos++] ?? 0;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return BigInt.asIntN(64, value);
  }
}

function message(found: Map<number, (Uint8Array | bigint)[]>, tag: number, index = 0): Uint8Array {
  const value = found.get(tag)?.[index];
  if (!(value instanceof Uint8Array)) throw new Error(`no message ${tag}[${index}]`);
  return value;
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

describe("written models, run by onnxruntime-web", () => {
  it("has inputs with symbolic dims, weights, int, ints and float attributes", async () => {
    const b = onnxModel("conv", { opset: 18 });
    const x = b.input("x", "float32", ["batch", 1, 3, 3]);
    const weight = b.initializer("float32", [2, 1, 2, 2], [1, 0, 0, 1, 0, -1, -1, 0]);
    const bias = b.initializer("float32", [2], Float32Array.of(0.5, 0), "bias");
    const conv = b.node("Conv", [x, weight, bias], { kernel_shape: [2, 2], strides: [1, 1], group: 1 });
    b.output(b.node("LeakyRelu", [conv], { alpha: 1 }, { output: "y" }), "float32", ["batch", 2, 2, 2]);

    const feed = new Tensor(
      "float32",
      Float32Array.from({ length: 18 }, (_, i) => i),
      [2, 1, 3, 3],
    );
    const { y } = await run(b, { x: feed });
    expect(y?.dims).toEqual([2, 2, 2, 2]);
    expect([...(y?.data as Float32Array).slice(0, 8)]).toEqual([4.5, 6.5, 10.5, 12.5, -4, -6, -10, -12]);
  });

  it("writes every plain element type so that Cast reads it back", async () => {
    const cases = [
      ["float32", [1.5, -2, 3]],
      ["float64", [1.5, -2, 3]],
      ["float16", [1.5, -2, 3]],
      ["int8", [1, -2, 127]],
      ["uint8", [1, 2, 255]],
      ["int16", [1, -2, 32767]],
      ["uint16", [1, 2, 65535]],
      ["int32", [1, -2, 3]],
      ["uint32", [1, 2, 3]],
      ["int64", [1, -2, 3n]],
      ["uint64", [1, 2, 3]],
      ["bool", [1, 0, 1]],
    ] as const;
    const b = onnxModel("types", { opset: 18 });
    for (const [dtype, values] of cases) {
      const weight = b.initializer(dtype, [3], values);
      b.output(b.node("Cast", [weight], { to: 1 }, { output: `${dtype}_out` }), "float32", [3]);
    }
    const result = await run(b, {});
    for (const [dtype, values] of cases) {
      expect([dtype, ...(result[`${dtype}_out`]?.data as Float32Array)]).toEqual([
        dtype,
        ...values.map(Number),
      ]);
    }
  });

  it("writes strings, scalars, empty tensors and tensor attributes", async () => {
    const b = onnxModel("strings", { opset: 18 });
    const words = b.initializer("string", [3], ["a", "Übermaß 漢字", ""]);
    b.output(words, "string", [3], "words");
    const constant = b.node("Constant", [], { value: tensor("float32", [2], [7, 8]) });
    b.output(b.node("Add", [constant, b.scalar("float32", 1)], {}, { output: "sum" }), "float32", [2]);
    const none = b.initializer("float32", [0, 4], []);
    b.output(b.node("Shape", [none], {}, { output: "shape" }), "int64", [2]);
    const result = await run(b, {});
    expect(result.words?.data).toEqual(["a", "Übermaß 漢字", ""]);
    expect([...(result.sum?.data as Float32Array)]).toEqual([8, 9]);
    expect([...(result.shape?.data as BigInt64Array)]).toEqual([0n, 4n]);
  });

  it("writes several outputs, absent inputs and 64-bit values", async () => {
    const b = onnxModel("split", { opset: 18 });
    const x = b.input("x", "float32", [6]);
    const [first, second] = b.nodeWithOutputs("Split", [x, b.int64s([2, 4])], 2, { axis: 0 });
    const clipped = b.node("Clip", [first, undefined, b.scalar("float32", 0.5)]);
    const rest = b.node("Slice", [second, b.int64s([1]), b.int64s([0x7fffffffffffffffn])]);
    b.output(clipped, "float32", [2], "clipped");
    b.output(rest, "float32", [3], "rest");
    const feed = new Tensor("float32", Float32Array.of(0, 1, 2, 3, 4, 5), [6]);
    const result = await run(b, { x: feed });
    expect([...(result.clipped?.data as Float32Array)]).toEqual([0, 0.5]);
    expect([...(result.rest?.data as Float32Array)]).toEqual([3, 4, 5]);
  });

  it("writes subgraphs that use values of the graph around them", async () => {
    const b = onnxModel("branch", { opset: 18 });
    const condition = b.input("condition", "bool", []);
    const x = b.input("x", "float32", [2]);
    const branch = (op: string) =>
      b.subgraph(op, (graph) => {
        graph.output(graph.node(op, [x, graph.scalar("float32", 10)]), "float32", [2]);
      });
    b.output(
      b.node("If", [condition], { then_branch: branch("Add"), else_branch: branch("Mul") }, { output: "y" }),
      "float32",
      [2],
    );
    const feed = new Tensor("float32", Float32Array.of(1, 2), [2]);
    const session = await InferenceSession.create(b.toBytes());
    sessions.push(session);
    const yes = await session.run({ x: feed, condition: new Tensor("bool", Uint8Array.of(1), []) });
    const no = await session.run({ x: feed, condition: new Tensor("bool", Uint8Array.of(0), []) });
    expect([...(yes.y?.data as Float32Array)]).toEqual([11, 12]);
    expect([...(no.y?.data as Float32Array)]).toEqual([10, 20]);
  });

  it("writes model-local functions with attribute references and defaults", async () => {
    const b = onnxModel("functions", { opset: 18 });
    b.function(
      "local",
      "ScaledLeak",
      ["v"],
      (body, [v]) => [
        body.node("LeakyRelu", [body.node("Add", [v, v])], { alpha: attributeReference("slope", "float") }),
      ],
      { attributeDefaults: { slope: 0.5 } },
    );
    const x = b.input("x", "float32", [2]);
    const given = b.node("ScaledLeak", [x], { slope: 0.25 }, { domain: "local" });
    const usual = b.node("ScaledLeak", [x], {}, { domain: "local" });
    b.output(given, "float32", [2], "given");
    b.output(usual, "float32", [2], "usual");
    const result = await run(b, { x: new Tensor("float32", Float32Array.of(-4, 4), [2]) });
    expect([...(result.given?.data as Float32Array)]).toEqual([-2, 8]);
    expect([...(result.usual?.data as Float32Array)]).toEqual([-4, 8]);
  });

  it("writes the oldest opset that we read", async () => {
    const b = onnxModel("old", { opset: 7 });
    const x = b.input("x", "float32", [2, 3]);
    b.output(b.node("Unsqueeze", [x], { axes: [0] }, { output: "y" }), "float32", [1, 2, 3]);
    const { y } = await run(b, { x: new Tensor("float32", new Float32Array(6), [2, 3]) });
    expect(y?.dims).toEqual([1, 2, 3]);
  });
});

describe("the wire", () => {
  it("keeps 64-bit attributes, names of dims, unknown dims and unknown rank", () => {
    const b = onnxModel("wire", { opset: 9 });
    const x = b.input("x", "float32", ["batch", "", 5]);
    b.input("any", "int8");
    b.node("Slice", [x], { starts: [-1n, -0x8000000000000000n], ends: [0x7fffffffffffffffn, 3] });
    const graph = fields(message(fields(b.toBytes()), 7));
    const [starts, ends] = fields(message(graph, 1)).get(5) ?? [];
    expect(fields(starts as Uint8Array).get(8)).toEqual([-1n, -0x8000000000000000n]);
    expect(fields(ends as Uint8Array).get(8)).toEqual([0x7fffffffffffffffn, 3n]);

    const tensorType = (input: number) =>
      fields(message(fields(message(fields(message(graph, 11, input)), 2)), 1));
    const dims = fields(message(tensorType(0), 2)).get(1) as Uint8Array[];
    expect(text(message(fields(dims[0] as Uint8Array), 2))).toBe("batch");
    expect(dims[1]).toHaveLength(0);
    expect(fields(dims[2] as Uint8Array).get(1)).toEqual([5n]);
    expect(tensorType(1).has(2)).toBe(false);
  });

  it("writes external data as entries and no bytes", () => {
    const data = { location: "weights.bin", offset: 64, length: 16 };
    const written = fields(writeTensor(externalTensor("float32", [4], data, "w")));
    const entries = (written.get(13) as Uint8Array[]).map((entry) => {
      const pair = fields(entry);
      return [text(message(pair, 1)), text(message(pair, 2))];
    });
    expect(entries).toEqual([
      ["location", "weights.bin"],
      ["offset", "64"],
      ["length", "16"],
    ]);
    expect(written.get(14)).toEqual([1n]);
    expect(written.has(9)).toBe(false);
  });

  it("is the same for the same calls, and never repeats a made-up name", () => {
    const make = () => {
      const b = onnxModel("names");
      const x = b.input("Relu_0", "float32", [1]);
      const y = b.node("Relu", [b.node("Relu", [x])]);
      b.output(y, "float32", [1]);
      return b;
    };
    expect(make().toBytes()).toEqual(make().toBytes());
    const outputs = make()
      .toSpec()
      .graph.nodes.flatMap((node) => node.outputs);
    expect(new Set(["Relu_0", ...outputs]).size).toBe(3);
  });
});

describe("tensor", () => {
  it("refuses a number of values that dims do not have", () => {
    expect(() => tensor("float32", [2, 2], [1, 2, 3])).toThrow(RangeError);
    expect(() => tensor("complex64", [3], [1, 2, 3])).toThrow(RangeError);
  });

  it("packs narrow values from the low bits up", () => {
    const { content } = tensor("int4", [3], [1, -1, 7]);
    expect(content).toEqual({ kind: "raw", bytes: Uint8Array.of(0xf1, 0x07) });
    const narrow = tensor("uint2", [5], [1, 2, 3, 0, 2]).content;
    expect(narrow).toEqual({ kind: "raw", bytes: Uint8Array.of(0b00111001, 0b10) });
  });

  it("rounds float16 to nearest even, with subnormals, overflow and NaN", () => {
    const cases = [
      [0, 0x0000],
      [-0, 0x8000],
      [1, 0x3c00],
      [-2, 0xc000],
      [65504, 0x7bff],
      [65519.9, 0x7bff],
      [65520, 0x7c00],
      [-Infinity, 0xfc00],
      [2 ** -14, 0x0400],
      [2 ** -24, 0x0001],
      [2 ** -25, 0x0000],
      [3 * 2 ** -25, 0x0002],
      [2 ** -14 - 2 ** -26, 0x0400],
      [1 + 2 ** -11, 0x3c00],
      [1 + 3 * 2 ** -11, 0x3c02],
      [2 - 2 ** -12, 0x4000],
      [NaN, 0x7e00],
    ] as const;
    expect(cases.map(([value]) => float16Bits(value))).toEqual(cases.map(([, bits]) => bits));
  });

  it("rounds bfloat16 to nearest even", () => {
    expect([1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, -Infinity].map(bfloat16Bits)).toEqual([
      0x3f80, 0x3f80, 0x3f82, 0xff80,
    ]);
    expect(bfloat16Bits(NaN)).toBe(0x7fc0);
  });
});
