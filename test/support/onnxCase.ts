/**
 * Folders in the form of the ONNX backend tests, for tests of what reads them. In: a model and tensors. Out:
 * `model.onnx` and `test_data_set_0/input_N.pb`, `output_N.pb`. Invariant: overwrites what is there, and nothing else.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  tensor,
  writeTensor,
  type OnnxDataType,
  type OnnxTensorValues,
} from "../../compiler/frontend/onnx/write.ts";
import type { Tensor } from "../../runtime/dtype.ts";

/** Writes a case. */
export function writeCase(
  folder: string,
  model: Uint8Array,
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
): void {
  // prettier-ignore
  const set = join(folder, "test_data_set_0");
  mkdirSync(set, { recursive: true });
  writeFileSync(join(folder, "model.onnx"), model);
  const write = (kind: string, tensors: readonly Tensor[]): void =>
    tensors.forEach((value, i) => writeFileSync(join(set, `${kind}_${i}.pb`), tensorFile(value)));
  write("input", inputs);
  write("output", outputs);
}

/** The bytes of a tensor as a `TensorProto` file. */
export function tensorFile({ dtype, shape, data }: Tensor): Uint8Array {
  return writeTensor(tensor(dtype as OnnxDataType, shape, data as OnnxTensorValues));
}
