/**
 * Runs a library kernel twice on equal memories, once as WebAssembly and once as its reference, and compares. In:
 * tensors placed in an arena, then named arguments. Out: the return value and readers of the outputs. Invariant:
 * after a run every byte outside the scratch is the same in both memories, including the gaps between tensors, so
 * a store outside its place shows; NaNs of results may differ in their bits (the WebAssembly specification leaves
 * them open).
 */
import { expect } from "vitest";
import {
  libraryDtypes,
  libraryKernels,
  libraryModuleBytes,
  orderArguments,
  type LibraryDType,
  type NamedArguments,
} from "../compiler/ops/library/index.ts";
import { readElement, widthOf, writeElement } from "../compiler/ops/library/memory.ts";

const modules = new Map<string, WebAssembly.Module>();

function moduleOf(name: string): WebAssembly.Module {
  let module = modules.get(name);
  if (!module) modules.set(name, (module = new WebAssembly.Module(libraryModuleBytes(name))));
  return module;
}

/** A small generator of uniform numbers in [0, 1) (mulberry32), so that a case is reproduced by its seed. */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Values of a dtype that make ties, edges and overflows likely. */
export function awkwardValues(dtype: LibraryDType, count: number, random: () => number): (number | bigint)[] {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const bits = widthOf(dtype) * 8;
  return Array.from({ length: count }, () => {
    if (dtype === "bool") return random() < 0.5 ? 0 : 1;
    if (["float32", "float64", "float16", "bfloat16"].includes(dtype)) {
      return random() < 0.5
        ? pick([0, -0, 1, -1, 0.5, NaN, Infinity, -Infinity, 6e-8, 3e-5, -65504, 3.3e38])
        : (random() - 0.5) * 10 ** Math.floor(random() * 8 - 4);
    }
    const wide = BigInt(Math.floor(random() * 2 ** 53)) * 0x9e3779b97f4a7c15n;
    const value = random() < 0.7 ? BigInt(pick([0, 1, -1, 2, 3, -3])) : wide;
    return dtype.startsWith("u") ? BigInt.asUintN(bits, value) : BigInt.asIntN(bits, value);
  });
}

interface Region {
  readonly at: number;
  readonly dtype: LibraryDType;
  readonly count: number;
}

export class KernelArena {
  private readonly memory = new WebAssembly.Memory({ initial: 1 });
  private readonly view = new DataView(this.memory.buffer);
  private readonly regions: Region[] = [];
  private end = 64;

  constructor() {
    // What was in memory before is nobody's business, and seldom zero.
    new Uint8Array(this.memory.buffer).fill(0xa5);
  }

  private reserve(bytes: number): number {
    const at = this.end;
    this.end = (at + bytes + 31) & ~7;
    if (this.end > this.memory.buffer.byteLength) throw new Error("the test's tensors do not fit the arena");
    return at;
  }

  /** Places a tensor with these elements and returns its address. */
  put(dtype: LibraryDType, values: readonly (number | bigint)[]): number {
    const at = this.reserve(values.length * widthOf(dtype));
    values.forEach((value, i) => writeElement(this.view, at, i, dtype, value));
    return at;
  }

  putBytes(bytes: Uint8Array): number {
    return this.put("uint8", [...bytes]);
  }

  /** Room for `count` elements that a kernel writes. */
  output(dtype: LibraryDType, count: number): number {
    const at = this.reserve(count * widthOf(dtype));
    this.regions.push({ at, dtype, count });
    return at;
  }

  read(dtype: LibraryDType, at: number, count: number): (number | bigint)[] {
    return Array.from({ length: count }, (_, i) => readElement(this.view, at, i, dtype));
  }

  readNumbers(dtype: LibraryDType, at: number, count: number): number[] {
    return this.read(dtype, at, count).map(Number);
  }

  /** Runs both, expects them to agree, and returns what the kernel returned. */
  run(name: string, named: NamedArguments): number {
    const kernel = libraryKernels[name]!;
    const bytes = kernel.scratchBytes(named);
    const scratch = this.reserve(bytes);
    const values = kernel.parameters.some((parameter) => parameter.kind === "scratch")
      ? { ...named, scratch }
      : named;
    const ordered = orderArguments(kernel, values);
    const twin = new DataView(this.memory.buffer.slice(0));

    const instance = new WebAssembly.Instance(moduleOf(name), { env: { memory: this.memory } });
    const call = instance.exports[kernel.export] as (...args: number[]) => number;
    const result = call(...ordered);
    expect(kernel.reference(twin, ...ordered), `${name}: return value`).toBe(result);

    const settle = (view: DataView): Uint8Array => {
      for (const { at, dtype, count } of this.regions) {
        for (let i = 0; i < count; i++) {
          const value = readElement(view, at, i, dtype);
          if (Number.isNaN(value)) writeElement(view, at, i, dtype, NaN);
        }
      }
      new Uint8Array(view.buffer).fill(0, scratch, scratch + bytes);
      return new Uint8Array(view.buffer);
    };
    const [ours, theirs] = [settle(this.view), settle(twin)];
    const differs = ours.findIndex((byte, i) => byte !== theirs[i]);
    if (differs >= 0) expect.fail(`${name}: byte ${differs} differs\n${this.describe(differs, twin)}`);
    return result;
  }

  private describe(byte: number, twin: DataView): string {
    const region = this.regions.find(
      ({ at, dtype, count }) => byte >= at && byte < at + count * widthOf(dtype),
    );
    if (!region) return "it belongs to no output: a store out of place";
    const { at, dtype } = region;
    const index = Math.floor((byte - at) / widthOf(dtype));
    const [ours, theirs] = [this.view, twin].map((view) => readElement(view, at, index, dtype));
    return `element ${index} of the ${dtype} output at ${at}: kernel ${ours}, reference ${theirs}`;
  }
}

/** The dtype codes that a kernel's arguments take. */
export const code = libraryDtypes;
