// How kernels read and write elements whose type is known only at run time. In: an address and a dtype, the
// number of ONNX's TensorProto.DataType. Out: sizes, order keys, numbers. Invariant: an order key compares as a
// signed i64 exactly as the elements compare, with -0 equal to +0 and every NaN equal and above +Infinity (the
// order of numpy's sort), so one code path serves all types and a module stays small.

export const FLOAT: i32 = 1;
export const UINT8: i32 = 2;
export const INT8: i32 = 3;
export const UINT16: i32 = 4;
export const INT16: i32 = 5;
export const INT32: i32 = 6;
export const INT64: i32 = 7;
export const BOOL: i32 = 9;
export const FLOAT16: i32 = 10;
export const DOUBLE: i32 = 11;
export const UINT32: i32 = 12;
export const UINT64: i32 = 13;
export const BFLOAT16: i32 = 16;

/** Bytes of one element: 1, 2, 4 or 8. */
export function elementSize(dtype: i32): i32 {
  switch (dtype) {
    case UINT8:
    case INT8:
    case BOOL:
      return 1;
    case UINT16:
    case INT16:
    case FLOAT16:
    case BFLOAT16:
      return 2;
    case FLOAT:
    case INT32:
    case UINT32:
      return 4;
    default:
      return 8;
  }
}

/** Copies one element bit for bit, so NaN payloads and the sign of zero survive. */
export function copyElement(target: usize, source: usize, size: i32): void {
  switch (size) {
    case 1:
      store<u8>(target, load<u8>(source));
      break;
    case 2:
      store<u16>(target, load<u16>(source));
      break;
    case 4:
      store<u32>(target, load<u32>(source));
      break;
    default:
      store<u64>(target, load<u64>(source));
  }
}

function floatKey(magnitude: i64, infinity: i64, negative: bool): i64 {
  if (magnitude > infinity) return i64.MAX_VALUE;
  return negative ? -magnitude : magnitude;
}

/** The order key of the element at `address`; see the head of this file. */
export function orderKey(address: usize, dtype: i32): i64 {
  switch (dtype) {
    case FLOAT: {
      const bits = load<i32>(address);
      return floatKey(<i64>(bits & 0x7fffffff), 0x7f800000, bits < 0);
    }
    case DOUBLE: {
      const bits = load<i64>(address);
      return floatKey(bits & i64.MAX_VALUE, 0x7ff0000000000000, bits < 0);
    }
    case FLOAT16: {
      const bits = <i32>load<i16>(address);
      return floatKey(<i64>(bits & 0x7fff), 0x7c00, bits < 0);
    }
    case BFLOAT16: {
      const bits = <i32>load<i16>(address);
      return floatKey(<i64>(bits & 0x7fff), 0x7f80, bits < 0);
    }
    // Flipping the top bit makes unsigned order signed order.
    case UINT64:
      return load<i64>(address) ^ i64.MIN_VALUE;
    default:
      return loadInteger(address, dtype);
  }
}

/** The integer (or bool) at `address`, widened by its own signedness; u64 keeps its 64 bits. */
export function loadInteger(address: usize, dtype: i32): i64 {
  switch (dtype) {
    case UINT8:
    case BOOL:
      return <i64>load<u8>(address);
    case INT8:
      return <i64>load<i8>(address);
    case UINT16:
      return <i64>load<u16>(address);
    case INT16:
      return <i64>load<i16>(address);
    case INT32:
      return <i64>load<i32>(address);
    case UINT32:
      return <i64>load<u32>(address);
    default:
      return load<i64>(address);
  }
}

/** Stores the low bits of `value`: integers wrap as ONNX says. */
export function storeInteger(address: usize, size: i32, value: i64): void {
  switch (size) {
    case 1:
      store<u8>(address, <u8>value);
      break;
    case 2:
      store<u16>(address, <u16>value);
      break;
    case 4:
      store<u32>(address, <u32>value);
      break;
    default:
      store<i64>(address, value);
  }
}

export function isFloat(dtype: i32): bool {
  return dtype == FLOAT || dtype == DOUBLE || dtype == FLOAT16 || dtype == BFLOAT16;
}

/** A power of two inside the range of normal f64 numbers. */
function powerOfTwo(exponent: i32): f64 {
  return reinterpret<f64>(<i64>(exponent + 1023) << 52);
}

/** A 16-bit float of the given field widths as f64; exact. */
function unpackFloat(bits: i32, exponentBits: i32, fractionBits: i32): f64 {
  const bias = (1 << (exponentBits - 1)) - 1;
  const exponent = (bits >> fractionBits) & ((1 << exponentBits) - 1);
  const fraction = bits & ((1 << fractionBits) - 1);
  let value: f64;
  if (exponent == (1 << exponentBits) - 1) value = fraction == 0 ? Infinity : NaN;
  else if (exponent == 0) value = <f64>fraction * powerOfTwo(1 - bias - fractionBits);
  else value = <f64>(fraction | (1 << fractionBits)) * powerOfTwo(exponent - bias - fractionBits);
  return bits & 0x8000 ? -value : value;
}

/** The nearest 16-bit float of the given field widths, ties to even, overflow to infinity. */
function packFloat(value: f64, exponentBits: i32, fractionBits: i32): u16 {
  const bias = (1 << (exponentBits - 1)) - 1;
  const infinity = ((1 << exponentBits) - 1) << fractionBits;
  if (value != value) return <u16>(infinity | (1 << (fractionBits - 1)));
  const bits = reinterpret<i64>(value);
  const sign = bits < 0 ? 0x8000 : 0;
  let exponent = <i32>((bits >> 52) & 0x7ff) - 1023;
  if (exponent > bias) return <u16>(sign | infinity);
  // Below the normal range the unit of the last place stays that of the smallest normal.
  exponent = max(exponent, 1 - bias);
  const units = <i32>nearest(abs(value) * powerOfTwo(fractionBits - exponent));
  // A carry out of the fraction runs into the exponent field, which is just what rounding up means.
  const packed = units + ((exponent + bias - 1) << fractionBits);
  return <u16>(sign | packed);
}

/** The float at `address` as f64; exact. */
export function loadFloat(address: usize, dtype: i32): f64 {
  switch (dtype) {
    case FLOAT:
      return <f64>load<f32>(address);
    case FLOAT16:
      return unpackFloat(load<u16>(address), 5, 10);
    case BFLOAT16:
      return unpackFloat(load<u16>(address), 8, 7);
    default:
      return load<f64>(address);
  }
}

/** Stores `value` rounded to `dtype`, ties to even. */
export function storeFloat(address: usize, dtype: i32, value: f64): void {
  switch (dtype) {
    case FLOAT:
      store<f32>(address, <f32>value);
      break;
    case FLOAT16:
      store<u16>(address, packFloat(value, 5, 10));
      break;
    case BFLOAT16:
      store<u16>(address, packFloat(value, 8, 7));
      break;
    default:
      store<f64>(address, value);
  }
}

/** Element `position` of an index tensor of i32 (`dtype` 6) or i64. */
export function loadIndex(indices: usize, position: i32, dtype: i32): i64 {
  return dtype == INT32
    ? <i64>load<i32>(indices + (<usize>position << 2))
    : load<i64>(indices + (<usize>position << 3));
}

/** What a scatter starts from: a copy of `data`, zeros where it is -1, and what is there where it is `output`. */
export function initialize(output: usize, data: usize, bytes: usize): void {
  if (data == <usize>-1) memory.fill(output, 0, bytes);
  else if (data != output) memory.copy(output, data, bytes);
}
