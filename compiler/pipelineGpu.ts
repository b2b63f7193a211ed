/**
 * The stages after layout for WebGPU, as pipeline.ts has them for WebAssembly. In: a Program with layouts. Out: the plan of
 * the GPU, the text of its modules, and what a report says. Invariant: what a GPU cannot compute exactly runs on the host,
 * inside the same program.
 */
import type {
  BoundPlan,
  GpuHost,
  GpuPlan,
  GpuSlot,
  GpuStep,
  GpuTransfer,
  GpuVariant,
  SectionContent,
} from "../runtime/format.ts";
import { gpuBytes, wideElement, WGSL_SECTION } from "../runtime/format/gpu.ts";
import type { CallReport } from "../runtime/format/profile.ts";
import { gpuCallReports } from "./profileReport.ts";
import {
  PipelineEmitter,
  prepareGpuNest,
  scratchBytes,
  type EmittedPipelines,
} from "./backend/wgsl/program.ts";
import { ModuleTexts } from "./backend/wgsl/texts.ts";
import { emitProgram } from "./backend/wasm/program.ts";
import { InternalError } from "./diagnostic.ts";
import { bytesPerElement, elementCount } from "./ir/dtype.ts";
import type { ValueId } from "./ir/graph.ts";
import { workOf } from "./ir/kernel.ts";
import type { Nest } from "./ir/nest.ts";
import { ONE_PART, rootsOf, storageElements, type Call, type Places, type Program, type ScheduledCall, type ScheduledProgram } from "./ir/program.ts"; // prettier-ignore
import { crossings } from "./lower/crossings.ts";
import { placeProgram } from "./lower/place.ts";
import { packedConstant, placeOnGpu, type GpuPlaces } from "./lower/placeGpu.ts";
import type { WeightStore } from "./lower/weightStore.ts";
import type { GpuFloats, GpuReport, KernelReport } from "./options.ts";
import { inHalves } from "./passes/halves.ts";
import { withoutFills } from "./passes/fills.ts";
import { packDots } from "./passes/packed/dots.ts";
import { joinPixels } from "./passes/pixelTiles.ts";
import { joinShort, joinSiblings } from "./passes/sequence.ts";
import { chooseSides, type Side, type Sides } from "./passes/sides.ts";
import { gpuDevice, type GpuDevice, type GpuKind } from "./tune/gpuDevice.ts";
import { gpuSchedules } from "./tune/gpuHeuristic.ts";
import { scheduleProgram, WEBASSEMBLY, type ScheduleTarget } from "./tune/scheduleProgram.ts";

/** WebGPU's limits that every device has. */
const USUAL_LIMITS = {
  maxStorageBuffersPerShaderStage: 8,
  maxStorageBufferBindingSize: 128 * 2 ** 20,
  maxBufferSize: 256 * 2 ** 20,
} as const;

// Comes along with what a page loads for GPUs only, so that the core of the compiler stays small.
export { readGpuPlan } from "../runtime/format/gpu.ts";

export interface GpuBuild {
  readonly plan: GpuPlan;
  readonly sections: readonly SectionContent[];
  /** What the host's module imports. */
  readonly libraries: BoundPlan["libraries"];
  readonly math: readonly string[];
  readonly scheduled: ScheduledProgram;
  readonly places: GpuPlaces;
  readonly kernels: readonly KernelReport[];
  readonly report: GpuReport;
  /** What a profile needs to know of each call of the GPU. */
  readonly calls: () => readonly CallReport[];
}

/** What a variant is, before the text of all variants is known. */
interface VariantBuild extends Omit<GpuBuild, "plan" | "report"> {
  readonly variant: GpuVariant;
  readonly report: Omit<GpuReport, "wgslBytes">;
}

export interface GpuSettings {
  /** What schedules are made for; default: a software adapter, whose tiles suit small GPUs as well. */
  readonly device?: GpuKind | undefined;
  readonly reuse: boolean;
  readonly floats?: GpuFloats | undefined;
  /** Where constants are put. */
  readonly weights: WeightStore;
}

/** Kernels of a program as they run on a GPU. */
function scheduleForGpu(
  program: Program,
  device: GpuDevice,
  native: (root: ValueId) => boolean = () => false,
): ScheduledProgram {
  const { program: filled, fills } = withoutFills(program);
  const rootOf = rootsOf(program.values);
  const target: ScheduleTarget = {
    choose: gpuSchedules(device),
    widens: (id) => id === undefined || !packedConstant(rootOf(id), program.values, program.constants),
    native: (id) => id !== undefined && native(rootOf(id)),
    parts: () => ONE_PART,
  };
  const scheduled = scheduleProgram(filled, target);
  const borders = scheduleProgram({ ...program, calls: fills, outputs: [] }, target);
  return { ...scheduled, init: [...borders.init, ...scheduled.init] };
}

