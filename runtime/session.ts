/**
 * What a caller holds. In: an engine, that is a bound program or a late model. Out: runs, checked before they
 * start and answered in the order in which they were asked for. Invariant: inputs are read before `run` returns to
 * the caller (copied where the run has to wait), outputs are the caller's own; after `dispose` nothing runs.
 */
import { type BoundEngine, type Device } from "./device.ts";
import { copyOf, type NumericData, type Tensor } from "./dtype.ts";
import { nearestName, TilewrightError } from "./errors.ts";
import { type Feature, type Port } from "./format.ts";
import { readInputs, type TensorLike } from "./inputs.ts";
import { checkInto, type Into } from "./into.ts";
import { type LateModel } from "./late.ts";
import { type Program } from "./program.ts";
import { type Profile, type ProfileOptions } from "./profile.ts";
import { throwIfAborted } from "./reader.ts";
import { LoadRecord, type SessionStats } from "./stats.ts";
import { type Threads } from "./threads/shared.ts";
import { type GpuEngine, type GpuStats } from "./webgpu/engine.ts";
import { type GpuInput, type GpuOutputs, type Location } from "./webgpu/types.ts";

/** What runs: a program with fixed shapes, or a model that is bound to shapes as they come. */
export type Engine =
  | { readonly kind: "bound"; readonly bound: BoundEngine }
  | { readonly kind: "late"; readonly model: LateModel };

export interface RunOptions {
  /** Rejects the run with `aborted` unless it is over; a program that is running is not interrupted. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Arrays that outputs are written to, by name, instead of new ones: for outputs of a megabyte and more, whose memory
   * is slow when it is new. An array is of the kind that holds the output's dtype and has room for it; the tensor that
   * comes back has it as its data, or the part of it that the output takes. Leave the arrays alone until then.
   */
  readonly into?: Into | undefined;
}

/** Of a session on the GPU. */
export interface GpuRunOptions extends RunOptions {
  /** Where outputs are wanted: "cpu", the default, "gpu", or by name either or a buffer of the caller's. */
  readonly location: Location;
}

/** Inputs by name. Buffers and pictures only where the session computes on the GPU. */
export type Inputs = Readonly<Record<string, TensorLike | GpuInput>>;

/** Outputs by name. */
export type Outputs = Record<string, Tensor>;

/**
 * A loaded model; made by `load`.
 *
 * @example
 * const session = await load("/models/digits.tile");
 * console.log(session.inputs); // [{ name: "image", dtype: "float32", shape: [1, 1, 28, 28] }]
 * const { probabilities } = await session.run({ image: pixels });
 * console.log(probabilities.shape, probabilities.data);
 * session.dispose();
 */
