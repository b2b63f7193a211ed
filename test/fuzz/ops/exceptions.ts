/**
 * Where onnxruntime-web 1.30 is no witness. In: a graph, and perhaps what onnxruntime said of it. Out: the reason why
 * it does not count, from the table below, or nothing (models that it refuses: refusals.ts). Invariant: every exception has its reason written
 * down and is counted under it; whatever is in no table is reported as a disagreement.
 */
import { isFloat } from "../../../compiler/ir/dtype.ts";
import { readerOf } from "./data.ts";
import { largestOf, some } from "./elements.ts";
import type { Tensor } from "../../../runtime/dtype.ts";
import type { FuzzGraph, GraphNode } from "./graph.ts";

/** What a deviation may look at. */
export interface Witness {
  readonly node: GraphNode;
  readonly graph: FuzzGraph;
  /** Every tensor of the graph by name; computed when it is asked for. */
  readonly values: () => ReadonlyMap<string, Tensor>;
}

export interface Deviation {
  readonly applies: (witness: Witness) => boolean;
  readonly reason: string;
  /** The reason explains no more than this in one operator's result, and what the next two add. */
  readonly within?: number;
  /** Of the size of each element. */
  readonly relative?: number;
  /** Of the largest number among the operands after the first: scales and biases. */
  readonly ofParameters?: number;
  /** Of the product of the largest numbers of the operands that are real: signals times windows. */
  readonly ofProducts?: (witness: Witness) => number;
  /** What follows is given other shapes, and may be refused for it. */
  readonly reshapes?: true;
}

const input = ({ node, values }: Witness, position: number): Tensor | undefined => values().get(node.inputs[position] ?? ""); // prettier-ignore
const isEmpty = (tensor: Tensor | undefined): boolean => tensor?.shape.includes(0) ?? false;
const is = (pattern: RegExp) => ({ node }: Witness): boolean => pattern.test(node.op); // prettier-ignore

const anyInput = (witness: Witness, fits: (tensor: Tensor) => boolean): boolean =>
  witness.node.inputs.some((_, position) => {
    const tensor = input(witness, position);
    return tensor !== undefined && fits(tensor);
  });
const hasNaN = (tensor: Tensor): boolean => some(tensor, Number.isNaN);

/** More than any gate of a recurrent operator can be: weights, recurrent weights and biases at their largest. */
function gateBound(w: Witness): number {
  const largest = (position: number): number => {
    const tensor = input(w, position);
    return tensor ? largestOf(tensor) : 0;
  };
  const last = (position: number): number => input(w, position)?.shape.at(-1) ?? 0;
  const fed = last(1) * largest(0) * largest(1) + 2 * largest(3) + 3 * largest(7);
  // States are known where all of them are results; else a recurrent weight may have taken them anywhere.
  const all = w.values().get(w.node.outputs[0] ?? "");
  const state = all
    ? largestOf(all)
    : last(2) * largest(2) === 0 || input(w, 0)!.shape[0]! <= 1
      ? 1
      : Infinity;
  const bound = fed + last(2) * largest(2) * Math.max(1, largest(5), state);
  return Number.isNaN(bound) ? Infinity : bound; // infinite states times no weights
}

/** The axes of the first operand that a Resize names, each from 0. */
function resizedAxes({ node }: Witness, rank: number): readonly number[] {
  const axes =
    (node.attributes["axes"] as readonly number[] | undefined) ?? Array.from({ length: rank }, (_, d) => d);
  return axes.map((axis) => (axis < 0 ? axis + rank : axis));
}

/** An axis that a Resize names. */
interface ResizedAxis {
  readonly from: number;
  readonly to: number;
  /** Before its length is made whole. */
  readonly scale: number;
  /** Start and end, as shares of the axis. */
  readonly region: readonly [number, number];
}

