/**
 * Times several subjects side by side. In: functions that do one run each. Out: median and minimum per subject, in
 * milliseconds per run. Invariant: the subjects take turns, in an order that rotates from round to round, so that
 * whatever else the machine does, and however its clock rises and falls, hits all of them alike. A run shorter than
 * the clock can tell well is timed in batches. Nothing here knows of models or of the browser.
 */
import { type Timing, type TimingOptions } from "./protocol.ts";
import { median, minimum } from "./statistics.ts";

export interface Subject {
  readonly name: string;
  readonly run: () => Promise<unknown>;
}

export type Timed = { readonly timing: Timing } | { readonly error: unknown };

/** The clock and the pause between turns; tests put in their own. */
export interface Clock {
  /** Milliseconds. */
  readonly now: () => number;
  /** Lets the engine do what it has put off, such as taking in optimised code, outside of what is timed. */
  readonly pause: () => Promise<void>;
}

/** With a clock that steps by 5 microseconds a sample of this length has an error of at most 1%. */
const SHORTEST_SAMPLE_MS = 0.5;
/** A turn is at least this long, so that most of its runs find the caches as this subject left them. */
const SHORTEST_TURN_MS = 30;
/** Part of the measured time that is first spent on warming up: V8 optimises a function after some thousand loops. */
const WARM_UP_PART = 0.3;

interface Contestant {
  readonly subject: Subject;
  readonly samples: number[];
  runsPerSample: number;
  /** Milliseconds of one run, as the warm-up saw it last. */
  estimate: number;
  error?: unknown;
}

/**
 * Runs every subject for about `options.seconds`, at least `options.minimumRuns` times. A subject that throws is
 * out, with its error in its place of the result; the others go on.
 */
export async function interleave(
  subjects: readonly Subject[],
  options: TimingOptions,
  clock: Clock,
): Promise<readonly Timed[]> {
  const contestants = subjects.map((subject): Contestant => ({
    subject,
    samples: [],
    runsPerSample: 1,
    estimate: 0,
  }));
  const budget = options.seconds * 1000;
  for (const contestant of contestants) {
    await guarded(contestant, () => warmUp(contestant, budget * WARM_UP_PART, clock));
    await clock.pause();
  }

  const slowest = Math.max(0, ...contestants.filter(isIn).map((contestant) => contestant.estimate));
  const turn = Math.max(SHORTEST_TURN_MS, slowest);
  const rounds = Math.max(options.minimumRuns, Math.round(budget / turn));
  for (let round = 0; round < rounds; round++) {
    for (let place = 0; place < contestants.length; place++) {
      const contestant = contestants[(round + place) % contestants.length]!;
      if (!isIn(contestant)) continue;
      await guarded(contestant, () => takeTurn(contestant, Math.min(turn, budget / rounds), clock));
      await clock.pause();
    }
  }
  return contestants.map(({ error, samples, runsPerSample }): Timed => {
    if (error !== undefined) return { error };
    const timing = { medianMs: median(samples), minimumMs: minimum(samples) };
    return { timing: { ...timing, samples: samples.length, runsPerSample } };
  });
}

function isIn(contestant: Contestant): boolean {
  return contestant.error === undefined;
}

async function guarded(contestant: Contestant, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    contestant.error = error ?? new Error("rejected without a reason");
  }
}

/** Milliseconds of one run, measured over a batch. */
async function sample(contestant: Contestant, runs: number, clock: Clock): Promise<number> {
  const { run } = contestant.subject;
  const start = clock.now();
  for (let i = 0; i < runs; i++) await run();
  return (clock.now() - start) / runs;
}

/** Runs for `milliseconds`, at least once, in batches that grow until one is long enough to be a sample. */
async function warmUp(contestant: Contestant, milliseconds: number, clock: Clock): Promise<void> {
  const end = clock.now() + milliseconds;
  let fastest = Infinity;
  let runs = 1;
  do {
    const perRun = await sample(contestant, runs, clock);
    contestant.estimate = perRun;
    if (perRun * runs >= SHORTEST_SAMPLE_MS) fastest = Math.min(fastest, perRun);
    else runs *= 2;
    await clock.pause();
  } while (clock.now() < end);
  if (fastest < SHORTEST_SAMPLE_MS) contestant.runsPerSample = Math.ceil(SHORTEST_SAMPLE_MS / fastest);
  else if (fastest === Infinity) contestant.runsPerSample = runs;
}

async function takeTurn(contestant: Contestant, milliseconds: number, clock: Clock): Promise<void> {
  const end = clock.now() + milliseconds;
  do {
    contestant.samples.push(await sample(contestant, contestant.runsPerSample, clock));
  } while (clock.now() < end);
}
