/**
 * The artifact format (`.tile`): one file that holds a program or a graph still to be bound. In: a plan and
 * sections of bytes (writing), or the bytes of a file (reading). Out: a file, or its checked plan and sections.
 * Invariant: whatever `readArtifact` returns is consistent: every address, offset and count lies inside what it
 * refers to, so nothing downstream checks again; whatever is not, ends in a `TilewrightError`. A plan for WebGPU is
 * checked by who uses it, or here where it is said with what (`gpuPlan`).
 *
 * Layout, little-endian: magic `TILE`, u32 format version, u32 bytes of the header, u32 zero, 32 bytes SHA-256 of
 * the header, the header (UTF-8 JSON: the plan and the table of sections), then the sections, each starting at
 * the next multiple of 64 bytes, the gaps zero. Section offsets count from the first section, so that they do
 * not depend on the header's length. A section's hash is that of the hashes of its leaves (quarters of a megabyte), so
 * that weights are hashed and put in place while they arrive, and the header holds one hash however many there are;
 * "weights" comes last, so that the code is compiled meanwhile.
 *
 * This file and what it imports is all that the compiler sees of the runtime; it needs no DOM and no Node.
 */
import { type DType } from "./dtype.ts";
import { TilewrightError } from "./errors.ts";
import { type Container } from "./format/container.ts";
import { type GpuPlan, type readGpuPlan } from "./format/gpu.ts";
import { aligned, readPlan, readSections, WEIGHTS_SECTION } from "./format/header.ts";
import { hex, sha256, sha256Hex } from "./sha256.ts";

export { elementName, namesOf, unknownShape, type Container } from "./format/container.ts";
export type * from "./format/gpu.ts";
export { SOURCE_SECTION, WEIGHTS_SECTION } from "./format/header.ts";

/** The format version that this code writes and reads. */
export const FORMAT_VERSION = 3;

/** Bytes before the header. */
export const PREFIX_BYTES = 48;

/**
 * Bytes of a section that are hashed together; its last leaf is shorter. What passes through the cache of a core, and
 * what an engine copies to memory that it has: from a megabyte on Chromium's `crypto.subtle.digest`, which works at
 * once and on the caller's thread, takes new pages for its copy, and twice as long (Chromium 156, 14 MB: 11 ms, 23).
 */
export const LEAF_BYTES = 1 << 18;

/** No header is longer; a larger length is a damaged file, and must not be allocated. */
const MAX_HEADER_BYTES = 1 << 25;

/** Most memory a program may ask for unless the caller says otherwise: all that 32-bit addresses reach, less a page. */
export const DEFAULT_MEMORY_LIMIT = 2 ** 32 - 2 ** 16;

/** An engine feature that a variant of the code may need. */
export type Feature = "simd" | "relaxed-simd";

/** An input or output as a session shows it; a string in the shape is a dimension that is open until a run. */
export interface Port {
  readonly name: string;
  /** Of the elements, in a container. */
  readonly dtype: DType;
  readonly shape: readonly (number | string)[]; // or the one name `unknownShape` gives
  /** Left out for a tensor. */
  readonly container?: Container;
}

/** An input of a bound program: dense, row-major, at a byte address of the program's memory. */
export interface InputSlot {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly address: number;
}

/**
 * An output of a bound program. When its size depends on data, `shape[dynamicDim]` is an upper bound and the real
 * size is the i32 at `sizeAddress` after a run; the elements are dense for the real size.
 */
export interface OutputSlot extends InputSlot {
  readonly dynamicDim?: number;
  readonly sizeAddress?: number;
}

/** `bytes` bytes at `offset` of section "weights" belong at `address` of the memory. Destinations do not overlap. */
export interface WeightRange {
  readonly offset: number;
  readonly bytes: number;
  readonly address: number;
}

/** One build of the code. Its section is a WebAssembly module; the first variant that the engine supports is taken. */
export interface Variant {
  readonly requires: readonly Feature[];
  readonly section: string;
}

/** A byte of the program's memory, and what it means if it is not 0. */
export interface Refusal {
  readonly address: number;
  readonly message: string;
}

/** A library module: imports `env.memory`; its one export becomes the import `lib.<name>` of the code. */
export interface Library {
  readonly name: string;
  readonly export: string;
  readonly section: string;
}

