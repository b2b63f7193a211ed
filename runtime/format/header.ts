/**
 * Checks the JSON header of an artifact by hand. In: any JSON value, from anywhere. Out: a plan and a table of
 * sections made of fresh objects with known fields only, or a `TilewrightError` `artifact-malformed` that names
 * the field. Invariant: every number is a safe integer in its range, every slot and weight range lies inside the
 * memory at an address that its elements are aligned to, every section that the plan names exists.
 */
import { bytesPerElement } from "../dtype.ts";
import { containers } from "./container.ts";
import { dtype, integer, list, malformed, object, text } from "./fields.ts";
import { type GpuPlan } from "./gpu.ts";
import {
  type BoundPlan,
  type Feature,
  type InputSlot,
  type OutputSlot,
  type Plan,
  type Port,
  type Refusal,
  type SectionEntry,
  type WeightRange,
} from "../format.ts";

/** Sections start at multiples of this many bytes: a cache line, and enough for any typed array or vector. */
const SECTION_ALIGNMENT = 64;

/** Name of the section that holds the weights. */
export const WEIGHTS_SECTION = "weights";

/** Name of the section that holds the graph of a late artifact. */
export const SOURCE_SECTION = "source";

/** 32-bit addresses reach no further. */
const MAX_MEMORY_BYTES = 2 ** 32;

/** The most dimensions that a shape may have: more than any model, few enough that products stay finite. */
const MAX_RANK = 64;

/** The counters that the runtime itself touches. */
const CONTROL_BYTES = 256;

const MAX_DIM = 2 ** 40;

/** Features that this runtime can probe; a variant that needs another one can never be taken. */
const FEATURES: readonly string[] = ["simd", "relaxed-simd"] satisfies Feature[];

/** Where a section may start after this many bytes. */
export function aligned(offset: number): number {
  return Math.ceil(offset / SECTION_ALIGNMENT) * SECTION_ALIGNMENT;
}

function dimension(value: unknown, path: string): number {
  return integer(value, path, 0, MAX_DIM);
}

function shape<T>(value: unknown, path: string, read: (item: unknown, path: string) => T): T[] {
  const dims = list(value, path, read);
  if (dims.length > MAX_RANK) throw malformed(path, `a list of at most ${MAX_RANK} dimensions`);
  return dims;
}

/** Throws unless all names are different. */
function distinct(items: readonly { readonly name: string }[], path: string): void {
  if (new Set(items.map((item) => item.name)).size !== items.length)
    throw malformed(path, "free of equal names");
}

/** The table of sections, in file order: each starts at the first aligned offset after the one before. */
export function readSections(header: unknown, hashed: boolean): SectionEntry[] {
  let end = 0;
  const sections = list(object(header, "the header")["sections"], "sections", (item, path): SectionEntry => {
    const entry = object(item, path);
    const bytes = integer(entry["bytes"], `${path}.bytes`, 0, Number.MAX_SAFE_INTEGER / 4);
    const offset = aligned(end);
    integer(entry["offset"], `${path}.offset`, offset, offset);
    end = offset + bytes;
    if (end > Number.MAX_SAFE_INTEGER / 4) throw malformed(`${path}.bytes`, "a possible length");
    const sha256 = text(entry["sha256"], `${path}.sha256`);
    if (!/^[0-9a-f]{64}$/.test(sha256) && (hashed || sha256 !== ""))
      throw malformed(`${path}.sha256`, "a digest in hex");
    return { name: text(entry["name"], `${path}.name`), offset, bytes, sha256 };
  });
  distinct(sections, "sections");
  return sections;
}

/** The plan, which may name only the given sections. */
export function readPlan(header: unknown, sections: readonly SectionEntry[]): Plan {
  const plan = object(object(header, "the header")["plan"], "plan");
  const name = text(plan["name"], "plan.name");
  const compiler = text(plan["compiler"], "plan.compiler");
  switch (plan["kind"]) {
    case "bound":
      return { kind: "bound", name, compiler, ...readProgram(plan, sections) };
    case "late": {
      const inputs = list(plan["inputs"], "plan.inputs", port);
      const outputs = list(plan["outputs"], "plan.outputs", port);
      distinct(inputs, "plan.inputs");
      distinct(outputs, "plan.outputs");
      sectionNamed(SOURCE_SECTION, "plan.kind", sections);
      return { kind: "late", name, compiler, inputs, outputs };
    }
    default:
      throw malformed("plan.kind", '"bound" or "late"');
  }
}

