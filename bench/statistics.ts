/**
 * The few statistics that the benchmark reports. In: samples or ratios. Out: one number. Invariant: no input is
 * changed; an empty list gives NaN, never a number that looks like a result.
 */

/** The middle of the values in order, the mean of the two middle ones when their number is even. */
export function median(values: readonly number[]): number {
  const ordered = [...values].sort((a, b) => a - b);
  const middle = ordered.length >> 1;
  if (ordered.length === 0) return NaN;
  return ordered.length % 2 === 1 ? ordered[middle]! : (ordered[middle - 1]! + ordered[middle]!) / 2;
}

export function minimum(values: readonly number[]): number {
  return values.length === 0 ? NaN : values.reduce((least, value) => Math.min(least, value));
}

/** The n-th root of the product: the mean that is right for ratios, as it does not depend on which side is 1. */
export function geometricMean(ratios: readonly number[]): number {
  if (ratios.length === 0) return NaN;
  return Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
}
