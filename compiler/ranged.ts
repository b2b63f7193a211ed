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
import type { ScheduledProgram } from "./ir/program.ts";
import type { BoundGraph } from "./passes/bind.ts";
import {
  checkShapes,
  endCalls,
  NotRanged,
  shapeAt,
  unifyGraphs,
  type RangedGraph,
  type Samples,
} from "./passes/ranged.ts";
import { bindGraph, build, StageClock, type Compiled, type SharedPlace } from "./pipeline.ts";

/** Most numbers of a model about which a graph is bound beyond the ends of the range. */
const MOST_BETWEEN = 6;
/** So few samples show whether sizes lie on lines at all; the others are only bound for what passes. */
const FIRST_SAMPLES = 3;
/** Where a program would need more memory than this to run, in bytes, its range ends near to what is wanted. */
const MOST_ROOM = 128 << 20;
const NEAR = 1.25;
/** Ends of narrower ranges say too little of what lies between. */
const LEAST_WIDTH = 3;

export function bindRange(
  graph: Graph,
  range: ShapeRange,
  at: number,
  known: ReadonlyMap<ValueId, Tensor>,
  options: CompileOptions,
  place: SharedPlace | undefined,
): RangedStage | undefined {
  const clock = new StageClock();
  const bindAt = (n: number, fold = true): BoundGraph => {
    clearInternTable();
    const types = Object.entries(range.inputs).map(([id, { dtype, shape }]): [ValueId, TensorType] => [
      id,
      { dtype, shape: shapeAt(shape, n) },
    ]);
    const passes = fold ? options.passes : { ...options.passes, fold: false };
    return clock.time("bind", () => bindGraph(graph, new Map(types), known, { ...options, passes }));
  };
  const { low } = range;
  try {
    const upTo = (high: number): [RangedGraph, Compiled] => {
      const samples = samplesOf(graph, { low, high }, at);
      const ranged = unifiedSomehow({ low, high }, samples, bindAt);
      const change = (scheduled: ScheduledProgram): ScheduledProgram => endCalls(scheduled, ranged);
      const unsealed = { ...options, unsealed: true };
      return [ranged, build(ranged.graph, graph.nodes.length, unsealed, clock, change, place)];
    };
    let high = highest(range, at, bindAt);
    if (high - low < LEAST_WIDTH) return undefined;
    let [ranged, made] = upTo(high);
    const near = Math.max(low + LEAST_WIDTH, Math.ceil(NEAR * at));
    if (made.report.arenaBytes > MOST_ROOM && near < high) [ranged, made] = upTo((high = near));
    const outputs = ranged.graph.outputs.map(({ id, name }) => [name, ranged.shapes.get(id)!] as const);
    return {
      high,
      artifact: made.artifact,
      ...(made.residents ? { residents: made.residents } : {}),
      parameter: ranged.parameter,
      outputs: Object.fromEntries(outputs),
    };
  } catch (error) {
    if (!(error instanceof NotRanged || error instanceof CompileError)) throw error;
    options.trace?.("bind", () => `no program for n from ${range.low} to ${range.high}: ${error.message}`);
    return undefined;
  }
}

/** The end of the range, or the number that is wanted now: a model may take no longer inputs. */
function highest({ high }: ShapeRange, at: number, bindAt: (n: number) => unknown): number {
  try {
    bindAt(high);
    return high;
  } catch (error) {
    if (high === at || !(error instanceof CompileError)) throw error;
    return at;
  }
}

/**
 * What the graph is for all of these n. Constants that n cuts are computed here up to some size, and above it when the
 * program runs: where that lies within the range, all of them are left to the program.
 *
 * @throws NotRanged
 */
function unifiedSomehow(
  range: Samples["range"],
  samples: readonly number[],
  bindAt: (n: number, fold: boolean) => BoundGraph,
): RangedGraph {
  try {
    return unified(range, samples, (n) => bindAt(n, true));
  } catch (error) {
    if (!(error instanceof NotRanged)) throw error;
    return unified(range, samples, (n) => bindAt(n, false));
  }
}

function unified(
  range: Samples["range"],
  samples: readonly number[],
  bindAt: (n: number) => BoundGraph,
): RangedGraph {
  const bound: BoundGraph[] = [];
  for (const n of samples) {
    bound.push(bindAt(n));
    if (bound.length === FIRST_SAMPLES) checkShapes({ at: samples.slice(0, FIRST_SAMPLES), range }, bound);
  }
  clearInternTable();
  return unifyGraphs({ at: samples, range }, bound);
}

/**
 * For which n to bind; the first of them differ most. What a size becomes on its way through shape arithmetic bends only
 * where it meets another number: the end of a slice, a size that is asked for. One bend shows at the ends of the range,
 * whose neighbours lie on other lines; where there are two, or a number is a case of its own, those numbers stand in the
 * model. So the ends with their neighbours, and every number of the model that lies between, with its neighbours, tell.
 */
export function samplesOf(
  graph: Graph,
  { low, high }: Pick<ShapeRange, "low" | "high">,
  at: number,
): number[] {
  const samples = new Set([high, low, at, low + 1, high - 1]);
  const between = [...numbersIn(graph)].filter((number) => number > low + 1 && number < high - 1);
  for (const number of between.slice(0, MOST_BETWEEN))
    samples
      .add(number)
      .add(number - 1)
      .add(number + 1);
  return [...samples].filter((n) => n >= low && n <= high);
}

/** Whole numbers that a model may compare sizes with: small constants of its graph and of the graphs within. */
function numbersIn(graph: Graph, found = new Set<number>()): Set<number> {
  const most = 64;
  for (const { attributes } of graph.nodes)
    for (const attribute of attributes.values())
      if (attribute.kind === "graph") numbersIn(attribute.value, found);
  for (const { dtype, data } of graph.constants.values()) {
    if ((dtype === "int64" || dtype === "int32") && data.length <= most)
      for (const value of data) found.add(Math.abs(Number(value)));
  }
  return found;
}
