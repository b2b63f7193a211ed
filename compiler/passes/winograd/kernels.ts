/**
 * A convolution by minimal filtering, as assignments. In: a sliding window, the size of tiles, the blocks of tiles,
 * and the numbers of the values in between. Out: the assignment that transforms the weights, and for a block of
 * tiles those that transform the input, multiply, and transform the products back, with the epilogue that followed
 * the sum. Invariant: planes, one for each element of a transformed tile, are independent products of matrices of
 * tiles by channels; channels lie innermost, so that all stages vectorise over them.
 */
import { acc, add, f32, int, loadTyped, mul, type Expr, type LoadExpr } from "../../ir/expr.ts";
import { range } from "../../ir/range.ts";
import { elementCount } from "../../ir/dtype.ts";
import { axesOf, rewrite, substituteAxes } from "../../ir/walk.ts";
import { coordinate, type Assign, type Axis, type Block } from "../../ir/kernel.ts";
import type { SlidingWindow, WindowAxes } from "./match.ts";
import { filterMatrices, type FilterMatrices } from "./matrices.ts";
import { evenRegions, tilesIn, type Region, type TileDim } from "./tiling.ts";
import { transformedElement } from "./transform.ts";

/** Floats of a cache line. */
const LINE = 16;

export interface Filtering {
  readonly window: SlidingWindow;
  /** Elements of a transformed tile along each dimension of the window; it has one result less for each further tap. */
  readonly length: number;
  /** Shape of the window's input, for what lies beyond it. */
  readonly inputShape: readonly number[];
}

/** What is between the stages: numbers of values, and how many tiles they hold. */
export interface Between {
  readonly tiles: number;
  readonly weights: number;
  readonly planes: number;
  readonly products: number;
}

/** Elements of a transformed tile: how many products of matrices there are. */
export function planeCount({ window, length }: Filtering): number {
  return length ** window.window.length;
}

/** Results of a tile along a dimension of the window. */
export function tileSize({ length }: Filtering, { tap }: WindowAxes): number {
  return length + 1 - tap.extent;
}

/** Where tiles lie: the images, and the dimensions along which the window slides. */
export function tileDims(filtering: Filtering): TileDim[] {
  const { images, window } = filtering.window;
  return [
    ...images.map(({ name, extent }) => ({ name, extent, size: 1, last: 1 })),
    ...window.map((dim) => {
      const { name, extent } = dim.result;
      const size = tileSize(filtering, dim);
      return { name, extent: Math.ceil(extent / size), size, last: extent % size || size };
    }),
  ];
}

/** Rows of one plane in memory for so many tiles, and the floats of a row for so many channels. */
interface PlaneShape {
  readonly rows: number;
  readonly width: number;
}

/**
 * One tile's elements lie a plane apart. Were that a multiple of 4096 bytes, they would all fall into the same set of
 * a first-level cache and evict one another before their lines are full.
 */
function planeShape(tiles: number, channels: number): PlaneShape {
  const spread = ({ rows, width }: PlaneShape): boolean => (rows * width) % (4 * LINE) !== 0;
  const shapes = [0, 1].flatMap((more) =>
    [0, LINE].map((wider) => ({ rows: tiles + more, width: channels + wider })),
  );
  return shapes.find(spread) ?? shapes[0]!;
}

/** Shape of what holds `channels` of `tiles` tiles for each plane. */
export function planesShape(filtering: Filtering, tiles: number, channels: number): readonly number[] {
  const { rows, width } = planeShape(tiles, channels);
  return [planeCount(filtering) * rows, width];
}

export function weightsShape(filtering: Filtering): readonly number[] {
  const { groups, depth, columns } = filtering.window;
  return [...planeAxes(filtering, ""), ...groups, ...depth, ...columns].map((a) => a.extent);
}

function matricesOf(filtering: Filtering): FilterMatrices[] {
  return filtering.window.window.map((dim) => filterMatrices(tileSize(filtering, dim), dim.tap.extent));
}

/** One axis per dimension over the elements of a transformed tile. */
function planeAxes({ window, length }: Filtering, tag: string): Axis[] {
  return window.window.map((_, d) => ({ name: `plane${d}${tag}`, extent: length }));
}

