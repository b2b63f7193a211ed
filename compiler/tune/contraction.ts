/**
 * Reductions with a vector over a result axis: contractions, convolutions, pools. In: an assignment and its accesses. Out:
 * steps: a tile of registers, panels of packed operands, the order of the loops around them; undefined where a vector
 * along the reduction does better. Invariant: any choice is legal; costs are counted in loads and in idle lanes.
 */
import { elementCount } from "../ir/dtype.ts";
import type { Assign, Axis, Kernel } from "../ir/kernel.ts";
import type { Step } from "../ir/schedule.ts";
import type { Access, AssignAccesses } from "../lower/access.ts";
import { LANES } from "../ir/nest.ts";
import { mergeAxes, type Merged } from "./merge.ts";
import { canPack, type SchedulingContext } from "./operands.ts";
import { chooseTile } from "./tile.ts";

/**
 * An operand that is no constant and whose rows lie apart is packed for a run when a panel takes more cache lines than
 * the first-level cache has room for, and is read so often that the copy is nothing beside it.
 */
const LEAST_SCATTERED = 384;
const LEAST_REUSE = 64;

/**
 * Tiles of points want long lines: of shorter ones several are one where sums are so deep that it does not matter how
 * their results are found. An operand that walks unevenly is gathered for it where its elements serve so many results
 * (ResNet-50's last convolutions, 7 pixels a line: 65 to 81% of the peak as they lie, 86 to 90% so; 2026-11-22), and
 * where each step of a sum reads another line of the cache, all of which together do not stay in it.
 */
const LEAST_LINE = 8;
const LEAST_DEPTH = 128;
const LEAST_GATHERED = 256;
const MOST_GATHERED = 1 << 20;
/** Elements of a line of the cache. */
const LINE = 16;

/** Straight copies of a loop body that are worth their code. */
const MAX_UNROLL = 16;

export function planReduction(
  kernel: Kernel,
  assign: Assign,
  accesses: AssignAccesses,
  context: SchedulingContext,
): Step[] | undefined {
  const reduce = assign.reduce!;
  const inside = accesses.loads.filter((a) => a.inReduction);
  const depth = elementCount(reduce.axes.map((a) => a.extent));
  const vector = chooseVector(kernel, assign, accesses, inside, depth, context);
  if (!vector) return undefined;
  const v = vector.axis.name;

  // Which operands are read in panels of the vector axis.
  const depends = (a: Access): boolean => (a.strides.get(v) ?? 0) !== 0;
  const packed = new Set<number>();
  const packable = inside.filter((a) => depends(a) && a.opaque.size === 0 && canPack(kernel, assign, a));
  const independent = assign.axes.filter((a) => a.name !== v);
  for (const a of packable) {
    const reuse = elementCount(independent.filter((x) => !a.strides.get(x.name)).map((x) => x.extent));
    const stride = a.strides.get(v) ?? 0;
    const constant = context.constants.has(a.buffer);
    const rowStride = Math.max(...reduce.axes.map((x) => Math.abs(a.strides.get(x.name) ?? 0)));
    const apart = depth > 1 && rowStride > 64;
    const scattered = apart && depth >= LEAST_SCATTERED && reuse >= LEAST_REUSE;
    if (constant ? stride !== 1 || apart : stride === 1 ? scattered : reuse >= 8 && depth >= 8)
      packed.add(a.buffer);
  }

  const spatialMerge = mergePoints(kernel, assign, accesses, vector.axis, depth);
  const reducedMerge = mergeAxes(
    reduce.axes,
    accesses,
    new Set(),
    new Set([...packed, ...spatialMerge.gathered]),
  );
  const steps: Step[] = [...spatialMerge.steps, ...reducedMerge.steps];

  // The tile: `m` points of a second axis times `n` vectors.
  const stepsOf = (merged: Merged, a: Access): number => Math.abs(a.strides.get(merged.inner) ?? 0);
  const candidates = spatialMerge.axes.filter((x) => x.extent > 1 && !accesses.opaque.has(x.inner));
  const dependent = inside.filter(depends);
  // Among equals the innermost: neighbouring points share cache lines, and whole rows stay in cache between panels.
  const size = (x: Merged): number => Math.min(x.extent, 6);
  const tileAxis = candidates
    .toReversed()
    .toSorted((x, y) => reuseScore(y) - reuseScore(x) || size(y) - size(x))[0];
  function reuseScore(x: Merged): number {
    // Best is an axis along which some vector operand stays the same.
    return dependent.some((a) => stepsOf(x, a) === 0) ? 1 : 0;
  }
  const shared = tileAxis !== undefined && dependent.some((a) => stepsOf(tileAxis, a) === 0);
  const streams =
    tileAxis === undefined ? 0 : inside.filter((a) => depends(a) && stepsOf(tileAxis, a) !== 0).length;
  const vectors = Math.ceil(vector.axis.extent / LANES);
  const tile = chooseTile(tileAxis && (shared || depth > 1) ? tileAxis.extent : 1, vectors, streams > 0);

  for (const buffer of packed) {
    const by = Math.min(tile.n * LANES, vectors * LANES);
    steps.unshift({ kind: "pack", buffer, panels: [[v, by]] });
  }

  // Vector axis: v.o outside, then n vectors of 4 lanes.
  steps.push({ kind: "split", axis: v, by: tile.n * LANES, tail: "peel" });
  steps.push({ kind: "split", axis: `${v}.i`, by: LANES, tail: "pad" });
  steps.push(
    { kind: "bind", axis: `${v}.i.o`, to: "unroll" },
    { kind: "bind", axis: `${v}.i.i`, to: "vector" },
  );
  const tileLoops: string[] = [];
  let outer = spatialMerge.axes.map((a) => a.name);
  if (tileAxis && tile.m > 1) {
    const t = tileAxis.name;
    steps.push(
      { kind: "split", axis: t, by: tile.m, tail: "peel" },
      { kind: "bind", axis: `${t}.i`, to: "unroll" },
    );
    outer = outer.map((name) => (name === t ? `${t}.o` : name));
    tileLoops.push(`${t}.i`);
  }
  tileLoops.push(`${v}.i.o`, `${v}.i.i`);

  // Reduction: short loops are written out, long ones by four.
  const reducedOrder: string[] = [];
  let copies = 1;
  for (const axis of reducedMerge.axes.toReversed()) {
    const budget = Math.floor(MAX_UNROLL / copies);
    if (axis.extent <= budget && (axis === reducedMerge.axes.at(-1) || copies > 1 || axis.extent <= 4)) {
      steps.push({ kind: "bind", axis: axis.name, to: "unroll" });
      reducedOrder.unshift(axis.name);
      copies *= axis.extent;
    } else if (copies === 1 && axis.extent >= 8 && axis === reducedMerge.axes.at(-1)) {
      const by = unrollOf(axis.extent, tile.m * tile.n <= 4 ? 8 : 4);
      steps.push(
        { kind: "split", axis: axis.name, by, tail: "peel" },
        { kind: "bind", axis: `${axis.name}.i`, to: "unroll" },
      );
      reducedOrder.unshift(`${axis.name}.o`, `${axis.name}.i`);
      copies = MAX_UNROLL;
    } else {
      reducedOrder.unshift(axis.name);
      copies = MAX_UNROLL;
    }
  }

  // Independent products one after the other: their loops stay outside, so that both operands of one are in cache.
  const products = leading(
    spatialMerge.axes,
    (x) => x.extent > 1 && inside.every((a) => stepsOf(x, a) !== 0),
  );
  const place = panelPlace(
    outer,
    products.length,
    elementCount(products.map((x) => x.extent)),
    tileAxis && tile.m > 1 ? `${tileAxis.name}.o` : undefined,
    kernel,
    assign,
    inside,
    depends,
    tile.n,
  );
  const order = [...outer.slice(0, place), `${v}.o`, ...outer.slice(place), ...reducedOrder, ...tileLoops];
  steps.push({ kind: "order", axes: order });
  return steps;
}

