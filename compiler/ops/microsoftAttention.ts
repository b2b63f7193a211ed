/**
 * Attention of com.microsoft: Attention, MultiHeadAttention, GroupQueryAttention, RotaryEmbedding, and the embeddings
 * that stand before them. In: a call with static types. Out: ordinary operators, with masks as terms of the scores.
 * Invariant: a masked key gets `mask_filter_value` added, as onnxruntime does, so that a row without any key that is
 * not masked has the same result there and here. Source: onnxruntime, docs/ContribOperators.md.
 */
import { cast, constant, int, lt, max, min, select, sub, type Expr } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import { mapKernel, type AttributeLike, type Expander, type OpCall, type OpDefinition } from "./define.ts";
import { expanded, given, part, plus } from "./microsoftForm.ts";
import { expectShape } from "./operandShape.ts";
import { typeNumber } from "../ir/dataType.ts";

function counted(to: Expander, length: number): ValueId {
  return to.integers(Array.from({ length }, (_, i) => i));
}

function scaleOf(call: OpCall): Record<string, AttributeLike> {
  const scale = call.float("scale", 0);
  return scale === 0 ? {} : { scale: { float: scale } };
}

/**
 * A mask as a term of the scores, [batch, 1, queries or 1, keys]. It is given as numbers of keys by batch element
 * (then perhaps where they begin), or with a number, 0 for masked, by key or by query and key.
 */
export function maskBias(call: OpCall, to: Expander, mask: ValueId, keys: number): ValueId {
  if (mask === "") return "";
  const { shape } = to.typeOf(mask);
  const batch = call.input(0).shape[0]!;
  const wide = to.node("Cast", [mask], { to: typeNumber("int64") });
  let seen: ValueId;
  if (shape.length === 1 && (shape[0] === batch || shape[0] === 2 * batch)) {
    const positions = counted(to, keys);
    const column = (from: number): ValueId =>
      to.node("Reshape", [part(to, wide, from, from + batch, 0), to.integers([batch, 1, 1, 1])]);
    seen = to.node("Less", [positions, column(0)]);
    if (shape[0] !== batch)
      seen = to.node("And", [seen, to.node("GreaterOrEqual", [positions, column(batch)])]);
  } else if (shape.length === 2 || shape.length === 3) {
    if (shape[shape.length - 1] !== keys) call.fail("shape-mismatch", `a mask [${shape}] over ${keys} keys`);
    const rows = shape.length === 2 ? 1 : shape[1]!;
    const full = to.node("Reshape", [wide, to.integers([shape[0]!, 1, rows, keys])]);
    seen = to.node("Greater", [full, to.integers(0)]);
  } else return call.fail("op-unsupported", `a mask of shape [${shape}]`);
  const { dtype } = to.typeOf(floatInput(call));
  const filter = call.float("mask_filter_value", -10000);
  return to.node("Where", [seen, to.scalar(dtype, 0), to.scalar(dtype, filter)]);
}

/** An input of the element type in which scores are: of QAttention the bias, otherwise the first. */
function floatInput(call: OpCall): ValueId {
  return given(call, call.node.op === "QAttention" ? 3 : 0);
}

/** As onnxruntime has it, a single query looks at all keys. */
function causal(call: OpCall): number {
  return call.input(0).shape[1] === 1 ? 0 : call.int("unidirectional", 0);
}

/** Attention of 3-D query, key and value. With `past`, [2, batch, heads, keys, size], the outputs are y, present. */
export function attended(
  call: OpCall,
  to: Expander,
  [query, key, value]: readonly [ValueId, ValueId, ValueId],
  bias: ValueId,
  past: ValueId,
): (ValueId | undefined)[] {
  const heads = call.int("num_heads", 0);
  const before = [0, 1].map((i) => (past ? to.node("Gather", [past, to.integers(i)], { axis: 0 }) : ""));
  const presents = call.wants(1);
  const [y, k, v] = to.nodes("Attention", [query, key, value, bias, ...before] as ValueId[], presents ? 3 : 1, {
    q_num_heads: heads,
    kv_num_heads: heads,
    is_causal: causal(call),
    ...scaleOf(call),
  }); // prettier-ignore
  if (!presents) return [y];
  const rows = [k!, v!].map((id) => to.node("Unsqueeze", [id, to.integers([0])]));
  return [y, to.node("Concat", rows, { axis: 0 })];
}

