/**
 * Attention and recurrent networks as the simpler operators that they stand for, and what resampling gives back. In: a
 * call. Out: its outputs, or the gradient of its input. Invariant: the same function as the operator's own kernels,
 * which are used wherever nobody asks for a gradient; a recurrence is written out step by step, as what is
 * differentiated needs every state.
 */
import { elementCount, type Tensor } from "../../ir/dtype.ts";
import type { ValueId } from "../../ir/graph.ts";
import { normaliseAxis, type AttributeLike, type Expander, type OpCall } from "../define.ts";
import { windowOf } from "../attention.ts";
import { typeNumber } from "../../ir/dataType.ts";
import type { OperatorGradient, Rule } from "./differential.ts";
import { reduceGradients } from "./reduce.ts";

/** An operand [batch, length, heads * size], or with heads apart, as [batch, key heads, group, length, size]. */
function grouped(to: Expander, id: ValueId, heads: number, keyHeads: number): ValueId {
  const { shape } = to.typeOf(id);
  if (shape.length === 4) {
    const [batch, , length, size] = shape as [number, number, number, number];
    return to.node("Reshape", [id, to.integers([batch, keyHeads, heads / keyHeads, length, size])]);
  }
  const [batch, length, width] = shape as [number, number, number];
  const apart = to.node("Reshape", [id, to.integers([batch, length, keyHeads, heads / keyHeads, width / heads])]);
  return to.node("Transpose", [apart], { perm: [0, 2, 3, 1, 4] });
} // prettier-ignore

/** Numbers 0 to n - 1 along dimension `axis` of four. */
function along(to: Expander, n: number, axis: number): ValueId {
  const shape = [1, 1, 1, 1].map((dim, d) => (d === axis ? n : dim));
  return to.constant({ dtype: "int64", shape, data: BigInt64Array.from({ length: n }, (_, i) => BigInt(i)) });
}

/** tilewright:AttentionScores: see ops/attention.ts. */
function scores(call: OpCall, to: Expander): ValueId[] {
  const [q, k, mask, counts] = call.node.inputs as [ValueId, ValueId, ValueId?, ValueId?];
  const [heads, keyHeads, until] = [call.int("q_heads", 1), call.int("kv_heads", 1), call.int("until", 2)];
  const { dtype, shape } = call.outputs[0]!;
  const [batch, , queries, keys] = shape as [number, number, number, number];
  const real = (value: number): ValueId => to.scalar(dtype, value);
  const wide = (id: ValueId): ValueId => to.node("Cast", [id], { to: typeNumber(dtype) });
  const turned = to.node("Transpose", [grouped(to, wide(k), keyHeads, keyHeads)], { perm: [0, 1, 2, 4, 3] });
  const product = to.node("MatMul", [grouped(to, wide(q), heads, keyHeads), turned]);
  let x = to.node("Mul", [to.node("Reshape", [product, to.integers(shape)]), real(call.float("scale", 1))]);
  if (until === 0) return [x];
  const cap = call.float("softcap", 0);
  if (cap !== 0) x = to.node("Mul", [to.node("Tanh", [to.node("Div", [x, real(cap)])]), real(cap)]);
  if (until === 1) return [x];
  const never = real(-Infinity);
  const keep = (condition: ValueId): ValueId => to.node("Where", [condition, x, never]);
  if (mask) {
    const given = call.input(2);
    const rank = given.shape.length;
    const short = rank > 0 && given.shape[rank - 1]! < keys && given.shape[rank - 1] !== 1;
    const padded = (id: ValueId, hidden: ValueId): ValueId => {
      if (!short) return id;
      const pads = [...new Array<number>(2 * rank - 1).fill(0), keys - given.shape[rank - 1]!];
      return to.node("Pad", [id, to.integers(pads), hidden]);
    };
    if (given.dtype === "bool") x = keep(padded(mask, to.scalar("bool", 0)));
    else x = to.node("Add", [x, padded(wide(mask), never)]);
  }
  const count = counts && to.node("Reshape", [to.node("Cast", [counts], { to: typeNumber("int64") }), to.integers([batch, 1, 1, 1])]); // prettier-ignore
  const key = along(to, keys, 3);
  const [left, right] = windowOf(call);
  if (left >= 0 || right >= 0) {
    const offset = count ? to.node("Sub", [count, to.scalar("int64", queries)]) : to.scalar("int64", call.int("causal_offset", 0)); // prettier-ignore
    const position = to.node("Add", [along(to, queries, 2), offset]);
    const shifted = (id: ValueId, by: number): ValueId => to.node("Add", [id, to.scalar("int64", by)]);
    if (left >= 0) x = keep(to.node("LessOrEqual", [position, shifted(key, left)]));
    if (right >= 0) x = keep(to.node("LessOrEqual", [key, shifted(position, right)]));
  }
  if (count) x = keep(to.node("Less", [key, count]));
  return [x];
}

