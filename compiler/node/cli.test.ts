/**
 * The command line as a user has it: a child process on the sample model, from ONNX to an artifact to an answer. The
 * rest is tested in this process, through `main`.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { onnxModel } from "../frontend/onnx/write.ts";
import { writeCase } from "../../test/support/onnxCase.ts";
import { main } from "./cli.ts";
import { readNpy, writeNpy } from "../tensors/npy.ts";
import { seededTensor } from "../tensors/seededTensors.ts";
import { terminalOn } from "./terminal.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DIGITS = join(ROOT, "playground/sample/digits.onnx");
const CLI = join(ROOT, "compiler/node/cli.ts");

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tilewright-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Answer {
  readonly status: number;
  readonly out: string;
  readonly error: string;
}

/** Runs the command line in this process. */
async function cli(...words: readonly string[]): Promise<Answer> {
  let out = "";
  let error = "";
  const terminal = terminalOn({ write: (text) => (out += text) }, { write: (text) => (error += text) });
  const status = await main(words, terminal);
  return { status, out, error };
}

/** An ONNX model with one node of an operator that does not exist. */
function unknownOperator(): Uint8Array {
  const b = onnxModel("unknown");
  const x = b.input("x", "float32", [2]);
  b.output(b.node("Rellu", [x], {}, { name: "first" }), "float32", [2], "y");
  return b.toBytes();
}

describe("tilewright, as a program", () => {
  const program = (...words: readonly string[]): string =>
    execFileSync(process.execPath, ["--import", import.meta.resolve("tsx"), CLI, ...words], {
      encoding: "utf8",
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
    });

  it("compiles the sample model and runs the artifact", () => {
    const made = program("compile", DIGITS, "-o", "digits.tile", "--dim", "batch=1");
    expect(made).toMatch(/ops in +10\n/);
    expect(made).toMatch(/kernels out +\d+\n/);
    expect(readFileSync(join(folder, "digits.tile")).subarray(0, 4).toString()).toBe("TILE");

    const shown = program("run", "digits.tile", "--random", "7", "--output-dir", "out");
    expect(shown).toMatch(/^probabilities: float32 \[1, 10\], \S+ to \S+\n( +\d {2}\S+\n){5}/);
    const probabilities = Array.from(
      readNpy(readFileSync(join(folder, "out/probabilities.npy"))).data,
      Number,
    );
    expect(probabilities).toHaveLength(10);
    expect(probabilities.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 4);
  });
});

