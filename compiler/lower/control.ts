/**
 * What the threads of one run tell each other. In: the calls of a run. Out: where their counters lie, as byte offsets
 * into one block of memory, and the order in which they count. Invariant: counters that different threads write often
 * lie on cache lines of their own. What the counters mean is in backend/wasm/threads.ts.
 */
import type { ScheduledCall, ScheduledKernel } from "../ir/program.ts";

/** Parts that have been done since the program was loaded. */
export const DONE = 0;
/** Threads that sleep until DONE changes. */
export const SLEEPERS = 64;
/** Not 0: a thread gave up, and nobody may wait for it. */
export const FAILED = 128;
/** The number of the run that threads may help with, from 1. */
export const TURN = 192;
const CLAIMS = 256;

/** A stretch of a run between points where threads meet. */
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

export function controlOf(run: readonly ScheduledCall[]): Control {
  const segments: Segment[] = [];
  let done = 0;
  let claims = CLAIMS;
  let alone: ScheduledCall[] | undefined;
  for (const call of run) {
    if (call.kind === "kernel" && call.parts.threads > 1) {
      segments.push({ kind: "shared", call, doneBefore: done, claims });
      done += call.parts.count;
      claims += call.parts.count * 4;
      alone = undefined;
    } else if (alone) alone.push(call);
    else {
      alone = [call];
      segments.push({ kind: "alone", calls: alone, doneBefore: done });
      done++;
    }
  }
  return { segments, doneInRun: done, bytes: claims > CLAIMS ? claims : 0 };
}
