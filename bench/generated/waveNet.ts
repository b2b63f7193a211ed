/**
 * A WaveNet (van den Oord and others, 2016) that filters sound: causal convolutions of two taps whose distance
 * doubles, a gate of a tanh and a sigmoid, sums of residuals and of skips, with seeded weights. In: sizes. Out: a
 * model over `samples` samples.
 */
import { Network, type GeneratedModel } from "./network.ts";

export interface WaveNetConfig {
  readonly samples: number;
  readonly width: number;
  /** Layers of a stack; the last one has taps 2 ** (layers - 1) samples apart. */
  readonly layers: number;
  readonly stacks: number;
}

export function waveNet(
  config: WaveNetConfig = { samples: 4096, width: 48, layers: 9, stacks: 2 },
): GeneratedModel {
  const { samples, width, layers, stacks } = config;
  const net = new Network("wavenet", 17, 17);
  const convolution = (x: string, from: number, to: number, taps: number, dilation: number): string => {
    const w = net.weight([to, from, taps], 1 / Math.sqrt(from * taps));
    return net.op("Conv", [x, w, net.vector(to, 0, 0.1)], {
      kernel_shape: [taps],
      dilations: [dilation],
      pads: [(taps - 1) * dilation, 0],
    });
  };

  let x = convolution(net.input("sound", [1, 1, samples]), 1, width, 3, 1);
  let skips: string | undefined;
  for (let stack = 0; stack < stacks; stack++) {
    for (let layer = 0; layer < layers; layer++) {
      const z = convolution(x, width, 2 * width, 2, 2 ** layer);
      const [signal, gate] = [0, 1].map((k) => {
        const [starts, ends, axes] = [[k * width], [(k + 1) * width], [1]].map((list) =>
          net.model.int64s(list),
        );
        return net.op("Slice", [z, starts, ends, axes]);
      });
      const gated = net.op("Mul", [net.op("Tanh", [signal]), net.op("Sigmoid", [gate])]);
      const skip = convolution(gated, width, width, 1, 1);
      skips = skips === undefined ? skip : net.op("Add", [skips, skip]);
      x = net.op("Add", [x, convolution(gated, width, width, 1, 1)]);
    }
  }
  const mixed = net.op("Relu", [convolution(net.op("Relu", [skips!]), width, width, 1, 1)]);
  return net.finish([[convolution(mixed, width, 1, 1, 1), "filtered", [1, 1, samples]]]);
}
