/**
 * A program for a range of sizes gives for each of them what the model says. In: a graph, and which of its sizes
 * follow from a number n; or a seed that chooses. Out: "agrees", why there is no such program, or how what it gives
 * differs. Invariant: before what is compared comes a run at the largest n on NaN, infinities and large numbers, so
 * that nothing which an earlier run has left beyond the sizes of the next may matter.
 */
import { CompileError, openSource, passNames, type CompileOptions, type PassName, type VariantName } from "../../../compiler/whole.ts"; // prettier-ignore
import { isFloat } from "../../../compiler/ir/dtype.ts";
import { storeFunction } from "../../../compiler/ir/numeric.ts";
import type { LinearSize, ShapeRange, Stage } from "../../../runtime/binder.ts";
import { openBound } from "../../../runtime/device.ts";
import { allocate, elementCount, type DType, type Tensor } from "../../../runtime/dtype.ts";
import { load, TilewrightError } from "../../../runtime/index.ts";
import { peekHeader } from "../../../runtime/open.ts";
import { numberOf, runRanged } from "../../../runtime/ranges.ts";
import { ByteReader } from "../../../runtime/reader.ts";
import { BEST } from "../agreement.ts";
import { Random } from "../random.ts";
import { feedsOf, modelOf, type FuzzGraph } from "./graph.ts";

type Outputs = Readonly<Record<string, Tensor>>;
type Compare = (actual: Outputs) => string | undefined;

/** Which sizes follow from n, and how a program for them is made and run. */
export interface Sizes {
  readonly range: ShapeRange;
  /** The n that the program is asked for first. */
  readonly at: number;
  /** The n of the graph as it is. */
  readonly n: number;
  readonly variant: VariantName;
  readonly off: readonly PassName[];
  /** Run by a session, which chooses the range itself; else by hand. */
  readonly session: boolean;
}

export type Ranged =
  | { readonly kind: "agrees" }
  /** No program for several sizes. */
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "differs"; readonly what: string };

const sizeAt = ({ slope, offset }: LinearSize, n: number): number => slope * n + offset;
const typesOf = (graph: FuzzGraph): [string, Tensor][] => Object.entries(feedsOf(graph));
/** Most elements of an input at the largest n. */
const MOST = 50_000;

const mayBeFed = (dtype: DType): boolean => !/^(string|float[48]|u?int[24]$)/.test(dtype);

/** Every size of an input that is `n`, as n. */
export function sizesEqualTo(n: number, graph: FuzzGraph): ShapeRange["inputs"] {
  return lines(graph, (size) => (size === n ? { slope: 1, offset: 0 } : undefined));
}

function lines(graph: FuzzGraph, line: (size: number) => LinearSize | undefined): ShapeRange["inputs"] {
  return Object.fromEntries(
    typesOf(graph).map(([name, { dtype, shape }]) => [
      name,
      { dtype, shape: shape.map((size) => line(size) ?? { slope: 0, offset: size }) },
    ]),
  );
}

