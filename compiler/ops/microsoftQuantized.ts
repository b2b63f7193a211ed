/**
 * Quantized operators of com.microsoft: QLinear kinds, products with dynamic or integer operands, weights in blocks
 * of a few bits. In: a call with static types. Out: ordinary operators; only the unpacking of few-bit weights is a
 * kernel of its own, which with constant weights runs when the program is loaded. Invariant: values are computed as
 * the dequantized real numbers, and rounded once, when they are stored. Source: onnxruntime, docs/ContribOperators.md.
 */
import { binary, cast, constant, floordiv, floormod, int, add, mul, sub, type Expr } from "../ir/expr.ts";
import { computeType, elementCount } from "../ir/dtype.ts";
import type { ValueId } from "../ir/graph.ts";
import { mapKernel, type Expander, type OpCall, type OpDefinition } from "./define.ts";
import { typeNumber } from "../ir/dataType.ts";
import { attended, maskBias } from "./microsoftAttention.ts";
import { channelsLast, channelsSecond, expanded, given, only, part, plus, same } from "./microsoftForm.ts";
import { expectShape } from "./operandShape.ts";

// ---------------------------------------------------------------------------------------------------------------
// QLinear kinds: real numbers in between

/** Inputs `at`, `at + 1`, `at + 2`: a tensor, its scale and its zero point, as real numbers. */
function real(call: OpCall, to: Expander, at: number): ValueId {
  return to.node("DequantizeLinear", [given(call, at), given(call, at + 1), given(call, at + 2)]);
}

/** Real numbers as the call's result, with scale and zero point at inputs `at` and `at + 1`. */
function quantized(call: OpCall, to: Expander, x: ValueId, at: number, like = 0): ValueId {
  const zero = given(call, at + 1) || to.scalar(call.input(like).dtype, 0);
  return to.node("QuantizeLinear", [x, given(call, at), zero]);
}

/** An operator of two quantized operands. */
function ofTwo(op: string, base: string): OpDefinition {
  return expanded(op, (call, to) => {
    return [quantized(call, to, to.node(base, [real(call, to, 0), real(call, to, 3)]), 6)];
  });
}

/** An operator of one quantized operand. */
function ofOne(op: string, compute: (call: OpCall, to: Expander, x: ValueId) => ValueId): OpDefinition {
  return expanded(op, (call, to) => [quantized(call, to, compute(call, to, real(call, to, 0)), 3)]);
}

/** As `ofOne`, for operators over windows whose channels may stand last. */
function ofImage(op: string, compute: (call: OpCall, to: Expander, x: ValueId) => ValueId): OpDefinition {
  return ofOne(op, (call, to, x) => {
    if (!call.int("channels_last", 0)) return compute(call, to, x);
    return channelsLast(to, compute(call, to, channelsSecond(to, x)));
  });
}

const poolAttributes = ["auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides"];

/** Before opset 13 Softmax was over all dimensions from the axis on. */
function softmax(call: OpCall, to: Expander, x: ValueId): ValueId {
  const { shape } = call.input(0);
  const oldForm = call.int("opset", 13) < 13;
  const given = call.int("axis", oldForm ? 1 : -1);
  if (!oldForm) return to.node("Softmax", [x], { axis: given });
  const axis = given < 0 ? given + shape.length : given;
  const rows = [elementCount(shape.slice(0, axis)), elementCount(shape.slice(axis))];
  const flat = to.node("Softmax", [to.node("Reshape", [x, to.integers(rows)])], { axis: 1 });
  return to.node("Reshape", [flat, to.integers(shape)]);
}

const qLinearConcat = expanded("QLinearConcat", (call, to) => {
  const count = Math.floor((call.inputs.length - 2) / 3);
  const parts = Array.from({ length: count }, (_, i) => real(call, to, 2 + 3 * i));
  return [quantized(call, to, to.node("Concat", parts, { axis: call.int("axis", 0) }), 0, 2)];
});

const qLinearWhere = expanded("QLinearWhere", (call, to) => {
  const chosen = to.node("Where", [given(call, 0), real(call, to, 1), real(call, to, 4)]);
  return [quantized(call, to, chosen, 7, 1)];
});

/** QLinearConv with channels last; the weights are as ever. */
const qLinearConv = expanded("QLinearConv", (call, to) => {
  const names = ["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"];
  const [x = "", ...others] = call.node.inputs;
  const last = call.int("channels_last", 0) !== 0;
  const y = to.node("QLinearConv", [last ? channelsSecond(to, x) : x, ...others], only(call, names));
  return [last ? channelsLast(to, y) : y];
});

