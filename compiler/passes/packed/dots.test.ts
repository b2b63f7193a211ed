/** Contractions of bytes by words: the same integers as without, for every mix of types, zeros, shapes and paddings. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { randomContraction, resultOf, type ContractionOfBytes } from "../../../test/byteContractions.ts";
import { assignments } from "../../ir/kernel.ts";
import type { Program } from "../../ir/program.ts";
import { some } from "../../ir/walk.ts";
import { packDots } from "./dots.ts";

const ANY = { work: 1, uses: 0 };

function dotsOf({ calls }: Program): number {
  return calls.filter((call) => call.kind === "kernel" && assignments(call.kernel).some(({ assign: { reduce } }) => reduce && some(reduce.body, (e) => e.kind === "binary" && e.op === "dot4" && e.b.kind !== "const"))).length; // prettier-ignore
}

function checked({ program, inputs }: ContractionOfBytes): void {
  const packed = packDots(program, ANY);
  expect(dotsOf(packed), JSON.stringify(program.name)).toBe(1);
  expect(resultOf(packed, inputs)).toEqual(resultOf(program, inputs));
}

describe("words of four bytes", () => {
  it("give the same sums", () => {
    const seen = { float32: 0, int32: 0 };
    const property = fc.property(randomContraction, (contraction) => {
      checked(contraction);
      seen[contraction.kept]++;
    });
    fc.assert(property, { numRuns: 200 });
    expect(Math.min(seen.float32, seen.int32)).toBeGreaterThan(0);
  });

  it("are made only where they are used enough", () => {
    const [{ program }] = fc.sample(randomContraction, 1) as [ContractionOfBytes];
    expect(packDots(program, { work: 1e9, uses: 0 })).toBe(program);
    expect(packDots(program, { work: 1, uses: 1e9 })).toBe(program);
  });
});
