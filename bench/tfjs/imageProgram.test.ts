/** Networks written with the operators of TensorFlow.js compute what onnxruntime-web computes of the ONNX models. */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { onnxModel } from "../../compiler/frontend/onnx/write.ts";
import { type Tensor } from "../../runtime/dtype.ts";
import { type Tensors, verify } from "../agreement.ts";
import { outputsOf } from "../generated/cache.ts";
import { mobilenetV2 } from "../generated/mobilenetV2.ts";
import { type GeneratedModel } from "../generated/network.ts";
import { resNet50 } from "../generated/resNet50.ts";
import { uNet } from "../generated/uNet.ts";
import { inLayout, matchOutputs } from "../page/layouts.ts";
import { applyStep } from "../page/tfjsWasm.ts";
import { imageProgram } from "./imageProgram.ts";

const tfTensor = ({ data, shape }: Tensor): tf.Tensor => tf.tensor(data as Float32Array, [...shape]);

async function runWithTf({ bytes, inputs }: GeneratedModel, expected: Tensors): Promise<Tensors> {
  await tf.setBackend("cpu");
  const { input, outputs, steps, weights } = imageProgram(bytes);
  const values = new Map([...weights].map(([name, tensor]) => [name, tfTensor(tensor)]));
  const image = inputs[0]!.tensor;
  const [n, c, h, w] = image.shape as [number, number, number, number];
  values.set(input, tfTensor(inLayout(image, [n, h, w, c])));
  for (const step of steps) values.set(step.to, applyStep(tf, step, values));
  const given = outputs.map((name): Tensor => {
    const value = values.get(name)!;
    return { dtype: "float32", shape: value.shape, data: value.dataSync() as Float32Array };
  });
  return matchOutputs(given, expected);
}

it.each([
  ["mobilenetv2", () => mobilenetV2({ size: 32, width: 0.35, classes: 10 })],
  ["resnet", () => resNet50({ size: 32, width: 4, blocks: [1, 1, 1, 1], classes: 10 })],
  ["unet", () => uNet({ size: 16, width: 4, depth: 2 })],
])("%s", async (_, make) => {
  const model = make();
  const outputs = await outputsOf(model.bytes, model.inputs);
  const expected = Object.fromEntries(outputs.map(({ name, tensor }) => [name, tensor]));
  const { verified, worst } = verify(await runWithTf(model, expected), expected, "onnxruntime-web");
  expect(verified, worst).toBe(true);
});

it("refuses what it does not know", () => {
  const b = onnxModel("odd");
  b.output(b.node("Erf", [b.input("x", "float32", [1, 1, 2, 2])]), "float32", [1, 1, 2, 2]);
  expect(() => imageProgram(b.toBytes())).toThrow(/how to do Erf/);
});
