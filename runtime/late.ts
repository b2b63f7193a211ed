/**
 * A model whose shapes are bound when they come. In: the first stage of a model, as its compiler opened it, and
 * inputs with their shapes. Out: outputs, through one program or a chain of them, cut where shapes depend on data.
 * Invariant: programs are kept by everything that went into binding them (the stage, types, and values that it was
 * told), the least recently used leaving first; so equal runs bind nothing.
 */
import {
  type BoundStage,
  type RangedStage,
  type ShapeRange,
  type Stage,
  type TensorShape,
} from "./binder.ts";
import { type BoundProgram, type KeptPrograms, type Ports } from "./keptPrograms.ts";
import { copyOf, type NumericData, type Tensor } from "./dtype.ts";
import { TilewrightError } from "./errors.ts";
import { CommonMemory } from "./commonMemory.ts";
import { type Port } from "./format.ts";
import { namesOf } from "./format/container.ts";
import { type Into, roomFor } from "./into.ts";
import { type BoundEngine, type DeviceOptions, type openBound } from "./device.ts";
import { peekHeader } from "./open.ts";
import { numberOf, type RangedProgram, runRanged, type Shapes, SizeHistory, typesOf, type WantedRange } from "./ranges.ts"; // prettier-ignore
import { ByteReader } from "./reader.ts";
import { sha256Hex } from "./sha256.ts";

/** A stage by name; the compiler is asked for it only when something new has to be bound. */
interface NamedStage {
  /** Follows from how the stage was come by, so that it is the same in another session. */
  readonly id: string;
  readonly open: () => Promise<Stage>;
}

/** A stage that is ready: what runs its program, if it has one, and what was known without it. */
interface ReadyStage extends Pick<BoundStage, "constants"> {
  readonly engine: BoundEngine | undefined;
  /** Bytes of the common memory that are its own. */
  readonly own: number;
  /** Of a program for several sizes: which, and what it is a program of besides. */
  readonly ranged?: RangedProgram & { readonly group: string };
  readonly next:
    (Omit<NonNullable<BoundStage["next"]>, "stage"> & { readonly stage: NamedStage }) | undefined;
}

/** What runs, and bytes of the common memory that are its own. */
interface Placed {
  readonly engine?: BoundEngine;
  readonly own?: number;
}

type Tensors = ReadonlyMap<string, Tensor>;
/** What late sessions may be told besides. */
export interface LateOptions extends DeviceOptions {
  readonly ranges?: boolean | undefined;
}

/** Binds, keeps and runs the programs of one model. */
export class LateModel {
  /** Inputs and outputs of the whole model. */
  readonly stage: Ports;
  readonly #root: NamedStage;
  readonly #kept: KeptPrograms | undefined;
  readonly #capacity: number;
  readonly #options: LateOptions;
  /** Least recently used first. */
  readonly #ready = new Map<string, ReadyStage>();
  /** The names of stages that the compiler has given. */
  readonly #ids = new WeakMap<Stage, string>();
  readonly #sizes = new SizeHistory();
  readonly #start: typeof openBound;
  /** What programs lie in, where they need not be of use in another session. */
  #common: CommonMemory | undefined;

  /**
   * @param open the first stage, when it is needed
   * @param start what makes something that runs of a program; given, so that bundlers keep it where all find it
   * @param kept programs of earlier sessions
   */
  constructor(
    ports: Ports,
    open: () => Promise<Stage>,
    capacity: number,
    options: LateOptions,
    start: typeof openBound,
    kept?: KeptPrograms,
  ) {
    this.#start = start;
    this.stage = ports;
    this.#root = { id: "", open };
    this.#kept = kept;
    this.#capacity = Math.max(1, Math.floor(capacity));
    this.#options = { ...options, verify: false }; // the bytes come from the compiler at hand
    this.#common = this.#newMemory();
  }

