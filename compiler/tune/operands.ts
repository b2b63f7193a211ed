/**
 * What an assignment's operands allow. In: an assignment and what is known of its buffers. Out: whether its values fit
 * vectors, whether an operand may be copied into panels, how large an expression is. Invariant: a "yes" is legal for
 * any schedule; what is worth it is for others to say.
 */
import type { Expr } from "../ir/expr.ts";
import type { Assign, Kernel } from "../ir/kernel.ts";
import { operands, some, visit } from "../ir/walk.ts";
import type { Access } from "../lower/access.ts";
import { soleLoad } from "../lower/pack.ts";

export interface SchedulingContext {
  /** Input buffers that hold constants: packing them costs nothing per run. */
  readonly constants: ReadonlySet<number>;
}

/** Whether all values of an assignment fit 32-bit lanes. What positions are made of never is in a vector. */
export function vectorTypes(assign: Assign): boolean {
  const seen = new Set<Expr>();
  const fits = (e: Expr): boolean => {
    if (seen.has(e)) return true;
    seen.add(e);
    if (e.type === "i64" || e.type === "u64" || e.type === "f64") return false;
    return e.kind === "load" || operands(e).every(fits);
  };
  return fits(assign.value) && (!assign.reduce || fits(assign.reduce.body));
}

/** Only what the kernel does not change, read where no data decides, can be copied beforehand. */
export function canPack(kernel: Kernel, assign: Assign, access: Access): boolean {
  if (kernel.buffers[access.buffer]!.role !== "in") return false;
  const load = soleLoad(assign, access.buffer);
  return load !== undefined && !load.index.some((position) => some(position, (x) => x.kind === "load"));
}

/** Operators and operands of an expression, shared ones once. */
export function sizeOf(e: Expr): number {
  let count = 0;
  visit(e, () => count++);
  return count;
}
