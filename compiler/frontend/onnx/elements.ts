/**
 * From the bytes of a tensor in an ONNX file to its elements in memory. In: a dtype, dims and bytes. Out: a typed
 * array in the memory form of runtime/dtype.ts, a view of the bytes wherever their alignment allows. Invariant: the
 * number of elements is checked against the limits and the bytes that are there before anything is allocated.
 * Source: `TensorProto.raw_data` of onnx.proto, whose bytes are little-endian as is every machine we run on.
 */
import { fail } from "../../diagnostic.ts";
import { isComplexType, typeOfNumber } from "../../ir/dataType.ts";
import { allocate, bytesPerElement, viewOf, type DType, type NumericData } from "../../ir/dtype.ts";

/** Elements of one tensor: what a 32-bit memory could hold of bytes. */
const MAX_ELEMENTS = 2 ** 32;
const MAX_RANK = 64;

/** The dtype of a `TensorProto.DataType` code, if it is one that is supported. */
export function knownDtype(code: number): DType | undefined {
  const name = typeOfNumber(code);
  return name === undefined || isComplexType(name) ? undefined : name;
}

/** The dtype of a `TensorProto.DataType` code; throws `dtype-unsupported` or `model-malformed`. */
export function dtypeOfCode(code: number, what: string): DType {
  const name = typeOfNumber(code);
  if (name === undefined) fail("model-malformed", `${what} has the unknown data type ${code}`);
  if (isComplexType(name)) {
    fail("dtype-unsupported", `${what} is of type ${name}, which is not supported`);
  }
  return name;
}

/** Number of elements; refuses negative dims and products past the limit. */
export function checkedCount(dims: readonly number[], label: string): number {
  if (dims.length > MAX_RANK) fail("model-too-large", `${label} has ${dims.length} dimensions`);
  let count = 1;
  for (const dim of dims) {
    if (dim < 0) fail("model-malformed", `${label} has the negative dimension ${dim}`);
    if (dim > MAX_ELEMENTS) fail("model-too-large", `${label} has a dimension of ${dim}`);
    count *= dim;
  }
  if (count > MAX_ELEMENTS) fail("model-too-large", `${label} of shape [${dims.join(", ")}] is too large`);
  return count;
}

/** Refuses a tensor whose data and shape disagree. */
export function expectLength(found: number, wanted: number, unit: string, label: string): void {
  if (found === wanted) return;
  fail("model-malformed", `${label} needs ${wanted} ${unit} for its shape, ${found} are there`);
}

/** Width in a file; in memory these types take a byte. */
export function bitsInFile(dtype: DType): number {
  switch (dtype) {
    case "int4":
    case "uint4":
    case "float4e2m1":
      return 4;
    case "int2":
    case "uint2":
      return 2;
    default:
      return 8 * bytesPerElement(dtype);
  }
}

/** Elements from raw bytes, of which there must be exactly as many as `count` elements take. */
export function fromBytes(dtype: DType, count: number, bytes: Uint8Array, label: string): NumericData {
  if (dtype === "string") return fail("model-malformed", `${label} holds strings as raw bytes`);
  const bits = bitsInFile(dtype);
  expectLength(bytes.length, Math.ceil((count * bits) / 8), "bytes", label);
  return bits < 8 ? unpack(dtype, count, bits, bytes) : viewBytes(dtype, bytes, count);
}

/** A view where alignment allows it, else a view of a copy. */
export function viewBytes(dtype: DType, bytes: Uint8Array, count: number): NumericData {
  const size = bytesPerElement(dtype);
  if (bytes.byteOffset % size === 0) return viewOf(dtype, bytes.buffer, bytes.byteOffset, count);
  return viewOf(dtype, bytes.slice(0, count * size).buffer, 0, count);
}

/** Sub-byte elements, the first in the low bits, to one a byte; signed types are sign-extended. */
export function unpack(dtype: DType, count: number, bits: number, bytes: ArrayLike<number>): NumericData {
  const data = allocate(dtype, count) as Int8Array | Uint8Array;
  const perByte = 8 / bits;
  const up = 32 - bits;
  const signed = dtype === "int4" || dtype === "int2";
  for (let i = 0; i < count; i++) {
    const shifted = (bytes[Math.floor(i / perByte)]! >>> (bits * (i % perByte))) << up;
    data[i] = signed ? shifted >> up : shifted >>> up;
  }
  return data;
}
