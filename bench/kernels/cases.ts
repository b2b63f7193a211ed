/**
 * Kernels as models: the shapes of which real networks are made, each on its own. In: nothing. Out: a table of cases
 * with the operations and the bytes of one run. Convolutions and other operators whose results a compiler may lay out
 * as it likes come as a chain of equal ones, so that what the ends cost (inputs and outputs are NCHW) is shared by
 * several; where a chain cannot be (strides), a mean over the image reads the result where it lies. Invariant: the
 * numbers are seeded, weights are scaled so that values neither grow nor vanish along a chain, and `flop` counts a
 * convolution the direct way: one that does less is above the peak.
 */
import { onnxModel, type OnnxModelBuilder } from "../../compiler/frontend/onnx/write.ts";
import { elementCount } from "../../runtime/dtype.ts";
import { type BenchModel } from "../models.ts";
import { normals, uniforms } from "../random.ts";

export type KernelGroup =
  "gemm" | "conv 1x1" | "conv kxk" | "first layer" | "last layer" | "depthwise" | "row" | "lstm";

export interface KernelCase {
  readonly name: string;
  readonly group: KernelGroup;
  /** Multiplications and additions of one run; 0 where bytes are what counts. */
  readonly flop: number;
  /** What must be read and written at least: inputs, weights and results of every operator, each once. */
  readonly bytes: number;
  /** Makes the model; called when its turn comes. */
  readonly model: () => BenchModel;
}

type Shape = readonly number[];

/** Collects inputs, seeded weights and their bytes while a model is built. */
class CaseBuilder {
  readonly model: OnnxModelBuilder;
  readonly #inputs: { readonly name: string; readonly shape: Shape }[] = [];
  #seed = 1;

  constructor(readonly name: string) {
    this.model = onnxModel(name, { opset: 17 });
  }

  input(shape: Shape): string {
    const name = `x${this.#inputs.length}`;
    this.#inputs.push({ name, shape });
    return this.model.input(name, "float32", shape);
  }

  /** Normal numbers that keep the variance of what is summed over `fanIn` of them. */
  weight(shape: Shape, fanIn: number): string {
    return this.model.initializer(
      "float32",
      shape,
      normals(elementCount(shape), this.#seed++, fanIn ** -0.5),
    );
  }

  constant(shape: Shape, value: number): string {
    return this.model.initializer("float32", shape, new Float32Array(elementCount(shape)).fill(value));
  }

  finish(output: string, shape: Shape): BenchModel {
    this.model.output(output, "float32", shape);
    const inputs = this.#inputs.map(({ name, shape }, i) => {
      const data = uniforms(elementCount(shape), 1000 + i);
      return { name, tensor: { dtype: "float32" as const, shape, data } };
    });
    return {
      name: this.name,
      bytes: this.model.toBytes(),
      external: new Map(),
      quantized: false,
      inputs,
      outputs: [],
    };
  }
}

const FLOAT = 4;

/** `[m,k] x [k,n]`; the right side is a weight, as in a network's layer, unless both are inputs. */
function gemm(m: number, k: number, n: number, bothInputs = false): KernelCase {
  const name = `gemm ${m}x${k}x${n}${bothInputs ? " both inputs" : ""}`;
  return {
    name,
    group: "gemm",
    flop: 2 * m * k * n,
    bytes: FLOAT * (m * k + k * n + m * n),
    model: () => {
      const b = new CaseBuilder(name);
      const x = b.input([m, k]);
      const w = bothInputs ? b.input([k, n]) : b.weight([k, n], k);
      return b.finish(b.model.node("MatMul", [x, w]), [m, n]);
    },
  };
}

/** Products of `heads` pairs of inputs, as in attention. */
function heads(heads: number, m: number, k: number, n: number): KernelCase {
  const name = `gemm ${heads} times ${m}x${k}x${n}`;
  return {
    name,
    group: "gemm",
    flop: 2 * heads * m * k * n,
    bytes: FLOAT * heads * (m * k + k * n + m * n),
    model: () => {
      const b = new CaseBuilder(name);
      const product = b.model.node("MatMul", [b.input([1, heads, m, k]), b.input([1, heads, k, n])]);
      return b.finish(product, [1, heads, m, n]);
    },
  };
}

