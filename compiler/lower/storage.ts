/**
 * Element types that no machine loads. In: a kernel with float16, bfloat16, float8, float4 buffers and casts. Out:
 * the same over integer buffers of the same width, with the conversions written as integer expressions. Invariant:
 * rounding is to nearest even, as ir/numeric.ts does it for the interpreter; backends see only native types.
 */
import type { DType } from "../ir/dtype.ts";
import {
  add,
  binary,
  bitcast,
  cast,
  constant,
  f32,
  load,
  lt,
  mul,
  or,
  select,
  sub,
  unary,
  type Expr,
} from "../ir/expr.ts";
import { rewrite } from "../ir/walk.ts";
import { mapAssigns, type Buffer, type Kernel } from "../ir/kernel.ts";
import { encodeSmallFloat, isSmallFloat, storeFunction } from "../ir/numeric.ts";

interface Format {
  readonly exponentBits: number;
  readonly mantissaBits: number;
  readonly bias: number;
  /** Has infinities (the IEEE arrangement of specials). */
  readonly infinities: boolean;
  /** Code of NaN, or undefined when there is none. */
  readonly nan: number | undefined;
  /** Largest finite code, without sign. */
  readonly largest: number;
  /** Zero has no sign (the "uz" types): the sign bit alone is NaN. */
  readonly unsignedZero: boolean;
}

const formats: Partial<Record<DType, Format>> = {
  float16: {
    exponentBits: 5,
    mantissaBits: 10,
    bias: 15,
    infinities: true,
    nan: 0x7e00,
    largest: 0x7bff,
    unsignedZero: false,
  },
  bfloat16: {
    exponentBits: 8,
    mantissaBits: 7,
    bias: 127,
    infinities: true,
    nan: 0x7fc0,
    largest: 0x7f7f,
    unsignedZero: false,
  },
  float8e4m3fn: {
    exponentBits: 4,
    mantissaBits: 3,
    bias: 7,
    infinities: false,
    nan: 0x7f,
    largest: 0x7e,
    unsignedZero: false,
  },
  float8e4m3fnuz: {
    exponentBits: 4,
    mantissaBits: 3,
    bias: 8,
    infinities: false,
    nan: 0x80,
    largest: 0x7f,
    unsignedZero: true,
  },
  float8e5m2: {
    exponentBits: 5,
    mantissaBits: 2,
    bias: 15,
    infinities: true,
    nan: 0x7f,
    largest: 0x7b,
    unsignedZero: false,
  },
  float8e5m2fnuz: {
    exponentBits: 5,
    mantissaBits: 2,
    bias: 16,
    infinities: false,
    nan: 0x80,
    largest: 0x7f,
    unsignedZero: true,
  },
  float4e2m1: {
    exponentBits: 2,
    mantissaBits: 1,
    bias: 1,
    infinities: false,
    nan: undefined,
    largest: 0x7,
    unsignedZero: false,
  },
};

const i32 = (value: number): Expr => constant("i32", value);
const bitAnd = (a: Expr, mask: number): Expr => binary("and", a, i32(mask));
const bitOr = (a: Expr, b: Expr): Expr => binary("or", a, b);
const shl = (a: Expr, by: number): Expr => binary("shl", a, i32(by));

function signBit(format: Format): number {
  return format.exponentBits + format.mantissaBits;
}

/** Bits (i32) to f32. `flushes`: the device may take subnormal numbers for 0. */
function decode(bits: Expr, format: Format, flushes = false): Expr {
  const { mantissaBits, bias, infinities, nan, exponentBits } = format;
  const sign = shl(bitAnd(bits, 1 << signBit(format)), 31 - signBit(format));
  const magnitude = bitAnd(bits, (1 << signBit(format)) - 1);
  const moved = shl(magnitude, 23 - mantissaBits);
  // Multiplying rebiases normal and subnormal numbers alike.
  const value =
    bias === 127
      ? bitcast(moved, "f32")
      : flushes
        ? select(
            lt(magnitude, i32(1 << mantissaBits)),
            mul(cast(magnitude, "float32"), f32(2 ** (1 - bias - mantissaBits))),
            bitcast(add(moved, i32((127 - bias) << 23)), "f32"),
          )
        : mul(bitcast(moved, "f32"), f32(2 ** (127 - bias)));
  let result = bitcast(value, "i32");
  if (infinities && bias !== 127) {
    const special = ((1 << exponentBits) - 1) << mantissaBits;
    result = select(binary("ge", magnitude, i32(special)), bitOr(moved, i32(0x7f800000)), result);
  }
  const signed = bitOr(result, sign);
  if (infinities || nan === undefined) return bitcast(signed, "f32");
  const isNan = nan === 0x80 ? binary("eq", bits, i32(0x80)) : binary("eq", magnitude, i32(nan));
  return bitcast(select(isNan, i32(0x7fc00000), signed), "f32");
}

