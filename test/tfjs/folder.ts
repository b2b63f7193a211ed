/**
 * A folder with a TF.js GraphModel as data to test against. In: the folder, and what its open dimensions and inputs
 * are to be. Out: the bytes of `model.json`, its weight files, seeded inputs, and the outputs that TF.js itself
 * computes (cpu backend). Invariant: inputs and outputs have the names that Tilewright shows.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe } from "../../compiler/whole.ts";
import { seededTensor } from "../../compiler/tensors/seededTensors.ts";
import { type Tensor } from "../../runtime/dtype.ts";
import { referenceOutputs } from "./reference.ts";

/** What a run of a model with open dimensions is given. */
export interface RunShape {
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  /** Inputs that hold one number everywhere. */
  readonly filled?: Readonly<Record<string, number>>;
  /** Of the random inputs; 1 if not said. */
  readonly seed?: number;
}

const recurrent = { r1i: [1, 1, 1, 1], r2i: [1, 1, 1, 1], r3i: [1, 1, 1, 1], r4i: [1, 1, 1, 1] };

/** By the name of the folder; every other model has all its dimensions. */
const runShapes: Readonly<Record<string, RunShape>> = {
  "tfjs-basic-pitch": { shapes: { input_2: [1, 43844, 1] } },
  // With seed 1 two boxes overlap by the limit of suppression, but for a rounding.
  "tfjs-handtrack": { shapes: { input_tensor: [1, 320, 320, 3] }, seed: 2 },
  "tfjs-rvm": {
    shapes: { src: [1, 192, 256, 3], downsample_ratio: [], ...recurrent },
    filled: { downsample_ratio: 0.5, r1i: 0, r2i: 0, r3i: 0, r4i: 0 },
  },
};

export interface NamedTensor {
  readonly name: string;
  readonly tensor: Tensor;
}

export interface GraphModelFolder {
  readonly model: Uint8Array<ArrayBuffer>;
  readonly external: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  readonly inputs: readonly NamedTensor[];
}

type SignaturePorts = Readonly<Record<string, { readonly name?: string }>>;

/** What is read here of a `model.json`. */
export interface ModelJson {
  readonly signature?: { readonly inputs?: SignaturePorts; readonly outputs?: SignaturePorts };
  readonly weightsManifest: readonly { readonly paths: readonly string[] }[];
}

/** Whether a folder holds a TF.js model. */
export function isGraphModelFolder(path: string): boolean {
  return existsSync(join(path, "model.json"));
}

export function readGraphModelFolder(path: string, name: string): GraphModelFolder {
  const model = new Uint8Array(readFileSync(join(path, "model.json")));
  const json = JSON.parse(new TextDecoder().decode(model)) as ModelJson;
  const external = new Map(
    json.weightsManifest
      .flatMap(({ paths }) => paths)
      .map((file) => [file, new Uint8Array(readFileSync(join(path, file)))] as const),
  );
  const { shapes = {}, filled = {}, seed = 1 } = runShapes[name] ?? {};
  const inputs = describe(model, { externalData: (file) => external.get(file) }).inputs.map((port) => {
    const shape = shapes[port.name] ?? port.shape;
    if (shape.some((dim) => typeof dim === "string"))
      throw new Error(`${name}: test/tfjs/folder.ts should say the shape of its input ${port.name}`);
    const tensor = seededTensor(port.name, port.dtype, shape as readonly number[], seed);
    const value = filled[port.name];
    if (value !== undefined) (tensor.data as Float32Array).fill(value);
    return { name: port.name, tensor };
  });
  return { model, external, inputs };
}

/** What TF.js computes, by the names of the signature. */
export async function tfjsOutputs({ model, external, inputs }: GraphModelFolder): Promise<NamedTensor[]> {
  const json = JSON.parse(new TextDecoder().decode(model)) as ModelJson & Record<string, unknown>;
  const weightBytes = new Uint8Array([...external.values()].reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const file of external.values()) {
    weightBytes.set(file, at);
    at += file.length;
  }
  const nodeOfInput = nodesByName(json.signature?.inputs);
  const given = Object.fromEntries(inputs.map(({ name, tensor }) => [nodeOfInput[name] ?? name, tensor]));
  const made = await referenceOutputs({ json, weightBytes }, given);
  const nameOfOutput = new Map(
    Object.entries(nodesByName(json.signature?.outputs)).map(([name, node]) => [node, name]),
  );
  return [...made].map(([node, tensor]) => ({ name: nameOfOutput.get(node) ?? node, tensor }));
}

/** The nodes that a signature names, without the number of their first output, by the names that it gives them. */
export function nodesByName(ports: SignaturePorts = {}): Record<string, string> {
  const bare = (name: string): string => name.replace(/:0$/, "");
  return Object.fromEntries(Object.entries(ports).map(([key, { name = key }]) => [bare(key), bare(name)]));
}
