/**
 * What threads gain, as a table. In: measured models. Out: for each model and runtime that ran on one thread and on more,
 * its times, their ratio, and how far the cores were from each other. Invariant: ratios are of one page, interleaved.
 */
import { table } from "../compiler/tensors/table.ts";
import { laneId, partsOfLane } from "./lanes.ts";
import { type ModelResult } from "./session.ts";

/** "" where nothing ran on several threads and on one. */
export function threadsTable(models: readonly ModelResult[]): string {
  const rows = models.flatMap(({ model, results, roundTripNs }) =>
    results.flatMap((many) => {
      const { name, threads } = partsOfLane(many.runtime);
      const one = results.find(({ runtime }) => runtime === laneId(name, 1));
      if (threads === 1 || many.status !== "measured" || one?.status !== "measured") return [];
      const [alone, together] = [one.timing.medianMs, many.timing.medianMs];
      return [
        [
          model,
          many.runtime,
          alone.toPrecision(3),
          together.toPrecision(3),
          (alone / together).toFixed(2),
          roundTripNs?.map((ns) => ns.toFixed(0)).join(", ") ?? "",
        ],
      ];
    }),
  );
  const heading = ["model", "runtime", "1 thread, ms", "ms", "ratio", "core to core and back, ns"];
  return rows.length === 0 ? "" : table([heading, ...rows], { heading: true });
}
