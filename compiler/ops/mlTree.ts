/**
 * Decision trees of ai.onnx.ml: TreeEnsembleRegressor, TreeEnsembleClassifier, TreeEnsemble. In: a call whose
 * attributes hold the trees. Out: a call of the `treeEnsemble` library kernel for the scores, then ordinary
 * operators for the post transform and the label. Invariant: every child, leaf, feature and target that the
 * attributes name exists, or the model is refused, so the kernel walks a sound table. Source: ONNX operator documentation, ai.onnx.ml 5.
 */
import { elementCount, type DType, type Tensor } from "../ir/dtype.ts";
import type { Attribute, ValueId } from "../ir/graph.ts";
import type {
  AttributeLike,
  Expander,
  LibraryArgument,
  LibraryCall,
  OpCall,
  OpDefinition,
} from "./define.ts";
import { typeNumber } from "../ir/dataType.ts";
import { input, integers, libraryCall, libraryCode, output } from "./indexingLibrary.ts";
import { packTrees, type TreeNode } from "./library/index.ts";
import { postTransform } from "./mlTransform.ts";

const DOMAIN = "ai.onnx.ml";
const AGGREGATES = ["AVERAGE", "SUM", "MIN", "MAX"] as const;

/** Trees as the library kernel takes them. */
interface Ensemble {
  readonly nodes: readonly TreeNode[];
  readonly roots: readonly number[];
  readonly leafTargets: readonly number[];
  readonly leafWeights: readonly number[];
}

/** A list of numbers that is an attribute of floats, or of the same name with `_as_tensor`. */
function numbers(call: OpCall, name: string): readonly number[] {
  const wide = call.tensor(`${name}_as_tensor`);
  return wide ? Array.from(wide.data as Iterable<number>, Number) : (call.floats(name) ?? []);
}

// ---------------------------------------------------------------------------------------------------------------
// The older forms: one record for each node, with leaves in lists of their own

const modeWords: Readonly<Record<string, TreeNode["mode"] | "member">> = {
  BRANCH_LEQ: "<=",
  BRANCH_LT: "<",
  BRANCH_GTE: ">=",
  BRANCH_GT: ">",
  BRANCH_EQ: "==",
  BRANCH_NEQ: "!=",
  LEAF: "leaf",
};

/** @param prefix "target" for regressors, "class" for classifiers */
function classicEnsemble(call: OpCall, prefix: "target" | "class"): Ensemble {
  const ints = (name: string): readonly number[] => call.ints(name, []);
  const trees = ints("nodes_treeids");
  const ids = ints("nodes_nodeids");
  const modes = call.strings("nodes_modes") ?? [];
  const thresholds = numbers(call, "nodes_values");
  const features = ints("nodes_featureids");
  const whenTrue = ints("nodes_truenodeids");
  const whenFalse = ints("nodes_falsenodeids");
  const missing = ints("nodes_missing_value_tracks_true");
  const key = (tree: number, node: number): string => `${tree}:${node}`;
  const place = new Map<string, number>(trees.map((tree, i) => [key(tree, ids[i]!), i]));
  const find = (tree: number, node: number): number =>
    place.get(key(tree, node)) ?? call.fail("attribute-invalid", `tree ${tree} has no node ${node}`);

  // Leaf entries, grouped by the leaf they belong to.
  const entries = new Map<number, [target: number, weight: number][]>();
  const leafTrees = ints(`${prefix}_treeids`);
  const leafNodes = ints(`${prefix}_nodeids`);
  const leafIds = ints(`${prefix}_ids`);
  const weights = numbers(call, `${prefix}_weights`);
  leafTrees.forEach((tree, i) => {
    const at = find(tree, leafNodes[i]!);
    const list = entries.get(at);
    if (list) list.push([leafIds[i]!, weights[i]!]);
    else entries.set(at, [[leafIds[i]!, weights[i]!]]);
  });

  const nodes: TreeNode[] = [];
  const leafTargets: number[] = [];
  const leafWeights: number[] = [];
  const children = new Set<number>();
  trees.forEach((tree, i) => {
    const mode = modeWords[modes[i] ?? ""] ?? call.fail("attribute-invalid", `node mode "${modes[i]}"`);
    if (mode === "leaf" || mode === "member") {
      const begin = leafTargets.length;
      for (const [target, weight] of entries.get(i) ?? []) {
        leafTargets.push(target);
        leafWeights.push(weight);
      }
      nodes.push({ mode: "leaf", feature: 0, threshold: 0, whenTrue: begin, whenFalse: leafTargets.length });
      return;
    }
    const [taken, other] = [find(tree, whenTrue[i]!), find(tree, whenFalse[i]!)];
    children.add(taken).add(other);
    nodes.push({
      mode,
      feature: features[i]!,
      threshold: thresholds[i]!,
      whenTrue: taken,
      whenFalse: other,
      missingTracksTrue: missing[i] === 1,
    });
  });
  const roots = nodes.flatMap((_, i) => (children.has(i) ? [] : [i]));
  return { nodes, roots, leafTargets, leafWeights };
}

