/**
 * Series of runs whose sizes change. In: a series and lanes. Out: per lane what a user waits for: the first run, the one in
 * the middle, the slowest, and all of them, compilation included. Invariant: every pass is in a page of its own, in which
 * all lanes begin with nothing and take turns; a run's time is the median over the passes, and every run of every pass has
 * been compared with the reference's.
 */
import { ATOL_OF_RANGE } from "../agreement.ts";
import { type BenchBrowser } from "../browser.ts";
import { type Lane } from "../lanes.ts";
import { type Entry, type SeriesJob, type SeriesPageResult, type StoredTensors, type Verification } from "../protocol.ts"; // prettier-ignore
import { type PrepareOptions } from "../runtimes/runtime.ts";
import { median } from "../statistics.ts";
import { storeTensors } from "../storedTensors.ts";
import { type Series } from "./series.ts";

export type SeriesResult =
  | {
      readonly runtime: string;
      readonly status: "measured";
      /** Loading the runtime's code, and from there to a session. */
      readonly startMs: number;
      readonly createMs: number;
      readonly firstMs: number;
      readonly medianMs: number;
      /** The slowest after the first. */
      readonly slowestMs: number;
      /** All runs, in one page: the median of the passes. */
      readonly totalMs: number;
      /** Of each run, the median of the passes. */
      readonly runsMs: readonly number[];
      /** Of each pass, what its runs took. */
      readonly passes: readonly (readonly number[])[];
      readonly compiled?: readonly number[];
      readonly memoryBytes?: number;
      /** Of the pass with the largest error. */
      readonly verification: Verification;
      readonly notes: Readonly<Record<string, string>>;
    }
  | Extract<SeriesPageResult, { status: "failed" }>;

export interface MeasuredSeries {
  readonly series: string;
  /** Of each run, what changes from run to run. */
  readonly sizes: readonly number[];
  readonly results: readonly SeriesResult[];
}

export interface SeriesBench {
  readonly browser: Pick<BenchBrowser, "series">;
  readonly lanes: readonly Lane[];
  /** The lane to compare with; it need not be among `lanes`. */
  readonly reference: Lane;
  /** Pages in which the series is made. */
  readonly passes: number;
}

const PATIENCE_MS = 120_000;
/** What a run may take, with compiling for its sizes: the slowest lane compiles every time. */
const RUN_PATIENCE_MS = 4_000;

export async function measureSeries(
  { browser, lanes, reference, passes }: SeriesBench,
  name: string,
  { model, sizes, runs, feedback }: Series,
  serve: PrepareOptions["serve"],
): Promise<MeasuredSeries> {
  const failures = new Map<string, SeriesResult>();
  const entryOf = async ({ id, name, threads, runtime }: Lane): Promise<Entry> => {
    const { create } = await runtime.prepare(model, { threads, serve, openSizes: true });
    return { id, name, threads, create };
  };
  const entries: Entry[] = [];
  for (const lane of lanes) {
    try {
      entries.push(await entryOf(lane));
    } catch (error) {
      failures.set(lane.id, {
        runtime: lane.id,
        status: "failed",
        stage: "prepare",
        reason: messageOf(error),
      });
    }
  }
  const found = new Map<string, SeriesPageResult[]>();
  if (entries.length > 0) {
    const job: SeriesJob = {
      entries,
      reference: entries.find(({ id }) => id === reference.id) ?? (await entryOf(reference)),
      atolOfRange: ATOL_OF_RANGE,
      runs: runs.map((inputs): StoredTensors => {
        const { tensors, bytes } = storeTensors({ inputs, outputs: [], exact: [] });
        return { url: serve("tensors.bin", bytes), ...tensors };
      }),
      feedback,
    };
    const patience = PATIENCE_MS + (entries.length + 1) * runs.length * RUN_PATIENCE_MS;
    for (let pass = 0; pass < passes; pass++) {
      for (const result of await onePass(browser, job, patience))
        found.set(result.runtime, [...(found.get(result.runtime) ?? []), result]);
    }
  }
  return {
    series: name,
    sizes,
    results: lanes.map(({ id }) => failures.get(id) ?? joined(found.get(id)!)),
  };
}

/** A page that does not come back is a failure of every lane in it: they take turns too often to say whose. */
async function onePass(
  browser: SeriesBench["browser"],
  job: SeriesJob,
  patienceMs: number,
): Promise<readonly SeriesPageResult[]> {
  const answer = await browser.series(job, patienceMs);
  if (answer.kind === "result") return answer.result;
  const { where, reason } = answer;
  return job.entries.map(({ id }) => ({ runtime: id, status: "failed", stage: where, reason }));
}

/** One lane's passes; of those that failed, the first tells why. */
function joined(passes: readonly SeriesPageResult[]): SeriesResult {
  const measured = passes.flatMap((pass) => (pass.status === "measured" ? [pass] : []));
  const failure = passes.find((pass) => pass.status === "failed");
  if (failure?.status === "failed") return failure;
  const last = measured.at(-1)!;
  const { runtime, compiled, memoryBytes, notes } = last;
  const runsMs = last.runsMs.map((_, run) => median(measured.map((pass) => pass.runsMs[run]!)));
  const worst = measured.map(({ verification }) => verification);
  return {
    runtime,
    status: "measured",
    startMs: median(measured.map(({ startMs }) => startMs)),
    createMs: median(measured.map(({ createMs }) => createMs)),
    firstMs: runsMs[0]!,
    medianMs: median(runsMs),
    slowestMs: Math.max(...runsMs.slice(1)),
    totalMs: median(measured.map((pass) => pass.runsMs.reduce((sum, ms) => sum + ms, 0))),
    runsMs,
    passes: measured.map((pass) => pass.runsMs),
    ...(compiled === undefined ? {} : { compiled }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    verification: worst.reduce((a, b) => (!b.verified || b.worstRatio > a.worstRatio ? b : a)),
    notes,
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
