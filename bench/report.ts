/**
 * What the benchmark prints. In: results. Out: text. Invariant: a ratio is the reference's median over the runtime's
 * (above 1: faster than the reference) and is shown, and counted in the geometric mean, only if both are verified.
 */
import { laneBeside } from "./lanes.ts";
import { type ModelResult, type RuntimeResult } from "./session.ts";
import { geometricMean } from "./statistics.ts";
import { aligned } from "./table.ts";

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
  readonly least: number;
  /** Models that are in it. */
  readonly models: number;
}

/** Of every lane but the reference's own, each beside the reference at the same number of threads. */
export function meanRatios(
  models: readonly ModelResult[],
  lanes: readonly string[],
  reference: string,
): readonly MeanRatio[] {
  return lanes
    .filter((lane) => lane !== laneBeside(lane, reference))
    .map((lane) => {
      const ratios = models.flatMap((model) => ratio(model, lane, laneBeside(lane, reference)) ?? []);
      const least = ratios.length === 0 ? NaN : Math.min(...ratios);
      return { runtime: lane, geometricMean: geometricMean(ratios), least, models: ratios.length };
    });
}

const COLUMNS = ["model", "runtime", "median", "min", "first", "create", "KB", "verified", "ratio"];

/** The lines of one model, one per runtime, in the order of COLUMNS. */
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
    const beside = laneBeside(result.runtime, reference);
    const ratioText =
      result.runtime === beside ? "" : (ratio(model, result.runtime, beside)?.toFixed(2) ?? "-");
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
  lanes: readonly string[],
  reference: string,
): string {
  const lines = [COLUMNS, ...models.flatMap((model) => modelLines(model, reference))];
  const remarks = models.flatMap((model) => [
    ...(model.referenceNote === undefined ? [] : [`${model.model}: ${model.referenceNote}`]),
    ...model.results.flatMap((result) => remark(model.model, result)),
  ]);
  const means = meanRatios(models, lanes, reference)
    .filter((mean) => mean.models > 0)
    .map(
      ({ runtime, geometricMean, least, models: count }) =>
        `${runtime}: ${geometricMean.toFixed(3)} times as fast as ${laneBeside(runtime, reference)} ` +
        `(geometric mean of ${count} of ${models.length} models; least ${least.toFixed(2)})`,
    );
  return [aligned(lines, 2), ...remarks, ...means].join("\n");
}

export function remark(model: string, result: RuntimeResult): string[] {
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
