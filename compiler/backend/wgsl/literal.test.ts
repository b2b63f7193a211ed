/** Constants of WGSL: text that reads as the same bits, and that WGSL takes. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { literal } from "./literal.ts";

const LARGEST = 3.4028234663852886e38;
const noBits = (word: number): string => {
  throw new Error(`bits ${word}`);
};
const read = (text: string): number => Number(text.replace(/[()f]/g, ""));

it("writes every finite float so that it reads as itself, and within the range of f32", () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
      fc.pre(!Object.is(value, -0));
      const decimal = read(literal("f32", value, noBits));
      expect(Math.fround(decimal)).toBe(value);
      expect(Math.abs(decimal)).toBeLessThanOrEqual(LARGEST);
    }),
    { examples: [[LARGEST], [-LARGEST]] },
  );
});
