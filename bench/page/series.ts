/**
 * One series of runs in the page: sizes change from run to run. In: the job. Out: per lane what each run took, or where and
 * why it failed. Each lane makes the series once, from a session that has run nothing, in turns with the others.
 * Invariant: what was timed is itself compared, every run of it, and a lane that fails takes nobody with it.
 */
import { type Entry, type SeriesJob, type SeriesPageResult, type Verification } from "../protocol.ts";
import { playInTurns, type Played, type PlayedRun, type Player, type Runs } from "../sizes/turns.ts";
import { UNCOMPARED } from "../agreement.ts";
import { verifySeries } from "../sizes/verify.ts";
import { clockFor, openLane, type OpenedLane, progress, reasonOf } from "./openLane.ts";
import { fetchTensors } from "./storedTensors.ts";

type Failure = Extract<SeriesPageResult, { status: "failed" }>;

/** A lane that has made its runs, or has failed on the way. */
interface Contestant {
  readonly entry: Entry;
  readonly opened?: OpenedLane;
  readonly runs?: readonly PlayedRun[];
  readonly failure?: Failure;
}

export async function series(job: SeriesJob): Promise<readonly SeriesPageResult[]> {
  const inputs = await Promise.all(job.runs.map(async (stored) => (await fetchTensors(stored)).inputs));
  const runs = { inputs, feedback: job.feedback };
  const contestants = await contest(job.entries, runs);
  // Who only tells what is right comes when the others have been timed.
  const reference =
    contestants.find(({ entry }) => entry.id === job.reference.id) ??
    (await contest([job.reference], runs))[0]!;
  const judge = (entry: Entry, own: readonly PlayedRun[]): Verification => {
    if (entry.id === job.reference.id) return UNCOMPARED;
    const { runs: expected, failure } = reference;
    if (expected !== undefined) return verifySeries(own, expected, job.reference.id, job.atolOfRange);
    return { ...UNCOMPARED, verified: false, worst: `${job.reference.id} failed: ${failure!.reason}` };
  };
  const results = contestants.map(({ entry, opened, runs: own, failure }): SeriesPageResult => {
    if (failure !== undefined) return failure;
    const { startMs, createMs, session } = opened!;
    const memoryBytes = session.stats?.().memoryBytes;
    return {
      runtime: entry.id,
      status: "measured",
      startMs,
      createMs,
      runsMs: own!.map(({ milliseconds }) => milliseconds),
      ...(session.stats === undefined ? {} : { compiled: own!.map(({ compiled }) => compiled) }),
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
      verification: judge(entry, own!),
      notes: session.notes ?? {},
    };
  });
  for (const { opened } of [...contestants, reference]) await opened?.session.dispose().catch(() => {});
  return results;
}

/** Opens lanes one after the other and has them make the runs in turns. */
async function contest(entries: readonly Entry[], runs: Runs): Promise<readonly Contestant[]> {
  const lanes: Contestant[] = [];
  for (const entry of entries) lanes.push(await open(entry));
  progress("runs");
  const ready = lanes.flatMap(({ opened }) => (opened === undefined ? [] : [playerOf(opened)]));
  const played = await playInTurns(ready, runs, clockFor(entries));
  let next = 0;
  return lanes.map((lane) =>
    lane.opened === undefined ? lane : { ...lane, ...outcome(lane, played[next++]!) },
  );
}

async function open(entry: Entry): Promise<Contestant> {
  let stage = "start";
  try {
    const opened = await openLane(entry, (next) => {
      stage = next;
      progress(`${entry.id}: ${stage}`);
    });
    return { entry, opened };
  } catch (error) {
    return { entry, failure: failureOf(entry, stage, error) };
  }
}

function playerOf({ session }: OpenedLane): Player {
  return {
    prepare: (inputs) => session.prepare(inputs),
    run: () => session.run(),
    read: (result) => session.read(result, {}),
    ...(session.stats === undefined ? {} : { compiled: () => session.stats!().compiled }),
  };
}

function outcome({ entry }: Contestant, played: Played): Pick<Contestant, "runs" | "failure"> {
  if ("runs" in played) return { runs: played.runs };
  return { failure: failureOf(entry, `run ${played.run + 1}`, played.error) };
}

function failureOf({ id }: Entry, stage: string, error: unknown): Failure {
  return { runtime: id, status: "failed", stage, reason: reasonOf(error) };
}
