/**
 * Lifetimes to places in buffers of a GPU. In: scheduled calls, and what scratch they want. Out: a buffer and an address for
 * every value. Invariant: what a run reads and does not write lies in buffers of its own, so that it can be bound for
 * reading only; everything else shares one arena and is bound for writing, since WebGPU allows a buffer one kind of use per
 * dispatch. A value with a halo keeps its place for good: its border is written once, at load (zeros are there from the
 * beginning).
 */
import { elementCount, type Tensor } from "../ir/dtype.ts";
import type { ValueId } from "../ir/graph.ts";
import { rootsOf, storageElements, type ProgramValue, type ScheduledCall } from "../ir/program.ts";
import { markBeside, planMemory, type MemoryBlock } from "../passes/memory.ts";
import { gpuElementBytes, isPackable } from "./gpuElements.ts";

/** Offsets of storage bindings are multiples of it on every device. */
const ALIGNMENT = 256;
/** WebGPU's default limit of a buffer's size: more buffers rather than larger ones, where values allow it. */
const USUAL_BUFFER = 256 * 2 ** 20;

export interface GpuPlace {
  readonly buffer: number;
  readonly address: number;
  /** A multiple of 16. */
  readonly bytes: number;
  /** Whether a run may write there. */
  readonly written: boolean;
}

export interface GpuPlaces {
  readonly buffers: readonly number[];
  /** The place of the memory that a value is in. */
  place(id: ValueId): GpuPlace;
  scratch(call: ScheduledCall, buffer: number): GpuPlace;
  /** Whether a value is a constant in its ordinary bytes. */
  isPacked(id: ValueId): boolean;
  /** Constants that are uploaded. */
  readonly constants: readonly ValueId[];
  readonly arenaBytes: number;
}

export interface PlacingInput {
  readonly values: ReadonlyMap<ValueId, ProgramValue>;
  readonly constants: ReadonlyMap<ValueId, Tensor>;
  readonly inputs: readonly ValueId[];
  readonly outputs: readonly ValueId[];
  readonly init: readonly ScheduledCall[];
  readonly run: readonly ScheduledCall[];
  /** Bytes of scratch of a call's buffer, 0 where it needs none. */
  readonly scratch: (call: ScheduledCall, buffer: number) => number;
  readonly reuse: boolean;
  /** Whether memory holds float16 as the device has it, two bytes an element: it is bound by itself. */
  readonly native?: (root: ValueId) => boolean;
}

/** Whether values of a program are read from their ordinary bytes: constants of narrow types. */
export function packedConstant(
  id: ValueId,
  values: ReadonlyMap<ValueId, ProgramValue>,
  constants: ReadonlyMap<ValueId, Tensor>,
): boolean {
  return constants.has(id) && isPackable(values.get(id)!.dtype);
}

export function placeOnGpu(given: PlacingInput): GpuPlaces {
  const { values, constants, init, run } = given;
  const { native = () => false } = given;
  const isPacked = (root: ValueId): boolean => native(root) || packedConstant(root, values, constants);
  const calls = [...init, ...run];
  const end = calls.length;
  const rootOf = rootsOf(values);
  const from = new Map<ValueId, number>();
  const to = new Map<ValueId, number>();
  const written = new Set<ValueId>();
  const see = (id: ValueId, step: number): void => {
    const root = rootOf(id);
    from.set(root, Math.min(from.get(root) ?? step, step));
    to.set(root, Math.max(to.get(root) ?? step, step));
  };
  calls.forEach((call, step) => {
    for (const id of call.inputs) if (id) see(id, step);
    for (const id of call.outputs) {
      if (!id) continue;
      see(id, step);
      if (step >= init.length) written.add(rootOf(id));
    }
  });
  for (const id of given.inputs) {
    see(id, init.length);
    written.add(rootOf(id));
  }
  for (const id of given.outputs) {
    see(id, end);
    written.add(rootOf(id));
  }
  for (const id of constants.keys()) if (from.has(rootOf(id))) see(id, -1);
  for (const call of init)
    for (const id of call.outputs)
      // What a run reads must still be there for the next run.
      if (id && to.get(rootOf(id))! >= init.length) to.set(rootOf(id), end);
  const bytes = new Map<ValueId, number>();
  for (const [id, value] of values) {
    const root = rootOf(id);
    if (!from.has(root)) continue;
    const each = gpuElementBytes(value.dtype, isPacked(root));
    bytes.set(root, Math.max(bytes.get(root) ?? 0, storageElements(value) * each));
    if (value.layout?.halo) {
      from.set(root, -1);
      to.set(root, end);
    }
  }
  const arena: MemoryBlock[] = [];
  const lasting: { id: ValueId; bytes: number }[] = [];
  for (const [id, size] of bytes) {
    const readInRun = to.get(id)! >= init.length;
    const fixed = !written.has(id) && readInRun;
    if (fixed) lasting.push({ id, bytes: size });
    else arena.push({ id, bytes: size, from: from.get(id)!, to: constants.has(id) ? Math.max(to.get(id)!, 0) : to.get(id)! }); // prettier-ignore
  }
  const mark = markBeside(values.keys());
  const scratchId = (step: number, buffer: number): string => `scratch:${step}:${buffer}${mark}`;
  const steps = new Map(calls.map((call, step) => [call, step]));
  calls.forEach((call, step) => {
    if (call.kind !== "kernel") return;
    call.kernel.buffers.forEach((_, i) => {
      const size = given.scratch(call, i);
      if (size > 0) arena.push({ id: scratchId(step, i), bytes: size, from: step, to: step });
      bytes.set(scratchId(step, i), size);
    });
  });
  const options = { alignment: ALIGNMENT, reserved: 0, slack: 0, reuse: given.reuse };
  const places = new Map<string, { buffer: number; address: number; written: boolean }>();
  const buffers: number[] = [];
  let arenaBytes = 0;
  // What is bound as floats of 16 bits is never bound together with anything else.
  for (const half of [false, true]) {
    const blocks = arena.filter(({ id }) => native(id) === half);
    if (blocks.length === 0) continue;
    const plan = planMemory(blocks, options);
    for (const [id, address] of plan.addresses)
      places.set(id, { buffer: buffers.length, address, written: true });
    buffers.push(Math.max(ALIGNMENT, plan.end));
    arenaBytes += plan.end;
  }
  // Constants as they are uploaded, and apart from them what is made of them: a packer reads one and writes the other.
  for (const [made, half] of [
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ]) {
    let filled = Infinity;
    for (const { id, bytes: size } of lasting) {
      if (constants.has(id) === made || native(id) !== half) continue;
      const room = Math.max(ALIGNMENT, Math.ceil(size / ALIGNMENT) * ALIGNMENT);
      if (filled + room > USUAL_BUFFER) {
        buffers.push(0);
        filled = 0;
      }
      places.set(id, { buffer: buffers.length - 1, address: filled, written: false });
      filled += room;
      buffers[buffers.length - 1] = filled;
    }
  }
  const find = (id: string): GpuPlace => {
    const found = places.get(id);
    if (!found) throw new RangeError(`no place for ${id}`);
    return { ...found, bytes: Math.max(16, Math.ceil(bytes.get(id)! / 16) * 16) };
  };
  return {
    buffers,
    place: (id) => find(rootOf(id)),
    scratch: (call, buffer) => find(scratchId(steps.get(call)!, buffer)),
    isPacked: (id) => isPacked(rootOf(id)),
    constants: [...constants.keys()].filter(
      (id) => places.has(id) && elementCount(values.get(id)!.shape) > 0,
    ),
    arenaBytes,
  };
}
