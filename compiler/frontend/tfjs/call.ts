/**
 * One TF node while it is turned into nodes of the Graph IR. In: the node, its inputs as values of the graph being
 * written, and what is constant among them. Out: typed parameters by the names of the converter's mapping, and nodes
 * of ai.onnx. Invariant: whatever an operator needs to know at compile time and does not is an error that names it.
 */
import { fail } from "../../diagnostic.ts";
import { typeNumber } from "../../ir/dataType.ts";
import { elementCount, type DType, type NumericData, type Tensor } from "../../ir/dtype.ts";
import type { Attribute, Graph, ValueId } from "../../ir/graph.ts";
import { computedType, type TfNode } from "./model.ts";
import { parametersOf, type Parameters } from "./parameters.ts";

/** Where nodes are written. */
export interface Writer {
  node(
    op: string,
    inputs: readonly ValueId[],
    attributes: Attributes,
    outputs: readonly ValueId[],
    domain: string,
  ): void;
  constant(tensor: Tensor): ValueId;
  fresh(hint: string): ValueId;
}

/** Attributes as JavaScript says them: integers as numbers; floats in a `float`. */
export type AttributeValue = number | string | readonly number[] | { readonly float: number } | Tensor | Graph | { readonly strings: readonly string[] }; // prettier-ignore
export type Attributes = Readonly<Record<string, AttributeValue>>;

export type TfType = DType | "complex64";

export function attributesOf(given: Attributes): Map<string, Attribute> {
  return new Map(Object.entries(given).map(([name, value]) => [name, attributeOf(value)]));
}

function attributeOf(value: AttributeValue): Attribute {
  if (typeof value === "number") return { kind: "int", value };
  if (typeof value === "string") return { kind: "string", value };
  if ("nodes" in value) return { kind: "graph", value };
  if ("dtype" in value) return { kind: "tensor", value };
  if ("float" in value) return { kind: "float", value: value.float };
  if ("strings" in value) return { kind: "strings", value: value.strings };
  return { kind: "ints", value };
}

/** What is known of values while a model is imported. */
export interface Constants {
  value(id: ValueId): Tensor | undefined;
  /** Also of weights whose elements are computed while the program loads. */
  shape(id: ValueId): readonly number[] | undefined;
}

export class Call {
  readonly node: TfNode;
  private readonly inputs: readonly ValueId[];
  private readonly parameters: Parameters;
  private readonly writer: Writer;
  private readonly constants: Constants;

  constructor(node: TfNode, inputs: readonly ValueId[], writer: Writer, constants: Constants) {
    this.node = node;
    this.inputs = inputs;
    this.parameters = parametersOf(node.op);
    this.writer = writer;
    this.constants = constants;
  }

  // -------------------------------------------------------------------------------------------------------------
  // Parameters

  get count(): number {
    return this.inputs.length;
  }

  /** The value of an input, by its name in the mapping. */
  input(name: string): ValueId {
    return this.optional(name) ?? this.fail("graph-invalid", `input ${name} is missing`);
  }

  optional(name: string): ValueId | undefined {
    const parameter = this.parameters.inputs.get(name);
    if (!parameter) return undefined;
    return this.inputs.at(parameter.start);
  }

  /** All values of an input that is a list. */
  all(name: string): readonly ValueId[] {
    const parameter = this.parameters.inputs.get(name);
    if (!parameter) return [];
    const { start, end = 0 } = parameter;
    return this.inputs.slice(start, end > 0 ? end : this.inputs.length + end);
  }

  /** The tensor of an input that must be known now. */
  known(name: string): Tensor {
    return (
      this.knownOrNot(name) ??
      this.fail(
        "value-needed",
        `input ${name} must be a constant of the model here`,
        "freeze the graph before converting it",
      )
    );
  }

  /** The shape of an input that must be a weight. */
  shape(name: string): readonly number[] {
    return (
      this.constants.shape(this.input(name)) ??
      this.fail(
        "value-needed",
        `input ${name} must be a weight of the model here`,
        "freeze the graph before converting it",
      )
    );
  }

  knownOrNot(name: string): Tensor | undefined {
    const id = this.optional(name);
    return id === undefined ? undefined : this.constants.value(id);
  }

  /** A number: from an input that is constant, or else from the attribute of that name. */
  number(name: string, otherwise?: number): number {
    if (this.parameters.inputs.has(name) && this.optional(name) !== undefined)
      return Number((this.known(name).data as NumericData)[0]);
    const value = this.attribute(name) ?? otherwise;
    return typeof value === "number"
      ? value
      : this.fail("attribute-invalid", `attribute ${name} should be a number`);
  }

