/**
 * Generated models as folders. In: the name of one. Out: a folder in the form of the ONNX backend tests, outside of
 * what git sees; its outputs are onnxruntime-web's. Invariant: a folder is made once for each state of the sources
 * that make it and appears complete or not at all.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { tensor, writeTensor } from "../../compiler/frontend/onnx/write.ts";
import { type NamedTensor } from "../models.ts";
import { runOnnxruntime } from "../onnxruntime.ts";
import { generatedModels } from "./table.ts";

const sources = dirname(fileURLToPath(import.meta.url));
const cache = fileURLToPath(new URL("../../node_modules/.cache/tilewright-bench", import.meta.url));

/**
 * The folder of the generated model `name`; its last part is the name.
 *
 * @throws Error when there is no such model, or onnxruntime-web cannot run it
 */
export async function generatedFolder(name: string): Promise<string> {
  const make = generatedModels[name];
  if (make === undefined) throw new Error(`there is no generated model "${name}"`);
  const home = join(cache, stateOfSources());
  const folder = join(home, name);
  if (existsSync(folder)) return folder;
  const { bytes, inputs } = make();
  const outputs = await outputsOf(bytes, inputs);
  const draft = join(home, `.${name}-${process.pid}`);
  const data = join(draft, "test_data_set_0");
  mkdirSync(data, { recursive: true });
  writeFileSync(join(draft, "model.onnx"), bytes);
  for (const [kind, tensors] of Object.entries({ input: inputs, output: outputs })) {
    for (const [index, named] of tensors.entries()) {
      writeFileSync(join(data, `${kind}_${index}.pb`), tensorBytes(named));
    }
  }
  if (existsSync(folder)) rmSync(draft, { recursive: true });
  else renameSync(draft, folder);
  return folder;
}

/** Of everything in this folder and of the numbers it is seeded with. */
function stateOfSources(): string {
  const files = [...readdirSync(sources).sort(), "../random.ts"].filter((name) => !name.includes(".test."));
  const hash = createHash("sha256");
  for (const name of files) hash.update(readFileSync(join(sources, name)));
  return hash.digest("hex").slice(0, 16);
}

function tensorBytes({ name, tensor: { dtype, shape, data } }: NamedTensor): Uint8Array {
  return writeTensor(tensor(dtype as "float32", shape, data as Float32Array, name));
}

/** What onnxruntime-web makes of the inputs, in the order of the model's outputs. */
export async function outputsOf(
  bytes: Uint8Array,
  inputs: readonly NamedTensor[],
): Promise<readonly NamedTensor[]> {
  const feeds = Object.fromEntries(inputs.map(({ name, tensor }) => [name, tensor]));
  return Object.entries(await runOnnxruntime(bytes, feeds)).map(([name, tensor]) => ({ name, tensor }));
}
