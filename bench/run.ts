/**
 * `npm run bench`: models and kernels on runtimes, side by side in headless Chromium. In: options (see options.ts).
 * Out: tables; with `--json FILE` everything that was measured. Exit status 1 when something failed or gave other
 * results than onnxruntime-web. Invariant: every run is reproducible from the command, device and versions in its
 * JSON, apart from the noise of the machine.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { basename, join } from "node:path";
import { ATOL_OF_RANGE, ATOL_OF_RANGE_QUANTIZED, LEAST_ATOL, RTOL } from "./agreement.ts";
import { BenchBrowser } from "./browser.ts";
import { exactOutputs } from "./accuracy/doubles.ts";
import { accuracyTable } from "./accuracy/table.ts";
import { type ColdModel, measureCold, measureWarm } from "./cold/coldStart.ts";
import { phaseTable } from "./cold/phases.ts";
import { coldTable } from "./cold/table.ts";
import { describeEnvironment } from "./environment.ts";
import { generatedFolder } from "./generated/cache.ts";
import { type KernelCase } from "./kernels/cases.ts";
import { kernelTable, type KernelResult } from "./kernels/table.ts";
import { laneId, lanesOf, type Lane } from "./lanes.ts";
import { readBenchModel } from "./models.ts";
import { runInNode } from "./nodeHost.ts";
import { MINIMUM_RUNS, readOptions, type Options } from "./options.ts";
import { buildPage, PAGE_PATH } from "./pageBundle.ts";
import { peakModule, type PeakModule } from "./peak.ts";
import { isVerified, meanRatios, modelTable } from "./report.ts";
import { mergeResults } from "./report/merge.ts";
import { gpuTable } from "./gpuTable.ts";
import { reportPage } from "./report/page.ts";
import { type BenchResults } from "./results.ts";
import { type BenchRuntime } from "./runtimes/runtime.ts";
import { baseOf, isGpu, REFERENCE, runtimes as runtimeTable } from "./runtimes/table.ts";
import { startServer } from "./server.ts";
import { measureSeries, type MeasuredSeries } from "./sizes/measure.ts";
import { isSeriesVerified, seriesTable } from "./sizes/table.ts";
import { threadsTable } from "./threadsTable.ts";
import { type Bench, measureModel, type ModelResult, whileServing } from "./session.ts";

async function run(options: Options, command: readonly string[]): Promise<number> {
  const runtimes = new Map<string, BenchRuntime>();
  for (const name of options.runtimes) runtimes.set(name, await runtimeTable[name]!(options.gpu));
  const lanes = lanesOf(runtimes, options.threads);
  const reference = lanes.find(({ name }) => name === REFERENCE) ?? (await referenceLane(options));

  const page = await buildPage();
  const server = await startServer();
  const kind = options.host === "firefox" ? "firefox" : "chromium";
  const browser = new BenchBrowser(server.origin + PAGE_PATH, options.runtimes.some(isGpu), kind);
  try {
    const shared = [
      page.files,
      ...[...lanes, reference].map(({ runtime, threads }) => runtime.files(threads)),
    ];
    for (const files of shared) for (const [path, content] of files) server.put(path, content);
    const timing = { seconds: options.seconds, minimumRuns: MINIMUM_RUNS };
    const exact = options.accuracy ? exactOutputs : undefined;
    const bench: Bench = { server, browser, lanes, reference, timing, exact };
    const environment = await describeEnvironment(browser, lanes);

    const folders = [...options.folders];
    for (const name of options.generated) {
      progress(`making ${name}`);
      folders.push(await generatedFolder(name));
    }
    const models: ModelResult[] = [];
    const colds: ColdModel[] = [];
    const { cold, memory, warm, phases } = options;
    const warms: ColdModel[] = [];
    for (const [index, folder] of folders.entries()) {
      progress(`${index + 1}/${folders.length} ${basename(folder)}`);
      models.push(await measureFolder(bench, folder));
      if (cold > 0 || memory || (phases && warm === 0)) {
        progress(`${index + 1}/${folders.length} ${basename(folder)}, fresh pages`);
        const wanted = { starts: Math.max(cold, 1), memory, phases };
        colds.push(
          await whileServing(server, async (serve) =>
            measureCold(browser, lanes, await readBenchModel(folder), serve, wanted),
          ),
        );
      }
    }
    for (const folder of warm > 0 ? folders : []) {
      progress(`${basename(folder)}, pages that come again`);
      server.cacheable = true;
      warms.push(
        await whileServing(server, async (serve) =>
          measureWarm(browser, lanes, await readBenchModel(folder), serve, { starts: warm, phases }),
        ),
      );
      server.cacheable = false;
    }
    const kernels: KernelResult[] = [];
    const module = peakModule();
    for (const [index, kernel] of options.kernels.entries()) {
      progress(`${index + 1}/${options.kernels.length} ${kernel.name}`);
      kernels.push(await measureKernel(bench, kernel, module));
    }
    const series: MeasuredSeries[] = [];
    for (const [index, { name, make }] of options.series.entries()) {
      progress(`${index + 1}/${options.series.length} ${name}`);
      const { passes } = options;
      series.push(
        await whileServing(server, (serve) =>
          measureSeries({ browser, lanes, reference, passes }, name, make(), serve),
        ),
      );
    }
    progress("");

    const ids = lanes.map(({ id }) => id);
    const base = baseOf(options.runtimes);
    const tables: string[] = [];
    if (models.length > 0) tables.push(modelTable(models, ids, base));
    if (options.runtimes.some(isGpu) && models.length > 0) tables.push(gpuTable(models));
    tables.push(threadsTable(models));
    if (options.accuracy) tables.push(accuracyTable(models, REFERENCE));
    if (colds.length > 0) tables.push(coldTable(colds, base));
    if (warms.length > 0) tables.push(coldTable(warms, base, "page again"));
    if (phases) tables.push(phaseTable(colds, "fresh page"), phaseTable(warms, "page again"));
    if (kernels.length > 0) tables.push(kernelTable(kernels, base));
    if (series.length > 0) tables.push(seriesTable(series, base));
    console.log(tables.filter((table) => table !== "").join("\n\n"));
    const results: BenchResults = {
      ...environment,
      command,
      loadAfter: loadavg(),
      reference: base,
      tolerance: {
        rtol: RTOL,
        atolOfRange: ATOL_OF_RANGE,
        atolOfRangeQuantized: ATOL_OF_RANGE_QUANTIZED,
        leastAtol: LEAST_ATOL,
      },
      ratios: meanRatios(models, ids, base),
      models,
      cold: colds,
      warm: warms,
      kernels,
      series,
    };
    if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(results, null, 2) + "\n");
    if (options.report !== undefined) writeReport(options.report, results);
    const all = [...models, ...kernels.map(({ result }) => result)].flatMap((model) => model.results);
    const sound = series.flatMap(({ results }) => results).every(isSeriesVerified);
    return all.every(isVerified) && sound ? 0 : 1;
  } finally {
    await browser.close();
    await server.close();
    page.dispose();
  }
}

function writeReport(folder: string, results: BenchResults): void {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "index.html");
  writeFileSync(path, reportPage(results));
  console.log(`results page: ${path}`);
}

/** The reference at one of the thread counts, where it is not measured itself. */
async function referenceLane({ threads: [threads = 1] }: Options): Promise<Lane> {
  return {
    id: laneId(REFERENCE, threads),
    name: REFERENCE,
    threads,
    runtime: await runtimeTable[REFERENCE]!(),
  };
}