interface ConvolutionChain {
  readonly group: KernelGroup;
  readonly kernel: number;
  /** Channels from step to step; a chain ends where it began. */
  readonly channels: readonly number[];
  readonly size: number;
  readonly depthwise?: boolean;
  /** Pixels from one element of the window to the next. */
  readonly dilation?: number;
  readonly activation?: "Relu" | "silu";
}

function chain({
  group,
  kernel,
  channels,
  size,
  depthwise,
  dilation = 1,
  activation,
}: ConvolutionChain): KernelCase {
  const steps = channels.slice(1).map((to, i) => ({ from: channels[i]!, to }));
  const one = [...new Set(channels)].join("/");
  const name =
    `${depthwise ? "depthwise" : "conv"} ${kernel}x${kernel} ${one} @${size}` +
    (dilation === 1 ? "" : ` by ${dilation}`) +
    `${activation === "silu" ? " SiLU" : ""} x${steps.length}`;
  const weights = steps.map(({ from, to }) => (depthwise ? to : from * to) * kernel * kernel);
  const pixels = size * size;
  const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
  return {
    name,
    group,
    flop: 2 * pixels * sum(weights),
    bytes: FLOAT * (pixels * sum(steps.map(({ from, to }) => from + to)) + sum(weights)),
    model: () => {
      const b = new CaseBuilder(name);
      let value = b.input([1, channels[0]!, size, size]);
      for (const { from, to } of steps) {
        const fanIn = (depthwise ? 1 : from) * kernel * kernel;
        const half = ((kernel - 1) / 2) * dilation;
        value = b.model.node(
          "Conv",
          [
            value,
            b.weight([to, depthwise ? 1 : from, kernel, kernel], fanIn / (activation ? 2 : 1)),
            b.constant([to], 0.01),
          ],
          {
            kernel_shape: [kernel, kernel],
            pads: [half, half, half, half],
            dilations: [dilation, dilation],
            group: depthwise ? to : 1,
          },
        );
        if (activation === "Relu") value = b.model.node("Relu", [value]);
        if (activation === "silu") {
          value = b.model.node("Mul", [value, b.model.node("Sigmoid", [value])]);
        }
      }
      return b.finish(value, [1, channels.at(-1)!, size, size]);
    },
  };
}

interface StridedConvolution {
  readonly group: KernelGroup;
  readonly kernel: number;
  readonly from: number;
  readonly to: number;
  readonly size: number;
  readonly stride: number;
  readonly depthwise?: boolean;
}

/** One convolution with strides, and the mean of each channel of what it gives. */
function strided({ group, kernel, from, to, size, stride, depthwise }: StridedConvolution): KernelCase {
  const name = `${depthwise ? "depthwise" : "conv"} ${kernel}x${kernel}/${stride} ${from}-${to} @${size}`;
  const weights = (depthwise ? 1 : from) * to * kernel * kernel;
  const pixels = (size / stride) ** 2;
  // Patches beside one another need no border.
  const half = stride === kernel ? 0 : Math.floor((kernel - 1) / 2);
  return {
    name,
    group,
    flop: 2 * pixels * weights,
    bytes: FLOAT * (size * size * from + pixels * to + weights),
    model: () => {
      const b = new CaseBuilder(name);
      const x = b.input([1, from, size, size]);
      const fanIn = (depthwise ? 1 : from) * kernel * kernel;
      const w = b.weight([to, depthwise ? 1 : from, kernel, kernel], fanIn);
      const y = b.model.node("Conv", [x, w, b.constant([to], 0.01)], {
        kernel_shape: [kernel, kernel],
        strides: [stride, stride],
        pads: [half, half, half, half],
        group: depthwise ? to : 1,
      });
      const mean = b.model.node("GlobalAveragePool", [b.model.node("Relu", [y])]);
      return b.finish(mean, [1, to, 1, 1]);
    },
  };
}

