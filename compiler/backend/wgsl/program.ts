/**
 * A whole program for WebGPU. In: scheduled calls and the place of every value. Out: WGSL modules, pipelines, and the
 * dispatches of loading and of a run, in order. Invariant: equal kernels are one pipeline, whatever values they are called
 * on: what a call needs beyond its kernel is a list of ranges. No dispatch binds a buffer for reading and for writing, or
 * two overlapping ranges for writing.
 */
import type { GpuPipeline, GpuRange, GpuStep } from "../../../runtime/format.ts";
import { InternalError } from "../../diagnostic.ts";
import { bytesPerElement } from "../../ir/dtype.ts";
import { mapAssigns, mapComputed, type Kernel } from "../../ir/kernel.ts";
import type { Nest } from "../../ir/nest.ts";
import type { ScheduledCall, ScheduledKernel } from "../../ir/program.ts";
import { printSchedule } from "../../ir/text/schedule.ts";
import { apply } from "../../lower/apply.ts";
import { gpuElementBytes } from "../../lower/gpuElements.ts";
import { lowerMath } from "../../lower/math.ts";
import { lowerMathFully, roundPlainly } from "../../lower/mathFully.ts";
import type { GpuPlace, GpuPlaces } from "../../lower/placeGpu.ts";
import { keyOf } from "../kernelKey.ts";
import { emitNest, type EmittedNest } from "./emit.ts";
import type { Binding, Operand } from "./memory.ts";
import { scratchOf } from "./scratch.ts";

export interface EmittedPipelines {
  /** Texts of modules. */
  readonly modules: readonly ModuleText[];
  readonly pipelines: readonly GpuPipeline[];
  readonly init: readonly GpuStep[];
  readonly run: readonly GpuStep[];
  /** Each distinct kernel, by the call that made it first. */
  readonly kernels: readonly { readonly call: ScheduledKernel; readonly bytes: number; readonly calls: number }[]; // prettier-ignore
  /** The place of a call's kernel among `kernels`. */
  readonly kernelOf: ReadonlyMap<ScheduledCall, number>;
  /** Most storage bindings of a dispatch, and the largest range. */
  readonly mostBindings: number;
  readonly largestRange: number;
}

/** A module, and what it is for devices with more features. */
export interface ModuleText {
  readonly text: string;
  readonly better: readonly { readonly features: readonly string[]; readonly text: string }[];
}

/** The nest of a call, with all mathematics in primitive operations. */
export function prepareGpuNest(call: ScheduledKernel): Nest {
  const first = new Map();
  const second = new Map();
  const third = new Map();
  const lowered: Kernel = {
    ...call.kernel,
    body: mapAssigns(call.kernel.body, (assign) =>
      mapComputed(assign, (e) => roundPlainly(lowerMath(lowerMathFully(e, first), second, true), third)),
    ),
  };
  return apply(lowered, call.schedule);
}

/** Bytes of scratch in memory that a buffer of a call needs. */
export function scratchBytes(nest: Nest, buffer: number): number {
  const scratch = scratchOf(nest)[buffer];
  if (scratch?.kind !== "memory") return 0;
  const { dtype, shape } = nest.buffers[buffer]!;
  const elements = scratch.copies > 1 ? scratch.stride * scratch.copies : shape.reduce((a, b) => a * b, 1);
  return Math.max(4, elements * gpuElementBytes(dtype, false));
}

/** How a call's buffers are bound. */
interface Bound {
  readonly operands: readonly Operand[];
  readonly bindings: readonly Binding[];
  readonly ranges: readonly GpuRange[];
  /** By buffer: a number for the memory that it lies in. */
  readonly memory: readonly number[];
}

interface Slot {
  readonly buffer: number;
  address: number;
  end: number;
  write: boolean;
}

export class PipelineEmitter {
  private readonly places: GpuPlaces;
  private readonly nests: ReadonlyMap<ScheduledCall, Nest>;
  private readonly mostBindings: number;
  private readonly known = new Map<string, number>();
  private readonly emitted: { call: ScheduledKernel; nest: EmittedNest; first: number; calls: number }[] = [];
  private readonly pipelines: GpuPipeline[] = [];
  private readonly kernelOf = new Map<ScheduledCall, number>();
  private most = 0;
  private largest = 0;

  constructor(places: GpuPlaces, nests: ReadonlyMap<ScheduledCall, Nest>, mostBindings: number) {
    this.places = places;
    this.nests = nests;
    this.mostBindings = mostBindings;
  }