/** As `measureModel`; a folder that cannot be read is a failure of every runtime. */
async function measureFolder(bench: Bench, folder: string): Promise<ModelResult> {
  try {
    return await measureModel(bench, await readBenchModel(folder));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const results = bench.lanes.map(
      ({ id }) => ({ runtime: id, status: "failed", stage: "reading the folder", reason }) as const,
    );
    return { model: basename(folder), modelBytes: 0, atolOfRange: ATOL_OF_RANGE, inputs: [], results };
  }
}

const READ_STEP = 256;

async function measureKernel(bench: Bench, kernel: KernelCase, module: PeakModule): Promise<KernelResult> {
  const { name, group, flop, bytes } = kernel;
  const readBytes = Math.ceil(bytes / READ_STEP) * READ_STEP;
  const result = await measureModel(bench, kernel.model(), { module, readBytes });
  return { kernel: { name, group, flop, bytes }, result };
}

/** What is being measured, on standard error: on a terminal a line that the next one replaces. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else if (text !== "") console.error(text);
}

try {
  const words = process.argv.slice(2);
  const options = readOptions(words);
  if (typeof options === "string") console.log(options);
  else if (options.from.length > 0) {
    const pieces = options.from.map((path) => JSON.parse(readFileSync(path, "utf8")) as BenchResults);
    writeReport(options.report!, mergeResults(pieces));
  } else if (options.host === "node-webgpu") {
    // The package's threads would keep the process.
    process.exit(await runInNode(options));
  } else process.exitCode = await run(options, words);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
