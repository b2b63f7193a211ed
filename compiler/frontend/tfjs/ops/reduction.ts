/**
 * Reductions, sorting, searching, transforms and draws of TF.js. In: a call. Out: the operators of ai.onnx.
 * Invariant: positions are int32, as TF.js gives them; an empty list of axes reduces nothing.
 */
import type { ValueId } from "../../../ir/graph.ts";
import type { Call } from "../call.ts";
import type { Conversion, Conversions } from "./conversion.ts";

const reduce =
  (op: string): Conversion =>
  (call) =>
    call.emit(op, [call.input("x"), call.intsOf("axis")], {
      keepdims: Number(call.boolean("keepDims")),
      noop_with_empty_axes: 1,
    });

/** Whether all or any are true: the least or greatest of truth values. */
const truth = (op: string): Conversion => reduce(op);

const position =
  (op: string): Conversion =>
  (call) => {
    const axis = call.optional("axis") === undefined ? 0 : call.number("axis");
    return call.cast(call.emit(op, [call.input("x")], { axis, keepdims: 0 }), "int32");
  };

const cumulate =
  (op: string): Conversion =>
  (call) =>
    call.emit(op, [call.input("x"), call.intOf("axis")], {
      exclusive: Number(call.boolean("exclusive")),
      reverse: Number(call.boolean("reverse")),
    });

/** Boxes [n, 4] and scores [n]: the positions of boxes that stay, best first. */
function nonMaxSuppression(call: Call): { readonly kept: ValueId; readonly scores: ValueId } {
  const scores = call.input("scores");
  const lead = (id: ValueId, axes: readonly number[]): ValueId =>
    call.emit("Unsqueeze", [id, call.ints(axes)]);
  const least = call.optional("scoreThreshold");
  const rows = call.emit("NonMaxSuppression", [
    lead(call.input("boxes"), [0]),
    lead(scores, [0, 1]),
    call.intsOf("maxOutputSize"),
    call.emit("Reshape", [call.input("iouThreshold"), call.ints([1])]),
    ...(least === undefined ? [] : [call.emit("Reshape", [least, call.ints([1])])]),
  ]);
  return { kept: call.emit("Gather", [rows, call.int(2)], { axis: 1 }), scores };
}

function withCount(call: Call): ValueId[] {
  if (call.boolean("padToMaxOutputSize"))
    return call.fail("op-unsupported", "padding of the selection to its largest size is not supported");
  const { kept } = nonMaxSuppression(call);
  const count = call.emit("Squeeze", [call.emit("Shape", [kept]), call.ints([0])]);
  return [call.cast(kept, "int32"), call.cast(count, "int32")];
}

function withScores(call: Call): ValueId[] {
  const sigma = call.optional("softNmsSigma") === undefined ? 0 : call.number("softNmsSigma");
  if (sigma !== 0) return call.fail("op-unsupported", `soft suppression (sigma ${sigma}) is not supported`);
  const { kept, scores } = nonMaxSuppression(call);
  const count = call.emit("Squeeze", [call.emit("Shape", [kept]), call.ints([0])]);
  return [
    call.cast(kept, "int32"),
    call.emit("Gather", [scores, kept], { axis: 0 }),
    call.cast(count, "int32"),
  ];
}

/** Elements of x that y lacks, and where they stood. */
function listDifference(call: Call): ValueId[] {
  const [x, y] = [call.input("x"), call.input("y")];
  const column = call.emit("Unsqueeze", [x, call.ints([1])]);
  const row = call.emit("Unsqueeze", [y, call.ints([0])]);
  const same = call.cast(call.emit("Equal", [column, row]), "int32");
  const found = call.emit("ReduceSum", [same, call.ints([1])], { keepdims: 0 });
  const lacks = call.emit("Equal", [found, call.scalar(0, "int32")]);
  const places = call.emit("Squeeze", [call.emit("NonZero", [lacks]), call.ints([0])]);
  return [call.emit("Gather", [x, places], { axis: 0 }), call.cast(places, "int32")];
}

/** For each value how many elements of the sorted row are before it. */
const bound =
  (op: string): Conversion =>
  (call) => {
    const sorted = call.emit("Unsqueeze", [call.input("sortedSequence"), call.ints([1])]);
    const values = call.emit("Unsqueeze", [call.input("values"), call.ints([2])]);
    const before = call.cast(call.emit(op, [sorted, values]), "int32");
    return call.emit("ReduceSum", [before, call.ints([2])], { keepdims: 0 });
  };

/** How often each number below `size` occurs, or the sum of its weights. */
function binCount(call: Call): ValueId {
  const size = call.intOf("size");
  const x = call.input("x");
  const ends = call.constant({ dtype: "float32", shape: [2], data: Float32Array.of(0, 1) });
  const hot = call.emit("OneHot", [call.cast(x, "int64"), size, ends], { axis: -1 });
  const weights = call.knownOrNot("weights");
  const weighted = weights?.shape.includes(0)
    ? hot
    : call.emit("Mul", [hot, call.emit("Unsqueeze", [call.input("weights"), call.ints([-1])])]);
  if (call.boolean("binaryOutput")) return call.emit("ReduceMax", [hot, call.ints([-2])], { keepdims: 0 });
  return call.emit("ReduceSum", [weighted, call.ints([-2])], { keepdims: 0 });
}

