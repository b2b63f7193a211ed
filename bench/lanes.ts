/**
 * Lanes: a runtime with a number of threads is one, and takes its own turns. In: runtimes and thread counts. Out:
 * lanes with ids (`ort-wasm`, `ort-wasm@2`), by which results name them. Invariant: an id and its runtime and thread
 * count say the same; a lane is compared with the reference at the same number of threads.
 */
import { type BenchRuntime } from "./runtimes/runtime.ts";

export interface Lane {
  readonly id: string;
  /** The runtime's name in the table. */
  readonly name: string;
  readonly threads: number;
  readonly runtime: BenchRuntime;
}

/** `name` with one thread, `name@N` with more. */
export function laneId(name: string, threads: number): string {
  return threads === 1 ? name : `${name}@${threads}`;
}

/** The name and the thread count of an id. */
export function partsOfLane(id: string): { readonly name: string; readonly threads: number } {
  const [name = id, threads = "1"] = id.split("@");
  return { name, threads: Number(threads) };
}

/** The id of `name` at as many threads as `id` has. */
export function laneBeside(id: string, name: string): string {
  return laneId(name, partsOfLane(id).threads);
}

/** All runtimes at all thread counts that they can have. */
export function lanesOf(
  runtimes: ReadonlyMap<string, BenchRuntime>,
  threadCounts: readonly number[],
): readonly Lane[] {
  return threadCounts.flatMap((threads) =>
    [...runtimes]
      .filter(([, { mostThreads = Infinity }]) => threads <= mostThreads)
      .map(([name, runtime]) => ({ id: laneId(name, threads), name, threads, runtime })),
  );
}
