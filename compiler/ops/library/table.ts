/**
 * The entries of the library table, one per file of `kernels/`; see `index.ts` for what the fields mean and the
 * head of each AssemblyScript file for the whole contract. Invariant: parameters in the order of the source.
 */
import type { LibraryKernel, LibraryParameter, ParameterKind } from "./index.ts";
import { libraryModuleBytes } from "./module.ts";
import {
  compressReference,
  nonMaxSuppressionReference,
  nonZeroReference,
  scatterElementsReference,
  scatterFlatReference,
  scatterNDReference,
  topkReference,
  uniqueReference,
} from "./reference.ts";
import {
  detReference,
  ngramCountReference,
  randomReference,
  treeEnsembleReference,
} from "./referenceNumeric.ts";

function parameter(name: string, kind: ParameterKind, doc: string, optional = false): LibraryParameter {
  return { name, kind, optional, doc };
}

const dtype = parameter("dtype", "dtype", "type of the elements");
const elementSize = parameter("elementSize", "integer", "bytes of one element: 1, 2, 4 or 8");
const outer = parameter("outer", "integer", "product of the dimensions before the axis");
const axisLength = parameter("axis", "integer", "length of the axis");
const inner = parameter("inner", "integer", "product of the dimensions after the axis");
const rank = parameter("rank", "integer", "number of dimensions");
const dims = parameter("dims", "integers", "the dimensions, [rank]");
const scratch = parameter("scratch", "scratch", "see scratchBytes");
const startData = parameter(
  "data",
  "input",
  "what the output starts as; may be the output; absent: zeros",
  true,
);
const reduction = parameter("reduction", "integer", "0 none, 1 add, 2 mul, 3 min, 4 max");
const indexDtype = parameter("indexDtype", "dtype", "int32 or int64");

const noScratch = (): number => 0;

type Entry = Omit<LibraryKernel, "name" | "export" | "moduleBytes">;

