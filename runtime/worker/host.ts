/**
 * The side of a session that computes: in a worker, or in the caller's own thread where no worker is to be had. In:
 * what `protocol.ts` says. Out: replies. Invariants: nothing is thrown across, errors are replies; buffers of outputs
 * are handed over, not copied; who is gone leaves no session behind.
 */
import { expose, type Endpoint, transfer } from "comlink";
import { type Compiler } from "../binder.ts";
import { type Device } from "../device.ts";
import { type NumericData, type Tensor } from "../dtype.ts";
import { TilewrightError } from "../errors.ts";
import { load } from "../load.ts";
import { type Session } from "../session.ts";
import {
  type Host,
  listenerThere,
  type Reply,
  sendError,
  type SentSource,
  type SessionState,
  type Views,
} from "./protocol.ts";
import { type Source } from "../source.ts";

export interface ServeOptions {
  /** What binds shapes that are open, as for `load`: `() => import("tilewright/compiler")`. */
  readonly compiler?: () => Compiler | Promise<Compiler>;
}

/** One session. */
export function createHost({ compiler }: ServeOptions = {}): Host {
  const cancelling = new AbortController();
  let session: Session | undefined;
  const alive = (): Session => {
    if (session !== undefined) return session;
    throw new TilewrightError("disposed", "the session has been disposed of");
  };
  const host: Host = {
    hold: (lock) =>
      new Promise((held, failed) => {
        navigator.locks
          .request(lock, () => {
            held();
            return new Promise(() => {});
          })
          .catch(failed);
      }),
    outlive(lock) {
      navigator.locks.request(lock, () => host.dispose()).catch(() => {});
    },
    load: (source, { wantsCompiler, cache, ...options }, progress, updated) =>
      replying(async () => {
        if (wantsCompiler && compiler === undefined) {
          const hint = "pass worker: modelWorker of tilewright/compiler/worker, which has one";
          throw new TilewrightError("option-invalid", `a compiler cannot cross to a worker: ${hint}`);
        }
        const { tell, heard } = listenerThere(progress);
        const loaded = await load(received(source), {
          ...options,
          cache: typeof cache === "object" && updated !== undefined ? { ...cache, updated } : cache,
          signal: cancelling.signal,
          progress: tell,
          ...(compiler === undefined ? {} : { compiler }),
        });
        session = loaded;
        await heard();
        const { name, kind, inputs, outputs, firstOutputs } = loaded;
        const shared = sharedViews(loaded);
        return {
          name,
          kind,
          inputs,
          outputs,
          state: stateOf(loaded),
          ...(shared === undefined ? {} : { shared }),
          ...(firstOutputs === undefined ? {} : { firstOutputs }),
        };
      }),
    cancel: () => cancelling.abort(),
    run: (inputs) =>
      replying(async () => {
        const outputs = await alive().run(inputs);
        return handOver(
          { outputs, state: stateOf(alive()) },
          Object.values(outputs).map(({ data }) => data),
        );
      }),
    invoke: (inputs) =>
      replying(async () => {
        const running = alive();
        if (inputs === undefined) {
          running.invoke();
          return { state: stateOf(running) };
        }
        for (const [name, data] of Object.entries(inputs)) running.input(name).set(data as never);
        running.invoke();
        const outputs = Object.fromEntries(
          running.outputs.map(({ name }) => [name, running.output(name).slice()] as const),
        );
        return handOver({ outputs, state: stateOf(running) }, Object.values(outputs));
      }),
    profile: (inputs, options) => replying(() => alive().profile(inputs, options)),
    state: () => replying(async () => stateOf(alive())),
    dispose() {
      cancelling.abort();
      session?.dispose();
      session = undefined;
    },
  };
  return host;
}

/**
 * Lets sessions run here. In a worker's script it is all that is needed; a shared worker serves each page that connects.
 *
 * @param endpoint what the sessions of one caller come through; default: the worker that this is
 * @example
 * // worker.ts of your own, with a compiler for shapes that are open
 * import { serve } from "tilewright/worker";
 * serve({ compiler: () => import("tilewright/compiler") });
 */
export function serve(options: ServeOptions = {}, endpoint?: MessagePort | Worker): void {
  if (endpoint !== undefined) {
    expose(createHost(options), endpoint);
    return;
  }
  const scope = globalThis as unknown as {
    onconnect?: ((event: MessageEvent) => void) | null;
    readonly SharedWorkerGlobalScope?: unknown;
  };
  if (scope.SharedWorkerGlobalScope === undefined)
    expose(createHost(options), globalThis as unknown as Endpoint);
  else scope.onconnect = ({ ports }) => expose(createHost(options), ports[0]!);
}

function received(source: SentSource): Source {
  if (source.kind === "bytes") return source.content;
  return source.init === undefined ? source.url : new Request(source.url, source.init);
}

async function replying<T>(work: () => Promise<T>): Promise<Reply<T>> {
  try {
    const value = await work();
    const reply = { value };
    const list = handed.get(value as object);
    return list === undefined ? reply : transfer(reply, list as Transferable[]);
  } catch (error) {
    return { error: sendError(error) };
  }
}

/** Buffers that go with a value. */
const handed = new WeakMap<object, readonly ArrayBuffer[]>();

function handOver<T extends object>(value: T, contents: readonly (NumericData | readonly string[])[]): T {
  const buffers = contents.flatMap((data) =>
    ArrayBuffer.isView(data) && data.buffer instanceof ArrayBuffer ? [data.buffer] : [],
  );
  handed.set(value, [...new Set(buffers)]);
  return value;
}

function stateOf(session: Session): SessionState {
  const { memoryBytes, variant, threads, report } = session;
  const { gpu: _, ...device } = session.device ?? {};
  const known = session.device && (device as Omit<Device, "gpu">);
  return { memoryBytes, variant, threads, report, device: known, stats: session.stats() };
}

/** The memory of inputs and outputs, if other threads may see it. */
function sharedViews(session: Session): { readonly inputs: Views; readonly outputs: Views } | undefined {
  if (session.kind !== "bound" || session.device?.kind !== "wasm") return undefined;
  const inputs = session.inputs.map(({ name }) => [name, session.input(name)] as const);
  const outputs = session.outputs.map(({ name }) => [name, session.output(name)] as const);
  const isShared = [...inputs, ...outputs].every(
    ([, { buffer }]) => typeof SharedArrayBuffer !== "undefined" && buffer instanceof SharedArrayBuffer,
  );
  return isShared ? { inputs: Object.fromEntries(inputs), outputs: Object.fromEntries(outputs) } : undefined;
}

export type { Tensor };
