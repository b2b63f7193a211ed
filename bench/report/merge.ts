/**
 * Several calls of the benchmark as one result, so that a long measurement can be made in pieces. In: results. Out: one
 * result. Invariant: ratios are never made of figures of two calls: what was measured again replaces all of what was
 * measured of that model or kernel before. Runtimes on the GPU are measured apart from the others, and replace only those.
 */
import { type ColdModel } from "../cold/coldStart.ts";
import { meanRatios } from "../report.ts";
import { type BenchResults } from "../results.ts";
import { isGpu } from "../runtimes/table.ts";
import { type ModelResult } from "../session.ts";

/** @throws RangeError when there is none */
export function mergeResults(pieces: readonly BenchResults[]): BenchResults {
  const last = pieces.at(-1);
  if (last === undefined) throw new RangeError("there are no results");
  const models = latest(
    pieces.flatMap((piece) => piece.models),
    keyOf,
  );
  // Runtimes on the GPU have a base of their own on the page.
  const reference = pieces.findLast((piece) => !isGpu(piece.reference))?.reference ?? last.reference;
  const starts = (of: (piece: BenchResults) => readonly ColdModel[]): readonly ColdModel[] =>
    latest(pieces.flatMap(of), keyOf);
  const warm = starts((piece) => piece.warm ?? []);
  const series = latest(
    pieces.flatMap((piece) => piece.series ?? []),
    ({ series: name }) => name,
  );
  const lanes = [...new Set(models.flatMap(({ results }) => results.map(({ runtime }) => runtime)))];
  return {
    ...last,
    commands: pieces.flatMap(({ command, commands }) => commands ?? [command]),
    versions: Object.assign({}, ...pieces.map(({ versions }) => versions)) as BenchResults["versions"],
    models,
    reference,
    ratios: meanRatios(models, lanes, reference),
    cold: starts((piece) => piece.cold),
    ...(warm.length === 0 ? {} : { warm }),
    kernels: latest(
      pieces.flatMap((piece) => piece.kernels),
      ({ kernel }) => kernel.name,
    ),
    ...(series.length === 0 ? {} : { series }),
  };
}

/** A model, and whether it is measured on the GPU. */
function keyOf({ model, results }: ModelResult | ColdModel): string {
  return `${model} ${results.some(({ runtime }) => isGpu(runtime))}`;
}

/** Each name once, in the order in which names came first, with what came last. */
function latest<T>(items: readonly T[], nameOf: (item: T) => string): readonly T[] {
  return [...new Map(items.map((item) => [nameOf(item), item])).values()];
}
