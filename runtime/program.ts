/**
 * A bound program in memory. In: its plan, a memory with the weights in place, and its compiled modules. Out: an
 * object that turns inputs into outputs, synchronously. Invariant: outputs are copies, unless a caller asks for views
 * of the program's memory; these stay valid, since a memory of one program never grows (commonMemory.ts has others).
 */
import { bytesPerElement, elementCount, type NumericData, type Tensor, viewOf } from "./dtype.ts";
import { TilewrightError } from "./errors.ts";
import { type BoundPlan, type InputSlot, type OutputSlot, type Variant } from "./format.ts";
import { mathFunction } from "./format/header.ts";
import { type NumericTensor } from "./inputs.ts";
import { type Into, roomFor } from "./into.ts";
import { Slices } from "./slices.ts";
import { joinThreads, type Team } from "./threads/pool.ts";
import { type ThreadChoice, type Threads } from "./threads/shared.ts";

export const PAGE_BYTES = 2 ** 16;

/** Pages of a memory of so many bytes. */
export function pagesOf(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / PAGE_BYTES));
}

/**
 * The memory of a program: exactly the pages that it needs, fixed unless `most` is given.
 *
 * @throws TilewrightError `out-of-memory`
 */
export function createMemory(bytes: number, shared = false, most = pagesOf(bytes)): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: pagesOf(bytes), maximum: most, shared });
  } catch (cause) {
    throw new TilewrightError("out-of-memory", `${bytes} bytes of memory cannot be had`, cause);
  }
}

/** What a program is put together from. */
export interface ProgramParts {
  readonly plan: BoundPlan;
  readonly variant: Variant;
  /** With the weights in place. */
  readonly memory: WebAssembly.Memory;
  /** Of the variant, instantiated over that memory, and what it exports. */
  readonly module: WebAssembly.Module;
  readonly exports: WebAssembly.Exports;
  /** More than one only with shared memory. */
  readonly threads: ThreadChoice;
  /** Bytes of the memory that are there for this program alone. */
  readonly ownBytes: number;
}

/**
 * A program whose weights are prepared.
 *
 * @throws TilewrightError `artifact-malformed` when the module does not fit the plan
 */
export function createProgram(parts: ProgramParts): Program {
  const { plan, memory, module, exports, threads, ownBytes } = parts;
  const run = callable(exports, "run") as RunFunction;
  const { control } = plan;
  const team: Team =
    threads.count > 1 && control !== undefined
      ? joinThreads({ control, math: plan.math, module, memory, run, ownBytes }, threads.count)
      : { ready: 1, helped: 0, run: () => run(0, 1, 0, 0), leave: () => {} };
  return new Program(parts, team);
}

/**
 * An instance of the module in `section`, with the libraries and functions that the plan names.
 *
 * @throws TilewrightError `artifact-malformed` when the modules do not fit the plan
 */
export async function instantiate(
  plan: BoundPlan,
  section: string,
  memory: WebAssembly.Memory,
  modules: ReadonlyMap<string, WebAssembly.Module>,
): Promise<WebAssembly.Exports> {
  const moduleOf = (name: string): WebAssembly.Module => {
    const module = modules.get(name);
    if (module === undefined) throw new TilewrightError("artifact-malformed", `section "${name}" is missing`);
    return module;
  };
  const abort = (): never => {
    throw new Error("a library kernel gave up");
  };
  try {
    const libraries = await Promise.all(
      plan.libraries.map(async ({ name, export: exportName, section }) => {
        const instance = await WebAssembly.instantiate(moduleOf(section), { env: { memory, abort } });
        return [name, callable(instance.exports, exportName)] as const;
      }),
    );
    const instance = await WebAssembly.instantiate(moduleOf(section), {
      env: { memory, abort },
      lib: Object.fromEntries(libraries),
      math: Object.fromEntries(plan.math.map((name) => [name, mathFunction(name)!])),
    });
    return instance.exports;
  } catch (cause) {
    if (cause instanceof TilewrightError) throw cause;
    throw new TilewrightError(
      "artifact-malformed",
      `the code does not fit the plan: ${cause as Error}`,
      cause,
    );
  }
}

/** Lets the engine know which kernels it should compile well, while weights are still on their way. */
export async function warmUp(exports: WebAssembly.Exports): Promise<void> {
  const warm = exports["warm"];
  if (typeof warm !== "function") return;
  const slices = new Slices();
  for (let kernel = 0; warm(kernel) === 1; kernel++) await slices.over();
}

/** A program's `run`: see {@link BoundPlan}. */
export type RunFunction = (thread: number, threads: number, turn: number, mayWait: number) => number;

export function callable(exports: WebAssembly.Exports, name: string): (...args: never[]) => unknown {
  const found = exports[name];
  if (typeof found !== "function") {
    throw new TilewrightError("artifact-malformed", `the code has no exported function "${name}"`);
  }
  return found as (...args: never[]) => unknown;
}

export function trapped(name: string, cause: unknown): TilewrightError {
  return new TilewrightError("run-failed", `the program of "${name}" trapped: ${cause as Error}`, cause);
}

