/** The page on adding an operator shows code that runs. */
import { readFileSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { float, onnxModel } from "../../compiler/frontend/onnx/write.ts";
import type * as Activations from "../../compiler/ops/elementwiseActivation.ts";
import type * as Gradients from "../../compiler/ops/gradient/elementwise.ts";
import type { Tensor } from "../../compiler/ir/dtype.ts";
import { CompileError, compile, interpret } from "../../compiler/whole.ts";
import { load } from "../../runtime/index.ts";

// What the page says to do: one entry in a family's list, and one among the derivatives.
vi.mock("../../compiler/ops/elementwiseActivation.ts", async (original) => {
  const { gatedSnake, rowEnergy, snake } = await import("./operators.ts");
  const family = await original<typeof Activations>();
  return { ...family, activationOps: [...family.activationOps, snake, rowEnergy, gatedSnake] };
});
vi.mock("../../compiler/ops/gradient/elementwise.ts", async (original) => {
  const { snakeGradient } = await import("./operators.ts");
  const family = await original<typeof Gradients>();
  return { elementwiseGradients: { ...family.elementwiseGradients, "com.example:Snake": snakeGradient } };
});

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");
const DOMAIN = { domain: "com.example" };
const tensor = (shape: number[], values: number[]): Tensor => ({ dtype: "float64", shape, data: Float64Array.from(values) }); // prettier-ignore

function builder() {
  const b = onnxModel("example", { opset: 22 });
  b.importOpset("com.example", 1);
  b.importOpset("ai.onnx.preview.training", 1);
  return b;
}

async function onBothDevices(
  bytes: Uint8Array,
  inputs: Record<string, Tensor>,
): Promise<Record<string, number[]>> {
  const numbers = (made: Readonly<Record<string, Tensor>>): Record<string, number[]> =>
    Object.fromEntries(
      Object.entries(made).map(([name, { data }]) => [name, Array.from(data as Float64Array)]),
    );
  const session = await load(compile(bytes).artifact);
  const ran = numbers(await session.run(inputs as Parameters<typeof session.run>[0]));
  session.dispose();
  const interpreted = numbers(interpret(bytes, inputs));
  for (const [name, values] of Object.entries(interpreted))
    values.forEach((value, i) => expect(ran[name]![i]).toBeCloseTo(value, 10));
  return interpreted;
}

describe("docs/adding-an-operator.md", () => {
  const page = read("../../docs/adding-an-operator.md");
  const source = read("./operators.ts");

  it("shows the code of test/examples/operators.ts", () => {
    const regions = [...source.matchAll(/\/\/ #region (\w+)\n([^]*?)\/\/ #endregion/g)];
    expect(regions.map(([, name]) => name)).toEqual(["snake", "rowEnergy", "gatedSnake", "derivative"]);
    for (const [, name, code] of regions) expect(page.includes(`\`\`\`ts\n${code}\`\`\``), name).toBe(true);
  });

  it("names files that there are", () => {
    for (const [, path] of page.matchAll(/`((?:compiler|test|docs|scripts|kernels)\/[\w./-]+\.ts)`/g))
      expect(() => read(`../../${path}`), path).not.toThrow();
  });
});

describe("its operators", () => {
  const x = [0.3, -1.2, 2, 0.7, 0, -0.4];
  const snakeOf = (v: number): number => v + Math.sin(1.5 * v) ** 2 / 1.5;

  it("compute, reduce and expand", async () => {
    const b = builder();
    const [a, w, g] = [b.input("x", "float64", [2, 3]), b.input("w", "float64", [3]), b.input("g", "float64", [3])]; // prettier-ignore
    b.output(b.node("Snake", [a], { alpha: float(1.5) }, DOMAIN), "float64", [2, 3], "snake");
    b.output(b.node("RowEnergy", [a, w], {}, DOMAIN), "float64", [2], "energy");
    b.output(b.node("GatedSnake", [a, g], { alpha: float(1.5) }, DOMAIN), "float64", [2, 3], "gated");
    const weights = [1, 2, 4];
    const gates = [0.5, -2, 1];
    const made = await onBothDevices(b.toBytes(), { x: tensor([2, 3], x), w: tensor([3], weights), g: tensor([3], gates) }); // prettier-ignore
    x.forEach((v, i) => {
      expect(made["snake"]![i]).toBeCloseTo(snakeOf(v), 10);
      expect(made["gated"]![i]).toBeCloseTo(snakeOf(v) / (1 + Math.exp(-gates[i % 3]!)), 10);
    });
    for (const row of [0, 1]) {
      const energy = weights.reduce((sum, weight, k) => sum + weight * x[3 * row + k]! ** 2, 0);
      expect(made["energy"]![row]).toBeCloseTo(energy, 10);
    }
  });

  it("have the derivative that it gives, also through the expansion", async () => {
    const b = builder();
    const [a, g] = [b.input("x", "float64", [6]), b.input("g", "float64", [6])];
    const y = b.node("ReduceSum", [b.node("GatedSnake", [a, g], { alpha: float(1.5) }, DOMAIN)], { keepdims: 0 }); // prettier-ignore
    b.output(y, "float64", [], "y");
    b.output(b.node("Gradient", [a, g], { xs: [a], zs: [g], y }, { domain: "ai.onnx.preview.training" }), "float64", [6], "dx"); // prettier-ignore
    const { dx } = await onBothDevices(b.toBytes(), {
      x: tensor([6], x),
      g: tensor([6], [0, 0, 0, 0, 0, 0]),
    });
    x.forEach((v, i) => expect(dx![i]).toBeCloseTo((1 + Math.sin(3 * v)) / 2, 8));
  });

  it("refuse what does not fit, by name", () => {
    const b = builder();
    const [a, w] = [b.input("x", "float64", [2, 3]), b.input("w", "float64", [4])];
    b.output(b.node("RowEnergy", [a, w], {}, { ...DOMAIN, name: "energy" }), "float64", [2], "y");
    expect(() => compile(b.toBytes())).toThrow(CompileError);
    expect(() => compile(b.toBytes())).toThrow(/shape-mismatch.*energy.*weights \[4\] for rows of \[2,3\]/);
  });
});
