/**
 * Samples of quantized operators: the standard ones, those of few bits and blocks, and the contributed ones. In: a
 * sampler. Out: one operator each. Invariant: as in `elementwise.ts`; scales are positive unless the graph is wild.
 */
import type { DType } from "../../../../runtime/dtype.ts";
import { elementCount } from "../../../../runtime/dtype.ts";
import type { Ref, Sampler } from "../sampler.ts";
import { windowOf } from "./contract.ts";
import type { Sample, SampleTable } from "./elementwise.ts";

const MS = { domain: "com.microsoft" } as const;
const BYTES: readonly DType[] = ["uint8", "int8"];

const scale = (s: Sampler, dtype: DType = "float32"): Ref =>
  s.strictScalar(dtype, s.pick([0.25, 0.5, 0.1, 0.03]));
const zero = (s: Sampler, dtype: DType): Ref =>
  s.strictScalar(dtype, dtype.startsWith("u") ? s.pick([0, 128, 3]) : s.pick([0, -3, 5]));

/** Bytes with their scale and zero point. */
function quantizedOperand(s: Sampler, dtype: DType, shape: readonly number[]): [Ref, Ref, Ref] {
  const [least, most] = dtype === "uint8" ? [0, 255] : [-128, 127];
  const small = s.chance(0.5);
  return [
    s.range(dtype, shape, small ? Math.max(least, -9) : least, small ? 9 : most),
    scale(s),
    zero(s, dtype),
  ];
}

function quantize(s: Sampler, domain?: string): void {
  s.since(10);
  const x = s.any(s.opset >= 19 && !domain ? ["float32", "float32", "float16"] : ["float32"], { ranks: [1, 4], filled: true }); // prettier-ignore
  const types: DType[] = ["uint8", "int8"];
  if (s.opset >= 21 && !domain) types.push("int16", "uint16", "int4", "uint4");
  if (s.opset >= 19 && !domain) types.push("float8e4m3fn", "float8e5m2");
  const to = s.pick<DType>([...types, "uint8", "int8"]);
  const form = s.random.below(3);
  const options = domain ? { domain } : {};
  const f8 = to.startsWith("float8");
  const whole = (shape: readonly number[]): Ref | undefined =>
    f8 ? undefined : s.range(to, shape, to.startsWith("u") ? 0 : -2, 3);
  const output_dtype = f8 ? ({ float8e4m3fn: 17, float8e5m2: 19 } as Record<string, number>)[to] : undefined;
  s.decline(f8 && s.opset < 21);
  if (form === 1 && s.opset >= 13) {
    const { at, written } = s.axis(x.shape.length);
    const c = [x.shape[at]!];
    const sc = s.param(
      x.dtype,
      c,
      Array.from({ length: c[0]! }, () => s.pick([0.25, 0.5, 0.1])),
    );
    s.node("QuantizeLinear", [x, sc, whole(c)], { axis: written, output_dtype }, options);
    return;
  }
  if (form === 2 && s.opset >= 21 && !domain) {
    const { at, written } = s.axis(x.shape.length);
    const block = s.pick([1, 2, 4]);
    const shape = x.shape.map((dim, i) => (i === at ? Math.ceil(dim / block) : dim));
    s.decline(x.shape[at]! % block !== 0);
    const sc = s.param(
      x.dtype,
      shape,
      Array.from({ length: elementCount(shape) }, () => s.pick([0.25, 0.5])),
    );
    s.node("QuantizeLinear", [x, sc, whole(shape)], { axis: written, block_size: block, output_dtype });
    return;
  }
  s.node("QuantizeLinear", [x, scale(s, x.dtype), whole([]) ?? undefined], { output_dtype }, options);
}

