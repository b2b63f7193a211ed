/**
 * Random elementwise steps: unary, binary with broadcasting, comparisons, integers, casts. In: a builder. Out: steps.
 * Invariant: no element leaves an operator's domain (no division by 0, no logarithm of what is not positive), and
 * operators that jump follow only values without rounding errors.
 */
import type { OnnxAttributes } from "../../compiler/frontend/onnx/write.ts";
import { either, isExact, type PlanBuilder, Refused, same, type Range, type Value } from "./planBuilder.ts";

export type Addition = (b: PlanBuilder) => void;

/** Smooth functions by name: the largest slope and value over |x| <= bound. */
const SMOOTH: readonly {
  op: string;
  most?: number;
  attributes?: OnnxAttributes;
  range: (x: number) => readonly [slope: number, bound: number];
}[] = [
  { op: "Sigmoid", range: () => [1, 1] },
  { op: "Tanh", range: () => [1, 1] },
  { op: "Erf", range: () => [2, 1] },
  { op: "Softplus", range: (x) => [1, x + 1] },
  { op: "Softsign", range: () => [1, 1] },
  { op: "Elu", attributes: { alpha: 0.5 }, range: (x) => [1, x + 1] },
  { op: "Selu", range: (x) => [2, 2 * x + 2] },
  { op: "Celu", attributes: { alpha: 2 }, range: (x) => [1, x + 2] },
  { op: "Gelu", range: (x) => [2, x] },
  { op: "Gelu", attributes: { approximate: "tanh" }, range: (x) => [2, x] },
  { op: "Mish", range: (x) => [2, x] },
  { op: "HardSwish", range: (x) => [2, x] },
  { op: "HardSigmoid", range: () => [1, 1] },
  { op: "Atan", range: () => [1, 2] },
  { op: "Sin", most: 1000, range: () => [1, 1] },
  { op: "Cos", most: 1000, range: () => [1, 1] },
  { op: "Exp", most: 8, range: (x) => [Math.exp(x), Math.exp(x)] },
  { op: "Sinh", most: 6, range: (x) => [Math.cosh(x), Math.cosh(x)] },
];

export const smooth: Addition = (b) => {
  const { op, most, attributes, range } = b.random.pick(SMOOTH);
  const x = b.float(({ bound }) => bound <= (most ?? 1e6));
  const [slope, bound] = range(x.bound);
  b.node(op, [x], attributes ?? {}, "float32", x.shape, {
    bound,
    // A factor may have moved into the weights before: an error of what comes in.
    error: slope * (x.error + x.bound * 2 ** -22),
  });
};

/** Operators that keep values exact. */
export const piecewise: Addition = (b) => {
  const x = b.float();
  const plain = (op: string, range: Range = same(x), attributes: OnnxAttributes = {}): Value =>
    b.node(op, [x], attributes, "float32", x.shape, range);
  switch (b.random.below(7)) {
    case 0:
      return void plain("Neg");
    case 1:
      return void plain("Abs");
    case 2:
      return void plain("LeakyRelu", { ...same(x), step: x.step / 4 }, { alpha: 0.25 });
    case 3: {
      const [low, high] = [
        b.literal("float32", [], [-1.5]),
        b.literal("float32", [], [b.random.pick([1, 6, 2.5])]),
      ];
      const bounds: (Value | string)[] = b.random.chance(0.3) ? [x, "", high] : [x, low, high];
      return void b.node("Clip", bounds, {}, "float32", x.shape, { ...same(x), step: Math.min(x.step, 0.5) });
    }
    case 4: {
      const slope = b.weight("float32", partner(b, x.shape, true));
      return void b.node("PRelu", [x, slope], {}, "float32", x.shape, {
        bound: x.bound * Math.max(1, slope.bound),
        step: x.step * slope.step,
        error: 2 * x.error,
      });
    }
    case 5:
      return void plain("Identity");
    default:
      return void plain("Relu");
  }
};

/** Operators with jumps. */
export const jump: Addition = (b) => {
  const x = b.float(isExact);
  const op = b.random.pick(["Floor", "Ceil", "Round", "Sign", "ThresholdedRelu", "Shrink"]);
  const range: Range =
    op === "Sign" ? { bound: 1, step: 1 } : { bound: x.bound + 1, step: Math.min(1, x.step) };
  const attributes: OnnxAttributes =
    op === "ThresholdedRelu" ? { alpha: 0.5 } : op === "Shrink" ? { lambd: 0.5, bias: 0.25 } : {};
  b.node(
    op,
    [x],
    attributes,
    "float32",
    x.shape,
    op === "Shrink" ? { ...range, step: Math.min(x.step, 0.25) } : range,
  );
};

