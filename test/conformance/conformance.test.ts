/**
 * The conformance runner on a tree that it cannot know: one case that is right, and one for each way to fail.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { onnxModel } from "../../compiler/frontend/onnx/write.ts";
import type { Tensor } from "../../runtime/dtype.ts";
import { writeCase } from "../support/onnxCase.ts";
import { findCases } from "./cases.ts";
import { runCases } from "./pool.ts";
import { runCase } from "./runCase.ts";
import { failureTable, reasonTable, reportOf } from "./summary.ts";

const RUN = fileURLToPath(new URL("./run.ts", import.meta.url));

let root: string;

const floats = (...values: number[]): Tensor => ({ dtype: "float32", shape: [values.length], data: Float32Array.from(values) }); // prettier-ignore

/** y = op(x) over three floats. */
function unary(op: string): Uint8Array {
  const b = onnxModel("unary");
  b.output(b.node(op, [b.input("x", "float32", [3])]), "float32", [3], "y");
  return b.toBytes();
}

function sequences(): Uint8Array {
  const b = onnxModel("sequences");
  const s = b.inputOfType("s", { kind: "sequence", element: { kind: "tensor", dtype: "float32" } });
  b.output(b.node("SequenceLength", [s]), "int64", []);
  return b.toBytes();
}

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "tilewright-conformance-"));
  const x = floats(1, -2, 3);
  writeCase(join(root, "node/test_abs"), unary("Abs"), [x], [floats(1, 2, 3)]);
  writeCase(join(root, "node/test_wrong"), unary("Neg"), [x], [floats(-1, 2, 3)]);
  writeCase(join(root, "node/test_unknown"), unary("Absolutely"), [x], [x]);
  writeCase(
    join(root, "node/test_sequence"),
    sequences(),
    [],
    [{ dtype: "int64", shape: [], data: new BigInt64Array(1) }],
  );
  writeCase(join(root, "node/test_nothing_stored"), unary("Abs"), [x], []);
  writeCase(join(root, "other/test_bernoulli"), unary("Relu"), [floats(0, 1, 0)], [floats(1, 1, 1)]);
  mkdirSync(join(root, "node/not_a_case"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("findCases", () => {
  it("finds every folder with a model, by its name, in order", () => {
    expect(findCases(root).map(({ name }) => name)).toEqual([
      "test_abs",
      "test_nothing_stored",
      "test_sequence",
      "test_unknown",
      "test_wrong",
      "test_bernoulli",
    ]);
    expect(findCases(join(root, "node/test_abs")).map(({ name }) => name)).toEqual(["test_abs"]);
  });

  it("calls cases that share a name by their paths", () => {
    const twice = join(root, "twice");
    for (const half of ["a", "b"]) writeCase(join(twice, half, "test_same"), unary("Abs"), [], []);
    expect(findCases(twice).map(({ name }) => name)).toEqual(["a/test_same", "b/test_same"]);
    rmSync(twice, { recursive: true });
  });
});

describe.each(["wasm", "interp"] as const)("runCase on %s", (device) => {
  it.each([
    ["node/test_abs", "passed", undefined],
    ["node/test_wrong", "failed", "wrong: y: 1 of 3 elements differ, the worst at [2]: -3 instead of 3"],
    ["node/test_unknown", "failed", /^\[op-unsupported\] Absolutely/],
    ["node/test_sequence", "passed", undefined],
    ["node/test_nothing_stored", "skipped", "no stored outputs"],
    ["node/not_a_case", "failed", /no model\.onnx/],
    ["other/test_bernoulli", "skipped", /random generator/],
  ])("says of %s: %s", async (path, status, reason) => {
    const outcome = await runCase({ name: path.split("/")[1]!, path: join(root, path) }, { device });
    expect(outcome.status).toBe(status);
    if (reason === undefined) expect(outcome.reason).toBeUndefined();
    else expect(outcome.reason).toMatch(reason);
  });
});

describe("runCases", () => {
  it("answers for every case in order, and sums up", async () => {
    const cases = findCases(root);
    let seen = 0;
    const outcomes = await runCases(cases, {
      device: "interp",
      threads: 2,
      seconds: 300,
      progress: () => seen++,
    });
    expect(seen).toBe(cases.length);
    expect(outcomes.map(({ name }) => name)).toEqual(cases.map(({ name }) => name));
    const report = reportOf("interp", outcomes);
    expect(report.passed).toEqual(["test_abs", "test_sequence"]);
    expect(report.failed.map(({ name }) => name)).toEqual(["test_unknown", "test_wrong"]);
    expect(report.skipped.map(({ name }) => name)).toEqual(["test_nothing_stored", "test_bernoulli"]);
    expect(failureTable(outcomes)).toContain("Absolutely");
    expect(reasonTable(outcomes)).toMatch(/wrong +1/);
  });

  it("stops a case that takes too long, and goes on", async () => {
    // No thread can even start in a millisecond.
    const outcomes = await runCases(findCases(root).slice(0, 2), {
      device: "interp",
      threads: 1,
      seconds: 0.001,
    });
    expect(outcomes.map(({ reason }) => reason)).toEqual([
      "takes longer than 0.001 s",
      "takes longer than 0.001 s",
    ]);
  });
});

describe("npm run conformance", () => {
  const tsx = import.meta.resolve("tsx");

  it("writes its report and closes with the counts", () => {
    const json = join(root, "report.json");
    const words = ["--import", tsx, RUN, "--data", root, "--device", "wasm", "--json", json];
    const out = execFileSync(process.execPath, words, { encoding: "utf8" });
    expect(out.trimEnd().split("\n").at(-1)).toBe("2 passed, 2 failed, 2 skipped");
    const report = JSON.parse(readFileSync(json, "utf8"));
    expect(report).toMatchObject({ device: "wasm", passed: ["test_abs", "test_sequence"] });
    expect(report.failed[1]).toMatchObject({ name: "test_wrong" });
  });

  it("fails below the minimum and on words that make no sense", () => {
    const status = (...words: readonly string[]): number | null => spawnSync(process.execPath, ["--import", tsx, RUN, ...words], { encoding: "utf8", env: { ...process.env, TILEWRIGHT_DATA: undefined } }).status; // prettier-ignore
    expect(status("--data", root, "--filter", "abs", "--min", "2")).toBe(1);
    expect(status("--data", root, "--filter", "abs", "--min", "1")).toBe(0);
    expect(status("--data", root, "--devise", "wasm")).toBe(2);
    expect(status("--filter", "abs")).toBe(0);
  });
});
