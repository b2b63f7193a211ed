/**
 * What the results page shows as plots. In: results. Out: SVG for each question: how fast, on how many threads, how
 * near to the machine's peak, how soon, how exact. Invariant: only verified figures are drawn; a plot without any is
 * left out.
 */
import { errorRatio } from "../accuracy/table.ts";
import { gpuRatios } from "../gpuTable.ts";
import { kernelRates } from "../kernels/table.ts";
import { laneBeside, laneId, partsOfLane } from "../lanes.ts";
import { isVerified, milliseconds, ratio } from "../report.ts";
import { type BenchResults } from "../results.ts";
import { isGpu } from "../runtimes/table.ts";
import { type ModelResult, type RuntimeResult } from "../session.ts";
import { type Markup } from "./markup.ts";
import { type Mark, type Row, rowPlot } from "./rowPlot.ts";

export const OWN = "tilewright";
/** Models faster than this have nothing to share among threads. */
const SCALING_FROM_MS = 5;

/** The class that colours a runtime. */
export function seriesOf(lane: string): string {
  return `s-${partsOfLane(lane).name}`;
}

/** Lanes of runtimes on the CPU; those on the GPU have a plot of their own. */
export function lanesIn(results: BenchResults): readonly string[] {
  return allLanesIn(results).filter((lane) => !isGpu(partsOfLane(lane).name));
}

export function gpuLanesIn(results: BenchResults): readonly string[] {
  return allLanesIn(results).filter((lane) => isGpu(partsOfLane(lane).name));
}

function allLanesIn(results: BenchResults): readonly string[] {
  return [...new Set(results.models.flatMap((model) => model.results.map(({ runtime }) => runtime)))];
}

/** Speed on the GPU over the base there: ours as bars, peers as dots. */
export function gpuPlot({ models }: BenchResults): Markup | undefined {
  const ratios = gpuRatios(models);
  const names = [...new Set(ratios.map(({ model }) => model))];
  if (names.length === 0) return undefined;
  const rows = names.map((model): Row => {
    const marks = ratios
      .filter((ratio) => ratio.model === model)
      .map(({ runtime, run, base }): Mark => {
        const own = runtime.startsWith(OWN);
        const title = `${model}: ${runtime} ${run.toFixed(2)} times as fast as ${base}`;
        const label = own ? { label: run.toFixed(2), from: 1 } : {};
        return { kind: own ? "bar" : "dot", series: seriesOf(runtime), value: run, title, ...label };
      });
    return { label: model, lines: [marks] };
  });
  const { base } = ratios[0]!;
  return rowPlot({
    rows,
    scale: "log",
    range: [0.2, 50],
    ticks: [0.2, 0.5, 2, 5, 10, 20, 50],
    tickText: (value) => `${value}x`,
    guides: [{ value: 1, label: base }],
    title: `Speed on WebGPU over ${base} by model`,
  });
}

/** Every runtime's speed over the reference's, for one number of threads: ours as bars, peers as dots. */
export function ratioPlot(results: BenchResults, threads: number): Markup | undefined {
  const { models, reference } = results;
  const lanes = lanesIn(results).filter((lane) => partsOfLane(lane).threads === threads);
  const rows = models.flatMap((model): Row[] => {
    const marks = lanes.flatMap((lane): Mark[] => {
      const value = ratio(model, lane, laneBeside(lane, reference));
      if (value === undefined || lane === laneBeside(lane, reference)) return [];
      const own = partsOfLane(lane).name === OWN;
      const title = `${model.model}: ${lane} ${value.toFixed(2)} times as fast as ${laneBeside(lane, reference)}`;
      const label = own ? { label: value.toFixed(2), from: 1 } : {};
      return [{ kind: own ? "bar" : "dot", series: seriesOf(lane), value, title, ...label }];
    });
    return marks.length === 0 ? [] : [{ label: model.model, lines: [marks] }];
  });
  if (rows.length === 0) return undefined;
  return rowPlot({
    rows,
    scale: "log",
    range: [0.1, 20],
    ticks: [0.1, 0.2, 0.5, 2, 5, 10, 20],
    tickText: (value) => `${value}x`,
    guides: [{ value: 1, label: `${laneId(reference, threads)}` }],
    title: `Speed over ${reference} by model, ${threads} threads`,
  });
}

/** How much faster several threads are than one, of each runtime. */
export function scalingPlot(results: BenchResults): Markup | undefined {
  const lanes = lanesIn(results).filter((lane) => partsOfLane(lane).threads > 1);
  const rows = results.models.flatMap((model): Row[] => {
    const marks = lanes.flatMap((lane): Mark[] => {
      const value = scalingOf(model, lane);
      if (value === undefined) return [];
      const own = partsOfLane(lane).name === OWN;
      const title = `${model.model}: ${lane} ${value.toFixed(2)} times as fast as with one thread`;
      const label = own ? { label: value.toFixed(2), from: 1 } : {};
      return [{ kind: own ? "bar" : "dot", series: seriesOf(lane), value, title, ...label }];
    });
    return marks.some(({ kind }) => kind === "bar") ? [{ label: model.model, lines: [marks] }] : [];
  });
  if (rows.length === 0) return undefined;
  return rowPlot({
    rows,
    scale: "linear",
    range: [0, 2.2],
    ticks: [0, 0.5, 1, 1.5, 2],
    tickText: (value) => `${value}x`,
    guides: [{ value: 1, label: "one thread" }],
    title: "Speed with several threads over one thread",
  });
}

