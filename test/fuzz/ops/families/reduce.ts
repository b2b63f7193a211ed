/**
 * Samples of reductions, norms and losses. In: a sampler. Out: one operator each. Invariant: as in `elementwise.ts`.
 */
import type { DType } from "../../../../runtime/dtype.ts";
import { elementCount } from "../../../../runtime/dtype.ts";
import { FLOATS, type Sampler } from "../sampler.ts";
import type { Sample, SampleTable } from "./elementwise.ts";
import { softmaxLike } from "./movement.ts";

const REAL: readonly DType[] = ["float32", "float32", "float32", "float16", "float64"];

/** All share one form: axes as an attribute and, later, as an input. */
const reduction =
  (op: string, inputFrom: number, dtypes: readonly DType[]): Sample =>
  (s) => {
    const x = s.any(dtypes, { ranks: [0, 4] });
    const rank = x.shape.length;
    const keepdims = s.maybe(0, 1);
    const axes = s.chance(0.25)
      ? undefined
      : s.axes(rank, 1).map((a) => (s.opset >= 11 || a >= 0 ? a : a + rank));
    if (s.opset < inputFrom) return void s.node(op, [x], { axes: axes?.length ? axes : undefined, keepdims });
    const noop = s.maybe(0, 1);
    const given = axes && (axes.length > 0 || s.chance(0.5)) ? s.ints(axes) : undefined;
    s.node(op, [x, given], { keepdims, noop_with_empty_axes: noop });
  };

const norms: SampleTable = {
  BatchNormalization: (s) => {
    s.since(7);
    const x = s.any(["float32", "float32", "float64"], { ranks: [2, 5] });
    const c = [x.shape[1]!];
    const p = (data?: "positive") => s.tensor(x.dtype, c, data);
    const inputs = [x, p(), p(), p(), p("positive")];
    const training = s.opset >= 14 && s.chance(0.2);
    s.node("BatchNormalization", inputs, { epsilon: s.maybe(1e-3), momentum: s.maybe(0.8), training_mode: training ? 1 : undefined }, { outputs: training ? 3 : 1 }); // prettier-ignore
  },
  InstanceNormalization: (s) => {
    s.since(6);
    const x = s.any(REAL, { ranks: [3, 5], filled: true });
    const c = [x.shape[1]!];
    s.node("InstanceNormalization", [x, s.tensor(x.dtype, c), s.tensor(x.dtype, c)], {
      epsilon: s.maybe(1e-3),
    });
  },
  GroupNormalization: (s) => {
    s.since(18);
    const groups = s.pick([1, 2, 3]);
    const x = s.any(REAL, { shape: [s.dim(3), groups * s.dim(3), ...s.shape(0, 2, 30, true)] });
    const c = [s.opset >= 21 ? x.shape[1]! : groups];
    s.node("GroupNormalization", [x, s.tensor(x.dtype, c), s.tensor(x.dtype, c)], { num_groups: groups, epsilon: s.maybe(1e-3) }); // prettier-ignore
  },
  LayerNormalization: (s) => {
    s.since(17);
    const x = s.any(REAL, { ranks: [1, 4], filled: true });
    const { at, written } = s.axis(x.shape.length);
    const shape = x.shape.slice(at);
    const bias = s.chance(0.6) ? s.tensor(x.dtype, shape) : undefined;
    s.node("LayerNormalization", [x, s.tensor(x.dtype, shape), bias], { axis: written, epsilon: s.maybe(1e-3) }, { outputs: s.pick([[true], [true], [true, true, true], [true, false, true]]) }); // prettier-ignore
  },
  RMSNormalization: (s) => {
    s.since(23);
    const x = s.any(REAL, { ranks: [1, 4], filled: true });
    const { at, written } = s.axis(x.shape.length);
    s.node("RMSNormalization", [x, s.tensor(x.dtype, x.shape.slice(at))], { axis: written, epsilon: s.maybe(1e-3) }); // prettier-ignore
  },
  SimplifiedLayerNormalization: (s) => {
    const x = s.any(["float32"], { ranks: [1, 4], filled: true });
    const { at, written } = s.axis(x.shape.length);
    s.node("SimplifiedLayerNormalization", [x, s.tensor(x.dtype, x.shape.slice(at))], { axis: written, epsilon: { kind: "float", value: 1e-4 }, stash_type: 1 }); // prettier-ignore
  },
  LRN: (s) => {
    const x = s.any(["float32", "float16", "float64"], { ranks: [3, 5] });
    s.node("LRN", [x], {
      size: s.pick([1, 3, 5]),
      alpha: s.maybe(0.5),
      beta: s.maybe(0.75, 0.5),
      bias: s.maybe(2),
    });
  },
  MeanVarianceNormalization: (s) => {
    s.since(9);
    const x = s.any(REAL, { ranks: [4, 4], filled: true });
    s.node("MeanVarianceNormalization", [x], { axes: s.maybe([0, 2, 3], [1], [2, 3]) });
  },
  LpNormalization: (s) => {
    const x = s.any(REAL, { ranks: [1, 4], filled: true });
    const { at, written } = s.axis(x.shape.length);
    s.node("LpNormalization", [x], { axis: s.maybe(s.opset >= 11 ? written : at) ?? (at === x.shape.length - 1 ? undefined : at), p: s.maybe(1, 2) }); // prettier-ignore
  },
  Softmax: (s) => softmaxLike(s, "Softmax", FLOATS),
  LogSoftmax: (s) => softmaxLike(s, "LogSoftmax", FLOATS),
  "com.microsoft:SkipLayerNormalization": (s) => skip(s, "SkipLayerNormalization"),
  "com.microsoft:SkipSimplifiedLayerNormalization": (s) => skip(s, "SkipSimplifiedLayerNormalization"),
  "com.microsoft:EmbedLayerNormalization": (s) => {
    const [batch, length, hidden] = [s.dim(3), s.dim(5), s.pick([4, 8, 12])];
    const ids = s.range("int32", [batch, length], 0, 6);
    const segments = s.chance(0.6);
    const segment = segments ? s.range("int32", [batch, length], 0, 1) : undefined;
    const table = (rows: number) => s.tensor("float32", [rows, hidden]);
    const mask = s.chance(0.4) ? s.range("int32", [batch, length], 0, 1) : undefined;
    s.node("EmbedLayerNormalization", [ids, segment, table(7), table(length + 2), segments ? table(2) : undefined, s.tensor("float32", [hidden]), s.tensor("float32", [hidden]), mask], { epsilon: s.maybe(1e-3) }, { domain: "com.microsoft", outputs: mask ? 2 : [true, s.chance(0.5)] }); // prettier-ignore
  },
};

