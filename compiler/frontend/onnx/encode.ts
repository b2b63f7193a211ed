/**
 * From an `OnnxModelSpec` to the bytes of an ONNX file. The wire (varints, lengths, floats, UTF-8) is the
 * `pbf` package's; ours are only the field numbers of onnx.proto (`fields.ts`). Invariant: the same spec
 * gives the same bytes, and repeated scalars are written unpacked, as onnx.proto (proto2) declares them.
 */

import { PbfWriter } from "pbf";
import { ATTRIBUTE_TYPE, EXTERNAL, FIELD } from "./fields.ts";
import {
  ONNX_DATA_TYPE,
  type OnnxAttributeSpec,
  type OnnxDim,
  type OnnxFunctionSpec,
  type OnnxGraphSpec,
  type OnnxModelSpec,
  type OnnxNodeSpec,
  type OnnxTensorSpec,
  type OnnxTypeSpec,
  type OnnxValueSpec,
} from "./modelSpec.ts";

/** Protobuf wire type of a varint field. */
const WIRE_VARINT = 0;

/** Bytes of an ONNX file (protobuf `ModelProto`). Checks nothing about the model's meaning. */
export function encodeModel(model: OnnxModelSpec): Uint8Array {
  const writer = new PbfWriter();
  writer.writeVarintField(FIELD.model.irVersion, model.irVersion);
  if (model.producerName !== undefined) writer.writeStringField(FIELD.model.producerName, model.producerName);
  writer.writeMessage(FIELD.model.graph, writeGraph, model.graph);
  writeOpsets(FIELD.model.opsetImport, model.opsetImports, writer);
  writeEntries(FIELD.model.metadata, model.metadata ?? {}, writer);
  for (const fn of model.functions ?? []) writer.writeMessage(FIELD.model.functions, writeFunction, fn);
  return writer.finish().slice();
}

/** Bytes of a `TensorProto` alone, as in the `input_0.pb` files of the ONNX backend tests. */
export function encodeTensor(tensor: OnnxTensorSpec): Uint8Array {
  const writer = new PbfWriter();
  writeTensor(tensor, writer);
  return writer.finish().slice();
}

function writeOpsets(field: number, imports: Readonly<Record<string, number>>, writer: PbfWriter): void {
  for (const entry of Object.entries(imports)) writer.writeMessage(field, writeOpset, entry);
}

function writeOpset([domain, version]: readonly [string, number], writer: PbfWriter): void {
  writer.writeStringField(FIELD.opset.domain, domain);
  writer.writeVarintField(FIELD.opset.version, version);
}

function writeEntries(field: number, entries: Readonly<Record<string, string>>, writer: PbfWriter): void {
  for (const entry of Object.entries(entries)) writer.writeMessage(field, writeEntry, entry);
}

function writeEntry([key, value]: readonly [string, string], writer: PbfWriter): void {
  writer.writeStringField(FIELD.entry.key, key);
  writer.writeStringField(FIELD.entry.value, value);
}

function writeGraph(graph: OnnxGraphSpec, writer: PbfWriter): void {
  for (const node of graph.nodes) writer.writeMessage(FIELD.graph.node, writeNode, node);
  writer.writeStringField(FIELD.graph.name, graph.name);
  for (const tensor of graph.initializers) writer.writeMessage(FIELD.graph.initializer, writeTensor, tensor);
  for (const value of graph.inputs) writer.writeMessage(FIELD.graph.input, writeValue, value);
  for (const value of graph.outputs) writer.writeMessage(FIELD.graph.output, writeValue, value);
  for (const value of graph.values ?? []) writer.writeMessage(FIELD.graph.valueInfo, writeValue, value);
}

function writeNode(node: OnnxNodeSpec, writer: PbfWriter): void {
  for (const input of node.inputs) writer.writeStringField(FIELD.node.input, input);
  for (const output of node.outputs) writer.writeStringField(FIELD.node.output, output);
  if (node.name !== undefined) writer.writeStringField(FIELD.node.name, node.name);
  writer.writeStringField(FIELD.node.opType, node.opType);
  for (const attribute of Object.entries(node.attributes ?? {})) {
    writer.writeMessage(FIELD.node.attribute, writeAttribute, attribute);
  }
  if (node.domain !== undefined) writer.writeStringField(FIELD.node.domain, node.domain);
  if (node.overload !== undefined) writer.writeStringField(FIELD.node.overload, node.overload);
}

function writeAttribute([name, attribute]: readonly [string, OnnxAttributeSpec], writer: PbfWriter): void {
  const field = FIELD.attribute;
  writer.writeStringField(field.name, name);
  switch (attribute.kind) {
    case "float":
      writer.writeFloatField(field.float, attribute.value);
      break;
    case "int":
      writeInt64Field(field.int, attribute.value, writer);
      break;
    case "string":
      writeByteStringField(field.string, attribute.value, writer);
      break;
    case "tensorValue":
      writer.writeMessage(field.tensorValue, writeTensor, attribute.value);
      break;
    case "graphValue":
      writer.writeMessage(field.graphValue, writeGraph, attribute.value);
      break;
    case "floats":
      for (const value of attribute.value) writer.writeFloatField(field.floats, value);
      break;
    case "ints":
      for (const value of attribute.value) writeInt64Field(field.ints, value, writer);
      break;
    case "strings":
      for (const value of attribute.value) writeByteStringField(field.strings, value, writer);
      break;
    case "reference":
      writer.writeStringField(field.reference, attribute.attribute);
      writer.writeVarintField(field.type, ATTRIBUTE_TYPE[attribute.of]);
      return;
    default:
      attribute satisfies never;
      return;
  }
  writer.writeVarintField(field.type, ATTRIBUTE_TYPE[attribute.kind]);
}

