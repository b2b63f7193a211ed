/**
 * The runtimes that the benchmark knows, by the names that `--runtimes` takes. Invariant: every name here is in the
 * page's table too (bench/page/runtimes.ts); a runtime's file is imported only when it is asked for.
 */
import { type BenchRuntime } from "./runtime.ts";

export const runtimes: Readonly<Record<string, () => Promise<BenchRuntime>>> = {
  tilewright: async () => (await import("./tilewright.ts")).tilewright(),
  "tilewright-simd": async () => (await import("./tilewright.ts")).tilewright("simd"),
  "ort-wasm": async () => (await import("./ortWasm.ts")).ortWasm,
  litert: async () => (await import("./litert.ts")).litert(),
  "tfjs-wasm": async () => (await import("./tfjsWasm.ts")).tfjsWasm(),
  "jax-js": async () => (await import("./jaxJs.ts")).jaxJs(),
};

/** What the others are compared with and what ratios are relative to. */
export const REFERENCE = "ort-wasm";
