/**
 * Where the time of a run goes. In: a session whose program was compiled with `profile: true`, and inputs. Out: for
 * each kernel its time, its rates, and how near it comes to what this device can do at most, which is measured here
 * and now; and the same as a trace for Chrome or Perfetto. Invariant: calls are timed in their order in a whole run,
 * so that each finds its operands where the one before has left them; only what is too short for the timer is
 * repeated on the spot. The runtime itself imports nothing of this: it is an entry of its own.
 *
 * The roofline (Williams, Waterman and Patterson, 2009): a kernel needs at least its operations over the rate of
 * multiply-adds, and at least its bytes over the rate at which memory of that size is read, over and over.
 *
 * @example
 * import { load } from "tilewright";
 * import { profile, traceOf } from "tilewright/profile";
 * const session = await load("/models/digits.tile"); // tilewright compile --profile
 * const { totalMilliseconds, calls } = await profile(session, { image: pixels });
 */
import { TilewrightError } from "./errors.ts";
import { type Feature } from "./format.ts";
import { type CallReport, type PeakReport, readProfileReport } from "./format/profile.ts";
import { readInputs, type TensorLike } from "./inputs.ts";
import { type Program } from "./program.ts";
import { throwIfAborted } from "./reader.ts";
import { type Inputs, type Session } from "./session.ts";

export { type CallReport } from "./format/profile.ts";

export interface ProfileOptions {
  /** Whole runs that are timed; times are their medians. Default: 20. */
  readonly runs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One kernel or library call, in the order of the run. */
export interface ProfiledCall extends CallReport {
  readonly milliseconds: number;
  /** Of the time of all calls, 0 to 1. */
  readonly share: number;
  /** Operations per nanosecond; 0 where they are not known. */
  readonly gflops: number;
  /** Bytes per nanosecond. */
  readonly gbs: number;
  /** The least time that the device allows over the time taken, about 0 to 1. */
  readonly roofline: number;
  /** What sets that least time. */
  readonly bound: "compute" | "memory";
}

/** How fast a range of memory of a size is read. */
export interface Bandwidth {
  readonly bytes: number;
  readonly gbs: number;
}

export interface Profile {
  readonly name: string;
  readonly variant: Feature | "scalar" | undefined;
  readonly runs: number;
  /** Of all calls, one by one. */
  readonly totalMilliseconds: number;
  /** Of a run as it is, the median. */
  readonly runMilliseconds: number;
  readonly calls: readonly ProfiledCall[];
  /** What this device can do: multiply-adds (two operations each), and reads by size of what is read. */
  readonly peak: { readonly gflops: number; readonly bandwidth: readonly Bandwidth[] };
}

/** What takes fewer ticks of the timer than these is repeated within one timing: a tick more or less is a few percent. */
const LEAST_TICKS = 24;
/** The same for a loop that measures the device. */
const BURST_MILLISECONDS = 2;
/**
 * Engines compile once more what has run often, at a time of their own: measuring starts, and a peak is believed,
 * when so many tries in a row were no faster.
 */
const TRIES = 8;
const NO_FASTER = 0.97;
const MOST_TRIES = 100;
const MOST_WARM_UP_MILLISECONDS = 3000;
const LEAST_BANDWIDTH_BYTES = 2 ** 14;
const MOST_ROUNDS = 2 ** 24;

/**
 * Times every call of a run.
 *
 * @throws TilewrightError `profile-needed` when the program was not compiled for it, `run-failed` when the session
 * binds shapes as they come or the program traps, `aborted`, `disposed`, and what is wrong with the inputs
 */
export async function profile(
  session: Session,
  inputs: Inputs = {},
  options: ProfileOptions = {},
): Promise<Profile> {
  const engine = session.gpuEngine();
  if (engine !== undefined) {
    const { profileOnGpu } = await import("./webgpu/profile.ts");
    return profileOnGpu(session, engine, inputs, options);
  }
  const { runs = 20, signal } = options;
  const program = session.boundProgram("profile");
  const report = readProfileReport(program.plan.report);
  const tensors = readInputs(session.inputs, inputs as Readonly<Record<string, TensorLike>>);
  const steps = report.calls.map((_, i) => exported(program, `step.${i}`));
  const least = LEAST_TICKS * tickOfTimer();
  /** Leaves the page a moment; the session may be gone afterwards. */
  const pause = async (): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve));
    throwIfAborted(signal);
    session.boundProgram("profile");
  };

  const bursts = steps.map((work) => new Burst(work, least));
  /** One run, call by call: what each took. */
  const pass = (): number[] => {
    program.write(tensors);
    return bursts.map((burst) => burst.time());
  };
  const wholeRun = new Burst((rounds) => {
    for (let round = 0; round < rounds; round++) program.run(tensors);
  }, least);
  const begin = performance.now();
  await untilNoFaster(pause, () => {
    const time = pass().reduce((sum, each) => sum + each, 0);
    wholeRun.time();
    return performance.now() - begin > MOST_WARM_UP_MILLISECONDS ? undefined : time;
  });
  const roof = new Roof(program, report.peak, report.calls, least);
  await roof.measure(pause);
  const whole: number[] = [];
  const passes: number[][] = [];
  for (let i = 0; i < Math.max(1, runs); i++) {
    await pause();
    passes.push(pass());
    whole.push(wholeRun.time());
  }
  await roof.measure(pause);

  const times = steps.map((_, i) => median(passes.map((times) => times[i]!)));
  const total = times.reduce((sum, time) => sum + time, 0);
  return {
    name: session.name,
    variant: session.variant,
    runs: passes.length,
    totalMilliseconds: total,
    runMilliseconds: median(whole),
    calls: report.calls.map((call, i) => ({
      ...call,
      milliseconds: times[i]!,
      share: total > 0 ? times[i]! / total : 0,
      ...roof.rates(call, times[i]!),
    })),
    peak: { gflops: roof.gflops, bandwidth: roof.bandwidth },
  };
}