/**
 * A program with every shape known. Its module imports `env.memory`, `lib.*` and `math.*`, and exports `init(step)`
 * (called once for each of the steps of `preparation`, or with 0) and `run(thread, threads, turn, mayWait)` (one
 * inference, from inputs to outputs in memory): `run(0, 1, 0, 0)` for a thread that is alone; else called by each thread
 * with its number, theirs, the number of the run from 1, and whether it may sleep. It gives the number of parts that the
 * thread computed.
 * It may export `warm(i)`, called at any time, which readies the engine for kernel `i` and gives 0 if there is none.
 * A run must leave nothing behind that a later run reads: after a trap the session goes on with the same memory.
 */
export interface BoundPlan {
  readonly kind: "bound";
  readonly name: string;
  /** Version of the compiler that wrote the program. */
  readonly compiler: string;
  readonly inputs: readonly InputSlot[];
  readonly outputs: readonly OutputSlot[];
  /** Bytes of linear memory that the program needs, everything included. */
  readonly memoryBytes: number;
  readonly weights: readonly WeightRange[];
  /**
   * For each step of `init` how many bytes of section "weights", from its start, must be in place before it; -1: all, and
   * they have been checked. Left out where there is one step, which needs that.
   */
  readonly preparation?: readonly number[];
  /** The same for the steps of a first run: `begin(step)` for each, after `init`, does what `run` does on one thread. */
  readonly opening?: readonly number[];
  readonly variants: readonly Variant[];
  readonly libraries: readonly Library[];
  /** Names of functions of `Math` that the module imports from "math". */
  readonly math: readonly string[];
  /**
   * Where threads that share a run keep their counters: 256 bytes and more, zero at first (see threads/pool.ts).
   * Left out where nothing is worth sharing.
   */
  readonly control?: number;
  /** Where a byte is not 0 after a run, that run fails: it would have taken a branch that the shapes do not fit. */
  readonly refusals?: readonly Refusal[];
  /** The same program for WebGPU. Without any `variants` it is the only one. */
  readonly gpu?: GpuPlan; // of a header that was only read, as it stands there: see readGpuPlan
  /** Whatever the compiler has to tell about the program (kernels, sizes); not read by the runtime. */
  readonly report?: Readonly<Record<string, unknown>>;
}

/** A model whose shapes are bound at run time by the compiler; the graph is in section "source". */
export interface LatePlan {
  readonly kind: "late";
  readonly name: string;
  readonly compiler: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}

export type Plan = BoundPlan | LatePlan;

/** A section to write: its bytes, or parts to be put one after the other. */
export interface SectionContent {
  readonly name: string;
  readonly data: Uint8Array | readonly Uint8Array[];
}

/** Where a section lies in the file, and its hash ({@link sectionHash}), "" in a file that is unsealed. */
export interface SectionEntry {
  readonly name: string;
  /** Bytes from {@link Header.dataStart}. */
  readonly offset: number;
  readonly bytes: number;
  readonly sha256: string;
}

/** A checked header. */
export interface Header {
  readonly plan: Plan;
  readonly sections: readonly SectionEntry[];
  /** File offset of the first byte after the header. */
  readonly headerEnd: number;
  /** File offset of the first section. */
  readonly dataStart: number;
  /** Bytes of the whole file. */
  readonly fileBytes: number;
}

/** A file that has been read: its plan and the bytes of its sections (views of the file, not copies). */
export interface Artifact {
  readonly plan: Plan;
  readonly sections: ReadonlyMap<string, Uint8Array>;
}

export interface WriteOptions {
  /**
   * Leaves the sections without hashes. For a program that the same page runs at once: hashing takes longer than
   * anything else there. Such a file is refused wherever hashes are checked. Default: false.
   */
  readonly unsealed?: boolean;
  readonly gpuPlan?: ReadOptions["gpuPlan"];
}

export interface ReadOptions {
  /** Most bytes of memory that a bound program may ask for. Default: {@link DEFAULT_MEMORY_LIMIT}. */
  readonly memoryLimit?: number;
  /** Whether the sections are checked against their hashes. Default: true. */
  readonly verify?: boolean;
  /** Checks a plan for WebGPU, which else is given back as it stands; not everybody has it, as it is large. */
  readonly gpuPlan?: typeof readGpuPlan | undefined;
}