/** The median with one thread over that of `lane`; undefined for short models, and unless both are verified. */
export function scalingOf(model: ModelResult, lane: string): number | undefined {
  const single = laneId(partsOfLane(lane).name, 1);
  const one = model.results.find(({ runtime }) => runtime === single);
  const isLong = one?.status === "measured" && one.timing.medianMs >= SCALING_FROM_MS;
  return isLong && lane !== single ? ratio(model, lane, single) : undefined;
}

/** Each kernel's part of the multiply-add peak, or of the read bandwidth where that is what limits it. */
export function kernelPlot({ kernels, reference }: BenchResults, threads: number): Markup | undefined {
  const rows = kernels.flatMap((entry): Row[] => {
    const lines = [OWN, reference].flatMap((name): Mark[][] => {
      const rates = kernelRates(entry, laneId(name, threads));
      if (rates?.ofPeak === undefined || rates.gflops === undefined) return [];
      const percent = 100 * rates.ofPeak;
      const title = `${entry.kernel.name}: ${name} ${rates.gflops.toFixed(1)} GFLOP/s, ${percent.toFixed(0)}% of the peak`;
      const label = `${percent.toFixed(0)}%`;
      return [[{ kind: "bar", series: seriesOf(name), value: percent, label, title }]];
    });
    return lines.length === 0 ? [] : [{ label: entry.kernel.name, group: entry.kernel.group, lines }];
  });
  if (rows.length === 0) return undefined;
  return rowPlot({
    rows,
    scale: "linear",
    range: [0, 300],
    ticks: [0, 50, 150, 200, 250, 300],
    tickText: (value) => `${value}%`,
    guides: [{ value: 100, label: "multiply-add peak" }],
    title: "Kernels: percent of the multiply-add peak",
  });
}

/** Lanes whose starts were measured, all or those with so many threads. */
export function coldLanesIn({ cold }: BenchResults, threads?: number): readonly string[] {
  const lanes = cold.flatMap(({ results }) =>
    results.flatMap(({ status, runtime }) => (status === "failed" ? [] : [runtime])),
  );
  return [...new Set(lanes)].filter((lane) => threads === undefined || partsOfLane(lane).threads === threads);
}

/** From nothing to the first answer: code, session, first run, one after the other. */
export function coldPlot({ cold }: BenchResults, threads: number): Markup | undefined {
  let longest = 0;
  const rows = cold.flatMap(({ model, results }): Row[] => {
    const lines = results.flatMap((result): Mark[][] => {
      if (result.status === "failed" || partsOfLane(result.runtime).threads !== threads) return [];
      const { runtime, startMs, createMs, firstRunMs, totalMs } = result;
      longest = Math.max(longest, totalMs);
      const parts = [
        ["code", startMs],
        ["session", createMs],
        ["first run", firstRunMs],
      ] as const;
      let from = 0;
      return [
        parts.map(([part, time], i): Mark => {
          const title = `${model}: ${runtime}, ${part} ${milliseconds(time)} ms of ${milliseconds(totalMs)}`;
          const start = from;
          from += time;
          const label = i === parts.length - 1 ? { label: `${milliseconds(totalMs)} ms` } : {};
          return {
            kind: "bar",
            series: `${seriesOf(runtime)} part${i}`,
            value: from,
            from: start,
            title,
            ...label,
          };
        }),
      ];
    });
    return lines.length === 0 ? [] : [{ label: model, lines }];
  });
  if (rows.length === 0) return undefined;
  const step = longest > 3000 ? 1000 : longest > 1200 ? 500 : 200;
  const end = Math.ceil(longest / step) * step;
  return rowPlot({
    rows,
    scale: "linear",
    range: [0, end],
    ticks: Array.from({ length: end / step + 1 }, (_, i) => i * step),
    tickText: (value) => `${value} ms`,
    guides: [],
    title: "From an empty page to the first answer",
  });
}

/** The error of a lane against float64, where it is known and belongs on the plot: threads change no result. */
function errorOf(result: RuntimeResult): number | undefined {
  if (result.status === "failed" || !isVerified(result)) return undefined;
  return partsOfLane(result.runtime).threads > 1 ? undefined : result.exactError;
}

export function accuracyLanesIn({ models }: BenchResults): readonly string[] {
  const results = models.flatMap((model) => model.results);
  return [
    ...new Set(results.filter((result) => errorOf(result) !== undefined).map(({ runtime }) => runtime)),
  ];
}

/** Errors against float64. */
export function accuracyPlot({ models, reference }: BenchResults): Markup | undefined {
  const rows = models.flatMap((model): Row[] => {
    const marks = model.results.flatMap((result): Mark[] => {
      const exactError = errorOf(result);
      if (exactError === undefined) return [];
      const { runtime } = result;
      const times = errorRatio(model, runtime, reference)?.toFixed(2) ?? "-";
      const title = `${model.model}: ${runtime} ${exactError.toExponential(1)}, ${times} of ${reference}'s`;
      return [{ kind: "dot", series: seriesOf(runtime), value: exactError, title }];
    });
    return marks.length === 0 ? [] : [{ label: model.model, lines: [marks] }];
  });
  if (rows.length === 0) return undefined;
  return rowPlot({
    rows,
    scale: "log",
    range: [1e-8, 1e-1],
    ticks: [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1],
    tickText: (value) => value.toExponential(0),
    guides: [],
    title: "Relative error against float64",
  });
}
