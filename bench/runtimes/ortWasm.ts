/**
 * onnxruntime-web's WebAssembly backend, as the package is published. In: a model. Out: the model's own files, and
 * the package's script and `.wasm` as downloads. Invariant: nothing is converted: the `.onnx` is what the page gets.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { looksLikeJson } from "../../compiler/frontend/graphModel.ts";
import { sizeOf } from "../bundleSize.ts";
import { ortFolder, ORT_SCRIPT, type OrtOptions } from "../page/ortWasm.ts";
import { type BenchRuntime, type Download } from "./runtime.ts";

const folder = dirname(fileURLToPath(import.meta.resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm")));
/** What a page that uses `onnxruntime-web/wasm` downloads besides the model. */
const DOWNLOADED = [ORT_SCRIPT, "ort-wasm-simd-threaded.wasm"];

let packageDownloads: readonly Download[] | undefined;

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
    packageDownloads ??= DOWNLOADED.map((name) => ({ name, size: sizeOf(readFileSync(join(folder, name))) }));
    const external = [...model.external].map(([path, bytes]) => ({ path, data: serve(path, bytes) }));
    const create: OrtOptions = { model: serve("model.onnx", model.bytes), external };
    const modelFiles = [["model.onnx", model.bytes] as const, ...model.external];
    return {
      create: { ...create },
      downloads: [...packageDownloads, ...modelFiles.map(([name, bytes]) => ({ name, size: sizeOf(bytes) }))],
      notes: {},
    };
  },
};
