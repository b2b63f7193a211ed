/**
 * Whether two runtimes computed the same. In: outputs by name, those of the reference and those to be judged. Out:
 * a verification with the tolerance used and the worst error. Invariant: |a - b| <= atol + rtol * |b| for every
 * element of a float output, where b is the reference; everything else (integers, booleans, strings, shapes,
 * dtypes, the set of outputs) must be equal. NaN agrees with NaN only, an infinity with the same infinity only.
 */
import { type DType, type Tensor } from "../runtime/dtype.ts";
import { type Verification } from "./protocol.ts";

export type Tensors = Readonly<Record<string, Tensor>>;

export const RTOL = 1e-3;
/**
 * `atol` is this part of the largest finite magnitude in the reference output. Outputs near zero are differences of
 * large terms, so what their error can be measured by is the range of the output and not their own size.
 */
export const ATOL_OF_RANGE = 1e-4;
/**
 * The same for a model that rounds to 8 bits on its way: where a sum lies between two steps, the last bit of a float
 * decides which one it becomes, and the outputs differ by a few steps of the 1/255 of the range that 8 bits tell.
 */
export const ATOL_OF_RANGE_QUANTIZED = 2e-2;
/**
 * For a peer whose file holds the weights rounded to 16 bits: the error in the mean, as a part of the mean magnitude.
 * Measured on a network of a hundred layers: 0.015 where 32-bit weights give 1e-6; another network is above 0.5.
 */
const RMS_OF_ROUNDED_WEIGHTS = 0.03;
/** Not less than this: the absolute error of a float32 sigmoid or softmax, whatever the size of its results. */
export const LEAST_ATOL = 1e-6;

const FLOATS: readonly DType[] = ["float32", "float64", "float16", "bfloat16"];

/** As `verify`, for a runtime whose weights are rounded: floats are judged by their error in the mean. */
export function verifyRounded(actual: Tensors, expected: Tensors, reference: string): Verification {
  const exact = verify(actual, expected, reference);
  const complete = Number.isFinite(exact.worstRatio);
  return {
    ...exact,
    verified: complete && exact.rmsError <= RMS_OF_ROUNDED_WEIGHTS,
    worst: `${exact.worst}, ${exact.rmsError.toExponential(2)} in the mean`,
  };
}

/** Compares outputs; `reference` names where `expected` comes from. Never throws. */
export function verify(
  actual: Tensors,
  expected: Tensors,
  reference: string,
  atolOfRange: number = ATOL_OF_RANGE,
): Verification {
  const atol: Record<string, number> = {};
  let worst = { ratio: 0, text: "equal" };
  const note = (ratio: number, text: string): void => {
    if (ratio > worst.ratio) worst = { ratio, text };
  };
  for (const [name, wanted] of Object.entries(expected)) {
    const given = Object.hasOwn(actual, name) ? actual[name] : undefined;
    if (given === undefined) note(Infinity, `${name}: missing`);
    else if (given.dtype !== wanted.dtype) note(Infinity, `${name}: ${given.dtype}, not ${wanted.dtype}`);
    else if (given.shape.join() !== wanted.shape.join()) {
      note(Infinity, `${name}: shape [${given.shape.join()}], not [${wanted.shape.join()}]`);
    } else if (FLOATS.includes(wanted.dtype)) {
      atol[name] = Math.max(LEAST_ATOL, atolOfRange * largestMagnitude(wanted));
      compareFloats(name, given, wanted, atol[name], note);
    } else {
      compareExactly(name, given, wanted, note);
    }
  }
  return {
    verified: worst.ratio <= 1,
    reference,
    rtol: RTOL,
    atol,
    worstRatio: worst.ratio,
    worst: worst.text,
    rmsError: rmsError(actual, expected),
  };
}

/**
 * The root of the mean squared difference over that of the mean square of what is expected, of the float output where
 * it is largest; infinite elements and NaN are left out.
 */
export function rmsError(actual: Tensors, expected: Tensors): number {
  let largest = 0;
  for (const [name, wanted] of Object.entries(expected)) {
    const given = Object.hasOwn(actual, name) ? actual[name] : undefined;
    if (given === undefined || !FLOATS.includes(wanted.dtype) || !FLOATS.includes(given.dtype)) continue;
    const a = numbersOf(given);
    const b = numbersOf(wanted);
    let [difference, whole] = [0, 0];
    for (let i = 0; i < b.length; i++) {
      if (!Number.isFinite(a[i]) || !Number.isFinite(b[i])) continue;
      difference += (a[i]! - b[i]!) ** 2;
      whole += b[i]! ** 2;
    }
    if (difference > 0) largest = Math.max(largest, Math.sqrt(difference / whole));
  }
  return largest;
}

type Note = (ratio: number, text: string) => void;

function compareFloats(name: string, given: Tensor, wanted: Tensor, atol: number, note: Note): void {
  const actual = numbersOf(given);
  const expected = numbersOf(wanted);
  for (let i = 0; i < expected.length; i++) {
    const a = actual[i]!;
    const b = expected[i]!;
    if (Object.is(a, b) || a === b) continue;
    const error = Math.abs(a - b);
    const ratio = Number.isFinite(a) && Number.isFinite(b) ? error / (atol + RTOL * Math.abs(b)) : Infinity;
    note(ratio, `${name}[${i}]: ${a} for ${b}, off by ${error.toExponential(2)}`);
  }
}

function compareExactly(name: string, given: Tensor, wanted: Tensor, note: Note): void {
  for (let i = 0; i < wanted.data.length; i++) {
    const a = given.data[i];
    const b = wanted.data[i];
    if (a !== b) note(Infinity, `${name}[${i}]: ${String(a)} for ${String(b)}`);
  }
}

function largestMagnitude(tensor: Tensor): number {
  let largest = 0;
  for (const value of numbersOf(tensor)) {
    if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  }
  return largest;
}

/** The elements as numbers; 16-bit floats are held as their bits. */
function numbersOf({ dtype, data }: Tensor): ArrayLike<number> & Iterable<number> {
  if (dtype === "float16") return Float32Array.from(data as Uint16Array, halfToNumber);
  if (dtype === "bfloat16")
    return new Float32Array(Uint32Array.from(data as Uint16Array, (b) => b << 16).buffer);
  return data as Float32Array | Float64Array;
}

/** The value of an IEEE 754 binary16. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

/** Of the reference, which is compared with nothing. */
export const UNCOMPARED: Verification = {
  verified: true,
  reference: "nothing",
  rtol: 0,
  atol: {},
  worstRatio: NaN,
  worst: "there is nothing to compare with",
  rmsError: NaN,
};
