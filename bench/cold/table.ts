/**
 * Starts in fresh pages as a table. In: what was measured. Out: text. Invariant: a ratio is the reference's over the
 * lane's, at the same number of threads: above 1, the lane is earlier, or smaller.
 */
import { laneBeside } from "../lanes.ts";
import { milliseconds } from "../report.ts";
import { geometricMean } from "../statistics.ts";
import { aligned } from "../table.ts";
import { type ColdModel, type ColdResult } from "./coldStart.ts";

/** What can be compared of two starts. */
export type ColdMeasure = "totalMs" | "codeBytes" | "peakBytes" | "netBytes";

/** The reference's figure over the lane's; undefined unless both were measured. */
export function coldRatio(
  model: ColdModel,
  lane: string,
  reference: string,
  measure: ColdMeasure,
): number | undefined {
  const figure = (id: string): number | undefined => {
    const result = model.results.find(({ runtime }) => runtime === id);
    if (result?.status !== "measured") return undefined;
    const { memory } = result;
    if (measure === "peakBytes") return memory?.peakBytes;
    // What the page without a runtime holds is nobody's doing.
    if (measure === "netBytes") return memory && memory.peakBytes - memory.startBytes;
    return result[measure];
  };
  const [own, other] = [figure(lane), figure(laneBeside(lane, reference))];
  return own === undefined || other === undefined ? undefined : other / own;
}

const COLUMNS = ["fresh page", "runtime", "code", "create", "first run", "answer", "ratio", "code KB", "ratio", "peak MB", "ratio", "empty", "net ratio"]; // prettier-ignore

/** @param title what these starts are */
export function coldTable(models: readonly ColdModel[], reference: string, title = "fresh page"): string {
  const lines = models.flatMap((model) =>
    model.results.map((result, index) => coldLine(model, result, index === 0 ? model.model : "", reference)),
  );
  const failures = models.flatMap(({ model, results }) =>
    results.flatMap((result) =>
      result.status === "failed"
        ? [`${model}: ${result.runtime} failed in a fresh page: ${result.reason}`]
        : [],
    ),
  );
  const lanes = [...new Set(models.flatMap(({ results }) => results.map(({ runtime }) => runtime)))];
  const means = lanes
    .filter((lane) => lane !== laneBeside(lane, reference))
    .flatMap((lane) => {
      const ratios = models.flatMap((model) => coldRatio(model, lane, reference, "totalMs") ?? []);
      if (ratios.length === 0) return [];
      const [mean, least] = [geometricMean(ratios), Math.min(...ratios)].map((value) => value.toFixed(1));
      return [
        `first answer: ${lane} ${mean} times as early as ${laneBeside(lane, reference)}, least ${least}`,
      ];
    });
  return [aligned([[title, ...COLUMNS.slice(1)], ...lines], 2), ...failures, ...means].join("\n");
}

function coldLine(model: ColdModel, result: ColdResult, name: string, reference: string): string[] {
  if (result.status === "failed") return [name, result.runtime, "failed", ...COLUMNS.slice(3).map(() => "")];
  const { runtime, startMs, createMs, firstRunMs, totalMs, codeBytes, memory } = result;
  const isReference = runtime === laneBeside(runtime, reference);
  const ratioText = (measure: ColdMeasure): string =>
    isReference ? "" : (coldRatio(model, runtime, reference, measure)?.toFixed(1) ?? "");
  const megabytes = (bytes: number | undefined): string =>
    bytes === undefined ? "" : (bytes / 1e6).toFixed(0);
  return [
    name,
    runtime,
    ...[startMs, createMs, firstRunMs, totalMs].map(milliseconds),
    ratioText("totalMs"),
    (codeBytes / 1000).toFixed(0),
    ratioText("codeBytes"),
    megabytes(memory?.peakBytes),
    ratioText("peakBytes"),
    megabytes(memory?.startBytes),
    ratioText("netBytes"),
  ];
}