/** tilewright:AttentionOutput: see ops/attention.ts. */
function weightedSum(call: OpCall, to: Expander): ValueId[] {
  const [weights, v] = call.node.inputs as [ValueId, ValueId];
  const [, heads] = call.input(0).shape as [number, number];
  const keyHeads = call.int("kv_heads", 1);
  const { dtype, shape } = call.outputs[0]!;
  const value = to.node("CastLike", [grouped(to, v, keyHeads, keyHeads), weights]);
  const product = to.node("MatMul", [grouped(to, weights, heads, keyHeads), value]);
  // [batch, key heads, group, queries, size]: heads are one dimension again, or go into the last one.
  const order = call.int("flat", 0) ? to.node("Transpose", [product], { perm: [0, 3, 1, 2, 4] }) : product;
  return [to.node("Cast", [to.node("Reshape", [order, to.integers(shape)])], { to: typeNumber(dtype) })];
}

/** One axis is a product with a matrix, whose transpose takes the gradient back. */
const resample: Rule = (d) => {
  const { shape, dtype } = d.call.input(0);
  const axis = normaliseAxis(d.call, d.call.int("axis")!, shape.length);
  const positions = d.call.value(1);
  const weights = d.call.has(2) ? d.call.value(2) : undefined;
  const [taps, length] = positions.shape as [number, number];
  const from = shape[axis]!;
  const data = new Float64Array(length * from);
  for (let tap = 0; tap < taps; tap++) {
    for (let at = 0; at < length; at++) {
      const entry = tap * length + at;
      data[at * from + Number(positions.data[entry])]! += weights ? Number(weights.data[entry]) : 1;
    }
  }
  const matrix: Tensor = { dtype: "float64", shape: [length, from], data };
  const order = shape.map((_, i) => i);
  // The axis goes last and comes back.
  const swapped = order.with(axis, shape.length - 1).with(shape.length - 1, axis);
  const last = d.transpose(d.dy(), swapped);
  const product = d.op("MatMul", [
    last,
    d.to.node("Cast", [d.to.constant(matrix)], { to: typeNumber(dtype) }),
  ]);
  return [d.transpose(product, swapped), undefined, undefined];
};

/** LRN: the sum over neighbouring channels is a product with a band. */
function localResponse(call: OpCall, to: Expander): ValueId[] {
  const x = call.node.inputs[0]!;
  const { dtype, shape } = call.input(0);
  const [batch, channels, ...space] = shape as [number, number, ...number[]];
  const size = call.int("size", 1);
  const before = Math.floor((size - 1) / 2);
  const near = (c: number, other: number): boolean => other >= c - before && other < c - before + size;
  const data = Float64Array.from({ length: channels ** 2 }, (_, i) => Number(near(Math.floor(i / channels), i % channels))); // prettier-ignore
  const band = to.node("Cast", [to.constant({ dtype: "float64", shape: [channels, channels], data })], { to: typeNumber(dtype) }); // prettier-ignore
  const real = (value: number): ValueId => to.scalar(dtype, value);
  const squares = to.node("Reshape", [
    to.node("Mul", [x, x]),
    to.integers([batch, channels, elementCount(space)]),
  ]);
  const sums = to.node("Reshape", [to.node("MatMul", [band, squares]), to.integers(shape)]);
  const scale = to.node("Add", [to.node("Mul", [sums, real(call.float("alpha", 0.0001) / size)]), real(call.float("bias", 1))]); // prettier-ignore
  return [to.node("Div", [x, to.node("Pow", [scale, real(call.float("beta", 0.75))])])];
}

