/** Scratch that iterations use for themselves is not shared by workgroups that run them at the same time. */
import { describe, expect, it } from "vitest";
import { load } from "../../ir/expr.ts";
import { coordinate, type Axis, type Block, type Buffer, type Kernel } from "../../ir/kernel.ts";
import { add, int, mul } from "../../ir/expr.ts";
import { apply } from "../../lower/apply.ts";
import { emitNest } from "./emit.ts";
import { hasOwnCopies, scratchOf } from "./scratch.ts";
import { stagesOf } from "./grid.ts";
import { wavesOf } from "./waves.ts";

const WIDTH = 200;
const axis = (name: string, extent: number): Axis => ({ name, extent });

/** Rows in blocks of 12, each of which goes through the temp, and a rest of 2 that goes through it, too. */
function blocks(dtype: "float32" | "int64" = "float32"): Kernel {
  const buffer = (name: string, role: Buffer["role"], shape: number[]): Buffer => ({ name, role, dtype, shape }); // prettier-ignore
  const rows = (tag: string, count: number, from: (row: Axis) => ReturnType<typeof int>): Block[] => {
    const [i, k] = [axis(`i${tag}`, count), axis(`k${tag}`, WIDTH)];
    const [o, l] = [axis(`o${tag}`, count), axis(`l${tag}`, WIDTH)];
    return [
      { kind: "assign", axes: [i, k], out: 2, index: [coordinate(i), coordinate(k)], value: mul(load(0, dtype, [from(i), coordinate(k)]), load(0, dtype, [from(i), coordinate(k)])) }, // prettier-ignore
      { kind: "assign", axes: [o, l], out: 1, index: [from(o), coordinate(l)], value: load(2, dtype, [coordinate(o), coordinate(l)]) }, // prettier-ignore
    ];
  };
  const block = axis("b", 5);
  return {
    name: "blocks",
    buffers: [
      buffer("x", "in", [62, WIDTH]),
      buffer("y", "out", [62, WIDTH]),
      buffer("t", "temp", [12, WIDTH]),
    ],
    body: [
      { kind: "loop", axis: block, carried: false, body: rows("a", 12, (row) => add(mul(coordinate(block), int(12)), coordinate(row))) }, // prettier-ignore
      ...rows("c", 2, (row) => add(coordinate(row), int(60))),
    ],
  };
}

describe("scratch of several entry points", () => {
  const nest = apply(blocks(), [
    { kind: "bind", axis: "ka", to: "group" },
    { kind: "bind", axis: "la", to: "group" },
    { kind: "workgroup", size: 16 },
  ]);

  it("has a copy for each iteration that uses it for itself", () => {
    expect(scratchOf(nest)[2]).toEqual({ kind: "memory", copies: 5, stride: 12 * WIDTH });
  });

  it("is one for all where entry points pass it on", () => {
    const own = stagesOf(nest.body).map((stage) => hasOwnCopies(nest, stage, 2));
    expect(own).toEqual([true, false, false]);
    const bound = (binding: number) => ({ kind: "bound", binding, offset: 0, packed: false }) as const;
    const { text, entries } = emitNest(
      nest,
      [bound(0), bound(1), { kind: "scratch", binding: 2, offset: 0, stride: 12 * WIDTH }],
      [62 * WIDTH * 4, 62 * WIDTH * 4, 5 * 12 * WIDTH * 4].map((bytes) => ({ mode: "write", bytes })),
    );
    expect(entries).toHaveLength(3);
    const [first, second, third] = text.split("@compute").slice(1);
    expect(first).toContain("unit * 2400");
    expect(second).not.toContain("2400");
    expect(third).not.toContain("unit");
  });

  it("is counted in words where elements of two words share a binding with others", () => {
    const wide = apply(blocks("int64"), [
      { kind: "bind", axis: "ka", to: "group" },
      { kind: "bind", axis: "la", to: "group" },
      { kind: "workgroup", size: 16 },
    ]);
    const beside: Buffer = { name: "z", role: "in", dtype: "float32", shape: [4] };
    const bound = (binding: number) => ({ kind: "bound", binding, offset: 0, packed: false }) as const;
    const { text } = emitNest(
      { ...wide, buffers: [...wide.buffers, beside] },
      [bound(0), bound(1), { kind: "scratch", binding: 2, offset: 0, stride: 12 * WIDTH }, bound(2)],
      [62 * WIDTH * 8, 62 * WIDTH * 8, 5 * 12 * WIDTH * 8].map((bytes) => ({ mode: "write", bytes })),
    );
    const first = text.split("@compute")[1]!;
    const base = /let (\w+) = unit \* 4800;/.exec(first)?.[1];
    // Two words stored, two loaded.
    expect([...first.matchAll(/b2\[(\w+) /g)].map(([, begin]) => begin)).toEqual([base, base, base, base]);
  });

  it("passes through one entry point in sequence, whose workgroup meets in between", () => {
    const bound = (binding: number) => ({ kind: "bound", binding, offset: 0, packed: false }) as const;
    const { text, entries } = emitNest(
      { ...nest, sequence: true },
      [bound(0), bound(1), { kind: "scratch", binding: 2, offset: 0, stride: 12 * WIDTH }],
      [62 * WIDTH * 4, 62 * WIDTH * 4, 5 * 12 * WIDTH * 4].map((bytes) => ({ mode: "write", bytes })),
    );
    expect(entries).toEqual([{ name: "main", groups: [1, 1, 1] }]);
    const main = text.slice(text.indexOf("@compute")).split("\n");
    expect(main.filter((line) => line === " workgroupBarrier(); storageBarrier();")).toHaveLength(2);
    // Blocks share what their invocations pass on: the next waits for those who still read.
    expect(main.find((line) => line.includes("main0part0("))).toContain("workgroupBarrier()");
  });
});

describe("stages side by side", () => {
  const one = (name: string, out: number): Block => {
    const i = axis(name, 8);
    return {
      kind: "assign",
      axes: [i],
      out,
      index: [coordinate(i)],
      value: load(0, "float32", [coordinate(i)]),
    };
  };
  const buffers = ["in", "out", "out"].map((role, n): Buffer => ({ name: `b${n}`, role: role as "in", dtype: "float32", shape: [8] })); // prettier-ignore
  const nest = apply({ name: "two", buffers, body: [one("i", 1), one("j", 2)] }, []);

  it("are those that do not touch one another's memory, whatever their buffers are called", () => {
    expect(wavesOf(nest)).toHaveLength(1);
    expect(wavesOf(nest, [0, 1, 1])).toHaveLength(2);
    expect(wavesOf(nest, [0, 0, 2])).toHaveLength(2);
  });
});