function unique(call: Call, axis: number | undefined): ValueId[] {
  const attributes = { sorted: 0, ...(axis === undefined ? {} : { axis }) };
  const [values, , inverse] = call.emitAll("Unique", [call.input("x")], attributes, 4) as [
    ValueId,
    ValueId,
    ValueId,
  ];
  return [values, call.cast(inverse, "int32")];
}

/** Complex numbers are pairs in a last dimension. */
const fourier =
  (inverse: number): Conversion =>
  (call) =>
    call.emit("DFT", [call.input("x"), "", call.int(-2)], { inverse });

function realFourier(call: Call): ValueId {
  const pairs = call.emit("Unsqueeze", [call.input("x"), call.ints([-1])]);
  return call.emit("DFT", [pairs, call.intOf("fft_length"), call.int(-2)], { onesided: 1 });
}

function inverseRealFourier(call: Call): ValueId {
  const y = call.emit("DFT", [call.input("x"), call.intOf("fft_length"), call.int(-2)], {
    onesided: 1,
    inverse: 1,
  });
  return call.emit("Squeeze", [y, call.ints([-1])]);
}

function complexPart(at: number): Conversion {
  return (call) => call.emit("Gather", [call.input("x"), call.int(at)], { axis: -1 });
}

const drawn =
  (make: (call: Call, shape: ValueId) => ValueId): Conversion =>
  (call) => {
    const shape = call.emit("ConstantOfShape", [call.intsOf("shape")]);
    return make(call, shape);
  };

export const reductionOps: Conversions = {
  Max: reduce("ReduceMax"),
  Mean: reduce("ReduceMean"),
  Min: reduce("ReduceMin"),
  Prod: reduce("ReduceProd"),
  Sum: reduce("ReduceSum"),
  EuclideanNorm: reduce("ReduceL2"),
  All: truth("ReduceMin"),
  Any: truth("ReduceMax"),
  ArgMax: position("ArgMax"),
  ArgMin: position("ArgMin"),
  Cumsum: cumulate("CumSum"),
  Cumprod: cumulate("CumProd"),
  Softmax: (call) => call.emit("Softmax", [call.input("x")], { axis: -1 }),
  LogSoftmax: (call) => call.emit("LogSoftmax", [call.input("x")], { axis: -1 }),
  Einsum: (call) => call.emit("Einsum", call.all("tensors"), { equation: call.string("equation") }),
  Bincount: binCount,
  DenseBincount: binCount,

  NonMaxSuppressionV2: (call) => call.cast(nonMaxSuppression(call).kept, "int32"),
  NonMaxSuppressionV3: (call) => call.cast(nonMaxSuppression(call).kept, "int32"),
  NonMaxSuppressionV4: withCount,
  NonMaxSuppressionV5: withScores,
  Where: (call) => call.cast(call.emit("Transpose", [call.emit("NonZero", [call.input("condition")])], { perm: [1, 0] }), "int32"), // prettier-ignore
  ListDiff: listDifference,
  LowerBound: bound("Less"),
  UpperBound: bound("LessOrEqual"),
  TopKV2: (call) => {
    const [values, places] = call.emitAll(
      "TopK",
      [call.input("x"), call.intsOf("k")],
      { axis: -1, sorted: 1 },
      2,
    );
    return [values!, call.cast(places!, "int32")];
  },
  Unique: (call) => unique(call, undefined),
  UniqueV2: (call) => {
    const axes = call.numbers("axis", []);
    return unique(call, axes[0]);
  },

  Complex: (call) => {
    const pair = ["real", "imag"].map((name) => call.emit("Unsqueeze", [call.input(name), call.ints([-1])]));
    return call.emit("Concat", pair, { axis: -1 });
  },
  Real: complexPart(0),
  Imag: complexPart(1),
  ComplexAbs: (call) => call.emit("ReduceL2", [call.input("x"), call.ints([-1])], { keepdims: 0 }),
  FFT: fourier(0),
  IFFT: fourier(1),
  RFFT: realFourier,
  IRFFT: inverseRealFourier,

  Multinomial: (call) => call.emit("Multinomial", [call.input("logits")], { sample_size: call.number("numSamples"), dtype: 6 }), // prettier-ignore
  RandomUniform: drawn((call, shape) => call.emit("RandomUniformLike", [shape], seeded(call))),
  RandomStandardNormal: drawn((call, shape) => call.emit("RandomNormalLike", [shape], seeded(call))),
  RandomUniformInt: drawn((call, shape) => {
    const even = call.emit("RandomUniformLike", [shape], seeded(call));
    const [low, high] = [call.number("minval"), call.number("maxval")];
    const spread = call.emit("Mul", [even, call.scalar(high - low)]);
    return call.cast(call.emit("Floor", [call.emit("Add", [spread, call.scalar(low)])]), "int32");
  }),
};

/** A seed of zero means none, for TF. */
function seeded(call: Call): Readonly<Record<string, { readonly float: number }>> {
  const seed = call.number("seed", 0);
  return seed === 0 ? {} : { seed: { float: seed } };
}

/** What takes or gives complex numbers, by whether its result is complex. */
export const complexOps: Readonly<Record<string, boolean>> = {
  Complex: true,
  Real: false,
  Imag: false,
  ComplexAbs: false,
  FFT: true,
  IFFT: true,
  RFFT: true,
  IRFFT: false,
  Identity: true,
};
