/**
 * Element types as the compiler sees them: a tensor's storage dtype (owned by the runtime, which must size and
 * view memory) and the few types that arithmetic is done in. Invariant: every storage dtype but string has
 * exactly one compute type; loads widen to it and stores narrow from it.
 */
export { allocate, bytesPerElement, dtypes, elementCount, viewOf } from "../../runtime/dtype.ts";
export type { DType, NumericData, Tensor, TensorData } from "../../runtime/dtype.ts";
import type { DType } from "../../runtime/dtype.ts";

/**
 * The type of an expression's value. `index` is a 32-bit integer that is known not to overflow (coordinates and
 * offsets), so that it may be rearranged freely; `bool` is 0 or 1.
 */
export type ComputeType = "f32" | "f64" | "i32" | "u32" | "i64" | "u64" | "bool" | "index";

const computeTable: Readonly<Record<DType, ComputeType>> = {
  float32: "f32",
  float64: "f64",
  float16: "f32",
  bfloat16: "f32",
  int8: "i32",
  uint8: "i32",
  int16: "i32",
  uint16: "i32",
  int32: "i32",
  uint32: "u32",
  int64: "i64",
  uint64: "u64",
  bool: "bool",
  string: "i32",
  float8e4m3fn: "f32",
  float8e4m3fnuz: "f32",
  float8e5m2: "f32",
  float8e5m2fnuz: "f32",
  float8e8m0: "f32",
  float4e2m1: "f32",
  int4: "i32",
  uint4: "i32",
  int2: "i32",
  uint2: "i32",
};

/** The type in which elements of `dtype` are computed. */
export function computeType(dtype: DType): ComputeType {
  return computeTable[dtype];
}

const holdingTable: Readonly<Record<Exclude<ComputeType, "index">, DType>> = {
  f32: "float32",
  f64: "float64",
  i32: "int32",
  u32: "uint32",
  i64: "int64",
  u64: "uint64",
  bool: "bool",
};

/** The dtype that holds values of a compute type as they are; indices are never stored. */
export function holdingType(type: ComputeType): DType | undefined {
  return type === "index" ? undefined : holdingTable[type];
}

export function isFloat(dtype: DType): boolean {
  const type = computeTable[dtype];
  return type === "f32" || type === "f64";
}

export function isInteger(dtype: DType): boolean {
  return !isFloat(dtype) && dtype !== "bool" && dtype !== "string";
}

/** Whether a compute type is a floating-point one. */
export function isFloatCompute(type: ComputeType): boolean {
  return type === "f32" || type === "f64";
}

/** Inclusive range of an integer dtype, as bigints. */
export function integerRange(dtype: DType): readonly [bigint, bigint] | undefined {
  switch (dtype) {
    case "bool":
      return [0n, 1n];
    case "int2":
      return [-2n, 1n];
    case "uint2":
      return [0n, 3n];
    case "int4":
      return [-8n, 7n];
    case "uint4":
      return [0n, 15n];
    case "int8":
      return [-128n, 127n];
    case "uint8":
      return [0n, 255n];
    case "int16":
      return [-32768n, 32767n];
    case "uint16":
      return [0n, 65535n];
    case "int32":
      return [-(2n ** 31n), 2n ** 31n - 1n];
    case "uint32":
      return [0n, 2n ** 32n - 1n];
    case "int64":
      return [-(2n ** 63n), 2n ** 63n - 1n];
    case "uint64":
      return [0n, 2n ** 64n - 1n];
    default:
      return undefined;
  }
}
