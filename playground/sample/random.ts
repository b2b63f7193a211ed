/**
 * The seeded random numbers behind the sample model's drawings. In: a seed. Out: uniform, integer and normal
 * draws. Invariant: the same seed gives the same sequence on every machine, since all state is 32-bit integers.
 * The generator is Marsaglia's xorshift (Journal of Statistical Software 8, 2003) with shifts 13, 17, 5.
 */
export interface Random {
  /** Uniform in [low, high). */
  between(low: number, high: number): number;
  /** Whole number in [0, count). */
  below(count: number): number;
  /** Normal with mean 0. */
  normal(deviation: number): number;
  /** True with this probability. */
  chance(probability: number): boolean;
}

export function seededRandom(seed: number): Random {
  // Neighbouring seeds must not give neighbouring sequences: spread the seed over all bits first. The
  // multiplier is 2^32 divided by the golden ratio, as in Knuth's multiplicative hashing.
  let state = Math.imul(seed + 1, 0x9e3779b1);
  state = Math.imul(state ^ (state >>> 15), 0x9e3779b1) || 1;
  const unit = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 0x100000000;
  };
  for (let warm = 0; warm < 8; warm += 1) unit();
  return {
    between: (low, high) => low + (high - low) * unit(),
    below: (count) => Math.floor(unit() * count),
    // Box and Muller; `1 - unit()` is never zero.
    normal: (deviation) => deviation * Math.sqrt(-2 * Math.log(1 - unit())) * Math.cos(2 * Math.PI * unit()),
    chance: (probability) => unit() < probability,
  };
}
