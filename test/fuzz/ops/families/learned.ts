/**
 * Samples of ai.onnx.ml (trees, linear models, support vectors, encoders, scalers) and of texts. In: a sampler. Out:
 * one operator each. Invariant: as in `elementwise.ts`; trees are complete binary trees of random depth.
 */
import type { DType } from "../../../../runtime/dtype.ts";
import { elementCount } from "../../../../runtime/dtype.ts";
import { tensor as tensorSpec } from "../../../../compiler/frontend/onnx/write.ts";
import type { Sampler } from "../sampler.ts";
import type { SampleTable } from "./elementwise.ts";

const ML = { domain: "ai.onnx.ml" } as const;
const FEATURES: readonly DType[] = ["float32", "float32", "float32", "float64", "int64", "int32"];
const floats = (value: readonly number[]) => ({ kind: "floats" as const, value });
const quarter = (s: Sampler) => (s.random.below(17) - 8) / 4;
const several = (count: number, make: (i: number) => number): number[] => Array.from({ length: count }, (_, i) => make(i)); // prettier-ignore
const TRANSFORMS = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"] as const;

interface Forest {
  readonly trees: number[];
  readonly nodes: number[];
  readonly modes: string[];
  readonly features: number[];
  readonly values: number[];
  readonly yes: number[];
  readonly no: number[];
  readonly missing: number[];
  readonly leaves: (readonly [tree: number, node: number])[];
}

function forest(s: Sampler, features: number, modes: readonly string[]): Forest {
  const made: Forest = { trees: [], nodes: [], modes: [], features: [], values: [], yes: [], no: [], missing: [], leaves: [] }; // prettier-ignore
  const trees = s.random.between(1, 4);
  const uniform = s.chance(0.6) ? s.pick(modes) : undefined;
  for (let tree = 0; tree < trees; tree++) {
    let next = 0;
    const grow = (depth: number): number => {
      const id = next++;
      const at = made.trees.length;
      const leaf = depth === 0 || s.chance(0.2);
      made.trees.push(tree);
      made.nodes.push(id);
      made.modes.push(leaf ? "LEAF" : (uniform ?? s.pick(modes)));
      made.features.push(leaf ? 0 : s.random.below(features));
      made.values.push(leaf ? 0 : quarter(s));
      made.missing.push(leaf ? 0 : s.random.below(2));
      made.yes.push(0);
      made.no.push(0);
      if (leaf) made.leaves.push([tree, id]);
      else {
        made.yes[at] = grow(depth - 1);
        made.no[at] = grow(depth - 1);
      }
      return id;
    };
    grow(s.random.between(0, 4));
  }
  return made;
}

function treeAttributes(forestOf: Forest) {
  return {
    nodes_treeids: forestOf.trees,
    nodes_nodeids: forestOf.nodes,
    nodes_modes: forestOf.modes,
    nodes_featureids: forestOf.features,
    nodes_values: floats(forestOf.values),
    nodes_truenodeids: forestOf.yes,
    nodes_falsenodeids: forestOf.no,
    nodes_missing_value_tracks_true: forestOf.missing,
  };
}

const BRANCHES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];

function regressor(s: Sampler): void {
  const features = s.dim(6);
  const x = s.any(["float32", "float32", "float64", "int64"], { shape: [s.dim(9), features] });
  const made = forest(s, features, BRANCHES);
  const targets = s.pick([1, 1, 2, 3]);
  const leaves = made.leaves.flatMap((leaf) => (s.chance(0.2) && targets > 1 ? [0, 1] : [s.random.below(targets)]).map((target) => ({ leaf, target }))); // prettier-ignore
  s.node("TreeEnsembleRegressor", [x], {
    ...treeAttributes(made),
    target_treeids: leaves.map(({ leaf }) => leaf[0]),
    target_nodeids: leaves.map(({ leaf }) => leaf[1]),
    target_ids: leaves.map(({ target }) => target),
    target_weights: floats(leaves.map(() => quarter(s))),
    n_targets: targets,
    aggregate_function: s.maybe("SUM", "AVERAGE", "MIN", "MAX"),
    base_values: s.chance(0.3) ? floats(several(targets, () => quarter(s))) : undefined,
    post_transform: s.maybe("NONE", ...(targets > 1 ? TRANSFORMS : ["LOGISTIC"])),
  }, ML); // prettier-ignore
}

