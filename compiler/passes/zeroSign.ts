/**
 * Where the sign of a zero decides more than the sign of a zero: 1 / 0 and 1 / -0 lie as far apart as numbers can.
 * In: an expression, and whether the sign of its own zero counts. Out: the nodes under it whose zero must keep its
 * sign. Invariant: what is not among them may give 0 for -0 (or -0 for 0), and the whole changes by no more than that.
 */
import { isFloatCompute } from "../ir/dtype.ts";
import type { Expr } from "../ir/expr.ts";
import { isComparison } from "../ir/operandTypes.ts";
import { valueOperands } from "./operands.ts";

/** Functions that are even at zero, or that give the same for both zeros. */
const EVEN_AT_ZERO: readonly string[] = ["abs", "exp", "log", "cos", "cosh", "acos", "acosh", "sigmoid"];

const isNonzero = (e: Expr): boolean => e.kind === "const" && e.value !== 0;

/** Whether the sign of a zero of `operand` decides what `e` is, given whether that of a zero of `e` counts. */
function decides(e: Expr, operand: Expr, counts: boolean): boolean {
  if (!isFloatCompute(operand.type)) return false;
  switch (e.kind) {
    case "unary":
      return counts && !EVEN_AT_ZERO.includes(e.op);
    case "binary":
      if (isComparison(e.op)) return false;
      if ((e.op === "div" && operand === e.b) || (e.op === "pow" && operand === e.a)) return true;
      // The sum with another number is that number.
      if (e.op === "add" || e.op === "sub") return counts && !isNonzero(operand === e.a ? e.b : e.a);
      return counts;
    case "select":
      return counts;
    case "cast":
      return isFloatCompute(e.type) && counts;
    default:
      return true; // Bits.
  }
}

/**
 * The nodes of `root` (itself included) whose zeros must keep their sign; `counts` says it of `root`.
 *
 * @example
 * ```ts
 * signedZeros(parseExpr("1.0 / (x[i] + 0.0)", scope), false); // the sum, and x[i]
 * ```
 */
export function signedZeros(root: Expr, counts: boolean): ReadonlySet<Expr> {
  const signed = new Set<Expr>();
  const seen = new Set<Expr>();
  const walk = (e: Expr, counted: boolean): void => {
    if (counted ? signed.has(e) : seen.has(e) || signed.has(e)) return;
    (counted ? signed : seen).add(e);
    for (const operand of valueOperands(e)) walk(operand, decides(e, operand, counted));
  };
  walk(root, counts);
  return signed;
}
