/**
 * Measures one model: prepares it for each runtime, has the page measure it, and joins what both say. In: a model and
 * the runtimes. Out: one result per runtime, in their order. Invariant: whatever goes wrong with one runtime, when it
 * is prepared or when it runs, becomes its result with the reason; the others are measured all the same, if need be
 * in another page without it.
 */
import { extname } from "node:path";
import { ATOL_OF_RANGE, ATOL_OF_RANGE_QUANTIZED } from "./agreement.ts";
import { type BenchBrowser } from "./browser.ts";
import { type Tensors } from "./agreement.ts";
import { addSizes } from "./bundleSize.ts";
import { type BenchModel, type NamedTensor } from "./models.ts";
import { type Lane } from "./lanes.ts";
import { type PeakModule } from "./peak.ts";
import {
  type Entry,
  type Job,
  type JobResult,
  type PageResult,
  type PeakJob,
  type TimingOptions,
} from "./protocol.ts";
import { type Download, type Prepared, type PrepareOptions } from "./runtimes/runtime.ts";
import { isGpu } from "./runtimes/table.ts";
import { type BenchServer } from "./server.ts";
import { storeTensors } from "./storedTensors.ts";

/** What the page measured, with what the driver knows of the runtime and the model. */
export type RuntimeResult = PageResult & {
  readonly downloads?: readonly Download[];
  /** Sum of the downloads, gzipped. */
  readonly downloadBytes?: number;
};

export interface ModelResult {
  readonly model: string;
  readonly modelBytes: number;
  /** Absolute tolerance of the comparison, as a part of the range of each output. */
  readonly atolOfRange: number;
  readonly inputs: readonly {
    readonly name: string;
    readonly dtype: string;
    readonly shape: readonly number[];
  }[];
  readonly results: readonly RuntimeResult[];
  readonly referenceNote?: string;
  /** Why there are no float64 outputs to compare with. */
  readonly exactNote?: string;
  readonly peak?: JobResult["peak"];
  readonly bandwidth?: JobResult["bandwidth"];
  readonly roundTripNs?: JobResult["roundTripNs"];
}

/** What a benchmark of models works with. */
export interface Bench {
  readonly server: BenchServer;
  readonly browser: Pick<BenchBrowser, "measure">;
  /** In the order in which results are wanted. */
  readonly lanes: readonly Lane[];
  /** The lane to compare with; it need not be among `lanes`. */
  readonly reference: Lane;
  readonly timing: TimingOptions;
  /** Gives a model's outputs in float64, where errors against them are wanted. */
  readonly exact?: ((model: BenchModel) => Promise<Tensors>) | undefined;
}

/** What a page may take besides what it is asked to: loading, first runs, models whose runs take seconds. */
const PATIENCE_MS = 120_000;

/** What a runtime on the GPU may take on top: on a software adapter some need fifteen seconds for a run. */
const GPU_PATIENCE_MS = 180_000;

/** The machine's multiply-add peak, and the bandwidth of reading a range of some bytes (a multiple of 256). */
export interface PeakRequest {
  readonly module: PeakModule;
  readonly readBytes?: number;
}

/** Measures `model`; with `peak` the machine's peak is measured in turn with the runtimes. */
export function measureModel(bench: Bench, model: BenchModel, peak?: PeakRequest): Promise<ModelResult> {
  return whileServing(bench.server, (serve) => measureServed(bench, model, serve, peak));
}

/** Runs `action` with a function that serves files; they are gone when it is done. */
export async function whileServing<T>(
  server: Pick<BenchServer, "put" | "remove">,
  action: (serve: PrepareOptions["serve"]) => Promise<T>,
): Promise<T> {
  const served: string[] = [];
  try {
    return await action((name, content) => {
      // Numbered, as a model may give its files any name.
      const path = `/models/${servedSoFar++}${extname(name)}`;
      server.put(path, content);
      served.push(path);
      return path;
    });
  } finally {
    for (const path of served) server.remove(path);
  }
}

let servedSoFar = 0;

