/**
 * The Kernel IR: what is computed, element by element, with no word about how. In: an op definition's build()
 * or a fusion of several. Out: a tree of sequential loops and assignments over buffers. Invariant: axis names are
 * unique within a kernel; every assignment runs over all points of its own axes, in no particular order, and sees
 * what earlier assignments of the same iteration of the enclosing loops have stored.
 *
 * Most kernels are one assignment. Loops are for what several assignments share: the rows of a softmax (max, sum,
 * quotient) or the time steps of a recurrent cell, where the loop is `carried`: its order matters.
 */
import { elementCount, type ComputeType, type DType } from "./dtype.ts";
import { axis as axisExpr, type Expr } from "./expr.ts";

export interface Axis {
  readonly name: string;
  readonly extent: number;
}

/** Where a buffer's elements lie: element address = offset + sum of index * stride, in elements. */
export interface Layout {
  readonly strides: readonly number[];
  readonly offset: number;
  /** A border that holds `value`, so that padded reads need no test: elements before and after, per dimension. */
  readonly halo?: Halo;
}

export interface Halo {
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly value: number;
}

export interface Buffer {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** "temp": scratch that lives for one run of the kernel. */
  readonly role: "in" | "out" | "temp";
  /** Set by the layout pass; row-major without halo where absent. */
  readonly layout?: Layout;
}

export interface Reduction {
  readonly op: "sum" | "max" | "min" | "prod";
  readonly axes: readonly Axis[];
  readonly body: Expr;
}

export interface Assign {
  readonly kind: "assign";
  /** The points that the assignment covers (besides those of the loops around it). */
  readonly axes: readonly Axis[];
  readonly reduce?: Reduction;
  /** What is stored; `acc` in it is the result of `reduce`. Converted to the buffer's dtype on storing. */
  readonly value: Expr;
  readonly out: number;
  readonly index: readonly Expr[];
}

export interface Loop {
  readonly kind: "loop";
  readonly axis: Axis;
  /** Iterations must run in order, because one reads what an earlier one stored. */
  readonly carried: boolean;
  readonly body: readonly Block[];
}

export type Block = Assign | Loop;

export interface Kernel {
  /** For people: profiles and traces show it. Not part of the kernel's identity. */
  readonly name: string;
  /** Inputs first, then outputs, then temps. */
  readonly buffers: readonly Buffer[];
  readonly body: readonly Block[];
}

/** The coordinate expression of an axis. */
export function coordinate(axis: Axis): Expr {
  return axisExpr(axis.name, axis.extent);
}

/** Strides of a dense row-major tensor. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    strides[d] = stride;
    stride *= shape[d]!;
  }
  return strides;
}

export function layoutOf(buffer: Pick<Buffer, "layout" | "shape">): Layout {
  return buffer.layout ?? { strides: rowMajorStrides(buffer.shape), offset: 0 };
}

/** All assignments of a kernel with the loops around each, outermost first. */
export function assignments(
  kernel: Pick<Kernel, "body">,
): { readonly assign: Assign; readonly loops: readonly Loop[] }[] {
  const found: { assign: Assign; loops: readonly Loop[] }[] = [];
  const walk = (blocks: readonly Block[], loops: readonly Loop[]): void => {
    for (const block of blocks) {
      if (block.kind === "assign") found.push({ assign: block, loops });
      else walk(block.body, [...loops, block]);
    }
  };
  walk(kernel.body, []);
  return found;
}

/** The single assignment of a kernel that has just one and no loops. */
export function singleAssign(kernel: Kernel): Assign | undefined {
  const [block] = kernel.body;
  return kernel.body.length === 1 && block?.kind === "assign" ? block : undefined;
}

/** Rebuilds every assignment of a tree of blocks. */
export function mapAssigns(blocks: readonly Block[], change: (assign: Assign) => Assign): Block[] {
  return blocks.map((block) =>
    block.kind === "assign" ? change(block) : { ...block, body: mapAssigns(block.body, change) },
  );
}

/** Rebuilds what an assignment computes, not where it stores it. */
export function mapComputed(assign: Assign, change: (e: Expr) => Expr): Assign {
  return {
    ...assign,
    value: change(assign.value),
    ...(assign.reduce ? { reduce: { ...assign.reduce, body: change(assign.reduce.body) } } : {}),
  };
}

/** Rebuilds all expressions of an assignment. */
export function mapAssign(assign: Assign, change: (e: Expr) => Expr): Assign {
  return { ...mapComputed(assign, change), index: assign.index.map(change) };
}

/** What a reduction over nothing gives: for max and min of integers the ends of the type. */
export function identityOf(op: Reduction["op"], type: ComputeType): number | bigint {
  const wide = type === "i64" || type === "u64";
  if (op === "sum") return wide ? 0n : 0;
  if (op === "prod") return wide ? 1n : 1;
  const most = op === "max";
  switch (type) {
    case "f32":
    case "f64":
      return most ? -Infinity : Infinity;
    case "bool":
      return most ? 0 : 1;
    case "i64":
      return most ? -(2n ** 63n) : 2n ** 63n - 1n;
    case "u64":
      return most ? 0n : 2n ** 64n - 1n;
    case "u32":
      return most ? 0 : 2 ** 32 - 1;
    default:
      return most ? -(2 ** 31) : 2 ** 31 - 1;
  }
}

/** Multiply-adds (or single operations where there is no reduction) of one run, for roofline estimates. */
export function workOf(kernel: Kernel): number {
  let work = 0;
  for (const { assign, loops } of assignments(kernel)) {
    const outer = elementCount(loops.map((loop) => loop.axis.extent));
    const points = elementCount(assign.axes.map((a) => a.extent));
    const reduced = assign.reduce ? elementCount(assign.reduce.axes.map((a) => a.extent)) : 1;
    work += outer * points * reduced;
  }
  return work;
}
