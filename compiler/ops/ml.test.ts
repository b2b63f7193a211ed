/** Operators of ai.onnx.ml, losses, optimizers and com.microsoft on small cases worked out by hand. */
import { describe, expect, it } from "vitest";
import { counting, runOperator, tensor } from "../../test/operator.ts";
import { CompileError } from "../diagnostic.ts";
import type { Tensor } from "../ir/dtype.ts";

const values = (t: Tensor): number[] => Array.from(t.data as Iterable<number>, Number);

function expectClose(got: Tensor, want: readonly number[]): void {
  const numbers = values(got);
  expect(numbers.length).toBe(want.length);
  numbers.forEach((value, i) => expect(value).toBeCloseTo(want[i]!, 4));
}

describe("tree ensembles", () => {
  /** Tree 0: x0 <= 2 ? leaf 1 : (x1 < 0 ? leaf 3 : leaf 4); tree 1: one leaf. */
  const trees = {
    nodes_treeids: [0, 0, 0, 0, 0, 1],
    nodes_nodeids: [0, 1, 2, 3, 4, 0],
    nodes_modes: ["BRANCH_LEQ", "LEAF", "BRANCH_LT", "LEAF", "LEAF", "LEAF"],
    nodes_featureids: [0, 0, 1, 0, 0, 0],
    nodes_values: { floats: [2, 0, 0, 0, 0, 0] },
    nodes_truenodeids: [1, 0, 3, 0, 0, 0],
    nodes_falsenodeids: [2, 0, 4, 0, 0, 0],
  };
  const x = tensor("float32", [3, 2], [2, 0, 3, -1, 3, 0]);

  it("regress by sums and averages", () => {
    const targets = {
      target_treeids: [0, 0, 0, 1],
      target_nodeids: [1, 3, 4, 0],
      target_ids: [0, 0, 0, 0],
      target_weights: { floats: [1, 2, 3, 10] },
      n_targets: 1,
      base_values: { floats: [0.5] },
    };
    const run = (attributes: object): Tensor =>
      runOperator({
        op: "ai.onnx.ml:TreeEnsembleRegressor",
        inputs: [x],
        attributes: { ...trees, ...targets, ...attributes },
      })[0]!;
    expect(values(run({}))).toEqual([11.5, 12.5, 13.5]);
    expect(values(run({ aggregate_function: "AVERAGE" }))).toEqual([6, 6.5, 7]);
    expectClose(run({ post_transform: "LOGISTIC", base_values: { floats: [-11] } }), [0.5, 0.73106, 0.8808]);
  });

  const classes = { class_treeids: [0, 0, 0], class_nodeids: [1, 3, 4], classlabels_int64s: [7, 9] };

  it("classify by the highest score", () => {
    const [label, scores] = runOperator({
      op: "ai.onnx.ml:TreeEnsembleClassifier",
      inputs: [x],
      attributes: { ...trees, ...classes, class_ids: [0, 1, 1], class_weights: { floats: [1, 2, 3] } },
      outputs: 2,
    });
    expect(values(label!)).toEqual([7, 9, 9]);
    expect(values(scores!)).toEqual([1, 0, 0, 2, 0, 3]);
  });

  it("classify in two by one score", () => {
    const run = (weights: number[], more = {}): Tensor[] =>
      runOperator({
        op: "ai.onnx.ml:TreeEnsembleClassifier",
        inputs: [x],
        attributes: {
          ...trees,
          ...classes,
          class_ids: [1, 1, 1],
          class_weights: { floats: weights },
          ...more,
        },
        outputs: 2,
      });
    const [label, scores] = run([0.25, 0.75, 1]);
    expect(values(label!)).toEqual([7, 9, 9]);
    expect(values(scores!)).toEqual([0.75, 0.25, 0.25, 0.75, 0, 1]);
    const [signed, margins] = run([-1, 1, 2], { post_transform: "LOGISTIC" });
    expect(values(signed!)).toEqual([7, 9, 9]);
    expectClose(margins!, [0.73106, 0.26894, 0.26894, 0.73106, 0.1192, 0.8808]);
  });

  it("refuses children that do not exist", () => {
    const attributes = { ...trees, ...classes, class_ids: [0, 1, 1], nodes_truenodeids: [9, 0, 3, 0, 0, 0] };
    const use = { op: "ai.onnx.ml:TreeEnsembleClassifier", inputs: [x], outputs: 2 };
    expect(() => runOperator({ ...use, attributes })).toThrow(CompileError);
  });

  it("refuses features and classes that do not exist", () => {
    const attributes = { ...trees, ...classes, class_ids: [0, 1, 1], class_weights: { floats: [1, 2, 3] } };
    const use = { op: "ai.onnx.ml:TreeEnsembleClassifier", inputs: [x], outputs: 2 };
    const run = (more: object) => () => runOperator({ ...use, attributes: { ...attributes, ...more } });
    expect(run({})).not.toThrow();
    expect(run({ nodes_featureids: [0, 0, 2, 0, 0, 0] })).toThrow(/feature 2 of 2/);
    expect(run({ class_ids: [0, 1, 2] })).toThrow(/target 2 of 2/);
  });
});

