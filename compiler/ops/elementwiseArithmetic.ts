/**
 * Arithmetic and elementary functions. In: numeric tensors of any element type. Out: maps over the broadcast shape.
 * Invariant: integer results wrap; integer division cannot trap (x / 0 gives 0, and the least number divided by -1
 * wraps to itself), because an expression is evaluated whether or not its value is chosen.
 */
import { add, binary, cast, div, eq, mul, neg, or, select, sub, unary, type Expr } from "../ir/expr.ts";
import { isFloatCompute } from "../ir/dtype.ts";
import { broadcastOperator, comparison, number, plainBinary, plainUnary, reciprocal, requireNumeric, unaryOperator } from "./elementwise.ts"; // prettier-ignore
import { broadcastShapes, type OpCall, type OpDefinition } from "./define.ts";

/** `operation(a, b)` for div and rem, with the two divisors that would trap kept away from it. */
function safeDivide(operation: "div" | "rem", a: Expr, b: Expr): Expr {
  if (isFloatCompute(a.type)) return binary(operation, a, b);
  if (b.kind === "const") {
    const by = Number(b.value);
    if (by === 0) return number(a, 0);
    if (by === -1) return operation === "div" ? neg(a) : number(a, 0);
    return binary(operation, a, b);
  }
  const zero = number(a, 0);
  const isZero = eq(b, zero);
  if (a.type === "u32" || a.type === "u64") {
    return select(isZero, zero, binary(operation, a, select(isZero, number(a, 1), b)));
  }
  const isMinusOne = eq(b, number(b, -1));
  const result = binary(operation, a, select(or(isZero, isMinusOne), number(a, 1), b));
  return select(isZero, zero, select(isMinusOne, operation === "div" ? sub(zero, a) : zero, result));
}

/** Mod: with `fmod` the sign of the dividend (C), otherwise that of the divisor (Python). */
function modulo(a: Expr, b: Expr, call: OpCall): Expr {
  const remainder = safeDivide("rem", a, b);
  if (call.int("fmod", 0) === 1 || a.type === "u32" || a.type === "u64") return remainder;
  const otherSign = binary("xor", comparison("lt", remainder, 0), comparison("lt", b, 0));
  return select(binary("and", comparison("ne", remainder, 0), otherSign), add(remainder, b), remainder);
}

/** a^0.5, which is that of the magnitude for the negative infinity, unlike its root. */
function squareRoot(a: Expr): Expr {
  return select(comparison("eq", a, -Infinity), number(a, Infinity), unary("sqrt", a));
}

/** a^exponent of integers, by squaring. */
function product(a: Expr, exponent: number | bigint): Expr {
  let result: Expr | undefined;
  let square = a;
  for (let rest = BigInt(exponent); rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = result ? mul(result, square) : square;
    if (rest > 1n) square = mul(square, square);
  }
  return result ?? number(a, 1);
}

/** a^b in the type of a; small constant exponents become products and roots. */
function power(a: Expr, b: Expr): Expr {
  if (b.kind === "const") {
    const exponent = Number(b.value);
    if (exponent === 1) return a;
    if (exponent === 2) return mul(a, a);
    if (exponent === 3) return mul(mul(a, a), a);
    if (exponent === 4) return mul(mul(a, a), mul(a, a));
    if (!isFloatCompute(a.type) && Number.isInteger(exponent) && exponent >= 0) return product(a, b.value);
    if (isFloatCompute(a.type)) {
      if (exponent === 0.5) return squareRoot(a);
      if (exponent === -1) return reciprocal(a);
      if (exponent === -0.5) return reciprocal(squareRoot(a));
    }
  }
  if (isFloatCompute(a.type))
    return binary("pow", a, a.type === "f64" ? cast(b, "float64") : cast(b, "float32"));
  // An integer to a fractional power is computed in floats and truncated back.
  if (isFloatCompute(b.type)) {
    return cast(binary("pow", cast(a, "float64"), cast(b, "float64")), storageOf(a));
  }
  return binary("pow", a, cast(b, storageOf(a)));
}

function storageOf(e: Expr): "int32" | "uint32" | "int64" | "uint64" {
  return e.type === "i64" ? "int64" : e.type === "u64" ? "uint64" : e.type === "u32" ? "uint32" : "int32";
}

function sign(x: Expr): Expr {
  if (x.type === "u32" || x.type === "u64") return binary("min", x, number(x, 1));
  // The last arm keeps zeros and NaN.
  return select(comparison("gt", x, 0), number(x, 1), select(comparison("lt", x, 0), number(x, -1), x));
}

/** All operands folded by one operation. */
function variadic(
  op: string,
  combine: (a: Expr, b: Expr) => Expr,
  finish?: (x: Expr, count: number) => Expr,
): OpDefinition {
  return broadcastOperator(op, (operands) => {
    const folded = operands.slice(1).reduce(combine, operands[0]!);
    return finish ? finish(folded, operands.length) : folded;
  });
}