describe("compile", () => {
  it("reports as JSON", async () => {
    const output = join(folder, "json.tile");
    const { status, out } = await cli("compile", DIGITS, "-o", output, "--dim", "batch=2", "--json");
    const report = JSON.parse(out);
    expect(status).toBe(0);
    expect(report).toMatchObject({
      kind: "bound",
      opsIn: 10,
      artifact: output,
      artifactBytes: readFileSync(output).length,
    });
    expect(Object.keys(report.codeBytes)).toEqual(["relaxed-simd"]);
  });

  it("writes the types of the artifact beside it", async () => {
    const output = join(folder, "typed.tile");
    expect((await cli("compile", DIGITS, "-o", output, "--dim", "batch=3", "--types")).status).toBe(0);
    const types = readFileSync(`${output}.d.ts`, "utf8");
    expect(types).toContain('image: { dtype: "float32"; shape: readonly [3, 1, 28, 28] };');
    expect(types).toContain("export type Types = {");
  });

  it("makes a late artifact when dimensions stay open, and says which", async () => {
    const { status, out } = await cli("compile", DIGITS, "-o", join(folder, "late.tile"));
    expect(status).toBe(0);
    expect(out).toContain("image (batch)");
    expect(out).toContain("--dim batch=N");
  });

  it("emits one variant when asked, and leaves passes out", async () => {
    const words = ["compile", DIGITS, "-o", join(folder, "simd.tile"), "--dim", "batch=1", "--json"];
    const fused = JSON.parse((await cli(...words)).out);
    const plain = JSON.parse((await cli(...words, "--no-fuse", "--variant", "simd")).out);
    expect(Object.keys(plain.codeBytes)).toEqual(["simd"]);
    expect(plain.kernelsOut).toBeGreaterThan(fused.kernelsOut);
  });

  it("lists what cannot be compiled and leaves no file", async () => {
    const model = join(folder, "unknown.onnx");
    writeFileSync(model, unknownOperator());
    const output = join(folder, "unknown.tile");
    const { status, error } = await cli("compile", model, "-o", output);
    expect(status).toBe(1);
    expect(error).toContain("[op-unsupported]");
    expect(error).toContain("Rellu");
    expect(error).toContain("first");
    expect(existsSync(output)).toBe(false);
    const json = JSON.parse((await cli("compile", model, "-o", output, "--json")).out);
    expect(json.error).toMatchObject({ kind: "compile", code: "op-unsupported" });
  });

  it("traces to standard error", async () => {
    const { out, error } = await cli(
      "compile",
      DIGITS,
      "-o",
      join(folder, "t.tile"),
      "--dim",
      "batch=1",
      "--trace=import",
    );
    expect(error).toMatch(/^--- import\n10 nodes/);
    expect(out).not.toContain("---");
    const nothing = await cli("compile", DIGITS, "-o", join(folder, "t.tile"), "--trace=imprt");
    expect(nothing.error).toContain('Nothing was traced for "imprt"');
  });
});

describe("run", () => {
  it("gives the same answer on both devices, from files of each kind", async () => {
    const image = seededTensor("image", "float32", [1, 1, 28, 28], 3);
    const npy = join(folder, "image.npy");
    const json = join(folder, "image.json");
    writeFileSync(npy, writeNpy(image));
    writeFileSync(json, JSON.stringify({ shape: [1, 1, 28, 28], data: Array.from(image.data, Number) }));
    const answers = await Promise.all([
      cli("run", DIGITS, "--input", `image=${npy}`, "--json"),
      cli("run", DIGITS, "--input", `image=${json}`, "--device", "interp", "--json"),
      cli("run", DIGITS, "--random", "3", "--dim", "batch=1", "--variant", "simd", "--repeat", "2", "--json"),
    ]);
    const outputs = answers.map(({ status, out, error }) => {
      expect({ status, error }).toEqual({ status: 0, error: "" });
      return JSON.parse(out).outputs[0];
    });
    expect(outputs[0]).toMatchObject({ name: "probabilities", dtype: "float32", shape: [1, 10] });
    for (const { first } of outputs) {
      first.forEach((value: number, i: number) => expect(value).toBeCloseTo(outputs[0].first[i], 5));
    }
    expect(JSON.parse(answers[2]!.out).milliseconds.median).toBeGreaterThan(0);
  });

  it("says which dimensions and inputs are missing", async () => {
    expect(await cli("run", DIGITS, "--random", "1")).toMatchObject({ status: 2, out: "" });
    expect((await cli("run", DIGITS, "--random", "1")).error).toContain("give --dim batch=N");
    const { status, error } = await cli("run", DIGITS);
    expect(status).toBe(2);
    expect(error).toContain('nothing is given for the input "image" (float32 [batch, 1, 28, 28])');
    expect((await cli("run", DIGITS, "--input", "imgae=x.npy")).error).toContain('did you mean "image"?');
  });

  it("shows the runtime's own complaint about a wrong shape", async () => {
    const npy = join(folder, "small.npy");
    writeFileSync(npy, writeNpy(seededTensor("image", "float32", [1, 1, 8, 8], 1)));
    const { status, error } = await cli("run", DIGITS, "--input", `image=${npy}`);
    expect(status).toBe(1);
    expect(error).toMatch(/^tilewright: \[input-shape\]/);
  });
});

