/**
 * A run of the fuzzer over the table of operators. In: a seed, when to stop, which operators. Out: failures, each made
 * small and printed as a graph for `found.ts`, and counts: graphs, operators covered, onnxruntime's part by reason.
 * Invariant: seed and number reproduce a graph; a failure that looks like an earlier one of this run is counted, not
 * printed again.
 */
import { CompileError } from "../../../compiler/whole.ts";
import { caseSeed } from "../random.ts";
import {
  check,
  compareOutputs,
  disagreement,
  interpreted,
  nameOf,
  rangedBy,
  type Disagreement,
  type OrtCounts,
  type Outputs,
} from "./check.ts";
import { allNodes } from "./exceptions.ts";
import { refusalOf } from "./refusals.ts";
import { generate, samples } from "./generate.ts";
import { feedsOf, modelOf, sourceOf, type FuzzGraph } from "./graph.ts";
import { minimise } from "./minimise.ts";
import type { OnnxRuntime } from "./ort.ts";
import { rescheduledDifference, threadsDifference } from "./reschedule.ts";

export interface SessionOptions {
  readonly seed: number;
  /** Number of the first graph; 0 if not said. */
  readonly from?: number | undefined;
  /** Asked before each graph, with its number. */
  readonly goOn: (graphs: number) => boolean;
  /** Only samples whose name contains it. */
  readonly only?: string | undefined;
  /** Without it the interpreter and WebAssembly are compared with each other. */
  readonly ort?: OnnxRuntime | undefined;
  readonly print: (text: string) => void;
  /** Failures are made small; else they are told as they are. */
  readonly small?: boolean;
}

export interface SessionSummary {
  readonly graphs: number;
  readonly failures: number;
  readonly distinct: number;
  readonly operators: ReadonlySet<string>;
  readonly ort: OrtCounts;
  /** Programs run again under random schedules. */
  readonly rescheduled: number;
  /** Programs run on one, two and three threads. */
  readonly threaded: number;
  readonly ranged: RangedCounts;
  /** Graphs that everybody refuses, by code. */
  readonly refused: ReadonlyMap<string, number>;
}

/** Graphs that had a program for several sizes, and those that had none, by reason. */
export interface RangedCounts {
  programs: number;
  readonly refused: Map<string, number>;
}

/** One graph in this many is also run under random schedules, and one in so many on several threads. */
const RESCHEDULE_EVERY = 4;
const THREADS_EVERY = 16;
/** One in so many is also run by a program for several sizes. */
const RANGED_EVERY = 3;

/** Of a summary. */
const MOST_REASONS = 12;

/** What two failures have in common when they are likely the same. */
function signature({ oracle, what }: Disagreement, graph: FuzzGraph): string {
  const shape = what.replace(/\bv\d+\b/g, "v").replace(/-?[\d.]+(e[-+]?\d+)?|NaN|Infinity/g, "#");
  const ops = graph.nodes.map(({ op }) => op).sort();
  return `${oracle.kind} ${[...new Set(ops)].join(" ")} ${shape.slice(0, 60)}`;
}

/** A reason without numbers and names: what kind of thing, and of which operator. */
function kindOf(reason: string): string {
  const [line] = reason.split("\n") as [string];
  return (
    /^\[[\w-]+\] \w+/.exec(line)?.[0] ?? line.replace(/-?\d[\d.e+-]*(, -?\d[\d.e+-]*)*/g, "#").slice(0, 50)
  );
}

async function smallest(
  graph: FuzzGraph,
  found: Disagreement,
  ort: OnnxRuntime | undefined,
): Promise<FuzzGraph> {
  const wasValue = /^v\d/.test(found.what);
  const head = found.what.replace(/[-\d.]+/g, "#").slice(0, 24);
  return minimise(graph, async (candidate) => {
    const expected = interpreted(candidate);
    if (typeof expected === "string") return found.oracle.kind === "interpreter" && expected.replace(/[-\d.]+/g, "#").startsWith(head); // prettier-ignore
    const what = await disagreement(candidate, expected, found.oracle, ort);
    return (
      what !== undefined && (wasValue ? /^v\d/.test(what) : what.replace(/[-\d.]+/g, "#").startsWith(head))
    );
  });
}

/** What a sample that the interpreter refuses gives elsewhere: a sentence when that is wrong. */
async function refusal(
  graph: FuzzGraph,
  error: unknown,
  ort: OnnxRuntime | undefined,
  counts: OrtCounts,
): Promise<string | undefined> {
  // prettier-ignore
  if (!(error instanceof CompileError)) return `the interpreter fails: ${error instanceof Error ? error.stack : String(error)}`; // prettier-ignore
  const answer = await ort?.ask(modelOf(graph), feedsOf(graph));
  if (answer?.kind === "outputs") return `refused (${error.message.split("\n")[0]}), but onnxruntime runs it`;
  if (answer?.kind === "error") {
    const reason = refusalOf(answer.message, allNodes(graph.nodes));
    if (reason) counts.excused.set(reason, (counts.excused.get(reason) ?? 0) + 1);
  }
  return undefined;
}

