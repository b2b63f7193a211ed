// NonZero (ONNX opset 13). In: a contiguous tensor and its rank and dims (i32). Out: i64 [rank, count], the
// coordinates of the elements that are not zero, in row-major order; -0 is zero and NaN is not. Two passes:
// count, then write, so the rows of the output lie compactly. No scratch; `output` has room for
// rank * elements * 8 bytes. Returns count (for rank 0 nothing is written and the count is 0 or 1).

import { BFLOAT16, DOUBLE, FLOAT, FLOAT16, elementSize } from "./shared/element.ts";

/** The element's bits, less the sign of a float: zero exactly when the element is. */
function magnitude(address: usize, size: i32, float: bool): u64 {
  let bits: u64;
  switch (size) {
    case 1:
      return load<u8>(address);
    case 2:
      bits = load<u16>(address);
      return float ? bits & 0x7fff : bits;
    case 4:
      bits = load<u32>(address);
      return float ? bits & 0x7fffffff : bits;
    default:
      bits = load<u64>(address);
      return float ? bits & 0x7fffffffffffffff : bits;
  }
}

export function nonZero(dtype: i32, input: usize, output: usize, rank: i32, dims: usize): i32 {
  const size = elementSize(dtype);
  const float = dtype == FLOAT || dtype == DOUBLE || dtype == FLOAT16 || dtype == BFLOAT16;
  let total = 1;
  for (let d = 0; d < rank; d++) total *= load<i32>(dims + (<usize>d << 2));
  let count = 0;
  for (let i = 0; i < total; i++) {
    if (magnitude(input + <usize>i * size, size, float) != 0) count++;
  }
  if (rank == 0 || count == 0) return count;

  const last = rank - 1;
  const rowLength = load<i32>(dims + (<usize>last << 2));
  const lastRow = output + ((<usize>last * count) << 3);
  const rowCount = total / rowLength;
  let written = 0;
  for (let row = 0; row < rowCount; row++) {
    const line = input + <usize>row * rowLength * size;
    const first = written;
    for (let i = 0; i < rowLength; i++) {
      if (magnitude(line + <usize>i * size, size, float) != 0) {
        store<i64>(lastRow + (<usize>written << 3), i);
        written++;
      }
    }
    if (written == first) continue;
    // The outer coordinates are the same for the whole row.
    let rest = row;
    for (let d = last - 1; d >= 0; d--) {
      const extent = load<i32>(dims + (<usize>d << 2));
      const coordinate = rest % extent;
      rest /= extent;
      const target = output + ((<usize>d * count) << 3);
      for (let i = first; i < written; i++) store<i64>(target + (<usize>i << 3), coordinate);
    }
  }
  return count;
}
