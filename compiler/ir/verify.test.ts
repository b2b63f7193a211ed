import { describe, expect, it } from "vitest";
import { InternalError } from "../diagnostic.ts";
import * as x from "./expr.ts";
import type { Graph, OpNode } from "./graph.ts";
import { coordinate, type Assign, type Axis, type Buffer, type Kernel } from "./kernel.ts";
import type { ForStatement, Nest, Statement } from "./nest.ts";
import type { Schedule } from "./schedule.ts";
import { verifyGraph, verifyKernel, verifyNest, verifySchedule } from "./verify.ts";

const i: Axis = { name: "i", extent: 4 };
const k: Axis = { name: "k", extent: 3 };
const [ci, ck] = [coordinate(i), coordinate(k)];
const buffers: readonly Buffer[] = [
  { name: "in0", dtype: "float32", shape: [4, 3], role: "in" },
  { name: "out0", dtype: "float32", shape: [4], role: "out" },
];
const rowSum: Assign = {
  kind: "assign",
  axes: [i],
  reduce: { op: "sum", axes: [k], body: x.load(0, "float32", [ci, ck]) },
  out: 1,
  index: [ci],
  value: x.max(x.acc("f32"), x.f32(0)),
};
const kernel = (assign: Partial<Assign>, with_: readonly Buffer[] = buffers): Kernel => ({
  name: "test",
  buffers: with_,
  body: [{ ...rowSum, ...assign }],
});
const buffer = (change: Partial<Buffer>): readonly Buffer[] => [buffers[0]!, { ...buffers[1]!, ...change }];

describe("verifyKernel", () => {
  it("accepts a reduction with an epilogue", () => {
    expect(() => verifyKernel(kernel({}))).not.toThrow();
  });

  it.each<[string, Kernel]>([
    ["axis k is not in scope", kernel({ value: x.load(0, "float32", [ci, ck]) })],
    ["acc without a reduction", kernel({ reduce: undefined } as unknown as Assign)],
    ["acc is f32, not f64", kernel({ value: x.cast(x.acc("f64"), "float32") })],
    ["is i32 where f32 is expected", kernel({ value: x.constant("i32", 1) })],
    ["out0 has rank 1, indexed by 2", kernel({ index: [ci, ci] })],
    ["in0 has rank 2, indexed by 1", kernel({ value: x.load(0, "float32", [ci]) })],
    ["coordinate 0 of out0 is 1..4, its extent 4", kernel({ index: [x.add(ci, x.int(1))] })],
    ["coordinate 1 of in0 is -1..2, its extent 3", kernel({ value: x.load(0, "float32", [ci, x.sub(ci, x.int(1))]) })],
    ["load of float32 in0 as i32", kernel({ value: x.cast(x.loadTyped(0, "i32", [ci, x.int(0)]), "float32") })],
    ["load from buffer 7 of 2", kernel({ value: x.load(7, "float32", [ci]) })],
    ["store to the input in0", kernel({ out: 0 })],
    ["store to buffer 2 of 2", kernel({ out: 2 })],
    ["axis i has extent 4, not 5", kernel({ value: x.load(0, "float32", [x.min(x.axis("i", 5), x.int(3)), x.int(0)]) })],
    ["axis i is declared within its own scope", { ...kernel({}), body: [{ kind: "loop", axis: i, carried: false, body: [rowSum] }] }],
    ["axis i has extents 4 and 2", { ...kernel({}), body: [rowSum, { ...rowSum, axes: [{ name: "i", extent: 2 }], index: [x.axis("i", 2)], value: x.f32(0) }] }],
    ["exp of i32", kernel({ value: x.cast({ ...(x.unary("exp", x.acc("f32")) as x.UnaryExpr), type: "i32", a: x.constant("i32", 1) }, "float32") })],
    ["shl of f32", kernel({ value: { ...(x.add(x.acc("f32"), x.f32(1)) as x.BinaryExpr), op: "shl" } })],
    ["sum over bool values", kernel({ reduce: { op: "sum", axes: [k], body: x.TRUE() } })],
    ["the name is taken", kernel({}, buffer({ name: "in0" }))],
    ["inputs come first", kernel({}, [{ ...buffers[0]!, role: "temp" }, buffers[1]!])],
    ["2 strides for rank 1", kernel({}, buffer({ layout: { strides: [1, 1], offset: 0 } }))],
    ["its halo begins before its memory", kernel({}, buffer({ layout: { strides: [1], offset: 0, halo: { before: [1], after: [1], value: 0 } } }))],
  ])("rejects: %s", (message, bad) => {
    expect(() => verifyKernel(bad)).toThrow(InternalError);
    expect(() => verifyKernel(bad)).toThrow(message);
  }); // prettier-ignore

  it("lets padded and data-dependent reads point anywhere", () => {
    expect(() =>
      verifyKernel(kernel({ value: x.load(0, "float32", [x.sub(ci, x.int(1)), x.int(0)], 0) })),
    ).not.toThrow();
    const chosen = x.cast(x.load(0, "float32", [ci, x.int(0)]), "index");
    expect(() => verifyKernel(kernel({ value: x.load(0, "float32", [chosen, x.int(0)]) }))).not.toThrow();
  });
});

