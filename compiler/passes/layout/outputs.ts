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
import { assignments, rowMajorStrides, singleAssign } from "../../ir/kernel.ts";
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

/** A value that is laid out as a part of an output is: which one, and its strides there. */
export interface Turned {
  readonly output: ValueId;
  readonly strides: readonly number[];
}

/**
 * Values that are only turned into an output, as exporters that think in another order of dimensions end a network:
 * these are made in the output's memory, in its order, and no call is left to turn them.
 *
 * @param inner the dimension that lies innermost where contractions have a say
 * @param free whether a value is nobody's but the calls', and has no border
 */
export function withoutTurnedOutputs(
  calls: readonly Call[],
  program: Program,
  inner: ReadonlyMap<ValueId, number>,
  free: (id: ValueId) => boolean,
): { readonly calls: Call[]; readonly turned: ReadonlyMap<ValueId, Turned> } {
  const isOutput = new Set(program.outputs.map(({ id }) => id));
  const varying = new Set<ValueId>(program.inputs);
  const makers = new Map<ValueId, Call[]>();
  const readers = new Map<ValueId, number>();
  for (const call of calls)
    for (const id of new Set(call.inputs)) readers.set(id, (readers.get(id) ?? 0) + 1);
  const turned = new Map<ValueId, Turned>();
  const kept = calls.filter((call) => {
    const varies =
      call.inputs.some((id) => varying.has(id)) || (call.kind === "library" && drawsAnew(call.library));
    for (const id of call.outputs) {
      if (varies) varying.add(id);
      makers.set(id, [...(makers.get(id) ?? []), call]);
    }
    const [source] = call.inputs;
    const [output] = call.outputs;
    if (source === undefined || output === undefined || !isOutput.has(output)) return true;
    if (!free(source) || !varying.has(source) || readers.get(source) !== 1) return true;
    const strides = turnedStrides(call, program.values);
    if (!strides) return true;
    // Maps store in any order; a contraction's results lie as it wants them.
    const innermost = strides.findIndex(
      (stride, d) => stride === 1 && program.values.get(source)!.shape[d]! > 1,
    );
    const maps = (makers.get(source) ?? []).every(
      (maker) => maker.kind === "kernel" && assignments(maker.kernel).every(({ assign }) => !assign.reduce),
    );
    if (!makers.has(source) || !(inner.has(source) ? inner.get(source) === innermost : maps)) return true;
    turned.set(source, { output, strides });
    return false;
  });
  return { calls: kept, turned };
}

/** Strides of the source in its call's result, where each element of it stands once and nothing else does. */
function turnedStrides(
  call: Call,
  values: ReadonlyMap<ValueId, ProgramValue>,
): readonly number[] | undefined {
  if (call.kind !== "kernel" || call.inputs.length !== 1 || call.outputs.length !== 1) return undefined;
  const from = values.get(call.inputs[0]!)!;
  const to = values.get(call.outputs[0]!)!;
  const assign = singleAssign(call.kernel);
  const load = assign?.value;
  if (!assign || assign.reduce || load?.kind !== "load" || load.pad !== undefined) return undefined;
  if (from.dtype !== to.dtype || from.dynamicDim !== undefined || to.dynamicDim !== undefined)
    return undefined;
  const elements = elementCount(to.shape);
  if (elements !== elementCount(from.shape) || elements === 0) return undefined;
  const strideOf = new Map<string, number>();
  const outer = rowMajorStrides(to.shape);
  for (const [d, at] of assign.index.entries()) {
    if (to.shape[d] === 1) continue;
    if (at.kind !== "axis" || at.extent !== to.shape[d] || strideOf.has(at.name)) return undefined;
    strideOf.set(at.name, outer[d]!);
  }
  const strides: number[] = [];
  const seen = new Set<string>();
  for (const [d, at] of load.index.entries()) {
    const dim = from.shape[d]!;
    if (dim === 1) {
      strides.push(elements);
      continue;
    }
    if (at.kind !== "axis" || at.extent !== dim || seen.has(at.name)) return undefined;
    seen.add(at.name);
    const stride = strideOf.get(at.name);
    if (stride === undefined) return undefined;
    strides.push(stride);
  }
  return strides;
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
