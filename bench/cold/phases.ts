/**
 * What happened until a first answer, as a table. In: starts that were watched. Out: text, one line for each kind of
 * thing, in order of their beginnings; "" where nothing was watched.
 */
import { milliseconds } from "../report.ts";
import { aligned } from "../table.ts";
import { type ColdModel } from "./coldStart.ts";

const COLUMNS = ["runtime", "phase", "from", "to", "on the page's thread", "times"];

/** @param title what these starts are */
export function phaseTable(models: readonly ColdModel[], title: string): string {
  const lines = models.flatMap(({ model, results }) =>
    results.flatMap((result) =>
      (result.status === "measured" ? (result.phases ?? []) : []).map(
        ({ name, from, to, busy, calls }, index) => [
          index === 0 ? model : "",
          index === 0 ? result.runtime : "",
          name,
          milliseconds(from),
          milliseconds(to),
          busy === undefined ? "" : milliseconds(busy),
          String(calls),
        ],
      ),
    ),
  );
  if (lines.length === 0) return "";
  return aligned([[`phases, ${title}`, ...COLUMNS], ...lines], 3);
}
