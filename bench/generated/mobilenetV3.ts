/**
 * MobileNetV3-Large (Howard and others, 2019) with seeded weights, as PyTorch's exporter writes torchvision's: batch
 * normalization is folded, hard swish and hard sigmoid are operators, squeeze and excitation are means and 1x1
 * convolutions. In: size, how many of the blocks, classes. Out: a model.
 */
import { Network, type GeneratedModel } from "./network.ts";

export interface MobilenetV3Config {
  readonly size: number;
  /** Blocks that are built, from the first. */
  readonly blocks: number;
  readonly classes: number;
}

/** Table 1 of the paper: window, expanded channels, channels, squeeze and excitation, hard swish or ReLU, stride. */
const BLOCKS = [
  [3, 16, 16, false, false, 1],
  [3, 64, 24, false, false, 2],
  [3, 72, 24, false, false, 1],
  [5, 72, 40, true, false, 2],
  [5, 120, 40, true, false, 1],
  [5, 120, 40, true, false, 1],
  [3, 240, 80, false, true, 2],
  [3, 200, 80, false, true, 1],
  [3, 184, 80, false, true, 1],
  [3, 184, 80, false, true, 1],
  [3, 480, 112, true, true, 1],
  [3, 672, 112, true, true, 1],
  [5, 672, 160, true, true, 2],
  [5, 960, 160, true, true, 1],
  [5, 960, 160, true, true, 1],
] as const;

export function mobilenetV3(
  config: MobilenetV3Config = { size: 224, blocks: BLOCKS.length, classes: 1000 },
): GeneratedModel {
  const { size, blocks, classes } = config;
  const net = new Network("mobilenetv3", 17, 11);
  const activated = (x: string, swish: boolean): string => net.op(swish ? "HardSwish" : "Relu", [x]);
  /** To the nearest multiple of 8, and not less than nine tenths, as the authors' code does. */
  const eighths = (channels: number): number => {
    const rounded = Math.max(8, Math.floor(channels / 8 + 0.5) * 8);
    return rounded < 0.9 * channels ? rounded + 8 : rounded;
  };

  let from = 16;
  let x = net.input("image", [1, 3, size, size]);
  x = activated(net.convolution(x, { from: 3, to: from, kernel: 3, stride: 2 }), true);
  for (const [kernel, inner, to, excited, swish, stride] of BLOCKS.slice(0, blocks)) {
    let y = inner === from ? x : activated(net.convolution(x, { from, to: inner, kernel: 1 }), swish);
    y = activated(net.convolution(y, { from: inner, to: inner, kernel, stride, group: inner }), swish);
    if (excited) {
      const squeezed = eighths(inner / 4);
      let s = net.op("GlobalAveragePool", [y]);
      s = net.op("Relu", [net.convolution(s, { from: inner, to: squeezed, kernel: 1 })]);
      s = net.op("HardSigmoid", [net.convolution(s, { from: squeezed, to: inner, kernel: 1 })], {
        alpha: 1 / 6,
      });
      y = net.op("Mul", [s, y]);
    }
    y = net.convolution(y, { from: inner, to, kernel: 1, gain: 1 });
    x = stride === 1 && from === to ? net.op("Add", [x, y]) : y;
    from = to;
  }
  const wide = from * 6;
  x = activated(net.convolution(x, { from, to: wide, kernel: 1 }), true);
  x = net.op("Flatten", [net.op("GlobalAveragePool", [x])], { axis: 1 });
  const layer = (y: string, columns: number, rows: number): string =>
    net.op(
      "Gemm",
      [y, net.weight([rows, columns], Math.SQRT2 / Math.sqrt(columns)), net.vector(rows, 0, 0.1)],
      {
        transB: 1,
      },
    );
  x = activated(layer(x, wide, 1280), true);
  return net.finish([[layer(x, 1280, classes), "logits", [1, classes]]]);
}
