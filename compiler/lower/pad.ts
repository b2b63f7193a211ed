/**
 * Reads beyond a buffer's shape. In: a kernel whose loads may have `pad`. Out: the same without: a load that cannot
 * leave the shape, or that stays inside a halo of the same value, is plain; any other is tested, and reads a
 * clamped position when the test fails. Invariant: no load of the result can touch memory outside its buffer.
 */
import { elementCount } from "../ir/dtype.ts";
import {
  and,
  constant,
  ge,
  int,
  loadTyped,
  lt,
  max,
  min,
  select,
  TRUE,
  type Expr,
  type LoadExpr,
} from "../ir/expr.ts";
import { range } from "../ir/range.ts";
import { rewrite } from "../ir/walk.ts";
import { mapAssign, mapAssigns, type Buffer, type Kernel } from "../ir/kernel.ts";

export function lowerPads(kernel: Kernel): Kernel {
  const memo = new Map<Expr, Expr>();
  const lowered = (e: Expr): Expr =>
    rewrite(
      e,
      (x) => (x.kind === "load" && x.pad !== undefined ? guarded(x, kernel.buffers[x.buffer]!) : undefined),
      memo,
    );
  const body = mapAssigns(kernel.body, (assign) => mapAssign(assign, lowered));
  return { ...kernel, body };
}

function guarded(load: LoadExpr, buffer: Buffer): Expr {
  const pad = constant(load.type, load.pad!);
  if (elementCount(buffer.shape) === 0) return pad;
  const halo = buffer.layout?.halo;
  let inside = TRUE();
  const index = load.index.map((e, d) => {
    const dim = buffer.shape[d]!;
    const [low, high] = range(e);
    const sameValue = halo !== undefined && Object.is(halo.value, load.pad);
    const before = sameValue ? halo.before[d]! : 0;
    const after = sameValue ? halo.after[d]! : 0;
    let at = e;
    if (low < -before) {
      inside = and(inside, ge(e, int(0)));
      at = max(at, int(0));
    }
    if (high >= dim + after) {
      inside = and(inside, lt(e, int(dim)));
      at = min(at, int(dim - 1));
    }
    return at;
  });
  const plain = loadTyped(load.buffer, load.type, index);
  return select(inside, plain, pad);
}