/** The axes of the points, and the operands that lie otherwise for it. */
function mergePoints(
  kernel: Kernel,
  assign: Assign,
  accesses: AssignAccesses,
  vector: Axis,
  depth: number,
): ReturnType<typeof mergeAxes> & { readonly gathered: Set<number> } {
  const points = assign.axes.filter((a) => a !== vector);
  const merged = (
    { loads, store }: Pick<AssignAccesses, "loads" | "store">,
    gathered = new Set<number>(),
  ): ReturnType<typeof mergePoints> => {
    const { steps, axes } = mergeAxes(
      points,
      { ...accesses, loads, store },
      new Set([vector.name]),
      gathered,
    );
    const line = points.findLast((a) => a.extent > 1);
    const packs = [...gathered].map((buffer): Step => ({ kind: "pack", buffer, panels: [[line!.name, 1]] }));
    return { steps: [...packs, ...steps], axes, gathered };
  };
  const short = ({ axes }: { readonly axes: readonly Merged[] }): boolean =>
    (axes.findLast((x) => x.extent > 1)?.extent ?? LEAST_LINE) < LEAST_LINE;
  const even = merged(accesses);
  const loads = accesses.loads.filter((a) => a.inReduction);
  const data = loads.filter((a) => !a.strides.get(vector.name));
  const store = loads.find((a) => !data.includes(a));
  const apart = data.some(({ strides }) =>
    assign.reduce!.axes.every((k) => k.extent === 1 || Math.abs(strides.get(k.name) ?? 0) >= LINE),
  );
  if (!store || depth < LEAST_DEPTH || !(apart || short(even))) return even;
  // Results and what joins them are found once per sum: they may lie unevenly.
  const uneven = merged({ loads, store });
  if (!apart && !short(uneven)) return uneven;
  const gatherable =
    vector.extent >= LEAST_GATHERED &&
    depth * elementCount(points.map((a) => a.extent)) <= MOST_GATHERED &&
    kernel.body.includes(assign) &&
    data.every((a) => a.opaque.size === 0 && canPack(kernel, assign, a));
  const gathered = gatherable && merged({ loads, store }, new Set(data.map((a) => a.buffer)));
  if (gathered && (apart || !short(gathered))) return gathered;
  return short(even) && !short(uneven) ? uneven : even;
}

