/**
 * What is known of a model, as sections of the page. In: the replies of the worker. Out: elements. Invariant: pure;
 * the same replies give the same sections, and what is not known yet is left out instead of guessed.
 */
import type { CompileReport, KernelReport, ModelDescription } from "../compiler/index.ts";
import type { TensorSummary } from "../compiler/tensors/tensorSummary.ts";
import type { Port } from "../runtime/index.ts";
import { dataTable, shareCell } from "./dataTable.ts";
import { element, type Child } from "./element.ts";
import type { CompiledModel, Measured, ModelRun, OpenedModel } from "./protocol.ts";
import { bytesText, counted, countText, durationText, elementText, percentText, roundedCountText, shapeText } from "./quantity.ts"; // prettier-ignore
import { scheduleLines } from "./scheduleText.ts";

export interface Overview {
  readonly name: string;
  readonly opened: OpenedModel | undefined;
  readonly compiled: CompiledModel | undefined;
  readonly run: ModelRun | undefined;
  readonly measured: Measured | undefined;
  /** Where the artifact can be had. */
  readonly downloadUrl: string | undefined;
}

const FORMATS = { tile: "Tilewright artifact", onnx: "ONNX", tfjs: "TF.js graph model" } as const;

/** Name, what it is, and the figures that matter first. */
export function overview(known: Overview): HTMLElement {
  const { name, opened, compiled, run, measured, downloadUrl } = known;
  const report = compiled?.report;
  const gzip = measured && Number.isFinite(measured.artifactGzip) ? measured.artifactGzip : undefined;
  const bound = report?.kind === "bound" ? report : undefined;
  const facts: readonly Child[] = [
    run && fact("Run", durationText(run.median), `median of ${countText(run.runs)} runs, fastest ${durationText(run.least)}`), // prettier-ignore
    run && fact("First run", durationText(run.first), report?.kind === "late" ? "with binding its shapes" : `after ${durationText(run.load)} of loading`), // prettier-ignore
    bound && fact("Kernels", countText(bound.kernelsOut), `from ${counted(bound.opsIn, "node")}, ${countText(bound.fused)} fused away`), // prettier-ignore
    report && fact("Compile", durationText(compiled.milliseconds), "in a worker of this page"),
    compiled && fact("Artifact", bytesText(compiled.artifact.size), gzip === undefined ? ".tile, all in one file" : `${bytesText(gzip)} gzip`), // prettier-ignore
    bound && Object.keys(bound.codeBytes).length > 0 && codeFact(bound, measured),
    bound?.gpu &&
      fact("Shaders", bytesText(bound.gpu.wgslBytes), `WGSL, ${counted(bound.gpu.pipelines, "pipeline")}`),
    bound && fact("Weights", bytesText(bound.weightBytes), "stored once, packed when loaded"),
    bound && fact("Arena", bytesText(bound.arenaBytes), bound.gpu ? "for all in-between values, on the GPU" : `for all in-between values; ${bytesText(bound.memoryBytes)} in all`), // prettier-ignore
    run && bound === undefined && fact("Memory", bytesText(run.memoryBytes), "of all programs"),
    bound?.gpu && fact("Dispatches", countText(bound.gpu.dispatches), dispatchNote(bound.gpu)),
    run && (run.adapter === undefined ? fact("Runs on", VARIANTS[run.variant ?? "none"], "chosen by a feature probe") : fact("Runs on", "WebGPU", run.adapter)), // prettier-ignore
  ];
  return element(
    "section",
    { className: "overview", attributes: { "aria-label": `Overview of ${name}` } },
    element(
      "div",
      { className: "overview-head" },
      element(
        "div",
        {},
        element("h3", { className: "model-name", textContent: name }),
        aboutLine(opened, report),
      ),
      downloadUrl !== undefined &&
        element("a", {
          className: "button primary",
          href: downloadUrl,
          download: name.replace(/\.(onnx|tile|json)$/i, "") + ".tile",
          textContent: "Download .tile",
        }),
    ),
    element("dl", { className: "facts" }, ...facts),
    report?.kind === "late" && element("p", { className: "note", textContent: LATE_NOTE }),
  );
}

const VARIANTS = { "relaxed-simd": "Relaxed SIMD", simd: "SIMD", scalar: "Scalar code", none: "–" } as const;

function dispatchNote({ roundTrips, hostCalls }: NonNullable<CompileReport["gpu"]>): string {
  if (hostCalls.length === 0) return "one submit for a run";
  return `${counted(hostCalls.length, "call")} on the CPU, ${counted(roundTrips, "round trip")}`;
}

const LATE_NOTE =
  "Shapes inside this model depend on its data, so it is compiled in parts while it runs: each part is bound when the sizes before it are known. Kernels are therefore not listed.";

