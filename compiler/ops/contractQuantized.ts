/**
 * Products of quantized tensors: MatMulInteger, QLinearMatMul, ConvInteger, QLinearConv. In: a call with static
 * types; zero points and scales are one for a tensor or one for each row or channel. Out: an int32 contraction of
 * differences from the zero points, and for the QLinear forms the requantization as its value. Invariant: padding
 * reads as the zero point, so it adds nothing. Source: ONNX operator documentation.
 */
import { add, cast, constant, div, int, max, min, mul, select, sub, unary, type Expr } from "../ir/expr.ts";
import { integerRange, type DType } from "../ir/dtype.ts";
import type { Kernel } from "../ir/kernel.ts";
import { contraction, matrixProduct, type MatrixProduct } from "./contract.ts";
import { KernelWriter, type OpCall, type OpDefinition } from "./define.ts";
import { expectBroadcast, expectOneOr } from "./operandShape.ts";
import { convolution } from "./window.ts";
import { inBounds, mayLeave } from "./windowGeometry.ts";

/** A parameter of one element, or of one for each coordinate `at`; 0 where it is not given. */
function perTensorOr(writer: KernelWriter, position: number, at: readonly Expr[]): Expr {
  const { call } = writer;
  if (!call.has(position)) return constant("i32", 0);
  const { shape } = call.input(position);
  const single = shape.every((dim) => dim === 1);
  return writer.load(position, single ? shape.map(() => int(0)) : at.slice(at.length - shape.length));
}

/** round(x) + zero point, limited to the dtype's range. */
function saturate(x: Expr, zeroPoint: Expr, dtype: DType): Expr {
  const range = integerRange(dtype)!;
  const shifted = add(unary("round", x), cast(zeroPoint, "float32"));
  const limited = min(max(shifted, constant("f32", Number(range[0]))), constant("f32", Number(range[1])));
  return cast(limited, "int32");
}

// ---------------------------------------------------------------------------------------------------------------
// Matrices

/** Where a parameter of the left (by row) or right (by column) operand is read. */
function rowParameter(product: MatrixProduct, rank: number): Expr[] {
  return [...product.left.slice(0, -2), ...(product.row ? [product.row] : []), ...(rank > 1 ? [int(0)] : [])];
}

function columnParameter(product: MatrixProduct, rank: number): Expr[] {
  const column = product.column ? [product.column] : [];
  return rank > 1 ? [...product.right.slice(0, -2), int(0), ...column] : column;
}

/** Scales and zero points of the left operand and of the result go by rows, those of the right by columns. */
function checkParameters(
  call: OpCall,
  product: MatrixProduct,
  rows: readonly number[],
  columns: readonly number[],
): void {
  const extent = (name: string): number => product.axes.find((axis) => axis.name === name)?.extent ?? 1;
  const batches = product.axes.filter((axis) => axis.name.startsWith("b")).map((axis) => axis.extent);
  const check = (position: number, tail: readonly number[]): void => {
    if ((call.inputs[position]?.shape.length ?? 0) > 1)
      expectBroadcast(call, position, "scale or zero point", [...batches, ...tail]);
    else expectOneOr(call, position, "scale or zero point", tail.find((dim) => dim !== 1) ?? 1);
  };
  for (const position of rows) check(position, [extent("m"), 1]);
  for (const position of columns) check(position, [1, extent("n")]);
}

function differences(
  writer: KernelWriter,
  product: MatrixProduct,
  b: number,
  zeroA: number,
  zeroB: number,
): Expr {
  const { call } = writer;
  const rank = (position: number): number => call.inputs[position]?.shape.length ?? 0;
  const left = sub(
    writer.load(0, product.left),
    perTensorOr(writer, zeroA, rowParameter(product, rank(zeroA))),
  );
  const right = sub(
    writer.load(b, product.right),
    perTensorOr(writer, zeroB, columnParameter(product, rank(zeroB))),
  );
  return mul(left, right);
}

const matMulInteger: OpDefinition = {
  op: "MatMulInteger",
  infer: (call) => [
    { dtype: "int32", shape: matrixProduct(call, call.input(0).shape, call.input(1).shape).shape },
  ],
  implementation: {
    kind: "compute",
    build(call) {
      const product = matrixProduct(call, call.input(0).shape, call.input(1).shape);
      const writer = new KernelWriter(call);
      checkParameters(call, product, [2], [3]);
      const body = differences(writer, product, 1, 2, 3);
      return contraction(writer, 0, product.axes, product.index, [product.reduced], body).done();
    },
  },
};

