/**
 * A segmenter like DeepLabV3 (Chen and others, 2017) on MobileNetV2's blocks, with seeded weights: from an eighth of
 * the size on, windows of each channel are widened by dilation instead of halving; a pyramid of dilated separable
 * convolutions and the mean of the image; classes are resized to the whole image. In: sizes. Out: a model.
 */
import { Network, type GeneratedModel } from "./network.ts";

export interface DeepLabConfig {
  readonly size: number;
  /** Channels of blocks, each with stride and dilation. */
  readonly blocks: readonly (readonly [channels: number, stride: number, dilation: number])[];
  readonly rates: readonly number[];
  readonly width: number;
  readonly classes: number;
}

const BLOCKS = [
  [16, 1, 1],
  [24, 2, 1],
  [24, 1, 1],
  [32, 2, 1],
  [32, 1, 1],
  [64, 1, 2],
  [64, 1, 2],
  [96, 1, 2],
  [96, 1, 2],
  [160, 1, 4],
  [160, 1, 4],
] as const;

export function deepLab(
  config: DeepLabConfig = { size: 256, blocks: BLOCKS, rates: [6, 12, 18], width: 128, classes: 21 },
): GeneratedModel {
  const { size, blocks, rates, width, classes } = config;
  const net = new Network("deeplab", 18, 19);
  const relu6 = (x: string): string => net.op("Clip", [x, net.scalar(0), net.scalar(6)]);

  let from = 32;
  let x = net.input("image", [1, 3, size, size]);
  x = relu6(net.convolution(x, { from: 3, to: from, kernel: 3, stride: 2 }));
  for (const [to, stride, dilation] of blocks) {
    const inner = from === 32 && to === 16 ? from : from * 6;
    let y = inner === from ? x : relu6(net.convolution(x, { from, to: inner, kernel: 1 }));
    y = relu6(
      net.convolution(y, { from: inner, to: inner, kernel: 3, stride, dilation, group: inner, gain: 2 }),
    );
    y = net.convolution(y, { from: inner, to, kernel: 1, gain: 1 });
    x = stride === 1 && from === to ? net.op("Add", [x, y]) : y;
    from = to;
  }
  const small = blocks.reduce((pixels, [, stride]) => pixels / stride, size / 2);
  const branches = [relu6(net.convolution(x, { from, to: width, kernel: 1 }))];
  for (const dilation of rates) {
    const y = net.convolution(x, { from, to: from, kernel: 3, dilation, group: from });
    branches.push(relu6(net.convolution(y, { from, to: width, kernel: 1 })));
  }
  const mean = relu6(net.convolution(net.op("GlobalAveragePool", [x]), { from, to: width, kernel: 1 }));
  branches.push(net.op("Expand", [mean, net.model.int64s([1, width, small, small])]));
  const all = net.op("Concat", branches, { axis: 1 });
  x = relu6(net.convolution(all, { from: width * branches.length, to: width, kernel: 1 }));
  x = net.convolution(x, { from: width, to: classes, kernel: 1, gain: 1 });
  const shape = [1, classes, size, size];
  x = net.op("Resize", [x, undefined, undefined, net.model.int64s(shape)], {
    mode: "linear",
    coordinate_transformation_mode: "half_pixel",
  });
  return net.finish([[x, "classes", shape]]);
}
