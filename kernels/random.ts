// Random numbers that are the same on every machine. In: a 64-bit seed and a range. Out: `count` elements of f32 or
// f64, uniform in [a, b) or normal with mean a and deviation b. Philox 4x32-10 (Salmon et al., "Parallel random
// numbers: as easy as 1, 2, 3", SC 2011): block number in, four words out, no state, so any part can be made on
// its own. Uniform f32 takes the top 24 bits of one word, f64 53 bits of two; normal is Box-Muller on pairs of
// words, with logarithm, sine and cosine as series whose operations are fixed below, since those of the platforms
// differ in the last place. Element i depends on the seed and i alone.
//
// distribution: 0 uniform, 1 normal. No scratch. Returns count.

import { DOUBLE } from "./shared/element.ts";

const TWO_PI: f64 = 6.283185307179586;
const LN_2: f64 = 0.6931471805599453;

/** ln(x) for normal x > 0: x = m * 2^e with m near 1, and ln m = 2 artanh((m - 1) / (m + 1)). */
function logarithm(x: f64): f64 {
  const bits = reinterpret<i64>(x);
  let exponent = <i32>(bits >> 52) - 1023;
  let m = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    exponent++;
  }
  const s = (m - 1) / (m + 1);
  const square = s * s;
  let sum: f64 = 0;
  for (let k = 21; k >= 1; k -= 2) sum = sum * square + 1 / <f64>k;
  return 2 * s * sum + <f64>exponent * LN_2;
}

/** sin(r), or cos(r) for start 0, for |r| <= pi/4: the Taylor series to r^17, in Horner's form. */
function series(r: f64, start: i32): f64 {
  const square = r * r;
  let sum: f64 = 1;
  for (let k = 16 + start; k > start; k -= 2) sum = 1 - (square * sum) / <f64>(k * (k - 1));
  return start ? r * sum : sum;
}

/** sin(2 pi turn) for 0 <= turn < 2, reduced to the nearest quarter. */
function sineOfTurn(turn: f64): f64 {
  const quarter = nearest(turn * 4);
  const r = (turn - quarter * 0.25) * TWO_PI;
  const quadrant = <i32>quarter & 3;
  const value = series(r, quadrant & 1 ? 0 : 1);
  return quadrant & 2 ? -value : value;
}

function emit(dtype: i32, output: usize, index: i32, value: f64): void {
  if (dtype == DOUBLE) store<f64>(output + (<usize>index << 3), value);
  else store<f32>(output + (<usize>index << 2), <f32>value);
}

/** Two normals from two words; the second only while it is inside. */
function emitNormals(dtype: i32, output: usize, index: i32, count: i32, u: u32, v: u32, a: f64, b: f64): void {
  // The half keeps the logarithm's argument above zero.
  const radius = sqrt<f64>(-2 * logarithm((<f64>u + 0.5) * 2.3283064365386963e-10));
  const turn = <f64>v * 2.3283064365386963e-10;
  emit(dtype, output, index, a + b * (radius * sineOfTurn(turn + 0.25)));
  if (index + 1 < count) emit(dtype, output, index + 1, a + b * (radius * sineOfTurn(turn)));
}

export function random(
  distribution: i32,
  dtype: i32,
  output: usize,
  count: i32,
  seedLow: i32,
  seedHigh: i32,
  a: f64,
  b: f64,
): i32 {
  const perBlock = distribution == 0 && dtype == DOUBLE ? 2 : 4;
  let block: u32 = 0;
  for (let index = 0; index < count; index += perBlock, block++) {
    let c0 = block;
    let c1: u32 = 0;
    let c2: u32 = 0;
    let c3: u32 = 0;
    let k0 = <u32>seedLow;
    let k1 = <u32>seedHigh;
    for (let round = 0; round < 10; round++) {
      const p = <u64>c0 * 0xd2511f53;
      const q = <u64>c2 * 0xcd9e8d57;
      c0 = <u32>(q >> 32) ^ c1 ^ k0;
      c1 = <u32>q;
      c2 = <u32>(p >> 32) ^ c3 ^ k1;
      c3 = <u32>p;
      k0 += 0x9e3779b9;
      k1 += 0xbb67ae85;
    }
    if (distribution == 1) {
      emitNormals(dtype, output, index, count, c0, c1, a, b);
      if (index + 2 < count) emitNormals(dtype, output, index + 2, count, c2, c3, a, b);
      continue;
    }
    for (let lane = 0; lane < perBlock && index + lane < count; lane++) {
      let unit: f64;
      if (dtype == DOUBLE) {
        const high = lane ? c2 : c0;
        const low = lane ? c3 : c1;
        unit = (<f64>(high >> 5) * 67108864 + <f64>(low >> 6)) * 1.1102230246251565e-16;
      } else {
        const word = lane < 2 ? (lane ? c1 : c0) : lane == 2 ? c2 : c3;
        unit = <f64>(word >> 8) * 5.960464477539063e-8;
      }
      emit(dtype, output, index + lane, a + unit * (b - a));
    }
  }
  return count;
}
