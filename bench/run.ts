/**
 * `npm run bench`: models on runtimes, side by side in headless Chromium. In: folders of models and the names of
 * runtimes (see HELP). Out: a table; with `--json FILE` everything that was measured. Exit status 1 when something
 * failed or gave other results than onnxruntime-web. Invariant: every run is reproducible from the options, device
 * and versions in its JSON, apart from the noise of the machine.
 */
import { writeFileSync } from "node:fs";
import { cpus, loadavg, platform, release, totalmem } from "node:os";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { ATOL_OF_RANGE, ATOL_OF_RANGE_QUANTIZED, LEAST_ATOL, RTOL } from "./agreement.ts";
import { BenchBrowser } from "./browser.ts";
import { matmulModels } from "./matmul.ts";
import { modelFolders, readModelFolder } from "./models.ts";
import { buildPage, PAGE_PATH } from "./pageBundle.ts";
import { peakModule } from "./peak.ts";
import { isVerified, matmulTable, meanRatios, modelTable, peakPercent } from "./report.ts";
import { REFERENCE, runtimes as runtimeTable } from "./runtimes/table.ts";
import { type BenchRuntime } from "./runtimes/runtime.ts";
import { startServer } from "./server.ts";
import { type Bench, measureModel, type ModelResult } from "./session.ts";

const DEFAULTS = { runtimes: "tilewright,ort-wasm", threads: "1", seconds: "3" };
const MINIMUM_RUNS = 3;

const HELP = `npm run bench -- --models DIR[,DIR...] [options]

Measures models in headless Chromium, one page per model, the runtimes in turns.

  --models DIR,...      folders with model.onnx and test_data_set_0/, or folders of such folders
  --filter TEXT,...     only models whose name contains one of these
  --runtimes NAME,...   out of ${Object.keys(runtimeTable).join(", ")} (default ${DEFAULTS.runtimes})
  --threads N           for runtimes that have threads (default ${DEFAULTS.threads})
  --seconds S           to measure for, per model and runtime (default ${DEFAULTS.seconds}); at least ${MINIMUM_RUNS} runs
  --matmul              also a matrix product of 384x768x768, against the machine's multiply-add peak
  --json FILE           writes all results

Columns: median, min: milliseconds per run, inputs and outputs in ordinary memory. first: the first run. create: from
nothing to a session: the runtime's code, its WebAssembly, the model, from a local server without a cache. KB: what is
downloaded for that, gzip level 9, 1 KB = 1000 bytes. verified: same results as onnxruntime-web, rtol ${RTOL}, atol
${ATOL_OF_RANGE} of the largest magnitude in the output (${ATOL_OF_RANGE_QUANTIZED} where the model quantizes inside; at least ${LEAST_ATOL}); ${REFERENCE} itself
is compared with the stored outputs. ratio: the median of ${REFERENCE} over this one.`;

interface Options {
  readonly folders: readonly string[];
  readonly runtimes: readonly string[];
  readonly threads: number;
  readonly seconds: number;
  readonly matmul: boolean;
  readonly json: string | undefined;
}

/** @throws Error that says which option is wrong. */
function readOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      models: { type: "string" },
      filter: { type: "string" },
      runtimes: { type: "string", default: DEFAULTS.runtimes },
      threads: { type: "string", default: DEFAULTS.threads },
      seconds: { type: "string", default: DEFAULTS.seconds },
      matmul: { type: "boolean", default: false },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const filters = list(values.filter);
  const folders = list(values.models)
    .flatMap(modelFolders)
    .filter((folder) => filters.length === 0 || filters.some((text) => basename(folder).includes(text)));
  if (folders.length === 0 && !values.matmul) {
    throw new Error(
      "there is nothing to measure: give --models DIR or --matmul (and a --filter that matches)",
    );
  }
  const runtimes = list(values.runtimes);
  if (runtimes.length === 0) throw new Error("--runtimes names none");
  const unknown = runtimes.find((name) => !Object.hasOwn(runtimeTable, name));
  if (unknown !== undefined) {
    throw new Error(`there is no runtime "${unknown}"; there are ${Object.keys(runtimeTable).join(", ")}`);
  }
  const threads = positive("threads", values.threads);
  if (!Number.isInteger(threads)) throw new Error(`--threads ${values.threads} is no whole number`);
  const seconds = positive("seconds", values.seconds);
  return { folders, runtimes, threads, seconds, matmul: values.matmul, json: values.json };
}

