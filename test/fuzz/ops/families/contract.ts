/**
 * Samples of products, convolutions, poolings and recurrences. In: a sampler. Out: one operator each, with groups,
 * dilations, pads, auto_pad, strides, in one to three dimensions. Invariant: as in `elementwise.ts`; windows have at
 * least one result element unless the graph's flavour has empty tensors.
 */
import type { DType } from "../../../../runtime/dtype.ts";
import { elementCount } from "../../../../runtime/dtype.ts";
import type { Ref, Sampler } from "../sampler.ts";
import type { Sample, SampleTable } from "./elementwise.ts";

const REAL: readonly DType[] = ["float32", "float32", "float32", "float32", "float16", "float64"];
const MS = { domain: "com.microsoft" } as const;

export interface Window {
  readonly shape: number[];
  readonly attributes: Record<string, readonly number[] | string | number | undefined>;
  readonly kernel: readonly number[];
}

/** Attributes of a sliding window over some spatial dimensions, in which it has a place. */
export function windowOf(s: Sampler, dims: number, options: { dilations?: boolean; ceil?: boolean; most?: number } = {}): Window {
  for (let attempt = 0; attempt < 30; attempt++) {
    const most = options.most ?? (dims === 1 ? 20 : dims === 2 ? 9 : 5);
    const shape = Array.from({ length: dims }, () => s.random.between(1, most));
    const kernel = shape.map(() => s.pick([1, 2, 3, 3, 4, 5]));
    const strides = s.chance(0.4) ? undefined : shape.map(() => s.pick([1, 1, 2, 3]));
    const dilations = options.dilations && s.chance(0.3) ? shape.map(() => s.pick([1, 2, 3])) : undefined;
    const extent = kernel.map((k, i) => (k - 1) * (dilations?.[i] ?? 1) + 1);
    const auto = s.chance(0.25) ? s.pick(["SAME_UPPER", "SAME_LOWER", "VALID"]) : undefined;
    const pads = auto === undefined && s.chance(0.5) ? [...extent, ...extent].map((e) => s.random.between(0, Math.min(2, e - 1))) : undefined; // prettier-ignore
    const same = auto?.startsWith("SAME");
    if (same && dilations) continue;
    const fits = shape.every((dim, i) => same || dim + (pads?.[i] ?? 0) + (pads?.[i + dims] ?? 0) >= extent[i]!);
    if (!fits) continue;
    const ceil = options.ceil && s.chance(0.3) && !same ? 1 : undefined;
    return { shape, kernel, attributes: { strides, dilations, pads, auto_pad: auto ?? (s.chance(0.1) ? "NOTSET" : undefined), ceil_mode: ceil } }; // prettier-ignore
  }
  s.decline();
  throw new RangeError("unreachable");
} // prettier-ignore

const spatialRank = (s: Sampler): number => s.pick([1, 2, 2, 2, 3]);

function convolution(
  s: Sampler,
  dtypes: readonly DType[],
): { inputs: Ref[]; attributes: Window["attributes"] } {
  const window = windowOf(s, spatialRank(s), { dilations: true });
  const group = s.pick([1, 1, 1, 2, 3, 4]);
  const [input, output] = s.chance(0.3) ? [1, s.pick([1, 2])] : [s.dim(5), s.dim(9)];
  const x = s.any(dtypes, {
    shape: [s.pick([1, 1, 2, 3, s.flavour.empty ? 0 : 1]), group * input, ...window.shape],
  });
  const w = s.tensor(x.dtype, [group * output, input, ...window.kernel]);
  const bias = s.chance(0.5) ? [s.tensor(x.dtype, [group * output])] : [];
  return {
    inputs: [x, w, ...bias],
    attributes: { ...window.attributes, group: group > 1 ? group : s.maybe(1), kernel_shape: s.maybe([...window.kernel]) }, // prettier-ignore
  };
}

