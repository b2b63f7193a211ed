/**
 * Random contractions and windows: MatMul, Gemm, convolutions of 1 to 3 dimensions, pooling, recurrent layers. In: a
 * builder. Out: steps with odd strides, pads, dilations and groups. Invariant: work per step is bounded, since the
 * interpreter computes it too; windows of a maximum or an average see at least one element.
 */
import { elementCount } from "../../runtime/dtype.ts";
import type { OnnxAttributes } from "../../compiler/frontend/onnx/write.ts";
import { broadcast, type Addition } from "./graphsElementwise.ts";
import { type PlanBuilder, products, Refused, same, summing, type Range, type Value } from "./planBuilder.ts";

/** A sum with a bias. */
function biased(range: Range, bias: Value | undefined): Range {
  if (!bias) return range;
  const step = range.step && bias.step ? Math.min(range.step, bias.step) : 0;
  return { bound: range.bound + bias.bound, step, error: (range.error ?? 0) + bias.error };
}

const matMul: Addition = (b) => {
  const x = b.float(({ shape }) => shape.length >= 1);
  const k = x.shape.at(-1)!;
  const n = b.random.pick(b.size === "large" ? [16, 31, 32, 64, 100] : [1, 2, 3, 5, 8, 16, 17, 33]);
  let y: Value;
  const candidates = b.values.filter(
    (v) => v.dtype === "float32" && v.shape.length >= 2 && v.shape.at(-2) === k,
  );
  if (candidates.length && b.random.chance(0.4)) y = b.random.pick(candidates);
  else if (b.random.chance(0.1)) y = b.weight("float32", [k]);
  else y = b.weight("float32", [...(b.random.chance(0.2) ? x.shape.slice(0, -2) : []), k, n]);
  const batch = broadcast(x.shape.slice(0, -2), y.shape.slice(0, -2));
  const rows = x.shape.length > 1 ? [x.shape.at(-2)!] : [];
  const columns = y.shape.length > 1 ? [y.shape.at(-1)!] : [];
  const shape = [...batch, ...rows, ...columns];
  b.limitWork(elementCount(shape) * k);
  b.node("MatMul", [x, y], {}, "float32", shape, products(x, y, Math.max(1, k)));
};

const gemm: Addition = (b) => {
  const x = b.float(({ shape }) => shape.length === 2);
  const transA = b.random.chance(0.3);
  const transB = b.random.chance(0.5);
  const [m, k] = transA ? [x.shape[1]!, x.shape[0]!] : [x.shape[0]!, x.shape[1]!];
  const n = b.random.pick(b.size === "large" ? [10, 32, 48, 65, 128] : [1, 3, 4, 8, 10, 16, 19]);
  b.limitWork(m * k * n);
  const y = b.weight("float32", transB ? [n, k] : [k, n]);
  const c = b.random.chance(0.7)
    ? b.weight("float32", b.random.pick([[n], [1, n], [m, 1], [m, n], [1], []]))
    : undefined;
  const alpha = b.random.pick([1, 1, 0.5, 2]);
  const attributes: OnnxAttributes = {
    ...(transA ? { transA: 1 } : {}),
    ...(transB ? { transB: 1 } : {}),
    ...(alpha === 1 ? {} : { alpha }),
    ...(c && b.random.chance(0.2) ? { beta: 0.5 } : {}),
  };
  const range = biased(products(x, y, Math.max(1, k)), c);
  b.node("Gemm", c ? [x, y, c] : [x, y], attributes, "float32", [m, n], {
    bound: 2 * range.bound,
    step: (range.step ?? 0) / 2,
    error: 2 * (range.error ?? 0),
  });
};

interface Window {
  readonly out: number[];
  readonly attributes: OnnxAttributes;
}

/** Strides, dilations and pads for a kernel over the spatial dimensions. */
function window(b: PlanBuilder, spatial: readonly number[], kernel: readonly number[], ceil = false): Window {
  const strides = spatial.map(() => b.random.pick([1, 1, 1, 2, 3]));
  const dilations = spatial.map(() => b.random.pick([1, 1, 1, 2]));
  const reach = kernel.map((k, d) => (k - 1) * dilations[d]! + 1);
  const same = b.random.chance(0.15) ? b.random.pick(["SAME_UPPER", "SAME_LOWER"]) : undefined;
  if (same) {
    if (dilations.some((d) => d !== 1)) throw new Refused();
    const out = spatial.map((size, d) => Math.ceil(size / strides[d]!));
    return { out, attributes: { strides, auto_pad: same } };
  }
  const begin = kernel.map((k) => b.random.between(0, Math.max(0, k - 1)));
  const end = kernel.map((k) => b.random.between(0, Math.max(0, k - 1)));
  const out = spatial.map((size, d) => {
    const room = size + begin[d]! + end[d]! - reach[d]!;
    if (room < 0) throw new Refused();
    const steps = (ceil ? Math.ceil : Math.floor)(room / strides[d]!);
    // A window that starts behind the input and its begin padding is left out.
    const last = ceil && steps * strides[d]! >= size + begin[d]! ? steps - 1 : steps;
    return last + 1;
  });
  return { out, attributes: { strides, dilations, pads: [...begin, ...end] } };
}

