/**
 * The stages after layout for WebGPU, as pipeline.ts has them for WebAssembly. In: a Program with layouts. Out: the plan of
 * the GPU, the text of its modules, and what a report says. Invariant: what a GPU cannot compute exactly runs on the host,
 * inside the same program.
 */
import type { BoundPlan, GpuPlan, GpuSlot, GpuStep, GpuVariant, SectionContent } from "../runtime/format.ts";
import { gpuBytes, wideElement, WGSL_SECTION } from "../runtime/format/gpu.ts";
import {
  PipelineEmitter,
  prepareGpuNest,
  scratchBytes,
  type EmittedPipelines,
} from "./backend/wgsl/program.ts";
import { elementCount } from "./ir/dtype.ts";
import type { ValueId } from "./ir/graph.ts";
import { workOf } from "./ir/kernel.ts";
import type { Nest } from "./ir/nest.ts";
import type { Program, ScheduledCall, ScheduledProgram } from "./ir/program.ts";
import { ONE_PART } from "./ir/program.ts";
import { packedConstant, placeOnGpu } from "./lower/placeGpu.ts";
import type { WeightStore } from "./lower/weightStore.ts";
import type { GpuReport, KernelReport } from "./options.ts";
import { withoutFills } from "./passes/fills.ts";
import { gpuDevice, type GpuDevice } from "./tune/gpuDevice.ts";
import { gpuSchedules } from "./tune/gpuHeuristic.ts";
import { scheduleProgram, type ScheduleTarget } from "./tune/scheduleProgram.ts";

/** WebGPU's limits that every device has. */
const USUAL_LIMITS = {
  maxStorageBuffersPerShaderStage: 8,
  maxStorageBufferBindingSize: 128 * 2 ** 20,
  maxBufferSize: 256 * 2 ** 20,
} as const;

export interface GpuBuild {
  readonly plan: GpuPlan;
  readonly sections: readonly SectionContent[];
  /** What the host's module imports. */
  readonly libraries: BoundPlan["libraries"];
  readonly math: readonly string[];
  readonly scheduled: ScheduledProgram;
  readonly kernels: readonly KernelReport[];
  readonly report: GpuReport;
}

export interface GpuSettings {
  readonly device?: GpuDevice;
  readonly reuse: boolean;
  /** Where constants are put. */
  readonly weights: WeightStore;
}

/** Kernels of a program as they run on a GPU. */
export function scheduleForGpu(program: Program, device: GpuDevice): ScheduledProgram {
  const { program: filled, fills } = withoutFills(program);
  const rootOf = (id: ValueId): ValueId => program.values.get(id)?.storage ?? id;
  const target: ScheduleTarget = {
    choose: gpuSchedules(device),
    widens: (id) => id === undefined || !packedConstant(rootOf(id), program.values, program.constants),
    parts: () => ONE_PART,
  };
  const scheduled = scheduleProgram(filled, target);
  const borders = scheduleProgram({ ...program, calls: fills, outputs: [] }, target);
  return { ...scheduled, init: [...borders.init, ...scheduled.init] };
}

export function buildForGpu(program: Program, settings: GpuSettings): GpuBuild {
  const device = settings.device ?? gpuDevice("software");
  const scheduled = scheduleForGpu(program, device);
  const { values, init, run } = scheduled;
  const nests = new Map<ScheduledCall, Nest>();
  for (const call of [...init, ...run]) if (call.kind === "kernel") nests.set(call, prepareGpuNest(call));
  const places = placeOnGpu({
    values,
    constants: program.constants,
    inputs: program.inputs,
    outputs: program.outputs.map(({ id }) => id),
    init,
    run,
    scratch: (call, buffer) => {
      const nest = nests.get(call);
      return nest ? scratchBytes(nest, buffer) : 0;
    },
    reuse: settings.reuse,
  });
  const emitter = new PipelineEmitter(places, nests, USUAL_LIMITS.maxStorageBuffersPerShaderStage);
  const steps = (calls: readonly ScheduledCall[], numbered: boolean): GpuStep[] =>
    calls.flatMap((call, i) =>
      call.kind === "kernel" ? emitter.dispatches(call, numbered ? i : undefined) : [],
    );
  const emitted = emitter.result(steps(init, false), steps(run, true));
  const slot = (id: ValueId, name: string): GpuSlot => {
    const { dtype, shape } = values.get(id)!;
    const { buffer, address } = places.place(id);
    const form = wideElement(dtype) === undefined || places.isPacked(id) ? "packed" : "wide";
    return { name, buffer, address, bytes: gpuBytes(dtype, elementCount(shape), form), form };
  };
  const { modules, texts } = joinedTexts(emitted.modules);
  const buffers = places.buffers.map((bytes) => ({ bytes: Math.max(16, bytes) }));
  const variant: GpuVariant = {
    requires: { features: [], limits: limitsOf(emitted, buffers) },
    buffers,
    weights: places.constants.flatMap((id) => {
      const tensor = program.constants.get(id)!;
      const { buffer, address } = places.place(id);
      return [{ ...settings.weights.put(tensor), buffer, address }];
    }),
    modules,
    pipelines: emitted.pipelines,
    init: emitted.init,
    run: emitted.run,
    inputs: program.inputs.map((id) => slot(id, id)),
    outputs: program.outputs.map(({ id, name }) => slot(id, name)),
  };
  const report: GpuReport = {
    dispatches: emitted.run.filter(({ kind }) => kind === "dispatch").length,
    hostCalls: [],
    roundTrips: 0,
    pipelines: emitted.pipelines.length,
    wgslBytes: texts.length,
    arenaBytes: places.arenaBytes,
  };
  return {
    plan: { variants: [variant] },
    sections: [{ name: WGSL_SECTION, data: texts }],
    libraries: [],
    math: [],
    scheduled,
    kernels: emitted.kernels.map(({ call, bytes, calls }) => ({
      name: call.kernel.name,
      nodes: call.nodes,
      work: workOf(call.kernel),
      bytes,
      calls,
      schedule: JSON.stringify(call.schedule),
    })),
    report,
  };
}

/** Module texts one after the other, and where each lies. */
function joinedTexts(parts: readonly string[]): { modules: GpuVariant["modules"]; texts: Uint8Array } {
  const encoded = parts.map((text) => new TextEncoder().encode(text));
  let offset = 0;
  const modules = encoded.map(({ length }) => {
    const at = { offset, bytes: length };
    offset += length;
    return at;
  });
  const texts = new Uint8Array(offset);
  encoded.forEach((bytes, i) => texts.set(bytes, modules[i]!.offset));
  return { modules, texts };
}

function limitsOf(
  emitted: EmittedPipelines,
  buffers: readonly { readonly bytes: number }[],
): Record<string, number> {
  const needed = {
    maxStorageBuffersPerShaderStage: emitted.mostBindings,
    maxStorageBufferBindingSize: emitted.largestRange,
    maxBufferSize: Math.max(0, ...buffers.map(({ bytes }) => bytes)),
  };
  const limits: Record<string, number> = {};
  for (const name of Object.keys(USUAL_LIMITS) as (keyof typeof USUAL_LIMITS)[])
    if (needed[name] > USUAL_LIMITS[name]) limits[name] = needed[name];
  return limits;
}
