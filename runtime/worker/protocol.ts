/**
 * What a session and its worker say to each other, and how errors cross. In and out: plain data that structured
 * cloning carries. Invariant: an error has the same type, code and message on both sides; what has no type there is
 * an `Error` with its name.
 */
import { type Device } from "../device.ts";
import { type NumericData, type Tensor } from "../dtype.ts";
import { type ErrorCode, TilewrightError } from "../errors.ts";
import { type Feature, type Port } from "../format.ts";
import { type LoadOptions } from "../load.ts";
import { type Progress } from "../progress.ts";
import { type Profile } from "../profile.ts";
import { type Session } from "../session.ts";
import { type SessionStats } from "../stats.ts";
import { type CacheOptions, type ModelUpdate } from "../store/options.ts";
import { type Threads } from "../threads/shared.ts";

/** A source as it crosses. */
export type SentSource =
  | { readonly kind: "bytes"; readonly content: ArrayBuffer | Uint8Array | Blob | ReadableStream<Uint8Array> }
  | { readonly kind: "address"; readonly url: string; readonly init?: RequestInit };

/** Options as they cross. */
export interface SentOptions extends Pick<
  LoadOptions,
  | "memoryLimit"
  | "keptPrograms"
  | "ranges"
  | "variant"
  | "threads"
  | "firstRun"
  | "device"
  | "trialMilliseconds"
> {
  readonly cache?: boolean | Omit<CacheOptions, "updated" | "store">;
  /** Whether the caller gave a compiler, which cannot cross: the worker must have its own. */
  readonly wantsCompiler: boolean;
}

/** What changes while a session lives. */
export interface SessionState {
  readonly memoryBytes: number;
  readonly variant: Feature | "scalar" | undefined;
  readonly threads: Threads | undefined;
  /** Without the GPU's own object, which cannot cross. */
  readonly device: Omit<Device, "gpu"> | undefined;
  readonly report: Readonly<Record<string, unknown>> | undefined;
  readonly stats: SessionStats;
}

export type Views = Readonly<Record<string, NumericData>>;

/** A session that has been loaded. */
export interface Loaded {
  readonly name: string;
  readonly kind: Session["kind"];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** Memory of inputs and outputs where it is shared with the caller. */
  /** Of the inputs that were given as `firstRun`. */
  readonly firstOutputs?: Readonly<Record<string, Tensor>>;
  readonly shared?: { readonly inputs: Views; readonly outputs: Views };
  readonly state: SessionState;
}

export interface Ran {
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly state: SessionState;
}

export interface Invoked {
  /** Left out where the memory is shared. */
  readonly outputs?: Views;
  readonly state: SessionState;
}

export type Reply<T> = { readonly value: T } | { readonly error: SentError };

/**
 * A listener on the other side. In: the function that stands for it here. Out: one that calls it, and a promise of its
 * having heard everything so far: calls cross by a port of their own, and nothing keeps the order of two ports.
 */
export function listenerThere<T>(listener: ((value: T) => unknown) | undefined): {
  readonly tell: ((value: T) => void) | undefined;
  heard(): Promise<unknown>;
} {
  let last: Promise<unknown> = Promise.resolve();
  return {
    tell: listener && ((value) => void (last = Promise.resolve(listener(value)).catch(() => {}))),
    heard: () => last,
  };
}

export interface Listeners {
  readonly progress?: (progress: Progress) => void;
  readonly updated?: (update: ModelUpdate) => void;
}

/** What a worker does for one session. */
export interface Host {
  /** Holds a lock for as long as it lives. */
  hold(lock: string): Promise<void>;
  /** Ends everything when this lock is to be had: its holder is gone. */
  outlive(lock: string): void;
  load(
    source: SentSource,
    options: SentOptions,
    progress?: Listeners["progress"],
    updated?: Listeners["updated"],
  ): Promise<Reply<Loaded>>;
  cancel(): void;
  run(inputs: Readonly<Record<string, Tensor>>): Promise<Reply<Ran>>;
  invoke(inputs?: Views): Promise<Reply<Invoked>>;
  profile(
    inputs: Readonly<Record<string, Tensor>>,
    options: { readonly runs?: number },
  ): Promise<Reply<Profile>>;
  state(): Promise<Reply<SessionState>>;
  dispose(): void;
}

/** An error as it crosses. */
export interface SentError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly code?: string;
  /** Own properties that can be cloned: the diagnostics of a `CompileError`. */
  readonly details: Readonly<Record<string, unknown>>;
  readonly cause?: SentError;
}

/** Makes the error of a type that the runtime does not know, or leaves it. */
export type Revive = (error: SentError) => Error | undefined;

export function sendError(error: unknown, depth = 0): SentError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error), details: {} };
  const { name, message, stack, cause } = error;
  const details = Object.fromEntries(
    Object.entries(error).filter(
      ([key, value]) => !["code", "name", "cause"].includes(key) && isCloneable(value),
    ),
  );
  const code = (error as { readonly code?: unknown }).code;
  return {
    name,
    message,
    details,
    ...(stack === undefined ? {} : { stack }),
    ...(typeof code === "string" ? { code } : {}),
    ...(cause === undefined || depth > 2 ? {} : { cause: sendError(cause, depth + 1) }),
  };
}

export function receiveError(sent: SentError, revive?: Revive): Error {
  const { name, message, stack, code, details, cause } = sent;
  const reason = cause && receiveError(cause, revive);
  let error = revive?.(sent);
  if (error === undefined && name === "TilewrightError")
    error = new TilewrightError(code as ErrorCode, message, reason);
  if (error === undefined) {
    error = new Error(message, reason === undefined ? undefined : { cause: reason });
    Object.defineProperty(error, "name", { value: name, configurable: true, writable: true });
    if (code !== undefined) Object.assign(error, { code });
    Object.assign(error, details);
  }
  if (stack !== undefined)
    Object.defineProperty(error, "stack", { value: stack, configurable: true, writable: true });
  return error;
}

function isCloneable(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}
