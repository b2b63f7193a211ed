/**
 * One job in the page: a model on several runtimes. In: the job. Out: per runtime what was measured, or where and
 * why it failed. The order is the method: every runtime is loaded and run once, each by itself; the outputs are
 * compared; then all of them are timed in turns. Invariant: a runtime that fails takes nobody with it, and nothing
 * is timed whose outputs have not been compared first.
 */
import { rmsError, type Tensors, UNCOMPARED, verify, verifyRounded } from "../agreement.ts";
import { interleave, type Subject } from "../interleave.ts";
import { type Entry, type Job, type JobResult, type PageResult, type Verification } from "../protocol.ts";
import { clockFor, copyOf, openLane, progress, reasonOf, timedOnce } from "./openLane.ts";
import { openPeak, type Peak } from "./peak.ts";
import { coreRoundTrip } from "./roundTrip.ts";
import { type PageSession } from "./runtime.ts";
import { fetchTensors } from "./storedTensors.ts";

interface Opened {
  readonly startMs: number;
  readonly createMs: number;
  readonly firstRunMs: number;
  readonly session: PageSession;
  readonly outputs: Tensors;
}

type Attempt =
  { readonly entry: Entry; readonly opened: Opened } | { readonly entry: Entry; readonly failed: PageResult };

export async function measure(job: Job): Promise<JobResult> {
  const { inputs, outputs: stored, exact } = await fetchTensors(job.tensors);
  const attempts: Attempt[] = [];
  for (const entry of job.entries) attempts.push(await attempt(entry, inputs, stored));

  const reference = await referenceOutputs(job, attempts, inputs, stored);
  const judge = (entry: Entry, outputs: Tensors): Verification => {
    // The reference is not compared with itself but with what the model's folder holds.
    if (entry.id !== job.reference?.id && reference.outputs !== undefined) {
      if (entry.roundedWeights) return verifyRounded(outputs, reference.outputs, job.reference!.id);
      return verify(outputs, reference.outputs, job.reference!.id, job.atolOfRange);
    }
    if (Object.keys(stored).length > 0) return verify(outputs, stored, "stored outputs", job.atolOfRange);
    return { ...UNCOMPARED, verified: entry.id === job.reference?.id };
  };
  const verifications = attempts.map((attempt) =>
    "opened" in attempt ? judge(attempt.entry, attempt.opened.outputs) : undefined,
  );

  const peak = job.peak === undefined ? undefined : await openPeak(job.peak);
  const threaded = job.entries.some(({ threads }) => threads > 1);
  const before = threaded ? await coreRoundTrip() : undefined;
  const { results, rates } = await time(job, attempts, verifications, exact, peak);
  const after = threaded ? await coreRoundTrip() : undefined;
  for (const attempt of attempts) {
    if ("opened" in attempt) await attempt.opened.session.dispose().catch(() => {});
  }
  return {
    results,
    ...rates,
    ...(before === undefined || after === undefined ? {} : { roundTripNs: [before, after] }),
    ...(reference.note === undefined ? {} : { referenceNote: reference.note }),
  };
}

/** Times what was opened; the subjects of the peak, if any, take turns with the runtimes. */
async function time(
  job: Job,
  attempts: readonly Attempt[],
  verifications: readonly (Verification | undefined)[],
  exact: Tensors,
  peak: Peak | undefined,
): Promise<{ results: PageResult[]; rates: ReturnType<Peak["read"]> | undefined }> {
  const subjects: Subject[] = attempts.flatMap((attempt) =>
    "opened" in attempt ? [{ name: attempt.entry.id, run: () => attempt.opened.session.run() }] : [],
  );
  const measured = subjects.length;
  progress("timing");
  const timed = await interleave([...subjects, ...(peak?.subjects ?? [])], job.timing, clockFor(job.entries));
  let next = 0;
  const results = attempts.map((attempt, index): PageResult => {
    if ("failed" in attempt) return attempt.failed;
    const result = timed[next++]!;
    const runtime = attempt.entry.id;
    if ("error" in result) return failure(runtime, "timing", result.error);
    const { startMs, createMs, firstRunMs, session } = attempt.opened;
    return {
      runtime,
      status: "measured",
      startMs,
      createMs,
      firstRunMs,
      verification: verifications[index]!,
      ...(Object.keys(exact).length === 0 ? {} : { exactError: rmsError(attempt.opened.outputs, exact) }),
      timing: result.timing,
      notes: session.notes ?? {},
    };
  });
  return { results, rates: peak?.read(timed.slice(measured)) };
}

/** Loads a runtime, makes a session, runs it once: the three times that a user waits for. */
async function attempt(entry: Entry, inputs: Tensors, stored: Tensors): Promise<Attempt> {
  let stage = "start";
  const enter = (next: string): void => {
    stage = next;
    progress(`${entry.id}: ${stage}`);
  };
  try {
    const { startMs, createMs, session } = await openLane(entry, enter);
    enter("first run");
    session.prepare(inputs);
    const [result, firstRunMs] = await timedOnce(() => session.run());
    // A copy: a runtime may give views of memory that its next run overwrites.
    const outputs = copyOf(session.read(result, stored));
    return { entry, opened: { startMs, createMs, firstRunMs, session, outputs } };
  } catch (error) {
    return { entry, failed: failure(entry.id, stage, error) };
  }
}

/** The outputs to compare with: from the runtime's own attempt, or from one for this purpose only. */
async function referenceOutputs(
  job: Job,
  attempts: readonly Attempt[],
  inputs: Tensors,
  stored: Tensors,
): Promise<{ readonly outputs?: Tensors; readonly note?: string }> {
  const { reference } = job;
  if (reference === undefined) return {};
  const own = attempts.find(({ entry }) => entry.id === reference.id);
  const found = own ?? (await attempt(reference, inputs, stored));
  if ("opened" in found) {
    if (own === undefined) await found.opened.session.dispose().catch(() => {});
    return { outputs: found.opened.outputs };
  }
  const reason = found.failed.status === "failed" ? found.failed.reason : "";
  return { note: `${reference.id} failed, so the stored outputs are the reference: ${reason}` };
}

function failure(runtime: string, stage: string, error: unknown): PageResult {
  return { runtime, status: "failed", stage, reason: reasonOf(error) };
}
