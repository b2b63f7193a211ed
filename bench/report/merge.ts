/**
 * Several calls of the benchmark as one result, so that a long measurement can be made in pieces. In: results. Out: one
 * result. Invariant: ratios are never made of figures of two calls: what was measured again replaces all of what was
 * measured of that model or kernel before. Runtimes on the GPU are measured apart from the others, and replace only those.
 */
import { meanRatios } from "../report.ts";
import { type BenchResults } from "../results.ts";
import { isGpu } from "../runtimes/table.ts";

/** @throws RangeError when there is none */
export function mergeResults(pieces: readonly BenchResults[]): BenchResults {
  const last = pieces.at(-1);
  if (last === undefined) throw new RangeError("there are no results");
  const models = latest(
    pieces.flatMap((piece) => piece.models),
    ({ model, results }) => `${model} ${results.some(({ runtime }) => isGpu(runtime))}`,
  );
  const lanes = [...new Set(models.flatMap(({ results }) => results.map(({ runtime }) => runtime)))];
  return {
    ...last,
    commands: pieces.flatMap(({ command, commands }) => commands ?? [command]),
    versions: Object.assign({}, ...pieces.map(({ versions }) => versions)) as BenchResults["versions"],
    models,
    ratios: meanRatios(models, lanes, last.reference),
    cold: latest(
      pieces.flatMap((piece) => piece.cold),
      ({ model }) => model,
    ),
    kernels: latest(
      pieces.flatMap((piece) => piece.kernels),
      ({ kernel }) => kernel.name,
    ),
  };
}

/** Each name once, in the order in which names came first, with what came last. */
function latest<T>(items: readonly T[], nameOf: (item: T) => string): readonly T[] {
  return [...new Map(items.map((item) => [nameOf(item), item])).values()];
}
