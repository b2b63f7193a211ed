/** Which loops end where a run's sizes end. */
import { describe, expect, it } from "vitest";
import type { LinearShape } from "../../runtime/binder.ts";
import { parseNest } from "../ir/text/index.ts";
import { limitsOf } from "./limits.ts";

const n = { slope: 1, offset: 0 };
const fixed = (offset: number): LinearShape[number] => ({ slope: 0, offset });

/** Limits by the names of loops, as "size / step". */
function limits(text: string, shape: LinearShape | undefined): Record<string, string> {
  const found = limitsOf(parseNest(text), [shape]);
  return Object.fromEntries(
    [...found].map(([{ variable }, { size, step }]) => [
      variable,
      `${size.slope}n + ${size.offset} / ${step}`,
    ]),
  );
}

const tiles = (index: string): string => `nest tiles {
    in b0: float32[64, 8]
    out b1: float32[64, 8]
    grid r in 0..16 {
      unroll i in 0..4 {
        serial c in 0..8 {
          store b1[${index}] = b0[4*r + i, c]
        }
      }
    }
  }`;

describe("the limit of a loop", () => {
  it("is in tiles of rows, the last of them whole", () => {
    expect(limits(tiles("4*r + i, c"), [n, fixed(8)])).toEqual({ r: "1n + 0 / 4" });
    expect(limits(tiles("4*r + i, c"), [{ slope: 2, offset: 3 }, fixed(8)])).toEqual({ r: "2n + 3 / 4" });
  });

  it("is none where nothing is bounded, along that dimension or at all", () => {
    expect(limits(tiles("4*r + i, c"), [fixed(64), fixed(8)])).toEqual({});
    expect(limits(tiles("4*r + i, c"), undefined)).toEqual({});
  });

  it("is none of a loop that goes from the end to the start", () => {
    expect(limits(tiles("63 - 4*r - i, c"), [n, fixed(8)])).toEqual({});
  });

  it("is none of a loop that sums up", () => {
    const text = `nest sums {
      in b0: float32[64, 8]
      out b1: float32[64]
      grid r in 0..64 {
        init acc0: f32 sum
        serial k in 0..8 {
          update acc0 sum = b0[r, k]
        }
        store b1[r] from acc0 = acc
      }
    }`;
    expect(limits(text, [n])).toEqual({ r: "1n + 0 / 1" });
    expect(limits(text, [fixed(64)])).toEqual({});
  });

  it("minds scratch that is read elsewhere", () => {
    const scratch = (reader: string): string => `nest scratch {
      in b0: float32[64, 8]
      out b1: float32[64, 8]
      temp b2: float32[64, 8]
      grid r in 0..64 {
        serial c in 0..8 {
          store b2[r, c] = b0[r, c]
        }
        ${reader}
      }`;
    const inside = "serial d in 0..8 { store b1[r, d] = b2[r, d] } } ".replaceAll("{ ", "{\n").replaceAll(" }", "\n}"); // prettier-ignore
    const apart = "} grid q in 0..64 { serial d in 0..8 { store b1[q, d] = b2[q, d] } }".replaceAll("{ ", "{\n").replaceAll(" }", "\n}").replace("} grid", "}\ngrid"); // prettier-ignore
    expect(limits(scratch(inside), [n, fixed(8)])).toEqual({ r: "1n + 0 / 1" });
    expect(limits(scratch(apart), [n, fixed(8)])).toEqual({ q: "1n + 0 / 1" });
  });
});
