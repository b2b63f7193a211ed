/**
 * What can be said of a float expression's value without knowing its inputs. In: an f32 expression. Out: bounds,
 * and whether it is always a whole number. Invariant: statements hold for every value but NaN, which passes through
 * everything that these look at.
 */
import type { Expr } from "../ir/expr.ts";

/** Inclusive bounds; infinite where nothing is known. */
export function boundsOf(e: Expr): readonly [number, number] {
  const [low, high] = rawBounds(e);
  return [Number.isNaN(low) ? -Infinity : low, Number.isNaN(high) ? Infinity : high];
}

function rawBounds(e: Expr): readonly [number, number] {
  switch (e.kind) {
    case "const":
      return typeof e.value === "number" ? [e.value, e.value] : [-Infinity, Infinity];
    case "unary": {
      const [low, high] = boundsOf(e.a);
      switch (e.op) {
        case "neg":
          return [-high, -low];
        case "abs":
          return [Math.max(0, low, -high), Math.max(-low, high)];
        case "sqrt":
        case "exp":
          return [0, Infinity];
        default:
          return [-Infinity, Infinity];
      }
    }
    case "binary": {
      if (e.type !== "f32") break;
      if (e.op === "mul") return e.a === e.b ? [0, Infinity] : [-Infinity, Infinity];
      const [al, ah] = boundsOf(e.a);
      const [bl, bh] = boundsOf(e.b);
      if (e.op === "min") return [Math.min(al, bl), Math.min(ah, bh)];
      if (e.op === "max") return [Math.max(al, bl), Math.max(ah, bh)];
      // Rounding is monotonic, so rounded sums of bounds bound the rounded sum.
      if (e.op === "add") return [Math.fround(al + bl), Math.fround(ah + bh)];
      if (e.op === "sub") return [Math.fround(al - bh), Math.fround(ah - bl)];
      break;
    }
    case "select": {
      const [al, ah] = boundsOf(e.a);
      const [bl, bh] = boundsOf(e.b);
      return [Math.min(al, bl), Math.max(ah, bh)];
    }
    default:
  }
  return [-Infinity, Infinity];
}

/** Whether a float expression is a whole number (or infinite, or NaN) for every input. */
export function isWhole(e: Expr): boolean {
  switch (e.kind) {
    case "const":
      return typeof e.value === "bigint" || !Number.isFinite(e.value) || Number.isInteger(e.value);
    case "unary":
      if (["round", "floor", "ceil", "trunc"].includes(e.op)) return true;
      return (e.op === "neg" || e.op === "abs") && isWhole(e.a);
    case "binary":
      return (
        e.type === "f32" && ["add", "sub", "mul", "min", "max"].includes(e.op) && isWhole(e.a) && isWhole(e.b)
      );
    case "select":
      return isWhole(e.a) && isWhole(e.b);
    case "cast":
      return e.to === "float32" && e.a.type !== "f32" && e.a.type !== "f64";
    default:
      return false;
  }
}
