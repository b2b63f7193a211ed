/**
 * Sequences and optionals against onnxruntime-web, within a model; as inputs and outputs, on the interpreter and the
 * runtime.
 */
import { describe, expect, it } from "vitest";
import { compile, interpret } from "../../whole.ts";
import { onnxModel, type OnnxModelBuilder } from "../../frontend/onnx/write.ts";
import { tensorOf } from "../evaluate.ts";
import {
  agree,
  compiled,
  expectSame,
  floats,
  int64,
  isBound,
  type Tensors,
} from "../../../test/besideOnnxruntime.ts";

describe("sequences", () => {
  it("are built, changed and taken apart while binding", async () => {
    const b = onnxModel("sequence", { opset: 17 });
    const x = b.input("x", "float32", [2, 3]);
    const y = b.input("y", "float32", [2, 3]);
    const at = (i: number): string => b.scalar("int64", i);
    const pair = b.node("SequenceConstruct", [x, y]);
    const three = b.node("SequenceInsert", [pair, b.node("Neg", [x]), at(-1)]);
    const four = b.node("SequenceInsert", [three, b.node("Abs", [y])]);
    const less = b.node("SequenceErase", [four, at(0)]);
    b.output(b.node("SequenceAt", [less, at(-2)]), "float32", undefined, "at");
    b.output(b.node("SequenceLength", [less]), "int64", undefined, "length");
    b.output(b.node("ConcatFromSequence", [less], { axis: 1 }), "float32", undefined, "concat");
    b.output(b.node("ConcatFromSequence", [less], { axis: -1, new_axis: 1 }), "float32", undefined, "stack");
    expect(isBound(b)).toBe(true);
    const { length } = await agree(b, { x: floats([2, 3]), y: floats([2, 3], [1, -2, 3, -4, 5, -6]) });
    expect([...length!.data]).toEqual([3n]);
  });

  it("come from splits: by ones, by a size, by sizes", async () => {
    const b = onnxModel("split", { opset: 17 });
    const x = b.input("x", "float32", [5, 2]);
    const size = b.scalar("int64", 2);
    const at = b.scalar("int64", -1);
    const ones = b.node("SplitToSequence", [x], { axis: -1, keepdims: 0 });
    const evenly = b.node("SplitToSequence", [x, size]);
    const listed = b.node("SplitToSequence", [x, b.int64s([1, 4])], { axis: 0 });
    [ones, evenly, listed].forEach((list, i) => {
      b.output(b.node("SequenceAt", [list, at]), "float32", undefined, `last${i}`);
      b.output(b.node("SequenceLength", [list]), "int64", undefined, `length${i}`);
    });
    expect(isBound(b)).toBe(true);
    await agree(b, { x: floats([5, 2]) });
  });

  it("wait for a position from data, and go along into the next program", async () => {
    const b = onnxModel("late", { opset: 17 });
    const x = b.input("x", "float32", [2, 2]);
    const i = b.input("i", "int64", []);
    const list = b.node("SequenceConstruct", [x, b.node("Exp", [x]), b.node("Neg", [x])]);
    b.output(b.node("SequenceAt", [b.node("SequenceErase", [list, i]), b.scalar("int64", 0)]), "float32", undefined, "y"); // prettier-ignore
    for (const at of [0, 1, -1]) await agree(b, { x: floats([2, 2]), i: int64(at) });
  });

  it("grow in loops, also when the loop goes on in later programs", async () => {
    for (const fixed of [true, false]) {
      const b = onnxModel("grow", { opset: 17 });
      const x = b.input("x", "float32", [2]);
      const limit = b.input("limit", "float32", []);
      const seq = { kind: "sequence", element: { kind: "tensor", dtype: "float32" } } as const;
      const body = b.subgraph("body", (g) => {
        g.input("i", "int64", []);
        const cond = g.input("cond_in", "bool", []);
        const list = g.inputOfType("list", seq);
        const last = g.node("SequenceAt", [list, g.scalar("int64", -1)]);
        const next = g.node("Mul", [last, g.scalar("float32", 2)]);
        const sum = g.node("ReduceSum", [next], { keepdims: 0 });
        g.output(fixed ? g.node("Identity", [cond]) : g.node("Less", [sum, limit]), "bool", []);
        g.outputOfType(g.node("SequenceInsert", [list, next]), seq);
      });
      const start = b.node("SequenceConstruct", [x]);
      const list = b.node("Loop", [b.scalar("int64", 5), b.scalar("bool", true), start], { body });
      b.output(b.node("ConcatFromSequence", [list], { axis: 0, new_axis: 1 }), "float32", undefined, "y");
      const { y } = await agree(b, { x: floats([2], [1, 0.5]), limit: floats([], [10]) });
      expect(y!.shape).toEqual([fixed ? 6 : 4, 2]);
    }
  });

  it("are refused where a tensor is needed", () => {
    const b = onnxModel("wrong", { opset: 17 });
    const x = b.input("x", "float32", [2]);
    b.output(b.node("Exp", [b.node("SequenceConstruct", [x])]), "float32", undefined, "y");
    expect(() => compile(b.toBytes())).toThrow("is a sequence, not a tensor");
    const d = onnxModel("pieces", { opset: 17 });
    const long = d.node("SplitToSequence", [d.input("x", "float32", [1 << 30])]);
    d.output(d.node("SequenceLength", [long]), "int64", []);
    expect(() => compile(d.toBytes())).toThrow("more than 10000 nodes");
    const c = onnxModel("past", { opset: 17 });
    const list = c.node("SequenceConstruct", [c.input("x", "float32", [2])]);
    c.output(c.node("SequenceAt", [list, c.scalar("int64", 1)]), "float32", undefined, "y");
    expect(() => compile(c.toBytes())).toThrow("position 1 of a sequence of 1 elements");
  });
});