const entries = {
  topk: {
    doc: "The k best along an axis, best first, the lower index first among equals; NaN is above +Infinity.",
    parameters: [
      dtype,
      parameter("input", "input", "[outer, axis, inner]"),
      parameter("values", "output", "[outer, k, inner]"),
      parameter("indices", "output", "int64 [outer, k, inner]"),
      outer,
      axisLength,
      inner,
      parameter("k", "integer", "how many; at most the axis is used"),
      parameter("largest", "integer", "1: the largest, 0: the smallest"),
      scratch,
    ],
    scratchBytes: ({ k = 0, axis = 0 }) => 12 * Math.min(k, axis),
    returns: "size",
    reference: topkReference,
  },
  nonMaxSuppression: {
    doc: "Greedy non-maximum suppression per batch and class; returns the number of rows selected.",
    parameters: [
      parameter("boxes", "input", "float32 [batches, boxCount, 4]"),
      parameter("scores", "input", "float32 [batches, classes, boxCount]"),
      parameter("output", "output", "int64 [capacity, 3]: batch, class, box"),
      parameter("batches", "integer", "number of batches"),
      parameter("classes", "integer", "number of classes"),
      parameter("boxCount", "integer", "boxes of a batch"),
      parameter("maxOutputPerClass", "input", "int64 [1]; absent or 0: nothing is selected", true),
      parameter("iouThreshold", "input", "float32 [1]; absent: 0", true),
      parameter("scoreThreshold", "input", "float32 [1]; absent: no score is too low", true),
      parameter(
        "centerPointBox",
        "integer",
        "0: y1 x1 y2 x2 in any order; 1: x y width height of the center",
      ),
      parameter("capacity", "integer", "rows that the output has room for"),
      scratch,
    ],
    scratchBytes: ({ boxCount = 0 }) => 28 * boxCount,
    returns: "count",
    reference: nonMaxSuppressionReference,
  },
  nonZero: {
    doc: "Coordinates of the elements that are not zero, compactly; returns their number.",
    parameters: [
      dtype,
      parameter("input", "input", "the tensor"),
      parameter("output", "output", "int64 [rank, count]; room for [rank, elements]"),
      rank,
      dims,
    ],
    scratchBytes: noScratch,
    returns: "count",
    reference: nonZeroReference,
  },
  unique: {
    doc: "Distinct slices along an axis (flattened: outer 1, inner 1); returns their number.",
    parameters: [
      dtype,
      parameter("input", "input", "[outer, axis, inner]"),
      parameter("values", "output", "[outer, count, inner]; room for the input"),
      parameter("firstIndices", "output", "int64 [count]", true),
      parameter("inverse", "output", "int64 [axis]", true),
      parameter("counts", "output", "int64 [count]", true),
      outer,
      axisLength,
      inner,
      parameter("sorted", "integer", "1: lexicographic order, 0: order of first appearance"),
      scratch,
    ],
    scratchBytes: ({ axis = 0 }) => 12 * axis,
    returns: "count",
    reference: uniqueReference,
  },
  compress: {
    doc: "The slices along an axis (flattened: outer 1, inner 1) whose condition holds; returns their number.",
    parameters: [
      elementSize,
      parameter("input", "input", "[outer, axis, inner]"),
      parameter("condition", "input", "bool [conditionLength]"),
      parameter("output", "output", "[outer, count, inner]; room for the input"),
      outer,
      axisLength,
      inner,
      parameter("conditionLength", "integer", "length of the condition, at most the axis is used"),
    ],
    scratchBytes: noScratch,
    returns: "count",
    reference: compressReference,
  },
  treeEnsemble: {
    doc: "Scores of decision trees (ai.onnx.ml), before the post transform; tables as packTrees makes them.",
    parameters: [
      parameter("inputDtype", "dtype", "type of the features"),
      parameter("input", "input", "[rows, features]"),
      parameter("rows", "integer", "number of samples"),
      parameter("features", "integer", "features of a sample"),
      parameter("outputDtype", "dtype", "float32 or float64"),
      parameter("output", "output", "[rows, targets]"),
      parameter("targets", "integer", "targets or classes"),
      parameter("slots", "integers", "feature * 2 + side of each key of a row, [slotCount]"),
      parameter("slotCount", "integer", "keys of a row"),
      parameter("splits", "input", "float64, what keys count by; not for float32", true),
      parameter("splitStarts", "integers", "first split of each slot, and the end, [slotCount + 1]", true),
      parameter("trees", "integers", "what and where each tree is, [treeCount, 3]"),
      parameter("treeCount", "integer", "number of trees"),
      parameter("nodes", "input", "linked and full trees"),
      parameter(
        "leafStarts",
        "integers",
        "first entry of each leaf, and the end; absent: leaf is entry",
        true,
      ),
      parameter("leafTargets", "integers", "target of each leaf entry"),
      parameter("leafWeights", "input", "float64 weight of each leaf entry"),
      parameter("aggregate", "integer", "0 average, 1 sum, 2 min, 3 max"),
      parameter("baseValues", "input", "float64 [targets], added at the end", true),
      scratch,
    ],
    scratchBytes: ({ rows = 0, slotCount = 0, targets = 0 }) =>
      16 * Math.ceil(Math.min(rows, 16) / 4) * (slotCount + 1 + 4 * targets),
    returns: "size",
    reference: treeEnsembleReference,
  },
  scatterElements: {
    doc: "ScatterElements: the index replaces the axis coordinate; returns the indices out of range, not stored.",
    parameters: [
      dtype,
      startData,
      parameter("output", "output", "[dims]"),
      dims,
      parameter("indices", "input", "[indexDims], negative from the end"),
      indexDtype,
      parameter("indexDims", "integers", "dimensions of indices and updates, [rank]"),
      parameter("updates", "input", "[indexDims]"),
      rank,
      parameter("axis", "integer", "the axis, 0 to rank - 1"),
      reduction,
    ],
    scratchBytes: noScratch,
    returns: "faults",
    reference: scatterElementsReference,
  },
  scatterND: {
    doc: "ScatterND: each tuple names a slice; returns the tuples out of range, not stored.",
    parameters: [
      dtype,
      startData,
      parameter("output", "output", "[dims]"),
      dims,
      rank,
      parameter("indices", "input", "[tuples, tupleLength], negative from the end"),
      indexDtype,
      parameter("tuples", "integer", "number of tuples"),
      parameter("tupleLength", "integer", "indices of a tuple, at most rank"),
      parameter("updates", "input", "[tuples, dims from tupleLength on]"),
      reduction,
    ],
    scratchBytes: noScratch,
    returns: "faults",
    reference: scatterNDReference,
  },
  scatterFlat: {
    doc: "output[indices[i]] = source[i], as MaxUnpool does; returns the indices out of range, not stored.",
    parameters: [
      elementSize,
      startData,
      parameter("output", "output", "[outputCount]"),
      parameter("outputCount", "integer", "elements of the output"),
      parameter("indices", "input", "int64 [count], not negative"),
      parameter("source", "input", "[count]"),
      parameter("count", "integer", "elements to store"),
    ],
    scratchBytes: noScratch,
    returns: "faults",
    reference: scatterFlatReference,
  },
  det: {
    doc: "Determinants by LU with partial pivoting in f64.",
    parameters: [
      dtype,
      parameter("input", "input", "[batches, n, n]"),
      parameter("output", "output", "[batches]"),
      parameter("batches", "integer", "number of matrices"),
      parameter("n", "integer", "rows of a matrix"),
      scratch,
    ],
    scratchBytes: ({ n = 0 }) => 8 * n * n,
    returns: "size",
    reference: detReference,
  },
  random: {
    doc: "Philox random numbers; element i depends on the seed and i alone and is the same on every machine.",
    parameters: [
      parameter("distribution", "integer", "0 uniform in [a, b), 1 normal with mean a and deviation b"),
      parameter("dtype", "dtype", "float32 or float64"),
      parameter("output", "output", "[count]"),
      parameter("count", "integer", "number of elements"),
      parameter("seedLow", "integer", "low 32 bits of the seed"),
      parameter("seedHigh", "integer", "high 32 bits of the seed"),
      parameter("a", "real", "low end, or mean"),
      parameter("b", "real", "high end, or standard deviation"),
    ],
    scratchBytes: noScratch,
    returns: "size",
    reference: randomReference,
  },
  ngramCount: {
    doc: "Term frequencies of TfIdfVectorizer; returns the number of occurrences counted.",
    parameters: [
      parameter("tokenDtype", "dtype", "int32 or int64"),
      parameter("tokens", "input", "[rows, length]"),
      parameter("rows", "integer", "number of sequences"),
      parameter("length", "integer", "tokens of a sequence"),
      parameter("pool", "input", "int64 [poolLength], the tokens of the n-grams"),
      parameter("poolLength", "integer", "tokens of the pool"),
      parameter("gramOffsets", "integers", "where each n-gram starts in the pool, [gramCount]"),
      parameter("gramLengths", "integers", "tokens of each n-gram, [gramCount]"),
      parameter("gramColumns", "integers", "output column of each n-gram, [gramCount]"),
      parameter("gramCount", "integer", "n-grams to look for"),
      parameter("maxSkip", "integer", "most tokens skipped between members"),
      parameter("output", "output", "float32 [rows, columns]"),
      parameter("columns", "integer", "columns of the output"),
    ],
    scratchBytes: noScratch,
    returns: "size",
    reference: ngramCountReference,
  },
} as const satisfies Readonly<Record<string, Entry>>;

export const libraryTable: Readonly<Record<string, LibraryKernel>> = Object.fromEntries(
  Object.entries(entries as Readonly<Record<string, Entry>>).map(([name, entry]) => [
    name,
    {
      name,
      export: name,
      ...entry,
      moduleBytes: () => libraryModuleBytes(name),
    } satisfies LibraryKernel,
  ]),
);
