/**
 * Operators on words that WGSL has itself. In: an operator, and the text of its operands. Out: the text of the result, in
 * parentheses. Invariant: the same text serves for scalars and for four lanes; integers wrap and quotients of coordinates
 * round down, as ir/interpOperator.ts has them.
 */
import { InternalError } from "../../diagnostic.ts";
import type { ComputeType } from "../../ir/dtype.ts";
import type { BinaryOp } from "../../ir/expr.ts";

const symbols: Partial<Record<BinaryOp, string>> = { add: "+", sub: "-", mul: "*", and: "&", or: "|", xor: "^", eq: "==", ne: "!=", lt: "<", le: "<=", gt: ">", ge: ">=" }; // prettier-ignore

/** Operations on words that WGSL has itself, in scalars and vectors alike; undefined for others. */
export function plainOperation(op: BinaryOp, a: string, b: string, type: ComputeType): string | undefined {
  if (op === "xor" && type === "bool") return `(${a} != ${b})`;
  const symbol = symbols[op];
  return symbol === undefined ? undefined : `(${a} ${symbol} ${b})`;
}

export function indexOperation(op: BinaryOp, a: string, b: string, type: ComputeType): string {
  if (op === "min" || op === "max")
    return type === "bool" ? `(${a} ${op === "min" ? "&" : "|"} ${b})` : `${op}(${a}, ${b})`;
  const text = plainOperation(op, a, b, type);
  if (text === undefined) throw new InternalError(`${op} in index arithmetic`);
  return text;
}

/** Quotient rounded down, or remainder in [0, by), of a number that is at least `low`; `a` is a name or a number. */
export function divided(op: "floordiv" | "floormod", a: string, by: number, low: number): string {
  const power = Math.log2(by);
  if (Number.isInteger(power)) return op === "floordiv" ? `(${a} >> ${power}u)` : `(${a} & ${by - 1})`;
  if (low >= 0) return op === "floordiv" ? `(${a} / ${by})` : `(${a} % ${by})`;
  if (low > -(2 ** 30)) {
    const shift = Math.ceil(-low / by);
    const moved = `(${a} + ${shift * by})`;
    return op === "floordiv" ? `(${moved} / ${by} - ${shift})` : `(${moved} % ${by})`;
  }
  // One less than the truncated quotient where the remainder is negative.
  return op === "floordiv" ? `(${a} / ${by} + ((${a} % ${by}) >> 31u))` : `((${a} % ${by} + ${by}) % ${by})`;
}
