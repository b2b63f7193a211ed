/**
 * Contractions on both sides of rows: the scores of an attention, their softmax, and what is summed with it, as one
 * kernel over blocks of rows. In: assignments over common rows, of which one is a contraction. Out: whether and in which
 * order of rows they are worth joining, and how many rows make a block. Invariant: a block's scratch stays in the
 * second-level cache, and so does the operand that all rows of a product read again for each block.
 *
 * A matrix of scores grows with the square of a sequence: written whole, it goes to memory and back three times. Here a
 * block of it is made, used and overwritten (Dao and others, "FlashAttention", 2022, without the softmax in pieces:
 * the first-level cache is no place for both operands, the second one is).
 */
import { bytesPerElement, elementCount } from "../ir/dtype.ts";
import type { LoadExpr } from "../ir/expr.ts";
import type { Assign, Axis } from "../ir/kernel.ts";
import { axesOf, visit } from "../ir/walk.ts";
import type { ValueNumbers } from "./open.ts";
import type { RowForm } from "./rows.ts";

/** When contractions join rows. */
export interface ProductLimits {
  /** Bytes of what one part hands over to the next up to which it stays in cache anyway. */
  readonly leastBetween: number;
  /** Most bytes of a block's scratch. */
  readonly mostScratch: number;
  /** Most bytes of the operand of a product that all rows read. */
  readonly mostShared: number;
  /** Rows of a block that make good tiles; with fewer, the shared operand is read too often. */
  readonly leastRows: number;
}

/** For a core with a megabyte of second-level cache. */
export const PRODUCT_LIMITS: ProductLimits = {
  leastBetween: 2 ** 21,
  mostScratch: 2 ** 18,
  mostShared: 2 ** 18,
  leastRows: 24,
};

/** Whether an assignment is a sum of products with several results for a row. */
export function isProduct({ reduce, axes }: Assign): boolean {
  return reduce !== undefined && axes.some(({ extent }) => extent !== 1);
}

/**
 * The rows in the order in which blocks are cut, the last of them within one product; undefined where joining is worth
 * nothing or is not known to be.
 *
 * @param crossing what one part hands over to the other
 * @param fixed whether a value depends on constants only: weights are shared by all rows, and better by whole products
 */
export function productRows(
  { rows, assigns }: RowForm,
  crossing: ReadonlySet<number>,
  numbers: ValueNumbers,
  fixed: (value: number) => boolean,
  { leastBetween, mostShared, leastRows }: ProductLimits,
): readonly Axis[] | undefined {
  const products = assigns.filter(isProduct);
  if (products.length === 0 || !assigns.some((a) => a.reduce && !isProduct(a))) return undefined;
  for (const value of crossing) {
    const { shape, dtype } = numbers.at(value);
    if (elementCount(shape) * bytesPerElement(dtype) < leastBetween) return undefined;
  }
  let within = rows.filter(({ extent }) => extent >= leastRows);
  for (const { reduce } of products) {
    const { op, body } = reduce!;
    if (op !== "sum" || body.type !== "f32" || body.kind !== "binary" || body.op !== "mul") return undefined;
    const loads = new Set<LoadExpr>();
    visit(body, (x) => x.kind === "load" && axesOf(x).size > 0 && loads.add(x));
    if ([...loads].some(({ buffer }) => fixed(buffer))) return undefined;
    const shared = [...loads].filter((load) => within.some(({ name }) => !axesOf(load).has(name)));
    if (shared.length === 0) return undefined;
    for (const load of shared) {
      const along = axesOf(load);
      const { shape, dtype } = numbers.at(load.buffer);
      const each = rows.filter(({ name }) => along.has(name)).map(({ extent }) => extent);
      if ((elementCount(shape) / elementCount(each)) * bytesPerElement(dtype) > mostShared) return undefined;
      within = within.filter(({ name }) => !along.has(name));
    }
  }
  const last = within.toSorted((a, b) => a.extent - b.extent).at(-1);
  return last && [...rows.filter((row) => row !== last), last];
}

/** Rows of a block of a form with products. */
export function rowsOfProducts(
  { assigns }: RowForm,
  numbers: ValueNumbers,
  { mostScratch }: ProductLimits,
): number {
  const temps = new Set(assigns.map(({ out }) => out).filter((n) => numbers.at(n).temp));
  const bytes = [...temps].reduce((sum, n) => {
    const { shape, dtype } = numbers.at(n);
    return sum + elementCount(shape) * bytesPerElement(dtype);
  }, 0);
  return Math.floor(mostScratch / Math.max(1, bytes));
}

/** Whether blocks of enough rows have room. */
export function hasRoom(form: RowForm, numbers: ValueNumbers, limits: ProductLimits): boolean {
  return rowsOfProducts(form, numbers, limits) >= limits.leastRows;
}