// ---------------------------------------------------------------------------------------------------------------
// TreeEnsemble: children are nodes or leaves by number

const modeNumbers: readonly TreeNode["mode"][] = ["<=", "<", ">=", ">", "==", "!="];
const MEMBER = 6;

function modernEnsemble(call: OpCall): Ensemble {
  const ints = (name: string): readonly number[] => call.ints(name, []);
  const list = (name: string): number[] => {
    const tensor = call.tensor(name);
    return tensor ? Array.from(tensor.data as Iterable<number | bigint>, Number) : [];
  };
  const features = ints("nodes_featureids");
  const modes = list("nodes_modes");
  const splits = list("nodes_splits");
  const [trueIds, trueLeaves] = [ints("nodes_truenodeids"), ints("nodes_trueleafs")];
  const [falseIds, falseLeaves] = [ints("nodes_falsenodeids"), ints("nodes_falseleafs")];
  const missing = ints("nodes_missing_value_tracks_true");
  const leafTargets = ints("leaf_targetids");
  const leafWeights = list("leaf_weights");
  // Sets of members follow each other in node order, each ended by a NaN.
  const sets: number[][] = [[]];
  for (const value of list("membership_values")) {
    if (Number.isNaN(value)) sets.push([]);
    else sets[sets.length - 1]!.push(value);
  }
  const leaves = features.length;
  const chained = leaves + leafTargets.length;
  const child = (id: number, leaf: number | undefined): number => {
    if (id < 0 || id >= (leaf ? leafTargets.length : leaves))
      call.fail("attribute-invalid", `child ${id} of a tree`);
    return leaf ? leaves + id : id;
  };
  const extra: TreeNode[] = [];
  let nextSet = 0;
  const nodes = features.map((feature, i): TreeNode => {
    const whenTrue = child(trueIds[i]!, trueLeaves[i]);
    const whenFalse = child(falseIds[i]!, falseLeaves[i]);
    const missingTracksTrue = missing[i] === 1;
    if (modes[i] !== MEMBER) {
      const mode = modeNumbers[modes[i]!] ?? call.fail("attribute-invalid", `node mode ${modes[i]}`);
      return { mode, feature, threshold: splits[i]!, whenTrue, whenFalse, missingTracksTrue };
    }
    // Membership is a chain of equalities; the first stands in the node's place, the others go to the end.
    const members = sets[nextSet++] ?? [];
    const last = members.length - 1;
    const link = (threshold: number, at: number): TreeNode => ({
      mode: "==",
      feature,
      threshold,
      whenTrue,
      whenFalse: at >= last ? whenFalse : chained + extra.length + (at === 0 ? 0 : 1),
      missingTracksTrue,
    });
    const first = link(members[0] ?? NaN, 0);
    for (let at = 1; at <= last; at++) extra.push(link(members[at]!, at));
    return first;
  });
  const leafNodes = leafTargets.map((_, i): TreeNode => {
    return { mode: "leaf", feature: 0, threshold: 0, whenTrue: i, whenFalse: i + 1 };
  });
  return { nodes: [...nodes, ...leafNodes, ...extra], roots: ints("tree_roots"), leafTargets, leafWeights };
}

// ---------------------------------------------------------------------------------------------------------------
// Scores

/** Rows and features of X; a vector is one row. */
function samples(call: OpCall): readonly [rows: number, features: number] {
  const { shape } = call.input(0);
  return shape.length === 1 ? [1, shape[0]!] : [shape[0]!, elementCount(shape.slice(1))];
}

/** Classes of a classifier as its scores have them; one where a single score decides between two. */
function scoreColumns(call: OpCall): number {
  switch (call.string("form", "")) {
    case "class":
      return decidedByOne(call) ? 1 : labelCount(call);
    default:
      return call.int("n_targets", 1);
  }
}

function labelCount(call: OpCall): number {
  return (call.ints("classlabels_int64s") ?? call.strings("classlabels_strings") ?? []).length;
}

function decidedByOne(call: OpCall): boolean {
  return labelCount(call) === 2 && new Set(call.ints("class_ids", [])).size === 1;
}

function data(tensor: Tensor): LibraryArgument {
  return { kind: "data", tensor };
}

