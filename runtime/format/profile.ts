/**
 * What an artifact that was compiled to be profiled says of its program. In: the `report` of its plan. Out: one
 * record for each call of a run, in order. Invariant: the module of such an artifact exports, besides `run`, a
 * function `step.<i>(rounds)` for each call, `multiplyAdds(iterations)` and `loads(address, bytes, rounds)`.
 */
import { TilewrightError } from "../errors.ts";

/** One kernel or library call of a run. */
export interface CallReport {
  readonly name: string;
  /** Names of the model's nodes that the call computes. */
  readonly nodes: readonly string[];
  /** Points that are computed, times those that each is reduced over: multiply-adds where products are summed. */
  readonly work: number;
  /** Floating-point operations: two for each multiply-add. Zero where nothing is known (library kernels). */
  readonly operations: number;
  /** Bytes that go in and out, each operand once, at most what its loads can reach. */
  readonly bytes: number;
  /** Parts that threads share; 1 for what one thread does alone. */
  readonly parts: number;
  /** The schedule as text; empty for library kernels. */
  readonly schedule: string;
  /** Bytes of its function. */
  readonly codeBytes: number;
  /** Calls of the run that share that function, this one included. */
  readonly sharedBy: number;
}

/** What the exported loops do in one iteration. */
export interface PeakReport {
  readonly flopPerIteration: number;
  readonly bytesPerIteration: number;
}

/** The `report` of a plan that was compiled with `profile: true`. */
export interface ProfileReport {
  readonly calls: readonly CallReport[];
  readonly peak: PeakReport;
}

/**
 * The profile's part of a report.
 *
 * @throws TilewrightError `profile-needed` when there is none
 */
export function readProfileReport(report: Readonly<Record<string, unknown>> | undefined): ProfileReport {
  const { calls, peak } = (report ?? {}) as Partial<ProfileReport>;
  if (Array.isArray(calls) && calls.every(isCall) && isPeak(peak)) return { calls, peak };
  throw new TilewrightError(
    "profile-needed",
    "this program was not compiled to be profiled: compile it with { profile: true } or `tilewright compile --profile`",
  );
}

function isCall(value: unknown): value is CallReport {
  if (typeof value !== "object" || value === null) return false;
  const { name, nodes, work, operations, bytes, parts, schedule, codeBytes, sharedBy } = value as CallReport;
  return (
    [name, schedule].every((text) => typeof text === "string") &&
    [work, operations, bytes, parts, codeBytes, sharedBy].every(isCount) &&
    Array.isArray(nodes) &&
    nodes.every((node) => typeof node === "string")
  );
}

function isPeak(value: PeakReport | undefined): value is PeakReport {
  return isCount(value?.flopPerIteration) && isCount(value?.bytesPerIteration);
}

function isCount(value: unknown): boolean {
  return typeof value === "number" && value >= 0 && Number.isFinite(value);
}
