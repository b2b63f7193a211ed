/**
 * What a caller says about a session off its thread, and what it gets: types only, so that who needs no worker
 * downloads none of it.
 */
import { type Into } from "../into.ts";
import { type Revive } from "./protocol.ts";

export interface WorkerOptions {
  /** Most runs that may be waiting, the one that runs included; more are refused with `queue-full`. Default: 16. */
  readonly queue?: number | undefined;
  /**
   * Whether inputs are handed over to the worker, which empties the caller's arrays, or copied. Only an array that is
   * the whole of its buffer is handed over. Default: true.
   */
  readonly transfer?: boolean | undefined;
  /**
   * Makes the worker: one whose script calls `serve` of `tilewright/worker`, a shared worker, or a port to wherever
   * that is called (an extension's offscreen page, say). Default: the worker of this package.
   */
  readonly start?: (() => Worker | SharedWorker | MessagePort) | undefined;
  /** Makes errors of types that the runtime does not know, such as `CompileError`. */
  readonly revive?: Revive | undefined;
}

export interface WorkerRunOptions {
  /** Rejects with `aborted`; a run that waits is not begun. */
  readonly signal?: AbortSignal | undefined;
  /** As of `Session.run`: arrays that outputs are written to. */
  readonly into?: Into | undefined;
  /** As in {@link WorkerOptions}, for this run. */
  readonly transfer?: boolean | undefined;
}