function resized(w: Witness): readonly ResizedAxis[] {
  const [before, after] = [input(w, 0)?.shape, w.values().get(w.node.outputs[0] ?? "")?.shape];
  if (!before || !after) return [];
  const numbers = (position: number): number[] => {
    const tensor = input(w, position);
    return tensor ? Array.from(tensor.data as Iterable<number>, (value) => Number(readerOf(tensor.dtype)(value))) : []; // prettier-ignore
  };
  const [roi, scales, sizes] = [numbers(1), numbers(2), numbers(3)];
  const axes = resizedAxes(w, before.length);
  const ratios = axes.map((axis, i) => scales[i] ?? sizes[i]! / before[axis]!);
  const policy = w.node.attributes["keep_aspect_ratio_policy"] ?? "stretch";
  const common = policy === "stretch" || scales.length > 0 ? undefined : policy === "not_larger" ? Math.min(...ratios) : Math.max(...ratios); // prettier-ignore
  return axes.map((axis, i): ResizedAxis => ({
    from: before[axis]!,
    to: after[axis]!,
    scale: common ?? ratios[i]!,
    region: [roi[i] ?? 0, roi[i + axes.length] ?? 1],
  }));
}

/** Whether a Resize crops a dimension that is as long in its output. */
function cropsAndKeepsLength(w: Witness): boolean {
  return resized(w).some(({ from, to, region }) => from === to && !(region[0] === 0 && region[1] === 1));
}

/** The place in an axis, in elements, that an element of the result stands for. */
function placeOf(transform: unknown, { from, to, scale, region: [start, end] }: ResizedAxis, at: number): number {
  if (transform === "asymmetric") return at / scale;
  if (transform === "half_pixel_symmetric") return (from - 1) / 2 + (2 * at + 1 - to) / (2 * scale);
  if (transform !== "tf_crop_and_resize") return (at + 0.5) / scale - 0.5;
  return (from - 1) * (to === 1 ? (start + end) / 2 : start + (at * (end - start)) / (to - 1));
} // prettier-ignore

/** Whether a Resize goes to another element within a rounding of places that it takes elements from. */
function takesFromEdges(w: Witness): boolean {
  const { mode = "nearest", nearest_mode: rounding, coordinate_transformation_mode: transform } = w.node.attributes; // prettier-ignore
  if (mode !== "nearest") return false;
  const edge = rounding === "floor" || rounding === "ceil" ? 0 : 0.5;
  return resized(w).some((axis) =>
    Array.from({ length: axis.to }, (_, at) => placeOf(transform, axis, at) - edge).some(
      (place) => Math.abs(place - Math.round(place)) < 1e-5,
    ),
  );
}

/**
 * Roundings of the largest term in a transform: several for each, and some times as many where the length is no power
 * of two, since the transform is then three of the next longer one (measured: at most 1.4 and 17 for each).
 */
function transformRoundings(w: Witness): number {
  const signal = input(w, 0)!.shape;
  const told = input(w, w.node.op === "DFT" ? 1 : 3);
  const length = (w.node.op === "STFT" ? input(w, 2)?.shape[0] : undefined) ?? (told ? Number(told.data[0]) : Math.max(...signal.slice(1, -1))); // prettier-ignore
  return (Number.isInteger(Math.log2(length)) ? 4 : 32) * length;
}

/** Whether a tensor holds infinities or NaN. */
const isEndless = (tensor: Tensor | undefined): boolean => some(tensor, (value) => !Number.isFinite(value));

/** Whether a node is part of a body, of whose values nobody tells. */
const isInBody = ({ node, graph }: Witness): boolean => !graph.nodes.includes(node);

/** Whether another node reads the first result. */
const isReadOn = ({ node, graph }: Witness): boolean =>
  (node.outputs[0] ?? "") !== "" &&
  allNodes(graph.nodes).some(({ inputs }) => inputs.includes(node.outputs[0]!));

/** Whether a result has infinities that no operand has, or an exponential is too small for a normal float16. */
function leavesFloat16(w: Witness): boolean {
  const infinities = (tensor: Tensor): number => {
    const read = readerOf(tensor.dtype);
    return Array.from(tensor.data as Iterable<number>, read).filter((value) => Math.abs(Number(value)) === Infinity).length; // prettier-ignore
  };
  const result = w.values().get(w.node.outputs[0]!)!;
  const exponential = /^(Exp|Sigmoid|Softmax|Softplus|Mish|Gelu|Swish|SwiGLU|Erf|Tanh)$/.test(w.node.op);
  const made = infinities(result);
  if (made > 0 && !anyInput(w, (tensor) => infinities(tensor) >= made)) return true;
  return exponential && some(result, (value) => Math.abs(value) < 2 ** -14);
}

