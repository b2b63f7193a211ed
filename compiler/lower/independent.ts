/**
 * Which parts of a kernel may run at the same time. In: a kernel with layouts. Out: whether no two points of an
 * assignment store to one element. Invariant: a "yes" is proven from strides; whatever cannot be proven is a "no",
 * and runs on one thread.
 */
import type { Assign, Kernel } from "../ir/kernel.ts";
import { storeOf } from "./access.ts";

/**
 * Whether every point of the assignment stores to an element of its own: ordered by stride, each axis steps over all
 * that the axes before it reach.
 */
export function storesApart(kernel: Kernel, assign: Assign): boolean {
  const store = storeOf(kernel, assign);
  if (store.opaque.size) return false;
  const axes = assign.axes
    .filter(({ extent }) => extent > 1)
    .map(({ name, extent }) => ({ stride: Math.abs(store.strides.get(name) ?? 0), extent }))
    .toSorted((a, b) => a.stride - b.stride);
  let reach = 0;
  for (const { stride, extent } of axes) {
    if (stride <= reach) return false;
    reach += stride * (extent - 1);
  }
  return true;
}
