/**
 * Where a command writes. In: text. Out: standard output for results, standard error for trace and progress.
 * Invariant: progress is shown only on a terminal, on one line that is gone when the command is done.
 */
import type { TraceSink } from "../trace.ts";

export interface Terminal {
  /** Results. */
  out(text: string): void;
  /** Trace, warnings, errors. */
  error(text: string): void;
  /** What is being done now; undefined when nothing is. */
  progress(text: string | undefined): void;
  /** A trace sink that also shows each stage as progress; undefined when there is nobody to look. */
  watch(sink: TraceSink | undefined): TraceSink | undefined;
}

interface Stream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

/** A terminal over two streams. */
export function terminalOn(output: Stream, errors: Stream): Terminal {
  const shows = errors.isTTY === true;
  let shown = false;
  const clear = (): void => {
    if (shown) errors.write("\r\x1b[K");
    shown = false;
  };
  const progress = (text: string | undefined): void => {
    if (!shows) return;
    clear();
    if (text === undefined) return;
    errors.write(text);
    shown = true;
  };
  return {
    out: (text) => {
      clear();
      output.write(text);
    },
    error: (text) => {
      clear();
      errors.write(text);
    },
    progress,
    watch: (sink) =>
      sink === undefined && !shows
        ? undefined
        : (stage, detail, node) => {
            progress(`${stage} ...`);
            sink?.(stage, detail, node);
          },
  };
}
