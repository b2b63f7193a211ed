/**
 * The runtimes that the benchmark knows, by the names that `--runtimes` takes. Invariant: every name here is in the
 * page's table too (bench/page/runtimes.ts); a runtime's file is imported only when it is asked for.
 */
import { type GpuKind } from "../../compiler/options.ts";
import { type BenchRuntime } from "./runtime.ts";

export const runtimes: Readonly<Record<string, (gpu?: GpuKind) => Promise<BenchRuntime>>> = {
  tilewright: async () => (await import("./tilewright.ts")).tilewright(),
  "tilewright-simd": async () => (await import("./tilewright.ts")).tilewright({ variant: "simd" }),
  "tilewright-each-size": async () => (await import("./tilewright.ts")).tilewright({ ranges: false }),
  "ort-wasm": async () => (await import("./ortWasm.ts")).ortWasm,
  litert: async () => (await import("./litert.ts")).litert(),
  "tfjs-wasm": async () => (await import("./tfjsWasm.ts")).tfjsWasm(),
  "tilewright-webgpu": async (gpu) => (await import("./tilewright.ts")).tilewright({ device: "webgpu", gpu }),
  "ort-webgpu": async () => (await import("./ortWasm.ts")).ortWebgpu,
  "tfjs-webgpu": async () => (await import("./tfjsWasm.ts")).tfjsWebgpu(),
  "jax-js": async () => (await import("./jaxJs.ts")).jaxJs(),
};

/** What the others are compared with and what ratios are relative to. */
export const REFERENCE = "ort-wasm";

/** Whether a runtime computes on the GPU. */
export function isGpu(name: string): boolean {
  return name.endsWith("-webgpu");
}

/** What ratios of runtimes on the GPU are relative to: onnxruntime-web there, else TF.js; undefined without either. */
export function gpuBaseOf(names: readonly string[]): string | undefined {
  return ["ort-webgpu", "tfjs-webgpu"].find((name) => names.includes(name));
}

/** What ratios of these runtimes are relative to, where all are on the GPU as well. */
export function baseOf(names: readonly string[]): string {
  return (names.every(isGpu) ? gpuBaseOf(names) : undefined) ?? REFERENCE;
}