describe("profile", () => {
  it("shows each kernel against the machine, the slowest first", async () => {
    const { status, out, error } = await cli(
      "profile",
      DIGITS,
      "--dim",
      "batch=1",
      "--runs",
      "2",
      "--top",
      "3",
    );
    expect({ status, error }).toEqual({ status: 0, error: "" });
    expect(out).toMatch(/^\S+digits.onnx: \d+ calls on (relaxed-)?simd, medians of 2 runs\n/);
    expect(out).toMatch(/multiply-adds +at most \d/);
    expect(out).toMatch(/kernel +ms +share +GFLOP\/s +GB\/s +roofline +bound +code +nodes\n/);
    const shares = [...out.matchAll(/ ([\d.]+)% .*(compute|memory) +1x /g)].map(([, share]) => Number(share));
    expect(shares).toHaveLength(3);
    expect(shares).toEqual(shares.toSorted((a, b) => b - a));
    expect(out).toMatch(/and \d+ more calls, [\d.]+% of the time\n$/);
  });

  it("profiles an artifact that was compiled for it, as JSON and as a trace", async () => {
    const [plain, made, trace] = ["plain.tile", "profile.tile", "trace.json"].map((name) =>
      join(folder, name),
    );
    await cli("compile", DIGITS, "-o", plain!, "--dim", "batch=1");
    const refused = await cli("profile", plain!);
    expect(refused.status).toBe(1);
    expect(refused.error).toMatch(/^tilewright: \[profile-needed\] .*compile --profile/);

    await cli("compile", DIGITS, "-o", made!, "--dim", "batch=1", "--profile");
    const words = ["profile", made!, "--variant", "simd", "--runs", "2", "--trace-file", trace!];
    const { status, out } = await cli(...words, "--json");
    const profile = JSON.parse(out);
    expect(status).toBe(0);
    expect(profile).toMatchObject({ model: made, variant: "simd", runs: 2, traceFile: trace });
    const nodes = profile.calls.flatMap((call: { nodes: string[] }) => call.nodes);
    expect(nodes).toEqual(expect.arrayContaining(["conv0", "conv1", "conv2", "dense", "softmax"]));
    const events = JSON.parse(readFileSync(trace!, "utf8")).traceEvents;
    expect(events.filter(({ ph }: { ph: string }) => ph === "X")).toHaveLength(profile.calls.length);
  });
});

describe("inspect and check", () => {
  it("shows what a model is, and its stages", async () => {
    const { status, out } = await cli("inspect", DIGITS);
    expect(status).toBe(0);
    expect(out).toMatch(/input +image +float32 +\[batch, 1, 28, 28\]/);
    expect(out).toMatch(/Conv +3\n/);
    for (const stage of ["import", "graph", "fused", "kernels", "nest", "wat"]) {
      const { status, out } = await cli("inspect", DIGITS, "--stage", stage, "--dim", "batch=1");
      expect({ stage, status }).toEqual({ stage, status: 0 });
      expect(out.length).toBeGreaterThan(100);
      expect(out.startsWith("(module")).toBe(stage === "wat");
    }
  });

  it("compares with stored outputs, and notices a wrong one", async () => {
    const image = seededTensor("image", "float32", [1, 1, 28, 28], 3);
    const outside = join(folder, "expected");
    await cli(
      "run",
      DIGITS,
      "--random",
      "3",
      "--dim",
      "batch=1",
      "--device",
      "interp",
      "--output-dir",
      outside,
    );
    const expected = readNpy(readFileSync(join(outside, "probabilities.npy")));
    const path = join(folder, "case");
    writeCase(path, readFileSync(DIGITS), [image], [expected]);
    const good = await cli("check", path);
    expect(good).toMatchObject({ status: 0, error: "" });
    expect(good.out).toContain("passed on wasm");

    (expected.data as Float32Array)[4]! += 0.01;
    writeCase(path, readFileSync(DIGITS), [image], [expected]);
    const bad = await cli("check", path, "--json");
    expect(bad.status).toBe(1);
    expect(JSON.parse(bad.out)).toMatchObject({
      passed: false,
      outputs: [{ name: "probabilities", wrong: 1 }],
    });
    expect((await cli("check", path, "--atol", "0.1")).status).toBe(0);
  });
});

