/** Joined kernels against the interpreter: what calls compute is the same to the bit, and fewer of them are left. */
import { describe, expect, it } from "vitest";
import type { Tensor } from "../ir/dtype.ts";
import { add, axis, constant, load, mul, type Expr } from "../ir/expr.ts";
import type { Kernel } from "../ir/kernel.ts";
import type { Call, KernelCall, ProgramValue } from "../ir/program.ts";
import { verifyKernel } from "../ir/verify.ts";
import { evaluateKernel, tensorOf } from "./evaluate.ts";
import { joinShort, joinSiblings } from "./sequence.ts";

const SIZE = 6;
const value: ProgramValue = { dtype: "float32", shape: [SIZE] };

/** out = a * factor + b, at places counted from the end where `turned`. */
function call(inputs: readonly [string, string], output: string, factor: number, turned = false): KernelCall {
  const extent = SIZE;
  const i = axis("i", extent);
  const at: Expr = turned ? add(mul(i, constant("index", -1)), constant("index", extent - 1)) : i;
  const read = (buffer: number): Expr => load(buffer, "float32", [at]);
  const buffer = { dtype: "float32", shape: [SIZE] } as const;
  const kernel: Kernel = {
    name: output,
    buffers: [
      { ...buffer, name: "a", role: "in" },
      { ...buffer, name: "b", role: "in" },
      { ...buffer, name: "out", role: "out" },
    ],
    body: [
      {
        kind: "assign",
        axes: [{ name: "i", extent }],
        value: add(mul(read(0), constant("f32", factor)), read(1)),
        out: 2,
        index: [i],
      },
    ],
  };
  return { kind: "kernel", nodes: [output], kernel, inputs, outputs: [output] };
}

const calls: readonly KernelCall[] = [
  call(["x", "w"], "p", 2),
  call(["w", "w"], "k", 3),
  call(["p", "k"], "q", 0.5, true),
  call(["q", "p"], "r", -1),
  call(["r", "x"], "y", 7, true),
];
const values = new Map(["x", "w", "p", "k", "q", "r", "y"].map((id) => [id, value]));

function run(list: readonly Call[]): Map<string, Tensor> {
  const at = new Map([
    ["x", tensorOf("float32", [SIZE], [1, 2, 3, 4, 5, 6])],
    ["w", tensorOf("float32", [SIZE], [0.1, -2, 5, 0, 3, 1e3])],
  ]);
  for (const each of list) {
    if (each.kind !== "kernel") throw new Error("only kernels here");
    verifyKernel(each.kernel);
    const made = evaluateKernel(each.kernel, each.inputs.map((id) => at.get(id)!), each.outputs.map(() => value)); // prettier-ignore
    each.outputs.forEach((id, i) => at.set(id, made[i]!));
  }
  return at;
}

describe("short calls are joined", () => {
  it("to one kernel that computes the same, with what follows from constants by itself", () => {
    const joined = joinShort(calls, values, new Set(["w"]), 1e6);
    expect(joined.map(({ nodes }) => nodes)).toEqual([["k"], ["p", "q", "r", "y"]]);
    expect(joined[1]!.inputs).toEqual(["x", "w", "k"]);
    expect(run(joined)).toEqual(run(calls));
  });

  it("as long as they are short together", () => {
    const each = joinShort(calls, values, new Set(), 0);
    expect(each).toEqual(calls);
  });

  it("but not past a constant in memory that they work on", () => {
    const shared = new Map([...values, ["k", { ...value, storage: "p" }]]);
    const joined = joinShort(calls, shared, new Set(["w"]), 1e6);
    expect(joined.map(({ nodes }) => nodes)).toEqual([["p"], ["k"], ["q", "r", "y"]]);
  });

  it("where calls see a value in one shape only", () => {
    const [first, , ...rest] = calls;
    const other = {
      ...rest[0]!,
      kernel: { ...rest[0]!.kernel, buffers: rest[0]!.kernel.buffers.map((b, i) => (i === 0 ? { ...b, shape: [SIZE, 1] } : b)) }, // prettier-ignore
    };
    const joined = joinShort([first!, other], values, new Set(), 1e6);
    expect(joined).toHaveLength(2);
  });
});

describe("siblings are joined", () => {
  const heads: readonly KernelCall[] = [
    call(["x", "w"], "p", 2),
    call(["w", "w"], "k", 3),
    call(["p", "x"], "q", 0.5, true),
    call(["x", "k"], "r", -1),
    call(["p", "k"], "s", 7),
    call(["q", "s"], "y", 7, true),
  ];
  const all = new Map([...values, ["s", value]]);

  it("with what they read made before, past calls that they do not depend on", () => {
    const joined = joinSiblings(heads, all, new Set(["w"]));
    expect(joined.map(({ nodes }) => nodes)).toEqual([["k"], ["p", "r"], ["q", "s"], ["y"]]);
    expect(run(joined)).toEqual(run(heads));
  });

  it("not where one writes to memory that another one reads", () => {
    const shared = new Map([...all, ["r", { ...value, storage: "x" }]]);
    const joined = joinSiblings(heads, shared, new Set(["w"]));
    expect(joined.map(({ nodes }) => nodes)).toEqual([["k"], ["p"], ["q", "s"], ["r", "y"]]);
  });

  it("not past constants in memory that a run writes", () => {
    const shared = new Map([...all, ["k", { ...value, storage: "s" }]]);
    expect(joinSiblings(heads, shared, new Set(["w"]))).toEqual(heads);
  });
});
