/**
 * Elementwise operators of TF.js. In: a call. Out: nodes of ai.onnx that compute the same element by element.
 * Invariant: integers follow TF.js, where division rounds down; functions that ai.onnx lacks are written so that they
 * keep their precision near zero.
 */
import type { ValueId } from "../../../ir/graph.ts";
import type { Call } from "../call.ts";
import { binary, same, unary, type Conversion, type Conversions } from "./conversion.ts";

function equalTo(op: string): Conversion {
  return (call) => call.emit(op, [call.input("a"), call.input("b")]);
}

/** Rounds the quotient down, exactly: what is left over is taken away first. */
function floorDivision(call: Call, a: ValueId, b: ValueId): ValueId {
  if (!call.ofIntegers) return call.emit("Floor", [call.emit("Div", [a, b])]);
  return call.emit("Div", [call.emit("Sub", [a, call.emit("Mod", [a, b])]), b]);
}

/** The remainder with the sign of the divisor. */
function floorModulo(call: Call): ValueId {
  const [a, b] = [call.input("a"), call.input("b")];
  if (call.ofIntegers) return call.emit("Mod", [a, b]);
  const rest = call.emit("Mod", [a, b], { fmod: 1 });
  const zero = call.scalar(0);
  const crosses = call.emit("Less", [call.emit("Mul", [rest, b]), zero]);
  return call.emit("Where", [crosses, call.emit("Add", [rest, b]), rest]);
}

const quotient: Conversion = (call) => {
  const [a, b] = [call.input("a"), call.input("b")];
  return call.ofIntegers ? floorDivision(call, a, b) : call.emit("Div", [a, b]);
};

function withoutNan(call: Call): ValueId {
  const [a, b] = [call.input("a"), call.input("b")];
  const zero = call.scalar(0);
  const isZero = call.emit("Equal", [b, zero]);
  return call.emit("Where", [isZero, zero, call.emit("Div", [a, b])]);
}

/** exp(x) - 1: near zero by 2 tanh(x/2) / (1 - tanh(x/2)), which loses nothing there. */
function expMinusOne(call: Call): ValueId {
  const x = call.input("x");
  const one = call.scalar(1);
  const half = call.emit("Tanh", [call.emit("Mul", [x, call.scalar(0.5)])]);
  const near = call.emit("Div", [call.emit("Add", [half, half]), call.emit("Sub", [one, half])]);
  const isNear = call.emit("Less", [call.emit("Abs", [x]), one]);
  return call.emit("Where", [isNear, near, call.emit("Sub", [call.emit("Exp", [x]), one])]);
}

/** log(1 + x) = x log(u) / (u - 1) with u = 1 + x as rounded (Goldberg 1991, theorem 4). */
function logOfOnePlus(call: Call): ValueId {
  const x = call.input("x");
  const one = call.scalar(1);
  const u = call.emit("Add", [x, one]);
  const over = call.emit("Sub", [u, one]);
  const isNone = call.emit("Equal", [over, call.scalar(0)]);
  const safe = call.emit("Where", [isNone, one, over]);
  const infinite = call.emit("IsInf", [x]);
  const log = call.emit("Log", [u]);
  const scaled = call.emit("Mul", [log, call.emit("Div", [x, safe])]);
  return call.emit("Where", [isNone, x, call.emit("Where", [infinite, log, scaled])]);
}

/** The angle of (b, a) from the quadrant and the arc tangent of the quotient. */
function arcTangent(call: Call): ValueId {
  const [a, b] = [call.input("x"), call.input("y")];
  const zero = call.scalar(0);
  const pi = call.scalar(Math.PI);
  const onAxis = call.emit("Equal", [b, zero]);
  const right = call.emit("Atan", [call.emit("Div", [a, call.emit("Where", [onAxis, call.scalar(1), b])])]);
  const above = call.emit("GreaterOrEqual", [a, zero]);
  const turn = call.emit("Where", [above, pi, call.emit("Neg", [pi])]);
  const isLeft = call.emit("Less", [b, zero]);
  const off = call.emit("Where", [isLeft, call.emit("Add", [right, turn]), right]);
  const upright = call.emit("Mul", [call.emit("Sign", [a]), call.scalar(Math.PI / 2)]);
  return call.emit("Where", [onAxis, upright, off]);
}

function clip(call: Call, low: number, high: number): ValueId {
  return call.emit("Clip", [call.input("x"), call.scalar(low), call.scalar(high)]);
}

