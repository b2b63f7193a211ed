/**
 * The compiler all at once: every operator is there from the start, so everything happens in the call. In and out as
 * with `index.ts`. Invariant: the same results, byte for byte; the command line, tests and tools use this entry,
 * pages use the other one.
 */
import type { Stage } from "../runtime/binder.ts";
import { compileOpened, openStage, type CompileResult } from "./compile.ts";
import { graphModelFrontend } from "./frontend/graphModel.ts";
import { gpuBackend } from "./gpuBackend.ts";
import { buildForGpu, packForGpu, readGpuPlan } from "./pipelineGpu.ts";
import { graphModels } from "./frontend/tfjs/index.ts";
import { inspect as inspectLoaded } from "./inspect.ts";
import { interpret as interpretLoaded } from "./interpret.ts";
import { openModel } from "./openModel.ts";
import { addAllGroups } from "./ops/rare/all.ts";
import type { CompileOptions } from "./options.ts";
import { StageClock } from "./pipeline.ts";
import { addAllVanishing } from "./passes/bind/allVanishing.ts";
import { rangeBinder } from "./rangeBinder.ts";
import { bindRange } from "./ranged.ts";

export {
  CompileError,
  formatDiagnostic,
  InternalError,
  type Diagnostic,
  type DiagnosticCode,
} from "./diagnostic.ts";
export { readTensor } from "./frontend/onnx/tensor.ts";
export { inspectStages, passNames, type CompileOptions, type CompileReport, type InspectStage, type KernelReport, type PassName, type PortDescription, type VariantName } from "./options.ts"; // prettier-ignore
export { traceFilter, type TraceSink } from "./trace.ts";
export { VERSION as version } from "./version.ts";
export { describe, openDimensions, type CompileResult, type ModelDescription } from "./compile.ts";

addAllGroups();
addAllVanishing();
graphModelFrontend.add(graphModels);
gpuBackend.add({ buildForGpu, packForGpu, readGpuPlan });
rangeBinder.add({ bindRange });

/** As `compile` of `index.ts`, in the call. */
export function compile(model: Uint8Array, options: CompileOptions = {}): CompileResult {
  const clock = new StageClock(options);
  return compileOpened(openModel(model, options, clock), options, clock);
}

/** As `openSource` of `index.ts`; its stages bind in the call. */
export function openSource(bytes: Uint8Array, options: CompileOptions = {}): Stage {
  return openStage(bytes, options, (_, bind) => bind());
}

/** As `inspect` of `index.ts`, in the call. */
export const inspect = inspectLoaded;

/** As `interpret` of `index.ts`, in the call. */
export const interpret = interpretLoaded;
