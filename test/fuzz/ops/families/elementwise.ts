/**
 * Samples of elementwise operators. In: a sampler. Out: one operator each, in every attribute form, with the element
 * types that ONNX allows and some more. Invariant: a name of the table is the operator that its sample adds.
 */
import type { DType } from "../../../../runtime/dtype.ts";
import { ONNX_DATA_TYPE } from "../../../../compiler/frontend/onnx/write.ts";
import { float, type GraphNode } from "../graph.ts";
import { ANY, FLOATS, INTEGERS, NUMBERS, SIGNED, type Sampler } from "../sampler.ts";
import type { DataKind } from "../data.ts";

export type Sample = (s: Sampler) => void;
export type SampleTable = Readonly<Record<string, Sample>>;

type Attributes = GraphNode["attributes"];

const unary =
  (
    op: string,
    dtypes: readonly DType[],
    options: {
      data?: DataKind;
      since?: number;
      attributes?: (s: Sampler) => Attributes;
      domain?: string;
    } = {},
  ): Sample =>
  (s) => {
    if (options.since !== undefined) s.since(options.since);
    const data = options.data !== undefined && !s.flavour.wild && !s.chance(0.1) ? options.data : undefined;
    const x = s.any(dtypes, data === undefined ? {} : { data, fresh: s.chance(0.7) });
    s.node(op, [x], options.attributes?.(s) ?? {}, options.domain ? { domain: options.domain } : {});
  };

const alpha = (s: Sampler): Attributes => ({ alpha: s.maybe(0.25, 1, -0.5, 0) });

const UNARY: SampleTable = {
  Abs: unary("Abs", NUMBERS),
  Neg: unary("Neg", [...FLOATS, ...SIGNED]),
  Sign: unary("Sign", NUMBERS, { since: 9 }),
  Ceil: unary("Ceil", FLOATS),
  Floor: unary("Floor", FLOATS),
  Round: unary("Round", FLOATS, { since: 11 }),
  Sqrt: unary("Sqrt", FLOATS, { data: "positive" }),
  Reciprocal: unary("Reciprocal", FLOATS),
  Exp: unary("Exp", FLOATS),
  Log: unary("Log", FLOATS, { data: "positive" }),
  Sin: unary("Sin", FLOATS),
  Cos: unary("Cos", FLOATS),
  Tan: unary("Tan", FLOATS),
  Asin: unary("Asin", FLOATS, { data: "unit" }),
  Acos: unary("Acos", FLOATS, { data: "unit" }),
  Atan: unary("Atan", FLOATS),
  Sinh: unary("Sinh", FLOATS, { since: 9 }),
  Cosh: unary("Cosh", FLOATS, { since: 9 }),
  Tanh: unary("Tanh", FLOATS),
  Asinh: unary("Asinh", FLOATS, { since: 9 }),
  Acosh: unary("Acosh", FLOATS, { since: 9, data: "positive" }),
  Atanh: unary("Atanh", FLOATS, { since: 9, data: "unit" }),
  Erf: unary("Erf", FLOATS, { since: 9 }),
  Sigmoid: unary("Sigmoid", FLOATS),
  Softplus: unary("Softplus", FLOATS),
  Softsign: unary("Softsign", FLOATS),
  Relu: unary("Relu", [...FLOATS, "int8", "int32", "int16", "int64"]),
  LeakyRelu: unary("LeakyRelu", FLOATS, { attributes: alpha }),
  Elu: unary("Elu", FLOATS, { attributes: alpha }),
  Celu: unary("Celu", FLOATS, { since: 12, attributes: (s) => ({ alpha: s.maybe(0.5, 2, 1) }) }),
  Selu: unary("Selu", FLOATS, { attributes: (s) => ({ alpha: s.maybe(1.5), gamma: s.maybe(2) }) }),
  ThresholdedRelu: unary("ThresholdedRelu", FLOATS, { since: 10, attributes: alpha }),
  HardSigmoid: unary("HardSigmoid", FLOATS, { attributes: (s) => ({ alpha: s.maybe(0.5), beta: s.maybe(0.25, 0) }) }), // prettier-ignore
  HardSwish: unary("HardSwish", FLOATS, { since: 14 }),
  Mish: unary("Mish", FLOATS, { since: 18 }),
  Gelu: unary("Gelu", FLOATS, { since: 20, attributes: (s) => ({ approximate: s.maybe("tanh", "none") }) }),
  Swish: unary("Swish", FLOATS, { since: 24, attributes: alpha }),
  Shrink: unary("Shrink", NUMBERS, { since: 9, attributes: (s) => ({ lambd: s.maybe(0.25, 1), bias: s.maybe(0.5, 0) }) }), // prettier-ignore
  Identity: unary("Identity", ANY),
  Not: unary("Not", ["bool"]),
  BitwiseNot: unary("BitwiseNot", INTEGERS, { since: 18 }),
  IsNaN: unary("IsNaN", FLOATS, { since: 9, data: "special" }),
  IsInf: unary("IsInf", ["float32", "float64"], {
    since: 10,
    data: "special",
    attributes: (s) => ({ detect_negative: s.maybe(0, 1), detect_positive: s.maybe(0, 1) }),
  }),
  Affine: unary("Affine", ["float32"], { attributes: () => ({ alpha: 2, beta: 0.5 }) }),
  ScaledTanh: unary("ScaledTanh", ["float32"], { attributes: () => ({ alpha: 2, beta: 0.5 }) }),
  ParametricSoftplus: unary("ParametricSoftplus", ["float32"], {
    attributes: () => ({ alpha: 2, beta: 0.5 }),
  }),
  "com.microsoft:FastGelu": (s) => {
    const x = s.any(["float32"], { ranks: [1, 4] });
    const bias = s.chance(0.5) ? s.any(["float32"], { shape: [x.shape.at(-1)!] }) : undefined;
    s.node("FastGelu", [x, bias], {}, { domain: "com.microsoft" });
  },
  "com.microsoft:Gelu": unary("Gelu", ["float32"], { domain: "com.microsoft" }),
  "com.microsoft:QuickGelu": unary("QuickGelu", ["float32"], { domain: "com.microsoft", attributes: (s) => ({ alpha: s.maybe(1.5, 1) }) }), // prettier-ignore
  "com.microsoft:BiasGelu": (s) => {
    const x = s.any(["float32"], { ranks: [1, 4] });
    s.node(
      "BiasGelu",
      [x, s.any(["float32"], { shape: [x.shape.at(-1)!] })],
      {},
      { domain: "com.microsoft" },
    );
  },
};

