/**
 * Schedules of windows that slide along a line of points, each channel for itself: depthwise convolutions and pools.
 * In: a reduction and how it walks through memory. Out: steps, or nothing where it is something else. Invariant: as of
 * every schedule: legal, whatever the extents.
 *
 * A tile is a few neighbouring points of one vector of channels. With the window written out, the points' common
 * elements are loaded once, and few enough of them are alive at a time to stay in registers: two registers for each
 * point and one for the weight. The tile's latency is hidden by the next tiles, which do not depend on it. Channels
 * are walked through inside of the line: whole cache lines are used while they are there, where a walk along the line
 * for each few channels would come back to every line (and to few sets of the cache, as channels make strides even).
 */
import { elementCount } from "../ir/dtype.ts";
import type { Assign, Axis, Kernel } from "../ir/kernel.ts";
import type { Step } from "../ir/schedule.ts";
import type { Access, AssignAccesses } from "../lower/access.ts";
import { LANES } from "../ir/nest.ts";

/** Most elements of a window that are written out, and most of its innermost axis where it is larger. */
const MOST_TAPS = 16;
const MOST_ROW = 9;
/** With more points registers run out: on a Sapphire Rapids core (2026-11-21) seven did best wherever they fit. */
const MOST_POINTS = 7;
/** Weights that are read again for every tile must stay in the first-level cache beside the points. */
const WEIGHT_BYTES = 24 * 1024;
/** What the lines of a window may hold to be walked through by tiles all the same (measured there, too). */
const FAR_BYTES = 112 * 1024;

/** @param packable whether a buffer can be read from panels at no cost per run */
export function scheduleWindow(
  kernel: Kernel,
  assign: Assign,
  accesses: AssignAccesses,
  packable: (access: Access) => boolean,
): Step[] | undefined {
  const reduce = assign.reduce!;
  const inside = accesses.loads.filter((a) => a.inReduction);
  if (inside.length < 1 || inside.length > 2 || inside.some((a) => a.opaque.size > 0)) return undefined;
  const stride = (a: Access, x: Axis): number => a.strides.get(x.name) ?? 0;

  // Channels: a vector of points and of results, with weights of their own.
  const vector = assign.axes.find(
    (x) => x.extent >= LANES && stride(accesses.store, x) === 1 && inside.some((a) => stride(a, x) === 1),
  );
  if (!vector || accesses.opaque.has(vector.name)) return undefined;
  const data = inside.find((a) => stride(a, vector) === 1 && slidingAxis(assign, a, inside));
  const line = data && slidingAxis(assign, data, inside);
  if (!data || !line || stride(data, line) === 0) return undefined;
  const weights = inside.find((a) => a !== data);
  const own = assign.axes.filter((x) => x !== vector);
  if (weights && (stride(weights, vector) === 0 || own.some((x) => stride(weights, x) !== 0)))
    return undefined;
  const steps: Step[] = [];
  if (weights) {
    // Panels put the weights of a vector of channels side by side.
    if (packable(weights))
      steps.push({ kind: "pack", buffer: weights.buffer, panels: [[vector.name, LANES]] });
    else if (stride(weights, vector) !== 1) return undefined;
  }

  const taps = elementCount(reduce.axes.map((x) => x.extent));
  const row = reduce.axes.at(-1)!;
  if (taps < 2 || (taps > MOST_TAPS && row.extent > MOST_ROW)) return undefined;
  const unrolled = taps <= MOST_TAPS ? reduce.axes : [row];
  for (const x of unrolled) steps.push({ kind: "bind", axis: x.name, to: "unroll" });
  const slide = reduce.axes.findLast((x) => alongside(line, stride(data, line), x, stride(data, x)));
  // Points of a window whose elements lie apart share nothing that is near, as if they moved by the whole of it.
  const step = slide ? Math.max(stride(data, line) / stride(data, slide), 1) : 1;
  const dilated = slide !== undefined && stride(data, slide) > stride(data, line);
  const m = tileOf(line.extent, slide?.extent ?? 1, dilated ? slide.extent : step, weights !== undefined);
  if (m > 1) {
    steps.push(
      { kind: "split", axis: line.name, by: m, tail: "peel" },
      { kind: "bind", axis: `${line.name}.i`, to: "unroll" },
    );
  }
  steps.push(
    { kind: "split", axis: vector.name, by: LANES, tail: "pad" },
    { kind: "bind", axis: `${vector.name}.i`, to: "vector" },
  );
  const lineLoop = m > 1 ? `${line.name}.o` : line.name;
  const outer = own.filter((x) => x !== line).map((x) => x.name);
  const bytes = weights ? 4 * elementCount(kernel.buffers[weights.buffer]!.shape) : 0;
  // Where windows hardly share elements and lines are long, a walk of even steps is what prefetchers understand.
  const far = step > 1 && 4 * stride(data, line) * line.extent * (taps / row.extent) > FAR_BYTES;
  const inner = bytes <= WEIGHT_BYTES && !far;
  const loops = inner ? [lineLoop, `${vector.name}.o`] : [`${vector.name}.o`, lineLoop];
  const tile = [...(m > 1 ? [`${line.name}.i`] : []), `${vector.name}.i`];
  steps.push({ kind: "order", axes: [...outer, ...loops, ...reduce.axes.map((x) => x.name), ...tile] });
  return steps;
}

/** The axis of results along which an operand is read by windows: some axis of the reduction takes the same way. */
function slidingAxis(assign: Assign, data: Access, inside: readonly Access[]): Axis | undefined {
  const of = (x: Axis): number => data.strides.get(x.name) ?? 0;
  const window = assign.reduce!.axes;
  return assign.axes
    .filter(
      (x) =>
        x.extent > 1 &&
        of(x) > 1 &&
        inside.every((a) => a === data || !a.strides.get(x.name)) &&
        window.some((w) => alongside(x, of(x), w, of(w))),
    )
    .sort((a, b) => of(a) - of(b))[0];
}

/** Whether results move along the same way as an axis of the window, by no more than all of it, or among its elements. */
function alongside(line: Axis, point: number, window: Axis, tap: number): boolean {
  if (point <= 1 || tap <= 1 || window.extent < 2) return false;
  return tap > point
    ? tap % point === 0 && tap < point * line.extent
    : point % tap === 0 && point / tap <= window.extent;
}

/** Points of a tile: three to seven, by the loads and products of the whole line, its rest included. */
function tileOf(points: number, window: number, step: number, weighted: boolean): number {
  const cycles = (m: number): number => {
    if (m === 0) return 0;
    const loads = (m - 1) * step + window + (weighted ? window : 0);
    return Math.max(loads, m * window) / 2 + 1;
  };
  let best = 1;
  let least = Infinity;
  for (let m = Math.min(MOST_POINTS, points); m >= Math.min(3, points); m--) {
    const cost = Math.floor(points / m) * cycles(m) + cycles(points % m);
    if (cost < least) [best, least] = [m, cost];
  }
  return best;
}
