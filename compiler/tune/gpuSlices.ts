/**
 * Long reductions with few results, which alone would keep few cores of a GPU busy. In: a contraction or any reduction, and
 * a device. Out: into how many parts it is cut, over workgroups and over the invocations of one. Invariant: what is not
 * worth a second dispatch, or has results enough, is left whole.
 */
import { elementCount } from "../ir/dtype.ts";
import type { Assign, Axis, Kernel } from "../ir/kernel.ts";
import type { Step } from "../ir/schedule.ts";
import { LANES } from "../ir/nest.ts";
import { nanosecondsOf } from "../passes/time.ts";
import type { GpuDevice } from "./gpuDevice.ts";

/** Steps of a reduction that are not divided further. */
const LEAST_STEPS = 64;
/** Parts that one invocation joins. */
const MOST_PARTS = 64;

/** Invocations along columns, where the reduction of each of these vectors is dealt out to as many as are left. */
export function slicesOf(
  vectors: number,
  invocations: number,
  steps: number,
  { slices, busy, rowGroup }: GpuDevice,
): { readonly across: number } | undefined {
  if (slices < 2 || invocations >= busy) return undefined;
  const wanted = Math.min(
    slices,
    Math.floor(steps / 4),
    rowGroup,
    2 ** Math.ceil(Math.log2(busy / invocations)),
  );
  if (wanted < 2) return undefined;
  for (let across = Math.min(vectors, Math.floor(rowGroup / wanted)); across > 0; across--)
    if (vectors % across === 0) return { across };
  return undefined;
}

/** Cuts a kernel's one reduction over workgroups, where even all invocations of one for each result are too few. */
export function cutsOf(kernel: Kernel, device: GpuDevice): (Step & { kind: "cut" })[] {
  const [assign] = kernel.body;
  if (kernel.body.length !== 1 || assign?.kind !== "assign" || !assign.reduce || device.slices < 2) return [];
  const { axes, body } = assign.reduce;
  if (body.type !== "f32" && body.type !== "i32" && body.type !== "u32") return [];
  if (nanosecondsOf(kernel.body) < device.cut) return [];
  const longest = axes.reduce<Axis | undefined>((a, b) => (a && a.extent >= b.extent ? a : b), undefined);
  const busy = invocationsOf(assign, device);
  if (!longest || busy >= device.busy / 4) return [];
  const wanted = Math.min(MOST_PARTS, Math.ceil(device.busy / 2 / busy), Math.floor(longest.extent / LEAST_STEPS)); // prettier-ignore
  // Whole vectors of steps, and parts of one length.
  for (let parts = wanted; parts >= 2; parts--)
    if (longest.extent % (parts * LANES) === 0)
      return [{ kind: "cut", axis: longest.name, by: longest.extent / parts }];
  return [];
}

/** Invocations that find something to do when the reduction is not cut. */
function invocationsOf({ axes, reduce }: Assign, { rowGroup, slices }: GpuDevice): number {
  const points = elementCount(axes.map((a) => a.extent));
  const depth = elementCount(reduce!.axes.map((a) => a.extent));
  const columns = axes.findLast((a) => a.extent > 1)?.extent ?? 1;
  if (columns % LANES !== 0) return points * Math.min(rowGroup, depth);
  // Tiles of four by four; where there are few rows, slices instead.
  const rows = Math.min(4, points / columns);
  return (points / LANES / rows) * (points / columns < 16 ? slices : 1);
}
