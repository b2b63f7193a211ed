/** Windows that reach beyond the edges: parts together compute what the whole did, without a product with padding. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { acc, add, int, load, mul, type Expr } from "../ir/expr.ts";
import { runKernel } from "../ir/interp.ts";
import { assignments, coordinate, type Axis, type Kernel } from "../ir/kernel.ts";
import { range } from "../ir/range.ts";
import { visit } from "../ir/walk.ts";
import { splitAtEdges } from "./edges.ts";

interface Window {
  readonly channels: number;
  /** Channels that a result sums up; 0: its own only. */
  readonly depth: number;
  readonly size: number;
  readonly taps: number;
  readonly step: number;
  readonly dilation: number;
  readonly before: number;
  readonly after: number;
}

/** A convolution over [size, size] with padding. */
function windowKernel({ channels, depth, size, taps, step, dilation, before, after }: Window): Kernel {
  const axis = (name: string, extent: number): Axis => ({ name, extent });
  const results = Math.floor((size + before + after - (taps - 1) * dilation - 1) / step) + 1;
  const [c, h, w] = [axis("c", channels), axis("h", results), axis("w", results)];
  const [d, kh, kw] = [axis("d", depth), axis("kh", taps), axis("kw", taps)];
  const from = depth ? d : c;
  const along = (a: Axis, k: Axis): Expr =>
    add(add(mul(coordinate(a), int(step)), mul(coordinate(k), int(dilation))), int(-before));
  const x = load(0, "float32", [coordinate(from), along(h, kh), along(w, kw)], 0);
  const weight = load(1, "float32", [
    coordinate(c),
    ...(depth ? [coordinate(d)] : []),
    ...[kh, kw].map(coordinate),
  ]);
  const buffer = (name: string, role: "in" | "out", shape: readonly number[]) =>
    ({ name, role, dtype: "float32", shape }) as const;
  return {
    name: "window",
    buffers: [
      buffer("x", "in", [from.extent, size, size]),
      buffer("weight", "in", [channels, ...(depth ? [depth] : []), taps, taps]),
      buffer("y", "out", [channels, results, results]),
    ],
    body: [
      {
        kind: "assign",
        axes: [c, h, w],
        reduce: { op: "sum", axes: [...(depth ? [d] : []), kh, kw], body: mul(x, weight) },
        value: add(
          acc("f32"),
          load(1, "float32", [coordinate(c), ...(depth ? [int(0)] : []), int(0), int(0)]),
        ),
        out: 2,
        index: [c, h, w].map(coordinate),
      },
    ],
  };
}

function split(kernel: Kernel): Kernel {
  const [x, weight, y] = kernel.buffers.map(({ dtype, shape }) => ({ dtype, shape }));
  const program = splitAtEdges({
    name: "window",
    values: new Map([["x", x!], ["weight", weight!], ["y", y!]]), // prettier-ignore
    constants: new Map(),
    calls: [{ kind: "kernel", nodes: ["Conv"], kernel, inputs: ["x", "weight"], outputs: ["y"] }],
    inputs: ["x", "weight"],
    outputs: [{ id: "y", name: "y" }],
  });
  const [call] = program.calls;
  if (call?.kind !== "kernel") throw new Error("no kernel");
  return call.kernel;
}

const products = (kernel: Kernel): number =>
  assignments(kernel).reduce(
    (sum, { assign }) =>
      sum + [...assign.axes, ...assign.reduce!.axes].reduce((n, { extent }) => n * extent, 1),
    0,
  );

/** Whether anything is read beyond the edges. */
function padded(kernel: Kernel): boolean {
  let beyond = false;
  for (const { assign } of assignments(kernel))
    visit(assign.reduce!.body, (e) => {
      if (e.kind !== "load") return;
      beyond ||= e.index.some(
        (at, d) => range(at)[0] < 0 || range(at)[1] >= kernel.buffers[e.buffer]!.shape[d]!,
      );
    });
  return beyond;
}

const square = { step: 1, taps: 3, depth: 0, channels: 8, size: 32 };

it("computes a depthwise window by 12 of 32 pixels in nine parts, with 56% of the products", () => {
  const kernel = windowKernel({ ...square, dilation: 12, before: 12, after: 12 });
  const parts = split(kernel);
  expect(parts.body).toHaveLength(9);
  expect(products(parts) / products(kernel)).toBe(0.5625);
  expect(padded(kernel)).toBe(true);
  expect(padded(parts)).toBe(false);
});

it("leaves windows alone that hardly reach beyond, and those whose weights would be there several times", () => {
  const near = windowKernel({ ...square, dilation: 2, before: 2, after: 2 });
  expect(split(near).body).toHaveLength(1);
  const dense = windowKernel({ ...square, depth: 4, dilation: 12, before: 12, after: 12 });
  expect(split(dense).body).toHaveLength(1);
});

it("takes the middle of a window alone where nothing else is within the edges", () => {
  const kernel = windowKernel({ ...square, depth: 4, dilation: 36, before: 36, after: 36 });
  expect(products(split(kernel)) * 9).toBe(products(kernel));
});

it("computes what the whole did", () => {
  const windows = fc.record({
    channels: fc.integer({ min: 1, max: 3 }),
    depth: fc.constantFrom(0, 0, 3),
    size: fc.integer({ min: 3, max: 14 }),
    taps: fc.integer({ min: 2, max: 4 }),
    step: fc.integer({ min: 1, max: 2 }),
    dilation: fc.integer({ min: 1, max: 15 }),
    before: fc.integer({ min: 0, max: 16 }),
    after: fc.integer({ min: 0, max: 16 }),
  });
  let parted = 0;
  fc.assert(
    fc.property(windows, (window) => {
      fc.pre(window.size + window.before + window.after > (window.taps - 1) * window.dilation);
      const kernel = windowKernel(window);
      const parts = split(kernel);
      if (parts !== kernel) parted++;
      // Small whole numbers, so that the order of additions does not show.
      const data = kernel.buffers.map(({ shape }, n) =>
        Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 7 + n) % 11) - 5),
      );
      const expected = data.map((values) => values.slice());
      runKernel(kernel, expected);
      runKernel(parts, data);
      expect(data[2]).toEqual(expected[2]);
    }),
    { numRuns: 300 },
  );
  expect(parted).toBeGreaterThan(10);
});
