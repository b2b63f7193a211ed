/**
 * Norms and losses as the simpler operators that they stand for, to be differentiated through those. In: a call. Out:
 * its outputs. Invariant: the same function as the operator's own kernel, which is used wherever nobody asks for a
 * gradient; statistics are computed in the type of the input.
 */
import type { ValueId } from "../../ir/graph.ts";
import { normaliseAxis, type Expander, type OpCall } from "../define.ts";
import type { OperatorGradient } from "./differential.ts";

/** A number of the type of `like`. */
function real(to: Expander, like: ValueId, value: number): ValueId {
  return to.scalar(to.typeOf(like).dtype, value);
}

interface Normal {
  readonly mean: ValueId;
  readonly inverse: ValueId;
  readonly value: ValueId;
}

/** (x - mean) / sqrt(variance + epsilon) over axes. */
function normal(to: Expander, x: ValueId, axes: readonly number[], epsilon: number, centred = true): Normal {
  const over = to.integers(axes);
  const mean = to.node("ReduceMean", [x, over]);
  const centre = centred ? to.node("Sub", [x, mean]) : x;
  const variance = to.node("ReduceMean", [to.node("Mul", [centre, centre]), over]);
  const deviation = to.node("Sqrt", [to.node("Add", [variance, real(to, x, epsilon)])]);
  const inverse = to.node("Reciprocal", [deviation]);
  return { mean, inverse, value: to.node("Mul", [centre, inverse]) };
}

const from = (axis: number, rank: number): number[] =>
  Array.from({ length: rank - axis }, (_, i) => axis + i);

/** A vector of one number for each channel, against [N, C, ...]. */
function alongChannels(to: Expander, value: ValueId, rank: number): ValueId {
  const count = to.typeOf(value).shape[0]!;
  return to.node("Reshape", [
    value,
    to.integers([count, ...new Array<number>(Math.max(0, rank - 2)).fill(1)]),
  ]);
}

function scaled(to: Expander, value: ValueId, scale: ValueId, bias: ValueId): ValueId {
  return to.node("Add", [to.node("Mul", [value, scale]), bias]);
}

function layer(centred: boolean) {
  return (call: OpCall, to: Expander): ValueId[] => {
    const [x, scale, bias] = call.node.inputs as [ValueId, ValueId, ValueId | undefined];
    const rank = call.input(0).shape.length;
    const axes = from(normaliseAxis(call, call.int("axis", -1), rank), rank);
    const { mean, inverse, value } = normal(to, x, axes, call.float("epsilon", 1e-5), centred);
    const product = to.node("Mul", [value, scale]);
    const y = bias ? to.node("Add", [product, bias]) : product;
    return centred ? [y, mean, inverse] : [y, inverse];
  };
}

function instance(call: OpCall, to: Expander): ValueId[] {
  const [x, scale, bias] = call.node.inputs as [ValueId, ValueId, ValueId];
  const rank = call.input(0).shape.length;
  const { value } = normal(to, x, from(2, rank), call.float("epsilon", 1e-5));
  return [scaled(to, value, alongChannels(to, scale, rank), alongChannels(to, bias, rank))];
}

function group(call: OpCall, to: Expander): ValueId[] {
  const [x, scale, bias] = call.node.inputs as [ValueId, ValueId, ValueId];
  const { shape } = call.input(0);
  const groups = call.int("num_groups", 1);
  const [batch, channels, ...space] = shape as [number, number, ...number[]];
  const grouped = to.node("Reshape", [x, to.integers([batch, groups, channels / groups, ...space])]);
  const { value } = normal(to, grouped, from(2, shape.length + 1), call.float("epsilon", 1e-5));
  const rank = shape.length;
  const whole = to.node("Reshape", [value, to.integers(shape)]);
  return [scaled(to, whole, alongChannels(to, scale, rank), alongChannels(to, bias, rank))];
}

function meanVariance(call: OpCall, to: Expander): ValueId[] {
  const x = call.node.inputs[0]!;
  const rank = call.input(0).shape.length;
  const over = to.integers((call.ints("axes") ?? [0, 2, 3]).map((axis) => normaliseAxis(call, axis, rank)));
  const centre = to.node("Sub", [x, to.node("ReduceMean", [x, over])]);
  const variance = to.node("ReduceMean", [to.node("Mul", [centre, centre]), over]);
  const deviation = to.node("Add", [to.node("Sqrt", [variance]), real(to, x, 1e-9)]);
  return [to.node("Div", [centre, deviation])];
}

