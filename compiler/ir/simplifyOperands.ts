/**
 * Simplifications of operators on values. In: an operator and its operands, as expressions or as a backend's form of these.
 * Out: the operand or the constant that the result is; undefined where it is neither. Invariant: each holds for every
 * input, NaN and -0 included.
 */
import type { ComputeType } from "./dtype.ts";
import type { BinaryOp } from "./expr.ts";

/** What simplifying looks at: an expression, or a backend's form of one. */
interface Simplifiable {
  readonly kind: string;
  readonly type: ComputeType;
  readonly value?: unknown;
}

/** @param constantOf makes a constant of the same form as the operands */
export function simplifyOperands<T extends Simplifiable>(
  op: BinaryOp,
  a: T,
  b: T,
  constantOf: (type: ComputeType, value: number) => T,
): T | undefined {
  const isOne = (e: T): boolean => e.kind === "const" && (e.value === 1 || e.value === 1n);
  const isZero = (e: T): boolean => e.kind === "const" && (Object.is(e.value, 0) || e.value === 0n);
  const integer = a.type !== "f32" && a.type !== "f64";
  switch (op) {
    case "mul":
      if (isOne(b)) return a;
      if (isOne(a)) return b;
      break;
    case "div":
      if (isOne(b)) return a;
      break;
    case "add":
      if (integer && isZero(b)) return a;
      if (integer && isZero(a)) return b;
      break;
    case "sub":
      if (isZero(b)) return a; // x - (+0) is x for every x, -0 included
      break;
    case "and":
      if (a.type === "bool") {
        if (isOne(a)) return b;
        if (isOne(b)) return a;
        if (isZero(a) || isZero(b)) return constantOf("bool", 0);
      }
      break;
    case "or":
      if (a.type === "bool") {
        if (isZero(a)) return b;
        if (isZero(b)) return a;
        if (isOne(a) || isOne(b)) return constantOf("bool", 1);
      }
      break;
    default:
  }
  if (a.kind === "const" && b.kind === "const" && a.type === "f32") {
    const x = a.value as number;
    const y = b.value as number;
    switch (op) {
      case "add":
        return constantOf("f32", x + y);
      case "sub":
        return constantOf("f32", x - y);
      case "mul":
        return constantOf("f32", x * y);
      case "div":
        return constantOf("f32", x / y);
      default:
    }
  }
  return undefined;
}
