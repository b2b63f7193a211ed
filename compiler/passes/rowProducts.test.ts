/**
 * Attention as one kernel over blocks of rows: as WebAssembly beside the same model with its products apart. (At the level
 * of programs, with limits so small that random shapes join: rows.test.ts.)
 */
import { describe, expect, it } from "vitest";
import { load } from "../../runtime/index.ts";
import { onnxModel } from "../frontend/onnx/write.ts";
import { compile } from "../whole.ts";

interface Sizes {
  readonly batch: number;
  readonly heads: number;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
}

/** softmax(q k / 3 + mask) v, with the heads side by side in the end, as encoders have it. */
function attention({ batch, heads, rows, columns, depth }: Sizes, masked: boolean): Uint8Array {
  const b = onnxModel("attention", { opset: 17 });
  const q = b.input("q", "float32", [batch, rows, heads, depth]);
  const k = b.input("k", "float32", [batch, columns, heads, depth]);
  const v = b.input("v", "float32", [batch, columns, heads, depth]);
  const turned = b.node("Transpose", [q], { perm: [0, 2, 1, 3] });
  const keys = b.node("Transpose", [k], { perm: [0, 2, 3, 1] });
  const values = b.node("Transpose", [v], { perm: [0, 2, 1, 3] });
  let scores = b.node("Div", [b.node("MatMul", [turned, keys]), b.scalar("float32", 3)]);
  if (masked) scores = b.node("Add", [scores, b.input("mask", "float32", [batch, 1, 1, columns])]);
  const shares = b.node("Softmax", [scores], { axis: -1 });
  const out = b.node("Transpose", [b.node("MatMul", [shares, values])], { perm: [0, 2, 1, 3] });
  b.output(out, "float32", [batch, rows, heads, depth], "y");
  return b.toBytes();
}

async function run(model: Uint8Array, passes: { rows?: boolean }, threads: number): Promise<Float32Array> {
  const { artifact } = compile(model, { passes });
  const session = await load(artifact, { threads });
  const inputs = Object.fromEntries(
    session.inputs.map(({ name, shape }, n) => {
      const count = (shape as number[]).reduce((product, dim) => product * dim, 1);
      return [name, Float32Array.from({ length: count }, (_, i) => Math.sin(i * 0.37 + n) * 2)];
    }),
  );
  const { y } = await session.run(inputs);
  session.dispose();
  return y!.data as Float32Array;
}

/** Kernels of a run, by the names of their nodes. */
function calls(model: Uint8Array): readonly (readonly string[])[] {
  return compile(model)
    .report.kernels.filter(({ name }) => !name.startsWith("init"))
    .map(({ nodes }) => nodes);
}

describe("contractions join the rows between them", () => {
  // Scores of more than two megabytes; rows that divide into blocks, rows that do not, one head, few columns.
  const sizes: readonly Sizes[] = [
    { batch: 1, heads: 12, rows: 224, columns: 224, depth: 8 },
    { batch: 2, heads: 5, rows: 251, columns: 227, depth: 12 },
    { batch: 1, heads: 1, rows: 1030, columns: 515, depth: 4 },
    { batch: 3, heads: 8, rows: 997, columns: 24, depth: 5 },
  ];

  it.each(sizes)("with the same numbers as apart: %o", async (size) => {
    for (const masked of [false, true]) {
      const model = attention(size, masked);
      expect(calls(model).some((nodes) => nodes.filter((n) => n.startsWith("MatMul")).length === 2)).toBe(
        true,
      );
      const apart = await run(model, { rows: false }, 1);
      for (const threads of [1, 3]) {
        const joined = await run(model, {}, threads);
        const furthest = joined.reduce((most, x, i) => Math.max(most, Math.abs(x - apart[i]!)), 0);
        expect(furthest).toBeLessThan(2e-6);
      }
    }
  });
});
