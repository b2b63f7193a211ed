/**
 * Conversions between element bits and numbers, and between number types. In: bits or values of one type. Out:
 * values or bits of another, exactly as ONNX Cast rounds, saturates or wraps. Invariant: pure functions of their
 * arguments; every rounding happens once, to nearest with ties to even, so these are the reference for emitted
 * code. Sources: ONNX operator Cast and its tables for the 8-bit types (versions 19 to 24), IEEE 754 binary16,
 * the OCP 8-bit and MX formats, WebAssembly's saturating truncation.
 */
import { InternalError } from "../diagnostic.ts";
import { computeType, holdingType, integerRange, type ComputeType, type DType } from "./dtype.ts";

/** A value of a compute type: bigint for i64 and u64, number for all others. */
export type Scalar = number | bigint;

// ---------------------------------------------------------------------------------------------------------------
// Small floating-point formats

interface FloatFormat {
  readonly mantissaBits: number;
  readonly bias: number;
  readonly signBit: number;
  /** Bits of the largest finite magnitude. */
  readonly maxFinite: number;
  readonly infinity: number | undefined;
  /** Bits of the NaN that conversion gives; undefined where the format has none. */
  readonly nan: number | undefined;
  /** The pattern of -0 means NaN, and zero has no sign. */
  readonly unsignedZero: boolean;
}

export type SmallFloat =
  "float16" | "bfloat16" | "float8e4m3fn" | "float8e4m3fnuz" | "float8e5m2" | "float8e5m2fnuz" | "float4e2m1";

const formats: Readonly<Record<SmallFloat, FloatFormat>> = {
  float16: { mantissaBits: 10, bias: 15, signBit: 0x8000, maxFinite: 0x7bff, infinity: 0x7c00, nan: 0x7e00, unsignedZero: false },
  bfloat16: { mantissaBits: 7, bias: 127, signBit: 0x8000, maxFinite: 0x7f7f, infinity: 0x7f80, nan: 0x7fc0, unsignedZero: false },
  float8e4m3fn: { mantissaBits: 3, bias: 7, signBit: 0x80, maxFinite: 0x7e, infinity: undefined, nan: 0x7f, unsignedZero: false },
  float8e4m3fnuz: { mantissaBits: 3, bias: 8, signBit: 0x80, maxFinite: 0x7f, infinity: undefined, nan: 0x80, unsignedZero: true },
  float8e5m2: { mantissaBits: 2, bias: 15, signBit: 0x80, maxFinite: 0x7b, infinity: 0x7c, nan: 0x7e, unsignedZero: false },
  float8e5m2fnuz: { mantissaBits: 2, bias: 16, signBit: 0x80, maxFinite: 0x7f, infinity: undefined, nan: 0x80, unsignedZero: true },
  float4e2m1: { mantissaBits: 1, bias: 1, signBit: 0x8, maxFinite: 0x7, infinity: undefined, nan: undefined, unsignedZero: false },
}; // prettier-ignore

export function isSmallFloat(dtype: DType): dtype is SmallFloat {
  return dtype in formats;
}

const doubleView = new Float64Array(1);
const doubleWords = new Uint32Array(doubleView.buffer);
const singleView = new Float32Array(1);
const singleBits = new Int32Array(singleView.buffer);

/** The bits of a float32, as a signed number. */
export function floatBits(value: number): number {
  singleView[0] = value;
  return singleBits[0]!;
}

/** The float32 that has these bits. */
export function floatFromBits(bits: number): number {
  singleBits[0] = bits;
  return singleView[0]!;
}

const bigView = new BigInt64Array(doubleView.buffer);

/** The 64 bits of a value, read as `type`. */
export function readBits(type: "f64" | "i64" | "u64", value: Scalar): Scalar {
  if (typeof value === "number") doubleView[0] = value;
  else bigView[0] = value;
  return type === "f64" ? doubleView[0]! : type === "i64" ? bigView[0]! : BigInt.asUintN(64, bigView[0]!);
}

/** Exponent of the leading bit of a positive finite double; subnormal doubles count as 2^-1023. */
function exponentOf(magnitude: number): number {
  doubleView[0] = magnitude;
  return ((doubleWords[1]! >>> 20) & 0x7ff) - 1023;
}

/** Nearest integer; of two equally near, the even one. Keeps the sign of zero. */
export function roundHalfEven(value: number): number {
  if (!(Math.abs(value) < 2 ** 52)) return value;
  const down = Math.floor(value);
  const rest = value - down;
  const rounded = rest < 0.5 ? down : rest > 0.5 ? down + 1 : down % 2 === 0 ? down : down + 1;
  return rounded === 0 && (value < 0 || Object.is(value, -0)) ? -0 : rounded;
}

/**
 * The nearest bits of a small float type. What is too large, infinity too, becomes the largest finite value when
 * `saturate`, and infinity (NaN where the type has none) otherwise; float4e2m1 has neither and always saturates.
 */
