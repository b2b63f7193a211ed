/**
 * Profiles of a small model with shared code and a library kernel. No times are expected, only what must hold for any:
 * steps compute what a run computes, shares add up, rates follow from times.
 */
import { beforeAll, describe, expect, it } from "vitest";
import * as compiler from "../compiler/whole.ts";
import { compile, type CompileReport } from "../compiler/whole.ts";
import { onnxModel } from "../compiler/frontend/onnx/write.ts";
import { randomNumbers } from "../test/programs.ts";
import { TilewrightError } from "./errors.ts";
import { readArtifact } from "./format.ts";
import { mathFunction } from "./format/header.ts";
import { load } from "./load.ts";
import { profile, traceOf, type Profile } from "./profile.ts";

const SIZE = 24;

/** The same numbers from -1 to 1 for the same seed. */
function numbers(seed: number, count: number): number[] {
  const next = randomNumbers(seed);
  return Array.from({ length: count }, () => Math.fround(2 * next() - 1));
}

/** Two equal dense layers with a softmax between them, then the largest three of each row. */
function model(): Uint8Array {
  const b = onnxModel("layers", { opset: 18 });
  const weights = numbers(7, SIZE * SIZE);
  let x = b.input("x", "float32", [8, SIZE]);
  for (const layer of [0, 1]) {
    const w = b.initializer("float32", [SIZE, SIZE], weights);
    x = b.node("MatMul", [x, w], {}, { name: `dense${layer}` });
    if (layer === 0) x = b.node("Softmax", [x], {}, { name: "softmax" });
  }
  const [values, indices] = b.nodeWithOutputs("TopK", [x, b.int64s([3])], 2, {}, { name: "top" });
  b.output(values!, "float32", [8, 3], "values");
  b.output(indices!, "int64", [8, 3], "indices");
  return b.toBytes();
}

const x = numbers(3, 8 * SIZE);
let artifact: Uint8Array;
let report: CompileReport;
let profiled: Profile;
beforeAll(async () => {
  ({ artifact, report } = compile(model(), { profile: true, variants: ["simd"] }));
  const session = await load(artifact);
  const before = await session.run({ x });
  profiled = await profile(session, { x }, { runs: 3 });
  expect(await session.run({ x })).toEqual(before);
  session.dispose();
});

