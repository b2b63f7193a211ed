/**
 * Derivatives of what moves elements: the gradient goes back the way that the elements came. In: uses of these
 * operators. Out: their gradients. Invariant: an element that was read several times gets the sum of what its readers
 * give, one that nobody read gets 0; integer operands (indices, shapes) get nothing.
 */
import { typeNumber } from "../../ir/dataType.ts";
import type { ValueId } from "../../ir/graph.ts";
import { normaliseAxis } from "../define.ts";
import { sliceRanges } from "../movement.ts";
import { centreOffsets, padAmounts } from "../movementPad.ts";
import type { Differential, OperatorGradient, Rule } from "./differential.ts";

/** Elements stay in their order. */
const reshaped: OperatorGradient = { rule: (d) => [d.reshape(d.dy(), d.call.input(0).shape)] };

const zeros = (d: Differential, position = 0): ValueId =>
  d.fill(d.call.input(position).shape, d.call.input(position).dtype, 0);

const transpose: Rule = (d) => {
  const rank = d.call.input(0).shape.length;
  const perm = d.call.ints("perm") ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  return [d.transpose(d.dy(), perm.map((_, i) => perm.indexOf(i)))]; // prettier-ignore
};

/** Zeros before, between and after the elements of one axis, or fewer elements where a number is negative. */
function pad(d: Differential, value: ValueId, axis: number, before: number, after: number): ValueId {
  if (before === 0 && after === 0) return value;
  const rank = d.shapeOf(value).length;
  const pads = Array.from({ length: 2 * rank }, (_, i) => (i === axis ? before : i === axis + rank ? after : 0)); // prettier-ignore
  return d.to.node("Pad", [value, d.to.integers(pads)]);
}

/** The elements of one axis backwards. */
function reversed(d: Differential, value: ValueId, axis: number): ValueId {
  const one = (n: number): ValueId => d.to.integers([n]);
  return d.to.node("Slice", [value, one(-1), one(-(2 ** 31)), one(axis), one(-1)]);
}

const slice: Rule = (d) => {
  const { shape } = d.call.input(0);
  let value = d.dy();
  sliceRanges(d.call).forEach(({ start, step, length }, axis) => {
    if (length === shape[axis] && step === 1) return;
    const stride = Math.abs(step);
    const first = step > 0 ? start : start + step * (length - 1);
    if (step < 0) value = reversed(d, value, axis);
    if (stride > 1 && length > 1) {
      const now = d.shapeOf(value);
      const apart = d.reshape(value, [...now.slice(0, axis + 1), 1, ...now.slice(axis + 1)]);
      const spaced = pad(d, apart, axis + 1, 0, stride - 1);
      value = d.reshape(spaced, [...now.slice(0, axis), length * stride, ...now.slice(axis + 1)]);
    }
    value = pad(d, value, axis, first, shape[axis]! - first - d.shapeOf(value)[axis]!);
  });
  return d.each((i) => (i === 0 ? value : undefined));
};

const padding: Rule = (d) => {
  const { before, after } = padAmounts(d.call);
  const { shape } = d.call.input(0);
  const mode = d.call.string("mode", "constant");
  const border = [...before, ...after].some((n) => n > 0);
  if (mode !== "constant" && border) return [repeated(d, mode, before)];
  return d.each((i) => {
    let inner = d.dy();
    shape.forEach((_, axis) => (inner = pad(d, inner, axis, -before[axis]!, -after[axis]!)));
    if (i === 0) return inner;
    // All that is not the input is the value.
    const all = shape.map((_, axis) => axis);
    return i === 2 ? d.toInput(d.sub(d.sum(d.dy(), all, 0), d.sum(inner, all, 0)), 2) : undefined;
  });
};

