/**
 * Any legal schedule keeps the result, and any number of threads keeps every bit, for kernels as they come out of
 * real graphs. In: a graph and a seed. Out: "none" when the program gives what it should, "late" when the graph is
 * not one program, or how it differs. Invariant: everything but the schedules is as in any compilation: layouts, places, code.
 */
import fc from "fast-check";
import { CompileError, interpret } from "../../../compiler/whole.ts";
import { ONE_PART, type ScheduledCall, type ScheduledProgram } from "../../../compiler/ir/program.ts";
import { openModel, typesOfInputs } from "../../../compiler/openModel.ts";
import { chooseParts } from "../../../compiler/tune/parts.ts";
import type { CompileOptions, VariantName } from "../../../compiler/options.ts";
import { bindGraph, build, StageClock } from "../../../compiler/pipeline.ts";
import { isFloat } from "../../../compiler/ir/dtype.ts";
import { storeFunction } from "../../../compiler/ir/numeric.ts";
import { load } from "../../../runtime/index.ts";
import { BEST } from "../agreement.ts";
import { Random } from "../random.ts";
import { randomLegalSchedule } from "../../randomSchedule.ts";
import { readerOf } from "./data.ts";
import { feedsOf, modelOf, type FuzzGraph } from "./graph.ts";
import type { Tensor } from "../../../runtime/dtype.ts";

type Compare = (expected: Readonly<Record<string, Tensor>>, actual: Readonly<Record<string, Tensor>>) => string | undefined; // prettier-ignore

/** Schedules of kernels with at most this many axes unrolled and tiled by chance stay short. */
const MOST_ASSIGNS = 12;

function rescheduled(program: ScheduledProgram, random: Random): ScheduledProgram {
  const changed = (call: ScheduledCall): ScheduledCall => {
    if (call.kind === "library" || call.kernel.body.length > MOST_ASSIGNS) return call;
    const [schedule] = fc.sample(randomLegalSchedule(call.kernel), { seed: random.word() | 0, numRuns: 1 });
    return { ...call, schedule: schedule!, parts: random.chance(0.5) ? ONE_PART : call.parts };
  };
  return { ...program, init: program.init.map(changed), run: program.run.map(changed) };
}

/** Every kernel that threads can share at all is shared, however short it is. */
function shared(program: ScheduledProgram): ScheduledProgram {
  const changed = (call: ScheduledCall): ScheduledCall =>
    call.kind === "library" ? call : { ...call, parts: chooseParts(call.kernel, 0) };
  return { ...program, init: program.init.map(changed), run: program.run.map(changed) };
}

/** A program of a graph with other schedules, or nothing where the graph is not one program. */
function programOf(
  graph: FuzzGraph,
  variant: VariantName,
  change: (program: ScheduledProgram) => ScheduledProgram,
): Uint8Array | undefined {
  const inputShapes = Object.fromEntries(
    Object.entries(feedsOf(graph)).map(([name, { shape }]) => [name, shape]),
  );
  const options: CompileOptions = { inputShapes, variants: [variant], memoryLimit: 2 ** 27 };
  const clock = new StageClock();
  const opened = openModel(modelOf(graph), options, clock);
  const types = typesOfInputs(opened.graph, options);
  const bound = bindGraph(opened.graph, types.bound, new Map(), options, true);
  if (bound.rest || bound.known.size > 0) return undefined;
  return build(bound, graph.nodes.length, options, clock, change).artifact;
}

const THREADS = [1, 2, 3] as const;

/** Whether a program gives the same bits on any number of threads: "none", "late", or how not. */
export async function threadsDifference(graph: FuzzGraph): Promise<string> {
  const feeds = feedsOf(graph);
  try {
    const artifact = programOf(graph, BEST, shared);
    if (!artifact) return "late";
    let first: Readonly<Record<string, Tensor>> | undefined;
    for (const threads of THREADS) {
      const session = await load(artifact, { variant: BEST, threads });
      try {
        const given = Object.fromEntries(session.inputs.map(({ name }) => [name, feeds[name]!]));
        // Others come when they are awake: early runs may be one's own.
        for (let run = 0; run < threads; run++) {
          const outputs = await session.run(given);
          first ??= outputs;
          for (const [name, want] of Object.entries(first)) {
            if (bitsOf(outputs[name]!) !== bitsOf(want))
              return `${name} has other bits on ${threads} threads, run ${run}`;
          }
        }
      } finally {
        session.dispose();
      }
    }
    return "none";
  } catch (error) {
    return sentenceOf(error);
  }
}

/** Every bit, but of NaN only that it is one: WebAssembly leaves open which of its signs and payloads comes out. */
function bitsOf({ dtype, data }: Tensor): string {
  if (!ArrayBuffer.isView(data)) return JSON.stringify(data);
  const [read, store] = [readerOf(dtype), storeFunction(dtype)];
  const told = isFloat(dtype)
    ? (data as Float32Array).map((stored) => (Number.isNaN(read(stored)) ? (store(NaN) as number) : stored))
    : data;
  return Buffer.from(told.buffer, told.byteOffset, told.byteLength).toString("latin1");
}

function sentenceOf(error: unknown): string {
  if (error instanceof CompileError && error.code === "limit-exceeded") return "late";
  return error instanceof Error
    ? (error.stack ?? error.message).split("\n").slice(0, 6).join(" | ")
    : String(error);
}

export async function rescheduledDifference(
  graph: FuzzGraph,
  seed: number,
  compare: Compare,
): Promise<string> {
  const feeds = feedsOf(graph);
  const variant = new Random(seed).chance(0.5) ? BEST : "simd";
  try {
    const random = new Random(seed);
    const artifact = programOf(graph, variant, (program) => rescheduled(program, random));
    if (!artifact) return "late";
    const session = await load(artifact, { variant, threads: 1 });
    const given = Object.fromEntries(session.inputs.map(({ name }) => [name, feeds[name]!]));
    const actual = await session.run(given);
    session.dispose();
    return compare(interpret(modelOf(graph), feeds, { memoryLimit: 2 ** 27 }), actual) ?? "none";
  } catch (error) {
    return sentenceOf(error);
  }
}