function batch(call: OpCall, to: Expander): readonly ValueId[] {
  const [x, scale, bias, mean, variance] = call.node.inputs as [ValueId, ValueId, ValueId, ValueId, ValueId];
  const { shape } = call.input(0);
  const rank = shape.length;
  const epsilon = call.float("epsilon", 1e-5);
  const across = (value: ValueId): ValueId => alongChannels(to, to.node("CastLike", [value, x]), rank);
  if (!call.int("training_mode", 0)) {
    const deviation = to.node("Sqrt", [to.node("Add", [across(variance), real(to, x, epsilon)])]);
    const value = to.node("Div", [to.node("Sub", [x, across(mean)]), deviation]);
    return [scaled(to, value, across(scale), across(bias))];
  }
  const axes = shape.flatMap((_, i) => (i === 1 ? [] : [i]));
  const { mean: now, value } = normal(to, x, axes, epsilon);
  const momentum = call.float("momentum", 0.9);
  const centre = to.node("Sub", [x, now]);
  const spread = to.node("ReduceMean", [to.node("Mul", [centre, centre]), to.integers(axes)]);
  const moved = (running: ValueId, next: ValueId): ValueId => {
    const flat = to.node("CastLike", [to.node("Reshape", [next, to.integers([-1])]), running]);
    const kept = to.node("Mul", [running, real(to, running, momentum)]);
    return to.node("Add", [kept, to.node("Mul", [flat, real(to, running, 1 - momentum)])]);
  };
  return [scaled(to, value, across(scale), across(bias)), moved(mean, now), moved(variance, spread)];
}

/** x * factor[channel] + term[channel]. */
function scaleShift(call: OpCall, to: Expander): ValueId[] {
  const [x, factor, term] = call.node.inputs as [ValueId, ValueId, ValueId];
  const rank = call.input(0).shape.length;
  const across = (value: ValueId): ValueId => alongChannels(to, to.node("CastLike", [value, x]), rank);
  return [scaled(to, x, across(factor), across(term))];
}

function lpNorm(call: OpCall, to: Expander): ValueId[] {
  const x = call.node.inputs[0]!;
  const axes = to.integers([normaliseAxis(call, call.int("axis", -1), call.input(0).shape.length)]);
  const norm = to.node(call.int("p", 2) === 1 ? "ReduceL1" : "ReduceL2", [x, axes]);
  // Where all is 0 the result is 0.
  const safe = to.node("Where", [to.node("Equal", [norm, real(to, x, 0)]), real(to, x, 1), norm]);
  return [to.node("Div", [x, safe])];
}

function likelihood(call: OpCall, to: Expander): ValueId[] {
  const [scores, targets, weights] = call.node.inputs as [ValueId, ValueId, ValueId | undefined];
  const { shape } = call.input(0);
  const ignored = call.int("ignore_index");
  const labels = to.node("Cast", [targets, ], { to: 7 }); // prettier-ignore
  const within = to.node("Clip", [labels, to.scalar("int64", 0), to.scalar("int64", shape[1]! - 1)]);
  const axis = to.integers([1]);
  const picked = to.node("GatherElements", [scores, to.node("Unsqueeze", [within, axis])], { axis: 1 });
  const loss = to.node("Neg", [to.node("Squeeze", [picked, axis])]);
  const one = real(to, scores, 1);
  let weight = weights ? to.node("Gather", [weights, within]) : to.node("Expand", [one, to.integers(call.input(1).shape)]); // prettier-ignore
  if (ignored !== undefined) {
    const skip = to.node("Equal", [labels, to.scalar("int64", ignored)]);
    weight = to.node("Where", [skip, real(to, scores, 0), weight]);
  }
  const weighted = to.node("Mul", [loss, weight]);
  const reduction = call.string("reduction", "mean");
  if (reduction === "none") return [weighted];
  const total = to.node("ReduceSum", [weighted], { keepdims: 0 });
  return [reduction === "sum" ? total : to.node("Div", [total, to.node("ReduceSum", [weight], { keepdims: 0 })])]; // prettier-ignore
}

export const normaliseGradients: Readonly<Record<string, OperatorGradient>> = {
  LayerNormalization: { expand: layer(true) },
  RMSNormalization: { expand: layer(false) },
  SimplifiedLayerNormalization: { expand: layer(false) },
  InstanceNormalization: { expand: instance },
  GroupNormalization: { expand: group },
  MeanVarianceNormalization: { expand: meanVariance },
  BatchNormalization: { expand: batch },
  "tilewright:ScaleShift": { expand: scaleShift },
  LpNormalization: { expand: lpNorm },
  NegativeLogLikelihoodLoss: { expand: likelihood },
};