/**
 * f32 to bits (i32), to nearest even. What is too large, infinity included, becomes the largest finite value when
 * `saturate`, else infinity, or NaN where there is none; float4 has neither and always saturates.
 */
function encode(x: Expr, format: Format, saturate: boolean): Expr {
  const { mantissaBits, bias, infinities, nan, largest, unsignedZero } = format;
  const bits = bitcast(x, "i32");
  const magnitude = bitAnd(bits, 0x7fffffff);
  const dropped = 23 - mantissaBits;
  const odd = bitAnd(binary("shr", magnitude, i32(dropped)), 1);
  const rounded = add(add(magnitude, i32((1 << (dropped - 1)) - 1)), odd);
  const normal = sub(binary("shr", rounded, i32(dropped)), i32((127 - bias) << mantissaBits));
  let code = normal;
  if (bias !== 127) {
    // Adding a power of two whose last place is the smallest subnormal rounds there.
    const magic = 2 ** (1 - bias - mantissaBits + 23);
    const sum = bitcast(add(bitcast(magnitude, "f32"), f32(magic)), "i32");
    const subnormal = sub(sum, bitcast(f32(magic), "i32"));
    code = select(lt(bitcast(magnitude, "f32"), f32(2 ** (1 - bias))), subnormal, normal);
  }
  const past = infinities ? largest + 1 : nan;
  const over = saturate || past === undefined ? largest : past;
  code = select(binary("gt", code, i32(largest)), i32(over), code);
  // Very large magnitudes must not wrap around in the comparison above.
  code = select(binary("ge", magnitude, i32(0x7f800000)), i32(over), code);
  const sign = bitAnd(binary("shr", bits, i32(31 - signBit(format))), 1 << signBit(format));
  let signed = bitOr(code, sign);
  if (unsignedZero) signed = select(binary("eq", code, i32(0)), i32(0), signed);
  // float4e2m1 has no NaN: a zero with the sign bit is what the reference conversion leaves.
  const isNan = binary("gt", magnitude, i32(0x7f800000));
  return select(isNan, i32(nan ?? 1 << signBit(format)), signed);
}

/** f32 to the exponent of the next power of two above, as bits (i32) of float8e8m0; the sign is dropped. */
function encodeScale(x: Expr, saturate: boolean): Expr {
  const magnitude = bitAnd(bitcast(x, "i32"), 0x7fffffff);
  const fraction = bitAnd(magnitude, 0x007fffff);
  const raise = select(binary("gt", fraction, i32(0)), i32(1), i32(0));
  const exponent = add(binary("shr", magnitude, i32(23)), raise);
  const code = select(binary("gt", exponent, i32(254)), i32(saturate ? 254 : 255), exponent);
  // 2^-127, the least of the type, is a subnormal f32.
  const positive = select(binary("le", magnitude, i32(0x00400000)), i32(0), code);
  return select(binary("ge", magnitude, i32(0x7f800000)), i32(255), positive);
}

/** 2^(bits - 127), NaN for 255. */
function decodeScale(bits: Expr): Expr {
  const power = select(binary("eq", bits, i32(0)), i32(0x00400000), shl(bits, 23));
  return bitcast(select(binary("eq", bits, i32(255)), i32(0x7fc00000), power), "f32");
}

function carrier(dtype: DType): DType {
  return dtype === "float16" || dtype === "bfloat16" ? "uint16" : "uint8";
}

/** Floats of 16 bits, which a memory that widens narrow types holds as float32. */
function isHalf(dtype: DType): boolean {
  return dtype === "float16" || dtype === "bfloat16";
}

/**
 * Rewrites a kernel so that its buffers and casts use native types only.
 *
 * @param widens whether a buffer holds its floats of 16 bits as float32, rounded when they are stored; for devices that
 * have no doubles
 * @param native whether a buffer stays one of float16: the device loads and stores these as they are
 */
