/**
 * The entry `tilewright/compiler/worker`: the compiler beside the page. In: a model that the user brought. Out: the
 * artifact that the command line makes, byte for byte, while the page goes on; or a worker for `load` in which
 * sessions bind shapes that are open. Invariant: the page downloads none of the compiler itself; a compilation that
 * is aborted ends at once, with its worker.
 *
 * @example
 * import { load } from "tilewright";
 * import { compile, modelWorker } from "tilewright/compiler/worker";
 * const { artifact } = await compile(new Uint8Array(await file.arrayBuffer()), { dims: { batch: 1 } });
 * const session = await load(artifact, { worker: true });
 * const open = await load(file, { worker: modelWorker }); // shapes are bound when they come
 */
import { proxy, type Remote, transfer, wrap } from "comlink";
import { TilewrightError } from "../../runtime/errors.ts";
import { receiveError, type Revive } from "../../runtime/worker/protocol.ts";
import type { WorkerOptions } from "../../runtime/worker/options.ts";
import type { CompileResult } from "../compile.ts";
import { CompileError, InternalError, type Diagnostic } from "../diagnostic.ts";
import type { CompileProgress } from "../options.ts";
import type { CompilerHost, SentCompileOptions } from "./protocol.ts";
import { startCompiler } from "./start.ts";

export type { CompileProgress, CompileResult, SentCompileOptions };

export interface WorkerCompileOptions extends SentCompileOptions {
  /** Ends the compilation, which then fails with `aborted`. */
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ((progress: CompileProgress) => void) | undefined;
  /** Whether the model's bytes are handed over, which leaves the caller's array empty. Default: false. */
  readonly transfer?: boolean | undefined;
}

/** Makes the compiler's errors what they were. */
const revive: Revive = ({ name, message, details }) => {
  if (name === "CompileError") return new CompileError(details["diagnostics"] as readonly Diagnostic[]);
  return name === "InternalError" ? new InternalError(message) : undefined;
};

/** For `load(source, { worker: modelWorker })`: a worker with a compiler in it. */
export const modelWorker: WorkerOptions & { readonly start: () => Worker } = { start: startCompiler, revive };

/**
 * Compiles a model in a worker.
 *
 * @throws CompileError as `compile` of `tilewright/compiler`; TilewrightError `aborted`, `worker-lost`
 */
export async function compile(model: Uint8Array, options: WorkerCompileOptions = {}): Promise<CompileResult> {
  const { signal, progress, transfer: handOver = false, ...sent } = options;
  const aborted = (): TilewrightError =>
    new TilewrightError("aborted", "aborted by the caller", signal?.reason as unknown);
  if (signal?.aborted === true) throw aborted();
  const worker = startCompiler();
  const host = wrap<CompilerHost>(worker) as Remote<CompilerHost>;
  let stop = (): void => {};
  try {
    const ended = new Promise<never>((_, reject) => {
      const abort = (): void => reject(aborted());
      signal?.addEventListener("abort", abort, { once: true });
      stop = () => signal?.removeEventListener("abort", abort);
      worker.addEventListener("error", ({ message }) => {
        const reason = message || "its script cannot be loaded";
        reject(new TilewrightError("worker-lost", `the compiler's worker failed: ${reason}`));
      });
    });
    const isWhole = model.buffer instanceof ArrayBuffer && model.byteLength === model.buffer.byteLength;
    const given = handOver && isWhole ? transfer(model, [model.buffer as ArrayBuffer]) : model;
    const reply = await Promise.race([host.compile(given, sent, progress && proxy(progress)), ended]);
    if ("error" in reply) throw receiveError(reply.error, revive);
    return reply.value;
  } finally {
    stop();
    worker.terminate();
  }
}
