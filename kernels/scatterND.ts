// ScatterND (ONNX opset 18). In: the data and its dims (`data` may be `output` itself, or -1 for zeros); indices
// (i32 or i64) [tuples, tupleLength]; updates [tuples, product of dims from tupleLength on]. Out: a copy of the data
// with each slice of updates combined into the slice that its tuple names, in order; negative indices count from
// the end. A tuple with an index out of range is skipped and counted, never written. No scratch. Returns the number
// of bad tuples.

import { NONE, combine } from "./shared/combine.ts";
import { elementSize, initialize, loadIndex } from "./shared/element.ts";

export function scatterND(
  dtype: i32,
  data: usize,
  output: usize,
  dims: usize,
  rank: i32,
  indices: usize,
  indexDtype: i32,
  tuples: i32,
  tupleLength: i32,
  updates: usize,
  reduction: i32,
): i32 {
  const size = elementSize(dtype);
  let slice = 1;
  for (let d = tupleLength; d < rank; d++) slice *= load<i32>(dims + (<usize>d << 2));
  const bytes = <usize>slice * size;
  let total = bytes;
  for (let d = 0; d < tupleLength; d++) total *= load<i32>(dims + (<usize>d << 2));
  initialize(output, data, total);
  let bad = 0;
  for (let tuple = 0; tuple < tuples; tuple++) {
    let slot = 0;
    let inside = true;
    for (let d = 0; d < tupleLength; d++) {
      const extent = <i64>load<i32>(dims + (<usize>d << 2));
      let index = loadIndex(indices, tuple * tupleLength + d, indexDtype);
      if (index < 0) index += extent;
      if (index < 0 || index >= extent) inside = false;
      slot = slot * <i32>extent + <i32>index;
    }
    if (!inside) {
      bad++;
      continue;
    }
    const target = output + <usize>slot * bytes;
    const source = updates + <usize>tuple * bytes;
    if (reduction == NONE) memory.copy(target, source, bytes);
    else for (let i: usize = 0; i < bytes; i += size) combine(dtype, reduction, target + i, source + i);
  }
  return bad;
}
