/** Reading a matrix by columns: rows are read and turned, whatever the extents, and whatever is stored in between. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { emittedModule, nestOf, runEmitted } from "../../../test/emitted.ts";
import { add, int, load, type Expr } from "../../ir/expr.ts";
import { runKernel } from "../../ir/interp.ts";
import { coordinate, type Assign, type Axis, type Kernel } from "../../ir/kernel.ts";
import type { Schedule } from "../../ir/schedule.ts";
import { chooseSchedule, orderAxes } from "../../tune/heuristic.ts";
import { disassemble } from "./disassemble.ts";
import { emitNest } from "./emit.ts";

const none = { constants: new Set<number>() };

interface Turn {
  readonly rows: number;
  readonly columns: number;
  /** Elements between rows beyond the columns. */
  readonly gap: number;
}

/** y[column, row] = x[row, column], of rows that lie somewhat apart. */
function turning({ rows, columns, gap }: Turn): Kernel {
  const [row, column]: [Axis, Axis] = [
    { name: "row", extent: rows },
    { name: "column", extent: columns },
  ];
  return {
    name: "turn",
    buffers: [
      { name: "x", role: "in", dtype: "float32", shape: [rows, columns + gap] },
      { name: "y", role: "out", dtype: "float32", shape: [columns, rows] },
    ],
    body: [
      {
        kind: "assign",
        axes: [column, row],
        value: load(0, "float32", [coordinate(row), coordinate(column)]),
        out: 1,
        index: [coordinate(column), coordinate(row)],
      },
    ],
  };
}

const numbers = (kernel: Kernel): Float32Array[] =>
  kernel.buffers.map(({ shape }, n) =>
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (n === 0 ? i + 1 : 0)),
  );

function agrees(kernel: Kernel, schedule: Schedule): void {
  const data = numbers(kernel);
  const expected = data.map((values) => values.slice());
  runKernel(kernel, expected);
  expect(runEmitted(nestOf(kernel, schedule), data, false)).toEqual(expected);
}

const textOf = (kernel: Kernel): string => {
  const code = emitNest(nestOf(kernel, chooseSchedule(kernel, none)));
  return disassemble(emittedModule(code, false, 2));
};

it("reads rows in vectors, and no element by itself", () => {
  const text = textOf(orderAxes(turning({ rows: 8, columns: 16, gap: 0 })));
  expect(text.match(/v128\.load32_/g)).toBeNull();
  // Four vectors are turned by eight shuffles.
  expect(text.match(/v128\.load /g)).toHaveLength(4);
  expect(text.match(/i8x16\.shuffle/g)).toHaveLength(8);
});

it("turns a matrix of any size", () => {
  const size = fc.record({
    rows: fc.integer({ min: 1, max: 40 }),
    columns: fc.integer({ min: 1, max: 40 }),
    gap: fc.integer({ min: 0, max: 5 }),
  });
  fc.assert(fc.property(size, (turn) => agrees(orderAxes(turning(turn)), chooseSchedule(orderAxes(turning(turn)), none)))); // prettier-ignore
});

it("reads anew what a store between has changed", () => {
  // y = x, then column k + 1 becomes the sum of columns k and k + 1 in place, one after the other, all in one region.
  const axis = (name: string, extent: number): Axis => ({ name, extent });
  const [row, first, column] = [axis("row", 4), axis("first", 5), axis("column", 4)];
  const at = (buffer: number, c: Expr): Expr => load(buffer, "float32", [coordinate(row), c]);
  const next = add(coordinate(column), int(1));
  const copy: Assign = {
    kind: "assign",
    axes: [first, row],
    value: at(0, coordinate(first)),
    out: 1,
    index: [coordinate(row), coordinate(first)],
  };
  const sum: Assign = {
    kind: "assign",
    axes: [column, row],
    value: add(at(1, next), at(1, coordinate(column))),
    out: 1,
    index: [coordinate(row), next],
  };
  const kernel: Kernel = {
    name: "prefix",
    buffers: [
      { name: "x", role: "in", dtype: "float32", shape: [4, 5] },
      { name: "y", role: "out", dtype: "float32", shape: [4, 5] },
    ],
    body: [copy, sum],
  };
  agrees(kernel, [
    { kind: "order", axes: ["column", "row"] },
    { kind: "bind", axis: "column", to: "unroll" },
    { kind: "bind", axis: "row", to: "vector" },
  ]);
});
