/**
 * How a kernel walks through memory. In: an assignment and its buffers' layouts. Out: for every load and for the
 * store, the stride of each axis in elements. Invariant: an axis that takes part in anything but a plain linear
 * position (a division, a clamp, a value) is listed as opaque, and nobody reasons about its stride.
 */
import { fromLinear, type Expr, type LoadExpr } from "../ir/expr.ts";
import { linear, type Linear } from "../ir/linear.ts";
import { axesOf, visit } from "../ir/walk.ts";
import { layoutOf, type Assign, type Axis, type Kernel, type Layout } from "../ir/kernel.ts";

export interface Access {
  readonly buffer: number;
  readonly strides: ReadonlyMap<string, number>;
  readonly opaque: ReadonlySet<string>;
  /** The load; undefined for the store. */
  readonly load?: LoadExpr;
  /** Whether it is read once per point of the reduction, or once per point of the result. */
  readonly inReduction: boolean;
}

/** The element offset of an access; terms may have a coefficient of 0. */
export function flatOffset({ strides, offset }: Layout, index: readonly Expr[]): Linear {
  let constant = offset;
  let plain = true;
  const terms = new Map<Expr, number>();
  index.forEach((e, d) => {
    const form = linear(e);
    const stride = strides[d]!;
    constant += form.constant * stride;
    for (const [term, c] of form.terms) {
      if (term.kind !== "axis") plain = false;
      terms.set(term, (terms.get(term) ?? 0) + c * stride);
    }
  });
  // Quotients and remainders may join again.
  return plain ? { constant, terms } : linear(fromLinear({ constant, terms }));
}

function accessOf(
  kernel: Kernel,
  buffer: number,
  index: readonly Expr[],
  inReduction: boolean,
  load?: LoadExpr,
): Access {
  const strides = new Map<string, number>();
  const opaque = new Set<string>();
  for (const [term, c] of flatOffset(layoutOf(kernel.buffers[buffer]!), index).terms) {
    if (c === 0) continue;
    if (term.kind === "axis") strides.set(term.name, (strides.get(term.name) ?? 0) + c);
    else for (const name of axesOf(term)) opaque.add(name);
  }
  return { buffer, strides, opaque, inReduction, ...(load ? { load } : {}) };
}

export interface AssignAccesses {
  readonly loads: readonly Access[];
  readonly store: Access;
  /** Axes used as values or inside opaque positions anywhere. */
  readonly opaque: ReadonlySet<string>;
}

export function accessesOf(kernel: Kernel, assign: Assign): AssignAccesses {
  const loads: Access[] = [];
  const opaque = new Set<string>();
  const seen = new Set<Expr>();
  const scan = (root: Expr, inReduction: boolean): void => {
    const walk = (e: Expr): void => {
      if (seen.has(e)) return;
      seen.add(e);
      switch (e.kind) {
        case "load": {
          const access = accessOf(kernel, e.buffer, e.index, inReduction, e);
          loads.push(access);
          for (const name of access.opaque) opaque.add(name);
          // Loads inside an index are accesses too.
          for (const i of e.index) visit(i, (x) => x.kind === "load" && walk(x));
          return;
        }
        case "axis":
          opaque.add(e.name);
          return;
        case "unary":
        case "cast":
        case "bitcast":
          walk(e.a);
          return;
        case "binary":
          walk(e.a);
          walk(e.b);
          return;
        case "select":
          walk(e.condition);
          walk(e.a);
          walk(e.b);
          return;
        default:
      }
    };
    walk(root);
  };
  if (assign.reduce) scan(assign.reduce.body, true);
  scan(assign.value, false);
  const store = storeOf(kernel, assign);
  for (const name of store.opaque) opaque.add(name);
  return { loads, store, opaque };
}

/** How an assignment stores. */
export function storeOf(kernel: Kernel, assign: Assign): Access {
  return accessOf(kernel, assign.out, assign.index, false);
}

/** Sorts axes so that the one with the largest stride in `access` comes first; ties keep their order. */
export function byStride(axes: readonly Axis[], access: Access): Axis[] {
  const stride = (a: Axis): number =>
    Math.abs(access.strides.get(a.name) ?? (access.opaque.has(a.name) ? 1e15 : 1e14));
  return axes.map((a, i) => ({ a, i })).sort((x, y) => stride(y.a) - stride(x.a) || x.i - y.i).map(({ a }) => a); // prettier-ignore
}
