/**
 * Whether everyone agrees on a graph. In: a graph. Out: nothing, or who differs from the interpreter and how:
 * WebAssembly in both variants, with all passes, none, or all but one, bound ahead and bound when it runs, and
 * onnxruntime-web; where asked, under other schedules, on several threads, and by a program for several sizes.
 * Invariant: dtypes, shapes and names agree exactly, elements within `tolerance.ts`; where onnxruntime does not count,
 * `exceptions.ts` names the reason.
 */
import { compile, CompileError, interpret, openSource, passNames, type CompileOptions, type PassName, type VariantName } from "../../../compiler/whole.ts"; // prettier-ignore
import type { Tensor } from "../../../runtime/dtype.ts";
import { load, TilewrightError } from "../../../runtime/index.ts";
import { BEST } from "../agreement.ts";
import { Random } from "../random.ts";
import { readerOf } from "./data.ts";
import { allNodes, deviationOf, reshapedBy } from "./exceptions.ts";
import { refusalOf } from "./refusals.ts";
import { feedsOf, modelOf, type FuzzGraph } from "./graph.ts";
import { withNodes } from "./minimise.ts";
import type { OnnxRuntime } from "./ort.ts";
import { chooseSizes, rangedDifference, type Ranged, type Sizes } from "./ranged.ts";
import { rescheduledDifference, threadsDifference } from "./reschedule.ts";
import { epsilonOf, exactResults, sensitivity, valuesOf, type Computer } from "./tolerance.ts";

/** A way to run a graph: on which passes and variant, or with onnxruntime. */
export type Oracle =
  | {
      readonly kind: "wasm";
      readonly off: readonly PassName[];
      readonly variant: VariantName;
      readonly late: boolean;
    }
  | { readonly kind: "onnxruntime" }
  | { readonly kind: "interpreter" }
  | { readonly kind: "rescheduled"; readonly seed: number }
  | { readonly kind: "ranged"; readonly seed: number }
  | { readonly kind: "threads" };

export interface Disagreement {
  readonly oracle: Oracle;
  readonly what: string;
}

export function nameOf(oracle: Oracle): string {
  if (oracle.kind === "rescheduled") return "random schedules";
  if (oracle.kind === "ranged") return "a range of sizes";
  if (oracle.kind === "threads") return "several threads";
  if (oracle.kind !== "wasm") return oracle.kind;
  const { off, variant, late } = oracle;
  const passes = off.length === 0 ? "all passes" : off.length === passNames.length ? "no passes" : `without ${off.join(", ")}`; // prettier-ignore
  return `${variant}, ${passes}${late ? ", bound when it runs" : ""}`;
}

/** Both variants with all passes; then by chance none of them or one less, and bound when it runs. */
function oraclesOf(seed: number): Oracle[] {
  const random = new Random(seed ^ 0x5bd1e995);
  const off = random.chance(0.3) ? [...passNames] : [random.pick(passNames)];
  return [
    { kind: "wasm", off: [], variant: BEST, late: random.chance(0.2) },
    ...(BEST === "simd"
      ? []
      : [{ kind: "wasm", off: [], variant: "simd", late: random.chance(0.2) } as const]),
    { kind: "wasm", off, variant: BEST, late: random.chance(0.1) },
    { kind: "onnxruntime" },
  ];
}

export type Outputs = Readonly<Record<string, Tensor>>;

function sentence(error: unknown): string {
  if (error instanceof CompileError) return `CompileError ${error.code}: ${error.message.split("\n")[0]}`;
  if (error instanceof TilewrightError)
    return `TilewrightError ${error.code}: ${error.message.split("\n")[0]}`;
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return stack.split("\n").slice(0, 5).join(" | ");
}

/** What a graph gives, or a sentence. */
export function interpreted(graph: FuzzGraph): Outputs | string {
  try {
    return interpret(modelOf(graph), feedsOf(graph), { memoryLimit: 2 ** 27 });
  } catch (error) {
    return sentence(error);
  }
}

async function compiled(graph: FuzzGraph, oracle: Extract<Oracle, { kind: "wasm" }>): Promise<Outputs> {
  const { off, variant, late } = oracle;
  const feeds = feedsOf(graph);
  const options: CompileOptions = {
    passes: Object.fromEntries(off.map((pass) => [pass, false])),
    variants: [variant],
    memoryLimit: 2 ** 27,
    ...(late || graph.wrapping === "dynamic" || graph.wrapping === "unranked" ? {} : { inputShapes: Object.fromEntries(Object.entries(feeds).map(([name, { shape }]) => [name, shape])) }), // prettier-ignore
  };
  const model = modelOf(graph);
  const bytes = late ? model : compile(model, options).artifact;
  const session = await load(bytes, {
    threads: 1, variant, compiler: () => ({ openSource: (source) => openSource(source, options) }) }); // prettier-ignore
  try {
    const given = Object.fromEntries(Object.entries(feeds).filter(([name]) => session.inputs.some((input) => input.name === name))); // prettier-ignore
    // Twice: a run must not depend on what the one before left behind.
    await session.run(given);
    return await session.run(given);
  } finally {
    session.dispose();
  }
}

