/** What is made of several passes, and of lanes that fail. The browser is a stand-in that answers from a script. */
import { expect, it } from "vitest";
import { type Measured } from "../browser.ts";
import { type Lane } from "../lanes.ts";
import { mergeResults } from "../report/merge.ts";
import { type BenchResults } from "../results.ts";
import { type SeriesJob, type SeriesPageResult } from "../protocol.ts";
import { type BenchRuntime, type PrepareOptions } from "../runtimes/runtime.ts";
import { measureSeries, type MeasuredSeries } from "./measure.ts";
import { type Series } from "./series.ts";
import { isSeriesVerified, seriesRatio, seriesTable } from "./table.ts";
import { UNCOMPARED } from "../agreement.ts";

const runs = [4, 2, 9].map((size) => [
  { name: "x", tensor: { dtype: "float32", shape: [size], data: new Float32Array(size) } as const },
]);
const series: Series = {
  model: { name: "m", bytes: new Uint8Array(1), external: new Map(), quantized: false, inputs: [], outputs: [] }, // prettier-ignore
  sizes: [4, 2, 9],
  runs,
};

/** Milliseconds of each run, pass after pass. */
const own = [[50, 30, 2], [10, 90, 3], [60, 40, 1]]; // prettier-ignore
const compared = { ...UNCOMPARED, reference: "ort-wasm", worstRatio: 0.5 };

interface Laboratory {
  readonly found: MeasuredSeries;
  readonly jobs: readonly SeriesJob[];
  readonly asked: readonly (boolean | undefined)[];
}

async function laboratory(
  names: readonly string[],
  answer?: (pass: number) => Measured<readonly SeriesPageResult[]> | undefined,
): Promise<Laboratory> {
  const jobs: SeriesJob[] = [];
  const asked: (boolean | undefined)[] = [];
  const runtime = (name: string): BenchRuntime => ({
    description: "",
    version: "1",
    files: () => new Map(),
    prepare: async (_, { openSizes }: PrepareOptions) => {
      if (name === "unprepared") throw new TypeError("not this one");
      asked.push(openSizes);
      return { create: {}, downloads: [], notes: {} };
    },
  });
  const lane = (name: string): Lane => ({ id: name, name, threads: 1, runtime: runtime(name) });
  const browser = {
    series: async (job: SeriesJob): Promise<Measured<readonly SeriesPageResult[]>> => {
      const pass = jobs.push(job) - 1;
      const result = job.entries.map(({ id }): SeriesPageResult => {
        if (id === "broken" && pass === 1) return { runtime: id, status: "failed", stage: "run 2", reason: "no room" }; // prettier-ignore
        const common = {
          runtime: id,
          status: "measured",
          startMs: 1,
          createMs: 2 + pass,
          notes: {},
        } as const;
        if (id !== "own") return { ...common, runsMs: [4, 5, 600], verification: UNCOMPARED };
        const verification = pass === 1 ? { ...compared, worstRatio: 0.75 } : compared;
        return { ...common, runsMs: own[pass]!, compiled: [1, 2, 0], memoryBytes: 7e6, verification };
      });
      return answer?.(pass) ?? { kind: "result", result };
    },
  };
  const bench = { browser, lanes: names.map(lane), reference: lane("ort-wasm"), passes: 3 };
  let served = 0;
  const found = await measureSeries(bench, "a series", series, () => `/${served++}`);
  return { found, jobs, asked };
}

it("takes medians over fresh pages, run by run, and over their sums", async () => {
  const { found, jobs, asked } = await laboratory(["own", "ort-wasm"]);
  expect(jobs).toHaveLength(3);
  expect(jobs[0]!.runs.map(({ url, inputs }) => [url, inputs[0]!.shape])).toEqual([
    ["/0", [4]],
    ["/1", [2]],
    ["/2", [9]],
  ]);
  expect(asked).toEqual([true, true]);
  expect(found.results[0]).toMatchObject({
    startMs: 1,
    createMs: 3,
    runsMs: [50, 40, 2],
    firstMs: 50,
    medianMs: 40,
    slowestMs: 40,
    totalMs: 101,
    passes: own,
    verification: { worstRatio: 0.75 },
  });
});

it("compares with a reference that is not measured", async () => {
  const { jobs } = await laboratory(["own"]);
  expect(jobs[0]!.entries.map(({ id }) => id)).toEqual(["own"]);
  expect(jobs[0]!.reference.id).toBe("ort-wasm");
});

it("tells who fails, and measures the others", async () => {
  const { found } = await laboratory(["unprepared", "broken", "own", "ort-wasm"]);
  expect(found.results).toMatchObject([
    { runtime: "unprepared", status: "failed", stage: "prepare", reason: "TypeError: not this one" },
    { runtime: "broken", status: "failed", stage: "run 2", reason: "no room" },
    { runtime: "own", status: "measured" },
    { runtime: "ort-wasm", status: "measured" },
  ]);
  const text = seriesTable([found], "ort-wasm");
  expect(text).toContain("a series: broken failed (run 2): no room");
  expect(found.results.map(isSeriesVerified)).toEqual([false, false, true, true]);
});

it("calls a page that does not come back a failure of all in it", async () => {
  const lost = { kind: "lost", where: "runs", reason: "the page crashed" } as const;
  const { found } = await laboratory(["own", "ort-wasm"], (pass) => (pass === 2 ? lost : undefined));
  const failed = { status: "failed", stage: "runs", reason: "the page crashed" };
  expect(found.results).toMatchObject([failed, failed]);
});

it("shows what a user waits for, and where it compiled", async () => {
  const { found } = await laboratory(["own", "ort-wasm"]);
  const lines = seriesTable([found], "ort-wasm").split("\n");
  expect(lines.map((line) => line.trim().split(/ {2,}/))).toEqual([
    ["changing sizes", "runtime", "create", "first", "median", "ratio", "slowest", "all", "ratio", "compiling", "programs", "MB", "verified"],
    ["a series", "own", "4.00", "50.0", "40.0", "0.13", "40.0", "101", "6.03", "90.0", "3", "7", "yes"],
    ["ort-wasm", "4.00", "4.00", "5.00", "600", "609", "yes"],
    ["a series: own compiled in runs 1 (size 4, 50.0), 2 (size 2, 40.0)"],
  ]); // prettier-ignore
});

it("relates what is verified only", async () => {
  const { found } = await laboratory(["own", "ort-wasm"]);
  expect(seriesRatio(found, "own", "ort-wasm", "totalMs")).toBeCloseTo(609 / 101, 12);
  const [first, second] = found.results;
  if (first?.status !== "measured") throw new Error("not measured");
  const verification = { ...compared, verified: false, worst: "run 2: token 1 for 2" };
  const wrong = { ...found, results: [{ ...first, verification }, second!] };
  expect(seriesRatio(wrong, "own", "ort-wasm", "totalMs")).toBe(undefined);
  expect(seriesTable([wrong], "ort-wasm")).toContain("own differs from ort-wasm: run 2: token 1 for 2");
});

it("is taken from the later of two calls", async () => {
  const { found } = await laboratory(["own", "ort-wasm"]);
  const results = { versions: {}, reference: "ort-wasm", command: [], models: [], cold: [], kernels: [] } as unknown as BenchResults; // prettier-ignore
  const other = { ...found, series: "another" };
  const again = { ...found, sizes: [1] };
  const merged = mergeResults([
    { ...results, series: [found, other] },
    { ...results, series: [again] },
  ]);
  expect(merged.series).toEqual([again, other]);
  expect(mergeResults([results])).not.toHaveProperty("series");
});
