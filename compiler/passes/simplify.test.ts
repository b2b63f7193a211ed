/** Constants computed ahead, scales moved into weights, and random programs that keep their values. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { randomKernel } from "../../test/randomIr.ts";
import { allocate, elementCount, type DType, type Tensor } from "../ir/dtype.ts";
import type { ValueId } from "../ir/graph.ts";
import type { Kernel } from "../ir/kernel.ts";
import type { Call, Program, ProgramValue } from "../ir/program.ts";
import { parseKernel, printKernel } from "../ir/text/index.ts";
import { verifyKernel } from "../ir/verify.ts";
import { buffersRead } from "./bind.ts";
import { evaluateKernel } from "./evaluate.ts";
import { simplify, type SimplifyOptions } from "./simplify.ts";

let state = 1;
function random(): number {
  state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
  return state / 0x7fffffff;
}

/** Numbers between 0.5 and 1.5, away from where rounding errors grow. */
function tensor(
  dtype: DType,
  shape: readonly number[],
  make: (n: number) => number = () => 0.5 + random(),
): Tensor {
  const data = allocate(dtype, elementCount(shape));
  for (let n = 0; n < data.length; n++) {
    const value = make(n);
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[n] = BigInt(Math.round(value));
    else data[n] = value;
  }
  return { dtype, shape, data };
}

/** A program of one kernel whose inputs `constant` says are constants; values are named as its buffers. */
function programOf(
  kernel: Kernel,
  constant: (name: string) => boolean,
  make?: (n: number) => number,
): Program {
  const named = kernel.buffers.filter((b) => b.role !== "temp");
  const ins = kernel.buffers.filter((b) => b.role === "in").map((b) => b.name);
  const outs = kernel.buffers.filter((b) => b.role === "out").map((b) => b.name);
  const call: Call = { kind: "kernel", nodes: ["node"], kernel, inputs: ins, outputs: outs };
  return {
    name: "test",
    values: new Map(named.map(({ name, dtype, shape }): [ValueId, ProgramValue] => [name, { dtype, shape }])),
    constants: new Map(named.filter((b) => b.role === "in" && constant(b.name)).map((b) => [b.name, tensor(b.dtype, b.shape, make)])),
    calls: [call],
    inputs: ins.filter((name) => !constant(name)),
    outputs: outs.map((id) => ({ id, name: id })),
  }; // prettier-ignore
}

function run(program: Program, inputs: ReadonlyMap<ValueId, Tensor>): Map<ValueId, Tensor> {
  const known = new Map([...program.constants, ...inputs]);
  for (const call of program.calls) {
    if (call.kind !== "kernel") throw new Error("library");
    verifyKernel(call.kernel);
    const types = call.outputs.map((id) => program.values.get(id)!);
    evaluateKernel(call.kernel, call.inputs.map((id) => known.get(id)!), types).forEach((t, n) => known.set(call.outputs[n]!, t)); // prettier-ignore
  }
  return new Map(program.outputs.map(({ id }) => [id, known.get(id)!]));
}

function inputsOf(program: Program, make?: (n: number) => number): Map<ValueId, Tensor> {
  return new Map(program.inputs.map((id) => [id, tensor(program.values.get(id)!.dtype, program.values.get(id)!.shape, make)])); // prettier-ignore
}

