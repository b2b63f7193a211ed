/**
 * Which of two programs is faster here. In: the same model on WebAssembly and on the GPU. Out: the median time of a run of
 * each, from inputs in memory to outputs in memory. Invariant: after one run of each, which is not counted (an engine
 * compiles code twice, a driver on first use), rounds are alternated and end with the time allowed; inputs depend on
 * nothing but the plan.
 */
import { allocate, elementCount, type Tensor } from "../dtype.ts";
import { type BoundPlan } from "../format.ts";
import { type Program } from "../program.ts";
import { type GpuEngine } from "./engine.ts";

const MOST_ROUNDS = 7;

export interface TrialResult {
  readonly wasmMilliseconds: number;
  readonly webgpuMilliseconds: number;
}

/** Times both. @param milliseconds most time for all rounds but the first */
export async function trial(wasm: Program, gpu: GpuEngine, milliseconds: number): Promise<TrialResult> {
  const inputs = trialInputs(wasm.plan);
  const times: { wasm: number[]; gpu: number[] } = { wasm: [], gpu: [] };
  const round = async (): Promise<void> => {
    const start = performance.now();
    wasm.run(inputs);
    const middle = performance.now();
    await gpu.runTensors(inputs);
    const end = performance.now();
    times.wasm.push(middle - start);
    times.gpu.push(end - middle);
  };
  await round();
  const first = { wasm: times.wasm.pop()!, gpu: times.gpu.pop()! };
  const limit = performance.now() + milliseconds;
  while (times.wasm.length < MOST_ROUNDS && performance.now() < limit) await round();
  return {
    wasmMilliseconds: times.wasm.length > 0 ? median(times.wasm) : first.wasm,
    webgpuMilliseconds: times.gpu.length > 0 ? median(times.gpu) : first.gpu,
  };
}

/** Floats from 0 to 1, zeros of other types: whatever uses them as indices stays in range. */
function trialInputs({ inputs }: BoundPlan): Map<string, Tensor> {
  return new Map(
    inputs.map(({ name, dtype, shape }) => {
      const data = allocate(dtype, elementCount(shape));
      // Steps of the golden ratio spread evenly over the range.
      if (dtype === "float32" || dtype === "float64") {
        for (let i = 0; i < data.length; i++) data[i] = (i * 0.6180339887) % 1;
      }
      return [name, { dtype, shape, data }];
    }),
  );
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}
