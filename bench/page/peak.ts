/**
 * The multiply-add peak as a subject of the interleaved measurement. In: the module that bench/peak.ts makes and the
 * variants in it. Out: subjects whose one run is a burst of a few milliseconds, and the GFLOP/s that their timings
 * mean. Invariant: a variant that the engine cannot run is left out.
 */
import { type Subject, type Timed } from "../interleave.ts";
import { type PeakVariant } from "../protocol.ts";

/** Iterations of one burst: 1 to 4 ms at the speed of present processors. */
const ITERATIONS = 500_000;

export interface Peak {
  readonly subjects: readonly Subject[];
  /** GFLOP/s by the variant's name, from the subjects' timings in their order. */
  read(timed: readonly Timed[]): Record<string, { median: number; best: number }>;
}

export async function openPeak(url: string, variants: readonly PeakVariant[]): Promise<Peak> {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const { instance } = await WebAssembly.instantiateStreaming(fetch(url), { env: { memory } });
  return {
    subjects: variants.map(({ export: name }) => {
      const burst = instance.exports[name] as (iterations: number) => void;
      return { name, run: async () => burst(ITERATIONS) };
    }),
    read: (timed) =>
      Object.fromEntries(
        variants.flatMap(({ export: name, flopPerIteration }, index) => {
          const result = timed[index];
          if (result === undefined || "error" in result) return [];
          const gflops = (milliseconds: number): number =>
            (flopPerIteration * ITERATIONS) / milliseconds / 1e6;
          const { medianMs, minimumMs } = result.timing;
          return [[name, { median: gflops(medianMs), best: gflops(minimumMs) }]];
        }),
      ),
  };
}
