/**
 * A tagger of words: an embedding, bidirectional LSTM layers (Graves and Schmidhuber, 2005), a linear layer to the
 * tags of each word, with seeded weights, as PyTorch's exporter writes it. In: sizes. Out: a model of one sentence.
 */
import { Network, type GeneratedModel } from "./network.ts";

export interface LstmTaggerConfig {
  readonly words: number;
  readonly vocabulary: number;
  readonly width: number;
  readonly hidden: number;
  readonly layers: number;
  readonly tags: number;
}

export function lstmTagger(
  config: LstmTaggerConfig = { words: 64, vocabulary: 8000, width: 100, hidden: 128, layers: 2, tags: 18 },
): GeneratedModel {
  const { words, vocabulary, width, hidden, layers, tags } = config;
  const net = new Network("lstm-tagger", 17, 16);
  const ids = net.indices("words", [words, 1], vocabulary);
  let x = net.op("Gather", [net.weight([vocabulary, width], 1), ids], { axis: 0 });
  let from = width;
  for (let layer = 0; layer < layers; layer++) {
    const w = net.weight([2, 4 * hidden, from], 1 / Math.sqrt(from));
    const r = net.weight([2, 4 * hidden, hidden], 1 / Math.sqrt(hidden));
    const b = net.op("Reshape", [net.vector(16 * hidden, 0, 0.1), net.model.int64s([2, 8 * hidden])]);
    const y = net.op("LSTM", [x, w, r, b], { hidden_size: hidden, direction: "bidirectional" });
    // [words, directions, batch, hidden] to [words, batch, directions * hidden].
    const turned = net.op("Transpose", [y], { perm: [0, 2, 1, 3] });
    x = net.op("Reshape", [turned, net.model.int64s([0, 0, 2 * hidden])]);
    from = 2 * hidden;
  }
  return net.finish([[net.linear(x, from, tags, 3), "tags", [words, 1, tags]]]);
}
