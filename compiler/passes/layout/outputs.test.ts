import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { onnxModel, type OnnxModelBuilder } from "../../frontend/onnx/write.ts";
import { compile } from "../../whole.ts";
import { load } from "../../../runtime/load.ts";

type Data = Readonly<Record<string, readonly number[]>>;

async function outputsOf(
  model: OnnxModelBuilder,
  inputs: Data,
  views: boolean,
): Promise<{ kernels: number; values: Data }> {
  const { artifact, report } = compile(model.toBytes(), { passes: { views } });
  const session = await load(artifact);
  const outputs = await session.run(inputs);
  // A second run, so that what only the first one wrote is seen.
  const again = await session.run(
    Object.fromEntries(Object.entries(inputs).map(([k, v]) => [k, v.map((x) => x + 1)])),
  );
  session.dispose();
  const values: Record<string, readonly number[]> = {};
  for (const [name, { data }] of Object.entries(outputs)) values[name] = [...(data as Float32Array)];
  for (const [name, { data }] of Object.entries(again)) values[`${name} again`] = [...(data as Float32Array)];
  return { kernels: report.kernelsOut, values };
}

/** A decoder's layer: keys of before and of now, which are an output and are looked at. */
function keys(tokens: number, past: number, heads: number, size: number): OnnxModelBuilder {
  const model = onnxModel("keys", { opset: 17 });
  const q = model.input("q", "float32", [1, heads, tokens, size]);
  const now = model.input("now", "float32", [1, heads, tokens, size]);
  const before = model.input("before", "float32", [1, heads, past, size]);
  const all = model.node("Concat", [before, model.node("Neg", [now])], { axis: 2 });
  const turned = model.node("Transpose", [all], { perm: [0, 1, 3, 2] });
  model.output(model.node("MatMul", [q, turned]), "float32", [1, heads, tokens, past + tokens], "scores");
  model.output(all, "float32", [1, heads, past + tokens, size], "present");
  return model;
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => ((i * 37) % 19) - 9);

describe("outputs that repeat a value", () => {
  it("are where it is made, and cost no copy", async () => {
    const model = keys(1, 5, 2, 8);
    const inputs = { q: numbers(16), now: numbers(16), before: numbers(80) };
    const plain = await outputsOf(model, inputs, false);
    const viewed = await outputsOf(model, inputs, true);
    expect(viewed.values).toEqual(plain.values);
    expect(viewed.kernels).toBeLessThan(plain.kernels);
  });

  it("stay copies where two outputs repeat one value, and where it is known at load", async () => {
    const model = onnxModel("twice", { opset: 17 });
    const x = model.input("x", "float32", [6]);
    const root = model.node("Sqrt", [x]);
    const constant = model.node("Exp", [
      model.initializer("float32", [6], Float32Array.from([0, 1, 2, 3, 4, 5])),
    ]);
    model.output(root, "float32", [6], "a");
    model.output(root, "float32", [6], "b");
    model.output(constant, "float32", [6], "c");
    model.output(model.node("Add", [root, constant]), "float32", [6], "d");
    const inputs = { x: [0, 1, 4, 9, 16, 25] };
    const viewed = await outputsOf(model, inputs, true);
    expect(viewed.values).toEqual((await outputsOf(model, inputs, false)).values);
    expect(viewed.values["a"]).toEqual([0, 1, 2, 3, 4, 5]);
    expect(viewed.values["b"]).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it("hold what they should for any sizes", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 9 }),
        async (tokens, past, heads, size) => {
          const model = keys(tokens, past, heads, size);
          const inputs = {
            q: numbers(heads * tokens * size),
            now: numbers(heads * tokens * size),
            before: numbers(heads * past * size),
          };
          const viewed = await outputsOf(model, inputs, true);
          expect(viewed.values).toEqual((await outputsOf(model, inputs, false)).values);
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe("outputs that are another value, turned", () => {
  /** Parts of channels, each activated, that are joined, turned to channels last and given. */
  const joined = (constantPart: boolean, reader: boolean): OnnxModelBuilder => {
    const model = onnxModel("joined", { opset: 17 });
    const x = model.input("x", "float32", [1, 3, 10]);
    const filled = model.initializer(
      "float32",
      [1, 2, 10],
      Float32Array.from({ length: 20 }, (_, i) => i),
    );
    const parts = [model.node("Exp", [x]), constantPart ? model.node("Sqrt", [filled]) : x];
    const all = model.node("Concat", parts, { axis: 1 });
    const turned = model.node("Transpose", [all], { perm: [0, 2, 1] });
    model.output(turned, "float32", [1, 10, constantPart ? 5 : 6], "turned");
    if (reader) model.output(model.node("ReduceSum", [all]), "float32", [1, 1, 1], "sum");
    return model;
  };

  it("are made in that order at once", async () => {
    for (const constantPart of [false, true]) {
      const model = joined(constantPart, false);
      const plain = await outputsOf(model, { x: numbers(30) }, false);
      const viewed = await outputsOf(model, { x: numbers(30) }, true);
      expect(viewed.values).toEqual(plain.values);
      expect(viewed.kernels).toBeLessThan(plain.kernels);
    }
  });

  it("are written whole in every run, as a caller may have changed them", async () => {
    const { artifact } = compile(joined(true, false).toBytes());
    const session = await load(artifact, { threads: 1 });
    const { turned } = await session.run({ x: numbers(30) });
    (session.output("turned") as Float32Array).fill(-1);
    const again = await session.run({ x: numbers(30) });
    session.dispose();
    expect(again["turned"]!.data).toEqual(turned!.data);
  });

  it("stay calls where another one reads the value", async () => {
    const model = joined(false, true);
    const plain = await outputsOf(model, { x: numbers(30) }, false);
    const viewed = await outputsOf(model, { x: numbers(30) }, true);
    expect(viewed.values).toEqual(plain.values);
  });
});
