/**
 * What every measurement in the page begins with. In: a lane. Out: its session and what that took; and the clock, copies
 * and messages that measurements have in common. Invariant: between the start of one lane and whatever came before there
 * is time for what that left behind.
 */
import { type Tensors } from "../agreement.ts";
import { type Clock } from "../interleave.ts";
import { type Entry, PROGRESS_PREFIX } from "../protocol.ts";
import { type PageSession } from "./runtime.ts";
import { startRuntime } from "./runtimes.ts";

/** A session, and milliseconds to it. */
export interface OpenedLane {
  /** Of loading the runtime's code. */
  readonly startMs: number;
  readonly createMs: number;
  readonly session: PageSession;
}

const clock: Clock = {
  now: () => performance.now(),
  // A task of its own: microtasks alone would never let the engine's other work in.
  pause: () =>
    new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        resolve();
      };
      port2.postMessage(null);
    }),
};

/**
 * Worker threads of some runtimes spin for a while after a run before they sleep, and would take the time of the
 * next in turn: onnxruntime's pool spins for a million rounds, some milliseconds.
 */
const REST_AFTER_THREADS_MS = 20;

const restAfterThreads = (): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, REST_AFTER_THREADS_MS));

/** The clock, with a pause that is long enough for these lanes. */
export function clockFor(entries: readonly Entry[]): Clock {
  return entries.some(({ threads }) => threads > 1) ? { ...clock, pause: restAfterThreads } : clock;
}

/** Time for what a start leaves behind on other threads (compilation, mostly) before the next one starts. */
const SETTLE_MS = 100;

/** Loads a runtime and makes a session; says to `enter` which of these comes next. */
export async function openLane(entry: Entry, enter: (stage: string) => void): Promise<OpenedLane> {
  const start = startRuntime[entry.name];
  if (start === undefined) throw new Error(`the page knows no runtime ${entry.name}`);
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  enter("start");
  const [runtime, startMs] = await timedOnce(() => start(entry.threads));
  enter("create");
  const [session, createMs] = await timedOnce(() => runtime.create(entry.create));
  return { startMs, createMs, session };
}

export async function timedOnce<T>(action: () => Promise<T>): Promise<readonly [T, number]> {
  const start = clock.now();
  const result = await action();
  return [result, clock.now() - start];
}

/** A runtime may give views of memory that its next run overwrites. */
export function copyOf(tensors: Tensors): Tensors {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [name, { ...tensor, data: tensor.data.slice() }]),
  );
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/** Tells the driver where the page is; it hears of it even if the page hangs right after. */
export function progress(where: string): void {
  console.debug(PROGRESS_PREFIX + where);
}
