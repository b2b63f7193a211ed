/**
 * Inputs made from a seed. In: an element type, a shape and a seed. Out: the same tensor on every machine.
 * Invariant: floats are uniform in [0, 1), booleans 0 or 1, small integers anywhere in 0 to 127 and wider ones in
 * 0 to 9, so that they do as pixels and as indices alike; the stream of one input does not depend on the others.
 */
import { storeFunction } from "../ir/numeric.ts";
import { isFloat } from "../ir/dtype.ts";
import { allocate, elementCount, type DType, type Tensor } from "../../runtime/dtype.ts";

/** A generator of 32-bit words: Marsaglia's xorshift32, its state scrambled from the seed and a name. */
function randomWords(seed: number, name: string): () => number {
  let state = 0x811c9dc5 ^ Math.imul(seed, 0x9e3779b1);
  for (const letter of name) state = Math.imul(state ^ letter.codePointAt(0)!, 0x01000193); // FNV-1a
  state = state >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>>= 0);
  };
}

/** A tensor of pseudo-random elements. */
export function seededTensor(name: string, dtype: DType, shape: readonly number[], seed: number): Tensor {
  const next = randomWords(seed, name);
  for (let i = 0; i < 16; i++) next(); // seeds that lie close start alike
  const count = elementCount(shape);
  if (dtype === "string") {
    return { dtype, shape, data: Array.from({ length: count }, () => `text ${next() % 10}`) };
  }
  const data = allocate(dtype, count);
  if (isFloat(dtype)) {
    const store = storeFunction(dtype);
    for (let i = 0; i < count; i++) data[i] = store(next() / 2 ** 32);
  } else {
    const most = integerLimit(dtype);
    const wide = data instanceof BigInt64Array || data instanceof BigUint64Array;
    for (let i = 0; i < count; i++) {
      const value = next() % most;
      data[i] = wide ? BigInt(value) : value;
    }
  }
  return { dtype, shape, data };
}

function integerLimit(dtype: DType): number {
  switch (dtype) {
    case "bool":
    case "int2":
      return 2;
    case "uint2":
      return 4;
    case "int4":
      return 8;
    case "uint4":
      return 16;
    case "int8":
    case "uint8":
      return 128;
    default:
      return 10;
  }
}
