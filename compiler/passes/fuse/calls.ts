/**
 * The calls that are being fused. In: a Program. Out: its calls, opened, and who makes and who reads each value. Invariant:
 * whatever is replaced or goes, makers and readers are those of the calls that are left.
 */
import type { ValueId } from "../../ir/graph.ts";
import type { Program } from "../../ir/program.ts";
import { inputsOf, openCall, ValueNumbers, type OpenCall } from "../open.ts";
import { loadsOf } from "./limits.ts";

/** Told of each step, by the names of the nodes. */
export interface FuseTrace {
  (rule: string, producer: string, consumer: string): void;
}

export class OpenCalls {
  readonly numbers: ValueNumbers;
  /** Outputs of the program. */
  readonly outputs: ReadonlySet<ValueId>;
  /** Calls by place; undefined where one is gone. */
  readonly list: (OpenCall | undefined)[];
  private readonly makers = new Map<ValueId, number>();
  private readonly consumers = new Map<ValueId, Set<number>>();
  private readonly inputs = new WeakMap<OpenCall, readonly ValueId[]>();

  constructor(program: Program) {
    this.numbers = new ValueNumbers(program.values);
    this.outputs = new Set(program.outputs.map((o) => o.id));
    this.list = program.calls.flatMap((call) => splitCall(openCall(call, this.numbers), this.numbers));
    this.list.forEach((call, at) => this.enter(call!, at));
  }

  /** The place of the call that makes a value. */
  makerOf(id: ValueId): number | undefined {
    return this.makers.get(id);
  }

  /** The places of the calls that read a value. */
  readersOf(id: ValueId): readonly number[] {
    return [...(this.consumers.get(id) ?? [])];
  }

  /** Values that a call reads; found once per call, as every step asks. */
  inputsOf(call: OpenCall): readonly ValueId[] {
    let known = this.inputs.get(call);
    if (!known) this.inputs.set(call, (known = inputsOf(call, this.numbers)));
    return known;
  }

  private enter(call: OpenCall, at: number): void {
    for (const id of call.outputs) if (id) this.makers.set(id, at);
    for (const id of this.inputsOf(call)) {
      let set = this.consumers.get(id);
      if (!set) this.consumers.set(id, (set = new Set()));
      set.add(at);
    }
  }

  private leave(call: OpenCall, at: number): void {
    for (const id of this.inputsOf(call)) this.consumers.get(id)?.delete(at);
  }

  /** Puts another call, or none, in a place. */
  replace(at: number, call: OpenCall | undefined): void {
    const old = this.list[at];
    if (old) this.leave(old, at);
    this.list[at] = call;
    if (call) this.enter(call, at);
  }

  /** Takes a call away that nobody reads. */
  dropDead(call: OpenCall, at: number): boolean {
    const live = call.outputs.some(
      (id) => id !== "" && (this.outputs.has(id) || (this.consumers.get(id)?.size ?? 0) > 0),
    );
    if (live) return false;
    this.replace(at, undefined);
    return true;
  }
}

/** A kernel that is several independent assignments to different values becomes several kernels. */
function splitCall(call: OpenCall, numbers: ValueNumbers): OpenCall[] {
  if (call.kind !== "kernel" || call.body.length < 2 || call.body.length !== call.outputs.length)
    return [call];
  const assigns = call.body.flatMap((b) => (b.kind === "assign" ? [b] : []));
  if (assigns.length !== call.body.length || new Set(assigns.map((a) => a.out)).size !== assigns.length)
    return [call];
  const own = new Set(call.outputs.map((id) => numbers.numberOf(id)));
  for (const a of assigns) {
    for (const n of own) if (loadsOf(a.value, n) || (a.reduce && loadsOf(a.reduce.body, n))) return [call];
    if (numbers.at(a.out).temp) return [call];
  }
  return assigns.map((a) => ({ ...call, body: [a], outputs: [numbers.at(a.out).id] }));
}

/** Nodes of calls that become one. */
export function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}