describe("verifySchedule", () => {
  const good: Schedule = [
    { kind: "split", axis: "i", by: 4, tail: "pad" },
    { kind: "order", axes: ["i.o", "k", "i.i"] },
    { kind: "bind", axis: "i.i", to: "vector" },
    { kind: "pack", buffer: 0, panels: [["i", 4]] },
  ];
  it("accepts steps on axes that earlier ones made", () => {
    expect(() => verifySchedule(good, kernel({}))).not.toThrow();
  });
  it.each<[string, Schedule]>([
    ["bind of i,", [good[0]!, { kind: "bind", axis: "i", to: "grid" }]],
    ["order of j,", [{ kind: "order", axes: ["j"] }]],
    ["names an axis twice", [{ kind: "order", axes: ["i", "i"] }]],
    ["split of i by 0", [{ kind: "split", axis: "i", by: 0, tail: "peel" }]],
    ["split of i, which is no axis", [good[0]!, good[0]!]],
    ["merge of i with itself", [{ kind: "merge", outer: "i", inner: "i" }]],
    ["bound to grid already", [{ kind: "bind", axis: "i", to: "grid" }, { kind: "bind", axis: "i", to: "unroll" }]],
    ["i is bound and then split", [{ kind: "bind", axis: "i", to: "grid" }, good[0]!]],
    ["pack of buffer 5", [{ kind: "pack", buffer: 5, panels: [] }]],
  ])("rejects: %s", (message, bad) => {
    expect(() => verifySchedule(bad, kernel({}))).toThrow(message);
  }); // prettier-ignore
});

