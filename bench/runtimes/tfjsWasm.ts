/**
 * TensorFlow.js with its WebAssembly backend (XNNPACK), as the packages are published. In: a model that has the same
 * network in a TF.js GraphModel folder beside it (`tfjs-NAME...`), or an image network that can be written with its
 * operators. Out: the GraphModel's files, or the steps with their weights. Invariant: what cannot be had either way is
 * refused with the reason.
 */
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { sizeOf } from "../bundleSize.ts";
import { type BenchModel } from "../models.ts";
import {
  tfjsFolder,
  TFJS_SCRIPT,
  TFJS_WEBGPU_SCRIPT,
  type TfjsInterface,
  type TfjsOptions,
} from "../page/tfjsWasm.ts";
import { type Content } from "../server.ts";
import { storeTensors } from "../storedTensors.ts";
import { isGraphModelFolder, nodesByName, type ModelJson } from "../../test/tfjs/folder.ts";
import { imageProgram } from "../tfjs/imageProgram.ts";
import { packageFolder, packageVersion, peerBundle } from "./peerBundle.ts";
import { type BenchRuntime, type Download } from "./runtime.ts";

const PACKAGE = "@tensorflow/tfjs-backend-wasm";
const wasmFolder = join(packageFolder(PACKAGE), "dist");
const wasmFiles = readdirSync(wasmFolder).filter((name) => name.endsWith(".wasm"));

export async function tfjsWasm(): Promise<BenchRuntime> {
  const script = await peerBundle("tfjs");
  return {
    version: packageVersion(PACKAGE),
    description: "TensorFlow.js, WebAssembly backend",
    files: (threads) =>
      new Map<string, Content>([
        [tfjsFolder(threads) + TFJS_SCRIPT, script],
        ...wasmFiles.map((name) => [tfjsFolder(threads) + name, join(wasmFolder, name)] as const),
      ]),
    async prepare(model, { threads, serve }) {
      const { options, downloads, note } = graphModel(model, serve) ?? handBuilt(model, serve);
      const wasm = `tfjs-backend-wasm-${threads > 1 ? "threaded-" : ""}simd.wasm`;
      return {
        create: { ...options },
        downloads: [
          { name: TFJS_SCRIPT, size: sizeOf(script) },
          { name: wasm, size: sizeOf(readFileSync(join(wasmFolder, wasm))) },
          ...downloads,
        ],
        notes: { form: note },
      };
    },
  };
}

/** The same networks on its WebGPU backend. */
export async function tfjsWebgpu(): Promise<BenchRuntime> {
  const script = await peerBundle("tfjsWebgpu");
  return {
    version: packageVersion("@tensorflow/tfjs-backend-webgpu"),
    description: "TensorFlow.js, WebGPU backend",
    mostThreads: 1,
    files: (threads) => new Map<string, Content>([[tfjsFolder(threads) + TFJS_WEBGPU_SCRIPT, script]]),
    async prepare(model, { serve }) {
      const { options, downloads, note } = graphModel(model, serve) ?? handBuilt(model, serve);
      return {
        create: { ...options },
        downloads: [{ name: TFJS_WEBGPU_SCRIPT, size: sizeOf(script) }, ...downloads],
        notes: { form: note },
      };
    },
  };
}

/** Loops, branches, and operators whose results have no shape until they are computed. */
const DYNAMIC = /"op": ?"(Stateless)?(While|If|Switch|Merge|Enter|Exit|NonMaxSuppressionV[2345]|Where)"/;

interface Form {
  readonly options: TfjsOptions;
  readonly downloads: readonly Download[];
  readonly note: string;
}

type Serve = (name: string, content: Content) => string;

function graphModel({ folder }: BenchModel, serve: Serve): Form | undefined {
  if (folder === undefined) return undefined;
  if (isGraphModelFolder(folder)) return formOf(folder, serve, interfaceOf(folder));
  const prefix = `tfjs-${basename(folder)}`;
  const name = readdirSync(dirname(folder)).find(
    (entry) => entry === prefix || entry.startsWith(`${prefix}-`),
  );
  if (name === undefined) return undefined;
  return formOf(join(dirname(folder), name), serve);
}

/** What the nodes of inputs and outputs are called, by their names in the signature. */
function interfaceOf(home: string): TfjsInterface {
  const { signature = {} } = JSON.parse(readFileSync(join(home, "model.json"), "utf8")) as ModelJson;
  return { inputs: nodesByName(signature.inputs), outputs: nodesByName(signature.outputs) };
}

function formOf(home: string, serve: Serve, named?: TfjsInterface): Form {
  const bytes = readFileSync(join(home, "model.json"));
  const { weightsManifest } = JSON.parse(bytes.toString("utf8")) as ModelJson;
  const shards = weightsManifest
    .flatMap(({ paths }) => paths)
    .map((path) => ({ path, bytes: readFileSync(join(home, path)) }));
  return {
    options: {
      kind: "graphModel",
      model: serve("model.json", bytes),
      // The other way of running complains when it is used without need.
      dynamic: DYNAMIC.test(bytes.toString("utf8")),
      weights: shards.map(({ bytes: content }) => serve("weights.onnx", content)),
      ...(named ? { named } : {}),
    },
    downloads: [
      { name: "model.json", size: sizeOf(bytes) },
      ...shards.map(({ path, bytes: content }) => ({ name: path, size: sizeOf(content) })),
    ],
    note: `GraphModel ${basename(home)}`,
  };
}

function handBuilt(model: BenchModel, serve: Serve): Form {
  const { weights, ...program } = imageProgram(model.bytes, (location) => model.external.get(location));
  const named = [...weights].map(([name, tensor]) => ({ name, tensor }));
  const { tensors, bytes } = storeTensors({ inputs: named, outputs: [], exact: [] });
  return {
    options: { kind: "program", program, weights: { url: serve("weights.bin", bytes), ...tensors } },
    downloads: [{ name: "weights.bin", size: sizeOf(bytes) }],
    note: "built by hand with its operators",
  };
}
