/**
 * From `TensorProto` (and `SparseTensorProto`, `SequenceProto`, `OptionalProto`) to tensors. In: protobuf fields in
 * any order, data in raw bytes, typed fields or another file. Out: Tensors in the memory form of runtime/dtype.ts:
 * views of the input wherever its alignment allows, sub-byte types unpacked to one element per byte. Invariant:
 * nothing is allocated before the declared dims are known to agree with the bytes that are there (sparse tensors,
 * which may be dense-ly larger than their data, draw on a fixed budget). Source: onnx.proto, ONNX IR specification.
 */
import { CompileError, fail, type Diagnostic } from "../../diagnostic.ts";
import { allocate, bytesPerElement, type DType, type NumericData, type Tensor } from "../../ir/dtype.ts";
import {
  bitsInFile,
  checkedCount,
  dtypeOfCode,
  expectLength,
  fromBytes,
  unpack,
  viewBytes,
} from "./elements.ts";
import { EXTERNAL, FIELD } from "./fields.ts";
import { WireReader, type Fields } from "./wire.ts";

/** Bytes into which all sparse tensors of a file together may expand. */
const SPARSE_BUDGET = 64 * 2 ** 20;

/** Gives the bytes of a file named by external data, relative to the model; undefined when there is none. */
export type ExternalData = (location: string) => Uint8Array | undefined;

/** What the tensors of one file share while it is read. */
export class TensorContext {
  readonly externalData: ExternalData | undefined;
  /** Locations asked for and not given; reported together by {@link finish}. */
  private readonly missing = new Map<string, string>();
  private sparseBytesLeft = SPARSE_BUDGET;

  constructor(externalData?: ExternalData) {
    this.externalData = externalData;
  }

  noteMissing(location: string, tensorName: string): void {
    if (!this.missing.has(location)) this.missing.set(location, tensorName);
  }

  spendSparse(bytes: number, name: string): void {
    this.sparseBytesLeft -= bytes;
    if (this.sparseBytesLeft < 0) {
      fail("model-too-large", `sparse tensors such as ${name} expand to more than ${SPARSE_BUDGET} bytes`, {
        hint: "store the tensor densely",
      });
    }
  }

  /** Throws `external-data-missing` with one diagnostic per file that was not given. */
  finish(): void {
    if (this.missing.size === 0) return;
    throw new CompileError(
      Array.from(this.missing, ([location, name]): Diagnostic => ({
        code: "external-data-missing",
        message: `the data of tensor ${name} lies in "${location}", which was not given`,
        hint: "pass externalData, or keep the file beside the model",
      })),
    );
  }
}

/** A tensor with the name under which the file keeps it. */
export interface NamedTensor {
  readonly name: string;
  readonly tensor: Tensor;
}

/** A `TensorProto` as its fields came. */
interface TensorFields {
  name: string;
  readonly dims: number[];
  dataType: number;
  segmented: boolean;
  raw: Uint8Array | undefined;
  /** The one packed run of float_data, until a second one comes. */
  floatBytes: Uint8Array | undefined;
  readonly floats: number[];
  readonly int32s: number[];
  readonly strings: string[];
  readonly int64s: bigint[];
  readonly doubles: number[];
  readonly uint64s: bigint[];
  readonly external: Map<string, string>;
  location: number;
}

const entryFields: Fields<{ key: string; value: string }> = {
  [FIELD.entry.key]: (wire, entry) => (entry.key = wire.string()),
  [FIELD.entry.value]: (wire, entry) => (entry.value = wire.string()),
};

/** Reads a `StringStringEntryProto` into a map. */
export function readEntry(wire: WireReader, into: Map<string, string>): void {
  const { key, value } = wire.message(entryFields, { key: "", value: "" });
  into.set(key, value);
}

const tensorFields: Fields<TensorFields> = {
  [FIELD.tensor.dims]: (wire, tensor) => wire.ints(tensor.dims),
  [FIELD.tensor.dataType]: (wire, tensor) => (tensor.dataType = wire.int()),
  [FIELD.tensor.segment]: (wire, tensor) => {
    wire.bytes();
    tensor.segmented = true;
  },
  [FIELD.tensor.floatData]: (wire, tensor) => {
    if (wire.packed && tensor.floatBytes === undefined && tensor.floats.length === 0) {
      tensor.floatBytes = wire.bytes();
      return;
    }
    if (tensor.floatBytes !== undefined) {
      const earlier = viewBytes("float32", tensor.floatBytes, Math.floor(tensor.floatBytes.length / 4));
      for (const value of earlier as Float32Array) tensor.floats.push(value);
      tensor.floatBytes = undefined;
    }
    wire.floats(tensor.floats);
  },
  [FIELD.tensor.int32Data]: (wire, tensor) => wire.ints(tensor.int32s),
  [FIELD.tensor.stringData]: (wire, tensor) => tensor.strings.push(wire.string()),
  [FIELD.tensor.int64Data]: (wire, tensor) => wire.int64s(tensor.int64s),
  [FIELD.tensor.name]: (wire, tensor) => (tensor.name = wire.string()),
  [FIELD.tensor.rawData]: (wire, tensor) => (tensor.raw = wire.bytes()),
  [FIELD.tensor.doubleData]: (wire, tensor) => wire.doubles(tensor.doubles),
  [FIELD.tensor.uint64Data]: (wire, tensor) => wire.int64s(tensor.uint64s),
  [FIELD.tensor.externalData]: (wire, tensor) => readEntry(wire, tensor.external),
  [FIELD.tensor.dataLocation]: (wire, tensor) => (tensor.location = wire.int()),
};

