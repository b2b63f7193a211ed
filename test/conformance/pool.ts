/**
 * Conformance cases over one or a few threads of this process. In: cases, a number of threads, a time limit. Out: an
 * outcome for every case, in the order of the cases. Invariant: a case that passes its time limit, or takes its
 * thread down, has failed, and the next one gets a fresh thread.
 */
import { Worker } from "node:worker_threads";
import type { Case } from "./cases.ts";
import type { CaseOptions, Outcome } from "./runCase.ts";

export interface PoolOptions extends CaseOptions {
  readonly threads: number;
  /** Longest time of one case. */
  readonly seconds: number;
  readonly progress?: (done: number, outcome: Outcome) => void;
}

/** Node 20 does not pass a loader of TypeScript on to threads, so the thread registers tsx by itself. */
function startWorker(options: CaseOptions): Worker {
  const worker = new URL("./worker.ts", import.meta.url).href;
  const register = import.meta.resolve("tsx/esm/api");
  const source = `import { register } from ${JSON.stringify(register)}; register(); await import(${JSON.stringify(worker)});`;
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
    workerData: options,
    resourceLimits: { maxOldGenerationSizeMb: 3072 },
  });
}

/** Runs all cases. */
export async function runCases(cases: readonly Case[], options: PoolOptions): Promise<Outcome[]> {
  const { threads, seconds, progress, ...caseOptions } = options;
  const outcomes: Outcome[] = [];
  let next = 0;
  let done = 0;
  const thread = async (): Promise<void> => {
    let worker = startWorker(caseOptions);
    while (next < cases.length) {
      const index = next++;
      const outcome = await oneCase(worker, cases[index]!, seconds);
      if (outcome.fatal) {
        await worker.terminate();
        worker = startWorker(caseOptions);
      }
      outcomes[index] = outcome.outcome;
      progress?.(++done, outcome.outcome);
    }
    await worker.terminate();
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(threads, cases.length)) }, thread));
  return outcomes;
}

/** One case on a worker; `fatal` means that the worker is of no use any more. */
function oneCase(worker: Worker, one: Case, seconds: number): Promise<{ outcome: Outcome; fatal: boolean }> {
  return new Promise((resolve) => {
    const settle = (outcome: Outcome, fatal: boolean): void => {
      clearTimeout(timer);
      worker.off("message", answered).off("error", broken).off("exit", exited);
      resolve({ outcome, fatal });
    };
    const lost = (reason: string): void => settle({ name: one.name, status: "failed", reason, ops: "?", milliseconds: seconds * 1000 }, true); // prettier-ignore
    const answered = (outcome: Outcome): void => settle(outcome, false);
    const broken = (error: Error): void => lost(`the thread failed: ${error.message.split("\n")[0]}`);
    const exited = (): void => lost("the thread ended");
    const timer = setTimeout(() => lost(`takes longer than ${seconds} s`), seconds * 1000);
    worker.on("message", answered).on("error", broken).on("exit", exited);
    worker.postMessage(one);
  });
}
