/**
 * Sizes that follow from one number n, which each run tells. In: what a size was for some values of n. Out: the line
 * through them. Invariant: a line goes through every value that it was made of, and its coefficients are whole numbers.
 */
import type { LinearShape, LinearSize } from "../../../runtime/binder.ts";

/** Thrown where what is there for several sizes has no common form. */
export class NotRanged extends Error {
  override readonly name = "NotRanged";
}

export { isSame } from "../../lower/limits.ts";
export type { LinearShape } from "../../../runtime/binder.ts";

/** What all parts of a program are made for and of. */
export interface Samples {
  /** Values of n for which there are kernels. */
  readonly at: readonly number[];
  /** All values of n, both ends included. */
  readonly range: { readonly low: number; readonly high: number };
}

/** The line through `values` at `at`; undefined where there is none with whole coefficients. */
export function lineThrough(at: readonly number[], values: readonly number[]): LinearSize | undefined {
  const slope = (values[1]! - values[0]!) / (at[1]! - at[0]!);
  const offset = values[0]! - slope * at[0]!;
  const isLine = values.every((value, i) => slope * at[i]! + offset === value);
  return isLine && Number.isSafeInteger(slope) && Number.isSafeInteger(offset)
    ? { slope, offset }
    : undefined;
}

/** The line through sizes. @throws NotRanged where there is none, or it falls */
export function sizeThrough({ at }: Samples, sizes: readonly number[]): LinearSize {
  const line = lineThrough(at, sizes);
  if (!line || line.slope < 0) throw new NotRanged(`sizes ${sizes.join(", ")}`);
  return line;
}

/** The lines through shapes. @throws NotRanged */
export function shapeThrough(samples: Samples, shapes: readonly (readonly number[])[]): LinearShape {
  const [first] = shapes as [readonly number[]];
  if (shapes.some(({ length }) => length !== first.length)) throw new NotRanged("ranks differ");
  return first.map((_, d) => sizeThrough(samples, shapes.map((shape) => shape[d]!))); // prettier-ignore
}

export function sizeAt({ slope, offset }: LinearSize, n: number): number {
  return slope * n + offset;
}

/** The shape for one n. */
export function shapeAt(shape: LinearShape, n: number): number[] {
  return shape.map((size) => sizeAt(size, n));
}

/** The largest size within a range. */
export function mostOf(size: LinearSize, { high }: Samples["range"]): number {
  return sizeAt(size, high);
}
