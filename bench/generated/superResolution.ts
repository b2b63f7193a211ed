/**
 * A super-resolver like EDSR (Lim and others, 2017), small, of colour images: residual blocks of two convolutions,
 * pixels out of channels twice, and three channels at the end; seeded weights. In: sizes. Out: a model.
 */
import { Network, type GeneratedModel } from "./network.ts";

export interface SuperResolutionConfig {
  readonly size: number;
  readonly width: number;
  readonly blocks: number;
}

export function superResolution(
  config: SuperResolutionConfig = { size: 64, width: 32, blocks: 4 },
): GeneratedModel {
  const { size, width, blocks } = config;
  const net = new Network("super-resolution", 17, 20);
  const first = net.convolution(net.input("image", [1, 3, size, size]), { from: 3, to: width, kernel: 3 });
  let x = first;
  for (let i = 0; i < blocks; i++) {
    const y = net.op("Relu", [net.convolution(x, { from: width, to: width, kernel: 3 })]);
    x = net.op("Add", [x, net.convolution(y, { from: width, to: width, kernel: 3, gain: 0.5 })]);
  }
  x = net.op("Add", [first, x]);
  for (let i = 0; i < 2; i++) {
    x = net.convolution(x, { from: width, to: 4 * width, kernel: 3, gain: 1 });
    x = net.op("DepthToSpace", [x], { blocksize: 2, mode: "CRD" });
  }
  x = net.convolution(x, { from: width, to: 3, kernel: 3, gain: 1 });
  return net.finish([[x, "large", [1, 3, 4 * size, 4 * size]]]);
}
