// output[indices[i]] = source[i], the store of MaxUnpool and its like. In: what `output` starts as (`data` may be
// `output` itself, or -1 for zeros, as MaxUnpool wants) and i64 flat indices into it. Out: the elements stored, in
// order of i, so the last of equal indices stays. An index outside 0 .. outputCount - 1 is skipped and counted,
// never written. No scratch. Returns that number.

import { copyElement, initialize } from "./shared/element.ts";

export function scatterFlat(
  elementSize: i32,
  data: usize,
  output: usize,
  outputCount: i32,
  indices: usize,
  source: usize,
  count: i32,
): i32 {
  initialize(output, data, <usize>outputCount * elementSize);
  let bad = 0;
  for (let i = 0; i < count; i++) {
    const index = load<i64>(indices + (<usize>i << 3));
    if (index < 0 || index >= <i64>outputCount) {
      bad++;
      continue;
    }
    copyElement(output + <usize>index * elementSize, source + <usize>i * elementSize, elementSize);
  }
  return bad;
}