function classifier(s: Sampler): void {
  const features = s.dim(6);
  const x = s.any(["float32", "float32", "float64", "int64"], { shape: [s.dim(9), features] });
  const made = forest(s, features, BRANCHES);
  const classes = s.pick([2, 3, 4]);
  const one = classes === 2 && s.chance(0.5);
  const strings = s.chance(0.3);
  const positive = s.chance(0.7);
  s.node("TreeEnsembleClassifier", [x], {
    ...treeAttributes(made),
    class_treeids: made.leaves.map(([tree]) => tree),
    class_nodeids: made.leaves.map(([, node]) => node),
    class_ids: made.leaves.map(() => (one ? 0 : s.random.below(classes))),
    class_weights: floats(made.leaves.map(() => (positive ? 0.25 + Math.abs(quarter(s)) : quarter(s)))),
    ...(strings ? { classlabels_strings: several(classes, (i) => i).map((i) => `label ${i}`) } : { classlabels_int64s: several(classes, (i) => 10 * i - 5) }),
    post_transform: s.maybe(...TRANSFORMS),
  }, { ...ML, outputs: 2 }); // prettier-ignore
}

function ensemble(s: Sampler): void {
  const features = s.dim(5);
  const dtype = s.pick<DType>(["float32", "float64"]);
  const x = s.any([dtype], { shape: [s.dim(9), features] });
  const trees = s.random.between(1, 3);
  const roots: number[] = [];
  const nodes: { mode: number; feature: number; split: number; yes: number; yesLeaf: number; no: number; noLeaf: number; missing: number }[] = []; // prettier-ignore
  const leaves: { target: number; weight: number }[] = [];
  const targets = s.pick([1, 2]);
  const leaf = (): number => leaves.push({ target: s.random.below(targets), weight: quarter(s) }) - 1;
  const grow = (depth: number): number => {
    const at = nodes.push({ mode: s.random.below(6), feature: s.random.below(features), split: quarter(s), yes: 0, yesLeaf: 1, no: 0, noLeaf: 1, missing: s.random.below(2) }) - 1; // prettier-ignore
    const node = nodes[at]!;
    const more = depth > 1 && s.chance(0.7);
    node.yesLeaf = more ? 0 : 1;
    node.yes = more ? grow(depth - 1) : leaf();
    const also = depth > 1 && s.chance(0.7);
    node.noLeaf = also ? 0 : 1;
    node.no = also ? grow(depth - 1) : leaf();
    return at;
  };
  for (let i = 0; i < trees; i++) roots.push(grow(s.random.between(1, 3)));
  const value = (list: readonly number[]) => tensorSpec(dtype as "float32", [list.length], list);
  s.node("TreeEnsemble", [x], {
    n_targets: targets,
    aggregate_function: s.maybe(0, 1, 2, 3),
    post_transform: s.maybe(0, 2),
    tree_roots: roots,
    nodes_featureids: nodes.map(({ feature }) => feature),
    nodes_modes: tensorSpec("uint8", [nodes.length], nodes.map(({ mode }) => mode)),
    nodes_splits: value(nodes.map(({ split }) => split)),
    nodes_truenodeids: nodes.map(({ yes }) => yes),
    nodes_trueleafs: nodes.map(({ yesLeaf }) => yesLeaf),
    nodes_falsenodeids: nodes.map(({ no }) => no),
    nodes_falseleafs: nodes.map(({ noLeaf }) => noLeaf),
    nodes_missing_value_tracks_true: s.chance(0.5) ? nodes.map(({ missing }) => missing) : undefined,
    leaf_targetids: leaves.map(({ target }) => target),
    leaf_weights: value(leaves.map(({ weight }) => weight)),
  }, ML); // prettier-ignore
}

function labelEncoder(s: Sampler): void {
  const from = s.pick(["int64s", "strings", "floats"]);
  const to = s.pick(["int64s", "strings", "floats"]);
  const count = s.random.between(1, 5);
  const keysOf = (kind: string, shift: number) =>
    kind === "strings" ? several(count, (i) => i).map((i) => ["a", "b", "abc", "1", ""][(i + shift) % 5]!) : kind === "floats" ? floats(several(count, (i) => i / 2 - 1 + shift)) : several(count, (i) => i - 2 + shift); // prettier-ignore
  s.decline(from === to && from !== "strings" && s.opset < 1);
  const x = s.tensor(
    from === "strings" ? "string" : from === "floats" ? "float32" : "int64",
    s.shape(1, 3, 40),
  );
  const otherwise = to === "strings" ? { default_string: s.maybe("none") } : to === "floats" ? { default_float: s.maybe({ kind: "float" as const, value: -7 }) } : { default_int64: s.maybe(-9) }; // prettier-ignore
  s.node("LabelEncoder", [x], { [`keys_${from}`]: keysOf(from, 0), [`values_${to}`]: keysOf(to, 1), ...otherwise }, ML); // prettier-ignore
}

