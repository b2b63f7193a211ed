/**
 * From the bytes of an ONNX file to plain objects. In: a protobuf `ModelProto` of unknown origin. Out: an
 * OnnxModel that mirrors the file: names as written, nodes in file order, weights as views of the input bytes.
 * Invariant: only the form is checked here (wire, sizes against data, attribute kinds); what the model means,
 * and whether its names resolve, is `import.ts`. Source: onnx.proto, ONNX IR specification.
 */
import { fail } from "../../diagnostic.ts";
import type { Tensor } from "../../ir/dtype.ts";
import { ATTRIBUTE_TYPE, FIELD } from "./fields.ts";
import {
  readEntry,
  readSparseTensorField,
  readTensorField,
  TensorContext,
  type ExternalData,
  type NamedTensor,
} from "./tensor.ts";
import { readType, type OnnxType } from "./valueType.ts";
import { WireReader, type Fields } from "./wire.ts";

export type { OnnxType } from "./valueType.ts";

export interface OnnxValue {
  readonly name: string;
  readonly type: OnnxType;
}

export type OnnxAttribute =
  | { readonly kind: "int"; readonly value: bigint }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "tensor"; readonly value: Tensor }
  | { readonly kind: "graph"; readonly value: OnnxGraph }
  | { readonly kind: "type"; readonly value: OnnxType }
  | { readonly kind: "ints"; readonly value: readonly bigint[] }
  | { readonly kind: "floats"; readonly value: readonly number[] }
  | { readonly kind: "strings"; readonly value: readonly string[] }
  | { readonly kind: "tensors"; readonly value: readonly Tensor[] }
  | { readonly kind: "graphs"; readonly value: readonly OnnxGraph[] }
  | { readonly kind: "types"; readonly value: readonly OnnxType[] }
  /** Inside a function: the attribute of this name of the calling node. */
  | { readonly kind: "reference"; readonly attribute: string };

export interface OnnxNode {
  /** "" when the file gives none. */
  readonly name: string;
  readonly op: string;
  /** "" for ai.onnx. */
  readonly domain: string;
  readonly overload: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
}

export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** Weights, dense; sparse ones were expanded. */
  readonly initializers: readonly NamedTensor[];
  /** Declared types of inner values. */
  readonly values: readonly OnnxValue[];
}

export interface OnnxFunction {
  readonly domain: string;
  readonly name: string;
  readonly overload: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Attributes without a default. */
  readonly attributes: readonly string[];
  readonly attributeDefaults: ReadonlyMap<string, OnnxAttribute>;
  readonly nodes: readonly OnnxNode[];
  readonly opsetImports: ReadonlyMap<string, number>;
}

export interface OnnxModel {
  readonly irVersion: number;
  readonly producerName: string;
  readonly producerVersion: string;
  readonly domain: string;
  readonly modelVersion: number;
  /** Version of each operator set, by domain; "" is ai.onnx. */
  readonly opsetImports: ReadonlyMap<string, number>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly graph: OnnxGraph;
  readonly functions: readonly OnnxFunction[];
}

