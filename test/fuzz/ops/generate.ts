/**
 * Random graphs over the whole table of operators. In: a seed. Out: a graph of one to six samples, its wrapping, and
 * what the interpreter refused on the way. Invariant: the same seed gives the same graph; `samples` has one entry for
 * every operator of the compiler's table that a model may name (a test says which have none, and why).
 */
import { Random } from "../random.ts";
import { attentionSamples } from "./families/attention.ts";
import { contractSamples } from "./families/contract.ts";
import { controlSamples } from "./families/control.ts";
import { elementwiseSamples, type Sample, type SampleTable } from "./families/elementwise.ts";
import { learnedSamples } from "./families/learned.ts";
import { moreSamples } from "./families/more.ts";
import { movementSamples } from "./families/movement.ts";
import { quantizedSamples } from "./families/quantized.ts";
import { reduceSamples } from "./families/reduce.ts";
import { spatialSamples } from "./families/spatial.ts";
import { mayWrap, wrappings, type FuzzGraph } from "./graph.ts";
import { Sampler, type Flavour } from "./sampler.ts";

const families: Readonly<Record<string, SampleTable>> = {
  elementwise: elementwiseSamples,
  movement: movementSamples,
  reduce: reduceSamples,
  contract: contractSamples,
  spatial: spatialSamples,
  attention: attentionSamples,
  quantized: quantizedSamples,
  learned: learnedSamples,
  control: controlSamples,
  more: moreSamples,
};

/** Every sample by "Operator" or "domain:Operator". */
export const samples: ReadonlyMap<string, Sample> = new Map(Object.values(families).flatMap(Object.entries));

const names = [...samples.keys()];
/** What other samples are chained with: short, general operators. */
const companions = "Add Mul Sub Relu Sigmoid Transpose Reshape Concat Slice Cast Split Unsqueeze Gather ReduceSum ReduceMax Softmax MatMul Pad Where Max Expand Clip Tanh Exp Conv Identity Flatten Squeeze".split(" "); // prettier-ignore

/** The operator sets: those in use, older ones, and the newest. */
function opsetOf(random: Random): number {
  const at = random.below(100);
  if (at < 45) return random.between(17, 24);
  if (at < 65) return random.between(9, 16);
  if (at < 72) return random.between(6, 8);
  return at < 88 ? random.between(25, 26) : random.between(27, 28);
}

function flavourOf(random: Random, edges: boolean): Flavour {
  return {
    edges,
    opset: opsetOf(random),
    wild: random.chance(0.15),
    wildKind: random.pick(["special", "extreme"]),
    empty: random.chance(0.1),
    constants: random.pick([0.15, 0.15, 0.5, 0]),
    fedParameters: random.chance(0.2) ? 0.5 : 0.02,
  };
}

export interface Generated {
  readonly graph: FuzzGraph | undefined;
  /** Samples that the interpreter refused, each as the end of a graph. */
  readonly refused: readonly { readonly op: string; readonly error: unknown; readonly graph: FuzzGraph }[];
  /** Names of the samples in the graph. */
  readonly used: readonly string[];
}

/** The random graph of a seed; `only` restricts it to samples whose name contains it. */
export function generate(seed: number, only?: string): Generated {
  const random = new Random(seed);
  const choices = only === undefined ? names : names.filter((name) => name.includes(only));
  const wanted = random.pick([1, 1, 2, 3, 3, 4, 5, 6]);
  const refused: { op: string; error: unknown; graph: FuzzGraph }[] = [];
  const used: string[] = [];
  const main = random.pick(choices);
  let s: Sampler;
  const attempt = (op: string): void => {
    s.refused = undefined;
    if (s.attempt(samples.get(op)!)) used.push(op);
    else if (s.refused) refused.push({ op, ...(s.refused as { error: unknown; graph: FuzzGraph }) });
  };
  const alone = wanted === 1 && elementwiseSamples[main] !== undefined;
  // The operator comes first, then a version and a flavour in which it can be made.
  let tries = 0;
  do {
    s = new Sampler(random, flavourOf(random, alone));
    used.length = 0;
    if (!alone && random.chance(0.3)) attempt(random.pick(companions));
    attempt(main);
  } while (!used.includes(main) && ++tries < 80);
  for (let attempts = 0; used.length < wanted && attempts < 25; attempts++)
    attempt(random.chance(0.6) ? random.pick(companions) : random.pick(choices));
  if (used.length === 0) return { graph: undefined, refused, used };
  const graph = s.finish(random.chance(0.5) ? "none" : random.pick(wrappings));
  return { graph: mayWrap(graph.wrapping, graph) ? graph : { ...graph, wrapping: "none" }, refused, used };
}
