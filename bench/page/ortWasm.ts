/**
 * onnxruntime-web's WebAssembly and WebGPU backends in the measuring page. In: the URLs of the model and of the package's files.
 * Out: sessions with all graph optimisations, in the page's own thread. Invariant: the package's script is loaded
 * as it is published, from its own URL, so that it finds its `.wasm` beside itself and is not bundled with ours.
 */
import type * as Ort from "onnxruntime-web/wasm";
import { type DType, type NumericData, type Tensor } from "../../runtime/dtype.ts";
import { type Tensors } from "../agreement.ts";
import { type PageRuntime, type PageSession } from "./runtime.ts";

/** Made by bench/runtimes/ortWasm.ts. */
export interface OrtOptions {
  readonly model: string;
  readonly external: readonly { readonly path: string; readonly data: string }[];
}

/** Where the driver serves the package's `dist` folder: once per thread count, as the module keeps that for good. */
export const ortFolder = (threads: number): string => `/onnxruntime-web-${threads}/`;
export const ORT_SCRIPT = "ort.wasm.bundle.min.mjs";
export const ORT_WEBGPU_SCRIPT = "ort.webgpu.bundle.min.mjs";

/** What computes. */
export type OrtProvider = "wasm" | "webgpu";

export async function startOrt(threads: number, provider: OrtProvider = "wasm"): Promise<PageRuntime> {
  const script = provider === "wasm" ? ORT_SCRIPT : ORT_WEBGPU_SCRIPT;
  const ort = (await import(new URL(ortFolder(threads) + script, location.href).href)) as typeof Ort;
  return {
    create: (options) => createSession(ort, options as unknown as OrtOptions, threads, provider),
  };
}

async function createSession(
  ort: typeof Ort,
  options: OrtOptions,
  threads: number,
  provider: OrtProvider,
): Promise<PageSession> {
  const { wasm } = ort.env;
  wasm.numThreads = threads;
  wasm.simd = true;
  wasm.proxy = false;
  ort.env.logLevel = "error";
  const session = await ort.InferenceSession.create(options.model, {
    executionProviders: [provider],
    graphOptimizationLevel: "all",
    ...(options.external.length > 0 ? { externalData: options.external } : {}),
  });
  let feeds: Record<string, Ort.Tensor> = {};
  return {
    prepare(inputs) {
      feeds = Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, toOrt(ort, tensor)]));
    },
    run: () => session.run(feeds),
    read: (result) => readOutputs(result as Ort.InferenceSession.ReturnType),
    dispose: () => session.release(),
    notes: provider === "wasm" ? { threads: String(wasm.numThreads) } : {},
  };
}

function toOrt(ort: typeof Ort, { dtype, shape, data }: Tensor): Ort.Tensor {
  // The types of Ort.Tensor's constructor list each dtype by itself; the pairs here come from TensorProto files.
  const type = dtype as "float32";
  return new ort.Tensor(type, data as Float32Array, shape);
}

function readOutputs(result: Ort.InferenceSession.ReturnType): Tensors {
  return Object.fromEntries(
    Object.entries(result).map(([name, { type, dims, data }]): [string, Tensor] => {
      if (Array.isArray(data)) return [name, { dtype: "string", shape: dims, data }];
      const numbers = data as NumericData;
      const isHalf = type === "float16" && !(numbers instanceof Uint16Array);
      const elements = isHalf ? new Uint16Array(numbers.buffer, numbers.byteOffset, numbers.length) : numbers;
      return [name, { dtype: type as DType, shape: dims, data: elements }];
    }),
  );
}
