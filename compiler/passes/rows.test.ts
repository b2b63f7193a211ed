/** Row fusion against the interpreter: what calls compute is the same before and after, and fewer of them are left. */
import { describe, expect, it } from "vitest";
import { seededRandom } from "../../test/kernelArena.ts";
import { elementCount, type DType, type Tensor } from "../ir/dtype.ts";
import type { Attribute, Graph } from "../ir/graph.ts";
import { assignments } from "../ir/kernel.ts";
import type { Program } from "../ir/program.ts";
import { verifyKernel } from "../ir/verify.ts";
import { lowerGraph } from "../lower/program.ts";
import { bind } from "./bind.ts";
import { evaluateKernel, tensorOf } from "./evaluate.ts";
import { fuse } from "./fuse.ts";
import { mergeRows } from "./rows.ts";

/** Output, operator, inputs, attributes. */
type Step = readonly [
  string,
  string,
  readonly string[],
  Readonly<Record<string, number | readonly number[]>>?,
];

interface Model {
  readonly shape: readonly number[];
  readonly dtype?: DType;
  readonly steps: readonly Step[];
  /** Shapes of constants; their values are made up. */
  readonly constants?: Readonly<Record<string, readonly number[]>>;
  readonly outputs?: readonly string[];
}

const attribute = (value: number | readonly number[]): Attribute =>
  typeof value === "number" ? { kind: "int", value } : { kind: "ints", value };

/** The program of a model as the passes before row fusion leave it. */
function programOf({ shape, dtype = "float32", steps, constants = {}, outputs }: Model): Program {
  const graph: Graph = {
    name: "rows",
    inputs: [{ id: "x", type: { dtype, shape } }],
    outputs: (outputs ?? [steps.at(-1)![0]]).map((id) => ({ id, name: id })),
    constants: new Map([
      ["tiny", tensorOf(dtype, [], [1e-3])],
      ["last", tensorOf("int64", [1], [-1])],
      ...Object.entries(constants).map(([id, dims]): [string, Tensor] => [
        id,
        filled(dtype, dims, id.length),
      ]),
    ]),
    nodes: steps.map(([name, op, inputs, attributes = {}]) => ({
      name,
      op,
      domain: "",
      inputs,
      outputs: [name],
      attributes: new Map(Object.entries(attributes).map(([key, value]) => [key, attribute(value)])),
      version: 17,
    })),
  };
  return fuse(lowerGraph(bind(graph, new Map([["x", { dtype, shape }]]), new Map(), {})));
}

function filled(dtype: DType, shape: readonly number[], seed: number): Tensor {
  const random = seededRandom(seed);
  return tensorOf(
    dtype,
    shape,
    Array.from({ length: elementCount(shape) }, () => random() * 4 - 2),
  );
}

/** What a program of kernels computes for the same made-up input. */
function run(program: Program): number[][] {
  const at = new Map<string, Tensor>(program.constants);
  for (const id of program.inputs)
    at.set(id, filled(program.values.get(id)!.dtype, program.values.get(id)!.shape, 7));
  for (const call of program.calls) {
    if (call.kind !== "kernel") throw new Error("only kernels here");
    verifyKernel(call.kernel);
    const inputs = call.inputs.map((id) => {
      const tensor = at.get(id);
      if (!tensor) throw new Error(`${id} is read before it is made`);
      return tensor;
    });
    const made = evaluateKernel(
      call.kernel,
      inputs,
      call.outputs.map((id) => program.values.get(id)!),
    );
    call.outputs.forEach((id, i) => at.set(id, made[i]!));
  }
  return program.outputs.map(({ id }) => [...(at.get(id)!.data as Float32Array)]);
}

/** Merges rows, checks that results are the same to the bit, and returns the merged program. */
function mergedAndEqual(model: Model): Program {
  const before = programOf(model);
  const after = mergeRows(before);
  expect(run(after)).toEqual(run(before));
  return after;
}

const layerNorm = (axis: number): readonly Step[] => [
  ["mean", "ReduceMean", ["x"], { axes: [axis] }],
  ["centred", "Sub", ["x", "mean"]],
  ["square", "Mul", ["centred", "centred"]],
  ["variance", "ReduceMean", ["square"], { axes: [axis] }],
  ["shifted", "Add", ["variance", "tiny"]],
  ["deviation", "Sqrt", ["shifted"]],
  ["normal", "Div", ["centred", "deviation"]],
  ["scaled", "Mul", ["normal", "scale"]],
  ["y", "Add", ["scaled", "bias"]],
];

const softmax: readonly Step[] = [
  ["most", "ReduceMax", ["x"], { axes: [-1] }],
  ["less", "Sub", ["x", "most"]],
  ["power", "Exp", ["less"]],
  ["sum", "ReduceSum", ["power", "last"], { keepdims: 1 }],
  ["y", "Div", ["power", "sum"]],
];

