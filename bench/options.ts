/**
 * What `npm run bench` can be told. In: words of the command line. Out: options, or help. Invariant: a word that
 * means nothing here is an error that says so before anything is measured.
 */
import { basename } from "node:path";
import { parseArgs } from "node:util";
import type { BrowserName } from "../scripts/launchBrowser.ts";
import { ATOL_OF_RANGE, ATOL_OF_RANGE_QUANTIZED, LEAST_ATOL, RTOL } from "./agreement.ts";
import { type GpuKind, gpuKinds } from "../compiler/options.ts";
import { kernelCases, type KernelCase } from "./kernels/cases.ts";
import { generatedGroups, generatedModels } from "./generated/table.ts";
import { modelFolders } from "./models.ts";
import { MOST_NEW_TOKENS, seriesCases, type SeriesCase } from "./sizes/series.ts";
import { REFERENCE, runtimes as runtimeTable } from "./runtimes/table.ts";

const DEFAULTS = { runtimes: "tilewright,ort-wasm", threads: "1", seconds: "3", tokens: "64", passes: "3" };
/** The fewest timed runs of a model, however long one takes. */
export const MINIMUM_RUNS = 3;

/** Names, some to a line of the help. */
function lines(names: readonly string[]): string {
  const rows = Array.from({ length: Math.ceil(names.length / 5) }, (_, i) => names.slice(i * 5, i * 5 + 5));
  return rows.map((row) => row.join(", ")).join(`,\n${" ".repeat(24)}`);
}

const HELP = `npm run bench -- [what] [options]

Measures models and kernels in headless Chromium, one page each, all runtimes in turns, every result verified first.

What
  --models DIR,...      folders with model.onnx and test_data_set_0/, or with a TF.js model.json, or folders of such
                        folders
  --generated NAME,...  networks made here with seeded weights, or groups of them; "all":
                        ${lines(generatedGroups["all"]!)}
                        "others", of all kinds, by which one sees whether figures hold elsewhere:
                        ${lines(generatedGroups["others"]!)}
  --kernels             single kernels of real networks (${[...new Set(kernelCases.map(({ group }) => group))].join(", ")}),
                        beside the multiply-add peak and the read bandwidth measured in the same page
  --sizes               series of runs whose sizes change from run to run, each from a fresh page on and with our compiler
                        in it: a decoder whose cache grows by a token (gen-gpt-decode), an encoder of sentences
                        (gen-minilm); --runtimes tilewright-each-size compiles a program for each size

Options
  --filter TEXT,...     only models, kernels and series whose name (or group) contains one of these
  --runtimes NAME,...   out of ${Object.keys(runtimeTable).join(", ")}
                        (default ${DEFAULTS.runtimes})
  --threads N,...       thread counts; each runtime takes part once with each (default ${DEFAULTS.threads})
  --cold N              also N starts of each in a fresh process: from an empty page to the first answer
  --warm N              also N starts of pages that come again, from the HTTP cache, for us from IndexedDB
  --tokens N            that the decoder of --sizes makes, ${MOST_NEW_TOKENS} at most (default ${DEFAULTS.tokens})
  --passes N            of --sizes: fresh pages in which each series is made (default ${DEFAULTS.passes})
  --phases              also where the milliseconds of such a start go, in one more that is watched, and what the
                        platform alone takes to download, hash and hold as many bytes
  --memory              also the peak memory of a page that loads the model and runs it (Linux only)
  --accuracy            also the errors against a run of the model in float64
  --seconds S           to measure for, per model and runtime (default ${DEFAULTS.seconds}); at least ${MINIMUM_RUNS} runs
  --host firefox        in headless Firefox instead of Chromium
  --host node-webgpu    without a browser, on the package "webgpu" and the machine's GPU (or a software adapter):
                        Tilewright's kernels by the GPU's clock, beside the device's own peaks
  --gpu KIND            what schedules for WebGPU are made for: ${gpuKinds.join(", ")} (default software)
  --json FILE           writes all results
  --report DIR          writes the results as a page with plots: DIR/index.html
  --from FILE,...       takes results of earlier calls (--json) instead of measuring, for --report

Examples
  npm run bench -- --models ../models --threads 1,2 --json out.json
  npm run bench -- --models ../models --filter yolox,kwt1 --runtimes tilewright,ort-wasm,litert
  npm run bench -- --kernels --filter gemm --seconds 1
  npm run bench -- --from models.json,kernels.json --report ../results
  npm run bench -- --generated all --accuracy --cold 5 --memory
  npm run bench -- --sizes --threads 1,2
  npm run bench -- --host node-webgpu --gpu discrete --kernels --filter gemm,conv

Columns: median, min: milliseconds per run, inputs and outputs in ordinary memory; Tilewright writes its outputs to the
arrays of the first run (\`session.run(inputs, { into })\`), which onnxruntime-web's wasm backend cannot. first: the first run. create: from
nothing to a session: the runtime's code, its WebAssembly, the model, from a local server without a cache. KB: what is
downloaded for that, gzip level 9, 1 KB = 1000 bytes. verified: same results as onnxruntime-web, rtol ${RTOL}, atol
${ATOL_OF_RANGE} of the largest magnitude in the output (${ATOL_OF_RANGE_QUANTIZED} where the model quantizes inside; at least ${LEAST_ATOL}); ${REFERENCE} itself
is compared with the stored outputs. ratio: the median of ${REFERENCE} at as many threads over this one. % of peak: of the
multiply-add peak of one core times the threads; a convolution counts the operations of the direct way, so one that
needs fewer can be above 100. best: of the shortest run and the best burst of the peak. % of reads: bytes that must
move at least, over the bandwidth of reading that many. With several thread counts the engine may know a runtime's
WebAssembly from the lane before: times of starting are those of --cold. Of --sizes: create is to a session whose sizes are
open; first, median, slowest (after the first) and all: its runs, compiling for new sizes included; compiling: those
runs that compiled, and programs that were; MB: WebAssembly memory of our session. Every run that is timed is compared,
and so is every token.`;