/**
 * Before layout: sums of products of bytes as a device multiplies them. `software` adapters and what is too small keep
 * numbers of 32 bits.
 *
 * @param hit told the nodes of each contraction that is changed
 */
export function packForGpu(program: Program, kind: GpuKind, hit: (nodes: string) => void): Program {
  const { packedDots } = gpuDevice(kind);
  return packedDots ? packDots(program, packedDots, hit) : program;
}

export function buildForGpu(given: Program, settings: GpuSettings): GpuBuild {
  const program = settings.floats === "float16" ? inHalves(given) : given;
  const device = gpuDevice(settings.device ?? "software");
  const sides = joined(chooseSides(program), program, device);
  const halves = sides.reasons.size === 0 ? nativeHalves(program) : undefined;
  const texts = new ModuleTexts();
  const first = halves && buildVariant(program, sides, device, settings, halves, texts);
  const { variant, ...build } = buildVariant(program, sides, device, settings, () => false, texts);
  const section = { name: WGSL_SECTION, data: texts.bytes() };
  return {
    ...build,
    // The first variant that a device can run is taken.
    plan: { variants: [...(first ? [needingHalves(first.variant)] : []), variant] },
    sections: [...build.sections, section],
    report: { ...build.report, wgslBytes: section.data.length },
  };
}

/** Which memory a device with floats of 16 bits holds in these; undefined where there is none. */
function nativeHalves({ values, inputs, outputs }: Program): ((root: ValueId) => boolean) | undefined {
  const rootOf = rootsOf(values);
  const kept = new Set([...inputs, ...outputs.map(({ id }) => id)].map(rootOf));
  // What a schedule adds, panels of weights, is known by what it is made of.
  const isHalf = (id: ValueId): boolean =>
    (values.get(id) ?? values.get(id.split("/panels")[0]!))?.dtype === "float16";
  for (const id of values.keys()) if (!isHalf(rootOf(id)) || !isHalf(id)) kept.add(rootOf(id));
  const native = (root: ValueId): boolean => isHalf(root) && !kept.has(root);
  return [...values.keys()].some((id) => native(rootOf(id))) ? native : undefined;
}

/** The same for devices that have floats of 16 bits. */
function needingHalves(variant: GpuVariant): GpuVariant {
  return { ...variant, requires: { ...variant.requires, features: ["shader-f16"] } };
}

