/**
 * A good schedule without measuring. In: a kernel with layouts and the numbers of its constant buffers. Out: steps
 * per assignment. Invariant: any choice is legal; only speed depends on it. The model behind the choices is a core
 * that starts two multiply-adds and two loads a cycle with a latency of four, and 15 vector registers (what V8
 * leaves on x64): measured peak on such cores needs eight or more independent accumulators.
 */
import type { Expr } from "../ir/expr.ts";
import { operands, visit } from "../ir/walk.ts";
import { bytesPerElement, elementCount } from "../ir/dtype.ts";
import { assignments, type Assign, type Axis, type Kernel } from "../ir/kernel.ts";
import type { Schedule, Step } from "../ir/schedule.ts";
import { accessesOf, byStride, type Access, type AssignAccesses } from "../lower/access.ts";
import { LANES } from "../lower/apply.ts";
import { soleLoad } from "../lower/pack.ts";
import { scheduleStreams } from "./streams.ts";
import { chooseTile } from "./tile.ts";
import { scheduleWindow } from "./window.ts";

export interface SchedulingContext {
  /** Input buffers that hold constants: packing them costs nothing per run. */
  readonly constants: ReadonlySet<number>;
}

/**
 * An operand that is no constant and whose rows lie apart is packed for a run when a panel takes more cache lines than
 * the first-level cache has room for, and is read so often that the copy is nothing beside it.
 */
const LEAST_SCATTERED = 384;
const LEAST_REUSE = 64;

/** Straight copies of a loop body that are worth their code. */
const MAX_UNROLL = 16;

/** Orders the axes of every assignment by how they walk through memory: the form in which schedules are chosen. */
export function orderAxes(kernel: Kernel): Kernel {
  const change = (assign: Assign): Assign => {
    const accesses = accessesOf(kernel, assign);
    const axes = byStride(assign.axes, accesses.store);
    if (!assign.reduce) return { ...assign, axes };
    // The operand that is read most often from memory leads the order of the reduction.
    const lead = leadingLoad(accesses);
    return {
      ...assign,
      axes,
      reduce: { ...assign.reduce, axes: lead ? byStride(assign.reduce.axes, lead) : assign.reduce.axes },
    };
  };
  const walk = (blocks: Kernel["body"]): Kernel["body"] =>
    blocks.map((b) => (b.kind === "assign" ? change(b) : { ...b, body: walk(b.body) }));
  return { ...kernel, body: walk(kernel.body) };
}

function leadingLoad(accesses: AssignAccesses): Access | undefined {
  const inside = accesses.loads.filter((a) => a.inReduction);
  return inside.find((a) => a.opaque.size === 0) ?? inside[0];
}

export function chooseSchedule(kernel: Kernel, context: SchedulingContext): Schedule {
  return assignments(kernel).flatMap(({ assign }) => scheduleAssign(kernel, assign, context));
}

function scheduleAssign(kernel: Kernel, assign: Assign, context: SchedulingContext): Step[] {
  const accesses = accessesOf(kernel, assign);
  if (!assign.reduce) return scheduleMap(kernel, assign, accesses);
  if (!vectorTypes(assign)) return [];
  const packable = (a: Access): boolean => context.constants.has(a.buffer) && canPack(kernel, assign, a);
  const plan =
    scheduleWindow(kernel, assign, accesses, packable) ??
    streams(assign, accesses, context) ??
    deepReduction(kernel, assign, accesses, context) ??
    planReduction(kernel, assign, accesses, context);
  return plan ?? rowReduction(assign, accesses) ?? [];
}

function streams(assign: Assign, accesses: AssignAccesses, context: SchedulingContext): Step[] | undefined {
  const results = mergeAxes(assign.axes, accesses, new Set(), new Set());
  const reduced = mergeAxes(assign.reduce!.axes, accesses, new Set(), new Set());
  const merged = {
    steps: [...results.steps, ...reduced.steps],
    results: results.axes,
    reduced: reduced.axes,
  };
  return scheduleStreams(assign, accesses, merged, (a) => context.constants.has(a.buffer));
}

