/**
 * Elements between ordinary memory and the form that they have on the GPU. In: the bytes of a tensor and its dtype. Out:
 * the bytes of the other form, a multiple of 4. Invariant: widening is exact; narrowing gives back what was widened, and
 * rounds what was computed as IEEE 754 does (ties to even) where the wide type is a float.
 */
import { floatBits } from "../convert.ts";
import { bytesPerElement, type DType, type NumericData, viewOf } from "../dtype.ts";
import { gpuBytes, type GpuForm, wideElement } from "../format/gpu.ts";

type HalfArray = new (
  buffer: ArrayBufferLike,
  offset?: number,
  length?: number,
) => Iterable<number> & ArrayLike<number>;

/** The platform's 16-bit floats; not in every engine yet. */
const Half = (globalThis as { readonly Float16Array?: HalfArray }).Float16Array;

/** The bytes of a tensor's elements, as they are. */
export function bytesOf(data: NumericData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/**
 * What to upload for these elements: the array itself where it can be taken as it is.
 *
 * @example toGpu(Uint8Array.of(1, 0, 1), "bool", "wide"); // twelve bytes
 */
export function toGpu(data: NumericData, dtype: DType, form: GpuForm): Uint8Array {
  const bytes = bytesOf(data);
  if (form === "packed") {
    if (bytes.length % 4 === 0) return bytes;
    const padded = new Uint8Array(gpuBytes(dtype, data.length, form));
    padded.set(bytes);
    return padded;
  }
  return bytesOf(widen(data, dtype));
}

function widen(data: NumericData, dtype: DType): NumericData {
  switch (dtype) {
    case "float16":
      if (Half !== undefined) return Float32Array.from(new Half(data.buffer, data.byteOffset, data.length));
      return Float32Array.from(data as Uint16Array, halfValue);
    case "bfloat16": {
      const bits = Uint32Array.from(data as Uint16Array, (half) => half << 16);
      return new Float32Array(bits.buffer);
    }
    default:
      return wideElement(dtype) === "i32"
        ? Int32Array.from(data as Int8Array)
        : Uint32Array.from(data as Uint8Array);
  }
}

/** The value of a binary16 by its bits. Source: IEEE 754-2019, section 3.4. */
function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/**
 * Puts what came from the GPU into ordinary memory, elements one after the other.
 *
 * @param from `gpuBytes` bytes, at an offset that is a multiple of 4
 * @param to as many bytes as the elements take, at an offset that is a multiple of theirs
 */
export function fromGpu(from: Uint8Array, to: Uint8Array, dtype: DType, form: GpuForm): void {
  if (form === "packed") {
    to.set(from.subarray(0, to.length));
    return;
  }
  const count = to.length / bytesPerElement(dtype);
  const narrow = viewOf(dtype, to.buffer, to.byteOffset, count) as Uint8Array;
  switch (dtype) {
    case "float16": {
      const values = new Float32Array(from.buffer, from.byteOffset, count);
      // A new array takes the numbers by value, which rounds them once, from 32 bits.
      if (Half !== undefined)
        new (Half as unknown as typeof Float32Array)(to.buffer as ArrayBuffer, to.byteOffset, count).set(
          values,
        );
      else values.forEach((value, index) => (narrow[index] = floatBits(value, 5, 10)));
      return;
    }
    case "bfloat16": {
      const values = new Float32Array(from.buffer, from.byteOffset, count);
      values.forEach((value, index) => (narrow[index] = floatBits(value, 8, 7)));
      return;
    }
    case "bool": {
      const values = new Uint32Array(from.buffer, from.byteOffset, count);
      values.forEach((value, index) => (narrow[index] = value === 0 ? 0 : 1));
      return;
    }
    default:
      // Integers keep their low bits, as a store to a narrow type does.
      narrow.set(new Int32Array(from.buffer, from.byteOffset, count));
  }
}
