/**
 * Lifetimes to addresses, for weights, panels, activations and scratch alike. In: a scheduled program. Out: the
 * address of everything, and the ranges of the weights section. Invariant: what a run reads and does not write
 * (weights, panels) is never overwritten; everything else is reused as soon as its last reader has run. One memory
 * serves loading and running: raw weights that were packed at load give their place to activations.
 */
import { bytesPerElement, elementCount, type NumericData, type Tensor } from "../ir/dtype.ts";
import type { Buffer } from "../ir/kernel.ts";
import type { ValueId } from "../ir/graph.ts";
import {
  rootsOf,
  storageElements,
  type Places,
  type ScheduledCall,
  type ScheduledProgram,
} from "../ir/program.ts";
import { markBeside, planMemory, RESERVED, type MemoryBlock } from "../passes/memory.ts";
import { controlOf } from "./control.ts";
import { type ArrivalStep, openingOf, stepsOfArrival } from "./arrival.ts";
import { togetherness, type Together } from "./together.ts";
import { WeightStore } from "./weightStore.ts";

export interface PlacedProgram {
  readonly places: Places;
  readonly bytes: number;
  readonly arenaBytes: number;
  /** The least that any plan takes: the most bytes that are alive at one step. */
  readonly boundBytes: number;
  /** What was placed, in the order of addresses, with the steps of its life (-1: before the first). */
  readonly blocks: readonly PlacedBlock[];
  /** How `init`, and then a first run, may go on while weights arrive. */
  readonly preparation: readonly ArrivalStep[];
  readonly opening: readonly ArrivalStep[];
  /** Which calls of a run may run at the same time. */
  readonly together: Together;
  readonly weights: {
    readonly parts: readonly Uint8Array[];
    readonly ranges: readonly { readonly offset: number; readonly bytes: number; readonly address: number }[];
  };
}

export interface PlacedBlock extends MemoryBlock {
  readonly address: number;
  /** Whether it is as it was when the program had been loaded, whatever is run. */
  readonly lasts: boolean;
}

/** Bytes of one copy of a temp: whole cache lines, and room for vector loads that overrun. */
function strideOf({ shape, dtype }: Buffer): number {
  return Math.ceil((elementCount(shape) * bytesPerElement(dtype) + 16) / 64) * 64;
}

/** What of a memory is taken before a program is placed. */
export interface Taken {
  /** Bytes from its start. */
  readonly base: number;
  /** Where values of the program lie there, which nobody writes to. */
  readonly known: ReadonlyMap<ValueId, number>;
}

const NOTHING_TAKEN: Taken = { base: 0, known: new Map() };

