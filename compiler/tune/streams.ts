/**
 * Schedules of sums over what is read only once: a convolution to one channel whose input lies channel by channel, a
 * weighted or a plain sum of planes, a mean over images. In: a reduction and how it walks through memory. Out: steps,
 * or nothing where it is something else. Invariant: as of every schedule: legal, whatever the extents.
 *
 * Nothing is gained by a tile of several points here, as they share no data: memory sets the time. So the vector runs
 * along memory over all axes that lie one after the other, some cache lines at a time for each term of the sum.
 */
import { elementCount } from "../ir/dtype.ts";
import type { Assign, Axis } from "../ir/kernel.ts";
import type { Step } from "../ir/schedule.ts";
import type { Access, AssignAccesses } from "../lower/access.ts";
import { LANES } from "../ir/nest.ts";
import type { Merged } from "./merge.ts";

/** Accumulators: three lines of cache for each term, and as many additions at a time. */
const MOST_VECTORS = 12;
/** Terms that are written out. */
const TERMS = 4;

/**
 * @param merged the axes of the results and of the sum, with neighbours that all accesses walk as one joined
 * @param isConstant whether a buffer is computed at load: weights have schedules of their own
 */
export function scheduleStreams(
  assign: Assign,
  accesses: AssignAccesses,
  merged: {
    readonly steps: readonly Step[];
    readonly results: readonly Merged[];
    readonly reduced: readonly Merged[];
  },
  isConstant: (access: Access) => boolean,
): Step[] | undefined {
  const inside = accesses.loads.filter((a) => a.inReduction);
  if (inside.length === 0 || inside.some((a) => a.opaque.size > 0)) return undefined;
  const stride = (a: Access, x: Axis | Merged): number => a.strides.get("inner" in x ? x.inner : x.name) ?? 0;
  const vector = merged.results.find((x) => x.extent >= LANES && stride(accesses.store, x) === 1);
  if (!vector || accesses.opaque.has(vector.inner)) return undefined;
  const data = inside.filter((a) => stride(a, vector) !== 0);
  if (data.length === 0 || data.some((a) => stride(a, vector) !== 1 || isConstant(a))) return undefined;
  // Every element once: no axis of the results passes the data by, and none of the sum walks a window over it.
  const wide = (x: Axis): boolean => x.extent > 1;
  if (assign.axes.some((x) => wide(x) && data.some((a) => stride(a, x) === 0))) return undefined;
  const results = assign.axes.filter(wide).map((x) => x.name);
  if (data.some((a) => a.load === undefined || overlaps(a, assign, results))) return undefined;

  const name = vector.name;
  const vectors = Math.ceil(vector.extent / LANES);
  const n = vectorsOf(vectors);
  const steps: Step[] = [
    ...merged.steps,
    { kind: "split", axis: name, by: n * LANES, tail: "peel" },
    { kind: "split", axis: `${name}.i`, by: LANES, tail: "pad" },
    { kind: "bind", axis: `${name}.i.o`, to: "unroll" },
    { kind: "bind", axis: `${name}.i.i`, to: "vector" },
  ];
  const outer = merged.results.filter((x) => x !== vector).map((x) => x.name);
  const order = merged.reduced.map((x) => x.name);
  const last = merged.reduced.at(-1);
  if (last && last.extent > 1) {
    const by = last.extent <= 2 * TERMS ? last.extent : TERMS;
    steps.push(
      { kind: "split", axis: last.name, by, tail: "peel" },
      { kind: "bind", axis: `${last.name}.i`, to: "unroll" },
    );
    order.splice(-1, 1, `${last.name}.o`, `${last.name}.i`);
  }
  steps.push({ kind: "order", axes: [...outer, `${name}.o`, ...order, `${name}.i.o`, `${name}.i.i`] });
  return steps;
}

/** Whether two points of the results read the same element of an operand: a window that moves by less than it is wide. */
function overlaps(access: Access, assign: Assign, results: readonly string[]): boolean {
  const of = (name: string): number => Math.abs(access.strides.get(name) ?? 0);
  const reduced = assign.reduce!.axes.filter((x) => x.extent > 1 && of(x.name) > 0);
  const all = [
    ...results.map((name) => ({ step: of(name), extent: assign.axes.find((x) => x.name === name)!.extent })),
    ...reduced.map((x) => ({ step: of(x.name), extent: x.extent })),
  ].sort((a, b) => a.step - b.step);
  // Each axis must step over everything that those inside of it cover.
  let covered = 1;
  for (const { step, extent } of all) {
    if (step < covered) return true;
    covered = step * (extent - 1) + covered;
  }
  return elementCount(all.map((x) => x.extent)) === 0;
}

/** As many vectors as accumulators allow, with a rest that is not small. */
function vectorsOf(vectors: number): number {
  if (vectors <= MOST_VECTORS) return vectors;
  let best = MOST_VECTORS;
  let least = Infinity;
  for (let n = MOST_VECTORS; n >= 6; n--) {
    const cost = Math.floor(vectors / n) * (n + 1) + (vectors % n ? (vectors % n) + 3 : 0);
    if (cost < least) [best, least] = [n, cost];
  }
  return best;
}
