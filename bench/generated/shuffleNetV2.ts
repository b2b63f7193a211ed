/**
 * ShuffleNetV2 (Ma and others, 2018) with seeded weights, as PyTorch's exporter writes torchvision's: halves of the
 * channels, joined again and shuffled by a reshape, a transpose and a reshape. In: size, width, repetitions, classes.
 * Out: a model.
 */
import { Network, type GeneratedModel } from "./network.ts";

export interface ShuffleNetV2Config {
  readonly size: number;
  /** Channels of the first stage; they double with each of the next. */
  readonly width: number;
  readonly repetitions: readonly number[];
  readonly classes: number;
}

export function shuffleNetV2(
  config: ShuffleNetV2Config = { size: 224, width: 116, repetitions: [4, 8, 4], classes: 1000 },
): GeneratedModel {
  const { width, repetitions, classes } = config;
  const net = new Network("shufflenetv2", 17, 13);
  const relu = (x: string): string => net.op("Relu", [x]);

  let { size } = config;
  let from = 24;
  let x = net.input("image", [1, 3, size, size]);
  x = relu(net.convolution(x, { from: 3, to: from, kernel: 3, stride: 2 }));
  x = net.op("MaxPool", [x], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] });
  size /= 4;
  repetitions.forEach((times, stage) => {
    const to = width * 2 ** stage;
    const half = to / 2;
    const shuffled = (y: string): string => {
      const pairs = net.op("Reshape", [y, net.model.int64s([1, 2, half, size, size])]);
      const turned = net.op("Transpose", [pairs], { perm: [0, 2, 1, 3, 4] });
      return net.op("Reshape", [turned, net.model.int64s([1, to, size, size])]);
    };
    for (let i = 0; i < times; i++) {
      const stride = i === 0 ? 2 : 1;
      if (stride === 2) size /= 2;
      const [left, right] = stride === 2 ? [x, x] : [0, 1].map((k) => part(x, k * half, (k + 1) * half));
      const channels = stride === 2 ? from : half;
      let y = relu(net.convolution(right!, { from: channels, to: half, kernel: 1 }));
      y = net.convolution(y, { from: half, to: half, kernel: 3, stride, group: half, gain: 1 });
      y = relu(net.convolution(y, { from: half, to: half, kernel: 1 }));
      let kept = left!;
      if (stride === 2) {
        kept = net.convolution(x, { from, to: from, kernel: 3, stride, group: from, gain: 1 });
        kept = relu(net.convolution(kept, { from, to: half, kernel: 1 }));
      }
      x = shuffled(net.op("Concat", [kept, y], { axis: 1 }));
      from = to;
    }
  });
  function part(y: string, start: number, end: number): string {
    const [starts, ends, axes] = [[start], [end], [1]].map((list) => net.model.int64s(list));
    return net.op("Slice", [y, starts, ends, axes]);
  }
  x = relu(net.convolution(x, { from, to: 1024, kernel: 1 }));
  x = net.op("ReduceMean", [x], { axes: [2, 3], keepdims: 0 });
  const w = net.weight([classes, 1024], 1 / Math.sqrt(1024));
  x = net.op("Gemm", [x, w, net.vector(classes, 0, 0.1)], { transB: 1 });
  return net.finish([[x, "logits", [1, classes]]]);
}
