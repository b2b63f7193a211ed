/**
 * A short run of the fuzzer over the table of operators. In: a seed (TILEWRIGHT_SEED for another one). Out: nothing,
 * or the smallest failing graphs; more of the same with `npm run fuzz`. Invariant tested: every operator of the
 * compiler's table has a sample; interpreter, WebAssembly and onnxruntime-web agree; what differs is found and made
 * small.
 */
import { afterAll, describe, expect, it } from "vitest";
import { formChanges } from "../../../compiler/frontend/onnx/adapt.ts";
import { operatorNames } from "../../../compiler/ops/table.ts";
import { vanishingOperators } from "../../../compiler/passes/bind.ts";
import "../../../compiler/whole.ts";
import { caseSeed, seedFrom } from "../random.ts";
import { compareOutputs, interpreted } from "./check.ts";
import { generate, samples } from "./generate.ts";
import { minimise } from "./minimise.ts";
import { OnnxRuntime } from "./ort.ts";
import { runSession, summaryText } from "./session.ts";

const GRAPHS = 250;
const seed = seedFrom(process.env, 20251121);
const ort = new OnnxRuntime();
afterAll(() => ort.end());

/** Operators of what is no tensor: the bytes of an image's file, nodes of the graph by name, maps. */
const WITHOUT_SAMPLE: readonly string[] = [
  "ImageDecoder",
  "ai.onnx.preview.training:Gradient",
  "ai.onnx.ml:ZipMap",
  "ai.onnx.ml:CastMap",
  "ai.onnx.ml:DictVectorizer",
];

function operatorTable(): string[] {
  const standard = new Set(["Constant", ...vanishingOperators(), ...operatorNames("ai.onnx")]);
  for (const name of formChanges().keys()) if (!name.includes(":")) standard.add(name);
  const domains = ["ai.onnx.ml", "ai.onnx.preview", "ai.onnx.preview.training", "com.microsoft"];
  const others = domains.flatMap((domain) => operatorNames(domain).map((op) => `${domain}:${op}`));
  const changed = [...formChanges().keys()].filter((name) => name.includes(":"));
  return [...new Set([...standard, ...others, ...changed])];
}

describe("graphs over the table of operators", () => {
  it("have a sample of every operator", () => {
    const missing = operatorTable().filter((name) => !samples.has(name));
    expect(missing.filter((name) => !WITHOUT_SAMPLE.includes(name))).toEqual([]);
    expect([...samples.keys()].filter((name) => !operatorTable().includes(name))).toEqual([]);
  });

  it("are the same for the same seed", () => {
    for (let i = 0; i < 20; i++)
      expect(generate(caseSeed(7, i)).graph).toEqual(generate(caseSeed(7, i)).graph);
  });

  it(`give the same everywhere (${GRAPHS} graphs, seed ${seed})`, async () => {
    const start = performance.now();
    const failures: string[] = [];
    const summary = await runSession({ seed, ort, goOn: (graphs) => graphs < GRAPHS, print: (text) => failures.push(text) });
    console.log(`TILEWRIGHT_SEED=${seed}: ${summaryText(summary, (performance.now() - start) / 1000)}`);
    expect(failures.join("\n")).toBe("");
    expect(summary.operators.size).toBeGreaterThan(160);
    expect(summary.ort.compared).toBeGreaterThan(GRAPHS / 3);
    expect(summary.rescheduled).toBeGreaterThan(GRAPHS / 20);
    expect(summary.ranged.programs).toBeGreaterThan(GRAPHS / 20);
  }); // prettier-ignore

  it("are found different where they are, and made small", async () => {
    let tried = 0;
    for (let i = 0; tried < 4 && i < 60; i++) {
      const { graph } = generate(caseSeed(seed, i), "Transpose");
      if (!graph || graph.nodes.length < 3 || graph.nodes.every(({ op }) => op !== "Transpose") || graph.wrapping !== "none") continue;
      const expected = interpreted(graph);
      if (typeof expected === "string") throw new Error(expected);
      const [name, tensor] = Object.entries(expected)[0]!;
      if (tensor.data.length === 0 || tensor.dtype !== "float32") continue;
      tried++;
      const wrong = { ...tensor, data: Float32Array.from(tensor.data as Float32Array, (x) => (Number.isFinite(x) ? 2 * x + 1 : 7)) };
      expect(compareOutputs(graph, expected, { ...expected, [name]: wrong }, "ours")).toContain(name);
      const small = await minimise(graph, (candidate) => Promise.resolve(candidate.nodes.some(({ op }) => op === "Transpose")));
      expect(small.nodes.map(({ op }) => op)).toEqual(["Transpose"]);
      expect(small.operands.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)).toBeLessThan(30);
    }
    expect(tried).toBe(4);
  }); // prettier-ignore
});