/** The graph with inputs that change, and which sizes do; undefined where none can. */
export function chooseSizes(graph: FuzzGraph, seed: number): { graph: FuzzGraph; sizes: Sizes } | undefined {
  const random = new Random(seed ^ 0x3c6ef372);
  const fed = graph.operands.filter(({ constant }) => !constant);
  const choices = fed.flatMap(({ shape }) => shape.filter((size) => size >= 2));
  if (choices.length === 0 || fed.some(({ dtype }) => dtype === "string")) return undefined;
  const n = random.pick(choices);
  const opened = opening(graph, n, random);
  const low = Math.max(2, n - random.below(4));
  const far = random.chance(0.15) ? n + random.between(16, 80) : 0;
  const near = Math.max(n + 1 + random.below(12), low + 3);
  const [isSome, isLoose] = [random.chance(0.15), random.chance(0.2)];
  const inputs = lines(opened, (size) => {
    if (isSome && random.chance(0.4)) return undefined;
    if (size === n) return { slope: 1, offset: 0 };
    if (!isLoose || size < 2 || random.chance(0.5)) return undefined;
    const line = size % n === 0 ? { slope: size / n, offset: 0 } : { slope: 1, offset: size - n };
    return sizeAt(line, low) >= 1 && Math.abs(line.offset) <= 2 ? line : undefined;
  });
  const shapes = Object.values(inputs).map(({ shape }) => shape);
  if (shapes.every((shape) => shape.every(({ slope }) => slope === 0))) return undefined;
  const fits = (at: number): boolean => shapes.every((shape) => elementCount(shape.map((size) => sizeAt(size, at))) <= MOST); // prettier-ignore
  const high = far > 0 && fits(far) ? far : near;
  return {
    graph: opened,
    sizes: {
      range: { low, high, inputs },
      // A model that takes no longer inputs ends the range there.
      at: random.between(random.chance(0.6) ? Math.max(n, low + 3) : low, high),
      n,
      variant: random.chance(0.7) ? BEST : "simd",
      off: random.chance(0.15) ? [...passNames] : random.chance(0.2) ? [random.pick(passNames)] : [],
      session: opened.wrapping === "dynamic" && random.chance(0.2),
    },
  };
}

/** Nothing but sizes is left open; weights of the size that changes are mostly fed, since they would keep it from changing. */
function opening(graph: FuzzGraph, n: number, random: Random): FuzzGraph {
  const feeds = random.chance(0.6);
  const [keepsWrapping, knows] = [random.chance(0.1), random.chance(0.9)];
  const plain = { none: "dynamic", "if-fed": "if", "loop-fed": "loop" } as const;
  const { wrapping } = graph;
  return {
    ...graph,
    wrapping: wrapping === "none" || !keepsWrapping ? (plain[wrapping as "none"] ?? wrapping) : wrapping,
    operands: graph.operands.map((operand) => {
      const { constant, data, dtype, shape } = operand;
      const isParameter = data.kind === "values";
      if (isParameter && knows && !shape.includes(n)) return { ...operand, constant: true };
      if (!isParameter && feeds && mayBeFed(dtype) && shape.includes(n)) return { ...operand, constant: false }; // prettier-ignore
      return { ...operand, constant };
    }),
  };
}

/** How the sizes were chosen, as text. */
export function textOf({ range, at, n, variant, off, session }: Sizes): string {
  const size = ({ slope, offset }: LinearSize): string =>
    slope === 0 ? String(offset) : `${slope === 1 ? "" : slope}n${offset === 0 ? "" : offset > 0 ? `+${offset}` : offset}`; // prettier-ignore
  const inputs = Object.entries(range.inputs).map(([name, { shape }]) => `${name} [${shape.map(size).join(", ")}]`); // prettier-ignore
  return `n is ${n} of ${range.low} to ${range.high}, asked at ${at}: ${inputs.join(", ")}; ${variant}, without [${off.join(", ")}]${session ? ", by a session" : ""}`; // prettier-ignore
}

const WILD = [NaN, Infinity, -Infinity, 1e30, -1e30, 1e9, -3, 0.5];

/** Inputs at another n: floats are anything, whole numbers are some of those that the graph has. */
function wildInputs({ inputs }: ShapeRange, at: number, graph: FuzzGraph, random: Random): Outputs {
  const own = feedsOf(graph);
  return Object.fromEntries(
    Object.entries(inputs).map(([name, { dtype, shape: sizes }]) => {
      const shape = sizes.map((size) => sizeAt(size, at));
      const data = allocate(dtype, elementCount(shape));
      const put = data as { [i: number]: number | bigint };
      const elements = own[name]!.data as ArrayLike<number | bigint>;
      const store = storeFunction(dtype);
      for (let i = 0; i < elementCount(shape); i++) {
        if (isFloat(dtype)) put[i] = store(random.pick(WILD));
        else if (elements.length > 0) put[i] = elements[random.below(elements.length)]!;
      }
      return [name, { dtype, shape, data }];
    }),
  );
}