/** Whether all values of an assignment fit 32-bit lanes. What positions are made of never is in a vector. */
export function vectorTypes(assign: Assign): boolean {
  const seen = new Set<Expr>();
  const fits = (e: Expr): boolean => {
    if (seen.has(e)) return true;
    seen.add(e);
    if (e.type === "i64" || e.type === "u64" || e.type === "f64") return false;
    return e.kind === "load" || operands(e).every(fits);
  };
  return fits(assign.value) && (!assign.reduce || fits(assign.reduce.body));
}

// ---------------------------------------------------------------------------------------------------------------
// Merging

export interface Merged {
  readonly name: string;
  readonly extent: number;
  /** The innermost of the merged axes, whose stride is the merged one's. */
  readonly inner: string;
}

/** Merges neighbouring axes that every access walks as one; returns the steps and the resulting axes. */
export function mergeAxes(
  axes: readonly Axis[],
  accesses: AssignAccesses,
  keep: ReadonlySet<string>,
  ignore: ReadonlySet<number>,
): { steps: Step[]; axes: Merged[] } {
  const steps: Step[] = [];
  const all = [...accesses.loads.filter((a) => !ignore.has(a.buffer)), accesses.store];
  const out: Merged[] = [];
  for (const axis of axes) {
    if (axis.extent === 1) {
      // Of no consequence for any address; stays where it is.
      out.push({ name: axis.name, extent: 1, inner: axis.name });
      continue;
    }
    const last = out.at(-1);
    const mergeable =
      last !== undefined &&
      last.extent > 1 &&
      !keep.has(last.inner) &&
      !keep.has(axis.name) &&
      !accesses.opaque.has(last.inner) &&
      !accesses.opaque.has(axis.name) &&
      all.every((a) => (a.strides.get(last.inner) ?? 0) === (a.strides.get(axis.name) ?? 0) * axis.extent);
    if (mergeable) {
      steps.push({ kind: "merge", outer: last.name, inner: axis.name });
      out[out.length - 1] = {
        name: `${last.name}*${axis.name}`,
        extent: last.extent * axis.extent,
        inner: axis.name,
      };
    } else out.push({ name: axis.name, extent: axis.extent, inner: axis.name });
  }
  return { steps, axes: out };
}

// ---------------------------------------------------------------------------------------------------------------
// Maps: one store per point, no reduction

function scheduleMap(kernel: Kernel, assign: Assign, accesses: AssignAccesses): Step[] {
  const choosing = choosingAxes(assign);
  if (choosing.length) return scheduleChoice(assign, accesses, choosing);
  const { steps, axes } = mergeAxes(assign.axes, accesses, new Set(), new Set());
  const vectorAxis = axes.findLast((a) => a.extent > 1 && Math.abs(accesses.store.strides.get(a.inner) ?? 0) === 1 && (accesses.store.strides.get(a.inner) ?? 0) === 1); // prettier-ignore
  const bytes = kernel.buffers[assign.out]!.dtype;
  const wide = bytes === "int64" || bytes === "uint64" || bytes === "float64";
  if (!vectorAxis || vectorAxis.extent < LANES || wide || !vectorTypes(assign) || callsHost(assign.value))
    return [...steps, ...scheduleScalars(assign, axes)];
  const gathers = accesses.loads.filter((a) => a.opaque.has(vectorAxis.inner)).length;
  if (gathers > 1) return [...steps, ...scheduleScalars(assign, axes)];
  const others = axes.filter((a) => a !== vectorAxis).map((a) => a.name);
  const vectors = Math.floor(vectorAxis.extent / LANES);
  const name = vectorAxis.name;
  const turned = turnedAxis(kernel, axes, vectorAxis, accesses);
  if (turned) {
    const by = neighboursAtATime(turned.extent, assign);
    const outer = others.filter((a) => a !== turned.name);
    return [
      ...steps,
      { kind: "split", axis: turned.name, by, tail: "peel" },
      { kind: "split", axis: name, by: LANES, tail: "pad" },
      { kind: "order", axes: [...outer, `${turned.name}.o`, `${name}.o`, `${turned.name}.i`, `${name}.i`] },
      { kind: "bind", axis: `${turned.name}.i`, to: "unroll" },
      { kind: "bind", axis: `${name}.i`, to: "vector" },
    ];
  }
  const unroll = sizeOf(assign.value) <= 40 ? [4, 2].find((u) => vectors >= u * 4) : undefined;
  if (unroll) {
    return [
      ...steps,
      { kind: "split", axis: name, by: unroll * LANES, tail: "peel" },
      { kind: "split", axis: `${name}.i`, by: LANES, tail: "pad" },
      { kind: "order", axes: [...others, `${name}.o`, `${name}.i.o`, `${name}.i.i`] },
      { kind: "bind", axis: `${name}.i.o`, to: "unroll" },
      { kind: "bind", axis: `${name}.i.i`, to: "vector" },
    ];
  }
  return [
    ...steps,
    { kind: "split", axis: name, by: LANES, tail: "pad" },
    { kind: "order", axes: [...others, `${name}.o`, `${name}.i`] },
    { kind: "bind", axis: `${name}.i`, to: "vector" },
  ];
}