describe("linear models and features", () => {
  const run = (
    op: string,
    inputs: Tensor[],
    attributes: Record<string, never> | object,
    outputs = 1,
  ): Tensor[] => runOperator({ op: `ai.onnx.ml:${op}`, inputs, attributes: { ...attributes }, outputs });
  const x = tensor("float32", [2, 2], [1, 2, -3, 1]);

  it("LinearRegressor and LinearClassifier", () => {
    const model = { coefficients: { floats: [1, 1, 2, -1] }, intercepts: { floats: [0, 1] }, targets: 2 };
    expect(values(run("LinearRegressor", [x], model)[0]!)).toEqual([3, 1, -2, -6]);
    const labels = { classlabels_ints: [4, 5] };
    expect(values(run("LinearClassifier", [x], { ...model, ...labels }, 2)[0]!)).toEqual([4, 4]);
    const single = {
      coefficients: { floats: [1, 1] },
      intercepts: { floats: [0] },
      post_transform: "LOGISTIC",
    };
    const [label, scores] = run("LinearClassifier", [x], { ...single, ...labels }, 2);
    expect(values(label!)).toEqual([5, 4]);
    expectClose(scores!, [0.04743, 0.95257, 0.8808, 0.1192]);
    // Next to nothing is left to 1: as much as a float32 can tell of it, and not of 1.
    const sure = run(
      "LinearClassifier",
      [tensor("float32", [1, 2], [10, 10])],
      { ...single, ...labels },
      2,
    )[1]!;
    expect(values(sure)[0]! / (1 / (1 + Math.exp(20)))).toBeCloseTo(1, 5);
  });

  it("SVMRegressor sums kernels of the distance to its support vectors", () => {
    const model = {
      support_vectors: { floats: [1, 2, 0, 0] },
      coefficients: { floats: [2, -1] },
      rho: { floats: [0.5] },
      n_supports: 2,
      kernel_params: { floats: [0.1, 1, 2] },
    };
    const near = (squares: readonly number[]): number[] => squares.map((square) => Math.exp(-0.1 * square));
    const [a, b, c, d] = near([0, 5, 17, 10]) as [number, number, number, number];
    const rbf = run("SVMRegressor", [x], { ...model, kernel_type: "RBF" })[0]!;
    expectClose(rbf, [2 * a - b + 0.5, 2 * c - d + 0.5]);
    const poly = run("SVMRegressor", [x], { ...model, kernel_type: "POLY" })[0]!;
    expectClose(poly, [2 * 1.5 ** 2 - 1 + 0.5, 2 * 0.9 ** 2 - 1 + 0.5]);
    const side = run("SVMRegressor", [x], { ...model, kernel_type: "RBF", one_class: 1 })[0]!;
    expect(values(side)).toEqual([1, 1]);
  });

  it("Scaler, Normalizer, Imputer, FeatureVectorizer, OneHotEncoder", () => {
    const scaled = run("Scaler", [x], { offset: { floats: [1, 0] }, scale: { floats: [2, 3] } })[0]!;
    expect(values(scaled)).toEqual([0, 6, -8, 3]);
    const zero = tensor("float32", [2, 2], [3, 4, 0, 0]);
    expectClose(run("Normalizer", [zero], { norm: "L2" })[0]!, [0.6, 0.8, 0, 0]);
    const holes = tensor("float32", [2, 2], [NaN, 1, 2, NaN]);
    const imputed = { imputed_value_floats: { floats: [8, 9] }, replaced_value_float: { float: NaN } };
    expect(values(run("Imputer", [holes], imputed)[0]!)).toEqual([8, 1, 2, 9]);
    const [joined] = run("FeatureVectorizer", [x, tensor("int64", [2, 1], [5, 6])], {});
    expect(values(joined!)).toEqual([1, 2, 5, -3, 1, 6]);
    const [hot] = run("OneHotEncoder", [tensor("int64", [2], [3, 5])], { cats_int64s: [5, 3] });
    expect(values(hot!)).toEqual([0, 1, 1, 0]);
  });

  it("LabelEncoder maps numbers, and the rest to its default", () => {
    const table = {
      keys_int64s: [1, 2],
      values_floats: { floats: [0.5, 0.25] },
      default_float: { float: 9 },
    };
    expect(values(run("LabelEncoder", [tensor("int64", [3], [2, 1, 7])], table)[0]!)).toEqual([0.25, 0.5, 9]);
    expect(() => run("LabelEncoder", [x], { keys_strings: ["a"], values_int64s: [1] })).toThrow(CompileError);
  });
});