export const learnedSamples: SampleTable = {
  "ai.onnx.ml:TreeEnsembleRegressor": regressor,
  "ai.onnx.ml:TreeEnsembleClassifier": classifier,
  "ai.onnx.ml:TreeEnsemble": ensemble,
  "ai.onnx.ml:LinearRegressor": (s) => {
    const [features, targets] = [s.dim(7), s.dim(3)];
    const x = s.any(FEATURES, { shape: [s.dim(9), features] });
    s.node("LinearRegressor", [x], { coefficients: floats(several(features * targets, () => quarter(s))), intercepts: s.chance(0.6) ? floats(several(targets, () => quarter(s))) : undefined, targets, post_transform: s.maybe("NONE", "LOGISTIC", "SOFTMAX") }, ML); // prettier-ignore
  },
  "ai.onnx.ml:LinearClassifier": (s) => {
    const [features, classes] = [s.dim(7), s.pick([2, 3, 4])];
    const x = s.any(FEATURES, { shape: [s.dim(9), features] });
    const one = classes === 2 && s.chance(0.4);
    const rows = one ? 1 : classes;
    const labels = s.chance(0.3) ? { classlabels_strings: several(classes, (i) => i).map((i) => `c${i}`) } : { classlabels_ints: several(classes, (i) => i * 3) }; // prettier-ignore
    s.node("LinearClassifier", [x], { coefficients: floats(several(features * rows, () => quarter(s))), intercepts: floats(several(rows, () => quarter(s))), post_transform: one ? s.maybe("NONE", "LOGISTIC") : s.maybe(...TRANSFORMS), ...labels }, { ...ML, outputs: 2 }); // prettier-ignore
  },
  "ai.onnx.ml:SVMRegressor": (s) => {
    const [features, supports] = [s.dim(5), s.dim(6)];
    const x = s.any(["float32"], { shape: [s.dim(7), features] });
    s.node("SVMRegressor", [x], { kernel_type: s.pick(["LINEAR", "POLY", "RBF", "SIGMOID"]), kernel_params: floats([0.5, 0.25, 2]), coefficients: floats(several(supports, () => quarter(s))), support_vectors: floats(several(supports * features, () => quarter(s))), n_supports: supports, rho: floats([quarter(s)]), one_class: s.maybe(0, 1) }, ML); // prettier-ignore
  },
  "ai.onnx.ml:Scaler": (s) => {
    const features = s.dim(7);
    const x = s.any(FEATURES, { shape: [s.dim(9), features] });
    const one = s.chance(0.3);
    s.node("Scaler", [x], { offset: floats(several(one ? 1 : features, () => quarter(s))), scale: floats(several(one ? 1 : features, () => quarter(s))) }, ML); // prettier-ignore
  },
  "ai.onnx.ml:Normalizer": (s) => {
    const x = s.any(FEATURES, { ranks: [1, 2], filled: true });
    s.node("Normalizer", [x], { norm: s.pick(["MAX", "L1", "L2"]) }, ML);
  },
  "ai.onnx.ml:Binarizer": (s) =>
    void s.node("Binarizer", [s.any(FEATURES)], { threshold: s.maybe(0.5, 0, 1) }, ML),
  "ai.onnx.ml:Imputer": (s) => {
    const features = s.dim(5);
    const integer = s.chance(0.3);
    const x = s.any(integer ? ["int64"] : ["float32", "float64"], { shape: [s.dim(7), features] });
    const count = s.chance(0.5) ? 1 : features;
    const values = integer ? { imputed_value_int64s: several(count, (i) => i + 5), replaced_value_int64: 1 } : { imputed_value_floats: floats(several(count, (i) => i + 0.5)), replaced_value_float: s.pick([1, NaN, 0]) }; // prettier-ignore
    s.node("Imputer", [x], values, ML);
  },
  "ai.onnx.ml:OneHotEncoder": (s) => {
    const strings = s.chance(0.3);
    const x = strings ? s.tensor("string", s.shape(1, 2, 20)) : s.range(s.pick<DType>(["int64", "float32", "int32"]), s.shape(1, 2, 20), 0, 3); // prettier-ignore
    s.node("OneHotEncoder", [x], { ...(strings ? { cats_strings: ["a", "b", "abc"] } : { cats_int64s: [0, 1, 2, 3] }), zeros: s.maybe(1) }, ML); // prettier-ignore
  },
  "ai.onnx.ml:ArrayFeatureExtractor": (s) => {
    const x = s.any(["float32", "int64", "float64"], { ranks: [1, 3], filled: true });
    s.node("ArrayFeatureExtractor", [x, s.range("int64", [s.dim(5)], 0, x.shape.at(-1)! - 1)], {}, ML);
  },
  "ai.onnx.ml:FeatureVectorizer": (s) => {
    const rows = s.dim(5);
    const parts = Array.from({ length: s.random.between(1, 3) }, () => s.any(["float32"], { shape: [rows, s.dim(4)] })); // prettier-ignore
    s.node("FeatureVectorizer", parts, { inputdimensions: parts.map(({ shape }) => shape[1]!) }, ML);
  },
  "ai.onnx.ml:LabelEncoder": labelEncoder,
  "ai.onnx.ml:CategoryMapper": (s) => {
    const backwards = s.chance(0.4);
    const x = backwards ? s.range("int64", s.shape(1, 2, 20), 0, 4) : s.tensor("string", s.shape(1, 2, 20));
    s.node("CategoryMapper", [x], { cats_int64s: [0, 1, 2], cats_strings: ["a", "b", "abc"], default_int64: s.maybe(-7), default_string: s.maybe("none") }, ML); // prettier-ignore
  },
  StringConcat: (s) => {
    s.since(20);
    const x = s.tensor("string", s.shape(0, 3, 30));
    s.node("StringConcat", [x, s.tensor("string", s.partner(x.shape))]);
  },
  StringNormalizer: (s) => {
    s.since(10);
    const x = s.tensor("string", s.chance(0.7) ? [s.dim(7)] : [1, s.dim(7)]);
    s.node("StringNormalizer", [x], { case_change_action: s.maybe("LOWER", "UPPER", "NONE"), is_case_sensitive: s.maybe(0, 1), stopwords: s.chance(0.5) ? ["a", "Abc"] : undefined }); // prettier-ignore
  },
  StringSplit: (s) => {
    s.since(20);
    const x = s.tensor("string", s.shape(1, 2, 20));
    s.node("StringSplit", [x], { delimiter: s.maybe("b", " ", ""), maxsplit: s.maybe(1) }, { outputs: 2 });
  },
  RegexFullMatch: (s) => {
    s.since(20);
    s.node("RegexFullMatch", [s.tensor("string", s.shape(1, 2, 20))], { pattern: s.pick(["[a-z]+", "a.*", "-?[0-9.]+", "(a|b)c?"]) }); // prettier-ignore
  },
  TfIdfVectorizer: (s) => {
    s.since(9);
    const strings = s.chance(0.3);
    const shape = s.chance(0.5) ? [s.dim(9)] : [s.dim(3), s.dim(9)];
    const x = strings ? s.tensor("string", shape) : s.range(s.pick<DType>(["int64", "int32"]), shape, 0, 4);
    const longest = s.pick([1, 2]);
    const single = strings ? ["a", "b", "abc"] : [0, 1, 3];
    const pairs = strings ? ["a", "b", "b", "b"] : [0, 1, 1, 1];
    const pool = longest === 2 ? [...single, ...pairs] : single;
    const grams = 3 + (longest === 2 ? 2 : 0);
    s.node("TfIdfVectorizer", [x], { min_gram_length: longest === 2 ? s.pick([1, 2]) : 1, max_gram_length: longest, max_skip_count: s.pick([0, 1, 2]), mode: s.pick(["TF", "IDF", "TFIDF"]), ngram_counts: longest === 2 ? [0, 3] : [0], ngram_indexes: s.random.shuffled(several(grams, (i) => i)), ...(strings ? { pool_strings: pool as string[] } : { pool_int64s: pool as number[] }), weights: s.chance(0.5) ? floats(several(grams, (i) => 0.5 + i)) : undefined }); // prettier-ignore
  },
};

export { elementCount };
