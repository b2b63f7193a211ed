/**
 * Borders that hold padding. In: padded reads. Out: how wide a border they want, and the assignments that fill it.
 * Invariant: every element of a border is written by the call that writes the value, on every run, because memory is
 * reused.
 */
import { computeType, type DType } from "../../ir/dtype.ts";
import { add, constant, int, type Expr, type LoadExpr } from "../../ir/expr.ts";
import { range } from "../../ir/range.ts";
import { coordinate, type Assign, type Axis, type Halo } from "../../ir/kernel.ts";

/** A border that a reader wants, with the work that depends on it. */
export interface Wish {
  readonly before: number[];
  readonly after: number[];
  readonly value: number;
  work: number;
}

/** Makes `target` at least as wide as `by`. */
export function widen(target: Wish, by: Wish): void {
  by.before.forEach((n, d) => (target.before[d] = Math.max(target.before[d]!, n)));
  by.after.forEach((n, d) => (target.after[d] = Math.max(target.after[d]!, n)));
}

/** Whether a read can touch what lies beyond the shape. */
export function leavesShape(load: LoadExpr, shape: readonly number[]): boolean {
  return load.index.some((e, d) => {
    const [low, high] = range(e);
    return low < 0 || high >= shape[d]!;
  });
}

const BORDER = "border";

/** Whether an assignment was made by {@link haloAssigns}. */
export function isBorder({ axes, value }: Assign): boolean {
  return value.kind === "const" && axes.some(({ name }) => name.startsWith(BORDER));
}

/** Assignments that write the border of a buffer: per dimension, its two sides over the full width of later ones. */
export function haloAssigns(
  buffer: number,
  dtype: DType,
  shape: readonly number[],
  halo: Halo,
  tag: number,
): Assign[] {
  const fills: Assign[] = [];
  for (let d = 0; d < shape.length; d++) {
    for (const side of ["before", "after"] as const) {
      const width = halo[side][d]!;
      if (!width) continue;
      const axes: Axis[] = [];
      const index = shape.map((dim, k): Expr => {
        const [start, extent] =
          k === d
            ? side === "before" ? [-width, width] : [dim, width]
            : k < d ? [0, dim] : [-halo.before[k]!, dim + halo.before[k]! + halo.after[k]!]; // prettier-ignore
        const axis: Axis = { name: `${BORDER}${tag}.${d}${side}.${k}`, extent: extent! };
        axes.push(axis);
        return add(coordinate(axis), int(start!));
      });
      fills.push({
        kind: "assign",
        axes,
        out: buffer,
        index,
        value: constant(computeType(dtype), halo.value),
      });
    }
  }
  return fills;
}
