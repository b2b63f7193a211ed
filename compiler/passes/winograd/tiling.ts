/**
 * Blocks of tiles. In: the dimensions over which tiles lie, and how many tiles one block may have. Out: regions that
 * together hold every tile once, some of them inside loops. Invariant: along each dimension tiles are counted from 0;
 * only the last one may have fewer results than the others, and a region in a loop never holds that one.
 */
import { add, axis, int, mul, type Expr } from "../../ir/expr.ts";
import type { Axis, Block } from "../../ir/kernel.ts";

/** A dimension over which tiles lie. */
export interface TileDim {
  readonly name: string;
  /** Tiles. */
  readonly extent: number;
  /** Results of a tile, and those of the last one that exist. */
  readonly size: number;
  readonly last: number;
}

/** The part of a dimension that a region covers. */
export interface Span {
  readonly dim: TileDim;
  readonly start: Expr;
  readonly count: number;
  /** Whether its last tile has fewer results than the others. */
  readonly partial: boolean;
}

/** Tiles of one block: a box. */
export type Region = readonly Span[];

export function tilesIn(region: Region): number {
  return region.reduce((product, { count }) => product * count, 1);
}

/** All tiles. */
export function wholeRegion(dims: readonly TileDim[]): Region {
  return dims.map((dim) => ({ dim, start: int(0), count: dim.extent, partial: dim.last !== dim.size }));
}

/** How many tiles of each dimension a block takes. */
export type BlockShape = readonly number[];

/**
 * The box of at most `room` tiles, dimensions filled from the last one on, that divides them with little rest.
 */
export function blockShape(dims: readonly TileDim[], room: number): BlockShape {
  let left = Math.max(1, room);
  const shape = new Array<number>(dims.length).fill(1);
  for (let d = dims.length - 1; d >= 0 && left > 1; d--) {
    const { extent } = dims[d]!;
    if (extent <= left) {
      shape[d] = extent;
      left = Math.floor(left / extent);
      continue;
    }
    // As few blocks as possible, all of about the same size.
    shape[d] = Math.ceil(extent / Math.ceil(extent / left));
    break;
  }
  return shape;
}

export function tilesOf(shape: BlockShape): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** Whether one block holds everything. */
export function isWhole(dims: readonly TileDim[], shape: BlockShape): boolean {
  return dims.every(({ extent }, d) => shape[d] === extent);
}

/**
 * Blocks over all tiles: `body` writes one region; `name` makes names of loops.
 */
export function overBlocks(
  dims: readonly TileDim[],
  shape: BlockShape,
  body: (region: Region) => Block[],
): Block[] {
  let loops = 0;
  const walk = (d: number, region: Region): Block[] => {
    const dim = dims[d];
    if (!dim) return body(region);
    const by = shape[d]!;
    const partial = dim.last !== dim.size;
    const whole =
      partial && dim.extent > by ? Math.floor((dim.extent - 1) / by) : Math.floor(dim.extent / by);
    const rest = dim.extent - whole * by;
    const blocks: Block[] = [];
    if (whole > 0) {
      const steps: Axis = { name: `${dim.name}.block${loops++}`, extent: whole };
      const span: Span = {
        dim,
        start: mul(axis(steps.name, steps.extent), int(by)),
        count: by,
        partial: partial && whole * by === dim.extent,
      };
      const inside = walk(d + 1, [...region, span]);
      if (whole > 1) blocks.push({ kind: "loop", axis: steps, carried: false, body: inside });
      else blocks.push(...inside);
    }
    if (rest > 0) {
      const start = int(whole * by);
      blocks.push(...walk(d + 1, [...region, { dim, start, count: rest, partial }]));
    }
    return blocks;
  };
  return walk(0, []);
}

/** A region cut where tiles become smaller: boxes of tiles that all have the same number of results. */
export function evenRegions(
  region: Region,
): { readonly region: Region; readonly offsets: readonly number[] }[] {
  let parts: { region: Span[]; offsets: number[] }[] = [{ region: [], offsets: [] }];
  for (const span of region) {
    const pieces: { span: Span; offset: number }[] = [];
    const full = span.partial ? span.count - 1 : span.count;
    if (full > 0) pieces.push({ span: { ...span, count: full, partial: false }, offset: 0 });
    if (span.partial)
      pieces.push({ span: { ...span, start: add(span.start, int(full)), count: 1 }, offset: full });
    parts = parts.flatMap((part) =>
      pieces.map((piece) => ({
        region: [...part.region, piece.span],
        offsets: [...part.offsets, piece.offset],
      })),
    );
  }
  return parts;
}
