/** Elements that nobody reads: what is left computes what the whole did, and no more than is read. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { elementCount } from "../ir/dtype.ts";
import { acc, add, cast, int, load, mul, type Expr } from "../ir/expr.ts";
import { runKernel } from "../ir/interp.ts";
import { coordinate, type Axis, type Kernel } from "../ir/kernel.ts";
import type { Call, KernelCall, Program } from "../ir/program.ts";
import { onlyWhatIsRead } from "./demand.ts";

const axes = (shape: readonly number[]): Axis[] => shape.map((extent, d) => ({ name: `i${d}`, extent }));

/** A kernel of one input: each element of `shape` is what `value` says of its place. */
function kernelOf(from: readonly number[], shape: readonly number[], value: (at: Expr[]) => Expr): Kernel {
  const at = axes(shape).map(coordinate);
  return {
    name: "k",
    buffers: [
      { name: "x", role: "in", dtype: "float32", shape: from },
      { name: "y", role: "out", dtype: "float32", shape },
    ],
    body: [{ kind: "assign", axes: axes(shape), value: value(at), out: 1, index: at }],
  };
}

function call(input: string, output: string, kernel: Kernel): KernelCall {
  return { kind: "kernel", nodes: [output], kernel, inputs: [input], outputs: [output] };
}

function programOf(calls: readonly Call[], outputs: readonly string[]): Program {
  const shapes = calls.flatMap((c) =>
    c.kind === "kernel"
      ? c.kernel.buffers.map(({ shape }, i) => [[...c.inputs, ...c.outputs][i]!, shape] as const)
      : [],
  );
  return {
    name: "p",
    values: new Map(shapes.map(([id, shape]) => [id, { dtype: "float32", shape }])),
    constants: new Map(),
    calls,
    inputs: ["a"],
    outputs: outputs.map((id) => ({ id, name: id })),
  };
}

/** What the values are when all kernels have run. */
function run({ values, calls }: Program): Map<string, Float32Array> {
  const data = new Map(
    [...values].map(([id, { shape }]) => [
      id,
      Float32Array.from({ length: elementCount(shape) }, (_, i) => (id === "a" ? (i * 7) % 13 : NaN)),
    ]),
  );
  for (const c of calls)
    if (c.kind === "kernel")
      runKernel(
        c.kernel,
        [...c.inputs, ...c.outputs].map((id) => data.get(id)!),
      );
  return data;
}

/** Each element from its place, so that one that moved would show. */
const placed = (x: Expr, at: readonly Expr[]): Expr =>
  at.reduce((sum, e, d) => add(mul(sum, cast(int(d + 2), "float32")), cast(e, "float32")), x);

const made = (shape: readonly number[]): Kernel =>
  kernelOf(shape, shape, (at) => placed(load(0, "float32", at), at));
const cut = (from: readonly number[], shape: readonly number[], start: readonly number[]): Kernel =>
  kernelOf(from, shape, (at) =>
    load(
      0,
      "float32",
      at.map((e, d) => add(e, int(start[d]!))),
    ),
  );

it("computes what is read, and what that reads, and no more", () => {
  const program = programOf(
    [call("a", "b", made([20, 9])), call("b", "c", made([20, 9])), call("c", "d", cut([20, 9], [4, 9], [3, 0]))],
    ["d"],
  ); // prettier-ignore
  const less = onlyWhatIsRead(program);
  expect(["a", "b", "c", "d"].map((id) => less.values.get(id)!.shape)).toEqual([[20, 9], [4, 9], [4, 9], [4, 9]]); // prettier-ignore
  expect(run(less).get("d")).toEqual(run(program).get("d"));
});

it("leaves whole what a caller sees, what a library reads, and what its own kernel reads", () => {
  const calls = [call("a", "b", made([20])), call("b", "c", cut([20], [4], [3]))];
  expect(onlyWhatIsRead(programOf(calls, ["b", "c"])).values.get("b")!.shape).toEqual([20]);
  const library = { kind: "library", nodes: [], library: {}, inputs: ["b"], outputs: [] } as unknown as Call;
  expect(onlyWhatIsRead(programOf([...calls, library], ["c"])).values.get("b")!.shape).toEqual([20]);
  const again = calls[0]!.kernel.body.map((block) => ({ ...block, value: load(1, "float32", [int(0)]) }));
  const own = { ...calls[0]!, kernel: { ...calls[0]!.kernel, body: [...calls[0]!.kernel.body, ...again] } };
  expect(onlyWhatIsRead(programOf([own, calls[1]!], ["c"])).values.get("b")!.shape).toEqual([20]);
  // A line less would gain nothing.
  const most = [calls[0]!, call("b", "c", cut([20], [19], [1]))];
  expect(onlyWhatIsRead(programOf(most, ["c"])).values.get("b")!.shape).toEqual([20]);
});

it("gives what the whole gives", () => {
  const lines = fc.array(
    fc.record({
      extent: fc.integer({ min: 1, max: 12 }),
      step: fc.integer({ min: 0, max: 3 }),
      start: fc.integer({ min: -4, max: 6 }),
      points: fc.integer({ min: 1, max: 6 }),
      taps: fc.integer({ min: 1, max: 3 }),
    }),
    { minLength: 1, maxLength: 3 },
  );
  let narrowed = 0;
  fc.assert(
    fc.property(lines, fc.boolean(), (dims, twice) => {
      const [shape, points] = [dims.map(({ extent }) => extent), dims.map((d) => d.points)];
      const taps = dims.map((d, i) => ({ name: `t${i}`, extent: d.taps }));
      // A window over what lies somewhere, partly beyond the edges.
      const window = kernelOf(
        shape,
        points,
        (at) =>
        load(0, "float32", dims.map(({ step, start }, d) => add(add(mul(at[d]!, int(step)), coordinate(taps[d]!)), int(start))), -2), // prettier-ignore
      );
      const summed: Kernel = {
        ...window,
        body: window.body.map((block) =>
          block.kind === "assign"
            ? { ...block, reduce: { op: "sum", axes: taps, body: block.value }, value: acc("f32") }
            : block,
        ),
      };
      const second = twice ? [call("b", "d", cut(shape, shape, shape.map(() => 0)))] : []; // prettier-ignore
      const end = twice ? "d" : "b";
      const program = programOf([call("a", "b", made(shape)), ...second, call(end, "c", summed)], ["c"]);
      const less = onlyWhatIsRead(program);
      if (elementCount(less.values.get("b")!.shape) < elementCount(shape)) narrowed++;
      expect(run(less).get("c")).toEqual(run(program).get("c"));
    }),
    { numRuns: 500 },
  );
  expect(narrowed).toBeGreaterThan(50);
});
