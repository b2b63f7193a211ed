/**
 * A session that runs in a worker, as its caller sees it. In: the same calls as on `Session`. Out: the same answers,
 * as promises. Invariants: inputs are checked before anything crosses, and taken (handed over or copied) before `run`
 * returns; runs are answered in order; at most two are in the worker, so that one that is aborted while it waits never
 * begins; a worker that is gone rejects everything that waits for it and everything asked for later.
 */
import { transfer } from "comlink";
import { type Device } from "../device.ts";
import { allocate, elementCount, type NumericData, type Tensor } from "../dtype.ts";
import { nearestName, TilewrightError } from "../errors.ts";
import { type Feature, type Port } from "../format.ts";
import { readInputs, type TensorLike } from "../inputs.ts";
import { checkInto, type Into, roomFor } from "../into.ts";
import { type Profile, type ProfileOptions } from "../profile.ts";
import { throwIfAborted } from "../reader.ts";
import { type Inputs, type Outputs } from "../session.ts";
import { type SessionStats } from "../stats.ts";
import { type Threads } from "../threads/shared.ts";
import { type Place } from "../stats.ts";
import { type WorkerOptions, type WorkerRunOptions } from "./options.ts";
import {
  type Host,
  type Loaded,
  receiveError,
  type Reply,
  type SessionState,
  type Views,
} from "./protocol.ts";

const DEFAULT_QUEUE = 16;
/** Runs that are in the worker at once: while one runs the next is on its way. */
const IN_FLIGHT = 2;

/** The way to a host: a worker's, or one in this thread. */
export interface Connection {
  readonly host: Host;
  readonly place: Place;
  /** Rejects when the worker is gone, with `worker-lost`. */
  readonly lost: Promise<never>;
  /** Ends the worker. */
  end(): void;
}

/** What is in the GPU's memory, and pictures, do not cross: they are refused as inputs of no known type. */
type TensorInputs = Readonly<Record<string, TensorLike>>;

interface Waiting {
  begin(): Promise<void>;
  fail(error: unknown): void;
}

/** A loaded model in a worker; made by `load` with the option `worker`. */
export class WorkerSession {
  readonly name: string;
  /** As in a `Session`. */
  readonly kind: "bound" | "late";
  /** What `run` takes. */
  readonly inputs: readonly Port[];
  /** What `run` gives. */
  readonly outputs: readonly Port[];
  /** As in a `Session`. */
  firstOutputs: Outputs | undefined;
  readonly #connection: Connection;
  readonly #options: WorkerOptions;
  readonly #shared: Loaded["shared"];
  #state: SessionState;
  #ended: TilewrightError | undefined;
  #inFlight = 0;
  readonly #waiting: Waiting[] = [];
  /** Memory of inputs and outputs on this side, where it is not shared. */
  readonly #staged = new Map<string, NumericData>();

  /** @internal */
  constructor(connection: Connection, loaded: Loaded, options: WorkerOptions) {
    this.#connection = connection;
    this.#options = options;
    this.name = loaded.name;
    this.kind = loaded.kind;
    this.inputs = loaded.inputs;
    this.outputs = loaded.outputs;
    this.firstOutputs = loaded.firstOutputs && { ...loaded.firstOutputs };
    this.#shared = loaded.shared;
    this.#state = loaded.state;
    connection.lost.catch((error: unknown) => this.#end(error as TilewrightError));
  }

  /** Bytes of WebAssembly memory that the session held after the last run. */
  get memoryBytes(): number {
    return this.#ended === undefined ? this.#state.memoryBytes : 0;
  }

  /** As of `Session`. */
  get variant(): Feature | "scalar" | undefined {
    return this.#state.variant;
  }

  /** As of `Session`, without the GPU's own object. */
  get device(): Omit<Device, "gpu"> | undefined {
    return this.#state.device;
  }

  /** As of `Session`, after the last run. */
  get threads(): Threads | undefined {
    return this.#state.threads;
  }

  /** As of `Session`, after the last run. */
  get report(): Readonly<Record<string, unknown>> | undefined {
    return this.#state.report;
  }

  /**
   * One inference. Arrays that are the whole of their buffer are handed over to the worker, and empty afterwards,
   * unless `transfer` is false.
   *
   * @throws TilewrightError as `Session.run`, and `queue-full`, `worker-lost`
   * @example
   * const session = await load("/models/digits.tile", { worker: true });
   * const { probabilities } = await session.run({ image: pixels }, { transfer: false }); // pixels stays usable
   */
  async run(inputs: Inputs = {}, options: WorkerRunOptions = {}): Promise<Outputs> {
    const { signal, into, transfer: mayTake = this.#options.transfer ?? true } = options;
    throwIfAborted(signal);
    this.#checkRoom();
    const tensors = readInputs(this.inputs, inputs as TensorInputs);
    if (into !== undefined) checkInto(into, this.outputs);
    const taken = Object.fromEntries(
      [...tensors].map(([name, tensor]) => [name, takeTensor(tensor, mayTake)]),
    );
    const { outputs } = await this.#queued(async (host) => {
      const buffers = buffersOf(Object.values(taken).map(({ data }) => data));
      return this.#value(await host.run(transfer(taken, buffers)));
    }, signal);
    return into === undefined ? { ...outputs } : putInto(outputs, into);
  }

