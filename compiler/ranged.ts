/**
 * Programs for a range of sizes. In: a graph whose open sizes follow from one number n. Out: a bound program with room for
 * the largest n, which takes n when it runs; undefined where there is none. Invariant: the graph is bound as a whole for
 * several n, and only what all of these have in common becomes a program (passes/ranged.ts).
 */
import type { RangedStage, ShapeRange } from "../runtime/binder.ts";
import { CompileError } from "./diagnostic.ts";
import { clearInternTable } from "./ir/intern.ts";
import type { Graph, TensorType, ValueId } from "./ir/graph.ts";
import type { Tensor } from "./ir/dtype.ts";
import type { CompileOptions } from "./options.ts";
import { endCalls, NotRanged, unifyGraphs } from "./passes/ranged.ts";
import { bindGraph, build, StageClock, type SharedPlace } from "./pipeline.ts";

/** Most values of n that a graph is bound for beyond the ends of the range. */
const MOST_BETWEEN = 6;

export function bindRange(
  graph: Graph,
  range: ShapeRange,
  at: number,
  known: ReadonlyMap<ValueId, Tensor>,
  options: CompileOptions,
  place: SharedPlace | undefined,
): RangedStage | undefined {
  const samples = { at: samplesOf(graph, range, at), range };
  const clock = new StageClock();
  try {
    const bound = samples.at.map((n) => {
      clearInternTable();
      const types = Object.entries(range.inputs).map(([id, { dtype, shape }]): [ValueId, TensorType] => [
        id,
        { dtype, shape: shape.map(({ slope, offset }) => slope * n + offset) },
      ]);
      return clock.time("bind", () => bindGraph(graph, new Map(types), known, options));
    });
    clearInternTable();
    const ranged = clock.time("bind", () => unifyGraphs(samples, bound));
    const { artifact, residents } = build(
      ranged.graph,
      graph.nodes.length,
      { ...options, unsealed: true },
      clock,
      (scheduled) => endCalls(scheduled, ranged),
      place,
    );
    const outputs = ranged.graph.outputs.map(({ id, name }) => [name, ranged.shapes.get(id)!] as const);
    return {
      artifact,
      ...(residents ? { residents } : {}),
      parameter: ranged.parameter,
      outputs: Object.fromEntries(outputs),
    };
  } catch (error) {
    // Too long for the model, or not the same for each n.
    if (!(error instanceof NotRanged || error instanceof CompileError)) throw error;
    options.trace?.("bind", () => `no program for n from ${range.low} to ${range.high}: ${error.message}`);
    return undefined;
  }
}

/**
 * For which n to bind. What a size becomes on its way through shape arithmetic bends only where it meets another number
 * (the end of a slice, an equal dimension, a condition), and such numbers stand in the model; so the ends of the
 * range with their neighbours, and every number of the model that lies between, with its neighbours, tell.
 */
export function samplesOf(
  graph: Graph,
  { low, high }: Pick<ShapeRange, "low" | "high">,
  at: number,
): number[] {
  const samples = new Set([low, low + 1, high - 1, high, at]);
  const between = [...numbersIn(graph)].filter((number) => number > low + 1 && number < high - 1);
  for (const number of between.slice(0, MOST_BETWEEN))
    samples
      .add(number)
      .add(number - 1)
      .add(number + 1);
  return [...samples].filter((n) => n >= low && n <= high).sort((a, b) => a - b);
}

/** Whole numbers that a model compares sizes with: attributes and small constants. */
function numbersIn(graph: Graph, found = new Set<number>()): Set<number> {
  const most = 64;
  for (const { attributes } of graph.nodes) {
    for (const attribute of attributes.values()) {
      if (attribute.kind === "graph") numbersIn(attribute.value, found);
      else if (attribute.kind === "int" || attribute.kind === "ints")
        for (const value of [attribute.value].flat()) found.add(Number(value));
    }
  }
  for (const { dtype, data, shape } of graph.constants.values()) {
    if ((dtype === "int64" || dtype === "int32") && data.length <= most)
      for (const value of data) found.add(Math.abs(Number(value)));
    for (const dim of shape) found.add(dim);
  }
  return found;
}
