/** The memory plan: what lives at the same time never overlaps, and the plan is not far from the least possible. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { planMemory, RESERVED, type MemoryBlock } from "./memory.ts";

const randomBlocks: fc.Arbitrary<readonly MemoryBlock[]> = fc
  .array(
    fc.record({
      bytes: fc.oneof(fc.nat(300), fc.nat(100_000)),
      first: fc.integer({ min: -1, max: 30 }),
      length: fc.nat(12),
    }),
    { maxLength: 40 },
  )
  .map((all) =>
    all.map(({ bytes, first, length }, i) => ({ id: `b${i}`, bytes, from: first, to: first + length })),
  );

it("blocks that live at the same time keep apart, with room after each for vector loads that overrun", () => {
  fc.assert(
    fc.property(randomBlocks, fc.boolean(), (blocks, reuse) => {
      const { addresses, end, bound } = planMemory(blocks, { reuse });
      for (const [i, a] of blocks.entries()) {
        const at = addresses.get(a.id)!;
        expect(at % 64).toBe(0);
        expect(at).toBeGreaterThanOrEqual(RESERVED);
        expect(at + a.bytes + 16).toBeLessThanOrEqual(end);
        for (const b of blocks.slice(i + 1)) {
          if (reuse && (a.to < b.from || b.to < a.from)) continue;
          const other = addresses.get(b.id)!;
          const apart = at + a.bytes + 16 <= other || other + b.bytes + 16 <= at;
          expect(
            apart,
            `${a.id} at ${at} (${a.bytes} bytes) and ${b.id} at ${other} (${b.bytes} bytes)`,
          ).toBe(true);
        }
      }
      expect(end).toBeGreaterThanOrEqual(RESERVED + bound);
    }),
  );
});

it("a chain of layers takes the memory of its largest two neighbours", () => {
  const bytes = [1000, 8000, 6000, 8000, 200, 4000];
  const blocks = bytes.map((size, i): MemoryBlock => ({ id: `layer${i}`, bytes: size, from: i, to: i + 1 }));
  const { end, bound } = planMemory(blocks);
  expect(end).toBe(RESERVED + bound);
  expect(bound).toBe(planMemory([blocks[1]!, blocks[2]!]).end - RESERVED);
});

it("without reuse every block has memory of its own", () => {
  const blocks = [0, 1, 2].map((i): MemoryBlock => ({ id: `${i}`, bytes: 48, from: i, to: i }));
  expect(planMemory(blocks, { reuse: false }).end).toBe(RESERVED + 3 * 64);
  expect(planMemory(blocks).end).toBe(RESERVED + 64);
});

it("the same blocks in another order get the same addresses", () => {
  fc.assert(
    fc.property(
      randomBlocks.chain((blocks) => fc.tuple(fc.constant(blocks), fc.shuffledSubarray([...blocks], { minLength: blocks.length }))),
      ([blocks, shuffled]) => {
        expect(new Map([...planMemory(shuffled).addresses].sort())).toEqual(new Map([...planMemory(blocks).addresses].sort()));
      },
    ),
    { numRuns: 50 },
  );
}); // prettier-ignore