function dequantize(s: Sampler, domain?: string): void {
  s.since(10);
  const types: DType[] = ["uint8", "int8", "int32"];
  if (s.opset >= 21 && !domain) types.push("int16", "uint16", "int4", "uint4", "int8");
  const dtype = s.pick(types);
  const x = s.any([dtype], { ranks: [1, 4], filled: true });
  const to: DType = s.opset >= 19 && !domain && s.chance(0.2) ? "float16" : "float32";
  const form = s.random.below(3);
  const point = (shape: readonly number[]): Ref | undefined =>
    s.chance(0.3) ? undefined : dtype === "int32" ? s.range(dtype, shape, 0, 0) : s.range(dtype, shape, dtype.startsWith("u") ? 0 : -2, 3); // prettier-ignore
  const options = domain ? { domain } : {};
  if (form === 1 && s.opset >= 13) {
    const { at, written } = s.axis(x.shape.length);
    const c = [x.shape[at]!];
    s.node("DequantizeLinear", [x, s.tensor(to, c, "positive"), point(c)], { axis: written }, options);
  } else if (form === 2 && s.opset >= 21 && !domain) {
    const { at, written } = s.axis(x.shape.length);
    const block = s.pick([1, 2, 4]);
    s.decline(x.shape[at]! % block !== 0);
    const shape = x.shape.map((dim, i) => (i === at ? dim / block : dim));
    s.node("DequantizeLinear", [x, s.tensor(to, shape, "positive"), point(shape)], { axis: written, block_size: block }); // prettier-ignore
  } else s.node("DequantizeLinear", [x, scale(s, to), point([])], {}, options);
}

const matrices = (s: Sampler): { a: number[]; b: number[] } => {
  const [m, k, n] = [s.dim(13), s.dim(17), s.dim(13)];
  const lead = s.shape(0, 1, 4, true);
  return { a: [...lead, m, k], b: [...(s.chance(0.3) ? lead : []), k, n] };
};

const qBinary =
  (op: string): Sample =>
  (s) => {
    const dtype = s.pick(BYTES);
    const shape = s.shape(1, 4);
    const a = quantizedOperand(s, dtype, shape);
    const b = quantizedOperand(s, dtype, s.partner(shape));
    s.node(op, [...a, ...b, scale(s), zero(s, dtype)], {}, MS);
  };

const qUnary =
  (
    op: string,
    attributes: (s: Sampler, rank: number) => Record<string, number | undefined> = () => ({}),
  ): Sample =>
  (s) => {
    const dtype = s.pick(BYTES);
    const a = quantizedOperand(s, dtype, s.shape(1, 4, 300, true));
    s.node(op, [...a, scale(s), zero(s, dtype)], attributes(s, a[0].shape.length), MS);
  };

function convolution(s: Sampler): {
  window: ReturnType<typeof windowOf>;
  c: number;
  m: number;
  group: number;
} {
  const window = windowOf(s, s.pick([1, 2, 2]), { dilations: true });
  const group = s.pick([1, 1, 2, 3]);
  return { window, c: group * s.dim(4), m: group * s.dim(5), group };
}

function qLinearConv(s: Sampler, domain?: string): void {
  s.since(10);
  const { window, c, m, group } = convolution(s);
  const [xType, wType] = [s.pick(BYTES), s.pick(BYTES)];
  const last = domain !== undefined && s.chance(0.5);
  const [x, xs, xz] = quantizedOperand(s, xType, last ? [1, ...window.shape, c] : [1, c, ...window.shape]);
  const perChannel = s.chance(0.4);
  const w = s.range(wType, [m, c / group, ...window.kernel], wType === "uint8" ? 0 : -9, 9);
  const ws = perChannel
    ? s.param(
        "float32",
        [m],
        Array.from({ length: m }, () => s.pick([0.25, 0.1])),
      )
    : scale(s);
  const wz = perChannel ? s.param(wType, [m], new Array<number>(m).fill(0)) : zero(s, wType);
  const bias = s.chance(0.5) ? s.range("int32", [m], -50, 50) : undefined;
  const inputs = [x, xs, xz, w, ws, wz, s.strictScalar("float32", s.pick([1, 2.5])), zero(s, xType), bias];
  s.node("QLinearConv", inputs, { ...window.attributes, group: group > 1 ? group : undefined, channels_last: last ? 1 : undefined }, domain ? { domain } : {}); // prettier-ignore
}