const everyValue = ({ values }: Witness): Tensor[] => [...values().values()];

/** Operators whose results are made of many elements. */
const MANY = /Norm|^Reduce|Pool|Conv|MatMul|Gemm|Einsum|Resize|Upsample|GridSample|RoiAlign|Attention|^RNN$|^GRU$|^LSTM$|Softmax|LRN|DFT|STFT|Linear|CumSum|CumProd|Det|Loss|SVM|TreeEnsemble|Mean$|AffineGrid|Hardmax|Rotary|Col2Im|CDist|Arg(Max|Min)|TopK|Unique/; // prettier-ignore

const DEVIATIONS: readonly Deviation[] = [
  {
    applies: is(/^(Blackman|Hann|Hamming)Window$/),
    reason: "windows are computed from constants of float32",
    within: 2 ** -21,
  },
  {
    applies: (w) =>
      /^(TreeEnsemble|TreeEnsembleRegressor|LinearRegressor)$/.test(w.node.op) &&
      !["NONE", 0, undefined].includes(w.node.attributes["post_transform"] as string | undefined) &&
      (w.node.attributes["n_targets"] ?? w.node.attributes["targets"] ?? 1) === 1,
    reason: "a single target's post transform is left out",
  },
  {
    applies: (w) => w.node.op === "TreeEnsembleClassifier" && (w.node.attributes["class_weights"] as { value: readonly number[] }).value.some((weight) => weight <= 0),
    reason: "a class for which no leaf votes loses against scores below zero",
  },
  {
    applies: (w) => w.node.op === "NonZero" && input(w, 0)?.shape.length === 0,
    reason: "a scalar has the shape [1, n] instead of [0, n], which the specification names",
    reshapes: true,
  },
  {
    applies: (w) => w.node.op === "Unique" && some(input(w, 0), Number.isNaN),
    reason: "elements are found by an order that NaN has no place in: which of the others are the same is left to chance",
    reshapes: true,
  },
  {
    applies: (w) => w.node.op === "Softplus" && input(w, 0)?.dtype === "float64" && some(input(w, 0), (value) => value > 700),
    reason: "follows the function body in float64, whose exponential overflows",
  },
  {
    applies: (w) => w.node.op === "LRN" && some(input(w, 0), (value) => Math.abs(value) > 2 ** 12),
    reason: "sums of squares slide from channel to channel: a large one leaves its rounding behind",
  },
  {
    // The definition eliminates in double precision.
    applies: (w) => w.node.op === "Det" && input(w, 0)?.dtype === "float32" && some(input(w, 0), (value) => Math.abs(value) > 2 ** 12),
    reason: "determinants are eliminated in float32, which cancels where elements differ much in size",
  },
  {
    applies: (w) => /^Skip(Simplified)?LayerNormalization$/.test(w.node.op) && anyInput(w, (tensor) => some(tensor, (value) => Math.abs(value) > 2 ** 12)),
    reason: "takes the root of E[x^2] - E[x]^2, which cancels and may be below zero",
  },
  { applies: is(/^Bernoulli$/), reason: "follows the function body, whose comparison is the wrong way round" },
  {
    applies: (w) => /^(Reduce|Arg|Global)/.test(w.node.op) && (isInBody(w) ? everyValue(w).some(isEmpty) : isEmpty(input(w, 0))),
    reason: "reductions of tensors without elements give other shapes",
    reshapes: true,
  },
  {
    applies: (w) => /^(Cast|CastLike)$/.test(w.node.op) && some(input(w, 0), (value) => !(Math.abs(value) < 2 ** 63) || value < 0 || value > 127),
    reason: "numbers out of the range of an integer type: the specification leaves the result open",
  },
  {
    applies: (w) => w.node.op === "Mod" && w.node.attributes["fmod"] === 1 && /^u?int64$/.test(input(w, 0)?.dtype ?? "") && anyInput(w, (tensor) => some(tensor, (value) => Math.abs(value) > 2 ** 53)),
    reason: "integers past 2^53 are divided as float64",
  },
  {
    applies: (w) => /^(LinearClassifier|LinearRegressor|SVMClassifier|TreeEnsembleClassifier)$/.test(w.node.op) && w.node.attributes["post_transform"] === "LOGISTIC",
    reason: "LOGISTIC is 1 - 1 / (1 + exp(x)) below 0, which cancels",
    within: 2 ** -23,
  },
  {
    applies: (w) => /^(DFT|STFT)$/.test(w.node.op) && input(w, 0)?.dtype === "float32" && !anyInput(w, isEndless),
    reason: "factors of a transform are multiplied up from one to the next",
    within: 2 ** -18,
    ofProducts: (w) => transformRoundings(w) * 2 ** -23,
  },
  {
    applies: (w) => /^(RNN|GRU|LSTM)$/.test(w.node.op) && gateBound(w) > 2 ** 16,
    reason: "gates of sums so large that their roundings decide them",
  },
  {
    // ONNX's reference drops the fraction, as of every other integer type.
    applies: (w) => w.node.op === "Cast" && [21, 22, 25, 26].includes(w.node.attributes["to"] as number) && some(input(w, 0), (value) => !Number.isInteger(value)),
    reason: "fractions are rounded where the integer type has four bits or less",
  },
  {
    applies: (w) => w.node.op === "AffineGrid" && w.node.attributes["align_corners"] === 1 && some(input(w, 1), (value) => value === 1),
    reason: "a dimension of one point lies at 1; PyTorch, whose operator it is, has it at 0",
  },
  {
    applies: (w) => /^(MaxPool|NhwcMaxPool|GlobalMaxPool)$/.test(w.node.op) && anyInput(w, hasNaN),
    reason: "the largest of numbers of which some are NaN: the specification leaves open which",
  },
  {
    // ONNX's reference takes numpy's maximum and minimum, which keep NaN.
    applies: (w) => /^Scatter/.test(w.node.op) && ["max", "min"].includes(w.node.attributes["reduction"] as string) && anyInput(w, hasNaN),
    reason: "the largest or least of numbers of which some are NaN is not NaN",
  },
  {
    applies: (w) => w.node.op === "Sign" && anyInput(w, hasNaN),
    reason: "the sign of NaN is 0, where ONNX's reference has NaN",
  },
  {
    applies: (w) => /^TreeEnsemble(Regressor)?$/.test(w.node.op) && ((w.node.attributes["n_targets"] ?? 1) as number) > 1,
    reason: "a target for which no leaf votes is not 0",
  },
  {
    applies: (w) => w.node.op === "MaxPool" && w.node.outputs.length > 1 && /int8/.test(input(w, 0)?.dtype ?? ""),
    reason: "which of several largest elements has its index told is open",
  },
  {
    applies: is(/^StringSplit$/),
    reason: "an empty text has no parts instead of one that is empty",
  },
  {
    applies: (w) => w.node.op === "Dropout" && w.graph.opset < 12,
    reason: "the mask of an inference is all zero before version 12",
  },
  {
    applies: (w) => w.node.op === "Loop" && w.node.outputs.some((name) => isEmpty(w.values().get(name))),
    reason: "what a loop collects in no iteration has fewer dimensions",
    reshapes: true,
  },
  {
    applies: (w) => w.node.op === "GridSample" && some(input(w, 1), (value) => Math.abs(value) > 1e6),
    reason: "positions far outside, whose fraction no float32 holds",
  },
  {
    applies: (w) => w.node.op === "ReduceProd" && (input(w, 0)?.dtype.startsWith("int") ?? false),
    reason: "products of integers that overflow on the way",
  },
  {
    applies: (w) => {
      const { auto_pad, strides, kernel_shape } = w.node.attributes as Record<string, unknown>;
      const kernel = (kernel_shape ?? input(w, 1)?.shape.slice(2) ?? []) as readonly number[];
      return String(auto_pad).startsWith("SAME") && ((strides ?? []) as readonly number[]).some((stride, i) => stride > kernel[i]!);
    },
    reason: "automatic padding below zero where a stride is longer than the kernel",
  },
  {
    applies: (w) => w.node.op === "Shrink" && input(w, 0)?.dtype === "float64",
    reason: "float64 is computed in float32",
    within: 2 ** -20,
    relative: 2 ** -22,
  },
  {
    applies: (w) => /^(DFT|STFT)$/.test(w.node.op) && input(w, 0)?.dtype === "float64" && !anyInput(w, isEndless),
    reason: "the factor of an inverse transform is a float32",
    within: 1e-5,
    relative: 2 ** -23,
    ofProducts: (w) => transformRoundings(w) * 2 ** -52,
  },
  {
    applies: (w) => /^(Instance|Group|Batch)Normalization$/.test(w.node.op) && some(input(w, 0), (value) => Math.abs(value) > 2 ** 16),
    reason: "the mean is multiplied and taken away with the bias, which leaves nothing of the bias where elements are large",
  },
  {
    applies: is(/^(Instance|Group|Batch)Normalization$/),
    reason: "the mean is multiplied and taken away with the bias, which cancels",
    within: 1e-3,
    ofParameters: 1e-3,
  },
  {
    applies: is(/^MeanVarianceNormalization$/),
    reason: "takes the root of E[x^2] - E[x]^2, which cancels and may be below zero",
  },
  {
    applies: (w) => MANY.test(w.node.op) && (isInBody(w) ? everyValue(w).some(isEndless) : anyInput(w, isEndless)),
    reason: "infinities and NaN in sums, norms and products: which of them meet first is open",
  },
  {
    applies: (w) => /^(Reduce(Mean|Sum|L1|SumSquare|Prod)|Einsum)$/.test(w.node.op) && (input(w, 0)?.dtype.startsWith("int") ?? false) && anyInput(w, (tensor) => some(tensor, (value) => Math.abs(value) > 2 ** 14)),
    reason: "sums of integers that overflow on the way",
  },
  {
    applies: (w) => w.node.op === "TreeEnsembleClassifier" && ((w.node.attributes["classlabels_int64s"] ?? w.node.attributes["classlabels_strings"]) as readonly unknown[]).length === 2,
    reason: "names of two classes are replaced by 0 and 1 where leaves vote for both",
  },
  {
    applies: (w) => w.node.op === "MultiHeadAttention" && w.node.attributes["unidirectional"] === 1 && input(w, 0)?.shape[1] !== input(w, 1)?.shape[1],
    reason: "the last query sees all keys, however many more of them there are",
  },
  {
    // The reference lets query i see the keys up to i after those of the past, also where there is one query.
    applies: (w) => w.node.op === "Attention" && w.node.domain === undefined && w.node.attributes["is_causal"] === 1 && input(w, 0)?.shape.at(-2) === 1 && input(w, 1)?.shape.at(-2) !== 1,
    reason: "a single query sees all keys, however many more of them there are",
  },
  {
    applies: (w) => w.node.op === "Normalizer" && (input(w, 0)?.dtype.startsWith("int") ?? false),
    reason: "squares of integers overflow before they are added",
  },
  {
    applies: (w) => w.node.op === "Col2Im" && input(w, 1)?.shape[0] !== 2,
    reason: "several channels of one or three dimensions are mixed up",
  },
  {
    applies: (w) => /^(Group|Layer|RMS|Instance|Batch)Norm/.test(w.node.op) && input(w, 0)?.dtype === "float64",
    reason: "float64 is normalised in float32, as stash_type allows; we keep what there is",
    within: 1e-4,
    ofParameters: 1e-4,
  },
  {
    applies: (w) => /^(RNN|GRU|LSTM)$/.test(w.node.op) && w.node.attributes["activation_alpha"] === undefined && ((w.node.attributes["activations"] ?? []) as readonly string[]).includes("ThresholdedRelu"),
    reason: "the threshold of ThresholdedRelu is not 1 where none is given",
  },
  {
    // The text names the ends of the type as defaults; the function body of the same page is an Identity.
    applies: (w) => w.node.op === "Clip" && w.graph.opset >= 11 && (!w.node.inputs[1] || !w.node.inputs[2]) && some(input(w, 0), (value) => Math.abs(value) === Infinity),
    reason: "an absent bound cuts infinities to the end of the type; ONNX's function body and reference let them pass",
  },
  {
    applies: (w) => (w.node.op === "HardSwish" || (w.node.op === "Gelu" && w.node.attributes["approximate"] === "tanh")) && input(w, 0)?.dtype === "float64",
    reason: "the constants of its function body are float32, also for elements of float64",
    within: 1e-6,
  },
  {
    // onnx/reference/ops/op_grid_sample.py pulls the point to the last centre first; PyTorch only what is read there.
    applies: (w) => w.node.op === "GridSample" && /cubic/.test(String(w.node.attributes["mode"])) && w.node.attributes["padding_mode"] === "border" && some(input(w, 1), (value) => Math.abs(value) > 1),
    reason: "cubic points beyond the border are not pulled to it, as ONNX's reference has them",
  },
  {
    applies: (w) => /^(RNN|GRU|LSTM)$/.test(w.node.op) && ((w.node.attributes["activations"] ?? []) as readonly string[]).includes("Softplus") && gateBound(w) > 80,
    reason: "Softplus is log(1 + exp(x)), which overflows where x does not",
  },
  {
    applies: (w) => w.node.op === "Resize" && w.node.attributes["coordinate_transformation_mode"] === "tf_crop_and_resize" && (input(w, 2)?.shape[0] ?? 0) > 0,
    reason: "the sizes that scales give are not those of the region but of the whole input",
  },
  {
    // Of sizes, the scale is their fraction, which no float32 holds; where half an element rounds, it is heeded.
    applies: (w) => w.node.op === "Resize" && (input(w, 3)?.shape[0] ?? 0) > 0 && /^(floor|ceil)$/.test(String(w.node.attributes["nearest_mode"])) && !/align_corners|tf_crop/.test(String(w.node.attributes["coordinate_transformation_mode"])) && takesFromEdges(w),
    reason: "places on an element are a little beside it where the scale of sizes was rounded",
  },
  {
    applies: (w) => w.node.op === "Resize" && w.node.attributes["coordinate_transformation_mode"] === "tf_crop_and_resize" && takesFromEdges(w),
    reason: "bounds of regions are rounded, and so are places in them: which side of an edge they are on is open",
  },
  {
    applies: (w) => w.node.op === "Resize" && w.node.attributes["antialias"] === 1 && resized(w).some(({ from, to, scale }) => from === to && Math.abs(scale - 1) > 1e-5),
    reason: "an axis whose length stays is not filtered",
  },
  {
    // ONNX's reference spreads the scaled length over the axis; onnxruntime the whole number that is left of it.
    applies: (w) => w.node.op === "Resize" && w.node.attributes["coordinate_transformation_mode"] === "align_corners" && resized(w).some(({ from, to, scale }) => Math.abs(from * scale - to) > 1e-5),
    reason: "corners are aligned with the last element instead of with the end of the scaled length",
  },
  {
    // An axis of the same length takes every element of itself, though the formula names a place within the region.
    applies: (w) => w.node.op === "Resize" && w.node.attributes["coordinate_transformation_mode"] === "tf_crop_and_resize" && cropsAndKeepsLength(w),
    reason: "an axis whose length stays is not cropped",
  },
  {
    applies: (w) => w.node.op === "MatMul" && input(w, 1)?.shape.length === 1 && isEmpty(input(w, 1)),
    reason: "products with a vector without elements are left as memory was",
  },
  {
    applies: (w) => /^(Fused)?Gemm$/.test(w.node.op) && isEmpty(input(w, 0)) && (w.node.attributes["beta"] ?? 1) !== 1,
    reason: "what is added to products without elements is not multiplied by beta",
  },
  {
    applies: (w) => w.node.op === "CDist" && anyInput(w, (tensor) => some(tensor, (x) => Math.abs(x) > 1000)),
    reason: "squares of differences are a^2 - 2ab + b^2, which cancels where numbers are close to each other",
  },
  {
    applies: (w) => w.node.op === "Attention" && w.node.domain === undefined && some(w.values().get(w.node.outputs[3] || "none"), (value) => value === -Infinity),
    reason: "scores that a mask forbids are told as the least number instead of -Infinity",
  },
  {
    applies: (w) => isReadOn(w) && w.values().get(w.node.outputs[0]!)?.dtype === "float16" && leavesFloat16(w),
    reason: "what no float16 holds is kept for the next operator: both are computed in float32, and nothing is rounded between them",
  },
  {
    applies: (w) => w.node.domain === "com.microsoft" && /^Q(Linear|Gemm)/.test(w.node.op),
    reason: "rounds after the zero point is added: ties fall to the other side",
    within: 1,
  },
]; // prettier-ignore

