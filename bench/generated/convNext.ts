/**
 * ConvNeXt (Liu and others, 2022), of the size that timm calls atto, with seeded weights: windows of 7 x 7 for each
 * channel, layer normalization over channels with channels last, two linear layers with a GELU, a scale and what came
 * in. In: size, depths, widths, classes. Out: a model.
 */
import { Network, type GeneratedModel } from "./network.ts";
import { gelu, layerNorm } from "./transformer.ts";

export interface ConvNextConfig {
  readonly size: number;
  readonly depths: readonly number[];
  readonly widths: readonly number[];
  readonly classes: number;
}

const CHANNELS_LAST = { perm: [0, 2, 3, 1] };
const CHANNELS_FIRST = { perm: [0, 3, 1, 2] };

export function convNext(
  config: ConvNextConfig = { size: 224, depths: [2, 2, 6, 2], widths: [40, 80, 160, 320], classes: 1000 },
): GeneratedModel {
  const { size, depths, widths, classes } = config;
  const net = new Network("convnext", 17, 14);
  const normalized = (x: string, width: number): string => {
    const rows = net.op("Transpose", [x], CHANNELS_LAST);
    return net.op("Transpose", [layerNorm(net, rows, width)], CHANNELS_FIRST);
  };
  /** A window that moves by its own size. */
  const patches = (x: string, from: number, to: number, kernel: number): string => {
    const w = net.weight([to, from, kernel, kernel], 1 / Math.sqrt(from * kernel * kernel));
    return net.op("Conv", [x, w, net.vector(to, 0, 0.1)], {
      kernel_shape: [kernel, kernel],
      strides: [kernel, kernel],
    });
  };

  let x = net.input("image", [1, 3, size, size]);
  depths.forEach((depth, stage) => {
    const width = widths[stage]!;
    if (stage === 0) x = normalized(patches(x, 3, width, 4), width);
    else x = patches(normalized(x, widths[stage - 1]!), widths[stage - 1]!, width, 2);
    for (let i = 0; i < depth; i++) {
      let y = net.convolution(x, { from: width, to: width, kernel: 7, group: width, gain: 1 });
      y = layerNorm(net, net.op("Transpose", [y], CHANNELS_LAST), width);
      y = net.linear(gelu(net, net.linear(y, width, 4 * width)), 4 * width, width);
      y = net.op("Transpose", [net.op("Mul", [y, net.vector(width, 0.5, 0.1)])], CHANNELS_FIRST);
      x = net.op("Add", [x, y]);
    }
  });
  const width = widths.at(-1)!;
  x = layerNorm(net, net.op("ReduceMean", [x], { axes: [2, 3], keepdims: 0 }), width);
  const w = net.weight([classes, width], 1 / Math.sqrt(width));
  return net.finish([
    [net.op("Gemm", [x, w, net.vector(classes, 0, 0.1)], { transB: 1 }), "logits", [1, classes]],
  ]);
}
