/**
 * What the elementwise families share. In: a formula from operand expressions to a result expression. Out: an
 * operator definition whose kernel is one map over the broadcast shape. Invariant: every kernel here is a single
 * assignment without reduction, so that fusion may move it into any producer or consumer; operands of one element
 * that are known at compile time become constants of the expression.
 */
import { computeType, type DType, type Tensor } from "../ir/dtype.ts";
import { and, binary, cast, constant, unary, type BinaryOp, type Expr, type UnaryOp } from "../ir/expr.ts"; // prettier-ignore
import { loadFunction } from "../ir/numeric.ts";
import {
  broadcastIndex,
  broadcastShapes,
  mapKernel,
  type KernelWriter,
  type OpCall,
  type OpDefinition,
} from "./define.ts";

/** A constant of the same type as `like`. */
export function number(like: Expr, value: number): Expr {
  return constant(like.type, value);
}

/** Element `at` of a known tensor as a value of its compute type; undefined for strings. */
export function knownNumber(tensor: Tensor | undefined, at = 0): number | bigint | undefined {
  const element = tensor?.data[at];
  if (!tensor || element === undefined || typeof element === "string") return undefined;
  return loadFunction(tensor.dtype)?.(element) ?? element;
}

/** Input `position` at a point of the broadcast result; a constant where it is one known element. */
export function operand(writer: KernelWriter, position: number, index: readonly Expr[]): Expr {
  const known = writer.call.peek(position);
  if (known?.data.length === 1) {
    const value = knownNumber(known);
    if (value !== undefined) return constant(computeType(known.dtype), value);
  }
  return writer.load(position, broadcastIndex(writer.call.input(position).shape, index));
}

/** Refuses strings and, with `only`, every dtype that does not pass. */
export function requireNumeric(
  call: OpCall,
  position: number,
  only: (dtype: DType) => boolean = () => true,
): DType {
  const { dtype } = call.input(position);
  if (dtype === "string" || !only(dtype))
    call.fail("dtype-unsupported", `input ${position} of type ${dtype}`);
  return dtype;
}

/** y = f(x) with the type of x. */
export function unaryOperator(op: string, formula: (x: Expr, call: OpCall) => Expr): OpDefinition {
  return {
    op,
    infer: (call) => [{ dtype: requireNumeric(call, 0), shape: call.input(0).shape }],
    implementation: {
      kind: "compute",
      build: (call) => mapKernel(call, (index, writer) => formula(writer.load(0, index), call)),
    },
  };
}

/**
 * y = f(a, b, ...) over the broadcast shape of all given inputs. The result has the type of input 0, or `result`.
 * Inputs must agree in type unless `mixed`.
 */
export function broadcastOperator(
  op: string,
  formula: (operands: readonly Expr[], call: OpCall) => Expr,
  options: { readonly result?: DType; readonly mixed?: boolean; readonly inputs?: number } = {},
): OpDefinition {
  return {
    op,
    infer: (call) => {
      if (call.inputs.length < (options.inputs ?? 1))
        call.fail("graph-invalid", `${options.inputs} inputs are needed`);
      const types = call.inputs.map((_, i) => call.input(i));
      const dtype = requireNumeric(call, 0);
      const other = types.find((type) => type.dtype !== dtype);
      if (other && !options.mixed)
        call.fail("dtype-unsupported", `inputs of types ${dtype} and ${other.dtype}`);
      return [{ dtype: options.result ?? dtype, shape: broadcastShapes(call, types.map((type) => type.shape)) }]; // prettier-ignore
    },
    implementation: {
      kind: "compute",
      build: (call) =>
        mapKernel(call, (index, writer) => formula(call.inputs.map((_, i) => operand(writer, i, index)), call)), // prettier-ignore
    },
  };
}

/** One unary operation of the expression language as an operator. */
export function plainUnary(op: string, operation: UnaryOp): OpDefinition {
  return unaryOperator(op, (x) => unary(operation, x));
}

/** One binary operation of the expression language as an operator. */
export function plainBinary(op: string, operation: BinaryOp, result?: DType): OpDefinition {
  return broadcastOperator(op, ([a, b]) => binary(operation, a!, b!), {
    inputs: 2,
    ...(result ? { result } : {}),
  });
}

/** min(max(x, low), high). */
function clamp(x: Expr, low: Expr, high: Expr): Expr {
  return binary("min", binary("max", x, low), high);
}

/** min(max(x, low), high) with plain numbers. */
export function clampTo(x: Expr, low: number, high: number): Expr {
  return clamp(x, number(x, low), number(x, high));
}

export function reciprocal(x: Expr): Expr {
  return binary("div", number(x, 1), x);
}

export function comparison(op: "eq" | "ne" | "lt" | "le" | "gt" | "ge", a: Expr, value: number): Expr {
  return binary(op, a, number(a, value));
}

/** Floats as they are; integers as f32, the type in which their fractional formulas are computed. */
export function asFloat(x: Expr): Expr {
  return x.type === "f32" || x.type === "f64" ? x : cast(x, "float32");
}

/** Whether every condition holds. */
export function all(conditions: readonly Expr[]): Expr {
  return conditions.reduce((a, b) => and(a, b), constant("bool", 1));
}
