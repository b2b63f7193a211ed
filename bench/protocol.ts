/**
 * What passes between the benchmark's two halves: the driver in Node and the page that measures. In and out: plain
 * JSON, so that it crosses `page.evaluate` as it is. Invariant: types only, no code; times are milliseconds as
 * `performance.now` tells them in a cross-origin isolated page, where its resolution is 5 microseconds.
 */
import { type DType } from "../runtime/dtype.ts";

/** A tensor in a file of tensors: numbers lie at a byte offset (a multiple of 8), strings stand here. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly strings?: readonly string[];
}

/** The inputs of one run and the outputs that the model's folder holds for them. */
export interface StoredTensors {
  /** Where the page finds the numbers. */
  readonly url: string;
  readonly inputs: readonly StoredTensor[];
  readonly outputs: readonly StoredTensor[];
  /** The outputs as they are when nothing is rounded on the way, in float64; empty where nobody asked. */
  readonly exact: readonly StoredTensor[];
}

/** What a runtime's page half is told about one model: the URLs of its files and its options. */
export type CreateOptions = Readonly<Record<string, unknown>>;

/** One lane in a job: a runtime with a number of threads. */
export interface Entry {
  /** By which its result is named: `ort-wasm`, `ort-wasm@2`. */
  readonly id: string;
  /** As in the table of runtimes; also the name of its page half. */
  readonly name: string;
  readonly threads: number;
  readonly create: CreateOptions;
  /** Whether its file holds the weights rounded, so that only the error in the mean can be judged. */
  readonly roundedWeights?: boolean | undefined;
}

export interface TimingOptions {
  /** Time to measure for, per runtime; a model whose run is long takes more (see `minimumRuns`). */
  readonly seconds: number;
  readonly minimumRuns: number;
}

/** One model, to be measured in one page. */
export interface Job {
  readonly model: string;
  readonly tensors: StoredTensors;
  /** Absolute tolerance of float outputs, as a part of the range of each. */
  readonly atolOfRange: number;
  /** The runtimes that are timed, in the order of their first runs. */
  readonly entries: readonly Entry[];
  /** Whose outputs the others are compared with; it need not be among `entries`. */
  readonly reference: Entry | undefined;
  readonly timing: TimingOptions;
  /** What the machine can do at most, measured in turn with the runtimes (see peak.ts). */
  readonly peak?: PeakJob | undefined;
}

/** A WebAssembly module that measures the multiply-add peak and, where `readBytes` is given, the read bandwidth. */
export interface PeakJob {
  readonly url: string;
  readonly variants: readonly PeakVariant[];
  /** The range that is read over and over: a multiple of 256. */
  readonly readBytes?: number | undefined;
}

/** A function of the peak module and the operations that one call of it with `iterations` does. */
export interface PeakVariant {
  readonly export: string;
  readonly flopPerIteration: number;
}

/** How a runtime's outputs agree with the reference. */
export interface Verification {
  readonly verified: boolean;
  /** What they were compared with. */
  readonly reference: string;
  readonly rtol: number;
  /** Absolute tolerance per output: `atolOfRange` of the largest finite magnitude in the reference. */
  readonly atol: Readonly<Record<string, number>>;
  /** Largest error of all elements, as a multiple of what is allowed; above 1 it is not verified. */
  readonly worstRatio: number;
  /** Largest absolute error and where it is. */
  readonly worst: string;
  /** Relative error in the mean (see `rmsError` in agreement.ts). */
  readonly rmsError: number;
}

export interface Timing {
  readonly medianMs: number;
  readonly minimumMs: number;
  /** Timed samples; each is the mean of `runsPerSample` runs. */
  readonly samples: number;
  readonly runsPerSample: number;
}

/** What became of one runtime on one model. */
export type PageResult =
  | {
      /** The lane's id. */
      readonly runtime: string;
      readonly status: "measured";
      /** Loading the runtime's code: its scripts, from a local server and without a cache. */
      readonly startMs: number;
      /** From the model's URL to a session, with what the runtime does once per page. */
      readonly createMs: number;
      readonly firstRunMs: number;
      readonly verification: Verification;
      /** Error against what float64 gives: `rmsError` in agreement.ts. */
      readonly exactError?: number;
      readonly timing: Timing;
      /** What the runtime tells about its session, such as the code variant it chose. */
      readonly notes: Readonly<Record<string, string>>;
    }
  | { readonly runtime: string; readonly status: "failed"; readonly stage: string; readonly reason: string };

