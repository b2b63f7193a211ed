/**
 * What goes with attention: RotaryEmbedding, LinearAttention, CausalConvWithState. In: a call with static types.
 * Out: maps without data movement, a recurrence over time, and a convolution. Invariant: the state of a linear
 * attention is float32 or wider and is carried through the loop over time, one head at a time.
 * Source: ONNX operator documentation, RotaryEmbedding (23), LinearAttention and CausalConvWithState (27).
 */
import { acc, add, cast, constant, int, max, min, mul, sub, unary, type Expr } from "../ir/expr.ts";
import { allocate, computeType, elementCount } from "../ir/dtype.ts";
import type { ValueId } from "../ir/graph.ts";
import { coordinate, type Axis, type Block, type Kernel } from "../ir/kernel.ts";
import { KernelWriter, type Expander, type OpCall, type OpDefinition } from "./define.ts";
import { expectRank, expectShape } from "./operandShape.ts";
import { loopOver, workingType } from "./normalise.ts";

// ---------------------------------------------------------------------------------------------------------------
// RotaryEmbedding

function buildRotary(call: OpCall): Kernel {
  const { shape } = call.input(0);
  const heads = shape.length === 4 ? shape[1]! : call.int("num_heads", 0);
  if (heads < 1) call.fail("attribute-invalid", "num_heads is needed for a 3-D input");
  const [length, size] = shape.length === 4 ? [shape[2]!, shape[3]!] : [shape[1]!, shape[2]! / heads];
  const rotated = call.int("rotary_embedding_dim", 0) || size;
  const half = rotated / 2;
  const interleaved = call.int("interleaved", 0) !== 0;
  const table = call.has(3) ? [call.input(1).shape[0]!, half] : [shape[0]!, length, half];
  if (!Number.isInteger(half) || rotated > size || !Number.isInteger(size)) {
    call.fail("attribute-invalid", `${rotated} of ${size} elements rotated`);
  }
  expectShape(call, 1, "the cosines", table);
  expectShape(call, 2, "the sines", table);
  expectShape(call, 3, "position_ids", [shape[0]!, length]);
  const b: Axis = { name: "b", extent: shape[0]! };
  const h: Axis = { name: "h", extent: heads };
  const s: Axis = { name: "s", extent: length };
  const pair: Axis = { name: "i", extent: half };
  const rest: Axis = { name: "r", extent: size - rotated };
  const writer = new KernelWriter(call);
  const index = (d: Expr): Expr[] =>
    shape.length === 4
      ? [coordinate(b), coordinate(h), coordinate(s), d]
      : [coordinate(b), coordinate(s), add(mul(coordinate(h), int(size)), d)];
  const i = coordinate(pair);
  const angle = (position: number): Expr => {
    if (!call.has(3)) return writer.load(position, [coordinate(b), coordinate(s), i]);
    // Positions come from data: kept within the table.
    const given = cast(writer.load(3, [coordinate(b), coordinate(s)]), "int64");
    const last = constant("i64", Math.max(0, call.input(position).shape[0]! - 1));
    return writer.load(position, [cast(min(max(given, constant("i64", 0)), last), "index"), i]);
  };
  const first = interleaved ? mul(i, int(2)) : i;
  const second = interleaved ? add(first, int(1)) : add(i, int(half));
  const [x, y, cosine, sine] = [
    writer.load(0, index(first)),
    writer.load(0, index(second)),
    angle(1),
    angle(2),
  ];
  const axes = [b, h, s, pair];
  writer.store(0, axes, index(first), sub(mul(cosine, x), mul(sine, y)));
  writer.store(0, axes, index(second), add(mul(sine, x), mul(cosine, y)));
  if (rest.extent > 0) {
    const kept = index(add(coordinate(rest), int(rotated)));
    writer.store(0, [b, h, s, rest], kept, writer.load(0, kept));
  }
  return writer.done();
}