function list(text: string | undefined): string[] {
  return [...new Set((text ?? "").split(",").map((part) => part.trim()))].filter((part) => part !== "");
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new Error(`--${option} ${text} is no positive number`);
  return value;
}

async function run(options: Options): Promise<number> {
  const runtimes = new Map<string, BenchRuntime>();
  for (const name of options.runtimes) runtimes.set(name, await runtimeTable[name]!());
  const reference = {
    name: REFERENCE,
    runtime: runtimes.get(REFERENCE) ?? (await runtimeTable[REFERENCE]!()),
  };

  const page = await buildPage();
  const server = await startServer();
  const browser = new BenchBrowser(server.origin + PAGE_PATH);
  try {
    for (const { files } of [
      page,
      ...[...runtimes.values(), reference.runtime].map((r) => ({ files: r.files() })),
    ]) {
      for (const [path, content] of files) server.put(path, content);
    }
    const timing = { seconds: options.seconds, minimumRuns: MINIMUM_RUNS };
    const bench: Bench = { server, browser, runtimes, reference, threads: options.threads, timing };
    const environment = await describeEnvironment(browser, bench);
    const models: ModelResult[] = [];
    for (const [index, folder] of options.folders.entries()) {
      progress(`${index + 1}/${options.folders.length} ${basename(folder)}`);
      models.push(await measureFolder(bench, folder));
    }
    const matmul: ModelResult[] = [];
    if (options.matmul) {
      const peak = peakModule();
      for (const model of matmulModels()) {
        progress(model.name);
        matmul.push(await measureModel(bench, model, peak));
      }
    }
    progress("");
    if (models.length > 0) console.log(modelTable(models, options.runtimes, REFERENCE));
    if (matmul.length > 0) console.log(`${models.length > 0 ? "\n" : ""}${matmulTable(matmul)}`);
    if (options.json !== undefined) {
      const results = { ...environment, options, loadAfter: loadavg(), ...summary(options, models, matmul) };
      writeFileSync(options.json, JSON.stringify(results, null, 2) + "\n");
    }
    const all = [...models, ...matmul].flatMap((model) => model.results);
    return all.every(isVerified) ? 0 : 1;
  } finally {
    await browser.close();
    await server.close();
    page.dispose();
  }
}

/** As `measureModel`; a folder that cannot be read is a failure of every runtime. */
async function measureFolder(bench: Bench, folder: string): Promise<ModelResult> {
  try {
    return await measureModel(bench, readModelFolder(folder));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const results = [...bench.runtimes.keys()].map(
      (runtime) => ({ runtime, status: "failed", stage: "reading the folder", reason }) as const,
    );
    return { model: basename(folder), modelBytes: 0, atolOfRange: ATOL_OF_RANGE, inputs: [], results };
  }
}

function summary(options: Options, models: readonly ModelResult[], matmul: readonly ModelResult[]): object {
  return {
    reference: REFERENCE,
    tolerance: {
      rtol: RTOL,
      atolOfRange: ATOL_OF_RANGE,
      atolOfRangeQuantized: ATOL_OF_RANGE_QUANTIZED,
      leastAtol: LEAST_ATOL,
    },
    ratios: meanRatios(models, options.runtimes, REFERENCE),
    models,
    matmul: matmul.map((model) => ({
      ...model,
      percentOfPeak: Object.fromEntries(
        model.results.flatMap((result) =>
          result.status === "measured"
            ? [[result.runtime, peakPercent(model.peak, result.timing.medianMs, "median")]]
            : [],
        ),
      ),
    })),
  };
}

async function describeEnvironment(browser: BenchBrowser, { runtimes, reference }: Bench): Promise<object> {
  const page = await browser.device();
  const all = new Map([...runtimes, [reference.name, reference.runtime]]);
  const versions = Object.fromEntries([...all].map(([name, { version }]) => [name, version]));
  return {
    date: new Date().toISOString(),
    device: {
      ...page,
      cpu: cpus()[0]?.model ?? "unknown",
      cores: cpus().length,
      memoryBytes: totalmem(),
      system: `${platform()} ${release()}`,
    },
    versions: {
      ...versions,
      browser: await browser.version(),
      node: process.version,
    },
    loadBefore: loadavg(),
  };
}

/** What is being measured, on a line of standard error that the next one replaces; only on a terminal. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

try {
  const options = readOptions();
  if (options === undefined) console.log(HELP);
  else process.exitCode = await run(options);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
