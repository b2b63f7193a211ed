/**
 * The models suite on models of its own: what it reads, what it compares, and when it is not content.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { onnxModel } from "../../compiler/frontend/onnx/write.ts";
import type { Tensor } from "../../runtime/dtype.ts";
import { tensorFile, writeCase } from "../support/onnxCase.ts";
import { findModels } from "./catalog.ts";
import { checkModel } from "./checkModel.ts";
import { readModelData, type ModelData } from "./modelData.ts";

const accuracy = { relative: 1e-3, share: 1e-4 };

/** y = 2 x, over a batch that is open. */
function doubling(): Uint8Array {
  const b = onnxModel("doubling");
  const x = b.input("x", "float32", ["batch", 4]);
  b.output(b.node("Mul", [x, b.scalar("float32", 2)]), "float32", ["batch", 4], "y");
  return b.toBytes();
}

const row = (...values: number[]): Tensor => ({ dtype: "float32", shape: [1, values.length], data: Float32Array.from(values) }); // prettier-ignore

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "tilewright-models-"));
  writeCase(join(root, "models/doubling"), doubling(), [row(1, 2, 3, 4)], [row(2, 4, 6, 8)]);
  writeFileSync(join(root, "light_doubling.onnx"), doubling());
  writeFileSync(join(root, "light_doubling_output_0.pb"), tensorFile(row(0, 0.5, 1, 1.5)));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("findModels and readModelData", () => {
  it("finds models with data and light ones, and makes the inputs of the latter", async () => {
    const [folder, light, ...more] = findModels(join(root, "models"), root);
    expect(more).toEqual([]);
    expect(folder).toMatchObject({ name: "doubling", kind: "folder", accuracy });
    expect((await readModelData(folder!)).inputs).toEqual([{ name: "x", tensor: row(1, 2, 3, 4) }]);
    expect(light).toMatchObject({ name: "light_doubling", kind: "light" });
    const { inputs, outputs } = await readModelData(light!);
    expect(inputs).toEqual([{ name: "x", tensor: row(0, 0.25, 0.5, 0.75) }]);
    expect(outputs).toEqual([{ name: "y", tensor: row(0, 0.5, 1, 1.5) }]);
  });

  it("refuses a model without outputs to compare with", async () => {
    writeCase(join(root, "empty"), doubling(), [row(1, 2, 3, 4)], []);
    await expect(readModelData({ name: "empty", kind: "folder", path: join(root, "empty"), accuracy })).rejects.toThrow("with outputs"); // prettier-ignore
  });
});

describe("checkModel", () => {
  const data = (...expected: number[]): ModelData => ({
    model: doubling(),
    external: new Map(),
    inputs: [{ name: "x", tensor: row(1, 2, 3, 4) }],
    outputs: [{ name: "y", tensor: row(...expected) }],
  });

  it("passes a right model and shows the allowed and the worst error", async () => {
    const { kind, variants } = await checkModel(data(2, 4, 6, 8.001), accuracy, ["simd"]);
    expect(kind).toBe("bound");
    expect(variants).toHaveLength(1);
    expect(variants[0]).toMatchObject({ variant: "simd", passed: true, outputs: [{ name: "y", wrong: 0 }] });
    expect(variants[0]!.outputs[0]!.absolute).toBeCloseTo(8.001e-4, 6);
    expect(variants[0]!.outputs[0]!.worstAbsolute).toBeCloseTo(0.001, 5);
  });

  it("fails a wrong one, a missing output, and one that cannot be compiled", async () => {
    const wrong = await checkModel(data(2, 4, 6, 9), accuracy, ["simd"]);
    expect(wrong.variants[0]).toMatchObject({ passed: false, outputs: [{ wrong: 1 }] });
    const missing = await checkModel({ ...data(), outputs: [{ name: "z", tensor: row(1) }] }, accuracy, [
      "simd",
    ]);
    expect(missing.variants[0]).toMatchObject({
      passed: false,
      outputs: [{ reason: "the output is missing" }],
    });
    const noise = await checkModel({ ...data(1), model: Uint8Array.of(1, 2, 3) }, accuracy, [
      "relaxed-simd",
      "simd",
    ]);
    expect(noise.variants.map(({ passed }) => passed)).toEqual([false, false]);
    expect(noise.variants[0]!.error).toContain("CompileError");
  });

  it("wants the largest element at its place where the catalog says so", async () => {
    const loose = { relative: 0, share: 0.5 };
    expect((await checkModel(data(2, 4, 8.5, 8), loose, ["simd"])).variants[0]!.passed).toBe(true);
    const strict = await checkModel(data(2, 4, 8.5, 8), { ...loose, sameLargest: true }, ["simd"]);
    expect(strict.variants[0]).toMatchObject({ passed: false, outputs: [{ reason: "the largest is element 3 instead of 2" }] }); // prettier-ignore
  });
});
