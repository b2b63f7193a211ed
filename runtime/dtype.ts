/**
 * The element types of tensors and how each is held in memory. In: a dtype name as ONNX spells it. Out: its
 * bytes per element and the typed array that views it. Invariant: one element always takes a whole number of
 * bytes (types below 8 bits are held one per byte), so an element's address is base + index * bytes.
 * Source: TensorProto.DataType of the ONNX IR specification.
 */

export const dtypes = [
  "float32",
  "float64",
  "float16",
  "bfloat16",
  "int8",
  "uint8",
  "int16",
  "uint16",
  "int32",
  "uint32",
  "int64",
  "uint64",
  "bool",
  "string",
  "float8e4m3fn",
  "float8e4m3fnuz",
  "float8e5m2",
  "float8e5m2fnuz",
  "float8e8m0",
  "float4e2m1",
  "int4",
  "uint4",
  "int2",
  "uint2",
] as const;

/** An element type, by its ONNX name. */
export type DType = (typeof dtypes)[number];

/** What holds a tensor's elements: 16-bit floats as their bits, sub-byte types one element per byte. */
export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | readonly string[];

/** The numeric kinds of {@link TensorData}. */
export type NumericData = Exclude<TensorData, readonly string[]>;

/** A tensor: element type, shape and elements in row-major order. */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** The tensor with elements of its own. */
export function copyOf(tensor: Tensor): Tensor {
  return { ...tensor, data: tensor.data.slice() };
}

const byteTable: Readonly<Record<DType, number>> = {
  float32: 4,
  float64: 8,
  float16: 2,
  bfloat16: 2,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  bool: 1,
  string: 0,
  float8e4m3fn: 1,
  float8e4m3fnuz: 1,
  float8e5m2: 1,
  float8e5m2fnuz: 1,
  float8e8m0: 1,
  float4e2m1: 1,
  int4: 1,
  uint4: 1,
  int2: 1,
  uint2: 1,
};

/** Bytes that one element takes in memory; 0 for strings, which have no fixed size. */
export function bytesPerElement(dtype: DType): number {
  return byteTable[dtype];
}

/** Number of elements of a shape; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const dim of shape) count *= dim;
  return count;
}

/** A typed array over `length` elements of `buffer` from `byteOffset` (a multiple of the element's bytes). */
export function viewOf(
  dtype: DType,
  buffer: ArrayBufferLike,
  byteOffset: number,
  length: number,
): NumericData {
  switch (dtype) {
    case "float32":
      return new Float32Array(buffer, byteOffset, length);
    case "float64":
      return new Float64Array(buffer, byteOffset, length);
    case "float16":
    case "bfloat16":
    case "uint16":
      return new Uint16Array(buffer, byteOffset, length);
    case "int16":
      return new Int16Array(buffer, byteOffset, length);
    case "int32":
      return new Int32Array(buffer, byteOffset, length);
    case "uint32":
      return new Uint32Array(buffer, byteOffset, length);
    case "int64":
      return new BigInt64Array(buffer, byteOffset, length);
    case "uint64":
      return new BigUint64Array(buffer, byteOffset, length);
    case "int8":
    case "int4":
    case "int2":
      return new Int8Array(buffer, byteOffset, length);
    case "string":
      throw new TypeError("strings have no view of memory");
    default:
      return new Uint8Array(buffer, byteOffset, length);
  }
}

/** A new zeroed typed array for `length` elements. */
export function allocate(dtype: DType, length: number): NumericData {
  return viewOf(dtype, new ArrayBuffer(length * bytesPerElement(dtype)), 0, length);
}
