/**
 * Element types by their numbers in ONNX, by which attributes name them and library kernels know them. Invariant: every
 * dtype of ours has a number; complex numbers have one too, though no tensor of ours holds them.
 */
import type { DType } from "./dtype.ts";

/** Element types with their codes in `TensorProto.DataType` (onnx.proto of ONNX 1.20). */
export const ONNX_DATA_TYPE = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  complex64: 14,
  complex128: 15,
  bfloat16: 16,
  float8e4m3fn: 17,
  float8e4m3fnuz: 18,
  float8e5m2: 19,
  float8e5m2fnuz: 20,
  uint4: 21,
  int4: 22,
  float4e2m1: 23,
  float8e8m0: 24,
  uint2: 25,
  int2: 26,
} as const;

export type OnnxDataType = keyof typeof ONNX_DATA_TYPE;

/** The number of a dtype: what `Cast`'s attribute `to` holds. */
export function typeNumber(dtype: DType): number {
  return ONNX_DATA_TYPE[dtype];
}

const names = new Map<number, OnnxDataType>(
  Object.entries(ONNX_DATA_TYPE).map(([name, number]) => [number, name as OnnxDataType]),
);

/** The name of an element type by its number; undefined where ONNX has none. */
export function typeOfNumber(number: number): OnnxDataType | undefined {
  return names.get(number);
}

export function isComplexType(type: OnnxDataType): type is "complex64" | "complex128" {
  return type === "complex64" || type === "complex128";
}
