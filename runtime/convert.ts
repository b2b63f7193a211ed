/**
 * Plain numbers to tensor elements. In: numbers, bigints or booleans and a dtype. Out: the typed array that holds
 * them in memory. Invariant: integers arrive exactly or not at all; floats are rounded to the nearest value of
 * their type, ties to even (IEEE 754-2019, section 4.3.1).
 */
import { allocate, type DType, type NumericData } from "./dtype.ts";

/** What a list of elements may hold. */
export type PlainNumber = number | bigint | boolean;

/**
 * The elements as `dtype` holds them.
 *
 * @throws RangeError that says which element does not fit and why
 * @example convertNumbers("int64", [1, 2, 3]); // BigInt64Array [1n, 2n, 3n]
 */
export function convertNumbers(dtype: DType, values: readonly PlainNumber[]): NumericData {
  const convert = converterTo(dtype);
  const data = allocate(dtype, values.length);
  for (let index = 0; index < values.length; index++) {
    const value: unknown = values[index];
    if (typeof value !== "number" && typeof value !== "bigint" && typeof value !== "boolean") {
      throw new RangeError(`element ${index} is ${value === null ? "null" : typeof value}, not a number`);
    }
    const converted = convert(value);
    if (converted === undefined) throw new RangeError(`element ${index}, ${value}, is no ${dtype}`);
    data[index] = converted;
  }
  return data;
}

/** A function from a plain number to what goes into the typed array; undefined if it does not fit. */
function converterTo(dtype: DType): (value: PlainNumber) => number | bigint | undefined {
  const integer = /^(u?)int(\d+)$/.exec(dtype);
  if (integer !== null) {
    const bits = Number(integer[2]);
    const least = integer[1] === "u" ? 0n : -(1n << BigInt(bits - 1));
    const most = integer[1] === "u" ? (1n << BigInt(bits)) - 1n : -least - 1n;
    return (value) => {
      if (typeof value === "number" && !Number.isInteger(value)) return undefined;
      // Past 2^53 a number stands for many integers, so the one that was meant is not known.
      if (bits === 64 && typeof value === "number" && !Number.isSafeInteger(value)) return undefined;
      const exact = BigInt(value);
      if (exact < least || exact > most) return undefined;
      return bits === 64 ? exact : Number(exact);
    };
  }
  switch (dtype) {
    case "float32":
    case "float64":
      return Number;
    case "float16":
      return (value) => floatBits(Number(value), 5, 10);
    case "bfloat16":
      return (value) => floatBits(Number(value), 8, 7);
    case "bool":
      return (value) => (Number(value) === 0 ? 0 : 1);
    default:
      throw new RangeError(`${dtype} has no conversion from plain numbers: give its bits in a Uint8Array`);
  }
}

const scratch = new DataView(new ArrayBuffer(8));

/** The bits of the binary float with these field widths that is nearest to `value`. */
export function floatBits(value: number, exponentBits: number, fractionBits: number): number {
  scratch.setFloat64(0, value);
  const high = scratch.getUint32(0);
  const sign = (high >>> 31) << (exponentBits + fractionBits);
  const infinity = ((1 << exponentBits) - 1) << fractionBits;
  if (Number.isNaN(value)) return infinity | (1 << (fractionBits - 1));
  const leastExponent = 2 - (1 << (exponentBits - 1));
  const exponent = Math.max(((high >>> 20) & 0x7ff) - 1023, leastExponent);
  // In units of the last place: exact, since it only moves the exponent.
  const units = Math.abs(value) / 2 ** (exponent - fractionBits);
  const below = Math.floor(units);
  const rest = units - below;
  const rounded = below + (rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? 1 : 0);
  // A carry out of the fraction adds one to the exponent by itself, up to infinity.
  return sign | Math.min(rounded + (exponent - leastExponent) * 2 ** fractionBits, infinity);
}
