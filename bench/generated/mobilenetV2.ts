/**
 * MobileNetV2 (Sandler and others, 2018) with seeded weights, as PyTorch's exporter writes torchvision's: batch
 * normalization is folded into the convolutions, ReLU6 is a Clip. In: size, width, classes. Out: a model.
 */
import { Network, type GeneratedModel } from "./network.ts";

export interface MobilenetV2Config {
  readonly size: number;
  /** Multiplies the channels of all layers. */
  readonly width: number;
  readonly classes: number;
}

/** Table 2 of the paper: expansion, channels, repetitions, stride of the first of them. */
const BLOCKS = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

export function mobilenetV2(
  config: MobilenetV2Config = { size: 224, width: 1, classes: 1000 },
): GeneratedModel {
  const { size, width, classes } = config;
  const net = new Network("mobilenetv2", 18, 1);
  const six = [net.scalar(0), net.scalar(6)];
  const relu6 = (x: string): string => net.op("Clip", [x, ...six]);
  /** To the nearest multiple of 8, and not less than nine tenths, as the authors' code does. */
  const scaled = (channels: number): number => {
    const exact = channels * width;
    const rounded = Math.max(8, Math.floor(exact / 8 + 0.5) * 8);
    return rounded < 0.9 * exact ? rounded + 8 : rounded;
  };

  let from = scaled(32);
  let x = net.input("image", [1, 3, size, size]);
  x = relu6(net.convolution(x, { from: 3, to: from, kernel: 3, stride: 2 }));
  for (const [expansion, channels, repetitions, firstStride] of BLOCKS) {
    for (let i = 0; i < repetitions; i++) {
      const to = scaled(channels);
      const stride = i === 0 ? firstStride : 1;
      const inner = from * expansion;
      let y = expansion === 1 ? x : relu6(net.convolution(x, { from, to: inner, kernel: 1 }));
      y = relu6(net.convolution(y, { from: inner, to: inner, kernel: 3, stride, group: inner }));
      // Half the deviation: what is added to the block's input should not drown it.
      y = net.convolution(y, { from: inner, to, kernel: 1, gain: Math.SQRT1_2 });
      x = stride === 1 && from === to ? net.op("Add", [x, y]) : y;
      from = to;
    }
  }
  const last = width > 1 ? scaled(1280) : 1280;
  x = relu6(net.convolution(x, { from, to: last, kernel: 1 }));
  x = net.op("Flatten", [net.op("GlobalAveragePool", [x])], { axis: 1 });
  const w = net.weight([classes, last], 1 / Math.sqrt(last));
  x = net.op("Gemm", [x, w, net.vector(classes, 0, 0.1)], { transB: 1 });
  return net.finish([[x, "logits", [1, classes]]]);
}
