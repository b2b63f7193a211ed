/**
 * How far results are from those of float64. In: results of models that were compared with them. Out: a table.
 * Invariant: an error is relative to the root mean square of the exact output, of the output where it is largest.
 */
import { laneBeside } from "../lanes.ts";
import { type ModelResult } from "../session.ts";
import { aligned } from "../table.ts";

/** Below this an error is that of the last bit or none, and what it is a multiple of says nothing. */
const LAST_BIT = 1e-7;

/** A lane's error over the reference's at the same number of threads; undefined where one of them is not known. */
export function errorRatio(model: ModelResult, lane: string, reference: string): number | undefined {
  const errorOf = (id: string): number | undefined => {
    const result = model.results.find(({ runtime }) => runtime === id);
    return result?.status === "measured" ? result.exactError : undefined;
  };
  const [own, other] = [errorOf(lane), errorOf(laneBeside(lane, reference))];
  if (own === undefined || other === undefined) return undefined;
  return Math.max(own, LAST_BIT) / Math.max(other, LAST_BIT);
}

export function accuracyTable(models: readonly ModelResult[], reference: string): string {
  const lines = [["error against float64", "runtime", "error", `of ${reference}'s`]];
  for (const model of models) {
    if (model.exactNote !== undefined) continue;
    for (const [index, result] of model.results.entries()) {
      if (result.status !== "measured" || result.exactError === undefined) continue;
      const { runtime, exactError } = result;
      const times = errorRatio(model, runtime, reference);
      const beside = runtime === laneBeside(runtime, reference);
      const text = beside || times === undefined ? "" : times.toFixed(2);
      lines.push([index === 0 ? model.model : "", runtime, exactError.toExponential(1), text]);
    }
  }
  const notes = models.flatMap(({ model, exactNote }) =>
    exactNote === undefined ? [] : [`${model}: no float64 form: ${exactNote}`],
  );
  return [aligned(lines, 2), ...notes].join("\n");
}
