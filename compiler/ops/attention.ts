/**
 * Attention and FlexAttention. In: a call with static types, heads as a dimension (4-D) or within the last one
 * (3-D). Out: scores, their softmax, and the weighted sum of values, each one kernel. Invariant: heads that share
 * keys and values (grouped queries) and 3-D operands are read where they lie, by affine indices, so nothing is
 * transposed or repeated; scores are float32 or wider; a row whose keys are all masked gives zeros.
 * Source: ONNX operator documentation, Attention (25), FlexAttention (26).
 */
import { add, cast, constant, div, int, le, lt, mul, select, sub, unary, type Expr } from "../ir/expr.ts";
import { isInteger, type DType } from "../ir/dtype.ts";
import type { Attribute, Graph, ValueId } from "../ir/graph.ts";
import { coordinate, type Axis } from "../ir/kernel.ts";
import { contraction } from "./contract.ts";
import { typeNumber } from "../ir/dataType.ts";
import { KernelWriter, type AttributeLike, type Expander, type OpCall, type OpDefinition } from "./define.ts";
import { expectBroadcast, expectRank, expectShape } from "./operandShape.ts";
import { workingType } from "./normalise.ts";

/** Sizes of an operand with `heads` heads, in either form. */
function headShape(shape: readonly number[], heads: number): { batch: number; length: number; size: number } {
  return shape.length === 4
    ? { batch: shape[0]!, length: shape[2]!, size: shape[3]! }
    : { batch: shape[0]!, length: shape[1]!, size: shape[2]! / heads };
}

/** Index of element `d` of position `s` of a head. */
function headIndex(
  shape: readonly number[],
  heads: number,
  at: readonly [batch: Expr, head: Expr, s: Expr, d: Expr],
): Expr[] {
  const [batch, head, s, d] = at;
  if (shape.length === 4) return [batch, head, s, d];
  return [batch, s, add(mul(head, int(shape[2]! / heads)), d)];
}

/** Axes over query heads as (key head, query head within its group), and both heads as coordinates. */
function groupedHeads(
  queryHeads: number,
  keyHeads: number,
): { axes: Axis[]; queryHead: Expr; keyHead: Expr } {
  const perKey = queryHeads / keyHeads;
  const h: Axis = { name: "h", extent: keyHeads };
  const g: Axis = { name: "g", extent: perKey };
  return {
    axes: perKey === 1 ? [h] : [h, g],
    queryHead: add(mul(coordinate(h), int(perKey)), coordinate(g)),
    keyHead: coordinate(h),
  };
}

/** How far the scores are computed; as qk_matmul_output_mode counts. */
const RAW = 0;
const CAPPED = 1;
const BIASED = 2;
const WEIGHTS = 3;

/** Q * K' * scale with softcap and masks: [batch, heads, queries, keys]. Inputs: Q, K, mask, key counts. */
const scores: OpDefinition = {
  op: "AttentionScores",
  domain: "tilewright",
  infer(call) {
    const [queryHeads, keyHeads] = [call.int("q_heads", 1), call.int("kv_heads", 1)];
    const q = headShape(call.input(0).shape, queryHeads);
    const k = headShape(call.input(1).shape, keyHeads);
    const shape = [q.batch, queryHeads, q.length, k.length];
    const mask = call.inputs[2]?.shape;
    // A mask may cover fewer keys than there are.
    if (mask)
      expectBroadcast(call, 2, "the mask", [
        ...shape.slice(0, 3),
        Math.min(k.length, mask[mask.length - 1] ?? 1),
      ]);
    return [{ dtype: workingType(call.input(0).dtype), shape }];
  },
  implementation: {
    kind: "compute",
    build(call) {
      const [queryHeads, keyHeads] = [call.int("q_heads", 1), call.int("kv_heads", 1)];
      const [batch, , queries, keys] = call.outputs[0]!.shape as [number, number, number, number];
      const { size } = headShape(call.input(0).shape, queryHeads);
      const b: Axis = { name: "b", extent: batch };
      const s: Axis = { name: "s", extent: queries };
      const t: Axis = { name: "t", extent: keys };
      const d: Axis = { name: "d", extent: size };
      const { axes: headAxes, queryHead, keyHead } = groupedHeads(queryHeads, keyHeads);
      const writer = new KernelWriter(call);
      const of = coordinate;
      const q = writer.load(0, headIndex(call.input(0).shape, queryHeads, [of(b), queryHead, of(s), of(d)]));
      const k = writer.load(1, headIndex(call.input(1).shape, keyHeads, [of(b), keyHead, of(t), of(d)]));
      const index = [of(b), queryHead, of(s), of(t)];
      const finish = (sum: Expr): Expr => finishScores(call, writer, sum, index, queries);
      return contraction(writer, 0, [b, ...headAxes, s, t], index, [d], mul(q, k), finish).done();
    },
  },
};

