/**
 * Opens an artifact from a reader. In: a `ByteReader` at the start of a file. Out: a program ready to run, or the
 * checked bytes of a late artifact. Invariant: the file passes through once, in order; code is compiled and
 * weights go to their addresses while the rest is still on its way; nothing is compiled, run or kept that has not
 * been checked against its hash.
 */
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
import { supports } from "./features.ts";
import { createMemory, createProgram, pagesOf, type Program } from "./program.ts";
import { ByteReader } from "./reader.ts";
import { chooseThreads, withSharedMemory } from "./threads/shared.ts";
import { unshared, verify } from "./verify.ts";

/** Chunks that may be in the hands of the hash function at once: it works in parallel, but holds memory. */
const CHUNKS_IN_FLIGHT = 4;

export interface OpenOptions {
  readonly memoryLimit?: number | undefined;
  readonly variant?: Feature | undefined;
  /** Whether chunks are checked against their hashes; only a program that was just made here is trusted. */
  readonly verify?: boolean | undefined;
  readonly threads?: number | "auto" | undefined;
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
  const { variant, plain } = chooseVariant(plan, options.variant);
  const threads = chooseThreads(options.threads ?? "auto", plan.control !== undefined);
  const shared = threads.count > 1;
  const memory = createMemory(plan.memoryBytes, shared);
  const codeSections = new Set([variant, ...plan.libraries].map(({ section }) => section));
  const compiling = new Map<string, Promise<WebAssembly.Module>>();
  const check = options.verify ?? true;
  await forEachSection(reader, header, async (entry) => {
    if (codeSections.has(entry.name)) {
      let code = await readSection(reader, entry, check);
      if (plain && entry.name === variant.section) {
        const { withoutRelaxedSimd } = await import("./plainSimd.ts");
        code = withoutRelaxedSimd(code);
      }
      const module = compile(shared ? withSharedMemory(code, pagesOf(plan.memoryBytes)) : code, entry.name);
      module.catch(() => {}); // heard of below, after the weights
      compiling.set(entry.name, module);
    } else if (entry.name === WEIGHTS_SECTION) {
      const ranges = plan.weights.filter((range) => range.bytes > 0);
      await forEachChunk(reader, entry, check, (chunk, offset) => place(chunk, offset, ranges, memory));
    } else {
      await forEachChunk(reader, entry, false, () => {}); // a variant for another engine
    }
  });
  allArrived();
  const modules = new Map<string, WebAssembly.Module>();
  for (const [name, module] of compiling) modules.set(name, await module);
  return createProgram({ plan, variant, memory, modules, threads });
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
  await forEachSection(again, header, (entry) => forEachChunk(again, entry, true, () => {}));
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

/** Reads a section and hands out its chunks, checked, in any order. */
async function forEachChunk(
  reader: ByteReader,
  entry: SectionEntry,
  check: boolean,
  use: (chunk: Uint8Array, offset: number) => void,
): Promise<void> {
  const inFlight: Promise<void>[] = [];
  for (let offset = 0, index = 0; offset < entry.bytes; offset += entry.chunkBytes, index++) {
    const chunk = await reader.read(Math.min(entry.chunkBytes, entry.bytes - offset));
    if (!check) {
      use(chunk, offset);
      continue;
    }
    const checked = verify(chunk, entry.sha256[index]!, `section "${entry.name}"`).then(() =>
      use(chunk, offset),
    );
    checked.catch(() => {}); // heard of when its turn comes, unless another one failed first
    inFlight.push(checked);
    if (inFlight.length >= CHUNKS_IN_FLIGHT) await inFlight.shift();
  }
  await Promise.all(inFlight);
}

async function readSection(reader: ByteReader, entry: SectionEntry, check: boolean): Promise<Uint8Array> {
  const chunks: (readonly [offset: number, chunk: Uint8Array])[] = [];
  await forEachChunk(reader, entry, check, (chunk, offset) => chunks.push([offset, chunk]));
  const [only] = chunks;
  if (only !== undefined && chunks.length === 1) return only[1];
  const content = new Uint8Array(entry.bytes);
  for (const [offset, chunk] of chunks) content.set(chunk, offset);
  return content;
}

/** Copies the parts of a chunk of the weights (`offset` bytes into them) that ranges ask for. */
function place(
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
interface Choice {
  readonly variant: Variant;
  readonly plain: boolean;
}

/** The first variant that this engine supports; `forced`: at this level, neither more nor less. */
function chooseVariant(plan: BoundPlan, forced: Feature | undefined): Choice {
  const has = (feature: Feature): boolean =>
    supports(feature) && !(forced === "simd" && feature === "relaxed-simd");
  const isRelaxed = ({ requires }: Variant): boolean => requires.includes("relaxed-simd");
  const candidates = plan.variants.filter((v) => forced !== "relaxed-simd" || isRelaxed(v));
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
