/**
 * Contractions of bytes as packed dot products, on the adapter that the browser has: with the instruction and with shifts in
 * its place, scheduled as for devices with tiles of a workgroup. In: nothing. Out: tests against the interpreter.
 */
import fc from "fast-check";
import { allocate, elementCount, type NumericData, type Tensor } from "../../compiler/ir/dtype.ts";
import type { Program } from "../../compiler/ir/program.ts";
import { lowerPads } from "../../compiler/lower/pad.ts";
import { packDots } from "../../compiler/passes/packed/dots.ts";
import { PACKED_DOTS } from "../../compiler/backend/wgsl/packed.ts";
import { gpuDevice } from "../../compiler/tune/gpuDevice.ts";
import { gpuSchedules } from "../../compiler/tune/gpuHeuristic.ts";
import { randomContraction, resultOf, sampleLarge } from "../byteContractions.ts";
import { requestDevice, runOnGpu, type Text } from "../gpuKernels.ts";
import { expect } from "./expect.ts";
import { needsAdapter, skip } from "./skip.ts";

/** The output of a program, each kernel on the GPU. */
async function runOnDevice(
  device: GPUDevice,
  { calls, values, constants }: Program,
  inputs: ReadonlyMap<string, Tensor>,
  text: Text,
): Promise<NumericData> {
  const known = new Map<string, NumericData>();
  for (const [id, { data }] of [...constants, ...inputs]) known.set(id, data as NumericData);
  const choose = gpuSchedules({ ...gpuDevice("integrated"), slices: 1, cut: Infinity });
  for (const call of calls) {
    if (call.kind !== "kernel") throw new Error("a library call");
    const empty = (id: string): NumericData => {
      const { dtype, shape } = values.get(id)!;
      return allocate(dtype, elementCount(shape)) as NumericData;
    };
    const data = [...call.inputs.map((id) => known.get(id)!), ...call.outputs.map(empty)];
    const kernel = lowerPads(call.kernel);
    const got = await runOnGpu(device, kernel, choose(kernel, { constants: new Set() }), data, text);
    call.outputs.forEach((id, i) => known.set(id, got[call.inputs.length + i]!));
  }
  return known.get("y")!;
}

needsAdapter();

describe("packed dot products", () => {
  let device: GPUDevice;
  before(async () => (device = await requestDevice()));
  after(() => device.destroy());

  for (const text of ["best", "plain"] as const)
    it(`give the interpreter's integers, ${text}`, async function () {
      if (text === "best" && !navigator.gpu.wgslLanguageFeatures.has(PACKED_DOTS))
        return skip(this, `WGSL has no ${PACKED_DOTS} here`);
      const seed = Date.now();
      const small = fc.sample(randomContraction, { numRuns: 25, seed });
      for (const { program, inputs } of [...small, ...sampleLarge()]) {
        const packed = packDots(program, { work: 1, uses: 0 });
        expect(packed !== program, `no words in ${program.name}`);
        const right = resultOf(program, inputs);
        const got = await runOnDevice(device, packed, inputs, text);
        const at = Array.from<number | bigint>(right).findIndex((value, i) => value !== got[i]);
        expect(at < 0, `seed ${seed}: y[${at}] is ${got[at]} instead of ${right[at]} in ${program.name}`);
      }
    });
});
