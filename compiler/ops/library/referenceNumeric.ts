/**
 * What the arithmetic library kernels mean: tree ensembles, determinants, random numbers and n-gram counts; see
 * `reference.ts` for the contract. Invariant: random numbers equal those of the kernel bit for bit, so logarithm,
 * sine and cosine are the same fixed series here as there and not those of `Math`.
 */
import {
  dtypeOfCode,
  isAbsent,
  libraryDtypes,
  readElement,
  readIndex,
  readInt32,
  readInt64,
  writeElement,
} from "./memory.ts";

const float64At = (memory: DataView, pointer: number, index: number): number =>
  memory.getFloat64((pointer >>> 0) + index * 8, true);

export function treeEnsembleReference(
  memory: DataView,
  inputCode: number,
  input: number,
  rows: number,
  features: number,
  outputCode: number,
  output: number,
  targets: number,
  slots: number,
  slotCount: number,
  splits: number,
  splitStarts: number,
  trees: number,
  treeCount: number,
  nodes: number,
  leafStarts: number,
  leafTargets: number,
  leafWeights: number,
  aggregate: number,
  baseValues: number,
): number {
  const inputDtype = dtypeOfCode(inputCode);
  const outputDtype = dtypeOfCode(outputCode);
  /** Integers in the order of the values; slot 0 is below all. */
  const keysOf = (row: number): number[] =>
    Array.from({ length: slotCount }, (_, slot) => {
      const place = readInt32(memory, slots, slot);
      const value = Number(readElement(memory, input, row * features + (place >> 1), inputDtype));
      if (Number.isNaN(value)) return place & 1 ? -Infinity : Infinity;
      if (inputDtype === "float32") {
        const [magnitude] = new Uint32Array(Float32Array.of(Math.abs(value)).buffer);
        return value < 0 ? -1 - magnitude! : magnitude!;
      }
      let rank = 0;
      for (let i = readInt32(memory, splitStarts, slot); i < readInt32(memory, splitStarts, slot + 1); i++) {
        const split = float64At(memory, splits, i);
        rank += (split < value ? 1 : 0) + (split <= value ? 1 : 0);
      }
      return rank;
    });
  /** The number of the leaf that a row reaches. */
  const leafOf = (keys: readonly number[], tree: number): number => {
    const [root, least, height] = [0, 1, 2].map((field) => readInt32(memory, trees, tree * 3 + field)) as [
      number,
      number,
      number,
    ];
    const isLow = (node: number): boolean => {
      const slot = readInt32(memory, nodes + node, 1) / 16;
      return slot === 0 || keys[slot - 1]! <= readInt32(memory, nodes + node, 0);
    };
    if (least < 0) {
      let leaf = -1 - least;
      for (let node = root, left = height; left > 0; left--) {
        // Below a node of this height lie 2 ** left leaves, half of them low.
        const half = 2 ** (left - 1);
        if (isLow(node)) node += 8;
        else {
          node += 8 * half;
          leaf += half;
        }
      }
      return leaf;
    }
    let node = root;
    for (;;) {
      if (readInt32(memory, nodes + node, 1) === 0) return readInt32(memory, nodes + node, 0);
      node = readInt32(memory, nodes + node, isLow(node) ? 2 : 3);
    }
  };

  for (let row = 0; row < rows; row++) {
    const keys = keysOf(row);
    const contributions: number[][] = Array.from({ length: targets }, () => []);
    for (let tree = 0; tree < treeCount; tree++) {
      const leaf = leafOf(keys, tree);
      const [first, end] = isAbsent(leafStarts)
        ? [leaf, leaf + 1]
        : [readInt32(memory, leafStarts, leaf), readInt32(memory, leafStarts, leaf + 1)];
      for (let entry = first; entry < end; entry++)
        contributions[readInt32(memory, leafTargets, entry)]!.push(float64At(memory, leafWeights, entry));
    }
    contributions.forEach((weights, target) => {
      const sum = weights.reduce((a, b) => a + b, 0);
      const least = weights.length === 0 ? 0 : Math.min(...weights);
      const most = weights.length === 0 ? 0 : Math.max(...weights);
      const score = [sum / treeCount, sum, least, most][aggregate]!;
      const base = isAbsent(baseValues) ? 0 : float64At(memory, baseValues, target);
      writeElement(memory, output, row * targets + target, outputDtype, score + base);
    });
  }
  return rows;
}

export function detReference(
  memory: DataView,
  code: number,
  input: number,
  output: number,
  batches: number,
  n: number,
): number {
  const dtype = dtypeOfCode(code);
  for (let batch = 0; batch < batches; batch++) {
    const matrix = Array.from({ length: n }, (_, i) =>
      Array.from({ length: n }, (_, j) => Number(readElement(memory, input, (batch * n + i) * n + j, dtype))),
    );
    writeElement(memory, output, batch, dtype, determinant(matrix));
  }
  return batches;
}

/**
 * `product` times the determinant, by Gaussian elimination; the row with the largest first element leads, or one
 * with NaN where there is one.
 */
function determinant(matrix: readonly (readonly number[])[], product = 1): number {
  if (matrix.length === 0) return product;
  const heads = matrix.map((row) => Math.abs(row[0]!));
  const nan = heads.findIndex(Number.isNaN);
  const lead = nan >= 0 ? nan : heads.indexOf(Math.max(...heads));
  const rows = [...matrix];
  [rows[0], rows[lead]] = [rows[lead]!, rows[0]!];
  const top = rows[0]!;
  const pivot = top[0]!;
  if (pivot === 0) return 0;
  const rest = rows.slice(1).map((row) => {
    const factor = row[0]! / pivot;
    return row.slice(1).map((element, j) => element - factor * top[j + 1]!);
  });
  return determinant(rest, product * (lead === 0 ? pivot : -pivot));
}

