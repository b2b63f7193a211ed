import { describe, expect, it } from "vitest";
import { onnxModel } from "../../frontend/onnx/write.ts";
import { compile } from "../../whole.ts";

/** The order in which dimensions of the values of some nodes lie, by what the pass says of itself. */
function ordersOf(model: Uint8Array): string[] {
  const orders: string[] = [];
  compile(model, {
    trace: (stage, text) => {
      const said = typeof text === "function" ? text() : text;
      const order = stage === "layout" ? /in the order ([\d ]+)/.exec(said) : undefined;
      if (order) orders.push(order[1]!);
    },
  });
  return orders;
}

const weights = (count: number): Int8Array =>
  Int8Array.from({ length: count }, (_, i) => ((i * 31) % 17) - 8);

describe("the innermost dimension", () => {
  it("is that of channels, whether weights are constants or made of constants at load", () => {
    const network = (quantized: boolean): Uint8Array => {
      const model = onnxModel("net", { opset: 19 });
      const x = model.input("x", "float32", [1, 8, 16, 16]);
      const weight = (shape: number[]): string => {
        const values = weights(shape.reduce((a, b) => a * b));
        if (!quantized) return model.initializer("float32", shape, Float32Array.from(values));
        const scale = model.initializer("float32", [shape[0]!], new Float32Array(shape[0]!).fill(0.125));
        return model.node("DequantizeLinear", [model.initializer("int8", shape, values), scale], { axis: 0 });
      };
      const wide = model.node("Relu", [model.node("Conv", [x, weight([32, 8, 1, 1])])]);
      const window = model.node("Conv", [wide, weight([32, 1, 3, 3])], { group: 32, pads: [1, 1, 1, 1] });
      model.output(model.node("Conv", [window, weight([8, 32, 1, 1])]), "float32", undefined, "y");
      return model.toBytes();
    };
    const plain = ordersOf(network(false));
    expect(plain.length).toBeGreaterThan(1);
    expect(new Set(plain)).toEqual(new Set(["0 2 3 1"]));
    const quantized = ordersOf(network(true)).filter((order) => order.split(" ").length === 4);
    expect(quantized).toEqual(expect.arrayContaining(plain));
    expect(quantized).not.toContain("0 1 3 2");
  });
});
