/**
 * Whether minimal filtering pays, and with which tiles. In: a sliding window. Out: the size of tiles and the shape of
 * blocks with the least estimated cycles, or nothing where the direct sum is as good. The model is the scheduler's
 * core (two multiply-adds, two loads and one store of four lanes a cycle) with caches behind it. Invariant: an
 * estimate errs on the side of the direct sum.
 */
import { elementCount } from "../../ir/dtype.ts";
import { planeCount, tileDims, type Filtering } from "./kernels.ts";
import { blockShape, isWhole, tilesOf, type BlockShape } from "./tiling.ts";
import type { SlidingWindow } from "./match.ts";

/** Elements of a transformed tile along each dimension of the window, see {@link Filtering}. */
export type TileLength = 4 | 6;

export interface Choice {
  readonly filtering: Filtering;
  readonly blocks: BlockShape;
  readonly cycles: number;
}

/** Multiply-adds that a core does in a cycle. */
const MULTIPLY_ADDS = 8;
/** Share of them that a product of matrices reaches, and a direct sum. */
const PRODUCT_RATE = 0.85;
const DIRECT_RATE = 0.9;
/** Fewer channels fill neither vectors nor register tiles. */
const LEAST_CHANNELS = 8;
/** What saves less, about five microseconds, is not worth its code. */
const LEAST_CYCLES = 20_000;
/** Bytes of transformed input and products of a block that stay in the second-level cache. */
const BLOCK_BYTES = 512 * 1024;
/** Tiles below which panels of weights are read for too little work. */
const FEW_TILES = 12;
/** Bytes of transformed tiles up to which all of them may be one block: what the third level holds easily. */
const WHOLE_BYTES = 2 * 1024 * 1024;
/** Bytes that a core gets from beyond its second-level cache in a cycle, and those for which that is so. */
const FAR_BYTES_PER_CYCLE = 4;
/**
 * What holding a byte more of weights may save in cycles of each run, at least: a megabyte a tenth of a millisecond.
 * Tiles of 4 x 4 keep four times the weights, tiles of 2 x 2 less than twice as many, and where an image is small,
 * 7 x 7 say, reading them takes what is saved in multiplications.
 */
const CYCLES_PER_BYTE = 0.3;

/** @param room most tiles of a block; what caches hold where not given */
export function chooseFiltering(
  window: SlidingWindow,
  inputShape: readonly number[],
  lengths: readonly TileLength[],
  leastGain: number,
  room?: number,
): Choice | undefined {
  const channelsIn = elementCount(window.depth.map((a) => a.extent));
  const channelsOut = elementCount(window.columns.map((a) => a.extent));
  if (leastGain > 0 && Math.min(channelsIn, channelsOut) < LEAST_CHANNELS) return undefined;
  if (window.window.length > 2 || window.columns.length !== 1 || window.depth.length !== 1) return undefined;
  const choices = lengths
    .filter((length) => window.window.every(({ tap }) => length - tap.extent >= 1))
    .map((length): Choice => {
      const filtering = { window, length, inputShape };
      const blocks = room === undefined ? blocksOf(filtering) : blockShape(tileDims(filtering), room);
      return { filtering, blocks, cycles: cyclesOf(filtering, blocks) };
    })
    .sort((a, b) => a.cycles + priceOf(a.filtering) - b.cycles - priceOf(b.filtering));
  const [best] = choices;
  if (!best || leastGain === 0) return best;
  const direct = directCycles(window);
  const taps = elementCount(window.window.map(({ tap }) => tap.extent));
  const price = Math.max(0, priceOf(best.filtering) - CYCLES_PER_BYTE * weightBytes(window, taps));
  const gain = direct - best.cycles - price;
  return best.cycles * leastGain + price < direct && gain > LEAST_CYCLES ? best : undefined;
}

/** Bytes of weights with so many elements for each pair of channels. */
function weightBytes(window: SlidingWindow, elements: number): number {
  const channels = channelsOf(window);
  return (elements * channels.in * channels.out * 4) / channels.groups;
}

function priceOf(filtering: Filtering): number {
  return CYCLES_PER_BYTE * weightBytes(filtering.window, planeCount(filtering));
}

function directCycles({ assign }: SlidingWindow): number {
  const points = elementCount(assign.axes.map((a) => a.extent));
  const depth = elementCount(assign.reduce!.axes.map((a) => a.extent));
  return (points * depth) / (MULTIPLY_ADDS * DIRECT_RATE);
}

function channelsOf({ groups, depth, columns }: SlidingWindow): { in: number; out: number; groups: number } {
  const count = elementCount(groups.map((a) => a.extent));
  return {
    groups: count,
    in: count * elementCount(depth.map((a) => a.extent)),
    out: count * elementCount(columns.map((a) => a.extent)),
  };
}

function blocksOf(filtering: Filtering): BlockShape {
  const dims = tileDims(filtering);
  const tiles = elementCount(dims.map((d) => d.extent));
  const channels = channelsOf(filtering.window);
  const perTile = planeCount(filtering) * (channels.in + channels.out) * 4;
  const all = dims.map((d) => d.extent);
  if (tiles * perTile <= WHOLE_BYTES || tiles <= FEW_TILES) return all;
  return blockShape(dims, Math.max(FEW_TILES, Math.floor(BLOCK_BYTES / perTile)));
}

function cyclesOf(filtering: Filtering, blocks: BlockShape): number {
  const dims = tileDims(filtering);
  const planes = planeCount(filtering);
  const tiles = elementCount(dims.map((d) => d.extent));
  const channels = channelsOf(filtering.window);
  const products =
    (tiles * planes * channels.in * channels.out) / channels.groups / (MULTIPLY_ADDS * PRODUCT_RATE);
  const transforms = (tiles * planes * (channels.in + channels.out) * 2.5) / 4;
  const passes = isWhole(dims, blocks) ? 1 : Math.ceil(tiles / tilesOf(blocks));
  const far = (weightBytes(filtering.window, planes) * passes) / FAR_BYTES_PER_CYCLE;
  return Math.max(products, far) + transforms;
}
