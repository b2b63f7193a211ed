/** Bytes that runs move, on models small enough to count by hand. */
import { describe, expect, it } from "vitest";
import { onnxModel } from "./frontend/onnx/write.ts";
import { load } from "./ir/expr.ts";
import { coordinate, type Kernel } from "./ir/kernel.ts";
import { bytesOfKernel } from "./traffic.ts";
import { compile } from "./whole.ts";

/** relu(x * w + bias) of [8, 16] by [16, 4], with the product transposed at the end where asked. */
function model(turned: boolean): Uint8Array {
  const b = onnxModel("traffic");
  const x = b.input("x", "float32", [8, 16]);
  const w = b.initializer(
    "float32",
    [16, 4],
    Array.from({ length: 64 }, (_, i) => i),
  );
  const bias = b.initializer("float32", [4], [1, 2, 3, 4]);
  const y = b.node("Relu", [b.node("Add", [b.node("MatMul", [x, w]), bias])]);
  b.output(turned ? b.node("Transpose", [y], { perm: [1, 0] }) : y, "float32", turned ? [4, 8] : [8, 4], "y");
  return b.toBytes();
}

describe("movedBytes", () => {
  const [x, w, bias, y] = [8 * 16, 16 * 4, 4, 8 * 4].map((elements) => elements * 4) as [
    number,
    number,
    number,
    number,
  ];

  it("counts every operand and result of each call once", () => {
    const { movedBytes } = compile(model(false)).report;
    expect(movedBytes.unfused).toBe(x + w + y + (y + bias + y) + (y + y) + (y + y));
    // The output is a name for the last node's result, and panels of w are as large as w.
    expect(movedBytes.fused).toBe(x + w + bias + y);
  });

  it("is the same before and after, when nothing is fused", () => {
    const passes = { fuse: false, simplify: false, rows: false, layout: false, views: false } as const;
    const { movedBytes } = compile(model(true), { passes }).report;
    expect(movedBytes.unfused).toBe(x + w + y + (y + bias + y) + (y + y) + (y + y) + (y + y));
    expect(movedBytes.fused).toBe(movedBytes.unfused);
  });

  it("counts of a result what is stored: a kernel may be one block of a larger one", () => {
    const i = { name: "i", extent: 4 };
    const buffer = { dtype: "float32", shape: [1000] } as const;
    const kernel: Kernel = {
      name: "block",
      buffers: [
        { ...buffer, name: "in", role: "in" },
        { ...buffer, name: "out", role: "out" },
      ],
      body: [{ kind: "assign", axes: [i], out: 1, index: [coordinate(i)], value: load(0, "float32", [coordinate(i)]) }],
    }; // prettier-ignore
    expect(bytesOfKernel(kernel, ["x"])).toBe(4 * 4 + 4 * 4);
  });

  it("is not known where shapes are open", () => {
    const b = onnxModel("open");
    b.output(b.node("Relu", [b.input("x", "float32", ["n"])]), "float32", ["n"], "y");
    expect(compile(b.toBytes()).report).toMatchObject({ kind: "late", movedBytes: { fused: 0, unfused: 0 } });
  });
});
