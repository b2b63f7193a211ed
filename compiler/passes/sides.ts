/**
 * Which calls of a program run on a GPU, and which on the host beside it. In: a Program with layouts. Out: batches of
 * calls, alternating between the two. Invariant: every call reads what calls before it have made, as in the program's own
 * order; what a GPU cannot compute exactly is on the host, with the reason.
 *
 * Passing values between the two takes longer than most kernels, so calls are taken in an order that changes sides as
 * rarely as their dependences allow, and what is little work between calls on the host stays there.
 */
import type { DType } from "../ir/dtype.ts";
import type { Expr } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import { assignments, workOf } from "../ir/kernel.ts";
import { rootsOf, type Call, type Program } from "../ir/program.ts";
import { some } from "../ir/walk.ts";

export type Side = "gpu" | "host";

export interface Batch {
  readonly side: Side;
  readonly calls: readonly Call[];
}

export interface Sides {
  readonly batches: readonly Batch[];
  /** Calls on the host and why; also those that compute constants for it. */
  readonly reasons: ReadonlyMap<Call, string>;
  /** Constant calls of the GPU that the host computes too, for itself. */
  readonly both: ReadonlySet<Call>;
}

/** So little work that a round trip is dearer on any device. */
const LITTLE_WORK = 1 << 14;

export function chooseSides(program: Program): Sides {
  const reasons = new Map<Call, string>();
  for (const call of program.calls) {
    const why = whyHost(call);
    if (why !== undefined) reasons.set(call, why);
  }
  if (reasons.size > 0) keepLittleWork(program, reasons);
  return { batches: inOrder(program, reasons), reasons, both: constantsFor(program, reasons) };
}

/** Why a call cannot run on a GPU. */
function whyHost(call: Call): string | undefined {
  if (call.kind === "library") return `library kernel ${call.library.kernel.name}`;
  const has = (dtype: DType): boolean => call.kernel.buffers.some((b) => b.dtype === dtype);
  if (has("float64")) return "float64";
  if (has("string")) return "strings";
  const isDouble = (e: Expr): boolean => e.type === "f64" || (e.kind === "cast" && e.to === "float64");
  const doubles = assignments(call.kernel).some(({ assign }) =>
    [assign.value, ...assign.index, ...(assign.reduce ? [assign.reduce.body] : [])].some((e) =>
      some(e, isDouble),
    ),
  );
  return doubles ? "double precision" : undefined;
}

/** Adds small kernels all of whose values come from the host and go there. */
function keepLittleWork(program: Program, reasons: Map<Call, string>): void {
  const outputs = new Set(program.outputs.map(({ id }) => id));
  const makers = new Map<ValueId, Call[]>();
  const readers = new Map<ValueId, Call[]>();
  const rootOf = rootsOf(program.values);
  const add = (map: Map<ValueId, Call[]>, id: ValueId, call: Call): unknown =>
    map.get(rootOf(id))?.push(call) ?? map.set(rootOf(id), [call]);
  for (const call of program.calls) {
    for (const id of call.inputs) if (id) add(readers, id, call);
    for (const id of call.outputs) if (id) add(makers, id, call);
  }
  const constants = constantCalls(program);
  for (let changed = true; changed;) {
    changed = false;
    for (const call of program.calls) {
      if (
        reasons.has(call) ||
        constants.has(call) ||
        call.kind !== "kernel" ||
        workOf(call.kernel) > LITTLE_WORK
      )
        continue;
      const fromHost = call.inputs.every((id) =>
        (makers.get(rootOf(id)) ?? []).every((maker) => reasons.has(maker) || constants.has(maker)),
      );
      const toHost = call.outputs.every((id) =>
        (readers.get(rootOf(id)) ?? []).every((reader) => reasons.has(reader)),
      );
      const last = call.outputs.every((id) => outputs.has(id));
      const anyHost = call.inputs.some((id) =>
        (makers.get(rootOf(id)) ?? []).some((maker) => reasons.has(maker)),
      );
      if (!fromHost || !toHost || (!anyHost && last)) continue;
      reasons.set(call, "little work between calls on the host");
      changed = true;
    }
  }
}

/** Calls that depend on constants only. */
function constantCalls(program: Program): Set<Call> {
  const fixed = new Set(program.constants.keys());
  const found = new Set<Call>();
  for (const call of program.calls) {
    if (!call.inputs.every((id) => id === "" || fixed.has(id))) continue;
    found.add(call);
    for (const id of call.outputs) fixed.add(id);
  }
  return found;
}

/** Calls of the GPU that the host needs the results of, where these depend on constants only. */
function constantsFor(program: Program, reasons: ReadonlyMap<Call, string>): Set<Call> {
  const constants = constantCalls(program);
  const rootOf = rootsOf(program.values);
  const wanted = new Set<ValueId>();
  const found = new Set<Call>();
  for (const call of program.calls.toReversed()) {
    const needed = reasons.has(call) || call.outputs.some((id) => wanted.has(rootOf(id)));
    if (!needed) continue;
    if (!reasons.has(call)) {
      if (!constants.has(call)) continue;
      found.add(call);
    }
    for (const id of call.inputs) if (id) wanted.add(rootOf(id));
  }
  return found;
}

/** All calls of one side that are ready, then those of the other, and so on. */
function inOrder(program: Program, reasons: ReadonlyMap<Call, string>): Batch[] {
  const rootOf = rootsOf(program.values);
  const waits = new Map<Call, Set<Call>>();
  const writers = new Map<ValueId, Call[]>();
  const readers = new Map<ValueId, Call[]>();
  for (const call of program.calls) {
    const before = new Set<Call>();
    for (const id of call.inputs)
      if (id) for (const writer of writers.get(rootOf(id)) ?? []) before.add(writer);
    for (const id of call.outputs) {
      if (!id) continue;
      for (const other of [...(writers.get(rootOf(id)) ?? []), ...(readers.get(rootOf(id)) ?? [])])
        before.add(other);
    }
    before.delete(call);
    waits.set(call, before);
    for (const id of call.inputs) if (id) readers.set(rootOf(id), [...(readers.get(rootOf(id)) ?? []), call]);
    for (const id of call.outputs)
      if (id) writers.set(rootOf(id), [...(writers.get(rootOf(id)) ?? []), call]);
  }
  if (reasons.size === 0) return [{ side: "gpu", calls: program.calls }];
  const take = (first: Side): Batch[] => {
    const done = new Set<Call>();
    const batches: Batch[] = [];
    for (let side = first; done.size < program.calls.length; side = side === "gpu" ? "host" : "gpu") {
      const calls: Call[] = [];
      for (const call of program.calls) {
        if (done.has(call) || reasons.has(call) !== (side === "host")) continue;
        if (![...waits.get(call)!].every((other) => done.has(other))) continue;
        done.add(call);
        calls.push(call);
      }
      if (calls.length) batches.push({ side, calls });
    }
    return batches;
  };
  const [one, other] = [take("gpu"), take("host")];
  return other.length < one.length ? other : one;
}
