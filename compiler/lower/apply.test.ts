/** Schedules as loops: what each step makes of a small kernel, and what apply() refuses. */
import { describe, expect, it } from "vitest";
import { acc, axis, load, mul, type Expr } from "../ir/expr.ts";
import type { Axis, Kernel } from "../ir/kernel.ts";
import type { Schedule, Step } from "../ir/schedule.ts";
import { printNest } from "../ir/text/index.ts";
import { apply } from "./apply.ts";

function at(a: Axis): Expr {
  return axis(a.name, a.extent);
}

/** y[i] = x[i] * x[i] */
function map(extent: number): Kernel {
  const i: Axis = { name: "i", extent };
  const x = load(0, "float32", [at(i)]);
  return {
    name: "map",
    buffers: [
      { name: "x", role: "in", dtype: "float32", shape: [extent] },
      { name: "y", role: "out", dtype: "float32", shape: [extent] },
    ],
    body: [{ kind: "assign", axes: [i], out: 1, index: [at(i)], value: mul(x, x) }],
  };
}

/** c[m, n] = sum over k of a[m, k] * b[k, n] */
function product(m: number, n: number, k: number): Kernel {
  const [i, j, r]: [Axis, Axis, Axis] = [{ name: "m", extent: m }, { name: "n", extent: n }, { name: "k", extent: k }]; // prettier-ignore
  return {
    name: "product",
    buffers: [
      { name: "a", role: "in", dtype: "float32", shape: [m, k] },
      { name: "b", role: "in", dtype: "float32", shape: [k, n] },
      { name: "c", role: "out", dtype: "float32", shape: [m, n] },
    ],
    body: [
      {
        kind: "assign",
        axes: [i, j],
        reduce: { op: "sum", axes: [r], body: mul(load(0, "float32", [at(i), at(r)]), load(1, "float32", [at(r), at(j)])) },
        value: acc("f32"),
        out: 2,
        index: [at(i), at(j)],
      },
    ],
  }; // prettier-ignore
}

const split = (name: string, by: number, tail: "peel" | "pad" = "peel"): Step => ({ kind: "split", axis: name, by, tail }); // prettier-ignore
const bind = (name: string, to: "grid" | "vector" | "unroll"): Step => ({ kind: "bind", axis: name, to });
const order = (...axes: string[]): Step => ({ kind: "order", axes });

function loops(kernel: Kernel, schedule: Schedule): string {
  // Without the buffers, which a schedule does not change.
  return printNest(apply(kernel, schedule))
    .split("\n")
    .filter((line) => !/^ {2}(in|out|temp) /.test(line))
    .join("\n");
}

