/**
 * Where the time of a run goes, as a section of the page. In: a profile, or the wish for one. Out: elements. Invariant:
 * pure; the same profile gives the same section.
 */
import type { ProfiledCall } from "../runtime/profile.ts";
import { dataTable, shareCell } from "./dataTable.ts";
import { element, type Child } from "./element.ts";
import { elided, nodesCell, section } from "./modelView.ts";
import type { ProfiledModel } from "./protocol.ts";
import { countText, durationText, percentText } from "./quantity.ts";

const EXPLANATION =
  "Each kernel is timed in its place in a run, beside the multiply-add peak and the read bandwidth of this device, measured in the same moment. Roofline is the least time that those allow, over the time taken.";

/** @param ask measures; absent while something else is going on */
export function profileOffer(ask: (() => void) | undefined): HTMLElement {
  const button = element("button", {
    type: "button",
    textContent: "Measure each kernel",
    disabled: ask === undefined,
  });
  if (ask) button.addEventListener("click", ask);
  return section("Where the time goes", EXPLANATION, element("p", { className: "offer" }, button));
}

/** @param traceUrl where the trace can be had */
export function profileSection({ profile, device }: ProfiledModel, traceUrl: string | undefined): HTMLElement {
  const { calls, peak, runMilliseconds, totalMilliseconds, runs } = profile;
  const numbered = calls.map((call, index) => ({ ...call, index }));
  type Row = (typeof numbered)[number];
  const rate = (value: number): string => (value > 0 ? value.toFixed(value < 10 ? 1 : 0) : "–");
  const reads = rate(Math.max(...peak.bandwidth.map(({ gbs }) => gbs), 0));
  const able = device === "wasm" ? `This device, on one thread: ${rate(peak.gflops)} GFLOP/s, ${reads} GB/s from its nearest cache` : `This GPU: ${rate(peak.gflops)} GFLOP/s, ${reads} GB/s`; // prettier-ignore
  const sum = element("p", {
    className: "note",
    textContent: `${durationText(totalMilliseconds)} in kernels, ${durationText(runMilliseconds)} a whole run (medians of ${countText(runs)}). ${able}.`,
  });
  return section(
    "Where the time goes",
    EXPLANATION,
    sum,
    dataTable<Row>(
      "Time by kernel",
      [
        { heading: "#", cell: ({ index }) => String(index + 1), by: ({ index }) => -index, style: "number" },
        { heading: "Kernel", cell: ({ name }) => elided(name), by: ({ name }) => name },
        { heading: "Nodes fused", cell: ({ nodes }) => nodesCell(nodes), by: ({ nodes }) => nodes.length },
        { heading: "Time", cell: timeCell, by: ({ milliseconds }) => milliseconds, style: "number" },
        { heading: "Share", cell: ({ share }) => percentText(share), by: ({ share }) => share, style: "number" },
        { heading: "GFLOP/s", cell: ({ gflops }) => rate(gflops), by: ({ gflops }) => gflops, style: "number" },
        { heading: "GB/s", cell: ({ gbs }) => rate(gbs), by: ({ gbs }) => gbs, style: "number" },
        { heading: "Roofline", cell: rooflineCell, by: ({ roofline }) => roofline, style: "number" },
        { heading: "Limit", cell: ({ bound }) => bound, by: ({ bound }) => bound },
      ],
      numbered,
    ),
    traceUrl !== undefined &&
      element(
        "p",
        { className: "note below" },
        element("a", { href: traceUrl, download: `${profile.name}.trace.json`, textContent: "Download the trace" }),
        " and open it at ui.perfetto.dev or chrome://tracing.",
      ),
  );
} // prettier-ignore

function timeCell({ milliseconds, share }: ProfiledCall): Child {
  return shareCell(durationText(milliseconds), share);
}

function rooflineCell({ roofline }: ProfiledCall): Child {
  return shareCell(percentText(Math.min(1, roofline)), roofline);
}