/** Runs a graph as it is by a program for several sizes. */
export async function rangedDifference(graph: FuzzGraph, sizes: Sizes, compare: Compare): Promise<Ranged> {
  const { variant, off, session } = sizes;
  let reason = "too few sizes, or those that there are end before n";
  const options: CompileOptions = {
    passes: Object.fromEntries(off.map((pass) => [pass, false])),
    variants: [variant],
    memoryLimit: 2 ** 27,
    trace: (_, detail, node) => {
      if (node !== undefined) return;
      const text = detail();
      if (text.startsWith("no program")) reason = text.slice(text.indexOf(":") + 2);
    },
  };
  try {
    const actual = session ? await bySession(graph, sizes, options) : await byHand(graph, sizes, options);
    if (!actual) return { kind: "refused", reason };
    const what = compare(actual);
    return what === undefined ? { kind: "agrees" } : { kind: "differs", what: `${what} (${textOf(sizes)})` };
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { kind: "differs", what: `${text.split("\n").slice(0, 5).join(" | ")} (${textOf(sizes)})` };
  }
}

async function byHand(graph: FuzzGraph, sizes: Sizes, options: CompileOptions): Promise<Outputs | undefined> {
  const { at, n, variant } = sizes;
  const made = await openSource(modelOf(graph), options).bindRange!(sizes.range, at, {});
  // The model may have ended the range before.
  if (!made || made.high < n) return undefined;
  const range = { ...sizes.range, high: made.high };
  const inputs = new Map(typesOf(graph));
  if (numberOf(range, inputs) !== n) throw new RangeError(`${numberOf(range, inputs)} is not ${n}`);
  const opening = { variant, threads: 1, verify: false };
  const reader = new ByteReader(made.artifact);
  const header = await peekHeader(reader, opening);
  if (header.plan.kind !== "bound") throw new RangeError("a program that cannot run");
  const engine = await openBound(reader, header, header.plan, opening, undefined);
  if (engine.kind !== "wasm") throw new RangeError(`a program for ${engine.kind}`);
  const { program } = engine;
  const ranged = { range, program, parameter: made.parameter, outputs: made.outputs };
  const wild = wildInputs(range, range.high, graph, new Random(n));
  try {
    runRanged(ranged, range.high, new Map(Object.entries(wild)), {});
    return Object.fromEntries(runRanged(ranged, n, inputs, {}));
  } finally {
    program.dispose();
  }
}

/** Two other sizes first: after the second a session has a program for several. */
async function bySession(
  graph: FuzzGraph,
  sizes: Sizes,
  options: CompileOptions,
): Promise<Outputs | undefined> {
  const { range, n, variant } = sizes;
  let isMade = false;
  const watched = (stage: Stage): Stage => ({
    ...stage,
    bindRange: async (...told) => {
      const made = await stage.bindRange!(...told);
      isMade ||= made !== undefined;
      return made;
    },
  });
  const session = await load(modelOf(graph), {
    threads: 1,
    variant,
    compiler: () => ({ openSource: (source) => watched(openSource(source, options)) }),
  });
  const random = new Random(n);
  try {
    for (const other of [range.low === n ? range.low + 2 : range.low, range.high]) {
      try {
        await session.run({ ...wildInputs(range, other, graph, random) });
      } catch (error) {
        // Not all graphs can be had in other sizes, nor on all numbers.
        const isRefused = error instanceof CompileError || (error instanceof TilewrightError && !/trapped/.test(error.message)); // prettier-ignore
        if (!isRefused) throw error;
      }
    }
    const actual = await session.run(feedsOf(graph));
    return isMade ? actual : undefined;
  } finally {
    session.dispose();
  }
}
