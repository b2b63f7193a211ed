/**
 * Random reductions, cumulative sums, arg-extremes, softmax and normalisations. In: a builder. Out: steps. Invariant:
 * sums of exact values stay exact where 24 bits hold them; extremes are not taken of nothing.
 */
import { elementCount } from "../../runtime/dtype.ts";
import type { OnnxAttributes } from "../../compiler/frontend/onnx/write.ts";
import type { Addition } from "./graphsElementwise.ts";
import { isExact, type PlanBuilder, Refused, same, summing, type Range, type Value } from "./planBuilder.ts";

function reducedShape(shape: readonly number[], axes: readonly number[], keep: boolean): number[] {
  return shape.flatMap((dim, d) => (axes.includes(d) ? (keep ? [1] : []) : [dim]));
}

const reduce: Addition = (b) => {
  const x = b.float();
  const rank = x.shape.length;
  const all = x.shape.map((_, d) => d);
  const axes = b.random.chance(0.2) ? all : b.random.shuffled(all).slice(0, b.random.between(0, rank));
  const keep = b.random.chance(0.5);
  const count = elementCount(axes.map((d) => x.shape[d]!));
  const op = b.random.pick([
    "ReduceSum",
    "ReduceSum",
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceL1",
    "ReduceL2",
    "ReduceSumSquare",
    "ReduceLogSumExp",
  ]);
  if (count === 0 && op !== "ReduceSum") throw new Refused();
  // No axes: all of them, unless the attribute says none.
  const none = axes.length === 0;
  const noop = none && b.random.chance(0.5);
  const actual = none && !noop ? all : axes;
  const over = elementCount(actual.map((d) => x.shape[d]!));
  if (over === 0 && op !== "ReduceSum") throw new Refused();
  const inputs: (Value | string)[] =
    none && b.random.chance(0.5)
      ? [x]
      : [x, b.integers(axes.map((d) => (b.random.chance(0.3) ? d - rank : d)))];
  const attributes: OnnxAttributes = { keepdims: Number(keep), ...(noop ? { noop_with_empty_axes: 1 } : {}) };
  if (noop && op !== "ReduceSum") throw new Refused();
  const shape = noop ? x.shape : reducedShape(x.shape, actual, keep);
  b.node(op, inputs, attributes, "float32", shape, reducedRange(op, x, Math.max(1, noop ? 1 : over)));
};

function reducedRange(op: string, x: Value, count: number): Range {
  const { bound, step, error } = x;
  switch (op) {
    case "ReduceSum":
    case "ReduceL1":
      return { bound: bound * count, step, error: error * count + summing(bound * count, count) };
    case "ReduceMean":
      return {
        bound,
        step: bound * count <= step * 2 ** 24 && Math.log2(count) % 1 === 0 ? step / count : 0,
        error: error + summing(bound, count),
      };
    case "ReduceSumSquare":
      return { bound: bound * bound * count, step: step * step, error: 2 * bound * error * count };
    case "ReduceL2":
      // The root's slope is without bound at 0.
      return {
        bound: bound * Math.sqrt(count),
        error: Math.sqrt(2 * bound * error * count + bound * bound * count * 2 ** -22),
      };
    case "ReduceLogSumExp":
      // A sum of positive numbers is off by a rounding for each of them at most, and its logarithm by as much.
      return { bound: bound + Math.log(count), error: error + count * 2 ** -24 + 2 ** -21 };
    default:
      return same(x);
  }
}

const integerReduce: Addition = (b) => {
  const x = b.take(
    ({ dtype, shape }) =>
      (dtype === "int32" || dtype === "int64") && shape.length > 0 && elementCount(shape) > 0,
  );
  const axis = b.random.below(x.shape.length);
  const op = b.random.pick(["ReduceSum", "ReduceMax", "ReduceMin"]);
  const bound = op === "ReduceSum" ? x.bound * x.shape[axis]! : x.bound;
  b.node(op, [x, b.integers([axis])], { keepdims: 0 }, x.dtype, reducedShape(x.shape, [axis], false), {
    bound,
  });
};

const argExtreme: Addition = (b) => {
  const x = b.float((v) => isExact(v) && v.shape.length > 0 && elementCount(v.shape) > 0);
  const axis = b.random.below(x.shape.length);
  const keep = b.random.chance(0.5);
  const attributes = {
    axis: b.random.chance(0.3) ? axis - x.shape.length : axis,
    keepdims: Number(keep),
    select_last_index: b.random.below(2),
  };
  const shape = reducedShape(x.shape, [axis], keep);
  b.node(b.random.pick(["ArgMax", "ArgMin"]), [x], attributes, "int64", shape, { bound: x.shape[axis]! });
};

