/**
 * What compound operators are made of, for whoever asks what roundings do to them. In: a node, and how to see tensors.
 * Out: the nodes of its definition, or nothing where the operator stands for itself. Invariant: the last node makes the
 * node's first output (others are made on the way), and what goes between them is rounded as implementations do: in float32, or float64 where the
 * elements are; so what cancels inside, what nearly vanishes before it is multiplied, and real numbers of which whole
 * ones are made show as between operators.
 */
import { ONNX_DATA_TYPE, tensor } from "../../../compiler/frontend/onnx/write.ts";
import { integerRange, isFloat } from "../../../compiler/ir/dtype.ts";
import type { Tensor } from "../../../runtime/dtype.ts";
import type { GraphNode } from "./graph.ts";

/** The operator set that the nodes of definitions are of. */
export const DEFINITION_OPSET = 13;

/** What a definition depends on: the type and the rank of the node's first operand. */
export type Form = Pick<Tensor, "dtype" | "shape">;

/** Writes the nodes of one definition; their names start with that of the result. */
class Definition {
  readonly nodes: GraphNode[] = [];
  private readonly node: GraphNode;
  private readonly inner: "float32" | "float64";
  readonly dtype: Tensor["dtype"];
  private readonly rank: number;

  constructor(node: GraphNode, { dtype, shape }: Form) {
    this.node = node;
    this.dtype = dtype;
    this.rank = shape.length;
    this.inner = dtype === "float64" ? "float64" : "float32";
  }

  add(op: string, inputs: readonly string[], attributes: GraphNode["attributes"] = {}, outputs = 1): string[] {
    const own = this.nodes.length;
    const names = Array.from({ length: outputs }, (_, i) => `${this.node.outputs[0]}:${own}.${i}`);
    this.nodes.push({ op, inputs, outputs: names, attributes });
    return names;
  } // prettier-ignore

  one(op: string, ...inputs: readonly string[]): string {
    return this.add(op, inputs)[0]!;
  }

  constant(value: number): string {
    return this.add("Constant", [], { value: tensor(this.inner, [], [value]) })[0]!;
  }

  private widened(name: string): string {
    if (name === "" || this.dtype === this.inner) return name;
    return this.add("Cast", [name], { to: ONNX_DATA_TYPE[this.inner] })[0]!;
  }

  /** An operand in the type that is computed in; "" where it is absent. */
  operand(position: number): string {
    return this.widened(this.node.inputs[position] ?? "");
  }

  /** The sum of the first operand and of the second, which may be absent. */
  biased(): string {
    const [x, bias] = [this.operand(0), this.operand(1)];
    return bias === "" ? x : this.one("Add", x, bias);
  }

  /** The same operator without its last step. */
  without(attributes: GraphNode["attributes"]): string {
    const name = `${this.node.outputs[0]}:before`;
    this.nodes.push({ ...this.node, outputs: [name, ...this.node.outputs.slice(1)], attributes });
    return this.widened(name);
  }

  /** The same operator of an operand that is widened, which then blends real numbers. */
  ofWidened(): string {
    const { inputs, attributes } = this.node;
    return this.add(this.node.op, [this.operand(0), ...inputs.slice(1)], attributes)[0]!;
  }

  /** What real numbers become before they are cut to the type of the elements: none beyond its ends. */
  within(x: string): string {
    const [low, high] = integerRange(this.dtype)!;
    return this.one("Clip", x, this.constant(Number(low)), this.constant(Number(high)));
  }

  /**
   * The number that a quantized operand stands for: at this position, its scale and its zero point after it. The two
   * are scaled apart, as whoever adds up before the zero points go does.
   */
  real(position: number): string {
    const [scale, zero = ""] = this.node.inputs.slice(position + 1, position + 3) as [string, string?];
    const scaled = this.one("Mul", this.operand(position), scale);
    return zero === "" ? scaled : this.one("Sub", scaled, this.one("Mul", this.operand(position + 2), scale));
  }

  /** The elements for a real number, by the scale and the zero point at this position and the next. */
  quantized(x: string, position: number): string {
    return this.one("QuantizeLinear", x, ...this.node.inputs.slice(position, position + 2));
  }

  /** A pool of quantized elements, whose channels may stand last. */
  pooled(op: string, attributes: GraphNode["attributes"]): string {
    const { channels_last: last, ...rest } = attributes;
    const spatial = Array.from({ length: this.rank - 2 }, (_, i) => i);
    const order = (perm: readonly number[], x: string): string =>
      last === 1 ? this.add("Transpose", [x], { perm })[0]! : x;
    const x = order([0, this.rank - 1, ...spatial.map((i) => i + 1)], this.real(0));
    const [y] = this.add(op, [x], rest) as [string];
    return this.quantized(order([0, ...spatial.map((i) => i + 2), 1], y), 3);
  }

  half(x: string): string {
    return this.one("Mul", x, this.constant(0.5));
  }

  /** x Phi(x), by the error function. */
  gelu(x: string): string {
    const error = this.one("Erf", this.one("Mul", x, this.constant(Math.SQRT1_2)));
    return this.one("Mul", this.half(x), this.one("Add", error, this.constant(1)));
  }

  /** The same, approximated by a hyperbolic tangent. */
  tangentGelu(x: string): string {
    const cubic = this.one("Mul", this.one("Mul", this.one("Mul", x, x), x), this.constant(0.044715));
    const inner = this.one("Mul", this.one("Add", x, cubic), this.constant(Math.sqrt(2 / Math.PI)));
    return this.one("Mul", this.half(x), this.one("Add", this.one("Tanh", inner), this.constant(1)));
  }