describe("words that make no sense", () => {
  it.each([
    [["compil"], "did you mean compile?"],
    [["frobnicate"], "the commands are compile, run, profile, inspect, check"],
    [["compile"], "compile needs MODEL"],
    [["compile", "nowhere.onnx"], "there is no file nowhere.onnx"],
    [["compile", DIGITS, "--dmi", "batch=1"], "did you mean --dim?"],
    [["compile", DIGITS, "--dim", "batch"], "--dim takes NAME=N"],
    [["compile", DIGITS, "--dim", "batch=one"], 'whole number, not "one"'],
    [["compile", DIGITS, "--shape", "image=1xx28"], "numbers with x between them"],
    [["compile", DIGITS, "--target", "webnn"], "--target is one of wasm, webgpu, auto"],
    [["profile", DIGITS], "give --dim batch=N"],
    [["profile", DIGITS, "--runs", "0"], "--runs takes a number of at least 1"],
    [["run", DIGITS, "--device", "interpreter"], "--device is one of wasm, interp"],
    [["inspect", DIGITS, "--stage", "nests"], 'did you mean "nest"?'],
  ])("%j ends with status 2", async (words, message) => {
    const { status, error } = await cli(...words);
    expect(status).toBe(2);
    expect(error).toContain(message);
  });

  it("shows help for everything, and the version", async () => {
    const { status, out } = await cli("--help");
    expect(status).toBe(0);
    for (const command of ["compile", "run", "profile", "inspect", "check"]) {
      expect(out).toContain(command);
      const help = await cli(command, "--help");
      expect(help).toMatchObject({ status: 0, error: "" });
      expect(help.out).toContain("Examples:");
      expect(Math.max(...help.out.split("\n").map(({ length }) => length))).toBeLessThanOrEqual(100);
      expect((await cli("help", command)).out).toBe(help.out);
    }
    expect((await cli("--version")).out).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await cli()).status).toBe(2);
  });

  it("refuses a file that is no model with a sentence", async () => {
    const path = join(folder, "noise.onnx");
    writeFileSync(path, "this is not a model");
    const { status, error } = await cli("compile", path);
    expect(status).toBe(1);
    expect(error).toContain("[model-malformed]");
    expect(error).not.toContain("    at ");
  });
});

describe("types", () => {
  it("writes declarations of what a project imports, and notices stale ones", async () => {
    const project = join(folder, "project");
    mkdirSync(join(project, "src"), { recursive: true });
    mkdirSync(join(project, "node_modules"));
    expect((await cli("types", project)).out).toContain("No source file");
    cpSync(DIGITS, join(project, "src/digits.onnx"));
    writeFileSync(
      join(project, "src/main.js"),
      `import a from "./digits.onnx"; import b from "./digits.onnx?dims.batch=1";`,
    );
    const check = await cli("types", project, "--check");
    expect(check).toMatchObject({ status: 1, out: expect.stringContaining("stale") });
    expect(existsSync(join(project, "src/digits.onnx.d.ts"))).toBe(false);
    expect(await cli("types", project)).toMatchObject({ status: 0, out: expect.stringContaining("written") });
    expect(readFileSync(join(project, "src/digits.onnx.d.ts"), "utf8")).toContain(
      "readonly [number, 1, 28, 28]",
    );
    expect((await cli("types", project, "--check")).status).toBe(0);
    writeFileSync(join(project, "src/main.js"), `import a from "./digits.onnx?dims.bach=1";`);
    const wrong = await cli("types", project);
    expect(wrong.status).toBe(1);
    expect(wrong.error).toContain("option-invalid");
    expect(wrong.error).toContain("batch");
    expect((await cli("types", join(folder, "nowhere"))).status).toBe(2);
  });
});
