/**
 * SHA-256, synchronous. In: bytes. Out: the digest, raw or as 64 hex digits. The writer of artifacts needs it because
 * it may not wait; the runtime needs it where `crypto.subtle` is missing (pages served over plain HTTP). Node has a
 * function that does not wait, twenty times as fast; elsewhere, no platform API is used. Invariant: equal to
 * `crypto.subtle.digest("SHA-256", bytes)` for every input below 2^53 bits. Source: FIPS 180-4, sections 4.2.2, 5.1.1
 * and 6.2.
 */

/** The first 32 bits of the fractional parts of a root (square or cube) of the first primes (section 4.2.2). */
function fractionsOfRoots(count: number, root: (prime: number) => number): Int32Array {
  const words = new Int32Array(count); // signed: V8 keeps these as small integers, unsigned ones as doubles
  for (let candidate = 2, found = 0; found < count; candidate++) {
    let isPrime = true;
    for (let divisor = 2; divisor * divisor <= candidate; divisor++) {
      if (candidate % divisor === 0) isPrime = false;
    }
    if (isPrime) words[found++] = Math.floor((root(candidate) % 1) * 2 ** 32) | 0;
  }
  return words;
}

const INITIAL = fractionsOfRoots(8, Math.sqrt);
const ROUND = fractionsOfRoots(64, Math.cbrt);

/** The part of node:crypto that is used, where it can be had in the call. */
interface NodeCrypto {
  createHash(name: "sha256"): { update(bytes: Uint8Array): { digest(): Uint8Array } };
}
const { process } = globalThis as { process?: { getBuiltinModule?(name: string): NodeCrypto | undefined } };

/** The SHA-256 digest of `bytes`: 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const node = process?.getBuiltinModule?.("node:crypto");
  return node ? new Uint8Array(node.createHash("sha256").update(bytes).digest()) : computedSha256(bytes);
}

/** The same without a platform. */
export function computedSha256(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const state = INITIAL.slice();
  const schedule = new Int32Array(64);
  const wholeBlocks = bytes.length - (bytes.length % 64);
  absorb(state, schedule, bytes, wholeBlocks);

  // The last block or two: the remaining bytes, a one bit, zeros, and the length in bits (section 5.1.1).
  const rest = bytes.length - wholeBlocks;
  const tail = new Uint8Array(rest < 56 ? 64 : 128);
  tail.set(bytes.subarray(wholeBlocks));
  tail[rest] = 0x80;
  const view = new DataView(tail.buffer);
  view.setUint32(tail.length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(tail.length - 4, bytes.length << 3);
  absorb(state, schedule, tail, tail.length);

  const digest = new DataView(new ArrayBuffer(32));
  state.forEach((word, index) => digest.setInt32(index * 4, word));
  return new Uint8Array(digest.buffer);
}

/** The SHA-256 digest of `bytes` as 64 lower-case hex digits. */
export function sha256Hex(bytes: Uint8Array): string {
  return hex(sha256(bytes));
}

/** Bytes as lower-case hex digits. */
export function hex(bytes: Uint8Array): string {
  let digits = "";
  for (const byte of bytes) digits += byte.toString(16).padStart(2, "0");
  return digits;
}

/** Section 6.2.2 for each 64-byte block of the first `length` bytes. */
function absorb(state: Int32Array, w: Int32Array, bytes: Uint8Array, length: number): void {
  let h0 = state[0]!;
  let h1 = state[1]!;
  let h2 = state[2]!;
  let h3 = state[3]!;
  let h4 = state[4]!;
  let h5 = state[5]!;
  let h6 = state[6]!;
  let h7 = state[7]!;
  for (let block = 0; block < length; block += 64) {
    for (let t = 0, at = block; t < 16; t++, at += 4) {
      w[t] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
    }
    for (let t = 16; t < 64; t++) {
      const x = w[t - 15]!;
      const y = w[t - 2]!;
      const sigma0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const sigma1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[t] = (w[t - 16]! + sigma0 + w[t - 7]! + sigma1) | 0;
    }
    let a = h0;
    let b = h1;
    let c = h2;
    let d = h3;
    let e = h4;
    let f = h5;
    let g = h6;
    let h = h7;
    for (let t = 0; t < 64; t++) {
      const sum1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const first = (h + sum1 + ((e & f) ^ (~e & g)) + ROUND[t]! + w[t]!) | 0;
      const sum0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const second = (sum0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + first) | 0;
      d = c;
      c = b;
      b = a;
      a = (first + second) | 0;
    }
    h0 = (h0 + a) | 0;
    h1 = (h1 + b) | 0;
    h2 = (h2 + c) | 0;
    h3 = (h3 + d) | 0;
    h4 = (h4 + e) | 0;
    h5 = (h5 + f) | 0;
    h6 = (h6 + g) | 0;
    h7 = (h7 + h) | 0;
  }
  state.set([h0, h1, h2, h3, h4, h5, h6, h7]);
}
