// ScatterElements (ONNX opset 18; also Scatter 9). In: the data and its dims (`data` may be `output` itself, or -1
// for zeros); indices (i32 or i64) and updates of one shape, no larger than the data outside the axis (rank >= 1).
// Out: a copy of the data with each update combined into the element that its coordinates name, with the index in
// place of the axis coordinate; a negative index counts from the end. Updates apply in row-major order. An index
// out of range is skipped and counted, never written. No scratch. Returns the number of bad indices.

import { combine } from "./shared/combine.ts";
import { elementSize, initialize, loadIndex } from "./shared/element.ts";

export function scatterElements(
  dtype: i32,
  data: usize,
  output: usize,
  dims: usize,
  indices: usize,
  indexDtype: i32,
  indexDims: usize,
  updates: usize,
  rank: i32,
  axis: i32,
  reduction: i32,
): i32 {
  const size = elementSize(dtype);
  const extent = <i64>load<i32>(dims + (<usize>axis << 2));
  let total = 1;
  for (let d = 0; d < rank; d++) total *= load<i32>(dims + (<usize>d << 2));
  initialize(output, data, <usize>total * size);
  let axisStride = 1;
  for (let d = rank - 1; d > axis; d--) axisStride *= load<i32>(dims + (<usize>d << 2));
  let rows = 1;
  for (let d = 0; d < rank - 1; d++) rows *= load<i32>(indexDims + (<usize>d << 2));
  const rowLength = load<i32>(indexDims + (<usize>(rank - 1) << 2));
  const step = axis == rank - 1 ? 0 : 1;
  let bad = 0;
  let update = 0;

  for (let row = 0; row < rows; row++) {
    // Where the row lies in the output, without the axis coordinate.
    let base = 0;
    let rest = row;
    let stride = load<i32>(dims + (<usize>(rank - 1) << 2));
    for (let d = rank - 2; d >= 0; d--) {
      const length = load<i32>(indexDims + (<usize>d << 2));
      if (d != axis) base += (rest % length) * stride;
      rest /= length;
      stride *= load<i32>(dims + (<usize>d << 2));
    }
    for (let j = 0; j < rowLength; j++, update++) {
      let index = loadIndex(indices, update, indexDtype);
      if (index < 0) index += extent;
      if (index < 0 || index >= extent) {
        bad++;
        continue;
      }
      const slot = base + <i32>index * axisStride + j * step;
      combine(dtype, reduction, output + <usize>slot * size, updates + <usize>update * size);
    }
  }
  return bad;
}
