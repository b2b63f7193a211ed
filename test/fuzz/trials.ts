/**
 * Many trials under a watchdog. In: subjects, a seed, a range of cases. Out: what failed, and counts of what did not.
 * Invariant: a case that does not end, takes its thread down, is too slow or asks for too much memory is a failure
 * like a wrong answer; the cases after it run all the same, in a fresh thread.
 */
import { Worker } from "node:worker_threads";
import { processorMilliseconds } from "../support/processorTime.ts";
import type { Subject } from "./subjects.ts";
import { MEMORY_LIMIT } from "./trial.ts";
import type { TrialBatch, TrialMessage } from "./trialWorker.ts";

export interface TrialOptions {
  readonly subjects: readonly Subject[];
  readonly seed: number;
  readonly from: number;
  readonly to: number;
  /** Most processor time of a case. */
  readonly cpuMilliseconds: number;
  /** Most processor time without a sign of life; in time as people know it, ten times that. */
  readonly watchdogMilliseconds: number;
}

export interface TrialSummary {
  readonly failures: readonly string[];
  /** How often each good result was seen. */
  readonly counts: ReadonlyMap<string, number>;
  readonly slowest: string;
  readonly largestMemory: number;
}

/** Most memory of JavaScript's heap; a thread that needs more ends, and the case has failed. */
const HEAP_MEGABYTES = 768;

/** Node 20 does not pass a loader of TypeScript on to threads, so the thread registers tsx by itself. */
function startWorker(batch: TrialBatch): Worker {
  const file = new URL("./trialWorker.ts", import.meta.url).href;
  const register = import.meta.resolve("tsx/esm/api");
  const source = `import { register } from ${JSON.stringify(register)}; register(); await import(${JSON.stringify(file)});`;
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
    workerData: batch,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MEGABYTES },
  });
}

/** Runs cases `from` to `to - 1`. */
export async function runTrials(options: TrialOptions): Promise<TrialSummary> {
  const failures: string[] = [];
  const counts = new Map<string, number>();
  let slowest = { milliseconds: 0, title: "" };
  let largestMemory = 0;
  const titleOf = (index: number): string =>
    `case ${index} of seed ${options.seed} (${options.subjects[index % options.subjects.length]!.name})`;
  const seen = (message: Extract<TrialMessage, { kind: "end" }>): void => {
    const { index, outcome, milliseconds, memoryBytes } = message;
    const title = `${titleOf(index)}: ${outcome.what}`;
    if (milliseconds > slowest.milliseconds) slowest = { milliseconds, title };
    largestMemory = Math.max(largestMemory, memoryBytes);
    if (!outcome.good) failures.push(`${title}: ${outcome.result}`);
    else counts.set(outcome.result, (counts.get(outcome.result) ?? 0) + 1);
    if (milliseconds > options.cpuMilliseconds)
      failures.push(`${title}: took ${milliseconds} ms, then ${outcome.result}`);
    if (memoryBytes > MEMORY_LIMIT) failures.push(`${title}: asked for ${memoryBytes} bytes of memory`);
  };
  let next = options.from;
  while (next < options.to) {
    const worker = startWorker({ subjects: options.subjects, seed: options.seed });
    const { reached, lost } = await batch(worker, next, options, seen);
    await worker.terminate();
    if (lost !== undefined) failures.push(`${titleOf(reached)}: ${lost}`);
    next = reached + 1;
  }
  return {
    failures,
    counts,
    slowest: `${slowest.milliseconds.toFixed(0)} ms: ${slowest.title}`,
    largestMemory,
  };
}

/** One thread until it is through or lost; `reached` is the last case that it took up. */
function batch(
  worker: Worker,
  from: number,
  options: TrialOptions,
  seen: (message: Extract<TrialMessage, { kind: "end" }>) => void,
): Promise<{ reached: number; lost: string | undefined }> {
  return new Promise((resolve) => {
    let reached = from;
    let timer: NodeJS.Timeout | undefined;
    const settle = (lost?: string): void => {
      clearTimeout(timer);
      worker.removeAllListeners();
      resolve({ reached, lost });
    };
    // Others may keep a busy machine from this thread for long: what counts is what it had of the processor.
    const wait = (): void => {
      const { watchdogMilliseconds: most } = options;
      const start = processorMilliseconds();
      let rounds = 0;
      const look = (): void => {
        if (processorMilliseconds() - start >= most || ++rounds === 10)
          settle(`no sign of life for ${most} ms`);
        else timer = setTimeout(look, most);
      };
      clearTimeout(timer);
      timer = setTimeout(look, most);
    };
    worker.on("message", (message: TrialMessage) => {
      wait();
      if (message.kind === "start") reached = message.index;
      if (message.kind !== "end") return;
      seen(message);
      if (message.index === options.to - 1) settle();
    });
    worker.on("error", (error) => settle(`the thread failed: ${error.stack ?? error.message}`));
    worker.on("exit", (code) => settle(`the thread ended with ${code}`));
    wait();
    worker.postMessage({ from, to: options.to });
  });
}
