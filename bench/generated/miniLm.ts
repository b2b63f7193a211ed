/**
 * A BERT encoder (Devlin and others, 2019) of the size of MiniLM-L6 (Wang and others, 2020): 6 layers of 384 with 12
 * heads, with its embeddings and seeded weights, as exporters wrote it for opset 14: layer normalization and GELU in
 * their parts, an additive mask. In: sizes. Out: a model over `tokens` tokens; batch and tokens are open dimensions.
 */
import { Network, type GeneratedModel } from "./network.ts";
import { decomposedLayerNorm, gelu, mergeHeads, splitHeads } from "./transformer.ts";

export interface MiniLmConfig {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly tokens: number;
  readonly vocabulary: number;
}

const MOST_TOKENS = 512;
/** The most negative float32: a masked score. */
const NEVER = -3.4028234663852886e38;

/** That of the original, for a sentence or two. */
export const MINILM: MiniLmConfig = { layers: 6, width: 384, heads: 12, tokens: 128, vocabulary: 30522 };
/** A whole passage: scores that no cache of a core holds. */
export const MINILM_LONG: MiniLmConfig = { ...MINILM, tokens: MOST_TOKENS };

export function miniLm(config: MiniLmConfig = MINILM): GeneratedModel {
  const { layers, width, heads, tokens, vocabulary } = config;
  const net = new Network("minilm", 14, 4);
  const dims = ["batch_size", "sequence_length"];
  const words = net.indices("input_ids", [1, tokens], vocabulary, dims);
  // The last eighth is padding.
  const attended = BigInt64Array.from({ length: tokens }, (_, i) => (i < tokens - tokens / 8 ? 1n : 0n));
  const mask = net.inputOf("attention_mask", { dtype: "int64", shape: [1, tokens], data: attended }, dims);
  const segments = net.indices("token_type_ids", [1, tokens], 2, dims);

  const embedding = (rows: number, indices: string): string =>
    net.op("Gather", [net.weight([rows, width], 0.5), indices], { axis: 0 });
  const positions = net.model.initializer("float32", [1, MOST_TOKENS, width], positionTable(width));
  const count = net.op("Gather", [net.op("Shape", [words]), net.model.int64s([1])], { axis: 0 });
  const position = net.op("Slice", [positions, net.model.int64s([0]), count, net.model.int64s([1])]);
  let x = net.op("Add", [embedding(vocabulary, words), embedding(2, segments)]);
  x = decomposedLayerNorm(net, net.op("Add", [x, position]), width);

  const wide = net.op("Unsqueeze", [mask, net.model.int64s([1, 2])]);
  const absent = net.op("Sub", [net.scalar(1), net.op("Cast", [wide], { to: 1 })]);
  const bias = net.op("Mul", [absent, net.scalar(NEVER)]);
  for (let layer = 0; layer < layers; layer++) {
    const [q, k, v] = [false, true, false].map((swapped) =>
      splitHeads(net, net.linear(x, width, width), heads, width, swapped),
    );
    let scores = net.op("Div", [net.op("MatMul", [q, k]), net.scalar(Math.sqrt(width / heads))]);
    scores = net.op("Softmax", [net.op("Add", [scores, bias])], { axis: -1 });
    const attention = net.linear(mergeHeads(net, net.op("MatMul", [scores, v]), width), width, width);
    x = decomposedLayerNorm(net, net.op("Add", [attention, x]), width);
    const inner = gelu(net, net.linear(x, width, 4 * width));
    x = decomposedLayerNorm(net, net.op("Add", [net.linear(inner, 4 * width, width), x]), width);
  }
  return net.finish([[x, "last_hidden_state", [...dims, width]]]);
}

/** Sines and cosines of growing wavelengths (Vaswani and others, 2017), row by row. */
function positionTable(width: number): Float32Array {
  return Float32Array.from({ length: MOST_TOKENS * width }, (_, i) => {
    const [row, column] = [Math.floor(i / width), i % width];
    const angle = row / 10000 ** ((column - (column % 2)) / width);
    return column % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  });
}
