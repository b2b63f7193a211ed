/**
 * Whether two lanes computed the same in a series of runs. In: the runs of one, and those of the reference. Out: one
 * verification, that of the run with the largest error. Invariant: a token that differs is an error without bound, and the
 * first one is named, since what follows it are runs of another text.
 */
import { verify } from "../agreement.ts";
import { type Verification } from "../protocol.ts";
import { type PlayedRun } from "./turns.ts";

export function verifySeries(
  runs: readonly PlayedRun[],
  expected: readonly PlayedRun[],
  reference: string,
  atolOfRange: number,
): Verification {
  let worst: Verification | undefined;
  for (const [index, wanted] of expected.entries()) {
    const given = runs[index];
    const found = verify(given?.outputs ?? {}, wanted.outputs, reference, atolOfRange);
    if (worst === undefined || found.worstRatio > worst.worstRatio)
      worst = { ...found, worst: `run ${index + 1}: ${found.worst}` };
    if (given?.token !== wanted.token) {
      const text = `run ${index + 1}: token ${given?.token ?? "none"} for ${wanted.token ?? "none"}`;
      return { ...found, verified: false, worstRatio: Infinity, worst: text };
    }
  }
  if (worst === undefined) throw new RangeError("there are no runs to compare with");
  return worst;
}
