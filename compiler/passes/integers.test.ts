/** Sums of integers: the same values as with scaled ones, exact where those were not, and whatever does not fit left alone. */
import { describe, expect, it } from "vitest";
import { elementCount, type Tensor } from "../ir/dtype.ts";
import type { ValueId } from "../ir/graph.ts";
import type { Call, Program, ProgramValue } from "../ir/program.ts";
import { parseKernel, printKernel } from "../ir/text/index.ts";
import { verifyKernel } from "../ir/verify.ts";
import { evaluateKernel, tensorOf } from "./evaluate.ts";
import { sumIntegers } from "./integers.ts";

const SCALE = Math.fround(0.0235);
const WEIGHT_SCALES = [0.003, 0.011, 0.7].map(Math.fround);
const FACTORS = WEIGHT_SCALES.map((s) => Math.fround(SCALE * s));
const BIAS = [-1234, 0, 99_999];

const quantize = `kernel quantize {
  in x: float32[2, 40]
  out q: float32[2, 40]
  for i in 0..2, k in 0..40: q[i, k] = min(max(round(x[i, k] / ${SCALE}), -128.0), 127.0) * ${SCALE}
}`;
const weights = `kernel weights {
  in cw: int8[40, 3]
  in cs: float32[3]
  out w: float32[40, 3]
  for k in 0..40, n in 0..3: w[k, n] = float32(cw[k, n]) * cs[n]
}`;
const product = `kernel product {
  in q: float32[2, 40]
  in w: float32[40, 3]
  in cb: float32[3]
  out y: float32[2, 3]
  for i in 0..2, n in 0..3: y[i, n] = sum(k in 0..40) q[i, k] * w[k, n]; then max(acc + cb[n], 0.0)
}`;

function constant(name: string, shape: readonly number[]): Tensor {
  if (name === "cs") return tensorOf("float32", shape, WEIGHT_SCALES);
  if (name === "cb") return tensorOf("float32", shape, BIAS.map((n, i) => Math.fround(n * FACTORS[i]!))); // prettier-ignore
  return tensorOf("int8", shape, Array.from({ length: elementCount(shape) }, (_, i) => ((i * 37) % 255) - 127)); // prettier-ignore
}

function programOf(...texts: readonly string[]): Program {
  const kernels = texts.map(parseKernel);
  const made = new Set(kernels.flatMap(({ buffers }) => buffers.filter((b) => b.role === "out").map((b) => b.name))); // prettier-ignore
  const values = new Map<ValueId, ProgramValue>();
  const constants = new Map<ValueId, Tensor>();
  for (const { name, dtype, shape } of kernels.flatMap(({ buffers }) => buffers)) {
    values.set(name, { dtype, shape });
    if (name.startsWith("c")) constants.set(name, constant(name, shape));
  }
  const names = (role: string, i: number): string[] => kernels[i]!.buffers.filter((b) => b.role === role).map((b) => b.name); // prettier-ignore
  const calls = kernels.map((kernel, i): Call => ({ kind: "kernel", nodes: [kernel.name], kernel, inputs: names("in", i), outputs: names("out", i) })); // prettier-ignore
  const inputs = [...values.keys()].filter((id) => !made.has(id) && !constants.has(id));
  return { name: "test", values, constants, calls, inputs, outputs: [{ id: "y", name: "y" }] };
}

function run(program: Program): Map<ValueId, Tensor> {
  const known = new Map(program.constants);
  for (const id of program.inputs) {
    const { shape } = program.values.get(id)!;
    known.set(id, tensorOf("float32", shape, Array.from({ length: elementCount(shape) }, (_, i) => Math.sin(i) * 2.9))); // prettier-ignore
  }
  for (const call of program.calls) {
    if (call.kind !== "kernel") throw new Error("library");
    verifyKernel(call.kernel);
    const types = call.outputs.map((id) => program.values.get(id)!);
    evaluateKernel(call.kernel, call.inputs.map((id) => known.get(id)!), types).forEach((t, n) => known.set(call.outputs[n]!, t)); // prettier-ignore
  }
  return known;
}

const linesOf = ({ calls }: Program): string => calls.map((call) => (call.kind === "kernel" ? printKernel(call.kernel) : "")).join("\n"); // prettier-ignore

describe("sums of integers", () => {
  it("multiply by the scales once, with the bias as an integer", () => {
    const before = programOf(quantize, weights, product);
    const after = sumIntegers(before);
    expect(linesOf(after)).toMatch(/then max\(\(acc \+ b\d\[n\]\) \* b\d\[n\], 0\.0\)/);
    const at = run(after);
    const [q, w, y] = ["q", "w", "y"].map((id) => [...(at.get(id)!.data as Float32Array)]);
    expect([...q!, ...w!].every(Number.isInteger)).toBe(true);
    // As integer arithmetic has it, to the bit.
    for (let i = 0; i < 2; i++)
      for (let n = 0; n < 3; n++) {
        let sum = BIAS[n]!;
        for (let k = 0; k < 40; k++) sum += q![i * 40 + k]! * w![k * 3 + n]!;
        expect(y![i * 3 + n]).toBe(Math.max(0, Math.fround(sum * FACTORS[n]!)));
      }
    const old = run(before).get("y")!.data as Float32Array;
    y!.forEach((value, i) => expect(value).toBeCloseTo(old[i]!, 2));
  });

  it("give the same bits to readers that add nothing up", () => {
    const other = `kernel other {
      in q: float32[2, 40]
      in x: float32[2, 40]
      out z: float32[2, 40]
      for i in 0..2, k in 0..40: z[i, k] = q[i, 39 - k] + x[i, k]
    }`;
    const before = programOf(quantize, weights, product, other);
    const after = sumIntegers(before);
    expect(linesOf(after)).not.toBe(linesOf(before));
    expect(run(after).get("z")).toEqual(run(before).get("z"));
  });

  it.each([
    ["a maximum reads them", product.replace("sum(k", "max(k")],
    ["a sum adds something else, too", product.replace("* w[k, n]; then", "* w[k, n] + 1.0; then")],
    ["the border is no zero", product.replace("q[i, k] *", "q[i, k + 1; pad 0.5] *")],
    ["scales change along the sum", product.replace("w: float32[40, 3]", "w: float32[40, 3]").replace("* w[k, n]", "* w[n, k %% 3]")], // prettier-ignore
  ])("are left alone where %s", (_, text) => {
    const before = programOf(quantize, weights, text);
    expect(sumIntegers(before)).toBe(before);
  });

  it("are left alone where weights are no integers", () => {
    const before = programOf(quantize, weights.replace("float32(cw[k, n]) *", "(float32(cw[k, n]) + 0.5) *"), product); // prettier-ignore
    expect(sumIntegers(before)).toBe(before);
  });
});
