/**
 * Series of runs whose sizes change from run to run, as users have them. In: how long. Out: by name, a model whose sizes
 * are open, and the inputs of each run. Invariant: all that is random is seeded; models are those of bench/generated.
 */
import { type Tensor } from "../../runtime/dtype.ts";
import { gpt, GPT_DECODE, MOST_TOKENS } from "../generated/gpt.ts";
import { MINILM, miniLm } from "../generated/miniLm.ts";
import { type GeneratedModel } from "../generated/network.ts";
import { type BenchModel, type NamedTensor } from "../models.ts";
import { type Feedback } from "../protocol.ts";
import { uniform } from "../random.ts";

export interface Series {
  readonly model: BenchModel;
  /** Of each run, what changes: tokens that went before, or words of the sentence. */
  readonly sizes: readonly number[];
  /** Of each run, the inputs that are known beforehand. */
  readonly runs: readonly (readonly NamedTensor[])[];
  readonly feedback?: Feedback;
}

export interface SeriesCase {
  readonly name: string;
  /** Takes seconds. */
  make(): Series;
}

/** A text begins with one token whose keys and values are given. */
const PAST = 1;
/** The most that the decoder can make. */
export const MOST_NEW_TOKENS = MOST_TOKENS - PAST;

const SENTENCES = 40;
const SHORTEST = 5;
const LONGEST = 128;
const LENGTHS_SEED = 31;
const WORDS_SEED = 32;

/** @param tokens of the text that the decoder makes */
export function seriesCases(tokens: number): readonly SeriesCase[] {
  return [
    { name: `gen-gpt-decode, ${tokens} tokens`, make: () => decoding(tokens) },
    { name: `gen-minilm, ${SENTENCES} sentences`, make: () => encoding(sentenceLengths(SENTENCES)) },
  ];
}

/** A text that grows by the likeliest token; each run takes the keys and values that the one before has given. */
function decoding(tokens: number): Series {
  const config = { ...GPT_DECODE, past: PAST };
  const made = gpt(config);
  const sizes = Array.from({ length: tokens }, (_, i) => PAST + i);
  const cached = Array.from({ length: config.layers }, (_, layer) =>
    ["key", "value"].map((part) => [`past_key_values.${layer}.${part}`, `present.${layer}.${part}`]),
  );
  const carried = Object.fromEntries(cached.flat()) as Readonly<Record<string, string>>;
  return {
    model: modelOf("gen-gpt-decode", made),
    sizes,
    runs: sizes.map((past, i) => (i === 0 ? made.inputs : [{ name: "position_ids", tensor: row([past]) }])),
    feedback: { carried, logits: "logits", token: "input_ids" },
  };
}

/** Sentences one by one, each as long as it is. */
function encoding(lengths: readonly number[]): Series {
  const next = uniform(WORDS_SEED);
  const word = (): number => Math.floor(((next() + 1) / 2) * MINILM.vocabulary);
  return {
    model: modelOf("gen-minilm", miniLm()),
    sizes: lengths,
    runs: lengths.map((length) => {
      const all = (value: () => number): Tensor => row(Array.from({ length }, value));
      return [
        { name: "input_ids", tensor: all(word) },
        { name: "attention_mask", tensor: all(() => 1) },
        { name: "token_type_ids", tensor: all(() => 0) },
      ];
    }),
  };
}

/** Short ones more often than long ones, as in a text. */
export function sentenceLengths(count: number): readonly number[] {
  const next = uniform(LENGTHS_SEED);
  return Array.from({ length: count }, () => {
    const share = ((next() + 1) / 2) ** 2;
    return SHORTEST + Math.floor(share * (LONGEST - SHORTEST + 1));
  });
}

function row(values: readonly number[]): Tensor {
  return { dtype: "int64", shape: [1, values.length], data: BigInt64Array.from(values, BigInt) };
}

function modelOf(name: string, { bytes, inputs }: GeneratedModel): BenchModel {
  return { name, bytes, external: new Map(), quantized: false, inputs, outputs: [] };
}
