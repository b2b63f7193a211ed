/**
 * Ranges of integer expressions. In: an expression. Out: inclusive bounds of what it may be, from the extents of the axes
 * in it. Invariant: bounds hold wherever the expression is evaluated; what is not known is between -2^31 and 2^31.
 */
import type { Expr } from "./expr.ts";
import { notesOfExpressions } from "./intern.ts";

const ranges = notesOfExpressions<readonly [number, number]>();
const UNBOUNDED = 2 ** 31;

/** Inclusive bounds of an integer expression, from the extents of its axes. */
export function range(e: Expr): readonly [number, number] {
  if (e.kind === "const") return [Number(e.value), Number(e.value)];
  if (e.kind === "axis") return [0, e.extent - 1];
  let known = ranges.get(e);
  if (!known) {
    known = bounds(e);
    ranges.set(e, known);
  }
  return known;
}

function bounds(e: Expr): readonly [number, number] {
  switch (e.kind) {
    case "binary": {
      if (e.type !== "index") break;
      const [al, ah] = range(e.a);
      const [bl, bh] = range(e.b);
      switch (e.op) {
        case "add":
          return [al + bl, ah + bh];
        case "sub":
          return [al - bh, ah - bl];
        case "mul": {
          const products = [al * bl, al * bh, ah * bl, ah * bh];
          return [Math.min(...products), Math.max(...products)];
        }
        case "min":
          return [Math.min(al, bl), Math.min(ah, bh)];
        case "max":
          return [Math.max(al, bl), Math.max(ah, bh)];
        case "floordiv":
          if (bl === bh && bl > 0) return [Math.floor(al / bl), Math.floor(ah / bl)];
          break;
        case "floormod":
          if (bl === bh && bl > 0) return al >= 0 && ah < bl ? [al, ah] : [0, bl - 1];
          break;
        default:
      }
      break;
    }
    case "select": {
      const [al, ah] = range(e.a);
      const [bl, bh] = range(e.b);
      return [Math.min(al, bl), Math.max(ah, bh)];
    }
    default:
  }
  return [-UNBOUNDED, UNBOUNDED];
}
