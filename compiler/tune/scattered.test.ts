import { describe, expect, it } from "vitest";
import { load } from "../../runtime/load.ts";
import { onnxModel } from "../frontend/onnx/write.ts";
import { compile } from "../whole.ts";

/** The product of two inputs, and the kernels of a run. */
async function product(
  m: number,
  k: number,
  n: number,
): Promise<{ kernels: readonly string[]; wrong: number }> {
  const model = onnxModel("product", { opset: 17 });
  const a = model.input("a", "float32", [m, k]);
  const b = model.input("b", "float32", [k, n]);
  model.output(model.node("MatMul", [a, b]), "float32", [m, n], "y");
  const { artifact, report } = compile(model.toBytes());
  // Small integers, so that sums are exact in any order.
  const left = Float32Array.from({ length: m * k }, (_, i) => ((i * 5) % 11) - 5);
  const right = Float32Array.from({ length: k * n }, (_, i) => ((i * 7) % 13) - 6);
  const session = await load(artifact);
  const y = (await session.run({ a: left, b: right }))["y"]!.data as Float32Array;
  session.dispose();
  let wrong = 0;
  for (let row = 0; row < m; row++)
    for (let column = 0; column < n; column++) {
      let sum = 0;
      for (let i = 0; i < k; i++) sum += left[row * k + i]! * right[i * n + column]!;
      if (sum !== y[row * n + column]) wrong++;
    }
  return { kernels: report.kernels.flatMap(({ nodes }) => nodes), wrong };
}

describe("products of two inputs", () => {
  it("pack what is read often and lies scattered", async () => {
    const { kernels, wrong } = await product(67, 390, 131);
    expect(kernels.some((name) => name.startsWith("pack for"))).toBe(true);
    expect(wrong).toBe(0);
  });

  it("read in place what is read a few times, or is near", async () => {
    for (const [m, k, n] of [
      [8, 390, 131],
      [67, 390, 24],
      [67, 64, 131],
    ] as const) {
      const { kernels, wrong } = await product(m, k, n);
      expect(kernels.some((name) => name.startsWith("pack for"))).toBe(false);
      expect(wrong).toBe(0);
    }
  });
});
