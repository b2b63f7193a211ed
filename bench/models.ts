/**
 * Finds the models to measure. In: folders in the form of the ONNX backend tests (`model.onnx` beside
 * `test_data_set_0/input_N.pb`, `output_N.pb`) or with a TF.js model.json, or folders of such folders. Out: per model its bytes, the files of
 * its external data, and the tensors of its first data set by name. Invariant: nothing is written, and a model is
 * read only when its turn comes, so that many large ones do not fill the memory.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { readModel } from "../compiler/frontend/onnx/model.ts";
import { readNamedTensor } from "../compiler/frontend/onnx/tensor.ts";
import { type Tensor } from "../runtime/dtype.ts";
import { isGraphModelFolder, readGraphModelFolder, tfjsOutputs } from "../test/tfjs/folder.ts";

const MODEL_FILE = "model.onnx";
/** Operators whose results are rounded to 8 bits or fewer. */
const QUANTIZING = /^(Dynamic)?QuantizeLinear$|^QLinear|Integer$/;
const DATA_SET = "test_data_set_0";

/** A model with what it takes and what it should give. */
export interface BenchModel {
  readonly name: string;
  /** Where it was read, for runtimes that look for their own form of it there. */
  readonly folder?: string;
  readonly bytes: Uint8Array;
  /** Files of external data by their location, as the model names it. */
  readonly external: ReadonlyMap<string, Uint8Array>;
  /** Whether it rounds to 8 bits or fewer on its way, which makes its results coarser than those of floats. */
  readonly quantized: boolean;
  readonly inputs: readonly NamedTensor[];
  /** Stored outputs; empty where the folder has none. */
  readonly outputs: readonly NamedTensor[];
}

export interface NamedTensor {
  readonly name: string;
  readonly tensor: Tensor;
}

/**
 * The model folders that `folder` means: itself, or those right inside it, in alphabetical order.
 *
 * @throws Error when there is none, with the path.
 */
export function modelFolders(folder: string): readonly string[] {
  const path = resolve(folder);
  if (!existsSync(path) || !statSync(path).isDirectory()) throw new Error(`${path} is no folder`);
  const holdsModel = (entry: string): boolean =>
    existsSync(join(entry, MODEL_FILE)) || isGraphModelFolder(entry);
  if (holdsModel(path)) return [path];
  const inside = readdirSync(path)
    .sort()
    .map((name) => join(path, name))
    .filter(holdsModel);
  if (inside.length === 0) {
    throw new Error(`${path} holds no ${MODEL_FILE}, and neither does any folder in it`);
  }
  return inside;
}

/**
 * Reads one model folder of either kind. A TF.js model has seeded inputs, and the outputs that TF.js computes for them
 * on its cpu backend, which takes some seconds.
 */
export async function readBenchModel(folder: string): Promise<BenchModel> {
  if (!isGraphModelFolder(folder)) return readModelFolder(folder);
  const name = basename(folder);
  const content = readGraphModelFolder(folder, name);
  const { model: bytes, external, inputs } = content;
  return { name, folder, bytes, external, quantized: false, inputs, outputs: await tfjsOutputs(content) };
}

/**
 * Reads one folder of an ONNX model.
 *
 * @throws Error or CompileError when a file is missing or malformed, or an input is no tensor.
 */
export function readModelFolder(folder: string): BenchModel {
  const bytes = readBytes(join(folder, MODEL_FILE));
  const external = new Map<string, Uint8Array>();
  const model = readModel(bytes, {
    externalData: (location) => {
      const path = join(folder, location);
      if (!external.has(location) && existsSync(path)) external.set(location, readBytes(path));
      return external.get(location);
    },
  });
  // Before IR version 4 an initializer is an input too; it is no input of a run.
  const initializers = new Set(model.graph.initializers.map(({ name }) => name));
  const inputNames = model.graph.inputs.map(({ name }) => name).filter((name) => !initializers.has(name));
  const outputNames = model.graph.outputs.map(({ name }) => name);
  const inputs = readTensors(join(folder, DATA_SET), "input", inputNames);
  if (inputs.length < inputNames.length) {
    throw new Error(`${join(folder, DATA_SET)} has ${inputs.length} inputs, the model ${inputNames.length}`);
  }
  const outputs = readTensors(join(folder, DATA_SET), "output", outputNames);
  const quantized = model.graph.nodes.some(({ op }) => QUANTIZING.test(op));
  return { name: basename(folder), folder, bytes, external, quantized, inputs, outputs };
}

/** The tensors `KIND_0.pb`, `KIND_1.pb`, ...: each belongs to the name it carries, or else to its position. */
function readTensors(folder: string, kind: "input" | "output", names: readonly string[]): NamedTensor[] {
  const found: NamedTensor[] = [];
  for (const [index, positional] of names.entries()) {
    const path = join(folder, `${kind}_${index}.pb`);
    if (!existsSync(path)) break;
    const { name, tensor } = readNamedTensor(readBytes(path));
    found.push({ name: names.includes(name) ? name : positional, tensor });
  }
  return found;
}

/** A file in a buffer of its own: Node's small buffers share one, in which a tensor may not be aligned. */
function readBytes(path: string): Uint8Array {
  return new Uint8Array(readFileSync(path));
}
