/**
 * How exact an answer must be. Nothing comes in but a case's name; its tolerance goes out. Invariant: every case has
 * rtol 1e-3 and atol 1e-5 and exact integers unless it is named here, with the reason why another answer is as
 * right as the stored one.
 */
import type { Tolerance } from "../../compiler/tensors/compare.ts";

const defaultTolerance: Tolerance = { relative: 1e-3, absolute: 1e-5, integer: 0 };

interface Exception {
  readonly cases: RegExp;
  readonly tolerance: Partial<Tolerance>;
  readonly reason: string;
}

/** The first entry that matches a case's name counts. */
const exceptions: readonly Exception[] = [];

/**
 * Cases whose stored outputs are one draw of a generator that ONNX does not prescribe (the files hold NumPy's). They
 * are run, and must give tensors of the right dtype and shape that such a draw could have given (`drawn.ts`); but they
 * are not compared with the stored ones, so they count as skipped.
 */
export const drawnAtRandom = /^test_(bernoulli|training_dropout)(?!.*zero_ratio)/;

/** The tolerance of a case. */
export function toleranceFor(name: string): Tolerance {
  const exception = exceptions.find(({ cases }) => cases.test(name));
  return { ...defaultTolerance, ...exception?.tolerance };
}
