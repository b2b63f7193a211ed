/**
 * Small fixed models, one for each form of network that the passes treat in ways of their own. In: nothing. Out:
 * ONNX bytes. Invariant: a model never changes, or its committed text would say nothing about the compiler.
 */
import { onnxModel, type OnnxModelBuilder } from "../../compiler/frontend/onnx/write.ts";

/** Numbers that look random and are the same everywhere. */
function weights(b: OnnxModelBuilder, dims: readonly number[], seed: number): string {
  let state = seed;
  const count = dims.reduce((product, dim) => product * dim, 1);
  const values = Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    // Multiples of 2^-8: exact, so that no platform's rounding can show in the constants.
    return (state >> 23) / 256;
  });
  return b.initializer("float32", dims, values);
}

function convolutions(): Uint8Array {
  const b = onnxModel("convolutions");
  const x = b.input("x", "float32", [1, 3, 16, 16]);
  const first = b.node("Conv", [x, weights(b, [8, 3, 3, 3], 1), weights(b, [8], 2)], { pads: [1, 1, 1, 1], strides: [2, 2] }); // prettier-ignore
  const relu = b.node("Relu", [first]);
  const depthwise = b.node("Conv", [relu, weights(b, [8, 1, 3, 3], 3)], { pads: [1, 1, 1, 1], group: 8 });
  const clipped = b.node("Clip", [depthwise, b.scalar("float32", 0), b.scalar("float32", 6)]);
  const project = b.node("Conv", [clipped, weights(b, [8, 8, 1, 1], 4), weights(b, [8], 5)]);
  const sum = b.node("Add", [project, relu]);
  const pooled = b.node("MaxPool", [sum], { kernel_shape: [2, 2], strides: [2, 2] });
  b.output(b.node("GlobalAveragePool", [pooled]), "float32", [1, 8, 1, 1], "y");
  return b.toBytes();
}

function classifier(): Uint8Array {
  const b = onnxModel("classifier");
  const x = b.input("x", "float32", [4, 20]);
  const hidden = b.node("Gemm", [x, weights(b, [20, 30], 1), weights(b, [30], 2)]);
  const active = b.node("Tanh", [hidden]);
  const logits = b.node("Gemm", [active, weights(b, [10, 30], 3), weights(b, [10], 4)], { transB: 1 });
  b.output(b.node("Softmax", [logits], { axis: 1 }), "float32", [4, 10], "y");
  return b.toBytes();
}

function recurrence(): Uint8Array {
  const b = onnxModel("recurrence");
  const x = b.input("x", "float32", [5, 1, 6]);
  const [all] = b.nodeWithOutputs("LSTM", [x, weights(b, [1, 32, 6], 1), weights(b, [1, 32, 8], 2), weights(b, [1, 64], 3)], 1, { hidden_size: 8 }); // prettier-ignore
  b.output(b.node("Squeeze", [all!, b.int64s([1])]), "float32", [5, 1, 8], "y");
  return b.toBytes();
}

function movements(): Uint8Array {
  const b = onnxModel("movements");
  const x = b.input("x", "float32", [2, 12, 7]);
  const at = b.input("at", "int64", [5]);
  const split = b.node("Reshape", [x, b.int64s([2, 3, 4, 7])]);
  const turned = b.node("Transpose", [split], { perm: [0, 2, 1, 3] });
  const joined = b.node("Reshape", [turned, b.int64s([8, 21])]);
  const reversed = b.node("Slice", [joined, b.int64s([20]), b.int64s([-22]), b.int64s([1]), b.int64s([-2])]);
  const chosen = b.node("Gather", [reversed, at], { axis: 0 });
  const padded = b.node("Pad", [chosen, b.int64s([0, 1, 0, 2])]);
  const scaled = b.node("Mul", [padded, weights(b, [14], 1)]);
  const gelu = b.node("Mul", [scaled, b.node("Sigmoid", [scaled])]);
  b.output(b.node("Concat", [gelu, b.node("Exp", [padded])], { axis: 0 }), "float32", [10, 14], "y");
  return b.toBytes();
}

export const replayModels: Readonly<Record<string, () => Uint8Array>> = {
  convolutions,
  classifier,
  recurrence,
  movements,
};