describe("a profile", () => {
  it("has every call of a run once, in order, and shares that add up", () => {
    const { calls, totalMilliseconds, runs } = profiled;
    expect(runs).toBe(3);
    expect(calls).toHaveLength(report.kernelsOut);
    const nodes = calls.flatMap((call) => call.nodes);
    expect(nodes.filter((name) => /^(dense|softmax|top)/.test(name))).toEqual([
      "dense0",
      "softmax",
      "dense1",
      "top",
    ]);
    expect(calls.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
    expect(calls.reduce((sum, { milliseconds }) => sum + milliseconds, 0)).toBeCloseTo(totalMilliseconds, 9);
  });

  it("counts operations and bytes as the model says", () => {
    const dense = profiled.calls.find(({ nodes }) => nodes.includes("dense0"))!;
    expect(dense.operations).toBe(2 * 8 * SIZE * SIZE);
    expect(dense.bytes).toBe(4 * (8 * SIZE + SIZE * SIZE + 8 * SIZE));
    expect(dense.schedule).toContain("bind");
    expect(dense.codeBytes).toBeGreaterThan(50);
    const top = profiled.calls.find(({ nodes }) => nodes.includes("top"))!;
    expect(top).toMatchObject({ operations: 0, gflops: 0, bound: "memory", schedule: "" });
    expect(top.codeBytes).toBeGreaterThan(50);
  });

  it("knows which calls share their code", () => {
    const shared = profiled.calls.map(({ nodes, sharedBy }) => [nodes[0], sharedBy]);
    expect(shared).toEqual(expect.arrayContaining([["dense1", 2]]));
  });

  it("gives rates that follow from times, under a roof that was measured", () => {
    const { calls, peak } = profiled;
    expect(peak.gflops).toBeGreaterThan(0);
    for (const { gbs } of peak.bandwidth) expect(gbs).toBeGreaterThan(0);
    for (const { milliseconds, operations, bytes, gflops, gbs, roofline } of calls) {
      expect(milliseconds).toBeGreaterThan(0);
      expect(gflops * milliseconds * 1e6).toBeCloseTo(operations, 3);
      expect(gbs * milliseconds * 1e6).toBeCloseTo(bytes, 3);
      expect(roofline).toBeGreaterThanOrEqual(gflops / peak.gflops);
      expect(Number.isFinite(roofline)).toBe(true);
    }
  });

  it("becomes a trace in which calls follow each other without gaps", () => {
    const { traceEvents } = JSON.parse(JSON.stringify(traceOf(profiled))) as ReturnType<typeof traceOf>;
    const events = traceEvents.filter(({ ph }) => ph === "X");
    expect(events).toHaveLength(profiled.calls.length);
    let end = 0;
    events.forEach(({ ts, dur, args }, i) => {
      expect(ts).toBeCloseTo(end, 6);
      expect(args).toMatchObject({ schedule: profiled.calls[i]!.schedule, nodes: profiled.calls[i]!.nodes });
      end = ts! + dur!;
    });
    expect(end).toBeCloseTo(profiled.totalMilliseconds * 1000, 6);
  });
});

describe("the steps of a program", () => {
  /** The module of the plain variant with its memory, weights in place, initialized. */
  async function instance(): Promise<{ call: (name: string, ...args: number[]) => void; bytes: Uint8Array }> {
    const { plan, sections } = readArtifact(artifact);
    if (plan.kind !== "bound") throw new Error("the artifact is late");
    const memory = new WebAssembly.Memory({ initial: plan.memoryBytes / 65536 });
    const bytes = new Uint8Array(memory.buffer);
    for (const { offset, bytes: length, address } of plan.weights)
      bytes.set(sections.get("weights")!.subarray(offset, offset + length), address);
    const make = async (section: string, imports: WebAssembly.Imports): Promise<WebAssembly.Exports> =>
      (await WebAssembly.instantiate(sections.get(section) as Uint8Array<ArrayBuffer>, imports)).instance
        .exports;
    const env = { memory, abort: () => {} };
    const lib: Record<string, WebAssembly.ExportValue> = {};
    for (const { name, section, export: exported } of plan.libraries)
      lib[name] = (await make(section, { env }))[exported]!;
    const math = Object.fromEntries(plan.math.map((name) => [name, mathFunction(name)!]));
    const exports = await make("simd", { env, lib, math });
    const call = (name: string, ...args: number[]): void =>
      (exports[name] as (...args: number[]) => void)(...args);
    call("init");
    bytes.set(new Uint8Array(Float32Array.from(x).buffer), plan.inputs[0]!.address);
    return { call, bytes };
  }

  it("leave the memory as a run does, however often each is repeated", async () => {
    const [whole, stepped] = [await instance(), await instance()];
    const start = stepped.bytes.slice();
    whole.call("run");
    for (const [i] of profiled.calls.entries()) stepped.call(`step.${i}`, 1 + (i % 3));
    expect(stepped.bytes).not.toEqual(start);
    expect(stepped.bytes).toEqual(whole.bytes);
  });

  it("are only there when asked for", () => {
    const { plan, sections } = readArtifact(compile(model(), { variants: ["simd"] }).artifact);
    expect(plan).not.toHaveProperty("report");
    const module = new WebAssembly.Module(sections.get("simd") as Uint8Array<ArrayBuffer>);
    const names = WebAssembly.Module.exports(module).map(({ name }) => name);
    expect(names.filter((name) => name !== "warm")).toEqual(["init", "run"]);
  });
});

async function codeOf(action: Promise<unknown>): Promise<string> {
  const error: unknown = await action.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof TilewrightError ? error.code : String(error);
}

describe("profile refuses", () => {
  it("a program that was not compiled for it, and says how to", async () => {
    const session = await load(compile(model()).artifact);
    await expect(profile(session, { x })).rejects.toThrow("{ profile: true }");
    expect(await codeOf(profile(session, { x }))).toBe("profile-needed");
  });

  it("wrong inputs, shapes that are open, what is stopped or disposed of", async () => {
    const session = await load(artifact);
    expect(await codeOf(profile(session, { x: [1, 2] }))).toBe("input-shape");
    const stopped = { signal: AbortSignal.abort() };
    expect(await codeOf(profile(session, { x }, stopped))).toBe("aborted");
    const late = await load(model(), { compiler: () => compiler });
    expect(await codeOf(profile(late, { x }))).toBe("run-failed");
    const running = profile(session, { x });
    session.dispose();
    expect(await codeOf(running)).toBe("disposed");
  });
});