function skip(s: Sampler, op: string): void {
  const x = s.any(["float32"], { ranks: [3, 3], filled: true });
  const hidden = [x.shape[2]!];
  const simplified = op !== "SkipLayerNormalization";
  const beta = simplified ? [] : [s.chance(0.5) ? s.tensor("float32", hidden) : undefined];
  const bias = s.chance(0.5) ? s.tensor("float32", hidden) : undefined;
  s.node(op, [x, s.any(["float32"], { shape: x.shape }), s.tensor("float32", hidden), ...beta, bias], { epsilon: s.maybe(1e-3) }, { domain: "com.microsoft", outputs: s.pick([[true], [true, false, false, true]]) }); // prettier-ignore
}

const losses: SampleTable = {
  NegativeLogLikelihoodLoss: (s) => {
    s.since(12);
    const [n, c] = [s.dim(4), s.dim(5)];
    const rest = s.shape(0, 2, 20, true);
    const x = s.any(["float32", "float64", "float16"], { shape: [n, c, ...rest] });
    const weight = s.chance(0.5) ? s.tensor(x.dtype, [c], "positive") : undefined;
    s.node("NegativeLogLikelihoodLoss", [x, s.range(s.pick<DType>(["int64", "int32"]), [n, ...rest], 0, c - 1), weight], { reduction: s.maybe("none", "sum", "mean"), ignore_index: s.maybe(0, 1) }); // prettier-ignore
  },
  SoftmaxCrossEntropyLoss: (s) => {
    s.since(12);
    const [n, c] = [s.dim(4), s.dim(5)];
    const rest = s.shape(0, 2, 20, true);
    const x = s.any(["float32", "float64", "float16"], { shape: [n, c, ...rest] });
    const weight = s.chance(0.5) ? s.tensor(x.dtype, [c], "positive") : undefined;
    s.node("SoftmaxCrossEntropyLoss", [x, s.range(s.pick<DType>(["int64", "int32"]), [n, ...rest], 0, c - 1), weight], { reduction: s.maybe("none", "sum", "mean"), ignore_index: s.maybe(0, 1) }, { outputs: s.pick([1, 2]) }); // prettier-ignore
  },
};

const training =
  (op: string): Sample =>
  (s) => {
    const x = s.tensor(s.pick<DType>(["float32", "float64"]), s.shape(0, 2, 40));
    const state = () => s.tensor(x.dtype, x.shape, "positive");
    const inputs = [s.strictScalar("float32", 0.1), s.strictScalar("int64", s.random.below(3)), x, s.tensor(x.dtype, x.shape), state()]; // prettier-ignore
    const real = (value: number) => ({ kind: "float" as const, value });
    const common = { norm_coefficient: real(0.001) };
    const domain = "ai.onnx.preview.training";
    if (op === "Adam") s.node(op, [...inputs, state()], { ...common, alpha: s.maybe(0.9), beta: s.maybe(0.99), epsilon: s.maybe(1e-4) }, { domain, outputs: 3 }); // prettier-ignore
    else if (op === "Adagrad") s.node(op, inputs, { ...common, decay_factor: s.maybe(real(0.1)), epsilon: s.maybe(1e-4) }, { domain, outputs: 2 }); // prettier-ignore
    else s.node(op, inputs, { ...common, alpha: real(0.9), beta: real(0.5), mode: s.pick(["standard", "nesterov"]) }, { domain, outputs: 2 }); // prettier-ignore
  };

const SUMS: readonly DType[] = [...REAL, "int32", "int64"];

export const reduceSamples: SampleTable = {
  ReduceSum: reduction("ReduceSum", 13, SUMS),
  ReduceMean: reduction("ReduceMean", 18, SUMS),
  ReduceMax: reduction("ReduceMax", 18, [...SUMS, "int8", "uint8"]),
  ReduceMin: reduction("ReduceMin", 18, [...SUMS, "int8", "uint8"]),
  ReduceProd: reduction("ReduceProd", 18, SUMS),
  ReduceL1: reduction("ReduceL1", 18, SUMS),
  ReduceL2: reduction("ReduceL2", 18, REAL),
  ReduceSumSquare: reduction("ReduceSumSquare", 18, SUMS),
  ReduceLogSum: reduction("ReduceLogSum", 18, REAL),
  ReduceLogSumExp: reduction("ReduceLogSumExp", 18, REAL),
  ...norms,
  ...losses,
  "ai.onnx.preview.training:Adam": training("Adam"),
  "ai.onnx.preview.training:Adagrad": training("Adagrad"),
  "ai.onnx.preview.training:Momentum": training("Momentum"),
};

export { elementCount };