function buildVariant(
  program: Program,
  sides: Sides,
  device: GpuDevice,
  settings: GpuSettings,
  native: (root: ValueId) => boolean,
  texts: ModuleTexts,
): VariantBuild {
  const rootOf = rootsOf(program.values);
  const scheduled = scheduleForGpu({ ...program, calls: callsOf(sides.batches, "gpu") }, device, native);
  const host = sides.reasons.size > 0 ? scheduleHost(program, sides) : undefined;
  const rootsMade = (calls: readonly ScheduledCall[]): ValueId[] =>
    calls.flatMap(({ outputs }) => outputs.filter((id) => id !== "").map(rootOf));
  const constants = [...program.constants.keys()].map(rootOf);
  const { steps, hostInputs, onHost } = crossings({
    batches: inBatches(sides, scheduled.run, host?.run ?? []),
    inputs: program.inputs,
    rootOf,
    fixed: {
      gpu: new Set([...constants, ...rootsMade(scheduled.init)]),
      host: new Set([...constants, ...rootsMade(host?.init ?? [])]),
    },
  });
  const uploads = steps.flatMap((step) => (step.kind === "host" ? step.writes : []));
  const downloads = steps.flatMap((step) => (step.kind === "host" ? step.reads : []));
  const isOnHost = (id: ValueId): boolean =>
    host !== undefined && onHost.has(rootOf(id)) && !program.constants.has(id);

  // The GPU.
  const { values, init, run } = scheduled;
  const nests = new Map<ScheduledCall, Nest>();
  for (const call of [...init, ...run]) if (call.kind === "kernel") nests.set(call, prepareGpuNest(call));
  const places = placeOnGpu({
    values,
    constants: program.constants,
    inputs: [...program.inputs.filter((id) => !hostInputs.has(id)), ...uploads],
    outputs: [...program.outputs.map(({ id }) => id).filter((id) => !isOnHost(id)), ...downloads],
    init,
    run,
    scratch: (call, buffer) => {
      const nest = nests.get(call);
      return nest ? scratchBytes(nest, buffer) : 0;
    },
    reuse: settings.reuse,
    native,
  });
  const emitter = new PipelineEmitter(places, nests, USUAL_LIMITS.maxStorageBuffersPerShaderStage);
  const numbers = new Map(run.map((call, i) => [call, i]));
  const dispatches = (calls: readonly ScheduledCall[]): GpuStep[] =>
    calls.flatMap((call) => (call.kind === "kernel" ? emitter.dispatches(call, numbers.get(call)) : []));

  // The host.
  const segments = steps.flatMap((step) => (step.kind === "host" ? [step.calls] : []));
  const hosted = host && emitHost(host, segments, hostInputs, settings);
  let segment = 0;
  const transfer = (id: ValueId): GpuTransfer => {
    const value = program.values.get(id)!;
    const { buffer, address } = places.place(id);
    const form = wideElement(value.dtype) === undefined ? "packed" : "wide";
    const elements = storageElements(value);
    const bytes = gpuBytes(value.dtype, elements, form);
    return {
      gpu: { buffer, address, bytes },
      address: hosted!.places.address(id),
      form,
      dtype: value.dtype,
      elements,
    };
  };
  const runSteps = steps.flatMap(
    (step): GpuStep[] =>
    step.kind === "gpu"
      ? dispatches(step.calls)
      : [{ kind: "host", segment: `segment.${segment++}`, reads: step.reads.map(transfer), writes: step.writes.map(transfer) }], // prettier-ignore
  );
  const initSteps: GpuStep[] = host?.init.length
    ? [{ kind: "host", segment: "segment.init", reads: [], writes: [] }]
    : [];
  const emitted = emitter.result([...initSteps, ...dispatches(init)], runSteps);

  const slot = (id: ValueId, name: string, isHost: boolean): GpuSlot => {
    const { dtype, shape, dynamicDim } = program.values.get(id)!;
    const elements = elementCount(shape);
    if (isHost && hosted) {
      const size = hosted.places.sizeOf(id);
      return {
        name,
        buffer: -1,
        address: hosted.places.address(id),
        bytes: elements * bytesPerElement(dtype),
        form: "packed",
        ...(size === undefined || dynamicDim === undefined
          ? {}
          : { size: { buffer: -1, address: size, bytes: 4 } }),
      };
    }
    const { buffer, address } = places.place(id);
    const form = wideElement(dtype) === undefined || places.isPacked(id) ? "packed" : "wide";
    return { name, buffer, address, bytes: gpuBytes(dtype, elements, form), form };
  };
  const modules = emitted.modules.map((module) => texts.module(module));
  const buffers = places.buffers.map((bytes) => ({ bytes: Math.max(16, bytes) }));
  const variant: GpuVariant = {
    requires: { features: [], limits: limitsOf(emitted, buffers) },
    buffers,
    weights: places.constants.map((id) => {
      const { buffer, address } = places.place(id);
      return { ...settings.weights.put(program.constants.get(id)!), buffer, address };
    }),
    modules,
    pipelines: emitted.pipelines,
    init: emitted.init,
    run: emitted.run,
    inputs: program.inputs.map((id) => slot(id, id, hostInputs.has(id))),
    outputs: program.outputs.map(({ id, name }) => slot(id, name, isOnHost(id))),
    ...(hosted ? { host: hosted.host } : {}),
  };
  const report: VariantBuild["report"] = {
    dispatches: emitted.run.filter(({ kind }) => kind === "dispatch").length,
    hostCalls: [...sides.reasons].map(([{ nodes }, why]) => ({ nodes, why })),
    roundTrips: steps.filter((step) => step.kind === "host" && step.reads.length > 0).length,
    pipelines: emitted.pipelines.length,
    arenaBytes: places.arenaBytes,
  };
  return {
    variant,
    sections: hosted?.sections ?? [],
    libraries: hosted?.libraries ?? [],
    math: hosted?.math ?? [],
    scheduled,
    places,
    kernels: emitted.kernels.map(({ call, bytes, calls }) => ({
      name: call.kernel.name,
      nodes: call.nodes,
      work: workOf(call.kernel),
      bytes,
      calls,
      schedule: JSON.stringify(call.schedule),
    })),
    report,
    calls: () =>
      gpuCallReports(
        run.filter((call) => call.kind === "kernel"),
        (call) => emitted.kernels[emitted.kernelOf.get(call) ?? -1] ?? { bytes: 0, calls: 1 },
      ),
  };
}