const topK: Addition = (b) => {
  const x = b.float((v) => isExact(v) && v.shape.length > 0 && elementCount(v.shape) > 0);
  const axis = b.random.below(x.shape.length);
  const k = b.random.between(1, x.shape[axis]!);
  const shape = x.shape.map((dim, d) => (d === axis ? k : dim));
  b.nodes("TopK", [x, b.integers([k])], { axis, largest: b.random.below(2) }, [
    { dtype: "float32", shape, range: same(x) },
    { dtype: "int64", shape, range: { bound: x.shape[axis]! } },
  ]);
};

const cumulative: Addition = (b) => {
  const x = b.float(({ shape }) => shape.length > 0);
  const axis = b.random.below(x.shape.length);
  const attributes = { exclusive: b.random.below(2), reverse: b.random.below(2) };
  const count = Math.max(1, x.shape[axis]!);
  b.node("CumSum", [x, b.literal("int64", [], [axis])], attributes, "float32", x.shape, {
    bound: x.bound * count,
    step: x.step,
    error: x.error * count + summing(x.bound * count, count),
  });
};

const softmax: Addition = (b) => {
  const x = b.float(({ shape, bound }) => shape.length > 0 && elementCount(shape) > 0 && bound < 1e4);
  const axis = b.random.between(-x.shape.length, x.shape.length - 1);
  const error = 2 * x.error + summing(1, x.shape.at(axis)!);
  if (b.random.chance(0.7))
    return void b.node("Softmax", [x], { axis }, "float32", x.shape, { bound: 1, error });
  b.node("LogSoftmax", [x], { axis }, "float32", x.shape, { bound: 2 * x.bound + 10, error });
};

/** How much a normalisation with this epsilon can enlarge an error. */
const gain = (epsilon: number): number => 4 / Math.sqrt(epsilon);
const EPSILON = 0.125;

const normalise: Addition = (b) => {
  const x = b.float(({ shape }) => shape.length >= 2 && elementCount(shape) > 0);
  const scale = (shape: readonly number[]): Value =>
    b.weight("float32", shape, { least: 0.5, most: 1.5, step: 0.25 });
  const result = (rows: number): Range => ({
    bound: 1.5 * Math.sqrt(rows) + 2,
    error: gain(EPSILON) * (x.error + x.bound * 2 ** -20),
  });
  const channels = x.shape[1]!;
  switch (b.random.below(4)) {
    case 0: {
      const axis = b.random.between(1, x.shape.length - 1);
      const rest = x.shape.slice(axis);
      const bias = b.random.chance(0.7) ? [b.weight("float32", rest)] : [];
      const written = b.random.chance(0.5) ? axis : axis - x.shape.length;
      return void b.node(
        "LayerNormalization",
        [x, scale(rest), ...bias],
        { axis: written, epsilon: EPSILON },
        "float32",
        x.shape,
        result(elementCount(rest)),
      );
    }
    case 1: {
      if (x.shape.length < 3) throw new Refused();
      const inputs = [x, scale([channels]), b.weight("float32", [channels])];
      return void b.node(
        "InstanceNormalization",
        inputs,
        { epsilon: EPSILON },
        "float32",
        x.shape,
        result(elementCount(x.shape.slice(2))),
      );
    }
    case 2: {
      const order = b.random.pick([1, 2]);
      if (x.bound > 1e3) throw new Refused();
      // Away from 0, where the norm has no value.
      const one = b.literal("float32", [], [x.bound + 1]);
      const positive = b.node("Add", [x, one], {}, "float32", x.shape, {
        bound: 2 * x.bound + 1,
        error: x.error,
      });
      return void b.node(
        "LpNormalization",
        [positive],
        { axis: b.random.below(x.shape.length), p: order },
        "float32",
        x.shape,
        { bound: 1, error: 2 * positive.error },
      );
    }
    default:
      return void batchNormalisation(b, x, scale);
  }
};

function batchNormalisation(b: PlanBuilder, x: Value, scale: (shape: readonly number[]) => Value): void {
  const shape = [x.shape[1]!];
  const inputs = [x, scale(shape), b.weight("float32", shape), b.weight("float32", shape), scale(shape)];
  b.node("BatchNormalization", inputs, { epsilon: EPSILON }, "float32", x.shape, {
    bound: 2 * (x.bound + 2) + 2,
    error: 2 * x.error,
  });
}

export const reductions: readonly Addition[] = [
  reduce,
  reduce,
  reduce,
  integerReduce,
  argExtreme,
  topK,
  cumulative,
  softmax,
  softmax,
  normalise,
  normalise,
];