/** An operator over the rows of a matrix, which memory limits: `passes` over it, reading and writing. */
function rows(name: string, shape: Shape, build: (b: CaseBuilder, x: string) => string): KernelCase {
  const full = `${name} ${shape.join("x")}`;
  return {
    name: full,
    group: "row",
    flop: 0,
    bytes: 2 * FLOAT * elementCount(shape),
    model: () => {
      const b = new CaseBuilder(full);
      return b.finish(build(b, b.input(shape)), shape);
    },
  };
}

function lstm(steps: number, inputs: number, hidden: number): KernelCase {
  const name = `lstm ${steps} steps, ${inputs}-${hidden}`;
  const weights = 4 * hidden * (inputs + hidden);
  return {
    name,
    group: "lstm",
    flop: 2 * steps * weights,
    bytes: FLOAT * (weights + steps * (inputs + hidden)),
    model: () => {
      const b = new CaseBuilder(name);
      const x = b.input([steps, 1, inputs]);
      const w = b.weight([1, 4 * hidden, inputs], inputs);
      const r = b.weight([1, 4 * hidden, hidden], hidden);
      const bias = b.constant([1, 8 * hidden], 0.05);
      return b.finish(b.model.node("LSTM", [x, w, r, bias], { hidden_size: hidden }), [steps, 1, 1, hidden]);
    },
  };
}

const repeated = (channels: number, times: number): number[] => new Array<number>(times + 1).fill(channels);
const alternating = (a: number, b: number, times: number): number[] =>
  Array.from({ length: times + 1 }, (_, i) => (i % 2 === 0 ? a : b));

/** `[channels, size]` at which the networks have them. */
const RESNET_3X3: readonly (readonly [number, number])[] = [[64, 56], [128, 28], [256, 14], [512, 7]]; // prettier-ignore
const RESNET_1X1: readonly (readonly [number, number, number])[] = [[64, 256, 56], [128, 512, 28], [256, 1024, 14], [512, 2048, 7]]; // prettier-ignore
const MOBILENET_1X1: readonly (readonly [number, number, number])[] = [[24, 144, 56], [32, 192, 28], [96, 576, 14], [160, 960, 7]]; // prettier-ignore
const YOLO_3X3: readonly (readonly [number, number])[] = [[16, 160], [32, 80], [64, 40], [128, 20]]; // prettier-ignore
const DEPTHWISE: readonly (readonly [number, number])[] = [[32, 112], [96, 112], [144, 56], [192, 28], [384, 14], [576, 14], [960, 7]]; // prettier-ignore
/** Of YOLOX-nano, and its window of 5 x 5. */
const YOLO_DEPTHWISE: readonly (readonly [number, number, number])[] = [[3, 64, 52], [3, 128, 26], [5, 96, 20]]; // prettier-ignore
/** MobileNetV2's, MobileNetV3's and EfficientNet's that halve the image: window, channels, size. */
const DEPTHWISE_HALVING: readonly (readonly [number, number, number])[] = [[3, 96, 112], [3, 144, 56], [3, 192, 28], [3, 576, 14], [5, 72, 56], [5, 144, 56], [5, 672, 14]]; // prettier-ignore
/** Window, channels, size, dilation: of segmenters, and of ConvNeXt. */
const DEPTHWISE_WIDE: readonly (readonly [number, number, number, number])[] = [[3, 384, 32, 2], [3, 960, 32, 4], [3, 256, 32, 12], [7, 96, 56, 1], [7, 384, 14, 1]]; // prettier-ignore

