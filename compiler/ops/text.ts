/**
 * TfIdfVectorizer. In: tokens [C] or [N, C], a pool of n-grams with their output columns and
 * weights as attributes. Out: term frequencies counted by a library kernel, weighted by ordinary operators.
 * Invariant: only n-grams whose length lies in the wanted range are handed to the kernel; every column of the output
 * exists even if no n-gram names it. Source: ONNX operator TfIdfVectorizer (version 9).
 */
import { elementCount } from "../ir/dtype.ts";
import type { ValueId } from "../ir/graph.ts";
import type { AttributeLike, Expander, LibraryCall, OpCall, OpDefinition } from "./define.ts";
import { integers, input, libraryCall, libraryCode, output } from "./indexingLibrary.ts";
import { encodingOf } from "./stringLabels.ts";

/** One n-gram: where its tokens start in the pool, how many there are, and which column counts it. */
interface Gram {
  readonly offset: number;
  readonly length: number;
  readonly column: number;
}

/** The n-grams of the pool in their order; `ngram_counts[n - 1]` is where those of length n start in the pool. */
function gramsOf(call: OpCall): Gram[] {
  const starts =
    call.ints("ngram_counts") ?? call.fail("attribute-invalid", "attribute ngram_counts is missing");
  const columns =
    call.ints("ngram_indexes") ?? call.fail("attribute-invalid", "attribute ngram_indexes is missing");
  const pool = call.ints("pool_int64s") ?? call.strings("pool_strings");
  const poolLength = pool?.length ?? call.fail("attribute-invalid", "the pool is missing");
  const grams: Gram[] = [];
  starts.forEach((start, n) => {
    const length = n + 1;
    const end = starts[n + 1] ?? poolLength;
    for (let offset = start; offset + length <= end; offset += length) {
      grams.push({ offset, length, column: columns[grams.length] ?? -1 });
    }
  });
  return grams;
}

function columnCount(call: OpCall): number {
  return Math.max(-1, ...(call.ints("ngram_indexes") ?? [])) + 1;
}

function countedShape(call: OpCall): number[] {
  const { shape, dtype } = call.input(0);
  if (dtype !== "int32" && dtype !== "int64") call.fail("dtype-unsupported", `tokens of type ${dtype}`);
  if (shape.length !== 1 && shape.length !== 2)
    call.fail("shape-mismatch", `[${shape}] is neither [C] nor [N, C]`);
  return [...shape.slice(0, -1), columnCount(call)];
}

function countCall(call: OpCall): LibraryCall {
  const { shape, dtype } = call.input(0);
  const [low, high] = [call.int("min_gram_length", 1), call.int("max_gram_length", 1)];
  const grams = gramsOf(call).filter(({ length }) => length >= low && length <= high);
  const pool = call.ints("pool_int64s")!;
  return libraryCall("ngramCount", {
    tokenDtype: libraryCode(call, dtype),
    tokens: input(0),
    rows: elementCount(shape.slice(0, -1)),
    length: shape.at(-1)!,
    pool: {
      kind: "data",
      tensor: { dtype: "int64", shape: [pool.length], data: BigInt64Array.from(pool, BigInt) },
    },
    poolLength: pool.length,
    gramOffsets: integers(grams.map(({ offset }) => offset)),
    gramLengths: integers(grams.map(({ length }) => length)),
    gramColumns: integers(grams.map(({ column }) => column)),
    gramCount: grams.length,
    maxSkip: call.int("max_skip_count", 0),
    output: output(0),
    columns: columnCount(call),
  });
}

/** Tokens and pool as integers: strings are numbered in the order of the pool. */
function numbered(
  call: OpCall,
  to: Expander,
): { readonly tokens: ValueId; readonly attributes: Record<string, AttributeLike> } {
  const tokens = call.node.inputs[0]!;
  const { pool_strings: _, ...attributes } = Object.fromEntries<AttributeLike>(call.node.attributes);
  if (call.input(0).dtype !== "string") return { tokens, attributes };
  const pool =
    call.strings("pool_strings") ?? call.fail("attribute-invalid", "attribute pool_strings is missing");
  const words = [...new Set(pool)];
  const numbers = new Map(words.map((word, i) => [word, i]));
  return {
    tokens: to.node("ai.onnx.ml:LabelEncoder", [tokens], encodingOf(words)),
    attributes: {
      ...attributes,
      pool_int64s: { kind: "ints", value: pool.map((word) => numbers.get(word)!) },
    },
  };
}

/** Counts (TF), presence times weight (IDF), or counts times weight (TFIDF). */
function vectorize(call: OpCall, to: Expander): string[] {
  const mode = call.string("mode") ?? call.fail("attribute-invalid", "attribute mode is missing");
  const { tokens, attributes } = numbered(call, to);
  const counts = to.node("tilewright:NgramCount", [tokens], attributes);
  if (mode === "TF") return [counts];
  const weights = new Float32Array(columnCount(call)).fill(1);
  const given = call.floats("weights");
  gramsOf(call).forEach(({ column }, i) => {
    if (given?.[i] !== undefined && column >= 0) weights[column] = given[i];
  });
  const weight = to.constant({ dtype: "float32", shape: [weights.length], data: weights });
  if (mode === "TFIDF") return [to.node("Mul", [counts, weight])];
  if (mode !== "IDF") call.fail("attribute-invalid", `mode ${mode}`);
  return [to.node("Mul", [to.node("Min", [counts, to.scalar("float32", 1)]), weight])];
}

export const textOps: readonly OpDefinition[] = [
  { op: "TfIdfVectorizer", implementation: { kind: "expand", expand: vectorize } },
  {
    op: "NgramCount",
    domain: "tilewright",
    infer: (call) => [{ dtype: "float32", shape: countedShape(call) }],
    implementation: { kind: "library", call: countCall },
  },
];
