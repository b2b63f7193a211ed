// NonMaxSuppression (ONNX opset 11). In: boxes f32 [batches, boxCount, 4], scores f32 [batches, classes,
// boxCount], and the three optional one-element inputs by address, -1 when absent. Out: i64 rows (batch, class,
// box), class by class, best score first, the lower box first among equal scores. A heap yields candidates in
// order, so only as many are sorted as are looked at. Areas and overlaps are in f32, as in onnxruntime; a score
// that is NaN is never selected; a box of no area suppresses nothing.
//
// Scratch: 28 * boxCount bytes, 8-byte aligned: the heap (i64), then the selected boxes (x1, y1, x2, y2, area).
// Returns the number of rows, at most `capacity`.

/** The smallest entry to the root: an entry is (complement of the score's order key) << 32 | box. */
function siftDown(heap: usize, start: i32, count: i32): void {
  const entry = load<i64>(heap + (<usize>start << 3));
  let hole = start;
  while (true) {
    let child = 2 * hole + 1;
    if (child >= count) break;
    let childEntry = load<i64>(heap + (<usize>child << 3));
    if (child + 1 < count) {
      const sibling = load<i64>(heap + (<usize>(child + 1) << 3));
      if (sibling < childEntry) {
        child++;
        childEntry = sibling;
      }
    }
    if (childEntry >= entry) break;
    store<i64>(heap + (<usize>hole << 3), childEntry);
    hole = child;
  }
  store<i64>(heap + (<usize>hole << 3), entry);
}

/** Signed order of the bits is the order of the scores; NaN never gets here. */
function scoreKey(score: f32): i32 {
  const bits = reinterpret<i32>(score);
  return bits < 0 ? -(bits & 0x7fffffff) : bits;
}

export function nonMaxSuppression(
  boxes: usize,
  scores: usize,
  output: usize,
  batches: i32,
  classes: i32,
  boxCount: i32,
  maxOutputPerClass: usize,
  iouThreshold: usize,
  scoreThreshold: usize,
  centerPointBox: i32,
  capacity: i32,
  scratch: usize,
): i32 {
  // Absent means 0, and 0 means no output (the operator's default).
  const wanted: i64 = maxOutputPerClass == <usize>-1 ? 0 : load<i64>(maxOutputPerClass);
  const limit = <i32>max<i64>(0, min<i64>(wanted, boxCount));
  const maximumOverlap: f32 = iouThreshold == <usize>-1 ? 0 : load<f32>(iouThreshold);
  const filtered = scoreThreshold != <usize>-1;
  const minimumScore: f32 = filtered ? load<f32>(scoreThreshold) : 0;
  const heap = scratch;
  const selected = scratch + (<usize>boxCount << 3);
  let rows = 0;

  for (let batch = 0; batch < batches; batch++) {
    const batchBoxes = boxes + ((<usize>batch * boxCount) << 4);
    for (let label = 0; label < classes; label++) {
      const line = scores + ((<usize>(batch * classes + label) * boxCount) << 2);
      let count = 0;
      for (let box = 0; box < boxCount; box++) {
        const score = load<f32>(line + (<usize>box << 2));
        if (score != score || (filtered && !(score > minimumScore))) continue;
        store<i64>(heap + (<usize>count << 3), (<i64>~scoreKey(score) << 32) | <i64>box);
        count++;
      }
      for (let i = (count >> 1) - 1; i >= 0; i--) siftDown(heap, i, count);

      let kept = 0;
      while (count > 0 && kept < limit && rows < capacity) {
        const box = load<i32>(heap);
        count--;
        store<i64>(heap, load<i64>(heap + (<usize>count << 3)));
        if (count > 1) siftDown(heap, 0, count);

        const source = batchBoxes + (<usize>box << 4);
        const a = load<f32>(source);
        const b = load<f32>(source, 4);
        const c = load<f32>(source, 8);
        const d = load<f32>(source, 12);
        let x1: f32, y1: f32, x2: f32, y2: f32;
        if (centerPointBox) {
          const halfWidth: f32 = c / 2;
          const halfHeight: f32 = d / 2;
          x1 = a - halfWidth;
          x2 = a + halfWidth;
          y1 = b - halfHeight;
          y2 = b + halfHeight;
        } else {
          // Corners come in any order.
          x1 = min(b, d);
          x2 = max(b, d);
          y1 = min(a, c);
          y2 = max(a, c);
        }
        const area: f32 = (x2 - x1) * (y2 - y1);

        let suppressed = false;
        for (let i = 0; i < kept; i++) {
          const other = selected + <usize>i * 20;
          const width: f32 = min(x2, load<f32>(other, 8)) - max(x1, load<f32>(other));
          const height: f32 = min(y2, load<f32>(other, 12)) - max(y1, load<f32>(other, 4));
          if (width <= 0 || height <= 0) continue;
          const otherArea = load<f32>(other, 16);
          const intersection: f32 = width * height;
          const union: f32 = area + otherArea - intersection;
          if (intersection <= 0 || area <= 0 || otherArea <= 0 || union <= 0) continue;
          if (intersection / union > maximumOverlap) {
            suppressed = true;
            break;
          }
        }
        if (suppressed) continue;

        const slot = selected + <usize>kept * 20;
        store<f32>(slot, x1);
        store<f32>(slot, y1, 4);
        store<f32>(slot, x2, 8);
        store<f32>(slot, y2, 12);
        store<f32>(slot, area, 16);
        kept++;
        const row = output + <usize>rows * 24;
        store<i64>(row, batch);
        store<i64>(row, label, 8);
        store<i64>(row, box, 16);
        rows++;
      }
    }
  }
  return rows;
}