/** The section with a module: it must not be the weights, which go straight to memory. */
function codeSection(value: unknown, path: string, sections: readonly SectionEntry[]): string {
  if (value === WEIGHTS_SECTION) throw malformed(path, "the name of a section of code");
  return sectionNamed(value, path, sections).name;
}

function sectionNamed(value: unknown, path: string, sections: readonly SectionEntry[]): SectionEntry {
  const found = sections.find((section) => section.name === value);
  if (found === undefined) throw malformed(path, "the name of a section");
  return found;
}

function port(value: unknown, path: string): Port {
  const fields = object(value, path);
  const container = containers.find((kind) => kind === fields["container"]);
  if (fields["container"] !== undefined && container === undefined)
    throw malformed(`${path}.container`, "a kind of container");
  return {
    name: text(fields["name"], `${path}.name`),
    dtype: dtype(fields["dtype"], `${path}.dtype`),
    shape: shape(fields["shape"], `${path}.shape`, (dim, at) =>
      typeof dim === "string" ? dim : dimension(dim, at),
    ),
    ...(container === undefined ? {} : { container }),
  };
}

function readProgram(
  plan: Readonly<Record<string, unknown>>,
  sections: readonly SectionEntry[],
): Omit<BoundPlan, "kind" | "name" | "compiler"> {
  const memoryBytes = integer(plan["memoryBytes"], "plan.memoryBytes", 0, MAX_MEMORY_BYTES);
  // A program for WebGPU alone has no linear memory, and the addresses of its tensors mean nothing.
  const room = isEmpty(plan["variants"]) ? Number.MAX_SAFE_INTEGER : memoryBytes;
  const inputs = list(plan["inputs"], "plan.inputs", (item, path) => slot(item, path, room));
  const outputs = list(plan["outputs"], "plan.outputs", (item, path) => outputSlot(item, path, room));
  distinct(inputs, "plan.inputs");
  distinct(outputs, "plan.outputs");

  const variants = list(plan["variants"], "plan.variants", (item, path) => {
    const fields = object(item, path);
    return {
      requires: list(fields["requires"], `${path}.requires`, text),
      section: codeSection(fields["section"], `${path}.section`, sections),
    };
  });
  const gpu = plan["gpu"];
  if (variants.length === 0 && gpu === undefined) {
    throw malformed("plan.variants", "a list of at least one variant");
  }
  const libraries = list(plan["libraries"], "plan.libraries", (item, path) => {
    const fields = object(item, path);
    return {
      name: text(fields["name"], `${path}.name`),
      export: text(fields["export"], `${path}.export`),
      section: codeSection(fields["section"], `${path}.section`, sections),
    };
  });
  distinct(libraries, "plan.libraries");
  const math = list(plan["math"], "plan.math", (item, path) => {
    const name = text(item, path);
    if (mathFunction(name) === undefined) throw malformed(path, "the name of a function of Math");
    return name;
  });
  const refusals = plan["refusals"];
  const report = plan["report"];
  const control = plan["control"];
  return {
    inputs,
    outputs,
    memoryBytes,
    weights: weightRanges(plan["weights"], memoryBytes, sections),
    ...arrivals("preparation", plan["preparation"]),
    ...arrivals("opening", plan["opening"]),
    // A variant that needs what only a later runtime knows is as good as absent.
    variants: variants.flatMap(({ requires, section }) =>
      requires.every(isFeature) ? [{ requires: requires.filter(isFeature), section }] : [],
    ),
    libraries,
    math,
    ...(control === undefined ? {} : { control: controlAddress(control, memoryBytes) }),
    ...(refusals === undefined
      ? {}
      : { refusals: list(refusals, "plan.refusals", (item, path) => refusal(item, path, memoryBytes)) }),
    // Most pages never open it: it is checked by who does (`readGpuPlan`).
    ...(gpu === undefined ? {} : { gpu: gpu as GpuPlan }),
    ...(report === undefined ? {} : { report: object(report, "plan.report") }),
  };
}