function aboutLine(opened: OpenedModel | undefined, report: CompileReport | undefined): HTMLElement {
  const parts: (string | undefined)[] = [];
  if (opened !== undefined) {
    const { format, description, fileBytes } = opened;
    const opsets = Object.entries(description?.opset ?? {});
    const opset = opsets.map(([domain, version]) => (domain === "ai.onnx" ? `opset ${version}` : `${domain} ${version}`));
    parts.push(FORMATS[format], ...(format === "onnx" ? opset : []));
    if (description !== undefined) parts.push(counted(description.nodes, "node"));
    parts.push(bytesText(fileBytes));
  }
  if (report?.kind === "late") parts.push("bound while it runs");
  return element("p", { className: "about", textContent: parts.filter(Boolean).join(" · ") });
} // prettier-ignore

function fact(name: string, value: string, note: string): HTMLElement {
  return element(
    "div",
    { className: "fact" },
    element("dt", { textContent: name }),
    element("dd", { className: "fact-value", textContent: value }),
    element("dd", { className: "fact-note", textContent: note }),
  );
}

function codeFact({ codeBytes }: CompileReport, measured: Measured | undefined): HTMLElement {
  const { "relaxed-simd": relaxed, simd } = codeBytes;
  const gzip = measured?.codeGzip;
  const both = [relaxed !== undefined && "relaxed", simd !== undefined && "plain"].filter(Boolean).join(" and ");
  const note = gzip === undefined ? both : `${bytesText(gzip)} gzip; ${both} variant`;
  return fact("Code", bytesText(relaxed ?? simd ?? 0), note);
} // prettier-ignore

/** A part of the page with a heading. */
export function section(title: string, note: string | undefined, ...children: readonly Child[]): HTMLElement {
  return element(
    "section",
    { className: "panel" },
    element("h3", { textContent: title }),
    note !== undefined && element("p", { className: "note", textContent: note }),
    ...children,
  );
}

/** How kernel reports mark what runs once, when the model is loaded. */
const ONCE = /^init: /;

/** The kernels of a program. */
export function kernelSection({ kernels }: CompileReport): HTMLElement {
  const inRun = (kernel: KernelReport): number => (ONCE.test(kernel.name) ? 0 : kernel.work * kernel.calls);
  const total = kernels.reduce((sum, kernel) => sum + inRun(kernel), 0) || 1;
  const numbered = [...kernels]
    .sort((a, b) => Number(ONCE.test(a.name)) - Number(ONCE.test(b.name)))
    .map((kernel, index) => ({ ...kernel, index }));
  const workCell = (kernel: KernelReport): Child =>
    shareCell(roundedCountText(kernel.work * kernel.calls), inRun(kernel) / total);
  return section(
    "Kernels",
    "In the order in which they run; last those that run once, when the model is loaded. Work is multiply-adds of one inference, or operations where nothing is summed; its ground shows the share.",
    dataTable(
      "Kernels",
      [
        { heading: "#", cell: ({ index }) => String(index + 1), by: ({ index }) => -index, style: "number" },
        { heading: "Kernel", cell: ({ name }) => kernelCell(name), by: ({ name }) => name },
        { heading: "Nodes fused", cell: ({ nodes }) => nodesCell(nodes), by: ({ nodes }) => nodes.length },
        { heading: "Work", cell: workCell, by: inRun, style: "number" },
        {
          heading: "Calls",
          cell: ({ calls }) => countText(calls),
          by: ({ calls }) => calls,
          style: "number",
        },
        { heading: "Code", cell: ({ bytes }) => bytesText(bytes), by: ({ bytes }) => bytes, style: "number" },
        { heading: "Schedule", cell: ({ schedule }) => stepsCell(scheduleLines(schedule)) },
      ],
      numbered,
    ),
  );
}

function kernelCell(name: string): Child {
  if (!ONCE.test(name)) return elided(name);
  const title = "runs once, when the model is loaded";
  return element(
    "span",
    {},
    name.replace(ONCE, ""),
    element("span", { className: "once", title, textContent: "at load" }),
  );
}

/** Where the compiler's time went. */
export function stageSection({ milliseconds }: CompileReport): HTMLElement {
  const stages = Object.entries(milliseconds);
  const longest = Math.max(...stages.map(([, time]) => time), 1e-9);
  return section(
    "Time of the compiler",
    "By stage, in the order of the pipeline.",
    barList(stages.map(([name, time]) => ({ name, text: durationText(time), share: time / longest }))),
  );
}

/** A text of which as much is shown as there is room for. */
export function elided(text: string): HTMLElement {
  return element("span", { className: "elided", title: text, textContent: text });
}

export function nodesCell(nodes: readonly string[]): HTMLElement {
  return elided(nodes.join(" + "));
}

/** Steps of a schedule, to be unfolded. */
function stepsCell(lines: readonly string[]): Child {
  if (lines.length === 0) return "as written";
  return element(
    "details",
    {},
    element("summary", { textContent: counted(lines.length, "step") }),
    element("ol", { className: "steps" }, ...lines.map((line) => element("li", { textContent: line }))),
  );
}

