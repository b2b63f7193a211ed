/**
 * The few figures that stand on top of the results page. In: results. Out: figures with what they mean. Invariant: a
 * figure is there only if something verified is behind it, and its text says how much.
 */
import { coldRatio } from "../cold/table.ts";
import { gpuMeans } from "../gpuTable.ts";
import { kernelRates } from "../kernels/table.ts";
import { laneBeside, laneId, partsOfLane } from "../lanes.ts";
import { ratio } from "../report.ts";
import { type BenchResults } from "../results.ts";
import { geometricMean, minimum } from "../statistics.ts";
import { lanesIn, OWN, scalingOf } from "./plots.ts";

export interface Fact {
  readonly figure: string;
  readonly text: string;
}

export function summaryOf(results: BenchResults): readonly Fact[] {
  const own = lanesIn(results).filter((lane) => partsOfLane(lane).name === OWN);
  return [
    ...own.flatMap((lane) => speedFacts(results, lane)),
    ...own.flatMap((lane) => scalingFact(results, lane)),
    ...kernelFact(results),
    ...coldFacts(results),
    ...gpuFacts(results),
  ];
}

function threadsText(lane: string): string {
  const { threads } = partsOfLane(lane);
  return threads === 1 ? "1 thread" : `${threads} threads`;
}

/** Over the reference, and over each peer where both run. */
function speedFacts(results: BenchResults, lane: string): Fact[] {
  const { threads } = partsOfLane(lane);
  const others = lanesIn(results).filter((other) => {
    const parts = partsOfLane(other);
    return parts.threads === threads && !parts.name.startsWith(OWN);
  });
  return others.flatMap((other) => {
    const ratios = results.models.flatMap((model) => ratio(model, lane, other) ?? []);
    if (ratios.length === 0) return [];
    const text = `as fast as ${partsOfLane(other).name}, ${threadsText(lane)}: geometric mean of ${ratios.length} models, least ${minimum(ratios).toFixed(2)}`;
    return [{ figure: `${geometricMean(ratios).toFixed(2)}x`, text }];
  });
}

function scalingFact(results: BenchResults, lane: string): Fact[] {
  const scalings = results.models.flatMap((model) => scalingOf(model, lane) ?? []);
  if (scalings.length === 0) return [];
  const text = `${threadsText(lane)} over one, ${scalings.length} models above 5 ms, least ${minimum(scalings).toFixed(2)}`;
  return [{ figure: `${geometricMean(scalings).toFixed(2)}x`, text }];
}

function kernelFact({ kernels }: BenchResults): Fact[] {
  const shares = kernels
    .filter(({ kernel }) => kernel.group === "gemm" || kernel.group === "conv 1x1")
    .flatMap((entry) => kernelRates(entry, laneId(OWN, 1))?.ofPeak ?? []);
  if (shares.length === 0) return [];
  const text = `of the multiply-add peak: ${shares.length} matrix products and 1x1 convolutions, best ${(100 * Math.max(...shares)).toFixed(0)}%`;
  return [{ figure: `${(100 * geometricMean(shares)).toFixed(0)}%`, text }];
}

function gpuFacts({ models }: BenchResults): Fact[] {
  return gpuMeans(models)
    .filter(({ runtime }) => runtime.startsWith(OWN))
    .map(({ base, words, models: count, mean, least }) => ({
      figure: `${mean.toFixed(1)}x`,
      text: `${words}, beside ${base}: ${count} models, least ${least.toFixed(2)}`,
    }));
}

function coldFacts({ cold, reference }: BenchResults): Fact[] {
  const facts = [
    ["totalMs", "as early with the first answer"],
    ["codeBytes", "less code to download"],
    ["peakBytes", "less memory of the page"],
  ] as const;
  return facts.flatMap(([measure, words]) => {
    const ratios = cold.flatMap((model) => coldRatio(model, OWN, reference, measure) ?? []);
    if (ratios.length === 0) return [];
    const text = `${words}, beside ${laneBeside(OWN, reference)}: ${ratios.length} models, least ${minimum(ratios).toFixed(1)}`;
    return [{ figure: `${geometricMean(ratios).toFixed(1)}x`, text }];
  });
}
