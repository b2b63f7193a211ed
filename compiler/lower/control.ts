/**
 * What the threads of one run tell each other. In: the calls of a run. Out: where their counters lie, as byte offsets
 * into one block of memory, and the order in which they count. Invariant: counters that different threads write often
 * lie on cache lines of their own. What the counters mean is in backend/wasm/threads.ts.
 */
import type { ScheduledCall, ScheduledKernel } from "../ir/program.ts";
import type { Together } from "./together.ts";

/** Parts that have been done since the program was loaded. */
export const DONE = 0;
/** Threads that sleep until DONE changes. */
export const SLEEPERS = 64;
/** Not 0: a thread gave up, and nobody may wait for it. */
export const FAILED = 128;
/** What follows the cache line in which the runtime's own counters begin (runtime/threads/pool.ts). */
const CLAIMS = 256;

/** Calls that are looked at before one more joins them. */
const MOST_TOGETHER = 32;

/**
 * A stretch of a run. It may begin when `doneBefore` parts of the run are done; those that have the same number are
 * independent of one another, so that no thread waits between them.
 */
export type Segment =
  | { readonly kind: "alone"; readonly calls: readonly ScheduledCall[]; readonly doneBefore: number }
  | {
      readonly kind: "shared";
      readonly call: ScheduledKernel;
      readonly doneBefore: number;
      /** Offset of its claims: one i32 per part, the number of the last run in which it was taken. */
      readonly claims: number;
    };

export interface Control {
  readonly segments: readonly Segment[];
  /** What a run adds to DONE. */
  readonly doneInRun: number;
  /** 0 where no call is shared. */
  readonly bytes: number;
}

/** @param together which calls may run at the same time; without it each waits for all before it */
export function controlOf(run: readonly ScheduledCall[], together: Together = () => false): Control {
  const segments: Segment[] = [];
  let done = 0;
  let claims = CLAIMS;
  /** Of the segments that may begin when `begin` parts are done: the first one, and their calls. */
  let first = 0;
  let begin = 0;
  let group: ScheduledCall[] = [];
  let alone: ScheduledCall[] | undefined;
  /** Joins the group, where it is independent of all of it but `own`, or begins the next one. */
  const join = (call: ScheduledCall, own: readonly ScheduledCall[] = []): boolean => {
    const joins =
      group.length < MOST_TOGETHER && group.every((other) => own.includes(other) || together(other, call));
    if (!joins) [first, begin, group] = [segments.length, done, []];
    group.push(call);
    return joins;
  };
  for (const call of run) {
    if (call.kind === "kernel" && call.parts.threads > 1) {
      join(call);
      segments.push({ kind: "shared", call, doneBefore: begin, claims });
      done += call.parts.count;
      claims += call.parts.count * 4;
      continue;
    }
    // What the first thread does alone it does one after the other, and before it helps with what is shared.
    if (join(call, alone) && alone && group.includes(alone[0]!)) alone.push(call);
    else {
      alone = [call];
      segments.splice(first, 0, { kind: "alone", calls: alone, doneBefore: begin });
      done++;
    }
  }
  return { segments, doneInRun: done, bytes: claims > CLAIMS ? claims : 0 };
}