/** Nodes, and those of their bodies. */
export function allNodes(nodes: readonly GraphNode[]): GraphNode[] {
  return nodes.flatMap((node) => [node, ...Object.values(node.bodies ?? {}).flatMap((body) => allNodes(body.nodes))]); // prettier-ignore
}

/** What a reason explains of an element of one operator's result. */
function explained(deviation: Deviation, witness: Witness): (value: number) => number {
  const { within = 0, relative = 0, ofParameters = 0, ofProducts } = deviation;
  const sizes = witness.node.inputs.slice(1).map((_, i) => input(witness, i + 1));
  const largest = sizes.reduce((most, tensor) => Math.max(most, tensor && tensor.dtype !== "string" ? largestOf(tensor) : 0), 0); // prettier-ignore
  const real = [input(witness, 0), ...sizes].filter((tensor) => tensor && isFloat(tensor.dtype)) as Tensor[];
  const product = real.reduce((most, tensor) => most * largestOf(tensor), 1);
  const part = (share: number, of: number): number => (Number.isFinite(of) ? share * of : 0);
  const constant = within + part(ofParameters, largest) + part(ofProducts?.(witness) ?? 0, product);
  return (value) => constant + relative * (Number.isFinite(value) ? Math.abs(value) : 0);
}

/** Why a difference from onnxruntime does not count, and how much of it where that is limited. */
export function deviationOf(
  graph: FuzzGraph,
  values: () => ReadonlyMap<string, Tensor>,
): { readonly reason: string; readonly within?: (value: number) => number } | undefined {
  const alone = graph.nodes.length === 1;
  const reasons: string[] = [];
  const limits: ((value: number) => number)[] = [];
  for (const node of allNodes(graph.nodes)) {
    for (const deviation of DEVIATIONS) {
      const witness = { node, graph, values };
      if (!deviation.applies(witness)) continue;
      const reason = `${node.op}: ${deviation.reason}`;
      if (!alone || deviation.within === undefined) return { reason };
      reasons.push(reason);
      limits.push(explained(deviation, witness));
    }
  }
  if (reasons.length === 0) return undefined;
  return {
    reason: reasons[0]!,
    within: (value) => limits.reduce((sum, limit) => sum + limit(value), 0),
  };
}

/** The nodes whose results have other shapes in onnxruntime, and why. */
export function reshapedBy(
  graph: FuzzGraph,
  values: () => ReadonlyMap<string, Tensor>,
): { readonly nodes: ReadonlySet<GraphNode>; readonly reason: string } | undefined {
  const nodes = new Set<GraphNode>();
  let first: string | undefined;
  for (const node of graph.nodes) {
    const deviation = DEVIATIONS.find(
      ({ reshapes, applies }) => reshapes && applies({ node, graph, values }),
    );
    if (!deviation) continue;
    nodes.add(node);
    first ??= `${node.op}: ${deviation.reason}`;
  }
  return first === undefined ? undefined : { nodes, reason: first };
}
