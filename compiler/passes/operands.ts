/**
 * One level of an expression. In: a node. Out: the same node over changed operands, or the nodes that each is an
 * operand of. Invariant: positions of loads are left alone: what is said here is about values.
 */
import { binary, bitcast, cast, select, unary, type BitsType, type Expr } from "../ir/expr.ts";
import { operands } from "../ir/walk.ts";

/** The operands whose values `e` is computed from. */
export function valueOperands(e: Expr): readonly Expr[] {
  return e.kind === "load" ? [] : operands(e);
}

/** `e` with its operands changed, each by one of the same type. */
export function withOperands(e: Expr, change: (e: Expr) => Expr): Expr {
  switch (e.kind) {
    case "unary":
      return unary(e.op, change(e.a));
    case "binary":
      return binary(e.op, change(e.a), change(e.b));
    case "select":
      return select(change(e.condition), change(e.a), change(e.b));
    case "cast":
      return cast(change(e.a), e.to);
    case "bitcast":
      return bitcast(change(e.a), e.type as BitsType);
    default:
      return e;
  }
}

/** By node, the nodes that it is an operand of; the root has none. */
export function parentsUnder(root: Expr): Map<Expr, Set<Expr>> {
  const parents = new Map<Expr, Set<Expr>>();
  const seen = new Set<Expr>();
  const walk = (e: Expr): void => {
    if (seen.has(e)) return;
    seen.add(e);
    for (const operand of valueOperands(e)) {
      let set = parents.get(operand);
      if (!set) parents.set(operand, (set = new Set()));
      set.add(e);
      walk(operand);
    }
  };
  walk(root);
  return parents;
}
