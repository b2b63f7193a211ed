/**
 * Samples of attention in its standard and contributed forms, and of what carries states. In: a sampler. Out: one
 * operator each. Invariant: as in `elementwise.ts`.
 */
import type { DType } from "../../../../runtime/dtype.ts";
import type { Ref, Sampler } from "../sampler.ts";
import type { SampleTable } from "./elementwise.ts";

const MS = { domain: "com.microsoft" } as const;
const HALVES: readonly DType[] = ["float32", "float32", "float32", "float16"];

function attention(s: Sampler): void {
  s.since(23);
  const [batch, keyHeads, size, valueSize] = [s.dim(3), s.dim(3), s.pick([1, 4, 8, 5]), s.pick([4, 8, 3])];
  const heads = keyHeads * s.pick([1, 1, 2, 3]);
  const [queries, keys] = [s.dim(7), s.dim(9)];
  const four = s.chance(0.5);
  const dtype = s.pick(HALVES);
  const shaped = (h: number, length: number, width: number) => (four ? [batch, h, length, width] : [batch, length, h * width]); // prettier-ignore
  const q = s.any([dtype], { shape: shaped(heads, queries, size) });
  const k = s.any([dtype], { shape: shaped(keyHeads, keys, size) });
  const v = s.any([dtype], { shape: shaped(keyHeads, keys, valueSize) });
  const past = s.chance(0.25) ? s.random.between(1, 4) : 0;
  const total = keys + past;
  const maskShape = s.partner([batch, heads, queries, total]).slice(-4);
  while (maskShape.length < 2) maskShape.unshift(1);
  if (maskShape.length > 0) maskShape[maskShape.length - 1] = total;
  const mask = s.chance(0.5) ? (s.chance(0.5) ? s.any(["bool"], { shape: maskShape }) : s.tensor(dtype, maskShape)) : undefined; // prettier-ignore
  const before = past > 0 ? [s.tensor(dtype, [batch, keyHeads, past, size]), s.tensor(dtype, [batch, keyHeads, past, valueSize])] : []; // prettier-ignore
  const outputs = [true, past > 0 || s.chance(0.15), past > 0 || s.chance(0.15), s.chance(0.15)];
  if (outputs[1] || outputs[2]) outputs[1] = outputs[2] = true;
  const inputs = [q, k, v, mask, ...before];
  if (s.opset >= 24 && before.length === 0 && s.chance(0.2)) inputs.push(undefined, undefined, s.range("int64", [batch], 1, total)); // prettier-ignore
  s.node("Attention", inputs, {
    q_num_heads: four ? undefined : heads,
    kv_num_heads: four ? undefined : keyHeads,
    is_causal: s.maybe(0, 1),
    left_window_size: s.opset >= 25 ? s.maybe(-1, 0, 2) : undefined,
    right_window_size: s.opset >= 25 ? s.maybe(-1, 0, 1) : undefined,
    scale: s.maybe(0.5, 0.25),
    softcap: s.maybe(2, 0),
    qk_matmul_output_mode: outputs[3] ? s.maybe(0, 1, 2, 3) : undefined,
  }, { outputs }); // prettier-ignore
}

function microsoftAttention(s: Sampler): void {
  const [batch, length, width, heads] = [s.dim(3), s.dim(6), s.dim(6), s.pick([1, 2, 3])];
  const hidden = heads * s.pick([2, 4]);
  const x = s.any(["float32"], { shape: [batch, length, width] });
  const mask = s.chance(0.5) ? s.pick([() => s.range("int32", [batch], 1, length), () => s.range("int32", [batch, length], 0, 1), () => s.range("int32", [batch, length, length], 0, 1)])() : undefined; // prettier-ignore
  const past = s.chance(0.2) && !mask ? s.tensor("float32", [2, batch, heads, 2, hidden / heads]) : undefined;
  s.node("Attention", [x, s.tensor("float32", [width, 3 * hidden]), s.tensor("float32", [3 * hidden]), mask, past], { num_heads: heads, unidirectional: s.maybe(0, 1), scale: s.maybe(0.5) }, { ...MS, outputs: past ? 2 : 1 }); // prettier-ignore
}

function multiHead(s: Sampler): void {
  const [batch, queries, keys, heads, size] = [
    s.dim(3),
    s.dim(6),
    s.dim(7),
    s.pick([1, 2, 3]),
    s.pick([2, 4]),
  ];
  const hidden = heads * size;
  const q = s.any(["float32"], { shape: [batch, queries, hidden] });
  const [k, v] = [s.tensor("float32", [batch, keys, hidden]), s.tensor("float32", [batch, keys, hidden])];
  const bias = s.chance(0.4) ? s.tensor("float32", [3 * hidden]) : undefined;
  const mask = s.chance(0.3) ? s.range("int32", s.pick([[batch], [batch, keys]]), 1, 1) : undefined;
  const term = s.chance(0.3) ? s.tensor("float32", [s.pick([1, batch]), heads, queries, keys]) : undefined;
  s.node("MultiHeadAttention", [q, k, v, bias, mask, term], { num_heads: heads, scale: s.maybe(0.5), unidirectional: s.maybe(0, 1) }, MS); // prettier-ignore
}