export function lowerStorage(
  given: Kernel,
  widens?: (buffer: number) => boolean,
  native: (buffer: number) => boolean = () => false,
): Kernel {
  const kernel = widens ? widened(given, (i) => widens(i) && !native(i)) : given;
  const toF32 = widens ? toF32ByItself : toF32ByDouble;
  const needs = (dtype: DType): boolean => formats[dtype] !== undefined || dtype === "float8e8m0";
  const buffers = kernel.buffers.map((b, i): Buffer => (needs(b.dtype) && !native(i) ? { ...b, dtype: carrier(b.dtype) } : b)); // prettier-ignore
  const memo = new Map<Expr, Expr>();
  const lowered = (e: Expr): Expr =>
    rewrite(
      e,
      (x) => {
        if (x.kind === "load") {
          const { dtype } = kernel.buffers[x.buffer]!;
          if (!needs(dtype) || native(x.buffer)) return undefined;
          const pad = x.pad === undefined ? undefined : padBits(dtype, x.pad);
          const bits = load(x.buffer, carrier(dtype), x.index, pad);
          const format = formats[dtype];
          return format ? decode(bits, format, widens !== undefined) : decodeScale(bits);
        }
        if (x.kind === "cast" && x.to !== "index") {
          if (x.to === "float8e8m0") return decodeScale(encodeScale(toF32(x.a), true));
          const format = formats[x.to];
          if (!format) return undefined;
          // Cast saturates the 8-bit types; storing does not.
          return decode(encode(toF32(x.a), format, x.to.startsWith("float8")), format, widens !== undefined);
        }
        return undefined;
      },
      memo,
    );
  const body = mapAssigns(kernel.body, (assign) => {
    const { dtype } = kernel.buffers[assign.out]!;
    const format = native(assign.out) ? undefined : formats[dtype];
    // A cast to the stored type at the root is the store's own conversion, with the cast's saturation.
    const casts = needs(dtype) && assign.value.kind === "cast" && assign.value.to === dtype;
    let value = lowered(casts && assign.value.kind === "cast" ? assign.value.a : assign.value);
    if (format) value = encode(toF32(value), format, casts && dtype.startsWith("float8"));
    else if (needs(dtype) && !native(assign.out)) value = encodeScale(toF32(value), casts);
    else if (isSubByte(dtype)) value = cast(value, dtype);
    return {
      ...assign,
      value,
      index: assign.index.map(lowered),
      ...(assign.reduce ? { reduce: { ...assign.reduce, body: lowered(assign.reduce.body) } } : {}),
    };
  });
  return { ...kernel, buffers, body };
}

/** The kernel with float32 in place of 16-bit floats, where `widens` says so, and stores that round to them. */
function widened(kernel: Kernel, widens: (buffer: number) => boolean): Kernel {
  const changed = kernel.buffers.map((b, i) => isHalf(b.dtype) && widens(i));
  if (!changed.includes(true)) return kernel;
  const buffers = kernel.buffers.map((b, i): Buffer => (changed[i] ? { ...b, dtype: "float32" } : b));
  const body = mapAssigns(kernel.body, (assign) => {
    const { dtype } = kernel.buffers[assign.out]!;
    return changed[assign.out] ? { ...assign, value: cast(assign.value, dtype) } : assign;
  });
  return { ...kernel, buffers, body };
}

/** Integers that fill a byte in memory but not in value: the machine's store would keep too many bits. */
function isSubByte(dtype: DType): boolean {
  return dtype === "int4" || dtype === "uint4" || dtype === "int2" || dtype === "uint2";
}

/**
 * A number of any type as an f32 that rounds to a smaller type as the number itself would: what f32 has no room for
 * makes the last bit odd, so that it is never taken for a tie.
 */
function toF32ByDouble(x: Expr): Expr {
  if (x.type === "f32") return x;
  if (x.type !== "f64")
    return toF32ByDouble(cast(x.type === "i64" || x.type === "u64" ? jammed(x) : x, "float64"));
  const nearest = cast(x, "float32");
  const back = cast(nearest, "float64");
  const bits = bitcast(nearest, "i32");
  const tooFar = binary("gt", unary("abs", back), unary("abs", x));
  const odd = bitOr(select(tooFar, sub(bits, i32(1)), bits), i32(1));
  return select(binary("eq", back, x), nearest, bitcast(odd, "f32"));
}

/** The same for devices without doubles: what an integer loses as f32 is seen when it is converted back. */
function toF32ByItself(x: Expr): Expr {
  if (x.type === "f32" || x.type === "f64" || x.type === "bool") return toF32OrDouble(x);
  const nearest = cast(x, "float32");
  const back = cast(nearest, x.type === "i64" ? "int64" : x.type === "u64" ? "uint64" : x.type === "u32" ? "uint32" : "int32"); // prettier-ignore
  const whole = x.type === "index" ? cast(x, "int32") : x;
  const bits = bitcast(nearest, "i32");
  const tooFar = binary("gt", unary("abs", back), unary("abs", whole));
  const odd = bitOr(select(tooFar, sub(bits, i32(1)), bits), i32(1));
  return select(binary("eq", back, whole), nearest, bitcast(odd, "f32"));
}

function toF32OrDouble(x: Expr): Expr {
  return x.type === "bool" ? cast(x, "float32") : toF32ByDouble(x);
}

/** A 64-bit integer with no more bits than f64 has; where that drops some, the last one is set. */
function jammed(x: Expr): Expr {
  const big = (value: bigint): Expr => constant(x.type, value);
  const low = binary("and", x, big(2047n));
  const high = sub(x, low);
  const odd = select(binary("eq", low, big(0n)), high, binary("or", high, big(2048n)));
  const large = binary("ge", x, big(2n ** 53n));
  return select(x.type === "u64" ? large : or(large, binary("le", x, big(-(2n ** 53n)))), odd, x);
}

function padBits(dtype: DType, pad: number): number {
  return isSmallFloat(dtype) ? encodeSmallFloat(dtype, pad, true) : Number(storeFunction(dtype)(pad));
}