/** Repeats something that tells its time until it gets no faster, or tells none. */
async function untilNoFaster(pause: () => Promise<void>, attempt: () => number | undefined): Promise<void> {
  let best = Infinity;
  for (let i = 0, since = 0; i < MOST_TRIES && since < TRIES; i++, since++) {
    const time = attempt();
    if (time === undefined) return;
    if (time < best * NO_FASTER) since = -1;
    best = Math.min(best, time);
    await pause();
  }
}

type Exported = (...counts: number[]) => void;

function exported(program: Program, name: string): Exported {
  const found = program.exports[name];
  if (typeof found !== "function") {
    throw new TilewrightError("artifact-malformed", `the code has no exported function "${name}"`);
  }
  return (...counts) => {
    try {
      (found as Exported)(...counts);
    } catch (cause) {
      throw new TilewrightError("run-failed", `"${name}" of the program trapped: ${cause as Error}`, cause);
    }
  };
}

/** The smallest step of the clock, in milliseconds: from nanoseconds to 0.1, by engine and isolation. */
function tickOfTimer(): number {
  let tick = Infinity;
  for (let changes = 0, before = performance.now(); changes < 16;) {
    const now = performance.now();
    if (now <= before) continue;
    tick = Math.min(tick, now - before);
    before = now;
    changes++;
  }
  return tick;
}

/** Times a function that takes a number of rounds, with as many as the clock needs. */
class Burst {
  readonly #work: (rounds: number) => void;
  readonly #least: number;
  #rounds = 1;

  constructor(work: (rounds: number) => void, least: number) {
    this.#work = work;
    this.#least = least;
  }