// ---------------------------------------------------------------------------------------------------------------
// Recurrent networks

type Activation = (x: ValueId) => ValueId;

/** The activations of one direction, as ops/recurrentActivation.ts has them, by operators. */
function activations(call: OpCall, to: Expander, direction: number, defaults: readonly string[]): Activation[] {
  const names = call.strings("activations") ?? [...defaults, ...defaults];
  const [alphas, betas] = [[...(call.floats("activation_alpha") ?? [])], [...(call.floats("activation_beta") ?? [])]];
  const own: Readonly<Record<string, readonly [alpha?: number, beta?: number]>> = {
    affine: [1, 0], leakyrelu: [0.01], thresholdedrelu: [1], scaledtanh: [1, 1], hardsigmoid: [0.2, 0.5], elu: [1],
  };
  const operators: Readonly<Record<string, string>> = {
    relu: "Relu", tanh: "Tanh", sigmoid: "Sigmoid", leakyrelu: "LeakyRelu", thresholdedrelu: "ThresholdedRelu",
    hardsigmoid: "HardSigmoid", elu: "Elu", softsign: "Softsign", softplus: "Softplus",
  };
  const made = names.map((given): Activation => {
    const name = given.toLowerCase();
    const [first, second] = own[name] ?? [];
    const alpha = first === undefined ? undefined : (alphas.shift() ?? first);
    const beta = second === undefined ? undefined : (betas.shift() ?? second);
    const scaled = (x: ValueId, by: number): ValueId => to.node("Mul", [x, to.scalar(to.typeOf(x).dtype, by)]);
    if (name === "affine") return (x) => to.node("Add", [scaled(x, alpha!), to.scalar(to.typeOf(x).dtype, beta!)]);
    if (name === "scaledtanh") return (x) => scaled(to.node("Tanh", [scaled(x, beta!)]), alpha!);
    const op = operators[name] ?? call.fail("attribute-invalid", `activation "${given}"`);
    const attributes: Record<string, AttributeLike> = {
      ...(alpha === undefined ? {} : { alpha: { float: alpha } }),
      ...(beta === undefined ? {} : { beta: { float: beta } }),
    };
    return (x) => to.node(op, [x], attributes);
  });
  return made.slice(direction * defaults.length, (direction + 1) * defaults.length);
} // prettier-ignore

interface Cell {
  readonly gates: number;
  readonly activations: readonly string[];
  /** The next states, from the input's share of all gates [batch, gates * hidden]. */
  step(cell: CellStep): readonly ValueId[];
}

/** What a step works with; all matrices are [rows, hidden], biases and peepholes [1, hidden]. */
interface CellStep {
  readonly call: OpCall;
  readonly to: Expander;
  readonly functions: readonly Activation[];
  /** The input's share of a gate, with both biases unless the recurrent one is for `recurrentBias`. */
  input(gate: number): ValueId;
  /** state * R[gate]'. */
  product(state: ValueId, gate: number): ValueId;
  bias(gate: number): ValueId | undefined;
  peephole(gate: number): ValueId | undefined;
  readonly states: readonly ValueId[];
}

function clipped({ call, to }: CellStep, x: ValueId): ValueId {
  const limit = call.float("clip", 0);
  const { dtype } = to.typeOf(x);
  return limit > 0 ? to.node("Clip", [x, to.scalar(dtype, -limit), to.scalar(dtype, limit)]) : x;
}

