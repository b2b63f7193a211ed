// Compress (ONNX opset 11). In: a contiguous tensor seen as [outer, axis, inner] (without an axis: [1, elements,
// 1]) and a condition of bytes, which may be shorter than the axis. Out: the slices whose condition is not zero,
// in order, as [outer, count, inner]. No scratch. Returns count.

export function compress(
  elementSize: i32,
  input: usize,
  condition: usize,
  output: usize,
  outer: i32,
  axis: i32,
  inner: i32,
  conditionLength: i32,
): i32 {
  const length = min(conditionLength, axis);
  const bytes = <usize>inner * elementSize;
  let count = 0;
  for (let i = 0; i < length; i++) {
    if (load<u8>(condition + i)) count++;
  }
  let target = output;
  for (let o = 0; o < outer; o++) {
    const block = input + <usize>o * axis * bytes;
    for (let i = 0; i < length; i++) {
      if (!load<u8>(condition + i)) continue;
      memory.copy(target, block + <usize>i * bytes, bytes);
      target += bytes;
    }
  }
  return count;
}
