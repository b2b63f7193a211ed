/**
 * Axes split where positions divide them. In: the body of a kernel. Out: the same with axis `k` as `k.0 * c + k.1`
 * wherever a position holds `k div c` or `k mod c` and c divides the extent. Invariant: the same points are covered.
 * After a reshape was written into its consumer this makes positions linear again, which is what lets a contraction
 * read through it.
 */
import { add, axis, int, mul, type Expr } from "../ir/expr.ts";
import { substituteAxes, visit } from "../ir/walk.ts";
import type { Assign, Axis, Block } from "../ir/kernel.ts";

/** @param which `reduced`: axes of reductions only, so that results still are stored at plain coordinates. */
export function splitDividedAxes(body: readonly Block[], which: "reduced" | "all"): Block[] {
  return body.map((block) =>
    block.kind === "assign"
      ? splitAssign(block, which)
      : { ...block, body: splitDividedAxes(block.body, which) },
  );
}

function splitAssign(assign: Assign, which: "reduced" | "all"): Assign {
  let current = assign;
  for (let round = 0; round < 8; round++) {
    const found = findDivision(current, which);
    if (!found) return current;
    current = splitAxis(current, found.axis, found.by);
  }
  return current;
}

function findDivision(assign: Assign, which: "reduced" | "all"): { axis: Axis; by: number } | undefined {
  const candidates =
    which === "all" ? [...assign.axes, ...(assign.reduce?.axes ?? [])] : (assign.reduce?.axes ?? []);
  const axes = new Map(candidates.map((a) => [a.name, a]));
  if (!axes.size) return undefined;
  let best: { axis: Axis; by: number } | undefined;
  const seen = new Set<Expr>();
  const look = (e: Expr): void =>
    visit(
      e,
      (x) => {
        if (x.kind !== "binary" || (x.op !== "floordiv" && x.op !== "floormod")) return;
        if (x.a.kind !== "axis" || x.b.kind !== "const") return;
        const found = axes.get(x.a.name);
        const by = Number(x.b.value);
        if (!found || by <= 1 || by >= found.extent || found.extent % by !== 0) return;
        // The largest divisor first: smaller ones then divide the inner part.
        if (!best || by > best.by) best = { axis: found, by };
      },
      seen,
    );
  look(assign.value);
  for (const e of assign.index) look(e);
  if (assign.reduce) look(assign.reduce.body);
  return best;
}

function splitAxis(assign: Assign, target: Axis, by: number): Assign {
  const outer: Axis = { name: `${target.name}.0`, extent: target.extent / by };
  const inner: Axis = { name: `${target.name}.1`, extent: by };
  const position = add(mul(axis(outer.name, outer.extent), int(by)), axis(inner.name, inner.extent));
  const memo = new Map<Expr, Expr>();
  const replaced = (e: Expr): Expr => substituteAxes(e, new Map([[target.name, position]]), memo);
  const axes = (list: readonly Axis[]): Axis[] =>
    list.flatMap((a) => (a.name === target.name ? [outer, inner] : [a]));
  return {
    ...assign,
    axes: axes(assign.axes),
    index: assign.index.map(replaced),
    value: replaced(assign.value),
    ...(assign.reduce
      ? { reduce: { ...assign.reduce, axes: axes(assign.reduce.axes), body: replaced(assign.reduce.body) } }
      : {}),
  };
}