const rotaryEmbedding: OpDefinition = {
  op: "RotaryEmbedding",
  infer(call) {
    expectRank(call, 0, "the input", 3, 4);
    return [call.input(0)];
  },
  implementation: { kind: "compute", build: buildRotary },
};

// ---------------------------------------------------------------------------------------------------------------
// LinearAttention

interface LinearSizes {
  readonly batch: number;
  readonly steps: number;
  readonly queryHeads: number;
  readonly heads: number;
  readonly keySize: number;
  readonly valueSize: number;
}

/** The sizes of a LinearAttention, whose operands are checked. */
export function linearSizes(call: OpCall): LinearSizes {
  const queryHeads = call.int("q_num_heads", 0);
  const heads = call.int("kv_num_heads", 0);
  const [q, v] = [call.input(0).shape, call.input(2).shape];
  if (queryHeads < 1 || heads < 1 || queryHeads % heads !== 0) {
    call.fail("attribute-invalid", `${queryHeads} query heads on ${heads} key heads`);
  }
  const [batch, steps] = q as [number, number, number];
  for (const position of [0, 1, 2]) expectRank(call, position, "query, key or value", 3);
  const sizes = { batch, steps, queryHeads, heads, keySize: q[2]! / queryHeads, valueSize: v[2]! / heads };
  const { keySize, valueSize } = sizes;
  if (!Number.isInteger(keySize) || !Number.isInteger(valueSize)) {
    call.fail("shape-mismatch", `query [${q}] and value [${v}] in ${queryHeads} and ${heads} heads`);
  }
  expectShape(call, 1, "the key", [batch, steps, heads * keySize]);
  expectShape(call, 2, "the value", [batch, steps, heads * valueSize]);
  expectShape(call, 3, "past_state", [batch, heads, keySize, valueSize]);
  const perHead = call.inputs[4]?.shape[2] === heads;
  expectShape(call, 4, "the decay", [batch, steps, perHead ? heads : heads * keySize]);
  expectShape(call, 5, "beta", [batch, steps, call.inputs[5]?.shape[2] === 1 ? 1 : heads]);
  return sizes;
}

/**
 * For each head, over time: state *= exp(decay); what is written is v, or for the delta rules
 * beta * (v - k * state); state += k outer what is written; output = scale * q * state.
 */
function buildLinearAttention(call: OpCall): Kernel {
  const { batch, steps, queryHeads, heads, keySize, valueSize } = linearSizes(call);
  const rule = call.string("update_rule", "gated_delta");
  const gated = rule.includes("gated") && call.has(4);
  const delta = rule.includes("delta") && call.has(5);
  const working = workingType(call.input(0).dtype);
  const writer = new KernelWriter(call, [
    { name: "state", dtype: working, shape: [keySize, valueSize] },
    { name: "written", dtype: working, shape: [valueSize] },
  ]);
  const perKey = queryHeads / heads;
  const b: Axis = { name: "b", extent: batch };
  const h: Axis = { name: "h", extent: heads };
  const t: Axis = { name: "t", extent: steps };
  const g: Axis = { name: "g", extent: perKey };
  const i: Axis = { name: "i", extent: keySize };
  const j: Axis = { name: "j", extent: valueSize };
  const of = coordinate;
  const at = (head: Expr, size: number, d: Expr): Expr[] => [of(b), of(t), add(mul(head, int(size)), d)];
  const [state, written] = [writer.temp("state"), writer.temp("written")];
  const cell = writer.loadFrom(state, [of(i), of(j)]);
  const write = writer.loadFrom(written, [of(j)]);
  const k = writer.load(1, at(of(h), keySize, of(i)));
  const v = writer.load(2, at(of(h), valueSize, of(j)));
  const body: Block[] = [];
  const setState = (value: Expr): Block => writer.assign(state, [i, j], [of(i), of(j)], value);
  if (gated) {
    // One decay for each key element, or one for the head.
    const perElement = call.input(4).shape[2] === heads * keySize;
    const decay = writer.load(4, perElement ? at(of(h), keySize, of(i)) : [of(b), of(t), of(h)]);
    body.push(setState(mul(cell, unary("exp", decay))));
  }
  if (delta) {
    const beta = writer.load(5, [of(b), of(t), call.input(5).shape[2] === 1 ? int(0) : of(h)]);
    const retrieved = { op: "sum", axes: [i], body: mul(cell, k) } as const;
    body.push(writer.assign(written, [j], [of(j)], mul(beta, sub(v, acc(cell.type))), retrieved));
  } else body.push(writer.assign(written, [j], [of(j)], v));
  body.push(setState(add(cell, mul(k, write))));
  if (call.wants(0)) {
    const head = add(mul(of(h), int(perKey)), of(g));
    const q = writer.load(0, at(head, keySize, of(i)));
    const scale = constant(cell.type, call.float("scale", 0) || 1 / Math.sqrt(keySize));
    const read = { op: "sum", axes: [i], body: mul(q, cell) } as const;
    const index = at(head, valueSize, of(j));
    body.push(
      writer.assign(writer.out(0), perKey === 1 ? [j] : [g, j], index, mul(scale, acc(cell.type)), read),
    );
  }
  const stateIndex = [of(b), of(h), of(i), of(j)];
  const start = call.has(3) ? writer.load(3, stateIndex) : constant(computeType(working), 0);
  const head: Block[] = [setState(start), { kind: "loop", axis: t, carried: true, body }];
  if (call.wants(1)) head.push(writer.assign(writer.out(1), [i, j], stateIndex, cell));
  return writer.push(...loopOver([b, h], head)).done();
}

