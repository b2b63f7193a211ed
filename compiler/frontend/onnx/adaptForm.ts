/**
 * What an adapter works with: the old node it reads, and the writer of the nodes that take its place. In: a node of
 * some opset version and what is known of its inputs. Out: replacement nodes, in topological order, in the newest
 * ONNX form. Invariant: nodes written here are never adapted again, so adapters write the newest form directly.
 */
import { fail } from "../../diagnostic.ts";
import type { DType, Tensor } from "../../ir/dtype.ts";
import type { Attribute, Graph, OpNode, ValueId } from "../../ir/graph.ts";
import type { Facts } from "./facts.ts";
import { ONNX_DATA_TYPE } from "../../ir/dataType.ts";

/** Writes the newest form of `old` into it. */
export type Adapter = (old: OldNode) => void;

/** An old form: `until` is the first opset version in which it no longer holds. */
export interface OldForm {
  readonly until: number;
  readonly adapt: Adapter;
}

/** Old forms by operator, in ascending order of `until`. Operators of other domains are keyed "domain:op". */
export type FormTable = Readonly<Record<string, readonly OldForm[]>>;

/** For operators that are gone from the newest opset altogether. */
export const EVERY_VERSION = Infinity;

/** What adapters need of the importer. */
export interface AdaptContext {
  readonly facts: Facts;
  /** A new value id like `name`. */
  fresh(name: string): ValueId;
  /** Adds a constant to the graph that the node belongs to. */
  addConstant(id: ValueId, tensor: Tensor): void;
}

/** A node in an old form, together with what an adapter writes in its place. */
export class OldNode {
  readonly node: OpNode;
  readonly facts: Facts;
  readonly replacement: OpNode[] = [];
  private readonly context: AdaptContext;

  constructor(node: OpNode, context: AdaptContext) {
    this.node = node;
    this.facts = context.facts;
    this.context = context;
  }

  get inputs(): readonly ValueId[] {
    return this.node.inputs;
  }

  get version(): number {
    return this.node.version;
  }

  /** A required input. */
  input(position: number): ValueId {
    return this.node.inputs[position] || this.refuse(`input ${position} is missing`);
  }

  /** Whether output `position` is wanted. */
  wants(position: number): boolean {
    return Boolean(this.node.outputs[position]);
  }

  private attribute<K extends Attribute["kind"]>(
    name: string,
    kind: K,
  ): Extract<Attribute, { kind: K }> | undefined {
    const attribute = this.node.attributes.get(name);
    if (attribute === undefined) return undefined;
    if (attribute.kind !== kind) this.refuse(`attribute ${name} is ${attribute.kind}, not ${kind}`);
    return attribute as Extract<Attribute, { kind: K }>;
  }

  int(name: string): number | undefined {
    return this.attribute(name, "int")?.value;
  }
  float(name: string): number | undefined {
    return this.attribute(name, "float")?.value;
  }
  string(name: string): string | undefined {
    return this.attribute(name, "string")?.value;
  }
  ints(name: string): readonly number[] | undefined {
    return this.attribute(name, "ints")?.value;
  }
  floats(name: string): readonly number[] | undefined {
    return this.attribute(name, "floats")?.value;
  }
  strings(name: string): readonly string[] | undefined {
    return this.attribute(name, "strings")?.value;
  }
  graph(name: string): Graph | undefined {
    return this.attribute(name, "graph")?.value;
  }

  /** The node's attributes but for those named. */
  without(...names: readonly string[]): Map<string, Attribute> {
    const rest = new Map(this.node.attributes);
    for (const name of names) rest.delete(name);
    return rest;
  }

  /** Refuses the node as the user's mistake. */
  refuse(message: string): never {
    return fail("attribute-invalid", message, { node: this.node.name, op: this.node.op });
  }

  /** Refuses the node as something that has no newest form. */
  unsupported(message: string, hint?: string): never {
    const { name, op } = this.node;
    return fail("op-unsupported", message, { node: name, op, ...(hint === undefined ? {} : { hint }) });
  }

  /** Adds a helper node of `ai.onnx` and returns its output. */
  add(op: string, inputs: readonly ValueId[], attributes: AttributesLike = {}): ValueId {
    return this.addNode(op, inputs, 1, attributes)[0]!;
  }