/** Functions whose argument must be made safe first. */
export const guarded: Addition = (b) => {
  const x = b.float(({ bound }) => bound <= 1e5);
  const absolute = b.node("Abs", [x], {}, "float32", x.shape, same(x));
  const one = b.literal("float32", x.shape.length > 0 && b.random.chance(0.5) ? [1] : [], [1]);
  const positive = b.node("Add", [absolute, one], {}, "float32", x.shape, {
    bound: x.bound + 1,
    step: Math.min(x.step, 1),
    error: x.error,
  });
  const inexact = (op: string, bound: number): Value =>
    b.node(op, [positive], {}, "float32", x.shape, { bound, error: x.error });
  switch (b.random.below(6)) {
    case 0:
      return void inexact("Sqrt", Math.sqrt(positive.bound));
    case 1:
      return void inexact("Log", Math.log(positive.bound) + 1);
    case 2:
      return void inexact("Reciprocal", 1);
    case 3: {
      const power = b.literal("float32", [], [b.random.pick([0.5, 2, 3, -1, -0.5, 1])]);
      const exponent = b.random.chance(0.5) && x.bound < 20 ? 3 : 1;
      if (exponent === 1)
        return void b.node("Sqrt", [positive], {}, "float32", x.shape, {
          bound: positive.bound,
          error: x.error,
        });
      return void b.node("Pow", [positive, power], {}, "float32", x.shape, {
        bound: positive.bound ** 3,
        error: 3 * x.error * positive.bound ** 2,
      });
    }
    default: {
      const y = b.float(({ bound }) => bound <= 1e4);
      const shape = broadcast(x.shape, y.shape);
      return void b.node("Div", [y, positive], {}, "float32", shape, {
        bound: y.bound,
        error: y.error + y.bound * x.error,
      });
    }
  }
};

/** A shape that broadcasts against `shape`: leading dimensions left out, others 1. */
export function partner(b: PlanBuilder, shape: readonly number[], within = false): number[] {
  const skip = b.random.chance(0.5) ? b.random.between(0, shape.length) : 0;
  const cut = shape.slice(skip).map((dim) => (b.random.chance(0.35) ? 1 : dim));
  if (!within && b.random.chance(0.1) && cut.length < 5)
    return [b.random.between(1, 3), ...(skip === 0 ? cut : shape)];
  return cut;
}

export function broadcast(...shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map(({ length }) => length));
  return Array.from({ length: rank }, (_, d) => {
    const dims = shapes.map((shape) => shape[d - rank + shape.length] ?? 1).filter((dim) => dim !== 1);
    if (dims.some((dim) => dim !== dims[0])) throw new Refused();
    return dims[0] ?? 1;
  });
}

