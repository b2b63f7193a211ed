/**
 * Long work in slices. In: work that asks now and then whether its slice is over. Out: turns of everything else that
 * waits for the thread: what users do, answers, and code that the engine has compiled. Invariant: no slice is much
 * longer than its milliseconds. What is awaited and there already gives nobody else a turn: a stream that is read fast,
 * from a cache, would keep the thread from its first byte to its last.
 */

/** Milliseconds for which the page may be kept from its other work. */
const SLICE_MILLISECONDS = 6;

export class Slices {
  #start = performance.now();

  /** To be awaited, if it is anything: the slice is over. */
  over(): Promise<void> | undefined {
    return performance.now() - this.#start < SLICE_MILLISECONDS ? undefined : this.#next();
  }

  async #next(): Promise<void> {
    await nextTask();
    this.#start = performance.now();
  }
}

/** Lets the thread do what waits for its turn; by a message, since timers of a page that is hidden wait for a second. */
export function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });
}