function arrivals(
  name: "preparation" | "opening",
  value: unknown,
): Partial<Record<typeof name, readonly number[]>> {
  if (value === undefined) return {};
  const least = -1; // what has been checked
  const needs = list(value, `plan.${name}`, (item, path) =>
    integer(item, path, least, Number.MAX_SAFE_INTEGER),
  );
  return { [name]: needs };
}

function refusal(value: unknown, path: string, memoryBytes: number): Refusal {
  const { address, message } = object(value, path);
  return {
    address: integer(address, `${path}.address`, 0, memoryBytes - 1),
    message: text(message, `${path}.message`),
  };
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function controlAddress(value: unknown, memoryBytes: number): number {
  const address = integer(value, "plan.control", 0, memoryBytes - CONTROL_BYTES);
  if (address % 64 !== 0) throw malformed("plan.control", "a multiple of 64");
  return address;
}

function isFeature(name: string): name is Feature {
  return FEATURES.includes(name);
}

/** The function of `Math` with this name, or `fmod`, if there is one. */
export function mathFunction(name: string): ((...args: number[]) => number) | undefined {
  // The remainder of JavaScript's %, which C calls fmod, is an operator and no member of Math.
  if (name === "fmod") return (a, b) => a! % b!;
  const found: unknown = Object.getOwnPropertyDescriptor(Math, name)?.value;
  return typeof found === "function" ? (found as (...args: number[]) => number) : undefined;
}

function slot(value: unknown, path: string, memoryBytes: number): InputSlot {
  const fields = object(value, path);
  const type = dtype(fields["dtype"], `${path}.dtype`);
  const size = bytesPerElement(type);
  if (size === 0) throw malformed(`${path}.dtype`, "an element type of fixed size");
  const dims = shape(fields["shape"], `${path}.shape`, dimension);
  const bytes = dims.reduce((product, dim) => product * dim, size);
  const address = integer(fields["address"], `${path}.address`, 0, memoryBytes);
  if (address % size !== 0) throw malformed(`${path}.address`, `a multiple of ${size}`);
  if (!(address + bytes <= memoryBytes)) throw malformed(path, `within the ${memoryBytes} bytes of memory`);
  return { name: text(fields["name"], `${path}.name`), dtype: type, shape: dims, address };
}

function outputSlot(value: unknown, path: string, memoryBytes: number): OutputSlot {
  const fixed = slot(value, path, memoryBytes);
  const { dynamicDim, sizeAddress } = object(value, path);
  if (dynamicDim === undefined && sizeAddress === undefined) return fixed;
  const dim = integer(dynamicDim, `${path}.dynamicDim`, 0, fixed.shape.length - 1);
  const address = integer(sizeAddress, `${path}.sizeAddress`, 0, memoryBytes - 4);
  if (address % 4 !== 0) throw malformed(`${path}.sizeAddress`, "a multiple of 4");
  return { ...fixed, dynamicDim: dim, sizeAddress: address };
}

/** Ranges inside the section and the memory whose destinations do not overlap, which also bounds their number. */
function weightRanges(value: unknown, memoryBytes: number, sections: readonly SectionEntry[]): WeightRange[] {
  const available = sections.find((section) => section.name === WEIGHTS_SECTION)?.bytes ?? 0;
  const ranges = list(value, "plan.weights", (item, path): WeightRange => {
    const fields = object(item, path);
    const offset = integer(fields["offset"], `${path}.offset`, 0, available);
    const address = integer(fields["address"], `${path}.address`, 0, memoryBytes);
    const most = Math.min(available - offset, memoryBytes - address);
    return { offset, bytes: integer(fields["bytes"], `${path}.bytes`, 0, most), address };
  });
  let end = 0;
  for (const range of [...ranges].sort((a, b) => a.address - b.address || a.bytes - b.bytes)) {
    if (range.address < end) throw malformed("plan.weights", "free of overlapping addresses");
    end = range.address + range.bytes;
  }
  return ranges;
}
