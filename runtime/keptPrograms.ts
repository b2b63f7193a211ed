/**
 * Programs that were bound in the page, kept beside their model for later sessions. In: what a compiler has bound, by
 * what went into binding it. Out: the same, without a compiler. Invariants: a program is found by the content of its
 * model, the versions of format and code generation, the targets, the stage, the shapes and the values that it was bound
 * to, so never for anything else; what is read has the hash that it had when it was compiled here (records.ts), which
 * tells damage, since whoever may write to the storage of a site may run code on it anyway; failing to keep one costs a
 * warning and, next time, a compilation.
 */
import { type BoundStage, type RangedStage, type ShapeRange, type Stage } from "./binder.ts";
import { sha256Hex } from "./sha256.ts";
import { type LoadRecord } from "./stats.ts";
import { type CachedSource, type StoredRecord } from "./store/options.ts";
import { reasonOf } from "./warning.ts";

/** What is known of a model without its compiler. */
export type Ports = Pick<Stage, "inputs" | "outputs" | "demands">;

/** A bound stage whose successor has a name, and is there if it was compiled now. */
export interface BoundProgram extends Omit<BoundStage, "next"> {
  readonly next?: Omit<NonNullable<BoundStage["next"]>, "stage"> & {
    readonly id: string;
    readonly stage?: Stage;
  };
}

/** A program for a range of sizes, but for its code. */
export interface KeptRange extends Pick<RangedStage, "parameter" | "outputs"> {
  readonly range: ShapeRange;
}

export class KeptPrograms {
  #source: Partial<CachedSource>;
  readonly #record: LoadRecord;
  /** Whether records can be read: at once for a model that is stored, else when the store has settled. */
  #readable: boolean;
  #targets = "";
  #settle: () => void = () => {};
  /** What is being written, one after the other, once the store has settled. */
  #writing: Promise<unknown> = new Promise<void>((resolve) => (this.#settle = resolve));

  constructor(source: Partial<CachedSource>, record: LoadRecord) {
    this.#source = source;
    this.#record = record;
    this.#readable = source.stored !== undefined;
  }

  /** Whether programs are kept at all: without a store they are not. */
  get keeps(): boolean {
    return this.#source.records !== undefined;
  }

  /** The model is in the store, if it will ever be; after a load that failed nothing is kept. */
  settled(loaded: boolean): void {
    if (!loaded) this.#source = {};
    this.#readable = true;
    this.#settle();
  }

  compiledFor(targets: readonly string[]): void {
    this.#targets = targets.join();
  }

  async ports(): Promise<Ports | undefined> {
    return (await this.#get("ports"))?.note as Ports | undefined;
  }

  keepPorts({ inputs, outputs, demands }: Ports): void {
    this.#put("ports", { note: { inputs, outputs, ...(demands === undefined ? {} : { demands }) } });
  }

  async get(key: string): Promise<BoundProgram | undefined> {
    const record = await this.#get(nameOf(key));
    if (record === undefined) return undefined;
    this.#record.programs.stored++;
    return { ...(record.note as BoundProgram), ...(record.bytes && { artifact: record.bytes }) };
  }

  /** The ranges of sizes for which there are programs: of a stage and the values that it was told. */
  async ranges(group: string): Promise<readonly KeptRange[]> {
    const record = await this.#get(nameOfRanges(group));
    return (record?.note as readonly KeptRange[] | undefined) ?? [];
  }

  /** Keeps a program for a range under `key`, and that there is one. */
  putRange(
    group: string,
    { range, parameter, outputs, artifact }: KeptRange & Pick<RangedStage, "artifact">,
    key: string,
  ): void {
    this.put(key, { artifact });
    if (!this.keeps) return;
    // Another page may add one at the same time: what is not listed is compiled again.
    const note = this.ranges(group).then((others) => ({ note: [...others, { range, parameter, outputs }] }));
    this.#put(nameOfRanges(group), note);
  }

  put(key: string, { artifact, constants, next }: BoundProgram): void {
    this.#record.programs.compiled++;
    // What is only known of values, of texts for one, costs little and would crowd out programs.
    if (artifact === undefined) return;
    const note = {
      ...(constants && { constants }),
      ...(next && { next: { id: next.id, demands: next.demands, carried: next.carried } }),
    };
    this.#put(nameOf(key), { bytes: artifact, note });
  }

  async #get(name: string): Promise<StoredRecord | undefined> {
    if (!this.#readable) return undefined;
    try {
      return await (await this.#source.records?.())?.get(`${this.#targets} ${name}`);
    } catch (error) {
      this.#record.warn("cache-corrupt", `a stored program is compiled anew: ${reasonOf(error)}`);
      return undefined;
    }
  }

  #put(name: string, record: StoredRecord | Promise<StoredRecord>): void {
    this.#writing = this.#writing
      .then(async () => (await this.#source.records?.())?.put(`${this.#targets} ${name}`, await record))
      .catch((error: unknown) =>
        this.#record.warn("cache-full", `a program is not stored: ${reasonOf(error)}`),
      );
    this.#source.behind?.(this.#writing);
  }
}

function nameOfRanges(group: string): string {
  return `ranges ${sha256Hex(new TextEncoder().encode(group))}`;
}

function nameOf(key: string): string {
  return `program ${sha256Hex(new TextEncoder().encode(key))}`;
}