/** Another value for a binary operator: one that is there, or a new one of a shape that fits. */
function other(b: PlanBuilder, x: Value): Value {
  if (b.random.chance(0.5)) {
    try {
      return b.take((y) => y.dtype === x.dtype && fits(x.shape, y.shape) && y !== x);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
  }
  return b.weight(x.dtype, partner(b, x.shape));
}

function fits(a: readonly number[], c: readonly number[]): boolean {
  try {
    broadcast(a, c);
    return true;
  } catch {
    return false;
  }
}

export const binary: Addition = (b) => {
  const x = b.float();
  const y = other(b, x);
  const shape = broadcast(x.shape, y.shape);
  const pair = b.random.chance(0.5) ? [x, y] : [y, x];
  const sum: Range = {
    bound: x.bound + y.bound,
    step: isExact(x) && isExact(y) ? Math.min(x.step, y.step) : 0,
    error: x.error + y.error,
  };
  const product: Range = {
    bound: x.bound * y.bound,
    step: x.step * y.step,
    error: x.bound * y.error + y.bound * x.error,
  };
  const op = b.random.pick(["Add", "Add", "Sub", "Mul", "Mul", "Max", "Min", "Sum", "Mean"]);
  const range =
    op === "Mul"
      ? product
      : op === "Mean"
        ? { ...sum, step: (sum.step ?? 0) / 2 }
        : op === "Max" || op === "Min"
          ? either([x, y])
          : sum;
  b.node(op, pair, {}, "float32", shape, range);
};

export const comparison: Addition = (b) => {
  const x = b.float(isExact);
  const y = other(b, x);
  if (!isExact(y)) throw new Refused();
  const op = b.random.pick(["Less", "Greater", "Equal", "LessOrEqual", "GreaterOrEqual"]);
  b.node(op, [x, y], {}, "bool", broadcast(x.shape, y.shape), { bound: 1 });
};

export const logic: Addition = (b) => {
  const x = b.take(({ dtype }) => dtype === "bool");
  if (b.random.chance(0.3)) return void b.node("Not", [x], {}, "bool", x.shape, { bound: 1 });
  const y = other(b, x);
  b.node(b.random.pick(["And", "Or", "Xor"]), [x, y], {}, "bool", broadcast(x.shape, y.shape), { bound: 1 });
};

export const where: Addition = (b) => {
  const x = b.take(({ dtype }) => dtype === "float32" || dtype === "int64" || dtype === "int32");
  const y = other(b, x);
  const shape = broadcast(x.shape, y.shape);
  const condition = b.random.chance(0.5)
    ? b.take((c) => c.dtype === "bool" && fits(c.shape, shape))
    : b.weight("bool", partner(b, shape, true));
  b.node("Where", [condition, x, y], {}, x.dtype, broadcast(condition.shape, shape), either([x, y]));
};

const INTEGERS: readonly string[] = ["int64", "int32", "uint8", "int8"];

export const integer: Addition = (b) => {
  const x = b.take(({ dtype }) => INTEGERS.includes(dtype));
  const keep = (
    op: string,
    inputs: readonly (Value | string)[],
    bound: number,
    attributes: OnnxAttributes = {},
  ): Value =>
    b.node(
      op,
      inputs,
      attributes,
      x.dtype,
      broadcast(x.shape, ...inputs.slice(1).map((y) => (typeof y === "string" ? [] : y.shape))),
      { bound },
    );
  const divisor = (): Value => b.literal(x.dtype, [], [b.random.pick([1, 2, 3, 7])]);
  switch (b.random.below(8)) {
    case 0:
      return void keep("Div", [x, divisor()], x.bound);
    case 1:
      return void keep("Mod", [x, divisor()], 7);
    case 2: {
      if (x.dtype !== "uint8") throw new Refused();
      return void keep("BitShift", [x, b.literal("uint8", [], [b.random.between(0, 7)])], 255, {
        direction: b.random.pick(["LEFT", "RIGHT"]),
      });
    }
    case 3: {
      const y = other(b, x);
      return void keep(b.random.pick(["BitwiseAnd", "BitwiseOr", "BitwiseXor"]), [x, y], Infinity);
    }
    case 4: {
      const y = other(b, x);
      return void keep(b.random.pick(["Min", "Max"]), [x, y], Math.max(x.bound, y.bound));
    }
    case 5:
      return void keep(x.dtype === "uint8" ? "BitwiseNot" : b.random.pick(["Abs", "Neg"]), [x], Infinity);
    default: {
      const y = other(b, x);
      const op = b.random.pick(["Add", "Sub", "Mul"]);
      return void keep(
        op,
        [x, y],
        op === "Mul" ? x.bound * y.bound : x.dtype === "uint8" && op === "Sub" ? 255 : x.bound + y.bound,
      );
    }
  }
};

/** From one element type to another; onto narrower integers only where nothing is out of range. */
export const cast: Addition = (b) => {
  const x = b.take((v) => isExact(v) && v.dtype !== "float16");
  const fitting: [string, boolean][] = [
    ["float32", x.dtype !== "float32" && x.bound <= 2 ** 24],
    ["int64", x.dtype !== "int64"],
    ["int32", x.dtype !== "int32" && x.bound < 2 ** 31],
    ["int8", x.bound <= 127 && x.dtype !== "int8"],
    ["bool", x.dtype !== "bool"],
    ["float16", x.bound < 2000 && x.bound / x.step <= 1024 && x.dtype === "float32"],
  ];
  const [to] = b.random.pick(fitting.filter(([, fit]) => fit)) as [Value["dtype"], boolean];
  const code = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10 }[to];
  const isInteger = x.dtype !== "float32";
  const range: Range =
    to === "float32" || to === "float16"
      ? { bound: x.bound, step: isInteger ? 1 : x.step }
      : { bound: to === "bool" ? 1 : x.bound, step: 1 };
  const made = b.node("Cast", [x], { to: code }, to, x.shape, range);
  if (to === "float16") b.node("Cast", [made], { to: 1 }, "float32", x.shape, range);
};

/** Onto 8 bits and back, with a scale that is a power of two. */
export const quantize: Addition = (b) => {
  const x = b.float(isExact);
  const scale = b.literal("float32", [], [b.random.pick([0.25, 0.5, 0.125])]);
  const signed = b.random.chance(0.5);
  const zero = b.literal(signed ? "int8" : "uint8", [], [signed ? b.random.between(-5, 5) : 128]);
  const q = b.node("QuantizeLinear", [x, scale, zero], {}, signed ? "int8" : "uint8", x.shape, {
    bound: 255,
  });
  if (b.random.chance(0.85))
    b.node("DequantizeLinear", [q, scale, zero], {}, "float32", x.shape, { bound: 70, step: 0.125 });
};
