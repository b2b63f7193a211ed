/** Quantized operators of com.microsoft against onnxruntime-web, with weights as constants and as inputs. */
import { describe, expect, it } from "vitest";
import { besideOnnxruntime, fed, list, reals, weight, whole, wholes } from "../../test/besideOnnxruntime.ts";
import { onnxModel } from "../frontend/onnx/write.ts";
import { compile } from "../whole.ts";

const scale = (value: number) => weight(whole("float32", value));
const zero = (value: number, dtype: "uint8" | "int8" = "uint8") => weight(whole(dtype, value));
const bytes = (shape: readonly number[], seed = 1) => fed(wholes("uint8", shape, 0, 255, seed));

describe("QLinear kinds", () => {
  it.each(["QLinearAdd", "QLinearMul"])("%s broadcasts", async (op) => {
    const inputs = [bytes([2, 3, 4]), scale(0.02), zero(120), bytes([3, 1], 2), scale(0.03), zero(100), scale(0.04), zero(128)]; // prettier-ignore
    await besideOnnxruntime({ op, inputs, outputs: ["uint8"], steps: 1 });
  });
  it("QLinearAdd of int8", async () => {
    const operand = (seed: number) => fed(wholes("int8", [5, 7], -128, 127, seed));
    const inputs = [operand(1), scale(0.02), zero(-3, "int8"), operand(2), scale(0.03), zero(5, "int8"), scale(0.04), zero(1, "int8")]; // prettier-ignore
    await besideOnnxruntime({ op: "QLinearAdd", inputs, outputs: ["int8"], steps: 1 });
  });
  it.each([
    ["QLinearLeakyRelu", { alpha: 0.2 }, 0.02, 100],
    ["QLinearSigmoid", {}, 1 / 256, 0],
    ["QLinearSoftmax", { axis: -1, opset: 13 }, 1 / 256, 0],
    ["QLinearSoftmax", { axis: 1, opset: 12 }, 1 / 256, 0],
  ])("%s %j", async (op, attributes, outScale, outZero) => {
    const inputs = [bytes([2, 3, 5]), scale(0.03), zero(128), scale(outScale), zero(outZero)];
    await besideOnnxruntime({ op, inputs, attributes, outputs: ["uint8"], steps: 1 });
  });
  it.each([0, 1])("pools, channels last: %i", async (last) => {
    const inputs = [
      bytes(last ? [1, 6, 5, 3] : [1, 3, 6, 5]),
      scale(0.03),
      zero(110),
      scale(0.025),
      zero(128),
    ];
    const pool = { kernel_shape: [3, 2], strides: [2, 1], pads: [1, 0, 1, 1], channels_last: last };
    await besideOnnxruntime({
      op: "QLinearAveragePool",
      inputs,
      attributes: pool,
      outputs: ["uint8"],
      steps: 1,
    });
    const attributes = { channels_last: last };
    await besideOnnxruntime({
      op: "QLinearGlobalAveragePool",
      inputs,
      attributes,
      outputs: ["uint8"],
      steps: 1,
    });
  });
  it("QLinearConcat", async () => {
    const inputs = [scale(0.03), zero(128), bytes([2, 3]), scale(0.02), zero(100), bytes([2, 4], 2), scale(0.05), zero(130)]; // prettier-ignore
    await besideOnnxruntime({
      op: "QLinearConcat",
      inputs,
      attributes: { axis: 1 },
      outputs: ["uint8"],
      steps: 1,
    });
  });
  it("QLinearWhere", async () => {
    const inputs = [fed(wholes("bool", [3, 4], 0, 1, 3)), bytes([3, 4]), scale(0.02), zero(100), bytes([1, 4], 2), scale(0.05), zero(130), scale(0.04), zero(128)]; // prettier-ignore
    await besideOnnxruntime({ op: "QLinearWhere", inputs, outputs: ["uint8"], steps: 1 });
  });
  it("QLinearConv with channels last", async () => {
    const inputs = [bytes([1, 5, 5, 3]), scale(0.02), zero(120), weight(wholes("uint8", [4, 3, 3, 3], 0, 255)), scale(0.01), zero(128), scale(0.1), zero(127)]; // prettier-ignore
    const attributes = { channels_last: 1, pads: [1, 1, 1, 1], kernel_shape: [3, 3] };
    await besideOnnxruntime({ op: "QLinearConv", inputs, attributes, outputs: ["uint8"], steps: 1 });
  });
});

