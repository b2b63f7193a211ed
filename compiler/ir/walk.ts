/**
 * Walking and rewriting expressions. In: an expression. Out: what is in it, or another one. Invariant: shared nodes
 * are visited once, so the work is that of the graph and not of the tree that it stands for.
 */
import { binary, bitcast, cast, loadTyped, select, unary, type BitsType, type Expr } from "./expr.ts";

/** The direct operands of an expression. */
export function operands(e: Expr): readonly Expr[] {
  switch (e.kind) {
    case "load":
      return e.index;
    case "unary":
    case "cast":
    case "bitcast":
      return [e.a];
    case "binary":
      return [e.a, e.b];
    case "select":
      return [e.condition, e.a, e.b];
    default:
      return [];
  }
}

/** Visits every distinct node under `e` once, operands first. */
export function visit(e: Expr, see: (e: Expr) => void, seen: Set<Expr> = new Set()): void {
  if (seen.has(e)) return;
  seen.add(e);
  // Written out, since passes spend much of their time here and lists of operands would be made only to be read.
  switch (e.kind) {
    case "load":
      for (const index of e.index) visit(index, see, seen);
      break;
    case "unary":
    case "cast":
    case "bitcast":
      visit(e.a, see, seen);
      break;
    case "select":
      visit(e.condition, see, seen);
      visit(e.a, see, seen);
      visit(e.b, see, seen);
      break;
    case "binary":
      visit(e.a, see, seen);
      visit(e.b, see, seen);
      break;
    default:
  }
  see(e);
}

/**
 * Rebuilds `e` bottom up. `replace` sees each node with its operands already rebuilt and may return another
 * expression of the same type; `undefined` keeps it. `memo` may be shared between calls with the same `replace`.
 */
export function rewrite(
  e: Expr,
  replace: (e: Expr) => Expr | undefined,
  memo: Map<Expr, Expr> = new Map(),
): Expr {
  const known = memo.get(e);
  if (known) return known;
  let rebuilt: Expr;
  switch (e.kind) {
    case "load": {
      let index: Expr[] | undefined;
      for (let k = 0; k < e.index.length; k++) {
        const made = rewrite(e.index[k]!, replace, memo);
        if (made !== e.index[k]) (index ??= [...e.index])[k] = made;
      }
      rebuilt = index ? loadTyped(e.buffer, e.type, index, e.pad) : e;
      break;
    }
    case "unary": {
      const a = rewrite(e.a, replace, memo);
      rebuilt = a === e.a ? e : unary(e.op, a);
      break;
    }
    case "binary": {
      const a = rewrite(e.a, replace, memo);
      const b = rewrite(e.b, replace, memo);
      rebuilt = a === e.a && b === e.b ? e : binary(e.op, a, b);
      break;
    }
    case "select": {
      const condition = rewrite(e.condition, replace, memo);
      const a = rewrite(e.a, replace, memo);
      const b = rewrite(e.b, replace, memo);
      rebuilt = condition === e.condition && a === e.a && b === e.b ? e : select(condition, a, b);
      break;
    }
    case "cast": {
      const a = rewrite(e.a, replace, memo);
      rebuilt = a === e.a ? e : cast(a, e.to);
      break;
    }
    case "bitcast": {
      const a = rewrite(e.a, replace, memo);
      rebuilt = a === e.a ? e : bitcast(a, e.type as BitsType);
      break;
    }
    default:
      rebuilt = e;
  }
  // What simplified into one of its operands has been seen already: `x mod 4` may have become the new `x` itself.
  const result = (rebuilt.kind === e.kind ? replace(rebuilt) : undefined) ?? rebuilt;
  memo.set(e, result);
  return result;
}

/** Replaces axes by expressions; axes not named stay. */
export function substituteAxes(
  e: Expr,
  by: ReadonlyMap<string, Expr>,
  memo: Map<Expr, Expr> = new Map(),
): Expr {
  return rewrite(e, (x) => (x.kind === "axis" ? by.get(x.name) : undefined), memo);
}

/** Names of the axes that `e` depends on. */
export function axesOf(e: Expr): Set<string> {
  const names = new Set<string>();
  visit(e, (x) => {
    if (x.kind === "axis") names.add(x.name);
  });
  return names;
}

/** Whether any node under `e` satisfies `test`. */
export function some(e: Expr, test: (e: Expr) => boolean, seen: Set<Expr> = new Set()): boolean {
  if (seen.has(e)) return false;
  seen.add(e);
  return test(e) || operands(e).some((operand) => some(operand, test, seen));
}