const pool =
  (op: string): Sample =>
  (s) => {
    const dilates = (op === "MaxPool" && s.opset >= 10) || (op === "AveragePool" && s.opset >= 19) || (op === "LpPool" && s.opset >= 18); // prettier-ignore
    const ceils = op === "LpPool" ? s.opset >= 18 : s.opset >= 10;
    const window = windowOf(s, spatialRank(s), { dilations: dilates, ceil: ceils });
    const dtypes = op === "MaxPool" && s.opset >= 12 ? [...REAL, "int8" as const, "uint8" as const] : REAL;
    const x = s.any(dtypes, { shape: [s.pick([1, 2]), s.dim(5), ...window.shape] });
    const attributes = { ...window.attributes, kernel_shape: [...window.kernel] };
    if (op === "MaxPool") {
      const indices = s.opset >= 8 && s.chance(0.3);
      s.node(op, [x], { ...attributes, storage_order: indices ? s.maybe(0, 1) : undefined }, { outputs: indices ? 2 : 1 }); // prettier-ignore
    } else if (op === "AveragePool")
      s.node(op, [x], { ...attributes, count_include_pad: s.opset >= 7 ? s.maybe(0, 1) : undefined }); // prettier-ignore
    else s.node(op, [x], { ...attributes, p: s.maybe(1, 2, 3) });
  };

const globalPool =
  (op: string): Sample =>
  (s) => {
    const x = s.any(REAL, { ranks: [3, 5], filled: true });
    s.node(op, [x], op === "GlobalLpPool" ? { p: s.maybe(1, 2, 3) } : {});
  };

/** Leading dimensions that broadcast. */
function matrixShapes(s: Sampler): { a: number[]; b: number[] } {
  const [m, k, n] = [s.dim(17), s.dim(17), s.dim(17)];
  const lead = s.shape(0, 2, 12);
  const form = s.random.below(6);
  if (form === 0) return { a: [k], b: [k, n] };
  if (form === 1) return { a: [m, k], b: [k] };
  if (form === 2) return { a: [...lead, m, k], b: [k, n] };
  return { a: [...s.partner(lead), m, k], b: [...s.partner(lead), k, n] };
}

function einsum(s: Sampler): void {
  s.since(12);
  const letters = "ijklm";
  const extents: Record<string, number> = {};
  for (const letter of letters) extents[letter] = s.pick([1, 2, 3, 4, 5, 7]);
  const count = s.pick([1, 2, 2, 2, 3]);
  const terms = Array.from({ length: count }, () => {
    const chosen = s.random.shuffled([...letters]).slice(0, s.random.between(1, 3));
    if (count === 1 && chosen.length > 1 && s.chance(0.2)) chosen[1] = chosen[0]!;
    return chosen;
  });
  const all = [...new Set(terms.flat())];
  const output = s.random.shuffled(all).slice(0, s.random.between(0, Math.min(4, all.length)));
  const batch = s.chance(0.2) ? s.shape(1, 2, 6, true) : undefined;
  const arrow = s.chance(0.8);
  const dtype = s.pick<DType>(["float32", "float32", "float64", "int32", "int64"]);
  const inputs = terms.map((term) =>
    s.any([dtype], { shape: [...(batch ?? []), ...term.map((l) => extents[l]!)] }),
  );
  const dots = batch ? "..." : "";
  const left = terms.map((term) => dots + term.join("")).join(s.chance(0.5) ? "," : ", ");
  s.node("Einsum", inputs, { equation: arrow ? `${left}${s.chance(0.5) ? " -> " : "->"}${dots}${output.join("")}` : left }); // prettier-ignore
}