export interface ReadOptions {
  /** Gives the bytes of a weights file beside the model, by its path relative to the model. */
  readonly externalData?: ExternalData;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * Reads an ONNX model. Takes time linear in the file's length; weights stay views of `bytes` where their
 * alignment allows.
 *
 * @example const model = readModel(bytes, { externalData: (location) => files.get(location) });
 * @throws CompileError `model-malformed`, `model-too-large`, `dtype-unsupported`, `external-data-missing`
 */
export function readModel(bytes: Uint8Array, options: ReadOptions = {}): OnnxModel {
  const context = new TensorContext(options.externalData);
  const graphFields = graphFieldsFor(context);
  let graph: OnnxGraph | undefined;
  const functions: OnnxFunction[] = [];
  const opsetImports = new Map<string, number>();
  const metadata = new Map<string, string>();
  const head = { irVersion: 0, producerName: "", producerVersion: "", domain: "", modelVersion: 0 };
  const fields: Fields<typeof head> = {
    [FIELD.model.irVersion]: (wire, model) => (model.irVersion = wire.int()),
    [FIELD.model.producerName]: (wire, model) => (model.producerName = wire.string()),
    [FIELD.model.producerVersion]: (wire, model) => (model.producerVersion = wire.string()),
    [FIELD.model.domain]: (wire, model) => (model.domain = wire.string()),
    [FIELD.model.modelVersion]: (wire, model) => (model.modelVersion = wire.int()),
    [FIELD.model.graph]: (wire) => (graph = wire.message(graphFields, emptyGraph())),
    [FIELD.model.opsetImport]: (wire) => readOpset(wire, opsetImports),
    [FIELD.model.metadata]: (wire) => readEntry(wire, metadata),
    [FIELD.model.functions]: (wire) => functions.push(readFunction(wire, context)),
  };
  new WireReader(bytes).read(fields, head);
  if (graph === undefined) {
    return fail("model-malformed", "the file holds no graph: it is empty or no ONNX model", {
      hint: "give the .onnx file itself",
    });
  }
  context.finish();
  return { ...head, opsetImports, metadata, graph, functions };
}

/** "ai.onnx" is the long name of the default domain. */
function domainOf(written: string): string {
  return written === "ai.onnx" ? "" : written;
}

const opsetFields: Fields<{ domain: string; version: number }> = {
  [FIELD.opset.domain]: (wire, opset) => (opset.domain = domainOf(wire.string())),
  [FIELD.opset.version]: (wire, opset) => (opset.version = wire.int()),
};

function readOpset(wire: WireReader, into: Map<string, number>): void {
  const { domain, version } = wire.message(opsetFields, { domain: "", version: 0 });
  // A model that was merged carelessly imports a domain twice; the newer one can hold both halves' operators.
  into.set(domain, Math.max(version, into.get(domain) ?? 0));
}

interface GraphBeingRead extends OnnxGraph {
  name: string;
  readonly nodes: OnnxNode[];
  readonly inputs: OnnxValue[];
  readonly outputs: OnnxValue[];
  readonly initializers: NamedTensor[];
  readonly values: OnnxValue[];
}

function emptyGraph(): GraphBeingRead {
  return { name: "", nodes: [], inputs: [], outputs: [], initializers: [], values: [] };
}

function graphFieldsFor(context: TensorContext): Fields<GraphBeingRead> {
  const attributeFields = attributeFieldsFor(context, () => fields);
  const fields: Fields<GraphBeingRead> = {
    [FIELD.graph.node]: (wire, graph) => graph.nodes.push(readNode(wire, attributeFields)),
    [FIELD.graph.name]: (wire, graph) => (graph.name = wire.string()),
    [FIELD.graph.initializer]: (wire, graph) => graph.initializers.push(readTensorField(wire, context)),
    [FIELD.graph.input]: (wire, graph) => graph.inputs.push(readValue(wire)),
    [FIELD.graph.output]: (wire, graph) => graph.outputs.push(readValue(wire)),
    [FIELD.graph.valueInfo]: (wire, graph) => graph.values.push(readValue(wire)),
    [FIELD.graph.sparseInitializer]: (wire, graph) =>
      graph.initializers.push(readSparseTensorField(wire, context)),
  };
  return fields;
}

interface NodeBeingRead extends Mutable<OnnxNode> {
  readonly inputs: string[];
  readonly outputs: string[];
  readonly attributes: Map<string, OnnxAttribute>;
}

const nodeFields: Fields<NodeBeingRead> = {
  [FIELD.node.input]: (wire, node) => node.inputs.push(wire.string()),
  [FIELD.node.output]: (wire, node) => node.outputs.push(wire.string()),
  [FIELD.node.name]: (wire, node) => (node.name = wire.string()),
  [FIELD.node.opType]: (wire, node) => (node.op = wire.string()),
  [FIELD.node.domain]: (wire, node) => (node.domain = domainOf(wire.string())),
  [FIELD.node.overload]: (wire, node) => (node.overload = wire.string()),
};

function readNode(wire: WireReader, attributeFields: Fields<AttributeBeingRead>): OnnxNode {
  return wire.message(
    {
      ...nodeFields,
      [FIELD.node.attribute]: (inner, node) => {
        const [name, attribute] = readAttribute(inner, attributeFields);
        node.attributes.set(name, attribute);
      },
    } satisfies Fields<NodeBeingRead>,
    { name: "", op: "", domain: "", overload: "", inputs: [], outputs: [], attributes: new Map() },
  );
}

/** An `AttributeProto` as its fields came; its type field, which may come last, tells which of them counts. */
interface AttributeBeingRead {
  name: string;
  type: number;
  reference: string;
  float?: number;
  int?: bigint;
  string?: string;
  tensor?: Tensor;
  graph?: OnnxGraph;
  typeValue?: OnnxType;
  readonly floats: number[];
  readonly ints: bigint[];
  readonly strings: string[];
  readonly tensors: Tensor[];
  readonly graphs: OnnxGraph[];
  readonly types: OnnxType[];
}

function attributeFieldsFor(
  context: TensorContext,
  graphFields: () => Fields<GraphBeingRead>,
): Fields<AttributeBeingRead> {
  const field = FIELD.attribute;
  return {
    [field.name]: (wire, attribute) => (attribute.name = wire.string()),
    [field.float]: (wire, attribute) => (attribute.float = wire.float()),
    [field.int]: (wire, attribute) => (attribute.int = wire.int64()),
    [field.string]: (wire, attribute) => (attribute.string = wire.string()),
    [field.tensorValue]: (wire, attribute) => (attribute.tensor = readTensorField(wire, context).tensor),
    [field.graphValue]: (wire, attribute) => (attribute.graph = wire.message(graphFields(), emptyGraph())),
    [field.floats]: (wire, attribute) => wire.floats(attribute.floats),
    [field.ints]: (wire, attribute) => wire.int64s(attribute.ints),
    [field.strings]: (wire, attribute) => attribute.strings.push(wire.string()),
    [field.tensors]: (wire, attribute) => attribute.tensors.push(readTensorField(wire, context).tensor),
    [field.graphs]: (wire, attribute) => attribute.graphs.push(wire.message(graphFields(), emptyGraph())),
    [field.typeValue]: (wire, attribute) => (attribute.typeValue = readType(wire)),
    [field.types]: (wire, attribute) => attribute.types.push(readType(wire)),
    [field.type]: (wire, attribute) => (attribute.type = wire.int()),
    [field.reference]: (wire, attribute) => (attribute.reference = wire.string()),
    [field.sparseTensor]: (wire, attribute) =>
      (attribute.tensor = readSparseTensorField(wire, context).tensor),
    [field.sparseTensors]: (wire, attribute) =>
      attribute.tensors.push(readSparseTensorField(wire, context).tensor),
  };
}

function readAttribute(wire: WireReader, fields: Fields<AttributeBeingRead>): [string, OnnxAttribute] {
  const read = wire.message(fields, {
    name: "",
    type: 0,
    reference: "",
    floats: [],
    ints: [],
    strings: [],
    tensors: [],
    graphs: [],
    types: [],
  });
  return [read.name, attributeOf(read)];
}

function attributeOf(read: AttributeBeingRead): OnnxAttribute {
  if (read.reference !== "") return { kind: "reference", attribute: read.reference };
  const lacks = (kind: string): never =>
    fail("model-malformed", `attribute "${read.name}" is declared as ${kind} and holds none`);
  // Writers of the proto3 form leave out zeros and empty strings, hence the defaults of scalars.
  switch (read.type || typeFromFields(read)) {
    case ATTRIBUTE_TYPE.float:
      return { kind: "float", value: read.float ?? 0 };
    case ATTRIBUTE_TYPE.int:
      return { kind: "int", value: read.int ?? 0n };
    case ATTRIBUTE_TYPE.string:
      return { kind: "string", value: read.string ?? "" };
    case ATTRIBUTE_TYPE.tensorValue:
    case ATTRIBUTE_TYPE.sparseTensor:
      return { kind: "tensor", value: read.tensor ?? lacks("a tensor") };
    case ATTRIBUTE_TYPE.graphValue:
      return { kind: "graph", value: read.graph ?? lacks("a graph") };
    case ATTRIBUTE_TYPE.typeValue:
      return { kind: "type", value: read.typeValue ?? lacks("a type") };
    case ATTRIBUTE_TYPE.floats:
      return { kind: "floats", value: read.floats };
    case ATTRIBUTE_TYPE.ints:
      return { kind: "ints", value: read.ints };
    case ATTRIBUTE_TYPE.strings:
      return { kind: "strings", value: read.strings };
    case ATTRIBUTE_TYPE.tensors:
    case ATTRIBUTE_TYPE.sparseTensors:
      return { kind: "tensors", value: read.tensors };
    case ATTRIBUTE_TYPE.graphs:
      return { kind: "graphs", value: read.graphs };
    case ATTRIBUTE_TYPE.types:
      return { kind: "types", value: read.types };
    default:
      return fail("model-malformed", `attribute "${read.name}" has the unknown type ${read.type}`);
  }
}

/** IR version 1 had no type field: whichever field is filled counts; none at all reads as an empty list. */
function typeFromFields(read: AttributeBeingRead): number {
  if (read.float !== undefined) return ATTRIBUTE_TYPE.float;
  if (read.int !== undefined) return ATTRIBUTE_TYPE.int;
  if (read.string !== undefined) return ATTRIBUTE_TYPE.string;
  if (read.tensor !== undefined) return ATTRIBUTE_TYPE.tensorValue;
  if (read.graph !== undefined) return ATTRIBUTE_TYPE.graphValue;
  if (read.typeValue !== undefined) return ATTRIBUTE_TYPE.typeValue;
  if (read.floats.length > 0) return ATTRIBUTE_TYPE.floats;
  if (read.strings.length > 0) return ATTRIBUTE_TYPE.strings;
  if (read.tensors.length > 0) return ATTRIBUTE_TYPE.tensors;
  if (read.graphs.length > 0) return ATTRIBUTE_TYPE.graphs;
  if (read.types.length > 0) return ATTRIBUTE_TYPE.types;
  return ATTRIBUTE_TYPE.ints;
}

function readValue(wire: WireReader): OnnxValue {
  const fields: Fields<Mutable<OnnxValue>> = {
    [FIELD.value.name]: (inner, value) => (value.name = inner.string()),
    [FIELD.value.type]: (inner, value) => (value.type = readType(inner)),
  };
  return wire.message(fields, { name: "", type: { kind: "unknown" } });
}

function readFunction(wire: WireReader, context: TensorContext): OnnxFunction {
  const attributeFields = attributeFieldsFor(context, () => graphFieldsFor(context));
  const fn = {
    domain: "",
    name: "",
    overload: "",
    inputs: [] as string[],
    outputs: [] as string[],
    attributes: [] as string[],
    attributeDefaults: new Map<string, OnnxAttribute>(),
    nodes: [] as OnnxNode[],
    opsetImports: new Map<string, number>(),
  };
  const field = FIELD.function;
  const fields: Fields<typeof fn> = {
    [field.name]: (inner, target) => (target.name = inner.string()),
    [field.input]: (inner, target) => target.inputs.push(inner.string()),
    [field.output]: (inner, target) => target.outputs.push(inner.string()),
    [field.attribute]: (inner, target) => target.attributes.push(inner.string()),
    [field.node]: (inner, target) => target.nodes.push(readNode(inner, attributeFields)),
    [field.opsetImport]: (inner, target) => readOpset(inner, target.opsetImports),
    [field.domain]: (inner, target) => (target.domain = domainOf(inner.string())),
    [field.attributeDefault]: (inner, target) => {
      const [name, attribute] = readAttribute(inner, attributeFields);
      target.attributeDefaults.set(name, attribute);
    },
    [field.overload]: (inner, target) => (target.overload = inner.string()),
  };
  return wire.message(fields, fn);
}