/** What the page knows of the device. */
export interface PageDevice {
  readonly userAgent: string;
  readonly hardwareConcurrency: number;
  readonly crossOriginIsolated: boolean;
  readonly relaxedSimd: boolean;
  /** Smallest step seen between two readings of the clock. */
  readonly clockResolutionMs: number;
}

export interface Rate {
  readonly median: number;
  readonly best: number;
}

export interface JobResult {
  readonly results: readonly PageResult[];
  /** GFLOP/s of each peak variant, on one core. */
  readonly peak?: Readonly<Record<string, Rate>>;
  /** GB/s of reading `readBytes`, on one core. */
  readonly bandwidth?: Rate;
  /** Nanoseconds from one core to another and back, before and after the runs; where threads were measured. */
  readonly roundTripNs?: readonly number[];
  /** Why there is no reference to compare with, or why it was the stored outputs. */
  readonly referenceNote?: string;
}

/** One lane on one model in a fresh page. */
export interface ColdJob {
  readonly entry: Entry;
  readonly tensors: StoredTensors;
  /** Runs after the first one. */
  readonly moreRuns: number;
  /** Whether to watch what happens when, which costs some time itself. */
  readonly phases?: boolean | undefined;
}

/** One kind of thing that happens until the first answer; milliseconds from the start. */
export interface Phase {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  /** In which it held the page's thread; what is waited for is left out. Undefined for what consists of others. */
  readonly busy?: number | undefined;
  readonly calls: number;
}

/** What passed until the first answer; `totalMs` is all of it. */
export interface ColdTimes {
  /** Loading the runtime's code. */
  readonly startMs: number;
  /** Its WebAssembly, the model, a session. */
  readonly createMs: number;
  readonly firstRunMs: number;
  readonly totalMs: number;
  readonly phases?: readonly Phase[];
}

/** What of a run's outputs the next run takes, as whoever makes a text token by token passes it on. */
export interface Feedback {
  /** Inputs that are outputs of the run before, as they are: the output of each. */
  readonly carried: Readonly<Record<string, string>>;
  /** The output that says how likely each token is, and the input that takes the likeliest. */
  readonly logits: string;
  readonly token: string;
}

/** A series of runs whose sizes change, to be made by several lanes in one page that has seen none of them. */
export interface SeriesJob {
  readonly entries: readonly Entry[];
  /** Whose outputs the others are compared with; it need not be among `entries`. */
  readonly reference: Entry;
  readonly atolOfRange: number;
  /** Of each run, the inputs that are known beforehand. */
  readonly runs: readonly StoredTensors[];
  readonly feedback?: Feedback | undefined;
}

/** What became of one lane on one series. */
export type SeriesPageResult =
  | {
      readonly runtime: string;
      readonly status: "measured";
      readonly startMs: number;
      readonly createMs: number;
      /** Of each run, with whatever its sizes made necessary. */
      readonly runsMs: readonly number[];
      /** Programs that the lane compiled in each run, where it tells. */
      readonly compiled?: readonly number[];
      /** What the session held after the last run, where it tells. */
      readonly memoryBytes?: number;
      /** Of all runs. */
      readonly verification: Verification;
      readonly notes: Readonly<Record<string, string>>;
    }
  | { readonly runtime: string; readonly status: "failed"; readonly stage: string; readonly reason: string };

/** What the page's script puts on `globalThis.tilewrightBench`. */
export interface PageBench {
  readonly measure: (job: Job) => Promise<JobResult>;
  readonly cold: (job: ColdJob) => Promise<ColdTimes>;
  readonly series: (job: SeriesJob) => Promise<readonly SeriesPageResult[]>;
  /** What the page's JavaScript and WebAssembly hold, as the browser counts it. */
  readonly memoryOfPage: () => Promise<number | undefined>;
  readonly device: () => PageDevice;
}

/** Prefix of the page's console messages that tell the driver where it is, in case it never comes back. */
export const PROGRESS_PREFIX = "tilewright-bench: ";
