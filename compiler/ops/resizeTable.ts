/**
 * Where each output element of a resized axis comes from. In: the sizes of the axis, its scale and the mode. Out:
 * per output position the input positions to blend, their weights, and whether it lies outside the region. Invariant:
 * all input positions are inside the axis; the weights of one output sum to 1.
 * Source: ONNX operator Resize (version 19); the cubic kernel is Keys, "Cubic convolution interpolation for digital
 * image processing", IEEE TASSP 1981.
 */
import type { OpCall } from "./define.ts";

export interface ResizeAxis {
  readonly axis: number;
  readonly from: number;
  readonly to: number;
  readonly scale: number;
  /** The scale as a fraction of lengths, where sizes give it. */
  readonly ratio?: readonly [numerator: number, denominator: number];
  /** Start and end of the region in units of the axis; used by tf_crop_and_resize only. */
  readonly region: readonly [number, number];
}

export interface ResizeMode {
  readonly kind: "nearest" | "linear" | "cubic";
  readonly transformation: string;
  readonly rounding: string;
  readonly cubicCoefficient: number;
  readonly excludeOutside: boolean;
  readonly antialias: boolean;
}

/** Tables of shape [taps][to]. */
export interface AxisTable {
  readonly positions: readonly Int32Array[];
  readonly weights: readonly Float32Array[];
  /** Output positions whose source lies outside the region. */
  readonly outside: readonly boolean[];
}

const transformations = [
  "half_pixel",
  "half_pixel_symmetric",
  "pytorch_half_pixel",
  "align_corners",
  "asymmetric",
  "tf_crop_and_resize",
  "tf_half_pixel_for_nn",
];
/** "simple" is that of Resize 10: floor where an axis grows, ceil where it shrinks. */
const roundings = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil", "simple"];

export function resizeMode(call: OpCall): ResizeMode {
  const named = (name: string, otherwise: string, known: readonly string[]): string => {
    const value = call.string(name, otherwise);
    return known.includes(value) ? value : call.fail("attribute-invalid", `${name} ${value}`);
  };
  const kind = named("mode", "nearest", ["nearest", "linear", "cubic", "bilinear"]);
  return {
    kind: kind === "nearest" || kind === "cubic" ? kind : "linear",
    transformation: named("coordinate_transformation_mode", "half_pixel", transformations),
    rounding: named("nearest_mode", "round_prefer_floor", roundings),
    cubicCoefficient: call.float("cubic_coeff_a", -0.75),
    excludeOutside: call.int("exclude_outside", 0) !== 0,
    antialias: call.int("antialias", 0) !== 0,
  };
}

/**
 * The position in the input that output position `at` stands for. Sizes give it exactly: one division of whole numbers,
 * which is right where elements meet. A scale or a region that is given is of float32, and so is the arithmetic on it: 3 / 0.6 is 5
 * and not a little less, which would be another neighbour.
 */
function sourcePosition(axis: ResizeAxis, transformation: string, at: number): number {
  const { from, to, scale, ratio: [n, d] = [scale, 1], region } = axis;
  const rounded = axis.ratio ? Number : Math.fround;
  switch (transformation) {
    case "asymmetric":
      return rounded((at * d) / n);
    case "align_corners":
      // The resized length is not rounded to a whole number here, as in the reference implementation.
      return to === 1 ? 0 : rounded((at * (from - 1) * d) / (rounded(from * n) - d));
    case "tf_half_pixel_for_nn":
      return rounded(((2 * at + 1) * d) / (2 * n));
    case "half_pixel_symmetric":
      // The middle stays the middle, exactly: what the scale's rounding moves, the adjustment moves back.
      return rounded(((from - 1) * n + (2 * at + 1 - to) * d) / (2 * n));
    case "tf_crop_and_resize": {
      const [start, end] = region;
      if (to === 1) return Math.fround(0.5 * (start + end) * (from - 1));
      return Math.fround(start * (from - 1) + (at * (end - start) * (from - 1)) / (to - 1));
    }
    default:
      if (to === 1 && transformation === "pytorch_half_pixel") return 0;
      return axis.ratio ? ((2 * at + 1) * d - n) / (2 * n) : rounded(rounded((at + 0.5) / n) - 0.5);
  }
}

function nearestPosition(source: number, rounding: string, scale: number): number {
  switch (rounding) {
    case "simple":
      return scale < 1 ? Math.ceil(source) : Math.floor(source);
    case "floor":
      return Math.floor(source);
    case "ceil":
      return Math.ceil(source);
    case "round_prefer_ceil":
      return Math.floor(source + 0.5);
    default:
      return Math.ceil(source - 0.5);
  }
}

/** Keys' kernel with coefficient `a` at distance `x`. */
function cubicWeight(x: number, a: number): number {
  const d = Math.abs(x);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/** First tap relative to floor(source), and the number of taps. An antialiased kernel is as wide as 1 / scale. */
function footprint(mode: ResizeMode, scale: number): readonly [first: number, count: number] {
  const reach = mode.kind === "cubic" ? 2 : 1;
  const first = mode.antialias ? Math.floor(-reach / Math.min(scale, 1)) + 1 : 1 - reach;
  return [first, 2 - 2 * first];
}

/** The weight of an input element at a distance from the point that is asked for. */
function weightAt(distance: number, mode: ResizeMode): number {
  return mode.kind === "cubic" ? cubicWeight(distance, mode.cubicCoefficient) : Math.max(0, 1 - Math.abs(distance));
} // prettier-ignore

export function axisTable(axis: ResizeAxis, mode: ResizeMode): AxisTable {
  const last = axis.from - 1;
  const clamped = (at: number): number => Math.min(Math.max(at, 0), last);
  const sources = Array.from({ length: axis.to }, (_, at) => sourcePosition(axis, mode.transformation, at));
  const crops = mode.transformation === "tf_crop_and_resize";
  const outside = sources.map((source) => crops && (source < 0 || source > last));
  if (mode.kind === "nearest") {
    const positions = Int32Array.from(sources, (source) => clamped(nearestPosition(source, mode.rounding, axis.scale))); // prettier-ignore
    return { positions: [positions], weights: [], outside };
  }
  const [first, count] = footprint(mode, axis.scale);
  const positions = Array.from({ length: count }, () => new Int32Array(axis.to));
  const weights = Array.from({ length: count }, () => new Float32Array(axis.to));
  const squeeze = mode.antialias ? Math.min(axis.scale, 1) : 1;
  const taps = new Float64Array(count);
  sources.forEach((source, at) => {
    const start = Math.floor(source) + first;
    const fraction = source - Math.floor(source);
    let sum = 0;
    for (let k = 0; k < count; k++) {
      const left = mode.excludeOutside && (start + k < 0 || start + k > last);
      sum += taps[k] = left ? 0 : weightAt((first + k - fraction) * squeeze, mode);
    }
    if (!mode.excludeOutside && !mode.antialias) sum = 1;
    for (let k = 0; k < count; k++) {
      positions[k]![at] = clamped(start + k);
      weights[k]![at] = sum === 0 ? 0 : taps[k]! / sum;
    }
  });
  // A tap that weighs nothing anywhere (whole-number positions) is not read.
  const used = weights.map((row) => row.length === 0 || row.some((weight) => weight !== 0));
  return {
    positions: positions.filter((_, k) => used[k]),
    weights: weights.filter((_, k) => used[k]),
    outside,
  };
}