  /** Milliseconds of one round. */
  time(): number {
    for (;;) {
      const start = performance.now();
      this.#work(this.#rounds);
      const milliseconds = performance.now() - start;
      if (milliseconds >= this.#least || this.#rounds >= MOST_ROUNDS) return milliseconds / this.#rounds;
      // Not by more than 8 at once: a very short time says little.
      const factor = Math.min(8, (1.2 * this.#least) / Math.max(milliseconds, this.#least / 8));
      this.#rounds = Math.min(MOST_ROUNDS, Math.ceil(this.#rounds * factor));
    }
  }
}

/** A rate of the device: the best that was seen. */
class Peak {
  readonly #burst: Burst;
  /** Operations or bytes of one round. */
  readonly #amount: number;
  /** Per nanosecond. */
  rate = 0;

  constructor(work: (rounds: number) => void, amount: number, least: number) {
    this.#burst = new Burst(work, Math.max(least, BURST_MILLISECONDS));
    this.#amount = amount;
  }

  attempt(): number {
    const milliseconds = this.#burst.time();
    this.rate = Math.max(this.rate, this.#amount / milliseconds / 1e6);
    return milliseconds;
  }
}

/** What the device can do at most. */
class Roof {
  readonly #multiplyAdds: Peak;
  /** By the size of what is read. */
  readonly #loads: ReadonlyMap<number, Peak>;
  readonly #memoryBytes: number;

  constructor(program: Program, peak: PeakReport, calls: readonly CallReport[], least: number) {
    this.#memoryBytes = program.plan.memoryBytes;
    this.#multiplyAdds = new Peak(exported(program, "multiplyAdds"), peak.flopPerIteration, least);
    const loads = exported(program, "loads");
    const sizes = [...new Set(calls.map(({ bytes }) => this.#sizeFor(bytes)))].sort((a, b) => a - b);
    this.#loads = new Map(
      sizes.map((bytes) => [bytes, new Peak((rounds) => loads(0, bytes, rounds), bytes, least)]),
    );
  }

  get gflops(): number {
    return this.#multiplyAdds.rate;
  }

  get bandwidth(): Bandwidth[] {
    return [...this.#loads].map(([bytes, { rate }]) => ({ bytes, gbs: rate }));
  }

  async measure(pause: () => Promise<void>): Promise<void> {
    for (const peak of [this.#multiplyAdds, ...this.#loads.values()])
      await untilNoFaster(pause, () => peak.attempt());
  }

  rates(call: CallReport, milliseconds: number): Pick<ProfiledCall, "gflops" | "gbs" | "roofline" | "bound"> {
    const gflops = milliseconds > 0 ? call.operations / milliseconds / 1e6 : 0;
    const gbs = milliseconds > 0 ? call.bytes / milliseconds / 1e6 : 0;
    const compute = gflops / this.gflops;
    const memory = gbs / this.#loads.get(this.#sizeFor(call.bytes))!.rate;
    return {
      gflops,
      gbs,
      roofline: Math.max(compute, memory),
      bound: compute > memory ? "compute" : "memory",
    };
  }

  /** The size at which reads are measured for a call: a power of two that holds its operands, within the memory. */
  #sizeFor(bytes: number): number {
    const most = 2 ** Math.floor(Math.log2(this.#memoryBytes));
    return Math.min(most, Math.max(LEAST_BANDWIDTH_BYTES, 2 ** Math.ceil(Math.log2(Math.max(1, bytes)))));
  }
}

function median(values: readonly number[]): number {
  const ordered = [...values].sort((a, b) => a - b);
  const middle = ordered.length >> 1;
  return ordered.length % 2 === 1 ? ordered[middle]! : (ordered[middle - 1]! + ordered[middle]!) / 2;
}

/** An event of the Trace Event Format (Duffy and others, "Trace Event Format", 2016), times in microseconds. */
export interface TraceEvent {
  readonly name: string;
  /** "X": something that took time; "M": a name for what follows. */
  readonly ph: "X" | "M";
  readonly pid: number;
  readonly tid: number;
  readonly cat?: string;
  readonly ts?: number;
  readonly dur?: number;
  readonly args: Readonly<Record<string, unknown>>;
}

export interface Trace {
  readonly traceEvents: readonly TraceEvent[];
  readonly displayTimeUnit: "ms" | "ns";
  readonly otherData: Readonly<Record<string, unknown>>;
}

/**
 * One run as a trace for `chrome://tracing` or ui.perfetto.dev: the calls one after the other, each for its median
 * time.
 *
 * @example const text = JSON.stringify(traceOf(await profile(session, { image: pixels })));
 */
export function traceOf({ calls, ...rest }: Profile): Trace {
  const place = { pid: 1, tid: 1 };
  let end = 0;
  return {
    traceEvents: [
      { name: "process_name", ph: "M", ...place, args: { name: `${rest.name} (${rest.variant})` } },
      { name: "thread_name", ph: "M", ...place, args: { name: "kernels" } },
      ...calls.map(({ name, milliseconds, ...args }): TraceEvent => {
        const ts = end;
        const dur = milliseconds * 1000;
        end += dur;
        const title = args.nodes.length > 0 ? `${name}: ${args.nodes.join(" + ")}` : name;
        return { name: title, cat: "kernel", ph: "X", ...place, ts, dur, args: { kernel: name, ...args } };
      }),
    ],
    displayTimeUnit: "ms",
    otherData: rest,
  };
}