function groupQuery(s: Sampler): void {
  const [batch, length, past, keyHeads, size] = [s.dim(3), s.dim(4), s.random.between(0, 3), s.pick([1, 2]), s.pick([16, 16, 32])]; // prettier-ignore
  s.decline(past > 0 && length > 1 && batch > 1);
  const heads = keyHeads * s.pick([1, 2]);
  const q = s.tensor("float32", [batch, length, heads * size]);
  const kv = () => s.tensor("float32", [batch, length, keyHeads * size]);
  const cache = () => (past > 0 ? s.tensor("float32", [batch, keyHeads, past, size]) : undefined);
  const total = past + length;
  const rotary = s.chance(0.4);
  const table = () => (rotary ? s.tensor("float32", [total + 2, size / 2]) : undefined);
  const inputs = [q, kv(), kv(), cache(), cache(), s.param("int32", [batch], new Array<number>(batch).fill(total - 1)), s.param("int32", [], [total]), table(), table()]; // prettier-ignore
  s.node("GroupQueryAttention", inputs, { num_heads: heads, kv_num_heads: keyHeads, scale: s.maybe(0.5), do_rotary: rotary ? 1 : undefined, rotary_interleaved: rotary ? s.maybe(0, 1) : undefined, local_window_size: s.maybe(2, -1), softcap: s.maybe(1.5) }, { ...MS, outputs: 3 }); // prettier-ignore
}

export const attentionSamples: SampleTable = {
  Attention: attention,
  "ai.onnx.preview:FlexAttention": (s) => {
    const [batch, heads, queries, keys, size] = [s.dim(3), s.dim(3), s.dim(5), s.dim(6), s.pick([2, 4])];
    const part = (length: number): Ref => s.any(["float32"], { shape: [batch, heads, length, size] });
    s.node("FlexAttention", [part(queries), part(keys), part(keys)], { scale: s.maybe(0.5) }, { domain: "ai.onnx.preview" }); // prettier-ignore
  },
  LinearAttention: (s) => {
    s.since(27);
    const [batch, length, heads, size, valueSize] = [
      s.dim(3),
      s.dim(5),
      s.dim(3),
      s.pick([2, 4]),
      s.pick([2, 3]),
    ];
    const rule = s.pick(["linear", "gated", "delta", "gated_delta"]);
    const [q, k] = [s.tensor("float32", [batch, length, heads * size]), s.tensor("float32", [batch, length, heads * size])]; // prettier-ignore
    const v = s.tensor("float32", [batch, length, heads * valueSize]);
    const state = s.chance(0.5) ? s.tensor("float32", [batch, heads, size, valueSize]) : undefined;
    const decay = rule.startsWith("gated") ? s.tensor("float32", [batch, length, heads]) : undefined;
    const beta = rule.endsWith("delta") ? s.tensor("float32", [batch, length, heads], "unit") : undefined;
    s.node("LinearAttention", [q, k, v, state, decay, beta], { q_num_heads: heads, kv_num_heads: heads, update_rule: rule, scale: s.maybe(0.5) }, { outputs: 2 }); // prettier-ignore
  },
  CausalConvWithState: (s) => {
    s.since(27);
    const [batch, channels, length, taps] = [s.dim(3), s.dim(5), s.dim(7), s.random.between(1, 4)];
    const x = s.any(["float32", "float16"], { shape: [batch, channels, length] });
    const bias = s.chance(0.5) ? s.tensor(x.dtype, [channels]) : undefined;
    const state = s.chance(0.5) ? s.tensor(x.dtype, [batch, channels, taps - 1]) : undefined;
    s.node("CausalConvWithState", [x, s.tensor(x.dtype, [channels, 1, taps]), bias, state], { activation: s.maybe("none", "silu", "swish") }, { outputs: 2 }); // prettier-ignore
  },
  "com.microsoft:Attention": microsoftAttention,
  "com.microsoft:MultiHeadAttention": multiHead,
  "com.microsoft:GroupQueryAttention": groupQuery,
  "com.microsoft:RotaryEmbedding": (s) => {
    const [batch, heads, length, size] = [s.dim(3), s.dim(3), s.dim(5), s.pick([4, 8])];
    const four = s.chance(0.5);
    const x = s.tensor("float32", four ? [batch, heads, length, size] : [batch, length, heads * size]);
    const single = s.chance(0.3);
    const positions = single ? s.param("int64", [1], [1]) : s.range("int64", [batch, length], 0, length);
    const table = () => s.tensor("float32", [length + 2, size / 2]);
    s.node("RotaryEmbedding", [x, positions, table(), table()], { interleaved: s.maybe(0, 1) }, MS);
  },
};
