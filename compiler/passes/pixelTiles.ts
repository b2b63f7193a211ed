/**
 * Windows and the products that read them as one dispatch. In: calls of a GPU in the order of a run. Out: the same, with each
 * depthwise convolution (or any sum over a short window) joined with the 1x1 convolution that alone reads it. Invariant:
 * what was written between the two is scratch of one tile of pixels, small enough for memory of a workgroup, and each of
 * its elements is computed once; no value that anything else reads is gone.
 */
import { elementCount } from "../ir/dtype.ts";
import { add, int, loadTyped, mul, type Expr, type LoadExpr } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import {
  coordinate,
  singleAssign,
  type Assign,
  type Axis,
  type Block,
  type Buffer,
  type Kernel,
  type Reduction,
} from "../ir/kernel.ts";
import { rootsOf, type Call, type KernelCall, type ProgramValue } from "../ir/program.ts";
import { rewrite, substituteAxes, visit } from "../ir/walk.ts";
import { soleLoad } from "../lower/pack.ts";
import { WORKGROUP_SCRATCH } from "../lower/workgroup.ts";
import { isFill } from "./fills.ts";
import { joined } from "./sequence.ts";
import { nanosecondsOf } from "./time.ts";

/** Points of a window; longer sums are worth tiles of their own. */
const MOST_TAPS = 25;
const WORD = 4;

export interface PixelLimits {
  /** Pixels of a tile: with fewer, the weights of the product are read too often; with more, cores are idle. */
  readonly least: number;
  readonly most: number;
  /** Nanoseconds up to which one workgroup does both anyway; see joinShort. */
  readonly sequence: number;
}

/** Joins neighbours of the two kinds. `kept`: values that others than these calls ask for. */
export function joinPixels(
  calls: readonly Call[],
  values: ReadonlyMap<ValueId, ProgramValue>,
  kept: ReadonlySet<ValueId>,
  limits: PixelLimits,
): Call[] {
  const rootOf = rootsOf(values);
  const sharers = new Map<ValueId, number>();
  for (const id of values.keys()) sharers.set(rootOf(id), (sharers.get(rootOf(id)) ?? 0) + 1);
  const readers = new Map<ValueId, number>();
  for (const { inputs } of calls)
    for (const id of new Set(inputs)) readers.set(id, (readers.get(id) ?? 0) + 1);
  const result: Call[] = [];
  for (const call of calls) {
    const before = result.at(-1);
    const both = before && joinable(before, call) ? tiled(before as KernelCall, call as KernelCall, limits) : undefined; // prettier-ignore
    if (both) result[result.length - 1] = both;
    else result.push(call);
  }
  return result;

  function joinable(first: Call, second: Call): boolean {
    if (first.kind !== "kernel" || second.kind !== "kernel" || first.outputs.length !== 1) return false;
    const [between] = first.outputs as [ValueId];
    const [out] = second.outputs;
    if (second.outputs.length !== 1 || readers.get(between) !== 1 || !second.inputs.includes(between)) return false; // prettier-ignore
    if (kept.has(between) || sharers.get(rootOf(between)) !== 1 || values.get(between)!.layout?.halo)
      return false;
    return [...first.inputs, ...second.inputs].every((id) => id === "" || rootOf(id) !== rootOf(out!));
  }
}

/** A dimension of what lies between, as each of the two runs over it. */
interface Dimension {
  readonly first: Axis;
  readonly second: Axis;
}

/** A window and the product that reads it, in one kernel, and how its pixels are divided. */
interface Pair {
  readonly call: KernelCall;
  readonly first: Assign;
  readonly second: Assign & { readonly reduce: Reduction };
  /** Where the second reads what the first writes. */
  readonly load: LoadExpr;
  readonly image: readonly Dimension[];
  readonly channel: Dimension;
  /** Of each dimension of the image, how much of it is in a tile. */
  readonly tile: readonly number[];
}

function tiled(one: KernelCall, other: KernelCall, limits: PixelLimits): KernelCall | undefined {
  const [a, b] = [one, other].map(({ kernel }) => singleAssign(withoutBorders(kernel)));
  if (!a?.reduce || !b?.reduce || a.reduce.op !== "sum" || b.reduce.op !== "sum") return undefined;
  if (elementCount(a.reduce.axes.map((x) => x.extent)) > MOST_TAPS || b.reduce.axes.length === 0) return undefined; // prettier-ignore
  if (nanosecondsOf([a, b]) <= limits.sequence) return undefined;
  const pair = pairOf(joined([one, other]), limits);
  return pair && { ...pair.call, kernel: byTiles(pair), outputs: other.outputs };
}

