/**
 * A model whose shapes are bound when they come. In: the first stage of a model, as its compiler opened it, and
 * inputs with their shapes. Out: outputs, through one program or a chain of them, cut where shapes depend on data.
 * Invariant: programs are kept by everything that went into binding them (types, demanded values, and the same
 * for every stage before), the least recently used leaving first; so equal runs bind nothing.
 */
import { type BoundStage, type Stage, type TensorShape } from "./binder.ts";
import { bytesPerElement, type Tensor } from "./dtype.ts";
import { TilewrightError } from "./errors.ts";
import { type Port } from "./format.ts";
import { namesOf } from "./format/container.ts";
import { type NumericTensor } from "./inputs.ts";
import { openProgram, type OpenOptions, peekHeader } from "./open.ts";
import { type Program } from "./program.ts";
import { ByteReader } from "./reader.ts";
import { sha256Hex } from "./sha256.ts";

/** A program and what follows it. */
interface BoundProgram {
  readonly program: Program;
  readonly next: BoundStage["next"];
}

type Tensors = ReadonlyMap<string, NumericTensor>;

/** Binds, keeps and runs the programs of one model. */
export class LateModel {
  readonly stage: Stage;
  readonly #capacity: number;
  readonly #options: OpenOptions;
  /** Least recently used first. */
  readonly #programs = new Map<string, BoundProgram>();

  constructor(stage: Stage, capacity: number, options: OpenOptions) {
    this.stage = stage;
    this.#capacity = Math.max(1, Math.floor(capacity));
    this.#options = { ...options, verify: false }; // the bytes come from the compiler at hand
  }

  /** The programs that are ready, the most recently used last. */
  get programs(): readonly Program[] {
    return [...this.#programs.values()].map(({ program }) => program);
  }

  /** Binds the first program if the inputs leave nothing open. */
  async prepare(): Promise<void> {
    const { inputs, demands = [] } = this.stage;
    const types = new Map<string, TensorShape>();
    for (const { name, dtype, shape, container } of inputs) {
      if (container !== undefined) return;
      const fixed = shape.filter((dim) => typeof dim === "number");
      if (fixed.length === shape.length) types.set(name, { dtype, shape: fixed });
    }
    if (types.size === inputs.length && demands.length === 0) {
      await this.#bound(keyOf("", types, new Map()), this.stage, types, new Map());
    }
  }

  /**
   * One inference.
   *
   * @param check called before every step; throws to stop the run
   * @throws TilewrightError `run-failed`, what `check` throws, and whatever the compiler throws
   */
  async run(inputs: Tensors, check: () => void): Promise<Map<string, Tensor>> {
    const ports = this.stage.outputs;
    const found = new Map<string, Tensor>();
    let stage = this.stage;
    let available = inputs;
    let values = pick(this.stage.demands ?? [], inputs);
    for (let key = ""; ;) {
      check();
      key = keyOf(key, available, values);
      const { program, next } = await this.#bound(key, stage, available, values);
      check();
      const outputs = program.run(available);
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
    this.#programs.clear();
  }

  async #bound(
    key: string,
    stage: Stage,
    inputs: ReadonlyMap<string, TensorShape>,
    values: ReadonlyMap<string, Tensor>,
  ): Promise<BoundProgram> {
    const kept = this.#programs.get(key);
    if (kept !== undefined) {
      this.#programs.delete(key);
      this.#programs.set(key, kept);
      return kept;
    }
    const types = [...inputs].map(([name, { dtype, shape }]) => [name, { dtype, shape }] as const);
    const { artifact, next } = await stage.bind(Object.fromEntries(types), Object.fromEntries(values));
    // Room first, so that the memory of one program more is never asked for.
    for (const oldest of this.#programs.keys()) {
      if (this.#programs.size < this.#capacity) break;
      this.#programs.delete(oldest);
    }
    const reader = new ByteReader(artifact);
    const header = await peekHeader(reader, this.#options);
    if (header.plan.kind !== "bound") {
      throw new TilewrightError("run-failed", "the compiler bound a stage to something that cannot run");
    }
    const bound = { program: await openProgram(reader, header, header.plan, this.#options), next };
    this.#programs.set(key, bound);
    return bound;
  }
}

/** Whether a value is an output of the model, or may be an element of one. */
function isOutput(value: string, ports: readonly Port[]): boolean {
  return ports.some(
    ({ name, container }) => value === name || (container !== undefined && value.startsWith(`${name}[`)),
  );
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

/** What identifies a bound stage: that of the stage before, the types of the inputs, and the demanded values. */
function keyOf(
  before: string,
  inputs: ReadonlyMap<string, TensorShape>,
  values: ReadonlyMap<string, NumericTensor>,
): string {
  const types = [...inputs].map(([name, { dtype, shape }]) => [name, dtype, ...shape]);
  const contents = [...values].map(([name, { dtype, shape, data }]) => {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.length * bytesPerElement(dtype));
    return [name, dtype, ...shape, sha256Hex(bytes)];
  });
  return `${before}${JSON.stringify([types, contents])}`;
}
