/**
 * Programs made by hand, for tests of the runtime that must not depend on the compiler. In: a few numbers. Out:
 * WebAssembly modules, plans and artifacts. Source of the encodings: WebAssembly core specification 3.0, section 5.
 */
import {
  type BoundPlan,
  PREFIX_BYTES,
  type SectionContent,
  writeArtifact,
  type WriteOptions,
} from "../runtime/format.ts";
import { sha256 } from "../runtime/sha256.ts";

type Bytes = readonly number[];

/** Unsigned LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  do {
    bytes.push((value % 128) | (value >= 128 ? 0x80 : 0));
    value = Math.floor(value / 128);
  } while (value > 0);
  return bytes;
}

/** Signed LEB128 of a number that is not negative. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  for (;;) {
    const low = value & 0x7f;
    value = Math.floor(value / 128);
    if (value === 0 && low < 0x40) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

const sized = (bytes: Bytes): number[] => [...unsigned(bytes.length), ...bytes];
const vector = (items: readonly Bytes[]): number[] => [...unsigned(items.length), ...items.flat()];
const name = (text: string): number[] => sized([...new TextEncoder().encode(text)]);

const I32 = 0x7f;
const F64 = 0x7c;

/** The function types that the modules here use. */
const TYPES = {
  entry: [0x60, 0, 0],
  "i32 -> i32": [0x60, 1, I32, 1, I32],
  "f64, f64 -> f64": [0x60, 2, F64, F64, 1, F64],
} as const;

type TypeName = keyof typeof TYPES;
const typeNames = Object.keys(TYPES) as TypeName[];

export interface ModuleText {
  readonly imports?: readonly { readonly module: string; readonly name: string; readonly type: TypeName }[];
  /** Exported, in this order, after the imports. */
  readonly functions: readonly { readonly name: string; readonly type: TypeName; readonly body: Bytes }[];
}

/** A module that imports `env.memory` and what else it is told to. */
export function assemble({ imports = [], functions }: ModuleText): Uint8Array<ArrayBuffer> {
  const importEntries = [
    [...name("env"), ...name("memory"), 0x02, 0x00, 0x01],
    ...imports.map(({ module, name: field, type }) => [
      ...name(module),
      ...name(field),
      0x00,
      typeNames.indexOf(type),
    ]),
  ];
  return Uint8Array.of(
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...[0x01, ...sized(vector(Object.values(TYPES)))],
    ...[0x02, ...sized(vector(importEntries))],
    ...[0x03, ...sized(vector(functions.map(({ type }) => [typeNames.indexOf(type)])))],
    ...[
      0x07,
      ...sized(
        vector(
          functions.map(({ name: field }, i) => [...name(field), 0x00, ...unsigned(imports.length + i)]),
        ),
      ),
    ],
    ...[0x0a, ...sized(vector(functions.map(({ body }) => sized([0x00, ...body, 0x0b]))))],
  );
}

/** Instructions, one list of bytes each. */
export const code = {
  unreachable: [0x00],
  call: (index: number) => [0x10, ...unsigned(index)],
  when: (condition: Bytes, then: Bytes) => [...condition, 0x04, 0x40, ...then, 0x0b],
  forever: (body: Bytes) => [0x03, 0x40, ...body, 0x0c, 0x00, 0x0b],
  localGet: (index: number) => [0x20, ...unsigned(index)],
  i32: (value: number) => [0x41, ...signed(value)],
  i32Load: (address: number) => [0x41, 0, 0x28, 2, ...unsigned(address)],
  i32Store: (address: number, value: Bytes) => [0x41, 0, ...value, 0x36, 2, ...unsigned(address)],
  i32Add: [0x6a],
  f32: (value: number) => [0x43, ...new Uint8Array(Float32Array.of(value).buffer)],
  f32Load: (address: number) => [0x41, 0, 0x2a, 2, ...unsigned(address)],
  f32Store: (address: number, value: Bytes) => [0x41, 0, ...value, 0x38, 2, ...unsigned(address)],
  f32Equal: [0x5b],
  f32Multiply: [0x94],
  f32ToF64: [0xbb],
  f64ToF32: [0xb6],
  f32ToI32: [0xa8],
  vectorLoad: (address: number) => [0x41, 0, 0xfd, 0x00, 4, ...unsigned(address)],
  vectorStore: (address: number, value: Bytes) => [0x41, 0, ...value, 0xfd, 0x0b, 4, ...unsigned(address)],
  f32x4Multiply: [0xfd, 0xe6, 0x01],
  f32x4RelaxedMadd: [0xfd, 0x85, 0x02],
} as const;

/** Where the scaling program has its things. */
const AT = { weights: 64, packed: 128, x: 192, y: 256, level: 320, size: 324, head: 384, zero: 448 };

/** An input value of the scaling program at which it traps. */
export const TRAP = 666;

/**
 * y = x * weights over four floats, by way of weights that init() copies; `level` says which variant ran (1: simd,
 * 2: relaxed-simd) and `head` is a copy of the first x[0] elements of y (an output of dynamic size). x[3] goes
 * through `math.pow(x[3], 1)` and level through the library function `lib.same`. Traps when x[1] is {@link TRAP}.
 */
