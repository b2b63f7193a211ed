/** Schedules of sliding windows: what they look like, and that emitted code computes what the kernel means. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { hasRelaxedSimd, nestOf, runEmitted } from "../../test/emitted.ts";
import { acc, add, int, load, mul, type Expr } from "../ir/expr.ts";
import { runKernel } from "../ir/interp.ts";
import { coordinate, type Axis, type Kernel } from "../ir/kernel.ts";
import { numberOrLeast } from "../ops/reduce.ts";
import { chooseSchedule, orderAxes } from "./heuristic.ts";

interface Window {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly taps: number;
  readonly step: number;
  /** Points from one element of the window to the next. */
  readonly dilation: number;
  readonly pool: boolean;
}

/** A depthwise convolution or a maximum over x [height, width, channels], without a border. */
function windowKernel({ channels, height, width, taps, step, dilation, pool }: Window): Kernel {
  const axis = (name: string, extent: number): Axis => ({ name, extent });
  const [h, w, c] = [axis("h", height), axis("w", width), axis("c", channels)];
  const [kh, kw] = [axis("kh", taps), axis("kw", taps)];
  const along = (a: Axis, k: Axis): Expr =>
    add(mul(coordinate(a), int(step)), mul(coordinate(k), int(dilation)));
  const reach = (points: number): number => (points - 1) * step + (taps - 1) * dilation + 1;
  const x = load(0, "float32", [along(h, kh), along(w, kw), coordinate(c)]);
  const weight = load(1, "float32", [coordinate(kh), coordinate(kw), coordinate(c)]);
  const buffer = (name: string, role: "in" | "out", shape: readonly number[]) =>
    ({ name, role, dtype: "float32", shape }) as const;
  return {
    name: "window",
    buffers: [
      buffer("x", "in", [reach(height), reach(width), channels]),
      ...(pool ? [] : [buffer("weight", "in", [taps, taps, channels])]),
      buffer("y", "out", [height, width, channels]),
    ],
    body: [
      {
        kind: "assign",
        axes: [h, w, c],
        reduce: pool
          ? { op: "max", axes: [kh, kw], body: numberOrLeast(x) }
          : { op: "sum", axes: [kh, kw], body: mul(x, weight) },
        value: acc("f32"),
        out: pool ? 1 : 2,
        index: [h, w, c].map(coordinate),
      },
    ],
  };
}

const none = { constants: new Set<number>() };

it("takes tiles of a line, and all channels of a tile before the next", () => {
  const sizes = { channels: 24, height: 5, width: 14, taps: 3, step: 1, dilation: 1 };
  for (const pool of [false, true]) {
    const steps = chooseSchedule(orderAxes(windowKernel({ ...sizes, pool })), none);
    expect(steps).toContainEqual({ kind: "split", axis: "w", by: 7, tail: "peel" });
    const order = ["h", "w.o", "c.o", "kh", "kw", "w.i", "c.i"];
    expect(steps).toContainEqual({ kind: "order", axes: order });
  }
});

it("takes tiles of a line where the window's elements lie apart, too", () => {
  const kernel = windowKernel({
    channels: 24,
    height: 5,
    width: 21,
    taps: 3,
    step: 1,
    dilation: 2,
    pool: false,
  });
  const steps = chooseSchedule(orderAxes(kernel), none);
  expect(steps).toContainEqual({ kind: "split", axis: "w", by: 7, tail: "peel" });
  expect(steps).toContainEqual({ kind: "order", axes: ["h", "w.o", "c.o", "kh", "kw", "w.i", "c.i"] });
});

it("computes what the kernel means, whatever the extents", () => {
  const sizes = fc.record({
    channels: fc.integer({ min: 4, max: 13 }),
    height: fc.integer({ min: 1, max: 4 }),
    width: fc.integer({ min: 1, max: 16 }),
    taps: fc.integer({ min: 1, max: 5 }),
    step: fc.integer({ min: 1, max: 3 }),
    dilation: fc.integer({ min: 1, max: 5 }),
    pool: fc.boolean(),
  });
  fc.assert(
    fc.property(sizes, (window) => {
      const kernel = orderAxes(windowKernel(window));
      // Small whole numbers, so that the order of additions does not show.
      const data = kernel.buffers.map(({ shape }, n) =>
        Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 7 + n) % 11) - 5),
      );
      const expected = data.map((values) => values.slice());
      runKernel(kernel, expected);
      for (const relaxed of [false, ...(hasRelaxedSimd() ? [true] : [])]) {
        const got = runEmitted(nestOf(kernel, chooseSchedule(kernel, none)), data, relaxed);
        expect(got.at(-1)).toEqual(expected.at(-1));
      }
    }),
    { numRuns: 150 },
  );
});
