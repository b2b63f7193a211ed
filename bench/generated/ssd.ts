/**
 * A single-shot detector (Liu and others, 2016) in the form of SSDLite (Sandler and others, 2018), with seeded weights:
 * separable convolutions down to a few pixels, heads for boxes and classes at each size, boxes decoded around their
 * anchors, scores by a softmax, and non-maximum suppression, whose number of results depends on the data. In: sizes.
 * Out: a model that gives all boxes, all scores and the chosen boxes.
 */
import { Network, type GeneratedModel } from "./network.ts";

export interface SsdConfig {
  readonly size: number;
  readonly classes: number;
  /** Channels after each halving of the image; heads stand on those of the last `heads`. */
  readonly widths: readonly number[];
  readonly heads: number;
}

const ANCHORS = 6;

export function ssd(
  config: SsdConfig = { size: 320, classes: 21, widths: [32, 64, 128, 256, 256, 256], heads: 3 },
): GeneratedModel {
  const { classes, widths, heads } = config;
  const net = new Network("ssd", 17, 18);
  const ints = (...list: readonly number[]): string => net.model.int64s(list);
  const relu6 = (x: string): string => net.op("Clip", [x, net.scalar(0), net.scalar(6)]);
  const separable = (x: string, from: number, to: number, stride: number): string => {
    const y = relu6(net.convolution(x, { from, to: from, kernel: 3, stride, group: from, gain: 2 }));
    return relu6(net.convolution(y, { from, to, kernel: 1 }));
  };

  let { size } = config;
  let x = net.input("image", [1, 3, size, size]);
  let from = 3;
  const boxes: string[] = [];
  const scores: string[] = [];
  const anchors: number[] = [];
  widths.forEach((to, level) => {
    x =
      level === 0 ? relu6(net.convolution(x, { from, to, kernel: 3, stride: 2 })) : separable(x, from, to, 2);
    x = separable(x, to, to, 1);
    from = to;
    size = Math.ceil(size / 2);
    if (level < widths.length - heads) return;
    const head = (numbers: number): string => {
      const y = relu6(net.convolution(x, { from, to: from, kernel: 3, group: from, gain: 2 }));
      const all = net.convolution(y, { from, to: ANCHORS * numbers, kernel: 1, gain: 1 });
      const last = net.op("Transpose", [all], { perm: [0, 2, 3, 1] });
      return net.op("Reshape", [last, ints(1, size * size * ANCHORS, numbers)]);
    };
    boxes.push(head(4));
    scores.push(head(classes));
    for (let pixel = 0; pixel < size * size; pixel++)
      for (let anchor = 0; anchor < ANCHORS; anchor++) {
        const scale = (1.2 + 0.3 * anchor) / size;
        anchors.push((Math.floor(pixel / size) + 0.5) / size, ((pixel % size) + 0.5) / size, scale, scale);
      }
  });

  const count = anchors.length / 4;
  const constant = (columns: readonly number[]): string =>
    net.model.initializer(
      "float32",
      [1, count, columns.length],
      Float32Array.from({ length: count * columns.length }, (_, i) => {
        const row = Math.floor(i / columns.length);
        return anchors[row * 4 + columns[i % columns.length]!]!;
      }),
    );
  const all = net.op("Concat", boxes, { axis: 1 });
  const columns = (start: number): string => net.op("Slice", [all, ints(start), ints(start + 2), ints(2)]);
  const centers = net.op("Add", [
    net.op("Mul", [net.op("Mul", [columns(0), net.scalar(0.1)]), constant([2, 3])]),
    constant([0, 1]),
  ]);
  const sizes = net.op("Mul", [
    net.op("Exp", [net.op("Mul", [columns(2), net.scalar(0.2)])]),
    constant([2, 3]),
  ]);
  const half = net.op("Mul", [sizes, net.scalar(0.5)]);
  const corners = net.op("Concat", [net.op("Sub", [centers, half]), net.op("Add", [centers, half])], {
    axis: 2,
  });
  const probabilities = net.op("Softmax", [net.op("Concat", scores, { axis: 1 })], { axis: 2 });
  const byClass = net.op("Transpose", [probabilities], { perm: [0, 2, 1] });
  const chosen = net.op("NonMaxSuppression", [
    corners,
    byClass,
    ints(20),
    net.model.initializer("float32", [1], Float32Array.of(0.45)),
    net.model.initializer("float32", [1], Float32Array.of(0.3)),
  ]);
  return net.finish([
    [corners, "boxes", [1, count, 4]],
    [byClass, "scores", [1, classes, count]],
    [chosen, "chosen", ["found", 3], "int64"],
  ]);
}