/** BitShift: a shift by the width or more leaves nothing, where the machine would take it modulo the width. */
function shift(a: Expr, b: Expr, call: OpCall): Expr {
  const direction = call.string("direction");
  if (direction !== "LEFT" && direction !== "RIGHT")
    call.fail("attribute-invalid", "direction must be LEFT or RIGHT");
  const width = a.type === "i64" || a.type === "u64" ? 64 : 32;
  const shifted = binary(direction === "LEFT" ? "shl" : "shr", a, b);
  if (b.kind === "const") return Number(b.value) < width ? shifted : number(a, 0);
  return select(comparison("lt", b, width), shifted, number(a, 0));
}

/** Bitwise negation; narrow unsigned types are cut to their width on storing. */
const bitwiseNot = (x: Expr): Expr => unary("bitnot", x);

function isInfinite(x: Expr, call: OpCall): Expr {
  const positive = call.int("detect_positive", 1) !== 0;
  const negative = call.int("detect_negative", 1) !== 0;
  if (x.type !== "f32" && x.type !== "f64")
    call.fail("dtype-unsupported", `input 0 of type ${call.input(0).dtype}`);
  if (positive && negative) return eq(unary("abs", x), number(x, Infinity));
  if (positive) return eq(x, number(x, Infinity));
  if (negative) return eq(x, number(x, -Infinity));
  return binary("ne", number(x, 0), number(x, 0));
}

function predicate(op: string, formula: (x: Expr, call: OpCall) => Expr): OpDefinition {
  return { ...unaryOperator(op, formula), infer: (call) => [{ dtype: "bool", shape: call.input(0).shape }] };
}

export const arithmeticOps: readonly OpDefinition[] = [
  plainBinary("Add", "add"),
  plainBinary("Sub", "sub"),
  plainBinary("Mul", "mul"),
  broadcastOperator("Div", ([a, b]) => safeDivide("div", a!, b!), { inputs: 2 }),
  broadcastOperator("Mod", ([a, b], call) => modulo(a!, b!, call), { inputs: 2 }),
  broadcastOperator("Pow", ([a, b]) => power(a!, b!), { inputs: 2, mixed: true }),
  variadic("Sum", add),
  variadic("Max", (a, b) => binary("max", a, b)),
  variadic("Min", (a, b) => binary("min", a, b)),
  variadic("Mean", add, (sum, count) => div(sum, number(sum, count))),

  plainUnary("Neg", "neg"),
  plainUnary("Abs", "abs"),
  plainUnary("Floor", "floor"),
  plainUnary("Ceil", "ceil"),
  plainUnary("Round", "round"),
  plainUnary("Sqrt", "sqrt"),
  plainUnary("Exp", "exp"),
  plainUnary("Log", "log"),
  plainUnary("Erf", "erf"),
  plainUnary("Sin", "sin"),
  plainUnary("Cos", "cos"),
  plainUnary("Tan", "tan"),
  plainUnary("Asin", "asin"),
  plainUnary("Acos", "acos"),
  plainUnary("Atan", "atan"),
  plainUnary("Sinh", "sinh"),
  plainUnary("Cosh", "cosh"),
  plainUnary("Asinh", "asinh"),
  plainUnary("Acosh", "acosh"),
  plainUnary("Atanh", "atanh"),
  unaryOperator("Reciprocal", reciprocal),
  unaryOperator("Sign", sign),

  predicate("IsNaN", (x) => binary("ne", x, x)),
  predicate("IsInf", isInfinite),

  plainBinary("Equal", "eq", "bool"),
  plainBinary("Less", "lt", "bool"),
  plainBinary("LessOrEqual", "le", "bool"),
  plainBinary("Greater", "gt", "bool"),
  plainBinary("GreaterOrEqual", "ge", "bool"),
  plainUnary("Not", "not"),
  plainBinary("And", "and"),
  plainBinary("Or", "or"),
  plainBinary("Xor", "xor"),
  unaryOperator("BitwiseNot", bitwiseNot),
  plainBinary("BitwiseAnd", "and"),
  plainBinary("BitwiseOr", "or"),
  plainBinary("BitwiseXor", "xor"),
  broadcastOperator("BitShift", ([a, b], call) => shift(a!, b!, call), { inputs: 2 }),
  {
    ...broadcastOperator("Where", ([condition, a, b]) => select(condition!, a!, b!), {
      inputs: 3,
      mixed: true,
    }),
    infer: (call) => {
      const [condition, a, b] = [call.input(0), call.input(1), call.input(2)];
      requireNumeric(call, 1);
      if (condition.dtype !== "bool")
        call.fail("dtype-unsupported", `a condition of type ${condition.dtype}`);
      if (a.dtype !== b.dtype) call.fail("dtype-unsupported", `branches of types ${a.dtype} and ${b.dtype}`);
      return [{ dtype: a.dtype, shape: broadcastShapes(call, [condition.shape, a.shape, b.shape]) }];
    },
  },
];