export function encodeSmallFloat(dtype: SmallFloat, value: number, saturate: boolean): number {
  const format = formats[dtype];
  const negative = value < 0 || Object.is(value, -0);
  const sign = negative ? format.signBit : 0;
  // float4e2m1 has no NaN: the pattern of a zero with the sign bit is what the reference conversion leaves.
  if (Number.isNaN(value)) return format.nan ?? format.signBit;
  const magnitude = Math.abs(value);
  let bits: number;
  if (magnitude === Infinity) bits = 2 ** 16;
  else {
    const lowest = 1 - format.bias;
    const exponent = Math.max(lowest, exponentOf(magnitude));
    const steps = roundHalfEven(magnitude / 2 ** (exponent - format.mantissaBits));
    // A mantissa that rounds up to the next power of two carries into the exponent by itself.
    bits = (exponent - lowest) * 2 ** format.mantissaBits + steps;
  }
  if (bits > format.maxFinite) {
    if (saturate || format.nan === undefined) return sign | format.maxFinite;
    if (format.infinity !== undefined) return sign | format.infinity;
    return format.unsignedZero ? format.nan : sign | format.nan;
  }
  if (bits === 0 && format.unsignedZero) return 0;
  return sign | bits;
}

/** The value of bits of a small float type. */
export function decodeSmallFloat(dtype: SmallFloat, bits: number): number {
  const format = formats[dtype];
  const magnitudeBits = bits & (format.signBit - 1);
  const negative = (bits & format.signBit) !== 0;
  if (format.unsignedZero && bits === format.nan) return NaN;
  if (magnitudeBits > format.maxFinite) {
    if (magnitudeBits === format.infinity) return negative ? -Infinity : Infinity;
    return NaN;
  }
  const mantissaRange = 2 ** format.mantissaBits;
  const exponent = magnitudeBits >> format.mantissaBits;
  const mantissa = magnitudeBits % mantissaRange;
  const magnitude =
    exponent === 0
      ? mantissa * 2 ** (1 - format.bias - format.mantissaBits)
      : (mantissaRange + mantissa) * 2 ** (exponent - format.bias - format.mantissaBits);
  return negative ? -magnitude : magnitude;
}

/** How a value between two powers of two becomes one of float8e8m0. */
export type ScaleRounding = "up" | "down" | "nearest";

/**
 * The bits of float8e8m0, which holds powers of two from 2^-127 to 2^127 and NaN (0xff), no sign and no zero.
 * The sign is ignored and infinity is NaN, as in the reference implementation; `saturate` keeps what would round
 * past 2^127 there.
 */
export function encodeScale(value: number, saturate: boolean, rounding: ScaleRounding = "up"): number {
  const magnitude = Math.abs(value);
  if (!Number.isFinite(magnitude)) return 0xff;
  if (magnitude <= 2 ** -127) return 0;
  const exponent = exponentOf(magnitude);
  const fraction = magnitude / 2 ** exponent - 1;
  const raise = rounding === "up" ? fraction > 0 : rounding === "nearest" && fraction >= 0.5;
  const bits = exponent + 127 + (raise ? 1 : 0);
  return bits > 0xfe ? (saturate ? 0xfe : 0xff) : bits;
}

/** The value of the bits of float8e8m0. */
export function decodeScale(bits: number): number {
  return bits === 0xff ? NaN : 2 ** (bits - 127);
}

// ---------------------------------------------------------------------------------------------------------------
// Integers

/** Keeps the low bits of a 32-bit integer value that `dtype` (of at most 32 bits) has room for. */
function wrapInteger(dtype: DType, value: number): number {
  switch (dtype) {
    case "int2":
      return (value << 30) >> 30;
    case "uint2":
      return value & 3;
    case "int4":
      return (value << 28) >> 28;
    case "uint4":
      return value & 15;
    case "int8":
      return (value << 24) >> 24;
    case "uint8":
      return value & 0xff;
    case "int16":
      return (value << 16) >> 16;
    case "uint16":
      return value & 0xffff;
    case "int32":
      return value | 0;
    case "uint32":
      return value >>> 0;
    default:
      throw new InternalError(`${dtype} is not an integer type of at most 32 bits`);
  }
}

/** Truncates toward zero to int32; beyond its range the nearest end, NaN is 0 (i32.trunc_sat_f64_s). */
function truncateToInt32(value: number): number {
  if (value >= 2147483647) return 2147483647;
  if (value <= -2147483648) return -2147483648;
  return value | 0;
}

/** Truncates toward zero to uint32; beyond its range the nearest end, NaN is 0 (i32.trunc_sat_f64_u). */
function truncateToUint32(value: number): number {
  if (value >= 4294967295) return 4294967295;
  return value > 0 ? value >>> 0 : 0;
}

/** Truncates toward zero to int64 or uint64; beyond its range the nearest end, NaN is 0. */
function truncateToBig(dtype: "int64" | "uint64", value: number): bigint {
  if (Number.isNaN(value)) return 0n;
  const [low, high] = integerRange(dtype)!;
  if (value >= Number(high)) return high;
  if (value <= Number(low)) return low;
  return BigInt(Math.trunc(value));
}

