/** The memory plan against its definition: each block, largest first, at the lowest address that is free while it lives. */
import { describe, expect, it } from "vitest";
import { planMemory, RESERVED, type MemoryBlock } from "./memory.ts";

/** The same plan, by comparing each block with all before it. */
function bySearch(blocks: readonly MemoryBlock[], reuse: boolean): Map<string, number> {
  const sized = blocks.map((b) => ({ ...b, size: Math.ceil((b.bytes + 16) / 64) * 64 }));
  sized.sort((a, b) => b.size - a.size || a.from - b.from || (a.id < b.id ? -1 : 1));
  const placed: { address: number; size: number; from: number; to: number }[] = [];
  const addresses = new Map<string, number>();
  for (const block of sized) {
    const alive = placed.filter((p) => !reuse || (p.from <= block.to && block.from <= p.to));
    let address = RESERVED;
    for (const p of alive.sort((a, b) => a.address - b.address)) {
      if (address + block.size <= p.address) break;
      address = Math.max(address, p.address + p.size);
    }
    placed.push({ ...block, address });
    addresses.set(block.id, address);
  }
  return addresses;
}

function randomBlocks(count: number, steps: number, seed: number): MemoryBlock[] {
  let state = seed;
  const next = (below: number): number => (state = (state * 48271) % 2147483647) % below;
  return Array.from({ length: count }, (_, i) => {
    const kind = next(10);
    // Weights live for ever, raw weights until they are packed, panels from then on, activations for a while.
    const from = kind < 2 ? -1 : next(steps);
    const to = kind === 0 || kind === 2 ? steps : Math.min(steps, from + next(kind < 4 ? steps : 6));
    return { id: `b${i}`, bytes: next(kind < 5 ? 5000 : 700), from, to };
  });
}

describe("memory plan", () => {
  it.each([1, 2, 3, 4, 5, 6])("is the greedy one by size (seed %i)", (seed) => {
    const blocks = randomBlocks(300, 150, seed);
    for (const reuse of [true, false])
      expect(planMemory(blocks, { reuse }).addresses).toEqual(bySearch(blocks, reuse));
  });

  it("is bound by the most bytes alive at a step", () => {
    const blocks = randomBlocks(200, 60, 7);
    const alive = Array.from(
      { length: 62 },
      (_, at) =>
      blocks.reduce((sum, b) => sum + (b.from <= at - 1 && at - 1 <= b.to ? Math.ceil((b.bytes + 16) / 64) * 64 : 0), 0), // prettier-ignore
    );
    expect(planMemory(blocks).bound).toBe(Math.max(...alive));
  });

  it("plans nothing", () => {
    expect(planMemory([])).toEqual({ addresses: new Map(), end: RESERVED, bound: 0 });
  });
});
