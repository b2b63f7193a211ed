/**
 * Runs on several threads in Node: real workers, real shared memory. In: programs of the compiler with kernels that
 * are worth sharing. Checked: bit for bit the same answers for any number of threads, that others do help, and that
 * nothing depends on whether they come.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compile } from "../../compiler/index.ts";
import { onnxModel } from "../../compiler/frontend/onnx/write.ts";
import { scalingArtifact } from "../../test/programs.ts";
import { load, type Inputs, type Session } from "../index.ts";
import { chooseThreads, withSharedMemory } from "./shared.ts";

const SIZE = 160;

/** A network of all that is shared in a way of its own: contractions, rows with scratch, maps, carried loops. */
function model(): Uint8Array {
  const b = onnxModel("shared", { opset: 22 });
  const x = b.input("x", "float32", [SIZE, SIZE]);
  const w = b.initializer("float32", [SIZE, SIZE], numbers(SIZE * SIZE, 7));
  const rows = b.node("Softmax", [b.node("MatMul", [x, w])], { axis: -1 });
  const columns = b.node("Softmax", [b.node("MatMul", [rows, x])], { axis: 0 });
  const image = b.node("Reshape", [columns, b.int64s([1, 1, SIZE, SIZE])]);
  const kernel = b.initializer("float32", [5, 1, 3, 3], numbers(45, 3));
  const convolved = b.node("Conv", [image, kernel], { pads: [1, 1, 1, 1] });
  const sums = b.node("CumSum", [convolved, b.scalar("int64", 2)]);
  b.output(b.node("Tanh", [sums]), "float32", undefined, "y");
  const [best] = b.nodeWithOutputs("TopK", [rows, b.int64s([3])], 2, { axis: 1 });
  b.output(best!, "float32", undefined, "best");
  return b.toBytes();
}