describe("verifyNest", () => {
  const loop = (
    variable: string,
    extent: number,
    mode: ForStatement["mode"],
    ...body: Statement[]
  ): ForStatement => ({
    kind: "for",
    mode,
    variable,
    from: 0,
    extent,
    body,
  });
  const init: Statement = { kind: "init", accumulator: "a", type: "f32", op: "sum" };
  const update: Statement = {
    kind: "update",
    accumulator: "a",
    op: "sum",
    body: x.load(0, "float32", [ci, ck]),
  };
  const combine: Statement = { kind: "combine", accumulator: "a", op: "sum" };
  const store: Statement = { kind: "store", buffer: 1, index: [ci], value: x.acc("f32"), accumulator: "a" };
  const nest = (...body: Statement[]): Nest => ({ name: "test", buffers, body });
  const row = (...body: Statement[]): Nest => nest(loop("i", 4, "grid", ...body));

  it("accepts serial and vectorised reductions", () => {
    expect(() => verifyNest(row(init, loop("k", 3, "serial", update), store))).not.toThrow();
    expect(() =>
      verifyNest(row(loop("k", 3, "vector", init), loop("k", 3, "vector", update), combine, store)),
    ).not.toThrow();
  });
  it.each<[string, Nest]>([
    ["used before it is initialised", row(loop("k", 3, "serial", update), store)],
    ["holds a sum, updated by max", row(init, loop("k", 3, "serial", { ...update, op: "max" } as Statement))],
    ["updated outside the loop over k", row(loop("k", 3, "unroll", init), update)],
    ["read outside the loop over k", row(loop("k", 3, "unroll", init), store)],
    ["acc without a reduction", row(init, { ...store, accumulator: undefined } as unknown as Statement)],
    ["within a loop over the same variable", row(loop("i", 4, "serial"))],
    ["stands within a vector loop", nest(loop("i", 4, "vector", loop("k", 3, "unroll")))],
    ["a grid loop within an unrolled one", nest(loop("i", 4, "unroll", loop("k", 3, "grid")))],
    ["has lanes, and is serial", nest({ ...loop("i", 4, "serial"), lanes: 2 })],
    ["5 lanes of 4", nest({ ...loop("i", 4, "vector"), lanes: 5 })],
    ["axis i has extent 5, not 4", nest({ ...loop("i", 4, "serial", init, store), from: 1 })],
  ])("rejects: %s", (message, bad) => {
    expect(() => verifyNest(bad)).toThrow(message);
  });
});

describe("verifyGraph", () => {
  const node = (op: string, inputs: readonly string[], outputs: readonly string[], attributes: OpNode["attributes"] = new Map()): OpNode => ({ name: outputs[0]!, op, domain: "", inputs, outputs, attributes, version: 13 }); // prettier-ignore
  const graph = (nodes: readonly OpNode[], change: Partial<Graph> = {}): Graph => ({
    name: "g",
    inputs: [{ id: "x", type: { dtype: "float32", shape: ["batch", 3] } }],
    outputs: [{ id: "y", name: "y" }],
    nodes,
    constants: new Map([["w", { dtype: "float32", shape: [2], data: Float32Array.of(1, 2) }]]),
    ...change,
  });
  const branch = (input: string, output: string): Graph => ({
    name: "then",
    inputs: [],
    outputs: [{ id: output, name: output }],
    nodes: [node("Neg", [input], [output])],
    constants: new Map(),
  });
  const conditional = (inner: Graph): OpNode => node("If", ["x"], ["y"], new Map([["then_branch", { kind: "graph", value: inner }]])); // prettier-ignore

  it("accepts optional inputs and captured values", () => {
    expect(() =>
      verifyGraph(graph([node("Clip", ["x", "", "w"], ["t"]), conditional(branch("t", "u"))])),
    ).not.toThrow();
  });
  it.each<[string, Graph]>([
    ["input t is not defined before it", graph([node("Neg", ["t"], ["y"]), node("Neg", ["x"], ["t"])])],
    ["output y is not defined", graph([])],
    ["w has two producers", graph([node("Neg", ["x"], ["w"])])],
    ["input u is not defined before it", graph([conditional(branch("u", "v"))])],
    ["x has two producers", graph([conditional(branch("x", "x"))])],
    ["2 elements for shape [3]", graph([], { constants: new Map([["w", { dtype: "float32", shape: [3], data: Float32Array.of(1, 2) }]]) })],
    ["float16 is held in another type of array", graph([], { constants: new Map([["w", { dtype: "float16", shape: [1], data: Float32Array.of(1) }]]) })],
    ["0.5 is no integer", graph([node("Neg", ["x"], ["y"], new Map([["axis", { kind: "int", value: 0.5 }]]))])],
  ])("rejects: %s", (message, bad) => {
    expect(() => verifyGraph(bad)).toThrow(InternalError);
    expect(() => verifyGraph(bad)).toThrow(message);
  }); // prettier-ignore
});
