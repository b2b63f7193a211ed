/**
 * From a TF.js `model.json` to plain objects. In: JSON of unknown origin and a reader for the weight files beside it.
 * Out: a GraphModel: nodes by name, the bodies of functions, weights as tensors, and the names that users know its
 * inputs and outputs by. Invariant: only the form is checked here (fields, sizes against data); what the graph means
 * is `import.ts`. Source: tensorflow/core/framework/{graph,node_def,attr_value,function}.proto in their JSON form,
 * and the "graph-model" format of TensorFlow.js.
 */
import { fail } from "../../diagnostic.ts";
import type { DType } from "../../ir/dtype.ts";
import { attributeOf, type TfAttribute } from "./attribute.ts";
import { list, name, object, optional, type Json } from "./json.ts";
import { readWeights, type TfWeight } from "./weights.ts";

export interface TfNode {
  readonly name: string;
  readonly op: string;
  /** `node`, `node:1` for a further output, `^node` for one that must only have run. */
  readonly inputs: readonly string[];
  readonly attributes: ReadonlyMap<string, TfAttribute>;
}

export interface TfFunction {
  readonly name: string;
  /** Names of the parameters, in order. */
  readonly inputs: readonly string[];
  /** For each result its name and the value inside that it is. */
  readonly outputs: readonly (readonly [name: string, ref: string])[];
  readonly nodes: ReadonlyMap<string, TfNode>;
}

/** An input or output as the model's signature tells it. */
export interface TfPort {
  readonly name: string;
  /** The node, or `node:1`. */
  readonly ref: string;
  readonly dtype: string | undefined;
  /** Undefined where even the rank is unknown; -1 is any extent. */
  readonly shape: readonly number[] | undefined;
}

export interface GraphModel {
  readonly name: string;
  readonly nodes: ReadonlyMap<string, TfNode>;
  readonly functions: ReadonlyMap<string, TfFunction>;
  readonly weights: ReadonlyMap<string, TfWeight>;
  /** As the signature has them; undefined where there is none. */
  readonly inputs: readonly TfPort[] | undefined;
  readonly outputs: readonly TfPort[] | undefined;
  /** Nodes that fill hash tables before the first run. */
  readonly initializer: ReadonlyMap<string, TfNode>;
}

/** Gives the bytes of a file beside the model, by its path relative to it. */
export type FileBeside = (location: string) => Uint8Array | undefined;

/**
 * Reads a GraphModel.
 *
 * @param bytes the content of `model.json`
 * @param fileBeside gives the weight files that the manifest names
 * @throws CompileError `model-malformed`, `external-data-missing`, `dtype-unsupported`
 * @example const model = readGraphModel(bytes, (location) => files.get(location));
 */
export function readGraphModel(bytes: Uint8Array, fileBeside: FileBeside): GraphModel {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return fail("model-malformed", `the file begins like JSON and is not: ${reason}`);
  }
  const root = object(parsed, "model.json");
  const { modelTopology, format, weightsManifest, signature, modelInitializer } = root;
  if (
    format === "layers-model" ||
    (modelTopology && "model_config" in object(modelTopology, "modelTopology"))
  )
    fail("model-malformed", "this is a TF.js layers model, which holds Keras layers and no graph", {
      hint: "convert it: tensorflowjs_converter --input_format=tfjs_layers_model --output_format=tfjs_graph_model",
    });
  if (modelTopology === undefined)
    fail("model-malformed", "the JSON holds no modelTopology: it is no TF.js model", {
      hint: "give the model.json that the TF.js converter wrote, or an .onnx file",
    });
  const topology = object(modelTopology, "modelTopology");
  const nodes = readNodes(topology["node"], "modelTopology.node");
  const functions = readFunctions(topology["library"]);
  const initializer = modelInitializer === undefined
    ? new Map<string, TfNode>()
    : readNodes(object(modelInitializer, "modelInitializer")["node"], "modelInitializer.node"); // prettier-ignore
  const weights = weightsManifest === undefined ? new Map() : readWeights(weightsManifest, fileBeside);
  const about = signature === undefined ? {} : object(signature, "signature");
  return {
    name: "graph-model",
    nodes,
    functions,
    weights,
    inputs: optional(about["inputs"], (ports) => readPorts(ports, "signature.inputs")),
    outputs: optional(about["outputs"], (ports) => readPorts(ports, "signature.outputs")),
    initializer,
  };
}

function readNodes(given: unknown, path: string): Map<string, TfNode> {
  const nodes = new Map<string, TfNode>();
  for (const [i, item] of list(given ?? [], path).entries()) {
    const node = readNode(item, `${path}[${i}]`);
    if (nodes.has(node.name))
      fail("graph-invalid", `two nodes have the name ${node.name}`, { node: node.name, op: node.op });
    nodes.set(node.name, node);
  }
  return nodes;
}