  /** Not in a worker: a page cannot wait for one. @throws TilewrightError `worker-only` */
  runSync(_inputs: Inputs = {}): Outputs {
    throw new TilewrightError(
      "worker-only",
      "runSync needs a session in this thread; this one is in a worker, use run",
    );
  }

  /**
   * The memory of an input, to be filled before {@link invoke}: the program's own where it is shared (on a page that
   * is cross-origin isolated, with more than one thread), else an array that `invoke` copies.
   *
   * @throws TilewrightError as `Session.input`
   */
  input(name: string): NumericData {
    return this.#view(name, "inputs");
  }

  /** What the last {@link invoke} left in an output. @throws TilewrightError as `Session.output` */
  output(name: string): NumericData {
    return this.#view(name, "outputs");
  }

  /**
   * One inference from the memory of the inputs to that of the outputs.
   *
   * @throws TilewrightError as `Session.invoke`, and `queue-full`, `worker-lost`
   * @example
   * const session = await load("/models/digits.tile", { worker: true });
   * (session.input("image") as Float32Array).set(pixels);
   * await session.invoke();
   * const probabilities = session.output("probabilities");
   */
  async invoke(): Promise<void> {
    this.#bound("invoke");
    this.#checkRoom();
    const inputs: Views | undefined =
      this.#shared && !(this.#connection.place.kind === "here")
        ? undefined
        : Object.fromEntries(this.inputs.map(({ name }) => [name, this.input(name).slice()]));
    const { outputs } = await this.#queued(async (host) => {
      if (inputs === undefined) return this.#value(await host.invoke());
      return this.#value(await host.invoke(transfer(inputs, buffersOf(Object.values(inputs)))));
    }, undefined);
    for (const [name, data] of Object.entries(outputs ?? {})) this.output(name).set(data as never);
  }

  /** As `Session.profile`; an aborted one goes on in the worker, and nobody hears of it. */
  async profile(inputs: Inputs = {}, options: ProfileOptions = {}): Promise<Profile> {
    this.#bound("profile");
    this.#checkRoom();
    const { runs, signal } = options;
    throwIfAborted(signal);
    const tensors = Object.fromEntries(
      [...readInputs(this.inputs, inputs as TensorInputs)].map(([name, tensor]) => [
        name,
        takeTensor(tensor, false),
      ]),
    );
    return this.#queued(async (host) => {
      const reply = await host.profile(tensors, runs === undefined ? {} : { runs });
      return valueOf(reply as Reply<Profile>, this.#options);
    }, signal);
  }

  /** As `Session.stats`, after the last run; what came later is in it after {@link refresh}. */
  stats(): SessionStats {
    return { ...this.#state.stats, place: this.#connection.place };
  }

  /** Asks the worker how things stand: warnings of what goes on in the background, threads, memory. */
  async refresh(): Promise<SessionStats> {
    this.#alive();
    this.#state = valueOf(await this.#orLost(this.#connection.host.state()), this.#options);
    return this.stats();
  }

  /** Ends the worker and frees all that it has. Runs that wait are rejected with `disposed`. May be called again. */
  dispose(): void {
    if (this.#ended !== undefined) return;
    this.#end(new TilewrightError("disposed", `the session of "${this.name}" has been disposed of`));
    this.#connection.end();
  }

  #end(reason: TilewrightError): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    for (const waiting of this.#waiting.splice(0)) waiting.fail(reason);
    this.#staged.clear();
    this.#failed.abort(reason);
  }

  /** Aborted when the session ends, with the reason. */
  readonly #failed = new AbortController();

  #alive(): void {
    if (this.#ended !== undefined) throw this.#ended;
  }

  #checkRoom(): void {
    this.#alive();
    const most = this.#options.queue ?? DEFAULT_QUEUE;
    if (this.#inFlight + this.#waiting.length >= most) {
      const hint = "wait for an answer before asking again, or raise the option worker: { queue }";
      throw new TilewrightError("queue-full", `${most} runs are waiting already: ${hint}`);
    }
  }

  /** Runs `work` when its turn comes; ends early when the signal is aborted or the session ends. */
  #queued<T>(work: (host: Host) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const aborted = (): void => {
        const at = this.#waiting.indexOf(waiting);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(new TilewrightError("aborted", "aborted by the caller", signal?.reason));
      };
      const ended = (): void => reject(this.#ended);
      const stop = (): void => {
        signal?.removeEventListener("abort", aborted);
        this.#failed.signal.removeEventListener("abort", ended);
      };
      const waiting: Waiting = {
        begin: async () => {
          this.#inFlight++;
          try {
            resolve(await this.#orLost(work(this.#connection.host)));
          } catch (error) {
            reject(error);
          } finally {
            this.#inFlight--;
            stop();
            this.#next();
          }
        },
        fail: (error) => {
          stop();
          reject(error);
        },
      };
      signal?.addEventListener("abort", aborted, { once: true });
      this.#failed.signal.addEventListener("abort", ended, { once: true });
      this.#waiting.push(waiting);
      this.#next();
    });
  }

  #next(): void {
    if (this.#ended !== undefined || this.#inFlight >= IN_FLIGHT) return;
    void this.#waiting.shift()?.begin();
  }

  #orLost<T>(answer: Promise<T>): Promise<T> {
    return Promise.race([answer, this.#connection.lost]);
  }

  #value<T extends { readonly state: SessionState }>(reply: Reply<T>): T {
    const value = valueOf(reply, this.#options);
    this.#state = value.state;
    return value;
  }

  #bound(wanted: string): void {
    this.#alive();
    if (this.kind === "bound") return;
    const what = `${wanted} needs a session whose shapes are fixed; this one binds them as they come, use run`;
    throw new TilewrightError("run-failed", what);
  }

  #view(name: string, what: "inputs" | "outputs"): NumericData {
    this.#bound(what === "inputs" ? "input" : "output");
    const port = this[what].find((one) => one.name === name);
    if (port === undefined) {
      const names = this[what].map((one) => one.name);
      const nearest = nearestName(name, names);
      const hint = nearest === undefined ? `there are ${names.join(", ")}` : `did you mean "${nearest}"?`;
      throw new TilewrightError(
        "input-unknown",
        `there is no ${what === "inputs" ? "input" : "output"} "${name}": ${hint}`,
      );
    }
    const shared = this.#shared?.[what][name];
    if (shared !== undefined) return shared;
    const key = `${what} ${name}`;
    let staged = this.#staged.get(key);
    if (staged === undefined) {
      // An output whose size depends on data has the room of the largest: "<=300".
      const shape = port.shape.map((dim) => (typeof dim === "number" ? dim : Number(dim.replace("<=", ""))));
      staged = allocate(port.dtype, elementCount(shape)) as NumericData;
      this.#staged.set(key, staged);
    }
    return staged;
  }
}

