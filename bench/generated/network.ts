/**
 * What the generated networks are built with: layers with seeded weights over the ONNX writer, and seeded inputs. In:
 * a name. Out: an ONNX model with the inputs of one run. Invariant: weights are scaled by what they sum over (He and
 * others, 2015, before a ReLU; Glorot and Bengio, 2010, elsewhere), so that activations stay of the order of one
 * through any depth; the same calls in the same order give the same bytes.
 */
import { onnxModel, type OnnxDim, type OnnxModelBuilder } from "../../compiler/frontend/onnx/write.ts";
import { elementCount, type Tensor } from "../../runtime/dtype.ts";
import { type NamedTensor } from "../models.ts";
import { normals, uniform, uniforms } from "../random.ts";

/** A model and what one run of it takes. */
export interface GeneratedModel {
  readonly bytes: Uint8Array;
  readonly inputs: readonly NamedTensor[];
}

export interface ConvolutionOptions {
  readonly from: number;
  readonly to: number;
  readonly kernel: number;
  readonly stride?: number;
  /** Pixels from one element of the window to the next. Default: 1. */
  readonly dilation?: number;
  readonly group?: number;
  readonly bias?: boolean;
  /** What the standard deviation of the weights is multiplied by. Default: the square root of two, for a ReLU. */
  readonly gain?: number;
}

export class Network {
  readonly model: OnnxModelBuilder;
  readonly #inputs: NamedTensor[] = [];
  #seed: number;

  /** @param seed of the first weight; each further one takes the next */
  constructor(name: string, opset: number, seed: number) {
    this.model = onnxModel(name, { opset });
    this.#seed = seed * 1000;
  }

  /** A float input with uniform numbers below 1 in magnitude; `dims` are what the model says of its shape. */
  input(name: string, shape: readonly number[], dims: readonly OnnxDim[] = shape): string {
    const data = uniforms(elementCount(shape), this.#seed++);
    return this.inputOf(name, { dtype: "float32", shape, data }, dims);
  }

  /** An int64 input with whole numbers from 0 to `below` - 1. */
  indices(name: string, shape: readonly number[], below: number, dims: readonly OnnxDim[] = shape): string {
    const next = uniform(this.#seed++);
    const value = (): bigint => BigInt(Math.min(below - 1, Math.floor(((next() + 1) / 2) * below)));
    const data = BigInt64Array.from({ length: elementCount(shape) }, value);
    return this.inputOf(name, { dtype: "int64", shape, data }, dims);
  }

  inputOf(name: string, tensor: Tensor, dims: readonly OnnxDim[] = tensor.shape): string {
    this.#inputs.push({ name, tensor });
    return this.model.input(name, tensor.dtype as "float32" | "int64", dims);
  }

  /** Normal numbers. */
  weight(shape: readonly number[], deviation: number): string {
    const values = normals(elementCount(shape), this.#seed++, deviation);
    return this.model.initializer("float32", shape, values);
  }

  /** Uniform numbers around `center`. */
  vector(length: number, center: number, spread: number): string {
    const values = uniforms(length, this.#seed++, spread).map((value) => center + value);
    return this.model.initializer("float32", [length], values);
  }

  scalar(value: number): string {
    return this.model.scalar("float32", value);
  }

  op(op: string, inputs: readonly (string | undefined)[], attributes = {}): string {
    return this.model.node(op, inputs, attributes);
  }

  /** A convolution that keeps the size of the image but for its stride. */
  convolution(x: string, options: ConvolutionOptions): string {
    const { from, to, kernel, stride = 1, dilation = 1, group = 1, bias = true, gain = Math.SQRT2 } = options;
    const fanIn = (from / group) * kernel * kernel;
    const w = this.weight([to, from / group, kernel, kernel], gain / Math.sqrt(fanIn));
    const half = ((kernel - 1) / 2) * dilation;
    return this.op("Conv", [x, w, bias ? this.vector(to, 0, 0.1) : undefined], {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [half, half, half, half],
      dilations: [dilation, dilation],
      group,
    });
  }

  /** As a trained network has it in inference: statistics that are near those of its input. */
  batchNormalization(x: string, channels: number, scale = 1): string {
    return this.op(
      "BatchNormalization",
      [
        x,
        this.vector(channels, scale, 0.1 * scale),
        this.vector(channels, 0, 0.1),
        this.vector(channels, 0, 0.1),
        this.vector(channels, 1, 0.2),
      ],
      { epsilon: 1e-5 },
    );
  }

  /** `x w + b` as transformers are exported: a product and a sum. */
  linear(x: string, from: number, to: number, gain = 1): string {
    const product = this.op("MatMul", [x, this.weight([from, to], gain / Math.sqrt(from))]);
    return this.op("Add", [product, this.vector(to, 0, 0.02)]);
  }

  /** The network, with `outputs` made its outputs: name, dimensions, and what they hold if not float32. */
  finish(
    outputs: readonly (readonly [value: string, as: string, dims: readonly OnnxDim[], dtype?: "int64"])[],
  ): GeneratedModel {
    for (const [value, as, dims, dtype] of outputs) this.model.output(value, dtype ?? "float32", dims, as);
    return { bytes: this.model.toBytes(), inputs: this.#inputs };
  }
}
