/** The compiler in a worker: the same bytes as here, progress, aborts, errors of the compiler's own type. */
import { CompileError } from "../../compiler/diagnostic.ts";
import { onnxModel } from "../../compiler/frontend/onnx/write.ts";
import { compile } from "../../compiler/index.ts";
import { type CompileProgress, compile as compileBeside } from "../../compiler/worker/index.ts";
import { TilewrightError } from "../../runtime/errors.ts";
import { expect } from "./expect.ts";

function model(): Uint8Array {
  const b = onnxModel("beside", { opset: 22 });
  const x = b.input("x", "float32", ["n", 8]);
  b.output(b.node("Softmax", [b.node("Tanh", [x])]), "float32", undefined, "y");
  return b.toBytes();
}

describe("the compiler in a worker", () => {
  it("makes the same artifact, byte for byte, and tells how far it is", async () => {
    const seen: CompileProgress[] = [];
    const options = { dims: { n: 4 } };
    const { artifact, report } = await compileBeside(model(), {
      ...options,
      progress: (one) => seen.push(one),
    });
    const expected = await compile(model(), options);
    expect(artifact.length === expected.artifact.length, "the lengths differ");
    expect(
      artifact.every((byte, at) => byte === expected.artifact[at]),
      "the bytes differ",
    );
    expect(report.kernelsOut === expected.report.kernelsOut, "the reports differ");
    expect(seen[0]?.stage === "read" && seen.at(-1)?.stage === "pack", JSON.stringify(seen));
    for (let i = 1; i < seen.length; i++) expect(seen[i]!.done > seen[i - 1]!.done, "it goes back");
  });

  it("throws what the compiler throws, and stops when it is aborted", async () => {
    let thrown: unknown;
    await compileBeside(Uint8Array.of(1, 2, 3)).catch((error: unknown) => (thrown = error));
    expect(thrown instanceof CompileError, `it is ${String(thrown)}`);
    const controller = new AbortController();
    const compiling = compileBeside(model(), { dims: { n: 4 }, signal: controller.signal });
    controller.abort();
    let aborted: unknown;
    await compiling.catch((error: unknown) => (aborted = error));
    expect(aborted instanceof TilewrightError && aborted.code === "aborted", `it is ${String(aborted)}`);
  });
});