  /** The number at a position, for an input that the mapping has no name for. */
  numberAt(position: number): number {
    const id = this.inputs[position];
    const tensor = id === undefined ? undefined : this.constants.value(id);
    if (!tensor) return this.fail("value-needed", `input ${position} must be a constant of the model here`);
    return Number((tensor.data as NumericData)[0]);
  }

  numbers(name: string, otherwise?: readonly number[]): readonly number[] {
    if (this.parameters.inputs.has(name) && this.optional(name) !== undefined)
      return Array.from(this.known(name).data as NumericData, Number);
    const value = this.attribute(name) ?? otherwise;
    return Array.isArray(value)
      ? value
      : this.fail("attribute-invalid", `attribute ${name} should be a list of numbers`);
  }

  boolean(name: string): boolean {
    return this.attribute(name) === true;
  }

  string(name: string, otherwise?: string): string {
    const value = this.attribute(name) ?? otherwise;
    return typeof value === "string"
      ? value
      : this.fail("attribute-invalid", `attribute ${name} should be a string`);
  }

  strings(name: string): readonly string[] {
    const value = this.attribute(name);
    return Array.isArray(value) ? value.map(String) : [];
  }

  /** The type in which TF.js computes what the attribute says; float32 where there is none. */
  type(name: string): TfType {
    const { tfName } = this.parameters.attributes.get(name) ?? { tfName: name };
    const attribute = this.node.attributes.get(tfName);
    if (attribute?.kind !== "type") return "float32";
    return (
      computedType(attribute.value) ??
      this.fail("dtype-unsupported", `element type ${attribute.value} is not supported`)
    );
  }

  /** Whether the operands are integers, by the attribute that TF puts on most nodes. */
  get ofIntegers(): boolean {
    return this.node.attributes.has("T") && this.type("T") === "int32";
  }

  private attribute(name: string): unknown {
    const parameter = this.parameters.attributes.get(name);
    const attribute = this.node.attributes.get(parameter?.tfName ?? name);
    if (!attribute || attribute.kind === "other") return parameter?.defaultValue;
    return attribute.value;
  }

  fail(
    code:
      | "graph-invalid"
      | "value-needed"
      | "attribute-invalid"
      | "dtype-unsupported"
      | "op-unsupported"
      | "shape-mismatch",
    message: string,
    hint?: string,
  ): never {
    return fail(code, message, { node: this.node.name, op: this.node.op, ...(hint ? { hint } : {}) });
  }

  // -------------------------------------------------------------------------------------------------------------
  // Nodes

  /** A node with one output. */
  emit(op: string, inputs: readonly ValueId[], attributes: Attributes = {}, domain = ""): ValueId {
    return this.emitAll(op, inputs, attributes, 1, domain)[0]!;
  }

  emitAll(
    op: string,
    inputs: readonly ValueId[],
    attributes: Attributes,
    outputs: number,
    domain = "",
  ): ValueId[] {
    const ids = Array.from({ length: outputs }, () => this.writer.fresh(this.node.name));
    this.writer.node(op, inputs, attributes, ids, domain);
    return ids;
  }

  constant(tensor: Tensor): ValueId {
    return this.writer.constant(tensor);
  }

  /** A list of int64, as ai.onnx takes shapes and axes. */
  ints(values: readonly number[]): ValueId {
    const data = BigInt64Array.from(values, (value) => BigInt(value));
    return this.constant({ dtype: "int64", shape: [values.length], data });
  }

  int(value: number): ValueId {
    return this.constant({ dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(value)) });
  }

  /** A scalar of the type of the operands. */
  scalar(value: number, type: TfType = "float32"): ValueId {
    if (type === "int32") return this.constant({ dtype: "int32", shape: [], data: Int32Array.of(value) });
    if (type === "bool") return this.constant({ dtype: "bool", shape: [], data: Uint8Array.of(value) });
    return this.constant({ dtype: "float32", shape: [], data: Float32Array.of(value) });
  }

  cast(id: ValueId, dtype: DType): ValueId {
    return this.emit("Cast", [id], { to: typeNumber(dtype) });
  }

  /** An input as a list of int64, of one element where it is a scalar. */
  intsOf(name: string): ValueId {
    const known = this.knownOrNot(name);
    if (known) return this.ints(Array.from(known.data as NumericData, Number));
    return this.emit("Reshape", [this.cast(this.input(name), "int64"), this.ints([-1])]);
  }

  /** An int64 scalar made of an input. */
  intOf(name: string): ValueId {
    const known = this.knownOrNot(name);
    if (known && elementCount(known.shape) === 1) return this.int(Number((known.data as NumericData)[0]));
    return this.cast(this.input(name), "int64");
  }
}
