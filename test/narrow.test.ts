/**
 * Operators that move elements, on every element type there is. In: numbers that the type holds exactly, cast to it
 * and back. Out: the moved numbers, on the interpreter and compiled. Invariant: moving changes no bits, whatever the type.
 */
import { describe, expect, it } from "vitest";
import { onnxModel, type OnnxAttributes, type OnnxModelBuilder } from "../compiler/frontend/onnx/write.ts";
import { ONNX_DATA_TYPE } from "../compiler/frontend/onnx/modelSpec.ts";
import { tensorOf } from "../compiler/passes/evaluate.ts";
import { compile, interpret, openSource } from "../compiler/whole.ts";
import { load } from "../runtime/index.ts";

const types = [
  "float4e2m1", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "float8e8m0", "bfloat16", "float16",
  "float32", "float64", "int2", "int4", "int8", "int16", "int32", "int64", "uint2", "uint4", "uint8", "uint16", "uint32", "uint64", "bool",
] as const; // prettier-ignore

type Move = (b: OnnxModelBuilder, x: string) => string;
const op =
  (name: string, attributes: OnnxAttributes = {}, ...more: (readonly number[])[]): Move =>
  (b, x) =>
    b.node(name, [x, ...more.map((list) => b.int64s(list))], attributes);

const moves: readonly (readonly [name: string, move: Move])[] = [
  ["Transpose", op("Transpose", { perm: [1, 0] })],
  ["Reshape", op("Reshape", {}, [3, 2])],
  ["Slice", op("Slice", {}, [2], [0], [1], [-1])],
  ["Concat", (b, x) => b.node("Concat", [x, x], { axis: 1 })],
  ["Expand", op("Expand", {}, [2, 2, 3])],
  ["Tile", op("Tile", {}, [1, 2])],
  ["Gather", op("Gather", { axis: 1 }, [2, 0, 0])],
  [
    "GatherElements",
    (b, x) => b.node("GatherElements", [x, b.initializer("int64", [1, 3], [1, 0, 1])], { axis: 0 }),
  ],
  ["ScatterElements", (b, x) => b.node("ScatterElements", [x, b.initializer("int64", [1, 3], [1, 0, 1]), op("Slice", {}, [0], [1])(b, x)], { axis: 0 })], // prettier-ignore
  [
    "ScatterND",
    (b, x) => b.node("ScatterND", [x, b.initializer("int64", [1, 1], [1]), op("Slice", {}, [0], [1])(b, x)]),
  ],
  [
    "Where",
    (b, x) => b.node("Where", [b.initializer("bool", [3], [1, 0, 1]), x, op("Slice", {}, [1], [2])(b, x)]),
  ],
  ["Pad", op("Pad", { mode: "edge" }, [0, 1, 1, 0])],
  ["Split", (b, x) => b.nodeWithOutputs("Split", [x], 2, { axis: 0, num_outputs: 2 })[1]!],
  ["Compress", (b, x) => b.node("Compress", [x, b.initializer("bool", [3], [1, 0, 1])], { axis: 1 })],
  ["Trilu", op("Trilu")],
  ["Identity", op("Identity")],
];

/** Numbers that all of the types hold, or as many of them as this one does. */
const numbers = (type: string): number[] =>
  type === "float8e8m0" ? [1, 2, 0.5, 4, 2, 1] : type === "bool" || type.endsWith("int2") ? [1, 0, 1, 1, 0, 0] : [1, 2, 4, 3, 2, 1]; // prettier-ignore

function model(type: string, move: Move): Uint8Array {
  const b = onnxModel("narrow", { opset: 25 });
  const x = b.input("x", "float32", [2, 3]);
  const there = type === "float32" ? x : b.node("Cast", [x], { to: ONNX_DATA_TYPE[type as "float32"] });
  b.output(b.node("Cast", [move(b, there)], { to: 1 }), "float32", undefined, "y");
  return b.toBytes();
}

describe.each(types)("%s", (type) => {
  it.each(moves)("%s", async (name, move) => {
    if (name === "Trilu" && type === "float8e8m0") return; // it has no zero
    const x = tensorOf("float32", [2, 3], numbers(type));
    const expected = interpret(model("float32", move), { x })["y"]!;
    const bytes = model(type, move);
    const made = interpret(bytes, { x })["y"]!;
    expect([made.shape, [...(made.data as Float32Array)]]).toEqual([expected.shape, [...(expected.data as Float32Array)]]); // prettier-ignore
    const session = await load(compile(bytes).artifact, { compiler: () => ({ openSource }) });
    const ran = (await session.run({ x: x.data as Float32Array }))["y"]!;
    session.dispose();
    expect([...(ran.data as Float32Array)]).toEqual([...(expected.data as Float32Array)]);
  });
});
