/**
 * Seeded numbers for models and inputs that are made here. In: a seed. Out: a source of uniform or normal numbers.
 * Invariant: the same seed gives the same numbers on every machine and in every run: the generator works on 32-bit
 * integers only, and what is derived from it uses no function that engines may round differently but `Math.log` and
 * `Math.cos` of the normal numbers, whose last bit matters to nobody.
 */

/** Uniform numbers in [-1, 1): a 32-bit xorshift (Marsaglia 2003, "Xorshift RNGs", triple 13, 17, 5). */
export function uniform(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b9) | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state / 2 ** 31;
  };
}

/** `count` uniform numbers in [-scale, scale). */
export function uniforms(count: number, seed: number, scale = 1): Float32Array {
  const next = uniform(seed);
  return Float32Array.from({ length: count }, () => scale * next());
}

/**
 * `count` normal numbers of the standard deviation `deviation` around 0, by the transform of Box and Muller (1958).
 *
 * @example normals(fanIn * fanOut, 7, Math.sqrt(2 / fanIn)); // weights before a ReLU (He and others, 2015)
 */
export function normals(count: number, seed: number, deviation = 1): Float32Array {
  const next = uniform(seed);
  const positive = (): number => (next() + 1) / 2 + 2 ** -33;
  const values = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = deviation * Math.sqrt(-2 * Math.log(positive()));
    const angle = Math.PI * next();
    values[i] = radius * Math.cos(angle);
    if (i + 1 < count) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}
