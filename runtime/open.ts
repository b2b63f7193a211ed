/**
 * Opens an artifact from a reader. In: a `ByteReader` at the start of a file. Out: a program ready to run, or the
 * checked bytes of a late artifact. Invariant: the file passes through once, in order; code is compiled and
 * instantiated and weights go to their addresses while the rest is still on its way; nothing is compiled or run, and
 * nothing that was made of the file is handed out, before it has been checked against its hash.
 */
import { Beginning } from "./beginning.ts";
import { type Tensor } from "./dtype.ts";
import { TilewrightError } from "./errors.ts";
import {
  type BoundPlan,
  checkGap,
  type Feature,
  type Header,
  PREFIX_BYTES,
  readHeader,
  readPrefix,
  type SectionEntry,
  truncated,
  type Variant,
  type WeightRange,
  WEIGHTS_SECTION,
} from "./format.ts";
import { type CommonMemory } from "./commonMemory.ts";
import { supports } from "./features.ts";
import { createMemory, createProgram, instantiate, pagesOf, type Program, warmUp } from "./program.ts";
import { type Meter } from "./progress.ts";
import { ByteReader } from "./reader.ts";
import { chooseThreads, withSharedMemory } from "./threads/shared.ts";
import { forEachLeaf, unshared, verify } from "./verify.ts";

export interface OpenOptions {
  readonly memoryLimit?: number | undefined;
  readonly variant?: Feature | undefined;
  /** Whether sections are checked against their hashes; only a program that was just made here is trusted. */
  readonly verify?: boolean | undefined;
  readonly threads?: number | "auto" | undefined;
  /** What a first run is made with, while the rest arrives. */
  readonly first?: ReadonlyMap<string, Tensor> | undefined;
  /** Told what has been done. */
  readonly meter?: Meter | undefined;
  /** Where the program lies, if not in a memory of its own. */
  readonly common?: CommonMemory | undefined;
}

/** Checks what comes before the sections, and leaves it in the reader. */
export async function peekHeader(reader: ByteReader, options: OpenOptions): Promise<Header> {
  const { headerBytes, sha256 } = readPrefix(await reader.peek(PREFIX_BYTES));
  const headerEnd = PREFIX_BYTES + headerBytes;
  const start = await reader.peek(headerEnd);
  if (start.length < headerEnd) throw truncated(start.length, headerEnd);
  const header = start.subarray(PREFIX_BYTES);
  await verify(header, sha256, "the header");
  return readHeader(header, {
    ...(options.memoryLimit === undefined ? {} : { memoryLimit: options.memoryLimit }),
    verify: options.verify ?? true,
  });
}

/** Where the contents of an artifact go while they arrive. */
export interface Sink {
  /** Sections that `section` is given, whole and checked against their hashes. */
  readonly wanted: ReadonlySet<string>;
  section(name: string, content: Uint8Array): void | Promise<void>;
  /**
   * A part of the weights, `offset` bytes into them, in order; the memory is used again after the call. Whether it
   * fits its hash is known only when {@link stream} returns. Left out where no weights are wanted.
   */
  readonly weights?: ((chunk: Uint8Array, offset: number) => void) | undefined;
  /** Awaited between parts of the weights: whoever takes them in may ask for a pause. */
  readonly pause?: (() => Promise<void> | undefined) | undefined;
}

/** Reads an artifact from behind its header to its end. */
export async function stream(
  reader: ByteReader,
  header: Header,
  sinks: readonly Sink[],
  check: boolean,
  meter?: Meter,
): Promise<void> {
  const takersOf = ({ name }: SectionEntry): readonly Sink[] =>
    sinks.filter(({ wanted }) => wanted.has(name));
  if (meter !== undefined) {
    const compile = sum(header.sections.filter((entry) => takersOf(entry).length > 0));
    const upload = sum(header.sections.filter(({ name }) => name === WEIGHTS_SECTION));
    meter.expect({ verify: check ? compile + upload : 0, compile, upload });
  }
  const checked = (bytes: number): void => void (check && meter?.add("verify", bytes));
  await forEachSection(reader, header, async (entry) => {
    const takers = takersOf(entry);
    if (takers.length > 0) {
      const content = await readSection(reader, entry, check);
      checked(content.length);
      for (const taker of takers) await taker.section(entry.name, content);
    } else if (entry.name === WEIGHTS_SECTION) {
      const pause = async (): Promise<void> => void (await Promise.all(sinks.map((sink) => sink.pause?.())));
      await forEachLeaf(
        reader,
        entry,
        check,
        (chunk, offset) => {
          checked(chunk.length);
          sinks.forEach((sink) => sink.weights?.(chunk, offset));
          meter?.add("upload", chunk.length);
        },
        sinks.some((sink) => sink.pause !== undefined) ? pause : undefined,
      );
    } else {
      await forEachLeaf(reader, entry, false); // a variant for another engine
    }
  });
}

