/**
 * The steps in which a program begins while its weights arrive. In: the calls of `init` or of `run` in order, and how far
 * into section "weights" each of their constants reaches. Out: stretches of these calls, each with the bytes that must
 * have arrived before it. Invariant: the steps in order are all calls in order; what a step needs is never less than what
 * the one before it needs. So a loader packs weights, and computes a first answer, while the rest of them is on its way,
 * and gives the page its turn between the steps.
 */
import type { ValueId } from "../ir/graph.ts";
import { drawsAnew, type ScheduledCall } from "../ir/program.ts";
import { nanosecondsOf } from "../passes/time.ts";

export interface ArrivalStep {
  /** How many of the calls, after those of the steps before. */
  readonly calls: number;
  /**
   * Bytes of the weights, from their start, that must be in place; {@link WHEN_CHECKED} for all of them, after their
   * hash has been checked.
   */
  readonly needs: number;
}

/**
 * What library kernels need: a kernel does the same number of steps whatever it reads, but these follow their data, and
 * may not end where that is not what it should be.
 */
const WHEN_CHECKED = -1;

/** A step begins when so much more of the weights is needed: smaller ones would gain less than their call costs. */
const STEP_BYTES = 1 << 20;
/** Or when the one before takes so long, about: the page has its turn between steps. */
const STEP_NANOSECONDS = 3e6;

/** @param reach bytes of the weights up to the end of a constant; undefined for what is none */
export function stepsOfArrival(
  calls: readonly ScheduledCall[],
  reach: (id: ValueId) => number | undefined,
): readonly ArrivalStep[] {
  const steps: { calls: number; needs: number; begins: number; nanoseconds: number }[] = [];
  let needs = 0;
  for (const call of calls) {
    for (const id of call.inputs) if (id && needs !== WHEN_CHECKED) needs = Math.max(needs, reach(id) ?? 0);
    if (call.kind === "library") needs = WHEN_CHECKED;
    const last = steps.at(-1);
    const joins =
      last !== undefined &&
      last.nanoseconds < STEP_NANOSECONDS &&
      (needs === last.needs || (needs !== WHEN_CHECKED && needs < last.begins + STEP_BYTES));
    const step = joins ? last : { calls: 0, needs, begins: needs, nanoseconds: 0 };
    if (!joins) steps.push(step);
    step.calls++;
    step.needs = needs;
    if (call.kind === "kernel") step.nanoseconds += nanosecondsOf(call.kernel.body);
  }
  return steps.map((step) => ({ calls: step.calls, needs: step.needs }));
}

/** Below so many bytes of weights all have arrived before there is code to run. */
const LEAST_BYTES = STEP_BYTES;

/** The steps of a first run, none where it would gain nothing or cannot be taken apart. */
export function openingOf(
  run: readonly ScheduledCall[],
  reach: (id: ValueId) => number | undefined,
): readonly ArrivalStep[] {
  // What one number is drawn for is one stretch of calls.
  if (run.some((call) => call.kind === "library" && drawsAnew(call.library))) return [];
  const steps = stepsOfArrival(run, reach);
  const [first] = steps;
  return first !== undefined &&
    first.needs !== WHEN_CHECKED &&
    steps.some(({ needs }) => needs >= LEAST_BYTES)
    ? steps
    : [];
}
