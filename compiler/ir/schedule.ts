/**
 * The Schedule IR: how a kernel's loops are arranged. In: choices of a heuristic, a tuner or a person. Out: a
 * list of plain records that survives JSON. Invariant: a schedule never changes what a kernel computes beyond the
 * order of floating-point additions; apply() refuses steps that would. Axis names are those of the kernel, or made
 * by an earlier split: `x` split gives `x.o` (outer) and `x.i` (inner).
 */

export type Step =
  /** x = x.o * by + x.i. `peel`: whole tiles, then the rest as separate code. `pad`: the last tile is partly idle
   * (vector axes only: idle lanes are computed and not stored). `overlap`: the last tile begins earlier, so that it is
   * whole and computes some points a second time; for axes of results, of at least `by` points. */
  | { readonly kind: "split"; readonly axis: string; readonly by: number; readonly tail: Tail }
  /** a and b, adjacent with a outside, become the one axis `a*b`. */
  | { readonly kind: "merge"; readonly outer: string; readonly inner: string }
  /** Loop order of one assignment, outermost first: all of its axes, reduced ones included. */
  | { readonly kind: "order"; readonly axes: readonly string[] }
  /**
   * What an axis becomes; serial loops where not bound. `group`: points of it go to different invocations of a
   * workgroup (of a device without workgroups: a serial loop). The axis of a loop may be bound to `group` too, where its
   * iterations are independent; each invocation then runs whole iterations. A reduced axis inside of such loops is dealt
   * out to as many invocations as a workgroup has for each of their points, which join their sums in order. `subgroup`, for a
   * reduced axis outside of group loops: as `group`, and subgroups combine first, where the device has these.
   */
  | { readonly kind: "bind"; readonly axis: string; readonly to: Binding }
  /**
   * What a reduction reads of buffer number `buffer` within an iteration of its loop `at` is first copied into memory of the
   * workgroup, each invocation copying a share: all that the loops inside of `at` and those bound to `group` outside reach.
   * `at` is a reduced axis that stays a serial loop, and loops inside of it divide.
   */
  | { readonly kind: "stage"; readonly buffer: number; readonly at: string }
  /**
   * A reduction in parts of `by` steps of its axis, which they divide: x.p numbers the parts, x.r the steps in one. A second
   * assignment joins the parts, over x.p.s; each axis y of the results is y.s there.
   */
  | { readonly kind: "cut"; readonly axis: string; readonly by: number }
  /** Invocations of a workgroup; only devices that have workgroups look at it. */
  | { readonly kind: "workgroup"; readonly size: number }
  /** The kernel's assignments one after the other in one workgroup, which meets between them: for short kernels. */
  | { readonly kind: "sequence" }
  /** Reads buffer number `buffer` of the kernel from a copy in panels: the listed axes innermost, in blocks. */
  | {
      readonly kind: "pack";
      readonly buffer: number;
      readonly panels: readonly (readonly [axis: string, by: number])[];
    };

/** How a split that does not divide ends. */
export type Tail = "peel" | "pad" | "overlap";
export type Binding = "grid" | "group" | "subgroup" | "vector" | "unroll";

export type Schedule = readonly Step[];

/** A schedule for a device without workgroups, where copies into their memory would be made for nothing. */
export function withoutStages(schedule: Schedule): Schedule {
  return schedule.some(({ kind }) => kind === "stage")
    ? schedule.filter(({ kind }) => kind !== "stage")
    : schedule;
}
