/**
 * The door to what compiles for WebGPU, which pages that stay with WebAssembly never need. In: nothing. Out: the stages
 * of pipelineGpu.ts. Invariant: as of door.ts.
 */
import { Door } from "./door.ts";
import type * as PipelineGpu from "./pipelineGpu.ts";

export type GpuBackend = Pick<typeof PipelineGpu, "buildForGpu" | "packForGpu" | "readGpuPlan">;

export const gpuBackend = new Door<GpuBackend>("the compiler for WebGPU", () => import("./pipelineGpu.ts"));
