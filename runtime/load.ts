/**
 * Loads a model. In: an artifact, or ONNX bytes, from wherever. Out: a session. Invariant: an artifact that is bound
 * needs nothing but this runtime; what is not bound needs the compiler that the caller passes, and only then is it
 * asked for. Every failure is a `TilewrightError` or the compiler's own error.
 */
import { type Compiler, type SourceOptions } from "./binder.ts";
import { type DeviceOptions, openBound, type Reopen } from "./device.ts";
import { TilewrightError } from "./errors.ts";
import { type Feature, isArtifact, PREFIX_BYTES } from "./format.ts";
import { LateModel } from "./late.ts";
import { openLate, peekHeader } from "./open.ts";
import { ByteReader, throwIfAborted } from "./reader.ts";
import { Session } from "./session.ts";
import { openSource, type Source } from "./source.ts";

/** How far a load has come. */
export interface Progress {
  /** "download": bytes arrive; "compile": they are all here and a program is being made; "ready": it is done. */
  readonly phase: "download" | "compile" | "ready";
  /** Bytes that have arrived. */
  readonly loaded: number;
  /** Bytes in all, as soon as they are known. */
  readonly total: number | undefined;
}

export interface LoadOptions extends Pick<DeviceOptions, "device" | "webgpu" | "trialMilliseconds"> {
  /** Stops the load, which then fails with `aborted`. */
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ((progress: Progress) => void) | undefined;
  /** What binds shapes that are open: `() => import("tilewright/compiler")`. Called only if there are any. */
  readonly compiler?: (() => Compiler | Promise<Compiler>) | undefined;
  /** Most bytes of memory that one program may take. Default: 4 GiB less 64 KiB. */
  readonly memoryLimit?: number | undefined;
  /** Most programs that a late session keeps for shapes it has seen. Default: 8. */
  readonly keptPrograms?: number | undefined;
  /** Takes the code of this level instead of the best that the engine supports; for tests and comparisons. */
  readonly variant?: Feature | undefined;
  /**
   * On how many threads runs are computed, this one included; the results are the same for any number. "auto", the
   * default: as many as the device has cores, but four at most. More than one takes a page that is cross-origin
   * isolated, and a program with kernels that are worth sharing: `session.threads` tells.
   */
  readonly threads?: number | "auto" | undefined;
}

const DEFAULT_KEPT_PROGRAMS = 8;

/**
 * Loads an artifact (`.tile`) or, with the option `compiler`, an ONNX file, and makes it ready to run. What comes
 * from a network is compiled and put in place while it arrives.
 *
 * @throws TilewrightError `network`, `aborted`, `artifact-malformed`, `artifact-corrupt`, `artifact-version`,
 * `engine-unsupported`, `out-of-memory`, `compiler-needed`; on WebGPU also `webgpu-unavailable`, `webgpu-limits`,
 * `shader-invalid`, `device-lost`
 * @example
 * const session = await load("/models/digits.tile", {
 *   progress: ({ loaded, total }) => bar.show(loaded, total),
 * });
 * @example
 * // Shapes that are open until the first run, or an ONNX file as it is:
 * const session = await load(file, { compiler: () => import("tilewright/compiler") });
 */
export async function load(source: Source, options: LoadOptions = {}): Promise<Session> {
  const { signal, progress } = options;
  const { content, total } = await openSource(source, signal);
  let position: Progress = { phase: "download", loaded: 0, total };
  const report = (change: Partial<Progress>): void => {
    position = { ...position, ...change };
    progress?.(position);
  };
  const reader = new ByteReader(content, { signal, arrived: (loaded) => report({ loaded }) });
  try {
    const session = await open(reader, options, report, reopenOf(source));
    throwIfAborted(signal);
    report({ phase: "ready", total: position.loaded });
    return session;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    // The engine's way of saying that an array of that length cannot be had.
    throw new TilewrightError("out-of-memory", `the model takes too much memory: ${error.message}`, error);
  } finally {
    reader.close();
  }
}

async function open(
  reader: ByteReader,
  options: LoadOptions,
  report: (change: Partial<Progress>) => void,
  reopen: Reopen,
): Promise<Session> {
  const start = await reader.peek(PREFIX_BYTES);
  if (isArtifact(start)) {
    const header = await peekHeader(reader, options);
    const { plan } = header;
    report({ total: header.fileBytes });
    if (plan.kind === "bound") {
      const bound = await openBound(reader, header, plan, options, reopen, () =>
        report({ phase: "compile" }),
      );
      return new Session({ kind: "bound", bound }, plan.name);
    }
    const compiler = compilerOf(options, `the shapes of "${plan.name}" are open until it runs`);
    const file = await openLate(reader, header);
    return bindLate(await compiler, file, plan.name, options, report);
  }
  const beginsLikeModel = start.length > 0 && MODEL_FIELD_TAGS.includes(start[0]!);
  if (options.compiler === undefined && !beginsLikeModel) {
    throw new TilewrightError(
      "artifact-malformed",
      "this is neither a Tilewright artifact nor an ONNX model",
    );
  }
  const compiler = compilerOf(options, "this is not an artifact but, it seems, an ONNX model");
  const bytes = await reader.rest();
  return bindLate(await compiler, bytes, "model", options, report);
}

/** How to read a source from its start once more; undefined where that is not possible. */
function reopenOf(source: Source): Reopen {
  if (source instanceof ReadableStream || source instanceof Response) return undefined;
  // A request whose body is used up cannot be sent again; a copy of it can.
  const kept = source instanceof Request ? source.clone() : source;
  return async () => {
    const again = kept instanceof Request ? kept.clone() : kept;
    return new ByteReader((await openSource(again, undefined)).content);
  };
}

/** First bytes that the protobuf message ModelProto can have: its field numbers with their wire types (onnx.proto). */
const MODEL_FIELD_TAGS = [0x08, 0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42, 0x72];

/** The caller's compiler, asked for now, so that it arrives together with the model. */
function compilerOf(options: LoadOptions, reason: string): Promise<Compiler> {
  const { compiler } = options;
  if (compiler === undefined) {
    const hint = 'pass compiler: () => import("tilewright/compiler") to load()';
    throw new TilewrightError("compiler-needed", `${reason}: ${hint}`);
  }
  const arriving = (async () => compiler())();
  arriving.catch(() => {}); // heard of when it is needed
  return arriving;
}

async function bindLate(
  compiler: Compiler,
  bytes: Uint8Array,
  name: string,
  options: LoadOptions,
  report: (change: Partial<Progress>) => void,
): Promise<Session> {
  throwIfAborted(options.signal);
  report({ phase: "compile", total: bytes.length });
  const { keptPrograms = DEFAULT_KEPT_PROGRAMS, device } = options;
  const targets: SourceOptions["targets"] = device === "auto" ? ["wasm", "webgpu"] : [device ?? "wasm"];
  const stage = device === undefined ? compiler.openSource(bytes) : compiler.openSource(bytes, { targets });
  const model = new LateModel(stage, keptPrograms, options);
  await model.prepare();
  return new Session({ kind: "late", model }, name);
}