describe("row fusion", () => {
  it("makes one kernel of a layer normalisation in parts", () => {
    const { calls } = mergedAndEqual({
      shape: [2, 13, 24],
      steps: layerNorm(-1),
      constants: { scale: [24], bias: [24] },
    });
    expect(calls).toHaveLength(1);
    expect(calls[0]!.inputs).toEqual(expect.arrayContaining(["x", "scale", "bias"]));
  });

  it("makes one kernel of a softmax in parts, whose powers are scratch", () => {
    const { calls } = mergedAndEqual({ shape: [5, 33], steps: softmax });
    expect(calls).toHaveLength(1);
    expect(calls[0]!.inputs).toEqual(["x"]);
    expect(calls[0]!.outputs).toEqual(["y"]);
  });

  it("takes rows that lie side by side", () => {
    const { calls } = mergedAndEqual({
      shape: [1, 20, 37],
      steps: layerNorm(1),
      constants: { scale: [37], bias: [37] },
    });
    expect(calls).toHaveLength(1);
  });

  it("takes rows over several axes", () => {
    const steps = layerNorm(-1).map(([name, op, inputs, a]): Step => [
      name,
      op,
      inputs,
      a && { axes: [2, 3] },
    ]);
    const { calls } = mergedAndEqual({
      shape: [2, 3, 6, 7],
      steps,
      constants: { scale: [3, 1, 1], bias: [3, 1, 1] },
    });
    expect(calls).toHaveLength(1);
  });

  it("covers rows that do not divide into blocks", () => {
    // 16 rows of 2 KiB, in and out, would be 64 KiB: blocks are smaller, and 19 is prime.
    const after = mergedAndEqual({
      shape: [3, 19, 512],
      steps: layerNorm(-1),
      constants: { scale: [512], bias: [512] },
    });
    expect(after.calls).toHaveLength(1);
    const [call] = after.calls;
    if (call?.kind !== "kernel") throw new Error("no kernel");
    const outputs = assignments(call.kernel).filter(
      ({ assign }) => call.kernel.buffers[assign.out]!.role === "out",
    );
    const rows = outputs.map(({ assign, loops }) =>
      elementCount([...loops.map((l) => l.axis.extent), assign.axes[0]!.extent]),
    );
    expect(rows.length).toBe(2);
    expect(rows.reduce((a, b) => a + b, 0)).toBe(3 * 19);
  });

  it("takes blocks of whole fours where results of neighbouring rows are neighbours", () => {
    // 33 is three times eleven: blocks of three rows would leave no vector whole.
    const { calls } = mergedAndEqual({
      shape: [33, 258, 2],
      steps: [
        ["squares", "Mul", ["x", "x"]],
        ["sum", "ReduceSum", ["squares", "last"], { keepdims: 0 }],
        ["root", "Sqrt", ["sum"]],
        ["logarithm", "Log", ["root"]],
        ["y", "Transpose", ["logarithm"], { perm: [1, 0] }],
      ],
    });
    expect(calls).toHaveLength(1);
    const [call] = calls;
    if (call?.kind !== "kernel") throw new Error("no kernel");
    const [first] = assignments(call.kernel);
    expect(first!.loops.length).toBeGreaterThan(0);
    expect(first!.assign.axes.map((a) => a.extent)).toContain(4);
  });

  it("keeps a value in memory that another call reads, or that is an output", () => {
    const model: Model = { shape: [6, 16], steps: softmax, outputs: ["power", "y"] };
    const { calls } = mergedAndEqual(model);
    expect(calls).toHaveLength(1);
    expect([...calls[0]!.outputs].sort()).toEqual(["power", "y"]);
  });

  it("leaves contractions alone, which want tiles across rows", () => {
    const { calls } = mergedAndEqual({
      shape: [12, 16],
      steps: [
        ["product", "MatMul", ["x", "weight"]],
        ["most", "ReduceMax", ["product"], { axes: [-1] }],
        ["y", "Sub", ["product", "most"]],
      ],
      constants: { weight: [16, 8] },
    });
    const [first] = calls;
    if (first?.kind !== "kernel") throw new Error("no kernel");
    expect(assignments(first.kernel)).toHaveLength(1);
    expect(calls).toHaveLength(2);
  });

  it("joins contractions on both sides of rows, in blocks with and without a rest", () => {
    let joined = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const random = seededRandom(seed);
      const upTo = (most: number): number => 1 + Math.floor(random() * most);
      const shape = [upTo(2), upTo(3), 1 + upTo(12), 1 + upTo(6)];
      const masked = random() < 0.5;
      const model: Model = {
        shape,
        steps: [
          ["keys", "Transpose", ["x"], { perm: [0, 1, 3, 2] }],
          ["product", "MatMul", ["x", "keys"]],
          ["scores", "Mul", ["product", masked ? "mask" : "tiny"]],
          ["shares", "Softmax", ["scores"], { axis: -1 }],
          ["sums", "MatMul", ["shares", "x"]],
          ["y", "Transpose", ["sums"], { perm: [0, 2, 1, 3] }],
        ],
        constants: { mask: [shape[2]!, shape[2]!] },
        outputs: random() < 0.2 ? ["shares", "y"] : ["y"],
      };
      const limits = {
        leastBetween: 0,
        mostScratch: 4 * shape[2]! * 3 * upTo(9),
        mostShared: 1e9,
        leastRows: 2,
      };
      const before = programOf(model);
      const after = mergeRows(before, undefined, limits);
      const about = `seed ${seed}: ${JSON.stringify({ model, limits })}`;
      expect(run(after), about).toEqual(run(before));
      joined += before.calls.length - after.calls.length;
    }
    expect(joined).toBeGreaterThan(40);
  });

  it("does not merge what depends on itself by way of a third call", () => {
    const { calls } = mergedAndEqual({
      shape: [12, 16],
      steps: [
        ["mean", "ReduceMean", ["x"], { axes: [-1] }],
        ["turned", "Transpose", ["mean"], { perm: [1, 0] }],
        ["gates", "MatMul", ["turned", "weight"]],
        ["back", "Transpose", ["gates"], { perm: [1, 0] }],
        ["centred", "Sub", ["x", "mean"]],
        ["y", "Mul", ["centred", "back"]],
      ],
      constants: { weight: [12, 12] },
    });
    expect(calls).toHaveLength(3);
  });

  it("works on blocks of rows where a definition loops over single ones", () => {
    const after = mergedAndEqual({ shape: [4, 9, 40], steps: [["y", "Softmax", ["x"], { axis: -1 }]] });
    const [call] = after.calls;
    if (call?.kind !== "kernel") throw new Error("no kernel");
    for (const { assign } of assignments(call.kernel)) {
      expect(elementCount(assign.axes.map((a) => a.extent))).toBeGreaterThanOrEqual(4);
    }
  });

  it("rounds scratch as it rounds values", () => {
    mergedAndEqual({ shape: [7, 12], dtype: "float16", steps: softmax });
  });

  it("changes nothing about random programs over rows", () => {
    let merged = 0;
    for (let seed = 1; seed <= 150; seed++) {
      const model = randomModel(seededRandom(seed));
      const before = programOf(model);
      const after = mergeRows(before);
      merged += before.calls.length - after.calls.length;
      expect(run(after), `seed ${seed}: ${JSON.stringify(model)}`).toEqual(run(before));
    }
    expect(merged).toBeGreaterThan(100);
  });
});

