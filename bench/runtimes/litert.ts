/**
 * LiteRT.js (XNNPACK in WebAssembly, with relaxed SIMD), as the package is published. In: a model with the same
 * network as `peer*.tflite` in its folder. Out: that file, and the package's script and `.wasm` as downloads.
 * Invariant: nothing is converted here; a model without such a file is one that this runtime cannot load.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { sizeOf } from "../bundleSize.ts";
import { litertFolder, LITERT_SCRIPT, type LitertOptions } from "../page/litert.ts";
import { packageFolder, packageVersion, peerBundle } from "./peerBundle.ts";
import { type BenchRuntime } from "./runtime.ts";
import { type Content } from "../server.ts";

const PACKAGE = "@litertjs/core";
const wasmFolder = join(packageFolder(PACKAGE), "wasm");
/** The best first: float32, float16 weights (computed in float32). */
const FILES = [/^peer\.tflite$/, /^peer-f(32|16)\.tflite$/];
const QUANTIZED_FILES = [/^peer-int8\.tflite$/, /^peer\.tflite$/];

export async function litert(): Promise<BenchRuntime> {
  const script = await peerBundle("litert");
  return {
    version: packageVersion(PACKAGE),
    description: "LiteRT.js, WebAssembly backend",
    files: (threads) =>
      new Map<string, Content>([
        [litertFolder(threads) + LITERT_SCRIPT, script],
        ...readdirSync(wasmFolder).map(
          (name) => [litertFolder(threads) + name, join(wasmFolder, name)] as const,
        ),
      ]),
    async prepare(model, { threads, serve }) {
      const file = peerFile(model.folder, model.quantized);
      if (file === undefined) throw new Error("there is no peer*.tflite beside the model");
      const bytes = readFileSync(file);
      const create: LitertOptions = { model: serve("peer.tflite", bytes) };
      const stem = threads > 1 ? "litert_wasm_threaded_internal" : "litert_wasm_internal";
      const loaded = [".js", ".wasm"].map((ending) => stem + ending);
      return {
        create: { ...create },
        roundedWeights: file.endsWith("-f16.tflite"),
        downloads: [
          { name: LITERT_SCRIPT, size: sizeOf(script) },
          ...loaded.map((name) => ({ name, size: sizeOf(readFileSync(join(wasmFolder, name))) })),
          { name: "peer.tflite", size: sizeOf(bytes) },
        ],
        notes: { file: file.slice(file.lastIndexOf("/") + 1) },
      };
    },
  };
}

function peerFile(folder: string | undefined, quantized: boolean): string | undefined {
  if (folder === undefined) return undefined;
  const names = readdirSync(folder);
  for (const pattern of quantized ? QUANTIZED_FILES : FILES) {
    const name = names.find((candidate) => pattern.test(candidate));
    if (name !== undefined) return join(folder, name);
  }
  return undefined;
}