/**
 * The axis along which everything lies side by side that the vector would gather element by element: points along it
 * are written out, and the emitter reads them as rows and turns these (backend/wasm/neighbours.ts).
 */
function turnedAxis(
  kernel: Kernel,
  axes: readonly Merged[],
  vector: Merged,
  { loads, opaque }: AssignAccesses,
): Merged | undefined {
  const stride = (a: Access, x: Merged): number => a.strides.get(x.inner) ?? 0;
  const gathered = loads.filter(
    (a) =>
      Math.abs(stride(a, vector)) >= LANES &&
      !a.opaque.has(vector.inner) &&
      bytesPerElement(kernel.buffers[a.buffer]!.dtype) === 4,
  );
  if (gathered.length === 0) return undefined;
  return axes.find(
    (x) => x !== vector && x.extent > 1 && !opaque.has(x.inner) && gathered.every((a) => stride(a, x) === 1),
  );
}

/** Elements of a map below which a few microseconds are all that more code could save. */
const SMALL_MAP = 1 << 14;

/** Half a line of cache of each row where that is much to move and little code, with a rest that is not larger. */
function neighboursAtATime(extent: number, { axes, value }: Assign): number {
  const small = elementCount(axes.map((a) => a.extent)) < SMALL_MAP || sizeOf(value) > 40;
  const most = small ? LANES : 2 * LANES;
  return extent <= most ? extent : extent % most === 0 || extent >= 4 * most ? most : LANES;
}

/** Copies of a scalar statement that cost less than the loops around it. */
const SCALAR_COPIES = 12;

/** A map that moves scalars, three channels side by side say: some are written out, so that loops cost little. */
function scheduleScalars(assign: Assign, axes: readonly Merged[]): Step[] {
  if (sizeOf(assign.value) > 24) return [];
  const steps: Step[] = [];
  const order: string[] = [];
  let copies = 1;
  for (const { name, extent } of axes.toReversed()) {
    const by = Math.floor(SCALAR_COPIES / copies);
    if (extent <= by) {
      if (extent > 1) steps.push({ kind: "bind", axis: name, to: "unroll" });
      order.unshift(name);
      copies *= extent;
    } else if (by > 1) {
      steps.push(
        { kind: "split", axis: name, by: Math.min(4, by), tail: "peel" },
        { kind: "bind", axis: `${name}.i`, to: "unroll" },
      );
      order.unshift(`${name}.o`, `${name}.i`);
      copies = SCALAR_COPIES;
    } else order.unshift(name);
  }
  return steps.length ? [...steps, { kind: "order", axes: order }] : [];
}

/** Copies of a map's value that may be written out, each with what its coordinates choose. */
const MAX_CHOICES = 64;