describe("losses", () => {
  const scores = tensor("float32", [3, 2], [-1, -2, -3, -4, -5, -6]);
  const targets = tensor("int64", [3], [0, 1, -1]);
  const weights = tensor("float32", [2], [1, 3]);
  const run = (attributes: Record<string, number | string>, inputs = [scores, targets, weights]): number[] =>
    values(runOperator({ op: "NegativeLogLikelihoodLoss", inputs, attributes })[0]!);

  it("weigh, ignore and reduce", () => {
    expect(run({ reduction: "none", ignore_index: -1 })).toEqual([1, 12, 0]);
    expect(run({ reduction: "sum", ignore_index: -1 })).toEqual([13]);
    expect(run({ ignore_index: -1 })).toEqual([13 / 4]);
  });

  it("SoftmaxCrossEntropyLoss gives the log probabilities too", () => {
    const even = tensor("float32", [1, 2, 2], [0, 0, 0, 0]);
    const labels = tensor("int32", [1, 2], [0, 1]);
    const [loss, logarithms] = runOperator({
      op: "SoftmaxCrossEntropyLoss",
      inputs: [even, labels],
      outputs: 2,
    });
    expectClose(loss!, [Math.log(2)]);
    expectClose(logarithms!, new Array(4).fill(-Math.log(2)));
  });
});

it("optimizers move every tensor by its own state", () => {
  const one = (value: number): Tensor => tensor("float32", [1], [value]);
  const inputs = [one(0.1), tensor("int64", [], [1]), one(1), one(2), one(0.5), one(-0.5), one(0), one(0)];
  const [x, z, v, w] = runOperator({
    op: "ai.onnx.preview.training:Momentum",
    inputs,
    attributes: {
      alpha: { float: 0.9 },
      beta: { float: 1 },
      mode: "standard",
      norm_coefficient: { float: 0 },
    },
    outputs: 4,
  });
  expectClose(x!, [0.95]);
  expectClose(z!, [2.05]);
  expectClose(v!, [0.5]);
  expectClose(w!, [-0.5]);
});

describe("com.microsoft", () => {
  it("FusedMatMul transposes and scales", () => {
    const attributes = { transB: 1, alpha: { float: 2 } };
    const [y] = runOperator({
      op: "com.microsoft:FusedMatMul",
      inputs: [counting([1, 2]), counting([2, 2])],
      attributes,
    });
    expect(values(y!)).toEqual([10, 22]);
  });

  it("FusedConv adds and activates", () => {
    const [y] = runOperator({
      op: "com.microsoft:FusedConv",
      inputs: [
        counting([1, 1, 2]),
        tensor("float32", [1, 1, 1], [-1]),
        undefined,
        tensor("float32", [1, 1, 2], [3, 1]),
      ],
      attributes: { activation: "Relu" },
    });
    expect(values(y!)).toEqual([2, 0]);
  });

  it("SkipLayerNormalization shows the sum", () => {
    const inputs = [counting([1, 2]), counting([1, 2]), tensor("float32", [2], [1, 1])];
    const [y, , , total] = runOperator({ op: "com.microsoft:SkipLayerNormalization", inputs, outputs: 4 });
    expectClose(y!, [-1, 1]);
    expect(values(total!)).toEqual([2, 4]);
  });
});
