/** Which kernels threads share. In: kernels. Out: their parts. Invariant: iterations that store to one place stay on one thread. */
import { describe, expect, it } from "vitest";
import { add, axis, int, loadTyped, mul } from "../ir/expr.ts";
import type { Buffer, Kernel } from "../ir/kernel.ts";
import { chooseParts } from "./parts.ts";

const ROWS = 4096;
const COLUMNS = 64;

/** A loop over rows whose first assignment stores to buffer 2, and whose second reads that. */
function rows(role: Buffer["role"], perRow: boolean): Kernel {
  const row = axis("r", ROWS);
  const column = (name: string) => axis(name, COLUMNS);
  const shape = perRow ? [ROWS, COLUMNS] : [COLUMNS];
  const between = (name: string) => (perRow ? [row, column(name)] : [column(name)]);
  const x = loadTyped(0, "f32", [row, column("i")]);
  return {
    name: "rows",
    buffers: [
      { name: "x", dtype: "float32", shape: [ROWS, COLUMNS], role: "in" },
      { name: "y", dtype: "float32", shape: [ROWS, COLUMNS], role: "out" },
      { name: "between", dtype: "float32", shape, role },
    ],
    body: [
      {
        kind: "loop",
        axis: { name: "r", extent: ROWS },
        carried: false,
        body: [
          {
            kind: "assign",
            axes: [{ name: "i", extent: COLUMNS }],
            value: mul(x, x),
            out: 2,
            index: between("i"),
          },
          {
            kind: "assign",
            axes: [{ name: "j", extent: COLUMNS }],
            value: add(loadTyped(2, "f32", between("j")), loadTyped(2, "f32", between("j"))),
            out: 1,
            index: [row, add(column("j"), int(0))],
          },
        ],
      },
    ],
  };
}

describe("chooseParts", () => {
  it("shares iterations that have scratch of their own", () => {
    expect(chooseParts(rows("temp", false)).threads).toBeGreaterThan(1);
  });

  it("shares iterations that store to rows of their own", () => {
    expect(chooseParts(rows("out", true)).threads).toBeGreaterThan(1);
  });

  it("keeps iterations on one thread that all store to one place", () => {
    const { count, threads } = chooseParts(rows("out", false));
    expect(count).toBeGreaterThan(1);
    expect(threads).toBe(1);
  });
});
