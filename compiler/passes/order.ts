/**
 * The order of calls. In: calls whose inputs may be made by later ones, as passes leave them. Out: the same calls, each
 * after those that it reads from. Invariant: calls that stood in order stay as they stood.
 */
import type { ValueId } from "../ir/graph.ts";
import type { Call } from "../ir/program.ts";

/** Calls in an order in which every value is made before it is read, as near as possible to the given one. */
export function inOrder(calls: readonly Call[]): Call[] {
  const producer = new Map<ValueId, Call>();
  for (const call of calls) for (const id of call.outputs) if (id) producer.set(id, call);
  const done = new Set<Call>();
  const sorted: Call[] = [];
  const place = (call: Call): void => {
    if (done.has(call)) return;
    done.add(call);
    for (const id of call.inputs) {
      const from = producer.get(id);
      if (from && from !== call) place(from);
    }
    sorted.push(call);
  };
  for (const call of calls) place(call);
  return sorted;
}
