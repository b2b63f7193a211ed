/**
 * What becomes of a model when a runtime fails or its page never comes back. The browser is a stand-in that answers
 * from a script; nothing is timed.
 */
import { expect, it } from "vitest";
import { type Measured } from "./browser.ts";
import { lanesOf } from "./lanes.ts";
import { type BenchModel } from "./models.ts";
import { type Job, type PageResult } from "./protocol.ts";
import { type BenchRuntime } from "./runtimes/runtime.ts";
import { type Content } from "./server.ts";
import { type Bench, measureModel } from "./session.ts";

const model: BenchModel = {
  name: "model",
  bytes: new Uint8Array(10),
  external: new Map(),
  quantized: false,
  inputs: [
    { name: "flag", tensor: { dtype: "bool", shape: [3], data: Uint8Array.of(1, 0, 1) } },
    { name: "x", tensor: { dtype: "float64", shape: [1], data: Float64Array.of(2.5) } },
  ],
  outputs: [{ name: "words", tensor: { dtype: "string", shape: [2], data: ["a", "b"] } }],
};

const runtime = (prepare?: () => void): BenchRuntime => ({
  description: "",
  version: "1",
  files: () => new Map(),
  prepare: async (given, { serve }) => {
    prepare?.();
    return {
      create: { model: serve("model.onnx", given.bytes) },
      downloads: [
        { name: "runtime", size: { raw: 9, gzip: 5 } },
        { name: "model", size: { raw: 10, gzip: 7 } },
      ],
      notes: { prepared: "yes" },
    };
  },
});

const measuredResult = (name: string): PageResult => ({
  runtime: name,
  status: "measured",
  startMs: 1,
  createMs: 2,
  firstRunMs: 3,
  verification: {
    verified: true,
    reference: "r",
    rtol: 0,
    atol: {},
    worstRatio: 0,
    worst: "equal",
    rmsError: 0,
  },
  timing: { medianMs: 4, minimumMs: 4, samples: 3, runsPerSample: 1 },
  notes: {},
});

interface Laboratory {
  readonly bench: Bench;
  readonly jobs: Job[];
  readonly served: Map<string, Content>;
}

/** A bench whose page answers with `answer`, by default that all went well. */
function laboratory(
  runtimes: Readonly<Record<string, BenchRuntime>>,
  answer: (job: Job) => Measured | undefined = () => undefined,
  threads: readonly number[] = [1],
): Laboratory {
  const served = new Map<string, Content>();
  const jobs: Job[] = [];
  const bench: Bench = {
    server: {
      cacheable: false,
      origin: "",
      put: (path, content) => void served.set(path, content),
      remove: (path) => void served.delete(path),
      close: async () => {},
    },
    browser: {
      measure: async (job) => {
        jobs.push(job);
        const results = job.entries.map(({ id }) => measuredResult(id));
        return answer(job) ?? { kind: "result", result: { results } };
      },
    },
    lanes: lanesOf(new Map(Object.entries(runtimes)), threads),
    reference: {
      id: "reference",
      name: "reference",
      threads: 1,
      runtime: runtimes["reference"] ?? runtime(),
    },
    timing: { seconds: 1, minimumRuns: 3 },
  };
  return { bench, jobs, served };
}

it("joins what the page and the driver know, and stops serving the model", async () => {
  const { bench, served } = laboratory({ own: runtime(), reference: runtime() });
  const { results } = await measureModel(bench, model);
  expect(results.map((result) => [result.runtime, result.status, result.downloadBytes])).toEqual([
    ["own", "measured", 12],
    ["reference", "measured", 12],
  ]);
  expect(results[0]).toHaveProperty("notes", { prepared: "yes" });
  expect(served.size).toBe(0);
});

it("serves tensors where typed arrays can view them", async () => {
  let bytes: Content | undefined;
  const { bench, jobs, served } = laboratory({ own: runtime() }, (job) => {
    bytes = served.get(job.tensors.url);
    return undefined;
  });
  await measureModel(bench, model);
  const { inputs, outputs } = jobs[0]!.tensors;
  expect(inputs.map(({ offset }) => offset)).toEqual([0, 8]);
  if (!(bytes instanceof Uint8Array)) throw new Error("the tensors were not served");
  expect([...new Uint8Array(bytes.buffer, inputs[0]!.offset, 3)]).toEqual([1, 0, 1]);
  expect([...new Float64Array(bytes.buffer, inputs[1]!.offset, 1)]).toEqual([2.5]);
  expect(outputs[0]!.strings).toEqual(["a", "b"]);
});

it("measures the others when one cannot be prepared", async () => {
  const failing = runtime(() => {
    throw new TypeError("no such operator");
  });
  const { bench, jobs } = laboratory({ own: failing, reference: runtime() });
  const { results } = await measureModel(bench, model);
  expect(results[0]).toEqual({
    runtime: "own",
    status: "failed",
    stage: "prepare",
    reason: "TypeError: no such operator",
  });
  expect(results[1]!.status).toBe("measured");
  expect(jobs.map((job) => job.entries.map(({ name }) => name))).toEqual([["reference"]]);
});

it("names the runtime in which a page hung and measures the others in another page", async () => {
  const { bench, jobs } = laboratory({ own: runtime(), reference: runtime() }, (job) =>
    job.entries.some(({ name }) => name === "own")
      ? { kind: "lost", where: "own: first run", reason: "no answer within 9 s" }
      : undefined,
  );
  const { results } = await measureModel(bench, model);
  const failed = { status: "failed", stage: "own: first run", reason: "no answer within 9 s" };
  expect(results[0]).toMatchObject({ runtime: "own", ...failed });
  expect(results[1]).toMatchObject({ runtime: "reference", status: "measured" });
  expect(jobs).toHaveLength(2);
});

it("goes on without a reference in which the page hung", async () => {
  const { bench, jobs } = laboratory({ own: runtime() }, (job) =>
    job.reference === undefined
      ? undefined
      : { kind: "lost", where: "reference: create", reason: "the page crashed" },
  );
  const { results } = await measureModel(bench, model);
  expect(results).toMatchObject([{ runtime: "own", status: "measured" }]);
  expect(jobs.map((job) => job.reference?.name)).toEqual(["reference", undefined]);
});

it("gives up on all of them when nobody can be named", async () => {
  const { bench, jobs } = laboratory({ own: runtime(), reference: runtime() }, () => ({
    kind: "lost",
    where: "timing",
    reason: "the page crashed",
  }));
  const { results } = await measureModel(bench, model);
  expect(results.map((result) => result.status)).toEqual(["failed", "failed"]);
  expect(jobs).toHaveLength(1);
});

it("gives each number of threads a lane of its own, and none to a runtime that cannot", async () => {
  const single = { ...runtime(), mostThreads: 1 };
  const { bench, jobs } = laboratory({ own: runtime(), single, reference: runtime() }, undefined, [1, 2]);
  const { results } = await measureModel(bench, model);
  const ids = ["own", "single", "reference", "own@2", "reference@2"];
  expect(results.map((result) => result.runtime)).toEqual(ids);
  expect(jobs[0]!.entries.map(({ id }) => id)).toEqual(ids);
  expect(jobs[0]!.entries.map(({ threads }) => threads)).toEqual([1, 1, 1, 2, 2]);
});
