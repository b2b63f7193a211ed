/**
 * WGSL computes what kernels mean: random kernels in the forms that models have, as the schedules of each kind of device
 * arrange them, run on the browser's adapter and compared with the interpreter. In: nothing. Out: tests; a failure prints
 * the kernel, its schedule and fast-check's seed.
 */
import fc from "fast-check";
import { runKernel } from "../../compiler/ir/interp.ts";
import type { Kernel } from "../../compiler/ir/kernel.ts";
import { printKernel, printSchedule } from "../../compiler/ir/text/index.ts";
import { lowerPads } from "../../compiler/lower/pad.ts";
import { lowerStorage } from "../../compiler/lower/storage.ts";
import { gpuDevice, type GpuKind } from "../../compiler/tune/gpuDevice.ts";
import { gpuSchedules } from "../../compiler/tune/gpuHeuristic.ts";
import { orderAxes } from "../../compiler/tune/heuristic.ts";
import { isForGpu, requestDevice, runOnGpu, type Text } from "../gpuKernels.ts";
import { integers, randomContraction, randomConvolution, randomMovement, randomRecurrence, randomRows } from "../structuredKernels.ts"; // prettier-ignore
import { needsAdapter } from "./skip.ts";

const KINDS: readonly GpuKind[] = ["software", "integrated", "discrete", "mobile"];
const RUNS = 25;

/** Functions are polynomials on the one side and Math's on the other. */
function isClose(a: number | bigint, b: number | bigint): boolean {
  if (typeof a === "bigint" || typeof b === "bigint") return a === b;
  return Object.is(a, b) || a === b || Math.abs(a - b) <= 2e-6 * Math.max(1, Math.abs(b));
}

async function check(
  device: GPUDevice,
  given: Kernel,
  kind: GpuKind,
  seed: number,
  text: Text,
): Promise<void> {
  const kernel = orderAxes(lowerStorage(lowerPads(given), () => true));
  const chosen = gpuSchedules(gpuDevice(kind))(kernel, { constants: new Set() });
  const data = kernel.buffers.map((buffer, n) =>
    buffer.role === "temp" ? undefined : integers(buffer, seed + n),
  );
  const expected = data.map((elements) => elements?.slice());
  runKernel(kernel, expected);
  const got = await runOnGpu(device, kernel, chosen, data, text);
  kernel.buffers.forEach(({ name }, n) => {
    const right = expected[n];
    const found = got[n];
    if (!right || !found) return;
    const at = Array.from<number | bigint>(found).findIndex((value, i) => !isClose(value, right[i]!));
    if (at < 0) return;
    const shown = `${printKernel(kernel)}\n${printSchedule(chosen)}`;
    throw new Error(`${kind}, ${text}: ${name}[${at}] is ${found[at]}, should be ${right[at]}\n${shown}`);
  });
}

needsAdapter();

describe("WGSL computes what kernels mean", () => {
  const forms = { randomConvolution, randomContraction, randomRows, randomRecurrence, randomMovement };
  for (const [name, kernels] of Object.entries(forms)) {
    it(name, async () => {
      const device = await requestDevice();
      let lost = "";
      device.addEventListener("uncapturederror", ({ error }) => (lost ||= error.message));
      await fc.assert(
        fc.asyncProperty(
          kernels.filter(isForGpu),
          fc.constantFrom(...KINDS),
          fc.nat(1000),
          fc.constantFrom<Text>("best", "plain"),
          async (kernel, kind, seed, text) => {
            await check(device, kernel, kind, seed, text);
            if (lost !== "") throw new Error(lost);
          },
        ),
        { numRuns: RUNS },
      );
      device.destroy();
    });
  }
});