function writeTensor(tensor: OnnxTensorSpec, writer: PbfWriter): void {
  const field = FIELD.tensor;
  for (const dim of tensor.dims) writer.writeVarintField(field.dims, dim);
  writer.writeVarintField(field.dataType, ONNX_DATA_TYPE[tensor.dtype]);
  if (tensor.name !== undefined) writer.writeStringField(field.name, tensor.name);
  const content = tensor.content;
  switch (content.kind) {
    case "raw":
      writer.writeBytesField(field.rawData, content.bytes);
      break;
    case "strings":
      for (const value of content.values) writer.writeStringField(field.stringData, value);
      break;
    case "external": {
      const { location, offset, length } = content.data;
      writeEntries(
        field.externalData,
        {
          location,
          ...(offset === undefined ? {} : { offset: String(offset) }),
          ...(length === undefined ? {} : { length: String(length) }),
        },
        writer,
      );
      writer.writeVarintField(field.dataLocation, EXTERNAL);
      break;
    }
    default:
      content satisfies never;
  }
}

function writeValue(value: OnnxValueSpec, writer: PbfWriter): void {
  writer.writeStringField(FIELD.value.name, value.name);
  writer.writeMessage(FIELD.value.type, writeType, value.type);
}

function writeType(type: OnnxTypeSpec, writer: PbfWriter): void {
  switch (type.kind) {
    case "tensor":
      writer.writeMessage(FIELD.type.tensor, writeTensorType, type);
      break;
    case "sequence":
      writer.writeMessage(FIELD.type.sequence, writeElementType, type.element);
      break;
    case "map":
      writer.writeMessage(FIELD.type.map, writeMap, type);
      break;
    case "optional":
      writer.writeMessage(FIELD.type.optional, writeElementType, type.element);
      break;
    default:
      return type satisfies never;
  }
}

function writeMap(type: Extract<OnnxTypeSpec, { kind: "map" }>, writer: PbfWriter): void {
  writer.writeVarintField(FIELD.mapType.key, ONNX_DATA_TYPE[type.key]);
  writer.writeMessage(FIELD.mapType.value, writeType, type.value);
}

function writeElementType(element: OnnxTypeSpec, writer: PbfWriter): void {
  writer.writeMessage(FIELD.containerType.element, writeType, element);
}

function writeTensorType(type: Extract<OnnxTypeSpec, { kind: "tensor" }>, writer: PbfWriter): void {
  writer.writeVarintField(FIELD.tensorType.elementType, ONNX_DATA_TYPE[type.dtype]);
  // An absent shape means an unknown rank; an empty one means a scalar.
  if (type.shape !== undefined) writer.writeMessage(FIELD.tensorType.shape, writeShape, type.shape);
}

function writeShape(shape: readonly OnnxDim[], writer: PbfWriter): void {
  for (const dim of shape) writer.writeMessage(FIELD.shape.dim, writeDim, dim);
}

function writeDim(dim: OnnxDim, writer: PbfWriter): void {
  if (typeof dim === "number") writer.writeVarintField(FIELD.dim.value, dim);
  // The empty name is a dimension about which nothing is known: neither a value nor a name is written.
  else if (dim !== "") writer.writeStringField(FIELD.dim.param, dim);
}

function writeFunction(fn: OnnxFunctionSpec, writer: PbfWriter): void {
  const field = FIELD.function;
  writer.writeStringField(field.name, fn.name);
  for (const input of fn.inputs) writer.writeStringField(field.input, input);
  for (const output of fn.outputs) writer.writeStringField(field.output, output);
  for (const attribute of fn.attributes ?? []) writer.writeStringField(field.attribute, attribute);
  for (const node of fn.nodes) writer.writeMessage(field.node, writeNode, node);
  writeOpsets(field.opsetImport, fn.opsetImports, writer);
  writer.writeStringField(field.domain, fn.domain);
  for (const attribute of Object.entries(fn.attributeDefaults ?? {})) {
    writer.writeMessage(field.attributeDefault, writeAttribute, attribute);
  }
  if (fn.overload !== undefined) writer.writeStringField(field.overload, fn.overload);
}

function writeByteStringField(field: number, value: string | Uint8Array, writer: PbfWriter): void {
  if (typeof value === "string") writer.writeStringField(field, value);
  else writer.writeBytesField(field, value);
}

/** `pbf` takes varints as doubles; those past 2^53 (say INT64_MAX as an open end of Slice) go byte by byte. */
function writeInt64Field(field: number, value: number | bigint, writer: PbfWriter): void {
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no int64 attribute: use a bigint`);
    writer.writeVarintField(field, value);
    return;
  }
  writer.writeTag(field, WIRE_VARINT);
  let rest = BigInt.asUintN(64, value);
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    writer.realloc(1);
    writer.buf[writer.pos++] = rest === 0n ? low : low | 0x80;
  } while (rest !== 0n);
}