function treeCall(call: OpCall): LibraryCall {
  const form = call.string("form", "");
  const ensemble =
    form === "modern" ? modernEnsemble(call) : classicEnsemble(call, form === "class" ? "class" : "target");
  const { nodes, roots } = ensemble;
  const refuse = (problem: string): never => call.fail("attribute-invalid", problem);
  const targets = scoreColumns(call);
  const [rows, features] = samples(call);
  const { dtype } = call.input(0);
  const packed = packTrees(nodes, roots, { floats: dtype === "float32", fours: rows >= 4 }, refuse);
  for (const slot of packed.slots) {
    if (!(slot >= 0 && slot >> 1 < features)) refuse(`feature ${slot >> 1} of ${features} in a tree`);
  }
  const leafTargets = packed.entries.map((entry) => {
    const target = targets === 1 ? 0 : ensemble.leafTargets[entry]!;
    return target >= 0 && target < targets ? target : refuse(`target ${target} of ${targets} at a leaf`);
  });
  const bases = numbers(call, "base_values");
  const aggregate =
    form === "modern"
      ? call.int("aggregate_function", 1)
      : AGGREGATES.findIndex((name) => name === call.string("aggregate_function", "SUM"));
  if (aggregate < 0 || aggregate > 3) refuse("aggregate_function");
  const float64 = (values: readonly number[]): LibraryArgument =>
    data({ dtype: "float64", shape: [values.length], data: Float64Array.from(values) });
  const single = packed.leafStarts.every((start, leaf) => start === leaf);
  return libraryCall("treeEnsemble", {
    inputDtype: libraryCode(call, dtype),
    input: input(0),
    rows,
    features,
    outputDtype: typeNumber(call.outputs[0]!.dtype),
    output: output(0),
    targets,
    slots: integers(packed.slots),
    slotCount: packed.slots.length,
    splits: packed.splits.length ? float64(packed.splits) : undefined,
    splitStarts: packed.splits.length ? integers(packed.splitStarts) : undefined,
    trees: integers(packed.trees),
    treeCount: roots.length,
    nodes: data({ dtype: "uint8", shape: [packed.nodes.length], data: packed.nodes }),
    leafStarts: single ? undefined : integers(packed.leafStarts),
    leafTargets: integers(leafTargets),
    leafWeights: float64(packed.entries.map((entry) => ensemble.leafWeights[entry]!)),
    aggregate,
    baseValues: bases.length ? float64(Array.from({ length: targets }, (_, i) => bases[i] ?? 0)) : undefined,
  });
}

const treeScores: OpDefinition = {
  op: "TreeScores",
  domain: "tilewright",
  infer(call) {
    const dtype: DType =
      call.string("form", "") === "modern" && call.input(0).dtype === "float64" ? "float64" : "float32";
    return [{ dtype, shape: [samples(call)[0], scoreColumns(call)] }];
  },
  implementation: { kind: "library", call: treeCall },
};

function scoresOf(call: OpCall, to: Expander, form: "target" | "class" | "modern"): ValueId {
  const attributes: Record<string, Attribute> = Object.fromEntries(call.node.attributes);
  return to.node("tilewright:TreeScores", [call.node.inputs[0]!], { ...attributes, form } as Record<
    string,
    AttributeLike
  >);
}

const TRANSFORMS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"] as const;

const regressor: OpDefinition = {
  op: "TreeEnsembleRegressor",
  domain: DOMAIN,
  implementation: {
    kind: "expand",
    expand: (call, to) => [
      postTransform(call, to, scoresOf(call, to, "target"), call.string("post_transform", "NONE")),
    ],
  },
};

const ensemble: OpDefinition = {
  op: "TreeEnsemble",
  domain: DOMAIN,
  implementation: {
    kind: "expand",
    expand(call, to) {
      const transform =
        TRANSFORMS[call.int("post_transform", 0)] ?? call.fail("attribute-invalid", "post_transform");
      return [postTransform(call, to, scoresOf(call, to, "modern"), transform)];
    },
  },
};

/** The label of each row: of the column `best`, as the classifier names it. */
export function labelsAt(
  call: OpCall,
  to: Expander,
  best: ValueId,
  attribute = "classlabels_int64s",
): ValueId {
  const names = call.strings("classlabels_strings");
  const labels = names?.length
    ? to.constant({ dtype: "string", shape: [names.length], data: names })
    : to.integers(
        call.ints(attribute) ?? call.fail("attribute-invalid", `attribute ${attribute} is missing`),
      );
  return to.node("Gather", [labels, best], { axis: 0 });
}

function expandClassifier(call: OpCall, to: Expander): (ValueId | undefined)[] {
  const scores = scoresOf(call, to, "class");
  const transform = call.string("post_transform", "NONE");
  if (!decidedByOne(call)) {
    const best = to.node("ArgMax", [scores], { axis: 1, keepdims: 0 });
    return [call.wants(0) ? labelsAt(call, to, best) : undefined, postTransform(call, to, scores, transform)];
  }
  // One score decides: a probability where all weights are positive, else a margin. As onnxruntime has it.
  const probability = numbers(call, "class_weights").every((weight) => weight >= 0);
  const threshold = to.scalar("float32", probability ? 0.5 : 0);
  const above = to.node("Greater", [scores, threshold]);
  const best = to.node("Reshape", [to.node("Cast", [above], { to: "int64" }), to.integers([-1])]);
  const other = probability ? to.node("Sub", [to.scalar("float32", 1), scores]) : to.node("Neg", [scores]);
  const both = to.node("Concat", [other, scores], { axis: 1 });
  const shown = !probability && transform === "LOGISTIC" ? to.node("Sigmoid", [both]) : both;
  return [call.wants(0) ? labelsAt(call, to, best) : undefined, shown];
}

const classifier: OpDefinition = {
  op: "TreeEnsembleClassifier",
  domain: DOMAIN,
  implementation: { kind: "expand", expand: (call, to) => expandClassifier(call, to) as readonly ValueId[] },
};

export const mlTreeOps: readonly OpDefinition[] = [treeScores, regressor, classifier, ensemble];