const linearAttention: OpDefinition = {
  op: "LinearAttention",
  infer(call) {
    const { batch, steps, queryHeads, heads, keySize, valueSize } = linearSizes(call);
    const { dtype } = call.input(0);
    return [
      { dtype, shape: [batch, steps, queryHeads * valueSize] },
      { dtype: call.has(3) ? call.input(3).dtype : dtype, shape: [batch, heads, keySize, valueSize] },
    ];
  },
  implementation: { kind: "compute", build: buildLinearAttention },
};

// ---------------------------------------------------------------------------------------------------------------
// CausalConvWithState

function expandCausalConv(call: OpCall, to: Expander): (ValueId | undefined)[] {
  const [x, w] = call.node.inputs as [ValueId, ValueId];
  const bias = call.node.inputs[2] ?? "";
  const past = call.node.inputs[3] ?? "";
  const { dtype, shape } = call.input(0);
  expectRank(call, 0, "the input", 3);
  expectRank(call, 1, "the weights", 3);
  const [batch, channels, length] = shape as [number, number, number];
  const before = call.input(1).shape[2]! - 1;
  const zeros = (): ValueId => {
    const state = [batch, channels, before];
    return to.constant({ dtype, shape: state, data: allocate(dtype, elementCount(state)) });
  };
  // Without a past the convolution's own padding serves.
  const extended = past ? to.node("Concat", [past, x], { axis: 2 }) : x;
  const pads = past ? [0, 0] : [before, 0];
  let y = to.node("Conv", [extended, w, ...(bias ? [bias] : [])], { group: channels, pads });
  const activation = call.string("activation", "none");
  if (activation === "silu" || activation === "swish") y = to.node("Mul", [y, to.node("Sigmoid", [y])]);
  else if (activation !== "none" && activation !== "")
    call.fail("attribute-invalid", `activation "${activation}"`);
  if (!call.wants(1)) return [y, undefined];
  const history = past ? extended : to.node("Concat", [zeros(), x], { axis: 2 });
  const present = to.node("Slice", [
    history,
    to.integers([length]),
    to.integers([length + before]),
    to.integers([2]),
  ]);
  return [y, present];
}

const causalConv: OpDefinition = {
  op: "CausalConvWithState",
  implementation: {
    kind: "expand",
    expand: (call, to) => expandCausalConv(call, to) as readonly ValueId[],
  },
};

export const attentionLinearOps: readonly OpDefinition[] = [rotaryEmbedding, linearAttention, causalConv];
