/**
 * Which calls of a run may run at the same time. In: calls, and where everything that they touch lies. Out: whether
 * two of them are independent of one another. Invariant: a "yes" is proven: neither stores to a byte that the other one
 * loads or stores. Memory that is used again for something else counts as what it is, the same memory.
 */
import { visit } from "../ir/walk.ts";
import { range } from "../ir/range.ts";
import type { ValueId } from "../ir/graph.ts";
import { assignments } from "../ir/kernel.ts";
import { mayOverlap, type ProgramValue, type ScheduledCall, type ScheduledKernel } from "../ir/program.ts";

/** A stretch of memory; parts of one array have the same `root`. */
export interface Block {
  readonly root: ValueId;
  readonly address: number;
  readonly bytes: number;
}

export type Together = (a: ScheduledCall, b: ScheduledCall) => boolean;

interface Touched {
  readonly loads: readonly Access[];
  readonly stores: readonly Access[];
}
interface Access extends Block {
  /** Left out for scratch. */
  readonly id?: ValueId;
}

/** @param blockOf the memory of a value @param scratchOf that of a call's temps, all threads' copies */
export function togetherness(
  values: ReadonlyMap<ValueId, ProgramValue>,
  blockOf: (id: ValueId) => Block | undefined,
  scratchOf: (call: ScheduledKernel) => readonly Block[],
): Together {
  const known = new Map<ScheduledKernel, Touched>();
  const touchedBy = (call: ScheduledKernel): Touched => {
    let touched = known.get(call);
    if (!touched) {
      const at = (id: ValueId): Access[] => {
        const block = blockOf(id);
        return block ? [{ ...block, id }] : [];
      };
      const read = call.ends ? [...call.inputs, call.ends.parameter] : call.inputs;
      touched = { loads: read.flatMap(at), stores: [...call.outputs.flatMap(at), ...scratchOf(call)] };
      known.set(call, touched);
    }
    return touched;
  };
  const apart = (a: ScheduledKernel, stored: Access, b: ScheduledKernel, other: Access): boolean => {
    if (stored.address >= other.address + other.bytes || other.address >= stored.address + stored.bytes)
      return true;
    if (stored.root !== other.root || stored.id === undefined || other.id === undefined) return false;
    if (stored.id === other.id) return storeApart(a, b, stored.id);
    const [x, y] = [values.get(stored.id)!, values.get(other.id)!];
    // A border lies outside of the elements that are compared.
    return !x.layout?.halo && !y.layout?.halo && !mayOverlap(x, y);
  };
  return (a, b) => {
    if (a.kind !== "kernel" || b.kind !== "kernel" || a.when || b.when) return false;
    const [x, y] = [touchedBy(a), touchedBy(b)];
    return (
      x.stores.every((s) => [...y.stores, ...y.loads].every((other) => apart(a, s, b, other))) &&
      y.stores.every((s) => x.loads.every((other) => apart(b, s, a, other)))
    );
  };
}

/** Whether two kernels only store to a value, and to other elements of it: the border of an array and what is inside. */
function storeApart(a: ScheduledKernel, b: ScheduledKernel, id: ValueId): boolean {
  const [x, y] = [a, b].map((call) => storedRanges(call, id)) as [Ranges | undefined, Ranges | undefined];
  return (
    x !== undefined &&
    y !== undefined &&
    x.every((p) => y.every((q) => p.some(([low, high], d) => high < q[d]![0] || q[d]![1] < low)))
  );
}

type Ranges = readonly (readonly (readonly [number, number])[])[];

/** Inclusive bounds, per dimension, of what each assignment stores to a value; undefined where it is loaded, too. */
function storedRanges({ kernel, inputs, outputs }: ScheduledKernel, id: ValueId): Ranges | undefined {
  if (inputs.includes(id)) return undefined;
  const buffer = inputs.length + outputs.indexOf(id);
  const all = assignments(kernel);
  let loaded = false;
  for (const { assign } of all)
    for (const e of [assign.value, ...(assign.reduce ? [assign.reduce.body] : []), ...assign.index])
      visit(e, (x) => {
        if (x.kind === "load" && x.buffer === buffer) loaded = true;
      });
  if (loaded) return undefined;
  return all.filter(({ assign }) => assign.out === buffer).map(({ assign }) => assign.index.map(range));
}
