/**
 * How far the cores are from each other. In: nothing. Out: the nanoseconds in which a cache line goes to the other core
 * and back, the least of some tries before and after what is measured. Invariant: it ends, also where the other thread
 * never runs. A virtual machine's cores may lie beside one cache or in different parts of a processor, and be moved while
 * it runs: 90 ns or 500 on the same machine within minutes, which decides how well two threads share a network while it
 * changes nothing about one.
 */
const ROUNDS = 2_000;
const TRIES = 8;
/** What the worker may take to start, and a try at the most. */
const PATIENCE_MS = 2_000;
const TRY_MS = 50;

/** Answers each number with itself; ends when it hears -1, or nothing for a while. */
const ECHO = `onmessage = ({ data }) => {
  const cells = new Int32Array(data);
  const end = performance.now() + ${PATIENCE_MS};
  postMessage(0);
  for (let seen = 0, looks = 0; seen !== -1; looks++) {
    const now = Atomics.load(cells, 0);
    if (now !== seen) Atomics.store(cells, 16, (seen = now));
    else if ((looks & 0xffff) === 0 && performance.now() > end) return;
  }
};`;

/** Undefined where threads cannot share memory, or the other one did not answer. */
export async function coreRoundTrip(): Promise<number | undefined> {
  if (!crossOriginIsolated) return undefined;
  const url = URL.createObjectURL(new Blob([ECHO], { type: "text/javascript" }));
  const worker = new Worker(url);
  try {
    const cells = new Int32Array(new SharedArrayBuffer(128));
    const started = new Promise<boolean>((resolve) => {
      worker.onmessage = () => resolve(true);
      worker.onerror = () => resolve(false);
      setTimeout(resolve, PATIENCE_MS, false);
    });
    worker.postMessage(cells.buffer);
    if (!(await started)) return undefined;
    const tries = Array.from({ length: TRIES }, (_, number) => oneTry(cells, 1 + number * ROUNDS));
    Atomics.store(cells, 0, -1);
    const least = Math.min(...tries);
    return Number.isFinite(least) ? least : undefined;
  } finally {
    worker.terminate();
    URL.revokeObjectURL(url);
  }
}

function oneTry(cells: Int32Array, first: number): number {
  const start = performance.now();
  for (let number = first; number < first + ROUNDS; number++) {
    Atomics.store(cells, 0, number);
    for (let looks = 1; Atomics.load(cells, 16) !== number; looks++)
      if ((looks & 0xffff) === 0 && performance.now() - start > TRY_MS) return Infinity;
  }
  return ((performance.now() - start) * 1e6) / ROUNDS;
}
