/**
 * Questions about a tensor's elements as numbers. In: a tensor of any type, or none. Out: whether there is such an
 * element, or how large they are. Invariant: no tensor, and one of strings, answers as if it had no elements; only
 * `largestOf` is not asked of these.
 */
import type { Tensor } from "../../../runtime/dtype.ts";
import { readerOf } from "./data.ts";

/** Whether one of the elements is so. */
export function some(tensor: Tensor | undefined, fits: (value: number) => boolean): boolean {
  if (!tensor || tensor.dtype === "string") return false;
  const read = readerOf(tensor.dtype);
  return Array.from(tensor.data as Iterable<number | bigint>).some((value) => fits(Number(read(value))));
}

/** The largest magnitude; infinity where something is no number. */
export function largestOf({ dtype, data }: Tensor): number {
  const read = readerOf(dtype);
  const magnitudes = Array.from(data as Iterable<number>, (value) => Math.abs(Number(read(value))));
  return magnitudes.reduce((a, b) => (Number.isNaN(b) ? Infinity : Math.max(a, b)), 0);
}

/** The largest magnitude of a tensor's finite elements. */
export function largestIn(tensor: Tensor | undefined): number {
  if (!tensor || tensor.dtype === "string") return 0;
  const read = readerOf(tensor.dtype);
  const magnitudes = Array.from(tensor.data as Iterable<number>, (value) => Math.abs(Number(read(value))));
  return magnitudes.filter(Number.isFinite).reduce((a, b) => Math.max(a, b), 0);
}