/** Two operands that broadcast; before version 7 only with equal shapes, unless the old attributes are used. */
const binary =
  (op: string, dtypes: readonly DType[], since = 1, second?: DataKind, attributes?: (s: Sampler) => Attributes): Sample =>
  (s) => {
    s.since(since);
    const x = s.any(dtypes);
    if (s.opset < 7 && op !== "Pow" && op !== "Mod") {
      const axis = s.random.between(0, x.shape.length);
      const y = s.tensor(x.dtype, x.shape.slice(axis, s.random.between(axis, x.shape.length)), second);
      const equal = y.shape.length === x.shape.length;
      s.decline(y.shape.length === 0 && axis < x.shape.length);
      s.node(op, [x, y], equal ? {} : { broadcast: 1, axis });
      return;
    }
    const y = s.chance(0.4) ? s.any([x.dtype], { shape: x.shape }) : s.tensor(x.dtype, s.opset < 7 ? x.shape : s.partner(x.shape), second); // prettier-ignore
    s.node(op, s.chance(0.6) ? [x, y] : [y, x], attributes?.(s) ?? {});
  }; // prettier-ignore

const BINARY: SampleTable = {
  Add: binary("Add", NUMBERS),
  Sub: binary("Sub", NUMBERS),
  Mul: binary("Mul", NUMBERS),
  Div: (s) => {
    const x = s.any(NUMBERS);
    const integer = !FLOATS.includes(x.dtype);
    const y = integer ? s.range(x.dtype, s.partner(x.shape), 1, 9) : s.tensor(x.dtype, s.partner(x.shape));
    s.decline(s.opset < 7);
    s.node("Div", [x, y]);
  },
  Pow: (s) => {
    s.since(12);
    const x = s.chance(0.7) ? s.any(["float32", "float32", "float64", "float16"]) : s.range(s.pick<DType>(["int32", "int64"]), s.shape(0, 3), -5, 9); // prettier-ignore
    const dtype = s.pick<DType>([x.dtype, "float32", "int32", "int64"]);
    const y = s.chance(0.5)
      ? s.scalar(dtype, s.pick(dtype.startsWith("float") && x.dtype.startsWith("float") ? [0.5, 2, 3, -1, -0.5, 1, 0, 4] : [0, 1, 2, 3]), s.chance(0.7) || undefined) // prettier-ignore
      : x.dtype.startsWith("int") || dtype.startsWith("int") ? s.range(dtype, s.partner(x.shape), 0, 4) : s.tensor(dtype, s.partner(x.shape)); // prettier-ignore
    s.node("Pow", [x, y]);
  },
  Mod: (s) => {
    s.since(10);
    const fmod = s.chance(0.5);
    const x = s.any(fmod ? NUMBERS : INTEGERS);
    const y = FLOATS.includes(x.dtype) ? s.tensor(x.dtype, s.partner(x.shape)) : s.range(x.dtype, s.partner(x.shape), 1, 9); // prettier-ignore
    s.node("Mod", [x, y], fmod ? { fmod: 1 } : {});
  },
  And: binary("And", ["bool"]),
  Or: binary("Or", ["bool"]),
  Xor: binary("Xor", ["bool"]),
  BitwiseAnd: binary("BitwiseAnd", INTEGERS, 18),
  BitwiseOr: binary("BitwiseOr", INTEGERS, 18),
  BitwiseXor: binary("BitwiseXor", INTEGERS, 18),
  BitShift: (s) => {
    s.since(11);
    const dtype = s.pick<DType>(["uint8", "uint16", "uint32", "uint64"]);
    const x = s.any([dtype]);
    const bits = { uint8: 7, uint16: 15, uint32: 31, uint64: 63 }[dtype as "uint8"];
    s.node("BitShift", [x, s.range(dtype, s.partner(x.shape), 0, bits)], {
      direction: s.pick(["LEFT", "RIGHT"]),
    });
  },
  Equal: binary("Equal", [...ANY, "bool"]),
  Less: binary("Less", NUMBERS),
  Greater: binary("Greater", NUMBERS),
  LessOrEqual: binary("LessOrEqual", NUMBERS, 12),
  GreaterOrEqual: binary("GreaterOrEqual", NUMBERS, 12),
  PRelu: (s) => {
    s.since(7);
    const x = s.any([...FLOATS, "int32", "int64"]);
    s.node("PRelu", [x, s.tensor(x.dtype, s.partner(x.shape))]);
  },
  Where: (s) => {
    s.since(9);
    const x = s.any(ANY);
    s.node("Where", [
      s.any(["bool"], { shape: s.partner(x.shape) }),
      x,
      s.tensor(x.dtype, s.partner(x.shape)),
    ]);
  },
  "com.microsoft:BiasSplitGelu": (s) => {
    const x = s.tensor("float32", [s.dim(3), s.dim(8), s.pick([2560, 512, 64])].map((d, i) => (i === 2 ? s.pick([8, 16, 64]) : d))); // prettier-ignore
    s.node("BiasSplitGelu", [x, s.tensor("float32", [x.shape[2]!])], {}, { domain: "com.microsoft" });
  },
};

