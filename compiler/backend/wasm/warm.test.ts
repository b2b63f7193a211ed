/** Warming calls every kernel that is worth it, and nothing is different afterwards. */
import { describe, expect, it, vi } from "vitest";
import { readArtifact, type BoundPlan } from "../../../runtime/format.ts";
import { warmUp } from "../../../runtime/program.ts";
import { randomNumbers } from "../../../test/programs.ts";
import { onnxModel } from "../../frontend/onnx/write.ts";
import { compile } from "../../whole.ts";

/** Kernels in parts, kernels that are not, and one that is too short to be warmed. */
function model(): Uint8Array {
  const b = onnxModel("warm");
  const random = randomNumbers(5);
  const weights = (...dims: number[]): string =>
    b.initializer(
      "float32",
      dims,
      Array.from({ length: dims.reduce((p, d) => p * d, 1) }, () => random() - 0.5),
    );
  const x = b.input("x", "float32", [1024, 256]);
  const product = b.node("MatMul", [b.node("MatMul", [x, weights(256, 256)]), weights(256, 192)]);
  b.output(b.node("Softmax", [product]), "float32", [1024, 192], "y");
  b.output(b.node("Tanh", [b.input("few", "float32", [4])]), "float32", [4], "z");
  return b.toBytes();
}

interface Program {
  readonly plan: BoundPlan;
  readonly memory: Uint8Array;
  readonly exports: Readonly<Record<string, (...values: number[]) => number>>;
}

function instantiated(): Program {
  const { artifact } = compile(model(), { variants: ["simd"] });
  const { plan, sections } = readArtifact(artifact);
  if (plan.kind !== "bound") throw new Error("the model is bound");
  const memory = new WebAssembly.Memory({ initial: plan.memoryBytes / 65536 });
  const module = new WebAssembly.Module(new Uint8Array(sections.get("simd")!));
  const math = Object.fromEntries(plan.math.map((name) => [name, Math[name as "tanh"]]));
  const { exports } = new WebAssembly.Instance(module, { env: { memory }, math, lib: {} });
  return { plan, memory: new Uint8Array(memory.buffer), exports: exports as Program["exports"] };
}

describe("warm", () => {
  it("knows the kernels that take long, by number", () => {
    const { warm } = instantiated().exports;
    const answers = Array.from({ length: 20 }, (_, kernel) => warm!(kernel));
    const kernels = answers.indexOf(0);
    // Two products and the softmax; not the hyperbolic tangent of four numbers.
    expect(kernels).toBeGreaterThanOrEqual(3);
    expect(answers).toEqual(answers.map((_, kernel) => (kernel < kernels ? 1 : 0)));
    expect(warm!(-1)).toBe(0);
  });

  it("neither writes to memory nor needs what is there", () => {
    const { memory, exports } = instantiated();
    const random = randomNumbers(6);
    for (let i = 0; i < memory.length; i++) memory[i] = random() * 256;
    const before = memory.slice();
    for (let kernel = 0; exports["warm"]!(kernel); kernel++);
    expect(Buffer.compare(memory, before)).toBe(0);
  });

  it("is gone through by the runtime, in slices between which other tasks run", async () => {
    const others: boolean[] = [];
    let other = false;
    setImmediate(() => (other = true));
    vi.useFakeTimers({ toFake: ["performance"] });
    const warm = (kernel: number): number => {
      vi.advanceTimersByTime(5);
      if (kernel === 8) return 0;
      others.push(other);
      return 1;
    };
    await warmUp({ warm });
    vi.useRealTimers();
    expect(others.slice(0, 2)).toEqual([false, false]);
    expect(others[7]).toBe(true);
    await warmUp({}); // an artifact of another compiler
  });
});
