/**
 * Decompression of DEFLATE (RFC 1951) inside a zlib stream (RFC 1950), at once: while binding there is no waiting for
 * the platform's streams. In: compressed bytes and how many may come out. Out: bytes. Invariant: never more than the
 * limit; a stream that ends early or breaks the format is refused. The checksum is not looked at.
 */
import { ImageProblem } from "./image.ts";

/** Codes by length: how many have each length, and their symbols in order. */
interface Codes {
  readonly counts: Uint16Array;
  readonly symbols: Uint16Array;
}

function codesOf(lengths: readonly number[]): Codes {
  const counts = new Uint16Array(16);
  for (const length of lengths) counts[length]!++;
  counts[0] = 0;
  const next = new Uint16Array(17);
  for (let length = 1; length < 16; length++) next[length + 1] = next[length]! + counts[length]!;
  const symbols = new Uint16Array(lengths.length);
  lengths.forEach((length, symbol) => {
    if (length > 0) symbols[next[length]!++] = symbol;
  });
  return { counts, symbols };
}

const LENGTH_BASE = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258]; // prettier-ignore
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

const range = (count: number, length: number): number[] => new Array<number>(count).fill(length);
const fixedLiterals = codesOf([...range(144, 8), ...range(112, 9), ...range(24, 7), ...range(8, 8)]);
const fixedDistances = codesOf(range(30, 5));

class Inflater {
  private readonly input: Uint8Array;
  private readonly output: Uint8Array;
  private at = 2; // past the zlib header
  private held = 0;
  private heldBits = 0;
  private written = 0;

  constructor(input: Uint8Array, limit: number) {
    this.input = input;
    this.output = new Uint8Array(limit);
  }

  run(): Uint8Array {
    let last: number;
    do {
      last = this.bits(1);
      const kind = this.bits(2);
      if (kind === 0) this.stored();
      else if (kind === 1) this.compressed(fixedLiterals, fixedDistances);
      else if (kind === 2) this.dynamic();
      else throw new ImageProblem("its compressed data is broken");
    } while (!last);
    return this.output.subarray(0, this.written);
  }

  private bits(count: number): number {
    while (this.heldBits < count) {
      if (this.at >= this.input.length) throw new ImageProblem("its compressed data ends too early");
      this.held |= this.input[this.at++]! << this.heldBits;
      this.heldBits += 8;
    }
    const value = this.held & ((1 << count) - 1);
    this.held >>>= count;
    this.heldBits -= count;
    return value;
  }

  private symbol({ counts, symbols }: Codes): number {
    let code = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length < 16; length++) {
      code |= this.bits(1);
      const count = counts[length]!;
      if (code - count < first) return symbols[index + code - first]!;
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    throw new ImageProblem("its compressed data is broken");
  }

  private put(byte: number): void {
    if (this.written >= this.output.length) throw new ImageProblem("its compressed data is too long");
    this.output[this.written++] = byte;
  }

  private stored(): void {
    this.held = this.heldBits = 0;
    const count = this.bits(16);
    this.bits(16); // the complement
    for (let i = 0; i < count; i++) this.put(this.bits(8));
  }

  private dynamic(): void {
    const [literals, distances, lengths] = [this.bits(5) + 257, this.bits(5) + 1, this.bits(4) + 4];
    const own = range(19, 0);
    for (let i = 0; i < lengths; i++) own[ORDER[i]!] = this.bits(3);
    const codes = codesOf(own);
    const all: number[] = [];
    while (all.length < literals + distances) {
      const symbol = this.symbol(codes);
      if (symbol < 16) all.push(symbol);
      else if (symbol === 16) all.push(...range(3 + this.bits(2), all.at(-1) ?? 0));
      else all.push(...range(symbol === 17 ? 3 + this.bits(3) : 11 + this.bits(7), 0));
    }
    this.compressed(codesOf(all.slice(0, literals)), codesOf(all.slice(literals, literals + distances)));
  }

  private compressed(literals: Codes, distances: Codes): void {
    for (;;) {
      const symbol = this.symbol(literals);
      if (symbol === 256) return;
      if (symbol < 256) {
        this.put(symbol);
        continue;
      }
      const base = LENGTH_BASE[symbol - 257];
      if (base === undefined) throw new ImageProblem("its compressed data is broken");
      const length = base + this.bits(LENGTH_BITS[symbol - 257]!);
      const code = this.symbol(distances);
      const extra = Math.max(0, (code >> 1) - 1);
      const distance = (code < 4 ? code + 1 : ((2 + (code & 1)) << extra) + 1) + this.bits(extra);
      if (distance > this.written) throw new ImageProblem("its compressed data is broken");
      for (let i = 0; i < length; i++) this.put(this.output[this.written - distance]!);
    }
  }
}

/**
 * @param limit most bytes that may come out
 * @throws ImageProblem
 */
export function inflate(bytes: Uint8Array, limit: number): Uint8Array {
  return new Inflater(bytes, limit).run();
}