const attention = expanded("Attention", (call, to) => {
  if (call.int("do_rotary", 0)) call.fail("op-unsupported", "Attention with rotary embeddings");
  if (call.int("past_present_share_buffer", 0)) call.fail("op-unsupported", "Attention with a shared cache");
  const projected = plus(to, to.node("MatMul", [given(call, 0), given(call, 1)]), given(call, 2));
  const width = to.typeOf(projected).shape[2]!;
  const sizes = call.ints("qkv_hidden_sizes") ?? [width / 3, width / 3, width / 3];
  const [q, k, v] = sizes as [number, number, number];
  if (q + k + v !== width) call.fail("shape-mismatch", `sizes [${sizes}] of a projection to ${width}`);
  const parts = [part(to, projected, 0, q, 2), part(to, projected, q, q + k, 2), part(to, projected, q + k, width, 2)] as const; // prettier-ignore
  const keys = call.input(0).shape[1]! + (call.inputs[4]?.shape[3] ?? 0);
  const mask = maskBias(call, to, given(call, 3), keys);
  const extra = given(call, 5);
  return attended(
    call,
    to,
    parts,
    mask && extra ? to.node("Add", [mask, extra]) : mask || extra,
    given(call, 4),
  );
});

const multiHeadAttention = expanded("MultiHeadAttention", (call, to) => {
  const shapes = [0, 1, 2].map((position) => call.inputs[position]?.shape.length);
  if (shapes[0] !== 3 || shapes[1] === undefined || shapes[1] === 5) {
    call.fail("op-unsupported", "packed query, key and value");
  }
  const heads = call.int("num_heads", 1);
  let [query, key, value] = [0, 1, 2].map((position) => given(call, position)) as [ValueId, ValueId, ValueId];
  const bias = given(call, 3);
  if (bias) {
    // One bias for all three, one after the other.
    const [q, v] = [call.input(0).shape[2]!, call.input(3).shape[0]! - 2 * call.input(0).shape[2]!];
    query = to.node("Add", [query, part(to, bias, 0, q, 0)]);
    if (shapes[1] === 3) key = to.node("Add", [key, part(to, bias, q, 2 * q, 0)]);
    if (shapes[2] === 3) value = to.node("Add", [value, part(to, bias, 2 * q, 2 * q + v, 0)]);
  }
  const keys = call.input(1).shape[shapes[1] === 4 ? 2 : 1]! + (call.inputs[6]?.shape[2] ?? 0);
  const mask = maskBias(call, to, given(call, 4), keys);
  const extra = given(call, 5);
  const term = mask && extra ? to.node("Add", [mask, extra]) : mask || extra;
  return to.nodes("Attention", [query, key, value, term, given(call, 6), given(call, 7)], 3, {
    q_num_heads: heads,
    kv_num_heads: heads,
    is_causal: causal(call),
    ...scaleOf(call),
  });
});

// ---------------------------------------------------------------------------------------------------------------
// Grouped queries over a cache

/** Keys or values of earlier steps with new ones written from `start` on. Inputs: past or none, new, start. */
const writtenCache: OpDefinition = {
  op: "WrittenCache",
  domain: "tilewright",
  infer(call) {
    const [batch, heads, , size] = call.input(1).shape as [number, number, number, number];
    if (call.has(0)) expectShape(call, 0, "the cache", [batch, heads, call.input(0).shape[2]!, size]);
    expectShape(call, 2, "the first new position", [batch]);
    return [{ dtype: call.input(1).dtype, shape: [batch, heads, call.int("length", 0), size] }];
  },
  implementation: {
    kind: "compute",
    build: (call) =>
      mapKernel(call, (index, writer) => {
        const [b, h, t, d] = index as [Expr, Expr, Expr, Expr];
        const fresh = call.input(1).shape[2]!;
        const at = sub(t, cast(writer.load(2, [b]), "index"));
        const kept = min(max(at, int(0)), int(fresh - 1));
        const written = writer.load(1, [b, h, kept, d]);
        const before = call.has(0) ? writer.load(0, [b, h, t, d], 0) : constant(written.type, 0);
        // Behind the new ones there is nothing yet.
        return select(lt(at, int(0)), before, select(lt(at, int(fresh)), written, constant(written.type, 0)));
      }),
  },
};