  /** Adds a helper node with several outputs. */
  addNode(
    op: string,
    inputs: readonly ValueId[],
    outputs: number,
    attributes: AttributesLike = {},
  ): ValueId[] {
    const name = `${this.node.name}/${op}`;
    const ids = Array.from({ length: outputs }, () => this.context.fresh(name));
    this.push(name, op, inputs, ids, attributes);
    return ids;
  }

  /** Adds the node that gives the old node's outputs (or those named). */
  become(
    op: string,
    inputs: readonly ValueId[],
    attributes: AttributesLike = {},
    outputs: readonly ValueId[] = this.node.outputs,
  ): void {
    this.push(this.node.name, op, inputs, outputs, attributes);
  }

  private push(
    name: string,
    op: string,
    inputs: readonly ValueId[],
    outputs: readonly ValueId[],
    attributes: AttributesLike,
  ): void {
    const domain = "";
    const { version } = this.node;
    // Optional inputs at the end that are not given are left out.
    const given = inputs.slice(0, inputs.findLastIndex((id) => id !== "") + 1);
    const map =
      attributes instanceof Map ? attributes : new Map(Object.entries(attributes).map(attributeEntry));
    const node: OpNode = { name, op, domain, inputs: given, outputs, attributes: map, version };
    this.facts.observe(node);
    this.replacement.push(node);
  }

  /** A new value id, for the subgraphs that an adapter makes. */
  freshId(name: string): ValueId {
    return this.context.fresh(name);
  }

  constant(tensor: Tensor): ValueId {
    const id = this.context.fresh(`${this.node.name}/constant`);
    this.context.addConstant(id, tensor);
    return id;
  }

  /** int64 numbers: 1-D, or a scalar for a plain number. What lies outside the range of int64 is clamped. */
  integers(values: readonly number[] | number): ValueId {
    const list = typeof values === "number" ? [values] : values;
    const shape = typeof values === "number" ? [] : [list.length];
    return this.constant({ dtype: "int64", shape, data: BigInt64Array.from(list, clampToInt64) });
  }

  /** Floats (1-D, or a scalar for a plain number) in the dtype of `like`. */
  floatsLike(values: readonly number[] | number, like: ValueId): ValueId {
    const list = typeof values === "number" ? [values] : values;
    const shape = typeof values === "number" ? [] : [list.length];
    const dtype = this.facts.dtype(like);
    if (dtype === "float64") return this.constant({ dtype, shape, data: Float64Array.from(list) });
    const id = this.constant({ dtype: "float32", shape, data: Float32Array.from(list) });
    if (dtype === "float32") return id;
    return dtype === undefined ? this.add("CastLike", [id, like]) : this.cast(id, dtype);
  }

  cast(id: ValueId, dtype: DType): ValueId {
    return this.add("Cast", [id], { to: ONNX_DATA_TYPE[dtype] });
  }

  /** The rank of a value as an int64 scalar, whatever is known of it. */
  rankValue(id: ValueId): ValueId {
    const rank = this.facts.rank(id);
    return rank === undefined ? this.add("Size", [this.add("Shape", [id])]) : this.integers(rank);
  }
}

/** Attributes as adapters write them: numbers are ints unless wrapped in `{ float }`. */
export type AttributesLike =
  | ReadonlyMap<string, Attribute>
  | Readonly<Record<string, number | string | readonly number[] | { readonly float: number } | Attribute>>;

function attributeEntry([name, value]: [
  string,
  number | string | readonly number[] | { readonly float: number } | Attribute,
]): [string, Attribute] {
  if (typeof value === "number") return [name, { kind: "int", value }];
  if (typeof value === "string") return [name, { kind: "string", value }];
  if ("kind" in value) return [name, value];
  if ("float" in value) return [name, { kind: "float", value: value.float }];
  return [name, { kind: "ints", value }];
}

function clampToInt64(value: number): bigint {
  if (value >= 2 ** 63) return 2n ** 63n - 1n;
  if (value <= -(2 ** 63)) return -(2n ** 63n);
  return BigInt(Math.trunc(value));
}