// ---------------------------------------------------------------------------------------------------------------
// Products

interface Factors {
  readonly a: ValueId;
  readonly b: ValueId;
  readonly scaleA: ValueId;
  readonly scaleB: ValueId;
  readonly zeroA: ValueId;
  readonly zeroB: ValueId;
}

/** The integer product of differences from the zero points, as real numbers. */
function product(to: Expander, { a, b, scaleA, scaleB, zeroA, zeroB }: Factors, bias: ValueId): ValueId {
  const sums = to.node("MatMulInteger", [a, b, zeroA, zeroB]);
  const scale = to.node("Mul", [scaleA, scaleB]);
  const float = to.node("Cast", [sums], { to: typeNumber(to.typeOf(scale).dtype) });
  return plus(to, to.node("Mul", [float, scale]), bias);
}

const dynamicQuantizeMatMul = expanded("DynamicQuantizeMatMul", (call, to) => {
  const [a, scaleA, zeroA] = to.nodes("DynamicQuantizeLinear", [given(call, 0)], 3) as [ValueId, ValueId, ValueId]; // prettier-ignore
  const [b, scaleB, zeroB] = [given(call, 1), given(call, 2), given(call, 3)];
  return [product(to, { a, b, scaleA, scaleB, zeroA, zeroB }, given(call, 4))];
});

function integerProduct(call: OpCall, to: Expander): ValueId {
  const [a, b, scaleA, scaleB, zeroA, zeroB] = [0, 1, 2, 3, 4, 5].map((i) => given(call, i)) as [
    ValueId, ValueId, ValueId, ValueId, ValueId, ValueId,
  ]; // prettier-ignore
  return product(to, { a, b, scaleA, scaleB, zeroA, zeroB }, given(call, 6));
}

/** alpha * scales * (A' B' + C), where C is in units of the product of the scales. */
const qGemm = expanded("QGemm", (call, to) => {
  const operand = (position: number, flag: string): ValueId =>
    call.int(flag, 0)
      ? to.node("Transpose", [given(call, position)], { perm: [1, 0] })
      : given(call, position);
  const sums = to.node("MatMulInteger", [
    operand(0, "transA"),
    operand(3, "transB"),
    given(call, 2),
    given(call, 5),
  ]);
  const total = to.node("Cast", [plus(to, sums, given(call, 6))], { to: typeNumber("float32") });
  const scale = to.node("Mul", [given(call, 1), given(call, 4)]);
  const alpha = call.float("alpha", 1);
  const factor = alpha === 1 ? scale : to.node("Mul", [scale, to.scalar("float32", alpha)]);
  const y = to.node("Mul", [total, factor]);
  return [given(call, 7) ? quantized(call, to, y, 7) : y];
});

/** Attention whose input and weights are quantized; their product is real. */
const qAttention = expanded("QAttention", (call, to) => {
  if (call.int("do_rotary", 0)) call.fail("op-unsupported", "QAttention with rotary embeddings");
  const [a, b, bias, scaleA, scaleB, mask, zeroA, zeroB, past] = Array.from({ length: 9 }, (_, i) => given(call, i)) as [
    ValueId, ValueId, ValueId, ValueId, ValueId, ValueId, ValueId, ValueId, ValueId,
  ]; // prettier-ignore
  const projected = product(to, { a, b, scaleA, scaleB, zeroA, zeroB }, bias);
  const width = to.typeOf(projected).shape[2]! / 3;
  const parts = [0, 1, 2].map((i) => part(to, projected, i * width, (i + 1) * width, 2)) as [ValueId, ValueId, ValueId]; // prettier-ignore
  const keys = call.input(0).shape[1]! + (call.inputs[8]?.shape[3] ?? 0);
  return attended(call, to, parts, maskBias(call, to, mask, keys), past);
});

// ---------------------------------------------------------------------------------------------------------------
// Weights in blocks of a few bits

/**
 * Weights [columns, blocks, bytes] of `bits` each, low bits first, as a matrix [depth, columns]:
 * (weight - zero point) * scale, both of these by column and block. Inputs: weights, scales, zero points.
 */