function numbers(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

async function bits(session: Session, inputs: Inputs): Promise<string> {
  const outputs = await session.run(inputs);
  return Object.entries(outputs)
    .map(([name, { data }]) => `${name} ${Buffer.from((data as Float32Array).buffer).toString("base64")}`)
    .join("\n");
}

/** Runs until other threads have computed something more; fails after two minutes. */
async function untilHelped(session: Session, inputs: Inputs, before = 0): Promise<void> {
  const deadline = Date.now() + 120_000;
  while (session.threads!.helped === before) {
    if (Date.now() > deadline) throw new Error(`nobody helped: ${JSON.stringify(session.threads)}`);
    await session.run(inputs);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

describe("threads in Node", () => {
  let artifact: Uint8Array;
  const x = { shape: [SIZE, SIZE], data: numbers(SIZE * SIZE, 1) };
  let expected: string;

  beforeAll(async () => {
    artifact = (await compile(model())).artifact;
    const session = await load(artifact, { threads: 1 });
    expect(session.threads).toEqual({ count: 1, ready: 1, helped: 0 });
    expected = await bits(session, { x });
    session.dispose();
  });

  it.each([2, 3, 5, 16])(
    "gives the same bits on %i threads, before and after they have come",
    async (threads) => {
      const session = await load(artifact, { threads });
      expect(session.threads!.count).toBe(threads);
      expect(await bits(session, { x })).toBe(expected);
      await untilHelped(session, { x });
      for (let i = 0; i < 40; i++) expect(await bits(session, { x })).toBe(expected);
      session.dispose();
    },
  );

  it("shares the threads among sessions that take turns", async () => {
    const sessions = await Promise.all([2, 3, 2].map((threads) => load(artifact, { threads })));
    for (const session of sessions) await untilHelped(session, { x });
    for (let i = 0; i < 20; i++)
      for (const session of sessions) expect(await bits(session, { x })).toBe(expected);
    sessions[1]!.dispose();
    for (let i = 0; i < 20; i++) {
      expect(await bits(sessions[0]!, { x })).toBe(expected);
      expect(await bits(sessions[2]!, { x })).toBe(expected);
    }
    await expect(sessions[1]!.run({ x })).rejects.toMatchObject({ code: "disposed" });
    for (const session of sessions) session.dispose();
  });

  it("binds late programs to threads, too", async () => {
    const b = onnxModel("late", { opset: 22 });
    const a = b.input("a", "float32", ["n", 64]);
    b.output(b.node("Softmax", [b.node("MatMul", [a, b.node("Transpose", [a], { perm: [1, 0] })])]), "float32", undefined, "y"); // prettier-ignore
    const source = b.toBytes();
    const compiler = () => import("../../compiler/index.ts");
    const one = await load(source, { compiler, threads: 1 });
    const two = await load(source, { compiler, threads: 2, keptPrograms: 2 });
    for (const n of [100, 3, 257, 100, 64, 100]) {
      const inputs = { a: { shape: [n, 64], data: numbers(n * 64, n) } };
      expect(await bits(two, inputs)).toBe(await bits(one, inputs));
    }
    two.dispose();
  });

  it("leaves out what the branch of an If needs that a run does not take", async () => {
    const b = onnxModel("branches", { opset: 22 });
    const a = b.input("a", "float32", [SIZE, SIZE]);
    const limit = b.input("limit", "float32", []);
    const side = (op: string): ReturnType<typeof b.subgraph> =>
      b.subgraph(op, (g) => {
        const scores = g.node("Softmax", [g.node("MatMul", [a, g.node(op, [a])])]);
        g.output(g.node("MatMul", [scores, a]), "float32");
        g.output(g.node("ReduceMax", [scores], { keepdims: 0 }), "float32");
      });
    const sum = b.node("ReduceSum", [b.node("Abs", [a])], { keepdims: 0 });
    const sides = { then_branch: side("Tanh"), else_branch: side("Cos") };
    const [y, most] = b.nodeWithOutputs("If", [b.node("Greater", [sum, limit])], 2, sides);
    b.output(b.node("MatMul", [b.node("Add", [y!, most!]), a]), "float32", undefined, "z");
    const { artifact: branches } = await compile(b.toBytes());
    const given = (i: number): Inputs => ({ a: numbers(SIZE * SIZE, i), limit: [i % 3 === 0 ? 0 : 1e9] });
    const one = await load(branches, { threads: 1 });
    const right: string[] = [];
    for (let i = 0; i < 7; i++) right.push(await bits(one, given(i)));
    expect(new Set(right).size).toBe(7);
    for (const threads of [2, 3, 16]) {
      const session = await load(branches, { threads });
      await untilHelped(session, given(1));
      for (let i = 0; i < 60; i++) expect(await bits(session, given((i * i) % 7))).toBe(right[(i * i) % 7]);
      session.dispose();
    }
  });

  it("fills inputs and reads outputs in place", async () => {
    const session = await load(artifact, { threads: 2 });
    const plain = await load(artifact, { threads: 1 });
    const [input, output] = [session.input("x"), session.output("y")];
    for (const seed of [4, 5]) {
      const data = numbers(SIZE * SIZE, seed);
      (input as Float32Array).set(data);
      session.invoke();
      expect(output).toEqual((await plain.run({ x: data }))["y"]!.data);
    }
    expect(() => session.input("z")).toThrow(/no input "z"/);
    expect(() => session.output("x")).toThrow(/no output "x"/);
    session.dispose();
    expect(() => session.invoke()).toThrow(/disposed/);
  });

  it("has its threads back after those that held too much of sessions gone were replaced", async () => {
    const b = onnxModel("large", { opset: 22 });
    const a = b.input("a", "float32", [3_000_000]);
    b.output(b.node("Tanh", [a]), "float32", undefined, "y");
    const large = (await compile(b.toBytes(), { variants: ["simd"] })).artifact;
    const staying = await load(artifact, { threads: 3 });
    await untilHelped(staying, { x });
    for (let i = 0; i < 4; i++) {
      const leaving = await load(large, { threads: 2 });
      expect(leaving.memoryBytes).toBeGreaterThan(20_000_000);
      leaving.dispose();
    }
    const { helped } = staying.threads!;
    await untilHelped(staying, { x }, helped);
    expect(await bits(staying, { x })).toBe(expected);
    expect(staying.threads!.ready).toBeLessThanOrEqual(3);
    staying.dispose();
  });

  it("keeps short programs on one thread and says so", async () => {
    const session = await load(scalingArtifact(), { threads: 4 });
    expect(session.threads).toMatchObject({ count: 1, reason: expect.stringContaining("long enough") });
  });
});

describe("the choice", () => {
  it("takes what is asked for, within reason", () => {
    expect(chooseThreads(3, true)).toEqual({ count: 3 });
    expect(chooseThreads(100, true)).toEqual({ count: 16 });
    expect(chooseThreads(1, true)).toEqual({ count: 1 });
    expect(chooseThreads("auto", true).count).toBeGreaterThanOrEqual(1);
    expect(chooseThreads("auto", true).count).toBeLessThanOrEqual(4);
  });
  it.each([0, -1, 1.5, NaN])("refuses %d", (wanted) => {
    expect(() => chooseThreads(wanted, true)).toThrow(expect.objectContaining({ code: "option-invalid" }));
  });

  describe("in a page", () => {
    const before = Object.getOwnPropertyDescriptor(globalThis, "crossOriginIsolated");
    beforeAll(
      () =>
        void Object.defineProperty(globalThis, "crossOriginIsolated", { value: false, configurable: true }),
    );
    afterAll(() => {
      if (before) Object.defineProperty(globalThis, "crossOriginIsolated", before);
      else delete (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated;
    });
    it("that is not isolated there is one, and the reason names the headers", () => {
      const choice = chooseThreads("auto", true);
      expect(choice.count).toBe(1);
      expect(choice.reason).toMatch(/Cross-Origin-Opener-Policy/);
    });
  });
});

describe("a module over shared memory", () => {
  it("is the same module, and takes nothing else", async () => {
    const plain = Uint8Array.of(
      ...[0, 97, 115, 109, 1, 0, 0, 0],
      ...[1, 4, 1, 0x60, 0, 0],
      ...[2, 23, 2, 1, 97, 1, 98, 0, 0, 3, 101, 110, 118, 6, 109, 101, 109, 111, 114, 121, 2, 0, 1],
    );
    // The section's length is of its content: two entries, a.b of 6 bytes and env.memory of 15.
    plain[15] = plain.length - 16;
    expect(WebAssembly.validate(plain)).toBe(true);
    const shared = withSharedMemory(plain, 300);
    const module = await WebAssembly.compile(shared);
    expect(WebAssembly.Module.imports(module).map(({ name }) => name)).toEqual(["b", "memory"]);
    const a = { b: () => {} };
    const memory = new WebAssembly.Memory({ initial: 300, maximum: 300, shared: true });
    await WebAssembly.instantiate(module, { a, env: { memory } });
    const other = new WebAssembly.Memory({ initial: 300, maximum: 300 });
    await expect(WebAssembly.instantiate(module, { a, env: { memory: other } })).rejects.toThrow();
  });
  it("is refused where there is no memory to share", () => {
    const empty = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0);
    expect(() => withSharedMemory(empty, 1)).toThrow(expect.objectContaining({ code: "artifact-malformed" }));
  });
});
