/**
 * Changes of element type, copies and dropout. In: a tensor and a target type. Out: maps of one load. Invariant:
 * storing rounds or wraps to the output's type by itself, so Cast only adds what storing does not do: truncation,
 * saturation of 8-bit floats, and the rounding modes of float8e8m0.
 * Source: ONNX operator Cast (version 24) and its tables.
 */
import { isComplexType, typeNumber, typeOfNumber } from "../ir/dataType.ts";
import { bytesPerElement, computeType, dtypes, isFloat, type DType } from "../ir/dtype.ts";
import { add, binary, bitcast, cast, constant, TRUE, type BitsType, type Expr } from "../ir/expr.ts";
import { axesOver, coordinates, KernelWriter, mapKernel, type Expander, type OpCall, type OpDefinition, type OpImplementation } from "./define.ts"; // prettier-ignore
import { knownNumber, requireNumeric } from "./elementwise.ts";

/**
 * The dtype that an attribute names: as ONNX's number, or as our own word (which expansions may write).
 * Undefined when the attribute is absent or 0.
 */
export function typeAttribute(call: OpCall, name: string): DType | undefined {
  const attribute = call.node.attributes.get(name);
  if (!attribute) return undefined;
  if (attribute.kind === "string") {
    const word = dtypes.find((dtype) => dtype === attribute.value);
    return word ?? call.fail("attribute-invalid", `${attribute.value} is not an element type`);
  }
  const value = call.int(name)!;
  if (value === 0) return undefined;
  const type = typeOfNumber(value);
  if (type === undefined || isComplexType(type))
    return call.fail("dtype-unsupported", `element type ${value} of attribute ${name}`);
  return type;
}

/** x as Cast converts it to `to`, up to what storing does anyway. */
function convert(x: Expr, to: DType, call: OpCall): Expr {
  if (to === "float8e8m0") return cast(roundToPower(cast(x, "float32"), call), to);
  const saturates = call.int("saturate", 1) !== 0;
  // Storing does not saturate, a cast does.
  return to.startsWith("float8") && !saturates ? cast(x, "float32") : cast(x, to);
}

/** Rounds a float to a power of two by Cast's `round_mode`; "up" is what storing a float8e8m0 does. */
function roundToPower(x: Expr, call: OpCall): Expr {
  const mode = call.string("round_mode", "up");
  if (mode === "up") return x;
  const bits = bitcast(x, "i32");
  const half = mode === "nearest" ? 0x00400000 : 0;
  return bitcast(binary("and", add(bits, constant("i32", half)), constant("i32", 0x7f800000)), "f32");
}

function castOperator(op: string, target: (call: OpCall) => DType): OpDefinition {
  return {
    op,
    infer: (call) => [{ dtype: target(call), shape: call.input(0).shape }],
    implementation: (call) => {
      const dtype = target(call);
      if (dtype === "string" || call.input(0).dtype === "string") {
        return {
          kind: "expand",
          expand: (_, to) => [to.node("tilewright:CastStrings", [call.node.inputs[0]!], { to: dtype })],
        };
      }
      return {
        kind: "compute",
        build: () => mapKernel(call, (index, writer) => convert(writer.load(0, index), dtype, call)),
      };
    },
  };
}

function required(call: OpCall, name: string): DType {
  return typeAttribute(call, name) ?? call.fail("attribute-invalid", `attribute ${name} is missing`);
}

/** Bits of an element; types of less than a byte say how many. */
const bitsOf = (dtype: DType): number =>
  Number(/(?<=int|float)[24](?!\d)/.exec(dtype)?.[0] ?? 8 * bytesPerElement(dtype));

/** Floats of which a kernel sees numbers only, and no bits: whole bytes of them are copied. */
const isNarrow = (dtype: DType): boolean => isFloat(dtype) && bytesPerElement(dtype) < 4;

/** The same bits as another type of the same size. */
function reinterpret(x: Expr, to: DType): Expr {
  const target = computeType(to);
  const float = (type: string): boolean => type === "f32" || type === "f64";
  const asBits = x.type !== target && (float(x.type) || float(target));
  return asBits ? bitcast(x, target as BitsType) : cast(x, to);
}

function bitCast(call: OpCall): OpImplementation {
  const to = required(call, "to");
  const { dtype } = call.input(0);
  if (isNarrow(dtype) !== isNarrow(to) || (isNarrow(to) && dtype !== to)) {
    return {
      kind: "expand",
      expand: (_, expander) => [
        expander.node("tilewright:SameBytes", [call.node.inputs[0]!], { to: typeNumber(to) }),
      ],
    };
  }
  return {
    kind: "compute",
    build: () => mapKernel(call, (index, writer) => reinterpret(writer.load(0, index), to)),
  };
}

/** Training: keeps an element with probability 1 - ratio and scales it; the random numbers follow from the seed. */
function trainingDropout(call: OpCall, to: Expander): string[] {
  const [x] = call.node.inputs as [string];
  const { dtype, shape } = call.input(0);
  const ratio = dropoutRatio(call);
  const seed = call.int("seed");
  const noise = to.node("RandomUniform", [], {
    shape: [...shape],
    dtype: typeNumber("float32"),
    draw: call.int("draw", 0),
    ...(seed === undefined ? {} : { seed: { float: seed } }),
  });
  const mask = to.node("GreaterOrEqual", [noise, to.scalar("float32", ratio)]);
  const kept = to.node("Mul", [x, to.node("Cast", [mask], { to: typeNumber(dtype) })]);
  return [to.node("Mul", [kept, to.scalar(dtype, 1 / (1 - ratio))]), mask].slice(0, call.node.outputs.length);
}

function dropoutRatio(call: OpCall): number {
  return call.has(1) ? Number(knownNumber(call.value(1))) : call.float("ratio", 0.5);
}

function dropoutImplementation(call: OpCall): OpImplementation {
  const training = call.has(2) && knownNumber(call.value(2)) !== 0;
  if (training && dropoutRatio(call) !== 0) return { kind: "expand", expand: trainingDropout };
  return {
    kind: "compute",
    build: () => {
      const writer = new KernelWriter(call);
      const axes = axesOver(call.input(0).shape, "i");
      const index = coordinates(axes);
      writer.store(0, axes, index, writer.load(0, index));
      if (call.wants(1)) {
        const maskAxes = axesOver(call.input(0).shape, "m");
        writer.store(1, maskAxes, coordinates(maskAxes), TRUE());
      }
      return writer.done();
    },
  };
}

export const castOps: readonly OpDefinition[] = [
  castOperator("Cast", (call) => required(call, "to")),
  castOperator("CastLike", (call) => call.input(1).dtype),
  {
    op: "BitCast",
    infer: (call) => {
      const from = requireNumeric(call, 0);
      const to = required(call, "to");
      if (bitsOf(from) !== bitsOf(to)) call.fail("dtype-unsupported", `the bits of ${from} as ${to}`);
      return [{ dtype: to, shape: call.input(0).shape }];
    },
    implementation: bitCast,
  },
  {
    op: "Identity",
    infer: (call) => [call.input(0)],
    implementation: {
      kind: "compute",
      build: (call) => mapKernel(call, (index, writer) => writer.load(0, index)),
    },
  },
  {
    op: "Dropout",
    infer: (call) => [
      { dtype: requireNumeric(call, 0), shape: call.input(0).shape },
      { dtype: "bool", shape: call.input(0).shape },
    ],
    implementation: dropoutImplementation,
  },
];
