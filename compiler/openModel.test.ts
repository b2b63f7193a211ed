/** What belongs to a model besides its bytes: weights in files of their own, and options that name its parts. */
import { describe, expect, it } from "vitest";
import { load } from "../runtime/index.ts";
import { CompileError } from "./diagnostic.ts";
import { externalTensor, onnxModel } from "./frontend/onnx/write.ts";
import { compile, openSource } from "./whole.ts";

const weights = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
const externalData = (location: string): Uint8Array | undefined =>
  location === "parts/w.bin" ? weights : undefined;

/** x + w, where w lies in a file of its own. */
function model(rows: number | string): Uint8Array {
  const b = onnxModel("external");
  const x = b.input("x", "float32", [rows, 4]);
  const w = b.initializerOf(externalTensor("float32", [4], { location: "parts/w.bin" }), "w");
  b.output(b.node("Add", [x, w]), "float32", [rows, 4], "y");
  return b.toBytes();
}

function codeOf(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    if (error instanceof CompileError) return `${error.diagnostics[0]!.code}: ${error.message}`;
    throw error;
  }
  return undefined;
}

describe("weights in files of their own", () => {
  it.each([[1], ["rows"]])("are part of the artifact, with %s rows", async (rows) => {
    const { artifact, report } = compile(model(rows), { externalData });
    expect(report.kind).toBe(rows === 1 ? "bound" : "late");
    const session = await load(artifact, { compiler: () => ({ openSource }) });
    const { y } = await session.run({ x: { dtype: "float32", shape: [1, 4], data: new Float32Array(4) } });
    expect([...(y!.data as Float32Array)]).toEqual([1, 2, 3, 4]);
    session.dispose();
  });

  it("stay in an artifact that is compiled once more", () => {
    const late = compile(model("rows"), { externalData }).artifact;
    expect(compile(late, { dims: { rows: 2 } }).report).toMatchObject({ kind: "bound", weightBytes: 16 });
  });
});

describe("options", () => {
  it("may only name dimensions and inputs of the model", () => {
    expect(codeOf(() => compile(model("rows"), { externalData, dims: { row: 1 } }))).toMatch(
      /^option-invalid: .*did you mean rows\?/,
    );
    expect(codeOf(() => compile(model("rows"), { externalData, dims: { batch: 1 } }))).toContain(
      "dimensions: rows",
    );
    expect(codeOf(() => compile(model(1), { externalData, dims: { rows: 1 } }))).toContain(
      "no dimension is open",
    );
    expect(codeOf(() => compile(model(1), { externalData, inputShapes: { y: [1, 4] } }))).toContain(
      "the model has no input y",
    );
  });
});
