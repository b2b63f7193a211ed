/**
 * The door to what compiles for WebGPU, which pages that stay with WebAssembly never need: a chunk of its own. In:
 * nothing. Out: the stages of pipelineGpu.ts, once they have been loaded. Invariant: `MissingGpuBackend` is thrown
 * before anything was done that the second try would repeat with another result.
 */
import type * as PipelineGpu from "./pipelineGpu.ts";

export type GpuBackend = Pick<typeof PipelineGpu, "buildForGpu" | "packForGpu" | "readGpuPlan">;

/** Thrown where a program for WebGPU is asked for before its compiler was loaded: load it and begin again. */
export class MissingGpuBackend extends Error {
  override readonly name = "MissingGpuBackend";
}

let backend: GpuBackend | undefined;

/** @throws MissingGpuBackend */
export function gpuBackend(): GpuBackend {
  if (!backend) throw new MissingGpuBackend("the compiler for WebGPU has not been loaded");
  return backend;
}

export function addGpuBackend(loaded: GpuBackend): void {
  backend = loaded;
}

export async function loadGpuBackend(): Promise<void> {
  if (!backend) addGpuBackend(await import("./pipelineGpu.ts"));
}