/**
 * How many keys before and after its own position a query sees; negative: all of them. What is causal sees none after.
 */
export function windowOf(call: OpCall): readonly [left: number, right: number] {
  return [call.int("left_window_size", -1), call.int("is_causal", 0) ? 0 : call.int("right_window_size", -1)];
}

function finishScores(
  call: OpCall,
  writer: KernelWriter,
  sum: Expr,
  index: readonly Expr[],
  queries: number,
): Expr {
  const [batch, , s, t] = index as [Expr, Expr, Expr, Expr];
  const real = (value: number): Expr => constant(sum.type, value);
  const until = call.int("until", BIASED);
  const never = real(-Infinity);
  let x = mul(sum, real(call.float("scale", 1)));
  if (until === RAW) return x;
  const cap = call.float("softcap", 0);
  if (cap !== 0) x = mul(unary("tanh", div(x, real(cap))), real(cap));
  if (until === CAPPED) return x;
  if (call.has(2)) {
    const { dtype, shape } = call.input(2);
    const keys = call.outputs[0]!.shape[3]!;
    const at = shape.map((dim, d) => (dim === 1 ? int(0) : index[d + 4 - shape.length]!));
    // A mask over fewer keys than there are hides the rest.
    const short = shape.length > 0 && shape[shape.length - 1]! < keys && shape[shape.length - 1] !== 1;
    if (dtype === "bool") x = select(writer.load(2, at, short ? 0 : undefined), x, never);
    else
      x = add(x, cast(writer.load(2, at, short ? -Infinity : undefined), workingType(call.input(0).dtype)));
  }
  const count = call.has(3) ? cast(writer.load(3, [batch]), "index") : undefined;
  const [left, right] = windowOf(call);
  if (left >= 0 || right >= 0) {
    // Where the query stands among the keys.
    const position = add(s, count ? sub(count, int(queries)) : int(call.int("causal_offset", 0)));
    if (left >= 0) x = select(le(position, add(t, int(left))), x, never);
    if (right >= 0) x = select(le(t, add(position, int(right))), x, never);
  }
  return count ? select(lt(t, count), x, never) : x;
}

/** Weights * V: [batch, heads, queries, value size], or 3-D as the query is. Inputs: weights, V. */
const weightedSum: OpDefinition = {
  op: "AttentionOutput",
  domain: "tilewright",
  infer(call) {
    const [batch, heads, queries] = call.input(0).shape as [number, number, number, number];
    const { size } = headShape(call.input(1).shape, call.int("kv_heads", 1));
    const shape = call.int("flat", 0) ? [batch, queries, heads * size] : [batch, heads, queries, size];
    return [{ dtype: call.input(1).dtype, shape }];
  },
  implementation: {
    kind: "compute",
    build(call) {
      const [batch, queryHeads, queries, keys] = call.input(0).shape as [number, number, number, number];
      const keyHeads = call.int("kv_heads", 1);
      const { shape } = call.input(1);
      const b: Axis = { name: "b", extent: batch };
      const s: Axis = { name: "s", extent: queries };
      const t: Axis = { name: "t", extent: keys };
      const d: Axis = { name: "d", extent: headShape(shape, keyHeads).size };
      const { axes: headAxes, queryHead, keyHead } = groupedHeads(queryHeads, keyHeads);
      const writer = new KernelWriter(call);
      const of = coordinate;
      const weight = writer.load(0, [of(b), queryHead, of(s), of(t)]);
      const v = writer.load(1, headIndex(shape, keyHeads, [of(b), keyHead, of(t), of(d)]));
      const index = headIndex(call.outputs[0]!.shape, queryHeads, [of(b), queryHead, of(s), of(d)]);
      return contraction(writer, 0, [b, ...headAxes, s, d], index, [t], mul(weight, v)).done();
    },
  },
};

