// The counting part of TfIdfVectorizer (ONNX opset 9); the weighting (IDF, TFIDF) is ordinary ops. In: tokens
// [rows, length], i32 or i64; the n-grams of the pool, those of wanted lengths only, as (offset into pool,
// length, output column), three arrays of i32, and the pool's tokens as i64. Out: f32 [rows, columns], how often
// each n-gram occurs with 0 to maxSkip tokens skipped between its members; single tokens count once. Offsets and
// columns outside their arrays are ignored. No scratch. Returns the number of occurrences counted.

import { loadIndex } from "./shared/element.ts";

export function ngramCount(
  tokenDtype: i32,
  tokens: usize,
  rows: i32,
  length: i32,
  pool: usize,
  poolLength: i32,
  gramOffsets: usize,
  gramLengths: usize,
  gramColumns: usize,
  gramCount: i32,
  maxSkip: i32,
  output: usize,
  columns: i32,
): i32 {
  let found = 0;
  memory.fill(output, 0, (<usize>rows * columns) << 2);
  for (let gram = 0; gram < gramCount; gram++) {
    const offset = load<i32>(gramOffsets + (<usize>gram << 2));
    const size = load<i32>(gramLengths + (<usize>gram << 2));
    const column = load<i32>(gramColumns + (<usize>gram << 2));
    if (<u32>column >= <u32>columns || size < 1 || size > poolLength || size > length) continue;
    if (<u32>offset > <u32>(poolLength - size)) continue;
    for (let distance = 1; distance - 1 <= maxSkip; distance++) {
      if (distance > 1 && size == 1) break;
      // In i64, since a large skip count times a length may leave i32; no room means no larger distance either.
      const span = <i64>(size - 1) * <i64>distance;
      if (span >= <i64>length) break;
      const starts = length - <i32>span;
      for (let row = 0; row < rows; row++) {
        let hits = 0;
        for (let start = 0; start < starts; start++) {
          let member = 0;
          while (
            member < size &&
            loadIndex(tokens, row * length + start + member * distance, tokenDtype) ==
              load<i64>(pool + (<usize>(offset + member) << 3))
          ) {
            member++;
          }
          if (member == size) hits++;
        }
        const cell = output + ((<usize>row * columns + column) << 2);
        store<f32>(cell, load<f32>(cell) + <f32>hits);
        found += hits;
      }
    }
  }
  return found;
}
