/**
 * Where an assignment reads windows of a value: the same elements for many results. In: an assignment. Out: the
 * expressions that do so. Invariant: what is found reads each value often enough that its layout matters more than
 * that of what is read once.
 */
import type { Expr } from "../../ir/expr.ts";
import { visit } from "../../ir/walk.ts";
import type { Assign } from "../../ir/kernel.ts";

/** A map that reads a value at so many places for each of its results works on windows of it. */
const PLACES = 4;

/** The body of a reduction, or the value of a map that reads one value at several places. */
export function windowedReads(assign: Assign): Expr | undefined {
  if (assign.reduce) return assign.reduce.body;
  const places = new Map<number, number>();
  visit(assign.value, (x) => {
    if (x.kind === "load") places.set(x.buffer, (places.get(x.buffer) ?? 0) + 1);
  });
  return Math.max(0, ...places.values()) >= PLACES ? assign.value : undefined;
}