const unpackBlocks: OpDefinition = {
  op: "UnpackBlocks",
  domain: "tilewright",
  infer: (call) => [{ dtype: call.input(1).dtype, shape: [call.int("depth", 0), call.int("columns", 0)] }],
  implementation: {
    kind: "compute",
    build(call) {
      const bits = call.int("bits", 4);
      const size = call.int("block_size", 32);
      const blocks = Math.ceil(call.int("depth", 0) / size);
      const perByte = 8 / bits;
      const type = computeType(call.input(1).dtype);
      const whole = (x: Expr): Expr => cast(x, "int32");
      /** Number `at` of those that lie in a byte. */
      const unpacked = (byte: Expr, at: Expr): Expr =>
        perByte === 1
          ? byte
          : binary("and", binary("shr", byte, whole(mul(at, int(bits)))), constant("i32", 2 ** bits - 1));
      return mapKernel(call, ([k, n], writer) => {
        const block = floordiv(k!, size);
        const within = floormod(k!, size);
        const byte = writer.load(0, [n!, block, floordiv(within, perByte)]);
        const weight = unpacked(byte, floormod(within, perByte));
        /** A parameter by column and block, stored as a matrix or in one row. */
        const at = (position: number, row: number, column: Expr): Expr =>
          writer.load(
            position,
            call.input(position).shape.length === 1 ? [add(mul(n!, int(row)), column)] : [n!, column],
          );
        const scale = at(1, blocks, block);
        const float = (x: Expr): Expr => cast(x, type === "f64" ? "float64" : "float32");
        if (!call.has(2)) return mul(float(sub(weight, constant("i32", 2 ** (bits - 1)))), scale);
        if (call.input(2).dtype !== "uint8") return mul(sub(float(weight), at(2, blocks, block)), scale);
        const zero = unpacked(
          at(2, Math.ceil(blocks / perByte), floordiv(block, perByte)),
          floormod(block, perByte),
        );
        return mul(float(sub(weight, zero)), scale);
      });
    },
  },
};

const matMulNBits = expanded("MatMulNBits", (call, to) => {
  const [depth, columns] = [call.int("K", 0), call.int("N", 0)];
  const bits = call.int("bits", 4);
  const size = call.int("block_size", 32);
  if (![2, 4, 8].includes(bits)) call.fail("op-unsupported", `weights of ${bits} bits`);
  if (size < 1 || (size * bits) % 8 !== 0) call.fail("attribute-invalid", `blocks of ${size} weights`);
  if (given(call, 4)) call.fail("op-unsupported", "MatMulNBits with an order of groups (g_idx)");
  const blocks = Math.ceil(depth / size);
  expectShape(call, 1, "B", [columns, blocks, (size * bits) / 8]);
  const expectParameter = (position: number, row: number): void => {
    const shape = call.inputs[position]?.shape;
    if (shape)
      expectShape(
        call,
        position,
        "scale or zero point",
        shape.length === 1 ? [columns * row] : [columns, row],
      );
  };
  expectParameter(2, blocks);
  expectParameter(3, call.inputs[3]?.dtype === "uint8" ? Math.ceil((blocks * bits) / 8) : blocks);
  const weights = to.node("tilewright:UnpackBlocks", [given(call, 1), given(call, 2), given(call, 3)], {
    depth,
    columns,
    bits,
    block_size: size,
  });
  return [plus(to, to.node("MatMul", [given(call, 0), weights]), given(call, 5))];
});

export const microsoftQuantizedOps: readonly OpDefinition[] = [
  same("QuantizeLinear", ["axis", "block_size"]),
  same("DequantizeLinear", ["axis", "block_size"]),
  ofTwo("QLinearAdd", "Add"),
  ofTwo("QLinearMul", "Mul"),
  ofOne("QLinearLeakyRelu", (call, to, x) => to.node("LeakyRelu", [x], { alpha: { float: call.float("alpha", 0.01) } })), // prettier-ignore
  ofOne("QLinearSigmoid", (_, to, x) => to.node("Sigmoid", [x])),
  ofOne("QLinearSoftmax", softmax),
  ofImage("QLinearAveragePool", (call, to, x) => to.node("AveragePool", [x], only(call, poolAttributes))),
  ofImage("QLinearGlobalAveragePool", (_, to, x) => to.node("GlobalAveragePool", [x])),
  qLinearConcat,
  qLinearWhere,
  qLinearConv,
  dynamicQuantizeMatMul,
  expanded("MatMulIntegerToFloat", (call, to) => [integerProduct(call, to)]),
  qGemm,
  qAttention,
  unpackBlocks,
  matMulNBits,
];
