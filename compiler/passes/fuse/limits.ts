/**
 * How large a kernel may become. In: expressions and bodies of opened kernels. Out: their sizes, and the most that fusing
 * makes of them. Invariant: a subexpression that is shared counts once, as it is computed once.
 */
import type { Expr } from "../../ir/expr.ts";
import type { Block } from "../../ir/kernel.ts";
import { visit } from "../../ir/walk.ts";
import { mapBody } from "../open.ts";

/** Kernels with more inputs than this are not made larger: each costs pointers. */
export const MAX_INPUTS = 10;
/** Expressions beyond this size are not made larger by inlining. */
export const MAX_SIZE = 160;

/** How many different elements of buffer `number` an expression loads. */
export function loadsOf(e: Expr, number: number): number {
  let count = 0;
  visit(e, (x) => {
    if (x.kind === "load" && x.buffer === number) count++;
  });
  return count;
}

/** Operators and operands of a body. */
export function sizeOf(body: readonly Block[]): number {
  let size = 0;
  const seen = new Set<Expr>();
  mapBody(body, (e) => {
    visit(e, () => size++, seen);
    return e;
  });
  return size;
}
