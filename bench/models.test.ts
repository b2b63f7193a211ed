/** Folders in the form of the ONNX backend tests, written here with our own ONNX writer. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { onnxModel, tensor, writeTensor } from "../compiler/frontend/onnx/write.ts";
import { modelFolders, readModelFolder } from "./models.ts";

const root = mkdtempSync(join(tmpdir(), "tilewright-bench-models-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function writeFolder(name: string, inputs: number): string {
  const folder = join(root, name);
  mkdirSync(join(folder, "test_data_set_0"), { recursive: true });
  const b = onnxModel(name);
  const sum = b.node("Add", [b.input("x", "float32", [2]), b.input("y", "float32", [2])]);
  b.output(sum, "float32", [2], "z");
  writeFileSync(join(folder, "model.onnx"), b.toBytes());
  for (let i = 0; i < inputs; i++) {
    const bytes = writeTensor(tensor("float32", [2], [i, 1]));
    writeFileSync(join(folder, "test_data_set_0", `input_${i}.pb`), bytes);
  }
  const output = writeTensor(tensor("float32", [2], [1, 2]));
  writeFileSync(join(folder, "test_data_set_0", "output_0.pb"), output);
  return folder;
}

it("reads the tensors of a folder by name", () => {
  const model = readModelFolder(writeFolder("sum", 2));
  expect(model.name).toBe("sum");
  expect(model.quantized).toBe(false);
  expect(model.inputs.map(({ name }) => name)).toEqual(["x", "y"]);
  expect(model.inputs[1]!.tensor).toEqual({ dtype: "float32", shape: [2], data: Float32Array.of(1, 1) });
  expect(model.outputs).toEqual([
    { name: "z", tensor: { dtype: "float32", shape: [2], data: Float32Array.of(1, 2) } },
  ]);
});

it("says when an input is missing", () => {
  expect(() => readModelFolder(writeFolder("lacking", 1))).toThrow(/has 1 inputs, the model 2/);
});

it("takes a folder, or the folders in it", () => {
  const folder = writeFolder("one", 2);
  expect(modelFolders(folder)).toEqual([folder]);
  expect(modelFolders(root)).toContain(folder);
  mkdirSync(join(root, "empty"));
  expect(() => modelFolders(join(root, "empty"))).toThrow(/holds no model.onnx/);
  expect(() => modelFolders(join(root, "nowhere"))).toThrow(/is no folder/);
});
