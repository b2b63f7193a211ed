/**
 * GridSample, AffineGrid and RoiAlign: reading images at positions that are computed as the program runs. In: an
 * image [N, C, spatial...] and positions. Out: maps (and one reduction for RoiAlign) that blend neighbours. Invariant:
 * every coordinate is clamped as a float before it becomes an index (NaN becomes 0), so nothing outside is read.
 * Source: ONNX operators GridSample (22), AffineGrid (20), RoiAlign (22).
 */
import { elementCount } from "../ir/dtype.ts";
import { acc, add, binary, cast, div, int, lt, max, min, mul, select, sub, unary, type Expr } from "../ir/expr.ts"; // prettier-ignore
import { coordinate, type Kernel } from "../ir/kernel.ts";
import { axesOver, coordinates, KernelWriter, mapKernel, type OpCall, type OpDefinition } from "./define.ts";
import { all, asFloat, clampTo, comparison, knownNumber, number, requireNumeric } from "./elementwise.ts";
import { dataCoordinate } from "./indexing.ts";

const floor = (x: Expr): Expr => unary("floor", x);

/** A neighbour along one axis: its (whole-number) coordinate as a float, and its weight. */
interface Tap {
  readonly at: Expr;
  readonly weight: Expr | undefined;
}

export interface GridMode {
  readonly interpolation: "nearest" | "linear" | "cubic";
  readonly padding: string;
  readonly aligned: boolean;
}

export function gridMode(call: OpCall): GridMode {
  const word = call.string("mode", "linear");
  const padding = call.string("padding_mode", "zeros");
  if (!["zeros", "border", "reflection"].includes(padding))
    call.fail("attribute-invalid", `padding_mode ${padding}`);
  const interpolation = word === "bilinear" ? "linear" : word === "bicubic" ? "cubic" : word;
  if (interpolation !== "nearest" && interpolation !== "linear" && interpolation !== "cubic") {
    return call.fail("attribute-invalid", `mode ${word}`);
  }
  return { interpolation, padding, aligned: call.int("align_corners", 0) !== 0 };
}

/** Mirrors `x` into the image: with aligned corners at the outer centres, else at the outer edges. */
function reflected(x: Expr, extent: number, aligned: boolean): Expr {
  const low = aligned ? 0 : -0.5;
  const width = aligned ? extent - 1 : extent;
  if (width === 0) return number(x, 0);
  const shifted = sub(x, number(x, low));
  const turns = floor(mul(shifted, number(x, 1 / (2 * width))));
  const within = sub(shifted, mul(turns, number(x, 2 * width)));
  const fold = sub(number(x, width), unary("abs", sub(within, number(x, width))));
  return add(fold, number(x, low));
}

function padded(x: Expr, extent: number, { padding, aligned, interpolation }: GridMode): Expr {
  if (padding === "border") {
    const clamped = clampTo(x, 0, extent - 1);
    if (interpolation !== "cubic" || aligned) return clamped;
    // Points of the outer half pixels are in the image: their curve goes on beyond the last centre.
    const distance = unary("abs", sub(x, number(x, (extent - 1) / 2)));
    return select(comparison("le", distance, extent / 2), x, clamped);
  }
  return padding === "reflection" ? reflected(x, extent, aligned) : x;
}

/** Weights of the four neighbours at -1, 0, 1, 2 of a point at `t` between the middle two; A = -0.75. */
function cubicWeights(t: Expr): Expr[] {
  const a = -0.75;
  const n = (value: number): Expr => number(t, value);
  const near = (d: Expr): Expr => add(mul(mul(sub(mul(d, n(a + 2)), n(a + 3)), d), d), n(1));
  const far = (d: Expr): Expr => sub(mul(add(mul(sub(mul(d, n(a)), n(5 * a)), d), n(8 * a)), d), n(4 * a));
  const rest = sub(n(1), t);
  return [far(add(t, n(1))), near(t), near(rest), far(add(rest, n(1)))];
}

function tapsOf(x: Expr, mode: GridMode): Tap[] {
  if (mode.interpolation === "nearest") return [{ at: x, weight: undefined }];
  const base = floor(x);
  const t = sub(x, base);
  if (mode.interpolation === "linear") {
    return [
      { at: base, weight: sub(number(t, 1), t) },
      { at: add(base, number(t, 1)), weight: t },
    ];
  }
  return cubicWeights(t).map((weight, k) => ({ at: add(base, number(t, k - 1)), weight }));
}

