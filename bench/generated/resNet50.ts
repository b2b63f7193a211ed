/**
 * ResNet-50 (He and others, 2016; the stride in the 3x3 convolution, as torchvision has it) with seeded weights. Batch
 * normalizations are nodes of their own, as exporters leave them that keep a model trainable, so that folding them is
 * the runtime's work. In: size, width, classes. Out: a model.
 */
import { Network, type GeneratedModel } from "./network.ts";

export interface ResNet50Config {
  readonly size: number;
  /** Channels of the first layer; all others are multiples of it. */
  readonly width: number;
  /** Bottleneck blocks of each stage. */
  readonly blocks: readonly number[];
  readonly classes: number;
}

const EXPANSION = 4;

export function resNet50(
  config: ResNet50Config = { size: 224, width: 64, blocks: [3, 4, 6, 3], classes: 1000 },
): GeneratedModel {
  const { size, width, blocks, classes } = config;
  const net = new Network("resnet50", 17, 2);
  const convolution = (x: string, from: number, to: number, kernel: number, stride = 1, scale = 1): string =>
    net.batchNormalization(net.convolution(x, { from, to, kernel, stride, bias: false }), to, scale);
  const relu = (x: string): string => net.op("Relu", [x]);

  let x = net.input("data", [1, 3, size, size]);
  x = relu(convolution(x, 3, width, 7, 2));
  x = net.op("MaxPool", [x], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] });
  let from = width;
  for (const [stage, count] of blocks.entries()) {
    const inner = width * 2 ** stage;
    const to = inner * EXPANSION;
    for (let i = 0; i < count; i++) {
      const stride = stage > 0 && i === 0 ? 2 : 1;
      let y = relu(convolution(x, from, inner, 1));
      y = relu(convolution(y, inner, inner, 3, stride));
      // What is added to the shortcut has a fourth of its variance, so that fifty layers do not let it grow.
      y = convolution(y, inner, to, 1, 1, 0.35);
      const shortcut = i === 0 ? convolution(x, from, to, 1, stride, 0.7) : x;
      x = relu(net.op("Add", [y, shortcut]));
      from = to;
    }
  }
  x = net.op("Flatten", [net.op("GlobalAveragePool", [x])], { axis: 1 });
  const w = net.weight([classes, from], 1 / Math.sqrt(from));
  x = net.op("Gemm", [x, w, net.vector(classes, 0, 0.1)], { transB: 1 });
  return net.finish([[x, "logits", [1, classes]]]);
}
