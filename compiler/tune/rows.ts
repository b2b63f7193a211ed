/**
 * Reductions with a vector along the reduced axis: rows of a softmax, a norm, a dot product, and sums of products with few
 * results. In: an assignment and its accesses. Out: steps, or undefined where the vector would gather. Invariant: any
 * choice is legal; lanes are added up once, at the end, and several accumulators hide one another's latency.
 */
import { elementCount } from "../ir/dtype.ts";
import type { Assign, Axis, Kernel } from "../ir/kernel.ts";
import type { Step } from "../ir/schedule.ts";
import type { Access, AssignAccesses } from "../lower/access.ts";
import { LANES } from "../ir/nest.ts";
import { mergeAxes } from "./merge.ts";
import { canPack, sizeOf, type SchedulingContext } from "./operands.ts";

/**
 * Sums of products with few results per point (a convolution to one or three channels): a vector over the results
 * would be mostly idle, so the vector runs along the reduction and its lanes are added up at the end. A tile of
 * points by results keeps enough accumulators going.
 */
export function deepReduction(
  kernel: Kernel,
  assign: Assign,
  accesses: AssignAccesses,
  context: SchedulingContext,
): Step[] | undefined {
  const reduce = assign.reduce!;
  const inside = accesses.loads.filter((a) => a.inReduction);
  const { body } = reduce;
  const [a, b] = inside;
  if (reduce.op !== "sum" || body.type !== "f32" || body.kind !== "binary" || body.op !== "mul" || !a || !b)
    return undefined;
  if (inside.length !== 2 || inside.some((x) => x.opaque.size > 0)) return undefined;
  const depth = elementCount(reduce.axes.map((x) => x.extent));
  const isConstant = (x: Access): boolean => context.constants.has(x.buffer);
  if (depth < 64 || isConstant(a) === isConstant(b)) return undefined;
  const [weights, data] = isConstant(a) ? [a, b] : [b, a];
  const moves = (x: Access, axis: Axis): boolean => (x.strides.get(axis.name) ?? 0) !== 0;
  const results = assign.axes.filter((x) => x.extent > 1 && moves(weights, x));
  const count = elementCount(results.map((x) => x.extent));
  const points = assign.axes.filter((x) => x.extent > 1 && !moves(weights, x) && moves(data, x));
  const lane = reduce.axes.find(
    (x) => data.strides.get(x.name) === 1 && x.extent % LANES === 0 && x.extent >= 8,
  );
  const point = points.at(-1);
  if (count > 3 || !lane || !point || results.some((x) => moves(data, x))) return undefined;
  const steps: Step[] = [];
  if (weights.strides.get(lane.name) !== 1) {
    if (!canPack(kernel, assign, weights)) return undefined;
    steps.push({ kind: "pack", buffer: weights.buffer, panels: [[lane.name, LANES]] });
  }
  const m = Math.min(point.extent, [12, 6, 3][count - 1]!);
  steps.push(
    { kind: "split", axis: point.name, by: m, tail: "peel" },
    { kind: "bind", axis: `${point.name}.i`, to: "unroll" },
  );
  for (const x of results) steps.push({ kind: "bind", axis: x.name, to: "unroll" });
  steps.push(
    { kind: "split", axis: lane.name, by: LANES, tail: "peel" },
    { kind: "bind", axis: `${lane.name}.i`, to: "vector" },
  );
  const tile = [`${point.name}.i`, ...results.map((x) => x.name)];
  const outer = assign.axes
    .filter((x) => !results.includes(x))
    .map((x) => (x === point ? `${x.name}.o` : x.name));
  const deep = reduce.axes.filter((x) => x !== lane).map((x) => x.name);
  steps.push({ kind: "order", axes: [...outer, ...deep, `${lane.name}.o`, ...tile, `${lane.name}.i`] });
  return steps;
}

export function rowReduction(assign: Assign, accesses: AssignAccesses): Step[] | undefined {
  const reduce = assign.reduce!;
  const inside = accesses.loads.filter((a) => a.inReduction);
  const merged = mergeAxes(reduce.axes, accesses, new Set(), new Set());
  const vectorAxis = merged.axes.findLast((a) => a.extent >= LANES && inside.every((x) => !x.opaque.has(a.inner)) && inside.some((x) => x.strides.get(a.inner) === 1)); // prettier-ignore
  if (!vectorAxis || inside.some((a) => ![0, 1].includes(a.strides.get(vectorAxis.inner) ?? 0)))
    return undefined;
  if (reduce.body.type === "bool" || reduce.body.type === "index") return undefined;
  if (accesses.opaque.has(vectorAxis.inner) && merged.steps.length) return undefined;
  const spatialMerge = mergeAxes(assign.axes, accesses, new Set(), new Set());
  const name = vectorAxis.name;
  const others = merged.axes.filter((a) => a !== vectorAxis).map((a) => a.name);
  const steps: Step[] = [...spatialMerge.steps, ...merged.steps];
  steps.push(
    { kind: "split", axis: name, by: LANES, tail: "pad" },
    { kind: "bind", axis: `${name}.i`, to: "vector" },
  );
  // Several rows at once hide the latency of one accumulator.
  const rows = spatialMerge.axes.findLast((a) => a.extent >= 2 && !accesses.opaque.has(a.inner));
  const outer = spatialMerge.axes.map((a) => a.name);
  if (rows && sizeOf(reduce.body) <= 24) {
    const by = Math.min(4, rows.extent);
    steps.push(
      { kind: "split", axis: rows.name, by, tail: "peel" },
      { kind: "bind", axis: `${rows.name}.i`, to: "unroll" },
    );
    const order = outer.map((a) => (a === rows.name ? `${a}.o` : a));
    steps.push({ kind: "order", axes: [...order, ...others, `${name}.o`, `${rows.name}.i`, `${name}.i`] });
  } else steps.push({ kind: "order", axes: [...outer, ...others, `${name}.o`, `${name}.i`] });
  return steps;
}
