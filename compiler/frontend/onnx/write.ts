/**
 * A builder over the ONNX writer, for the sample model, tests, model generators and the fuzzer. In: calls that
 * name inputs, weights, nodes and outputs in the order of the graph. Out: an `OnnxModelSpec` or the bytes of an
 * ONNX file. Values are their names (plain strings), so a builder can be mixed with hand-written specs.
 * Invariant: every name that the builder makes up is unique in the whole model, subgraphs included.
 *
 *   const b = onnxModel("tiny", { opset: 18 });
 *   const x = b.input("x", "float32", ["batch", 4]);
 *   const w = b.initializer("float32", [4, 2], weights);
 *   const y = b.node("MatMul", [x, w]);
 *   b.output(b.node("LeakyRelu", [y], { alpha: 0.1 }), "float32", ["batch", 2], "y");
 *   const bytes = b.toBytes();
 */

import { encodeModel } from "./encode.ts";
import {
  tensor,
  type OnnxAttributeSpec,
  type OnnxDataType,
  type OnnxDim,
  type OnnxFunctionSpec,
  type OnnxGraphSpec,
  type OnnxModelSpec,
  type OnnxNodeSpec,
  type OnnxPlainAttributeKind,
  type OnnxTensorSpec,
  type OnnxTensorValues,
  type OnnxTypeSpec,
  type OnnxValueSpec,
} from "./modelSpec.ts";

export { encodeModel as writeModel, encodeTensor as writeTensor } from "./encode.ts";
export * from "./modelSpec.ts";

/** An attribute as a caller writes it; see `attributeOf` for how its ONNX type is chosen. */
export type OnnxAttributeValue =
  | number
  | bigint
  | boolean
  | string
  | readonly (number | bigint)[]
  | readonly string[]
  | OnnxTensorSpec
  | OnnxGraphSpec
  | OnnxAttributeSpec;

export type OnnxAttributes = Readonly<Record<string, OnnxAttributeValue | undefined>>;

export interface OnnxNodeOptions {
  readonly domain?: string;
  readonly overload?: string;
  /** The node's name; made up from the op when absent. */
  readonly name?: string;
}

/** Adds nodes: all that a function body may do. */
export interface OnnxNodeBuilder {
  /** Adds a node with one output and returns the output's name. `undefined` or "" is an absent input. */
  node(
    opType: string,
    inputs: readonly (string | undefined)[],
    attributes?: OnnxAttributes,
    options?: OnnxNodeOptions & { readonly output?: string },
  ): string;
  /** Adds a node with several outputs: a count, or their names ("" leaves one out). */
  nodeWithOutputs(
    opType: string,
    inputs: readonly (string | undefined)[],
    outputs: number | readonly string[],
    attributes?: OnnxAttributes,
    options?: OnnxNodeOptions,
  ): string[];
}

export interface OnnxGraphBuilder extends OnnxNodeBuilder {
  input(name: string, dtype: OnnxDataType, shape?: readonly OnnxDim[]): string;
  /** An input of any type (sequence, optional). */
  inputOfType(name: string, type: OnnxTypeSpec): string;
  /** A weight; its name is made up when absent. Throws RangeError when `values` do not fill `dims`. */
  initializer(dtype: OnnxDataType, dims: readonly number[], values: OnnxTensorValues, name?: string): string;
  /** A ready tensor as a weight (external data, say). */
  initializerOf(spec: OnnxTensorSpec, name?: string): string;
  /** A one-dimensional int64 initializer: shapes, axes, pads, splits. */
  int64s(values: readonly (number | bigint)[], name?: string): string;
  /** A scalar initializer. */
  scalar(dtype: OnnxDataType, value: number | bigint | boolean, name?: string): string;
  /** Makes a value an output. `as` renames it through an Identity node. */
  output(value: string, dtype: OnnxDataType, shape?: readonly OnnxDim[], as?: string): string;
  outputOfType(value: string, type: OnnxTypeSpec): string;
  /** States the type of an inner value (`value_info`). */
  valueInfo(value: string, dtype: OnnxDataType, shape?: readonly OnnxDim[]): void;
  /** A graph for an attribute (If, Loop, Scan); it may use the names of the graph around it. */
  subgraph(name: string, build: (graph: OnnxGraphBuilder) => void): OnnxGraphSpec;
}

export interface OnnxModelBuilder extends OnnxGraphBuilder {
  /** Adds a model-local function; `build` gets the input names and returns the output names. */
  function(
    domain: string,
    name: string,
    inputs: readonly string[],
    build: (body: OnnxNodeBuilder, inputs: readonly string[]) => readonly string[],
    options?: {
      readonly attributes?: readonly string[];
      readonly attributeDefaults?: OnnxAttributes;
      readonly opsetImports?: Readonly<Record<string, number>>;
    },
  ): void;
  /** Adds an opset import. */
  importOpset(domain: string, version: number): void;
  toSpec(): OnnxModelSpec;
  toBytes(): Uint8Array;
}

