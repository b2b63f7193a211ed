/**
 * Places everything in one memory. In: blocks with sizes and lifetimes. Out: an address for each. Invariant: blocks
 * whose lifetimes overlap do not overlap in memory; addresses are multiples of 64, or of what is asked for. Largest first, each at the
 * lowest address where it fits: greedy by size (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net
 * Inference", 2020), which stays within a few percent of the bound on networks. What is taken at which steps is kept
 * in a segment tree over the steps, so that time grows little faster than the number of blocks.
 */

export interface MemoryBlock {
  readonly id: string;
  readonly bytes: number;
  /** First and last step at which the block's content matters, inclusive. */
  readonly from: number;
  readonly to: number;
}

export interface MemoryPlan {
  readonly addresses: ReadonlyMap<string, number>;
  /** End of the highest block. */
  readonly end: number;
  /** The least that any plan needs: the most bytes alive at one step. */
  readonly bound: number;
}

/**
 * What ids of blocks end with that are no values: no value's name does, and a model may call a weight anything.
 *
 * @param names of values
 */
export function markBeside(names: Iterable<string>): string {
  const all = [...names];
  let mark = "#";
  while (all.some((name) => name.endsWith(mark))) mark += "#";
  return mark;
}

const ALIGNMENT = 64;

/** Unused bytes at the start, so that no valid address is 0, and after each block, for vector loads that overrun. */
export const RESERVED = 64;
const SLACK = 16;

/** What a memory asks for; linear memory's own where left out. */
export interface MemoryOptions {
  readonly reuse?: boolean;
  /** Addresses are multiples of it. */
  readonly alignment?: number;
  /** Unused bytes at the start, a multiple of the alignment. */
  readonly reserved?: number;
  /** Unused bytes after each block. */
  readonly slack?: number;
}

export function planMemory(blocks: readonly MemoryBlock[], options: MemoryOptions = {}): MemoryPlan {
  const reuse = options.reuse ?? true;
  const { alignment = ALIGNMENT, reserved = RESERVED, slack = SLACK } = options;
  const sized = blocks.map((b) => ({ ...b, size: alignUp(b.bytes + slack, alignment) }));
  const bySize = sized.toSorted((a, b) => b.size - a.size || a.from - b.from || (a.id < b.id ? -1 : 1));
  const first = sized.reduce((least, b) => Math.min(least, b.from), 0);
  const last = sized.reduce((most, b) => Math.max(most, b.to), first);
  const occupied = new Occupied(first, last);
  const addresses = new Map<string, number>();
  let end = reserved;
  for (const block of bySize) {
    const [from, to] = reuse ? [block.from, block.to] : [first, last];
    let address = reserved;
    for (const range of occupied.during(from, to)) {
      if (address + block.size <= range.start) break;
      address = Math.max(address, range.end);
    }
    occupied.take(from, to, { start: address, end: address + block.size });
    addresses.set(block.id, address);
    end = Math.max(end, address + block.size);
  }
  return { addresses, end, bound: mostAlive(sized, first, last) };
}

/** The most bytes alive at one step. */
function mostAlive(
  blocks: readonly { readonly size: number; readonly from: number; readonly to: number }[],
  first: number,
  last: number,
): number {
  const change = new Float64Array(last - first + 2);
  for (const { size, from, to } of blocks) {
    change[from - first]! += size;
    change[to + 1 - first]! -= size;
  }
  let [alive, most] = [0, 0];
  for (const by of change) most = Math.max(most, (alive += by));
  return most;
}

/** Addresses from `start` up to, without, `end`. */
interface Range {
  readonly start: number;
  readonly end: number;
}

/** A stretch of steps, from `first` to `last`, that is split in halves as needed. */
interface Stretch {
  readonly first: number;
  readonly last: number;
  /** Taken during all of the stretch by what was taken for exactly such stretches. Ordered; none touch. */
  readonly throughout: Range[];
  /** Taken at some step of the stretch, by what reaches into it without being above it in the tree. */
  readonly somewhere: Range[];
  halves: readonly [Stretch, Stretch] | undefined;
}

/** Which addresses are taken at which steps. */
class Occupied {
  private readonly root: Stretch;

  constructor(first: number, last: number) {
    this.root = stretch(first, last);
  }

  take(from: number, to: number, range: Range): void {
    const visit = (at: Stretch): void => {
      if (to < at.first || at.last < from) return;
      unite(at.somewhere, range);
      if (from <= at.first && at.last <= to) {
        unite(at.throughout, range);
        return;
      }
      const middle = Math.floor((at.first + at.last) / 2);
      at.halves ??= [stretch(at.first, middle), stretch(middle + 1, at.last)];
      at.halves.forEach(visit);
    };
    visit(this.root);
  }

  /** What is taken at any of the steps, ordered by address; ranges may overlap. */
  during(from: number, to: number): Range[] {
    const found: Range[] = [];
    const visit = (at: Stretch): void => {
      if (to < at.first || at.last < from) return;
      if (from <= at.first && at.last <= to) {
        found.push(...at.somewhere);
        return;
      }
      found.push(...at.throughout);
      at.halves?.forEach(visit);
    };
    visit(this.root);
    return found.sort((a, b) => a.start - b.start);
  }
}

function stretch(first: number, last: number): Stretch {
  return { first, last, throughout: [], somewhere: [], halves: undefined };
}

/** Adds a range to ordered ranges of which none touch. */
function unite(ranges: Range[], { start, end }: Range): void {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ranges[middle]!.end < start) low = middle + 1;
    else high = middle;
  }
  let after = low;
  while (after < ranges.length && ranges[after]!.start <= end) after++;
  const united =
    after === low
      ? { start, end }
      : { start: Math.min(start, ranges[low]!.start), end: Math.max(end, ranges[after - 1]!.end) };
  ranges.splice(low, after - low, united);
}

function alignUp(bytes: number, alignment: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}