export async function runSession(options: SessionOptions): Promise<SessionSummary> {
  const { seed, from = 0, goOn, only, ort, print, small = true } = options;
  const counts: OrtCounts = { compared: 0, excused: new Map() };
  const operators = new Set<string>();
  const refused = new Map<string, number>();
  const ranged: RangedCounts = { programs: 0, refused: new Map() };
  const seen = new Set<string>();
  let [number, failures, rescheduled, threaded] = [from, 0, 0, 0];
  const fail = async (graph: FuzzGraph, found: Disagreement, title: string): Promise<void> => {
    failures++;
    const before = signature(found, graph);
    if (seen.has(before)) return;
    seen.add(before);
    const reduced = small ? await smallest(graph, found, ort) : graph;
    const after = signature(found, reduced);
    if (reduced !== graph && seen.has(`small ${after}`)) return;
    seen.add(`small ${after}`);
    print(`\n${title}: ${nameOf(found.oracle)}: ${found.what}\n${sourceOf(reduced, `${title}, ${nameOf(found.oracle)}`)}`); // prettier-ignore
  };
  for (; goOn(number); number++) {
    const own = caseSeed(seed, number);
    const title = `seed ${seed}, graph ${number}`;
    const { graph, refused: without, used } = generate(own, only);
    for (const { error, graph: rest } of without) {
      const what = await refusal(rest, error, ort, counts);
      if (what !== undefined) await fail(rest, { oracle: { kind: "interpreter" }, what }, title);
      const code = error instanceof CompileError ? error.code : "other";
      refused.set(code, (refused.get(code) ?? 0) + 1);
    }
    if (!graph) continue;
    for (const name of used) operators.add(name);
    const found = await check(graph, own, ort, counts);
    if (found) {
      await fail(graph, found, title);
      continue;
    }
    if (own % RANGED_EVERY === 0) {
      const result = await rangedBy(graph, interpreted(graph) as Outputs, own);
      if (result?.kind === "agrees") ranged.programs++;
      else if (result?.kind === "refused") {
        const reason = kindOf(result.reason);
        ranged.refused.set(reason, (ranged.refused.get(reason) ?? 0) + 1);
      } else if (result)
        await fail(graph, { oracle: { kind: "ranged", seed: own }, what: result.what }, title);
    }
    if (own % RESCHEDULE_EVERY === 0) {
      const what = await rescheduledDifference(graph, own, (expected, actual) => compareOutputs(graph, expected, actual, "ours")); // prettier-ignore
      if (what === "none") rescheduled++;
      else if (what !== "late")
        await fail(graph, { oracle: { kind: "rescheduled", seed: own }, what }, title);
    } else if (own % THREADS_EVERY === 1) {
      const what = await threadsDifference(graph);
      if (what === "none") threaded++;
      else if (what !== "late") await fail(graph, { oracle: { kind: "threads" }, what }, title);
    }
  }
  return { graphs: number - from, failures, distinct: [...seen].filter((key) => key.startsWith("small ")).length, operators, ort: counts, rescheduled, threaded, ranged, refused }; // prettier-ignore
}

/** The summary as text. */
export function summaryText(summary: SessionSummary, seconds: number): string {
  const { graphs, failures, distinct, operators, ort, rescheduled, threaded, ranged, refused } = summary;
  const missing = [...samples.keys()].filter((name) => !operators.has(name));
  const without = [...ranged.refused.values()].reduce((sum, count) => sum + count, 0);
  const excused = [...ort.excused].sort((a, b) => b[1] - a[1]);
  return [
    `${graphs} graphs in ${seconds.toFixed(0)} s, ${operators.size} of ${samples.size} operators, ${rescheduled} under random schedules and ${threaded} on several threads too; ${failures} failed (${distinct} distinct)`, // prettier-ignore
    `one program for several sizes: ${ranged.programs} graphs have it, ${without} do not`,
    ...[...ranged.refused].sort((a, b) => b[1] - a[1]).slice(0, MOST_REASONS).map(([reason, count]) => `  ${String(count).padStart(6)}  ${reason}`), // prettier-ignore
    ...(missing.length > 0 && missing.length <= 30 ? [`not reached: ${missing.join(", ")}`] : []),
    `onnxruntime-web: ${ort.compared} agree; no witness ${excused.reduce((sum, [, n]) => sum + n, 0)} times:`,
    ...excused.map(([reason, count]) => `  ${String(count).padStart(6)}  ${reason}`),
    ...(refused.size > 0 ? [`refused by the interpreter: ${[...refused].map(([code, n]) => `${code} ${n}`).join(", ")}`] : []), // prettier-ignore
  ].join("\n");
}
