/**
 * What the fuzzer has found stays found: every kept graph on every oracle. In: `found.ts`. Invariant tested: the
 * interpreter, WebAssembly in both variants with all passes, none and all but each one, ahead and when it runs,
 * by a program for several sizes, and onnxruntime-web agree.
 */
import { afterAll, describe, expect, it } from "vitest";
import { passNames } from "../../../compiler/whole.ts";
import { BEST } from "../agreement.ts";
import { disagreement, interpreted, nameOf, rangedOf, type Oracle } from "./check.ts";
import { foundGraphs } from "./found.ts";
import { OnnxRuntime } from "./ort.ts";
import { sizesEqualTo } from "./ranged.ts";

const ort = new OnnxRuntime();
afterAll(() => ort.end());

const oracles: Oracle[] = [
  { kind: "wasm", off: [], variant: BEST, late: false },
  { kind: "wasm", off: [], variant: "simd", late: true },
  { kind: "wasm", off: [...passNames], variant: BEST, late: false },
  ...passNames.map((pass): Oracle => ({ kind: "wasm", off: [pass], variant: BEST, late: false })),
  { kind: "ranged", seed: 1 },
  { kind: "ranged", seed: 2 },
  { kind: "onnxruntime" },
];

describe.each(foundGraphs)("found: $note", (graph) => {
  it.each(oracles.map((oracle) => [nameOf(oracle), oracle] as const))("%s", async (_, oracle) => {
    const expected = interpreted(graph);
    if (typeof expected === "string") throw new Error(expected);
    expect(await disagreement(graph, expected, oracle, ort)).toBeUndefined();
  });
});

describe.each(foundGraphs.filter(({ sizes }) => sizes))("found: $note", ({ sizes, ...graph }) => {
  it.each([BEST, "simd"] as const)("%s, for several sizes", async (variant) => {
    const { n, low, high, at } = sizes!;
    const expected = interpreted(graph);
    if (typeof expected === "string") throw new Error(expected);
    const range = { low, high, inputs: sizesEqualTo(n, graph) };
    for (const session of [false, true]) {
      const ranged = await rangedOf(graph, expected, { range, at, n, variant, off: [], session });
      // Right, or refused.
      expect(ranged.kind === "differs" ? ranged.what : "").toBe("");
    }
  });
});
