/**
 * QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear. In: a tensor, its scale and zero point per tensor,
 * per axis or per block. Out: maps (and, for the dynamic form, operators made of them). Invariant: rounding is half
 * to even and happens in f32 before the zero point is added and the result saturated, as ONNX says; integer zero
 * points are subtracted in i32, so nothing is lost before the product with the scale.
 */
import { computeType, elementCount, integerRange, isFloat, type DType } from "../ir/dtype.ts";
import { add, cast, div, floordiv, int, mul, sub, unary, type Expr } from "../ir/expr.ts";
import { mapKernel, normaliseAxis, type Expander, type KernelWriter, type OpCall, type OpDefinition } from "./define.ts"; // prettier-ignore
import { clampTo, operand, requireNumeric } from "./elementwise.ts";
import { typeAttribute } from "./elementwiseCast.ts";
import { typeNumber } from "../ir/dataType.ts";

/** Where the scale of a point lies: nowhere in particular, along the axis, or in its block. */
function scaleIndex(call: OpCall, index: readonly Expr[]): Expr[] {
  const { shape } = call.input(0);
  const scale = call.input(1).shape;
  if (elementCount(scale) === 1) return scale.map(() => int(0));
  const axis = normaliseAxis(call, call.int("axis", 1), shape.length);
  const block = call.int("block_size", 0);
  if (block > 0) return index.map((at, d) => (d === axis ? floordiv(at, block) : at));
  return [index[axis]!];
}

function checkScale(call: OpCall): void {
  const { shape } = call.input(0);
  const scale = call.input(1).shape;
  if (call.has(2) && elementCount(call.input(2).shape) !== elementCount(scale)) {
    call.fail("shape-mismatch", `zero points [${call.input(2).shape}] with scales [${scale}]`);
  }
  if (elementCount(scale) === 1) return;
  const axis = normaliseAxis(call, call.int("axis", 1), shape.length);
  const block = call.int("block_size", 0);
  const expected =
    block > 0 ? shape.map((dim, d) => (d === axis ? Math.ceil(dim / block) : dim)) : [shape[axis]!];
  if (expected.join() !== scale.join())
    call.fail("shape-mismatch", `scales [${scale}] of [${shape}] along axis ${axis}`);
}

/** Input 1 or 2 at a point; a constant where it is one known number. */
function parameter(call: OpCall, writer: KernelWriter, position: number, index: readonly Expr[]): Expr {
  if (elementCount(call.input(position).shape) === 1) return operand(writer, position, []);
  return writer.load(position, scaleIndex(call, index));
}

function quantizedType(call: OpCall): DType {
  return call.has(2) ? call.input(2).dtype : (typeAttribute(call, "output_dtype") ?? "uint8");
}

function quantize(call: OpCall, writer: KernelWriter, index: readonly Expr[]): Expr {
  const to = call.outputs[0]!.dtype;
  const x = cast(writer.load(0, index), "float32");
  const quotient = div(x, cast(parameter(call, writer, 1, index), "float32"));
  const range = integerRange(to);
  if (!range) return to.startsWith("float8") && call.int("saturate", 1) === 0 ? quotient : cast(quotient, to);
  const rounded = unary("round", quotient);
  const shifted = call.has(2) ? add(rounded, cast(parameter(call, writer, 2, index), "float32")) : rounded;
  return cast(clampTo(shifted, Number(range[0]), Number(range[1])), to);
}

function dequantize(call: OpCall, writer: KernelWriter, index: readonly Expr[]): Expr {
  const x = writer.load(0, index);
  const centred =
    call.has(2) && !isFloat(call.input(0).dtype) ? sub(x, parameter(call, writer, 2, index)) : x;
  const scale = parameter(call, writer, 1, index);
  return mul(cast(centred, computeType(call.input(1).dtype) === "f64" ? "float64" : "float32"), scale);
}

/** Scale and zero point from the range of the data, which always takes in 0; a range of 0 has the scale 1. */
function dynamicQuantize(call: OpCall, to: Expander): string[] {
  const [x] = call.node.inputs as [string];
  const zero = to.scalar("float32", 0);
  const high = to.node("Max", [to.node("ReduceMax", [x], { keepdims: 0 }), zero]);
  const low = to.node("Min", [to.node("ReduceMin", [x], { keepdims: 0 }), zero]);
  const width = to.node("Sub", [high, low]);
  const levels = to.node("Div", [width, to.scalar("float32", 255)]);
  const scale = to.node("Where", [to.node("Equal", [width, zero]), to.scalar("float32", 1), levels]);
  const origin = to.node("Neg", [to.node("Div", [low, scale])]);
  const clipped = to.node("Clip", [to.node("Round", [origin]), zero, to.scalar("float32", 255)]);
  const zeroPoint = to.node("Cast", [clipped], { to: typeNumber("uint8") });
  return [to.node("QuantizeLinear", [x, scale, zeroPoint]), scale, zeroPoint];
}

export const quantOps: readonly OpDefinition[] = [
  {
    op: "QuantizeLinear",
    infer: (call) => {
      requireNumeric(call, 0);
      checkScale(call);
      return [{ dtype: quantizedType(call), shape: call.input(0).shape }];
    },
    implementation: {
      kind: "compute",
      build: (call) => mapKernel(call, (index, writer) => quantize(call, writer, index)),
    },
  },
  {
    op: "DequantizeLinear",
    infer: (call) => {
      requireNumeric(call, 0);
      checkScale(call);
      return [
        { dtype: typeAttribute(call, "output_dtype") ?? call.input(1).dtype, shape: call.input(0).shape },
      ];
    },
    implementation: {
      kind: "compute",
      build: (call) => mapKernel(call, (index, writer) => dequantize(call, writer, index)),
    },
  },
  { op: "DynamicQuantizeLinear", implementation: { kind: "expand", expand: dynamicQuantize } },
];
