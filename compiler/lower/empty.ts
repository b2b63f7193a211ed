/**
 * Nothing to do is no code. In: a kernel's body. Out: the same without assignments over no points, and with
 * reductions over nothing replaced by their identity. Invariant: no axis of the result has extent 0, so nobody
 * downstream divides by one.
 */
import { constant, type Expr } from "../ir/expr.ts";
import { rewrite } from "../ir/walk.ts";
import type { ComputeType } from "../ir/dtype.ts";
import type { Assign, Block, Reduction } from "../ir/kernel.ts";

export function dropEmpty(body: readonly Block[]): Block[] {
  return body.flatMap((block): Block[] => {
    if (block.kind === "loop") {
      if (block.axis.extent === 0) return [];
      const inner = dropEmpty(block.body);
      return inner.length ? [{ ...block, body: inner }] : [];
    }
    if (block.axes.some((a) => a.extent === 0)) return [];
    if (!block.reduce || block.reduce.axes.every((a) => a.extent > 0)) return [block];
    return [withoutReduction(block, block.reduce)];
  });
}

function withoutReduction(assign: Assign, reduce: Reduction): Assign {
  const identity = constant(reduce.body.type, identityOf(reduce.op, reduce.body.type));
  const value = rewrite(assign.value, (x: Expr) => (x.kind === "acc" ? identity : undefined));
  const { kind, axes, out, index } = assign;
  return { kind, axes, out, index, value };
}

/** What a reduction over nothing gives. */
export function identityOf(op: Reduction["op"], type: ComputeType): number | bigint {
  if (op === "sum") return 0;
  if (op === "prod") return 1;
  switch (type) {
    case "f32":
    case "f64":
      return op === "max" ? -Infinity : Infinity;
    case "i64":
      return op === "max" ? -(2n ** 63n) : 2n ** 63n - 1n;
    case "u64":
      return op === "max" ? 0n : 2n ** 64n - 1n;
    case "u32":
      return op === "max" ? 0 : 2 ** 32 - 1;
    case "bool":
      return op === "max" ? 0 : 1;
    default:
      return op === "max" ? -(2 ** 31) : 2 ** 31 - 1;
  }
}
