/**
 * What programs of one model leave to each other in a memory that they have in common. In: a scheduled program, and the
 * addresses of what earlier programs have left. Out: the program without the calls that would make it once more, and
 * where it lies. Invariant: things have the same number only if they have the same content: constants by being the
 * same tensor, which they are in every binding of a model, and what is made of them at load by the kernel's text;
 * nothing is numbered that a run writes to.
 */
import type { Tensor } from "../ir/dtype.ts";
import type { ValueId } from "../ir/graph.ts";
import { rootsOf, type ScheduledCall, type ScheduledProgram } from "../ir/program.ts";

/** Numbers for contents, the same ones for all bindings of a model: for tensors, and for texts that tell what is made of them. */
export class ContentNumbers {
  private readonly tensors = new WeakMap<Tensor, number>();
  private readonly texts = new Map<string, number>();
  private count = 0;

  of(content: Tensor | string): number {
    const known = (typeof content === "string" ? this.texts : this.tensors) as Map<unknown, number>;
    const number = known.get(content) ?? this.count++;
    known.set(content, number);
    return number;
  }
}

export interface Settled {
  readonly scheduled: ScheduledProgram;
  /** Addresses of values that are there already. */
  readonly known: ReadonlyMap<ValueId, number>;
  /** Numbers of these and of what others could use, too. */
  readonly numbers: ReadonlyMap<ValueId, number>;
}

/** Leaves out of a program what is resident. */
export function settle(
  scheduled: ScheduledProgram,
  residents: ReadonlyMap<number, number>,
  numbering: ContentNumbers,
): Settled {
  const { program, values, init, run } = scheduled;
  const rootOf = rootsOf(values);
  const writers = new Map<ValueId, number>();
  for (const id of [...init, ...run].flatMap(({ outputs }) => outputs))
    writers.set(rootOf(id), (writers.get(rootOf(id)) ?? 0) + 1);
  const numbers = new Map<ValueId, number>();
  for (const [id, tensor] of program.constants)
    if (rootOf(id) === id && !writers.has(id)) numbers.set(id, numbering.of(tensor));
  const known = new Map<ValueId, number>();
  const isKnown = (id: ValueId): boolean => {
    const address = residents.get(numbers.get(id) ?? -1);
    if (address !== undefined) known.set(id, address);
    return address !== undefined;
  };
  const left = init.filter((call) => {
    const text = textOf(call, (id) => numbers.get(rootOf(id)));
    if (text === undefined || call.outputs.some((id) => rootOf(id) !== id || writers.get(id) !== 1))
      return true;
    call.outputs.forEach((id, position) => numbers.set(id, numbering.of(`${position} ${text}`)));
    return !call.outputs.map(isKnown).every(Boolean);
  });
  for (const id of program.constants.keys()) isKnown(id);
  // What a call that stays makes once more has a place of its own.
  for (const id of left.flatMap(({ outputs }) => outputs)) known.delete(id);
  return { scheduled: { ...scheduled, init: left }, known, numbers };
}

/** Says all that decides what a call makes; undefined where that cannot be said. */
function textOf(call: ScheduledCall, numberOf: (id: ValueId) => number | undefined): string | undefined {
  if (call.kind !== "kernel" || call.when) return undefined;
  const inputs = call.inputs.map(numberOf);
  if (call.inputs.length === 0 || inputs.includes(undefined)) return undefined;
  // Expressions are numbered within one binding; here, in the order in which they come, each written once.
  const seen = new Map<unknown, number>();
  return JSON.stringify([inputs, call.kernel], (key, value: unknown) => {
    if (key === "id") return undefined;
    const { id } = (value ?? {}) as { readonly id?: unknown };
    if (seen.has(id)) return { seen: seen.get(id) };
    if (id !== undefined) seen.set(id, seen.size);
    const isPlain =
      typeof value !== "bigint" &&
      (typeof value !== "number" || (Number.isFinite(value) && !Object.is(value, -0)));
    return isPlain ? value : `${typeof value} ${Object.is(value, -0) ? "-0" : String(value)}`;
  });
}