/** The simplified program, checked against the original; constants are the buffers whose names start with c. */
function simplified(
  text: string,
  options: SimplifyOptions = {},
): { program: Program; hits: Set<string>; body: string } {
  const kernel = parseKernel(text);
  const program = programOf(kernel, (name) => name.startsWith("c"));
  const hits = new Set<string>();
  const after = simplify(program, (rule) => hits.add(rule), options);
  const inputs = inputsOf(program);
  const [expected, actual] = [run(program, inputs), run(after, inputs)];
  for (const [id, { data }] of expected) {
    const got = actual.get(id)!.data;
    for (let n = 0; n < data.length; n++) {
      expect(Math.abs(Number(got[n]) - Number(data[n]))).toBeLessThanOrEqual(
        2e-5 * (1 + Math.abs(Number(data[n]))),
      );
    }
  }
  const last = after.calls.at(-1)!;
  const printed = last.kind === "kernel" ? printKernel(last.kernel) : "";
  return { program: after, hits, body: printed.split("\n").filter((line) => /for |loop |\[\] =/.test(line)).map((line) => line.replace(/^ *for .*?: (?=b\d+\[)/, "").trim()).join("\n") }; // prettier-ignore
}

const convolution = (epilogue: string, rest = ""): string => `kernel conv {
  in x: float32[1, 4, 10, 10]
  in cw: float32[6, 4, 3, 3]
  in cb: float32[6]
  in cmean: float32[6]
  in cvar: float32[6]
  in cgamma: float32[6]
  in cbeta: float32[6]
  in r: float32[1, 6, 8, 8]
  out y: float32[1, 6, 8, 8]
  for co in 0..6, h in 0..8, v in 0..8: y[0, co, h, v] = sum(ci in 0..4, k0 in 0..3, k1 in 0..3) x[0, ci, h + k0, v + k1] * cw[co, ci, k0, k1]; then ${epilogue}${rest}
}`;
const normalised = "(acc + cb[co] - cmean[co]) * (cgamma[co] / sqrt(cvar[co] + 0.00001)) + cbeta[co]";

describe("scales into weights", () => {
  it("makes convolution and batch normalisation one convolution with one bias", () => {
    const { program, body } = simplified(convolution(`max(${normalised}, 0.0)`));
    expect(program.calls).toHaveLength(1);
    expect([...program.constants.values()].map((t) => t.shape)).toEqual([[6], [6, 4, 3, 3]]);
    expect(body).toBe("b3[0, co, h, v] = sum(ci in 0..4, k0 in 0..3, k1 in 0..3) b1[0, ci, h + k0, v + k1] * b2[co, ci, k0, k1]; then max(acc + b0[co], 0.0)"); // prettier-ignore
  });

  it.each([
    ["division and negation", "neg((cb[co] - acc) / cvar[co])", "acc - b0[co]"],
    ["a scalar", "acc * 3.0", "acc"],
    ["what several branches share", `let $0 = acc * cgamma[co] + cbeta[co]; select($0 < 0.0, $0 * 0.1, $0)`, "select(acc + b0[co] < 0.0, (acc + b0[co]) * 0.1, acc + b0[co])"],
    ["what an input is added to", "(acc + cb[co]) * cgamma[co] + r[0, co, h, v]", "acc + b0[co] + b1[0, co, h, v]"],
  ])("moves %s", (_, epilogue, then) => {
    const { body, hits } = simplified(convolution(epilogue));
    expect(hits).toContain("weights");
    expect(body.includes("; then ") ? body.split("; then ")[1] : "acc").toBe(then);
  }); // prettier-ignore

  it.each([
    ["under rounding", "round(acc * cgamma[co])"],
    ["by an input", "acc * r[0, co, h, v]"],
    ["twice with different scales", "acc * cgamma[co] + exp(acc)"],
    ["by what varies where the weights do not", "acc * cos[h, v]"],
  ])("leaves a scale %s", (_, epilogue) => {
    const text = convolution(epilogue).replace("  in r:", "  in cos: float32[8, 8]\n  in r:");
    expect(simplified(text).hits).not.toContain("weights");
  });

  it("scales weights at load where they are many, and not at all where that does not pay", () => {
    const dense = (m: number): string => `kernel dense {
      in x: float32[${m}, 200]
      in cw: float32[200, 100]
      in cs: float32[100]
      out y: float32[${m}, 100]
      for m in 0..${m}, n in 0..100: y[m, n] = sum(k in 0..200) x[m, k] * cw[k, n]; then acc * cs[n]
    }`;
    const { program } = simplified(dense(4));
    expect(program.calls.map((call) => call.nodes)).toEqual([["constants of node"], ["node"]]);
    expect([...program.constants.keys()].sort()).toEqual(["cs", "cw"]);
    expect(program.values.get(program.calls[0]!.outputs[0]!)!.shape).toEqual([200, 100]);
    expect(simplified(dense(1)).hits.size).toBe(0);
  });

  it("keeps weights of other types", () => {
    const text = convolution("acc * cgamma[co]").replace("cw: float32", "cw: int8").replace("* cw[co, ci, k0, k1]", "* float32(cw[co, ci, k0, k1])"); // prettier-ignore
    const { program } = simplified(text);
    // Few as they are, they are converted while compiling.
    expect([...program.constants.values()].map((t) => t.dtype)).toEqual(["float32"]);
    const many = text.replaceAll("[6, 4, 3, 3]", "[600, 4, 3, 3]").replaceAll("[6]", "[600]").replaceAll("[1, 6, 8, 8]", "[1, 600, 8, 8]").replace("co in 0..6", "co in 0..600"); // prettier-ignore
    expect(simplified(many).hits).not.toContain("weights");
  });
});

const map = (value: string): string => `kernel map {
  in x: float32[8, 16, 16]
  in ca: float32[8]
  in cb: float32[8]
  in cm: float32[16, 16]
  in ci: int32[8]
  in cl: float32[1]
  in big: float32[8, 16, 16]
  out y: float32[8, 16, 16]
  for i in 0..8, j in 0..16, k in 0..16: y[i, j, k] = ${value}
}`;

/** Constants that the last call loads. */
function readConstants({ calls, constants }: Program): number {
  const { kernel, inputs } = calls.at(-1) as Call & { kind: "kernel" };
  const read = buffersRead(kernel);
  return inputs.filter((id, n) => constants.has(id) && read.has(n)).length;
}

describe("constants computed ahead", () => {
  it.each([
    ["(x[i, j, k] - ca[i]) * (cb[i] / sqrt(ca[i] + 1.0)) + ca[i]", "b0[i, j, k] * b1[i] + b2[i]", 2],
    ["x[i, j, k] * (ca[i] + 1.0) * (cm[j, k] + 1.0)", "b0[i, j, k] * b1[i] * b2[j, k]", 2],
    ["x[i, j, k] + ca[i]", "x[i, j, k] + ca[i]", 1],
    ["x[i, j, k] + float32(ci[i])", "b0[i, j, k] + b1[i]", 1],
    ["x[i, j, k] + sqrt(4.0)", "b0[i, j, k] + 2.0", 0],
    ["x[i, j, k] + (cl[0] - cl[0]) ", "b0[i, j, k]", 0],
    ["select(ca[i] < 1.0, x[i, j, k], 0.0)", "select(b0[i], b1[i, j, k], 0.0)", 1],
  ])("%s", (value, expected, constants) => {
    const { program, body } = simplified(map(value));
    expect(body.split(" = ").slice(1).join(" = ")).toBe(expected);
    expect(readConstants(program)).toBe(constants);
    expect(program.calls).toHaveLength(1);
  }); // prettier-ignore

  it("does not make a table as large as the result out of small constants", () => {
    const { hits } = simplified(map("x[i, j, k] + ca[i] * cm[j, k]").replaceAll("16", "64"));
    expect(hits.size).toBe(0);
  });

  it("computes costly functions at load, into a table that the artifact does not hold", () => {
    const { program, body } = simplified(map("x[i, j, k] * exp(ca[i] * cm[j, k])"));
    expect(body.split(" = ")[1]).toBe("b0[i, j, k] * b1[i, j, k]");
    expect([...program.constants.keys()].sort()).toEqual(["ca", "cm"]);
    expect(program.calls.map((call) => call.inputs)).toEqual([
      ["ca", "cm"],
      ["x", program.calls[0]!.outputs[0]],
    ]);
  });

  it("takes a constant of equal elements for a number", () => {
    const kernel = parseKernel(map("x[i, j, k] * ca[i] + cm[j, k]"));
    const program = programOf(kernel, (name) => name.startsWith("c"));
    const ones = tensor("float32", [8], () => 1);
    const after = simplify({ ...program, constants: new Map([...program.constants, ["ca", ones]]) });
    expect(after.calls[0]!.inputs).toEqual(["x", "cm"]);
    expect([...after.constants.keys()]).toEqual(["cm"]);
  });

  it("computes the same constant once", () => {
    const kernel = parseKernel(map("x[i, j, k] * sqrt(ca[i])"));
    const program = programOf(kernel, (name) => name.startsWith("c"));
    const [call] = program.calls as [Call];
    const two: Program = {
      ...program,
      values: new Map([...program.values, ["z", program.values.get("y")!]]),
      calls: [call, { ...call, outputs: ["z"] }],
      outputs: [...program.outputs, { id: "z", name: "z" }],
    };
    const after = simplify(two);
    expect(after.constants.size).toBe(1);
    expect(new Set(after.calls.map((c) => c.inputs.find((id) => after.constants.has(id)))).size).toBe(1);
  });

  it("leaves what runs once at load, and what returns a constant", () => {
    const text = `kernel map {
      in ca: float32[8]
      out y: float32[8]
      for i in 0..8: y[i] = neg(neg(ca[i])) + 1.0
    }`;
    const program = programOf(parseKernel(text), () => true);
    expect((simplify(program).calls[0] as Call & { kind: "kernel" }).outputs).toEqual(["y"]);
    const read: Program = { ...program, outputs: [] };
    expect(simplify(read).calls).toEqual([]);
  });
});

it("keeps random programs bit for bit when told to be exact", () => {
  const property = fc.property(randomKernel, fc.nat(255), fc.nat(1000), (kernel, mask, seed) => {
    const renamed: Kernel = { ...kernel, buffers: kernel.buffers.map((b, n) => ({ ...b, name: `v${n}` })) };
    if (renamed.buffers.some((b) => b.layout)) return;
    state = seed + 1;
    const make = (): number => Math.floor(random() * 5);
    const program = programOf(renamed, (name) => ((mask >> (Number(name.slice(1)) % 8)) & 1) === 1, make);
    const inputs = inputsOf(program, make);
    const after = simplify(program, () => undefined, { exact: true });
    const [expected, actual] = [run(program, inputs), run(after, inputs)];
    for (const [id, { data }] of expected) {
      const got = actual.get(id)!.data;
      const differs = Array.from<unknown>(data as ArrayLike<unknown>).findIndex((v, n) => v !== got[n] && !Object.is(v, got[n])); // prettier-ignore
      expect(differs, `${printKernel(renamed)}\n${after.calls.map((c) => (c.kind === "kernel" ? printKernel(c.kernel) : "")).join("\n")}`).toBe(-1); // prettier-ignore
    }
  });
  fc.assert(property, { numRuns: 400 });
});

it("keeps random chains around a contraction within rounding", () => {
  const operand = fc.constantFrom(
    "cb[co]",
    "cgamma[co]",
    "cvar[co]",
    "1.5",
    "0.25",
    "cmean[co]",
    "r[0, co, h, v]",
    "(cb[co] + cvar[co])",
  );
  const step = fc.tuple(fc.constantFrom("+", "-", "*", "/", "r-", "r*", "max", "neg"), operand);
  const property = fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (steps) => {
    const chain = steps.reduce((e, [op, c]) => {
      if (op === "max") return `max(${e}, ${c})`;
      if (op === "neg") return `neg(${e})`;
      return op.startsWith("r") ? `(${c} ${op.slice(1)} ${e})` : `(${e} ${op} ${c})`;
    }, "acc");
    simplified(convolution(chain));
  }); // prettier-ignore
  fc.assert(property, { numRuns: 60 });
});
