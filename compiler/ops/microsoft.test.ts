/** Fused operators of com.microsoft against onnxruntime-web; those that it has for other devices only, by parts. */
import { describe, it } from "vitest";
import { besideOnnxruntime, fed, reals, weight } from "../../test/besideOnnxruntime.ts";
import { tensorOf } from "../passes/evaluate.ts";

const float = (shape: readonly number[], seed = 1) => fed(reals(shape, seed));
const outputs = ["float32"] as const;

describe("FusedConv", () => {
  it.each([
    ["Relu", undefined],
    ["Tanh", undefined],
    ["Sigmoid", undefined],
    ["LeakyRelu", [0.1]],
    ["Clip", [-0.5, 0.25]],
    ["HardSigmoid", [0.3, 0.4]],
  ])("ends with %s", async (activation, parameters) => {
    const inputs = [float([1, 3, 5, 5]), weight(reals([4, 3, 3, 3], 2)), weight(reals([4], 3))];
    const attributes = {
      activation,
      kernel_shape: [3, 3],
      pads: [1, 1, 1, 1],
      ...(parameters ? { activation_params: { kind: "floats", value: parameters } as const } : {}),
    };
    await besideOnnxruntime({ op: "FusedConv", inputs, attributes, outputs });
  });
  it("adds a further operand before the activation", async () => {
    const inputs = [float([1, 3, 5, 5]), weight(reals([4, 3, 1, 1], 2)), weight(reals([4], 3)), float([1, 4, 5, 5], 4)]; // prettier-ignore
    await besideOnnxruntime({ op: "FusedConv", inputs, attributes: { activation: "Relu" }, outputs });
  });
});

describe("fused products and activations", () => {
  it("FusedGemm", async () => {
    const inputs = [float([3, 5]), weight(reals([6, 5], 2)), weight(reals([6], 3))];
    const attributes = { activation: "LeakyRelu", activation_alpha: 0.2, transB: 1, alpha: 0.5, beta: 2 };
    await besideOnnxruntime({ op: "FusedGemm", inputs, attributes, outputs });
  });
  it("FusedMatMul", async () => {
    const inputs = [float([2, 5, 3]), float([2, 6, 5], 2)];
    await besideOnnxruntime({
      op: "FusedMatMul",
      inputs,
      attributes: { transA: 1, transB: 1, alpha: 0.3 },
      outputs,
    });
  });
  it.each(["Gelu", "BiasGelu", "FastGelu", "QuickGelu"])("%s", async (op) => {
    const inputs = [
      float([2, 3, 8]),
      ...(op === "BiasGelu" || op === "FastGelu" ? [weight(reals([8], 2))] : []),
    ];
    await besideOnnxruntime({ op, inputs, outputs });
  });
  it("BiasSplitGelu", async () => {
    await besideOnnxruntime({
      op: "BiasSplitGelu",
      inputs: [float([2, 3, 16]), weight(reals([16], 2))],
      outputs,
      beside(model, [x, bias]) {
        const [left, right] = model.nodeWithOutputs("Split", [model.node("Add", [x, bias])], 2, { axis: -1 });
        return model.node("Mul", [left, model.node("Gelu", [right], {}, { domain: "com.microsoft" })]);
      },
    });
  });
});

describe("other forms of operators of ai.onnx", () => {
  it("NhwcConv", async () => {
    const attributes = { kernel_shape: [3, 3], strides: [2, 1], pads: [1, 0, 1, 0] };
    await besideOnnxruntime({
      op: "NhwcConv",
      inputs: [float([1, 6, 5, 3]), weight(reals([4, 3, 3, 3], 2)), weight(reals([4], 3))],
      attributes,
      outputs,
      beside(model, [x, ...others]) {
        const second = model.node("Transpose", [x], { perm: [0, 3, 1, 2] });
        const y = model.node("Conv", [second, ...others], attributes);
        return model.node("Transpose", [y], { perm: [0, 2, 3, 1] });
      },
    });
  });
  it("Trilu", async () => {
    const diagonal = weight(tensorOf("int64", [], [1]));
    await besideOnnxruntime({
      op: "Trilu",
      inputs: [float([3, 4]), diagonal],
      attributes: { upper: 0 },
      outputs,
    });
  });
  it("GatherND", async () => {
    const at = weight(tensorOf("int64", [2, 2], [0, 1, 2, 0]));
    await besideOnnxruntime({ op: "GatherND", inputs: [float([3, 2, 4]), at], outputs });
  });
  it("RotaryEmbedding from a first position", async () => {
    const tables = [weight(reals([16, 4], 5)), weight(reals([16, 4], 6))];
    const inputs = [float([1, 2, 5, 8]), fed(tensorOf("int64", [1], [3])), ...tables];
    await besideOnnxruntime({ op: "RotaryEmbedding", inputs, outputs });
  });
});

describe("layer normalizations of sums", () => {
  it("SkipLayerNormalization", async () => {
    const inputs = [float([2, 3, 8]), float([2, 3, 8], 2), weight(reals([8], 3)), weight(reals([8], 4)), weight(reals([8], 5))]; // prettier-ignore
    await besideOnnxruntime({
      op: "SkipLayerNormalization",
      inputs,
      outputs: ["float32", "", "", "float32"],
    });
  });
  it("SkipSimplifiedLayerNormalization", async () => {
    const inputs = [float([2, 3, 8]), float([2, 3, 8], 2), weight(reals([8], 3))];
    await besideOnnxruntime({ op: "SkipSimplifiedLayerNormalization", inputs, outputs: ["float32", "", "", "float32"] }); // prettier-ignore
  });
});
