/** Maps as inputs: CastMap and DictVectorizer, interpreted and run, and what is refused. */
import { describe, expect, it } from "vitest";
import { load, type TensorLike } from "../../runtime/index.ts";
import { onnxModel, type OnnxAttributes, type OnnxDataType } from "../frontend/onnx/write.ts";
import type { Tensor } from "../ir/dtype.ts";
import { compile, CompileError, interpret, openSource } from "../whole.ts";

const ML = { domain: "ai.onnx.ml" } as const;

/** A model from the map `m` to what `op` makes of it, and, of numbers, twice that. */
function modelOf(op: string, attributes: OnnxAttributes, key: OnnxDataType, value: OnnxDataType, made = value): Uint8Array {
  const b = onnxModel("maps", { opset: 17 });
  b.importOpset("ai.onnx.ml", 1);
  const m = b.inputOfType("m", { kind: "map", key, value: { kind: "tensor", dtype: value, shape: [] } });
  const y = b.node(op, [m], attributes, ML);
  b.output(made === "string" ? y : b.node("Add", [y, y]), made, undefined, "z");
  return b.toBytes();
} // prettier-ignore

async function run(bytes: Uint8Array, ...inputs: readonly Readonly<Record<string, TensorLike>>[]): Promise<Tensor[]> {
  const session = await load(compile(bytes).artifact, { compiler: () => ({ openSource }) });
  const results: Tensor[] = [];
  for (const given of inputs) results.push((await session.run(given))["z"]!);
  session.dispose();
  return results;
} // prettier-ignore

const plain = ({ shape, data }: Tensor): unknown => [shape, [...(data as Iterable<unknown>)]];

describe("DictVectorizer", () => {
  it("puts values where the vocabulary has their words", async () => {
    const bytes = modelOf("DictVectorizer", { string_vocabulary: ["a", "c", "b", "z"] }, "string", "float32");
    const [first, second, third] = await run(
      bytes,
      { m: new Map([["a", 4], ["c", 8], ["unknown", 5]]) },
      { "m.keys": ["z"], "m.values": Float32Array.of(1.5) },
      { m: new Map() },
    ); // prettier-ignore
    expect(plain(first!)).toEqual([[1, 4], [8, 16, 0, 0]]);
    expect(plain(second!)).toEqual([[1, 4], [0, 0, 0, 3]]);
    expect(plain(third!)).toEqual([[1, 4], [0, 0, 0, 0]]);
    const keys: Tensor = { dtype: "string", shape: [2], data: ["a", "c"] };
    const values: Tensor = { dtype: "float32", shape: [2], data: Float32Array.of(4, 8) };
    expect(plain(interpret(bytes, { "m.keys": keys, "m.values": values })["z"]!)).toEqual([[1, 4], [8, 16, 0, 0]]);
  }); // prettier-ignore

  it("takes integers for keys, and strings for values", async () => {
    const ids = modelOf("DictVectorizer", { int64_vocabulary: [7, -3] }, "int64", "float64");
    expect(plain((await run(ids, { m: new Map([[-3, 0.5]]) }))[0]!)).toEqual([[1, 2], [0, 1]]);
    const texts = modelOf("DictVectorizer", { int64_vocabulary: [7, -3] }, "int64", "string");
    expect(plain((await run(texts, { m: new Map([[7n, "x"]]) }))[0]!)).toEqual([[1, 2], ["x", ""]]);
  }); // prettier-ignore

  it("refuses keys of another type than its vocabulary's", async () => {
    const bytes = modelOf("DictVectorizer", { int64_vocabulary: [1] }, "string", "float32");
    await expect(run(bytes, { m: new Map([["a", 1]]) })).rejects.toThrow(/vocabulary of integers/);
  });
});

describe("CastMap", () => {
  const entries = new Map([[3, 1.75], [-1, 2.5], [0, -3]]); // prettier-ignore
  it.each([
    ["TO_FLOAT", "float32", [-3, 3.5, 5]],
    ["TO_INT64", "int64", [-6n, 2n, 4n]],
    ["TO_STRING", "string", ["-3", "1.75", "2.5"]],
  ] as const)("%s, in the order of the keys", async (cast_to, made, expected) => {
    const bytes = modelOf("CastMap", { cast_to }, "int64", "float32", made);
    const [result] = await run(bytes, { m: entries });
    const inOrder = [expected[2], expected[0], expected[1]];
    expect(plain(result!)).toEqual([[1, 3], made === "float32" ? [5, -6, 3.5] : made === "int64" ? [4n, -6n, 2n] : inOrder]); // prettier-ignore
  });

  it("sparsely, each value at its key", async () => {
    const bytes = modelOf("CastMap", { map_form: "SPARSE", max_map: 5 }, "int64", "string", "float32");
    const [result] = await run(bytes, { m: new Map([[3, "2.5"], [1, "-1e2"]]) }); // prettier-ignore
    expect(plain(result!)).toEqual([[1, 5], [0, -200, 0, 5, 0]]); // prettier-ignore
    await expect(run(bytes, { m: new Map([[5, "1"]]) })).rejects.toThrow(/the key 5/);
    await expect(run(bytes, { m: new Map([[-1, "1"]]) })).rejects.toThrow(/the key -1/);
  });
});

describe("a map", () => {
  it("must have as many keys as values, and of the right types", async () => {
    const bytes = modelOf("CastMap", {}, "int64", "float32");
    await expect(run(bytes, { "m.keys": [1, 2], "m.values": [1] })).rejects.toThrow(/2 keys and 1 values/);
    await expect(run(bytes, { m: new Map([["x", 1]]) })).rejects.toThrow(/m\.keys/);
    await expect(run(bytes, { n: new Map() })).rejects.toThrow(/no input "n"/);
  });

  it("goes into operators on maps only, and holds single elements", () => {
    const b = onnxModel("maps", { opset: 17 });
    const element = { kind: "tensor", dtype: "float32", shape: [] } as const;
    const m = b.inputOfType("m", { kind: "map", key: "int64", value: element });
    const odd = b.inputOfType("odd", { kind: "map", key: "int64", value: { kind: "sequence", element } });
    b.output(b.node("Relu", [m]), "float32");
    b.output(b.node("Relu", [odd]), "float32");
    expect(() => compile(b.toBytes())).toThrow(CompileError);
    expect(() => compile(b.toBytes())).toThrow(/Relu takes the map "m"/);
    expect(() => compile(b.toBytes())).toThrow(/map\(int64, seq\(tensor\(float32\)\)\)/);
  });
});