export interface OnnxModelOptions {
  /** Version of the standard domain; 18 when absent. */
  readonly opset?: number;
  /** The oldest IR version that holds the opset when absent. */
  readonly irVersion?: number;
  readonly producerName?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Starts a model whose main graph is called `name`. */
export function onnxModel(name: string, options: OnnxModelOptions = {}): OnnxModelBuilder {
  const opset = options.opset ?? 18;
  const opsetImports: Record<string, number> = { "": opset };
  const functions: OnnxFunctionSpec[] = [];
  const names = new NameSupply();
  const main = graphBuilder(name, names);

  const model: OnnxModelBuilder = {
    ...main.builder,
    function(domain, functionName, inputs, build, functionOptions = {}) {
      const body = nodeBuilder(names);
      const outputs = build(body.builder, inputs);
      functions.push({
        domain,
        name: functionName,
        inputs,
        outputs,
        attributes: functionOptions.attributes ?? [],
        attributeDefaults: attributesOf(functionOptions.attributeDefaults ?? {}),
        nodes: body.nodes,
        opsetImports: functionOptions.opsetImports ?? { "": opset },
      });
      opsetImports[domain] ??= 1;
    },
    importOpset(domain, version) {
      opsetImports[domain] = version;
    },
    toSpec: () => ({
      irVersion: options.irVersion ?? defaultIrVersion(opset),
      opsetImports,
      producerName: options.producerName ?? "tilewright",
      graph: main.finish(),
      functions,
      metadata: options.metadata ?? {},
    }),
    toBytes: () => encodeModel(model.toSpec()),
  };
  return model;
}

/**
 * The ONNX type of an attribute. Wrapped values (`{ kind: "float", value: 1 }`) keep theirs. A number is a
 * float if it has a fraction or its name is a float attribute of the standard (`alpha: 1`), else an int; an
 * array follows its first element likewise, and an empty one is ints unless the name says floats.
 */
export function attributeOf(name: string, value: OnnxAttributeValue): OnnxAttributeSpec {
  if (typeof value === "string") return { kind: "string", value };
  if (typeof value === "bigint") return { kind: "int", value };
  if (typeof value === "boolean") return { kind: "int", value: value ? 1 : 0 };
  if (typeof value === "number") {
    return isFloat(name, value) ? { kind: "float", value } : { kind: "int", value };
  }
  if (isArray(value)) {
    if (value.every((v): v is string => typeof v === "string") && value.length > 0) {
      return { kind: "strings", value };
    }
    const numbers = value as readonly (number | bigint)[];
    const floats =
      FLOAT_ATTRIBUTES.has(name) || numbers.some((v) => typeof v === "number" && isFloat(name, v));
    return floats ? { kind: "floats", value: numbers.map(Number) } : { kind: "ints", value: numbers };
  }
  if (value.kind === "tensor") return { kind: "tensorValue", value };
  if (value.kind === "graph") return { kind: "graphValue", value };
  return value;
}

/** An attribute that takes its value from the enclosing function's attribute. */
export function attributeReference(attribute: string, of: OnnxPlainAttributeKind): OnnxAttributeSpec {
  return { kind: "reference", attribute, of };
}

/** A float attribute, whatever its value and name. */
export function float(value: number): OnnxAttributeSpec {
  return { kind: "float", value };
}

/** A floats attribute, whatever its values and name. */
export function floats(value: readonly number[]): OnnxAttributeSpec {
  return { kind: "floats", value };
}

/**
 * Attributes that the ONNX operator documents (ai.onnx and ai.onnx.ml) define as float or floats under that
 * name in every operator, so that `alpha: 1` need not be wrapped.
 */
const FLOAT_ATTRIBUTES: ReadonlySet<string> = new Set([
  ..."activation_alpha activation_beta alpha beta bias clip cubic_coeff_a epsilon extrapolation_value gamma".split(
    " ",
  ),
  ..."high lambd low mean momentum norm_coefficient ratio scale scales seed softcap spatial_scale".split(" "),
  ..."value_float value_floats base_values class_weights coefficients default_float imputed_value_floats".split(
    " ",
  ),
  ..."intercepts kernel_params keys_floats nodes_hitrates nodes_values offset prob_a prob_b rho".split(" "),
  ..."replaced_value_float support_vectors target_weights threshold values_floats".split(" "),
]);

function isFloat(name: string, value: number): boolean {
  return FLOAT_ATTRIBUTES.has(name) || !Number.isInteger(value);
}

function isArray<Element>(value: unknown | readonly Element[]): value is readonly Element[] {
  return Array.isArray(value);
}

function attributesOf(attributes: OnnxAttributes): Record<string, OnnxAttributeSpec> {
  const specs: Record<string, OnnxAttributeSpec> = {};
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) specs[name] = attributeOf(name, value);
  }
  return specs;
}

