/**
 * A float32 model in float64: what its outputs would be if nothing were rounded on the way. In: ONNX bytes and inputs
 * of a run. Out: the outputs in float64, computed by our own compiler, whose float64 kernels share neither vector code
 * nor schedules with those of float32; tests compare them with the interpreter. Invariant: weights, inputs and
 * attributes are the float32 numbers of the original, exactly; integers, booleans and strings stay what they are.
 */
import {
  float,
  tensor,
  writeModel,
  type OnnxAttributeSpec,
  type OnnxDataType,
  type OnnxGraphSpec,
  type OnnxNodeSpec,
  type OnnxTensorSpec,
  type OnnxTensorValues,
  type OnnxTypeSpec,
} from "../../compiler/frontend/onnx/write.ts";
import {
  readModel,
  type OnnxAttribute,
  type OnnxGraph,
  type OnnxNode,
  type OnnxType,
} from "../../compiler/frontend/onnx/model.ts";
import { openSource } from "../../compiler/whole.ts";
import { type DType, type Tensor } from "../../runtime/dtype.ts";
import { load } from "../../runtime/index.ts";
import { type Tensors } from "../agreement.ts";
import { type BenchModel } from "../models.ts";

/** Codes of element types in attributes (`Cast`): onnx.proto, TensorProto.DataType. */
const [FLOAT32, FLOAT64] = [1n, 11n];
/** Attributes that hold such a code. */
const TYPE_ATTRIBUTES = new Set(["to", "dtype", "output_datatype", "stash_type"]);

/**
 * The outputs of `model` for its inputs, computed in float64.
 *
 * @throws Error when the model is one of 8-bit integers, whose steps are part of what it means, or holds what cannot
 * be rewritten (functions of its own)
 */
export async function exactOutputs(model: BenchModel): Promise<Tensors> {
  if (model.quantized) throw new Error("a model of 8-bit integers has no float64 form");
  const bytes = inDoubles(model.bytes, (location) => model.external.get(location));
  const inputs = Object.fromEntries(model.inputs.map(({ name, tensor }) => [name, doubleOf(tensor)]));
  const session = await load(bytes, { compiler: () => ({ openSource }), threads: 1 });
  const outputs = (await session.run(inputs)) as Tensors;
  session.dispose();
  return outputs;
}

/** The model with float64 wherever it had float32. */
export function inDoubles(
  bytes: Uint8Array,
  externalData?: (location: string) => Uint8Array | undefined,
): Uint8Array {
  const { irVersion, opsetImports, graph, functions } = readModel(
    bytes,
    externalData ? { externalData } : {},
  );
  if (functions.length > 0) throw new Error("the model has functions of its own");
  return writeModel({
    irVersion,
    opsetImports: Object.fromEntries(opsetImports),
    producerName: "tilewright",
    graph: graphOf(graph),
  });
}

/** float64 for float32; everything else as it is. */
export function doubleOf(tensor: Tensor): Tensor {
  if (tensor.dtype !== "float32") return tensor;
  return { ...tensor, dtype: "float64", data: Float64Array.from(tensor.data as Float32Array) };
}

function graphOf(graph: OnnxGraph): OnnxGraphSpec {
  const value = ({ name, type }: { name: string; type: OnnxType }) => ({ name, type: typeOf(type) });
  return {
    kind: "graph",
    name: graph.name,
    inputs: graph.inputs.map(value),
    outputs: graph.outputs.map(value),
    initializers: graph.initializers.map(({ name, tensor }) => ({ ...tensorOf(tensor), name })),
    nodes: graph.nodes.map(nodeOf),
  };
}

function nodeOf({ name, op, domain, inputs, outputs, attributes }: OnnxNode): OnnxNodeSpec {
  const specs = [...attributes].map(([key, value]): [string, OnnxAttributeSpec] => {
    // Constants of one or some floats become tensors: the attributes for them hold float32.
    if (op === "Constant" && (value.kind === "float" || value.kind === "floats")) {
      const numbers = value.kind === "float" ? [value.value] : value.value;
      const dims = value.kind === "float" ? [] : [numbers.length];
      return ["value", { kind: "tensorValue", value: tensor("float64", dims, numbers) }];
    }
    return [key, attributeOf(key, value)];
  });
  return { opType: op, domain, name, inputs, outputs, attributes: Object.fromEntries(specs) };
}

function attributeOf(name: string, attribute: OnnxAttribute): OnnxAttributeSpec {
  switch (attribute.kind) {
    case "int": {
      const names = TYPE_ATTRIBUTES.has(name) && attribute.value === FLOAT32;
      return { kind: "int", value: names ? FLOAT64 : attribute.value };
    }
    case "float":
      return float(attribute.value);
    case "string":
    case "ints":
    case "floats":
    case "strings":
      return attribute as OnnxAttributeSpec;
    case "tensor":
      return { kind: "tensorValue", value: tensorOf(attribute.value) };
    case "graph":
      return { kind: "graphValue", value: graphOf(attribute.value) };
    default:
      throw new Error(`attribute ${name} is of a kind that cannot be rewritten: ${attribute.kind}`);
  }
}

function tensorOf(given: Tensor): OnnxTensorSpec {
  const { dtype, shape, data } = doubleOf(given);
  return tensor(dtype as OnnxDataType, shape, data as OnnxTensorValues);
}

function typeOf(type: OnnxType): OnnxTypeSpec {
  switch (type.kind) {
    case "tensor": {
      const dtype = doubled(type.dtype ?? "float32");
      // An unknown dimension without a name has none in the writer either: any name that is its own will do.
      const shape = type.shape?.map((dim, i) => (dim === "" ? `unknown_${i}_${unnamed++}` : dim));
      return { kind: "tensor", dtype, ...(shape === undefined ? {} : { shape }) };
    }
    case "sequence":
    case "optional":
      return { kind: type.kind, element: typeOf(type.element) };
    case "unknown":
      // Inside of If and Loop types may be left out; nothing reads there what is said of an output.
      return { kind: "tensor", dtype: "float64" };
    default:
      throw new Error(`a value of the kind ${type.kind} cannot be rewritten`);
  }
}

let unnamed = 0;

function doubled(dtype: DType): OnnxDataType {
  return (dtype === "float32" ? "float64" : dtype) as OnnxDataType;
}
