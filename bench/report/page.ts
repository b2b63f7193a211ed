/**
 * The results page. In: results, as `--json` writes them. Out: one HTML file that needs nothing else: no script, no
 * font, no request. Invariant: all that is shown is in the results; what was not measured has no section.
 */
import { kernelRates } from "../kernels/table.ts";
import { laneBeside, laneId, partsOfLane } from "../lanes.ts";
import { milliseconds, modelLines } from "../report.ts";
import { type BenchResults } from "../results.ts";
import { gpuBaseOf } from "../runtimes/table.ts";
import { html, type Markup } from "./markup.ts";
import {
  accuracyLanesIn,
  accuracyPlot,
  coldLanesIn,
  coldPlot,
  gpuLanesIn,
  gpuPlot,
  kernelPlot,
  lanesIn,
  ratioPlot,
  scalingPlot,
  seriesOf,
} from "./plots.ts";
import { STYLE } from "./style.ts";
import { summaryOf } from "./summary.ts";

/** @example writeFileSync("index.html", reportPage(results)); */
export function reportPage(results: BenchResults): string {
  const { device, versions, date } = results;
  const threadCounts = [...new Set(lanesIn(results).map((lane) => partsOfLane(lane).threads))].sort();
  const kernelThreads = [
    ...new Set(
      results.kernels.flatMap(({ result }) =>
        result.results.map(({ runtime }) => partsOfLane(runtime).threads),
      ),
    ),
  ].sort();
  const coldThreads = [...new Set(coldLanesIn(results).map((lane) => partsOfLane(lane).threads))].sort();
  const facts = summaryOf(results).map(
    ({ figure, text }) => html`<div class="fact"><b>${figure}</b><span>${text}</span></div>`,
  );
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Tilewright benchmark</title>
        <style>
          ${{ markup: STYLE }}
        </style>
      </head>
      <body>
        <main>
          <h1>Tilewright benchmark</h1>
          <p>
            ${date.slice(0, 10)}, ${device.cpu}, ${device.cores} cores, ${device.system},
            ${versions["browser"] ?? "browser"}. All runtimes take turns in one page; every result is verified
            before it is timed; figures are medians.
          </p>
          <div class="facts">${facts}</div>
          ${threadCounts.map((threads) =>
            section(
              `Speed, ${threads === 1 ? "one thread" : `${threads} threads`}`,
              `How many times as fast as ${results.reference} with as many threads. To the right is faster; the scale is logarithmic.`,
              ratioPlot(results, threads),
              legend(lanesWith(results, threads)),
            ),
          )}
          ${section(
            "More threads",
            "How many times as fast as the same runtime with one thread, for models that take at least 5 ms with one.",
            scalingPlot(results),
            legend(lanesWith(results, Math.max(1, ...threadCounts))),
          )}
          ${kernelThreads.map((threads) =>
            section(
              `Kernels, ${threads === 1 ? "one thread" : `${threads} threads`}`,
              "Percent of the multiply-add peak that was measured in the same page (times the threads). Convolutions count the " +
                "operations of the direct way, so one that needs fewer can pass 100%.",
              kernelPlot(results, threads),
              undefined,
            ),
          )}
          ${coldThreads.map((threads) =>
            section(
              `First answer, ${threads === 1 ? "one thread" : `${threads} threads`}`,
              "From an empty page in a fresh process to the first answer, from a local server without a cache: loading code " +
                "(pale), making a session (stronger), the first run (full).",
              coldPlot(results, threads),
              legend(coldLanesIn(results, threads)),
            ),
          )}
          ${section(
            "Speed on WebGPU",
            `How many times as fast as ${gpuBaseOf(gpuLanesIn(results)) ?? ""} on the same adapter, in the same page. To the right is faster; the scale is logarithmic.`,
            gpuPlot(results),
            legend(gpuLanesIn(results)),
          )}
          ${section(
            "Errors",
            "Root mean square of the difference from a run in float64, relative to the output's own. To the left is more exact.",
            accuracyPlot(results),
            legend(accuracyLanesIn(results)),
          )}
          <h2>All figures</h2>
          ${modelTable(results)} ${kernelTable(results)} ${memoryTable(results)}
          <footer>
            <p>
              Versions:
              ${Object.entries(versions)
                .map(([name, version]) => `${name} ${version}`)
                .join(", ")}.
            </p>
            ${(results.commands ?? [results.command]).map(
              (command) => html`<p>Made by <code>npm run bench -- ${command.join(" ")}</code></p>`,
            )}
          </footer>
        </main>
      </body>
    </html> `;
  return page.markup;
}

function section(title: string, text: string, plot: Markup | undefined, key: Markup | undefined): Markup {
  if (plot === undefined) return html``;
  return html`<section>
    <h2>${title}</h2>
    <p>${text}</p>
    ${key}
    <div class="plot">${plot}</div>
  </section>`;
}

function lanesWith(results: BenchResults, threads: number): readonly string[] {
  return lanesIn(results).filter((lane) => partsOfLane(lane).threads === threads);
}

function legend(lanes: readonly string[]): Markup {
  const items = lanes.map(
    (lane) => html`<span><i class="${seriesOf(lane)}"></i>${partsOfLane(lane).name}</span>`,
  );
  return html`<div class="legend">${items}</div>`;
}

function table(title: string, heading: readonly string[], lines: readonly (readonly string[])[]): Markup {
  if (lines.length === 0) return html``;
  const cell = (text: string): Markup =>
    text === "NO" || text === "failed" ? html`<td class="no">${text}</td>` : html`<td>${text}</td>`;
  return html`<details>
    <summary>${title}</summary>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            ${heading.map((text) => html`<th>${text}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${lines.map(
            (line) =>
              html`<tr>
                ${line.map(cell)}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </details>`;
}

function modelTable({ models, reference }: BenchResults): Markup {
  const heading = ["model", "runtime", "median ms", "min", "first", "create", "KB", "verified", "ratio"];
  return table(
    "Models",
    heading,
    models.flatMap((model) => modelLines(model, reference)),
  );
}

function kernelTable({ kernels }: BenchResults): Markup {
  const lines = kernels.flatMap((entry) =>
    entry.result.results.map(({ runtime }) => {
      const rates = kernelRates(entry, runtime);
      const percent = (share: number | undefined): string =>
        share === undefined ? "" : (100 * share).toFixed(0);
      return [
        entry.kernel.name,
        runtime,
        rates === undefined ? "failed" : milliseconds(rates.medianMs),
        rates?.gflops?.toFixed(1) ?? "",
        percent(rates?.ofPeak),
        rates?.gbs.toFixed(1) ?? "",
        percent(rates?.ofBandwidth),
      ];
    }),
  );
  return table(
    "Kernels",
    ["kernel", "runtime", "median ms", "GFLOP/s", "% of peak", "GB/s", "% of reads"],
    lines,
  );
}

function memoryTable({ cold, reference }: BenchResults): Markup {
  const lines = cold.flatMap(({ model, results }) =>
    results.map((result) => {
      if (result.status === "failed") return [model, result.runtime, "failed", "", "", ""];
      const { runtime, totalMs, codeBytes, memory } = result;
      const megabytes = (bytes: number | undefined): string =>
        bytes === undefined ? "" : (bytes / 1e6).toFixed(0);
      const empty = runtime === laneBeside(runtime, reference) || runtime === laneId("tilewright", 1);
      return [
        model,
        runtime,
        milliseconds(totalMs),
        (codeBytes / 1000).toFixed(0),
        megabytes(memory?.peakBytes),
        empty ? megabytes(memory?.startBytes) : "",
      ];
    }),
  );
  const heading = [
    "model",
    "runtime",
    "first answer ms",
    "code KB, gzip",
    "peak MB",
    "of which the empty page",
  ];
  return table("First answers and memory", heading, lines);
}
