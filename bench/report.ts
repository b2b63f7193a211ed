/**
 * What the benchmark prints. In: results. Out: text. Invariant: a ratio is the reference's median over the runtime's
 * (above 1: faster than the reference) and is shown, and counted in the geometric mean, only if both are verified.
 */
import { MATMUL_FLOP } from "./matmul.ts";
import { type JobResult } from "./protocol.ts";
import { type ModelResult, type RuntimeResult } from "./session.ts";
import { geometricMean } from "./statistics.ts";

export function isVerified(result: RuntimeResult | undefined): boolean {
  return result?.status === "measured" && result.verification.verified;
}

/** Reference's median over this runtime's; undefined unless both are verified. */
export function ratio(model: ModelResult, runtime: string, reference: string): number | undefined {
  const medianOf = (name: string): number | undefined => {
    const result = model.results.find((candidate) => candidate.runtime === name);
    return result?.status === "measured" && isVerified(result) ? result.timing.medianMs : undefined;
  };
  const [own, other] = [medianOf(runtime), medianOf(reference)];
  return own === undefined || other === undefined ? undefined : other / own;
}

export interface MeanRatio {
  readonly runtime: string;
  readonly geometricMean: number;
  /** Models that are in it. */
  readonly models: number;
}

/** Of every runtime but the reference. */
export function meanRatios(
  models: readonly ModelResult[],
  runtimes: readonly string[],
  reference: string,
): readonly MeanRatio[] {
  return runtimes
    .filter((runtime) => runtime !== reference)
    .map((runtime) => {
      const ratios = models.flatMap((model) => ratio(model, runtime, reference) ?? []);
      return { runtime, geometricMean: geometricMean(ratios), models: ratios.length };
    });
}

const COLUMNS = ["model", "runtime", "median", "min", "first", "create", "KB", "verified", "ratio"];

/** The lines of one model, one per runtime, under the heading that {@link heading} gives. */
export function modelLines(model: ModelResult, reference: string): readonly (readonly string[])[] {
  return model.results.map((result, index) => {
    const name = index === 0 ? model.model : "";
    const kilobytes =
      result.downloadBytes === undefined ? "" : Math.round(result.downloadBytes / 1000).toString();
    if (result.status === "failed") {
      return [name, result.runtime, "failed", "", "", "", kilobytes, "no", ""];
    }
    const { timing, firstRunMs, startMs, createMs, verification } = result;
    const times = [timing.medianMs, timing.minimumMs, firstRunMs, startMs + createMs].map(milliseconds);
    const ratioText =
      result.runtime === reference ? "" : (ratio(model, result.runtime, reference)?.toFixed(2) ?? "-");
    return [name, result.runtime, ...times, kilobytes, verification.verified ? "yes" : "NO", ratioText];
  });
}

/** Three digits that matter, never an exponent. */
export function milliseconds(value: number): string {
  if (!Number.isFinite(value)) return "-";
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(value >= 1 ? 2 : 3);
}

/** The whole table, with the reasons of what failed or was not verified below it. */
export function modelTable(
  models: readonly ModelResult[],
  runtimes: readonly string[],
  reference: string,
): string {
  const lines = [COLUMNS, ...models.flatMap((model) => modelLines(model, reference))];
  const remarks = models.flatMap((model) => [
    ...(model.referenceNote === undefined ? [] : [`${model.model}: ${model.referenceNote}`]),
    ...model.results.flatMap((result) => remark(model.model, result)),
  ]);
  const means = meanRatios(models, runtimes, reference)
    .filter((mean) => mean.models > 0)
    .map(
      ({ runtime, geometricMean, models: count }) =>
        `${runtime}: ${geometricMean.toFixed(3)} times as fast as ${reference} ` +
        `(geometric mean of ${count} of ${models.length} models)`,
    );
  return [aligned(lines, 2), ...remarks, ...means].join("\n");
}

function remark(model: string, result: RuntimeResult): string[] {
  if (result.status === "failed") {
    return [`${model}: ${result.runtime} failed (${result.stage}): ${shortened(result.reason)}`];
  }
  if (result.verification.verified) return [];
  const { reference, worst } = result.verification;
  return [`${model}: ${result.runtime} differs from ${reference}: ${worst}`];
}

/** The first line of a reason, cut where it stops being readable; the JSON holds all of it. */
function shortened(reason: string): string {
  const [first = ""] = reason.split("\n");
  return first.length > 300 ? `${first.slice(0, 300)}...` : first;
}

/** The matrix product: GFLOP/s and percent of the peak that was measured in turn with it. */
export function matmulTable(results: readonly ModelResult[]): string {
  const lines = [["matrix product", "runtime", "GFLOP/s", "best", "% of peak", "best", "verified"]];
  for (const model of results) {
    for (const [index, result] of model.results.entries()) {
      const name = index === 0 ? model.model : "";
      if (result.status === "failed") {
        lines.push([name, result.runtime, "failed", "", "", "", "no"]);
        continue;
      }
      const { medianMs, minimumMs } = result.timing;
      const percents = [
        peakPercent(model.peak, medianMs, "median"),
        peakPercent(model.peak, minimumMs, "best"),
      ];
      const gflops = [medianMs, minimumMs].map((time) => (MATMUL_FLOP / time / 1e6).toFixed(1));
      const verified = result.verification.verified ? "yes" : "NO";
      lines.push([
        name,
        result.runtime,
        ...gflops,
        ...percents.map((percent) => percent?.toFixed(1) ?? "-"),
        verified,
      ]);
    }
    for (const [variant, { median, best }] of Object.entries(model.peak ?? {})) {
      lines.push(["", `peak, ${variant}`, median.toFixed(1), best.toFixed(1), "", "", ""]);
    }
  }
  const remarks = results.flatMap((model) => model.results.flatMap((result) => remark(model.model, result)));
  return [aligned(lines, 2), ...remarks].join("\n");
}

/**
 * Percent of the multiply-add peak that a run of the matrix product reaches in this time. The faster variant is the
 * peak. Compare median with median: they were taken in turns; the best of each tells what a quiet machine would do.
 */
export function peakPercent(
  peak: JobResult["peak"],
  runMs: number,
  kind: "median" | "best",
): number | undefined {
  const gflops = Math.max(...Object.values(peak ?? {}).map((variant) => variant[kind]));
  return Number.isFinite(gflops) ? (100 * (MATMUL_FLOP / runMs / 1e6)) / gflops : undefined;
}

/** Columns of equal width; the first `left` ones are flush left, the others flush right. */
function aligned(lines: readonly (readonly string[])[], left: number): string {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) =>
          column < left ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
