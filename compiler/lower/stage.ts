/**
 * Tiles of an operand in memory of a workgroup. In: a load of a reduction, and the loops whose points share a copy of what
 * it reads. Out: a buffer for the copy, the loop that fills it, and the place of a point in it. Invariant: the copy holds
 * one element for each combination of the loops that the load depends on, whether or not elements repeat; so it is right
 * for any load, and costs no more memory than its loops are long.
 */
import { elementCount } from "../ir/dtype.ts";
import { add, axis, floordiv, floormod, int, mul, type Expr, type LoadExpr } from "../ir/expr.ts";
import { axesOf } from "../ir/walk.ts";
import type { Layout } from "../ir/kernel.ts";
import { LANES, type ForStatement, type Statement } from "../ir/nest.ts";
import { flatOffset } from "./access.ts";

/** A loop that a copy covers. */
export interface Covered {
  readonly name: string;
  /** How long it is where tiles are whole. */
  readonly extent: number;
  /** What its iterations are: different invocations, lanes of a vector, or neither. */
  readonly as: "group" | "vector" | undefined;
}

/** A loop of a tile, with the distance of its iterations in the copy. */
interface Side extends Covered {
  readonly stride: number;
}

export interface Tile {
  readonly load: LoadExpr;
  /** The nest's number of the copy, and its name. */
  readonly buffer: number;
  readonly name: string;
  /** Elements of the copy. */
  readonly elements: number;
  /** Innermost first in the operand's memory, in which order it is read. */
  readonly sides: readonly Side[];
  /** Whether four neighbours lie side by side in both memories. */
  readonly vectors: boolean;
}

/** Rows of so many bytes apart would be in the same bank of a workgroup's memory. */
const BANKED = 8;

/**
 * @param index where the load reads, in loop variables
 * @param covered the loops inside of the one at which the copy is made, and the group loops around that
 */
export function tileOf(
  load: LoadExpr,
  layout: Layout,
  index: readonly Expr[],
  covered: readonly Covered[],
  buffer: number,
  name: string,
): Tile {
  const strides = new Map<string, number>();
  const opaque = new Set<string>();
  for (const [term, c] of flatOffset(layout, index).terms) {
    if (c === 0) continue;
    if (term.kind === "axis") strides.set(term.name, (strides.get(term.name) ?? 0) + c);
    else for (const variable of axesOf(term)) opaque.add(variable);
  }
  const apart = (variable: string): number =>
    opaque.has(variable) ? Infinity : Math.abs(strides.get(variable) ?? 0);
  const touched = covered.filter((c) => apart(c.name) !== 0 && c.extent > 1);
  const sorted = touched.toSorted((a, b) => apart(a.name) - apart(b.name));
  const [first] = sorted;
  // Neighbouring invocations read neighbouring elements, or rows that do not begin in one bank; vectors lie together.
  const neighbours = covered.findLast((c) => c.as === "group" && c.extent > 1);
  const inCopy = [...sorted.filter((c) => c.as === "vector"), ...sorted.filter((c) => c.as !== "vector")];
  const places = new Map<string, number>();
  let stride = 1;
  for (const side of inCopy) {
    if (side === neighbours && stride > LANES && stride % BANKED === 0) stride += LANES;
    places.set(side.name, stride);
    stride *= side.extent;
  }
  const sides = sorted.map((side): Side => ({ ...side, stride: places.get(side.name)! }));
  const vectors =
    first !== undefined &&
    strides.get(first.name) === 1 &&
    !opaque.has(first.name) &&
    places.get(first.name) === 1 &&
    first.extent % LANES === 0;
  return { load, buffer, name, elements: Math.max(1, stride), sides, vectors };
}

/** Where a point lies in the copy: `at` is the value of a loop variable. */
export function placeInTile({ sides }: Tile, at: (variable: string) => Expr): Expr {
  return sides.reduce((sum, { name, stride }) => add(sum, mul(at(name), int(stride))), int(0));
}

/**
 * The loop that fills a tile.
 *
 * @param extentOf how long a loop is here, which is less than in whole tiles where a rest is left
 * @param read the load's coordinates when loop variables have other values
 */
export function fillTile(
  tile: Tile,
  extentOf: (variable: string) => number,
  read: (values: ReadonlyMap<string, Expr>) => Expr,
): ForStatement {
  const extents = tile.sides.map(({ name }) => extentOf(name));
  const vectors = tile.vectors && extents[0]! % LANES === 0;
  const lane = `${tile.name}.i`;
  const steps = elementCount(extents) / (vectors ? LANES : 1);
  let left: Expr = axis(tile.name, steps);
  const values = new Map<string, Expr>();
  tile.sides.forEach(({ name }, i) => {
    const count = vectors && i === 0 ? extents[i]! / LANES : extents[i]!;
    const own = i === tile.sides.length - 1 ? left : floormod(left, count);
    values.set(name, vectors && i === 0 ? add(mul(own, int(LANES)), axis(lane, LANES)) : own);
    left = floordiv(left, count);
  });
  const place = placeInTile(tile, (variable) => values.get(variable)!);
  const store: Statement = { kind: "store", buffer: tile.buffer, index: [place], value: read(values) };
  const body: Statement[] = vectors
    ? [{ kind: "for", mode: "vector", variable: lane, from: 0, extent: LANES, lanes: LANES, body: [store] }]
    : [store];
  return { kind: "for", mode: "together", variable: tile.name, from: 0, extent: steps, body };
}
