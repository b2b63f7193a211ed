/**
 * The field numbers of the messages in onnx.proto (and onnx-data.proto for sequences and optionals), by message.
 * Nothing comes in; the table and the enumerations' codes go out. Invariant: numbers only ever join this table,
 * as protobuf never reuses one; both the reader and the writer take them from here.
 */

/** Field numbers, by message. */
export const FIELD = {
  model: {
    irVersion: 1,
    producerName: 2,
    producerVersion: 3,
    domain: 4,
    modelVersion: 5,
    graph: 7,
    opsetImport: 8,
    metadata: 14,
    functions: 25,
  },
  opset: { domain: 1, version: 2 },
  entry: { key: 1, value: 2 },
  graph: {
    node: 1,
    name: 2,
    initializer: 5,
    input: 11,
    output: 12,
    valueInfo: 13,
    sparseInitializer: 15,
  },
  node: { input: 1, output: 2, name: 3, opType: 4, attribute: 5, domain: 7, overload: 8 },
  attribute: {
    name: 1,
    float: 2,
    int: 3,
    string: 4,
    tensorValue: 5,
    graphValue: 6,
    floats: 7,
    ints: 8,
    strings: 9,
    tensors: 10,
    graphs: 11,
    typeValue: 14,
    types: 15,
    type: 20,
    reference: 21,
    sparseTensor: 22,
    sparseTensors: 23,
  },
  tensor: {
    dims: 1,
    dataType: 2,
    segment: 3,
    floatData: 4,
    int32Data: 5,
    stringData: 6,
    int64Data: 7,
    name: 8,
    rawData: 9,
    doubleData: 10,
    uint64Data: 11,
    externalData: 13,
    dataLocation: 14,
  },
  sparseTensor: { values: 1, indices: 2, dims: 3 },
  value: { name: 1, type: 2 },
  type: { tensor: 1, sequence: 4, map: 5, opaque: 7, sparseTensor: 8, optional: 9 },
  tensorType: { elementType: 1, shape: 2 },
  containerType: { element: 1 },
  mapType: { key: 1, value: 2 },
  shape: { dim: 1 },
  dim: { value: 1, param: 2 },
  function: {
    name: 1,
    input: 4,
    output: 5,
    attribute: 6,
    node: 7,
    opsetImport: 9,
    domain: 10,
    attributeDefault: 11,
    overload: 13,
  },
  /** `SequenceProto`; `OptionalProto` has the same numbers, one element each. */
  container: { name: 1, elementType: 2, tensor: 3, sparseTensor: 4, sequence: 5, map: 6, optional: 7 },
} as const;

/** Codes of `AttributeProto.AttributeType`. */
export const ATTRIBUTE_TYPE = {
  float: 1,
  int: 2,
  string: 3,
  tensorValue: 4,
  graphValue: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
  sparseTensor: 11,
  sparseTensors: 12,
  typeValue: 13,
  types: 14,
} as const;

/** `TensorProto.DataLocation.EXTERNAL`. */
export const EXTERNAL = 1;