/** A value with a batch and channels and 1 to 3 more dimensions; made anew when there is none. */
function image(b: PlanBuilder): Value {
  const fits = (v: Value): boolean =>
    v.dtype === "float32" && v.shape.length >= 3 && v.shape.length <= 5 && elementCount(v.shape) > 0;
  if (b.values.some(fits) && b.random.chance(0.85)) return b.take(fits);
  const rank = b.random.pick([1, 2, 2, 2, 3]);
  const spatial = Array.from({ length: rank }, () =>
    b.random.pick(rank === 3 ? [2, 3, 5] : [5, 7, 8, 11, 16]),
  );
  return b.input("float32", [
    b.random.pick([1, 1, 2]),
    b.random.pick(b.size === "large" ? [3, 8, 16, 24] : [1, 2, 3, 4, 6, 8]),
    ...spatial,
  ]);
}

function divisors(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i + 1).filter((d) => n % d === 0);
}

const conv: Addition = (b) => {
  const x = image(b);
  const channels = x.shape[1]!;
  const spatial = x.shape.slice(2);
  const depthwise = b.random.chance(0.25);
  const group = depthwise ? channels : b.random.chance(0.2) ? b.random.pick(divisors(channels)) : 1;
  const perGroup = depthwise
    ? b.random.pick([1, 1, 2])
    : b.random.pick(b.size === "large" ? [4, 8, 16, 20, 32] : [1, 2, 3, 4, 8, 12]);
  const kernel = spatial.map(() => b.random.pick([1, 2, 3, 3, 5]));
  const { out, attributes } = window(b, spatial, kernel);
  const outChannels = group * perGroup;
  const taps = (channels / group) * elementCount(kernel);
  b.limitWork(x.shape[0]! * outChannels * elementCount(out) * taps);
  const weights = b.weight("float32", [outChannels, channels / group, ...kernel]);
  const bias = b.random.chance(0.6) ? b.weight("float32", [outChannels]) : undefined;
  const range = biased(products(x, weights, taps), bias);
  const all = { ...attributes, kernel_shape: kernel, ...(group > 1 ? { group } : {}) };
  const made = b.node(
    "Conv",
    bias ? [x, weights, bias] : [x, weights],
    all,
    "float32",
    [x.shape[0]!, outChannels, ...out],
    range,
  );
  if (b.random.chance(0.4)) b.node("Relu", [made], {}, "float32", made.shape, same(made));
};

const convTranspose: Addition = (b) => {
  const x = image(b);
  const channels = x.shape[1]!;
  const spatial = x.shape.slice(2);
  const group = b.random.chance(0.2) ? b.random.pick(divisors(channels)) : 1;
  const perGroup = b.random.pick([1, 2, 3, 4]);
  const kernel = spatial.map(() => b.random.pick([1, 2, 3, 4]));
  const strides = spatial.map(() => b.random.pick([1, 2, 2, 3]));
  const begin = kernel.map((k) => b.random.between(0, k - 1));
  const end = kernel.map((k) => b.random.between(0, k - 1));
  const extra = strides.map((s) => (b.random.chance(0.2) ? b.random.between(0, s - 1) : 0));
  const out = spatial.map(
    (size, d) => (size - 1) * strides[d]! + extra[d]! + kernel[d]! - begin[d]! - end[d]!,
  );
  if (out.some((dim) => dim < 1)) throw new Refused();
  const taps = (channels / group) * elementCount(kernel);
  b.limitWork(x.shape[0]! * group * perGroup * elementCount(out) * taps);
  const weights = b.weight("float32", [channels, perGroup, ...kernel]);
  const attributes = {
    kernel_shape: kernel,
    strides,
    pads: [...begin, ...end],
    output_padding: extra,
    ...(group > 1 ? { group } : {}),
  };
  b.node(
    "ConvTranspose",
    [x, weights],
    attributes,
    "float32",
    [x.shape[0]!, group * perGroup, ...out],
    products(x, weights, taps),
  );
};

