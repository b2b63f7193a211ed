/**
 * How many bytes calls move. In: kernels and programs. Out: bytes of one run. Invariant: what a definition asks for:
 * every operand and result once, whatever a schedule reads again; scratch is not counted, since it stays in cache. The
 * same measure before and after fusion says what fusion is worth.
 */
import { bytesPerElement, elementCount } from "./ir/dtype.ts";
import type { Expr } from "./ir/expr.ts";
import { visit } from "./ir/walk.ts";
import type { ValueId } from "./ir/graph.ts";
import { assignments, type Assign, type Kernel } from "./ir/kernel.ts";
import {
  storageElements,
  type Call,
  type Program,
  type ProgramValue,
  type ScheduledCall,
} from "./ir/program.ts";

export interface Counted {
  readonly assign: Assign;
  /** How many elements it stores in one run. */
  readonly results: number;
  /** The same times the points that each is reduced over. */
  readonly reduced: number;
}

export function countedAssignments(kernel: Kernel): readonly Counted[] {
  return assignments(kernel).map(({ assign, loops }) => {
    const axes = [...loops.map(({ axis }) => axis), ...assign.axes];
    const results = elementCount(axes.map(({ extent }) => extent));
    const terms = elementCount(assign.reduce?.axes.map(({ extent }) => extent) ?? []);
    return { assign, results, reduced: results * terms };
  });
}

/**
 * Every operand's and result's bytes once, but no more than its loads and stores can be: a lookup does not read the
 * whole table, one block of a kernel that was divided does not write the whole result.
 */
export function bytesOfKernel(kernel: Kernel, inputs: readonly string[]): number {
  const touched = kernel.buffers.map(() => 0);
  for (const { assign, results, reduced } of countedAssignments(kernel)) {
    const count = (times: number) => (e: Expr) => {
      if (e.kind === "load") touched[e.buffer]! += times;
    };
    touched[assign.out]! += results;
    visit(assign.value, count(results));
    for (const index of assign.index) visit(index, count(results));
    if (assign.reduce) visit(assign.reduce.body, count(reduced));
  }
  const seen = new Set<string>();
  return kernel.buffers.reduce((sum, { role, shape, dtype }, i) => {
    const id = inputs[i];
    if (role === "temp" || (role === "in" && id !== undefined && seen.has(id))) return sum;
    if (role === "in" && id !== undefined) seen.add(id);
    return sum + Math.min(elementCount(shape), touched[i]!) * bytesPerElement(dtype);
  }, 0);
}

/** Every operand and result of a library call once. */
export function bytesOfLibraryCall(
  { inputs, outputs }: Pick<Call, "inputs" | "outputs">,
  values: ReadonlyMap<ValueId, ProgramValue>,
): number {
  const ids = new Set([...inputs, ...outputs].filter(Boolean));
  return [...ids].reduce((sum, id) => {
    const value = values.get(id);
    return value ? sum + storageElements(value) * bytesPerElement(value.dtype) : sum;
  }, 0);
}

/** Bytes that calls move, each for itself. */
export function bytesOfCalls(
  calls: readonly (Call | ScheduledCall)[],
  values: ReadonlyMap<ValueId, ProgramValue>,
): number {
  return calls.reduce(
    (sum, call) =>
      sum +
      (call.kind === "kernel" ? bytesOfKernel(call.kernel, call.inputs) : bytesOfLibraryCall(call, values)),
    0,
  );
}

/** Bytes that a run of a program moves, one call after the other; what depends on constants only is not part of it. */
export function bytesOfProgram({ calls, constants, values }: Program): number {
  const fixed = new Set<ValueId>(constants.keys());
  const varying = calls.filter((call) => {
    if (!call.inputs.every((id) => id === "" || fixed.has(id))) return true;
    for (const id of call.outputs) fixed.add(id);
    return false;
  });
  return bytesOfCalls(varying, values);
}
