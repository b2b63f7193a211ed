/** The options of a compilation and what it reports; plain data, shared by all stages. */
import type { Container } from "../runtime/format.ts";
import type { DType } from "./ir/dtype.ts";
import type { TraceSink } from "./trace.ts";
import type { WinogradOptions } from "./passes/winograd.ts";

/** The optional passes, in the order in which they run. */
export const passNames = [
  "fold",
  "simplify",
  "fuse",
  "rows",
  "winograd",
  "layout",
  "views",
  "ahead",
  "guards",
  "reuse",
] as const;
export type PassName = (typeof passNames)[number];

export type VariantName = "relaxed-simd" | "simd";

/** The stages at which `inspect` prints a model, in order. */
export const inspectStages = ["import", "graph", "fused", "kernels", "nest", "wat", "wgsl"] as const;
export type InspectStage = (typeof inspectStages)[number];

/** Kinds of GPUs, by what is fast on them. */
export type GpuKind = "software" | "integrated" | "discrete" | "mobile";
export const gpuKinds: readonly GpuKind[] = ["software", "integrated", "discrete", "mobile"];

/** Types of floats in the memory of a GPU. */
export type GpuFloats = "float32" | "float16";

/** What an artifact has code for. */
export type CompileTarget = "wasm" | "webgpu";
/** The stages that take time, in order; a pass that is switched off is passed over. */
export const compileStages = [
  "read",
  "import",
  "bind",
  "lower",
  "fuse",
  "simplify",
  "rows",
  "winograd",
  "layout",
  "gpu",
  "schedule",
  "ahead",
  "guards",
  "memory",
  "emit",
  "pack",
] as const;
export type CompileStage = (typeof compileStages)[number];

/** How far a compilation is: it enters `stage`, with `done` stages of `total` behind it. */
export interface CompileProgress {
  readonly stage: CompileStage;
  readonly done: number;
  readonly total: number;
}

export interface CompileOptions {
  /** What the artifact runs on; default `["wasm"]`. With both, weights are stored once. */
  readonly targets?: readonly CompileTarget[];
  /**
   * The kind of GPU that schedules for WebGPU are made for: any kind gives the same results on all, at another speed.
   * Default: "software", whose tiles suit small GPUs as well.
   */
  readonly gpu?: GpuKind;
  /**
   * How programs for WebGPU keep weights and intermediate values: "float16" halves both and rounds each value once, by at
   * most 2^-11 of it (beyond 65,504 to infinity); arithmetic, inputs and outputs stay float32. Adapters with `shader-f16`
   * hold such values in two bytes, others round the same way and need twice the memory. Default: "float32". Shapes must be
   * known while compiling.
   */
  readonly gpuFloats?: GpuFloats;
  /** Values of symbolic dimensions by name, e.g. `{ batch: 1 }`. */
  readonly dims?: Readonly<Record<string, number>>;
  /** Whole shapes by input name; these win over `dims`. */
  readonly inputShapes?: Readonly<Record<string, readonly number[]>>;
  /** Gives the bytes of a weights file beside the model. */
  readonly externalData?: (location: string) => Uint8Array | undefined;
  /** Switches passes off (or on, which is the default). */
  readonly passes?: Readonly<Partial<Record<PassName, boolean>>>;
  /** Which convolutions are computed with fewer multiplications. */
  readonly winograd?: WinogradOptions;
  /** Code variants to emit; default: "relaxed-simd", of which the runtime makes the other where an engine needs it. */
  readonly variants?: readonly VariantName[];
  readonly trace?: TraceSink;
  /** Called as each stage begins. */
  readonly progress?: (progress: CompileProgress) => void;
  /** Most bytes of memory that the program may need; default 4 GiB less a page. */
  readonly memoryLimit?: number;
  /** Most nodes that the bodies of loops may become in one program; default 10,000. */
  readonly maxUnrolledNodes?: number;
  /**
   * Most iterations of a loop whose condition follows from data, each of which is a program; default 1,000. A loop
   * that becomes one kernel may go around a thousand times as often.
   */
  readonly maxIterations?: number;
  /** Adds what `tilewright/profile` needs: each call of a run as a function of its own, and what is known of it. */
  readonly profile?: boolean;
  /** Leaves out the hashes: for a program that the same page runs at once. */
  readonly unsealed?: boolean;
}

export interface KernelReport {
  readonly name: string;
  readonly nodes: readonly string[];
  /** Multiply-adds (or element operations where there is no reduction) of one call. */
  readonly work: number;
  /** Bytes of code, of the first variant. */
  readonly bytes: number;
  /** Calls that share this code. */
  readonly calls: number;
  /** The schedule as JSON. */
  readonly schedule: string;
}

export interface CompileReport {
  readonly name: string;
  readonly kind: "bound" | "late";
  /** Nodes of the model, subgraphs not counted. */
  readonly opsIn: number;
  /** Kernel and library calls of one run. */
  readonly kernelsOut: number;
  /** Nodes that became part of another node's kernel. */
  readonly fused: number;
  readonly codeBytes: Readonly<Partial<Record<VariantName, number>>>;
  readonly weightBytes: number;
  /** Memory of one run's intermediate values: what the plan takes. */
  readonly arenaBytes: number;
  readonly memoryBytes: number;
  /** What no plan can go below: weights, panels and values that are alive at the same time, where they are most. */
  readonly memoryBoundBytes: number;
  /**
   * Bytes that one run reads and writes, every operand and result of a call once: by the calls that are made, and by
   * one call for each node, as it would be without fusion.
   */
  readonly movedBytes: { readonly fused: number; readonly unfused: number };
  readonly milliseconds: Readonly<Record<string, number>>;
  readonly kernels: readonly KernelReport[];
  /** What runs on WebGPU, where that is among the targets. */
  readonly gpu?: GpuReport;
}

/** One run on WebGPU. */
export interface GpuReport {
  readonly dispatches: number;
  /** Calls that run on the host in between, and why each does. */
  readonly hostCalls: readonly { readonly nodes: readonly string[]; readonly why: string }[];
  /** Times that values pass between the device and the host, besides inputs and outputs. */
  readonly roundTrips: number;
  readonly pipelines: number;
  readonly wgslBytes: number;
  /** Memory of intermediate values on the device. */
  readonly arenaBytes: number;
}

/** An input or output as users see it. */
export interface PortDescription {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly (number | string)[];
  /** Set where it is not one tensor; `dtype` and `shape` are then those of its elements. */
  readonly container?: Container;
}
