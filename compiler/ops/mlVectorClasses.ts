/**
 * SVMClassifier of ai.onnx.ml. In: a call whose attributes hold support vectors by class, coefficients and perhaps the
 * sigmoids of its probabilities. Out: votes of all pairs of classes, then labels and scores. Invariant: the same
 * scores in the same order as onnxruntime; probabilities are coupled by its iteration (at most a hundred rounds, and
 * none after the residual is small).
 * Source: ONNX operator documentation, ai.onnx.ml SVMClassifier; T.-F. Wu, C.-J. Lin, R. Weng, "Probability estimates
 * for multi-class classification by pairwise coupling", algorithm 2.
 */
import { add, constant, div, ge, int, lt, mul, neg, select, sub, unary, type Expr } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import type { Block } from "../ir/kernel.ts";
import {
  axesOver,
  coordinates,
  KernelWriter,
  type Expander,
  type OpCall,
  type OpDefinition,
} from "./define.ts";
import { postTransform } from "./mlTransform.ts";
import { labelsAt } from "./mlTree.ts";

const DOMAIN = "ai.onnx.ml";

/** Values of the support vectors' kernel by row and vector, or the rows themselves without such vectors. */
function kernelValues(call: OpCall, to: Expander, vectors: readonly number[], count: number): ValueId {
  const { dtype, shape } = call.input(0);
  const features = shape[shape.length - 1]!;
  const input = call.node.inputs[0]!;
  const typed = dtype === "float32" ? input : to.node("Cast", [input], { to: "float32" });
  const rows = shape.length === 2 ? typed : to.node("Reshape", [typed, to.integers([-1, features])]);
  if (vectors.length !== count * features)
    call.fail("attribute-invalid", `${vectors.length} numbers for ${count} vectors of ${features} features`);
  const matrix = { dtype: "float32", shape: [count, features], data: Float32Array.from(vectors) } as const;
  return to.node("tilewright:KernelMatrix", [rows, to.constant(matrix)], {
    kernel_type: call.string("kernel_type", "LINEAR"),
    kernel_params: { floats: call.floats("kernel_params") ?? [] },
  });
}

/** Most rounds of the coupling. */
const ROUNDS = 100;