/**
 * An artifact file of `plan` and `sections`. Sections keep their order, but "weights" goes last. The same
 * arguments give the same bytes.
 *
 * @throws TilewrightError `artifact-malformed` when the plan contradicts itself or the sections: a file that
 * could not be read back is not written.
 * @example
 * const file = writeArtifact(plan, [
 *   { name: "code", data: wasm },
 *   { name: "weights", data: [filters, bias] },
 * ]);
 */
export function writeArtifact(
  plan: Plan,
  sections: readonly SectionContent[],
  options: WriteOptions = {},
): Uint8Array<ArrayBuffer> {
  const ordered = [...sections].sort(
    (a, b) => Number(a.name === WEIGHTS_SECTION) - Number(b.name === WEIGHTS_SECTION),
  );
  const entries: SectionEntry[] = [];
  let end = 0;
  for (const { name, data } of ordered) {
    const parts = partsOf(data);
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    // The hash follows once the section is in the file; only its length matters until then.
    const pending = options.unsealed === true ? "" : "0".repeat(64);
    entries.push({ name, offset: aligned(end), bytes, sha256: pending });
    end = aligned(end) + bytes;
  }

  const encoder = new TextEncoder();
  const headerBytes = encoder.encode(JSON.stringify({ plan, sections: entries })).length;
  const dataStart = aligned(PREFIX_BYTES + headerBytes);
  const file = new Uint8Array(dataStart + end);
  const sealed = entries.map((entry, index) => {
    const start = dataStart + entry.offset;
    let at = start;
    for (const part of partsOf(ordered[index]!.data)) {
      file.set(part, at);
      at += part.length;
    }
    const content = file.subarray(start, at);
    return entry.sha256 === "" ? entry : { ...entry, sha256: sectionHash(content) };
  });

  const header = encoder.encode(JSON.stringify({ plan, sections: sealed }));
  const view = new DataView(file.buffer);
  file.set(encoder.encode("TILE"));
  view.setUint32(4, FORMAT_VERSION, true);
  view.setUint32(8, header.length, true);
  file.set(sha256(header), 16);
  file.set(header, PREFIX_BYTES);
  const { gpuPlan } = options;
  wholly(readHeader(header, { memoryLimit: Infinity, verify: options.unsealed !== true }), gpuPlan);
  return file;
}

function partsOf(data: SectionContent["data"]): readonly Uint8Array[] {
  return data instanceof Uint8Array ? [data] : data;
}

/** The SHA-256, in hex, of the SHA-256 of the leaves of a section ({@link LEAF_BYTES}), one after the other. */
export function sectionHash(content: Uint8Array): string {
  const leaves = new Uint8Array(Math.ceil(content.length / LEAF_BYTES) * 32);
  for (let at = 0, leaf = 0; at < content.length; at += LEAF_BYTES, leaf++)
    leaves.set(sha256(content.subarray(at, at + LEAF_BYTES)), leaf * 32);
  return sha256Hex(leaves);
}

/** Whether a file that starts with these bytes is an artifact, damaged or not. */
export function isArtifact(start: Uint8Array): boolean {
  return start.length >= 4 && "TILE".split("").every((letter, at) => letter.charCodeAt(0) === start[at]);
}

/**
 * The length of the header and its hash in hex, from the first {@link PREFIX_BYTES} bytes of a file.
 *
 * @throws TilewrightError `artifact-malformed`, `artifact-version`
 */
export function readPrefix(prefix: Uint8Array): { readonly headerBytes: number; readonly sha256: string } {
  if (!isArtifact(prefix))
    throw new TilewrightError("artifact-malformed", "this is not a Tilewright artifact");
  if (prefix.length < PREFIX_BYTES) throw truncated(prefix.length, PREFIX_BYTES);
  const view = new DataView(prefix.buffer, prefix.byteOffset, PREFIX_BYTES);
  const version = view.getUint32(4, true);
  if (version !== FORMAT_VERSION) {
    throw new TilewrightError(
      "artifact-version",
      `the artifact has format version ${version}, this runtime reads version ${FORMAT_VERSION}: ` +
        "compile the model again with the Tilewright of the same release",
    );
  }
  const headerBytes = view.getUint32(8, true);
  if (headerBytes > MAX_HEADER_BYTES || view.getUint32(12, true) !== 0) {
    throw new TilewrightError("artifact-malformed", "the first 16 bytes of the artifact are damaged");
  }
  return { headerBytes, sha256: hex(prefix.subarray(16, PREFIX_BYTES)) };
}