/** A 3-D operand with its heads as a dimension; 4-D ones stay. */
function withHeads(to: Expander, id: ValueId, heads: number): ValueId {
  const { shape } = to.typeOf(id);
  if (shape.length === 4) return id;
  const [batch, length, width] = shape as [number, number, number];
  const split = to.node("Reshape", [id, to.integers([batch, length, heads, width / heads])]);
  return to.node("Transpose", [split], { perm: [0, 2, 1, 3] });
}

/** The value in the dtype of the operands, for outputs that show intermediate results. */
function inDtype(to: Expander, id: ValueId, dtype: DType): ValueId {
  return to.typeOf(id).dtype === dtype
    ? id
    : to.node("Identity", [to.node("CastLike", [id, to.scalar(dtype, 0)])]);
}

/** Counts of heads, once the operands are known to fit each other. */
function headCounts(call: OpCall): { readonly queryHeads: number; readonly keyHeads: number } {
  for (const position of [0, 1, 2]) expectRank(call, position, "Q, K or V", 3, 4);
  const [q, k] = [call.input(0).shape, call.input(1).shape];
  const queryHeads = q.length === 4 ? q[1]! : call.int("q_num_heads", 0);
  const keyHeads = k.length === 4 ? k[1]! : call.int("kv_num_heads", 0);
  if (queryHeads < 1 || keyHeads < 1 || queryHeads % keyHeads !== 0) {
    call.fail(
      "attribute-invalid",
      `${queryHeads} query heads on ${keyHeads} key heads for Q [${q}] and K [${k}]`,
    );
  }
  const v = call.input(2).shape;
  const [query, key, value] = [headShape(q, queryHeads), headShape(k, keyHeads), headShape(v, keyHeads)];
  const fits =
    query.batch === key.batch &&
    key.batch === value.batch &&
    query.size === key.size &&
    key.length === value.length &&
    Number.isInteger(key.size) &&
    Number.isInteger(value.size) &&
    (v.length === 3 || v[1] === keyHeads);
  if (!fits)
    call.fail("shape-mismatch", `Q [${q}], K [${k}], V [${v}] of ${queryHeads} and ${keyHeads} heads`);
  return { queryHeads, keyHeads };
}

/** A bound of the window: -1 where there is none, which a bound of past all positions is too. */
function bound(call: OpCall, name: string): number {
  const size = call.int(name, -1);
  if (size < -1) call.fail("attribute-invalid", `${name} is ${size}`, "-1 is for no bound");
  return size < 2 ** 31 ? size : -1;
}