/** Class probabilities from those of each pair: [rows, pairs] to [rows, classes]; pairs in order (0,1), (0,2), ... */
const coupling: OpDefinition = {
  op: "PairwiseCoupling",
  domain: "tilewright",
  infer: (call) => [{ dtype: "float32", shape: [call.input(0).shape[0]!, call.int("classes", 2)] }],
  implementation: {
    kind: "compute",
    build(call) {
      const rows = call.input(0).shape[0]!;
      const classes = call.int("classes", 2);
      const vector = { dtype: "float32", shape: [rows, classes] } as const;
      const scalar = { dtype: "float32", shape: [rows] } as const;
      const writer = new KernelWriter(call, [
        { name: "p", ...vector },
        { name: "qp", ...vector },
        { name: "total", ...scalar },
        { name: "active", ...scalar },
        { name: "step", ...scalar },
      ]);
      const [p, qp, total, active, step] = ["p", "qp", "total", "active", "step"].map((name) => writer.temp(name)) as [number, number, number, number, number]; // prettier-ignore
      const real = (value: number): Expr => constant("f32", value);
      let count = 0;
      const fresh = (shape: readonly number[]) => axesOver(shape, `a${count++}_`);
      /** The probability of class i against class j, at a row. */
      const pair = (n: Expr, i: number, j: number): Expr => {
        const [low, high] = i < j ? [i, j] : [j, i];
        const position = low * classes - (low * (low + 1)) / 2 + high - low - 1;
        const value = writer.load(0, [n, int(position)]);
        return i < j ? value : sub(real(1), value);
      };
      const quadratic = (n: Expr, t: number, j: number): Expr => {
        if (t !== j) return neg(mul(pair(n, j, t), pair(n, t, j)));
        const others = Array.from({ length: classes }, (_, k) => k).filter((k) => k !== t);
        return others.map((k) => mul(pair(n, k, t), pair(n, k, t))).reduce((a, b) => add(a, b));
      };
      const all = Array.from({ length: classes }, (_, t) => t);
      /** A block that stores one number for each row. */
      const perRow = (buffer: number, at: (n: Expr) => readonly Expr[], value: (n: Expr) => Expr): Block => {
        const axes = fresh([rows]);
        const [n] = coordinates(axes) as [Expr];
        return writer.assign(buffer, axes, at(n), value(n));
      };
      const start = fresh([rows, classes]);
      writer.push(writer.assign(p, start, coordinates(start), real(1 / classes)));
      const round: Block[] = [];
      for (const t of all) {
        const row = (n: Expr): Expr => all.map((j) => mul(quadratic(n, t, j), writer.loadFrom(p, [n, int(j)]))).reduce((a, b) => add(a, b)); // prettier-ignore
        round.push(perRow(qp, (n) => [n, int(t)], row));
      }
      const sum = (value: (n: Expr, t: number) => Expr) => (n: Expr): Expr => all.map((t) => value(n, t)).reduce((a, b) => add(a, b)); // prettier-ignore
      round.push(perRow(total, (n) => [n], sum((n, t) => mul(writer.loadFrom(p, [n, int(t)]), writer.loadFrom(qp, [n, int(t)]))))); // prettier-ignore
      const isFar = (n: Expr): Expr =>
        all
          .map((t) =>
            ge(
              unary("abs", sub(writer.loadFrom(qp, [n, int(t)]), writer.loadFrom(total, [n]))),
              real(0.005 / classes),
            ),
          ) // prettier-ignore
          .map((far) => select(far, real(1), real(0)))
          .reduce((a, b) => add(a, b));
      round.push(perRow(active, (n) => [n], isFar));
      for (const t of all) {
        const own = (n: Expr): Expr => quadratic(n, t, t);
        const residual = (n: Expr): Expr =>
          sub(writer.loadFrom(total, [n]), writer.loadFrom(qp, [n, int(t)]));
        const moves = (n: Expr): Expr => lt(real(0), writer.loadFrom(active, [n]));
        round.push(perRow(step, (n) => [n], (n) => select(moves(n), div(residual(n), own(n)), real(0)))); // prettier-ignore
        const by = (n: Expr): Expr => writer.loadFrom(step, [n]);
        const grown = (n: Expr): Expr => add(real(1), by(n));
        round.push(
          perRow(total, (n) => [n], (n) => {
            const twice = mul(real(2), writer.loadFrom(qp, [n, int(t)]));
            const more = mul(by(n), add(mul(by(n), own(n)), twice));
            return div(div(add(writer.loadFrom(total, [n]), more), grown(n)), grown(n));
          }),
        ); // prettier-ignore
        for (const j of all) {
          round.push(perRow(qp, (n) => [n, int(j)], (n) => div(add(writer.loadFrom(qp, [n, int(j)]), mul(by(n), quadratic(n, t, j))), grown(n)))); // prettier-ignore
          const before = (n: Expr): Expr => writer.loadFrom(p, [n, int(j)]);
          round.push(perRow(p, (n) => [n, int(j)], (n) => div(j === t ? add(before(n), by(n)) : before(n), grown(n)))); // prettier-ignore
        }
      }
      writer.push({ kind: "loop", axis: { name: "round", extent: ROUNDS }, carried: true, body: round });
      const result = fresh([rows, classes]);
      const index = coordinates(result);
      return writer.store(0, result, index, writer.loadFrom(p, index)).done();
    },
  },
};

/** Decision values of all pairs: [rows, pairs]. Each class's vectors have one coefficient for each other class. */
function decisions(call: OpCall, to: Expander, perClass: readonly number[], rho: readonly number[]): ValueId {
  const total = perClass.reduce((sum, count) => sum + count, 0);
  const classes = perClass.length;
  const coefficients = call.floats("coefficients") ?? [];
  if (coefficients.length !== total * (classes - 1))
    call.fail("attribute-invalid", `${coefficients.length} coefficients for ${total} vectors of ${classes} classes`); // prettier-ignore
  const starts = perClass.map((_, c) => perClass.slice(0, c).reduce((sum, count) => sum + count, 0));
  const pairs: (readonly [number, number])[] = [];
  for (let i = 0; i < classes; i++) for (let j = i + 1; j < classes; j++) pairs.push([i, j]);
  const weights = new Float32Array(total * pairs.length);
  pairs.forEach(([i, j], column) => {
    for (const [own, row] of [
      [i, j - 1],
      [j, i],
    ] as const)
      // prettier-ignore
      for (let v = starts[own]!; v < starts[own]! + perClass[own]!; v++)
        weights[v * pairs.length + column] = coefficients[row * total + v]!;
  });
  const values = kernelValues(call, to, call.floats("support_vectors") ?? [], total);
  const matrix = to.constant({ dtype: "float32", shape: [total, pairs.length], data: weights });
  const bias = Float32Array.from(pairs, (_, k) => rho[k] ?? 0);
  return to.node("Gemm", [
    values,
    matrix,
    to.constant({ dtype: "float32", shape: [pairs.length], data: bias }),
  ]);
}

