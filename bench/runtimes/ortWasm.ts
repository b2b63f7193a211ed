/**
 * onnxruntime-web's WebAssembly backend, as the package is published. In: a model. Out: the model's own files, and
 * the package's script and `.wasm` as downloads. Invariant: nothing is converted: the `.onnx` is what the page gets.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { looksLikeJson } from "../../compiler/frontend/graphModel.ts";
import { sizeOf } from "../bundleSize.ts";
import {
  ORT_SCRIPT,
  ORT_WEBGPU_SCRIPT,
  ortFolder,
  type OrtOptions,
  type OrtProvider,
} from "../page/ortWasm.ts";
import { type BenchRuntime, type Download } from "./runtime.ts";

const folder = dirname(fileURLToPath(import.meta.resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm")));
/** What a page that uses `onnxruntime-web/wasm` downloads besides the model. */
const DOWNLOADED: Readonly<Record<OrtProvider, readonly string[]>> = {
  wasm: [ORT_SCRIPT, "ort-wasm-simd-threaded.wasm"],
  webgpu: [ORT_WEBGPU_SCRIPT, "ort-wasm-simd-threaded.asyncify.wasm"],
};

const packageDownloads = new Map<OrtProvider, readonly Download[]>();

function downloadsOf(provider: OrtProvider): readonly Download[] {
  const known = packageDownloads.get(provider);
  if (known !== undefined) return known;
  const made = DOWNLOADED[provider].map((name) => ({ name, size: sizeOf(readFileSync(join(folder, name))) }));
  packageDownloads.set(provider, made);
  return made;
}

export const ortWasm: BenchRuntime = {
  version: (JSON.parse(readFileSync(join(folder, "../package.json"), "utf8")) as { version: string }).version,
  description: "onnxruntime-web, WebAssembly backend, all graph optimisations",
  files: (threads) =>
    new Map(
      readdirSync(folder)
        .filter((name) => /\.(mjs|wasm)$/.test(name))
        .map((name) => [ortFolder(threads) + name, join(folder, name)]),
    ),
  async prepare(model, { serve }) {
    if (looksLikeJson(model.bytes)) throw new Error("it reads ONNX models, and this is a TF.js model");
    const external = [...model.external].map(([path, bytes]) => ({ path, data: serve(path, bytes) }));
    const create: OrtOptions = { model: serve("model.onnx", model.bytes), external };
    const modelFiles = [["model.onnx", model.bytes] as const, ...model.external];
    return {
      create: { ...create },
      downloads: [
        ...downloadsOf("wasm"),
        ...modelFiles.map(([name, bytes]) => ({ name, size: sizeOf(bytes) })),
      ],
      notes: {},
    };
  },
};

/** The same package with its WebGPU backend. */
export const ortWebgpu: BenchRuntime = {
  ...ortWasm,
  description: "onnxruntime-web, WebGPU backend, all graph optimisations",
  mostThreads: 1,
  async prepare(model, options) {
    const prepared = await ortWasm.prepare(model, options);
    const ofModel = prepared.downloads.slice(downloadsOf("wasm").length);
    return { ...prepared, downloads: [...downloadsOf("webgpu"), ...ofModel] };
  },
};
