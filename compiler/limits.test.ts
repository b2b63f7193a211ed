/** Limits: what a model may use at most, and models whose weights lie past 2 GiB. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync, openSync, writeSync, closeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { externalTensor, onnxModel, type OnnxModelBuilder } from "./frontend/onnx/write.ts";
import { readModel } from "./frontend/onnx/model.ts";
import { main } from "./node/cli.ts";
import { externalDataIn } from "./node/modelFile.ts";
import { terminalOn } from "./node/terminal.ts";
import { CompileError, compile, interpret, openSource, type CompileOptions } from "./whole.ts";

function codeOf(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    if (error instanceof CompileError) return error.code;
    throw error;
  }
  return undefined;
}

/** x times itself, `trips` times. */
function counted(trips: number): OnnxModelBuilder {
  const b = onnxModel("counted", { opset: 22 });
  const x = b.input("x", "float32", [4]);
  const body = b.subgraph("body", (g) => {
    g.input("i", "int64", []);
    const cond = g.input("cond", "bool", []);
    const state = g.input("state", "float32");
    g.output(g.node("Identity", [cond]), "bool");
    // The state grows, so the loop cannot stay one.
    g.output(g.node("Concat", [state, x], { axis: 0 }), "float32");
  });
  b.output(b.node("Loop", [b.scalar("int64", trips), "", x], { body }), "float32", undefined, "y");
  return b;
}

/** Doubles a number until it passes a bound that only a run tells. */
function until(): OnnxModelBuilder {
  const b = onnxModel("until", { opset: 22 });
  const x = b.input("x", "float32", []);
  const bound = b.input("bound", "float32", []);
  const body = b.subgraph("body", (g) => {
    g.input("i", "int64", []);
    g.input("cond", "bool", []);
    const state = g.input("state", "float32");
    const next = g.node("Add", [state, state]);
    g.output(g.node("Less", [next, bound]), "bool");
    g.output(next, "float32");
  });
  b.output(b.node("Loop", ["", b.scalar("bool", true), x], { body }), "float32", undefined, "y");
  return b;
}

const scalar = (value: number) => ({ dtype: "float32", shape: [], data: Float32Array.of(value) }) as const;
const vector = { dtype: "float32", shape: [4], data: new Float32Array(4) } as const;

describe("limits", () => {
  it("of memory hold for programs, the interpreter and what is bound at run time", async () => {
    const b = onnxModel("memory", { opset: 22 });
    const x = b.input("x", "float32", ["n"]);
    b.output(b.node("Tile", [x, b.int64s([1000])]), "float32", undefined, "y");
    const bytes = b.toBytes();
    const small: CompileOptions = { dims: { n: 4 }, memoryLimit: 8000 };
    const large: CompileOptions = { dims: { n: 4 }, memoryLimit: 2 ** 20 };
    expect(codeOf(() => compile(bytes, small))).toBe("limit-exceeded");
    expect(codeOf(() => compile(bytes, large))).toBeUndefined();
    expect(codeOf(() => interpret(bytes, { x: vector }, small))).toBe("limit-exceeded");
    expect(codeOf(() => interpret(bytes, { x: vector }, large))).toBeUndefined();
    const stage = openSource(bytes, { memoryLimit: 8000 });
    expect(codeOf(() => stage.bind({ x: vector }, {}))).toBe("limit-exceeded");
  });

  it("of memory are those of 32-bit addresses, unless said otherwise", () => {
    const b = onnxModel("too-large", { opset: 22 });
    const x = b.input("x", "float32", [2 ** 20, 600]);
    b.output(b.node("Softmax", [x]), "float32", undefined, "y");
    expect(codeOf(() => compile(b.toBytes()))).toBe("limit-exceeded");
  });

  it("of nodes hold for loops that are unrolled", () => {
    const bytes = counted(100).toBytes();
    expect(codeOf(() => compile(bytes, { maxUnrolledNodes: 199 }))).toBe("limit-exceeded");
    expect(codeOf(() => compile(bytes, { maxUnrolledNodes: 200 }))).toBeUndefined();
  });

  it("of iterations hold for loops whose condition follows from data", () => {
    const inputs = { x: scalar(1), bound: scalar(1000) };
    expect(interpret(until().toBytes(), inputs, { maxIterations: 10 })["y"]!.data[0]).toBe(1024);
    expect(codeOf(() => interpret(until().toBytes(), inputs, { maxIterations: 5 }))).toBe("limit-exceeded");
  });

  it("are options of the command line", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tilewright-"));
    const path = join(folder, "model.onnx");
    writeFileSync(path, counted(100).toBytes());
    const lines: string[] = [];
    const terminal = terminalOn({ write: (text) => lines.push(text) }, { write: (text) => lines.push(text) });
    const run = (...words: string[]): Promise<number> =>
      main(["run", path, "--random", "1", ...words], terminal);
    expect(await run("--max-unrolled-nodes", "150")).not.toBe(0);
    expect(lines.join("")).toContain("limit-exceeded");
    expect(await run("--memory-limit", "4096")).not.toBe(0);
    expect(await run("--max-unrolled-nodes", "250")).toBe(0);
    rmSync(folder, { recursive: true });
  });
});

describe("weights past 2 GiB", () => {
  const OFFSET = 2 ** 31 + 4096;
  const folders: string[] = [];
  afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));

  function model(location: string): Uint8Array {
    const b = onnxModel("large");
    const x = b.input("x", "float32", [4]);
    const w = b.initializerOf(externalTensor("float32", [4], { location, offset: OFFSET, length: 16 }), "w");
    b.output(b.node("Add", [x, w]), "float32", [4], "y");
    return b.toBytes();
  }

  // The system gives such memory without filling it, so this costs little.
  it("are read where they lie, without a copy", () => {
    const file = new Uint8Array(OFFSET + 64);
    new Float32Array(file.buffer, OFFSET, 4).set([1, 2, 3, 4]);
    const bytes = model("w.bin");
    const externalData = (): Uint8Array => file;
    const { initializers } = readModel(bytes, { externalData }).graph;
    const [weights] = initializers.map(({ tensor }) => tensor.data as Float32Array);
    expect([weights!.buffer === file.buffer, weights!.byteOffset]).toEqual([true, OFFSET]);
    expect([...(interpret(bytes, { x: vector }, { externalData })["y"]!.data as Float32Array)]).toEqual([
      1, 2, 3, 4,
    ]);
    expect(compile(bytes, { externalData }).report.weightBytes).toBe(16);
  });

  const large = process.env["TILEWRIGHT_LARGE"] !== undefined;
  it.skipIf(!large)("are read from a file (with TILEWRIGHT_LARGE set)", () => {
    const folder = mkdtempSync(join(tmpdir(), "tilewright-large-"));
    folders.push(folder);
    const path = join(folder, "w.bin");
    writeFileSync(path, "");
    truncateSync(path, OFFSET + 64);
    const handle = openSync(path, "r+");
    writeSync(handle, new Uint8Array(Float32Array.of(5, 6, 7, 8).buffer), 0, 16, OFFSET);
    closeSync(handle);
    const { y } = interpret(model("w.bin"), { x: vector }, { externalData: externalDataIn(folder) });
    expect([...(y!.data as Float32Array)]).toEqual([5, 6, 7, 8]);
  });
});