/** Axes whose coordinates choose between expressions: they are compared with numbers, and no more than that. */
function choosingAxes(assign: Assign): Axis[] {
  const compared = new Set<string>();
  const valued = new Set<string>();
  const seen = new Set<Expr>();
  const walk = (e: Expr): void => {
    if (seen.has(e)) return;
    seen.add(e);
    if (e.kind === "load") return;
    if (e.kind === "axis") valued.add(e.name);
    else if (e.kind === "binary" && e.op === "eq" && e.a.kind === "axis" && e.b.kind === "const")
      compared.add(e.a.name);
    else for (const operand of operands(e)) walk(operand);
  };
  walk(assign.value);
  const axes = assign.axes.filter((a) => compared.has(a.name) && !valued.has(a.name) && a.extent > 1);
  return elementCount(axes.map((a) => a.extent)) <= MAX_CHOICES ? axes : [];
}

/**
 * A map that chooses by coordinates: these are written out, so that each copy is one of the expressions and all of
 * them share what they have in common; the vector runs along the axis that most loads walk, or else the store.
 */
function scheduleChoice(assign: Assign, accesses: AssignAccesses, choosing: readonly Axis[]): Step[] {
  const unroll: Step[] = choosing.map(({ name }) => ({ kind: "bind", axis: name, to: "unroll" }));
  const others = assign.axes.filter((a) => !choosing.includes(a));
  const along = (a: Axis): number =>
    accesses.loads.filter((x) => x.strides.get(a.name) === 1 && !x.opaque.has(a.name)).length;
  const stored = others.find((a) => accesses.store.strides.get(a.name) === 1);
  const loaded = others.filter((a) => a.extent >= LANES && along(a)).sort((a, b) => along(b) - along(a))[0];
  const vector = loaded ?? (stored && stored.extent >= LANES ? stored : undefined);
  const names = choosing.map((a) => a.name);
  if (!vector || accesses.opaque.has(vector.name) || !vectorTypes(assign))
    return [...unroll, { kind: "order", axes: [...others.map((a) => a.name), ...names] }];
  const outer = others.filter((a) => a !== vector).map((a) => a.name);
  return [
    ...unroll,
    { kind: "split", axis: vector.name, by: LANES, tail: "pad" },
    { kind: "bind", axis: `${vector.name}.i`, to: "vector" },
    { kind: "order", axes: [...outer, `${vector.name}.o`, ...names, `${vector.name}.i`] },
  ];
}

function callsHost(e: Expr): boolean {
  let found = false;
  visit(e, (x) => {
    if (x.kind === "binary" && x.op === "pow" && x.b.kind !== "const") found = true;
  });
  return found;
}

function sizeOf(e: Expr): number {
  let count = 0;
  visit(e, () => count++);
  return count;
}

// ---------------------------------------------------------------------------------------------------------------
// Reductions with a vector over a result axis: contractions, convolutions, pools

function planReduction(
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

  const reducedMerge = mergeAxes(reduce.axes, accesses, new Set(), packed);
  const spatial = assign.axes.filter((a) => a.name !== v);
  const spatialMerge = mergeAxes(spatial, accesses, new Set([v]), new Set());
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

/**
 * Sums of products with few results per point (a convolution to one or three channels): a vector over the results
 * would be mostly idle, so the vector runs along the reduction and its lanes are added up at the end. A tile of
 * points by results keeps enough accumulators going.
 */
function deepReduction(
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

/** Only what the kernel does not change, read where no data decides, can be copied beforehand. */
export function canPack(kernel: Kernel, assign: Assign, access: Access): boolean {
  if (kernel.buffers[access.buffer]!.role !== "in") return false;
  const load = soleLoad(assign, access.buffer);
  return load !== undefined && load.index.every(isPlace);
}

/** Whether a position follows from the loops alone. */
function isPlace(index: Expr): boolean {
  let plain = true;
  visit(index, (x) => {
    if (x.kind === "load") plain = false;
  });
  return plain;
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

// ---------------------------------------------------------------------------------------------------------------
// Reductions with a vector along the reduced axis: rows of a softmax, a norm, a dot product

function rowReduction(assign: Assign, accesses: AssignAccesses): Step[] | undefined {
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
