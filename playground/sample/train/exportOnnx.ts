/**
 * From the trained TensorFlow.js network to the bytes of an ONNX file, through our own writer. In: the layers
 * model of `network.ts`. Out: opset 18, `image` float32 [batch,1,28,28] to `probabilities` float32 [batch,10].
 * Invariant: the same function of the image. TensorFlow.js holds images as NHWC and filters as HWIO, ONNX as
 * NCHW and OIHW, so filters are transposed and the rows of the dense layer, which count (y, x, channel) there,
 * are reordered to (channel, y, x).
 */
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { onnxModel } from "../../../compiler/frontend/onnx/write.ts";
import { IMAGE_SIZE } from "../preprocess.ts";

interface Weights {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export function exportOnnx(network: LayersModel): Uint8Array {
  const b = onnxModel("digits", { opset: 18, producerName: "tilewright playground/sample/train.ts" });
  let value = b.input("image", "float32", ["batch", 1, IMAGE_SIZE, IMAGE_SIZE]);
  let size = IMAGE_SIZE;
  for (const [index, stride] of [1, 2, 2].entries()) {
    const name = `conv${index}`;
    const { shape, data } = weightsOf(network, name, 0);
    const [height, width, inputs, outputs] = shape as [number, number, number, number];
    const filter = transposed(data, [height, width, inputs, outputs], [3, 2, 0, 1]);
    const weight = b.initializer("float32", [outputs, inputs, height, width], filter, `${name}.weight`);
    const bias = b.initializer("float32", [outputs], weightsOf(network, name, 1).data, `${name}.bias`);
    const outSize = Math.ceil(size / stride);
    // "same" in TensorFlow: what the padding has too much goes to the bottom and the right.
    const padding = Math.max(0, (outSize - 1) * stride + height - size);
    const [before, after] = [Math.floor(padding / 2), Math.ceil(padding / 2)];
    value = b.node(
      "Conv",
      [value, weight, bias],
      { kernel_shape: [height, width], strides: [stride, stride], pads: [before, before, after, after] },
      { name, output: `${name}.out` },
    );
    value = b.node("Relu", [value], {}, { name: `relu${index}`, output: `relu${index}.out` });
    size = outSize;
  }
  value = b.node(
    "MaxPool",
    [value],
    { kernel_shape: [2, 2], strides: [2, 2] },
    { name: "pool", output: "pool.out" },
  );
  size = Math.floor(size / 2);
  value = b.node("Flatten", [value], { axis: 1 }, { name: "flatten", output: "flatten.out" });

  const { shape, data } = weightsOf(network, "dense", 0);
  const [features, classes] = shape as [number, number];
  const channels = features / (size * size);
  const rows = transposed(data, [size, size, channels, classes], [2, 0, 1, 3]);
  const weight = b.initializer("float32", [features, classes], rows, "dense.weight");
  const bias = b.initializer("float32", [classes], weightsOf(network, "dense", 1).data, "dense.bias");
  value = b.node("Gemm", [value, weight, bias], {}, { name: "dense", output: "dense.out" });
  b.output(b.node("Softmax", [value], { axis: 1 }, { name: "softmax", output: "probabilities" }), "float32", [
    "batch",
    classes,
  ]);
  return b.toBytes();
}

function weightsOf(network: LayersModel, layer: string, index: number): Weights {
  const tensor = network.getLayer(layer).getWeights()[index];
  if (tensor === undefined) throw new Error(`the layer ${layer} has no weights ${index}`);
  return { shape: tensor.shape, data: tensor.dataSync() as Float32Array };
}

/** A copy with its axes in another order: axis `i` of the result is axis `order[i]` of `data`. */
function transposed(
  data: Float32Array,
  shape: readonly [number, number, number, number],
  order: readonly [number, number, number, number],
): Float32Array {
  const strides = [shape[1] * shape[2] * shape[3], shape[2] * shape[3], shape[3], 1];
  const [n0, n1, n2, n3] = order.map((axis) => shape[axis] as number) as [number, number, number, number];
  const [s0, s1, s2, s3] = order.map((axis) => strides[axis] as number) as [number, number, number, number];
  const copy = new Float32Array(data.length);
  let at = 0;
  for (let i0 = 0; i0 < n0; i0 += 1)
    for (let i1 = 0; i1 < n1; i1 += 1)
      for (let i2 = 0; i2 < n2; i2 += 1)
        for (let i3 = 0; i3 < n3; i3 += 1) {
          copy[at] = data[i0 * s0 + i1 * s1 + i2 * s2 + i3 * s3] as number;
          at += 1;
        }
  return copy;
}