const groupQueryAttention = expanded("GroupQueryAttention", (call, to) => {
  if (call.int("smooth_softmax", 0) > 0 || given(call, 11)) {
    call.fail("op-unsupported", "GroupQueryAttention with a sink beside the keys");
  }
  const [heads, keyHeads] = [call.int("num_heads", 0), call.int("kv_num_heads", 0)];
  const [batch, length, width] = call.input(0).shape as [number, number, number];
  let [query, key, value] = [0, 1, 2].map((position) => given(call, position)) as [ValueId, ValueId, ValueId];
  const packed = key === "";
  const size = width / (packed ? heads + 2 * keyHeads : heads);
  if (packed) {
    const [q, k] = [heads * size, keyHeads * size];
    [query, key, value] = [
      part(to, query, 0, q, 2),
      part(to, query, q, q + k, 2),
      part(to, query, q + k, width, 2),
    ];
  }
  const total = Number(call.value(6).data[0]);
  const cached = call.inputs[3]?.shape[2] ?? 0;
  // seqlens_k is the number of keys less one. The first prompt starts at 0, even where rows are padded behind.
  const prompt = length === total;
  const wide = to.node("Cast", [given(call, 5)], { to: typeNumber("int64") });
  const counts = to.node("Reshape", [to.node("Add", [wide, to.integers(1)]), to.integers([batch])]);
  const start = prompt
    ? to.integers(new Array<number>(batch).fill(0))
    : to.node("Sub", [counts, to.integers(length)]);
  const positions = to.node("Add", [to.node("Unsqueeze", [start, to.integers([1])]), counted(to, length)]);
  if (call.int("do_rotary", 0)) {
    const places = given(call, 9) || positions;
    const turned = (id: ValueId, count: number): ValueId =>
      to.node("RotaryEmbedding", [id, given(call, 7), given(call, 8), places], {
        interleaved: call.int("rotary_interleaved", 0),
        rotary_embedding_dim: 2 * call.input(7).shape[1]!,
        num_heads: count,
      });
    [query, key] = [turned(query, heads), turned(key, keyHeads)];
  }
  const present = Math.max(cached, total);
  const cache = (id: ValueId, position: number): ValueId => {
    const split = to.node("Reshape", [id, to.integers([batch, length, keyHeads, size])]);
    const rows = to.node("Transpose", [split], { perm: [0, 2, 1, 3] });
    if (present === length) return rows;
    return to.node("tilewright:WrittenCache", [given(call, position), rows, start], { length: present });
  };
  [key, value] = [cache(key, 3), cache(value, 4)];
  // Its window counts the query itself; none is a window of 0.
  const y = to.node("Attention", [query, key, value, given(call, 10), "", "", prompt ? "" : counts], {
    q_num_heads: heads,
    kv_num_heads: keyHeads,
    is_causal: 1,
    left_window_size: Math.max(call.int("local_window_size", -1) - 1, -1),
    softcap: { float: call.float("softcap", 0) },
    ...scaleOf(call),
  });
  return [y, key, value];
});

// ---------------------------------------------------------------------------------------------------------------
// Embeddings

const rotaryEmbedding = expanded("RotaryEmbedding", (call, to) => {
  const [x, positions, cosines, sines] = [0, 1, 2, 3].map((position) => given(call, position)) as [
    ValueId, ValueId, ValueId, ValueId,
  ]; // prettier-ignore
  const { shape } = call.input(0);
  const [batch, length] = shape.length === 4 ? [shape[0]!, shape[2]!] : [shape[0]!, shape[1]!];
  // One position is where the sequence starts; otherwise each element has its own.
  const single = call.input(1).shape.length === 1;
  const all = single ? to.node("Add", [positions, counted(to, length)]) : positions;
  return [
    to.node("RotaryEmbedding", [x, cosines, sines, to.node("Expand", [all, to.integers([batch, length])])], {
      interleaved: call.int("interleaved", 0),
      rotary_embedding_dim: call.int("rotary_embedding_dim", 0),
      num_heads:
        call.int("num_heads", 0) ||
        (shape.length === 4 ? shape[1]! : shape[2]! / (2 * call.input(2).shape[1]!)),
    }),
  ];
});

/** Sums of word, position and segment embeddings, normalised; also how many positions of each row are not masked. */
const embedLayerNorm = expanded("EmbedLayerNormalization", (call, to) => {
  const [words, segments, wordTable, positionTable, segmentTable, gamma, beta, mask, places] = Array.from(
    { length: 9 },
    (_, i) => given(call, i),
  ) as [ValueId, ValueId, ValueId, ValueId, ValueId, ValueId, ValueId, ValueId, ValueId];
  const [batch, length] = call.input(0).shape as [number, number];
  const rows = (table: ValueId, at: ValueId): ValueId => to.node("Gather", [table, at], { axis: 0 });
  const positions = rows(positionTable, places || counted(to, length));
  let total = to.node("Add", [rows(wordTable, words), positions]);
  if (segmentTable) {
    const none = to.integers(new Array<number>(length).fill(0));
    total = to.node("Add", [total, rows(segmentTable, segments || none)]);
  }
  const epsilon = { float: call.float("epsilon", 1e-12) };
  const y = to.node("LayerNormalization", [total, gamma, beta], { axis: -1, epsilon });
  const int32 = typeNumber("int32");
  const count = (): ValueId => {
    if (!mask) return to.node("Expand", [to.scalar("int32", 0), to.integers([batch])]);
    const seen = to.node("Equal", [mask, to.scalar(call.input(7).dtype, 1)]);
    return to.node("ReduceSum", [to.node("Cast", [seen], { to: int32 }), to.integers([1])], { keepdims: 0 });
  };
  return [y, call.wants(1) ? count() : undefined, total];
});

export const microsoftAttentionOps: readonly OpDefinition[] = [
  attention,
  multiHeadAttention,
  writtenCache,
  groupQueryAttention,
  rotaryEmbedding,
  embedLayerNorm,
];
