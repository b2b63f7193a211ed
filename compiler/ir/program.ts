/**
 * The Program IR: a model as a list of kernel and library calls over named values. In: a BoundGraph. Out, after
 * fusion, layout and memory planning: everything an emitter needs. Invariant: calls stand in order; a value has one
 * producer; `outputs` of a call are in the order of its kernel's output buffers.
 */
import { elementCount, type DType, type Tensor } from "./dtype.ts";
import type { LinearShape } from "../../runtime/binder.ts";
import type { ValueId } from "./graph.ts";
import { layoutOf, type Kernel, type Layout } from "./kernel.ts";
import type { Schedule } from "./schedule.ts";

export interface ProgramValue {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Where elements lie in the value's storage; row-major where absent. */
  readonly layout?: Layout;
  /** The value whose memory this one is a part of; its own where absent. */
  readonly storage?: ValueId;
  /** Elements of the storage, where it is larger than the shape (a halo). */
  readonly elements?: number;
  /** The dimension whose size only running tells; `shape` has room for the most. */
  readonly dynamicDim?: number;
  /** The value of which it is a copy: they have that size in common. */
  readonly sizeOf?: ValueId;
}

/** One argument of a library kernel: pointers are to dense row-major data. */
export type LibraryArgument =
  | { readonly kind: "input" | "output"; readonly position: number }
  /** Pointer into the call's scratch, at a byte offset. */
  | { readonly kind: "scratch"; readonly offset: number }
  | { readonly kind: "i32"; readonly value: number }
  | { readonly kind: "f32" | "f64"; readonly value: number }
  /** An i32 that is another in each run, the same for equal values in one run: part of a seed. */
  | { readonly kind: "draw"; readonly value: number }
  /** Pointer to constant data made by the definition (shapes, tables). */
  | { readonly kind: "data"; readonly tensor: Tensor };

/** What a pass and an emitter have to know of a library kernel; the table of them is `compiler/ops/library`. */
export interface LibraryRoutine {
  readonly name: string;
  /** Name of the function that the module exports. */
  readonly export: string;
  /** Arguments in order: `real` is an f64, all others are i32. */
  readonly parameters: readonly { readonly kind: string }[];
  /** Does the same on a memory of JavaScript's. */
  readonly reference: (memory: DataView, ...args: number[]) => number;
  /** The WebAssembly module: it imports `env.memory` and exports the one function. */
  moduleBytes(): Uint8Array<ArrayBuffer>;
}

export interface LibraryCall {
  readonly kernel: LibraryRoutine;
  readonly arguments: readonly LibraryArgument[];
  readonly scratchBytes: number;
  /** The kernel's result is the size of this output's dynamic dimension (for every output that has one). */
  readonly resultIsSize?: boolean;
}

/** Whether a call gives something else in each run, even of the same inputs. */
export function drawsAnew(call: LibraryCall): boolean {
  return call.arguments.some(({ kind }) => kind === "draw");
}

export interface KernelCall {
  readonly kind: "kernel";
  /** Names of the graph's nodes that this call computes. */
  readonly nodes: readonly string[];
  readonly kernel: Kernel;
  readonly inputs: readonly ValueId[];
  readonly outputs: readonly ValueId[];
}

/** What is true or not in the one element of a bool value. */
export interface Test {
  readonly value: ValueId;
  readonly holds: boolean;
}

export interface LibraryCallSite {
  readonly kind: "library";
  readonly nodes: readonly string[];
  readonly library: LibraryCall;
  /** As of {@link ScheduledKernel}. */
  readonly when?: readonly Test[];
  /** By the operator's positions; "" where not given. */
  readonly inputs: readonly ValueId[];
  readonly outputs: readonly ValueId[];
}

export type Call = KernelCall | LibraryCallSite;

export interface Program {
  readonly name: string;
  readonly values: ReadonlyMap<ValueId, ProgramValue>;
  readonly constants: ReadonlyMap<ValueId, Tensor>;
  readonly calls: readonly Call[];
  readonly inputs: readonly ValueId[];
  readonly outputs: readonly ProgramOutput[];
}

