/**
 * What compound operators are made of, for whoever asks what roundings do to them. In: a node, and how to see tensors.
 * Out: the nodes of its definition, or nothing where the operator stands for itself. Invariant: the last node makes the
 * node's first output, and what goes between them is rounded as implementations do: in float32, or float64 where the
 * elements are; so what cancels inside, and what nearly vanishes before it is multiplied, shows as between operators.
 */
import { ONNX_DATA_TYPE, tensor } from "../../../compiler/frontend/onnx/write.ts";
import type { DType } from "../../../runtime/dtype.ts";
import type { GraphNode } from "./graph.ts";

/** The operator set that the nodes of definitions are of. */
export const DEFINITION_OPSET = 13;

/** Writes the nodes of one definition; their names start with that of the result. */
class Definition {
  readonly nodes: GraphNode[] = [];
  private readonly node: GraphNode;
  private readonly inner: "float32" | "float64";
  private readonly dtype: DType;

  constructor(node: GraphNode, dtype: DType) {
    this.node = node;
    this.dtype = dtype;
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

  /** The nodes, of which the last has the result's name and type. */
  done(result: string): readonly GraphNode[] {
    const to = this.dtype === this.inner ? undefined : ONNX_DATA_TYPE[this.dtype as "float16"];
    const outputs = [this.node.outputs[0]!];
    return [...this.nodes, { op: to === undefined ? "Identity" : "Cast", inputs: [result], outputs, attributes: to === undefined ? {} : { to } }]; // prettier-ignore
  }
}

/** A number that an attribute holds, in whatever form. */
function numberOf({ attributes }: GraphNode, name: string, otherwise: number): number {
  const value = attributes[name] as number | { readonly value: number } | undefined;
  return typeof value === "object" ? value.value : (value ?? otherwise);
}

/** Results by "Operator" or "domain:Operator"; nothing where this form of it stands for itself. */
const RESULTS: Readonly<Record<string, (d: Definition, node: GraphNode) => string | undefined>> = {
  Gelu: (d, { attributes }) => (attributes["approximate"] === "tanh" ? d.tangentGelu(d.operand(0)) : d.gelu(d.operand(0))), // prettier-ignore
  Swish: (d, node) => d.swish(d.operand(0), numberOf(node, "alpha", 1)),
  SwiGLU: (d, node) => d.one("Mul", d.swish(d.operand(0), numberOf(node, "alpha", 1)), d.operand(1)),
  CausalConvWithState: (d, { attributes: { activation, ...rest } }) => (/silu|swish/.test(String(activation)) ? d.swish(d.without(rest), 1) : undefined), // prettier-ignore
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

/** The nodes that a node is made of; `dtype` is that of its elements. */
export function definitionOf(node: GraphNode, dtype: DType): readonly GraphNode[] | undefined {
  const make = RESULTS[node.domain === undefined ? node.op : `${node.domain}:${node.op}`];
  if (!make || !node.outputs[0]) return undefined;
  const definition = new Definition(node, dtype);
  const result = make(definition, node);
  return result === undefined ? undefined : definition.done(result);
}
