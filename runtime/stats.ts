/**
 * What a session can tell about itself. In: what happened while it was loaded and run. Out: plain data, which crosses
 * to another thread as it is. Invariant: a snapshot; warnings that come later (from storing in the background, say)
 * are in the next one.
 */
import { type CacheStats } from "./store/options.ts";
import { type Warn, type Warning } from "./warning.ts";

/** Where a session runs. */
export interface Place {
  readonly kind: "here" | "worker";
  /** Why it is here although a worker was asked for. */
  readonly reason?: string;
}

/** Milliseconds of the parts of a load. */
export interface LoadTimes {
  /** From the call of `load` to a session. */
  readonly total: number;
  /** To the first byte: the request, or the store. */
  readonly open: number;
  /** From there to the last byte; hashes are checked and code is compiled meanwhile. */
  readonly download: number;
  /** From there to a session. */
  readonly prepare: number;
}

export interface SessionStats {
  readonly place: Place;
  readonly load: LoadTimes;
  /** Bytes of the model that were read. */
  readonly loadedBytes: number;
  /** Undefined without the option `cache`. */
  readonly cache: CacheStats | undefined;
  /** Programs of a late model that came from the store, and that were compiled here. */
  readonly programs: { readonly stored: number; readonly compiled: number };
  readonly runs: number;
  /** Milliseconds of the last run; 0 before. */
  readonly lastRun: number;
  /** Bytes of WebAssembly memory that the session holds. */
  readonly memoryBytes: number;
  readonly warnings: readonly Warning[];
}

/** Collects what `stats` of a session tells of its load. */
export class LoadRecord {
  readonly warnings: Warning[] = [];
  readonly programs = { stored: 0, compiled: 0 };
  place: Place = { kind: "here" };
  cache: (() => CacheStats) | undefined;
  loadedBytes = 0;
  readonly #start = performance.now();
  #first: number | undefined;
  #last: number | undefined;
  #end: number | undefined;

  /** Adds a warning, the same one once only. */
  readonly warn: Warn = (code, message) => {
    if (!this.warnings.some((known) => known.code === code && known.message === message))
      this.warnings.push({ code, message });
  };

  arrived(bytes: number): void {
    this.loadedBytes = bytes;
    this.#first ??= performance.now();
    this.#last = performance.now();
  }

  ready(): void {
    this.#end = performance.now();
  }

  times(): LoadTimes {
    const end = this.#end ?? performance.now();
    const first = this.#first ?? end;
    const last = this.#last ?? end;
    return {
      total: end - this.#start,
      open: first - this.#start,
      download: last - first,
      prepare: end - last,
    };
  }
}
