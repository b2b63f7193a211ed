/**
 * Whether an answer is right. In: a tensor that was computed, the one that was expected, and a tolerance. Out: a
 * verdict with the worst errors and a sentence that names the worst element and both its values. Invariant: an
 * element passes when |actual - expected| <= absolute + relative * |expected| (as numpy.testing.assert_allclose
 * has it); NaN equals only NaN, infinities match by sign, strings and booleans are equal or wrong, dtype and
 * shape must be the same. Integers have no relative tolerance: they are equal, or within `integer` of each other.
 */
import type { ProtoValue } from "../frontend/onnx/tensor.ts";
import { isFloat } from "../ir/dtype.ts";
import { loadFunction } from "../ir/numeric.ts";
import type { Tensor } from "../../runtime/dtype.ts";

export interface Tolerance {
  /** Relative, for floating-point elements. */
  readonly relative: number;
  /** Absolute, for floating-point elements. */
  readonly absolute: number;
  /** Largest difference of integers; 0 if not said. */
  readonly integer?: number;
}

export interface Comparison {
  readonly passed: boolean;
  /** Largest |actual - expected| over elements where both are finite. */
  readonly worstAbsolute: number;
  /** Largest |actual - expected| / |expected| over elements where both are finite and the latter is not 0. */
  readonly worstRelative: number;
  /** How many elements are outside the tolerance. */
  readonly wrong: number;
  readonly elements: number;
  /** What is wrong, in one line; undefined when nothing is. */
  readonly reason?: string;
}

/** The error of something that could not even be compared. */
function mismatch(elements: number, reason: string): Comparison {
  return { passed: false, worstAbsolute: NaN, worstRelative: NaN, wrong: elements, elements, reason };
}

function list(values: readonly (number | string)[]): string {
  return `[${values.join(", ")}]`;
}

/**
 * Compares two tensors.
 *
 * @example compareTensors(outputs.y, expected, { relative: 1e-3, absolute: 1e-5 }).passed
 */
export function compareTensors(actual: Tensor, expected: Tensor, tolerance: Tolerance): Comparison {
  const elements = expected.data.length;
  if (actual.dtype !== expected.dtype) {
    return mismatch(elements, `dtype ${actual.dtype} instead of ${expected.dtype}`);
  }
  if (list(actual.shape) !== list(expected.shape)) {
    return mismatch(elements, `shape ${list(actual.shape)} instead of ${list(expected.shape)}`);
  }
  if (actual.data.length !== elements) {
    return mismatch(elements, `${actual.data.length} elements for a shape of ${list(expected.shape)}`);
  }
  return compareElements(actual, expected, tolerance);
}

function compareElements(actual: Tensor, expected: Tensor, tolerance: Tolerance): Comparison {
  const { dtype, shape, data } = expected;
  const decode = loadFunction(dtype);
  const read = (stored: number | bigint | string): number | bigint | string =>
    decode === undefined || typeof stored === "string" ? stored : decode(stored);
  const allowed = isFloat(dtype)
    ? (value: number): number => tolerance.absolute + tolerance.relative * Math.abs(value)
    : (): number => (dtype === "bool" ? 0 : (tolerance.integer ?? 0));
  let worstAbsolute = 0;
  let worstRelative = 0;
  let wrong = 0;
  let worstIndex = 0;
  let worstExcess = -1;
  for (let i = 0; i < data.length; i++) {
    const want = read(data[i]!);
    const have = read(actual.data[i]!);
    const difference = distance(have, want);
    if (difference === 0) continue;
    if (Number.isFinite(difference)) {
      worstAbsolute = Math.max(worstAbsolute, difference);
      if (Number(want) !== 0) worstRelative = Math.max(worstRelative, difference / Math.abs(Number(want)));
    }
    const limit = allowed(Number(want));
    // NaN and infinities were equal above or are wrong, whatever the tolerance.
    if (difference <= limit && difference < Infinity) continue;
    wrong++;
    const excess = !Number.isFinite(difference) ? Infinity : limit === 0 ? difference : difference / limit;
    if (excess > worstExcess) {
      worstExcess = excess;
      worstIndex = i;
    }
  }
  const result = { passed: wrong === 0, worstAbsolute, worstRelative, wrong, elements: data.length };
  if (wrong === 0) return result;
  const at = list(coordinatesOf(worstIndex, shape));
  const values = `${show(read(actual.data[worstIndex]!))} instead of ${show(read(data[worstIndex]!))}`;
  return { ...result, reason: `${wrong} of ${data.length} elements differ, the worst at ${at}: ${values}` };
}

