/**
 * What the runtime says when it cannot go on. In: a stable code and a sentence. Out: `TilewrightError`, the only
 * error that the runtime throws on purpose; a compiler given to `load` may add its own (`CompileError`), which
 * pass through unchanged. Invariant: codes never change their meaning, so callers may switch on them.
 */

/** Stable codes of {@link TilewrightError}. */
export type ErrorCode =
  | "artifact-malformed" // the bytes are not an artifact, or contradict themselves
  | "artifact-corrupt" // the bytes were an artifact once: a content hash does not fit
  | "artifact-version" // written in a format version that this runtime does not read
  | "webgpu-unavailable" // there is no WebGPU here, or no adapter for it
  | "webgpu-limits" // the adapter lacks features or limits that every variant of the program needs
  | "shader-invalid" // a kernel does not compile on this adapter; the message has its schedule and text
  | "device-lost" // the GPU was lost and the session could not be made anew
  | "engine-unsupported" // this WebAssembly engine lacks what every variant of the program needs
  | "out-of-memory" // the program's memory is above the limit or cannot be had
  | "input-missing" // run() was not given one of the inputs
  | "input-unknown" // run() was given a name that is no input
  | "input-dtype" // an input's element type is not the model's, or a value does not fit it
  | "input-shape" // an input's shape or number of elements is not the model's
  | "output-unknown" // run() was given an array for a name that is no output
  | "output-unfit" // run() was given an array that an output does not fit
  | "option-invalid" // an option has a value that it cannot have
  | "disposed" // the session was disposed of
  | "compiler-needed" // shapes are still open, or this is an ONNX file: pass `compiler` to load()
  | "profile-needed" // the program was not compiled to be profiled: compile it with `profile: true`
  | "network" // the source could not be read
  | "aborted" // the caller's signal was aborted
  | "queue-full" // as many runs as the queue of a worker takes are waiting already
  | "worker-lost" // the worker of a session is gone: it was terminated or died
  | "worker-only" // what was asked for needs a session in this thread
  | "offline-unavailable" // there are no service workers here
  | "offline-failed" // the service worker could not be installed, or what it keeps could not be stored
  | "run-failed"; // the program trapped or broke its own contract

/**
 * An error of the runtime, with a stable {@link ErrorCode}.
 *
 * @example
 * try {
 *   await session.run({ image });
 * } catch (error) {
 *   if (error instanceof TilewrightError && error.code === "input-shape") askForAnotherImage();
 *   else throw error;
 * }
 */
export class TilewrightError extends Error {
  override readonly name = "TilewrightError";
  /** What went wrong, to switch on. */
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** The candidate that `word` was most likely meant to be: at most a third of its letters differ. */
export function nearestName(word: string, candidates: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let least = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= least) continue;
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

/** Levenshtein's distance, one row at a time. */
function editDistance(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const replaced = above[column - 1]! + (from[row - 1] === to[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, above[column]! + 1, current[column - 1]! + 1));
    }
    above = current;
  }
  return above[to.length]!;
}