function gridSample(call: OpCall): Kernel {
  const mode = gridMode(call);
  const spatial = call.input(0).shape.slice(2);
  const rank = spatial.length;
  return mapKernel(call, (index, writer) => {
    const place = [index[0]!, ...index.slice(2)];
    const taps = spatial.map((extent, d) => {
      // The grid's last axis counts from the fastest dimension.
      const g = writer.load(1, [...place, int(rank - 1 - d)]);
      const one = number(g, 1);
      const half = number(g, 0.5);
      const scaled = mode.aligned
        ? mul(mul(add(g, one), half), number(g, extent - 1))
        : mul(sub(mul(add(g, one), number(g, extent)), one), half);
      // Far outside all positions are alike; the bound keeps later arithmetic finite and exact.
      const x = mode.padding === "reflection" ? scaled : clampTo(scaled, -4, extent + 3);
      return tapsOf(padded(mode.interpolation === "nearest" ? unary("round", x) : x, extent, mode), mode);
    });
    const pad = mode.padding === "zeros" ? 0 : undefined;
    const blend = (d: number, at: readonly Expr[]): Expr => {
      if (d === rank) return asFloat(writer.load(0, [index[0]!, index[1]!, ...at], pad));
      const extent = spatial[d]!;
      const terms = taps[d]!.map((tap) => {
        const inner = blend(d + 1, [...at, tapIndex(tap.at, extent, mode)]);
        return tap.weight
          ? mul(inner, cast(tap.weight, inner.type === "f64" ? "float64" : "float32"))
          : inner;
      });
      return terms.reduce(add);
    };
    return cast(blend(0, []), call.outputs[0]!.dtype);
  });
}

/** A neighbour's index: with zero padding one step outside the image stands for everything there. */
function tapIndex(at: Expr, extent: number, mode: GridMode): Expr {
  const folded = padded(at, extent, mode);
  const bounded = mode.padding === "zeros" ? clampTo(folded, -1, extent) : clampTo(folded, 0, extent - 1);
  // NaN passes a clamp and becomes index 0.
  return cast(bounded, "index");
}

/** The points of a regular grid over [-1, 1], moved by an affine map per image. */
function affineGrid(call: OpCall): Kernel {
  const spatial = call.integers(1).slice(2);
  const aligned = call.int("align_corners", 0) !== 0;
  return mapKernel(call, (index, writer) => {
    const component = index.at(-1)!;
    const theta = (k: number): Expr => writer.load(0, [index[0]!, component, int(k)]);
    const terms = spatial.map((extent, d) => {
      const at = index[d + 1]!;
      const i = call.input(0).dtype === "float64" ? cast(at, "float64") : cast(at, "float32");
      const steps = aligned ? extent - 1 : extent;
      const start = aligned ? (extent === 1 ? 0 : -1) : 1 / extent - 1;
      const x = add(mul(i, number(i, steps === 0 ? 0 : 2 / steps)), number(i, start));
      return mul(theta(spatial.length - 1 - d), x);
    });
    return add(terms.reduce(add), theta(spatial.length));
  });
}

// ---------------------------------------------------------------------------------------------------------------
// RoiAlign

/** One axis of a region: where it starts, the length of a bin, samples per bin, and how many of them are looked at. */
interface RoiAxis {
  readonly start: Expr;
  readonly bin: Expr;
  readonly samples: Expr;
  readonly most: number;
  /** Whether a bin may have more samples than are looked at, which are then those near the image. */
  readonly windowed: boolean;
  readonly extent: number;
}

/** The largest number of samples per bin, where it is known. */
export function mostSamples(call: OpCall, bins: number, first: number): number | undefined {
  const fixed = call.int("sampling_ratio", 0);
  if (fixed > 0) return fixed;
  const scale = call.float("spatial_scale", 1);
  const known = call.peek(1);
  if (!known) return undefined;
  const lengths = Array.from({ length: known.shape[0]! }, (_, r) => {
    return (
      (Number(knownNumber(known, 4 * r + first + 2)) - Number(knownNumber(known, 4 * r + first))) * scale
    );
  });
  return Math.max(1, Math.ceil(Math.max(1, ...lengths) / bins) + 1);
}

function roiAxis(
  call: OpCall,
  load: (position: number) => Expr,
  extent: number,
  bins: number,
  first: number,
): RoiAxis {
  const scale = call.float("spatial_scale", 1);
  const halfPixel = call.string("coordinate_transformation_mode", "half_pixel") === "half_pixel";
  const [low, high] = [load(first), load(first + 2)].map((x) => sub(mul(x, number(x, scale)), number(x, halfPixel ? 0.5 : 0))) as [Expr, Expr]; // prettier-ignore
  const length = halfPixel ? sub(high, low) : max(sub(high, low), number(low, 1));
  const bin = div(length, number(length, bins));
  const most = mostSamples(call, bins, first);
  const fixed = call.int("sampling_ratio", 0);
  const samples = fixed > 0 ? number(bin, fixed) : unary("ceil", bin);
  // Of samples less than 1 apart, and more than half of it, no more than these are within the image and 1 around it.
  return { start: low, bin, samples, most: most ?? extent + 5, windowed: most === undefined, extent };
}

