/**
 * Reading images at computed positions as the simpler operators that it stands for. In: a call of GridSample or
 * AffineGrid. Out: its output. Invariant: the same function as the kernels of ops/resizeGrid.ts, which are used wherever
 * nobody asks for a gradient; neighbours are gathered by constant-rank indices, so that both the image and the positions
 * get theirs. Source: ONNX operators GridSample (22), AffineGrid (20).
 */
import { elementCount } from "../../ir/dtype.ts";
import { typeNumber } from "../../ir/dataType.ts";
import type { ValueId } from "../../ir/graph.ts";
import { rowMajorStrides } from "../../ir/kernel.ts";
import type { Expander, OpCall } from "../define.ts";
import { gridMode, type GridMode } from "../resizeGrid.ts";
import type { OperatorGradient } from "./differential.ts";

/** Arithmetic on values and numbers of one type. */
export class Arithmetic {
  readonly to: Expander;
  readonly like: ValueId;
  constructor(to: Expander, like: ValueId) {
    this.to = to;
    this.like = like;
  }
  number(value: number): ValueId {
    return this.to.scalar(this.to.typeOf(this.like).dtype, value);
  }
  op(name: string, ...terms: readonly (ValueId | number)[]): ValueId {
    return this.to.node(name, terms.map((term) => (typeof term === "number" ? this.number(term) : term))); // prettier-ignore
  }
}

/** Positions beyond the image: held at its border, mirrored into it, or left as they are. */
function padded(a: Arithmetic, x: ValueId, extent: number, mode: GridMode): ValueId {
  const { padding, aligned, interpolation } = mode;
  if (padding === "reflection") {
    const low = aligned ? 0 : -0.5;
    const width = aligned ? extent - 1 : extent;
    if (width === 0) return a.op("Mul", x, 0);
    const shifted = a.op("Sub", x, low);
    const turns = a.op("Floor", a.op("Mul", shifted, 1 / (2 * width)));
    const within = a.op("Sub", shifted, a.op("Mul", turns, 2 * width));
    return a.op("Add", a.op("Sub", width, a.op("Abs", a.op("Sub", within, width))), low);
  }
  if (padding !== "border") return x;
  const clamped = a.op("Clip", x, 0, extent - 1);
  if (interpolation !== "cubic" || aligned) return clamped;
  const distance = a.op("Abs", a.op("Sub", x, (extent - 1) / 2));
  return a.op("Where", a.op("LessOrEqual", distance, extent / 2), x, clamped);
}

/** A neighbour along one dimension: its position, and its weight unless it is the only one. */
interface Tap {
  readonly at: ValueId;
  readonly weight: ValueId | undefined;
}

function tapsOf(a: Arithmetic, x: ValueId, mode: GridMode): Tap[] {
  if (mode.interpolation === "nearest") return [{ at: x, weight: undefined }];
  const base = a.op("Floor", x);
  const t = a.op("Sub", x, base);
  const rest = a.op("Sub", 1, t);
  if (mode.interpolation === "linear")
    return [rest, t].map((weight, k) => ({ at: a.op("Add", base, k), weight }));
  const A = -0.75;
  /** ((c3 d + c2) d + c1) d + c0 */
  const cubic = (d: ValueId, [c3, c2, c1, c0]: readonly [number, number, number, number]): ValueId =>
    [c2, c1, c0].reduce<ValueId>((sum, c, i) => a.op("Add", i === 0 ? a.op("Mul", d, c3) : a.op("Mul", sum, d), c), d); // prettier-ignore
  const near = (d: ValueId): ValueId => cubic(d, [A + 2, -(A + 3), 0, 1]);
  const far = (d: ValueId): ValueId => cubic(d, [A, -5 * A, 8 * A, -4 * A]);
  const weights = [far(a.op("Add", t, 1)), near(t), near(rest), far(a.op("Add", rest, 1))];
  return weights.map((weight, k) => ({ at: a.op("Add", base, k - 1), weight }));
}

