/** SVMClassifier against onnxruntime-web, in every form that scikit-learn's exports have; ZipMap by itself. */
import { describe, expect, it } from "vitest";
import { agree, floats, reals } from "../../test/besideOnnxruntime.ts";
import { onnxModel, floats as floatList, type OnnxAttributes } from "../frontend/onnx/write.ts";
import { compile, interpret } from "../whole.ts";
import { load } from "../../runtime/index.ts";

const ML = { domain: "ai.onnx.ml" };
const FEATURES = 3;

const list = (count: number, seed: number): number[] => [...(reals([count], seed).data as Float32Array)];

function support(perClass: readonly number[], kernel: string, more: OnnxAttributes = {}): OnnxAttributes {
  const total = perClass.reduce((sum, count) => sum + count, 0);
  const classes = perClass.length;
  const pairs = (classes * (classes - 1)) / 2;
  return {
    vectors_per_class: perClass,
    kernel_type: kernel,
    kernel_params: floatList([0.4, 0.25, 2]),
    support_vectors: floatList(list(total * FEATURES, 2)),
    coefficients: floatList(list(total * (classes - 1), 3)),
    rho: floatList(list(pairs, 4).map((value) => value / 4)),
    ...more,
  };
}

const probabilities = (pairs: number): OnnxAttributes => ({
  prob_a: floatList(list(pairs, 5).map((value) => -2 + value)),
  prob_b: floatList(list(pairs, 6).map((value) => value / 3)),
});

async function check(attributes: OnnxAttributes, labels = "int64"): Promise<void> {
  const b = onnxModel("svm", { opset: 17 });
  b.importOpset("ai.onnx.ml", 1);
  const x = b.input("x", "float32", [9, FEATURES]);
  const [label, scores] = b.nodeWithOutputs("SVMClassifier", [x], 2, attributes, ML);
  b.output(label!, labels as "int64", undefined, "label");
  b.output(scores!, "float32", undefined, "scores");
  await agree(b, { x: reals([9, FEATURES], 9, 1.5) });
}

describe("SVMClassifier", () => {
  it.each(["LINEAR", "POLY", "RBF", "SIGMOID"])("of two classes, kernel %s", async (kernel) => {
    await check({ ...support([3, 4], kernel), classlabels_ints: [4, 7] });
  });

  it.each(["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"])(
    "of two and three classes, transform %s",
    async (name) => {
      await check({ ...support([3, 4], "RBF"), classlabels_ints: [0, 1], post_transform: name });
      await check({ ...support([2, 3, 2], "RBF"), classlabels_ints: [5, 6, 9], post_transform: name });
    },
  );

  it("with probabilities, which pairs of classes share", async () => {
    await check({ ...support([3, 4], "RBF"), ...probabilities(1), classlabels_ints: [0, 1] });
    await check({ ...support([2, 3, 2], "RBF"), ...probabilities(3), classlabels_ints: [0, 1, 2] });
    await check({
      ...support([2, 3, 2, 4, 1], "LINEAR"),
      ...probabilities(10),
      classlabels_ints: [0, 1, 2, 3, 4],
    });
  });

  it("without support vectors, by one row of coefficients for each class", async () => {
    const attributes = {
      coefficients: floatList(list(4 * FEATURES, 3)),
      rho: floatList([0.3]),
      kernel_type: "LINEAR",
      kernel_params: floatList([0, 0, 0]),
      classlabels_ints: [1, 2, 3, 4],
    };
    await check(attributes);
    await check({ ...attributes, post_transform: "SOFTMAX" });
  });

  it("names classes by strings", () => {
    const b = onnxModel("svm", { opset: 17 });
    b.importOpset("ai.onnx.ml", 1);
    const x = b.input("x", "float32", [9, FEATURES]);
    const use = (labels: OnnxAttributes): string[] =>
      b.nodeWithOutputs("SVMClassifier", [x], 2, { ...support([2, 3, 2], "RBF"), ...labels }, ML);
    b.output(use({ classlabels_ints: [0, 1, 2] })[0]!, "int64", undefined, "numbers");
    b.output(use({ classlabels_strings: ["a", "b", "c"] })[0]!, "string", undefined, "words");
    const { numbers, words } = interpret(b.toBytes(), { x: reals([9, FEATURES], 9, 1.5) });
    expect(words!.data).toEqual(Array.from(numbers!.data as BigInt64Array, (i) => "abc"[Number(i)]));
  });
});

describe("ZipMap", () => {
  function model(labels: readonly number[]): Uint8Array {
    const b = onnxModel("zip", { opset: 17 });
    b.importOpset("ai.onnx.ml", 1);
    const x = b.input("x", "float32", [2, 3]);
    const y = b.node("ZipMap", [b.node("Relu", [x])], { classlabels_int64s: labels }, ML);
    b.outputOfType(y, {
      kind: "sequence",
      element: { kind: "map", key: "int64", value: { kind: "tensor", dtype: "float32", shape: [] } },
    });
    return b.toBytes();
  }
  it("gives the scores, in the order of its labels", async () => {
    const x = floats([2, 3], [1, 2, 3, 4, 5, 6]);
    const bytes = model([7, 8, 9]);
    const [name] = Object.keys(interpret(bytes, { x }));
    expect([...(interpret(bytes, { x })[name!]!.data as Float32Array)]).toEqual([1, 2, 3, 4, 5, 6]);
    const session = await load(compile(bytes).artifact);
    expect((await session.run({ x: x.data as Float32Array }))[name!]!.shape).toEqual([2, 3]);
    session.dispose();
  });
  it("has as many labels as there are scores", () => {
    expect(() => compile(model([7, 8]))).toThrow(/2 labels for scores \[2,3\]/);
  });
});
