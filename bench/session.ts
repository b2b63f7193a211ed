/**
 * Measures one model: prepares it for each runtime, has the page measure it, and joins what both say. In: a model and
 * the runtimes. Out: one result per runtime, in their order. Invariant: whatever goes wrong with one runtime, when it
 * is prepared or when it runs, becomes its result with the reason; the others are measured all the same, if need be
 * in another page without it.
 */
import { extname } from "node:path";
import { ATOL_OF_RANGE, ATOL_OF_RANGE_QUANTIZED } from "./agreement.ts";
import { type BenchBrowser } from "./browser.ts";
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
  type StoredTensor,
  type TimingOptions,
} from "./protocol.ts";
import { type Download, type Prepared, type PrepareOptions } from "./runtimes/runtime.ts";
import { type BenchServer, type Content } from "./server.ts";

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
  readonly peak?: JobResult["peak"];
  readonly bandwidth?: JobResult["bandwidth"];
}

export interface Bench {
  readonly server: BenchServer;
  readonly browser: Pick<BenchBrowser, "measure">;
  /** In the order in which results are wanted. */
  readonly lanes: readonly Lane[];
  /** The lane to compare with; it need not be among `lanes`. */
  readonly reference: Lane;
  readonly timing: TimingOptions;
}

/** What a page may take besides what it is asked to: loading, first runs, models whose runs take seconds. */
const PATIENCE_MS = 120_000;

/** The machine's multiply-add peak, and the bandwidth of reading a range of some bytes (a multiple of 256). */
export interface PeakRequest {
  readonly module: PeakModule;
  readonly readBytes?: number;
}

/** Measures `model`; with `peak` the machine's peak is measured in turn with the runtimes. */
export async function measureModel(
  bench: Bench,
  model: BenchModel,
  peak?: PeakRequest,
): Promise<ModelResult> {
  const served: string[] = [];
  const serve = (name: string, content: Content): string => {
    // Numbered, as a model may give its files any name.
    const path = `/models/${servedSoFar++}${extname(name)}`;
    bench.server.put(path, content);
    served.push(path);
    return path;
  };
  try {
    return await measureServed(bench, model, serve, peak);
  } finally {
    for (const path of served) bench.server.remove(path);
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
  const { tensors, bytes } = storeTensors(model.inputs, model.outputs);
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
    ...(answer?.referenceNote === undefined ? {} : { referenceNote: answer.referenceNote }),
    ...(answer?.peak === undefined ? {} : { peak: answer.peak }),
    ...(answer?.bandwidth === undefined ? {} : { bandwidth: answer.bandwidth }),
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

function peakJob({ module, readBytes }: PeakRequest, serve: PrepareOptions["serve"]): PeakJob {
  return { url: serve("peak.wasm", module.bytes), variants: module.variants, readBytes };
}

function timeLimit({ timing }: Bench, entries: readonly Entry[]): number {
  const perRuntime = 3 * timing.seconds * 1000;
  return PATIENCE_MS + entries.length * perRuntime;
}

function withDownloads(result: PageResult, prepared: Prepared | undefined): RuntimeResult {
  if (prepared === undefined) return result;
  const { downloads, notes } = prepared;
  const joined = { ...result, downloads, downloadBytes: addSizes(downloads.map(({ size }) => size)).gzip };
  return joined.status === "measured" ? { ...joined, notes: { ...notes, ...joined.notes } } : joined;
}

/** Lays tensors out in one file, each at a multiple of 8 bytes, so that the page can view them where they lie. */
function storeTensors(
  inputs: readonly NamedTensor[],
  outputs: readonly NamedTensor[],
): { tensors: { inputs: StoredTensor[]; outputs: StoredTensor[] }; bytes: Uint8Array } {
  const parts: { offset: number; bytes: Uint8Array }[] = [];
  let length = 0;
  const store = ({ name, tensor: { dtype, shape, data } }: NamedTensor): StoredTensor => {
    if (!ArrayBuffer.isView(data)) return { name, dtype, shape, offset: 0, strings: data };
    const offset = length;
    parts.push({ offset, bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) });
    length = Math.ceil((offset + data.byteLength) / 8) * 8;
    return { name, dtype, shape, offset };
  };
  const tensors = { inputs: inputs.map(store), outputs: outputs.map(store) };
  const bytes = new Uint8Array(length);
  for (const part of parts) bytes.set(part.bytes, part.offset);
  return { tensors, bytes };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