describe("containers as inputs and outputs", () => {
  const tensor = { kind: "tensor", dtype: "float32" } as const;
  const sequence = { kind: "sequence", element: tensor } as const;

  async function both(model: OnnxModelBuilder, inputs: Tensors): Promise<Tensors> {
    const bytes = model.toBytes();
    const made = await compiled(bytes, inputs);
    expectSame(made, interpret(bytes, inputs));
    return made;
  }

  it("go in and come out by their elements' names, in any number", async () => {
    const b = onnxModel("elements", { opset: 17 });
    const s = b.inputOfType("s", sequence);
    const last = b.node("SequenceAt", [s, b.scalar("int64", -1)]);
    b.outputOfType(b.node("SequenceInsert", [s, b.node("Neg", [last])], {}, { output: "more" }), sequence);
    b.output(b.node("SequenceLength", [s]), "int64", [], "length");
    const made = await both(b, { "s[0]": floats([2], [1, 2]), "s[1]": floats([1, 1], [3]) });
    expect(Object.keys(made)).toEqual(["more[0]", "more[1]", "more[2]", "length"]);
    expect(made["more[2]"]).toMatchObject({ shape: [1, 1], data: Float32Array.of(-3) });
    expect(compile(b.toBytes()).report.kind).toBe("late");
  });

  it("keep their elements' order across programs", async () => {
    const b = onnxModel("order", { opset: 17 });
    const x = b.input("x", "float32", [4]);
    const some = b.node("Gather", [
      x,
      b.node("Squeeze", [b.node("NonZero", [b.node("Relu", [x])]), b.int64s([0])]),
    ]);
    const list = b.node(
      "SequenceConstruct",
      [some, b.node("Neg", [x]), b.node("Exp", [some])],
      {},
      { output: "y" },
    );
    b.outputOfType(list, sequence);
    const made = await both(b, { x: floats([4], [1, -1, 2, -2]) });
    expect(Object.entries(made).map(([name, { shape }]) => [name, ...shape])).toEqual([["y[0]", 2], ["y[1]", 4], ["y[2]", 2]]); // prettier-ignore
  });

  it("may be optional, and then be left out", async () => {
    const b = onnxModel("maybe", { opset: 18 });
    const x = b.inputOfType("x", { kind: "optional", element: tensor });
    const s = b.inputOfType("s", { kind: "optional", element: sequence });
    for (const value of [x, s]) b.output(b.node("OptionalHasElement", [value]), "bool", [], `has_${value}`);
    const has = async (inputs: Tensors): Promise<number[]> => Object.values(await both(b, inputs)).map(({ data }) => Number(data[0])); // prettier-ignore
    expect(await has({})).toEqual([0, 0]);
    expect(await has({ x: floats([1]), "s[0]": floats([2]) })).toEqual([1, 1]);
  });
});

describe("optionals", () => {
  const optional = { kind: "optional", element: { kind: "tensor", dtype: "float32" } } as const;

  it("are their value or nothing, through branches", async () => {
    const b = onnxModel("optional", { opset: 18 });
    const x = b.input("x", "float32", [2]);
    const c = b.input("c", "bool", []);
    const then = b.subgraph("then", (t) => {
      t.outputOfType(t.node("Optional", [x]), optional);
    });
    const otherwise = b.subgraph("else", (t) => {
      t.outputOfType(t.node("Optional", [t.node("Neg", [x])]), optional);
    });
    const some = b.node("If", [c], { then_branch: then, else_branch: otherwise });
    b.output(b.node("OptionalHasElement", [some]), "bool", undefined, "has");
    b.output(b.node("OptionalGetElement", [some]), "float32", undefined, "y");
    for (const value of [1, 0]) {
      const inputs = { x: floats([2], [1, 2]), c: tensorOf("bool", [], [value]) };
      for (const outputs of [interpret(b.toBytes(), inputs), await compiled(b.toBytes(), inputs)]) {
        expect([...outputs["has"]!.data]).toEqual([1]);
        expect([...outputs["y"]!.data]).toEqual(value ? [1, 2] : [-1, -2]);
      }
    }
  });
});