export interface Options {
  readonly host: BrowserName | "node-webgpu";
  readonly gpu: GpuKind | undefined;
  readonly folders: readonly string[];
  /** Names of generated models. */
  readonly generated: readonly string[];
  readonly kernels: readonly KernelCase[];
  /** Series of runs whose sizes change. */
  readonly series: readonly SeriesCase[];
  /** Fresh pages in which each series is made. */
  readonly passes: number;
  readonly runtimes: readonly string[];
  readonly threads: readonly number[];
  readonly seconds: number;
  /** Starts in fresh pages; 0 for none. */
  readonly cold: number;
  /** Starts of pages that come again; 0 for none. */
  readonly warm: number;
  /** Whether one start of each is watched. */
  readonly phases: boolean;
  readonly memory: boolean;
  readonly accuracy: boolean;
  readonly json: string | undefined;
  /** The folder of the results page. */
  readonly report: string | undefined;
  /** Files with results; nothing is measured if there are any. */
  readonly from: readonly string[];
}

/**
 * @returns the text of the help instead of options if that was asked for
 * @throws Error that says which option is wrong
 */
export function readOptions(words: readonly string[]): Options | string {
  const { values } = parseArgs({
    args: [...words],
    options: {
      models: { type: "string" },
      generated: { type: "string" },
      kernels: { type: "boolean", default: false },
      sizes: { type: "boolean", default: false },
      tokens: { type: "string", default: DEFAULTS.tokens },
      passes: { type: "string", default: DEFAULTS.passes },
      cold: { type: "string" },
      warm: { type: "string" },
      memory: { type: "boolean", default: false },
      phases: { type: "boolean", default: false },
      accuracy: { type: "boolean", default: false },
      filter: { type: "string" },
      runtimes: { type: "string", default: DEFAULTS.runtimes },
      threads: { type: "string", default: DEFAULTS.threads },
      seconds: { type: "string", default: DEFAULTS.seconds },
      json: { type: "string" },
      report: { type: "string" },
      from: { type: "string" },
      host: { type: "string", default: "chromium" },
      gpu: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return HELP;
  const filters = list(values.filter);
  const isWanted = (...names: readonly string[]): boolean =>
    filters.length === 0 || filters.some((text) => names.some((name) => name.includes(text)));
  const folders = list(values.models)
    .flatMap(modelFolders)
    .filter((folder) => isWanted(basename(folder)));
  const kernels = values.kernels ? kernelCases.filter(({ name, group }) => isWanted(name, group)) : [];
  const tokens = whole("tokens", values.tokens);
  if (tokens > MOST_NEW_TOKENS) throw new Error(`--tokens ${tokens}: there is room for ${MOST_NEW_TOKENS}`);
  const series = values.sizes ? seriesCases(tokens).filter(({ name }) => isWanted(name)) : [];
  const generated = generatedNames(values.generated).filter((name) => isWanted(name));
  const from = list(values.from);
  if (from.length > 0 && values.report === undefined) throw new Error("--from is for --report DIR");
  if (folders.length + generated.length + kernels.length + series.length + from.length === 0) {
    throw new Error(
      "there is nothing to measure: give --models DIR, --generated NAME, --kernels or --sizes (and a --filter that " +
        "matches); see --help",
    );
  }
  const threads = list(values.threads).map((text) => whole("threads", text));
  if (threads.length === 0) throw new Error("--threads names none");
  const host = oneOf("host", ["chromium", "firefox", "node-webgpu"] as const, values.host);
  if (series.length > 0 && host === "node-webgpu") throw new Error("--sizes takes a browser");
  return {
    host,
    gpu: values.gpu === undefined ? undefined : oneOf("gpu", gpuKinds, values.gpu),
    folders,
    generated,
    kernels,
    series,
    passes: whole("passes", values.passes),
    cold: values.cold === undefined ? 0 : positive("cold", values.cold),
    warm: values.warm === undefined ? 0 : positive("warm", values.warm),
    memory: values.memory,
    phases: values.phases,
    accuracy: values.accuracy,
    runtimes: runtimeNames(values.runtimes),
    threads,
    seconds: positive("seconds", values.seconds),
    json: values.json,
    report: values.report,
    from,
  };
}

function generatedNames(text: string | undefined): readonly string[] {
  const all = Object.keys(generatedModels);
  return [
    ...new Set(
      list(text).flatMap((name) => {
        const group = generatedGroups[name];
        if (group === undefined && !all.includes(name)) {
          const groups = Object.keys(generatedGroups).map((word) => `"${word}"`);
          throw new Error(
            `there is no generated model "${name}"; there are ${all.join(", ")}, and the groups ${groups.join(" and ")}`,
          );
        }
        return group ?? [name];
      }),
    ),
  ];
}

function runtimeNames(text: string): readonly string[] {
  const names = list(text);
  if (names.length === 0) throw new Error("--runtimes names none");
  const unknown = names.find((name) => !Object.hasOwn(runtimeTable, name));
  if (unknown !== undefined) {
    throw new Error(`there is no runtime "${unknown}"; there are ${Object.keys(runtimeTable).join(", ")}`);
  }
  return names;
}

function list(text: string | undefined): string[] {
  return [...new Set((text ?? "").split(",").map((part) => part.trim()))].filter((part) => part !== "");
}

function oneOf<T extends string>(option: string, words: readonly T[], text: string): T {
  const found = words.find((word) => word === text);
  if (found === undefined) throw new Error(`--${option} ${text} is none of ${words.join(", ")}`);
  return found;
}

function whole(option: string, text: string): number {
  const value = positive(option, text);
  if (!Number.isInteger(value)) throw new Error(`--${option} ${text} is no whole number`);
  return value;
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new Error(`--${option} ${text} is no positive number`);
  return value;
}