  #newMemory(): CommonMemory | undefined {
    const { device = "wasm", memoryLimit, threads } = this.#options;
    return device === "wasm" && this.#kept?.keeps !== true
      ? new CommonMemory(memoryLimit, threads)
      : undefined;
  }

  /** What runs the programs that are ready, the most recently used last. */
  get engines(): readonly BoundEngine[] {
    return [...this.#ready.values()].flatMap(({ engine }) => engine ?? []);
  }

  /** Binds the first program if the inputs leave nothing open. */
  async prepare(): Promise<void> {
    const { inputs, demands = [] } = this.stage;
    const types = new Map<string, TensorShape>();
    for (const { name, dtype, shape, container } of inputs) {
      if (container !== undefined || dtype === "string") return;
      const fixed = shape.filter((dim) => typeof dim === "number");
      if (fixed.length === shape.length) types.set(name, { dtype, shape: fixed });
    }
    if (types.size === inputs.length && demands.length === 0) {
      await this.#bound(this.#root, types, new Map());
    }
  }

  /**
   * One inference.
   *
   * @param check called before every step; throws to stop the run
   * @param into arrays for outputs; what is not in it gets one of its own
   * @throws TilewrightError `run-failed`, `output-unfit`, what `check` throws, and whatever the compiler throws
   */
  async run(inputs: Tensors, check: () => void, into: Into = {}): Promise<Map<string, Tensor>> {
    try {
      return await this.#run(inputs, check, into);
    } catch (error) {
      if (!(error instanceof TilewrightError) || error.code !== "device-lost") throw error;
      // All programs on that GPU are gone: they are bound once more.
      this.dispose();
      return this.#run(inputs, check, into);
    }
  }

  async #run(inputs: Tensors, check: () => void, into: Into = {}): Promise<Map<string, Tensor>> {
    const ports = this.stage.outputs;
    const found = new Map<string, Tensor>();
    let stage = this.#root;
    let available = inputs;
    const strings = [...inputs].filter(([, { dtype }]) => dtype === "string").map(([name]) => name);
    let values = pick([...strings, ...(this.stage.demands ?? [])], inputs);
    for (;;) {
      check();
      const { engine, ranged, next, constants = {} } = await this.#bound(stage, available, values);
      check();
      const outputs = new Map<string, Tensor>([
        ...Object.entries(constants).map(
          ([name, known]) =>
            [name, Object.hasOwn(into, name) ? copyInto(name, known, into[name]!) : copyOf(known)] as const,
        ),
        ...(ranged
          ? runRanged(ranged, numberOf(ranged.range, available)!, available, into)
          : await runOn(engine, available, into)),
      ]);
      for (const [name, output] of outputs) if (isOutput(name, ports)) found.set(name, output);
      if (next === undefined) break;
      const results = new Map([...available, ...outputs]);
      stage = next.stage;
      values = pick(next.demands, results);
      available = pick(next.carried, results);
    }
    // In the order of the model, whichever program each came from.
    const wanted = ports.flatMap(({ name, container }) =>
      container === undefined ? [name] : namesOf(name, container, found),
    );
    return pick(wanted, found);
  }

  /** Frees all programs. */
  dispose(): void {
    for (const { program } of this.engines) program.dispose();
    this.#ready.clear();
    this.#common = this.#newMemory();
  }

  async #bound(stage: NamedStage, inputs: Shapes, values: Tensors): Promise<ReadyStage> {
    const key = keyOf(stage.id, inputs, values);
    const own = this.#used(key);
    if (own !== undefined) return own;
    const group = keyOf(stage.id, new Map(), values);
    const served = this.#rangeWith(group, inputs);
    const earnsOwn = served !== undefined && this.#sizes.comesAgain(key);
    if (served !== undefined && !earnsOwn) return this.#used(served)!;
    if (this.#common?.isWasted) this.dispose();
    const kept = await this.#kept?.get(key);
    const wanted = this.#sizes.came(group, inputs);
    const ranged = kept || earnsOwn ? undefined : await this.#forRange(stage, group, inputs, values, wanted);
    return ranged ?? this.#forShapes(stage, key, inputs, values, kept);
  }

  /** What is ready under a name, as the most recently used. */
  #used(name: string): ReadyStage | undefined {
    const ready = this.#ready.get(name);
    if (ready === undefined) return undefined;
    this.#ready.delete(name);
    this.#ready.set(name, ready);
    return ready;
  }

  /** The name of a program for a range with these sizes in it. */
  #rangeWith(group: string, inputs: Shapes): string | undefined {
    for (const [name, { ranged }] of this.#ready)
      if (ranged?.group === group && numberOf(ranged.range, inputs) !== undefined) return name;
    return undefined;
  }

  /** A program for inputs that grow or shrink from run to run, once they have; undefined where there is none. */
  async #forRange(
    stage: NamedStage,
    group: string,
    inputs: Shapes,
    values: Tensors,
    wanted: WantedRange | undefined,
  ): Promise<ReadyStage | undefined> {
    const { device = "wasm", ranges = true } = this.#options;
    if (!ranges || device !== "wasm") return undefined;
    const found = (await this.#kept?.ranges(group))?.find(
      ({ range }) => numberOf(range, inputs) !== undefined,
    );
    const artifact = found && (await this.#kept?.get(rangeKey(group, found.range)))?.artifact;
    if (artifact) return this.#asRange(group, found.range, { ...found, high: found.range.high, artifact });
    if (wanted === undefined) return undefined;
    const { range, at } = wanted;
    const { bindRange } = await stage.open();
    const ready = await this.#asRange(group, range, async () => {
      const made = await bindRange?.(range, at, Object.fromEntries(values), this.#common?.place);
      const kept = made && { ...range, high: made.high };
      if (made) this.#kept?.putRange(group, { ...made, range: kept! }, rangeKey(group, kept!));
      return made;
    });
    if (ready === undefined) this.#sizes.refuse(group);
    return ready;
  }

  async #asRange(
    group: string,
    wanted: ShapeRange,
    stage: RangedStage | (() => Promise<RangedStage | undefined>),
  ): Promise<ReadyStage | undefined> {
    let made: RangedStage | undefined;
    const make = async (): Promise<Partial<RangedStage>> =>
      (made = typeof stage === "function" ? await stage() : stage) ?? {};
    const { engine, own = 0 } = await this.#placed(make);
    if (made === undefined || engine?.kind !== "wasm") return undefined;
    const { parameter, outputs, high } = made;
    const range = { ...wanted, high };
    const ranged = { range, parameter, outputs, program: engine.program, group };
    const ready: ReadyStage = { engine, own, ranged, next: undefined };
    this.#ready.set(rangeKey(group, range), ready);
    return ready;
  }

  async #forShapes(
    stage: NamedStage,
    key: string,
    inputs: Shapes,
    values: Tensors,
    kept: BoundProgram | undefined,
  ): Promise<ReadyStage> {
    const bind = async (): Promise<BoundStage> =>
      (await stage.open()).bind(
        Object.fromEntries(typesOf(inputs)),
        Object.fromEntries(values),
        this.#common?.place,
      );
    let found: BoundProgram | undefined = kept;
    const { engine, own = 0 } = await this.#placed(async () => (found = kept ?? (await this.#compiled(key, bind)))); // prettier-ignore
    const { constants, next } = found!;
    const open = next && (async () => next.stage ?? (await bind()).next!.stage);
    const ready: ReadyStage = {
      ...(constants === undefined ? {} : { constants }),
      engine,
      own,
      next: next && { demands: next.demands, carried: next.carried, stage: { id: next.id, open: open! } },
    };
    this.#ready.set(key, ready);
    return ready;
  }

  /** Makes a program and a place for it. */
  async #placed(make: () => Promise<Pick<BoundStage, "artifact" | "residents">>): Promise<Placed> {
    const place = async (): Promise<Placed> => {
      const { artifact, residents } = await make();
      // Room first, so that the memory of one program more is never asked for.
      for (const [oldest, { engine, own }] of this.#ready) {
        if (this.#ready.size < this.#capacity) break;
        this.#ready.delete(oldest);
        engine?.program.dispose();
        this.#common?.left(own);
      }
      return artifact ? this.#open(artifact, residents) : {};
    };
    try {
      return await place();
    } catch (error) {
      // There may be room where no other program is.
      if (!this.#common?.place.base || !isTooLarge(error)) throw error;
      this.dispose();
      return place();
    }
  }

  /** What the compiler makes, which is kept for later sessions. */
  async #compiled(key: string, bind: () => Promise<BoundStage>): Promise<BoundProgram> {
    const { artifact, residents, constants, next } = await bind();
    if (next !== undefined && !this.#ids.has(next.stage)) this.#ids.set(next.stage, idAfter(key));
    const bound: BoundProgram = {
      ...(artifact === undefined ? {} : { artifact }),
      ...(residents === undefined ? {} : { residents }),
      ...(constants === undefined ? {} : { constants }),
      ...(next === undefined ? {} : { next: { ...next, id: this.#ids.get(next.stage)! } }),
    };
    this.#kept?.put(key, bound);
    return bound;
  }

  async #open(artifact: Uint8Array, residents: BoundStage["residents"]): Promise<Placed> {
    const reader = new ByteReader(artifact);
    const header = await peekHeader(reader, this.#options);
    if (header.plan.kind !== "bound") {
      throw new TilewrightError("run-failed", "the compiler bound a stage to something that cannot run");
    }
    const { plan } = header;
    const common = residents && this.#common;
    const engine = await this.#start(reader, header, plan, { ...this.#options, common }, undefined);
    return { engine, own: common?.took(plan.memoryBytes, residents!) ?? 0 };
  }
}

/** Whether a program would have needed more memory than there is, or may be. */
function isTooLarge(error: unknown): boolean {
  const { code } = error as { readonly code?: unknown };
  return code === "limit-exceeded" || code === "out-of-memory";
}

async function runOn(
  engine: BoundEngine | undefined,
  inputs: Tensors,
  into: Into,
): Promise<Iterable<[string, Tensor]>> {
  if (engine === undefined) return [];
  return engine.kind === "wasm" ? engine.program.run(inputs, into) : engine.program.runTensors(inputs, into);
}

/** Whether a value is an output of the model, or may be an element of one. */
function isOutput(value: string, ports: readonly Port[]): boolean {
  return ports.some(
    ({ name, container }) => value === name || (container !== undefined && value.startsWith(`${name}[`)),
  );
}

/** The tensor with its elements in an array of the caller. */
function copyInto(name: string, tensor: Tensor, into: NumericData): Tensor {
  if (!ArrayBuffer.isView(tensor.data)) return copyOf(tensor);
  const data = roomFor(name, tensor.dtype, tensor.data.length, into);
  // Both are the typed array that the dtype is held in; as bytes, for floats that are no number.
  const { buffer, byteOffset, byteLength } = tensor.data;
  new Uint8Array(data.buffer, data.byteOffset, byteLength).set(
    new Uint8Array(buffer, byteOffset, byteLength),
  );
  return { ...tensor, data };
}

/** The entries with these names. */
function pick<T>(names: readonly string[], from: ReadonlyMap<string, T>): Map<string, T> {
  return new Map(
    names.map((name) => {
      const value = from.get(name);
      if (value === undefined) throw new TilewrightError("run-failed", `no program produced "${name}"`);
      return [name, value];
    }),
  );
}

/** What identifies a bound stage: the stage, the types of the inputs, and the values that it is told. */
function keyOf(stage: string, inputs: ReadonlyMap<string, TensorShape>, values: Tensors): string {
  const types = [...inputs].sort(byName).map(([name, { dtype, shape }]) => [name, dtype, ...shape]);
  const contents = [...values].sort(byName).map(([name, { dtype, shape, data }]) => {
    const bytes = ArrayBuffer.isView(data)
      ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      : new TextEncoder().encode(JSON.stringify(data));
    return [name, dtype, ...shape, sha256Hex(bytes)];
  });
  return JSON.stringify([stage, types, contents]);
}

function rangeKey(group: string, { low, high, inputs }: ShapeRange): string {
  return JSON.stringify([group, low, high, inputs]);
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

/** The name of the stage that follows the one bound so. */
function idAfter(key: string): string {
  return sha256Hex(new TextEncoder().encode(key));
}