function emptyFields(): TensorFields {
  return {
    name: "",
    dims: [],
    dataType: 0,
    segmented: false,
    raw: undefined,
    floatBytes: undefined,
    floats: [],
    int32s: [],
    strings: [],
    int64s: [],
    doubles: [],
    uint64s: [],
    external: new Map(),
    location: 0,
  };
}

/** Reads the `TensorProto` field at hand. */
export function readTensorField(wire: WireReader, context: TensorContext): NamedTensor {
  return tensorOf(wire.message(tensorFields, emptyFields()), context);
}

function tensorOf(fields: TensorFields, context: TensorContext): NamedTensor {
  const { name } = fields;
  const label = `tensor ${name ? `"${name}"` : "without a name"}`;
  const dtype = dtypeOfCode(fields.dataType, label);
  const count = checkedCount(fields.dims, label);
  if (fields.segmented) fail("model-malformed", `${label} is stored in segments, which ONNX never defined`);
  const shape = fields.dims;
  if (fields.location === EXTERNAL) {
    const bytes = externalBytes(fields, dtype, count, label, context);
    // When the file is missing the read fails at its end; an empty tensor lets it go on to find all of them.
    if (bytes === undefined) return { name, tensor: { dtype, shape: [0], data: allocate(dtype, 0) } };
    return { name, tensor: { dtype, shape, data: fromBytes(dtype, count, bytes, label) } };
  }
  if (dtype === "string") {
    expectLength(fields.strings.length, count, "strings", label);
    return { name, tensor: { dtype, shape, data: fields.strings } };
  }
  const data =
    fields.raw !== undefined
      ? fromBytes(dtype, count, fields.raw, label)
      : fromTypedFields(dtype, count, fields, label);
  return { name, tensor: { dtype, shape, data } };
}

function fromTypedFields(dtype: DType, count: number, fields: TensorFields, label: string): NumericData {
  const fill = (values: readonly number[], unit: string): NumericData => {
    expectLength(values.length, count, unit, label);
    const data = allocate(dtype, count);
    (data as Float32Array).set(values);
    return data;
  };
  const fillBig = (values: readonly bigint[], unit: string): NumericData => {
    expectLength(values.length, count, unit, label);
    return dtype === "int64" ? BigInt64Array.from(values) : BigUint64Array.from(values);
  };
  switch (dtype) {
    case "float32":
      if (fields.floatBytes === undefined) return fill(fields.floats, "floats");
      expectLength(fields.floatBytes.length, 4 * count, "bytes", label);
      return viewBytes("float32", fields.floatBytes, count);
    case "float64":
      return fill(fields.doubles, "doubles");
    case "int64":
      return fillBig(fields.int64s, "int64s");
    case "uint64":
      return fillBig(fields.uint64s, "uint64s");
    case "uint32":
      return fill(fields.uint64s.map(Number), "uint64s");
    default: {
      const bits = bitsInFile(dtype);
      if (bits >= 8) return fill(fields.int32s, "int32s");
      expectLength(fields.int32s.length, Math.ceil((count * bits) / 8), "packed int32s", label);
      return unpack(dtype, count, bits, fields.int32s);
    }
  }
}

function externalBytes(
  fields: TensorFields,
  dtype: DType,
  count: number,
  label: string,
  context: TensorContext,
): Uint8Array | undefined {
  const location = fields.external.get("location") ?? "";
  // A model must not be able to name files outside its own folder.
  if (location === "" || /^([/\\]|[A-Za-z]:)|(^|[/\\])\.\.([/\\]|$)/.test(location)) {
    fail("model-malformed", `${label} refers to external data at "${location}", which is no relative path`);
  }
  const file = context.externalData?.(location);
  if (file === undefined) {
    context.noteMissing(location, fields.name);
    return undefined;
  }
  const number = (key: string, otherwise: number): number => {
    const text = fields.external.get(key);
    if (text === undefined) return otherwise;
    if (!/^\d{1,15}$/.test(text)) fail("model-malformed", `${label}: external data has ${key} "${text}"`);
    return Number(text);
  };
  const offset = number("offset", 0);
  const length = number("length", Math.ceil((count * bitsInFile(dtype)) / 8));
  if (offset + length > file.length) {
    fail(
      "model-malformed",
      `${label} needs bytes ${offset} to ${offset + length} of "${location}", which has ${file.length}`,
    );
  }
  return file.subarray(offset, offset + length);
}