function readNode(item: unknown, path: string): TfNode {
  const node = object(item, path);
  const attributes = new Map<string, TfAttribute>();
  const own = name(node["name"], `${path}.name`);
  for (const [key, value] of Object.entries(
    node["attr"] === undefined ? {} : object(node["attr"], `${path}.attr`),
  ))
    attributes.set(key, attributeOf(value, `${path}.attr.${key}`));
  return {
    name: own,
    op: name(node["op"], `${path}.op`),
    inputs: list(node["input"] ?? [], `${path}.input`).map((ref, i) => name(ref, `${path}.input[${i}]`)),
    attributes,
  };
}

function readFunctions(library: unknown): Map<string, TfFunction> {
  const functions = new Map<string, TfFunction>();
  if (library === undefined) return functions;
  const given = list(
    object(library, "modelTopology.library")["function"] ?? [],
    "modelTopology.library.function",
  );
  for (const [i, item] of given.entries()) {
    const path = `modelTopology.library.function[${i}]`;
    const { signature, nodeDef, ret } = object(item, path);
    const about = object(signature, `${path}.signature`);
    const own = name(about["name"], `${path}.signature.name`);
    const argumentsOf = (key: string): string[] =>
      list(about[key] ?? [], `${path}.signature.${key}`).map((argument, k) =>
        name(object(argument, `${path}.${key}[${k}]`)["name"], `${path}.${key}[${k}].name`),
      );
    const results = object(ret ?? {}, `${path}.ret`);
    functions.set(own, {
      name: own,
      inputs: argumentsOf("inputArg"),
      outputs: argumentsOf("outputArg").map((result) => [
        result,
        name(results[result], `${path}.ret.${result}`),
      ]),
      nodes: readNodes(nodeDef, `${path}.nodeDef`),
    });
  }
  return functions;
}

function readPorts(given: unknown, path: string): TfPort[] {
  return Object.entries(object(given, path)).map(([key, value]) => {
    const port = object(value, `${path}.${key}`);
    const { dtype, tensorShape } = port;
    return {
      name: withoutIndex(key),
      ref: name(port["name"] ?? key, `${path}.${key}.name`),
      dtype: typeof dtype === "string" ? dtype : undefined,
      shape: optional(tensorShape, (shape) => shapeOf(shape, `${path}.${key}.tensorShape`)),
    };
  });
}

/** TF names a node's first output `node:0`. */
export function withoutIndex(ref: string): string {
  return ref.endsWith(":0") ? ref.slice(0, -2) : ref;
}

/** Extents of a TensorShapeProto; undefined where the rank is unknown. */
export function shapeOf(given: Json, path: string): readonly number[] | undefined {
  const { dim, unknownRank } = object(given, path);
  if (unknownRank === true) return undefined;
  return list(dim ?? [], `${path}.dim`).map((item, i) => {
    const extent = Number(object(item, `${path}.dim[${i}]`)["size"] ?? 0);
    if (!Number.isSafeInteger(extent) || extent < -1)
      fail("model-malformed", `${path}.dim[${i}] should be an extent`);
    return extent;
  });
}

const floats = ["DT_FLOAT", "DT_HALF", "DT_DOUBLE", "DT_BFLOAT16", "1", "19", "2", "14"];
const integers = ["DT_INT32", "DT_INT64", "DT_INT16", "DT_INT8", "DT_UINT8", "DT_UINT16", "DT_UINT32", "3", "9", "5", "6", "4", "17", "22"]; // prettier-ignore

/**
 * The element type in which TF.js computes what a graph declares as `type`: it has float32, int32, bool, string and
 * complex64 ("complex64" is ours for pairs of float32). Undefined for handles, lists and what it does not know.
 */
export function computedType(type: string): DType | "complex64" | undefined {
  if (floats.includes(type)) return "float32";
  if (integers.includes(type)) return "int32";
  if (type === "DT_BOOL" || type === "10") return "bool";
  if (type === "DT_STRING" || type === "7") return "string";
  if (type === "DT_COMPLEX64" || type === "8") return "complex64";
  return undefined;
}

/** As {@link computedType}, but the narrow types in which a caller hands over pixels stay. */
export function portType(type: string): DType | undefined {
  if (type === "DT_UINT8" || type === "4") return "uint8";
  if (type === "DT_INT8" || type === "6") return "int8";
  const computed = computedType(type);
  return computed === "complex64" ? undefined : computed;
}
