/**
 * Maps: one store per point, no reduction. In: an assignment that computes each element by itself. Out: steps. Invariant:
 * any choice is legal; a vector runs along what is stored side by side, and what would be gathered element by element, or
 * chosen by a coordinate, is written out so that its copies share what they have in common.
 */
import { bytesPerElement, elementCount } from "../ir/dtype.ts";
import type { Expr } from "../ir/expr.ts";
import type { Assign, Axis, Kernel } from "../ir/kernel.ts";
import type { Step } from "../ir/schedule.ts";
import { operands, some } from "../ir/walk.ts";
import type { Access, AssignAccesses } from "../lower/access.ts";
import { LANES } from "../ir/nest.ts";
import { mergeAxes, type Merged } from "./merge.ts";
import { sizeOf, vectorTypes } from "./operands.ts";

export function scheduleMap(kernel: Kernel, assign: Assign, accesses: AssignAccesses): Step[] {
  const choosing = choosingAxes(assign);
  if (choosing.length) return scheduleChoice(assign, accesses, choosing);
  const { steps, axes } = mergeAxes(assign.axes, accesses, new Set(), new Set());
  const vectorAxis = axes.findLast((a) => a.extent > 1 && accesses.store.strides.get(a.inner) === 1);
  const wide = bytesPerElement(kernel.buffers[assign.out]!.dtype) > 4;
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
  return some(e, (x) => x.kind === "binary" && x.op === "pow" && x.b.kind !== "const");
}
