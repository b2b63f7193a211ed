// Det (ONNX opset 22). In: `batches` square matrices of size n, row-major, of any float dtype. Out: one
// determinant each, in the same dtype, by LU elimination with partial pivoting in f64 and one rounding at the end;
// the determinant of a 0 x 0 matrix is 1.
//
// Scratch: 8 * n * n bytes, 8-byte aligned. Returns batches.

import { elementSize, loadFloat, storeFloat } from "./shared/element.ts";

export function det(dtype: i32, input: usize, output: usize, batches: i32, n: i32, scratch: usize): i32 {
  const size = elementSize(dtype);
  const elements = n * n;
  const rowBytes = <usize>n << 3;
  for (let batch = 0; batch < batches; batch++) {
    const matrix = input + <usize>batch * elements * size;
    for (let i = 0; i < elements; i++) {
      store<f64>(scratch + (<usize>i << 3), loadFloat(matrix + <usize>i * size, dtype));
    }
    let determinant: f64 = 1;
    for (let column = 0; column < n; column++) {
      const offset = <usize>column << 3;
      let pivotRow = column;
      let largest: f64 = -1;
      for (let row = column; row < n; row++) {
        const candidate = abs(load<f64>(scratch + <usize>row * rowBytes + offset));
        // A NaN becomes the pivot (nothing compares greater than it) and so reaches the product.
        if (candidate > largest || candidate != candidate) {
          largest = candidate;
          pivotRow = row;
        }
      }
      const top = scratch + <usize>column * rowBytes;
      if (pivotRow != column) {
        const swapped = scratch + <usize>pivotRow * rowBytes;
        for (let j: usize = offset; j < rowBytes; j += 8) {
          const kept = load<f64>(top + j);
          store<f64>(top + j, load<f64>(swapped + j));
          store<f64>(swapped + j, kept);
        }
        determinant = -determinant;
      }
      const pivot = load<f64>(top + offset);
      if (pivot == 0) {
        determinant = 0;
        break;
      }
      determinant *= pivot;
      for (let row = column + 1; row < n; row++) {
        const line = scratch + <usize>row * rowBytes;
        const factor = load<f64>(line + offset) / pivot;
        for (let j: usize = offset; j < rowBytes; j += 8) {
          store<f64>(line + j, load<f64>(line + j) - factor * load<f64>(top + j));
        }
      }
    }
    storeFloat(output + <usize>batch * size, dtype, determinant);
  }
  return batches;
}