/**
 * Checks a header, whose own hash the caller has checked; all of it but the plan for WebGPU, see `readGpuPlan` in
 * format/gpu.ts.
 *
 * @throws TilewrightError `artifact-malformed`, `out-of-memory` (the program asks for more than the limit)
 */
export function readHeader(header: Uint8Array, options: ReadOptions = {}): Header {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(header));
  } catch (cause) {
    throw new TilewrightError("artifact-malformed", "the header of the artifact is not JSON", cause);
  }
  const sections = readSections(parsed, options.verify ?? true);
  const plan = readPlan(parsed, sections);
  const limit = options.memoryLimit ?? DEFAULT_MEMORY_LIMIT;
  if (plan.kind === "bound" && plan.memoryBytes > limit) {
    throw new TilewrightError(
      "out-of-memory",
      `the program needs ${plan.memoryBytes} bytes of memory and the limit is ${limit} (option memoryLimit)`,
    );
  }
  const headerEnd = PREFIX_BYTES + header.length;
  const dataStart = aligned(headerEnd);
  const last = sections.at(-1);
  return {
    plan,
    sections,
    headerEnd,
    dataStart,
    fileBytes: dataStart + (last ? last.offset + last.bytes : 0),
  };
}

/** The same header with nothing left to check, given what checks a plan for WebGPU. */
function wholly(header: Header, gpuPlan: ReadOptions["gpuPlan"]): Header {
  const { plan, sections } = header;
  if (plan.kind !== "bound" || plan.gpu === undefined || !gpuPlan) return header;
  return {
    ...header,
    plan: { ...plan, gpu: gpuPlan(plan.gpu, { ...plan, sections, weights: WEIGHTS_SECTION }) },
  };
}

/** The error for a file that ends too early. */
export function truncated(bytes: number, expected: number): TilewrightError {
  return new TilewrightError("artifact-malformed", `the artifact ends after ${bytes} of ${expected} bytes`);
}

/** The error for bytes that do not fit their hash. */
export function corrupt(what: string): TilewrightError {
  return new TilewrightError(
    "artifact-corrupt",
    `${what} of the artifact does not match its hash: the file was damaged or changed`,
  );
}

/** Throws `artifact-malformed` unless the bytes between two sections are zero. */
export function checkGap(gap: Uint8Array): void {
  if (gap.some((byte) => byte !== 0)) {
    throw new TilewrightError("artifact-malformed", "the artifact has data between its sections");
  }
}

/**
 * Reads and checks a whole file at once, hashes included.
 *
 * @throws TilewrightError `artifact-malformed`, `artifact-corrupt`, `artifact-version`, `out-of-memory`
 * @example
 * const { plan, sections } = readArtifact(file);
 * const source = sections.get("source");
 */
export function readArtifact(file: Uint8Array, options: ReadOptions = {}): Artifact {
  const prefix = readPrefix(file.subarray(0, PREFIX_BYTES));
  const headerEnd = PREFIX_BYTES + prefix.headerBytes;
  if (file.length < headerEnd) throw truncated(file.length, headerEnd);
  const headerBytes = file.subarray(PREFIX_BYTES, headerEnd);
  if (sha256Hex(headerBytes) !== prefix.sha256) throw corrupt("the header");
  const header = wholly(readHeader(headerBytes, options), options.gpuPlan);
  checkFileBytes(header, file.length);

  const sections = new Map<string, Uint8Array>();
  let end = headerEnd;
  for (const entry of header.sections) {
    const start = header.dataStart + entry.offset;
    checkGap(file.subarray(end, start));
    end = start + entry.bytes;
    const content = file.subarray(start, end);
    if ((options.verify ?? true) && sectionHash(content) !== entry.sha256)
      throw corrupt(`section "${entry.name}"`);
    sections.set(entry.name, content);
  }
  return { plan: header.plan, sections };
}

/** Throws `artifact-malformed` unless the file is exactly as long as its header says. */
function checkFileBytes(header: Header, bytes: number): void {
  if (bytes < header.fileBytes) throw truncated(bytes, header.fileBytes);
  if (bytes > header.fileBytes) {
    throw new TilewrightError(
      "artifact-malformed",
      `the artifact goes on after its last section (${bytes} bytes instead of ${header.fileBytes})`,
    );
  }
}
