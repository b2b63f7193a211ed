/**
 * Places everything in one memory. In: blocks with sizes and lifetimes. Out: an address for each. Invariant: blocks
 * whose lifetimes overlap do not overlap in memory; addresses are multiples of 64. Largest first, each at the
 * lowest address where it fits: greedy by size (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net
 * Inference", 2020), which stays within a few percent of the bound on networks.
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

const ALIGNMENT = 64;

/** Unused bytes at the start, so that no valid address is 0, and after each block, for vector loads that overrun. */
export const RESERVED = 64;
const SLACK = 16;

export function planMemory(
  blocks: readonly MemoryBlock[],
  options: { readonly reuse?: boolean } = {},
): MemoryPlan {
  const reuse = options.reuse ?? true;
  const sized = blocks.map((b) => ({ ...b, size: alignUp(b.bytes + SLACK) }));
  const bySize = sized.toSorted((a, b) => b.size - a.size || a.from - b.from || (a.id < b.id ? -1 : 1));
  const placed: { address: number; size: number; from: number; to: number }[] = [];
  const addresses = new Map<string, number>();
  let end = RESERVED;
  for (const block of bySize) {
    const conflicts = placed
      .filter((p) => !reuse || (p.from <= block.to && block.from <= p.to))
      .sort((a, b) => a.address - b.address);
    let address = RESERVED;
    for (const p of conflicts) {
      if (address + block.size <= p.address) break;
      address = Math.max(address, p.address + p.size);
    }
    placed.push({ address, size: block.size, from: block.from, to: block.to });
    addresses.set(block.id, address);
    end = Math.max(end, address + block.size);
  }
  const steps = new Set(sized.map((b) => b.from));
  let bound = 0;
  for (const step of steps) {
    let alive = 0;
    for (const b of sized) if (b.from <= step && step <= b.to) alive += b.size;
    bound = Math.max(bound, alive);
  }
  return { addresses, end, bound };
}

function alignUp(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