describe("what the steps make", () => {
  it("no steps: serial loops in the kernel's order", () => {
    expect(loops(product(2, 3, 4), [])).toMatchInlineSnapshot(`
      "nest product {
        grid m in 0..2 {
          grid n in 0..3 {
            init acc0: f32 sum
            serial k in 0..4 {
              update acc0 sum = a[m, k] * b[k, n]
            }
            store c[m, n] from acc0 = acc
          }
        }
      }"
    `);
  });

  it("a split that does not divide, peeled: whole tiles, then the rest", () => {
    expect(loops(map(10), [split("i", 4), bind("i.i", "unroll")])).toMatchInlineSnapshot(`
      "nest map {
        grid i.o in 0..2 {
          unroll i.i in 0..4 {
            store y[i.o * 4 + i.i] = let $0 = x[i.o * 4 + i.i]; $0 * $0
          }
        }
        grid i.o in 2..3 {
          unroll i.i in 0..2 {
            store y[i.i + 8] = x[i.i + 8] * x[i.i + 8]
          }
        }
      }"
    `);
  });

  it("a split that does not divide, padded: a vector with idle lanes", () => {
    expect(loops(map(10), [split("i", 4, "pad"), bind("i.i", "vector")])).toMatchInlineSnapshot(`
      "nest map {
        grid i.o in 0..2 {
          vector i.i in 0..4 lanes 4 {
            store y[i.o * 4 + i.i] = let $0 = x[i.o * 4 + i.i]; $0 * $0
          }
        }
        grid i.o in 2..3 {
          vector i.i in 0..4 lanes 2 {
            store y[i.i + 8] = x[i.i + 8] * x[i.i + 8]
          }
        }
      }"
    `);
  });

  it("fewer points than lanes: the rest alone", () => {
    expect(loops(map(3), [split("i", 4, "pad"), bind("i.i", "vector")])).toMatchInlineSnapshot(`
      "nest map {
        grid i.o in 0..1 {
          vector i.i in 0..4 lanes 3 {
            store y[i.i] = x[i.i] * x[i.i]
          }
        }
      }"
    `);
  });

  it("merged axes: one loop, coordinates by division", () => {
    expect(loops(product(2, 3, 1), [{ kind: "merge", outer: "m", inner: "n" }])).toMatchInlineSnapshot(`
      "nest product {
        grid "m*n" in 0..6 {
          init acc0: f32 sum
          serial k in 0..1 {
            update acc0 sum = a["m*n" // 3, 0] * b[0, "m*n" %% 3]
          }
          store c["m*n" // 3, "m*n" %% 3] from acc0 = acc
        }
      }"
    `);
  });

  it("a tile of accumulators inside the reduction", () => {
    const schedule: Schedule = [
      split("m", 2),
      bind("m.i", "unroll"),
      split("n", 4, "pad"),
      bind("n.i", "vector"),
      order("m.o", "n.o", "k", "m.i", "n.i"),
    ];
    expect(loops(product(4, 4, 8), schedule)).toMatchInlineSnapshot(`
      "nest product {
        grid m.o in 0..2 {
          grid n.o in 0..1 {
            unroll m.i in 0..2 {
              vector n.i in 0..4 lanes 4 {
                init acc0: f32 sum
              }
            }
            serial k in 0..8 {
              unroll m.i in 0..2 {
                vector n.i in 0..4 lanes 4 {
                  update acc0 sum = a[m.o * 2 + m.i, k] * b[k, n.i]
                }
              }
            }
            unroll m.i in 0..2 {
              vector n.i in 0..4 lanes 4 {
                store c[m.o * 2 + m.i, n.i] from acc0 = acc
              }
            }
          }
        }
      }"
    `);
  });

  it("a vector along the reduction: lanes combined at the end", () => {
    const schedule: Schedule = [split("k", 4, "pad"), bind("k.i", "vector")];
    expect(loops(product(1, 1, 7), schedule)).toMatchInlineSnapshot(`
      "nest product {
        grid m in 0..1 {
          grid n in 0..1 {
            vector k.i in 0..4 lanes 4 {
              init acc0: f32 sum
            }
            serial k.o in 0..1 {
              vector k.i in 0..4 lanes 4 {
                update acc0 sum = a[0, k.i] * b[k.i, 0]
              }
            }
            serial k.o in 1..2 {
              vector k.i in 0..4 lanes 3 {
                update acc0 sum = a[0, k.i + 4] * b[k.i + 4, 0]
              }
            }
            combine acc0 sum
            store c[0, 0] from acc0 = acc
          }
        }
      }"
    `);
  });
});

describe("what has no points", () => {
  it("an empty result has no loops", () => {
    expect(apply(map(0), [split("i", 4, "pad"), bind("i.i", "vector")]).body).toEqual([]);
  });

  it("an empty reduction stores its identity", () => {
    expect(loops(product(1, 1, 0), [])).toMatchInlineSnapshot(`
      "nest product {
        grid m in 0..1 {
          grid n in 0..1 {
            init acc0: f32 sum
            store c[0, 0] from acc0 = acc
          }
        }
      }"
    `);
  });

  it("an empty loop around assignments has no code", () => {
    const { body, ...rest } = map(3);
    const kernel: Kernel = {
      ...rest,
      body: [{ kind: "loop", axis: { name: "t", extent: 0 }, carried: true, body }],
    };
    expect(apply(kernel, []).body).toEqual([]);
  });
});

describe("what is refused", () => {
  const cases: readonly [what: string, kernel: Kernel, schedule: Schedule, message: RegExp][] = [
    ["two splits of one axis", map(8), [split("i", 2), split("i", 4)], /already split/],
    ["an order that forgets a loop", product(2, 2, 2), [order("m", "n")], /order names/],
    ["a result axis inside the reduction that is a loop", product(2, 2, 2), [order("k", "m", "n")], /neither unrolled nor a vector/], // prettier-ignore
    ["a vector of three lanes", map(6), [split("i", 3), bind("i.i", "vector")], /has extent 3/],
    ["a padded tile of points that are stored", map(10), [split("i", 4, "pad")], /is not a vector/],
    ["a padded tile that is split further", map(10), [split("i", 8, "pad"), split("i.i", 4), bind("i.i.i", "vector")], /is not a vector/], // prettier-ignore
    ["an inner axis outside of one with a rest", map(10), [split("i", 4), order("i.i", "i.o")], /not whole/],
    ["a merge of a result axis with a reduced one", product(2, 2, 2), [{ kind: "merge", outer: "n", inner: "k" }], /merge of/], // prettier-ignore
  ];
  it.each(cases)("%s", (_, kernel, schedule, message) => {
    expect(() => apply(kernel, schedule)).toThrow(message);
  });
});
