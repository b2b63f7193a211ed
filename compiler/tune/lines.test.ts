/** Contractions over short lines: their points are one axis, by which tiles are full, and results stay what they are. */
import { expect, it } from "vitest";
import { load } from "../../runtime/load.ts";
import { onnxModel } from "../frontend/onnx/write.ts";
import { compile, interpret } from "../whole.ts";

/** A layer of each kind: strided with padding, into a border, and after both, on images of `size` pixels a line. */
function layers(size: number, channels: number): Uint8Array {
  const model = onnxModel("lines", { opset: 17 });
  let seed = 0;
  // Small whole numbers, so that sums are exact in any order.
  const weight = (shape: readonly number[]): string => {
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => ((seed += 7) % 3) - 1);
    return model.initializer("float32", shape, data);
  };
  const conv = (x: string, shape: readonly number[], stride = 1, group = 1): string => {
    const edge = shape[2]! >> 1;
    const pads = [edge, edge, edge, edge];
    return model.node("Conv", [x, weight(shape)], { kernel_shape: shape.slice(2), strides: [stride, stride], pads, group }); // prettier-ignore
  };
  const x = conv(model.input("x", "float32", [1, 4, 2 * size, 2 * size]), [16, 4, 1, 1]);
  const halved = conv(x, [channels, 16, 3, 3], 2);
  const bordered = conv(halved, [24, channels, 1, 1]);
  const y = conv(bordered, [24, 1, 3, 3], 1, 24);
  model.output(model.node("Add", [y, conv(y, [24, 24, 1, 1])]), "float32", [1, 24, size, size], "y");
  return model.toBytes();
}

it.each([
  [7, 256, true],
  [5, 130, false],
  [8, 256, false],
])(
  "of %i points and %i channels are joined where it pays, and say the same",
  async (size, channels, gathers) => {
    const model = layers(size, channels);
    const { artifact, report } = compile(model);
    const x = Float32Array.from({ length: 4 * (2 * size) ** 2 }, (_, i) => ((i * 5) % 7) - 3);
    const inputs = { x: { dtype: "float32" as const, shape: [1, 4, 2 * size, 2 * size], data: x } };
    const session = await load(artifact, { threads: 1 });
    const { y } = await session.run(inputs);
    expect(y!.data).toEqual(interpret(model, inputs)["y"]!.data);
    session.dispose();
    const ofRun = report.kernels.flatMap(({ nodes }) => nodes);
    expect(ofRun.includes("pack for Conv_node_1")).toBe(gathers);
    const bordered = report.kernels.find(({ nodes }) => nodes.includes("Conv_node_2"))!;
    expect(bordered.schedule.includes('"outer":"o0","inner":"o1"')).toBe(size < 8);
  },
);
