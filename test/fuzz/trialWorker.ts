/**
 * Runs trials in a thread of its own, so that one that does not end can be stopped. In: subjects, then ranges of
 * cases. Out: one message when a case starts and one when it is over. Invariant: memory that programs ask the engine
 * for is counted, case by case.
 */
import { parentPort, workerData } from "node:worker_threads";
import { processorMilliseconds } from "../support/processorTime.ts";
import { caseSeed } from "./random.ts";
import type { Subject } from "./subjects.ts";
import { answerOf, trial, type Outcome } from "./trial.ts";

export interface TrialBatch {
  readonly subjects: readonly Subject[];
  readonly seed: number;
}

export type TrialMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "start"; readonly index: number }
  | {
      readonly kind: "end";
      readonly index: number;
      readonly outcome: Outcome;
      readonly milliseconds: number;
      readonly memoryBytes: number;
    };

const port = parentPort!;
const { subjects, seed } = workerData as TrialBatch;

let requested = 0;
const Original = WebAssembly.Memory;
/** Counts what is asked for; the engine's own constructor does the rest. */
WebAssembly.Memory = class extends Original {
  constructor(descriptor: WebAssembly.MemoryDescriptor) {
    requested = Math.max(requested, Math.max(descriptor.initial, descriptor.maximum ?? 0) * 2 ** 16);
    super(descriptor);
  }
};

const send = (message: TrialMessage): void => port.postMessage(message);

port.on("message", ({ from, to }: { from: number; to: number }) => void cases(from, to));

async function cases(from: number, to: number): Promise<void> {
  for (const subject of subjects) await answerOf(subject);
  send({ kind: "ready" });
  for (let index = from; index < to; index++) {
    send({ kind: "start", index });
    requested = 0;
    const before = processorMilliseconds();
    const subject = subjects[index % subjects.length]!;
    const donor = subjects[(index * 7 + 3) % subjects.length]!.bytes;
    const outcome = await trial(subject, caseSeed(seed, index), donor);
    const milliseconds = processorMilliseconds() - before - outcome.judgingMilliseconds;
    send({ kind: "end", index, outcome, milliseconds, memoryBytes: requested });
  }
}