/** Row-major position of coordinates. */
function position(axes: readonly { readonly extent: number }[], at: readonly Expr[]): Expr {
  return at.reduce<Expr>((sum, e, d) => add(mul(sum, int(axes[d]!.extent)), e), int(0));
}

/** The row of a plane that holds `channels` of a tile. */
function row({ tiles }: Between, channels: readonly Axis[], plane: Expr, tile: Expr): Expr {
  const { rows } = planeShape(tiles, elementCount(channels.map((a) => a.extent)));
  return add(mul(plane, int(rows)), tile);
}

function coordinates(axes: readonly Axis[]): Expr[] {
  return axes.map(coordinate);
}

/** Weights by plane, then by channel of the input and of the result. */
export function weightsAssign(filtering: Filtering, out: number): Assign {
  const { weights, window, groups, depth, columns } = filtering.window;
  const planes = planeAxes(filtering, "");
  const channels = [...groups, ...depth, ...columns];
  const matrices = matricesOf(filtering).map((m) => m.weights);
  const value = transformedElement(matrices, planes, (at) =>
    substituteAxes(weights, new Map(window.map(({ tap }, d) => [tap.name, int(at[d]!)]))),
  );
  return {
    kind: "assign",
    axes: [...planes, ...channels],
    value,
    out,
    index: coordinates([...planes, ...channels]),
  };
}

/** The three stages for one region of tiles. `tag` keeps the names of axes apart from those of other regions. */
export function regionBlocks(filtering: Filtering, region: Region, between: Between, tag: string): Block[] {
  return [
    inputAssign(filtering, region, between, tag),
    ...productBlocks(filtering, region, between, tag),
    ...outputAssigns(filtering, region, between, tag),
  ];
}

/** Names of result axes of the window, to the first result of the tile at `at`, a coordinate per span. */
function tileOrigins(region: Region, at: readonly Expr[]): Map<string, Expr> {
  return new Map(
    region.map(({ dim, start }, d) => [dim.name, mul(add(start, at[d]!), int(dim.size))] as const),
  );
}

export function inputAssign(filtering: Filtering, region: Region, between: Between, tag: string): Assign {
  const { input, window, groups, depth } = filtering.window;
  const planes = planeAxes(filtering, tag);
  const tiles = region.map(({ dim, count }): Axis => ({ name: `${dim.name}.tile${tag}`, extent: count }));
  const channels = [...groups, ...depth];
  const origins = tileOrigins(region, coordinates(tiles));
  const matrices = matricesOf(filtering).map((m) => m.input);
  // The first element of a tile; each tap moves along one dimension of the input, one element for each.
  for (const { tap } of window) origins.set(tap.name, int(0));
  const first = input.index.map((e) => substituteAxes(e, origins));
  const dims = window.map(({ tap }) => input.index.findIndex((e) => axesOf(e).has(tap.name)));
  const value = transformedElement(matrices, planes, (at) => {
    const index = [...first];
    dims.forEach((dim, d) => (index[dim] = add(first[dim]!, int(at[d]!))));
    return loadTyped(input.buffer, input.type, index, padOf(input, index, filtering.inputShape));
  });
  const channel = position(channels, coordinates(channels));
  const tile = position(tiles, coordinates(tiles));
  return {
    kind: "assign",
    axes: [...planes, ...tiles, ...channels],
    value,
    out: between.planes,
    index: [row(between, channels, position(planes, coordinates(planes)), tile), channel],
  };
}

/** The last tiles may reach further than any window does; what they read there has no part in any result. */
function padOf({ pad }: LoadExpr, index: readonly Expr[], shape: readonly number[]): number | undefined {
  if (pad !== undefined) return pad;
  const leaves = index.some((e, d) => {
    const [low, high] = range(e);
    return low < 0 || high >= shape[d]!;
  });
  return leaves ? 0 : undefined;
}

/** Input channels whose products are summed up before they are added to those of others. */
const CHUNK = 32;

/**
 * Channels of a chunk, where there are several. Short sums of sums round less than one long sum, whose error grows
 * with its length, and a chunk of all tiles and of a panel of weights fits the first-level cache.
 */
