/** What passes tell under `--trace`, and that a pass that is switched off does and tells nothing. */
import { describe, expect, it } from "vitest";
import { onnxModel } from "./frontend/onnx/write.ts";
import { compile, inspect, passNames, traceFilter, type PassName } from "./whole.ts";

/** A model in which every pass finds something to do. */
function model(): Uint8Array {
  const b = onnxModel("passes");
  const x = b.input("x", "float32", [1, 3, 8, 8]);
  const scale = b.initializer("float32", [4, 1, 1], [1, 2, 3, 5]);
  const half = b.initializer("float32", [], [2]);
  const doubled = b.node("Add", [half, half], {}, { name: "double" });
  const conv = (from: string, channels: number, name: string): string => {
    const count = 4 * channels * 9;
    const weights = b.initializer("float32", [4, channels, 3, 3], Array.from({ length: count }, (_, i) => i / count)); // prettier-ignore
    return b.node("Conv", [from, weights], { pads: [1, 1, 1, 1] }, { name });
  };
  const scaled = b.node("Mul", [conv(x, 3, "conv"), scale], {}, { name: "scale" });
  const first = b.node("Relu", [scaled], {}, { name: "relu" });
  const joined = b.node("Concat", [first, conv(first, 4, "again")], { axis: 1 }, { name: "join" });
  const last = b.node("Div", [conv(joined, 8, "last"), doubled], {}, { name: "div" });
  const mean = b.node("ReduceMean", [last], { axes: [3], keepdims: 1 }, { name: "mean" });
  const off = b.node("Sub", [last, mean], {}, { name: "off" });
  const square = b.node("Mul", [off, off], {}, { name: "square" });
  const variance = b.node("ReduceMean", [square], { axes: [3], keepdims: 1 }, { name: "variance" });
  b.output(b.node("Div", [off, variance], {}, { name: "norm" }), "float32", [1, 4, 8, 8], "y");
  return b.toBytes();
}

type Line = readonly [stage: string, text: string, node: string | undefined];

function traced(passes: Partial<Record<PassName, boolean>> = {}): Line[] {
  const lines: Line[] = [];
  compile(model(), { passes, trace: (stage, detail, node) => lines.push([stage, detail(), node]) });
  return lines;
}

describe("the trace", () => {
  const all = traced();

  it.each([
    ["fold", "Add computed while compiling: float32[]"],
    ["fuse", "epilogue: scale+relu into conv"],
    ["simplify", "weights: 1"],
    ["rows", "merge: "],
    ["layout", ": dimensions in the order 0 2 3 1, border "],
    ["views", "parts written in place"],
    ["schedule", " to vector"],
    ["reuse", "bytes of memory"],
    ["emit", " bytes, calls: "],
  ])("tells what %s did", (stage, text) => {
    expect(
      all
        .filter(([name]) => name === stage)
        .map(([, line]) => line)
        .join("\n"),
    ).toContain(text);
  });

  it.each(passNames.filter((pass) => pass !== "fold" && pass !== "reuse"))(
    "has nothing of %s when it is off",
    (pass) => {
      const named = traced({ [pass]: false }).filter(
        ([stage, , node]) => stage === pass && node !== undefined,
      );
      expect(named).toEqual([]);
    },
  );

  it("tells what memory is without reuse", () => {
    const bytes = (lines: readonly Line[]): number =>
      Number(/ in (\d+) bytes of memory/.exec(lines.findLast(([stage]) => stage === "reuse")![1])![1]);
    expect(bytes(traced({ reuse: false }))).toBeGreaterThan(bytes(all));
  });

  it("finds a node on either side of a fusion", () => {
    const wanted = traceFilter("fuse:conv,fuse:relu");
    expect(all.filter(([stage, , node]) => wanted(stage, node)).map(([stage]) => stage)).toContain("fuse");
    expect(wanted("rows", "conv")).toBe(false);
  });
});

describe("inspect", () => {
  it("shows each node at the stage graph, and what passes made of them at fused", () => {
    const graph = inspect(model(), "graph");
    const fused = inspect(model(), "fused");
    expect(graph).toMatch(/^\/\/ conv$/m);
    expect(graph).toMatch(/^\/\/ relu$/m);
    expect(graph).not.toMatch(/^\/\/ .*\+/m);
    expect(fused).not.toMatch(/^\/\/ relu$/m);
    expect(fused).toMatch(/^\/\/ .*relu \+|\+ relu/m);
  });

  it("shows one node alone, and says when there is none of that name", () => {
    const one = inspect(model(), "import", { node: "relu" });
    expect(one).toMatch(/= Relu\(/);
    expect(one).not.toMatch(/= Conv\(/);
    expect(inspect(model(), "nest", { node: "again" })).not.toMatch(/^\/\/ .*last/m);
    expect(() => inspect(model(), "nest", { node: "agian" })).toThrow(/no node .*did you mean again\?/);
  });

  it("names library kernels, and what waits for data", () => {
    const b = onnxModel("data");
    const x = b.input("x", "float32", [8]);
    const places = b.node("NonZero", [x], {}, { name: "places" });
    b.output(b.node("Cast", [places], { to: 1 }, { name: "cast" }), "float32", [1, "n"], "y");
    const text = inspect(b.toBytes(), "kernels");
    expect(text).toContain("// places\n// is the library kernel nonZero");
    expect(text).toMatch(/^\/\/ \d+ nodes wait until a run tells /m);
  });
});
