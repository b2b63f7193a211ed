/**
 * Floats of 16 bits on a GPU: what compile's option `gpuFloats` promises, on the adapter that Node has here. On one with
 * shader-f16 the first variant of an artifact runs, on others the second, which rounds alike; where there is no adapter,
 * the texts are looked at and the rest is skipped, and says so.
 */
import { describe, expect, it } from "vitest";
import { onnxModel } from "../compiler/frontend/onnx/write.ts";
import { compile } from "../compiler/whole.ts";
import { normals, uniforms } from "../bench/random.ts";
import { readArtifact, type GpuVariant } from "../runtime/format.ts";
import { WGSL_SECTION } from "../runtime/format/gpu.ts";
import { load } from "../runtime/index.ts";
import { nodeGpu } from "../scripts/nodeGpu.ts";

const found = await nodeGpu();

/**
 * A convolution, a pool and a product, with weights that are worth halving. No more, since software drivers that compile
 * with LLVM take minutes over long kernels.
 */
function network(): Uint8Array {
  const b = onnxModel("halves", { opset: 17 });
  const weight = (shape: readonly number[], fanIn: number, seed: number): string =>
    b.initializer("float32", shape, normals(shape.reduce((x, y) => x * y, 1), seed, fanIn ** -0.5)); // prettier-ignore
  const x = b.input("x", "float32", [1, 8, 10, 12]);
  const filtered = b.node("Relu", [b.node("Conv", [x, weight([16, 8, 3, 3], 72, 1), weight([16], 4, 2)], { pads: [1, 1, 1, 1] })]); // prettier-ignore
  const pooled = b.node("MaxPool", [filtered], { kernel_shape: [2, 2], strides: [2, 2] });
  const product = b.node("MatMul", [pooled, weight([6, 200], 6, 3)]);
  b.output(b.node("Sigmoid", [product]), "float32", [1, 16, 5, 200]); // prettier-ignore
  return b.toBytes();
}

const data = uniforms(8 * 10 * 12, 7);

/** The variants of an artifact and the text of their modules. */
function opened(artifact: Uint8Array): {
  variants: readonly GpuVariant[];
  textOf: (variant: GpuVariant) => string;
} {
  const { plan, sections } = readArtifact(artifact);
  if (plan.kind !== "bound") throw new Error("shapes are open");
  const bytes = sections.get(WGSL_SECTION)!;
  const part = ({ offset, bytes: length }: GpuVariant["modules"][number]): string =>
    new TextDecoder().decode(bytes.subarray(offset, offset + length));
  return { variants: plan.gpu!.variants, textOf: ({ modules }) => modules.map(part).join("\n") };
}

describe("floats of 16 bits in the memory of a GPU", () => {
  const model = network();
  const whole = compile(model, { targets: ["webgpu"] }).artifact;
  const halves = compile(model, { targets: ["webgpu"], gpuFloats: "float16" }).artifact;

  it("are two variants of a program over the same weights, in less memory where the device has such floats", () => {
    const { variants, textOf } = opened(halves);
    const [native, other, ...more] = variants;
    expect(more).toEqual([]);
    expect([native!.requires.features, other!.requires.features]).toEqual([["shader-f16"], []]);
    expect(native!.weights.map(({ offset }) => offset).sort()).toEqual(other!.weights.map(({ offset }) => offset).sort()); // prettier-ignore
    for (const form of [/enable f16;/, /array<f16, \d+>/, /array<vec4h, \d+>/, /= f16\(/, /= vec4h\(/])
      expect(textOf(native!)).toMatch(form);
    expect(textOf(other!)).not.toContain("f16");
    const held = ({ buffers }: GpuVariant): number => buffers.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(held(native!)).toBeLessThan(held(other!));
    expect(opened(whole).variants).toHaveLength(1);
  });

  it.skipIf("missing" in found)(
    "missing" in found ? `not run here: ${found.missing}` : "keep results within the stated error",
    async () => {
      if ("missing" in found) return;
      const results: Float32Array[] = [];
      for (const artifact of [whole, halves]) {
        const session = await load(artifact, { device: "webgpu", webgpu: { gpu: found.gpu } });
        const outputs = await session.run({ x: { dtype: "float32", shape: [1, 8, 10, 12], data } });
        results.push(Object.values(outputs)[0]!.data as Float32Array);
        session.dispose();
      }
      const [exact, rounded] = results;
      const errors = exact!.map((value, i) => Math.abs(value - rounded![i]!));
      // Weights, sums and what is between: each rounded by at most 2^-11 of it, of numbers about 1.
      expect(Math.max(...errors)).toBeLessThan(6 * 2 ** -11);
      expect(Math.max(...errors)).toBeGreaterThan(0);
    },
  );
});
