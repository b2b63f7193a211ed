/**
 * What a runtime looks like to the measuring page. In: options made by the runtime's half in Node. Out: sessions.
 * Invariant: `run` does what an application would do for one inference and nothing else, given inputs and outputs
 * in ordinary memory: conversions for the comparison happen in `prepare` and `read`, outside of what is timed.
 */
import { type Tensors } from "../agreement.ts";
import { type CreateOptions } from "../protocol.ts";

/** A runtime whose code has been loaded. */
export interface PageRuntime {
  /** @param first the inputs of the first run, for who can begin it while the model arrives; `prepare` gives them again */
  create(options: CreateOptions, first?: Tensors): Promise<PageSession>;
}

/** A model ready to run. */
export interface PageSession {
  /** Takes the inputs of all runs to come. */
  prepare(inputs: Tensors): void;
  run(): Promise<unknown>;
  /**
   * What `run` gave, as tensors; 16-bit floats as their bits. Who knows outputs by other names or in another layout
   * finds what they should be like in `expected`, the stored outputs.
   */
  read(result: unknown, expected: Tensors): Tensors;
  dispose(): Promise<void>;
  /** What it holds and has done until now, where it tells. */
  stats?(): { readonly memoryBytes: number; readonly compiled: number };
  /** Worth knowing about the session, for the report. */
  readonly notes?: Readonly<Record<string, string>>;
}

/**
 * A page half: loads the runtime's code, which is timed. What sets a number of threads once and for all (most do)
 * loads its code once for each.
 */
export type StartRuntime = (threads: number) => Promise<PageRuntime>;
