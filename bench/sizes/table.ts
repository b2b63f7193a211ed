/**
 * Runs whose sizes change, as a table. In: measured series. Out: text. Invariant: a ratio is the reference's over the lane's
 * (above 1: faster than the reference), and is there only if both are verified.
 */
import { laneBeside } from "../lanes.ts";
import { milliseconds } from "../report.ts";
import { aligned } from "../table.ts";
import { type MeasuredSeries, type SeriesResult } from "./measure.ts";

export function isSeriesVerified(result: SeriesResult | undefined): boolean {
  return result?.status === "measured" && result.verification.verified;
}

/** The reference's figure over the lane's; undefined unless both are verified. */
export function seriesRatio(
  { results }: MeasuredSeries,
  lane: string,
  reference: string,
  measure: "totalMs" | "medianMs",
): number | undefined {
  const figure = (id: string): number | undefined => {
    const result = results.find(({ runtime }) => runtime === id);
    return result?.status === "measured" && isSeriesVerified(result) ? result[measure] : undefined;
  };
  const [own, other] = [figure(lane), figure(laneBeside(lane, reference))];
  return own === undefined || other === undefined ? undefined : other / own;
}

const COLUMNS = ["runtime", "create", "first", "median", "ratio", "slowest", "all", "ratio", "compiling", "programs", "MB", "verified"]; // prettier-ignore

/** The table, with what compiled when, and why what is not verified is not, below it. */
export function seriesTable(series: readonly MeasuredSeries[], reference: string): string {
  const lines = series.flatMap((measured) =>
    measured.results.map((result, index) => [
      index === 0 ? measured.series : "",
      result.runtime,
      ...cellsOf(measured, result, reference),
    ]),
  );
  const remarks = series.flatMap((measured) =>
    measured.results.flatMap((result) =>
      remark(measured, result).map((text) => `${measured.series}: ${text}`),
    ),
  );
  return [aligned([["changing sizes", ...COLUMNS], ...lines], 2), ...remarks].join("\n");
}

function cellsOf(series: MeasuredSeries, result: SeriesResult, reference: string): string[] {
  if (result.status === "failed") return ["failed", ...COLUMNS.slice(2, -1).map(() => ""), "no"];
  const { runtime, startMs, createMs, firstMs, medianMs, slowestMs, totalMs, memoryBytes } = result;
  const isReference = runtime === laneBeside(runtime, reference);
  const ratioText = (measure: "totalMs" | "medianMs"): string =>
    isReference ? "" : (seriesRatio(series, runtime, reference, measure)?.toFixed(2) ?? "-");
  const compilations = compilationsOf(series, result);
  const tells = result.compiled !== undefined;
  return [
    milliseconds(startMs + createMs),
    milliseconds(firstMs),
    milliseconds(medianMs),
    ratioText("medianMs"),
    milliseconds(slowestMs),
    milliseconds(totalMs),
    ratioText("totalMs"),
    tells ? milliseconds(sum(compilations.map(({ ms }) => ms))) : "",
    tells ? String(sum(result.compiled!)) : "",
    memoryBytes === undefined ? "" : (memoryBytes / 1e6).toFixed(0),
    result.verification.verified ? "yes" : "NO",
  ];
}

/** A run that compiled something. */
interface Compilation {
  /** From 1. */
  readonly run: number;
  readonly size: number;
  readonly ms: number;
}

function compilationsOf({ sizes }: MeasuredSeries, result: SeriesResult): readonly Compilation[] {
  if (result.status === "failed") return [];
  return (result.compiled ?? []).flatMap((programs, index) =>
    programs === 0 ? [] : [{ run: index + 1, size: sizes[index]!, ms: result.runsMs[index]! }],
  );
}

/** Compilations that are told one by one. */
const MOST_TOLD = 12;

function remark(series: MeasuredSeries, result: SeriesResult): readonly string[] {
  if (result.status === "failed") return [`${result.runtime} failed (${result.stage}): ${result.reason}`];
  const { runtime, verification } = result;
  const compilations = compilationsOf(series, result);
  const told = compilations
    .slice(0, MOST_TOLD)
    .map(({ run, size, ms }) => `${run} (size ${size}, ${milliseconds(ms)})`);
  const others = compilations.length - told.length;
  return [
    ...(told.length === 0
      ? []
      : [`${runtime} compiled in runs ${told.join(", ")}${others > 0 ? ` and ${others} more` : ""}`]),
    ...(verification.verified
      ? []
      : [`${runtime} differs from ${verification.reference}: ${verification.worst}`]),
  ];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