const qLinearMatMul: OpDefinition = {
  op: "QLinearMatMul",
  infer: (call) => {
    return [
      {
        dtype: call.input(7).dtype,
        shape: matrixProduct(call, call.input(0).shape, call.input(3).shape).shape,
      },
    ];
  },
  implementation: {
    kind: "compute",
    build(call) {
      const product = matrixProduct(call, call.input(0).shape, call.input(3).shape);
      const writer = new KernelWriter(call);
      const rank = (position: number): number => call.input(position).shape.length;
      checkParameters(call, product, [1, 2, 6, 7], [4, 5]);
      const body = differences(writer, product, 3, 2, 5);
      const scaleA = perTensorOr(writer, 1, rowParameter(product, rank(1)));
      const scaleB = perTensorOr(writer, 4, columnParameter(product, rank(4)));
      const scaleY = perTensorOr(writer, 6, rowParameter(product, rank(6)));
      const zeroY = perTensorOr(writer, 7, rowParameter(product, rank(7)));
      return contraction(writer, 0, product.axes, product.index, [product.reduced], body, (sum) =>
        saturate(mul(cast(sum, "float32"), div(mul(scaleA, scaleB), scaleY)), zeroY, call.input(7).dtype),
      ).done();
    },
  },
};

// ---------------------------------------------------------------------------------------------------------------
// Convolutions

interface ConvOperands {
  readonly x: number;
  readonly w: number;
  readonly zeroX: number;
  readonly zeroW: number;
  /** Further parameters: of the tensor, and of a channel of the output. */
  readonly single: readonly number[];
  readonly perChannel: readonly number[];
}

function quantizedConvolution(
  call: OpCall,
  at: ConvOperands,
  finish: (sum: Expr, channel: Expr, writer: KernelWriter) => Expr,
): Kernel {
  const { axes, index, reduced, source, weight, channel } = convolution(call, at.x, at.w);
  const writer = new KernelWriter(call);
  const { shape } = call.input(at.x);
  const channels = call.outputs[0]!.shape[1]!;
  for (const position of at.single) expectOneOr(call, position, "scale or zero point", 1);
  for (const position of at.perChannel) expectOneOr(call, position, "scale or zero point", channels);
  const zero = perTensorOr(writer, at.zeroX, []);
  let left: Expr;
  if (!mayLeave(source, shape)) left = sub(writer.load(at.x, source), zero);
  else {
    const known = call.has(at.zeroX) ? call.peek(at.zeroX) : undefined;
    const pad = call.has(at.zeroX) ? known && Number(known.data[0]) : 0;
    // A zero point that is known when compiling is what the padding reads; otherwise the difference is tested.
    left =
      pad !== undefined
        ? sub(writer.load(at.x, source, pad), zero)
        : select(inBounds(source, shape), sub(writer.load(at.x, source, 0), zero), constant("i32", 0));
  }
  const right = sub(writer.load(at.w, weight), perTensorOr(writer, at.zeroW, [channel]));
  return contraction(writer, 0, axes, index, reduced, mul(left, right), (sum) =>
    finish(sum, channel, writer),
  ).done();
}

const convInteger: OpDefinition = {
  op: "ConvInteger",
  infer: (call) => [{ dtype: "int32", shape: convolution(call).shape }],
  implementation: {
    kind: "compute",
    build: (call) =>
      quantizedConvolution(
        call,
        { x: 0, w: 1, zeroX: 2, zeroW: 3, single: [2], perChannel: [3] },
        (sum) => sum,
      ),
  },
};

const qLinearConv: OpDefinition = {
  op: "QLinearConv",
  infer: (call) => [{ dtype: call.input(7).dtype, shape: convolution(call, 0, 3).shape }],
  implementation: {
    kind: "compute",
    build: (call) =>
      quantizedConvolution(
        call,
        { x: 0, w: 3, zeroX: 2, zeroW: 5, single: [1, 2, 6, 7], perChannel: [4, 5, 8] },
        (sum, channel, writer) => {
          const total = call.has(8) ? add(sum, perTensorOr(writer, 8, [channel])) : sum;
          const scale = div(
            mul(perTensorOr(writer, 1, []), perTensorOr(writer, 4, [channel])),
            perTensorOr(writer, 6, []),
          );
          return saturate(
            mul(cast(total, "float32"), scale),
            perTensorOr(writer, 7, []),
            call.input(7).dtype,
          );
        },
      ),
  },
};

export const contractQuantizedOps: readonly OpDefinition[] = [
  matMulInteger,
  qLinearMatMul,
  convInteger,
  qLinearConv,
];
