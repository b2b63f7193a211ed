/** The kernel that copies a tensor: between layouts, or from an input to an output. */
import type { DType } from "../ir/dtype.ts";
import { load } from "../ir/expr.ts";
import { coordinate, type Axis, type Kernel } from "../ir/kernel.ts";

export function copyKernel(dtype: DType, shape: readonly number[]): Kernel {
  const axes = shape.map((extent, d): Axis => ({ name: `i${d}`, extent }));
  const index = axes.map(coordinate);
  return {
    name: "copy",
    buffers: [
      { name: "in0", dtype, shape, role: "in" },
      { name: "out0", dtype, shape, role: "out" },
    ],
    body: [{ kind: "assign", axes, out: 1, index, value: load(0, dtype, index) }],
  };
}