/** Outputs whose elements are moved to where the caller wants them. */
function putInto(outputs: Readonly<Outputs>, into: Into): Outputs {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, tensor]) => {
      const room = into[name];
      const { dtype, data } = tensor;
      if (room === undefined || !ArrayBuffer.isView(data)) return [name, tensor];
      const target = roomFor(name, dtype, data.length, room);
      target.set(data as never);
      return [name, { ...tensor, data: target }];
    }),
  );
}

/** The value of a reply. @throws the error of one, as it was thrown on the other side */
export function valueOf<T>(reply: Reply<T>, { revive }: Pick<WorkerOptions, "revive">): T {
  if ("error" in reply) throw receiveError(reply.error, revive);
  return reply.value;
}

/** The tensor with elements that are ours alone: taken from the caller where that is allowed and possible. */
function takeTensor(tensor: Tensor, mayTake: boolean): Tensor {
  const { data } = tensor;
  if (!ArrayBuffer.isView(data)) return { ...tensor, data: [...data] };
  const { buffer } = data;
  const isWhole = buffer instanceof ArrayBuffer && data.byteLength === buffer.byteLength;
  if (mayTake && isWhole) {
    try {
      return { ...tensor, data: structuredClone(data, { transfer: [buffer] }) };
    } catch {
      // Memory of WebAssembly cannot be handed over.
    }
  }
  return { ...tensor, data: data.slice() };
}

function buffersOf(contents: readonly Tensor["data"][]): ArrayBuffer[] {
  return contents.flatMap((data) =>
    ArrayBuffer.isView(data) && data.buffer instanceof ArrayBuffer ? [data.buffer] : [],
  );
}