function expandAttention(call: OpCall, to: Expander): (ValueId | undefined)[] {
  const { queryHeads, keyHeads } = headCounts(call);
  const input = (position: number): ValueId => call.node.inputs[position] ?? "";
  const { dtype, shape } = call.input(0);
  const { size } = headShape(shape, queryHeads);
  const past = call.has(4) ? call.input(4).shape[2]! : 0;
  expectShape(call, 6, "nonpad_kv_seqlen", [call.input(0).shape[0]!]);
  // Keys and values of earlier steps come first. Without them, and if nobody asks, they stay in their own form.
  const whole = (now: number, before: number, wanted: boolean): ValueId => {
    if (!call.has(before)) return wanted ? withHeads(to, input(now), keyHeads) : input(now);
    return to.node("Concat", [input(before), withHeads(to, input(now), keyHeads)], { axis: 2 });
  };
  const key = whole(1, 4, call.wants(1));
  const value = whole(2, 5, call.wants(2));
  const attributes: Record<string, AttributeLike> = {
    q_heads: queryHeads,
    kv_heads: keyHeads,
    scale: { float: call.float("scale", 0) || 1 / Math.sqrt(size) },
    softcap: { float: call.float("softcap", 0) },
    is_causal: call.int("is_causal", 0),
    left_window_size: bound(call, "left_window_size"),
    right_window_size: bound(call, "right_window_size"),
    causal_offset: past,
  };
  // A mask of integers is added like one of floats.
  const mask = call.has(3) && isInteger(call.input(3).dtype) ? inDtype(to, input(3), "float32") : input(3);
  const scoresUntil = (until: number): ValueId =>
    to.node("tilewright:AttentionScores", [input(0), key, mask, input(6)], { ...attributes, until });
  const masked = scoresUntil(BIASED);
  // Scores are never narrower than float32; what asks for more than they are gets it.
  const precise = call.int("softmax_precision") === typeNumber("float64");
  const softmax = to.node("tilewright:MaskedSoftmax", [precise ? inDtype(to, masked, "float64") : masked]);
  const weights = inDtype(to, softmax, to.typeOf(masked).dtype);
  const y = to.node("tilewright:AttentionOutput", [weights, value], {
    kv_heads: keyHeads,
    flat: shape.length === 3 ? 1 : 0,
  });
  const mode = call.int("qk_matmul_output_mode", RAW);
  const shown = (): ValueId => (mode === WEIGHTS ? weights : mode === BIASED ? masked : scoresUntil(mode));
  return [y, key, value, call.wants(3) ? inDtype(to, shown(), dtype) : undefined];
}

/** Writes the nodes of a graph attribute with one input and one output. */
function inlineBody(to: Expander, body: Graph, argument: ValueId): ValueId {
  const values = new Map<ValueId, ValueId>([[body.inputs[0]!.id, argument]]);
  for (const [id, tensor] of body.constants) values.set(id, to.constant(tensor));
  for (const node of body.nodes) {
    const op = node.domain === "" ? node.op : `${node.domain}:${node.op}`;
    const attributes: Record<string, Attribute> = Object.fromEntries(node.attributes);
    const inputs = node.inputs.map((id) => values.get(id) ?? id);
    const outputs = to.nodes(op, inputs, node.outputs.length, attributes);
    node.outputs.forEach((id, i) => values.set(id, outputs[i]!));
  }
  const result = body.outputs[0]!.id;
  return values.get(result) ?? result;
}

const flexAttention: OpDefinition = {
  op: "FlexAttention",
  domain: "ai.onnx.preview",
  implementation: {
    kind: "expand",
    expand(call, to) {
      const { queryHeads, keyHeads } = headCounts(call);
      const [q, k, v] = call.node.inputs as [ValueId, ValueId, ValueId];
      const { size } = headShape(call.input(0).shape, queryHeads);
      const changed = (name: string, id: ValueId): ValueId => {
        const body = call.graph(name);
        return body ? inlineBody(to, body, id) : id;
      };
      const raw = to.node("tilewright:AttentionScores", [q, k], {
        q_heads: queryHeads,
        kv_heads: keyHeads,
        scale: { float: call.float("scale", 0) || 1 / Math.sqrt(size) },
        until: RAW,
      });
      const weights = to.node("Softmax", [changed("score_mod", raw)], { axis: 3 });
      return [
        to.node("tilewright:AttentionOutput", [changed("prob_mod", weights), v], { kv_heads: keyHeads }),
      ];
    },
  },
};

const attention: OpDefinition = {
  op: "Attention",
  implementation: {
    kind: "expand",
    expand: (call, to) => expandAttention(call, to) as readonly ValueId[],
  },
};

export const attentionOps: readonly OpDefinition[] = [scores, weightedSum, attention, flexAttention];
