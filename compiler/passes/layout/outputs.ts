/**
 * Outputs that only repeat another value. In: the calls of a Program, and what layouts its values want. Out: the
 * calls without copies into outputs: what the copy read is the output itself. Invariant: an output is still written
 * in every run, row by row, because a caller may hold its memory; so what is known at load stays a copy, as does
 * what lies otherwise in memory than a caller expects.
 *
 * Exporters write such copies as Identity: a decoder gives its keys and values to the next token's run, and reads
 * them itself.
 */
import { elementCount } from "../../ir/dtype.ts";
import type { ValueId } from "../../ir/graph.ts";
import { assignments, singleAssign } from "../../ir/kernel.ts";
import { drawsAnew, type Call, type Program, type ProgramValue } from "../../ir/program.ts";
import { visit } from "../../ir/walk.ts";
import { idOf } from "./votes.ts";

/** @param rowMajor whether a value would lie row by row, without a border, and be nobody's but the calls' */
export function withoutRepeatedOutputs(
  calls: readonly Call[],
  program: Program,
  rowMajor: (id: ValueId) => boolean,
): { readonly calls: Call[]; readonly outputOf: ReadonlyMap<ValueId, ValueId> } {
  const isOutput = new Set(program.outputs.map(({ id }) => id));
  const varying = new Set<ValueId>(program.inputs);
  const made = new Set<ValueId>();
  const outputOf = new Map<ValueId, ValueId>();
  const kept: Call[] = [];
  for (const call of calls) {
    const varies =
      call.inputs.some((id) => varying.has(id)) || (call.kind === "library" && drawsAnew(call.library));
    for (const id of call.outputs) {
      if (varies) varying.add(id);
      made.add(id);
    }
    const [source] = call.inputs;
    const [target] = call.outputs;
    if (
      source !== undefined &&
      target !== undefined &&
      isOutput.has(target) &&
      made.has(source) &&
      varying.has(source) &&
      !outputOf.has(source) &&
      rowMajor(source) &&
      repeats(call, program.values)
    )
      outputOf.set(source, target);
    else kept.push(call);
  }
  if (outputOf.size === 0) return { calls: kept, outputOf };
  const renamed = (id: ValueId): ValueId => outputOf.get(id) ?? id;
  return {
    calls: kept.map((call) => ({
      ...call,
      inputs: call.inputs.map(renamed),
      outputs: call.outputs.map(renamed),
    })),
    outputOf,
  };
}

/** Times that a contraction must read each element of a value before it is worth another order of dimensions. */
const WORTH_ANOTHER_ORDER = 8;

/**
 * Whether nothing is lost if a value lies row by row, whatever the votes for another order are: it is made by maps of
 * what is in no other order either, and only read by contractions that read it a few times, such as the keys that one
 * token looks at.
 */
export function readFewTimes(
  id: ValueId,
  calls: readonly Call[],
  elements: number,
  anyOrder: (id: ValueId) => boolean,
): boolean {
  return calls.every((call) => {
    if (!call.inputs.includes(id) && !call.outputs.includes(id)) return true;
    if (call.kind !== "kernel") return false;
    return assignments(call.kernel).every(({ assign, loops }) => {
      const stores = idOf(call, assign.out) === id;
      if (stores) return !assign.reduce && call.inputs.every((from) => anyOrder(from));
      let read = false;
      for (const e of [assign.value, ...(assign.reduce ? [assign.reduce.body] : [])])
        visit(e, (x) => {
          if (x.kind === "load" && idOf(call, x.buffer) === id) read = true;
        });
      if (!read || (!assign.reduce && assign.value.kind === "load")) return true;
      const axes = [...loops.map((loop) => loop.axis), ...assign.axes, ...(assign.reduce?.axes ?? [])];
      return elementCount(axes.map((a) => a.extent)) < WORTH_ANOTHER_ORDER * elements;
    });
  });
}

/** Whether a call gives what it is given, at the same coordinates. */
function repeats(call: Call, values: ReadonlyMap<ValueId, ProgramValue>): boolean {
  if (call.kind !== "kernel" || call.inputs.length !== 1 || call.outputs.length !== 1) return false;
  const from = values.get(call.inputs[0]!)!;
  const to = values.get(call.outputs[0]!)!;
  const load = singleAssign(call.kernel);
  if (!load || load.reduce || load.value.kind !== "load" || load.value.pad !== undefined) return false;
  const { index } = load.value;
  return (
    from.dtype === to.dtype &&
    from.dynamicDim === undefined &&
    to.dynamicDim === undefined &&
    from.shape.length === to.shape.length &&
    to.shape.every((dim, d) => {
      const at = load.index[d]!;
      const whole =
        dim === 1 ? at.kind === "const" || at.kind === "axis" : at.kind === "axis" && at.extent === dim;
      return dim === from.shape[d] && whole && (index[d] === at || dim === 1);
    })
  );
}