/** |a - b|, exact for integers; 0 for what counts as equal, infinity for what can never be. */
function distance(a: number | bigint | string, b: number | bigint | string): number {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return 0;
  if (typeof a === "string" || typeof b === "string") return Infinity;
  if (typeof a === "bigint" && typeof b === "bigint") return Number(a > b ? a - b : b - a);
  const difference = Math.abs(Number(a) - Number(b));
  return Number.isNaN(difference) ? Infinity : difference;
}

function show(value: number | bigint | string): string {
  if (typeof value === "string") return JSON.stringify(value);
  return typeof value === "bigint" || Number.isInteger(value)
    ? String(value)
    : String(Number(value.toPrecision(7)));
}

/** Coordinates of an element from its position in row-major order. */
export function coordinatesOf(position: number, shape: readonly number[]): number[] {
  const coordinates: number[] = [];
  for (let axis = shape.length - 1, rest = position; axis >= 0; axis--) {
    coordinates.unshift(rest % shape[axis]!);
    rest = Math.floor(rest / shape[axis]!);
  }
  return coordinates;
}

/** Compares what may be sequences or absent optionals, element by element. */
export function compareValues(actual: ProtoValue, expected: ProtoValue, tolerance: Tolerance): Comparison {
  if (isTensor(actual) && isTensor(expected)) return compareTensors(actual, expected, tolerance);
  if (Array.isArray(actual) && Array.isArray(expected)) {
    if (actual.length !== expected.length) {
      return mismatch(
        expected.length,
        `${actual.length} elements in the sequence instead of ${expected.length}`,
      );
    }
    return combine(
      expected.map((want: ProtoValue, i) => compareValues(actual[i] as ProtoValue, want, tolerance)),
    );
  }
  if (actual === undefined && expected === undefined) return combine([]);
  return mismatch(1, `${kindOf(actual)} instead of ${kindOf(expected)}`);
}

function isTensor(value: ProtoValue): value is Tensor {
  return value !== undefined && !Array.isArray(value);
}

function kindOf(value: ProtoValue): string {
  if (value === undefined) return "nothing";
  return isTensor(value) ? "a tensor" : "a sequence";
}

/** The verdict over several comparisons: the worst of each figure, and the first reason. */
export function combine(comparisons: readonly Comparison[]): Comparison {
  const failed = comparisons.find(({ passed }) => !passed);
  const worst = (key: "worstAbsolute" | "worstRelative"): number => comparisons.reduce((most, one) => Math.max(most, one[key]), 0); // prettier-ignore
  const sum = (key: "wrong" | "elements"): number => comparisons.reduce((total, one) => total + one[key], 0);
  return {
    passed: failed === undefined,
    worstAbsolute: worst("worstAbsolute"),
    worstRelative: worst("worstRelative"),
    wrong: sum("wrong"),
    elements: sum("elements"),
    ...(failed?.reason === undefined ? {} : { reason: failed.reason }),
  };
}

/** The largest finite magnitude of a tensor; 0 when it has none. */
export function magnitude({ dtype, data }: Tensor): number {
  if (dtype === "string") return 0;
  const decode = loadFunction(dtype);
  let largest = 0;
  for (const stored of data) {
    const value = Math.abs(Number(decode === undefined ? stored : decode(stored as number | bigint)));
    if (value > largest && value < Infinity) largest = value;
  }
  return largest;
}

/**
 * The tolerance for the output of a whole network: rounding errors there are of the order of the output's range,
 * not of each element, so the absolute part is `share` of the largest expected magnitude (and at least 1e-5).
 */
export function networkTolerance(expected: Tensor, share = 1e-4, relative = 1e-3): Tolerance {
  return { relative, absolute: Math.max(1e-5, share * magnitude(expected)) };
}
