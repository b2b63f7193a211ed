import { describe, expect, it } from "vitest";
import type { ValueId } from "../ir/graph.ts";
import { parseKernel } from "../ir/text/index.ts";
import { ONE_PART, type ProgramValue, type ScheduledKernel } from "../ir/program.ts";
import { controlOf } from "./control.ts";
import { togetherness } from "./together.ts";

const halo = { before: [1], after: [1], value: 0 };
const values = new Map<ValueId, ProgramValue>([
  ["x", { dtype: "float32", shape: [8] }],
  ["y", { dtype: "float32", shape: [8], layout: { strides: [1], offset: 1, halo } }],
  ["z", { dtype: "float32", shape: [8] }],
  ["w", { dtype: "float32", shape: [8] }],
]);
/** "w" is where "x" was. */
const addresses: Readonly<Record<ValueId, number>> = { x: 0, y: 64, z: 128, w: 16 };
const together = togetherness(
  values,
  (root) => ({ root, address: addresses[root]!, bytes: 40 }),
  () => [],
);

const call = (text: string, inputs: ValueId[], outputs: ValueId[], threads = 1): ScheduledKernel => ({
  kind: "kernel",
  nodes: [],
  kernel: parseKernel(text),
  schedule: [],
  parts: threads > 1 ? { count: 4, threads } : ONE_PART,
  inputs,
  outputs,
});
const map = (from: ValueId, to: ValueId, threads = 1): ScheduledKernel =>
  call("kernel map { in a: float32[8] out b: float32[8] for i in 0..8: b[i] = a[i] }", [from], [to], threads);
const border = (index: string): ScheduledKernel =>
  call(`kernel border { out b: float32[8] for i in 0..1: b[${index}] = 0.0 }`, [], ["y"]);

describe("calls that may run at the same time", () => {
  it("store nothing that the other one touches", () => {
    expect(together(map("x", "y"), map("x", "z"))).toBe(true);
    expect(together(map("x", "y"), map("y", "z"))).toBe(false);
    expect(together(map("y", "z"), map("x", "y"))).toBe(false);
    expect(together(map("x", "y"), map("z", "y"))).toBe(false);
    expect(together(map("x", "y"), map("z", "w"))).toBe(false);
  });
  it("store an array and its border", () => {
    expect(together(map("x", "y"), border("i - 1"))).toBe(true);
    expect(together(map("x", "y"), border("i + 8"))).toBe(true);
    expect(together(map("x", "y"), border("i + 7"))).toBe(false);
  });
});

describe("the order in which threads count", () => {
  it("lets independent calls begin at once, what one thread does alone first", () => {
    const run = [map("x", "y", 4), border("i - 1"), map("x", "z", 4), map("y", "w"), map("w", "x", 4)];
    const { segments, doneInRun } = controlOf(run, together);
    const told = segments.map(
      (s) => `${s.kind === "shared" ? s.call.outputs.join() : s.calls.length} from ${s.doneBefore}`,
    );
    expect(told).toEqual(["1 from 0", "y from 0", "z from 0", "1 from 9", "x from 10"]);
    expect(doneInRun).toBe(14);
  });
  it("waits after each call where nothing is known", () => {
    const { segments } = controlOf([map("x", "y", 4), border("i - 1"), map("x", "z", 4)]);
    expect(segments.map(({ doneBefore }) => doneBefore)).toEqual([0, 4, 5]);
  });
});
