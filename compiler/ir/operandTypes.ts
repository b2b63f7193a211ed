/**
 * Which operators take which compute types. In: an operator and the type of its operands. Out: whether the two go
 * together. Invariant: what is taken here can be interpreted and emitted; everything else is refused when the
 * expression is made, which is how an operator of a model is found not to be defined for an element type.
 */
import { isFloatCompute, type ComputeType } from "./dtype.ts";
import type { BinaryOp, UnaryOp } from "./expr.ts";

const comparisons: ReadonlySet<BinaryOp> = new Set<BinaryOp>(["eq", "ne", "lt", "le", "gt", "ge"]);
const bitwise: ReadonlySet<BinaryOp> = new Set<BinaryOp>(["and", "or", "xor"]);
const arithmetic: ReadonlySet<BinaryOp> = new Set<BinaryOp>(["add", "sub", "mul", "min", "max"]);

export function isComparison(op: BinaryOp): boolean {
  return comparisons.has(op);
}

export function takesUnary(op: UnaryOp, type: ComputeType): boolean {
  switch (op) {
    case "not":
      return type === "bool";
    case "bitnot":
      return !isFloatCompute(type) && type !== "bool" && type !== "index";
    case "neg":
    case "abs":
      return type !== "bool";
    default:
      return isFloatCompute(type);
  }
}

/** Both operands have the same type. */
export function takesBinary(op: BinaryOp, type: ComputeType): boolean {
  if (isComparison(op)) return type !== "bool" || op === "eq" || op === "ne";
  if (op === "floordiv" || op === "floormod") return type === "index";
  if (op === "dot4") return type === "i32";
  if (type === "bool") return bitwise.has(op) || op === "min" || op === "max";
  if (arithmetic.has(op)) return true;
  if (type === "index") return false;
  if (isFloatCompute(type)) return op === "div" || op === "rem" || op === "pow";
  return true;
}
