/** Schedules of sums over what is read once: along memory over all axes that lie in a row, and right for any extents. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { hasRelaxedSimd, nestOf, runEmitted } from "../../test/emitted.ts";
import { acc, add, f32, load, max, mul, type Expr } from "../ir/expr.ts";
import { runKernel } from "../ir/interp.ts";
import { coordinate, type Axis, type Kernel } from "../ir/kernel.ts";
import { chooseSchedule, orderAxes } from "./heuristic.ts";

interface Planes {
  readonly batch: number;
  readonly planes: number;
  readonly height: number;
  readonly width: number;
  readonly weighted: boolean;
}

/** out[b, h, w] = the sum over planes p of max(x[b, p, h, w], 0), with weights by plane or without. */
function planesKernel({ batch, planes, height, width, weighted }: Planes): Kernel {
  const axis = (name: string, extent: number): Axis => ({ name, extent });
  const [b, p, h, w] = [axis("b", batch), axis("p", planes), axis("h", height), axis("w", width)];
  const x: Expr = max(load(0, "float32", [b, p, h, w].map(coordinate)), f32(0));
  const buffer = (name: string, role: "in" | "out", shape: readonly number[]) =>
    ({ name, role, dtype: "float32", shape }) as const;
  return {
    name: "planes",
    buffers: [
      buffer("x", "in", [batch, planes, height, width]),
      buffer("weight", "in", [planes]),
      buffer("y", "out", [batch, height, width]),
    ],
    body: [
      {
        kind: "assign",
        axes: [b, h, w],
        reduce: { op: "sum", axes: [p], body: weighted ? mul(x, load(1, "float32", [coordinate(p)])) : x },
        value: add(acc("f32"), f32(1)),
        out: 2,
        index: [b, h, w].map(coordinate),
      },
    ],
  };
}

const constants = { constants: new Set([1]) };

it("joins the axes that lie in a row, and takes lines of cache of each plane", () => {
  const kernel = planesKernel({ batch: 2, planes: 9, height: 16, width: 30, weighted: true });
  const steps = chooseSchedule(orderAxes(kernel), constants);
  expect(steps).toContainEqual({ kind: "merge", outer: "h", inner: "w" });
  expect(steps).toContainEqual({ kind: "split", axis: "h*w", by: 48, tail: "peel" });
  expect(steps.at(-1)).toEqual({ kind: "order", axes: ["b", "h*w.o", "p.o", "p.i", "h*w.i.o", "h*w.i.i"] });
});

it("computes what the kernel means, whatever the extents", () => {
  const sizes = fc.record({
    batch: fc.integer({ min: 1, max: 2 }),
    planes: fc.integer({ min: 1, max: 11 }),
    height: fc.integer({ min: 1, max: 9 }),
    width: fc.integer({ min: 1, max: 30 }),
    weighted: fc.boolean(),
  });
  fc.assert(
    fc.property(sizes, (planes) => {
      const kernel = orderAxes(planesKernel(planes));
      // Small whole numbers, so that the order of additions does not show.
      const data = kernel.buffers.map(({ shape }, n) =>
        Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 7 + n) % 11) - 5),
      );
      const expected = data.map((values) => values.slice());
      runKernel(kernel, expected);
      for (const relaxed of [false, ...(hasRelaxedSimd() ? [true] : [])]) {
        const got = runEmitted(nestOf(kernel, chooseSchedule(kernel, constants)), data, relaxed);
        expect(got.at(-1)).toEqual(expected.at(-1));
      }
    }),
    { numRuns: 100 },
  );
});
