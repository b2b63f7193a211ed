/**
 * Material for tests of the package: the sample model and pictures of digits. In: the repository. Out: the model's
 * bytes, as they are and changed in ways that tests need, and a picture as source text. Invariant: the picture was
 * drawn by a hand that the model never saw, and is read rightly.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readModel } from "../../compiler/frontend/onnx/model.ts";
import { preprocess } from "../../playground/sample/preprocess.ts";
import { seededRandom } from "../../playground/sample/random.ts";
import { HELD_OUT } from "../../playground/sample/skeletons.ts";
import { drawDigit } from "../../playground/sample/strokes.ts";

/** `digits.onnx`: `image` float32 [batch, 1, 28, 28] to `probabilities` float32 [batch, 10]. */
export function digitsModel(root: string): Buffer {
  return readFileSync(join(root, "playground/sample/digits.onnx"));
}

/** The same model, but always sure of one digit: what a model looks like that was trained again. */
export function digitsModelThatSays(root: string, digit: number): Buffer {
  const bytes = digitsModel(root);
  const bias = readModel(bytes).graph.initializers.find(({ tensor }) => tensor.shape.join() === "10");
  if (bias === undefined || !ArrayBuffer.isView(bias.tensor.data))
    throw new Error("the sample has no bias of 10");
  const { buffer, byteOffset, byteLength } = bias.tensor.data;
  const at = bytes.indexOf(new Uint8Array(buffer, byteOffset, byteLength));
  if (at < 0) throw new Error("the bias is not found in the file");
  bytes.writeFloatLE(1000, at + 4 * digit);
  return bytes;
}

/** The same model with an operator that nobody knows. */
export function brokenModel(root: string): Buffer {
  const bytes = digitsModel(root);
  bytes.write("Softmix", bytes.indexOf("Softmax"), "latin1");
  return bytes;
}

/** A handwritten digit as a module of JavaScript or TypeScript: `export const digit = new Float32Array([...])`. */
export function digitModule(digit: number): string {
  const { pixels, width, height } = drawDigit(digit, seededRandom(7), { skeletons: HELD_OUT });
  const image = preprocess(pixels, width, height);
  const values = Array.from(image, (value) => Number(value.toFixed(2))).join(",");
  return `export const digit = new Float32Array([${values}]);\n`;
}