/** Pad that repeats elements: what each of their copies got, added up. One axis at a time. */
function repeated(d: Differential, mode: string, before: readonly number[]): ValueId {
  const { shape } = d.call.input(0);
  let inner = d.dy();
  shape.forEach((extent, axis) => {
    const padded = d.shapeOf(inner);
    const length = padded[axis]!;
    if (length === extent && before[axis] === 0) return;
    const period = mode === "wrap" ? extent : Math.max(1, 2 * (extent - 1));
    const places = BigInt64Array.from({ length }, (_, i) => {
      const at = i - before[axis]!;
      if (mode === "edge") return BigInt(Math.min(Math.max(at, 0), extent - 1));
      const within = ((at % period) + period) % period;
      return BigInt(within < extent ? within : period - within);
    });
    const along = d.to.constant({ dtype: "int64", shape: shape.map((_, k) => (k === axis ? length : 1)), data: places }); // prettier-ignore
    const nothing = d.fill(padded.with(axis, extent), d.call.input(0).dtype, 0);
    inner = d.to.node("ScatterElements", [nothing, d.expand(along, padded), inner], {
      axis,
      reduction: "add",
    });
  });
  return inner;
}

/** Where both are, the output is the input moved; elsewhere it is 0. */
const centerCropPad: Rule = (d) => {
  const { shape } = d.call.input(0);
  const target = d.call.outputs[0]!.shape;
  const offsets = centreOffsets(d.call, target);
  let inner = d.dy();
  shape.forEach(
    (dim, axis) => (inner = pad(d, inner, axis, offsets[axis]!, dim - target[axis]! - offsets[axis]!)),
  );
  return [inner];
};

/** Each of the two values gets what it was put into. */
const oneHot: Rule = (d) => {
  const { dtype } = d.call.input(2);
  const values = d.to.constant({ dtype: "float64", shape: [2], data: Float64Array.of(0, 1) });
  const pair = d.to.node("Cast", [values], { to: typeNumber(dtype) });
  const hot = d.to.node("OneHot", [d.x(), d.x(1), pair], { axis: d.call.int("axis", -1) });
  const all = d.shapeOf(hot).map((_, i) => i);
  const on = d.sum(d.mul(d.dy(), hot), all, 0);
  const off = d.sub(d.sum(d.dy(), all, 0), on);
  const rows = [off, on].map((value) => d.reshape(value, [1]));
  return [undefined, undefined, d.to.node("Concat", rows, { axis: 0 })];
};

const concat: Rule = (d) => {
  const axis = normaliseAxis(d.call, d.call.int("axis", 0), d.call.outputs[0]!.shape.length);
  let from = 0;
  return d.call.inputs.map((type, i) => {
    const start = from;
    from += type!.shape[axis]!;
    if (!d.wants(i)) return undefined;
    return d.to.node("Slice", [d.dy(), d.to.integers([start]), d.to.integers([from]), d.to.integers([axis])]);
  });
};

const tile: Rule = (d) => {
  const { shape } = d.call.input(0);
  const repeats = d.call.integers(1);
  const split = shape.flatMap((dim, i) => [repeats[i]!, dim]);
  return [d.reshape(d.sum(d.reshape(d.dy(), split), shape.map((_, i) => 2 * i)), shape)]; // prettier-ignore
};

/** Blocks of channels and space change places; `mode` CRD has no inverse operator, so both are written out. */
const depthToSpace: Rule = (d) => {
  const [n, channels, h, w] = d.call.input(0).shape as [number, number, number, number];
  const by = d.call.int("blocksize")!;
  const c = channels / (by * by);
  const blocks = d.reshape(d.dy(), [n, c, h, by, w, by]);
  const crd = d.call.string("mode", "DCR") === "CRD";
  return [d.reshape(d.transpose(blocks, crd ? [0, 1, 3, 5, 2, 4] : [0, 3, 5, 1, 2, 4]), [n, channels, h, w])];
};

const spaceToDepth: Rule = (d) => [
  d.to.node("DepthToSpace", [d.dy()], { blocksize: d.call.int("blocksize")! }),
];

/** Indices of a Gather as those of an element-wise one: along the axis, the same for all other positions. */
const gather: Rule = (d) => {
  const { shape } = d.call.input(0);
  const indices = d.call.input(1).shape;
  const axis = normaliseAxis(d.call, d.call.int("axis", 0), shape.length);
  const count = indices.reduce((product, dim) => product * dim, 1);
  const updates = d.reshape(d.dy(), shape.with(axis, count));
  const along = d.reshape(d.x(1), shape.map((_, i) => (i === axis ? count : 1))); // prettier-ignore
  const everywhere = d.expand(along, shape.with(axis, count));
  return [d.to.node("ScatterElements", [zeros(d), everywhere, updates], { axis, reduction: "add" })];
};

