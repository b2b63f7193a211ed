/** Where things lie. In: models with names of all kinds. Out: the same places whatever a weight is called. */
import { describe, expect, it } from "vitest";
import { readArtifact, type BoundPlan } from "../../runtime/format.ts";
import { onnxModel } from "../frontend/onnx/write.ts";
import { compile } from "../whole.ts";

/** A model that threads share, with scratch, library calls with tables, and an output whose size follows from data. */
function placesOf(name: string): unknown {
  const b = onnxModel("names", { opset: 18 });
  const x = b.input("x", "float32", [1, 16, 64, 64]);
  const scale = Float32Array.from({ length: 16 }, (_, i) => i + 1);
  const scaled = b.node("Mul", [x, b.initializer("float32", [1, 16, 1, 1], scale, name)]);
  const filters = b.initializer("float32", [16, 16, 3, 3], new Float32Array(2304).fill(0.01), "filters");
  const rows = b.node("Softmax", [b.node("Conv", [scaled, filters], { pads: [1, 1, 1, 1] })], { axis: 1 });
  b.output(rows, "float32", undefined, "y");
  b.output(b.node("NonZero", [scaled]), "int64", undefined, "places");
  const { plan, sections } = readArtifact(compile(b.toBytes()).artifact);
  const { control, weights, memoryBytes, inputs, outputs } = plan as BoundPlan;
  return { control, weights, memoryBytes, inputs, outputs, code: [...sections.get("relaxed-simd")!] };
}

describe("memory", () => {
  it.each([
    "control",
    "control#",
    "##",
    "data:0",
    "data:0#",
    "scratch:0:2",
    "scratch:1:2#",
    "size:1",
    "size:2#",
  ])("is laid out the same with a weight called %s", (name) => {
    expect(placesOf(name)).toEqual(placesOf("w"));
  });
});