/** The memory of each input. */
export function inputViews({ inputs }: BoundPlan, { buffer }: WebAssembly.Memory): NumericData[] {
  return inputs.map(({ dtype, shape, address }) => viewOf(dtype, buffer, address, elementCount(shape)));
}

/** Puts inputs in their places. They must have the dtypes and shapes of the plan. */
export function writeInputs(
  { inputs }: BoundPlan,
  views: readonly NumericData[],
  given: ReadonlyMap<string, Tensor>,
): void {
  inputs.forEach((slot, index) => {
    const tensor = given.get(slot.name);
    const view = views[index]!;
    if (tensor?.dtype !== slot.dtype || tensor.data.length !== view.length) {
      throw new TilewrightError("run-failed", `the program's input "${slot.name}" was not provided`);
    }
    // Both are the typed array that the dtype is held in.
    (view as Uint8Array).set(tensor.data as Uint8Array);
  });
}

/** A program that is ready to run. It stays usable after a run that failed. */
export class Program {
  readonly plan: BoundPlan;
  readonly variant: Variant;
  /** Of the module: a program that was compiled to be profiled has more than `run`. */
  readonly exports: WebAssembly.Exports;
  readonly memory: WebAssembly.Memory;
  readonly #choice: ThreadChoice;
  readonly #team: Team;
  #inputs: readonly NumericData[];

  constructor(parts: ProgramParts, team: Team) {
    const { plan, variant, threads, memory, exports } = parts;
    this.plan = plan;
    this.variant = variant;
    this.#choice = threads;
    this.exports = exports;
    this.memory = memory;
    this.#team = team;
    this.#inputs = inputViews(plan, memory);
  }

  get threads(): Threads {
    const { ready, helped } = this.#team;
    return { ...this.#choice, ready, helped };
  }

  /** The memory of an input or an output, which must be there: what a run reads, or what the last one wrote. */
  view(what: "input" | "output", name: string): NumericData {
    const { inputs, outputs } = this.plan;
    if (what === "output") return this.#view(outputs.find((slot) => slot.name === name)!);
    return this.#inputs[inputs.findIndex((slot) => slot.name === name)]!;
  }

  /** One inference from and to what {@link view} gives. */
  invoke(): void {
    try {
      this.#team.run();
    } catch (cause) {
      throw trapped(this.plan.name, cause);
    }
    this.check();
  }

  /** @throws TilewrightError `run-failed` where what the last run has left is no answer */
  check(): void {
    for (const { address, message } of this.plan.refusals ?? []) {
      const [refused] = new Uint8Array(this.memory.buffer, address, 1);
      if (refused) throw new TilewrightError("run-failed", message);
    }
  }

  /** Lets go of the threads. */
  dispose(): void {
    this.#team.leave();
  }

  #view({ dtype, shape, address }: InputSlot): NumericData {
    return viewOf(dtype, this.memory.buffer, address, elementCount(shape));
  }

  /**
   * One inference. The inputs must have the dtypes and shapes of the plan; more inputs than the plan has are left
   * aside.
   *
   * @param into arrays for outputs; what is not in it gets one of its own
   * @throws TilewrightError `run-failed`, `output-unfit`
   */
  run(inputs: ReadonlyMap<string, Tensor>, into: Into = {}): Map<string, NumericTensor> {
    this.write(inputs);
    this.invoke();
    return this.read(into);
  }

  /** What the last run has left. @throws TilewrightError as {@link run} */
  read(into: Into = {}): Map<string, NumericTensor> {
    return new Map(
      this.plan.outputs.map((slot) => {
        const { name } = slot;
        return [name, this.#read(slot, Object.hasOwn(into, name) ? into[name] : undefined)];
      }),
    );
  }

  /** Puts the inputs in their places, as {@link run} does: a run may overwrite them. */
  write(inputs: ReadonlyMap<string, Tensor>): void {
    // A memory that has grown has a new buffer.
    if (this.#inputs[0] && this.#inputs[0].buffer !== this.memory.buffer)
      this.#inputs = inputViews(this.plan, this.memory);
    writeInputs(this.plan, this.#inputs, inputs);
  }

  /** A copy of an output, in `into` where that is given. */
  #read(slot: OutputSlot, into: NumericData | undefined): NumericTensor {
    const shape = [...slot.shape];
    if (slot.dynamicDim !== undefined && slot.sizeAddress !== undefined) {
      const [size] = new Int32Array(this.memory.buffer, slot.sizeAddress, 1);
      const most = shape[slot.dynamicDim]!;
      if (size === undefined || size < 0 || size > most) {
        throw new TilewrightError(
          "run-failed",
          `output "${slot.name}" has size ${size} where at most ${most} has room`,
        );
      }
      shape[slot.dynamicDim] = size;
    }
    const count = elementCount(shape);
    // Copied as bytes: a float's bits must not pass through a number, which may change those of a NaN.
    const { name, dtype, address } = slot;
    const bytes = new Uint8Array(this.memory.buffer, address, count * bytesPerElement(dtype));
    if (into === undefined) return { dtype, shape, data: viewOf(dtype, bytes.slice().buffer, 0, count) };
    const data = roomFor(name, dtype, count, into);
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength).set(bytes);
    return { dtype, shape, data };
  }
}