const recurrent =
  (op: "RNN" | "GRU" | "LSTM", gates: number): Sample =>
  (s) => {
    s.since(7);
    const [length, batch, input, hidden] = [s.dim(5), s.dim(4), s.dim(6), s.dim(7)];
    const direction = s.pick([undefined, "forward", "reverse", "bidirectional"]);
    const directions = direction === "bidirectional" ? 2 : 1;
    const layout = s.opset >= 14 && s.chance(0.25) ? 1 : undefined;
    const dtype = s.pick<DType>(["float32", "float32", "float32", "float64", "float16"]);
    const x = s.any([dtype], { shape: layout ? [batch, length, input] : [length, batch, input] });
    const w = s.tensor(dtype, [directions, gates * hidden, input]);
    const r = s.tensor(dtype, [directions, gates * hidden, hidden]);
    const b = s.chance(0.6) ? s.tensor(dtype, [directions, 2 * gates * hidden]) : undefined;
    const lengths = s.chance(0.3) ? s.range("int32", [batch], 1, length) : undefined;
    const state = () => (s.chance(0.5) ? s.tensor(dtype, layout ? [batch, directions, hidden] : [directions, batch, hidden]) : undefined); // prettier-ignore
    const inputs = [x, w, r, b, lengths, state(), ...(op === "LSTM" ? [state(), s.chance(0.4) ? s.tensor(dtype, [directions, 3 * hidden]) : undefined] : [])]; // prettier-ignore
    const per = op === "RNN" ? 1 : op === "GRU" ? 2 : 3;
    const choose = () => s.pick(["Sigmoid", "Tanh", "Relu", "HardSigmoid", "Softsign", "Softplus", "LeakyRelu", "Elu", "ThresholdedRelu", "ScaledTanh", "Affine"]); // prettier-ignore
    const plain = s.chance(0.6);
    const activations = plain ? undefined : Array.from({ length: per * directions }, choose);
    const scaled = activations?.some((name) => name === "ScaledTanh" || name === "Affine") ?? false;
    s.node(op, inputs, {
      hidden_size: hidden,
      direction,
      layout,
      activations,
      // These two have no defaults.
      activation_alpha: activations && (scaled || s.chance(0.3)) ? activations.map(() => 0.5) : undefined,
      activation_beta: activations && (scaled || s.chance(0.3)) ? activations.map(() => 0.25) : undefined,
      clip: s.chance(0.2) ? 1.5 : undefined,
      linear_before_reset: op === "GRU" ? s.maybe(0, 1) : undefined,
      input_forget: op === "LSTM" && s.chance(0.15) ? 1 : undefined,
    }, { outputs: s.pick(op === "LSTM" ? [[true, true, true], [true], [false, true], [false, false, true]] : [[true, true], [true], [false, true]]) }); // prettier-ignore
  };

