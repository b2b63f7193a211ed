/**
 * A model with one set of inputs and the outputs that are expected. In: an entry of the catalog. Out: bytes and
 * tensors by name. Invariant: the same for every host. The light models of the ONNX repository come without inputs:
 * each input is 0/n, 1/n, ..., (n-1)/n over its n elements, divided in float64 and rounded to float32, which is how
 * their stored outputs were made (onnx/backend/test/runner/__init__.py).
 */
import { existsSync, readFileSync } from "node:fs";
import { readModel, type OnnxModel, type OnnxValue } from "../../compiler/frontend/onnx/model.ts";
import { readTensor } from "../../compiler/frontend/onnx/tensor.ts";
import { readTestFolder } from "../../compiler/node/testFolder.ts";
import { elementCount, type Tensor } from "../../runtime/dtype.ts";
import { readGraphModelFolder, tfjsOutputs } from "../tfjs/folder.ts";
import type { ModelEntry } from "./catalog.ts";

export interface NamedTensor {
  readonly name: string;
  readonly tensor: Tensor;
}

export interface ModelData {
  readonly model: Uint8Array;
  /** Weight files beside the model, by their name. */
  readonly external: ReadonlyMap<string, Uint8Array>;
  readonly inputs: readonly NamedTensor[];
  readonly outputs: readonly NamedTensor[];
}

const none: ReadonlyMap<string, Uint8Array> = new Map();
const computed = new Map<string, Promise<ModelData>>();

/** Reads a model and its data. */
export async function readModelData(entry: ModelEntry): Promise<ModelData> {
  if (entry.kind === "light") return readLight(entry.path);
  if (entry.kind === "folder") return readFolder(entry.path);
  // TF.js takes seconds for a model; both hosts are given the same.
  const known = computed.get(entry.path) ?? readGraphModel(entry);
  computed.set(entry.path, known);
  return known;
}

async function readGraphModel({ path, name }: ModelEntry): Promise<ModelData> {
  const folder = readGraphModelFolder(path, name);
  return { ...folder, outputs: await tfjsOutputs(folder) };
}

function readFolder(path: string): ModelData {
  const { model, sets } = readTestFolder(path);
  const set = sets[0];
  if (set === undefined || set.outputs.length === 0)
    throw new Error(`${path} has no test_data_set_0 with outputs`);
  const tensors = (values: typeof set.inputs): NamedTensor[] =>
    values.map(({ name, value }) => {
      if (value === undefined || !("dtype" in value)) throw new Error(`${path}: ${name} is no tensor`);
      return { name, tensor: value };
    });
  return { model, external: none, inputs: tensors(set.inputs), outputs: tensors(set.outputs) };
}

function readLight(path: string): ModelData {
  const model = readFileSync(path);
  const { graph } = readModel(model);
  const initialized = new Set(graph.initializers.map(({ name }) => name));
  const inputs = graph.inputs
    .filter(({ name }) => !initialized.has(name))
    .map((input) => ({ name: input.name, tensor: ramp(input) }));
  return { model, external: none, inputs, outputs: lightOutputs(path, graph) };
}

function lightOutputs(path: string, graph: OnnxModel["graph"]): NamedTensor[] {
  return graph.outputs.map(({ name }, i) => {
    const file = path.replace(/\.onnx$/, `_output_${i}.pb`);
    if (!existsSync(file)) throw new Error(`there is no ${file}`);
    return { name, tensor: readTensor(readFileSync(file)) };
  });
}

function ramp({ name, type }: OnnxValue): Tensor {
  if (type.kind !== "tensor" || type.dtype !== "float32" || type.shape === undefined) {
    throw new Error(`the input ${name} of a light model should be a float32 tensor`);
  }
  const shape = type.shape.map((dim) => (typeof dim === "number" ? dim : 1));
  const count = elementCount(shape);
  return { dtype: "float32", shape, data: Float32Array.from({ length: count }, (_, i) => i / count) };
}
