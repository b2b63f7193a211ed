/**
 * An image network as its author would write it with TensorFlow.js: images with the channels last, batch normalization
 * folded into the convolution before it, bias and activation given to the convolution. In: an ONNX model of
 * convolutions, pooling and what stands between and after them. Out: steps, and their weights in the layouts of
 * TensorFlow.js. Invariant: values of rank 4 have their channels last, all others are as in the model; what is not
 * known here is refused, never guessed.
 */
import { readModel, type OnnxNode } from "../../compiler/frontend/onnx/model.ts";
import { type Tensor } from "../../runtime/dtype.ts";
import { convolutionWeights, foldNormalization, matrix, type Convolution } from "./weights.ts";

export type Activation = "relu" | "relu6";
type Pair = readonly [number, number];
/** Top and bottom, left and right. */
export type Pads = readonly [Pair, Pair];

/** One call of TensorFlow.js. Values and weights are named by strings. */
export type TfStep =
  | { readonly kind: "convolution" | "depthwise"; readonly x: string; readonly to: string; readonly filter: string; readonly bias: string; readonly strides: Pair; readonly pads: Pads; readonly activation?: Activation } // prettier-ignore
  | { readonly kind: "transposed"; readonly x: string; readonly to: string; readonly filter: string; readonly bias: string; readonly strides: Pair } // prettier-ignore
  | { readonly kind: "maxPool"; readonly x: string; readonly to: string; readonly size: Pair; readonly strides: Pair; readonly pads: Pads } // prettier-ignore
  | { readonly kind: "relu" | "relu6" | "sigmoid" | "softmax" | "mean" | "same"; readonly x: string; readonly to: string }
  | { readonly kind: "add" | "multiply"; readonly a: string; readonly b: string; readonly to: string }
  | { readonly kind: "concat"; readonly parts: readonly string[]; readonly to: string }
  | { readonly kind: "dense"; readonly x: string; readonly to: string; readonly matrix: string; readonly bias: string }; // prettier-ignore

export interface TfProgram {
  readonly input: string;
  readonly outputs: readonly string[];
  readonly steps: readonly TfStep[];
  readonly weights: ReadonlyMap<string, Tensor>;
}

/** @throws Error that names what TensorFlow.js is not told of here */
export function imageProgram(
  bytes: Uint8Array,
  external?: (location: string) => Uint8Array | undefined,
): TfProgram {
  const { graph } = readModel(bytes, external ? { externalData: external } : {});
  return new Translation(graph.nodes, graph.initializers, graph.inputs, graph.outputs).program();
}

type Named = readonly { readonly name: string }[];

class Translation {
  readonly #constants: ReadonlyMap<string, Tensor>;
  readonly #readers = new Map<string, OnnxNode[]>();
  readonly #weights = new Map<string, Tensor>();
  readonly #steps: TfStep[] = [];
  /** Nodes that went into the convolution before them. */
  readonly #taken = new Set<OnnxNode>();
  readonly #input: string;

  constructor(
    readonly nodes: readonly OnnxNode[],
    initializers: readonly { readonly name: string; readonly tensor: Tensor }[],
    inputs: Named,
    readonly outputs: Named,
  ) {
    const constants = new Map(initializers.map(({ name, tensor }) => [name, tensor]));
    for (const { op, outputs: names, attributes } of nodes) {
      const value = attributes.get("value");
      if (op === "Constant" && value?.kind === "tensor") constants.set(names[0]!, value.value);
    }
    this.#constants = constants;
    for (const node of nodes) {
      for (const name of node.inputs) this.#readers.set(name, [...(this.#readers.get(name) ?? []), node]);
    }
    const [input, ...others] = inputs.filter(({ name }) => !constants.has(name));
    if (input === undefined || others.length > 0) throw new Error("no network with one image as its input");
    this.#input = input.name;
  }