/** What of two neighbours' kernel is the image and what its channels; undefined where one reads more than a tile. */
function pairOf(call: KernelCall, limits: PixelLimits): Pair | undefined {
  const [first, second] = withoutBorders(call.kernel).body as [Assign, Pair["second"]];
  const buffer = call.kernel.buffers[first.out]!;
  const load = soleLoad(second, first.out);
  if (!load || load.pad !== undefined || buffer.dtype !== "float32") return undefined;
  const image: Dimension[] = [];
  let channel: Dimension | undefined;
  for (const [d, extent] of buffer.shape.entries()) {
    const [x, y] = [first.index[d]!, load.index[d]!];
    if (x.kind === "const" && y.kind === "const" && x.value === y.value) continue;
    if (x.kind !== "axis" || y.kind !== "axis" || x.extent !== extent || y.extent !== extent)
      return undefined;
    const written = first.axes.find(({ name }) => name === x.name);
    const read = second.axes.find(({ name }) => name === y.name);
    const summed = second.reduce.axes.find(({ name }) => name === y.name);
    if (written && read) image.push({ first: written, second: read });
    else if (written && summed && !channel) channel = { first: written, second: summed };
    else return undefined;
  }
  if (!channel || image.length === 0) return undefined;
  // All channels of a pixel are summed over, and nothing else is.
  if (second.reduce.axes.some((x) => x !== channel.second && x.extent > 1)) return undefined;
  const own = new Set([...image, channel].map((d) => d.first.name));
  if (first.axes.some((x) => x.extent > 1 && !own.has(x.name))) return undefined;
  const extents = image.map((d) => d.first.extent);
  const tile = tileOf(extents, channel.first.extent, limits);
  return tile && { call, first, second, load, image, channel, tile };
}

/** Loops over tiles, and in them both assignments, with scratch of a tile between. */
function byTiles({ call: { kernel }, first, second, load, image, channel, tile }: Pair): Kernel {
  const loops: Axis[] = [];
  const inTile = new Map<string, Axis>();
  const whole = new Map<string, Expr>();
  image.forEach((d, i) => {
    const count = d.first.extent / tile[i]!;
    const outer: Axis = { name: `${d.first.name}.t`, extent: count };
    if (count > 1) loops.push(outer);
    for (const { name } of [d.first, d.second]) {
      const inner: Axis = { name, extent: tile[i]! };
      inTile.set(name, inner);
      whole.set(name, add(mul(count > 1 ? coordinate(outer) : int(0), int(tile[i]!)), coordinate(inner)));
    }
  });
  // The buffer between is gone from the list, its scratch the last.
  const between = first.out;
  const scratch = kernel.buffers.length - 1;
  const moved = (number: number): number => (number === between ? scratch : number > between ? number - 1 : number); // prettier-ignore
  const place = (side: keyof Dimension): Expr[] => [
    ...image.map((d) => coordinate(inTile.get(d[side].name)!)),
    coordinate(channel[side]),
  ];
  const change = (e: Expr): Expr => {
    // The load of what lies between goes first: its coordinates are those of the tile.
    const marked = rewrite(e, (x) => (x === load ? loadTyped(MARK, load.type, []) : undefined));
    const rest = renumbered(substituteAxes(marked, whole), moved);
    return rewrite(rest, (x) => (x.kind === "load" && x.buffer === MARK ? loadTyped(scratch, load.type, place("second")) : undefined)); // prettier-ignore
  };
  const changed = (assign: Assign): Assign => ({
    ...assign,
    axes: assign.axes.map((x) => inTile.get(x.name) ?? x),
    out: moved(assign.out),
    index: assign.index.map(change),
    value: change(assign.value),
    reduce: { ...assign.reduce!, body: change(assign.reduce!.body) },
  });
  const tiles = loops.reduceRight<readonly Block[]>(
    (inner, x) => [{ kind: "loop", axis: x, carried: false, body: inner }],
    [{ ...changed(first), out: scratch, index: place("first") }, changed(second)],
  );
  const temp: Buffer = {
    name: `tile${scratch}`,
    dtype: kernel.buffers[between]!.dtype,
    role: "temp",
    shape: [...tile, channel.first.extent],
  };
  // Borders are written once, by calls of their own (fills.ts).
  const borders = kernel.body.filter(isFill);
  return {
    ...kernel,
    buffers: [...kernel.buffers.filter((_, i) => i !== between), temp],
    body: [...borders.map((x) => ({ ...x, out: moved(x.out) })), ...tiles],
  };
}

function withoutBorders(kernel: Kernel): Kernel {
  return kernel.body.some(isFill) ? { ...kernel, body: kernel.body.filter((b) => !isFill(b)) } : kernel;
}

/** Stands for the load while all else is changed. */
const MARK = -1;

function renumbered(e: Expr, moved: (number: number) => number): Expr {
  let loads = false;
  visit(e, (x) => (loads ||= x.kind === "load"));
  if (!loads) return e;
  return rewrite(e, (x) => (x.kind === "load" && moved(x.buffer) !== x.buffer ? loadTyped(moved(x.buffer), x.type, x.index, x.pad) : undefined)); // prettier-ignore
}

/** Whole lines of an image, or equal parts of one: the largest tile within the limits. */
function tileOf(
  extents: readonly number[],
  channels: number,
  { least, most }: PixelLimits,
): readonly number[] | undefined {
  const room = Math.min(most, Math.floor(WORKGROUP_SCRATCH / WORD / channels));
  const tile = extents.map(() => 1);
  let left = room;
  for (let d = extents.length - 1; d >= 0; d--) {
    const extent = extents[d]!;
    let by = Math.min(extent, left);
    while (extent % by !== 0) by--;
    tile[d] = by;
    left = Math.floor(left / by);
    if (by < extent || left < 1) break;
  }
  return elementCount(tile) >= Math.min(least, elementCount(extents)) && room >= 1 ? tile : undefined;
}
