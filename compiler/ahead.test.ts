/** What is packed while compiling is what would have been packed at load, and it makes no artifact larger. */
import { describe, expect, it, vi } from "vitest";
import { load, type Session } from "../runtime/index.ts";
import { readArtifact } from "../runtime/format.ts";
import { randomNumbers } from "../test/programs.ts";
import { onnxModel } from "./frontend/onnx/write.ts";
import { compile, type CompileOptions } from "./whole.ts";

type Builder = ReturnType<typeof onnxModel>;

function values(count: number, seed: number): number[] {
  const random = randomNumbers(seed);
  return Array.from({ length: count }, () => random() - 0.5);
}

function weights(b: Builder, dims: readonly number[], seed: number): string {
  const count = dims.reduce((product, dim) => product * dim, 1);
  return b.initializer("float32", dims, values(count, seed));
}

/** Two layers whose weights are packed, one of which is read by two nodes in two forms. */
function dense(): Uint8Array {
  const b = onnxModel("dense");
  const x = b.input("x", "float32", [32, 48]);
  const shared = weights(b, [48, 48], 1);
  const first = b.node("Relu", [b.node("MatMul", [x, shared])]);
  const second = b.node("Gemm", [first, weights(b, [40, 48], 2), weights(b, [40], 3)], { transB: 1 });
  b.output(second, "float32", [32, 40], "y");
  return b.toBytes();
}

/** A 3x3 convolution by tiles, whose filters grow fourfold, and a pointwise one, whose filters do not. */
function convolutions(): Uint8Array {
  const b = onnxModel("convolutions");
  const x = b.input("x", "float32", [1, 64, 28, 28]);
  const wide = b.node("Conv", [x, weights(b, [64, 64, 3, 3], 4)], { pads: [1, 1, 1, 1] });
  const y = b.node("Conv", [b.node("Relu", [wide]), weights(b, [24, 64, 1, 1], 5)]);
  b.output(y, "float32", [1, 24, 28, 28], "y");
  return b.toBytes();
}

/** Weights of eight bits that are computed with in float. */
function quantized(): Uint8Array {
  const b = onnxModel("quantized");
  const x = b.input("x", "float32", [16, 64]);
  const w = b.initializer(
    "int8",
    [64, 64],
    Array.from({ length: 4096 }, (_, i) => ((i * 37) % 255) - 127),
  );
  const scale = b.initializer("float32", [], [0.02]);
  b.output(b.node("MatMul", [x, b.node("DequantizeLinear", [w, scale])]), "float32", [16, 64], "y");
  return b.toBytes();
}

const models = { dense, convolutions, quantized };
const off: CompileOptions = { passes: { ahead: false } };

async function outputs(artifact: Uint8Array): Promise<Record<string, unknown>> {
  const session: Session = await load(artifact, { threads: 1 });
  const inputs = session.inputs.map(({ name, shape }, i) => {
    const count = (shape as readonly number[]).reduce((product, dim) => product * dim, 1);
    return [name, values(count, 10 + i)] as const;
  });
  const results = await session.run(Object.fromEntries(inputs));
  session.dispose();
  return results;
}

const atLoad = (bytes: Uint8Array, options: CompileOptions): number =>
  compile(bytes, options).report.kernels.filter(({ name }) => name.startsWith("init: ")).length;

describe("packing ahead", () => {
  it.each(Object.entries(models))("changes no bit of the results: %s", async (_, make) => {
    const bytes = make();
    const ahead = await outputs(compile(bytes).artifact);
    expect(ahead).toEqual(await outputs(compile(bytes, off).artifact));
  });

  it("leaves nothing to be packed at load", () => {
    expect(atLoad(dense(), off)).toBeGreaterThan(0);
    expect(atLoad(dense(), {})).toBe(0);
  });

  it("keeps weights small that grow when they are prepared", () => {
    for (const make of [convolutions, quantized]) {
      const [packed, plain] = [compile(make()), compile(make(), off)];
      expect(packed.report.weightBytes).toBeLessThan(plain.report.weightBytes * 1.1);
    }
    expect(atLoad(convolutions(), {})).toBeGreaterThan(0);
    // The pointwise filters are packed nevertheless.
    expect(atLoad(convolutions(), {})).toBeLessThan(atLoad(convolutions(), off));
  });

  it("gives the same bytes each time", () => {
    expect(compile(convolutions()).artifact).toEqual(compile(convolutions()).artifact);
  });

  it("is left to the load where the program runs at once", () => {
    expect(atLoad(dense(), { unsealed: true })).toBe(atLoad(dense(), off));
  });

  it("changes nothing where WebAssembly is not to be had", async () => {
    const bytes = dense();
    const expected = compile(bytes, off).artifact;
    vi.stubGlobal("WebAssembly", undefined);
    const without = compile(bytes).artifact;
    vi.stubGlobal("WebAssembly", { Module: class { constructor() { throw new Error("by policy"); } } }); // prettier-ignore
    const forbidden = compile(bytes).artifact;
    vi.unstubAllGlobals();
    for (const artifact of [without, forbidden]) {
      const [a, b] = [readArtifact(artifact), readArtifact(expected)];
      expect(a.plan).toEqual(b.plan);
      expect(Buffer.compare(a.sections.get("relaxed-simd")!, b.sections.get("relaxed-simd")!)).toBe(0);
    }
  });
});