export const contractSamples: SampleTable = {
  MatMul: (s) => {
    const { a, b } = matrixShapes(s);
    const dtype = s.pick<DType>([...REAL, "int32", "int64"]);
    s.node("MatMul", [s.any([dtype], { shape: a }), s.any([dtype], { shape: b })]);
  },
  Gemm: (s) => {
    s.since(7);
    const [m, k, n] = [s.dim(17), s.dim(17), s.dim(17)];
    const [transA, transB] = [s.maybe(0, 1), s.maybe(0, 1)];
    const dtype = s.pick<DType>([...REAL, ...(s.opset >= 9 ? (["int32", "int64"] as const) : [])]);
    const a = s.any([dtype], { shape: transA ? [k, m] : [m, k] });
    const b = s.any([dtype], { shape: transB ? [n, k] : [k, n] });
    const c = s.opset < 11 || s.chance(0.7) ? s.tensor(dtype, s.pick([[m, n], [n], [1, n], [m, 1], [], [1]])) : undefined; // prettier-ignore
    const whole = dtype.startsWith("int");
    s.node("Gemm", [a, b, c], { transA, transB, alpha: whole ? undefined : s.maybe(0.5, 2), beta: whole ? undefined : s.maybe(0.25, 0, 2) }); // prettier-ignore
  },
  Einsum: einsum,
  Conv: (s) => {
    const { inputs, attributes } = convolution(s, REAL);
    s.node("Conv", inputs, attributes);
  },
  "com.microsoft:FusedConv": (s) => {
    const { inputs, attributes } = convolution(s, ["float32"]);
    s.decline(inputs[0]!.shape.length > 4);
    const activation = s.pick(["Relu", "Sigmoid", "Tanh", "LeakyRelu", "Clip", "HardSigmoid"]);
    const floats = (value: readonly number[]) => ({ kind: "floats" as const, value });
    const activation_params = activation === "LeakyRelu" ? floats([0.25]) : activation === "Clip" ? floats([0, 6]) : activation === "HardSigmoid" ? floats([0.2, 0.5]) : undefined; // prettier-ignore
    s.node("FusedConv", inputs, { ...attributes, activation, activation_params }, MS);
  },
  "com.microsoft:NhwcConv": (s) => {
    const window = windowOf(s, 2, { dilations: true });
    const [c, m] = [s.dim(5), s.dim(9)];
    const x = s.any(["float32"], { shape: [1, ...window.shape, c] });
    const bias = s.chance(0.5) ? s.tensor("float32", [m]) : undefined;
    s.node("NhwcConv", [x, s.tensor("float32", [m, c, ...window.kernel]), bias], window.attributes, MS);
  },
  ConvTranspose: (s) => {
    const dims = spatialRank(s);
    const shape = Array.from({ length: dims }, () => s.random.between(1, dims === 3 ? 3 : 6));
    const kernel = shape.map(() => s.pick([1, 2, 3, 4]));
    const strides = s.chance(0.4) ? undefined : shape.map(() => s.pick([1, 2, 3]));
    const dilations = s.chance(0.25) ? shape.map(() => s.pick([1, 2])) : undefined;
    const group = s.pick([1, 1, 2, 3]);
    const [input, output] = [s.dim(4), s.dim(5)];
    const x = s.any(REAL, { shape: [s.pick([1, 2]), group * input, ...shape] });
    const w = s.tensor(x.dtype, [group * input, output, ...kernel]);
    const bias = s.chance(0.5) ? [s.tensor(x.dtype, [group * output])] : [];
    const extra = s.chance(0.3) ? shape.map((_, i) => s.random.below(Math.max(strides?.[i] ?? 1, dilations?.[i] ?? 1))) : undefined; // prettier-ignore
    const form = s.random.below(4);
    const full = shape.map((dim, i) => (dim - 1) * (strides?.[i] ?? 1) + (kernel[i]! - 1) * (dilations?.[i] ?? 1) + 1); // prettier-ignore
    const attributes = {
      strides,
      dilations,
      group: group > 1 ? group : undefined,
      kernel_shape: s.maybe(kernel),
    };
    if (form === 0)
      s.node("ConvTranspose", [x, w, ...bias], { ...attributes, auto_pad: s.pick(["SAME_UPPER", "SAME_LOWER", "VALID"]), output_padding: extra }); // prettier-ignore
    else if (form === 1)
      s.node("ConvTranspose", [x, w, ...bias], { ...attributes, output_shape: full.map((f) => Math.max(1, f - s.random.between(0, 1))) }); // prettier-ignore
    else {
      const pads = s.chance(0.5)
        ? [...full, ...full].map((f) => (f > 2 ? s.random.between(0, 1) : 0))
        : undefined;
      s.decline(full.some((f, i) => f - (pads?.[i] ?? 0) - (pads?.[i + dims] ?? 0) < 1));
      s.node("ConvTranspose", [x, w, ...bias], { ...attributes, pads, output_padding: extra });
    }
  },
  DeformConv: (s) => {
    s.since(19);
    const window = windowOf(s, 2, { dilations: true, most: 6 });
    s.decline(window.attributes["auto_pad"] !== undefined);
    const [group, offsetGroup] = [s.pick([1, 1, 2]), s.pick([1, 1, 2])];
    const c = group * offsetGroup * s.dim(2);
    const m = group * s.dim(3);
    const { pads, strides, dilations } = window.attributes as Record<string, number[] | undefined>;
    const out = window.shape.map((dim, i) => Math.floor((dim + (pads?.[i] ?? 0) + (pads?.[i + 2] ?? 0) - (window.kernel[i]! - 1) * (dilations?.[i] ?? 1) - 1) / (strides?.[i] ?? 1)) + 1); // prettier-ignore
    const taps = elementCount(window.kernel);
    const x = s.any(["float32"], { shape: [s.pick([1, 2]), c, ...window.shape] });
    const n = x.shape[0]!;
    const offset = s.tensor("float32", [n, offsetGroup * taps * 2, ...out]);
    const bias = s.chance(0.5) ? s.tensor("float32", [m]) : undefined;
    const mask = s.chance(0.5) ? s.tensor("float32", [n, offsetGroup * taps, ...out]) : undefined;
    s.node("DeformConv", [x, s.tensor("float32", [m, c / group, ...window.kernel]), offset, bias, mask], { pads, strides, dilations, group, offset_group: offsetGroup, kernel_shape: s.maybe([...window.kernel]) }); // prettier-ignore
  },
  MaxPool: pool("MaxPool"),
  AveragePool: pool("AveragePool"),
  LpPool: (s) => {
    s.since(2);
    pool("LpPool")(s);
  },
  "com.microsoft:NhwcMaxPool": (s) => {
    const window = windowOf(s, 2, { dilations: true, ceil: true });
    const x = s.tensor(s.pick<DType>(["int8", "uint8"]), [1, ...window.shape, s.dim(5)]);
    s.node("NhwcMaxPool", [x], { ...window.attributes, kernel_shape: [...window.kernel] }, MS);
  },
  GlobalAveragePool: globalPool("GlobalAveragePool"),
  GlobalMaxPool: globalPool("GlobalMaxPool"),
  GlobalLpPool: (s) => {
    s.since(2);
    globalPool("GlobalLpPool")(s);
  },
  MaxUnpool: (s) => {
    s.since(9);
    const [h, w] = [2 * s.dim(3), 2 * s.dim(3)];
    const x = s.tensor("float32", [1, s.dim(3), h, w]);
    const [y, i] = s.node("MaxPool", [x], { kernel_shape: [2, 2], strides: [2, 2] }, { outputs: 2 });
    const sized = s.chance(0.3) ? s.ints([...x.shape.slice(0, 2), h, w], true) : undefined;
    s.node("MaxUnpool", [y!, i!, sized], { kernel_shape: [2, 2], strides: [2, 2] });
  },
  Col2Im: (s) => {
    s.since(18);
    const dims = s.pick([1, 2, 2, 3]);
    const block = Array.from({ length: dims }, () => s.pick([1, 2, 3]));
    const strides = s.chance(0.5) ? block.map(() => s.pick([1, 2])) : undefined;
    const pads = s.chance(0.4) ? [...block, ...block].map(() => s.random.below(2)) : undefined;
    const dilations = s.chance(0.3) ? block.map(() => s.pick([1, 2])) : undefined;
    const image = block.map((b, i) => (b - 1) * (dilations?.[i] ?? 1) + 1 + s.random.between(0, 4));
    const count = image.map((dim, i) => Math.floor((dim + (pads?.[i] ?? 0) + (pads?.[i + dims] ?? 0) - (dilations?.[i] ?? 1) * (block[i]! - 1) - 1) / (strides?.[i] ?? 1)) + 1); // prettier-ignore
    const x = s.tensor("float32", [s.dim(3), s.dim(3) * elementCount(block), elementCount(count)]);
    s.node("Col2Im", [x, s.ints(image), s.ints(block)], { strides, pads, dilations });
  },
  RNN: recurrent("RNN", 1),
  GRU: recurrent("GRU", 3),
  LSTM: recurrent("LSTM", 4),
  "com.microsoft:FusedMatMul": (s) => {
    const [m, k, n] = [s.dim(9), s.dim(9), s.dim(9)];
    const lead = s.shape(0, 2, 6, true);
    const [transA, transB] = [s.maybe(0, 1), s.maybe(0, 1)];
    const a = s.any(["float32"], { shape: [...lead, ...(transA ? [k, m] : [m, k])] });
    const b = s.any(["float32"], { shape: [...lead, ...(transB ? [n, k] : [k, n])] });
    s.node("FusedMatMul", [a, b], { transA, transB, alpha: s.maybe(0.5) }, MS);
  },
  "com.microsoft:FusedGemm": (s) => {
    const [m, k, n] = [s.dim(9), s.dim(9), s.dim(9)];
    const [transA, transB] = [s.maybe(0, 1), s.maybe(0, 1)];
    const inputs = [s.any(["float32"], { shape: transA ? [k, m] : [m, k] }), s.tensor("float32", transB ? [n, k] : [k, n]), s.chance(0.6) ? s.tensor("float32", [n]) : undefined]; // prettier-ignore
    s.node("FusedGemm", inputs, { transA, transB, alpha: s.pick([0.5, 1]), beta: s.pick([0.5, 1]), activation: s.pick(["Relu", "Tanh", "Sigmoid"]) }, MS); // prettier-ignore
  },
};
