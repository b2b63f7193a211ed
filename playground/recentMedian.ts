/**
 * The median of the last measurements. In: numbers, one at a time. Out: the middle one of the most recent.
 * Invariant: a single slow run (a garbage collection, a busy machine) never moves the answer far.
 */
export class RecentMedian {
  readonly #recent: number[] = [];
  readonly #most: number;

  /** @param most how many measurements count */
  constructor(most: number) {
    this.#most = most;
  }

  /** How many measurements there are now. */
  get count(): number {
    return this.#recent.length;
  }

  add(value: number): void {
    this.#recent.push(value);
    if (this.#recent.length > this.#most) this.#recent.shift();
  }

  /** The median, undefined before the first measurement. */
  get value(): number | undefined {
    return median(this.#recent);
  }
}

/** The middle value, or the mean of the two middle ones; undefined of nothing. */
export function median(values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
