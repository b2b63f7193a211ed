/**
 * A small GPT (Radford and others, 2019) with a cache of keys and values and seeded weights, in its two forms: reading
 * a prompt, and making one token after `past` others. In: sizes. Out: a model that takes the cache of each layer and
 * gives it back longer, as exporters write decoders. Invariant: layers, widths and weights are the same in both forms.
 */
import { Network, type GeneratedModel } from "./network.ts";
import { geluTanh, layerNorm, mergeHeads, splitHeads } from "./transformer.ts";

export interface GptConfig {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly vocabulary: number;
  /** Tokens of this run. */
  readonly tokens: number;
  /** Tokens whose keys and values are given; 0 for the first run. */
  readonly past: number;
}

const SIZES = { layers: 6, width: 384, heads: 6, vocabulary: 8192 };
export const GPT_DECODE: GptConfig = { ...SIZES, tokens: 1, past: 96 };
export const GPT_PREFILL: GptConfig = { ...SIZES, tokens: 64, past: 0 };
/** Places that there are numbers for. */
export const MOST_TOKENS = 256;

export function gpt(config: GptConfig): GeneratedModel {
  const { layers, width, heads, vocabulary, tokens, past } = config;
  const net = new Network("gpt", 17, 5);
  const words = net.indices("input_ids", [1, tokens], vocabulary);
  const places = BigInt64Array.from({ length: tokens }, (_, i) => BigInt(past + i));
  const positions = net.inputOf("position_ids", { dtype: "int64", shape: [1, tokens], data: places });
  const size = width / heads;
  const cached = [1, heads, past, size];
  const openCache = [1, heads, "past_sequence_length", size];
  const caches = past === 0 ? [] : Array.from({ length: layers }, (_, i) => ({
    key: net.input(`past_key_values.${i}.key`, cached, openCache),
    value: net.input(`past_key_values.${i}.value`, cached, openCache),
  })); // prettier-ignore

  const table = net.weight([vocabulary, width], 0.5);
  let x = net.op("Add", [
    net.op("Gather", [table, words], { axis: 0 }),
    net.op("Gather", [net.weight([MOST_TOKENS, width], 0.1), positions], { axis: 0 }),
  ]);
  const seen = past === 0 ? causalMask(net, tokens) : undefined;
  const present: [string, string, (string | number)[]][] = [];
  for (let layer = 0; layer < layers; layer++) {
    const joint = net.linear(layerNorm(net, x, width), width, 3 * width);
    const parts = net.model.nodeWithOutputs("Split", [joint, net.model.int64s([width, width, width])], 3, {
      axis: 2,
    });
    const [q, newKeys, newValues] = parts.map((part) => splitHeads(net, part, heads, width));
    const cache = caches[layer];
    const keys = cache ? net.op("Concat", [cache.key, newKeys], { axis: 2 }) : newKeys!;
    const values = cache ? net.op("Concat", [cache.value, newValues], { axis: 2 }) : newValues!;
    const turned = net.op("Transpose", [keys], { perm: [0, 1, 3, 2] });
    let scores = net.op("Div", [net.op("MatMul", [q, turned]), net.scalar(Math.sqrt(size))]);
    if (seen !== undefined) scores = net.op("Where", [seen, scores, net.scalar(-1e4)]);
    const shares = net.op("Softmax", [scores], { axis: -1 });
    const attention = mergeHeads(net, net.op("MatMul", [shares, values]), width);
    x = net.op("Add", [x, net.linear(attention, width, width, 0.5)]);
    const inner = geluTanh(net, net.linear(layerNorm(net, x, width), width, 4 * width));
    x = net.op("Add", [x, net.linear(inner, 4 * width, width, 0.5)]);
    const total = past === 0 ? tokens : "total_sequence_length";
    present.push([keys, `present.${layer}.key`, [1, heads, total, size]]);
    present.push([values, `present.${layer}.value`, [1, heads, total, size]]);
  }
  const head = net.weight([width, vocabulary], 1 / Math.sqrt(width));
  const logits = net.op("MatMul", [layerNorm(net, x, width), head]);
  return net.finish([[logits, "logits", [1, tokens, vocabulary]], ...present]);
}

/** `[1, 1, tokens, tokens]`: whether a token may look at another. */
function causalMask(net: Network, tokens: number): string {
  const seen = Array.from({ length: tokens * tokens }, (_, i) => i % tokens <= Math.floor(i / tokens));
  return net.model.initializer("bool", [1, 1, tokens, tokens], seen);
}