function barList(rows: readonly { name: string; text: string; share: number }[]): HTMLElement {
  return element(
    "ul",
    { className: "bar-list" },
    ...rows.map(({ name, text, share }) =>
      element(
        "li",
        { variables: { "--share": share.toFixed(4) } },
        element("span", { className: "bar-name", textContent: name }),
        element("span", { className: "bar-line", attributes: { "aria-hidden": "true" } }),
        element("span", { className: "bar-text", textContent: text }),
      ),
    ),
  );
}

/** What the model takes and gives; inputs with what they were filled with. */
export function portSection(opened: OpenedModel, run: ModelRun | undefined): HTMLElement {
  const actual = new Map([...(run?.inputs ?? []), ...(run?.outputs ?? [])].map(({ name, summary }) => [name, summary]));
  const rows = [
    ...opened.inputs.map((port) => ({ ...port, way: "input" })),
    ...opened.outputs.map((port) => ({ ...port, way: "output" })),
  ];
  const runShape = ({ name }: Port): string => shapeText(actual.get(name)?.shape ?? []);
  const differs = rows.some((port) => actual.has(port.name) && runShape(port) !== shapeText(port.shape));
  return section(
    "Inputs and outputs",
    undefined,
    dataTable(
      "Inputs and outputs",
      [
        { heading: "Way", cell: ({ way }) => way, by: ({ way }) => way },
        { heading: "Name", cell: ({ name }) => name, by: ({ name }) => name, style: "code" },
        { heading: "Type", cell: ({ dtype }) => dtype, by: ({ dtype }) => dtype },
        { heading: "Shape", cell: ({ shape }) => shapeText(shape), style: "code" },
        ...(differs
          ? [{ heading: "In this run", cell: (port: Port) => (actual.has(port.name) ? runShape(port) : ""), style: "code" as const }]
          : []),
      ],
      rows,
    ),
  );
} // prettier-ignore

/** More outputs than these are counted only. */
const MOST_OUTPUTS = 40;

/** What came out of the run. */
export function runSection(run: ModelRun): HTMLElement {
  const left = run.outputs.length - MOST_OUTPUTS;
  return section(
    "Result",
    `Inputs are random with seed ${run.seed}, floats from 0 to 1; "npx tilewright run MODEL --random ${run.seed}" gives the same.`,
    element(
      "ul",
      { className: "outputs" },
      ...run.outputs.slice(0, MOST_OUTPUTS).map(({ name, summary }) => outputItem(name, summary)),
    ),
    left > 0 && element("p", { className: "note", textContent: `${countText(left)} more are not shown.` }),
  );
}

function outputItem(name: string, summary: TensorSummary): HTMLElement {
  const range = rangeText(summary);
  return element(
    "li",
    {},
    element(
      "p",
      { className: "output-head" },
      element("code", { textContent: name }),
      element("span", { className: "note", textContent: `${summary.dtype} ${shapeText(summary.shape)}` }),
      range !== "" && element("span", { className: "note", textContent: range }),
    ),
    valuesOf(summary),
  );
}

function rangeText({ range, nan, elements }: TensorSummary): string {
  if (elements === 0) return "empty";
  const between = range === undefined ? "" : `${elementText(range[0])} to ${elementText(range[1])}`;
  return nan === undefined ? between : `${between}${between === "" ? "" : ", "}${countText(nan)} NaN`;
}

/** The largest where the output looks like scores, as percent if they may be probabilities; else the first elements. */
function valuesOf({ top, first, elements }: TensorSummary): Child {
  if (top !== undefined) {
    const sum = top.reduce((total, { value }) => total + value, 0);
    const likely = sum <= 1.001 && top.every(({ value }) => value >= 0);
    const largest = Math.max(...top.map(({ value }) => Math.abs(value)), 1e-30);
    return barList(
      top.map(({ index, value }) => ({
        name: `${likely ? "class" : "index"} ${index}`,
        text: likely ? percentText(value) : elementText(value),
        share: Math.abs(value) / (likely ? 1 : largest),
      })),
    );
  }
  const shown = first.map((value) =>
    typeof value === "string" ? JSON.stringify(value) : elementText(value),
  );
  const more = elements > first.length ? ", …" : "";
  return elements > 0 && element("code", { className: "values", textContent: shown.join(", ") + more });
}

/** Nodes of the model by operator. */
export function operatorSection({ ops, nodes }: ModelDescription): HTMLElement {
  const counts = Object.entries(ops).sort(([, a], [, b]) => b - a);
  const most = counts[0]?.[1] ?? 1;
  return section(
    "Nodes by operator",
    `${counted(nodes, "node")} of ${counted(counts.length, "kind")}.`,
    barList(counts.map(([op, count]) => ({ name: op, text: countText(count), share: count / most }))),
  );
}

/** What the stages of the compiler said. */
export function traceSection(lines: readonly string[]): HTMLElement {
  return element(
    "details",
    { className: "panel" },
    element("summary", {}, "What each stage of the compiler said"),
    element("pre", { textContent: lines.join("\n") }),
  );
}
