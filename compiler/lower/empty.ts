/**
 * Nothing to do is no code. In: a kernel's body. Out: the same without assignments over no points, and with
 * reductions over nothing replaced by their identity. Invariant: no axis of the result has extent 0, so nobody
 * downstream divides by one.
 */
import { constant, type Expr } from "../ir/expr.ts";
import { rewrite } from "../ir/walk.ts";
import { identityOf, type Assign, type Block, type Reduction } from "../ir/kernel.ts";

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