  program(): TfProgram {
    for (const node of this.nodes)
      if (node.op !== "Constant" && !this.#taken.has(node)) this.#translate(node);
    return {
      input: this.#input,
      outputs: this.outputs.map(({ name }) => name),
      steps: this.#steps,
      weights: this.#weights,
    };
  }

  #translate(node: OnnxNode): void {
    const { op, inputs } = node;
    const [x, second] = inputs as [string, string];
    const to = node.outputs[0]!;
    const simple = {
      Identity: "same",
      Relu: "relu",
      Sigmoid: "sigmoid",
      Softmax: "softmax",
      GlobalAveragePool: "mean",
    } as const;
    const both = { Add: "add", Mul: "multiply" } as const;
    if (op === "Conv") this.#convolution(node);
    else if (op in simple) this.#steps.push({ kind: simple[op as keyof typeof simple], x, to });
    else if (op in both && !this.#constants.has(x) && !this.#constants.has(second)) {
      this.#steps.push({ kind: both[op as keyof typeof both], a: x, b: second, to });
    } else if (op === "Clip" && this.#isRelu6(node)) this.#steps.push({ kind: "relu6", x, to });
    else if (op === "ReduceMean" && this.#isOverImage(node)) this.#steps.push({ kind: "mean", x, to });
    else if (op === "MaxPool") {
      this.#steps.push({ kind: "maxPool", x, to, size: pair(node, "kernel_shape"), strides: pair(node, "strides"), pads: padsOf(node) }); // prettier-ignore
    } else if (op === "ConvTranspose") this.#transposed(node);
    else if (op === "Concat" && int(node, "axis", 0) === 1)
      this.#steps.push({ kind: "concat", parts: inputs, to });
    // Of means over the image, which have one element per channel in both layouts.
    else if ((op === "Flatten" || op === "Reshape") && this.#isMean(x))
      this.#steps.push({ kind: "same", x, to });
    else if (op === "Gemm") this.#dense(node);
    else throw new Error(`TensorFlow.js is not told here how to do ${op}`);
  }

  #convolution(node: OnnxNode): void {
    const group = int(node, "group", 1);
    let convolution: Convolution = {
      filter: this.#constant(node, 1),
      bias: this.#constants.get(node.inputs[2] ?? ""),
    };
    if (
      (node.attributes.get("dilations") as { value: readonly bigint[] } | undefined)?.value.some(
        (d) => d !== 1n,
      )
    ) {
      throw new Error("a convolution with dilations is not told here");
    }
    let to = node.outputs[0]!;
    let next = this.#onlyReader(to);
    if (next?.op === "BatchNormalization") {
      const [scale, shift, mean, variance] = [1, 2, 3, 4].map((i) => this.#constant(next!, i));
      convolution = foldNormalization(
        convolution,
        scale!,
        shift!,
        mean!,
        variance!,
        float(next, "epsilon", 1e-5),
      );
      this.#taken.add(next);
      to = next.outputs[0]!;
      next = this.#onlyReader(to);
    }
    let activation: Activation | undefined;
    if (next?.op === "Relu" || (next !== undefined && this.#isRelu6(next))) {
      activation = next.op === "Relu" ? "relu" : "relu6";
      this.#taken.add(next);
      to = next.outputs[0]!;
    }
    const { filter, bias, depthwise } = convolutionWeights(convolution, group);
    const step = {
      kind: depthwise ? "depthwise" : "convolution",
      x: node.inputs[0]!,
      to,
      filter: this.#weight(`${to}.filter`, filter),
      bias: this.#weight(`${to}.bias`, bias),
      strides: pair(node, "strides"),
      pads: padsOf(node),
    } as const;
    this.#steps.push(activation === undefined ? step : { ...step, activation });
  }

  #transposed(node: OnnxNode): void {
    const filter = this.#constant(node, 1);
    const [from, to, height, width] = filter.shape as [number, number, number, number];
    const strides = pair(node, "strides");
    if (int(node, "group", 1) !== 1 || strides.join() !== [height, width].join()) {
      throw new Error("of transposed convolutions only those whose kernel is their stride are told here");
    }
    const name = node.outputs[0]!;
    // [from, to, h, w] to [h, w, to, from]
    const turned = new Float32Array(filter.data.length);
    const data = filter.data as Float32Array;
    for (let i = 0; i < from; i++)
      for (let j = 0; j < to; j++)
        for (let k = 0; k < height * width; k++) turned[(k * to + j) * from + i] = data[(i * to + j) * height * width + k]!; // prettier-ignore
    const bias = this.#constants.get(node.inputs[2] ?? "") ?? { dtype: "float32" as const, shape: [to], data: new Float32Array(to) }; // prettier-ignore
    this.#steps.push({
      kind: "transposed",
      x: node.inputs[0]!,
      to: name,
      filter: this.#weight(`${name}.filter`, {
        dtype: "float32",
        shape: [height, width, to, from],
        data: turned,
      }),
      bias: this.#weight(`${name}.bias`, bias),
      strides,
    });
  }

  #dense(node: OnnxNode): void {
    const to = node.outputs[0]!;
    const weights = matrix(this.#constant(node, 1), int(node, "transB", 0) === 1);
    if (int(node, "transA", 0) !== 0) throw new Error("a Gemm with transA is not told here");
    const bias = this.#weight(`${to}.bias`, this.#constant(node, 2));
    this.#steps.push({
      kind: "dense",
      x: node.inputs[0]!,
      to,
      matrix: this.#weight(`${to}.matrix`, weights),
      bias,
    });
  }

  #weight(name: string, tensor: Tensor): string {
    this.#weights.set(name, tensor);
    return name;
  }

  #constant(node: OnnxNode, position: number): Tensor {
    const found = this.#constants.get(node.inputs[position] ?? "");
    if (found === undefined) throw new Error(`input ${position} of ${node.op} is no constant`);
    return found;
  }

  #onlyReader(value: string): OnnxNode | undefined {
    const readers = this.#readers.get(value) ?? [];
    return readers.length === 1 && !this.outputs.some(({ name }) => name === value) ? readers[0] : undefined;
  }

  #isMean(value: string): boolean {
    return this.#steps.some(({ kind, to }) => kind === "mean" && to === value);
  }

  #isRelu6({ op, inputs, attributes }: OnnxNode): boolean {
    if (op !== "Clip") return false;
    const bound = (position: number, name: string): number | undefined => {
      const attribute = attributes.get(name);
      if (attribute?.kind === "float") return attribute.value;
      return this.#constants.get(inputs[position] ?? "")?.data[0] as number | undefined;
    };
    return bound(1, "min") === 0 && bound(2, "max") === 6;
  }

  #isOverImage({ inputs, attributes }: OnnxNode): boolean {
    const attribute = attributes.get("axes");
    const given = attribute?.kind === "ints" ? attribute.value : this.#constants.get(inputs[1] ?? "")?.data;
    const axes = [...((given ?? []) as readonly bigint[])].map((axis) => (Number(axis) + 4) % 4).sort();
    return axes.join() === "2,3";
  }
}

function int({ attributes }: OnnxNode, name: string, otherwise: number): number {
  const found = attributes.get(name);
  return found?.kind === "int" ? Number(found.value) : otherwise;
}

function float({ attributes }: OnnxNode, name: string, otherwise: number): number {
  const found = attributes.get(name);
  return found?.kind === "float" ? found.value : otherwise;
}

function pair({ attributes }: OnnxNode, name: string): Pair {
  const found = attributes.get(name);
  return found?.kind === "ints" ? [Number(found.value[0]), Number(found.value[1])] : [1, 1];
}

function padsOf(node: OnnxNode): Pads {
  const auto = node.attributes.get("auto_pad");
  if (auto?.kind === "string" && auto.value !== "NOTSET") throw new Error("auto_pad is not told here");
  const found = node.attributes.get("pads");
  const [top = 0, left = 0, bottom = 0, right = 0] = found?.kind === "ints" ? found.value.map(Number) : [];
  return [
    [top, bottom],
    [left, right],
  ];
}
