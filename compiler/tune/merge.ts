/**
 * Neighbouring axes as one. In: axes, and how every access of an assignment walks along them. Out: the steps that merge
 * them, and the axes that are left. Invariant: only what all accesses walk as one is merged, so positions stay linear.
 */
import type { Axis } from "../ir/kernel.ts";
import type { Step } from "../ir/schedule.ts";
import type { AssignAccesses } from "../lower/access.ts";

export interface Merged {
  readonly name: string;
  readonly extent: number;
  /** The innermost of the merged axes, whose stride is the merged one's. */
  readonly inner: string;
}

/** Merges neighbouring axes that every access walks as one; returns the steps and the resulting axes. */
export function mergeAxes(
  axes: readonly Axis[],
  accesses: AssignAccesses,
  keep: ReadonlySet<string>,
  ignore: ReadonlySet<number>,
): { steps: Step[]; axes: Merged[] } {
  const steps: Step[] = [];
  const all = [...accesses.loads.filter((a) => !ignore.has(a.buffer)), accesses.store];
  const out: Merged[] = [];
  for (const axis of axes) {
    if (axis.extent === 1) {
      // Of no consequence for any address; stays where it is.
      out.push({ name: axis.name, extent: 1, inner: axis.name });
      continue;
    }
    const last = out.at(-1);
    const mergeable =
      last !== undefined &&
      last.extent > 1 &&
      !keep.has(last.inner) &&
      !keep.has(axis.name) &&
      !accesses.opaque.has(last.inner) &&
      !accesses.opaque.has(axis.name) &&
      all.every((a) => (a.strides.get(last.inner) ?? 0) === (a.strides.get(axis.name) ?? 0) * axis.extent);
    if (mergeable) {
      steps.push({ kind: "merge", outer: last.name, inner: axis.name });
      out[out.length - 1] = {
        name: `${last.name}*${axis.name}`,
        extent: last.extent * axis.extent,
        inner: axis.name,
      };
    } else out.push({ name: axis.name, extent: axis.extent, inner: axis.name });
  }
  return { steps, axes: out };
}