export class Session {
  /** Name of the model. */
  readonly name: string;
  /** What `run` takes; a string in a shape is a dimension that each run chooses. */
  readonly inputs: readonly Port[];
  /** What `run` gives; a string in a shape is a dimension that depends on the inputs. */
  readonly outputs: readonly Port[];
  /** "bound": shapes are fixed and no compiler is involved; "late": programs are bound to shapes as they come. */
  readonly kind: Engine["kind"];
  /** What came of the inputs that `load` was given as `firstRun`; it is yours: set it to undefined when you are done. */
  firstOutputs: Outputs | undefined;
  #engine: Engine | undefined;
  readonly #record: LoadRecord;
  #runs = 0;
  #lastRun = 0;
  /** Settles when the last run that was asked for is over; never rejects. */
  #last: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(engine: Engine, name: string, record = new LoadRecord()) {
    this.#engine = engine;
    this.#record = record;
    this.name = name;
    this.kind = engine.kind;
    if (engine.kind === "bound") {
      const { plan } = engine.bound.program;
      this.inputs = plan.inputs.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
      this.outputs = plan.outputs.map(({ name, dtype, shape, dynamicDim }) => ({
        name,
        dtype,
        shape: shape.map((dim, axis) => (axis === dynamicDim ? `<=${dim}` : dim)),
      }));
    } else {
      this.inputs = engine.model.stage.inputs;
      this.outputs = engine.model.stage.outputs;
    }
  }

  /** Bytes of WebAssembly memory that the session's programs hold now; of the GPU's, see {@link gpuStats}. */
  get memoryBytes(): number {
    const memories = new Set<WebAssembly.Memory>();
    let sum = 0;
    for (const engine of this.#engines()) {
      if (engine.kind === "wasm") memories.add(engine.program.memory);
      else sum += engine.program.stats.hostBytes;
    }
    for (const { buffer } of memories) sum += buffer.byteLength;
    return sum;
  }

  /** The level of the code in use: what the engine was found to support. Undefined while nothing is bound, and on WebGPU. */
  get variant(): Feature | "scalar" | undefined {
    const engine = this.#engines().at(-1);
    if (engine?.kind !== "wasm") return undefined;
    const { requires } = engine.program.variant;
    return requires.includes("relaxed-simd") ? "relaxed-simd" : (requires[0] ?? "scalar");
  }

  /** On how many threads runs are computed, and why on no more. Undefined while nothing is bound, and on WebGPU. */
  get threads(): Threads | undefined {
    const engine = this.#engines().at(-1);
    return engine?.kind === "wasm" ? engine.program.threads : undefined;
  }

  /** What runs are computed on, and why on that. Undefined while nothing is bound. */
  get device(): Device | undefined {
    const engine = this.#engines().at(-1);
    return engine?.kind === "webgpu" ? engine.program.device : engine?.device;
  }

  /** What runs on WebGPU have done so far, and what the program holds there. Undefined on WebAssembly. */
  get gpuStats(): GpuStats | undefined {
    const engine = this.#engines().at(-1);
    return engine?.kind === "webgpu" ? engine.program.stats : undefined;
  }

  /** What the compiler reported about the most recent program, if anything. */
  get report(): Readonly<Record<string, unknown>> | undefined {
    return this.#engines().at(-1)?.program.plan.report;
  }

  /**
   * One inference. Inputs may be tensors, typed arrays or lists of numbers or strings; dtype and shape follow from
   * {@link inputs} where they are left out. Several runs may be asked for at once; they are answered in order. On
   * WebGPU, inputs may also be `GPUBuffer`s of `session.device.gpu` and pictures (a canvas, an ImageBitmap, a frame of
   * video), and `location` says which outputs stay there.
   *
   * @throws TilewrightError `input-unknown`, `input-missing`, `input-dtype`, `input-shape`, `output-unknown`,
   * `output-unfit` (before anything runs, but for the size of outputs that is open until then), `run-failed` (the
   * session stays usable), `aborted`, `disposed`, `device-lost`
   * @example
   * const { probabilities } = await session.run({ image: pixels });
   * await session.run({ image: { shape: [1, 1, 28, 28], data: [...pixels] } }); // lists of numbers are converted
   * await session.run({ image }, { into: { probabilities: kept } }); // kept: a Float32Array, used again and again
   * @example
   * const { depth } = await session.run({ image: canvas }, { location: "gpu" });
   * if (depth && "buffer" in depth) draw(depth.buffer); // and depth.buffer.destroy() when it is no longer needed
   */
  run(inputs: Inputs, options: GpuRunOptions): Promise<GpuOutputs>;
  run(inputs?: Inputs, options?: RunOptions): Promise<Outputs>;
  async run(inputs: Inputs = {}, options: RunOptions & Partial<GpuRunOptions> = {}): Promise<GpuOutputs> {
    const engine = this.#alive();
    const { signal, location, into } = options;
    throwIfAborted(signal);
    if (into !== undefined) checkInto(into, this.outputs);
    if (engine.kind === "bound" && engine.bound.kind === "webgpu") {
      const start = performance.now();
      const running = engine.bound.program.runValues(this, inputs, location, into);
      const result = running.then((outputs) => {
        this.#ran(start);
        return outputs;
      });
      return signal === undefined ? result : orAborted(result, signal);
    }
    if (location !== undefined && location !== "cpu") {
      const which = engine.kind === "late" ? "binds shapes as they come" : "computes on WebAssembly";
      throw new TilewrightError("option-invalid", `location: this session ${which}, outputs are in memory`);
    }
    const tensors = readInputs(this.inputs, inputs as Readonly<Record<string, TensorLike>>);
    if (engine.kind === "bound") {
      const program = this.boundProgram("run");
      return Object.fromEntries(this.#timed(() => program.run(tensors, into)));
    }

    const copies = new Map([...tensors].map(([name, tensor]) => [name, copyOf(tensor)]));
    const check = (): void => {
      this.#alive();
      throwIfAborted(signal);
    };
    const result = this.#last.then(async () => {
      const start = performance.now();
      const outputs = await engine.model.run(copies, check, into);
      this.#ran(start);
      return outputs;
    });
    this.#last = result.catch(() => {});
    const outputs = await (signal === undefined ? result : orAborted(result, signal));
    return Object.fromEntries(outputs);
  }

  /**
   * The run that `load` makes; a program on WebAssembly may have made it while it was opened.
   *
   * @internal
   */
  async runFirst(inputs: Inputs): Promise<void> {
    const engine = this.#alive();
    if (engine.kind === "bound" && engine.bound.kind === "wasm" && engine.bound.hasRun === true) {
      this.firstOutputs = Object.fromEntries(engine.bound.program.read());
      this.#runs++;
    } else this.firstOutputs = await this.run(inputs);
  }

  /**
   * One inference, at once, where that is possible: in a session of kind "bound" on WebAssembly.
   *
   * @throws TilewrightError as {@link run}; `run-failed` in a session of kind "late"
   * @example const { probabilities } = session.runSync({ image: pixels });
   */
  runSync(inputs: Inputs = {}, { into }: Pick<RunOptions, "into"> = {}): Outputs {
    const program = this.boundProgram("runSync");
    const tensors = readInputs(this.inputs, inputs as Readonly<Record<string, TensorLike>>);
    if (into !== undefined) checkInto(into, this.outputs);
    return Object.fromEntries(this.#timed(() => program.run(tensors, into)));
  }

  /**
   * The memory that the next run reads an input from, to be filled by the caller: no copy is made. A run may overwrite
   * it, so fill it before each. Sessions of kind "bound" only.
   *
   * @throws TilewrightError `input-unknown`, `disposed`; `run-failed` in a session of kind "late"
   * @example
   * const image = session.input("image") as Float32Array; // once
   * image.set(pixels);
   * session.invoke();
   * const digit = (session.output("probabilities") as Float32Array).indexOf(1);
   */
  input(name: string): NumericData {
    return this.#view(name, this.inputs, "input");
  }

  /**
   * The memory that runs write an output to: what the last one left there, valid up to the next. Where the size of an
   * output depends on data, it is all the room that there is.
   *
   * @throws TilewrightError `input-unknown`, `disposed`; `run-failed` in a session of kind "late"
   * @example const probabilities = session.output("probabilities");
   */
  output(name: string): NumericData {
    return this.#view(name, this.outputs, "output");
  }

  /**
   * One inference, at once, from the memory of the inputs to that of the outputs; nothing is allocated.
   *
   * @throws TilewrightError `run-failed`, `disposed`
   * @example session.invoke();
   */
  invoke(): void {
    const program = this.boundProgram("invoke");
    this.#timed(() => program.invoke());
  }

  /**
   * What loading took, where the bytes came from, what was run, and what did not go as it was asked for.
   *
   * @example
   * const { load, cache, warnings } = session.stats();
   * console.log(cache?.outcome, load.total, warnings);
   */
  stats(): SessionStats {
    const { place, loadedBytes, cache, programs, warnings } = this.#record;
    return {
      place,
      load: this.#record.times(),
      loadedBytes,
      cache: cache?.(),
      programs: { ...programs },
      runs: this.#runs,
      lastRun: this.#lastRun,
      memoryBytes: this.memoryBytes,
      warnings: [...warnings],
    };
  }

  /**
   * Where the time of a run goes, call by call, against what this device can do: `profile` of `tilewright/profile`,
   * which is downloaded when it is asked for.
   *
   * @throws TilewrightError `profile-needed` unless the program was compiled with `profile: true`, and as {@link run}
   * @example const { totalMilliseconds, calls } = await session.profile({ image: pixels });
   */
  async profile(inputs: Inputs = {}, options: ProfileOptions = {}): Promise<Profile> {
    const { profile } = await import("./profile.ts");
    return profile(this, inputs, options);
  }

  #view(name: string, ports: readonly Port[], what: "input" | "output"): NumericData {
    const program = this.boundProgram(what);
    if (ports.some((port) => port.name === name)) return program.view(what, name);
    const names = ports.map((port) => port.name);
    const nearest = nearestName(name, names);
    const hint = nearest === undefined ? `there are ${names.join(", ")}` : `did you mean "${nearest}"?`;
    throw new TilewrightError("input-unknown", `the model has no ${what} "${name}": ${hint}`);
  }

  /**
   * The program of a session of kind "bound" on WebAssembly, for `runtime/profile.ts`: `wanted` names what needs it.
   *
   * @internal
   */
  boundProgram(wanted: string): Program {
    const engine = this.#alive();
    if (engine.kind === "bound" && engine.bound.kind === "wasm") return engine.bound.program;
    const why =
      engine.kind === "late"
        ? `needs a session whose shapes are fixed; this one binds them as they come, use run`
        : `needs a session on WebAssembly; this one computes on the GPU, use run`;
    throw new TilewrightError("run-failed", `${wanted} ${why}`);
  }

  /**
   * The engine of a session that computes on the GPU, for `runtime/profile.ts`.
   *
   * @internal
   */
  gpuEngine(): GpuEngine | undefined {
    const engine = this.#alive();
    return engine.kind === "bound" && engine.bound.kind === "webgpu" ? engine.bound.program : undefined;
  }

  /** Frees the memory. Runs that still wait are rejected with `disposed`, as are later ones. May be called again. */
  dispose(): void {
    if (this.#engine?.kind === "late") this.#engine.model.dispose();
    else this.#engine?.bound.program.dispose();
    this.#engine = undefined;
  }

  #timed<T>(run: () => T): T {
    const start = performance.now();
    const result = run();
    this.#ran(start);
    return result;
  }

  #ran(start: number): void {
    this.#runs++;
    this.#lastRun = performance.now() - start;
  }

  #alive(): Engine {
    if (this.#engine !== undefined) return this.#engine;
    throw new TilewrightError("disposed", `the session of "${this.name}" has been disposed of`);
  }

  #engines(): readonly BoundEngine[] {
    if (this.#engine === undefined) return [];
    return this.#engine.kind === "bound" ? [this.#engine.bound] : this.#engine.model.engines;
  }
}

/** The result, or `aborted` as soon as the signal says so, even while another run is being waited for. */
function orAborted<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(new TilewrightError("aborted", "aborted by the caller", signal.reason));
    signal.addEventListener("abort", abort, { once: true });
    result.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
