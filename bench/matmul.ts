/**
 * The matrix product as a model: what a single contraction reaches of the machine's peak. In: nothing. Out: ONNX
 * models made through our own writer, with seeded inputs, and how many operations one run is. Invariant: the numbers
 * are the same on every machine and in every run.
 */
import { onnxModel } from "../compiler/frontend/onnx/write.ts";
import { type BenchModel } from "./models.ts";

const M = 384;
const K = 768;
const N = 768;

/** Multiplications and additions of one run. */
export const MATMUL_FLOP = 2 * M * K * N;

/**
 * `A [384,768] x B [768,768]` in float32. As in a network's layers B is a weight, so a runtime may reorder it when it
 * loads the model; in the second model both are inputs, and what reordering there is counts.
 */
export function matmulModels(): readonly BenchModel[] {
  const a = random(M * K, 1);
  const b = random(K * N, 2);
  return [true, false].map((constant) => {
    const name = `matmul-${M}x${K}x${N}${constant ? "" : "-both-inputs"}`;
    const builder = onnxModel(name, { opset: 13 });
    const left = builder.input("A", "float32", [M, K]);
    const right = constant
      ? builder.initializer("float32", [K, N], b, "B")
      : builder.input("B", "float32", [K, N]);
    builder.output(builder.node("MatMul", [left, right], {}, { output: "C" }), "float32", [M, N]);
    const inputs = [{ name: "A", tensor: { dtype: "float32" as const, shape: [M, K], data: a } }];
    if (!constant) inputs.push({ name: "B", tensor: { dtype: "float32", shape: [K, N], data: b } });
    return { name, bytes: builder.toBytes(), external: new Map(), quantized: false, inputs, outputs: [] };
  });
}

/** Seeded numbers in [-1, 1): a 32-bit xorshift (Marsaglia 2003, "Xorshift RNGs", triple 13, 17, 5). */
function random(count: number, seed: number): Float32Array {
  let state = (seed * 0x9e3779b9) | 0;
  return Float32Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state / 2 ** 31;
  });
}