/** How many roundings of their type results may be apart where nothing moved: peers add up in other orders. */
const SLACK = { ours: 8, onnxruntime: 32 } as const;

/** Compares results; the tolerance is worked out only where something differs. */
export function compareOutputs(graph: FuzzGraph, expected: Outputs, actual: Outputs, by: Computer, extra: (value: number) => number = () => 0): string | undefined {
  const slack = SLACK[by];
  const exact = exactResults(graph);
  // Sums of many terms round once for each of them.
  const factor = 16 + 2 * Math.sqrt(depthOf(graph));
  // Real numbers that roundings move by so much move by `factor` times that with as many, where nothing jumps. What
  // does (numbers that are cut, compared or chosen on the way) is asked what that many roundings at once do; whole
  // numbers are asked nothing else.
  const known: { real?: ReturnType<typeof sensitivity>; whole?: ReturnType<typeof sensitivity> } = {};
  const movedBy = (name: string, whole: boolean): Float64Array | undefined =>
    (whole ? (known.whole ??= sensitivity(graph, expected, by, factor)) : (known.real ??= sensitivity(graph, expected, by))).get(name);
  for (const [name, want] of Object.entries(expected)) {
    const have = actual[name];
    if (have === undefined) return `no output ${name}`;
    if (have.dtype !== want.dtype) return `${name} has type ${have.dtype}, not ${want.dtype}`;
    if (String(have.shape) !== String(want.shape)) return `${name} has shape [${have.shape.join(", ")}], not [${want.shape.join(", ")}]`; // prettier-ignore
    if (have.data.length !== want.data.length) return `${name} has ${have.data.length} elements, not ${want.data.length}`; // prettier-ignore
    const read = readerOf(want.dtype);
    const epsilon = exact.has(name) ? 0 : epsilonOf(want.dtype);
    for (let i = 0; i < want.data.length; i++) {
      const [a, b] = [read(have.data[i]!), read(want.data[i]!)];
      if (a === b || (a !== a && b !== b)) continue;
      // Another string is within no distance; only what moves can tell.
      const difference = typeof a === "string" ? NaN : Math.abs(Number(a) - Number(b));
      if (difference <= extra(Number(b))) continue;
      if (!exact.has(name)) {
        // Nothing is near an infinity: whether another number is right there, only what moves can tell.
        const size = Number.isFinite(Number(b)) ? Math.abs(Number(b)) : 0;
        const usual = epsilon * slack * size + (epsilon === 0 ? 0 : 2 ** -120);
        if (difference <= usual) continue;
        const some = movedBy(name, epsilon === 0);
        // A member of a sequence that is no other value of the graph: a few roundings are its own.
        if (!some && difference <= 64 * usual) continue;
        if (some) {
          const at = some.length === 0 ? 0 : i % some.length;
          const most = some.length === 0 ? 0 : some[at]!;
          if (most === Infinity || difference <= usual + (epsilon === 0 ? 1 : factor) * most) continue;
          const jump = epsilon === 0 ? 0 : (movedBy(name, true)?.[at] ?? 0);
          if (jump === Infinity || difference <= usual + jump) continue;
        }
      }
      return `${name}[${i}] is ${String(a)}, not ${String(b)} (${want.dtype}${exact.has(name) ? ", exact" : ""})`;
    }
  }
  return undefined;
} // prettier-ignore

/** The largest number of elements of an operand, a bound of the terms of a sum. */
function depthOf(graph: FuzzGraph): number {
  return Math.max(1, ...graph.operands.map(({ shape }) => shape.reduce((a, b) => a * b, 1)));
}

/** What onnxruntime was good for. */
export interface OrtCounts {
  compared: number;
  /** By reason. */
  readonly excused: Map<string, number>;
}

/** What an answer of onnxruntime's comes to: the same, a reason why it does not count, or what differs. */
type Verdict =
  | { readonly kind: "agrees" }
  | { readonly kind: "excused"; readonly reason: string }
  | { readonly kind: "differs"; readonly what: string };

const excused = (reason: string): Verdict => ({ kind: "excused", reason });

/** Asks onnxruntime; what it refuses is asked again in the forms in which it may say more. */
async function verdictOf(graph: FuzzGraph, expected: Outputs, ort: OnnxRuntime): Promise<Verdict> {
  const answer = await ort.ask(modelOf(graph), feedsOf(graph));
  if (answer.kind === "lost") return excused(`onnxruntime crashed: ${answer.message.slice(0, 60)}`);
  if (answer.kind === "outputs") return comparedWith(graph, expected, answer.outputs);
  const { message } = answer;
  const reason = refusalOf(message, allNodes(graph.nodes));
  if (reason !== undefined) return excused(reason);
  return (
    (await verdictOnceKnown(graph, expected, message, ort)) ??
    (await verdictOnceShaped(graph, ort)) ?? {
      kind: "differs",
      what: `onnxruntime refuses: ${message.slice(0, 400)}`,
    }
  );
}

