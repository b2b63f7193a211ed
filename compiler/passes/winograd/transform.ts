/**
 * Small linear transforms as straight code. In: a matrix per dimension and the expressions that it is applied to.
 * Out: expressions of the results. Invariant: where two rows differ only in the signs of some terms (points x and
 * -x), the sums that they share are one expression; zeros cost nothing.
 */
import { add, axis, eq, f32, int, mul, select, sub, type Expr } from "../../ir/expr.ts";
import type { Axis } from "../../ir/kernel.ts";

type Matrix = readonly (readonly number[])[];

interface Term {
  /** Number of an element of the vector, or of an earlier sum. */
  readonly of: number;
  readonly factor: number;
}

/** A product of a matrix and a vector as sums, numbered on from the vector's elements. */
interface Plan {
  readonly sums: readonly (readonly Term[])[];
  /** Which element or sum each result is. */
  readonly results: readonly number[];
}

const plans = new WeakMap<Matrix, Plan>();

/** The product of a matrix and a vector of expressions. */
function transformed(matrix: Matrix, vector: readonly Expr[]): Expr[] {
  let plan = plans.get(matrix);
  if (!plan) plans.set(matrix, (plan = planOf(matrix)));
  const values = [...vector];
  for (const terms of plan.sums) values.push(sumOf(terms, values));
  return plan.results.map((number) => values[number]!);
}

function planOf(matrix: Matrix): Plan {
  const width = matrix[0]!.length;
  const sums: Term[][] = [];
  /** Terms with a factor of one come first, so that each of the others is one multiply-add. */
  const sum = (terms: readonly Term[]): number => {
    const used = terms.filter(({ factor }) => factor !== 0);
    const [first] = used;
    if (used.length === 1 && first!.factor === 1) return first!.of;
    return width + sums.push(used.sort((a, b) => rank(a.factor) - rank(b.factor))) - 1;
  };
  const { rows, elements } = foldedColumns(matrix, sum);
  const sumOfRow = (row: readonly number[]): number =>
    sum(row.map((factor, k) => ({ of: elements[k]!, factor })));
  const results: number[] = [];
  rows.forEach((row, i) => {
    if (results[i] !== undefined) return;
    const twin = rows.findIndex((other, j) => j > i && results[j] === undefined && isTwin(row, other));
    if (twin < 0) {
      results[i] = sumOfRow(row);
      return;
    }
    const other = rows[twin]!;
    const opposite = row.map((c, k) => (c === other[k] ? 0 : c));
    // A factor that all terms share is applied when the halves are joined, by one multiply-add.
    const factor = opposite.findLast((c) => c !== 0)!;
    const even = { of: sumOfRow(row.map((c, k) => (c === other[k] ? c : 0))), factor: 1 };
    const odd = sumOfRow(opposite.map((c) => c / factor));
    results[i] = sum([even, { of: odd, factor }]);
    results[twin] = sum([even, { of: odd, factor: -factor }]);
  });
  return { sums, results };
}

/** The same product with each pair of columns that differ in signs only as one of the sum and one of the difference. */
function foldedColumns(
  matrix: Matrix,
  sum: (terms: readonly Term[]) => number,
): { readonly rows: Matrix; readonly elements: readonly number[] } {
  const columns = matrix[0]!.map((_, k) => matrix.map((row) => row[k]!));
  const elements = columns.map((_, k) => k);
  const taken = new Set<number>();
  columns.forEach((a, k) => {
    const twin = columns.findIndex((b, j) => j > k && !taken.has(j) && isTwin(a, b));
    if (taken.has(k) || twin < 0 || a.filter((c) => c !== 0).length < 3) return;
    taken.add(k).add(twin);
    const b = columns[twin]!;
    elements[k] = sum([{ of: k, factor: 1 }, { of: twin, factor: 1 }]); // prettier-ignore
    elements[twin] = sum([{ of: k, factor: 1 }, { of: twin, factor: -1 }]); // prettier-ignore
    columns[k] = a.map((c, i) => (c === b[i] ? c : 0));
    columns[twin] = a.map((c, i) => (c === b[i] ? 0 : c));
  });
  return { rows: matrix.map((_, i) => columns.map((column) => column[i]!)), elements };
}

/** Whether two rows are equal but for the signs of some terms, and both kinds of terms are there. */
function isTwin(a: readonly number[], b: readonly number[]): boolean {
  return (
    a.every((c, k) => c === b[k] || c === -b[k]!) &&
    a.some((c, k) => c !== 0 && c === b[k]) &&
    a.some((c, k) => c !== 0 && c !== b[k])
  );
}

function sumOf(terms: readonly Term[], values: readonly Expr[]): Expr {
  let sum: Expr | undefined;
  for (const { of, factor } of terms) {
    const x = values[of]!;
    if (!sum) sum = factor === 1 ? x : mul(x, f32(factor));
    else if (factor === 1) sum = add(sum, x);
    else if (factor === -1) sum = sub(sum, x);
    else sum = add(mul(x, f32(factor)), sum);
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
  const tests = results.map(({ name, extent }) =>
    Array.from({ length: extent }, (_, k) => eq(axis(name, extent), int(k))),
  );
  const walk = (d: number, at: readonly number[]): Expr => {
    if (d < 0) return element(at);
    const matrix = matrices[d]!;
    const vector = matrix[0]!.map((_, k) => walk(d - 1, [k, ...at]));
    return chosen(tests[d]!, transformed(matrix, vector));
  };
  return walk(matrices.length - 1, []);
}

/** The one of `list` whose test holds; one of them does. */
function chosen(tests: readonly Expr[], list: readonly Expr[]): Expr {
  let choice = list[tests.length - 1]!;
  for (let k = tests.length - 2; k >= 0; k--) choice = select(tests[k]!, list[k]!, choice);
  return choice;
}
