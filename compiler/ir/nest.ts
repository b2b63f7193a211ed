/**
 * The Nest IR: explicit loops, ready for an emitter. In: apply(kernel, schedule). Out: a tree of statements over
 * buffers whose accesses are linear in the loop variables wherever that is possible. Invariant: loop variables are
 * unique; accumulators are initialised before they are updated and read after; a `vector` loop holds only leaf
 * statements and unrolled loops stand inside serial ones.
 */
import type { Buffer } from "./kernel.ts";
import type { ComputeType } from "./dtype.ts";
import type { Expr } from "./expr.ts";

/** Lanes of a vector: 128 bits of elements of 32 bits. */
export const LANES = 4;

export interface ForStatement {
  readonly kind: "for";
  /**
   * serial: a real loop. unroll: copied out. vector: `extent` lanes at once. grid: serial, may be split over workers (of
   * a GPU: workgroups). group: split over the invocations of a workgroup, serial where there are none. together: the same
   * inside of group loops, over all invocations, which arrive there together; so no iteration depends on those loops.
   */
  readonly mode: "serial" | "grid" | "group" | "together" | "unroll" | "vector";
  readonly variable: string;
  /** The variable runs over from, ..., from + extent - 1. */
  readonly from: number;
  readonly extent: number;
  /** vector only: lanes that hold points of the kernel; the others are computed and dropped. */
  readonly lanes?: number;
  readonly body: readonly Statement[];
}

/** Starts an accumulator: one register per point of the unrolled and vector loops around it. */
export interface InitStatement {
  readonly kind: "init";
  readonly accumulator: string;
  readonly type: ComputeType;
  readonly op: "sum" | "max" | "min" | "prod";
}

export interface UpdateStatement {
  readonly kind: "update";
  readonly accumulator: string;
  readonly op: "sum" | "max" | "min" | "prod";
  readonly body: Expr;
}

/**
 * Combines the lanes of an accumulator that was updated inside a vector loop into one scalar; over "group": what the
 * invocations of a workgroup have gathered in theirs, so that each has the whole; inside of group loops: what those have that
 * share a point of them, so that the one that stores has the whole; over "subgroup": as "group" outside of group loops, by the
 * operations of subgroups where the device has them.
 */
export interface CombineStatement {
  readonly kind: "combine";
  readonly accumulator: string;
  readonly op: "sum" | "max" | "min" | "prod";
  readonly over?: "group" | "subgroup";
}

/** What was stored before is seen by all invocations of a workgroup after; nothing where there are none. */
export interface BarrierStatement {
  readonly kind: "barrier";
}

export interface StoreStatement {
  readonly kind: "store";
  readonly buffer: number;
  readonly index: readonly Expr[];
  /** `acc` in it reads this accumulator. */
  readonly value: Expr;
  readonly accumulator?: string;
}

export type Statement =
  ForStatement | InitStatement | UpdateStatement | CombineStatement | BarrierStatement | StoreStatement;

export interface Nest {
  readonly name: string;
  readonly buffers: readonly Buffer[];
  readonly body: readonly Statement[];
  /** Invocations of a workgroup, where the schedule says so. */
  readonly workgroup?: number;
  /** Whether one workgroup runs all of it, stage by stage. */
  readonly sequence?: boolean;
}