function gridSample(call: OpCall, to: Expander): ValueId[] {
  const [image, grid] = call.node.inputs as [ValueId, ValueId];
  const mode = gridMode(call);
  const [batch, channels, ...spatial] = call.input(0).shape as [number, number, ...number[]];
  const { dtype, shape } = call.outputs[0]!;
  const rank = spatial.length;
  const points = elementCount(shape.slice(2));
  const zeros = mode.padding === "zeros";
  const a = new Arithmetic(to, grid);
  const real = (id: ValueId): ValueId => to.node("Cast", [id], { to: typeNumber(dtype) });
  const taps = spatial.map((extent, d) => {
    const component = to.node("Gather", [grid, to.integers(rank - 1 - d)], { axis: -1 });
    const g = to.node("Reshape", [component, to.integers([batch, 1, points])], { allowzero: 1 });
    const one = a.op("Add", g, 1);
    const scaled = mode.aligned
      ? a.op("Mul", a.op("Mul", one, 0.5), extent - 1)
      : a.op("Mul", a.op("Sub", a.op("Mul", one, extent), 1), 0.5);
    const x = mode.padding === "reflection" ? scaled : a.op("Clip", scaled, -4, extent + 3);
    const near = mode.interpolation === "nearest" ? a.op("Round", x) : x;
    return tapsOf(a, padded(a, near, extent, mode), mode).map(({ at, weight }) => {
      const folded = padded(a, at, extent, mode);
      const inside = a.op("Equal", folded, a.op("Clip", folded, 0, extent - 1));
      const index = to.node("Cast", [a.op("Clip", folded, 0, extent - 1)], { to: typeNumber("int64") });
      return { index, inside, weight: weight === undefined ? undefined : real(weight) };
    });
  });
  const flat = to.node("Reshape", [image, to.integers([batch, channels, elementCount(spatial)])], { allowzero: 1 }); // prettier-ignore
  const strides = rowMajorStrides(spatial);
  const everywhere = to.integers([batch, channels, points]);
  let sum: ValueId | undefined;
  const blend = (
    d: number,
    place: ValueId,
    inside: ValueId | undefined,
    weight: ValueId | undefined,
  ): void => {
    if (d < rank) {
      for (const tap of taps[d]!) {
        const step = to.node("Mul", [tap.index, to.integers(strides[d]!)]);
        blend(
          d + 1,
          to.node("Add", [place, step]),
          inside === undefined ? tap.inside : to.node("And", [inside, tap.inside]),
          weight === undefined || tap.weight === undefined
            ? tap.weight
            : to.node("Mul", [weight, tap.weight]),
        );
      }
      return;
    }
    const pixel = to.node("GatherElements", [flat, to.node("Expand", [place, everywhere])], { axis: 2 });
    const seen = zeros ? to.node("Where", [inside!, pixel, to.scalar(dtype, 0)]) : pixel;
    const term = weight === undefined ? seen : to.node("Mul", [seen, weight]);
    sum = sum === undefined ? term : to.node("Add", [sum, term]);
  };
  blend(0, to.integers(0), undefined, undefined);
  return [to.node("Reshape", [sum!, to.integers(shape)], { allowzero: 1 })];
}

/** The points of a regular grid, as a matrix whose last column is 1, times the maps. */
function affineGrid(call: OpCall, to: Expander): ValueId[] {
  const spatial = call.integers(1).slice(2);
  const { dtype, shape } = call.outputs[0]!;
  const rank = spatial.length;
  const aligned = call.int("align_corners", 0) !== 0;
  const strides = rowMajorStrides(spatial);
  const points = elementCount(spatial);
  const data = new Float64Array(points * (rank + 1)).fill(1);
  for (let p = 0; p < points; p++) {
    spatial.forEach((extent, d) => {
      const i = Math.floor(p / strides[d]!) % extent;
      const steps = aligned ? extent - 1 : extent;
      const start = aligned ? (extent === 1 ? 0 : -1) : 1 / extent - 1;
      // The last dimension is the first coordinate.
      data[p * (rank + 1) + (rank - 1 - d)] = i * (steps === 0 ? 0 : 2 / steps) + start;
    });
  }
  const base = to.constant({ dtype: "float64", shape: [points, rank + 1], data });
  const maps = to.node("Transpose", [call.node.inputs[0]!], { perm: [0, 2, 1] });
  const grid = to.node("MatMul", [to.node("Cast", [base], { to: typeNumber(dtype) }), maps]);
  return [to.node("Reshape", [grid, to.integers(shape)], { allowzero: 1 })];
}

export const samplingGradients: Readonly<Record<string, OperatorGradient>> = {
  GridSample: { expand: gridSample },
  AffineGrid: { expand: affineGrid },
};
