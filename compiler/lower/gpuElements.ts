/**
 * What elements take on a GPU. In: types. Out: bytes. Invariant: the same as runtime/format/gpu.ts says of its forms: a
 * narrow type is "wide", four bytes an element, but for constants, which stay "packed" in their ordinary bytes.
 */
import { bytesPerElement, type DType } from "../ir/dtype.ts";

/** Whether constants of a type are read by shift and mask. */
export function isPackable(dtype: DType): boolean {
  return bytesPerElement(dtype) < 4;
}

/** Bytes of an element. */
export function gpuElementBytes(dtype: DType, packed: boolean): number {
  return packed ? bytesPerElement(dtype) : Math.max(4, bytesPerElement(dtype));
}