/** How many pairs each class wins: [rows, classes]. */
function votes(to: Expander, scores: ValueId, classes: number): ValueId {
  const won = to.node("Cast", [to.node("Greater", [scores, to.scalar("float32", 0)])], { to: "float32" });
  const pairs = (classes * (classes - 1)) / 2;
  const gain = new Float32Array(pairs * classes);
  const base = new Float32Array(classes);
  let pair = 0;
  for (let i = 0; i < classes; i++)
    for (let j = i + 1; j < classes; j++, pair++) {
      gain[pair * classes + i] = 1;
      gain[pair * classes + j] = -1;
      base[j]!++;
    }
  const matrix = to.constant({ dtype: "float32", shape: [pairs, classes], data: gain });
  return to.node("Gemm", [won, matrix, to.constant({ dtype: "float32", shape: [classes], data: base })]);
}

function pairProbabilities(call: OpCall, to: Expander, scores: ValueId, a: readonly number[]): ValueId {
  const b = call.floats("prob_b") ?? [];
  const row = (values: readonly number[]): ValueId =>
    to.constant({ dtype: "float32", shape: [values.length], data: Float32Array.from(values) });
  // 1 / (1 + exp(a s + b)), kept away from 0 and 1.
  const line = to.node("Add", [to.node("Mul", [scores, row(a)]), row(a.map((_, i) => b[i] ?? 0))]);
  const probability = to.node("Sigmoid", [to.node("Neg", [line])]);
  return to.node("Clip", [probability, to.scalar("float32", 1e-7), to.scalar("float32", 1 - 1e-7)]);
}

/** The one score of two classes as two: its negative first, or what the transform makes of both. */
function ofTwo(call: OpCall, to: Expander, score: ValueId, transform: string): ValueId {
  if (transform === "PROBIT") return postTransform(call, to, score, transform);
  const columns = (first: ValueId, second: ValueId): ValueId =>
    to.node("Concat", [first, second], { axis: 1 });
  const negative = to.node("Neg", [score]);
  if (transform === "LOGISTIC") return columns(to.node("Sigmoid", [negative]), to.node("Sigmoid", [score]));
  if (transform === "NONE") return columns(negative, score);
  return columns(to.node("Sub", [to.scalar("float32", 1), score]), score);
}

function expandClassifier(call: OpCall, to: Expander): (ValueId | undefined)[] {
  const perClass = call.ints("vectors_per_class") ?? [];
  const rho = call.floats("rho") ?? [];
  const transform = call.string("post_transform", "NONE");
  const label = (best: ValueId): ValueId | undefined => {
    return call.wants(0) ? labelsAt(call, to, best, "classlabels_ints") : undefined;
  };
  const winner = (scores: ValueId): ValueId => to.node("ArgMax", [scores], { axis: 1, keepdims: 0 });
  if (perClass.reduce((sum, count) => sum + count, 0) === 0) {
    // Without support vectors there is one row of coefficients for each class.
    const coefficients = call.floats("coefficients") ?? [];
    const features = call.input(0).shape.at(-1)!;
    const values = kernelValues(call, to, coefficients, Math.floor(coefficients.length / features));
    const scores = to.node("Add", [values, to.scalar("float32", rho[0] ?? 0)]);
    return [label(winner(scores)), postTransform(call, to, scores, transform)];
  }
  const classes = perClass.length;
  const scores = decisions(call, to, perClass, rho);
  const best = label(winner(votes(to, scores, classes)));
  const a = call.floats("prob_a") ?? [];
  if (a.length > 0) {
    const pairs = pairProbabilities(call, to, scores, a);
    const estimates = to.node("tilewright:PairwiseCoupling", [pairs], { classes });
    return [best, postTransform(call, to, estimates, transform)];
  }
  return [best, classes === 2 ? ofTwo(call, to, scores, transform) : postTransform(call, to, scores, transform)]; // prettier-ignore
}

const classifier: OpDefinition = {
  op: "SVMClassifier",
  domain: DOMAIN,
  implementation: { kind: "expand", expand: (call, to) => expandClassifier(call, to) as readonly ValueId[] },
};

/** Maps from labels to scores: the scores, in the order of the labels that the attribute lists. */
const zipMap: OpDefinition = {
  op: "ZipMap",
  domain: DOMAIN,
  implementation: {
    kind: "expand",
    expand(call, to) {
      const labels = call.ints("classlabels_int64s") ?? call.strings("classlabels_strings") ?? [];
      const columns = call.input(0).shape.at(-1);
      if (labels.length !== columns)
        call.fail("shape-mismatch", `${labels.length} labels for scores [${call.input(0).shape}]`);
      return [to.node("Identity", [call.node.inputs[0]!])];
    },
  },
};

export const mlClassOps: readonly OpDefinition[] = [coupling, classifier, zipMap];
