/**
 * The matrices of minimal filtering: m results of a filter of r taps from m + r - 1 products. In: m and r. Out: the
 * matrices of y = A((G g) * (B d)), * taken element by element. Invariant: A and B are exact in f32, because all
 * points are fractions of small powers of two; G is rounded once.
 *
 * A polynomial product is evaluated at m + r - 2 points and at infinity, multiplied there, and interpolated; the
 * transposed algorithm filters (Winograd 1980, Arithmetic Complexity of Computations; Lavin and Gray 2015, Fast
 * Algorithms for Convolutional Neural Networks). The points decide the error. Those usual in the literature, 0, 1,
 * -1, 2 and -2, make it twice as large for m = 4 as the ones used here: of all pairs a, b of sixteenths in 0, a, -a,
 * b, -b, 5/8 and 3/2 gave the least error over normal data and weights.
 */

/** All as rows. With n = m + r - 1: `input` is n x n, `weights` n x r, `output` m x n. */
export interface FilterMatrices {
  readonly input: readonly (readonly number[])[];
  readonly weights: readonly (readonly number[])[];
  readonly output: readonly (readonly number[])[];
}

/** Finite points by their number: one less than a transformed tile has elements. */
const points: Readonly<Record<number, readonly number[]>> = {
  3: [0, 1, -1],
  5: [0, 5 / 8, -5 / 8, 3 / 2, -3 / 2],
};

/**
 * @param m results of a tile; with r, m + r - 1 is 4 or 6
 * @example filterMatrices(2, 3).input // [[-1, 0, 1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, -1, 0, 1]]
 */
export function filterMatrices(m: number, r: number): FilterMatrices {
  const key = `${m},${r}`;
  let matrices = known.get(key);
  if (!matrices) known.set(key, (matrices = makeMatrices(m, r)));
  return matrices;
}

const known = new Map<string, FilterMatrices>();

function makeMatrices(m: number, r: number): FilterMatrices {
  const finite = points[m + r - 2]!;
  const others = (j: number): number[] => finite.filter((_, k) => k !== j);
  const powers = (x: number, count: number): number[] => Array.from({ length: count }, (_, i) => x ** i);
  const last = (count: number): number[] => powers(0, count).reverse();
  return {
    input: [...finite.map((_, j) => [...fromRoots(others(j)), 0]), fromRoots(finite)],
    weights: [
      ...finite.map((x, j) => {
        const norm = others(j).reduce((product, other) => product * (x - other), 1);
        return powers(x, r).map((power) => power / norm);
      }),
      last(r),
    ],
    output: Array.from({ length: m }, (_, i) => [...finite.map((x) => x ** i), i === m - 1 ? 1 : 0]),
  };
}

/** Coefficients of the polynomial with these roots and leading coefficient 1, the constant first. */
function fromRoots(roots: readonly number[]): number[] {
  return roots.reduce<number[]>(
    (polynomial, root) =>
      [...polynomial, 0].map((_, i) => (polynomial[i - 1] ?? 0) - root * (polynomial[i] ?? 0)),
    [1],
  );
}