  /** x sigmoid(alpha x). */
  swish(x: string, alpha: number): string {
    return this.one("Mul", x, this.one("Sigmoid", this.one("Mul", x, this.constant(alpha))));
  }

  /** Says which number is a result after the first, where somebody wants it. */
  also(position: number, x: string): void {
    const name = this.node.outputs[position] ?? "";
    if (name !== "") this.nodes.push(this.named(x, name));
  }

  /** A number under the name of a result, in its type. */
  private named(x: string, name: string): GraphNode {
    const to = this.dtype === this.inner ? undefined : ONNX_DATA_TYPE[this.dtype as "float16"];
    return { op: to === undefined ? "Identity" : "Cast", inputs: [x], outputs: [name], attributes: to === undefined ? {} : { to } }; // prettier-ignore
  }

  /** The nodes, of which the last has the result's name and type. */
  done(result: string): readonly GraphNode[] {
    return [...this.nodes, this.named(result, this.node.outputs[0]!)];
  }
}

/** A number that an attribute holds, in whatever form. */
export function numberOf(
  { attributes }: Pick<GraphNode, "attributes">,
  name: string,
  otherwise: number,
): number {
  const value = attributes[name] as number | { readonly value: number } | undefined;
  return typeof value === "object" ? value.value : (value ?? otherwise);
}

/** A blend of whole numbers is one of real numbers that is cut. */
function blended(d: Definition, { attributes }: GraphNode): string | undefined {
  const nearest = (attributes["mode"] ?? "nearest") === "nearest";
  return nearest || isFloat(d.dtype) ? undefined : d.within(d.ofWidened());
}

/** Results by "Operator" or "domain:Operator"; nothing where this form of it stands for itself. */
const RESULTS: Readonly<Record<string, (d: Definition, node: GraphNode) => string | undefined>> = {
  Gelu: (d, { attributes }) => (attributes["approximate"] === "tanh" ? d.tangentGelu(d.operand(0)) : d.gelu(d.operand(0))), // prettier-ignore
  Swish: (d, node) => d.swish(d.operand(0), numberOf(node, "alpha", 1)),
  SwiGLU: (d, node) => d.one("Mul", d.swish(d.operand(0), numberOf(node, "alpha", 1)), d.operand(1)),
  CausalConvWithState: (d, { attributes: { activation, ...rest } }) => (/silu|swish/.test(String(activation)) ? d.swish(d.without(rest), 1) : undefined), // prettier-ignore
  Resize: blended,
  SoftmaxCrossEntropyLoss: (d, { inputs, attributes }) => {
    const [logarithms] = d.add("LogSoftmax", [d.operand(0)], { axis: 1 }) as [string];
    d.also(1, logarithms);
    const weights = inputs[2] ? [d.operand(2)] : [];
    return d.add("NegativeLogLikelihoodLoss", [logarithms, inputs[1]!, ...weights], attributes)[0]!;
  },
  "com.microsoft:QLinearAdd": (d) => d.quantized(d.one("Add", d.real(0), d.real(3)), 6),
  "com.microsoft:QLinearAveragePool": (d, { attributes }) => d.pooled("AveragePool", attributes),
  "com.microsoft:QLinearGlobalAveragePool": (d, { attributes }) => d.pooled("GlobalAveragePool", attributes),
  "com.microsoft:Gelu": (d) => d.gelu(d.operand(0)),
  "com.microsoft:BiasGelu": (d) => d.gelu(d.biased()),
  "com.microsoft:FastGelu": (d) => d.tangentGelu(d.biased()),
  "com.microsoft:QuickGelu": (d, node) => d.swish(d.operand(0), numberOf(node, "alpha", 1.702)),
  "com.microsoft:BiasSplitGelu": (d) => {
    const [left, right] = d.add("Split", [d.biased()], { axis: -1 }, 2) as [string, string];
    return d.one("Mul", left, d.gelu(right));
  },
  "com.microsoft:GroupNorm": (d, { attributes }) => (attributes["activation"] === 1 ? d.swish(d.without({ ...attributes, activation: 0 }), 1) : undefined), // prettier-ignore
  "com.microsoft:SkipGroupNorm": (d, { attributes }) => (attributes["activation"] === 1 ? d.swish(d.without({ ...attributes, activation: 0 }), 1) : undefined), // prettier-ignore
  "com.microsoft:FusedConv": (d, { attributes: { activation, ...rest } }) => (activation === "Sigmoid" ? d.one("Sigmoid", d.without({ ...rest, activation: "" })) : undefined), // prettier-ignore
  "com.microsoft:FusedGemm": (d, { attributes: { activation, ...rest } }) => (activation === "Sigmoid" ? d.one("Sigmoid", d.without({ ...rest, activation: "" })) : undefined), // prettier-ignore
};

/** The nodes that a node is made of; `form` is that of its first operand. */
export function definitionOf(node: GraphNode, form: Form): readonly GraphNode[] | undefined {
  const make = RESULTS[node.domain === undefined ? node.op : `${node.domain}:${node.op}`];
  if (!make || !node.outputs[0]) return undefined;
  const definition = new Definition(node, form);
  const result = make(definition, node);
  return result === undefined ? undefined : definition.done(result);
}