export interface ProgramOutput {
  readonly id: ValueId;
  readonly name: string;
  /** It is a bool that no caller sees: a run in which it is true fails for this reason. */
  readonly refusal?: string;
}

/** How many calls make one run of a kernel: the units of its nest in so many ranges. */
export interface Parts {
  readonly count: number;
  /**
   * How many threads may run them at the same time, each with its own copy of the temps; with one thread they run one
   * after the other, in order.
   */
  readonly threads: number;
}

export const ONE_PART: Parts = { count: 1, threads: 1 };

/** How far results matter where a number tells that each run is given. */
export interface Ends {
  /** The value that holds the number: one int32. */
  readonly parameter: ValueId;
  /** Shapes of the outputs, by position; undefined where all of it matters. */
  readonly shapes: readonly (LinearShape | undefined)[];
}

export interface ScheduledKernel {
  readonly kind: "kernel";
  readonly nodes: readonly string[];
  readonly kernel: Kernel;
  readonly schedule: Schedule;
  readonly parts: Parts;
  /**
   * Only where all of these are so does anything read what the call makes; it is left out otherwise. What a later one
   * of them reads may be anything where an earlier one is not so.
   */
  readonly when?: readonly Test[];
  /** What lies beyond need not be computed. */
  readonly ends?: Ends;
  readonly inputs: readonly ValueId[];
  readonly outputs: readonly ValueId[];
}

export type ScheduledCall = ScheduledKernel | LibraryCallSite;

export interface ScheduledProgram {
  readonly program: Program;
  /** The program's values and the packed operands. */
  readonly values: ReadonlyMap<ValueId, ProgramValue>;
  readonly init: readonly ScheduledCall[];
  readonly run: readonly ScheduledCall[];
}

/** The value in whose memory another one lies. */
export function rootsOf(values: ReadonlyMap<ValueId, ProgramValue>): (id: ValueId) => ValueId {
  return (id) => values.get(id)?.storage ?? id;
}

/**
 * Whether two values of one storage may have an element in common: exact for parts of one array (their strides are
 * the same and each dimension's fits into the one before it), and true where that cannot be told.
 */
export function mayOverlap(a: ProgramValue, b: ProgramValue): boolean {
  const { strides, offset } = layoutOf(a);
  const other = layoutOf(b);
  if (String(strides) !== String(other.strides)) return true;
  const rest = [offset, other.offset];
  const order = strides.map((_, d) => d).sort((p, q) => strides[q]! - strides[p]!);
  let [apart, room] = [false, Infinity];
  for (const d of order) {
    const stride = strides[d]!;
    if (stride <= 0) return true;
    const [start, otherStart] = rest.map((from) => Math.floor(from / stride)) as [number, number];
    const [end, otherEnd] = [start + a.shape[d]!, otherStart + b.shape[d]!];
    if (Math.max(end, otherEnd) * stride > room) return true;
    apart ||= end <= otherStart || otherEnd <= start;
    rest.forEach((from, i) => (rest[i] = from % stride));
    room = stride;
  }
  return !apart;
}

/** Elements that a value's storage takes. */
export function storageElements(value: ProgramValue): number {
  return value.elements ?? elementCount(value.shape);
}

/** Everything that has a place in memory. */
export interface Places {
  address(id: ValueId): number;
  /** Address of buffer `buffer` (a temp) of call `call`, or of a library call's scratch (buffer -1). */
  scratch(call: ScheduledCall, buffer: number): number;
  /** Bytes from one thread's copy of a temp to the next. */
  scratchStride(call: ScheduledKernel, buffer: number): number;
  /** Where the threads of a run keep their counters (see backend/wasm/threads.ts). */
  readonly control: number;
  /** Address of a constant that a library call brings along. */
  data(tensor: Tensor): number;
  /** Where the size of a dynamic output is stored; undefined when nobody asks. */
  sizeOf(id: ValueId): number | undefined;
}