/** Copies of a step of a long sum: about `wanted`, without a rest where that can be. */
function unrollOf(extent: number, wanted: number): number {
  const near = [0, 1, -1, 2, 3].map((more) => wanted + more);
  return near.find((by) => extent % by === 0) ?? wanted;
}

/**
 * Where the loop over panels goes among the outer loops: outermost, so that one panel stays in cache while the
 * other operand streams by, unless reading that operand once per panel costs more than reading all panels once
 * per row of it. The `first` loops are over `products` independent products, and stay outside of it.
 */
function panelPlace(
  outer: readonly string[],
  first: number,
  products: number,
  tileLoop: string | undefined,
  kernel: Kernel,
  assign: Assign,
  inside: readonly Access[],
  depends: (a: Access) => boolean,
  n: number,
): number {
  const streamed = inside.filter((a) => !depends(a));
  const panels = inside.filter(depends);
  const bytes = (list: readonly Access[]): number =>
    (4 / products) * list.reduce((sum, a) => sum + elementCount(kernel.buffers[a.buffer]!.shape), 0);
  const last = tileLoop === undefined ? outer.length : outer.indexOf(tileLoop);
  if (!streamed.length) return last < 0 ? 0 : last;
  const v = assign.axes.find(
    (a) => panels.some((p) => p.strides.get(a.name)) && !streamed.some((s) => s.strides.get(a.name)),
  );
  const panelCount = v ? Math.ceil(v.extent / (n * LANES)) : 1;
  const cache = 512 * 1024;
  // Everything that is streamed fits the second-level cache: keep the panel still.
  if (bytes(streamed) <= cache || panelCount === 1) return first;
  return bytes(panels) <= cache && last > first ? last : first;
}

/** The elements before the first that fails the test. */
function leading<T>(list: readonly T[], test: (x: T) => boolean): readonly T[] {
  const end = list.findIndex((x) => !test(x));
  return end < 0 ? list : list.slice(0, end);
}

function chooseVector(
  kernel: Kernel,
  assign: Assign,
  accesses: AssignAccesses,
  inside: readonly Access[],
  depth: number,
  context: SchedulingContext,
): { axis: Axis; cost: number } | undefined {
  let best: { axis: Axis; cost: number } | undefined;
  for (const axis of assign.axes) {
    if (axis.extent < 2) continue;
    if (inside.some((a) => a.opaque.has(axis.name))) continue;
    let perStep = 0;
    for (const a of inside) {
      const stride = a.strides.get(axis.name) ?? 0;
      if (stride === 0) perStep += 0.25;
      else if (stride === 1) perStep += 1;
      else if (context.constants.has(a.buffer) && canPack(kernel, assign, a)) perStep += 1;
      else {
        const reuse = elementCount(
          assign.axes.filter((x) => x.name !== axis.name && !a.strides.get(x.name)).map((x) => x.extent),
        );
        perStep +=
          canPack(kernel, assign, a) && a.opaque.size === 0 && reuse >= 8 && depth >= 8 ? 1 + 8 / reuse : 6;
      }
    }
    perStep += 1;
    const storeStride = accesses.store.strides.get(axis.name) ?? 0;
    const store = storeStride === 1 && !accesses.store.opaque.has(axis.name) ? 1 : 5;
    const waste = (Math.ceil(axis.extent / LANES) * LANES) / axis.extent;
    const cost = (perStep * depth + store) * waste;
    if (!best || cost < best.cost) best = { axis, cost };
  }
  if (!best) return undefined;
  // A vector along the reduction may do better: one load per operand, lanes combined at the end.
  const row = rowCost(assign, inside, depth);
  return row !== undefined && row < best.cost ? undefined : best;
}

/** Cost per four points of a reduction that is itself the vector. */
function rowCost(assign: Assign, inside: readonly Access[], depth: number): number | undefined {
  const axis = vectorisableReduction(assign, inside);
  if (!axis || axis.extent < LANES) return undefined;
  let perStep = 1;
  for (const a of inside) {
    const stride = a.strides.get(axis.name) ?? 0;
    perStep += stride === 0 ? 0.5 : stride === 1 ? 1 : 6;
  }
  // Four results need four times the steps, of a quarter of the depth each; combining costs about eight more each.
  return perStep * depth + 4 * 12;
}

function vectorisableReduction(assign: Assign, inside: readonly Access[]): Axis | undefined {
  return assign.reduce!.axes.findLast((axis) => axis.extent > 1 && inside.every((a) => !a.opaque.has(axis.name)) && inside.some((a) => a.strides.get(axis.name) === 1)); // prettier-ignore
}
