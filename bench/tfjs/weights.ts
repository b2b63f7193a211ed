/**
 * Weights of ONNX operators in the layouts of TensorFlow.js. In: constants of a model. Out: constants that give the
 * same results there. Invariant: nothing is changed in place.
 */
import { type Tensor } from "../../runtime/dtype.ts";

export interface Convolution {
  /** `[to, from / group, height, width]` */
  readonly filter: Tensor;
  readonly bias: Tensor | undefined;
}

/** The convolution and the normalization after it as one convolution. */
export function foldNormalization(
  { filter, bias }: Convolution,
  scale: Tensor,
  shift: Tensor,
  mean: Tensor,
  variance: Tensor,
  epsilon: number,
): Convolution {
  const channels = filter.shape[0]!;
  const each = filter.data.length / channels;
  const at = (tensor: Tensor | undefined, i: number): number => Number(tensor?.data[i] ?? 0);
  const factor = (i: number): number => at(scale, i) / Math.sqrt(at(variance, i) + epsilon);
  const weights = (filter.data as Float32Array).map((value, i) => value * factor(Math.floor(i / each)));
  const biases = Float32Array.from(
    { length: channels },
    (_, i) => (at(bias, i) - at(mean, i)) * factor(i) + at(shift, i),
  );
  return {
    filter: { ...filter, data: weights },
    bias: { dtype: "float32", shape: [channels], data: biases },
  };
}

/**
 * `[height, width, from, to]`, or `[height, width, channels, 1]` where each channel is on its own.
 *
 * @throws Error for groups of several channels, which TensorFlow.js does not have
 */
export function convolutionWeights(
  { filter, bias }: Convolution,
  group: number,
): { readonly filter: Tensor; readonly bias: Tensor; readonly depthwise: boolean } {
  const [to, from, height, width] = filter.shape as [number, number, number, number];
  const depthwise = group > 1;
  if (depthwise && (from !== 1 || group !== to)) throw new Error("a convolution in groups is not told here");
  const data = filter.data as Float32Array;
  const turned = new Float32Array(data.length);
  const area = height * width;
  for (let i = 0; i < to; i++) {
    for (let j = 0; j < from; j++) {
      for (let k = 0; k < area; k++) {
        // One of `from` and the one channel of each group is 1, so the same formula serves both.
        turned[(k * from + j) * to + i] = data[(i * from + j) * area + k]!;
      }
    }
  }
  return {
    filter: {
      dtype: "float32",
      shape: depthwise ? [height, width, to, 1] : [height, width, from, to],
      data: turned,
    },
    bias: bias ?? { dtype: "float32", shape: [to], data: new Float32Array(to) },
    depthwise,
  };
}

/** A matrix, transposed if it is to be. */
export function matrix(tensor: Tensor, transposed: boolean): Tensor {
  if (!transposed) return tensor;
  const [rows, columns] = tensor.shape as [number, number];
  const data = tensor.data as Float32Array;
  const turned = Float32Array.from(data, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!);
  return { dtype: "float32", shape: [columns, rows], data: turned };
}
