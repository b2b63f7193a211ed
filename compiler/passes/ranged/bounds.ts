/**
 * Accesses within bounds. In: a kernel in which n, or what is read where n ends, may lead anywhere. Out: one whose loads
 * are held within their buffers. Invariant: what a load gives for a place within its buffer does not change.
 */
import { int, loadTyped, max, min, type Expr } from "../../ir/expr.ts";
import { mapAssign, mapAssigns, type Block, type Buffer } from "../../ir/kernel.ts";
import { range } from "../../ir/range.ts";
import { rewrite } from "../../ir/walk.ts";
import { NotRanged } from "./size.ts";

/** @throws NotRanged where a store might leave its buffer */
export function inBounds(blocks: readonly Block[], buffers: readonly Buffer[]): Block[] {
  const memo = new Map<Expr, Expr>();
  const within = (e: Expr, dim: number): Expr => {
    const [low, high] = range(e);
    const notBelow = low < 0 ? max(e, int(0)) : e;
    return high >= dim ? min(notBelow, int(dim - 1)) : notBelow;
  };
  const change = (e: Expr): Expr =>
    rewrite(
      e,
      (x) => {
        if (x.kind !== "load" || x.pad !== undefined) return undefined;
        const { shape } = buffers[x.buffer]!;
        const index = x.index.map((at, d) => within(at, shape[d]!));
        return index.every((at, d) => at === x.index[d]) ? undefined : loadTyped(x.buffer, x.type, index);
      },
      memo,
    );
  return mapAssigns(blocks, (assign) => {
    const changed = mapAssign(assign, change);
    const { shape } = buffers[assign.out]!;
    const fits = changed.index.every((at, d) => range(at)[0] >= 0 && range(at)[1] < shape[d]!);
    if (!fits) throw new NotRanged("stores beyond the end");
    return changed;
  });
}
