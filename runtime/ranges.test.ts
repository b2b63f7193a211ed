/** What sizes say of those to come. */
import { describe, expect, it } from "vitest";
import { type TensorShape } from "./binder.ts";
import { numberOf, rangeOf, type Shapes, SizeHistory } from "./ranges.ts";

const shapes = (...all: (readonly number[])[]): Shapes =>
  new Map(all.map((shape, i) => [`x${i}`, { dtype: "float32", shape } satisfies TensorShape]));

describe("the range of sizes", () => {
  it("follows from what changed: all sizes that grow with it, on lines", () => {
    const { range, at } = rangeOf(shapes([1, 20, 8], [2, 41]), shapes([1, 23, 8], [2, 47]))!;
    expect([range.low, range.high, at]).toEqual([2, 32, 23]);
    const constant = (offset: number) => ({ slope: 0, offset });
    expect(range.inputs).toEqual({
      x0: { dtype: "float32", shape: [constant(1), { slope: 1, offset: 0 }, constant(8)] },
      x1: { dtype: "float32", shape: [constant(2), { slope: 2, offset: 1 }] },
    });
  });

  it("has room for a half more at most, and for 31 where sizes are small", () => {
    const around = (n: number): unknown => {
      const { range } = rangeOf(shapes([n + 1]), shapes([n]))!;
      return [range.low, range.high];
    };
    expect([2, 32, 33, 64, 65, 130, 500, 512, 513].map(around)).toEqual([
      [2, 32],
      [2, 32],
      [33, 64],
      [33, 64],
      [65, 96],
      [129, 192],
      [385, 512],
      [257, 512],
      [513, 768],
    ]);
  });

  it("is none where nothing changed, or not by one number, or a size is 1", () => {
    expect(rangeOf(shapes([3]), shapes([3]))).toBeUndefined();
    expect(rangeOf(shapes([3, 8]), shapes([5, 5]))).toBeUndefined();
    expect(rangeOf(shapes([3], [8]), shapes([5], [11]))).toBeUndefined();
    expect(rangeOf(shapes([3]), shapes([1]))).toBeUndefined();
    expect(rangeOf(shapes([3]), shapes([3, 3]))).toBeUndefined();
    expect(rangeOf(shapes([3]), shapes([4], [4]))).toBeUndefined();
    const wide: Shapes = new Map([["x0", { dtype: "float64", shape: [4] }]]);
    expect(rangeOf(shapes([3]), wide)).toBeUndefined();
  });

  it("has the number of every size within it, and of no other", () => {
    const { range } = rangeOf(shapes([7], [20, 41]), shapes([7], [23, 47]))!;
    const numbers = Array.from({ length: 40 }, (_, n) => numberOf(range, shapes([7], [n, 2 * n + 1])));
    expect(numbers).toEqual(numbers.map((_, n) => (n < 2 || n > 32 ? undefined : n)));
    expect(numberOf(range, shapes([8], [20, 41]))).toBeUndefined();
    expect(numberOf(range, shapes([7], [20, 42]))).toBeUndefined();
    expect(numberOf(range, shapes([7], [20, 41], [1]))).toBeUndefined();
    expect(numberOf(range, shapes([7]))).toBeUndefined();
  });
});

describe("the history of sizes", () => {
  it("wants a range when a second size comes", () => {
    const history = new SizeHistory();
    expect(history.came("a", shapes([20]))).toBeUndefined();
    expect(history.came("b", shapes([23]))).toBeUndefined();
    const { range, at } = history.came("a", shapes([23]))!;
    expect([range.low, range.high, at]).toEqual([2, 32, 23]);
    expect(history.came("a", shapes([23]))).toBeUndefined();
  });

  it("gives up where there was none twice", () => {
    const history = new SizeHistory();
    for (const n of [20, 40, 60]) {
      history.came("a", shapes([n]));
      history.refuse("a");
    }
    expect(history.came("a", shapes([80]))).toBeUndefined();
    history.came("b", shapes([20]));
    expect(history.came("b", shapes([80]))).toBeDefined();
  });

  it("says which sizes come again and again", () => {
    const history = new SizeHistory();
    const often = (keys: string): boolean[] => [...keys].map((key) => history.comesAgain(key));
    expect(often("abababab")).toEqual([false, false, false, false, false, false, true, true]);
    const rare = Array.from({ length: 200 }, (_, i) => history.comesAgain(String(i % 20)));
    expect(rare).not.toContain(true);
  });
});