const variadic =
  (op: string, dtypes: readonly DType[]): Sample =>
  (s) => {
    const x = s.any(dtypes);
    const count = s.random.between(0, 3);
    const others = Array.from({ length: count }, () =>
      s.opset < 8 ? s.tensor(x.dtype, x.shape) : s.chance(0.4) ? s.any([x.dtype], { shape: x.shape }) : s.tensor(x.dtype, s.partner(x.shape)),
    ); // prettier-ignore
    s.node(op, s.random.shuffled([x, ...others]));
  };

/** Element types that Cast knows, with those of few bits. */
const CASTS: readonly (readonly [DType, number])[] = [
  ["float32", 1], ["uint8", 2], ["int8", 3], ["uint16", 4], ["int16", 5], ["int32", 6], ["int64", 7], ["bool", 9],
  ["float16", 10], ["float64", 11], ["uint32", 12], ["uint64", 13], ["bfloat16", 16], ["float8e4m3fn", 17],
  ["float8e4m3fnuz", 18], ["float8e5m2", 19], ["float8e5m2fnuz", 20], ["uint4", 21], ["int4", 22], ["float4e2m1", 23],
  ["uint2", 25], ["int2", 26],
]; // prettier-ignore

function castTarget(s: Sampler): DType {
  const most = s.opset >= 25 ? 26 : s.opset >= 23 ? 23 : s.opset >= 21 ? 22 : s.opset >= 19 ? 20 : s.opset >= 13 ? 16 : 13; // prettier-ignore
  const common = s.chance(0.6);
  return s.pick(CASTS.filter(([, code]) => code <= most && (!common || code <= 11)))[0];
}

