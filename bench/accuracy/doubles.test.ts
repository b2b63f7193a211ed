/** A model in float64 is nearer to the truth than the same in float32, and the same for compiler and interpreter. */
import { expect, it } from "vitest";
import { onnxModel } from "../../compiler/frontend/onnx/write.ts";
import { readModel } from "../../compiler/frontend/onnx/model.ts";
import { interpret } from "../../compiler/whole.ts";
import { rmsError } from "../agreement.ts";
import { type BenchModel } from "../models.ts";
import { uniforms } from "../random.ts";
import { doubleOf, exactOutputs, inDoubles } from "./doubles.ts";

const b = onnxModel("dots", { opset: 17 });
const x = b.input("x", "float32", [1, 64]);
const third = b.node("Constant", [], { value_float: 1 / 3 });
const product = b.node("MatMul", [x, b.initializer("float32", [64, 8], uniforms(512, 3))]);
const sum = b.node("Add", [b.node("Cast", [product], { to: 1 }), third]);
b.output(b.node("Softmax", [sum], { axis: -1 }), "float32", [1, 8], "y");
const model: BenchModel = {
  name: "dots",
  bytes: b.toBytes(),
  external: new Map(),
  quantized: false,
  inputs: [{ name: "x", tensor: { dtype: "float32", shape: [1, 64], data: uniforms(64, 9) } }],
  outputs: [],
};
const given = { x: model.inputs[0]!.tensor };

it("has no float32 left", () => {
  const { graph } = readModel(inDoubles(model.bytes));
  expect(graph.initializers.map(({ tensor }) => tensor.dtype)).toEqual(["float64"]);
  expect([graph.inputs[0]!.type, graph.outputs[0]!.type]).toMatchObject([
    { dtype: "float64" },
    { dtype: "float64" },
  ]);
  expect(graph.nodes.find(({ op }) => op === "Cast")!.attributes.get("to")).toEqual({
    kind: "int",
    value: 11n,
  });
});

it("computes what the interpreter does, to the last bits", async () => {
  const exact = await exactOutputs(model);
  expect(exact["y"]!.dtype).toBe("float64");
  const interpreted = interpret(inDoubles(model.bytes), { x: doubleOf(given.x) });
  expect(rmsError(exact, interpreted)).toBeLessThan(1e-14);
  const rounded = rmsError(interpret(model.bytes, given), exact);
  expect(rounded).toBeGreaterThan(1e-9);
  expect(rounded).toBeLessThan(1e-5);
});

it("refuses models whose integers are their meaning", async () => {
  await expect(exactOutputs({ ...model, quantized: true })).rejects.toThrow(/8-bit/);
});
