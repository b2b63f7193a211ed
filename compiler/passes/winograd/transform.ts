/**
 * Small linear transforms as straight code. In: a matrix per dimension and the expressions that it is applied to.
 * Out: expressions of the results. Invariant: where two rows differ only in the signs of some terms (points x and
 * -x), the sums that they share are one expression; zeros cost nothing.
 */
import { add, axis, eq, f32, int, mul, select, sub, type Expr } from "../../ir/expr.ts";
import type { Axis } from "../../ir/kernel.ts";

type Matrix = readonly (readonly number[])[];

/** The product of a matrix and a vector of expressions. */
export function transformed(matrix: Matrix, vector: readonly Expr[]): Expr[] {
  const folded = foldColumns(matrix, vector);
  const { rows, terms } = folded;
  const done = new Map<number, Expr>();
  rows.forEach((row, i) => {
    if (done.has(i)) return;
    const twin = rows.findIndex((other, j) => j > i && !done.has(j) && isTwin(row, other));
    if (twin < 0) {
      done.set(i, sumOf(row, terms));
      return;
    }
    const other = rows[twin]!;
    const same = row.map((c, k) => (c === other[k] ? c : 0));
    const opposite = row.map((c, k) => (c === other[k] ? 0 : c));
    // A factor that all terms share is applied when the halves are joined, by one multiply-add.
    const factor = opposite.findLast((c) => c !== 0)!;
    const even = sumOf(same, terms);
    const odd = sumOf(
      opposite.map((c) => c / factor),
      terms,
    );
    done.set(i, sumOf([1, factor], [even, odd]));
    done.set(twin, sumOf([1, -factor], [even, odd]));
  });
  return matrix.map((_, i) => done.get(i)!);
}

/** The same product with each pair of columns that differ in signs only as one of the sum and one of the difference. */
function foldColumns(matrix: Matrix, vector: readonly Expr[]): { rows: Matrix; terms: readonly Expr[] } {
  const columns = vector.map((_, k) => matrix.map((row) => row[k]!));
  const terms = [...vector];
  const taken = new Set<number>();
  columns.forEach((a, k) => {
    const twin = columns.findIndex((b, j) => j > k && !taken.has(j) && isTwin(a, b));
    if (taken.has(k) || twin < 0 || a.filter((c) => c !== 0).length < 3) return;
    taken.add(k).add(twin);
    const b = columns[twin]!;
    terms[k] = add(vector[k]!, vector[twin]!);
    terms[twin] = sub(vector[k]!, vector[twin]!);
    columns[k] = a.map((c, i) => (c === b[i] ? c : 0));
    columns[twin] = a.map((c, i) => (c === b[i] ? 0 : c));
  });
  return { rows: matrix.map((_, i) => columns.map((column) => column[i]!)), terms };
}

/** Whether two rows are equal but for the signs of some terms, and both kinds of terms are there. */
function isTwin(a: readonly number[], b: readonly number[]): boolean {
  return (
    a.every((c, k) => c === b[k] || c === -b[k]!) &&
    a.some((c, k) => c !== 0 && c === b[k]) &&
    a.some((c, k) => c !== 0 && c !== b[k])
  );
}

/** Terms with a factor of one come first, so that each of the others is one multiply-add. */
function sumOf(row: readonly number[], vector: readonly Expr[]): Expr {
  const terms = row
    .map((c, k) => ({ c, x: vector[k]! }))
    .filter(({ c }) => c !== 0)
    .sort((a, b) => rank(a.c) - rank(b.c));
  let sum: Expr | undefined;
  for (const { c, x } of terms) {
    if (!sum) sum = c === 1 ? x : mul(x, f32(c));
    else if (c === 1) sum = add(sum, x);
    else if (c === -1) sum = sub(sum, x);
    else sum = add(mul(x, f32(c)), sum);
  }
  return sum ?? f32(0);
}

function rank(c: number): number {
  return c === 1 ? 0 : c === -1 ? 1 : 2;
}

/**
 * The element of a transformed array at the coordinates `results`, one axis per dimension: each coordinate chooses
 * between the rows of its matrix. Where the axes are written out, what the results share is computed once.
 *
 * @param element the array's element at given coordinates
 */
export function transformedElement(
  matrices: readonly Matrix[],
  results: readonly Axis[],
  element: (at: readonly number[]) => Expr,
): Expr {
  const walk = (d: number, at: readonly number[]): Expr => {
    if (d < 0) return element(at);
    const matrix = matrices[d]!;
    const vector = matrix[0]!.map((_, k) => walk(d - 1, [k, ...at]));
    return chosen(results[d]!, transformed(matrix, vector));
  };
  return walk(matrices.length - 1, []);
}

/** The one of `list` whose number is the coordinate along `along`. */
function chosen(along: Axis, list: readonly Expr[]): Expr {
  const at = axis(along.name, along.extent);
  return list
    .slice(0, along.extent)
    .reduceRight((rest, e, k) => (k === along.extent - 1 ? e : select(eq(at, int(k)), e, rest)));
}