async function measureServed(
  bench: Bench,
  model: BenchModel,
  serve: PrepareOptions["serve"],
  peak: PeakRequest | undefined,
): Promise<ModelResult> {
  const prepared = new Map<string, Prepared>();
  const results = new Map<string, PageResult>();
  for (const { id, threads, runtime } of bench.lanes) {
    try {
      prepared.set(id, await runtime.prepare(model, { threads, serve }));
    } catch (error) {
      results.set(id, { runtime: id, status: "failed", stage: "prepare", reason: messageOf(error) });
    }
  }
  const { exact, note: exactNote } = await exactOf(bench, model);
  const { tensors, bytes } = storeTensors({ inputs: model.inputs, outputs: model.outputs, exact });
  const job: Omit<Job, "entries" | "reference"> = {
    model: model.name,
    atolOfRange: model.quantized ? ATOL_OF_RANGE_QUANTIZED : ATOL_OF_RANGE,
    tensors: { url: serve("tensors.bin", bytes), ...tensors },
    timing: bench.timing,
    ...(peak === undefined ? {} : { peak: peakJob(peak, serve) }),
  };
  let reference = await referenceEntry(bench, model, prepared, serve);
  let answer: JobResult | undefined;
  while (answer === undefined) {
    const entries = bench.lanes.flatMap(({ id, name, threads }): Entry[] => {
      const ready = prepared.get(id);
      if (ready === undefined || results.has(id)) return [];
      return [{ id, name, threads, create: ready.create, roundedWeights: ready.roundedWeights }];
    });
    if (entries.length === 0) break;
    const measured = await bench.browser.measure({ ...job, entries, reference }, timeLimit(bench, entries));
    if (measured.kind === "result") {
      answer = measured.result;
      break;
    }
    // Where the page last was names the culprit; the others get another page. Timing names nobody: all are out.
    const culprit = [...entries, ...(reference === undefined ? [] : [reference])].find(({ id }) =>
      measured.where.startsWith(`${id}: `),
    );
    if (culprit !== undefined && culprit.id === reference?.id) reference = undefined;
    for (const { id } of entries) {
      if (culprit !== undefined && culprit.id !== id) continue;
      results.set(id, { runtime: id, status: "failed", stage: measured.where, reason: measured.reason });
    }
  }
  for (const result of answer?.results ?? []) results.set(result.runtime, result);
  return {
    model: model.name,
    modelBytes: model.bytes.byteLength,
    atolOfRange: job.atolOfRange,
    inputs: model.inputs.map(({ name, tensor: { dtype, shape } }) => ({ name, dtype, shape })),
    results: bench.lanes.map(({ id }) => withDownloads(results.get(id)!, prepared.get(id))),
    ...(exactNote === undefined ? {} : { exactNote }),
    ...(answer?.referenceNote === undefined ? {} : { referenceNote: answer.referenceNote }),
    ...(answer?.peak === undefined ? {} : { peak: answer.peak }),
    ...(answer?.bandwidth === undefined ? {} : { bandwidth: answer.bandwidth }),
    ...(answer?.roundTripNs === undefined ? {} : { roundTripNs: answer.roundTripNs }),
  };
}

/** The entry to compare with; undefined when not even its files can be prepared. */
async function referenceEntry(
  { reference }: Bench,
  model: BenchModel,
  prepared: ReadonlyMap<string, Prepared>,
  serve: PrepareOptions["serve"],
): Promise<Entry | undefined> {
  const { id, name, threads, runtime } = reference;
  try {
    const { create } = prepared.get(id) ?? (await runtime.prepare(model, { threads, serve }));
    return { id, name, threads, create };
  } catch {
    return undefined;
  }
}

async function exactOf(
  { exact }: Bench,
  model: BenchModel,
): Promise<{ readonly exact: readonly NamedTensor[]; readonly note?: string }> {
  if (exact === undefined) return { exact: [] };
  try {
    const outputs = await exact(model);
    return { exact: Object.entries(outputs).map(([name, tensor]) => ({ name, tensor })) };
  } catch (error) {
    return { exact: [], note: messageOf(error) };
  }
}

function peakJob({ module, readBytes }: PeakRequest, serve: PrepareOptions["serve"]): PeakJob {
  return { url: serve("peak.wasm", module.bytes), variants: module.variants, readBytes };
}

function timeLimit({ timing }: Bench, entries: readonly Entry[]): number {
  const perRuntime = 3 * timing.seconds * 1000;
  const onGpu = entries.filter(({ name }) => isGpu(name)).length;
  return PATIENCE_MS + entries.length * perRuntime + onGpu * GPU_PATIENCE_MS;
}

function withDownloads(result: PageResult, prepared: Prepared | undefined): RuntimeResult {
  if (prepared === undefined) return result;
  const { downloads, notes } = prepared;
  const joined = { ...result, downloads, downloadBytes: addSizes(downloads.map(({ size }) => size)).gzip };
  return joined.status === "measured" ? { ...joined, notes: { ...notes, ...joined.notes } } : joined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
