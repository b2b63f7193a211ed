/**
 * Loads a model. In: an artifact, or ONNX bytes, from wherever. Out: a session. Invariant: an artifact that is bound
 * needs nothing but this runtime; what is not bound needs the compiler that the caller passes, and only then is it
 * asked for. Every failure is a `TilewrightError` or the compiler's own error.
 */
import { type Compiler, type SourceOptions, type Stage } from "./binder.ts";
import { type DeviceOptions, openBound, type Reopen } from "./device.ts";
import { allocate, elementCount } from "./dtype.ts";
import { TilewrightError } from "./errors.ts";
import { type Feature, isArtifact, PREFIX_BYTES } from "./format.ts";
import { KeptPrograms } from "./keptPrograms.ts";
import { openLate, peekHeader } from "./open.ts";
import { Meter, type Progress } from "./progress.ts";
import { ByteReader, throwIfAborted } from "./reader.ts";
import { type Inputs, Session } from "./session.ts";
import { type OpenSource, openSource, type Source } from "./source.ts";
import { LoadRecord } from "./stats.ts";
import { type CachedSource, type CacheOptions } from "./store/options.ts";
import { reasonOf } from "./warning.ts";
import type * as Client from "./worker/client.ts";
import { type WorkerOptions } from "./worker/options.ts";
import { type WorkerSession } from "./worker/session.ts";

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
  /**
   * Whether inputs of a late session that grow or shrink from run to run, such as sentences, share programs that are made
   * for a range of sizes. Default: true. Off, each size has a program of its own, which is compiled when it comes.
   */
  readonly ranges?: boolean | undefined;
  /** Takes the code of this level instead of the best that the engine supports; for tests and comparisons. */
  readonly variant?: Feature | undefined;
  /**
   * On how many threads runs are computed, this one included; the results are the same for any number. "auto", the
   * default: as many as the device has cores, but four at most. More than one takes a page that is cross-origin
   * isolated, and a program with kernels that are worth sharing: `session.threads` tells.
   */
  readonly threads?: number | "auto" | undefined;
  /**
   * Keeps what is loaded from a URL in IndexedDB, so that a later load needs no network: `true`, or how. Default:
   * false, since what a site stores counts against its quota and stays on a device of someone else's until it is
   * removed, which a library should not decide. See `tilewright/cache` for what is stored and for removing it.
   */
  readonly cache?: boolean | CacheOptions | undefined;
  /**
   * Makes a first run. `true`: on zeros, so that the first real one finds code that the engine has seen. Inputs: on these,
   * and what comes out is `session.firstOutputs`; on WebAssembly that run goes on while the weights of a large model
   * arrive, and the first answer is there with the last of them; leave the arrays alone until then. Default: false.
   *
   * @example
   * const { firstOutputs } = await load("/models/digits.tile", { firstRun: { image: pixels } });
   */
  readonly firstRun?: boolean | Inputs | undefined;
}

