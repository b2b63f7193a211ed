/**
 * Loads a session in a worker. In: what `load` takes. Out: a `WorkerSession`. Invariants: where no worker is to be had
 * (a service worker, a policy, a missing file) the session runs in this thread behind the same interface, and says why;
 * a load that is aborted or fails leaves no worker behind; that a worker is gone is noticed, however it went: it holds
 * a lock for as long as it lives.
 */
import { proxy, transfer, wrap } from "comlink";
import { TilewrightError } from "../errors.ts";
import { type LoadOptions } from "../load.ts";
import { throwIfAborted } from "../reader.ts";
import { openSource, type Source } from "../source.ts";
import { type Place } from "../stats.ts";
import { reasonOf } from "../warning.ts";
import { type WorkerOptions } from "./options.ts";
import { type Host, type SentOptions, type SentSource } from "./protocol.ts";
import { type Connection, valueOf, WorkerSession } from "./session.ts";
import { startWorker } from "./start.ts";

export async function loadInWorker(
  source: Source,
  options: LoadOptions,
  worker: WorkerOptions,
): Promise<WorkerSession> {
  const { signal, progress, cache, compiler } = options;
  throwIfAborted(signal);
  const connection = await connect(worker, options);
  const { host } = connection;
  const cancel = (): void => void host.cancel();
  let stop: () => void = () => {};
  const aborted = new Promise<never>((_, reject) => {
    const abort = (): void => {
      cancel();
      reject(new TilewrightError("aborted", "aborted by the caller", signal?.reason));
    };
    signal?.addEventListener("abort", abort, { once: true });
    stop = () => signal?.removeEventListener("abort", abort);
  });
  aborted.catch(() => {});
  try {
    const sent = await sendSource(source, signal);
    const { memoryLimit, keptPrograms, ranges, variant, threads, firstRun, device, trialMilliseconds } =
      options;
    const { updated, store: _, ...cacheOptions } = typeof cache === "object" ? cache : {};
    const sentOptions: SentOptions = {
      memoryLimit,
      keptPrograms,
      ranges,
      variant,
      threads,
      firstRun,
      device,
      trialMilliseconds,
      ...(cache === undefined ? {} : { cache: typeof cache === "object" ? cacheOptions : cache }),
      wantsCompiler: compiler !== undefined,
    };
    const isStream = sent.kind === "bytes" && sent.content instanceof ReadableStream;
    const loading = host.load(
      isStream ? transfer(sent, [sent.content as unknown as Transferable]) : sent,
      sentOptions,
      progress && proxy(progress),
      updated && proxy(updated),
    );
    const reply = await Promise.race([loading, connection.lost, aborted]);
    return new WorkerSession(connection, valueOf(reply, worker), worker);
  } catch (error) {
    connection.end();
    if (
      error instanceof DOMException &&
      error.name === "DataCloneError" &&
      typeof options.firstRun === "object"
    ) {
      const reason = `inputs of firstRun cannot cross to a worker, give tensors: ${error.message}`;
      throw new TilewrightError("input-dtype", reason, error);
    }
    throw error;
  } finally {
    stop();
  }
}

let count = 0;
/** What the script of a worker may take to be downloaded and to begin. */
const START_TIMEOUT_MS = 30_000;

/** A worker that answers, or this thread. */
async function connect(worker: WorkerOptions, { compiler }: LoadOptions): Promise<Connection> {
  const here = async (reason: string): Promise<Connection> => {
    const { createHost } = await import("./host.ts");
    const host = createHost(compiler === undefined ? {} : { compiler });
    return {
      host,
      place: { kind: "here", reason },
      lost: new Promise<never>(() => {}),
      end: () => host.dispose(),
    };
  };
  if (worker.start === undefined && typeof Worker === "undefined") return here("there are no workers here");
  let started: Worker | SharedWorker | MessagePort;
  try {
    started = (worker.start ?? startWorker)();
  } catch (error) {
    return here(`the worker cannot be started: ${reasonOf(error)}`);
  }
  const place: Place = { kind: "worker" };
  const port = "port" in started ? started.port : started;
  if (port instanceof MessagePort) port.start();
  let lose: (error: TilewrightError) => void = () => {};
  const lost = new Promise<never>((_, reject) => (lose = reject));
  lost.catch(() => {});
  const failed = new Promise<string>((resolve) => {
    (started as Worker).addEventListener("error", (event) => {
      const reason = (event as ErrorEvent).message || "its script cannot be loaded";
      resolve(reason);
      lose(new TilewrightError("worker-lost", `the worker failed: ${reason}`));
    });
  });
  const host = wrap<Host>(port) as unknown as Host;
  const { locks } = navigator as Partial<Navigator>;
  const name = `tilewright worker ${Date.now()} ${Math.random()} ${count++}`;
  const watching = new AbortController();
  const answers =
    locks === undefined ? host.state().then(() => undefined) : host.hold(name).then(() => undefined);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, START_TIMEOUT_MS, "it did not answer in time");
  });
  const failure = await Promise.race([answers, failed, late]);
  clearTimeout(timer);
  if (failure !== undefined) {
    end();
    return here(`the worker cannot be started: ${failure}`);
  }
  // To be had only when the worker is gone.
  locks
    ?.request(name, { signal: watching.signal }, () => {
      lose(new TilewrightError("worker-lost", "the worker is gone: it was terminated or died"));
    })
    .catch(() => {});
  if (!(started instanceof Worker)) {
    // The other way round: a shared worker lives longer than a page.
    const own = `${name} page`;
    locks
      ?.request(own, { signal: watching.signal }, () => {
        void host.outlive(own);
        return new Promise((_, reject) => watching.signal.addEventListener("abort", reject));
      })
      .catch(() => {});
  }
  return { host, place, lost, end };

  function end(): void {
    watching.abort();
    if (started instanceof Worker) started.terminate();
    else {
      void host.dispose();
      setTimeout(() => port instanceof MessagePort && port.close());
    }
  }
}

/** The source as something that can cross, read here only where it cannot. */
async function sendSource(source: Source, signal: AbortSignal | undefined): Promise<SentSource> {
  if (typeof source === "string" || source instanceof URL) {
    const base = (globalThis as { readonly location?: Location }).location?.href;
    return { kind: "address", url: new URL(source, base).href };
  }
  if (source instanceof Request) {
    const { method, credentials, mode, cache, redirect, referrer, integrity } = source;
    const headers = [...source.headers] as [string, string][];
    // A request of a page that navigates is none that may be made again.
    const init: RequestInit = {
      method,
      credentials,
      cache,
      redirect,
      referrer,
      integrity,
      headers,
      ...(mode === "navigate" ? {} : { mode }),
    };
    return { kind: "address", url: source.url, init };
  }
  if (source instanceof Blob) return { kind: "bytes", content: source };
  const { content } = await openSource(source, signal);
  if (content instanceof ReadableStream && !canTransfer()) {
    return { kind: "bytes", content: await new Response(content).arrayBuffer() };
  }
  return { kind: "bytes", content };
}

/** Whether streams cross to workers here. */
function canTransfer(): boolean {
  const stream = new ReadableStream();
  try {
    structuredClone(stream, { transfer: [stream] });
    return true;
  } catch {
    return false;
  }
}