  /** The dispatches of a call; `number` is its place in the report. */
  dispatches(call: ScheduledKernel, number: number | undefined): GpuStep[] {
    const nest = this.nests.get(call)!;
    if (nest.body.length === 0) return [];
    const bound = this.bind(call, nest);
    const key = `${keyOf(call)} ${JSON.stringify([bound.operands, bound.bindings, bound.memory])}`;
    let at = this.known.get(key);
    if (at === undefined) {
      at = this.emitted.length;
      this.known.set(key, at);
      const text = emitNest(nest, bound.operands, bound.bindings, bound.memory);
      this.emitted.push({ call, nest: text, first: this.pipelines.length, calls: 0 });
      const schedule = printSchedule(call.schedule);
      for (const { name } of text.entries) {
        const bindings = bound.bindings.map(({ mode }) => mode);
        this.pipelines.push({ module: at, entry: name, bindings, name: call.kernel.name, ...(schedule ? { schedule } : {}) }); // prettier-ignore
      }
    }
    const entry = this.emitted[at]!;
    entry.calls++;
    this.kernelOf.set(call, at);
    return entry.nest.entries.map(({ groups }, i) => ({
      kind: "dispatch",
      pipeline: entry.first + i,
      bindings: bound.ranges,
      groups,
      ...(number === undefined ? {} : { call: number }),
    }));
  }

  result(init: readonly GpuStep[], run: readonly GpuStep[]): EmittedPipelines {
    return {
      modules: this.emitted.map(({ nest: { text, better } }) => ({ text, better })),
      pipelines: this.pipelines,
      init,
      run,
      kernels: this.emitted.map(({ call, nest, calls }) => ({
        call,
        bytes: nest.text.length,
        calls,
      })),
      kernelOf: this.kernelOf,
      mostBindings: this.most,
      largestRange: this.largest,
    };
  }

  private bind(call: ScheduledKernel, nest: Nest): Bound {
    const ids = [...call.inputs, ...call.outputs];
    const scratch = scratchOf(nest);
    const placeOf = (i: number): GpuPlace | undefined =>
      i < ids.length ? this.places.place(ids[i]!) : scratch[i]!.kind === "memory" ? this.places.scratch(call, i) : undefined; // prettier-ignore
    let slots: Slot[] = [];
    const slotOf: (Slot | undefined)[] = [];
    const memory = nest.buffers.map((_, i) => i);
    nest.buffers.forEach((buffer, i) => {
      const place = placeOf(i);
      if (!place) return;
      memory[i] = memory.findIndex((_, j) => {
        const other = placeOf(j);
        return other?.buffer === place.buffer && other.address === place.address;
      });
      const write = place.written || buffer.role !== "in";
      let slot = slots.find((s) => s.buffer === place.buffer && s.address === place.address);
      if (!slot) {
        slot = { buffer: place.buffer, address: place.address, end: place.address + place.bytes, write };
        slots.push(slot);
      }
      slot.end = Math.max(slot.end, place.address + place.bytes);
      slot.write ||= write;
      slotOf[i] = slot;
    });
    for (const slot of slots) slot.write = slots.some((s) => s.buffer === slot.buffer && s.write);
    while (slots.length > this.mostBindings) slots = joined(slots, slotOf);
    const bindings = slots.map(({ write, address, end }): Binding => ({ mode: write ? "write" : "read", bytes: end - address })); // prettier-ignore
    const operands = nest.buffers.map((buffer, i): Operand => {
      const slot = slotOf[i];
      const own = scratch[i];
      if (!slot) return { kind: own!.kind === "workgroup" ? "workgroup" : "private" };
      const binding = slots.indexOf(slot);
      const packed = i < ids.length && this.places.isPacked(ids[i]!);
      const bytes = placeOf(i)!.address - slot.address;
      const offset = bytes / (packed ? bytesPerElement(buffer.dtype) : gpuElementBytes(buffer.dtype, false));
      if (own?.kind === "memory") return { kind: "scratch", binding, offset, stride: own.stride };
      return { kind: "bound", binding, offset, packed };
    });
    this.most = Math.max(this.most, slots.length);
    for (const { bytes } of bindings) this.largest = Math.max(this.largest, bytes);
    const ranges = slots.map(({ buffer, address, end }): GpuRange => ({
      buffer,
      address,
      bytes: end - address,
    }));
    return { operands, bindings, ranges, memory };
  }
}

/** Two neighbouring ranges of one buffer as one, those with the least between them. */
function joined(slots: readonly Slot[], slotOf: (Slot | undefined)[]): Slot[] {
  const sorted = slots.toSorted((a, b) => a.buffer - b.buffer || a.address - b.address);
  let best: readonly [Slot, Slot] | undefined;
  sorted.forEach((slot, i) => {
    const next = sorted[i + 1];
    if (next?.buffer !== slot.buffer) return;
    if (!best || next.address - slot.end < best[1].address - best[0].end) best = [slot, next];
  });
  if (!best) throw new InternalError(`a kernel reads ${slots.length} buffers`);
  const [first, second] = best;
  first.end = Math.max(first.end, second.end);
  slotOf.forEach((slot, i) => {
    if (slot === second) slotOf[i] = first;
  });
  return slots.filter((slot) => slot !== second);
}
