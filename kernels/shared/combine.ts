// The reductions of the scatter operators. In: where an update goes, where it comes from, dtype and reduction.
// Out: the target element, combined in place. Invariant: integers wrap, floats are combined in f64 and rounded
// once (for f32 and narrower types that equals one rounding of the exact sum or product), NaN wins min and max.

import { BOOL, UINT64, copyElement, elementSize, isFloat, loadFloat, loadInteger, storeFloat, storeInteger } from "./element.ts";

export const NONE: i32 = 0;
export const ADD: i32 = 1;
export const MULTIPLY: i32 = 2;
export const MINIMUM: i32 = 3;
export const MAXIMUM: i32 = 4;

function combineFloat(dtype: i32, reduction: i32, target: usize, source: usize): void {
  const left = loadFloat(target, dtype);
  const right = loadFloat(source, dtype);
  let value: f64;
  switch (reduction) {
    case ADD:
      value = left + right;
      break;
    case MULTIPLY:
      value = left * right;
      break;
    case MINIMUM:
      value = min(left, right);
      break;
    default:
      value = max(left, right);
  }
  storeFloat(target, dtype, value);
}

function combineInteger(dtype: i32, reduction: i32, target: usize, source: usize): void {
  const left = loadInteger(target, dtype);
  const right = loadInteger(source, dtype);
  let value: i64;
  switch (reduction) {
    case ADD:
      value = left + right;
      break;
    case MULTIPLY:
      value = left * right;
      break;
    default: {
      const less = dtype == UINT64 ? <u64>left < <u64>right : left < right;
      value = less == (reduction == MINIMUM) ? left : right;
    }
  }
  // On booleans a sum is "or" and a product is "and".
  if (dtype == BOOL) value = value != 0 ? 1 : 0;
  storeInteger(target, elementSize(dtype), value);
}

/** Combines the element at `source` into the one at `target`. */
export function combine(dtype: i32, reduction: i32, target: usize, source: usize): void {
  if (reduction == NONE) copyElement(target, source, elementSize(dtype));
  else if (isFloat(dtype)) combineFloat(dtype, reduction, target, source);
  else combineInteger(dtype, reduction, target, source);
}