/**
 * A double that every type with at most 51 bits of mantissa rounds to as it would the integer itself: bits that a
 * double has no room for only decide ties, and a sticky bit stands for them.
 */
function bigToSticky(value: bigint): number {
  const magnitude = value < 0n ? -value : value;
  if (magnitude < 2n ** 53n) return Number(value);
  const sticky = (magnitude & 2047n) === 0n ? 0n : 1n;
  const double = Number((magnitude >> 11n) | sticky) * 2048;
  return value < 0n ? -double : double;
}

// ---------------------------------------------------------------------------------------------------------------
// Cast and storage

const isBig = (type: ComputeType): boolean => type === "i64" || type === "u64";

/**
 * ONNX Cast of a value of compute type `from`, to storage type `to`; the result is a value of `to`'s compute type.
 * Floats truncate to integers and stop at the ends of int32 (int64, uint32, uint64); types narrower than 32 bits
 * then wrap. Integers wrap. 8-bit floats saturate. Anything but zero is true, NaN included.
 */
export function castFunction(from: ComputeType, to: DType | "index"): (value: Scalar) => Scalar {
  const fromFloat = from === "f32" || from === "f64";
  const toDouble = isBig(from) ? (x: Scalar) => bigToSticky(x as bigint) : (x: Scalar) => x as number;
  switch (to) {
    case "string":
      throw new InternalError("strings are not computed");
    case "bool":
      return isBig(from) ? (x) => (x === 0n ? 0 : 1) : (x) => (x === 0 ? 0 : 1);
    case "float64":
      return Number;
    case "float32":
      return (x) => Math.fround(toDouble(x));
    case "float8e8m0":
      return (x) => decodeScale(encodeScale(toDouble(x), true));
    case "float16":
    case "bfloat16":
    case "float4e2m1":
      return (x) => decodeSmallFloat(to, encodeSmallFloat(to, toDouble(x), false));
    case "float8e4m3fn":
    case "float8e4m3fnuz":
    case "float8e5m2":
    case "float8e5m2fnuz":
      return (x) => decodeSmallFloat(to, encodeSmallFloat(to, toDouble(x), true));
    case "int64":
      if (fromFloat) return (x) => truncateToBig("int64", x as number);
      return (x) => BigInt.asIntN(64, BigInt(x));
    case "uint64":
      if (fromFloat) return (x) => truncateToBig("uint64", x as number);
      return (x) => BigInt.asUintN(64, BigInt(x));
    case "uint32":
      if (fromFloat) return (x) => truncateToUint32(x as number);
      return isBig(from) ? (x) => Number(BigInt.asUintN(32, x as bigint)) : (x) => (x as number) >>> 0;
    case "index":
    case "int32":
      if (fromFloat) return (x) => truncateToInt32(x as number);
      return isBig(from) ? (x) => Number(BigInt.asIntN(32, x as bigint)) : (x) => (x as number) | 0;
    default: {
      if (fromFloat) return (x) => wrapInteger(to, truncateToInt32(x as number));
      if (isBig(from)) return (x) => wrapInteger(to, Number(BigInt.asIntN(32, x as bigint)));
      return (x) => wrapInteger(to, x as number);
    }
  }
}

const decodeTables = new Map<DType, Float32Array>();

/**
 * What reading an element does: from the stored element (bits for the small floats) to a value of the compute
 * type. `undefined` means that the stored element is the value.
 */
export function loadFunction(dtype: DType): ((stored: Scalar) => Scalar) | undefined {
  if (dtype === "bool") return (stored) => (stored === 0 ? 0 : 1);
  if (!isSmallFloat(dtype) && dtype !== "float8e8m0") return undefined;
  let decoded = decodeTables.get(dtype);
  if (!decoded) {
    const count = dtype === "float16" || dtype === "bfloat16" ? 0x10000 : 0x100;
    const decode = dtype === "float8e8m0" ? decodeScale : (bits: number) => decodeSmallFloat(dtype, bits);
    decoded = Float32Array.from({ length: count }, (_, bits) => decode(bits));
    decodeTables.set(dtype, decoded);
  }
  const values = decoded;
  return (stored) => values[stored as number]!;
}

/**
 * What storing a value of the dtype's compute type does: integers wrap, floats round. Unlike Cast it does not
 * saturate 8-bit floats, so that both behaviours of Cast's `saturate` can be written; a power-of-two scale rounds up.
 */
export function storeFunction(dtype: DType): (value: Scalar) => Scalar {
  if (isSmallFloat(dtype)) return (value) => encodeSmallFloat(dtype, value as number, false);
  if (dtype === "float8e8m0") return (value) => encodeScale(value as number, false);
  const type = computeType(dtype);
  if (dtype === "string") throw new InternalError("strings are not computed");
  if (type === "i32" && dtype !== "int32") return (value) => wrapInteger(dtype, value as number);
  return (value) => value;
}

/** The number `value`, as a pad or a halo gives it, as a value of `type`: converted as Cast would. */
export function typedConstant(type: ComputeType, value: number): Scalar {
  return castFunction("f64", holdingType(type) ?? "index")(value);
}