/** From the version table of the ONNX document Versioning.md; 8 is also the oldest with functions. */
function defaultIrVersion(opset: number): number {
  if (opset <= 18) return 8;
  if (opset <= 20) return 9;
  if (opset <= 22) return 10;
  return opset <= 24 ? 11 : 12;
}

/** Hands out names that no one in the model has taken. */
class NameSupply {
  readonly #taken = new Set<string>();
  readonly #next = new Map<string, number>();

  /** Takes the name that a caller chose. */
  reserve(name: string): string {
    this.#taken.add(name);
    return name;
  }

  /** Makes up a name. */
  fresh(stem: string): string {
    let index = this.#next.get(stem) ?? 0;
    while (this.#taken.has(`${stem}_${index}`)) index += 1;
    this.#next.set(stem, index + 1);
    return this.reserve(`${stem}_${index}`);
  }
}

function nodeBuilder(names: NameSupply): { builder: OnnxNodeBuilder; nodes: OnnxNodeSpec[] } {
  const nodes: OnnxNodeSpec[] = [];
  const add = (
    opType: string,
    inputs: readonly (string | undefined)[],
    outputs: readonly string[],
    attributes: OnnxAttributes,
    options: OnnxNodeOptions,
  ): void => {
    nodes.push({
      opType,
      ...(options.domain === undefined ? {} : { domain: options.domain }),
      ...(options.overload === undefined ? {} : { overload: options.overload }),
      name: names.reserve(options.name ?? names.fresh(`${opType}_node`)),
      inputs: inputs.map((input) => input ?? ""),
      outputs,
      attributes: attributesOf(attributes),
    });
  };
  return {
    nodes,
    builder: {
      node(opType, inputs, attributes = {}, options = {}) {
        const output = options.output === undefined ? names.fresh(opType) : names.reserve(options.output);
        add(opType, inputs, [output], attributes, options);
        return output;
      },
      nodeWithOutputs(opType, inputs, outputs, attributes = {}, options = {}) {
        const chosen =
          typeof outputs === "number"
            ? Array.from({ length: outputs }, () => names.fresh(opType))
            : outputs.map((output) => names.reserve(output));
        add(opType, inputs, chosen, attributes, options);
        return chosen;
      },
    },
  };
}

function graphBuilder(
  name: string,
  names: NameSupply,
): { builder: OnnxGraphBuilder; finish(): OnnxGraphSpec } {
  const { builder: addNodes, nodes } = nodeBuilder(names);
  const inputs: OnnxValueSpec[] = [];
  const outputs: OnnxValueSpec[] = [];
  const values: OnnxValueSpec[] = [];
  const initializers: OnnxTensorSpec[] = [];

  const builder: OnnxGraphBuilder = {
    ...addNodes,
    input: (inputName, dtype, shape) => builder.inputOfType(inputName, tensorType(dtype, shape)),
    inputOfType(inputName, type) {
      inputs.push({ name: names.reserve(inputName), type });
      return inputName;
    },
    initializer: (dtype, dims, data, chosen) => builder.initializerOf(tensor(dtype, dims, data), chosen),
    initializerOf(spec, chosen) {
      const initializerName = names.reserve(chosen ?? spec.name ?? names.fresh("initializer"));
      initializers.push({ ...spec, name: initializerName });
      return initializerName;
    },
    int64s: (data, chosen) => builder.initializer("int64", [data.length], data, chosen),
    scalar: (dtype, value, chosen) => builder.initializer(dtype, [], [value], chosen),
    output(value, dtype, shape, as) {
      const renamed = as === undefined ? value : builder.node("Identity", [value], {}, { output: as });
      return builder.outputOfType(renamed, tensorType(dtype, shape));
    },
    outputOfType(value, type) {
      outputs.push({ name: value, type });
      return value;
    },
    valueInfo(value, dtype, shape) {
      values.push({ name: value, type: tensorType(dtype, shape) });
    },
    subgraph(graphName, build) {
      const inner = graphBuilder(graphName, names);
      build(inner.builder);
      return inner.finish();
    },
  };
  return {
    builder,
    finish: () => ({ kind: "graph", name, inputs, outputs, initializers, nodes, values }),
  };
}

function tensorType(dtype: OnnxDataType, shape: readonly OnnxDim[] | undefined): OnnxTypeSpec {
  return { kind: "tensor", dtype, ...(shape === undefined ? {} : { shape }) };
}