const oneMinus = (to: Expander, x: ValueId): ValueId => to.node("Sub", [to.scalar(to.typeOf(x).dtype, 1), x]);

const cells: Readonly<Record<string, Cell>> = {
  RNN: {
    gates: 1,
    activations: ["Tanh"],
    step: (s) => [s.functions[0]!(clipped(s, s.to.node("Add", [s.product(s.states[0]!, 0), s.input(0)])))],
  },
  GRU: {
    gates: 3,
    activations: ["Sigmoid", "Tanh"],
    step(s) {
      const { to, functions: [f, g] } = s;
      const h = s.states[0]!;
      const sum = (a: ValueId, b: ValueId): ValueId => to.node("Add", [a, b]);
      const linear = s.call.int("linear_before_reset", 0) !== 0;
      const recurrent = (gate: number): ValueId => {
        const product = s.product(h, gate);
        const bias = linear ? s.bias(gate) : undefined;
        return bias ? sum(product, bias) : product;
      };
      const [z, r] = [0, 1].map((gate) => f!(clipped(s, sum(s.input(gate), recurrent(gate))))) as [ValueId, ValueId];
      const kept = linear ? to.node("Mul", [r, recurrent(2)]) : s.product(to.node("Mul", [r, h]), 2);
      const candidate = g!(clipped(s, sum(s.input(2), kept)));
      return [sum(to.node("Mul", [oneMinus(to, z), candidate]), to.node("Mul", [z, h]))];
    },
  },
  LSTM: {
    gates: 4,
    activations: ["Sigmoid", "Tanh", "Tanh"],
    step(s) {
      const { to, functions: [f, g, h] } = s;
      const [hidden, state] = s.states as [ValueId, ValueId];
      const sum = (gate: number): ValueId => to.node("Add", [s.product(hidden, gate), s.input(gate)]);
      const gate = (k: number, peephole: number, seen: ValueId): ValueId => {
        const weight = s.peephole(peephole);
        return f!(clipped(s, weight ? to.node("Add", [sum(k), to.node("Mul", [weight, seen])]) : sum(k)));
      };
      const input = gate(0, 0, state);
      const forget = s.call.int("input_forget", 0) ? oneMinus(to, input) : gate(2, 2, state);
      const fresh = to.node("Mul", [input, g!(clipped(s, sum(3)))]);
      const next = to.node("Add", [to.node("Mul", [forget, state]), fresh]);
      return [to.node("Mul", [gate(1, 1, next), h!(next)]), next];
    },
  },
}; // prettier-ignore