export const quantizedSamples: SampleTable = {
  QuantizeLinear: (s) => quantize(s),
  DequantizeLinear: (s) => dequantize(s),
  "com.microsoft:QuantizeLinear": (s) => quantize(s, "com.microsoft"),
  "com.microsoft:DequantizeLinear": (s) => dequantize(s, "com.microsoft"),
  DynamicQuantizeLinear: (s) => {
    s.since(11);
    s.node("DynamicQuantizeLinear", [s.any(["float32"], { filled: true })], {}, { outputs: 3 });
  },
  MatMulInteger: (s) => {
    s.since(10);
    const { a, b } = matrices(s);
    const [left, right] = [s.pick(BYTES), s.pick(BYTES)];
    const x = s.range(left, a, left === "uint8" ? 0 : -128, 127);
    const y = s.range(right, b, right === "uint8" ? 0 : -128, 127);
    const perColumn = s.chance(0.3);
    const zb = s.chance(0.5) ? (perColumn && b.length === 2 ? s.range(right, [b[1]!], 0, 5) : zero(s, right)) : undefined; // prettier-ignore
    s.node("MatMulInteger", [x, y, s.chance(0.5) ? zero(s, left) : undefined, zb]);
  },
  ConvInteger: (s) => {
    s.since(10);
    const { window, c, m, group } = convolution(s);
    const [left, right] = [s.pick(BYTES), s.pick(BYTES)];
    const x = s.range(left, [1, c, ...window.shape], left === "uint8" ? 0 : -9, 100);
    const w = s.range(right, [m, c / group, ...window.kernel], right === "uint8" ? 0 : -9, 9);
    s.node("ConvInteger", [x, w, s.chance(0.5) ? zero(s, left) : undefined, s.chance(0.3) ? zero(s, right) : undefined], { ...window.attributes, group: group > 1 ? group : undefined }); // prettier-ignore
  },
  QLinearConv: (s) => qLinearConv(s),
  "com.microsoft:QLinearConv": (s) => qLinearConv(s, "com.microsoft"),
  QLinearMatMul: (s) => {
    s.since(10);
    const { a, b } = matrices(s);
    const dtype = s.pick(BYTES);
    s.node("QLinearMatMul", [...quantizedOperand(s, dtype, a), ...quantizedOperand(s, s.opset >= 21 ? dtype : s.pick(BYTES), b), s.strictScalar("float32", s.pick([1, 2.5])), zero(s, dtype)]); // prettier-ignore
  },
  "com.microsoft:QLinearAdd": qBinary("QLinearAdd"),
  "com.microsoft:QLinearMul": qBinary("QLinearMul"),
  "com.microsoft:QLinearLeakyRelu": qUnary("QLinearLeakyRelu", (s) => ({ alpha: s.maybe(0.25) })),
  "com.microsoft:QLinearSigmoid": qUnary("QLinearSigmoid"),
  "com.microsoft:QLinearSoftmax": (s) => {
    const dtype = s.pick(BYTES);
    const a = quantizedOperand(s, dtype, s.shape(2, 4, 300, true));
    s.node("QLinearSoftmax", [...a, s.strictScalar("float32", 1 / 256, true), s.strictScalar(dtype, dtype === "uint8" ? 0 : -128)], { axis: s.random.below(a[0].shape.length), opset: s.pick([13, 12]) }, MS); // prettier-ignore
  },
  "com.microsoft:QLinearAveragePool": (s) => {
    const window = windowOf(s, 2);
    const dtype = s.pick(BYTES);
    const last = s.chance(0.4);
    const c = s.dim(5);
    const a = quantizedOperand(s, dtype, last ? [1, ...window.shape, c] : [1, c, ...window.shape]);
    s.node("QLinearAveragePool", [...a, scale(s), zero(s, dtype)], { ...window.attributes, kernel_shape: [...window.kernel], count_include_pad: s.maybe(0, 1), channels_last: last ? 1 : undefined }, MS); // prettier-ignore
  },
  "com.microsoft:QLinearGlobalAveragePool": (s) => {
    const dtype = s.pick(BYTES);
    const a = quantizedOperand(s, dtype, [s.dim(2), s.dim(5), s.dim(5), s.dim(5)]);
    s.node(
      "QLinearGlobalAveragePool",
      [...a, scale(s), zero(s, dtype)],
      { channels_last: s.maybe(0, 1) },
      MS,
    );
  },
  "com.microsoft:QLinearConcat": (s) => {
    const dtype = s.pick(BYTES);
    const shape = s.shape(1, 3, 100, true);
    const axis = s.random.below(shape.length);
    const parts = Array.from({ length: s.random.between(1, 3) }, () => quantizedOperand(s, dtype, shape.map((d, i) => (i === axis ? s.dim(5) : d)))); // prettier-ignore
    s.node("QLinearConcat", [scale(s), zero(s, dtype), ...parts.flat()], { axis }, MS);
  },
  "com.microsoft:QLinearWhere": (s) => {
    const dtype = s.pick(BYTES);
    const shape = s.shape(1, 3, 100, true);
    s.node("QLinearWhere", [s.any(["bool"], { shape: s.partner(shape) }), ...quantizedOperand(s, dtype, shape), ...quantizedOperand(s, dtype, s.partner(shape)), scale(s), zero(s, dtype)], {}, MS); // prettier-ignore
  },
  "com.microsoft:DynamicQuantizeMatMul": (s) => {
    const { a, b } = matrices(s);
    const dtype = s.pick(BYTES);
    const flat = b.slice(-2);
    const perColumn = s.chance(0.3);
    const sc = perColumn ? s.tensor("float32", [flat[1]!], "positive") : scale(s);
    const z = s.chance(0.5) ? (perColumn ? s.range(dtype, [flat[1]!], 0, 3) : zero(s, dtype)) : undefined;
    s.node("DynamicQuantizeMatMul", [s.any(["float32"], { shape: a, filled: true }), s.range(dtype, flat, 0, 100), sc, z, s.chance(0.4) ? s.tensor("float32", [flat[1]!]) : undefined], {}, MS); // prettier-ignore
  },
  "com.microsoft:MatMulIntegerToFloat": (s) => {
    const { a, b } = matrices(s);
    const [left, right] = [s.pick(BYTES), s.pick(BYTES)];
    const flat = b.slice(-2);
    const [x, xs, xz] = quantizedOperand(s, left, a);
    const [y, ys, yz] = quantizedOperand(s, right, flat);
    s.node("MatMulIntegerToFloat", [x, y, xs, ys, s.chance(0.7) ? xz : undefined, s.chance(0.7) ? yz : undefined, s.chance(0.4) ? s.tensor("float32", [flat[1]!]) : undefined], {}, MS); // prettier-ignore
  },
  "com.microsoft:QGemm": (s) => {
    const [m, k, n] = [s.dim(9), s.dim(9), s.dim(9)];
    const [transA, transB] = [s.maybe(0, 1), s.maybe(0, 1)];
    const dtype = s.pick(BYTES);
    const a = quantizedOperand(s, dtype, transA ? [k, m] : [m, k]);
    const b = quantizedOperand(s, s.pick(BYTES), transB ? [n, k] : [k, n]);
    const bias = s.chance(0.5) ? s.range("int32", [n], -50, 50) : undefined;
    const out = s.chance(0.6) ? [scale(s), zero(s, dtype)] : [];
    s.node("QGemm", [...a, ...b, bias, ...out], { transA, transB, alpha: s.maybe(0.5) }, MS);
  },
  "com.microsoft:QAttention": (s) => {
    const [batch, length, width, heads] = [s.dim(3), s.dim(5), s.pick([4, 8]), s.pick([1, 2])];
    const hidden = heads * 4;
    const [x, xs, xz] = quantizedOperand(s, "uint8", [batch, length, width]);
    const [w, ws, wz] = quantizedOperand(s, s.pick(BYTES), [width, 3 * hidden]);
    const mask = s.chance(0.4) ? s.range("int32", s.pick([[batch], [batch, length]]), 1, 1) : undefined;
    s.node("QAttention", [x, w, s.tensor("float32", [3 * hidden]), xs, ws, mask, xz, wz], { num_heads: heads, unidirectional: s.maybe(0, 1) }, MS); // prettier-ignore
  },
  "com.microsoft:MatMulNBits": (s) => {
    const bits = s.pick([4, 4, 8]);
    const block = s.pick([16, 32]);
    const [depth, columns] = [s.pick([16, 32, 40, 64]), s.pick([1, 5, 8, 16])];
    const blocks = Math.ceil(depth / block);
    const a = s.any(["float32"], { shape: [...s.shape(0, 1, 3, true), s.dim(5), depth] });
    const w = s.range("uint8", [columns, blocks, (block * bits) / 8], 0, 255);
    const sc = s.tensor("float32", [columns, blocks], "positive");
    const z = s.chance(0.4) ? s.range("uint8", [columns, Math.ceil((blocks * bits) / 8)], 0, 255) : undefined;
    s.node("MatMulNBits", [a, w, sc, z], { K: depth, N: columns, bits, block_size: block, accuracy_level: s.maybe(0, 1) }, MS); // prettier-ignore
  },
};