/** Philox 4x32-10 (Salmon et al., SC 2011): the four words of a block. */
export function philox(block: number, seedLow: number, seedHigh: number): readonly number[] {
  const word = (value: bigint): bigint => value & 0xffffffffn;
  let counter = [BigInt(block), 0n, 0n, 0n];
  let key = [BigInt(seedLow >>> 0), BigInt(seedHigh >>> 0)];
  for (let round = 0; round < 10; round++) {
    const p = 0xd2511f53n * counter[0]!;
    const q = 0xcd9e8d57n * counter[2]!;
    counter = [(q >> 32n) ^ counter[1]! ^ key[0]!, word(q), (p >> 32n) ^ counter[3]! ^ key[1]!, word(p)];
    key = [word(key[0]! + 0x9e3779b9n), word(key[1]! + 0xbb67ae85n)];
  }
  return counter.map(Number);
}

/** ln(x) for 2^-40 < x < 2^40 by the series of artanh: the operations of the kernel, in its order. */
function logarithm(x: number): number {
  let exponent = 0;
  while (x < 1) {
    x *= 2;
    exponent--;
  }
  while (x >= 2) {
    x /= 2;
    exponent++;
  }
  if (x > Math.SQRT2) {
    x *= 0.5;
    exponent++;
  }
  const s = (x - 1) / (x + 1);
  const square = s * s;
  let sum = 0;
  for (let k = 21; k >= 1; k -= 2) sum = sum * square + 1 / k;
  return 2 * s * sum + exponent * Math.LN2;
}

/** sin(2 pi turn) by Taylor series about the nearest quarter turn: the operations of the kernel, in its order. */
function sineOfTurn(turn: number): number {
  const quarters = turn * 4;
  const floor = Math.floor(quarters);
  const tie = quarters - floor === 0.5;
  const quarter = tie ? floor + (floor % 2) : Math.round(quarters);
  const r = (turn - quarter * 0.25) * (2 * Math.PI);
  const square = r * r;
  const start = quarter % 2 === 0 ? 1 : 0;
  let sum = 1;
  for (let k = 16 + start; k > start; k -= 2) sum = 1 - (square * sum) / (k * (k - 1));
  const value = start === 1 ? r * sum : sum;
  return quarter % 4 >= 2 ? -value : value;
}

export function randomReference(
  memory: DataView,
  distribution: number,
  code: number,
  output: number,
  count: number,
  seedLow: number,
  seedHigh: number,
  a: number,
  b: number,
): number {
  const dtype = dtypeOfCode(code);
  const double = code === libraryDtypes.float64;
  for (let index = 0; index < count; index++) {
    let value: number;
    if (distribution === 1) {
      const words = philox(Math.floor(index / 4), seedLow, seedHigh);
      const [u, v] = index % 4 < 2 ? [words[0]!, words[1]!] : [words[2]!, words[3]!];
      const radius = Math.sqrt(-2 * logarithm((u + 0.5) / 2 ** 32));
      const turn = v / 2 ** 32;
      value = a + b * (radius * sineOfTurn(index % 2 === 0 ? turn + 0.25 : turn));
    } else if (double) {
      const words = philox(Math.floor(index / 2), seedLow, seedHigh);
      const [high, low] = index % 2 === 0 ? [words[0]!, words[1]!] : [words[2]!, words[3]!];
      value = a + (((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53) * (b - a);
    } else {
      const word = philox(Math.floor(index / 4), seedLow, seedHigh)[index % 4]!;
      value = a + ((word >>> 8) / 2 ** 24) * (b - a);
    }
    writeElement(memory, output, index, dtype, value);
  }
  return count;
}

export function ngramCountReference(
  memory: DataView,
  tokenCode: number,
  tokens: number,
  rows: number,
  length: number,
  pool: number,
  poolLength: number,
  gramOffsets: number,
  gramLengths: number,
  gramColumns: number,
  gramCount: number,
  maxSkip: number,
  output: number,
  columns: number,
): number {
  const counts = new Array<number>(rows * columns).fill(0);
  for (let gram = 0; gram < gramCount; gram++) {
    const offset = readInt32(memory, gramOffsets, gram);
    const size = readInt32(memory, gramLengths, gram);
    const column = readInt32(memory, gramColumns, gram);
    if (size < 1 || offset < 0 || offset + size > poolLength || column < 0 || column >= columns) continue;
    const members = Array.from({ length: size }, (_, i) => readInt64(memory, pool, offset + i));
    const distances = size === 1 ? 1 : Math.min(maxSkip + 1, length);
    for (let row = 0; row < rows; row++) {
      for (let distance = 1; distance <= distances; distance++) {
        for (let start = 0; start + (size - 1) * distance < length; start++) {
          const matches = members.every(
            (member, i) =>
              readIndex(memory, tokens, row * length + start + i * distance, tokenCode) === member,
          );
          if (matches) counts[row * columns + column]!++;
        }
      }
    }
  }
  counts.forEach((value, i) => writeElement(memory, output, i, "float32", value));
  return counts.reduce((a, b) => a + b, 0);
}
