/**
 * WGSL computes what kernels mean: random kernels in the forms that models have, as the schedules of each kind of device
 * arrange them, run on the browser's adapter and compared with the interpreter. In: nothing. Out: tests; a failure prints
 * the kernel, its schedule and fast-check's seed.
 */
import fc from "fast-check";
import type { NumericData } from "../../compiler/ir/dtype.ts";
import { runKernel } from "../../compiler/ir/interp.ts";
import { allocateBuffer } from "../../compiler/ir/interpExpr.ts";
import { layoutOf, type Buffer, type Kernel } from "../../compiler/ir/kernel.ts";
import { storeFunction } from "../../compiler/ir/numeric.ts";
import { printKernel, printSchedule } from "../../compiler/ir/text/index.ts";
import { lowerPads } from "../../compiler/lower/pad.ts";
import { lowerStorage } from "../../compiler/lower/storage.ts";
import { gpuDevice, type GpuKind } from "../../compiler/tune/gpuDevice.ts";
import { gpuSchedules } from "../../compiler/tune/gpuHeuristic.ts";
import { orderAxes } from "../../compiler/tune/heuristic.ts";
import { isForGpu, requestDevice, runOnGpu } from "../gpuKernels.ts";
import { randomContraction, randomConvolution, randomMovement, randomRecurrence, randomRows } from "../structuredKernels.ts"; // prettier-ignore

const KINDS: readonly GpuKind[] = ["software", "integrated", "discrete", "mobile"];
const RUNS = 25;

/** Small integers, whose sums and products have no rounding; zeros in the border. */
function integers(buffer: Buffer, seed: number): NumericData {
  const data = allocateBuffer(buffer);
  if (buffer.role !== "in") return data;
  const store = storeFunction(buffer.dtype);
  const { strides, offset } = layoutOf(buffer);
  const low = buffer.dtype.startsWith("uint") || buffer.dtype === "bool" ? 0 : -2;
  const high = buffer.dtype === "bool" ? 1 : 3;
  const fill = (d: number, at: number, n: number): void => {
    if (d < buffer.shape.length) {
      for (let i = 0; i < buffer.shape[d]!; i++) fill(d + 1, at + i * strides[d]!, n * 31 + i * 7);
      return;
    }
    const value = low + ((n + seed) % (high - low + 1));
    data[at] = data instanceof BigInt64Array || data instanceof BigUint64Array ? BigInt(value) : store(value);
  };
  fill(0, offset, 1);
  return data;
}

/** Functions are polynomials on the one side and Math's on the other. */
function isClose(a: number | bigint, b: number | bigint): boolean {
  if (typeof a === "bigint" || typeof b === "bigint") return a === b;
  return Object.is(a, b) || a === b || Math.abs(a - b) <= 2e-6 * Math.max(1, Math.abs(b));
}

async function check(device: GPUDevice, given: Kernel, kind: GpuKind, seed: number): Promise<void> {
  const kernel = orderAxes(lowerStorage(lowerPads(given), () => true));
  const chosen = gpuSchedules(gpuDevice(kind))(kernel, { constants: new Set() });
  const data = kernel.buffers.map((buffer, n) =>
    buffer.role === "temp" ? undefined : integers(buffer, seed + n),
  );
  const expected = data.map((elements) => elements?.slice());
  runKernel(kernel, expected);
  const got = await runOnGpu(device, kernel, chosen, data);
  kernel.buffers.forEach(({ name }, n) => {
    const right = expected[n];
    const found = got[n];
    if (!right || !found) return;
    const at = Array.from<number | bigint>(found).findIndex((value, i) => !isClose(value, right[i]!));
    if (at < 0) return;
    const shown = `${printKernel(kernel)}\n${printSchedule(chosen)}`;
    throw new Error(`${kind}: ${name}[${at}] is ${found[at]}, should be ${right[at]}\n${shown}`);
  });
}

describe("WGSL computes what kernels mean", function () {
  this.timeout(300_000);
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
          async (kernel, kind, seed) => {
            await check(device, kernel, kind, seed);
            if (lost !== "") throw new Error(lost);
          },
        ),
        { numRuns: RUNS },
      );
      device.destroy();
    });
  }
});
