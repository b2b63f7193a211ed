/** Attention of com.microsoft and its embeddings against onnxruntime-web. */
import { describe, it } from "vitest";
import { besideOnnxruntime, fed, list, reals, weight, whole, wholes } from "../../test/besideOnnxruntime.ts";
import { tensorOf } from "../passes/evaluate.ts";

const float = (shape: readonly number[], seed = 1) => fed(reals(shape, seed));

describe("Attention", () => {
  const base = [float([2, 4, 6]), weight(reals([6, 24], 2)), weight(reals([24], 3))];
  it.each([
    ["without a mask", undefined],
    ["numbers of keys", fed(list("int32", [4, 2]))],
    ["ends and beginnings", fed(list("int32", [4, 3, 1, 0]))],
    ["a mask of keys", fed(tensorOf("int32", [2, 4], [1, 1, 1, 0, 0, 1, 1, 1]))],
    ["a mask by query", fed(wholes("int32", [2, 4, 4], 0, 1, 5))],
  ])("%s", async (_, mask) => {
    const inputs = [...base, ...(mask ? [mask] : [])];
    await besideOnnxruntime({ op: "Attention", inputs, attributes: { num_heads: 2 }, outputs: ["float32"] });
  });
  it("causal, with other sizes of values and a term for the scores", async () => {
    const inputs = [float([2, 4, 6]), weight(reals([6, 20], 2)), weight(reals([20], 3)), undefined, undefined, float([2, 2, 4, 4], 9)]; // prettier-ignore
    const attributes = { num_heads: 2, unidirectional: 1, qkv_hidden_sizes: [8, 8, 4], scale: 0.3 };
    await besideOnnxruntime({ op: "Attention", inputs, attributes, outputs: ["float32"] });
  });
  it("with keys and values of earlier steps", async () => {
    const inputs = [...base, undefined, float([2, 2, 2, 3, 4], 7)];
    const attributes = { num_heads: 2, unidirectional: 1 };
    await besideOnnxruntime({ op: "Attention", inputs, attributes, outputs: ["float32", "float32"] });
  });
});

describe("MultiHeadAttention", () => {
  it.each([
    ["numbers of keys", fed(list("int32", [5, 2]))],
    ["a mask of keys", fed(tensorOf("int32", [2, 5], [1, 1, 1, 0, 1, 0, 1, 1, 1, 1]))],
  ])("%s", async (_, mask) => {
    const inputs = [float([2, 3, 8]), float([2, 5, 8], 2), float([2, 5, 8], 3), weight(reals([24], 4)), mask];
    await besideOnnxruntime({
      op: "MultiHeadAttention",
      inputs,
      attributes: { num_heads: 2 },
      outputs: ["float32"],
    });
  });
});

describe("GroupQueryAttention", () => {
  const tables = [weight(reals([16, 8], 5)), weight(reals([16, 8], 6))];
  const outputs = ["float32", "float32", "float32"] as const;
  const total = (value: number) => weight(whole("int32", value));
  const attributes = { num_heads: 4, kv_num_heads: 2 };
  it("first prompt, with rotary embeddings", async () => {
    const inputs = [float([1, 5, 64]), float([1, 5, 32], 2), float([1, 5, 32], 3), undefined, undefined, fed(list("int32", [4])), total(5), ...tables]; // prettier-ignore
    await besideOnnxruntime({ op: "GroupQueryAttention", inputs, attributes: { ...attributes, do_rotary: 1 }, outputs }); // prettier-ignore
  });
  it.each([
    ["", {}],
    ["with rotary embeddings", { do_rotary: 1 }],
    ["with pairs side by side", { do_rotary: 1, rotary_interleaved: 1 }],
    ["within a window", { local_window_size: 3 }],
    ["with capped scores", { softcap: 0.5, scale: 0.7 }],
  ])("one token after a cache %s", async (_, more) => {
    const inputs = [float([1, 1, 64]), float([1, 1, 32], 2), float([1, 1, 32], 3), float([1, 2, 6, 16], 7), float([1, 2, 6, 16], 8), fed(list("int32", [6])), total(7), ...tables]; // prettier-ignore
    await besideOnnxruntime({
      op: "GroupQueryAttention",
      inputs,
      attributes: { ...attributes, ...more },
      outputs,
    });
  });
  it("query, key and value in one", async () => {
    const inputs = [float([1, 1, 128]), undefined, undefined, float([1, 2, 6, 16], 7), float([1, 2, 6, 16], 8), fed(list("int32", [6])), total(7), ...tables]; // prettier-ignore
    await besideOnnxruntime({ op: "GroupQueryAttention", inputs, attributes, outputs });
  });
  it("rows of different lengths", async () => {
    const inputs = [float([2, 1, 64]), float([2, 1, 32], 2), float([2, 1, 32], 3), float([2, 2, 6, 16], 7), float([2, 2, 6, 16], 8), fed(list("int32", [6, 3])), total(7), ...tables]; // prettier-ignore
    await besideOnnxruntime({ op: "GroupQueryAttention", inputs, attributes: { ...attributes, do_rotary: 1 }, outputs }); // prettier-ignore
  });
});

describe("EmbedLayerNormalization", () => {
  const ids = fed(wholes("int32", [2, 4], 0, 9));
  const [gamma, beta] = [weight(reals([6], 5)), weight(reals([6], 6))];
  it("words, positions and segments, masked", async () => {
    const mask = fed(tensorOf("int32", [2, 4], [1, 1, 1, 0, 1, 1, 0, 0]));
    const inputs = [ids, fed(wholes("int32", [2, 4], 0, 1, 3)), weight(reals([10, 6], 1)), weight(reals([8, 6], 2)), weight(reals([2, 6], 3)), gamma, beta, mask]; // prettier-ignore
    await besideOnnxruntime({ op: "EmbedLayerNormalization", inputs, outputs: ["float32", "int32"] });
  });
  it("given positions, no segments", async () => {
    const inputs = [ids, undefined, weight(reals([10, 6], 1)), weight(reals([8, 6], 2)), undefined, gamma, beta, undefined, fed(wholes("int32", [2, 4], 0, 7, 4))]; // prettier-ignore
    await besideOnnxruntime({ op: "EmbedLayerNormalization", inputs, attributes: { epsilon: 1e-5 }, outputs: ["float32", "int32"] }); // prettier-ignore
  });
});
