/**
 * From an empty page to the first answer, and the memory that takes. In: a model and lanes. Out: per lane the medians
 * of some starts, and the peak of the page's process. Invariant: every start has a browser context and a process of
 * its own, nothing cached; lanes take turns; the memory is that of a page in a browser of its own.
 */
import { type BenchBrowser } from "../browser.ts";
import { type Lane } from "../lanes.ts";
import { type BenchModel } from "../models.ts";
import { type ColdJob, type ColdTimes, type Phase, type StoredTensors } from "../protocol.ts";
import { type PrepareOptions, type Prepared } from "../runtimes/runtime.ts";
import { median } from "../statistics.ts";
import { storeTensors } from "../storedTensors.ts";

export type ColdResult =
  | ({
      readonly runtime: string;
      readonly status: "measured";
      readonly starts: number;
      /** Gzipped bytes of everything but what holds the weights. */
      readonly codeBytes: number;
      readonly memory?: MemoryResult;
    } & ColdTimes)
  | { readonly runtime: string; readonly status: "failed"; readonly reason: string };

export interface MemoryResult {
  /** Most that the page's process held while it loaded the model and ran it some times. */
  readonly peakBytes: number;
  /** What it held before, with the measuring page open and nothing loaded. */
  readonly startBytes: number;
  readonly heldBytes?: number;
}

export interface ColdModel {
  readonly model: string;
  readonly results: readonly ColdResult[];
}

export interface ColdOptions {
  readonly starts: number;
  readonly memory: boolean;
  /** Whether one more start is watched: where its milliseconds go. */
  readonly phases: boolean;
}

/** Files that hold a model's weights rather than code; what an artifact holds besides weights is counted apart. */
const MODEL_FILES = /\.(tile|onnx|tflite)$/;
const RUNS_FOR_MEMORY = 5;

export async function measureCold(
  browser: Pick<BenchBrowser, "cold" | "coldMemory">,
  lanes: readonly Lane[],
  model: BenchModel,
  serve: PrepareOptions["serve"],
  { starts, memory, phases: watched }: ColdOptions,
): Promise<ColdModel> {
  const { tensors, bytes } = storeTensors({ inputs: model.inputs, outputs: [], exact: [] });
  const stored: StoredTensors = { url: serve("tensors.bin", bytes), ...tensors };
  const prepared = new Map<string, Prepared>();
  const times = new Map<string, ColdTimes[]>();
  const memories = new Map<string, MemoryResult>();
  const phases = new Map<string, readonly Phase[]>();
  const failures = new Map<string, string>();
  const guarded = async (id: string, action: () => Promise<void>): Promise<void> => {
    if (failures.has(id)) return;
    await action().catch((error: unknown) => void failures.set(id, messageOf(error)));
  };
  for (const { id, threads, runtime } of lanes) {
    await guarded(id, async () => void prepared.set(id, await runtime.prepare(model, { threads, serve })));
  }
  const jobOf = ({ id, name, threads }: Lane, moreRuns: number) => ({
    entry: { id, name, threads, create: prepared.get(id)!.create },
    tensors: stored,
    moreRuns,
  });
  for (let turn = 0; turn < starts; turn++) {
    for (const lane of lanes) {
      await guarded(lane.id, async () => {
        const found = await browser.cold(jobOf(lane, 0));
        times.set(lane.id, [...(times.get(lane.id) ?? []), found]);
      });
    }
  }
  for (const lane of watched ? lanes : []) {
    await guarded(lane.id, async () => {
      phases.set(lane.id, (await browser.cold({ ...jobOf(lane, 0), phases: true })).phases ?? []);
    });
  }
  if (memory) {
    for (const lane of lanes) {
      await guarded(lane.id, async () => {
        const found = await browser.coldMemory(jobOf(lane, RUNS_FOR_MEMORY));
        if (found !== undefined) memories.set(lane.id, found);
      });
    }
  }
  const results = lanes.map(({ id }): ColdResult => {
    const reason = failures.get(id);
    if (reason !== undefined) return { runtime: id, status: "failed", reason };
    const found = memories.get(id);
    return {
      runtime: id,
      status: "measured",
      starts,
      ...medianTimes(times.get(id)!),
      codeBytes: codeBytes(prepared.get(id)!),
      ...(found === undefined ? {} : { memory: found }),
      ...(watched ? { phases: phases.get(id)! } : {}),
    };
  });
  return { model: model.name, results };
}

/**
 * Starts of pages that come again: the first one has filled the browser's HTTP cache and, for us, IndexedDB.
 */
export function measureWarm(
  browser: Pick<BenchBrowser, "warm">,
  lanes: readonly Lane[],
  model: BenchModel,
  serve: PrepareOptions["serve"],
  { starts, phases }: Pick<ColdOptions, "starts" | "phases">,
): Promise<ColdModel> {
  const withCache = (job: ColdJob): ColdJob => {
    if (!job.entry.name.startsWith("tilewright")) return job;
    return { ...job, entry: { ...job.entry, create: { ...job.entry.create, cache: true } } };
  };
  const again = {
    cold: (job: ColdJob) => browser.warm(withCache(job)),
    coldMemory: () => Promise.resolve(undefined),
  };
  return measureCold(again, lanes, model, serve, { starts, memory: false, phases });
}

function medianTimes(times: readonly ColdTimes[]): ColdTimes {
  const of = (part: "startMs" | "createMs" | "firstRunMs" | "totalMs"): number =>
    median(times.map((time) => time[part]));
  return {
    startMs: of("startMs"),
    createMs: of("createMs"),
    firstRunMs: of("firstRunMs"),
    totalMs: of("totalMs"),
  };
}

function codeBytes({ downloads, codeInModel = 0 }: Prepared): number {
  const files = downloads.filter(({ name }) => !MODEL_FILES.test(name));
  return codeInModel + files.reduce((sum, { size }) => sum + size.gzip, 0);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
