import { describe, expect, it } from "vitest";
import { emittedKernel } from "../../../test/emitted.ts";
import { parseNest } from "../../ir/text/index.ts";
import { cutOf, unitsOf } from "./units.ts";

/** Points times channels, by panels of channels, with a loop of its own for the last point. */
const product = (channels: number, order: "channels" | "points"): string => {
  const [out, store] = order === "channels" ? ["[131, 2]", "i, c"] : ["[2, 131]", "c, i"];
  const loop = (from: number, to: number): string => `
    grid i in ${from}..${to} {
      init acc0: f32 sum
      serial k in 0..${channels} {
        update acc0 sum = b0[i, k] * b1[c, k]
      }
      store b2[${store}] from acc0 = acc
    }`;
  return `nest product {
    in b0: float32[131, ${channels}]
    in b1: float32[2, ${channels}]
    out b2: float32${out}
    grid n in 0..1 {
      grid c in 0..2 {
        ${loop(0, 130)}
        ${loop(130, 131).replaceAll("acc0", "acc1")}
      }
    }
  }`;
};

describe("what a nest is cut into", () => {
  it("are points, where parts by panels would store pieces of cache lines", () => {
    const nest = parseNest(product(9, "channels"));
    const cut = cutOf(nest);
    expect(cut.whole).toBe("c");
    expect(unitsOf(nest.body, cut)).toBe(131);
    const data = nest.buffers.map(({ shape }, n) =>
      Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) =>
        n < 2 ? ((i * 7 + n) % 13) - 6 : 0,
      ),
    );
    const [, , expected] = emittedKernel(nest, false, false)(data);
    const parted = emittedKernel(nest, false, true);
    for (const parts of [1, 2, 7, 131, -48]) expect(parted(data, parts)[2]).toEqual(expected);
  });

  it("are panels, where they store apart, and where they are too much to be read again for each part", () => {
    expect(cutOf(parseNest(product(9, "points"))).whole).toBeUndefined();
    expect(cutOf(parseNest(product(40_000, "channels"))).whole).toBeUndefined();
  });
});