/** The same, with calls of the GPU joined that one dispatch can run. */
function joined(sides: Sides, { values, constants, outputs }: Program, device: GpuDevice): Sides {
  const { sequence, pixels } = device;
  const known = new Set(constants.keys());
  const keptBy = (batch: Sides["batches"][number]): Set<ValueId> => {
    const others = sides.batches.flatMap((other) => (other === batch ? [] : other.calls));
    return new Set([...outputs.map(({ id }) => id), ...others.flatMap(({ inputs }) => inputs)]);
  };
  const batches = sides.batches.map((batch) => {
    if (batch.side !== "gpu") return batch;
    const before = new Set(known);
    const siblings = joinSiblings(batch.calls, values, known);
    const tiled = pixels ? joinPixels(siblings, values, keptBy(batch), { least: pixels[0], most: pixels[1], sequence }) : siblings; // prettier-ignore
    const calls = joinShort(tiled, values, before, sequence);
    return { ...batch, calls };
  });
  return { ...sides, batches };
}

function callsOf(batches: Sides["batches"], side: Side): Call[] {
  return batches.flatMap((batch) => (batch.side === side ? batch.calls : []));
}

/** The calls of the host, on one thread: what they compute is little beside passing it to and fro. */
function scheduleHost(program: Program, { batches, both }: Sides): ScheduledProgram {
  const calls = [...program.calls.filter((call) => both.has(call)), ...callsOf(batches, "host")];
  const made = new Set(calls.flatMap(({ outputs }) => outputs));
  const inputs = new Set(calls.flatMap((call) => call.inputs).filter((id) => id !== "" && !made.has(id) && !program.constants.has(id))); // prettier-ignore
  const names = new Map(program.outputs.map(({ id, name }) => [id, name]));
  // Whatever the host makes may be asked for, and keeps its place to the end.
  const outputs = callsOf(batches, "host").flatMap((call) => call.outputs.filter((id) => id !== ""));
  return scheduleProgram(
    {
      ...program,
      calls,
      inputs: [...inputs],
      outputs: [...new Set(outputs)].map((id) => ({ id, name: names.get(id) ?? id })),
    },
    { ...WEBASSEMBLY, parts: () => ONE_PART },
  );
}

/** Scheduled calls by the batches that their calls are in; what packs an operand stands before the call. */
function inBatches(
  { batches }: Sides,
  gpu: readonly ScheduledCall[],
  host: readonly ScheduledCall[],
): { side: Side; calls: ScheduledCall[] }[] {
  const result = batches.map(({ side }) => ({ side, calls: [] as ScheduledCall[] }));
  for (const [side, run] of [
    ["gpu", gpu],
    ["host", host],
  ] as const) {
    const batchOf = new Map<ValueId, number[]>();
    batches.forEach((batch, i) => {
      if (batch.side !== side) return;
      for (const call of batch.calls)
        for (const id of call.outputs) if (id) batchOf.set(id, [...(batchOf.get(id) ?? []), i]);
    });
    let waiting: ScheduledCall[] = [];
    let at = batches.findIndex((batch) => batch.side === side);
    for (const call of run) {
      waiting.push(call);
      const candidates = call.outputs.flatMap((id) => batchOf.get(id) ?? []);
      if (candidates.length === 0) continue;
      // A value that several calls make: these stand in the order of their batches.
      at = Math.min(...candidates.filter((i) => i >= at));
      if (!Number.isFinite(at)) throw new InternalError(`no batch for ${call.nodes.join("+")}`);
      result[at]!.calls.push(...waiting);
      waiting = [];
    }
  }
  return result;
}

interface Hosted {
  readonly host: GpuHost;
  readonly places: Places;
  readonly sections: readonly SectionContent[];
  readonly libraries: BoundPlan["libraries"];
  readonly math: readonly string[];
}

const HOST_SECTION = "host";
const PAGE = 65536;

function emitHost(
  host: ScheduledProgram,
  segments: readonly (readonly ScheduledCall[])[],
  inputs: ReadonlySet<ValueId>,
  settings: GpuSettings,
): Hosted {
  const known = new Set(host.program.inputs);
  const program = { ...host.program, inputs: [...known, ...[...inputs].filter((id) => !known.has(id))] };
  const placed = placeProgram({ ...host, program }, settings.reuse, settings.weights);
  const pages = Math.ceil(placed.bytes / PAGE);
  const module = emitProgram(host.init, host.run, placed.places, {
    relaxed: false,
    pages,
    nests: new Map(),
    segments,
  });
  const libraries = module.libraries.map(({ name, export: exported }) => ({
    name,
    export: exported,
    section: `lib.${name}`,
  }));
  return {
    host: {
      section: HOST_SECTION,
      requires: ["simd"],
      memoryBytes: pages * PAGE,
      weights: placed.weights.ranges,
    },
    places: placed.places,
    sections: [
      { name: HOST_SECTION, data: module.bytes },
      ...module.libraries.map((library) => ({ name: `lib.${library.name}`, data: library.moduleBytes() })),
    ],
    libraries,
    math: module.math,
  };
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
