/**
 * The multiply-add peak and the read bandwidth as subjects of the interleaved measurement. In: the module that
 * bench/peak.ts makes and the variants in it. Out: subjects whose one run is a burst of a few milliseconds, and the
 * GFLOP/s and GB/s that their timings mean. Invariant: a variant that failed is left out.
 */
import { type Subject, type Timed } from "../interleave.ts";
import { type PeakJob, type Rate } from "../protocol.ts";

/** Iterations of one burst: 1 to 4 ms at the speed of present processors. */
const ITERATIONS = 500_000;

/** Bytes of one burst of reads: some milliseconds likewise. */
const BURST_BYTES = 64e6;
const PAGE_BYTES = 65536;

export interface Peak {
  readonly subjects: readonly Subject[];
  /** Rates from the subjects' timings in their order: GFLOP/s by the variant's name, GB/s of reading. */
  read(timed: readonly Timed[]): { readonly peak: Record<string, Rate>; readonly bandwidth?: Rate };
}

export async function openPeak({ url, variants, readBytes }: PeakJob): Promise<Peak> {
  const memory = new WebAssembly.Memory({ initial: 1 + Math.ceil((readBytes ?? 0) / PAGE_BYTES) });
  const { instance } = await WebAssembly.instantiateStreaming(fetch(url), { env: { memory } });
  const exported = (name: string) => instance.exports[name] as (...numbers: readonly number[]) => void;
  const subjects = variants.map(({ export: name }): Subject => {
    const burst = exported(name);
    return { name, run: async () => burst(ITERATIONS) };
  });
  const rounds = Math.max(1, Math.round(BURST_BYTES / (readBytes ?? BURST_BYTES)));
  if (readBytes !== undefined) {
    // Pages that were never written are all one page of zeros to the machine, which fits any cache.
    new Uint8Array(memory.buffer).fill(1);
    const loads = exported("loads");
    subjects.push({ name: "loads", run: async () => loads(0, readBytes, rounds) });
  }
  return {
    subjects,
    read(timed) {
      const peak = Object.fromEntries(
        variants.flatMap(({ export: name, flopPerIteration }, index) => {
          const rate = rateOf(timed[index], flopPerIteration * ITERATIONS);
          return rate === undefined ? [] : [[name, rate]];
        }),
      );
      const bandwidth = rateOf(timed[variants.length], (readBytes ?? 0) * rounds);
      return { peak, ...(bandwidth === undefined ? {} : { bandwidth }) };
    },
  };
}

/** 1e9 per second of `amount` per run. */
function rateOf(timed: Timed | undefined, amount: number): Rate | undefined {
  if (timed === undefined || "error" in timed) return undefined;
  const { medianMs, minimumMs } = timed.timing;
  return { median: amount / medianMs / 1e6, best: amount / minimumMs / 1e6 };
}
