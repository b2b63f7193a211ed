/**
 * Everything that one call of the benchmark finds, as it is written with `--json`. Invariant: types only; whoever
 * reads such a file needs nothing else to draw and to judge it.
 */
import { type ColdModel } from "./cold/coldStart.ts";
import { type KernelResult } from "./kernels/table.ts";
import { type PageDevice } from "./protocol.ts";
import { type MeanRatio } from "./report.ts";
import { type ModelResult } from "./session.ts";
import { type MeasuredSeries } from "./sizes/measure.ts";

export interface Environment {
  /** ISO 8601. */
  readonly date: string;
  readonly device: PageDevice & {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryBytes: number;
    readonly system: string;
  };
  /** Of every runtime, the browser and Node. */
  readonly versions: Readonly<Record<string, string>>;
  /** What `uptime` calls load averages. */
  readonly loadBefore: readonly number[];
}

export interface BenchResults extends Environment {
  /** The words of the command line. */
  readonly command: readonly string[];
  /** Those of the calls that were put together to this, in order; left out where it is one. */
  readonly commands?: readonly (readonly string[])[];
  readonly loadAfter: readonly number[];
  /** The runtime that ratios are relative to. */
  readonly reference: string;
  readonly tolerance: Readonly<Record<string, number>>;
  readonly ratios: readonly MeanRatio[];
  readonly models: readonly ModelResult[];
  /** Starts in fresh pages, and memory. */
  readonly cold: readonly ColdModel[];
  /** Starts of pages that come again. */
  readonly warm?: readonly ColdModel[];
  readonly kernels: readonly KernelResult[];
  /** Runs whose sizes change. */
  readonly series?: readonly MeasuredSeries[];
}