function scalingModule(relaxed: boolean): Uint8Array<ArrayBuffer> {
  const x = code.vectorLoad(AT.x);
  const weights = code.vectorLoad(AT.packed);
  const product = relaxed
    ? [...x, ...weights, ...code.vectorLoad(AT.zero), ...code.f32x4RelaxedMadd]
    : [...x, ...weights, ...code.f32x4Multiply];
  const one = [...code.f32(1), ...code.f32ToF64];
  return assemble({
    imports: [
      { module: "lib", name: "same", type: "i32 -> i32" },
      { module: "math", name: "pow", type: "f64, f64 -> f64" },
    ],
    functions: [
      { name: "init", type: "entry", body: code.vectorStore(AT.packed, code.vectorLoad(AT.weights)) },
      {
        name: "run",
        type: "entry",
        body: [
          ...code.when([...code.f32Load(AT.x + 4), ...code.f32(TRAP), ...code.f32Equal], code.unreachable),
          ...code.f32Store(AT.x + 12, [
            ...[...code.f32Load(AT.x + 12), ...code.f32ToF64, ...one],
            ...[...code.call(1), ...code.f64ToF32],
          ]),
          ...code.vectorStore(AT.y, product),
          ...code.vectorStore(AT.head, code.vectorLoad(AT.y)),
          ...code.i32Store(AT.level, [...code.i32(relaxed ? 2 : 1), ...code.call(0)]),
          ...code.i32Store(AT.size, [...code.f32Load(AT.x), ...code.f32ToI32]),
        ],
      },
    ],
  });
}

export const scalingPlan: BoundPlan = {
  kind: "bound",
  name: "scaling",
  compiler: "by hand",
  inputs: [{ name: "x", dtype: "float32", shape: [2, 2], address: AT.x }],
  outputs: [
    { name: "y", dtype: "float32", shape: [2, 2], address: AT.y },
    { name: "level", dtype: "int32", shape: [], address: AT.level },
    { name: "head", dtype: "float32", shape: [4], address: AT.head, dynamicDim: 0, sizeAddress: AT.size },
  ],
  memoryBytes: 512,
  weights: [
    { offset: 8, bytes: 8, address: AT.weights + 8 },
    { offset: 0, bytes: 8, address: AT.weights },
  ],
  variants: [
    { requires: ["simd", "relaxed-simd"], section: "relaxed" },
    { requires: ["simd"], section: "plain" },
  ],
  libraries: [{ name: "same", export: "same", section: "library" }],
  math: ["pow"],
  report: { kernels: 1 },
};

/** The sections of the scaling program for these four weights; `padding` bytes more in its weights. */
export function scalingSections(weights: readonly number[], padding = 0): SectionContent[] {
  const same = { name: "same", type: "i32 -> i32", body: code.localGet(0) } as const;
  return [
    {
      name: "weights",
      data: [new Uint8Array(Float32Array.from(weights).buffer), new Uint8Array(padding).fill(0xa5)],
    },
    { name: "relaxed", data: scalingModule(true) },
    { name: "plain", data: scalingModule(false) },
    { name: "library", data: assemble({ functions: [same] }) },
  ];
}

/** The scaling program as a file, with a change to its plan. */
export function scalingArtifact(
  change: Partial<BoundPlan> = {},
  weights: readonly number[] = [2, 3, 4, 5],
  options: WriteOptions = {},
): Uint8Array<ArrayBuffer> {
  return writeArtifact({ ...scalingPlan, ...change }, scalingSections(weights), options);
}

/** A program of plain instructions without weights, as a file. */
export function plainArtifact(
  plan: Partial<BoundPlan>,
  run: Bytes,
  init: Bytes = [],
): Uint8Array<ArrayBuffer> {
  const module = assemble({
    functions: [
      { name: "init", type: "entry", body: init },
      { name: "run", type: "entry", body: run },
    ],
  });
  return writeArtifact(
    {
      ...scalingPlan,
      ...{
        name: "plain",
        weights: [],
        libraries: [],
        math: [],
        variants: [{ requires: [], section: "code" }],
      },
      ...plan,
    },
    [{ name: "code", data: module }],
    { unsealed: false },
  );
}

/** Any JSON object. */
export type Json = Record<string, unknown>;

/** The file with a changed header that has a right hash; the sections stay. */
export function withHeader(
  file: Uint8Array,
  change: (header: { plan: Json; sections: Json[] }) => void,
): Uint8Array {
  const length = new DataView(file.buffer, file.byteOffset).getUint32(8, true);
  const text = new TextDecoder().decode(file.subarray(PREFIX_BYTES, PREFIX_BYTES + length));
  const header = JSON.parse(text) as { plan: Json; sections: Json[] };
  change(header);
  const bytes = new TextEncoder().encode(JSON.stringify(header));
  const oldStart = Math.ceil((PREFIX_BYTES + length) / 64) * 64;
  const newStart = Math.ceil((PREFIX_BYTES + bytes.length) / 64) * 64;
  const changed = new Uint8Array(newStart + file.length - oldStart);
  changed.set(file.subarray(0, PREFIX_BYTES));
  new DataView(changed.buffer).setUint32(8, bytes.length, true);
  changed.set(sha256(bytes), 16);
  changed.set(bytes, PREFIX_BYTES);
  changed.set(file.subarray(oldStart), newStart);
  return changed;
}

/** A generator of numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
