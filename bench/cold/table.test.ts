/** Starts in fresh pages: what is compared with what, and what is said of failures. */
import { expect, it } from "vitest";
import { type BenchModel } from "../models.ts";
import { type ColdJob } from "../protocol.ts";
import { type BenchRuntime } from "../runtimes/runtime.ts";
import { type ColdModel, measureCold } from "./coldStart.ts";
import { phaseTable } from "./phases.ts";
import { coldRatio, coldTable } from "./table.ts";

const model: BenchModel = {
  name: "m",
  bytes: new Uint8Array(1),
  external: new Map(),
  quantized: false,
  inputs: [],
  outputs: [],
};

const runtime = (codeInModel: number): BenchRuntime => ({
  description: "",
  version: "1",
  files: () => new Map(),
  prepare: async () => ({
    create: {},
    downloads: [
      { name: "runtime", size: { raw: 99, gzip: 10 } },
      { name: "model.onnx", size: { raw: 999, gzip: 900 } },
    ],
    codeInModel,
    notes: {},
  }),
});

const lane = (name: string, codeInModel = 0) => ({
  id: name,
  name,
  threads: 1,
  runtime: runtime(codeInModel),
});

/** Each start of "own" takes 1, 5, 3 ms; those of "ort-wasm" 30 ms; "broken" never starts. */
async function laboratory(): Promise<{ found: ColdModel; order: string[] }> {
  const order: string[] = [];
  const own = [1, 5, 3];
  const browser = {
    cold: async ({ entry, phases = false }: ColdJob) => {
      if (phases) {
        const seen = [{ name: "script", from: 0, to: 7, calls: 1 }];
        return { startMs: 0, createMs: 0, firstRunMs: 0, totalMs: 100, phases: seen };
      }
      order.push(entry.id);
      if (entry.id === "broken") throw new Error("no such file");
      const totalMs = entry.id === "own" ? own.shift()! : 30;
      return { startMs: 0, createMs: 0, firstRunMs: 0, totalMs };
    },
    coldMemory: async ({ entry, moreRuns }: ColdJob) => {
      expect(moreRuns).toBeGreaterThan(0);
      return { peakBytes: entry.id === "own" ? 20e6 : 80e6, startBytes: 10e6 };
    },
  };
  const lanes = [lane("own", 5), lane("ort-wasm"), lane("broken")];
  const found = await measureCold(browser, lanes, model, () => "/x", {
    starts: 3,
    memory: true,
    phases: true,
  });
  return { found, order };
}

it("takes turns, medians, and leaves out who fails", async () => {
  const { found, order } = await laboratory();
  expect(order).toEqual(["own", "ort-wasm", "broken", "own", "ort-wasm", "own", "ort-wasm"]);
  expect(found.results).toMatchObject([
    { runtime: "own", status: "measured", totalMs: 3, codeBytes: 15, memory: { peakBytes: 20e6 } },
    { runtime: "ort-wasm", status: "measured", totalMs: 30, codeBytes: 10 },
    { runtime: "broken", status: "failed", reason: "no such file" },
  ]);
});

it("tells what was seen in a start that was watched, which counts for nothing else", async () => {
  const { found } = await laboratory();
  const lines = phaseTable([found], "fresh page").split("\n");
  expect(lines.map((line) => line.split(/ {2,}/))).toEqual([
    ["phases, fresh page", "runtime", "phase", "from", "to", "on the page's thread", "times"],
    ["m", "own", "script", "0.000", "7.00", "1"],
    ["m", "ort-wasm", "script", "0.000", "7.00", "1"],
  ]);
  expect(phaseTable([], "fresh page")).toBe("");
});

it("compares with the reference", async () => {
  const { found } = await laboratory();
  expect(coldRatio(found, "own", "ort-wasm", "totalMs")).toBe(10);
  expect(coldRatio(found, "own", "ort-wasm", "peakBytes")).toBe(4);
  expect(coldRatio(found, "own", "ort-wasm", "netBytes")).toBe(7);
  expect(coldRatio(found, "own", "ort-wasm", "codeBytes")).toBeCloseTo(10 / 15, 12);
  expect(coldRatio(found, "broken", "ort-wasm", "totalMs")).toBe(undefined);
  const text = coldTable([found], "ort-wasm");
  expect(text).toContain("m: broken failed in a fresh page: no such file");
  expect(text).toContain("first answer: own 10.0 times as early as ort-wasm, least 10.0");
});
