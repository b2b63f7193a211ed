/** The playground's parts that need no document. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { CompileError, InternalError } from "../compiler/diagnostic.ts";
import { TilewrightError } from "../runtime/errors.ts";
import { sortedBy } from "./dataTable.ts";
import { modelAmong } from "./droppedFiles.ts";
import { fileKind } from "./fileKind.ts";
import { questionsOf, shapesFrom, valuesFrom } from "./openShapes.ts";
import { problemOf } from "./problem.ts";
import { adapterText, bytesText, counted, durationText, elementText, percentText, roundedCountText, shapeText } from "./quantity.ts"; // prettier-ignore
import { median, RecentMedian } from "./recentMedian.ts";
import { scheduleLines } from "./scheduleText.ts";

const plain = (text: string): string => text.replaceAll("\u202f", " ");

describe("quantities", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.00 KB"],
    [9900, "9.90 KB"],
    [37_827, "37.8 KB"],
    [999_499, "999 KB"],
    [999_501, "1.00 MB"],
    [13_972_331, "14.0 MB"],
    [2.5e9, "2.50 GB"],
  ])("%d bytes are %s", (bytes, text) => expect(plain(bytesText(bytes))).toBe(text));

  it.each([
    [0.00004, "<0.1 µs"],
    [0.0042, "4.2 µs"],
    [0.0851, "85 µs"],
    [0.9994, "999 µs"],
    [0.9996, "1.00 ms"],
    [12.34, "12.3 ms"],
    [9999, "9999 ms"],
    [12_345, "12.3 s"],
  ])("%d ms are %s", (time, text) => expect(plain(durationText(time))).toBe(text));

  it.each([
    [0, "0.0 %"],
    [0.0004, "<0.1 %"],
    [0.061, "6.1 %"],
    [0.5, "50 %"],
    [0.9995, ">99.9 %"],
    [1, "100 %"],
  ])("a share of %d is %s", (share, text) => expect(plain(percentText(share))).toBe(text));

  it("are short elsewhere too", () => {
    expect(plain(roundedCountText(1_460_000))).toBe("1.46 M");
    expect(adapterText({ vendor: "acme", architecture: "gpu-1", description: "" })).toBe("acme gpu-1");
    expect(counted(1, "kernel")).toBe("1 kernel");
    expect(counted(1200, "kernel")).toBe("1,200 kernels");
    expect([1 / 3, 7, 5n, NaN, "a"].map(elementText)).toEqual(["0.33333", "7", "5", "NaN", "a"]);
    expect(shapeText(["batch", 3, ""])).toBe("[batch, 3, ?]");
  });
});

describe("the median of recent measurements", () => {
  it("forgets old ones and ignores one outlier", () => {
    const recent = new RecentMedian(3);
    expect(recent.value).toBeUndefined();
    for (const value of [100, 1, 1000, 2]) recent.add(value);
    expect([recent.count, recent.value]).toEqual([3, 2]);
    expect(median([4, 1])).toBe(2.5);
  });
});

describe("the kind of a file", () => {
  const bytes = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

  it("knows models and artifacts by their bytes", () => {
    const sample = readFileSync(new URL("./sample/digits.onnx", import.meta.url));
    expect(fileKind("digits.onnx", sample)).toEqual({ kind: "onnx" });
    expect(fileKind("without a name", sample)).toEqual({ kind: "onnx" });
    const artifact = readFileSync(new URL("../test/artifacts/scaling.tile", import.meta.url));
    expect(fileKind("x.onnx", artifact)).toEqual({ kind: "tile" });
  });

  it.each([
    ["cat.png", "\x89PNG\r\n\x1a\n", "a PNG image"],
    ["cat.onnx", "\xff\xd8\xff\xe0", "a JPEG image"],
    ["weights.pt", "PK\x03\x04....", "a ZIP archive"],
    ["net.tflite", "\x1c\0\0\0TFL3", "a TensorFlow Lite model"],
    ["net.ort", "\x1c\0\0\0ORTM", "an ONNX Runtime model"],
    ["net.safetensors", '\x10\0\0\0\0\0\0\0{"a":1}', "a safetensors file"],
    ["model.json", '{"format": "graph-model"}', "a JSON file"],
    ["core.bin", "\xff\xfe\x01", "kind not known"],
    ["notes.txt", "hello there", "a text file"],
    ["nothing.onnx", "", "empty"],
  ])("%s is told apart", (name, content, what) => {
    const kind = fileKind(name, bytes(content));
    expect(kind.kind === "other" && kind.what).toContain(what);
  });

  it("knows a model of TF.js among the files of its folder", () => {
    const graph = '{"format": "graph-model", "modelTopology": {"node": []}}';
    expect(fileKind("model.json", bytes(graph))).toEqual({ kind: "tfjs" });
    const among = (...names: string[]): string | undefined =>
      modelAmong(names.map((name) => ({ name })))?.name;
    expect(among("group1-shard1of2.bin", "labels.json", "model.json")).toBe("model.json");
    expect(among("weights.bin", "face.json")).toBe("face.json");
    expect(among("a.bin", "model.json", "net.ONNX")).toBe("net.ONNX");
    expect([among("photo.png"), among()]).toEqual(["photo.png", undefined]);
  });

  it("leaves a damaged model to its reader", () => {
    expect(fileKind("damaged.onnx", bytes("\xfe\xfe\xfe\xfe"))).toEqual({ kind: "onnx" });
  });
});

describe("open dimensions", () => {
  const inputs = [
    { name: "ids", dtype: "int64", shape: ["batch", "length"] },
    { name: "mask", dtype: "bool", shape: ["batch", 1, "length"] },
    { name: "fixed", dtype: "float32", shape: [2, 3] },
    { name: "any", dtype: "float32", shape: ["any.shape"] },
  ] as const;

  it("are asked for once each", () => {
    expect(questionsOf(inputs)).toEqual([
      { kind: "dimension", name: "batch", where: ["ids", "mask"] },
      { kind: "dimension", name: "length", where: ["ids", "mask"] },
      { kind: "shape", name: "any.shape", where: ["any"] },
    ]);
  });

  it("become shapes, 1 where nothing was said", () => {
    expect(shapesFrom(inputs, { length: " 128 ", "any.shape": "[1, 3, 8x8]" })).toEqual({
      ids: [1, 128],
      mask: [1, 1, 128],
      any: [1, 3, 8, 8],
    });
  });

  it("ask for whole numbers that choose how a model works, random unless told", () => {
    const rate = [
      { name: "sr", dtype: "int64", shape: [] },
      { name: "x", dtype: "float32", shape: [] },
    ] as const;
    const [question, ...more] = questionsOf(rate);
    expect(more).toEqual([]);
    expect(question).toEqual({ kind: "value", name: "value of sr", where: ["sr"] });
    expect(valuesFrom(rate, {})).toEqual({});
    expect(valuesFrom(rate, { [question!.name]: " " })).toEqual({});
    expect(valuesFrom(rate, { [question!.name]: "16000" })).toEqual({ sr: 16000 });
    expect(() => valuesFrom(rate, { [question!.name]: "1.5" })).toThrow(/^value of sr: /);
  });

  it.each(["", "0", "-1", "1.5", "many", "1e99"])("refuse %j as a size", (batch) => {
    expect(() => shapesFrom(inputs, { batch })).toThrow(/^batch: /);
  });
});

describe("problems", () => {
  const diagnostic = {
    code: "op-unsupported",
    message: "no",
    node: "n",
    op: "Foo",
    hint: "drop it",
  } as const;

  it("keep every diagnostic of the compiler", () => {
    const problem = problemOf(new CompileError([diagnostic, { ...diagnostic, node: "m" }]), "compile");
    expect(problem.kind).toBe("model");
    expect(problem.diagnostics).toEqual([diagnostic, { ...diagnostic, node: "m" }]);
  });

  it("call a file that is no model a file", () => {
    const error = new CompileError([{ code: "model-malformed", message: "ends early" }]);
    expect(problemOf(error, "open").kind).toBe("file");
    expect(problemOf(new TilewrightError("artifact-corrupt", "hash"), "open").kind).toBe("file");
  });

  it("tell runs, memory and bugs of ours apart", () => {
    expect(problemOf(new TilewrightError("run-failed", "trap"), "run").kind).toBe("run");
    expect(problemOf(new RangeError("Array buffer allocation failed"), "run").diagnostics[0]?.code).toBe(
      "out-of-memory",
    );
    const bug = problemOf(new InternalError("impossible"), "compile");
    expect([bug.kind, bug.stack === undefined]).toEqual(["bug", false]);
    expect(problemOf("thrown text", "run").diagnostics[0]?.message).toBe("thrown text");
  });
});

describe("schedules and tables", () => {
  it("are told in words", () => {
    const schedule = [
      { kind: "split", axis: "m", by: 6, tail: "peel" },
      { kind: "bind", axis: "m.i", to: "unroll" },
      { kind: "order", axes: ["m.o", "k", "m.i"] },
      { kind: "pack", buffer: 1, panels: [["n", 8]] },
      { kind: "merge", outer: "a", inner: "b" },
      { kind: "novel", x: 1 },
    ];
    expect(scheduleLines(JSON.stringify(schedule))).toEqual([
      "split m by 6, rest peeled",
      "unroll m.i",
      "order m.o › k › m.i",
      "pack buffer 1 in panels of n:8",
      "merge a and b",
      '{"kind":"novel","x":1}',
    ]);
    expect(scheduleLines("")).toEqual([]);
  });

  it("sort names by the numbers in them", () => {
    expect(sortedBy(["conv10", "conv2"], (name) => name, "ascending")).toEqual(["conv2", "conv10"]);
  });
});