/** Stage 7. `reuse`: off only to debug. */
export function placeProgram(
  scheduled: ScheduledProgram,
  reuse: boolean,
  weights = new WeightStore(),
  { base, known }: Taken = NOTHING_TAKEN,
): PlacedProgram {
  const { program, values, init, run } = scheduled;
  const calls: readonly ScheduledCall[] = [...init, ...run];
  const end = calls.length;
  const firstRun = init.length;
  const rootOf = rootsOf(values);
  const mark = markBeside(values.keys());
  const from = new Map<ValueId, number>();
  const to = new Map<ValueId, number>();
  const data = new Map<Tensor, string>();
  const see = (id: ValueId, step: number): void => {
    const root = rootOf(id);
    if (!from.has(root)) from.set(root, step);
    to.set(root, Math.max(to.get(root) ?? step, step));
  };
  const fixed = new Set<ValueId>(program.constants.keys());
  calls.forEach((call, step) => {
    for (const id of call.outputs) {
      if (!id) continue;
      see(id, step);
      if (step < firstRun) fixed.add(rootOf(id));
    }
    for (const id of call.inputs) if (id) see(id, step);
    for (const { value } of call.when ?? []) see(value, step);
    if (call.kind === "kernel" && call.ends) see(call.ends.parameter, step);
    if (call.kind === "library") {
      for (const a of call.library.arguments)
        if (a.kind === "data" && !data.has(a.tensor)) data.set(a.tensor, `data:${data.size}${mark}`);
    }
  });
  for (const id of program.inputs) {
    see(id, firstRun);
    from.set(rootOf(id), firstRun);
  }
  for (const { id } of program.outputs) {
    see(id, end);
  }
  const firstUse = new Map(from);
  for (const id of fixed) {
    const root = rootOf(id);
    if (program.constants.has(id)) from.set(root, -1);
    // What a run reads must still be there for the next run.
    if ((to.get(root) ?? -1) >= firstRun) to.set(root, end);
  }
  const blocks: MemoryBlock[] = [];
  const bytesOf = new Map<ValueId, number>();
  for (const [id, value] of values) {
    const root = rootOf(id);
    // A constant that nobody reads any more has no lifetime.
    if (!from.has(root) || !to.has(root) || known.has(root)) continue;
    const bytes = storageElements(value) * bytesPerElement(value.dtype);
    bytesOf.set(root, Math.max(bytesOf.get(root) ?? 0, bytes));
  }
  for (const [root, bytes] of bytesOf)
    blocks.push({ id: root, bytes, from: from.get(root)!, to: to.get(root)! });
  const scratchId = (step: number, buffer: number): string => `scratch:${step}:${buffer}${mark}`;
  const steps = new Map<ScheduledCall, number>();
  calls.forEach((call, step) => {
    steps.set(call, step);
    if (call.kind === "library") {
      if (call.library.scratchBytes)
        blocks.push({ id: scratchId(step, -1), bytes: call.library.scratchBytes, from: step, to: step });
      return;
    }
    call.kernel.buffers.forEach((buffer, i) => {
      if (buffer.role !== "temp") return;
      blocks.push({
        id: scratchId(step, i),
        bytes: call.parts.threads * strideOf(buffer),
        from: step,
        to: step,
      });
    });
  });
  const control = controlOf(run).bytes;
  const controlId = `control${mark}`;
  if (control > 0) blocks.push({ id: controlId, bytes: control, from: -1, to: end });
  for (const [tensor, id] of data) {
    blocks.push({ id, bytes: (tensor.data as NumericData).byteLength, from: -1, to: end });
  }
  const sizes = new Map<ValueId, string>();
  for (const { id } of program.outputs) {
    const value = values.get(id);
    if (value?.dynamicDim === undefined) continue;
    // Outputs of one call share the size that it returns.
    const call = calls.find((c) => c.outputs.includes(value.sizeOf ?? id))!;
    const cell = `size:${steps.get(call)}${mark}`;
    if (![...sizes.values()].includes(cell)) blocks.push({ id: cell, bytes: 4, from: firstRun, to: end });
    sizes.set(id, cell);
    for (const other of call.outputs) if (other) sizes.set(other, cell);
  }
  const plan = planMemory(blocks, { reuse, reserved: Math.max(RESERVED, base) });
  const placeOf = (id: string): number | undefined => known.get(id) ?? plan.addresses.get(id);
  const address = (id: string): number => {
    const found = placeOf(id);
    if (found === undefined) throw new RangeError(`no place for ${id}`);
    return found;
  };
  const ranges: { offset: number; bytes: number; address: number }[] = [];
  const reach = new Map<ValueId, number>();
  const store = (tensor: Tensor, id: string): void => {
    const range = weights.put(tensor);
    if (range.bytes > 0) ranges.push({ ...range, address: address(id) });
    reach.set(id, range.offset + range.bytes);
  };
  // In the order in which they are needed, so that what prepares them can begin before all have arrived.
  const stored = [...program.constants].filter(
    ([id]) => from.has(id) && (to.get(id) ?? -1) >= 0 && !known.has(id),
  );
  stored.sort(([a], [b]) => firstUse.get(a)! - firstUse.get(b)!);
  for (const [id, tensor] of stored) store(tensor, id);
  for (const [tensor, id] of data) store(tensor, id);
  const reachOf = (id: ValueId): number | undefined => reach.get(rootOf(id));
  const blockOf = (id: ValueId): { root: ValueId; address: number; bytes: number } | undefined => {
    const root = rootOf(id);
    const found = placeOf(root);
    return found === undefined ? undefined : { root, address: found, bytes: bytesOf.get(root) ?? 0 };
  };
  const constantBytes = blocks
    .filter((b) => b.to === end && b.from < firstRun)
    .reduce((sum, b) => sum + b.bytes, 0);
  return {
    places: {
      address: (id) => address(rootOf(id)),
      scratch: (call, buffer) => plan.addresses.get(scratchId(steps.get(call)!, buffer)) ?? 0,
      scratchStride: (call, buffer) => (call.parts.threads > 1 ? strideOf(call.kernel.buffers[buffer]!) : 0),
      control: plan.addresses.get(controlId) ?? 0,
      data: (tensor) => address(data.get(tensor)!),
      sizeOf: (id) => {
        const cell = sizes.get(id);
        return cell === undefined ? undefined : address(cell);
      },
    },
    bytes: plan.end,
    arenaBytes: Math.max(0, plan.end - constantBytes),
    boundBytes: plan.bound,
    blocks: blocks
      .map((block) => ({
        ...block,
        address: address(block.id),
        lasts: block.from < firstRun && block.to === end && fixed.has(block.id),
      }))
      .toSorted((a, b) => a.address - b.address || a.from - b.from),
    preparation: stepsOfArrival(init, reachOf),
    opening: openingOf(run, reachOf),
    together: togetherness(values, blockOf, (call) =>
      call.kernel.buffers.flatMap((buffer, i) => {
        if (buffer.role !== "temp") return [];
        const root = scratchId(steps.get(call)!, i);
        return [{ root, address: address(root), bytes: call.parts.threads * strideOf(buffer) }];
      }),
    ),
    weights: { parts: weights.parts, ranges },
  };
}