function sum(entries: readonly SectionEntry[]): number {
  return entries.reduce((total, { bytes }) => total + bytes, 0);
}

/** Something that takes in an artifact, and then makes something of it. */
export interface Opening<T> extends Sink {
  finish(): Promise<T>;
  /** Lets go of what has come so far, when the rest will not. */
  abandon?(): void;
}

/**
 * Reads a bound artifact into a program.
 *
 * @param reader at the start of the file
 * @param allArrived called when the last byte is in place
 */
export async function openProgram(
  reader: ByteReader,
  header: Header,
  plan: BoundPlan,
  options: OpenOptions,
  allArrived: () => void = () => {},
): Promise<Program> {
  const opening = openingOf(plan, options);
  await stream(reader, header, [opening], options.verify ?? true, options.meter);
  allArrived();
  return opening.finish();
}

/** What makes a program of an artifact. */
export function openingOf(plan: BoundPlan, options: OpenOptions): Opening<Program> {
  const choice = chooseVariant(plan.variants, options.variant);
  const threads = chooseThreads(options.threads ?? "auto", plan.control !== undefined);
  const { common } = options;
  const shared = common?.shared ?? threads.count > 1;
  const ownBytes = plan.memoryBytes - (common?.place.base ?? 0);
  const memory = common?.upTo(plan.memoryBytes) ?? createMemory(plan.memoryBytes, shared);
  const least = pagesOf(plan.memoryBytes);
  const pages = shared ? ([least, common?.mostPages ?? least] as const) : undefined;
  const modules = new Modules(plan, choice, pages, options.meter);
  const ranges = plan.weights.filter((range) => range.bytes > 0);
  const beginning = new Beginning(plan, memory, options.first);
  let arrived = 0;
  let exports: Promise<WebAssembly.Exports> | undefined;
  const instantiated = (): Promise<WebAssembly.Exports> => {
    exports ??= modules.all().then(async (all) => {
      const made = await instantiate(plan, choice.variant.section, memory, all);
      beginning.begin(made);
      await warmUp(made);
      beginning.open();
      return made;
    });
    exports.catch(() => {}); // heard of when the program is finished
    return exports;
  };
  return {
    wanted: modules.wanted,
    async section(name, content) {
      await modules.add(name, content);
      if (modules.complete) void instantiated();
    },
    weights(chunk, offset) {
      place(chunk, offset, ranges, memory);
      arrived = offset + chunk.length;
    },
    pause: () => beginning.advance(arrived),
    async finish() {
      const parts = {
        plan,
        variant: choice.variant,
        memory,
        threads,
        ownBytes,
        exports: await instantiated(),
      };
      const hasRun = await beginning.finish(threads.count);
      const module = (await modules.all()).get(choice.variant.section)!;
      const program = createProgram({ ...parts, module });
      if (options.first === undefined) return program;
      try {
        if (hasRun) program.check();
        else {
          program.write(options.first);
          program.invoke();
        }
      } catch (error) {
        program.dispose();
        throw error;
      }
      return program;
    },
  };
}

/** The modules of a program, compiled while the rest of it arrives. */
export class Modules {
  readonly wanted: ReadonlySet<string>;
  readonly #choice: Choice;
  readonly #sharedPages: readonly [least: number, most: number] | undefined;
  readonly #meter: Meter | undefined;
  readonly #compiling = new Map<string, Promise<WebAssembly.Module>>();

  /** @param sharedPages of the memory, if it is shared */
  constructor(
    { libraries }: BoundPlan,
    choice: Choice,
    sharedPages?: readonly [least: number, most: number],
    meter?: Meter,
  ) {
    this.#meter = meter;
    this.wanted = new Set([choice.variant, ...libraries].map(({ section }) => section));
    this.#choice = choice;
    this.#sharedPages = sharedPages;
  }

