import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { load } from "../../../runtime/load.ts";
import { onnxModel } from "../../frontend/onnx/write.ts";
import type { Nest } from "../../ir/nest.ts";
import { compile, inspect } from "../../whole.ts";
import type { Frame, Pointer } from "./pointers.ts";
import { touchOf } from "./touch.ts";

/** `[m, k]` times weights `[k, n]`. */
function product(
  m: number,
  k: number,
  n: number,
): { readonly bytes: Uint8Array; readonly weights: Float32Array } {
  const model = onnxModel("product", { opset: 17 });
  const x = model.input("x", "float32", [m, k]);
  const weights = Float32Array.from({ length: k * n }, (_, i) => ((i * 7) % 13) - 6);
  const w = model.initializer("float32", [k, n], weights);
  model.output(model.node("MatMul", [x, w]), "float32", [m, n], "y");
  return { bytes: model.toBytes(), weights };
}

/** Loads whose result is dropped: touches. */
function touches(bytes: Uint8Array): number {
  return [...inspect(bytes, "wat").matchAll(/i32\.load8_u.*\n\s*drop/g)].length;
}

describe("reading ahead", () => {
  it("is for panels that are read several times and are too many for a cache", () => {
    expect(touches(product(49, 256, 256).bytes)).toBe(1);
    // All panels stay in cache.
    expect(touches(product(49, 32, 32).bytes)).toBe(0);
    // Each panel is read once: that is reading ahead by itself.
    expect(touches(product(1, 256, 256).bytes)).toBe(0);
  });

  it("changes no result", async () => {
    const [m, k, n] = [49, 150, 203];
    const { bytes, weights } = product(m, k, n);
    expect(touches(bytes)).toBeGreaterThan(0);
    const x = Float32Array.from({ length: m * k }, (_, i) => ((i * 5) % 11) - 5);
    const session = await load(compile(bytes).artifact);
    const { y } = await session.run({ x });
    // Small integers, so that sums are exact in any order.
    const expected = Float32Array.from({ length: m * n }, (_, at) => {
      const [row, column] = [Math.floor(at / n), at % n];
      let sum = 0;
      for (let i = 0; i < k; i++) sum += x[row * k + i]! * weights[i * n + column]!;
      return sum;
    });
    expect(y!.data).toEqual(expected);
    session.dispose();
  });

  it("stays within the operand's buffer, whatever the loops are", () => {
    let touched = 0;
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 40 }),
        fc.integer({ min: 2, max: 70 }),
        fc.integer({ min: 1, max: 600 }),
        fc.integer({ min: 1, max: 48 }),
        fc.integer({ min: 0, max: 3 }),
        (panels, tiles, iterations, elements, rest) => {
          const stride = 4 * elements;
          const panel = iterations * elements + rest;
          const frame = (variable: string, extent: number): Frame => ({
            variable,
            counter: 0,
            last: extent - 1,
            pointers: new Map(),
          });
          const walk = { id: 0, strides: new Map([["panel", panel]]), backwards: false, start: 0 };
          const pointer: Pointer = { local: 0, stride, buffer: 0, outer: walk };
          const inner = frame("k", iterations);
          inner.pointers.set(0, pointer);
          const nest: Nest = {
            name: "nest",
            buffers: [{ name: "b0", dtype: "float32", shape: [panels, panel], role: "in" }],
            body: [],
          };
          const touch = touchOf(inner, [frame("panel", panels), frame("tile", tiles)], nest);
          if (!touch) return;
          touched++;
          let most = 0;
          for (let p = 0; p < panels; p++) {
            const start = p * touch.panel + (p < touch.loop.last ? touch.panel : 0);
            most = Math.max(most, start + (tiles - 1) * touch.share + (iterations - 1) * touch.step);
          }
          expect(most).toBeLessThan(panels * panel * 4);
          // Of the next panel most is touched.
          expect(tiles * touch.share).toBeGreaterThan(0.4 * iterations * stride);
        },
      ),
      { numRuns: 400 },
    );
    expect(touched).toBeGreaterThan(20);
  });
});
