/** The memory that programs of a model have in common: what it counts. */
import { expect, it } from "vitest";
import { CommonMemory } from "./commonMemory.ts";

const MEGABYTE = 2 ** 20;

it("is worth starting over when most of it is nobody's, and weights are somebody's", () => {
  const memory = new CommonMemory(undefined, 1);
  expect(memory.place).toEqual({ base: 0, residents: new Map() });
  const first = memory.took(110 * MEGABYTE, [{ number: 3, address: 64, bytes: 100 * MEGABYTE }]);
  expect(memory.place).toEqual({ base: 110 * MEGABYTE, residents: new Map([[3, 64]]) });
  memory.left(first);
  expect(memory.isWasted).toBe(false);
  for (let end = 130; end < 210; end += 20) memory.left(memory.took(end * MEGABYTE, []));
  expect(memory.isWasted).toBe(false);
  memory.left(memory.took(250 * MEGABYTE, []));
  expect(memory.isWasted).toBe(true);
});

it("grows, keeps what is in it, and says when it cannot", () => {
  const memory = new CommonMemory(3 * 65536, 1);
  const before = memory.upTo(65536);
  new Uint8Array(before.buffer)[7] = 9;
  expect(memory.upTo(2 * 65536 + 1)).toBe(before);
  expect(new Uint8Array(before.buffer)[7]).toBe(9);
  expect(before.buffer.byteLength).toBe(3 * 65536);
  expect(() => memory.upTo(4 * 65536)).toThrow(expect.objectContaining({ code: "out-of-memory" }));
});