const gatherElements: Rule = (d) => {
  const axis = d.call.int("axis", 0);
  return [d.to.node("ScatterElements", [zeros(d), d.x(1), d.dy()], { axis, reduction: "add" })];
};

const gatherND: Rule = (d) => {
  const { shape } = d.call.input(0);
  const batch = d.call.int("batch_dims", 0);
  if (batch === 0) return [d.to.node("ScatterND", [zeros(d), d.x(1), d.dy()], { reduction: "add" })];
  // The position within the batch becomes a part of the index.
  const indices = d.call.input(1).shape;
  const index = [...indices.slice(0, -1), 1];
  const places = shape.slice(0, batch).map((dim, i) => {
    const range = d.to.constant({ dtype: "int64", shape: index.map((_, k) => (k === i ? dim : 1)), data: BigInt64Array.from({ length: dim }, (_, k) => BigInt(k)) }); // prettier-ignore
    return d.expand(range, index);
  });
  const whole = d.to.node("Concat", [...places, d.x(1)], { axis: -1 });
  return [d.to.node("ScatterND", [zeros(d), whole, d.dy()], { reduction: "add" })];
};

/** What was written over gives nothing to the data. */
function scatter(op: "ScatterElements" | "ScatterND", read: string): Rule {
  return (d) => {
    const reduction = d.call.string("reduction", "none");
    if (reduction !== "none" && reduction !== "add")
      d.call.fail("op-unsupported", `no gradient of ${op} with reduction ${reduction}`);
    const axis: Record<string, number> = op === "ScatterElements" ? { axis: d.call.int("axis", 0) } : {};
    return d.each((i) => {
      if (i === 2) return d.to.node(read, [d.dy(), d.x(1)], axis);
      if (i !== 0 || reduction === "add") return i === 0 ? d.dy() : undefined;
      return d.to.node(op, [d.dy(), d.x(1), zeros(d, 2)], axis);
    });
  };
}

/** The best values came from where the indices say. */
const topK: Rule = (d) => {
  const axis = d.call.int("axis", -1);
  const attributes = Object.fromEntries(d.call.node.attributes);
  const [, places] = d.to.nodes("TopK", [d.x(), d.x(1)], 2, attributes);
  return [d.to.node("ScatterElements", [zeros(d), places!, d.dy()], { axis, reduction: "add" })];
};

export const movementGradients: Readonly<Record<string, OperatorGradient>> = {
  Reshape: reshaped,
  Flatten: reshaped,
  Squeeze: reshaped,
  Unsqueeze: reshaped,
  Transpose: { rule: transpose },
  Slice: { rule: slice },
  Pad: { rule: padding },
  CenterCropPad: { rule: centerCropPad },
  OneHot: { rule: oneHot },
  Concat: { rule: concat },
  Expand: { rule: (d) => [d.toInput(d.dy())] },
  Tile: { rule: tile },
  DepthToSpace: { rule: depthToSpace },
  SpaceToDepth: { rule: spaceToDepth },
  Gather: { rule: gather },
  GatherElements: { rule: gatherElements },
  GatherND: { rule: gatherND },
  ScatterElements: { rule: scatter("ScatterElements", "GatherElements") },
  ScatterND: { rule: scatter("ScatterND", "GatherND") },
  TopK: { rule: topK },
  Trilu: {
    rule: (d) => [
      d.to.node("Trilu", d.call.has(1) ? [d.dy(), d.x(1)] : [d.dy()], { upper: d.call.int("upper", 1) }),
    ],
  },
  ReverseSequence: {
    rule: (d) => [
      d.to.node("ReverseSequence", [d.dy(), d.x(1)], {
        batch_axis: d.call.int("batch_axis", 1),
        time_axis: d.call.int("time_axis", 0),
      }),
    ],
  },
};
