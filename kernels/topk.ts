// TopK (ONNX opset 24) along one axis. In: a contiguous tensor seen as [outer, axis, inner]. Out: values and i64
// indices, each [outer, k, inner], best first, the lower index first among equals (also when the operator says
// sorted = 0, which leaves the order open). Keeps a heap of the k best seen so far with the worst at its root:
// O(axis log k) per line. NaN counts as above +Infinity: first with largest = 1, last with largest = 0.
//
// Scratch: 12 * k bytes, 8-byte aligned: k order keys (i64), then k positions (i32).
// Returns the k used, which is never more than the axis has.

import { copyElement, elementSize, orderKey } from "./shared/element.ts";

/** Moves the entry at `start` down until no child is worse; smaller key, then higher position, is worse. */
function siftDown(keys: usize, positions: usize, start: i32, count: i32): void {
  const key = load<i64>(keys + (<usize>start << 3));
  const position = load<i32>(positions + (<usize>start << 2));
  let hole = start;
  while (true) {
    let child = 2 * hole + 1;
    if (child >= count) break;
    let childKey = load<i64>(keys + (<usize>child << 3));
    let childPosition = load<i32>(positions + (<usize>child << 2));
    const sibling = child + 1;
    if (sibling < count) {
      const siblingKey = load<i64>(keys + (<usize>sibling << 3));
      const siblingPosition = load<i32>(positions + (<usize>sibling << 2));
      if (siblingKey < childKey || (siblingKey == childKey && siblingPosition > childPosition)) {
        child = sibling;
        childKey = siblingKey;
        childPosition = siblingPosition;
      }
    }
    if (!(childKey < key || (childKey == key && childPosition > position))) break;
    store<i64>(keys + (<usize>hole << 3), childKey);
    store<i32>(positions + (<usize>hole << 2), childPosition);
    hole = child;
  }
  store<i64>(keys + (<usize>hole << 3), key);
  store<i32>(positions + (<usize>hole << 2), position);
}

export function topk(
  dtype: i32,
  input: usize,
  values: usize,
  indices: usize,
  outer: i32,
  axis: i32,
  inner: i32,
  k: i32,
  largest: i32,
  scratch: usize,
): i32 {
  k = min(k, axis);
  if (k <= 0) return 0;
  const size = elementSize(dtype);
  const step = <usize>inner * size;
  // The complement reverses signed order, so the smallest are found by the same code.
  const flip: i64 = largest ? 0 : -1;
  const keys = scratch;
  const positions = scratch + (<usize>k << 3);

  for (let o = 0; o < outer; o++) {
    for (let j = 0; j < inner; j++) {
      const line = input + (<usize>o * axis * inner + j) * size;
      for (let i = 0; i < k; i++) {
        store<i64>(keys + (<usize>i << 3), orderKey(line + <usize>i * step, dtype) ^ flip);
        store<i32>(positions + (<usize>i << 2), i);
      }
      for (let i = (k >> 1) - 1; i >= 0; i--) siftDown(keys, positions, i, k);
      for (let i = k; i < axis; i++) {
        const key = orderKey(line + <usize>i * step, dtype) ^ flip;
        // An equal key further along is worse than what is there.
        if (key > load<i64>(keys)) {
          store<i64>(keys, key);
          store<i32>(positions, i);
          siftDown(keys, positions, 0, k);
        }
      }
      // Heap sort: the worst goes to the end.
      for (let end = k - 1; end > 0; end--) {
        const lastKey = load<i64>(keys + (<usize>end << 3));
        const lastPosition = load<i32>(positions + (<usize>end << 2));
        store<i64>(keys + (<usize>end << 3), load<i64>(keys));
        store<i32>(positions + (<usize>end << 2), load<i32>(positions));
        store<i64>(keys, lastKey);
        store<i32>(positions, lastPosition);
        siftDown(keys, positions, 0, end);
      }
      const target = <usize>o * k * inner + j;
      for (let i = 0; i < k; i++) {
        const position = load<i32>(positions + (<usize>i << 2));
        const slot = target + <usize>i * inner;
        copyElement(values + slot * size, line + <usize>position * step, size);
        store<i64>(indices + (slot << 3), position);
      }
    }
  }
  return k;
}