/** RNN, GRU and LSTM step by step. */
function recurrent(name: string) {
  const cell = cells[name]!;
  return (call: OpCall, to: Expander): ValueId[] => {
    const given = (position: number): ValueId | undefined => (call.has(position) ? call.node.inputs[position] : undefined);
    const layout = call.int("layout", 0);
    const swap = (id: ValueId): ValueId => (layout ? to.node("Transpose", [id], { perm: [1, 0, 2] }) : id);
    const x = swap(given(0)!);
    const [steps, batch] = to.typeOf(x).shape as [number, number];
    const { dtype } = call.input(0);
    const hidden = call.input(2).shape[2]!;
    const direction = call.string("direction", "forward");
    const reverses = direction === "bidirectional" ? [false, true] : [direction === "reverse"];
    const stateCount = name === "LSTM" ? 2 : 1;
    const part = (id: ValueId, axis: number, from: number, size: number): ValueId =>
      to.node("Slice", [id, to.integers([from]), to.integers([from + size]), to.integers([axis])]);
    /** Rows of one gate of one direction, [hidden, ...] or, of a vector, [1, hidden]. */
    const rows = (position: number, index: number, gate: number): ValueId => {
      const own = part(part(given(position)!, 0, index, 1), 1, gate * hidden, hidden);
      return to.typeOf(own).shape.length === 3 ? to.node("Squeeze", [own, to.integers([0])]) : own;
    };
    const lengths = given(4);
    const directions = reverses.map((reverse, index) => {
      const functions = activations(call, to, index, cell.activations);
      const lent = (id: ValueId): ValueId => to.node("Transpose", [id], { perm: [1, 0] });
      const w = Array.from({ length: cell.gates }, (_, gate) => lent(rows(1, index, gate)));
      const r = Array.from({ length: cell.gates }, (_, gate) => lent(rows(2, index, gate)));
      const bias = (gate: number): ValueId | undefined => (call.has(3) ? rows(3, index, gate) : undefined);
      const linear = name === "GRU" && call.int("linear_before_reset", 0) !== 0;
      const turned = (id: ValueId): ValueId => {
        const all = to.constant({ dtype: "int64", shape: [batch], data: new BigInt64Array(batch).fill(BigInt(steps)) });
        const counts = lengths ? to.node("Cast", [lengths], { to: typeNumber("int64") }) : all;
        return reverse ? to.node("ReverseSequence", [id, counts], { time_axis: 0, batch_axis: 1 }) : id;
      };
      const sequence = turned(x);
      const initial = (position: number): ValueId => {
        const state = given(position);
        if (!state) return to.node("Expand", [to.scalar(dtype, 0), to.integers([batch, hidden])]);
        return to.node("Squeeze", [part(swap(state), 0, index, 1), to.integers([0])]);
      };
      let states = Array.from({ length: stateCount }, (_, i) => initial(5 + i));
      const shown: ValueId[] = [];
      for (let t = 0; t < steps; t++) {
        const now = to.node("Squeeze", [part(sequence, 0, t, 1), to.integers([0])]);
        const next = cell.step({
          call, to, functions, states, bias: (gate) => bias(cell.gates + gate),
          product: (state, gate) => to.node("MatMul", [state, r[gate]!]),
          peephole: (gate) => (call.has(7) ? rows(7, index, gate) : undefined),
          input(gate) {
            const product = to.node("MatMul", [now, w[gate]!]);
            const terms = [bias(gate), linear ? undefined : bias(cell.gates + gate)];
            return terms.reduce<ValueId>((sum, term) => (term ? to.node("Add", [sum, term]) : sum), product);
          },
        });
        const active = lengths && to.node("Less", [to.scalar(to.typeOf(lengths).dtype, t), to.node("Reshape", [lengths, to.integers([batch, 1])])]);
        states = active ? next.map((value, i) => to.node("Where", [active, value, states[i]!])) : [...next];
        shown.push(active ? to.node("Where", [active, states[0]!, to.scalar(dtype, 0)]) : states[0]!);
      }
      const outside = to.integers([0]);
      const y = steps === 0 ? to.node("Expand", [to.scalar(dtype, 0), to.integers([0, batch, hidden])]) : to.node("Concat", shown.map((id) => to.node("Unsqueeze", [id, outside])), { axis: 0 });
      return { y: turned(y), states };
    });
    // [steps, directions, batch, hidden] and [directions, batch, hidden], or with batches first.
    const y = to.node("Concat", directions.map((one) => to.node("Unsqueeze", [one.y, to.integers([1])])), { axis: 1 });
    const last = Array.from({ length: stateCount }, (_, i) =>
      swap(to.node("Concat", directions.map((one) => to.node("Unsqueeze", [one.states[i]!, to.integers([0])])), { axis: 0 })),
    );
    return [layout ? to.node("Transpose", [y], { perm: [2, 0, 1, 3] }) : y, ...last];
  };
} // prettier-ignore

export const compoundGradients: Readonly<Record<string, OperatorGradient>> = {
  "tilewright:AttentionScores": { expand: scores },
  "tilewright:MaskedSoftmax": reduceGradients["Softmax"]!,
  "tilewright:AttentionOutput": { expand: weightedSum },
  "tilewright:Resample": { rule: resample },
  LRN: { expand: localResponse },
  RNN: { expand: recurrent("RNN") },
  GRU: { expand: recurrent("GRU") },
  LSTM: { expand: recurrent("LSTM") },
};
