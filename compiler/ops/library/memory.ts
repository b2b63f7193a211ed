/**
 * Typed access to raw memory for the reference implementations. In: a DataView of the one linear memory, byte
 * addresses (as the i32 that the kernels take: negative means above 2 GiB) and dtype codes. Out: numbers, or
 * bigints for 64-bit integers. Invariant: slow and plain; where there is a choice it takes another way than the
 * kernels, so that a slip in one shows as a difference.
 */
import { ONNX_DATA_TYPE } from "../../ir/dataType.ts";
import { InternalError } from "../../diagnostic.ts";

/** What a kernel takes for a pointer to an optional tensor that is not there. */
export const absent = -1;

const { float32, uint8, int8, uint16, int16, int32, int64, bool, float16, float64, uint32, uint64, bfloat16 } = ONNX_DATA_TYPE; // prettier-ignore

/** dtype arguments of library kernels: the numbers of ONNX. */
export const libraryDtypes = { float32, uint8, int8, uint16, int16, int32, int64, bool, float16, float64, uint32, uint64, bfloat16 } as const; // prettier-ignore

export type LibraryDType = keyof typeof libraryDtypes;

const namesByCode = new Map<number, LibraryDType>(
  Object.entries(libraryDtypes).map(([name, code]) => [code, name as LibraryDType]),
);

const widths: Readonly<Record<LibraryDType, number>> = {
  float32: 4,
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  int32: 4,
  int64: 8,
  bool: 1,
  float16: 2,
  float64: 8,
  uint32: 4,
  uint64: 8,
  bfloat16: 2,
};

/** The dtype of a code that a kernel was given. */
export function dtypeOfCode(code: number): LibraryDType {
  const dtype = namesByCode.get(code);
  if (!dtype) throw new InternalError(`library kernels do not know dtype ${code}`);
  return dtype;
}

/** Bytes of one element. */
export function widthOf(dtype: LibraryDType): number {
  return widths[dtype];
}

export function isFloatDtype(dtype: LibraryDType): boolean {
  return dtype === "float32" || dtype === "float64" || dtype === "float16" || dtype === "bfloat16";
}

export function isAbsent(pointer: number): boolean {
  return (pointer | 0) === absent;
}

export function readInt32(memory: DataView, pointer: number, index: number): number {
  return memory.getInt32((pointer >>> 0) + index * 4, true);
}

export function readInt64(memory: DataView, pointer: number, index: number): bigint {
  return memory.getBigInt64((pointer >>> 0) + index * 8, true);
}

export function writeInt64(memory: DataView, pointer: number, index: number, value: number | bigint): void {
  memory.setBigInt64((pointer >>> 0) + index * 8, BigInt(value), true);
}

/** An index tensor's element, of int32 or int64. */
export function readIndex(memory: DataView, pointer: number, index: number, code: number): bigint {
  return code === libraryDtypes.int32
    ? BigInt(readInt32(memory, pointer, index))
    : readInt64(memory, pointer, index);
}

/** `count` i32 from `pointer`, such as the dims of a tensor. */
export function readInts(memory: DataView, pointer: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => readInt32(memory, pointer, i));
}

/** The value of a 16-bit float with the given number of exponent bits; infinity reads as the next power of two. */
function halfMagnitude(bits: number, exponentBits: number): number {
  const fractionBits = 15 - exponentBits;
  const exponent = bits >> fractionBits;
  const fraction = (bits % 2 ** fractionBits) / 2 ** fractionBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  return exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias);
}

function readHalf(bits: number, exponentBits: number): number {
  const infinity = (2 ** exponentBits - 1) * 2 ** (15 - exponentBits);
  const magnitude = bits & 0x7fff;
  if (magnitude > infinity) return NaN;
  const value = magnitude === infinity ? Infinity : halfMagnitude(magnitude, exponentBits);
  return bits & 0x8000 ? -value : value;
}

/** Bisects the patterns, which are in the order of their values, for the nearest one; ties go to the even one. */
function writeHalf(value: number, exponentBits: number): number {
  const infinity = (2 ** exponentBits - 1) * 2 ** (15 - exponentBits);
  if (Number.isNaN(value)) return infinity + 2 ** (14 - exponentBits);
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= halfMagnitude(infinity, exponentBits)) return sign + infinity;
  let low = 0;
  let high = infinity;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (halfMagnitude(middle, exponentBits) <= magnitude) low = middle;
    else high = middle;
  }
  const below = magnitude - halfMagnitude(low, exponentBits);
  const above = halfMagnitude(high, exponentBits) - magnitude;
  const up = above < below || (above === below && low % 2 === 1);
  return sign + (up ? high : low);
}

/** Element `index` of a tensor: a bigint for the 64-bit integers, else a number. */
export function readElement(
  memory: DataView,
  pointer: number,
  index: number,
  dtype: LibraryDType,
): number | bigint {
  const at = (pointer >>> 0) + index * widths[dtype];
  switch (dtype) {
    case "float32":
      return memory.getFloat32(at, true);
    case "float64":
      return memory.getFloat64(at, true);
    case "float16":
      return readHalf(memory.getUint16(at, true), 5);
    case "bfloat16":
      return readHalf(memory.getUint16(at, true), 8);
    case "int8":
      return memory.getInt8(at);
    case "uint8":
    case "bool":
      return memory.getUint8(at);
    case "int16":
      return memory.getInt16(at, true);
    case "uint16":
      return memory.getUint16(at, true);
    case "int32":
      return memory.getInt32(at, true);
    case "uint32":
      return memory.getUint32(at, true);
    case "int64":
      return memory.getBigInt64(at, true);
    case "uint64":
      return memory.getBigUint64(at, true);
  }
}

/** Stores `value` as `dtype`: floats are rounded to nearest even, integers keep their low bits. */
export function writeElement(
  memory: DataView,
  pointer: number,
  index: number,
  dtype: LibraryDType,
  value: number | bigint,
): void {
  const at = (pointer >>> 0) + index * widths[dtype];
  switch (dtype) {
    case "float32":
      return memory.setFloat32(at, Number(value), true);
    case "float64":
      return memory.setFloat64(at, Number(value), true);
    case "float16":
      return memory.setUint16(at, writeHalf(Number(value), 5), true);
    case "bfloat16":
      return memory.setUint16(at, writeHalf(Number(value), 8), true);
    default: {
      const low = BigInt.asUintN(widths[dtype] * 8, BigInt(value));
      for (let byte = 0; byte < widths[dtype]; byte++) {
        memory.setUint8(at + byte, Number((low >> BigInt(8 * byte)) & 0xffn));
      }
    }
  }
}

/** Copies `bytes` bytes; the bits stay, whatever they mean. */
export function copyBytes(memory: DataView, target: number, source: number, bytes: number): void {
  for (let i = 0; i < bytes; i++) {
    memory.setUint8((target >>> 0) + i, memory.getUint8((source >>> 0) + i));
  }
}

/** -1, 0 or 1: -0 equals 0, NaN equals NaN and is above everything else (the order of numpy's sort). */
export function compareElements(left: number | bigint, right: number | bigint): number {
  const leftIsNaN = typeof left === "number" && Number.isNaN(left);
  const rightIsNaN = typeof right === "number" && Number.isNaN(right);
  if (leftIsNaN || rightIsNaN) return Number(leftIsNaN) - Number(rightIsNaN);
  return left < right ? -1 : left > right ? 1 : 0;
}
