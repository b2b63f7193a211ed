import { describe, expect, it } from "vitest";
import { runKernel } from "../ir/interp.ts";
import { assignments, type Kernel } from "../ir/kernel.ts";
import { parseKernel } from "../ir/text/index.ts";
import { elementCount } from "../../runtime/dtype.ts";
import { packOperand } from "./pack.ts";

/** The kernel's last output for counting inputs, with buffer `packed` packed or as it is. */
function outputs(
  kernel: Kernel,
  buffer: number,
  axis: string,
  by: number,
): { plain: Float32Array; packed: Float32Array } {
  // prettier-ignore
  const filled = kernel.buffers.map(({ role, shape }) => Float32Array.from({ length: elementCount(shape) }, (_, i) => (role === "in" ? (i % 17) - 5 : 0))); // prettier-ignore
  const plain = filled.map((data) => data.slice());
  runKernel(kernel, plain);
  const { assign } = assignments(kernel)[0]!;
  const { kernel: changed, packer, added } = packOperand(kernel, assign, buffer, axis, by);
  expect(added).toBe(false);
  const panels = new Float32Array(elementCount(packer.buffers[1]!.shape));
  runKernel(packer, [filled[buffer]!, panels]);
  const packed = filled.map((data) => data.slice());
  packed[buffer] = panels;
  runKernel(changed, packed);
  return { plain: plain.at(-1)!, packed: packed.at(-1)! };
}

describe("packOperand", () => {
  it("keeps the result of a contraction, also where panels do not divide the axis", () => {
    const kernel = parseKernel(`kernel matmul {
      in a: float32[3, 5]
      in b: float32[5, 7]
      out c: float32[3, 7]
      for m in 0..3, n in 0..7: c[m, n] = sum(k in 0..5) a[m, k] * b[k, n]
    }`);
    const { plain, packed } = outputs(kernel, 1, "n", 4);
    expect(packed).toEqual(plain);
  });

  it("takes along the loops around an assignment that its operand moves with", () => {
    const kernel = parseKernel(`kernel blocks {
      in a: float32[5]
      in w: float32[8, 5]
      out c: float32[8]
      loop i0 in 0..2 {
        for i1 in 0..4: c[i0 * 4 + i1] = sum(k in 0..5) a[k] * w[i0 * 4 + i1, k]
      }
    }`);
    const { plain, packed } = outputs(kernel, 1, "i1", 4);
    expect(packed).toEqual(plain);
  });

  it("takes a border's elements along, also where panels do not divide the axis", () => {
    const kernel = parseKernel(`kernel window {
      in a: float32[5] strides [1] offset 1 halo [1] [1] 1
      in w: float32[2]
      out c: float32[6]
      for i in 0..6: c[i] = sum(k in 0..2) a[i + k - 1] * w[k]
    }`);
    const a = Float32Array.of(1, 2, 3, 4, 5, 6, 1);
    const w = Float32Array.of(1, 10);
    const [plain, packed] = [new Float32Array(6), new Float32Array(6)];
    runKernel(kernel, [a, w, plain]);
    const { kernel: changed, packer } = packOperand(kernel, assignments(kernel)[0]!.assign, 0, "i", 4);
    const panels = new Float32Array(elementCount(packer.buffers[1]!.shape));
    runKernel(packer, [a, panels]);
    runKernel(changed, [panels, w, packed]);
    expect([...plain]).toEqual([21, 32, 43, 54, 65, 16]);
    expect(packed).toEqual(plain);
  });
});