export const elementwiseOps: Conversions = {
  Add: equalTo("Add"),
  AddV2: equalTo("Add"),
  AddN: (call) => call.emit("Sum", call.all("tensors")),
  BiasAdd: (call) => {
    const bias = call.input("b");
    const first = call.string("data_format", "NHWC").startsWith("NC");
    return call.emit("Add", [
      call.input("a"),
      first ? call.emit("Unsqueeze", [bias, call.ints([1, 2])]) : bias,
    ]);
  },
  Sub: equalTo("Sub"),
  Mul: equalTo("Mul"),
  RealDiv: quotient,
  Div: quotient,
  DivNoNan: withoutNan,
  FloorDiv: (call) => floorDivision(call, call.input("a"), call.input("b")),
  Maximum: equalTo("Max"),
  Minimum: equalTo("Min"),
  Pow: equalTo("Pow"),
  SquaredDifference: (call) => {
    const difference = call.emit("Sub", [call.input("a"), call.input("b")]);
    return call.emit("Mul", [difference, difference]);
  },
  Mod: floorModulo,
  FloorMod: floorModulo,

  Abs: unary("Abs"),
  Acos: unary("Acos"),
  Acosh: unary("Acosh"),
  Asin: unary("Asin"),
  Asinh: unary("Asinh"),
  Atan: unary("Atan"),
  Atan2: arcTangent,
  Atanh: unary("Atanh"),
  Ceil: unary("Ceil"),
  ClipByValue: (call) => clip(call, call.number("clipValueMin"), call.number("clipValueMax")),
  Cos: unary("Cos"),
  Cosh: unary("Cosh"),
  Elu: unary("Elu"),
  Erf: unary("Erf"),
  Exp: unary("Exp"),
  Expm1: expMinusOne,
  Floor: unary("Floor"),
  IsFinite: (call) => {
    const x = call.input("x");
    return call.emit("Not", [call.emit("Or", [call.emit("IsNaN", [x]), call.emit("IsInf", [x])])]);
  },
  IsInf: unary("IsInf"),
  IsNan: unary("IsNaN"),
  LeakyRelu: (call) => call.emit("LeakyRelu", [call.input("x")], { alpha: { float: call.number("alpha") } }),
  Log: unary("Log"),
  Log1p: logOfOnePlus,
  Neg: unary("Neg"),
  Prelu: (call) => call.emit("PRelu", [call.input("x"), call.input("alpha")]),
  Reciprocal: unary("Reciprocal"),
  Relu: unary("Relu"),
  Relu6: (call) => clip(call, 0, 6),
  Round: unary("Round"),
  Rsqrt: (call) => call.emit("Reciprocal", [call.emit("Sqrt", [call.input("x")])]),
  Selu: unary("Selu"),
  Sigmoid: unary("Sigmoid"),
  Sign: unary("Sign"),
  Sin: unary("Sin"),
  Sinh: unary("Sinh"),
  Softplus: unary("Softplus"),
  Sqrt: unary("Sqrt"),
  Square: (call) => call.emit("Mul", [call.input("x"), call.input("x")]),
  Tan: unary("Tan"),
  Tanh: unary("Tanh"),

  Equal: equalTo("Equal"),
  NotEqual: (call) => call.emit("Not", [call.emit("Equal", [call.input("a"), call.input("b")])]),
  Greater: equalTo("Greater"),
  GreaterEqual: equalTo("GreaterOrEqual"),
  Less: equalTo("Less"),
  LessEqual: equalTo("LessOrEqual"),
  LogicalAnd: equalTo("And"),
  LogicalOr: equalTo("Or"),
  LogicalNot: (call) => call.emit("Not", [call.input("a")]),
  BitwiseAnd: binary("BitwiseAnd"),
  // The condition of a Select may have one element per row: it broadcasts from the left, as that of a SelectV2 does not.
  Select: (call) => call.emit("Where", [call.input("condition"), call.input("a"), call.input("b")]),
  SelectV2: (call) => call.emit("Where", [call.input("condition"), call.input("a"), call.input("b")]),

  Cast: (call) => {
    const to = call.type("dtype");
    if (to === "complex64")
      return call.fail("dtype-unsupported", "casts to complex numbers are not supported");
    return call.cast(call.input("x"), to);
  },
  Identity: same("x"),
  Snapshot: same("x"),
  StopGradient: same("x"),
  Print: same("x"),
  IdentityN: (call) => call.all("x"),
  FakeQuantWithMinMaxVars: same("x"),
};
