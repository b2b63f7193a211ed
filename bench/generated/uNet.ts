/**
 * U-Net (Ronneberger and others, 2015) with seeded weights, in the form in which it is mostly built today: padded
 * convolutions with batch normalization, transposed convolutions on the way up, a sigmoid at the end. In: size, width,
 * depth. Out: a model. Invariant: the size is divisible by two as often as the net is deep.
 */
import { Network, type GeneratedModel } from "./network.ts";

export interface UNetConfig {
  readonly size: number;
  /** Channels at full size; they double with each step down. */
  readonly width: number;
  readonly depth: number;
}

export function uNet(config: UNetConfig = { size: 128, width: 32, depth: 4 }): GeneratedModel {
  const { size, width, depth } = config;
  const net = new Network("unet", 17, 3);
  const twice = (x: string, from: number, to: number): string => {
    for (const channels of [from, to]) {
      x = net.convolution(x, { from: channels, to, kernel: 3, bias: false });
      x = net.op("Relu", [net.batchNormalization(x, to)]);
    }
    return x;
  };
  const up = (x: string, from: number, to: number): string => {
    const w = net.weight([from, to, 2, 2], 1 / Math.sqrt(from));
    return net.op("ConvTranspose", [x, w, net.vector(to, 0, 0.1)], { kernel_shape: [2, 2], strides: [2, 2] });
  };

  let x = net.input("image", [1, 3, size, size]);
  const skips: string[] = [];
  let channels = 3;
  for (let level = 0; level < depth; level++) {
    const to = width * 2 ** level;
    x = twice(x, channels, to);
    skips.push(x);
    x = net.op("MaxPool", [x], { kernel_shape: [2, 2], strides: [2, 2] });
    channels = to;
  }
  x = twice(x, channels, channels * 2);
  for (const skip of skips.reverse()) {
    x = net.op("Concat", [skip, up(x, channels * 2, channels)], { axis: 1 });
    x = twice(x, channels * 2, channels);
    channels /= 2;
  }
  x = net.convolution(x, { from: width, to: 1, kernel: 1, gain: 1 });
  return net.finish([[net.op("Sigmoid", [x]), "mask", [1, 1, size, size]]]);
}