function chunkOf({ depth }: SlidingWindow): number | undefined {
  const [axis] = depth;
  if (depth.length !== 1 || axis!.extent < CHUNK * 1.5) return undefined;
  for (let by = CHUNK; by >= CHUNK / 2; by--) if (axis!.extent % by === 0) return by;
  return undefined;
}

/** Products of the transformed tiles and the transformed weights, summed over the input's channels. */
export function productBlocks(filtering: Filtering, region: Region, between: Between, tag: string): Block[] {
  const { groups, depth, columns } = filtering.window;
  const planes = planeAxes(filtering, `${tag}.p`);
  const tile: Axis = { name: `tile${tag}`, extent: tilesIn(region) };
  const at = (channels: readonly Axis[]): Expr[] => [
    row(between, channels, position(planes, coordinates(planes)), coordinate(tile)),
    position(channels, coordinates(channels)),
  ];
  const weights = [...groups, ...depth, ...columns];
  const results = [...groups, ...columns];
  const body = mul(
    loadTyped(between.planes, "f32", at([...groups, ...depth])),
    loadTyped(between.weights, "f32", coordinates([...planes, ...weights])),
  );
  const target = { out: between.products, index: at(results) };
  const chunk = chunkOf(filtering.window);
  if (chunk === undefined) {
    const reduce = { op: "sum", axes: depth, body } as const;
    return [{ kind: "assign", axes: [...planes, tile, ...results], reduce, value: acc("f32"), ...target }];
  }
  const [whole] = depth as [Axis];
  const chunks: Axis = { name: `${whole.name}${tag}.chunk`, extent: whole.extent / chunk };
  const within: Axis = { name: `${whole.name}${tag}.within`, extent: chunk };
  const by = new Map([[whole.name, add(mul(coordinate(chunks), int(chunk)), coordinate(within))]]);
  const sum: Assign = {
    kind: "assign",
    axes: [tile, ...results],
    reduce: { op: "sum", axes: [within], body: substituteAxes(body, by) },
    value: add(loadTyped(between.products, "f32", target.index), acc("f32")),
    ...target,
  };
  const zero: Assign = { kind: "assign", axes: [tile, ...results], value: f32(0), ...target };
  const loop = (axis: Axis, carried: boolean, inside: readonly Block[]): Block => ({ kind: "loop", axis, carried, body: inside }); // prettier-ignore
  return planes.reduceRight<Block[]>(
    (inside, plane) => [loop(plane, false, inside)],
    [zero, loop(chunks, true, [sum])],
  );
}

export function outputAssigns(filtering: Filtering, region: Region, between: Between, tag: string): Assign[] {
  const { assign, window, images, groups, columns } = filtering.window;
  const channels = [...groups, ...columns];
  const channel = position(channels, coordinates(channels));
  const all = region.map(({ count: extent }) => ({ extent }));
  const { rows } = planeShape(between.tiles, elementCount(channels.map((a) => a.extent)));
  const matrices = matricesOf(filtering).map((m) => m.output);
  return evenRegions(region).map(({ region: part, offsets }, k): Assign => {
    const own = `${tag}.${k}`;
    const tiles = part.map(({ dim, count: extent }): Axis => ({ name: `${dim.name}.tile${own}`, extent }));
    const results = part.slice(images.length).map(({ dim, partial }, d): Axis => ({
      name: `result${d}${own}`,
      extent: partial ? dim.last : dim.size,
    }));
    const by = tileOrigins(part, coordinates(tiles));
    window.forEach(({ result }, d) =>
      by.set(result.name, add(by.get(result.name)!, coordinate(results[d]!))),
    );
    const tile = position(all, tiles.map((a, d) => add(coordinate(a), int(offsets[d]!)))); // prettier-ignore
    const sum = transformedElement(matrices, results, (at) => {
      const plane = at.reduce((number, k) => number * filtering.length + k, 0);
      return loadTyped(between.products, "f32", [add(tile, int(plane * rows)), channel]);
    });
    const moved = substituteAxes(assign.value, by);
    return {
      kind: "assign",
      axes: [...tiles, ...results, ...channels],
      value: rewrite(moved, (x) => (x.kind === "acc" ? sum : undefined)),
      out: assign.out,
      index: assign.index.map((e) => substituteAxes(e, by)),
    };
  });
}
