// Unique (ONNX opset 11). In: a contiguous tensor seen as [outer, axis, inner]; without an axis it is
// [1, elements, 1]. Out: the distinct slices along the axis as [outer, count, inner], and (each by address, -1
// when not wanted) i64 first indices [count], inverse [axis] and counts [count]; in lexicographic order when
// `sorted`, else in order of first appearance. Slices are compared element by element in order; -0 equals +0 and
// NaN equals NaN, above everything (as numpy); the values written are those of the first appearance, bit for bit.
// A stable merge sort of positions: O(axis log axis) comparisons, so the first of an equal run is the earliest.
//
// Scratch: 12 * axis bytes, 4-byte aligned: three arrays of i32. Returns count.

import { copyElement, elementSize, orderKey } from "./shared/element.ts";

function compareSlices(dtype: i32, size: i32, input: usize, outer: i32, axis: i32, inner: i32, a: i32, b: i32): i32 {
  for (let o = 0; o < outer; o++) {
    const block = <usize>o * axis;
    const left = input + (block + a) * inner * size;
    const right = input + (block + b) * inner * size;
    for (let j = 0; j < inner; j++) {
      const leftKey = orderKey(left + <usize>j * size, dtype);
      const rightKey = orderKey(right + <usize>j * size, dtype);
      if (leftKey < rightKey) return -1;
      if (leftKey > rightKey) return 1;
    }
  }
  return 0;
}

export function unique(
  dtype: i32,
  input: usize,
  values: usize,
  firstIndices: usize,
  inverse: usize,
  counts: usize,
  outer: i32,
  axis: i32,
  inner: i32,
  sorted: i32,
  scratch: usize,
): i32 {
  if (axis <= 0) return 0;
  const size = elementSize(dtype);
  const bytes = <usize>axis << 2;
  let order = scratch;
  let other = scratch + bytes;
  const leaders = scratch + 2 * bytes;

  for (let i = 0; i < axis; i++) store<i32>(order + (<usize>i << 2), i);
  for (let width: i64 = 1; width < <i64>axis; width <<= 1) {
    for (let start: i64 = 0; start < <i64>axis; start += 2 * width) {
      let left = <i32>start;
      const middle = <i32>min<i64>(start + width, axis);
      let right = middle;
      const end = <i32>min<i64>(start + 2 * width, axis);
      for (let target = <i32>start; target < end; target++) {
        let takeLeft: bool;
        if (left >= middle) takeLeft = false;
        else if (right >= end) takeLeft = true;
        else {
          const a = load<i32>(order + (<usize>left << 2));
          const b = load<i32>(order + (<usize>right << 2));
          takeLeft = compareSlices(dtype, size, input, outer, axis, inner, a, b) <= 0;
        }
        const from = takeLeft ? left++ : right++;
        store<i32>(other + (<usize>target << 2), load<i32>(order + (<usize>from << 2)));
      }
    }
    const swap = order;
    order = other;
    other = swap;
  }

  // Each position learns the leader (first appearance) of its run; `other` then maps leader to output number.
  const numbers = other;
  let count = 0;
  let leader = -1;
  for (let i = 0; i < axis; i++) {
    const position = load<i32>(order + (<usize>i << 2));
    if (leader < 0 || compareSlices(dtype, size, input, outer, axis, inner, leader, position) != 0) {
      leader = position;
      if (sorted) store<i32>(numbers + (<usize>position << 2), count);
      count++;
    }
    store<i32>(leaders + (<usize>position << 2), leader);
  }
  if (!sorted) {
    let next = 0;
    for (let i = 0; i < axis; i++) {
      if (load<i32>(leaders + (<usize>i << 2)) == i) store<i32>(numbers + (<usize>i << 2), next++);
    }
  }

  if (counts != <usize>-1) memory.fill(counts, 0, <usize>count << 3);
  for (let i = 0; i < axis; i++) {
    const first = load<i32>(leaders + (<usize>i << 2));
    const number = load<i32>(numbers + (<usize>first << 2));
    if (inverse != <usize>-1) store<i64>(inverse + (<usize>i << 3), number);
    if (counts != <usize>-1) {
      const cell = counts + (<usize>number << 3);
      store<i64>(cell, load<i64>(cell) + 1);
    }
    if (first != i) continue;
    if (firstIndices != <usize>-1) store<i64>(firstIndices + (<usize>number << 3), i);
    for (let o = 0; o < outer; o++) {
      const source = input + (<usize>o * axis + i) * inner * size;
      const target = values + (<usize>o * count + number) * inner * size;
      if (inner == 1) copyElement(target, source, size);
      else memory.copy(target, source, <usize>inner * size);
    }
  }
  return count;
}