/** Reads the `SparseTensorProto` field at hand as a dense tensor; the name is that of its values. */
export function readSparseTensorField(wire: WireReader, context: TensorContext): NamedTensor {
  const sparse: { values?: NamedTensor; indices?: NamedTensor; dims: number[] } = { dims: [] };
  const fields: Fields<typeof sparse> = {
    [FIELD.sparseTensor.values]: (inner, target) => (target.values = readTensorField(inner, context)),
    [FIELD.sparseTensor.indices]: (inner, target) => (target.indices = readTensorField(inner, context)),
    [FIELD.sparseTensor.dims]: (inner, target) => inner.ints(target.dims),
  };
  wire.message(fields, sparse);
  if (!sparse.values) return fail("model-malformed", "a sparse tensor has no values");
  const { name, tensor: values } = sparse.values;
  const label = `sparse tensor "${name}"`;
  const { dtype } = values;
  if (dtype === "string") return fail("dtype-unsupported", `${label} holds strings`);
  const { dims } = sparse;
  const count = checkedCount(dims, label);
  context.spendSparse(count * bytesPerElement(dtype), name);
  const source = values.data as Float32Array;
  const indices = sparse.indices?.tensor ?? { dtype: "int64", shape: [0], data: new BigInt64Array(0) };
  if (!(indices.data instanceof BigInt64Array)) {
    return fail("model-malformed", `${label} has indices that are not int64`);
  }
  // [NNZ]: positions in the dense tensor; [NNZ, rank]: coordinates.
  const linear = indices.shape.length !== 2;
  expectLength(indices.data.length, source.length * (linear ? 1 : dims.length), "indices", label);
  const data = allocate(dtype, count) as Float32Array;
  for (let i = 0; i < source.length; i++) {
    let position = linear ? Number(indices.data[i]) : 0;
    if (!linear) {
      for (let axis = 0; axis < dims.length; axis++) {
        const coordinate = Number(indices.data[i * dims.length + axis]);
        if (coordinate < 0 || coordinate >= dims[axis]!) position = NaN;
        position = position * dims[axis]! + coordinate;
      }
    }
    if (!(position >= 0 && position < count))
      fail("model-malformed", `${label} has an index outside its shape`);
    data[position] = source[i]!;
  }
  return { name, tensor: { dtype, shape: dims, data } };
}

/**
 * Reads a `TensorProto` file, such as the `input_0.pb` of the ONNX backend tests.
 *
 * @example const tensor = readTensor(tensorBytes); // of a file such as input_0.pb
 * @throws CompileError `model-malformed`, `model-too-large`, `dtype-unsupported`, `external-data-missing`
 */
export function readTensor(bytes: Uint8Array, externalData?: ExternalData): Tensor {
  return readNamedTensor(bytes, externalData).tensor;
}

/** As {@link readTensor}, with the name that the file gives: that of the graph's input or output. */
export function readNamedTensor(bytes: Uint8Array, externalData?: ExternalData): NamedTensor {
  const context = new TensorContext(externalData);
  const named = tensorOf(new WireReader(bytes).read(tensorFields, emptyFields()), context);
  context.finish();
  return named;
}

/** A value of a graph input or output that need not be a tensor. `undefined`: an optional without a value. */
export type ProtoValue = Tensor | readonly ProtoValue[] | undefined;

interface Container {
  readonly values: ProtoValue[];
}

function containerFields(context: TensorContext): Fields<Container> {
  const nested = (wire: WireReader): Container => wire.message(containerFields(context), { values: [] });
  return {
    [FIELD.container.tensor]: (wire, into) => into.values.push(readTensorField(wire, context).tensor),
    [FIELD.container.sparseTensor]: (wire, into) =>
      into.values.push(readSparseTensorField(wire, context).tensor),
    [FIELD.container.sequence]: (wire, into) => into.values.push(nested(wire).values),
    [FIELD.container.optional]: (wire, into) => into.values.push(nested(wire).values[0]),
    [FIELD.container.map]: (wire) => {
      wire.bytes();
      fail("dtype-unsupported", "maps are not supported");
    },
  };
}

/** Reads a `SequenceProto` file: its elements, in order. */
export function readSequence(bytes: Uint8Array): readonly ProtoValue[] {
  return new WireReader(bytes).read(containerFields(new TensorContext()), { values: [] }).values;
}

/** Reads an `OptionalProto` file: its element, or undefined when it has none. */
export function readOptional(bytes: Uint8Array): ProtoValue {
  return readSequence(bytes)[0];
}