/** What onnxruntime computes, compared with what we do. */
function comparedWith(graph: FuzzGraph, expected: Outputs, outputs: Outputs): Verdict {
  const what = compareOutputs(graph, expected, outputs, "onnxruntime");
  if (what === undefined) return { kind: "agrees" };
  let values: Map<string, Tensor> | undefined;
  const deviation = deviationOf(graph, () => (values ??= valuesOf(graph)));
  if (deviation === undefined) return { kind: "differs", what };
  const { within, reason } = deviation;
  const beyond = within && compareOutputs(graph, expected, outputs, "onnxruntime", within);
  return beyond === undefined ? excused(reason) : { kind: "differs", what: beyond };
}

const isKnown = ({ wrapping, operands }: FuzzGraph): boolean => wrapping === "none" && operands.every(({ constant }) => constant); // prettier-ignore

/**
 * Of a graph that onnxruntime's shape inference refuses: its answer to the same graph with everything known, which
 * says more than any reading of the message, and is judged like every other one.
 */
async function verdictOnceKnown(
  graph: FuzzGraph,
  expected: Outputs,
  message: string,
  ort: OnnxRuntime,
): Promise<Verdict | undefined> {
  if (!message.includes("ShapeInferenceError") || isKnown(graph)) return undefined;
  const operands = graph.operands.map((operand) => ({ ...operand, constant: true }));
  const verdict = await verdictOf({ ...graph, wrapping: "none", operands }, expected, ort);
  if (verdict.kind !== "agrees") return verdict;
  return excused("shape inference that fails on what is fed: of constants, the same is computed and agrees");
}

/**
 * Of a graph in which onnxruntime refuses what follows from a result to which it gives another shape: its answer to
 * what follows from the right one, fed instead of made.
 */
async function verdictOnceShaped(graph: FuzzGraph, ort: OnnxRuntime): Promise<Verdict | undefined> {
  const reshaped = reshapedBy(graph, () => valuesOf(graph));
  if (!reshaped) return undefined;
  const others = graph.nodes.filter((node) => !reshaped.nodes.has(node));
  if (others.length === 0) return undefined;
  const rest = withNodes(graph, others);
  const expected = interpreted(rest);
  if (typeof expected === "string") return undefined;
  const verdict = await verdictOf(rest, expected, ort);
  return verdict.kind === "agrees"
    ? excused(`${reshaped.reason}; of the right ones, the same follows`)
    : verdict;
}

/** What a program for several sizes gives, of sizes that a seed chooses; undefined where none may change. */
export async function rangedBy(
  graph: FuzzGraph,
  expected: Outputs,
  seed: number,
): Promise<Ranged | undefined> {
  const chosen = chooseSizes(graph, seed);
  return chosen && rangedOf(chosen.graph, expected, chosen.sizes);
}

/** The same, of sizes as they are told. */
export function rangedOf(graph: FuzzGraph, expected: Outputs, sizes: Sizes): Promise<Ranged> {
  return rangedDifference(graph, sizes, (actual) => compareOutputs(graph, expected, actual, "ours"));
}

/** One oracle's disagreement with the interpreter. */
export async function disagreement(
  graph: FuzzGraph,
  expected: Outputs,
  oracle: Oracle,
  ort: OnnxRuntime | undefined,
  counts?: OrtCounts,
): Promise<string | undefined> {
  if (oracle.kind === "wasm") {
    try {
      return compareOutputs(graph, expected, await compiled(graph, oracle), "ours");
    } catch (error) {
      return sentence(error);
    }
  }
  if (oracle.kind === "threads") {
    const what = await threadsDifference(graph);
    return what === "none" || what === "late" ? undefined : what;
  }
  if (oracle.kind === "rescheduled") {
    const what = await rescheduledDifference(graph, oracle.seed, (want, have) => compareOutputs(graph, want, have, "ours")); // prettier-ignore
    return what === "none" || what === "late" ? undefined : what;
  }
  if (oracle.kind === "ranged") {
    const ranged = await rangedBy(graph, expected, oracle.seed);
    return ranged?.kind === "differs" ? ranged.what : undefined;
  }
  if (oracle.kind === "interpreter" || !ort) return undefined;
  const verdict = await verdictOf(graph, expected, ort);
  if (verdict.kind === "differs") return verdict.what;
  if (verdict.kind === "agrees") {
    if (counts) counts.compared++;
  } else counts?.excused.set(verdict.reason, (counts.excused.get(verdict.reason) ?? 0) + 1);
  return undefined;
}

/** The first disagreement about a graph. */
export async function check(
  graph: FuzzGraph,
  seed: number,
  ort: OnnxRuntime | undefined,
  counts?: OrtCounts,
): Promise<Disagreement | undefined> {
  // prettier-ignore
  const expected = interpreted(graph);
  if (typeof expected === "string") return { oracle: { kind: "interpreter" }, what: expected };
  for (const oracle of oraclesOf(seed)) {
    const what = await disagreement(graph, expected, oracle, ort, counts);
    if (what !== undefined) return { oracle, what };
  }
  return undefined;
}
