/**
 * Samples of operators that stand alone: regions, distances, quantized tables, classifiers by support vectors, and
 * other names of standard operators. In: a sampler. Out: one operator each. Invariant: as in `elementwise.ts`.
 */
import type { DType } from "../../../../runtime/dtype.ts";
import type { Sampler } from "../sampler.ts";
import type { SampleTable } from "./elementwise.ts";

const MS = { domain: "com.microsoft" } as const;
const floats = (value: readonly number[]) => ({ kind: "floats" as const, value });
const several = (count: number, make: (i: number) => number): number[] => Array.from({ length: count }, (_, i) => make(i)); // prettier-ignore

function groupNorm(s: Sampler, op: string): void {
  const groups = s.pick([1, 2, 3]);
  const [n, h, w, c] = [s.dim(3), s.dim(4), s.dim(5), groups * s.dim(4)];
  const last = s.chance(0.7) ? 1 : 0;
  const x = s.tensor("float32", last ? [n, h, w, c] : [n, c, h, w]);
  const parameter = () => s.tensor("float32", [c]);
  const skip = op === "SkipGroupNorm";
  s.decline(skip && last === 0);
  const added = skip ? [s.tensor("float32", s.pick([x.shape, [n, 1, 1, c], [n, c]])), s.chance(0.5) ? parameter() : undefined] : []; // prettier-ignore
  s.node(op, [x, parameter(), parameter(), ...added], { groups, activation: s.pick([0, 1]), channels_last: last, epsilon: s.maybe(1e-3) }, { ...MS, outputs: skip ? s.pick([1, 2]) : 1 }); // prettier-ignore
}

function svmClassifier(s: Sampler): void {
  const [rows, features, classes] = [s.dim(6), s.dim(4), s.pick([2, 3])];
  const x = s.any(["float32"], { shape: [rows, features] });
  const perClass = several(classes, () => s.random.between(1, 3));
  const supports = perClass.reduce((a, b) => a + b, 0);
  const pairs = (classes * (classes - 1)) / 2;
  const quarter = () => (s.random.below(17) - 8) / 4 + 0.01;
  s.node("SVMClassifier", [x], {
    kernel_type: s.pick(["LINEAR", "POLY", "RBF", "SIGMOID"]),
    kernel_params: floats([0.5, 0.25, 2]),
    vectors_per_class: perClass,
    support_vectors: floats(several(supports * features, quarter)),
    coefficients: floats(several(supports * (classes - 1), quarter)),
    rho: floats(several(pairs, quarter)),
    classlabels_ints: several(classes, (i) => i),
    post_transform: "NONE",
  }, { domain: "ai.onnx.ml", outputs: 2 });
} // prettier-ignore

export const moreSamples: SampleTable = {
  MaxRoiPool: (s) => {
    const [n, h, w, rois] = [s.dim(2), s.random.between(2, 9), s.random.between(2, 9), s.dim(4)];
    const x = s.any(["float32"], { shape: [n, s.dim(3), h, w] });
    const values = Array.from({ length: rois }, () => {
      const [a, b] = [s.random.between(0, w - 1), s.random.between(0, h - 1)];
      return [s.random.between(0, n - 1), a, b, s.random.between(a, w - 1), s.random.between(b, h - 1)];
    }).flat();
    s.node("MaxRoiPool", [x, s.param("float32", [rois, 5], values)], { pooled_shape: [s.pick([1, 2, 3]), s.pick([1, 2])], spatial_scale: s.maybe(1, 0.5) }); // prettier-ignore
  },
  "ai.onnx.ml:SVMClassifier": svmClassifier,
  "com.microsoft:GroupNorm": (s) => groupNorm(s, "GroupNorm"),
  "com.microsoft:SkipGroupNorm": (s) => groupNorm(s, "SkipGroupNorm"),
  "com.microsoft:CDist": (s) => {
    const features = s.dim(7);
    const dtype = s.pick<DType>(["float32", "float64"]);
    s.node("CDist", [s.tensor(dtype, [s.dim(7), features]), s.tensor(dtype, [s.dim(5), features])], { metric: s.pick(["euclidean", "sqeuclidean"]) }, MS); // prettier-ignore
  },
  "com.microsoft:GatherBlockQuantized": (s) => {
    const [rows, blocks] = [s.dim(5), s.pick([1, 2])];
    const table = s.tensor(s.pick<DType>(["int4", "uint4"]), [rows, blocks * 16]);
    const scales = s.tensor("float32", [rows, blocks], "positive");
    const zero = s.chance(0.5) ? s.tensor(table.dtype, [rows, blocks]) : undefined;
    const indices = s.range(s.pick<DType>(["int64", "int32"]), s.shape(1, 2, 8, true), 0, rows - 1);
    s.node("GatherBlockQuantized", [table, indices, scales, zero], { block_size: 16, gather_axis: 0, quantize_axis: 1 }, MS); // prettier-ignore
  },
  "com.microsoft:TransposeMatMul": (s) => {
    const [m, k, n] = [s.dim(9), s.dim(9), s.dim(9)];
    const [transA, transB] = [s.maybe(0, 1), s.maybe(0, 1)];
    const a = s.any(["float32"], { shape: transA ? [k, m] : [m, k] });
    s.node("TransposeMatMul", [a, s.any(["float32"], { shape: transB ? [n, k] : [k, n] })], { transA, transB, alpha: s.maybe(0.5) }, MS); // prettier-ignore
  },
  "com.microsoft:ExpandDims": (s) => {
    const x = s.any(["float32", "int64"], { ranks: [0, 3] });
    const axis = s.random.between(-x.shape.length - 1, x.shape.length);
    s.node("ExpandDims", [x, s.param("int32", [], [axis])], {}, MS);
  },
  "com.microsoft:BiasAdd": (s) => {
    const x = s.tensor("float32", [s.dim(3), s.dim(5), s.pick([320, 640, 8])]);
    s.node("BiasAdd", [x, s.tensor("float32", [x.shape[2]!]), s.tensor("float32", x.shape)], {}, MS);
  },
  "com.microsoft:BiasSoftmax": (s) => {
    const [batch, heads, queries, keys] = [s.dim(3), s.dim(3), s.dim(4), s.dim(6)];
    const x = s.tensor("float32", [batch, heads, queries, keys]);
    const inner = s.chance(0.5);
    s.node("BiasSoftmax", [x, s.tensor("float32", inner ? [batch, 1, 1, keys] : [1, 1, queries, keys])], { axis: 3, is_inner_broadcast: inner ? 1 : 0 }, MS); // prettier-ignore
  },
  "com.microsoft:Range": (s) => {
    const dtype = s.pick<DType>(["int64", "float32", "int32"]);
    s.node("Range", [s.strictScalar(dtype, 1), s.strictScalar(dtype, s.random.between(2, 9)), s.strictScalar(dtype, s.pick([1, 2]))], {}, MS); // prettier-ignore
  },
  "com.microsoft:Pad": (s) => {
    const x = s.any(["float32"], { ranks: [1, 3], filled: true });
    const pads = several(2 * x.shape.length, () => s.random.below(3));
    s.node("Pad", [x, s.ints(pads, true), s.chance(0.5) ? s.strictScalar("float32", 1.5) : undefined], { mode: s.maybe("constant", "edge") }, MS); // prettier-ignore
  },
};