/** As {@link LoadOptions}, for a session off this thread. */
export interface WorkerLoadOptions extends LoadOptions {
  /** Runs the session in a worker: `true`, or how. Where there is none it runs here, and `session.stats()` says why. */
  readonly worker: true | WorkerOptions;
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
export async function load(
  source: Source,
  options?: LoadOptions & { readonly worker?: false | undefined },
): Promise<Session>;
export async function load(source: Source, options: WorkerLoadOptions): Promise<WorkerSession>;
export async function load(
  source: Source,
  options: LoadOptions & { readonly worker?: boolean | WorkerOptions | undefined },
): Promise<Session | WorkerSession>;
export async function load(
  source: Source,
  options: LoadOptions & { readonly worker?: boolean | WorkerOptions | undefined } = {},
): Promise<Session | WorkerSession> {
  const { worker = false } = options;
  const record = new LoadRecord();
  if (worker !== false) {
    let client: typeof Client;
    try {
      client = await import("./worker/client.ts");
    } catch (error) {
      // A service worker imports nothing later.
      const reason = `what talks to workers cannot be imported here: ${reasonOf(error)}`;
      record.warn("worker-unavailable", reason);
      record.place = { kind: "here", reason };
      return loadHere(source, options, record);
    }
    return client.loadInWorker(source, options, worker === true ? {} : worker);
  }
  return loadHere(source, options, record);
}

async function loadHere(source: Source, options: LoadOptions, record: LoadRecord): Promise<Session> {
  return opening(source, options, record, async (opened) => {
    const kept = new KeptPrograms(opened, record);
    let loaded = false;
    try {
      const session = await loadFrom(opened, options, record, { source, kept });
      await opened.settle?.();
      loaded = true;
      return session;
    } finally {
      kept.settled(loaded);
    }
  });
}

/** Opens a source, once more where what had been stored turns out to be damaged. */
async function opening<T>(
  source: Source,
  options: LoadOptions,
  record: LoadRecord,
  use: (opened: OpenSource & Partial<CachedSource>) => Promise<T>,
): Promise<T> {
  let from = source;
  for (let attempt = 0; ; attempt++) {
    const opened = await openAnywhere(from, options, record);
    try {
      return await use(opened);
    } catch (error) {
      // What was stored turned out to be damaged: it is gone, and the network has another one.
      const again = opened.settle === undefined ? isDamaged(error) : await opened.settle(error);
      if (!again || attempt >= MOST_ATTEMPTS) throw error;
      if (opened.settle !== undefined) continue;
      // Nor may what the browser or a service worker has kept stand between.
      if (from !== source || !canReload(source)) throw error;
      from = new Request(source, { cache: "reload" });
    }
  }
}

const MOST_ATTEMPTS = 2;

/** Whether the bytes were not those of an artifact. */
function isDamaged(error: unknown): boolean {
  return error instanceof TilewrightError && /^artifact-(corrupt|malformed)$/.test(error.code);
}

/** Whether a source comes from a server by way of something that may have kept it. */
function canReload(source: Source): source is string | URL | Request {
  const base = (globalThis as { readonly location?: Location }).location?.href;
  if (base === undefined || !hasAddress(source)) return false;
  return source instanceof Request
    ? source.method === "GET"
    : /^https?:/.test(new URL(source, base).protocol);
}

function hasAddress(source: Source): source is string | URL | Request {
  return typeof source === "string" || source instanceof URL || source instanceof Request;
}

/** By way of the cache, if that is wanted and the source has an address. */
async function openAnywhere(
  source: Source,
  options: LoadOptions,
  record: LoadRecord,
): Promise<OpenSource & Partial<CachedSource>> {
  const { signal, cache = false } = options;
  if (cache === false || !hasAddress(source)) return openSource(source, signal);
  if ((globalThis as { readonly indexedDB?: IDBFactory }).indexedDB === undefined) {
    record.warn("cache-unavailable", "the cache is not used: there is no IndexedDB here");
    return openSource(source, signal);
  }
  const wanted = cache === true ? {} : cache;
  let store = wanted.store;
  try {
    store ??= (await import("./store/store.ts")).store;
  } catch (error) {
    const hint = "pass store of tilewright/cache as cache: { store }";
    record.warn("cache-unavailable", `the cache cannot be imported here, ${hint}: ${reasonOf(error)}`);
    return openSource(source, signal);
  }
  const opened = await store.open(source, wanted, { signal, warn: record.warn });
  record.cache = opened.stats;
  return opened;
}

async function loadFrom(
  { content, total, exact = false }: OpenSource,
  options: LoadOptions,
  record: LoadRecord,
  coming: Coming,
): Promise<Session> {
  const { signal, progress } = options;
  const meter = new Meter(progress, total);
  const arrived = (loaded: number): void => {
    record.arrived(loaded);
    meter.arrived(loaded);
  };
  const reader = new ByteReader(content, { signal, arrived, exactly: exact ? total : undefined });
  try {
    const session = await open(reader, options, meter, record, coming);
    const { firstRun = false } = options;
    if (typeof firstRun === "object" || (firstRun && session.kind === "bound")) {
      meter.enter("run");
      try {
        await (firstRun === true ? runFirst(session) : session.runFirst(firstRun));
      } catch (error) {
        session.dispose();
        throw error;
      }
      meter.add("run", 1);
    }
    throwIfAborted(signal);
    record.ready();
    meter.enter("ready");
    return session;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    // The engine's way of saying that an array of that length cannot be had.
    throw new TilewrightError("out-of-memory", `the model takes too much memory: ${error.message}`, error);
  } finally {
    reader.close();
  }
}

/** One run on zeros. */
async function runFirst(session: Session): Promise<void> {
  if (session.device?.kind === "wasm") {
    session.invoke();
    return;
  }
  const zeros = session.inputs.map(({ name, dtype, shape }) => {
    const fixed = shape.filter((dim) => typeof dim === "number");
    return [name, { dtype, shape: fixed, data: allocate(dtype, elementCount(fixed)) }] as const;
  });
  await session.run(Object.fromEntries(zeros));
}

async function open(
  reader: ByteReader,
  options: LoadOptions,
  meter: Meter,
  record: LoadRecord,
  coming: Coming,
): Promise<Session> {
  const start = await reader.peek(PREFIX_BYTES);
  if (isArtifact(start)) {
    const header = await peekHeader(reader, options);
    const { plan } = header;
    if (plan.kind === "bound") {
      const { firstRun = false } = options;
      const firstInputs = typeof firstRun === "object" ? firstRun : undefined;
      meter.expect({ download: header.fileBytes, run: firstRun === false ? 0 : 1 });
      const reopen = reopenOf(coming.source, options, record);
      const bound = await openBound(reader, header, plan, { ...options, firstInputs, meter }, reopen, () =>
        meter.enter("compile"),
      );
      return new Session({ kind: "bound", bound }, plan.name, record);
    }
    const reason = `the shapes of "${plan.name}" are open until it runs`;
    const { fileBytes } = header;
    meter.expect({ download: fileBytes, verify: fileBytes, compile: 1, upload: 0, run: 0 });
    const read = async (): Promise<Uint8Array> => {
      const file = await openLate(reader, header);
      meter.add("verify", fileBytes);
      return file;
    };
    return bindLate(plan.name, reason, read, options, meter, record, coming);
  }
  const beginsLikeModel = start.length > 0 && MODEL_FIELD_TAGS.includes(start[0]!);
  if (options.compiler === undefined && !beginsLikeModel) {
    throw new TilewrightError(
      "artifact-malformed",
      "this is neither a Tilewright artifact nor an ONNX model",
    );
  }
  const reason = "this is not an artifact but, it seems, an ONNX model";
  meter.expect({ verify: 0, compile: 1, upload: 0, run: 0 });
  return bindLate("model", reason, () => reader.rest(), options, meter, record, coming);
}

/** How to read a source from its start once more, out of the cache if it is there; undefined where that is not possible. */
function reopenOf(source: Source, options: LoadOptions, record: LoadRecord): Reopen {
  if (source instanceof ReadableStream || source instanceof Response) return undefined;
  // A request whose body is used up cannot be sent again; a copy of it can.
  const kept = source instanceof Request ? source.clone() : source;
  return async () => {
    const again = kept instanceof Request ? kept.clone() : kept;
    const { content, settle } = await openAnywhere(again, { ...options, signal: undefined }, record);
    if (settle === undefined) return new ByteReader(content);
    // The store learns that all of it was read; hashes are checked by whoever reads.
    const end = new TransformStream<Uint8Array, Uint8Array>({ flush: () => void settle() });
    return new ByteReader((content as ReadableStream<Uint8Array>).pipeThrough(end));
  };
}

/** The whole of a model, checked. */
async function readModel(source: Source, options: LoadOptions, record: LoadRecord): Promise<Uint8Array> {
  return opening(source, { ...options, signal: undefined }, record, async ({ content, settle }) => {
    const reader = new ByteReader(content);
    try {
      const bytes = isArtifact(await reader.peek(PREFIX_BYTES))
        ? await openLate(reader, await peekHeader(reader, options))
        : await reader.rest();
      await settle?.();
      return bytes;
    } finally {
      reader.close();
    }
  });
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

/** A late model on its way: where it comes from, and what is kept beside it. */
interface Coming {
  readonly source: Source;
  readonly kept: KeptPrograms;
}

async function bindLate(
  name: string,
  reason: string,
  read: () => Promise<Uint8Array>,
  options: LoadOptions,
  meter: Meter,
  record: LoadRecord,
  { source, kept }: Coming,
): Promise<Session> {
  const { keptPrograms = DEFAULT_KEPT_PROGRAMS, device } = options;
  const late = import("./late.ts").catch((cause: unknown) => {
    // A service worker imports nothing later.
    const hint = "compile the model for the shapes that it is used with";
    throw new TilewrightError(
      "compiler-needed",
      `${reason}, and what binds them cannot be imported: ${hint}`,
      cause,
    );
  });
  late.catch(() => {}); // heard of when it is needed
  const targets: SourceOptions["targets"] = device === "auto" ? ["wasm", "webgpu"] : [device ?? "wasm"];
  const open = async (compiler: Promise<Compiler>, bytes: Promise<Uint8Array>): Promise<Stage> =>
    (await compiler).openSource(await bytes, ...(device === undefined ? [] : [{ targets }]));
  kept.compiledFor(targets);
  let stage: Promise<Stage> | undefined;
  // What is known of the model makes both the compiler and most of its bytes wait until a shape is new.
  let ports = await kept.ports();
  if (ports === undefined) {
    const compiler = compilerOf(options, reason);
    const bytes = await read();
    throwIfAborted(options.signal);
    meter.enter("compile");
    stage = open(compiler, Promise.resolve(bytes));
    ports = await stage;
    kept.keepPorts(ports);
  } else meter.enter("compile");
  const whole = (): Promise<Stage> =>
    (stage ??= open(compilerOf(options, reason), readModel(source, options, record)));
  const { LateModel } = await late;
  const model = new LateModel(ports, whole, keptPrograms, options, openBound, kept);
  await model.prepare();
  meter.add("compile", 1);
  return new Session({ kind: "late", model }, name, record);
}