/** Reductions, maps and broadcasts over one tensor, some of them read from several places. */
function randomModel(random: () => number): Model {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const shape = pick([
    [9, 16],
    [2, 5, 12],
    [1, 8, 6],
    [3, 4, 5, 6],
    [70, 130],
  ]);
  const axis = pick([shape.length - 1, shape.length - 1, shape.length - 2]);
  const reduced = shape.map((dim, d) => (d === axis ? 1 : dim));
  const values: { id: string; shape: readonly number[] }[] = [
    { id: "x", shape },
    { id: "weight", shape: shape.slice(-1) },
  ];
  const steps: Step[] = [];
  const count = 4 + Math.floor(random() * 9);
  for (let k = 0; k < count; k++) {
    const id = `t${k}`;
    const [a, b] = [pick(values.slice(-4)), pick(values)];
    const kind = random();
    const whole = elementCount(a.shape) === elementCount(shape);
    if (kind < 0.3 && whole) {
      steps.push([id, pick(["ReduceMean", "ReduceMax", "ReduceMin"]), [a.id], { axes: [axis] }]);
      values.push({ id, shape: reduced });
    } else if (kind < 0.5) {
      steps.push([id, pick(["Tanh", "Abs", "Sigmoid", "Exp", "Neg"]), [a.id]]);
      values.push({ id, shape: a.shape });
    } else {
      steps.push([id, pick(["Add", "Sub", "Mul", "Max"]), [a.id, b.id]]);
      const rank = Math.max(a.shape.length, b.shape.length);
      const dim = (s: readonly number[], d: number): number => s[d - rank + s.length] ?? 1;
      values.push({
        id,
        shape: Array.from({ length: rank }, (_, d) => Math.max(dim(a.shape, d), dim(b.shape, d))),
      });
    }
  }
  const last = steps.at(-1)![0];
  const others = steps
    .slice(0, -1)
    .map(([id]) => id)
    .filter(() => random() < 0.15);
  return { shape, steps, constants: { weight: shape.slice(-1) }, outputs: [...others, last] };
}
