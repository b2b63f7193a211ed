/**
 * Programs for WebGPU made by hand, for tests of the runtime that must not depend on the compiler. In: a little WGSL.
 * Out: artifacts. Invariant: what a program computes is said where it is made.
 */
import {
  type BoundPlan,
  type GpuSlot,
  type GpuStep,
  type GpuVariant,
  writeArtifact,
} from "../runtime/format.ts";
import { assemble, code } from "./programs.ts";

/** A list of kernels, each a WGSL module of its own. */
interface KernelText {
  readonly name: string;
  readonly bindings: readonly ("read" | "write")[];
  readonly text: string;
  readonly schedule?: string;
}

export interface GpuProgramText extends Partial<
  Omit<GpuVariant, "modules" | "pipelines" | "inputs" | "outputs">
> {
  readonly name?: string;
  readonly inputs: GpuVariant["inputs"];
  readonly outputs: GpuVariant["outputs"];
  readonly ports: Pick<BoundPlan, "inputs" | "outputs">;
  readonly kernels: readonly KernelText[];
  readonly weightBytes?: Uint8Array;
  readonly hostModule?: Uint8Array;
  readonly calls?: readonly unknown[];
  /** A program for WebAssembly beside it. */
  readonly wasm?: Uint8Array;
}

const encoder = new TextEncoder();

/** The artifact of a program. */
export function gpuArtifact(program: GpuProgramText): Uint8Array<ArrayBuffer> {
  const texts = program.kernels.map(({ text }) => encoder.encode(text));
  let end = 0;
  const modules = texts.map(({ length }) => ({ offset: (end += length) - length, bytes: length }));
  const {
    requires = { features: [], limits: {} },
    buffers = [],
    weights = [],
    init = [],
    run = [],
    host,
  } = program;
  const variant: GpuVariant = {
    ...{ requires, buffers, weights, modules, init, run },
    ...{ inputs: program.inputs, outputs: program.outputs },
    pipelines: program.kernels.map(({ name, bindings, schedule }, module) => ({
      ...{ module, entry: "main", bindings, name },
      ...(schedule === undefined ? {} : { schedule }),
    })),
    ...(host === undefined ? {} : { host }),
  };
  const plan: BoundPlan = {
    kind: "bound",
    name: program.name ?? "by hand",
    compiler: "by hand",
    ...program.ports,
    memoryBytes: program.wasm === undefined ? 0 : 1024,
    weights: [],
    variants: program.wasm === undefined ? [] : [{ requires: [], section: "code" }],
    libraries: [],
    math: [],
    gpu: { variants: [variant] },
    report: { gpu: { calls: program.calls ?? [] } },
  };
  return writeArtifact(plan, [
    { name: "wgsl", data: texts },
    ...(program.hostModule === undefined ? [] : [{ name: "host", data: program.hostModule }]),
    ...(program.wasm === undefined ? [] : [{ name: "code", data: program.wasm }]),
    { name: "weights", data: program.weightBytes ?? new Uint8Array(0) },
  ]);
}

