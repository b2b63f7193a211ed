/**
 * What a runtime looks like to the driver in Node. In: a model. Out: the files that its page half needs, put on the
 * server, and what a user would download for it. Invariant: whatever can be done ahead of time (compiling, for us)
 * is done here and not in the page. To add a runtime: one file here, one in bench/page/, one line in each table.
 */
import { type BenchModel } from "../models.ts";
import { type CreateOptions } from "../protocol.ts";
import { type Size } from "../bundleSize.ts";
import { type Content } from "../server.ts";

export interface PrepareOptions {
  readonly threads: number;
  /** Whether sizes that the model leaves open stay so until it runs; else they are those of its test inputs. */
  readonly openSizes?: boolean;
  /** Serves `content` to the page until the model is done; gives its path. */
  readonly serve: (name: string, content: Content) => string;
}

/** One file that a user downloads, as it is and gzipped (level 9). */
export interface Download {
  readonly name: string;
  readonly size: Size;
}

export interface Prepared {
  /** For the page half. */
  readonly create: CreateOptions;
  /** Whether what it loads has the model's weights rounded to 16 bits. */
  readonly roundedWeights?: boolean;
  readonly downloads: readonly Download[];
  /** Gzipped bytes of code inside of the file that holds the weights. */
  readonly codeInModel?: number;
  /** Worth knowing in the report. */
  readonly notes: Readonly<Record<string, string>>;
}

export interface BenchRuntime {
  readonly description: string;
  readonly version: string;
  /** The most threads it can use; any number where absent. */
  readonly mostThreads?: number;
  /** Files that every model shares, by path; served as long as the benchmark runs. */
  files(threads: number): ReadonlyMap<string, Content>;
  /**
   * Makes one model ready for the page half.
   *
   * @throws Error when the model cannot be prepared; its message is the reason in the report.
   */
  prepare(model: BenchModel, options: PrepareOptions): Promise<Prepared>;
}
