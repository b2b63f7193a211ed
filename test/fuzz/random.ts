/**
 * Choices from a seed. In: a 32-bit seed. Out: numbers, picks and shuffles that are the same on every machine.
 * Invariant: a `Random` draws from its own stream only, so what one case does never moves the next one's choices;
 * `seedFrom` is how a test takes its seed from the environment and says which one it was.
 */

/** Tommy Ettinger's mulberry32: 32 bits of state, good enough to choose test cases. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** A 32-bit word. */
  word(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** An integer from 0 to `count - 1`. */
  below(count: number): number {
    return Math.floor((this.word() / 2 ** 32) * count);
  }

  /** An integer from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  chance(probability: number): boolean {
    return this.word() < probability * 2 ** 32;
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError("nothing to pick from");
    return items[this.below(items.length)]!;
  }

  shuffled<T>(items: readonly T[]): T[] {
    const result = [...items];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [result[i], result[j]] = [result[j]!, result[i]!];
    }
    return result;
  }
}

/** The seed of case number `index` of a run. */
export function caseSeed(seed: number, index: number): number {
  return (Math.imul(seed ^ 0x2545f491, 0x9e3779b1) + Math.imul(index + 1, 0x85ebca6b)) >>> 0;
}

/** The seed of a run: TILEWRIGHT_SEED where set, else a fixed one, so that a red test is red for everyone. */
export function seedFrom(
  environment: Readonly<Record<string, string | undefined>>,
  otherwise: number,
): number {
  const text = environment["TILEWRIGHT_SEED"];
  if (text === undefined || text === "") return otherwise;
  const seed = Number(text);
  if (!Number.isSafeInteger(seed)) throw new RangeError(`TILEWRIGHT_SEED is ${text}, not an integer`);
  return seed >>> 0;
}