  async add(name: string, content: Uint8Array): Promise<void> {
    let code = content;
    if (this.#choice.plain && name === this.#choice.variant.section) {
      const { withoutRelaxedSimd } = await import("./plainSimd.ts");
      code = withoutRelaxedSimd(code);
    }
    const pages = this.#sharedPages;
    const module = compile(pages === undefined ? code : withSharedMemory(code, ...pages), name);
    // A failure is heard of below, after the weights.
    module.then(
      () => this.#meter?.add("compile", content.length),
      () => {},
    );
    this.#compiling.set(name, module);
  }

  /** Whether all that are wanted have been added. */
  get complete(): boolean {
    return this.#compiling.size === this.wanted.size;
  }

  async all(): Promise<ReadonlyMap<string, WebAssembly.Module>> {
    const modules = new Map<string, WebAssembly.Module>();
    for (const [name, module] of this.#compiling) modules.set(name, await module);
    return modules;
  }
}

/**
 * Reads a late artifact: its bytes, all of them checked, for the compiler.
 *
 * @param reader at the start of the file
 */
export async function openLate(reader: ByteReader, header: Header): Promise<Uint8Array> {
  const file = await reader.read(header.fileBytes);
  await expectEnd(reader);
  const again = new ByteReader(file);
  await forEachSection(again, header, (entry) => forEachLeaf(again, entry, true));
  return file;
}

/** Calls `use` with the reader at the start of each section; it must read the whole of it. */
async function forEachSection(
  reader: ByteReader,
  header: Header,
  use: (entry: SectionEntry) => Promise<void>,
): Promise<void> {
  await reader.read(header.headerEnd);
  for (const entry of header.sections) {
    checkGap(await reader.read(header.dataStart + entry.offset - reader.consumed));
    await use(entry);
  }
  await expectEnd(reader);
}

async function expectEnd(reader: ByteReader): Promise<void> {
  if ((await reader.peek(1)).length > 0) {
    throw new TilewrightError("artifact-malformed", "the artifact goes on after its last section");
  }
}

/** A section, checked, in memory of its own or in that of the source. */
async function readSection(reader: ByteReader, entry: SectionEntry, check: boolean): Promise<Uint8Array> {
  const content = await reader.read(entry.bytes);
  if (check) await forEachLeaf(new ByteReader(content), entry, true);
  return content;
}

/** Copies the parts of a chunk of the weights (`offset` bytes into them) that ranges ask for. */
export function place(
  chunk: Uint8Array,
  offset: number,
  ranges: readonly WeightRange[],
  memory: WebAssembly.Memory,
): void {
  for (const range of ranges) {
    const from = Math.max(range.offset, offset);
    const to = Math.min(range.offset + range.bytes, offset + chunk.length);
    if (from >= to) continue;
    const target = new Uint8Array(memory.buffer, range.address + from - range.offset, to - from);
    target.set(chunk.subarray(from - offset, to - offset));
  }
}

/** The code that is taken, and whether it is made to do without relaxed SIMD first. */
export interface Choice {
  readonly variant: Variant;
  readonly plain: boolean;
}

/** The first variant that this engine supports; `forced`: at this level, neither more nor less. */
export function chooseVariant(variants: readonly Variant[], forced?: Feature): Choice {
  const has = (feature: Feature): boolean =>
    supports(feature) && !(forced === "simd" && feature === "relaxed-simd");
  const isRelaxed = ({ requires }: Variant): boolean => requires.includes("relaxed-simd");
  const candidates = variants.filter((v) => forced !== "relaxed-simd" || isRelaxed(v));
  const variant = candidates.find(({ requires }) => requires.every(has));
  if (variant) return { variant, plain: false };
  const relaxed = forced === "relaxed-simd" ? undefined : candidates.find(isRelaxed);
  if (relaxed && has("simd")) return { variant: { ...relaxed, requires: ["simd"] }, plain: true };
  const needs = candidates.map(({ requires }) => requires.join(" and ")).join(", or ");
  throw new TilewrightError(
    "engine-unsupported",
    needs === ""
      ? `the artifact has no ${forced === undefined ? "code for this runtime" : `variant for ${forced}`}`
      : `this WebAssembly engine lacks what the program needs: ${needs}`,
  );
}

async function compile(code: Uint8Array, section: string): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(unshared(code));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    if (/content security policy/i.test(reason)) {
      const hint = "add 'wasm-unsafe-eval' to its script-src";
      throw new TilewrightError(
        "engine-unsupported",
        `the page's content security policy forbids WebAssembly: ${hint}`,
        cause,
      );
    }
    throw new TilewrightError(
      "artifact-malformed",
      `section "${section}" does not compile: ${reason}`,
      cause,
    );
  }
}