const floatOf = ({ bin }: RoiAxis, e: Expr): Expr => cast(e, bin.type === "f64" ? "float64" : "float32");

/** Where sample `i` of bin `at` is. */
function samplePosition(axis: RoiAxis, at: Expr, i: Expr): Expr {
  const offset = div(mul(add(i, number(i, 0.5)), axis.bin), max(axis.samples, number(i, 1)));
  return add(add(axis.start, mul(floatOf(axis, at), axis.bin)), offset);
}

const isInside = ({ extent }: RoiAxis, position: Expr): Expr =>
  all([comparison("ge", position, -1), comparison("le", position, extent)]);

/**
 * The two neighbours of a sample of bin `at`, whether there is such a sample, and whether it is in the image. `step`
 * counts samples, from the first that may be in the image if not all are looked at.
 */
function roiTaps(axis: RoiAxis, at: Expr, step: Expr): { taps: Tap[]; counts: Expr; inside: Expr } {
  const { extent } = axis;
  let i = floatOf(axis, step);
  if (axis.windowed) {
    const before = sub(number(i, -1), samplePosition(axis, at, number(i, 0)));
    const apart = div(axis.bin, max(axis.samples, number(i, 1)));
    i = add(i, max(sub(floor(div(before, apart)), number(i, 1)), number(i, 0)));
  }
  const position = samplePosition(axis, at, i);
  const inside = isInside(axis, position);
  const x = clampTo(position, 0, extent - 1);
  const low = floor(x);
  const t = sub(x, low);
  const high = min(add(low, number(low, 1)), number(low, extent - 1));
  const taps = [
    { at: low, weight: sub(number(t, 1), t) },
    { at: high, weight: t },
  ];
  return { taps, counts: lt(i, axis.samples), inside };
}

/**
 * The mean of a bin whose samples may be any number: how much of it each row and each column of the image has, and
 * the sum of all pixels with these weights.
 */
function roiMeans(call: OpCall, vertical: RoiAxis, horizontal: RoiAxis): Kernel {
  const [images] = call.input(0).shape as [number];
  const { shape, dtype } = call.outputs[0]!;
  const [rois, , bins, columns] = shape as [number, number, number, number];
  const sides = [
    { name: "rows", axis: vertical, bins },
    { name: "columns", axis: horizontal, bins: columns },
  ];
  const weightType = vertical.bin.type === "f64" ? "float64" : "float32";
  const writer = new KernelWriter(
    call,
    sides.map(({ name, axis, bins: count }) => ({ name, dtype: weightType, shape: [rois, count, axis.extent] })),
  );
  const axes = axesOver(shape, "i");
  const [roi, channel, row, column] = coordinates(axes) as [Expr, Expr, Expr, Expr];
  for (const { name, axis, bins: count } of sides) {
    // Corners are read at the first axis of the output.
    const own = [axes[0]!, { name: `${name}Bin`, extent: count }, { name: `${name}Pixel`, extent: axis.extent }];
    const [, bin, pixel] = coordinates(own) as [Expr, Expr, Expr];
    const sampleAxis = { name: `${name}Sample`, extent: axis.most };
    const { taps, counts, inside } = roiTaps(axis, bin, coordinate(sampleAxis));
    const none = number(axis.bin, 0);
    const share = taps
      .map(({ at, weight }) => select(binary("eq", at, floatOf(axis, pixel)), weight!, none))
      .reduce(add);
    const body = select(all([counts, inside]), share, none);
    writer.push(
      writer.assign(writer.temp(name), own, coordinates(own), acc(body.type), { op: "sum", axes: [sampleAxis], body }),
    );
  }
  const [y, x] = [
    { name: "y", extent: vertical.extent },
    { name: "x", extent: horizontal.extent },
  ];
  const weight = mul(
    writer.loadFrom(writer.temp("rows"), [roi, row, coordinate(y)]),
    writer.loadFrom(writer.temp("columns"), [roi, column, coordinate(x)]),
  );
  const image = dataCoordinate(writer.load(2, [roi]), images);
  const pixel = writer.load(0, [image, channel, coordinate(y), coordinate(x)]);
  // What no sample sees may be infinite.
  const body = select(comparison("eq", weight, 0), number(weight, 0), mul(weight, pixel));
  const count = max(mul(vertical.samples, horizontal.samples), number(weight, 1));
  const mean = div(acc(body.type), count);
  return writer
    .store(0, axes, [roi, channel, row, column], cast(mean, dtype), { op: "sum", axes: [y, x], body })
    .done();
} // prettier-ignore

