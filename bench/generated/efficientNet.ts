/**
 * EfficientNet-B0 (Tan and Le, 2019) with seeded weights, as PyTorch's exporter writes it: batch normalization is
 * folded, a swish is a sigmoid and a product, squeeze and excitation in every block. In: size, stages, classes. Out:
 * a model.
 */
import { Network, type GeneratedModel } from "./network.ts";

export interface EfficientNetConfig {
  readonly size: number;
  /** Stages that are built, from the first. */
  readonly stages: number;
  readonly classes: number;
}

/** Table 1 of the paper: expansion, window, channels, repetitions, stride of the first of them. */
const STAGES = [
  [1, 3, 16, 1, 1],
  [6, 3, 24, 2, 2],
  [6, 5, 40, 2, 2],
  [6, 3, 80, 3, 2],
  [6, 5, 112, 3, 1],
  [6, 5, 192, 4, 2],
  [6, 3, 320, 1, 1],
] as const;

export function efficientNet(
  config: EfficientNetConfig = { size: 224, stages: STAGES.length, classes: 1000 },
): GeneratedModel {
  const { size, stages, classes } = config;
  const net = new Network("efficientnet", 18, 12);
  const swish = (x: string): string => net.op("Mul", [x, net.op("Sigmoid", [x])]);

  let from = 32;
  let x = net.input("image", [1, 3, size, size]);
  x = swish(net.convolution(x, { from: 3, to: from, kernel: 3, stride: 2 }));
  for (const [expansion, kernel, to, repetitions, firstStride] of STAGES.slice(0, stages)) {
    for (let i = 0; i < repetitions; i++) {
      const stride = i === 0 ? firstStride : 1;
      const inner = from * expansion;
      let y = expansion === 1 ? x : swish(net.convolution(x, { from, to: inner, kernel: 1 }));
      y = swish(net.convolution(y, { from: inner, to: inner, kernel, stride, group: inner }));
      const squeezed = from / 4;
      let s = net.op("ReduceMean", [y, net.model.int64s([2, 3])], { keepdims: 1 });
      s = swish(net.convolution(s, { from: inner, to: squeezed, kernel: 1 }));
      s = net.op("Sigmoid", [net.convolution(s, { from: squeezed, to: inner, kernel: 1 })]);
      y = net.convolution(net.op("Mul", [s, y]), { from: inner, to, kernel: 1, gain: 1 });
      x = stride === 1 && from === to ? net.op("Add", [x, y]) : y;
      from = to;
    }
  }
  x = swish(net.convolution(x, { from, to: 1280, kernel: 1 }));
  x = net.op("Flatten", [net.op("GlobalAveragePool", [x])], { axis: 1 });
  const w = net.weight([classes, 1280], 2 / Math.sqrt(1280));
  x = net.op("Gemm", [x, w, net.vector(classes, 0, 0.1)], { transB: 1 });
  return net.finish([[x, "logits", [1, classes]]]);
}
