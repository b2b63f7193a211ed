/**
 * Contractions in tiles of a workgroup, and long reductions that invocations and workgroups share, compute what kernels
 * mean: random products, convolutions and sums under random limits of a device, as nests in the interpreter, and as WGSL on the adapter that Node has here; where there is none, that part is
 * skipped and says so. In: nothing. Out: tests; a failure prints the kernel, its schedule and fast-check's seed.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runKernel } from "../compiler/ir/interp.ts";
import { runNest } from "../compiler/ir/interpNest.ts";
import type { NumericData } from "../compiler/ir/dtype.ts";
import type { Kernel } from "../compiler/ir/kernel.ts";
import type { Schedule } from "../compiler/ir/schedule.ts";
import {
  parseNest,
  parseSchedule,
  printKernel,
  printNest,
  printSchedule,
} from "../compiler/ir/text/index.ts";
import { verifyKernel, verifyNest, verifySchedule } from "../compiler/ir/verify.ts";
import { apply } from "../compiler/lower/apply.ts";
import { takeCuts } from "../compiler/lower/cut.ts";
import { gpuDevice, type GpuDevice } from "../compiler/tune/gpuDevice.ts";
import { gpuSchedules } from "../compiler/tune/gpuHeuristic.ts";
import { orderAxes } from "../compiler/tune/heuristic.ts";
import { nodeGpu } from "../scripts/nodeGpu.ts";
import { runOnGpu } from "./gpuKernels.ts";
import { integers, randomLongReduction, randomPixels, randomProduct } from "./structuredKernels.ts";

const found = await nodeGpu();

/** Devices that stage small contractions, too. */
const randomDevice: fc.Arbitrary<GpuDevice> = fc
  .record({
    most: fc.constantFrom(16, 48, 128, 256),
    rows: fc.integer({ min: 2, max: 8 }),
    depth: fc.constantFrom(8, 16, 32),
    bytes: fc.constantFrom(4096, 8192, 16_384),
    slices: fc.constantFrom(1, 4, 8, 16),
    busy: fc.constantFrom(1, 4096, 16_384),
    rowGroup: fc.constantFrom(16, 64, 128),
    cut: fc.constantFrom(10, 10, 100_000),
  })
  .map(({ most, rows, depth, bytes, slices, busy, rowGroup, cut }) => ({
    ...gpuDevice("discrete"),
    stage: { invocations: [8, most] as const, rows, depth, bytes },
    sequence: 10,
    slices,
    busy,
    rowGroup,
    cut,
  }));

const cases = fc.tuple(
  fc.oneof(randomProduct, randomPixels, randomLongReduction, randomLongReduction).map(orderAxes),
  randomDevice,
  fc.nat(1000),
);

/** A schedule of a kernel, and the kernel as it is when cuts have been taken. */
function choose(given: Kernel, device: GpuDevice): { kernel: Kernel; schedule: Schedule } {
  const schedule = gpuSchedules(device)(given, { constants: new Set() });
  verifySchedule(schedule, given);
  expect(parseSchedule(printSchedule(schedule))).toEqual(schedule);
  const kernel = takeCuts(given, schedule);
  // Reads of a border are for layouts, of which that verifier knows nothing.
  if (kernel.name !== "pixels") verifyKernel(kernel);
  return { kernel, schedule: schedule.filter(({ kind }) => kind !== "cut") };
}

/** Elements of the inputs, some of them no numbers or endless; results are empty, and scratch is not given. */
function filled(kernel: Kernel, seed: number, strange: boolean): (NumericData | undefined)[] {
  return kernel.buffers.map((buffer, n) => {
    if (buffer.role === "temp") return undefined;
    const data = integers(buffer, seed + n);
    if (strange && n < 2 && buffer.dtype === "float32") {
      const at = (seed * 7919) % data.length;
      // Not in the border, which is zero.
      if (data[at] !== 0) data[at] = [NaN, Infinity, -Infinity][seed % 3]!;
    }
    return data;
  });
}

function differences(kernel: Kernel, schedule: Schedule, right: readonly (NumericData | undefined)[], got: readonly (NumericData | undefined)[]): string[] {
  return kernel.buffers.flatMap(({ name }, n) => {
    const at = Array.from<number | bigint>(right[n] ?? []).findIndex((value, i) => !Object.is(Number(value) + 0, Number(got[n]![i]!) + 0)); // prettier-ignore
    if (at < 0) return [];
    return [`${name}[${at}] is ${got[n]![at]}, should be ${right[n]![at]}\n${printKernel(kernel)}\n${printSchedule(schedule)}`]; // prettier-ignore
  });
} // prettier-ignore

describe("tiles of a workgroup and shared reductions", () => {
  it("are right as nests, which survive being printed", () => {
    const seen = { staged: 0, cut: 0, sliced: 0 };
    const property = fc.property(cases, ([given, device, seed]) => {
      const { kernel, schedule } = choose(given, device);
      if (schedule.some(({ kind }) => kind === "stage")) seen.staged++;
      if (kernel !== given) seen.cut++;
      if (schedule.some((step) => step.kind === "bind" && step.to === "group" && /^k.*\.o$/.test(step.axis)))
        seen.sliced++;
      const nest = apply(kernel, schedule);
      verifyNest(nest);
      expect(printNest(parseNest(printNest(nest)))).toBe(printNest(nest));
      const right = filled(kernel, seed, false);
      const got = right.map((data) => data?.slice());
      runKernel(kernel, right);
      runNest(nest, got);
      expect(differences(kernel, schedule, right, got)).toEqual([]);
    });
    // A kind that is rare may be missing among so few: then more are drawn.
    for (let round = 0; round === 0 || (round < 10 && Object.values(seen).includes(0)); round++)
      fc.assert(property, { numRuns: 80 });
    for (const [what, times] of Object.entries(seen)) expect(times, what).toBeGreaterThan(0);
  });

  it.skipIf("missing" in found)("are right as WGSL, with endless numbers and without", async () => {
    if ("missing" in found) return;
    const adapter = await found.gpu.requestAdapter();
    const gpu = await adapter!.requestDevice();
    let lost = "";
    gpu.addEventListener("uncapturederror", ({ error }) => (lost ||= error.message));
    const property = fc.asyncProperty(cases, fc.boolean(), async ([given, device, seed], strange) => {
      const { kernel, schedule } = choose(given, device);
      const right = filled(kernel, seed, strange);
      const data = right.map((elements) => elements?.slice());
      runKernel(kernel, right);
      expect(differences(kernel, schedule, right, await runOnGpu(gpu, kernel, schedule, data))).toEqual([]);
      expect(lost).toBe("");
    });
    await fc.assert(property, { numRuns: 20 });
    gpu.destroy();
  }); // prettier-ignore

  it.runIf("missing" in found)("are run as WGSL where Node has an adapter", (context) => {
    context.skip("missing" in found ? found.missing : "");
  });
});