function roiAlign(call: OpCall): Kernel {
  const [images, , height, width] = call.input(0).shape as [number, number, number, number];
  const largest = call.string("mode", "avg") === "max";
  const writer = new KernelWriter(call);
  const axes = axesOver(call.outputs[0]!.shape, "i");
  const [roi, channel, row, column] = coordinates(axes) as [Expr, Expr, Expr, Expr];
  const corner = (position: number): Expr => writer.load(1, [roi, int(position)]);
  const [bins, columns] = call.outputs[0]!.shape.slice(2) as [number, number];
  const vertical = roiAxis(call, corner, height, bins, 1);
  const horizontal = roiAxis(call, corner, width, columns, 0);
  if (!largest && vertical.windowed) return roiMeans(call, vertical, horizontal);
  const rowAxis = { name: "sy", extent: vertical.most };
  const columnAxis = { name: "sx", extent: horizontal.most };
  const y = roiTaps(vertical, row, coordinate(rowAxis));
  const x = roiTaps(horizontal, column, coordinate(columnAxis));
  const image = dataCoordinate(writer.load(2, [roi]), images);
  const terms = y.taps.flatMap((v) =>
    x.taps.map((h) => {
      const at = [v.at, h.at].map((c, d) => cast(clampTo(c, 0, (d === 0 ? height : width) - 1), "index"));
      return mul(mul(v.weight!, h.weight!), writer.load(0, [image, channel, ...at]));
    }),
  );
  // The maximum is taken over weighted neighbours, not over blended samples: so the operator is defined.
  const sample = terms.reduce((a, b) => binary(largest ? "max" : "add", a, b));
  const none = number(sample, largest ? -Infinity : 0);
  // What lies outside is 0, also where the largest is taken.
  const seen = select(all([y.inside, x.inside]), sample, number(sample, 0));
  const body = select(all([y.counts, x.counts]), seen, none);
  const total = acc(body.type);
  const count = max(mul(vertical.samples, horizontal.samples), number(total, 1));
  // Samples that were not looked at are outside.
  const allInside = [
    { axis: vertical, at: row },
    { axis: horizontal, at: column },
  ].map(({ axis, at }) => {
    const last = sub(axis.samples, number(axis.samples, 1));
    return all([number(axis.bin, 0), last].map((i) => isInside(axis, samplePosition(axis, at, i))));
  });
  const least = vertical.windowed ? select(all(allInside), total, max(total, number(total, 0))) : total;
  const value = largest ? select(binary("eq", least, none), number(total, 0), least) : div(total, count);
  return writer
    .store(0, axes, [roi, channel, row, column], value, {
      op: largest ? "max" : "sum",
      axes: [rowAxis, columnAxis],
      body,
    })
    .done();
}

export const gridOps: readonly OpDefinition[] = [
  {
    op: "GridSample",
    infer: (call) => {
      const [x, grid] = [call.input(0).shape, call.input(1).shape];
      if (
        grid.length !== x.length ||
        grid.at(-1) !== x.length - 2 ||
        grid[0] !== x[0] ||
        x.slice(2).includes(0)
      ) {
        call.fail("shape-mismatch", `a grid [${grid}] over [${x}]`);
      }
      return [{ dtype: requireNumeric(call, 0), shape: [x[0]!, x[1]!, ...grid.slice(1, -1)] }];
    },
    implementation: { kind: "compute", build: gridSample },
  },
  {
    op: "AffineGrid",
    infer: (call) => {
      const size = call.integers(1);
      const spatial = size.slice(2);
      const expected = [size[0], spatial.length, spatial.length + 1];
      if (call.input(0).shape.join() !== expected.join()) call.fail("shape-mismatch", `theta [${call.input(0).shape}] is not [${expected}]`); // prettier-ignore
      return [{ dtype: requireNumeric(call, 0), shape: [size[0]!, ...spatial, spatial.length] }];
    },
    implementation: { kind: "compute", build: affineGrid },
  },
  {
    op: "RoiAlign",
    infer: (call) => {
      const [x, rois] = [call.input(0), call.input(1).shape];
      if (x.shape.length !== 4 || rois.length !== 2 || rois[1] !== 4 || elementCount(x.shape) === 0) {
        call.fail("shape-mismatch", `regions [${rois}] of [${x.shape}]`);
      }
      const bins = [call.int("output_height", 1), call.int("output_width", 1)];
      return [{ dtype: requireNumeric(call, 0), shape: [rois[0]!, x.shape[1]!, ...bins] }];
    },
    implementation: { kind: "compute", build: roiAlign },
  },
];