const floats = (values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

const slot = (name: string, buffer: number, address: number, bytes: number): GpuSlot => ({
  ...{ name, buffer, address, bytes },
  form: "packed",
});

/** A kernel over floats: `out[i] = f(a[i], b[i])`, or in place with one binding. */
const twoToOne = (name: string, expression: string): KernelText => ({
  name,
  bindings: ["read", "read", "write"],
  schedule: "bind x group",
  text: `
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&out)) { out[id.x] = ${expression}; }
}`,
});

const dispatch = (
  pipeline: number,
  bindings: Extract<GpuStep, { kind: "dispatch" }>["bindings"],
  call?: number,
): GpuStep => ({
  ...{ kind: "dispatch", pipeline, bindings, groups: [1, 1, 1] },
  ...(call === undefined ? {} : { call }),
});

/** y = x * (2 w) with four weights, doubled at load; the WebAssembly program beside it computes y = x * 10. */
export function scaling(
  weights: readonly number[] = [1, 2, 3, 4],
  withWasm = false,
): Uint8Array<ArrayBuffer> {
  const at = (buffer: number, address = 0) => ({ buffer, address, bytes: 16 });
  const times10 = [...code.f32(10), ...code.f32Multiply];
  return gpuArtifact({
    name: "scaling on the GPU",
    ports: {
      inputs: [{ name: "x", dtype: "float32", shape: [2, 2], address: 0 }],
      outputs: [{ name: "y", dtype: "float32", shape: [2, 2], address: withWasm ? 64 : 0 }],
    },
    buffers: [{ bytes: 512 }, { bytes: 256 }, { bytes: 256 }],
    weights: [{ offset: 0, bytes: 16, buffer: 1, address: 0 }],
    weightBytes: floats(weights),
    kernels: [twoToOne("double", "a[id.x] + b[id.x]"), twoToOne("scale", "a[id.x] * b[id.x]")],
    init: [
      dispatch(0, [at(1), at(1), at(0)]),
      { kind: "copy", from: at(0), to: at(0, 256) },
      { kind: "copy", from: at(0, 256), to: at(1) },
    ],
    run: [dispatch(1, [at(2), at(1), at(0)], 0)],
    inputs: [slot("x", 2, 0, 16)],
    outputs: [slot("y", 0, 0, 16)],
    calls: [call("scale", 4, 48)],
    ...(withWasm
      ? {
          wasm: assemble({
            functions: [
              { name: "init", type: "entry", body: [] },
              {
                name: "run",
                type: "entry",
                body: [0, 4, 8, 12].flatMap((i) => code.f32Store(64 + i, [...code.f32Load(i), ...times10])),
              },
            ],
          }),
        }
      : {}),
  });
}

/** What a compiler says of a call. */
function call(name: string, work: number, bytes: number): unknown {
  return {
    name,
    nodes: [name],
    work,
    operations: 2 * work,
    bytes,
    parts: 1,
    schedule: "",
    codeBytes: 0,
    sharedBy: 1,
  };
}

/** y = 2 (2x + 1), where the sum is a step on the CPU; z is x + 1 made by that step alone; s has x[0] elements of y. */
export function mixed(): Uint8Array<ArrayBuffer> {
  const at = (buffer: number) => ({ buffer, address: 0, bytes: 8 });
  const float = (address: number, value: readonly number[], ...more: readonly number[]) =>
    code.f32Store(address, [...value, ...more]);
  const F32_ADD = 0x92;
  return gpuArtifact({
    name: "mixed",
    ports: {
      inputs: [
        { name: "x", dtype: "float32", shape: [2], address: 0 },
        { name: "k", dtype: "float32", shape: [1], address: 0 },
      ],
      outputs: [
        { name: "y", dtype: "float32", shape: [2], address: 0 },
        { name: "z", dtype: "float32", shape: [1], address: 0 },
        { name: "s", dtype: "float32", shape: [2], address: 0, dynamicDim: 0, sizeAddress: 0 },
      ],
    },
    buffers: [{ bytes: 256 }, { bytes: 256 }, { bytes: 256 }],
    kernels: [twoToOne("double", "a[id.x] + b[id.x]")],
    run: [
      dispatch(0, [at(0), at(0), at(1)]),
      {
        kind: "host",
        segment: "plus",
        reads: [{ gpu: at(1), address: 64, form: "packed", dtype: "float32", elements: 2 }],
        writes: [{ gpu: at(0), address: 64, form: "packed", dtype: "float32", elements: 2 }],
      },
      dispatch(0, [at(0), at(0), at(2)]),
    ],
    inputs: [slot("x", 0, 0, 8), slot("k", -1, 128, 4)],
    outputs: [
      slot("y", 2, 0, 8),
      slot("z", -1, 192, 4),
      { ...slot("s", 2, 0, 8), size: { buffer: -1, address: 256, bytes: 4 } },
    ],
    host: {
      section: "host",
      requires: [],
      memoryBytes: 1024,
      weights: [{ offset: 0, bytes: 4, address: 320 }],
    },
    weightBytes: floats([1]),
    hostModule: assemble({
      functions: [
        {
          name: "plus",
          type: "entry",
          body: [
            ...float(64, code.f32Load(64), ...code.f32Load(320), F32_ADD),
            ...float(68, code.f32Load(68), ...code.f32Load(320), F32_ADD),
            ...float(192, code.f32Load(128), ...code.f32Load(320), F32_ADD),
            ...code.i32Store(256, [...code.f32Load(128), ...code.f32ToI32]),
          ],
        },
      ],
    }),
  });
}

/** out = in, of types that are wide on the GPU and such as are not. */
export function narrow(): Uint8Array<ArrayBuffer> {
  const types = ["bool", "int8", "uint16", "float16", "bfloat16"] as const;
  const wide = types.map((dtype, i) => ({ dtype, i }));
  return gpuArtifact({
    name: "narrow",
    ports: {
      inputs: [
        ...wide.map(({ dtype }) => ({ name: dtype, dtype, shape: [3], address: 0 })),
        { name: "bytes", dtype: "uint8", shape: [5], address: 0 },
      ],
      outputs: [
        ...wide.map(({ dtype }) => ({ name: `${dtype} out`, dtype, shape: [3], address: 0 })),
        { name: "bytes out", dtype: "uint8", shape: [5], address: 0 },
      ],
    },
    buffers: [{ bytes: 4096 }, { bytes: 4096 }],
    kernels: [],
    run: [
      {
        kind: "copy",
        from: { buffer: 0, address: 0, bytes: 4096 },
        to: { buffer: 1, address: 0, bytes: 4096 },
      },
    ],
    inputs: [
      ...wide.map(({ dtype, i }): GpuSlot => ({ ...slot(dtype, 0, i * 16, 12), form: "wide" })),
      slot("bytes", 0, 256, 8),
    ],
    outputs: [
      ...wide.map(({ dtype, i }): GpuSlot => ({ ...slot(`${dtype} out`, 1, i * 16, 12), form: "wide" })),
      slot("bytes out", 1, 256, 8),
    ],
  });
}

/** y = x of a shape, for pictures; as floats or as bytes. */
export function picture(
  shape: readonly number[],
  dtype: "float32" | "uint8" = "float32",
): Uint8Array<ArrayBuffer> {
  const count = shape.reduce((product, dim) => product * dim, 1);
  const bytes = dtype === "float32" ? count * 4 : Math.ceil(count / 4) * 4;
  const size = Math.ceil((bytes + 64) / 256) * 256;
  return gpuArtifact({
    name: "picture",
    ports: {
      inputs: [{ name: "x", dtype, shape, address: 0 }],
      outputs: [{ name: "y", dtype, shape, address: 0 }],
    },
    buffers: [{ bytes: size }, { bytes: size }],
    kernels: [],
    run: [{ kind: "copy", from: { buffer: 0, address: 64, bytes }, to: { buffer: 1, address: 0, bytes } }],
    inputs: [slot("x", 0, 64, bytes)],
    outputs: [slot("y", 1, 0, bytes)],
  });
}

/** A chain of so many kernels, no two with the same text: y = x + 1 + 2 + ... + count, over `elements` floats. */
export function chain(count: number, elements = 64, padding = 0): Uint8Array<ArrayBuffer> {
  const bytes = elements * 4;
  const at = (buffer: number) => ({ buffer, address: 0, bytes });
  const noise = (i: number): string =>
    Array.from({ length: padding }, (_, j) => `  sum = sum + f32(${i * padding + j + 1}) * unused;`).join(
      "\n",
    );
  return gpuArtifact({
    name: "chain",
    ports: {
      inputs: [{ name: "x", dtype: "float32", shape: [elements], address: 0 }],
      outputs: [{ name: "y", dtype: "float32", shape: [elements], address: 0 }],
    },
    buffers: [{ bytes: Math.max(256, bytes) }, { bytes: Math.max(256, bytes) }],
    kernels: Array.from({ length: count }, (_, i) => ({
      name: `add ${i + 1}`,
      bindings: ["read", "write"] as const,
      text: `
@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read_write> target_: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= arrayLength(&target_)) { return; }
  let unused = source[id.x] * 0.0;
  var sum = source[id.x] + ${i + 1}.0;
${noise(i)}
  target_[id.x] = sum;
}`,
    })),
    run: Array.from({ length: count }, (_, i) => ({
      kind: "dispatch" as const,
      pipeline: i,
      bindings: [at(i % 2), at((i + 1) % 2)],
      groups: [Math.ceil(elements / 64), 1, 1] as const,
      call: i,
    })),
    inputs: [slot("x", 0, 0, bytes)],
    outputs: [slot("y", count % 2, 0, bytes)],
    calls: Array.from({ length: count }, (_, i) => call(`add ${i + 1}`, elements, 2 * bytes)),
  });
}