export const kernelCases: readonly KernelCase[] = [
  gemm(384, 768, 768),
  gemm(384, 768, 768, true),
  gemm(128, 384, 1536),
  gemm(197, 768, 3072),
  gemm(512, 512, 512),
  gemm(1024, 1024, 1024),
  gemm(127, 255, 383),
  gemm(1, 768, 768),
  gemm(1, 768, 3072),
  gemm(8, 768, 768),
  heads(12, 128, 32, 128),
  heads(12, 128, 128, 32),
  ...[...RESNET_1X1, ...MOBILENET_1X1].map(([a, b, size]) =>
    chain({ group: "conv 1x1", kernel: 1, channels: alternating(a, b, 4), size }),
  ),
  strided({ group: "conv 1x1", kernel: 1, from: 320, to: 1280, size: 7, stride: 1 }),
  chain({ group: "conv 1x1", kernel: 1, channels: alternating(64, 128, 4), size: 40, activation: "silu" }),
  ...RESNET_3X3.map(([channels, size]) =>
    chain({ group: "conv kxk", kernel: 3, channels: repeated(channels, 4), size, activation: "Relu" }),
  ),
  strided({ group: "conv kxk", kernel: 3, from: 128, to: 128, size: 56, stride: 2 }),
  ...YOLO_3X3.map(([channels, size]) =>
    chain({ group: "conv kxk", kernel: 3, channels: repeated(channels, 4), size, activation: "silu" }),
  ),
  chain({ group: "conv kxk", kernel: 5, channels: repeated(64, 4), size: 28, activation: "Relu" }),
  strided({ group: "first layer", kernel: 7, from: 3, to: 64, size: 224, stride: 2 }),
  strided({ group: "first layer", kernel: 3, from: 3, to: 32, size: 224, stride: 2 }),
  strided({ group: "first layer", kernel: 3, from: 3, to: 16, size: 416, stride: 2 }),
  strided({ group: "first layer", kernel: 4, from: 3, to: 96, size: 224, stride: 4 }),
  strided({ group: "first layer", kernel: 16, from: 3, to: 192, size: 224, stride: 16 }),
  strided({ group: "last layer", kernel: 3, from: 32, to: 3, size: 224, stride: 1 }),
  strided({ group: "last layer", kernel: 9, from: 32, to: 3, size: 224, stride: 1 }),
  strided({ group: "last layer", kernel: 1, from: 32, to: 1, size: 256, stride: 1 }),
  ...DEPTHWISE.map(([channels, size]) =>
    chain({ group: "depthwise", kernel: 3, channels: repeated(channels, 6), size, depthwise: true }),
  ),
  ...YOLO_DEPTHWISE.map(([kernel, channels, size]) =>
    chain({
      group: "depthwise",
      kernel,
      channels: repeated(channels, 6),
      size,
      depthwise: true,
      activation: "silu",
    }),
  ),
  ...DEPTHWISE_HALVING.map(([kernel, from, size]) =>
    strided({ group: "depthwise", kernel, from, to: from, size, stride: 2, depthwise: true }),
  ),
  ...DEPTHWISE_WIDE.map(([kernel, channels, size, dilation]) =>
    chain({ group: "depthwise", kernel, channels: repeated(channels, 4), size, dilation, depthwise: true }),
  ),
  chain({ group: "depthwise", kernel: 5, channels: repeated(240, 6), size: 28, depthwise: true }),
  chain({ group: "depthwise", kernel: 5, channels: repeated(672, 6), size: 14, depthwise: true }),
  chain({ group: "depthwise", kernel: 5, channels: repeated(960, 6), size: 7, depthwise: true }),
  rows("softmax", [12, 128, 128], (b, x) => b.model.node("Softmax", [x], { axis: -1 })),
  rows("softmax", [384, 1000], (b, x) => b.model.node("Softmax", [x], { axis: -1 })),
  ...(
    [
      [128, 384],
      [197, 768],
    ] as const
  ).map((shape) =>
    // prettier-ignore
    rows("layer norm", shape, (b, x) =>
      b.model.node("LayerNormalization", [x, b.constant([shape[1]], 1.1), b.constant([shape[1]], 0.1)]),
    ),
  ),
  rows("erf GELU", [128, 1536], (b, x) => {
    const erf = b.model.node("Erf", [b.model.node("Div", [x, b.constant([], Math.SQRT2)])]);
    const sum = b.model.node("Add", [erf, b.constant([], 1)]);
    return b.model.node("Mul", [b.model.node("Mul", [x, sum]), b.constant([], 0.5)]);
  }),
  lstm(1, 257, 128),
  lstm(64, 128, 128),
  lstm(100, 40, 64),
];