const pool: Addition = (b) => {
  const x = image(b);
  const spatial = x.shape.slice(2);
  const average = b.random.chance(0.4);
  const ceil = b.random.chance(0.2);
  const kernel = spatial.map(() => b.random.pick([1, 2, 2, 3, 3]));
  const { out, attributes } = window(b, spatial, kernel, ceil);
  const dilations = attributes["dilations"] as readonly number[] | undefined;
  // With dilation a window may fall between the elements and see padding only.
  if (dilations?.some((d) => d !== 1) && (attributes["pads"] as readonly number[]).some((p) => p > 0))
    throw new Refused();
  b.limitWork(x.shape[0]! * x.shape[1]! * elementCount(out) * elementCount(kernel));
  const all: OnnxAttributes = {
    ...attributes,
    kernel_shape: kernel,
    ...(ceil && !("auto_pad" in attributes) ? { ceil_mode: 1 } : {}),
  };
  if (ceil && "auto_pad" in attributes) throw new Refused();
  const shape = [...x.shape.slice(0, 2), ...out];
  if (!average) return void b.node("MaxPool", [x], all, "float32", shape, same(x));
  // What a window counts that ceil_mode lets reach past the padding differs between implementations.
  const include = !ceil && b.random.chance(0.4);
  b.node("AveragePool", [x], include ? { ...all, count_include_pad: 1 } : all, "float32", shape, {
    bound: x.bound,
    error: x.error,
  });
};

const globalPool: Addition = (b) => {
  const x = image(b);
  const shape = [...x.shape.slice(0, 2), ...x.shape.slice(2).map(() => 1)];
  if (b.random.chance(0.4)) return void b.node("GlobalMaxPool", [x], {}, "float32", shape, same(x));
  const error = x.error + summing(x.bound, elementCount(x.shape.slice(2)));
  b.node("GlobalAveragePool", [x], {}, "float32", shape, { bound: x.bound, error });
};

const recurrent: Addition = (b) => {
  const x = b.float(({ shape, bound }) => shape.length === 3 && elementCount(shape) > 0 && bound < 100);
  const [steps, batch, inputs] = x.shape as [number, number, number];
  const op = b.random.pick(["LSTM", "GRU", "RNN"]);
  const gates = { LSTM: 4, GRU: 3, RNN: 1 }[op]!;
  const hidden = b.random.pick([1, 3, 4, 5]);
  const both = b.random.chance(0.3);
  const directions = both ? 2 : 1;
  b.limitWork(steps * batch * gates * hidden * (inputs + hidden) * directions);
  if (steps > 12) throw new Refused();
  const small = { least: -0.25, most: 0.25, step: 0.0625 };
  const w = b.weight("float32", [directions, gates * hidden, inputs], small);
  const r = b.weight("float32", [directions, gates * hidden, hidden], small);
  const bias = b.random.chance(0.5) ? [b.weight("float32", [directions, 2 * gates * hidden], small)] : [];
  const attributes: OnnxAttributes = {
    hidden_size: hidden,
    ...(both ? { direction: "bidirectional" } : b.random.chance(0.2) ? { direction: "reverse" } : {}),
  };
  const error = steps * (x.error * inputs + x.bound * inputs * 2 ** -20);
  const range: Range = { bound: 1, error };
  b.nodes(op, [x, w, r, ...bias], attributes, [
    { dtype: "float32", shape: [steps, directions, batch, hidden], range },
    { dtype: "float32", shape: [directions, batch, hidden], range },
    ...(op === "LSTM"
      ? [
          {
            dtype: "float32",
            shape: [directions, batch, hidden],
            range: { bound: steps, error: 2 * error },
          } as const,
        ]
      : []),
  ]);
};

const matMulInteger: Addition = (b) => {
  const x = b.take(({ dtype, shape }) => (dtype === "uint8" || dtype === "int8") && shape.length >= 2);
  const k = x.shape.at(-1)!;
  const n = b.random.pick([1, 3, 4, 8, 9]);
  const shape = [...x.shape.slice(0, -1), n];
  b.limitWork(elementCount(shape) * k);
  const y = b.weight("int8", [k, n]);
  b.node("MatMulInteger", [x, y], {}, "int32", shape, { bound: 255 * 9 * Math.max(1, k) });
};

export const contractions: readonly Addition[] = [
  matMul,
  matMul,
  matMul,
  gemm,
  gemm,
  matMulInteger,
  recurrent,
];
export const windows: readonly Addition[] = [conv, conv, conv, conv, convTranspose, pool, pool, globalPool];
