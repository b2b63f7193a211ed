/** The matrices of minimal filtering are exact: checked in whole numbers, over all monomials. */
import { describe, expect, it } from "vitest";
import { filterMatrices } from "./matrices.ts";

/** A fraction with a positive denominator. */
type Fraction = readonly [bigint, bigint];

/** A double as the fraction that it is. */
function exactly(x: number): Fraction {
  let scale = 1;
  while (!Number.isInteger(x * scale)) scale *= 2;
  return [BigInt(x * scale), BigInt(scale)];
}
const times = ([a, b]: Fraction, [c, d]: Fraction): Fraction => [a * c, b * d];
const plus = ([a, b]: Fraction, [c, d]: Fraction): Fraction => [a * d + c * b, b * d];
const equal = ([a, b]: Fraction, [c, d]: Fraction): boolean => a * d === c * b;

describe.each([
  [2, 3],
  [4, 3],
  [2, 5],
  [3, 4],
  [5, 2],
  [3, 2],
])("filtering %i results by %i taps", (m, r) => {
  const { input, weights, output } = filterMatrices(m, r);
  const n = m + r - 1;

  it("has matrices of the sizes that it says", () => {
    expect([input.length, weights.length, output.length]).toEqual([n, n, m]);
    expect([...input.map((row) => row.length), ...output.map((row) => row.length)]).toEqual(
      new Array<number>(n + m).fill(n),
    );
    expect(weights.map((row) => row.length)).toEqual(new Array<number>(n).fill(r));
  });

  it("is exact in f32 where it must be", () => {
    for (const x of [...input, ...output].flat()) expect(Math.fround(x)).toBe(x);
  });

  it("gives the direct sum for each tap and each input", () => {
    // Weights are quotients; multiplied by the products of differences of points they are exact: undo the division.
    for (let i = 0; i < m; i++)
      for (let tap = 0; tap < r; tap++)
        for (let at = 0; at < n; at++) {
          let sum: Fraction = [0n, 1n];
          for (let k = 0; k < n; k++) {
            const factor = times(exactly(output[i]![k]!), exactly(input[k]![at]!));
            sum = plus(sum, times(factor, quotient(m, r, k, tap)));
          }
          expect(equal(sum, [at === i + tap ? 1n : 0n, 1n]), `result ${i}, tap ${tap}, input ${at}`).toBe(
            true,
          );
        }
  });

  it("rounds each weight's factor once", () => {
    for (let k = 0; k < n; k++)
      for (let tap = 0; tap < r; tap++) {
        const [a, b] = quotient(m, r, k, tap);
        expect(weights[k]![tap]).toBeCloseTo(Number(a) / Number(b), 12);
      }
  });
});

/** Element of the weights' matrix from the finite points, which are the ratios in the rows of the output's. */
function quotient(m: number, r: number, k: number, tap: number): Fraction {
  const { input, output } = filterMatrices(m, r);
  const n = m + r - 1;
  if (k === n - 1) return [tap === r - 1 ? 1n : 0n, 1n];
  const x = exactly(output[1]![k]!);
  // The row of the input's matrix is the polynomial with all other points as roots: its value at this one divides.
  let value: Fraction = [0n, 1n];
  let power: Fraction = [1n, 1n];
  let wanted: Fraction = [1n, 1n];
  for (let i = 0; i < n; i++) {
    value = plus(value, times(exactly(input[k]![i]!), power));
    if (i === tap) wanted = power;
    power = times(power, x);
  }
  const [a, b] = value;
  const [c, d] = wanted;
  return b * c * (a < 0n ? -1n : 1n) === 0n ? [0n, 1n] : a < 0n ? [-b * c, -a * d] : [b * c, a * d];
}
