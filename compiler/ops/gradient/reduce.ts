/**
 * Derivatives of reductions, running sums and what normalises a row. In: uses of these operators. Out: their
 * gradients. Invariant: everything is computed in the shape with reduced dimensions kept, which broadcasts.
 */
import type { ValueId } from "../../ir/graph.ts";
import { normaliseAxis, type Expander, type OpCall } from "../define.ts";
import type { Differential, OperatorGradient, Rule } from "./differential.ts";

/** Reduced dimensions, and the input's shape with ones in their place. */
function reduced(call: OpCall): { readonly axes: readonly number[]; readonly kept: readonly number[] } {
  const { shape } = call.input(0);
  const given = call.has(1) ? call.integers(1) : [];
  const all = given.length === 0 && call.int("noop_with_empty_axes", 0) === 0;
  const axes = all ? shape.map((_, d) => d) : given.map((axis) => normaliseAxis(call, axis, shape.length));
  return { axes, kept: shape.map((dim, d) => (axes.includes(d) ? 1 : dim)) };
}

/** @param slope what dy is multiplied by, from x and y with reduced dimensions kept */
function reduction(slope: (d: Differential, y: ValueId, count: number) => ValueId): OperatorGradient {
  return {
    rule: (d) => {
      const { axes, kept } = reduced(d.call);
      const { shape } = d.call.input(0);
      const count = axes.reduce((product, d) => product * shape[d]!, 1);
      const factor = slope(d, d.reshape(d.y(), kept), count);
      return [d.expand(d.mul(d.reshape(d.dy(), kept), factor), shape)];
    },
  };
}

const one = (d: Differential, f: string, x: ValueId): ValueId => d.to.node(f, [x]);

const extreme: Rule = (d) => {
  const { axes, kept } = reduced(d.call);
  const hits = d.indicator(d.to.node("Equal", [d.x(), d.reshape(d.y(), kept)]), d.x());
  return [d.mul(hits, d.div(d.reshape(d.dy(), kept), d.sum(hits, axes)))];
};

/** The product of all others, which needs no division: of those before times those after. */
const product: Rule = (d) => {
  const { axes, kept } = reduced(d.call);
  const { shape } = d.call.input(0);
  const perm = [...shape.map((_, i) => i).filter((i) => !axes.includes(i)), ...axes];
  const moved = perm.map((i) => shape[i]!);
  const count = axes.reduce((total, i) => total * shape[i]!, 1);
  const free = moved.slice(0, shape.length - axes.length);
  const rows = d.reshape(d.transpose(d.x(), perm), [...free, count]);
  const last = d.to.integers(-1);
  const before = d.to.node("CumProd", [rows, last], { exclusive: 1 });
  const after = d.to.node("CumProd", [rows, last], { exclusive: 1, reverse: 1 });
  const others = d.reshape(d.mul(before, after), moved);
  const back = perm.map((_, i) => perm.indexOf(i));
  return [d.mul(d.reshape(d.dy(), kept), d.transpose(others, back))];
};

const cumulative: Rule = (d) => {
  const attributes = { exclusive: d.call.int("exclusive", 0), reverse: d.call.int("reverse", 0) ? 0 : 1 };
  return [d.to.node("CumSum", [d.dy(), d.x(1)], attributes)];
};

/** The axis of a softmax, as dimensions. */
const axisOf = (call: OpCall): number[] => [normaliseAxis(call, call.int("axis", -1), call.input(0).shape.length)]; // prettier-ignore

const softmax: Rule = (d) => {
  const weighted = d.mul(d.dy(), d.y());
  return [d.sub(weighted, d.mul(d.y(), d.sum(weighted, axisOf(d.call))))];
};

const logSoftmax: Rule = (d) => [d.sub(d.dy(), d.mul(one(d, "Exp", d.y()), d.sum(d.dy(), axisOf(d.call))))];

/** CumProd step by step: a quotient would not do where an element is 0. */
function products(call: OpCall, to: Expander): ValueId[] {
  const { dtype, shape } = call.input(0);
  const axis = normaliseAxis(call, call.integers(1)[0] ?? 0, shape.length);
  const length = shape[axis]!;
  if (length === 0) return [call.node.inputs[0]!];
  const at = (i: number): ValueId =>
    to.node("Slice", [call.node.inputs[0]!, to.integers([i]), to.integers([i + 1]), to.integers([axis])]);
  const reverse = call.int("reverse", 0) !== 0;
  const exclusive = call.int("exclusive", 0) !== 0;
  const parts: ValueId[] = [];
  let product: ValueId | undefined;
  for (let step = 0; step < length; step++) {
    const element = at(reverse ? length - 1 - step : step);
    const next: ValueId = product === undefined ? element : to.node("Mul", [product, element]);
    const first = to.node("Expand", [to.scalar(dtype, 1), to.integers(shape.with(axis, 1))]);
    parts.push(exclusive ? (product ?? first) : next);
    product = next;
  }
  return [to.node("Concat", reverse ? parts.reverse() : parts, { axis })];
}

export const reduceGradients: Readonly<Record<string, OperatorGradient>> = {
  ReduceSum: { rule: (d) => [d.expand(d.reshape(d.dy(), reduced(d.call).kept), d.call.input(0).shape)] },
  ReduceMean: {
    rule: (d) => {
      const { axes, kept } = reduced(d.call);
      const { shape } = d.call.input(0);
      const count = axes.reduce((total, i) => total * shape[i]!, 1);
      return [d.expand(d.div(d.reshape(d.dy(), kept), count), shape)];
    },
  },
  ReduceSumSquare: reduction((d) => d.mul(2, d.x())),
  ReduceL1: reduction((d) => one(d, "Sign", d.x())),
  // At the origin the norm has no slope; 0 is one of those that touch it.
  ReduceL2: reduction((d, y) => d.where(d.op("Equal", [y, 0]), 0, d.div(d.x(), y))),
  ReduceLogSum: reduction((d, y) => one(d, "Exp", one(d, "Neg", y))),
  ReduceLogSumExp: reduction((d, y) => one(d, "Exp", d.sub(d.x(), y))),
  ReduceMax: { rule: extreme },
  ReduceMin: { rule: extreme },
  ReduceProd: { rule: product },
  CumSum: { rule: cumulative },
  CumProd: { expand: products },
  Softmax: { rule: softmax },
  LogSoftmax: { rule: logSoftmax },
  Hardmax: { rule: () => [undefined] },
};