describe("products", () => {
  const perColumn = weight(reals([6], 3, 0.02));
  it.each(["uint8", "int8"] as const)("DynamicQuantizeMatMul with %s weights", async (dtype) => {
    const range = dtype === "int8" ? [-128, 127] : [0, 255];
    const weights = weight(wholes(dtype, [5, 6], range[0]!, range[1]!));
    const inputs = [fed(reals([2, 3, 5])), weights, perColumn, weight(wholes(dtype, [6], 0, 9)), weight(reals([6], 4))]; // prettier-ignore
    await besideOnnxruntime({ op: "DynamicQuantizeMatMul", inputs, outputs: ["float32"], absolute: 1e-4 });
    const plain = [fed(reals([3, 5])), weights, scale(0.02)];
    await besideOnnxruntime({
      op: "DynamicQuantizeMatMul",
      inputs: plain,
      outputs: ["float32"],
      absolute: 1e-4,
    });
  });
  it("MatMulIntegerToFloat", async () => {
    const weights = weight(wholes("uint8", [5, 6], 0, 255));
    const inputs = [
      bytes([2, 3, 5]),
      weights,
      scale(0.02),
      perColumn,
      zero(99),
      zero(120),
      weight(reals([6], 4)),
    ];
    await besideOnnxruntime({ op: "MatMulIntegerToFloat", inputs, outputs: ["float32"], absolute: 1e-4 });
  });
  it.each([true, false])("QGemm to %s", async (quantized) => {
    const inputs = [bytes([3, 5]), scale(0.02), zero(120), weight(wholes("uint8", [6, 5], 0, 255)), scale(0.01), zero(128), weight(wholes("int32", [6], -99, 99)), ...(quantized ? [scale(0.05), zero(128)] : [])]; // prettier-ignore
    const attributes = { transB: 1, alpha: 1 };
    await besideOnnxruntime({ op: "QGemm", inputs, attributes, outputs: [quantized ? "uint8" : "float32"], steps: 1, absolute: 1e-4 }); // prettier-ignore
  });
  it("QAttention", async () => {
    const inputs = [bytes([2, 4, 8]), weight(wholes("uint8", [8, 24], 0, 255)), weight(reals([24])), scale(0.01), scale(0.01), fed(list("int32", [3, 4])), zero(128), zero(128)]; // prettier-ignore
    await besideOnnxruntime({ op: "QAttention", inputs, attributes: { num_heads: 2 }, outputs: ["float32"], absolute: 1e-4 }); // prettier-ignore
  });
});

describe("MatMulNBits", () => {
  const [K, N] = [70, 5];
  const blocks = (size: number) => Math.ceil(K / size);
  it.each([
    [4, 16, false],
    [4, 32, true],
    [8, 32, false],
    [8, 32, true],
  ])("%i bits in blocks of %i, zero points: %s", async (bits, size, withZero) => {
    const attributes = { K, N, bits, block_size: size };
    const packed = wholes("uint8", [N, blocks(size), (size * bits) / 8], 0, 255);
    const scales = reals([N, blocks(size)], 2, 0.1);
    const zeros = wholes("uint8", [N, Math.ceil((blocks(size) * bits) / 8)], 0, 255, 4);
    const inputs = [
      fed(reals([2, 3, K])),
      weight(packed),
      weight(scales),
      ...(withZero ? [weight(zeros)] : []),
    ];
    await besideOnnxruntime({ op: "MatMulNBits", inputs, attributes, outputs: ["float32"], absolute: 2e-4 });
  });
  it("keeps its weights packed in the artifact", () => {
    const [depth, columns] = [1024, 256];
    const model = onnxModel("packed");
    model.importOpset("com.microsoft", 1);
    const x = model.input("x", "float32", [1, depth]);
    const b = model.initializer("uint8", [columns, depth / 32, 16], wholes("uint8", [columns * depth / 2], 0, 255).data as Uint8Array); // prettier-ignore
    const s = model.initializer("float32", [columns * depth / 32], reals([columns * depth / 32]).data as Float32Array); // prettier-ignore
    const attributes = { K: depth, N: columns, bits: 4, block_size: 32 };
    model.output(model.node("MatMulNBits", [x, b, s], attributes, { domain: "com.microsoft" }), "float32");
    const { report } = compile(model.toBytes());
    // As panels, whose last ones are padded, of four bits an element.
    expect(report.weightBytes).toBeLessThan((depth * columns) / 2 + (depth * columns) / 8 + 8192);
    // Arranged in panels while compiling, not in each run.
    expect(report.kernels.filter(({ name }) => name.includes("pack"))).toEqual([]);
  });
});