const OTHERS: SampleTable = {
  Sum: variadic("Sum", FLOATS),
  Mean: variadic("Mean", FLOATS),
  Max: variadic("Max", NUMBERS),
  Min: variadic("Min", NUMBERS),
  Clip: (s) => {
    if (s.opset < 11) {
      const x = s.any(["float32", "float16", "float64"]);
      s.node("Clip", [x], { min: s.chance(0.6) ? float(-1) : undefined, max: s.chance(0.6) ? float(1.5) : undefined });
      return;
    }
    const x = s.any(NUMBERS);
    const low = s.chance(0.7) ? s.strictScalar(x.dtype, s.pick([1, 0, 2])) : undefined;
    const high = s.chance(0.7) ? s.strictScalar(x.dtype, s.pick([6, 2, 3, 0])) : undefined;
    s.node("Clip", [x, low, high]);
  }, // prettier-ignore
  Cast: (s) => {
    s.since(6);
    const x = s.any(ANY);
    const dtype = castTarget(s);
    const saturate = dtype.startsWith("float8") ? s.maybe(0, 1) : undefined;
    const [y] = s.node("Cast", [x], { to: ONNX_DATA_TYPE[dtype as "float32"], saturate });
    if (s.chance(0.7)) s.node("Cast", [y!], { to: ONNX_DATA_TYPE[s.pick(["float32", x.dtype] as const) as "float32"] }); // prettier-ignore
  },
  CastLike: (s) => {
    s.since(15);
    const x = s.any(ANY);
    const dtype = s.pick<DType>(["float32", "float16", "int32", "int8", "uint8", "bool", "int64", "float64"]);
    s.node("CastLike", [x, s.any([dtype])]);
  },
  BitCast: (s) => {
    s.since(26);
    const pairs: readonly (readonly [DType, DType])[] = [
      ["float32", "int32"], ["int32", "float32"], ["float64", "int64"], ["uint8", "int8"], ["float16", "int16"],
      ["uint16", "bfloat16"], ["bfloat16", "float16"], ["float8e4m3fn", "uint8"], ["uint64", "float64"], ["int32", "uint32"], ["float32", "uint32"],
    ]; // prettier-ignore
    const [from, to] = s.pick(pairs);
    s.node("BitCast", [s.any([from])], { to: ONNX_DATA_TYPE[to as "float32"] });
  },
  Dropout: (s) => {
    s.since(7);
    const x = s.any(FLOATS);
    const both = s.chance(0.3);
    if (s.opset < 12) {
      s.node("Dropout", [x], { ratio: s.maybe(0.5, 0.1) }, { outputs: both ? 2 : 1 });
      return;
    }
    const ratio = s.chance(0.5) ? s.strictScalar("float32", s.pick([0.5, 0.1, 0])) : undefined;
    const training = s.chance(0.3) ? s.strictScalar("bool", 0, true) : undefined;
    s.node("Dropout", [x, ratio, training], { seed: s.maybe(7) && { kind: "int", value: 7 } }, { outputs: both ? 2 : 1 }); // prettier-ignore
  },
  SwiGLU: (s) => {
    s.since(27);
    const x = s.any(FLOATS);
    s.node("SwiGLU", [x, s.any([x.dtype], { shape: x.shape })]);
  },
};

export const elementwiseSamples: SampleTable = { ...UNARY, ...BINARY, ...OTHERS };
