/**
 * Operators on integers of 64 bits. In: an operator, and the text of operands that are two words each. Out: text of the
 * result. Invariant: results are those of ir/interpOperator.ts to the last bit, by the functions of library.ts; scalars
 * only, since vectors of four such integers do not exist.
 */
import { InternalError } from "../../diagnostic.ts";
import type { ComputeType } from "../../ir/dtype.ts";
import type { BinaryOp, UnaryOp } from "../../ir/expr.ts";
import type { Library } from "./library.ts";

export function isWide(type: ComputeType): boolean {
  return type === "i64" || type === "u64";
}

export function wideUnary(library: Library, op: UnaryOp, type: ComputeType, a: string): string {
  if (op === "bitnot") return `(~${a})`;
  if (op === "neg") return `${library.use("neg64")}(${a})`;
  if (op === "abs") return type === "u64" ? a : `${library.use("abs64")}(${a})`;
  throw new InternalError(`${op} of ${type}`);
}

export function wideBinary(library: Library, op: BinaryOp, type: ComputeType, a: string, b: string): string {
  const sign = type === "u64" ? "U" : "I";
  const call = (name: string, x = a, y = b): string => `${library.use(name)}(${x}, ${y})`;
  switch (op) {
    case "add":
    case "sub":
    case "mul":
      return call(`${op}64`);
    case "div":
    case "rem":
    case "pow":
      return call(`${op}${sign}64`);
    case "and":
      return `(${a} & ${b})`;
    case "or":
      return `(${a} | ${b})`;
    case "xor":
      return `(${a} ^ ${b})`;
    case "shl":
      return call("shl64", a, `${b}.x`);
    case "shr":
      return call(`shr${sign}64`, a, `${b}.x`);
    case "eq":
      return `all(${a} == ${b})`;
    case "ne":
      return `any(${a} != ${b})`;
    case "lt":
      return call(`lt${sign}64`);
    case "gt":
      return call(`lt${sign}64`, b, a);
    case "le":
      return `!${call(`lt${sign}64`, b, a)}`;
    case "ge":
      return `!${call(`lt${sign}64`)}`;
    case "min":
      return `select(${b}, ${a}, ${call(`lt${sign}64`)})`;
    case "max":
      return `select(${a}, ${b}, ${call(`lt${sign}64`)})`;
    default:
      throw new InternalError(`${op} of ${type}`);
  }
}
