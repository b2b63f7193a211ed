/**
 * A good schedule for a GPU without measuring. In: a kernel with layouts, the numbers of its constant buffers, and a device.
 * Out: steps. Invariant: any choice is legal; only speed depends on it.
 *
 * Contractions keep a tile of results in registers: some points of one axis times vectors of four along the axis that the
 * store walks, so that few loads serve many products. Maps take vectors of four. Rows go to workgroups, whose invocations
 * share a row, unless there are so many short rows that each invocation has one. What must run in order is one workgroup.
 */
import { elementCount } from "../ir/dtype.ts";
import type { Assign, Block, Kernel, Loop } from "../ir/kernel.ts";
import type { Schedule, Step } from "../ir/schedule.ts";
import { accessesOf, type Access, type AssignAccesses } from "../lower/access.ts";
import { LANES } from "../ir/nest.ts";
import { takeCuts } from "../lower/cut.ts";
import { storesApart } from "../lower/independent.ts";
import { costOf } from "../passes/cost.ts";
import { nanosecondsOf } from "../passes/time.ts";
import type { GpuDevice } from "./gpuDevice.ts";
import { cutsOf, slicesOf } from "./gpuSlices.ts";
import { stagedContraction } from "./gpuTiles.ts";
import { mergeAxes, type Merged } from "./merge.ts";
import { canPack, vectorTypes, type SchedulingContext } from "./operands.ts";

/** Straight copies of a loop body that are worth their code, and the time to compile it. */
const MOST_COPIES = 32;
/** Windows that are written out. */
const MOST_TAPS = 9;
/** Cost of an epilogue without functions. */
const LIGHT_EPILOGUE = 11;
/** Rows that an invocation takes by itself, of so many elements at most. */
const SHORT_ROW = 16;

/** Chooses schedules for a device. */
export function gpuSchedules(device: GpuDevice): (kernel: Kernel, context: SchedulingContext) => Schedule {
  return (given, context) => {
    const cuts = nanosecondsOf(given.body) <= device.sequence ? [] : cutsOf(given, device);
    const kernel = takeCuts(given, cuts);
    const rows = kernel.body.some((block) => block.kind === "loop");
    const together = kernel.body.length > 1 && nanosecondsOf(kernel.body) <= device.sequence;
    // One workgroup does all stages of a short kernel, in its own size.
    const own = together ? withoutTeams(device) : device;
    const steps = kernel.body.flatMap((block): Step[] =>
      block.kind === "assign"
        ? scheduleAssign(kernel, block, context, own)
        : scheduleLoop(kernel, block, context, own),
    );
    const size = rows || steps.some(sharesReduction(kernel)) ? device.rowGroup : device.workgroup;
    if (together) steps.push({ kind: "sequence" });
    return steps.length ? [...cuts, ...steps, { kind: "workgroup", size }] : steps;
  };
}

function withoutTeams({ stage: _, ...device }: GpuDevice): GpuDevice {
  return { ...device, slices: 1 };
}

/** How a reduction is dealt out to the invocations of a workgroup. */
function sharedBinding({ subgroups }: GpuDevice): "group" | "subgroup" {
  return subgroups ? "subgroup" : "group";
}

/** Whether a step deals out a reduction to the invocations of a workgroup. */
function sharesReduction(kernel: Kernel): (step: Step) => boolean {
  const reduced = new Set<string>();
  const visit = (blocks: readonly Block[]): void => {
    for (const block of blocks) {
      if (block.kind === "loop") visit(block.body);
      else for (const axis of block.reduce?.axes ?? []) reduced.add(axis.name);
    }
  };
  visit(kernel.body);
  return (step) =>
    step.kind === "bind" &&
    (step.to === "group" || step.to === "subgroup") &&
    [...reduced].some((name) => step.axis.includes(name));
}

// ---------------------------------------------------------------------------------------------------------------
// Loops: rows, and what runs in order

function scheduleLoop(kernel: Kernel, loop: Loop, context: SchedulingContext, device: GpuDevice): Step[] {
  const chain = chainOf(loop);
  if (!chain.some((l) => l.carried)) {
    const rows = elementCount(chain.map((l) => l.axis.extent));
    const longest = Math.max(1, ...innerAssigns(chain.at(-1)!).map(pointsOf));
    const alone = longest <= SHORT_ROW || (longest <= 4 * SHORT_ROW && rows >= 4 * device.busy);
    if (alone) return chain.map((l): Step => ({ kind: "bind", axis: l.axis.name, to: "group" }));
  }
  // Made for tiles of pixels; devices without them keep rows as they were measured.
  const free = device.pixels !== undefined && !chain.some((l) => l.carried);
  return innerAssigns(loop).flatMap(
    (assign) =>
      (free ? shareTile(kernel, assign, context, device) : undefined) ?? shareOut(kernel, assign, device),
  );
}

/** Loops that are all of one another's body, the outermost first. */
function chainOf(loop: Loop): Loop[] {
  const [inner] = loop.body;
  return loop.body.length === 1 && inner?.kind === "loop" ? [loop, ...chainOf(inner)] : [loop];
}

function innerAssigns(loop: Loop): Assign[] {
  return loop.body.flatMap((b) => (b.kind === "assign" ? [b] : innerAssigns(b)));
}

function pointsOf(assign: Assign): number {
  return elementCount([...assign.axes, ...(assign.reduce?.axes ?? [])].map((a) => a.extent));
}

/** Deals out vectors and rows of a contraction or window that has enough of them. */
function shareTile(
  kernel: Kernel,
  assign: Assign,
  context: SchedulingContext,
  device: GpuDevice,
): Step[] | undefined {
  const points = elementCount(assign.axes.map((a) => a.extent));
  if (!assign.reduce || points < 2 * LANES * device.rowGroup || !storesApart(kernel, assign))
    return undefined;
  const own = { ...withoutTeams(device), busy: device.rowGroup };
  return contraction(kernel, assign, accessesOf(kernel, assign), context, own, true);
}

/** Deals out an assignment's points, or its reduction where that is longer, to the invocations of a workgroup. */
function shareOut(kernel: Kernel, assign: Assign, device: GpuDevice): Step[] {
  const points = elementCount(assign.axes.map((a) => a.extent));
  const depth = elementCount(assign.reduce?.axes.map((a) => a.extent) ?? []);
  if (assign.reduce && points <= 8 && depth > points) {
    const accesses = accessesOf(kernel, assign);
    const { steps, axes } = mergeAxes(assign.reduce.axes, accesses, new Set(), new Set());
    const longest = axes.toSorted((a, b) => b.extent - a.extent)[0]!;
    return [...steps, { kind: "bind", axis: longest.name, to: sharedBinding(device) }];
  }
  if (points === 1 || !storesApart(kernel, assign)) return [];
  const { steps, axes } = mergeAxes(assign.axes, accessesOf(kernel, assign), new Set(), new Set());
  const longest = axes.toSorted((a, b) => b.extent - a.extent)[0]!;
  const others = axes.filter((a) => a !== longest).map((a) => a.name);
  const reduced = assign.reduce?.axes.map((a) => a.name) ?? [];
  return [
    ...steps,
    { kind: "order", axes: [...others, longest.name, ...reduced] },
    { kind: "bind", axis: longest.name, to: "group" },
  ];
}

// ---------------------------------------------------------------------------------------------------------------
// Assignments by themselves

function scheduleAssign(
  kernel: Kernel,
  assign: Assign,
  context: SchedulingContext,
  device: GpuDevice,
): Step[] {
  const accesses = accessesOf(kernel, assign);
  if (!storesApart(kernel, assign)) return [];
  if (!assign.reduce) return scheduleMap(assign, accesses, device);
  return (
    contraction(kernel, assign, accesses, context, device) ??
    sharedReduction(assign, accesses, device) ??
    onePerPoint(assign, accesses, device)
  );
}

/** Binds loops of results, innermost last, to invocations as far as a workgroup goes, and the rest to workgroups. */
function dealt(names: readonly Merged[], device: GpuDevice): Step[] {
  const steps: Step[] = [];
  let inside = 1;
  for (const { name, extent } of names.toReversed()) {
    if (inside >= device.workgroup) break;
    steps.push({ kind: "bind", axis: name, to: "group" });
    inside *= extent;
  }
  return steps;
}

function scheduleMap(assign: Assign, accesses: AssignAccesses, device: GpuDevice): Step[] {
  const { steps, axes } = mergeAxes(assign.axes, accesses, new Set(), new Set());
  const vector = axes.findLast((a) => a.extent > 1);
  if (!vector) return [];
  if (!vectorisable(assign, accesses, vector.inner, vector.extent)) return [...steps, ...dealt(axes, device)];
  const outer = axes.map((a): Merged =>
    a === vector ? { ...a, name: `${a.name}.o`, extent: a.extent / LANES } : a,
  );
  return [
    ...steps,
    { kind: "split", axis: vector.name, by: LANES, tail: "peel" },
    { kind: "order", axes: [...outer.map((a) => a.name), `${vector.name}.i`] },
    { kind: "bind", axis: `${vector.name}.i`, to: "vector" },
    ...dealt(outer, device),
  ];
}

/** Whether four neighbouring points along an axis are one access each way. */
function vectorisable(assign: Assign, accesses: AssignAccesses, axis: string, extent: number): boolean {
  if (extent % LANES !== 0 || accesses.opaque.has(axis) || !vectorTypes(assign)) return false;
  if (accesses.store.strides.get(axis) !== 1) return false;
  return accesses.loads.every((a) => [0, 1].includes(a.strides.get(axis) ?? 0));
}

/** One invocation for each result. */
function onePerPoint(assign: Assign, accesses: AssignAccesses, device: GpuDevice): Step[] {
  const merged = mergeAxes(assign.axes, accesses, new Set(), new Set());
  const reduced = mergeAxes(assign.reduce!.axes, accesses, new Set(), new Set());
  return [...merged.steps, ...reduced.steps, ...dealt(merged.axes, device)];
}

/** Few results of long reductions: a workgroup for each. */
function sharedReduction(assign: Assign, accesses: AssignAccesses, device: GpuDevice): Step[] | undefined {
  const points = elementCount(assign.axes.map((a) => a.extent));
  const depth = elementCount(assign.reduce!.axes.map((a) => a.extent));
  if (points >= device.busy || depth < 4 * device.rowGroup) return undefined;
  const merged = mergeAxes(assign.reduce!.axes, accesses, new Set(), new Set());
  const longest = merged.axes.toSorted((a, b) => b.extent - a.extent)[0]!;
  if (longest.extent < device.rowGroup) return undefined;
  const others = merged.axes.filter((a) => a !== longest).map((a) => a.name);
  return [
    ...merged.steps,
    { kind: "order", axes: [...assign.axes.map((a) => a.name), ...others, longest.name] },
    { kind: "bind", axis: longest.name, to: sharedBinding(device) },
  ];
}

// ---------------------------------------------------------------------------------------------------------------
// Contractions, convolutions, windows

function contraction(
  kernel: Kernel,
  assign: Assign,
  accesses: AssignAccesses,
  context: SchedulingContext,
  device: GpuDevice,
  /** Whether its points are those of one workgroup, whose invocations deal them out among themselves. */
  inGroup = false,
): Step[] | undefined {
  const reduce = assign.reduce!;
  if (!vectorTypes(assign)) return undefined;
  const inside = accesses.loads.filter((a) => a.inReduction);
  const stride = (a: Access, name: string): number => a.strides.get(name) ?? 0;
  const packable = (a: Access): boolean => context.constants.has(a.buffer) && canPack(kernel, assign, a) && a.opaque.size === 0; // prettier-ignore
  const vector = assign.axes.find(
    (x) =>
      x.extent % LANES === 0 &&
      !accesses.opaque.has(x.name) &&
      stride(accesses.store, x.name) === 1 &&
      inside.every((a) => [0, 1].includes(stride(a, x.name)) || packable(a)) &&
      accesses.loads.every((a) => a.inReduction || [0, 1].includes(stride(a, x.name))),
  );
  // What follows the reduction is written out for each row: with functions in it, that is what takes long to compile.
  const light = costOf(assign.value) <= LIGHT_EPILOGUE;
  if (device.stage) {
    const along = vector ?? assign.axes.find((x) => x.extent % LANES === 0 && !accesses.opaque.has(x.name) && stride(accesses.store, x.name) === 1); // prettier-ignore
    const most = light ? device.stage.rows : Math.ceil(device.stage.rows / 2);
    const staged = along && stagedContraction(kernel, assign, accesses, along.name, packable, most, device);
    if (staged) return staged;
  }
  if (!vector) return undefined;
  const v = vector.name;
  const depth = elementCount(reduce.axes.map((a) => a.extent));
  const packed = new Set<number>();
  for (const a of inside) if (stride(a, v) !== 0 && stride(a, v) !== 1) packed.add(a.buffer);
  const spatial = mergeAxes(
    assign.axes.filter((a) => a !== vector),
    accesses,
    new Set([v]),
    new Set(),
  );
  const reduced = mergeAxes(reduce.axes, accesses, new Set(), packed);
  const steps: Step[] = [...spatial.steps, ...reduced.steps];

  // A second axis along which some vector operand stays the same.
  const dependent = inside.filter((a) => stride(a, v) !== 0);
  const shares = (x: Merged): boolean =>
    dependent.some((a) => stride(a, x.inner) === 0 && !a.opaque.has(x.inner));
  const tileAxis = spatial.axes.findLast((x) => x.extent > 1 && !accesses.opaque.has(x.inner) && shares(x));
  const vectors = vector.extent / LANES;
  const points = elementCount(assign.axes.map((a) => a.extent)) / LANES;
  const most = light ? device.rows : Math.ceil(device.rows / 2);
  let rows = tileAxis ? Math.min(most, tileAxis.extent) : 1;
  const longest = reduced.axes.reduce<Merged | undefined>(
    (a, b) => (a && a.extent > b.extent ? a : b),
    undefined,
  );
  const sliced = longest && depth > MOST_TAPS ? slicesOf(vectors, points / rows, longest.extent / LANES, device) : undefined; // prettier-ignore
  // Enough invocations before large tiles.
  while (!sliced && rows > 1 && points / rows < device.busy) rows = Math.ceil(rows / 2);
  for (const buffer of packed) steps.unshift({ kind: "pack", buffer, panels: [[v, LANES]] });
  steps.push(
    { kind: "split", axis: v, by: LANES, tail: "peel" },
    { kind: "bind", axis: `${v}.i`, to: "vector" },
  );
  let outer: Merged[] = [...spatial.axes, { name: `${v}.o`, extent: vectors, inner: v }];
  if (sliced) {
    steps.push({ kind: "split", axis: `${v}.o`, by: sliced.across, tail: "peel" });
    outer = [
      ...spatial.axes,
      { name: `${v}.o.o`, extent: vectors / sliced.across, inner: v },
      { name: `${v}.o.i`, extent: sliced.across, inner: v },
    ];
  }
  const tile: string[] = [];
  if (tileAxis && rows > 1) {
    const t = tileAxis.name;
    steps.push(
      { kind: "split", axis: t, by: rows, tail: "overlap" },
      { kind: "bind", axis: `${t}.i`, to: "unroll" },
    );
    outer = outer.map((x) =>
      x === tileAxis ? { name: `${t}.o`, extent: Math.ceil(x.extent / rows), inner: x.inner } : x,
    );
    tile.push(`${t}.i`);
  }
  tile.push(`${v}.i`);
  const order = reducedOrder(reduced.axes, inside, depth, rows, steps);
  if (inGroup) {
    const [start, ...others] = outer.map((x) => x.name);
    const all = others.reduce((a, b) => {
      steps.push({ kind: "merge", outer: a, inner: b });
      return `${a}*${b}`;
    }, start!);
    steps.push({ kind: "order", axes: [all, ...order, ...tile] }, { kind: "bind", axis: all, to: "group" });
    return steps;
  }
  steps.push({ kind: "order", axes: [...outer.map((x) => x.name), ...order, ...tile] });
  if (!sliced) return [...steps, ...dealt(outer, device)];
  const shared = order.find((name) => name === longest!.name || name === `${longest!.name}.o`)!;
  for (const axis of [`${v}.o.i`, shared]) steps.push({ kind: "bind", axis, to: "group" });
  return steps;
}

/** Loops of the reduction: short windows written out, else four steps of the innermost, so that loads take four at once. */
function reducedOrder(
  axes: readonly Merged[],
  inside: readonly Access[],
  depth: number,
  rows: number,
  steps: Step[],
): string[] {
  if (depth <= MOST_TAPS && depth * rows <= MOST_COPIES) {
    for (const { name, extent } of axes)
      if (extent > 1) steps.push({ kind: "bind", axis: name, to: "unroll" });
    return axes.map((a) => a.name);
  }
  const last = axes.findLast((a) => a.extent > 1);
  const quads = last && last.extent % LANES === 0 && inside.some((a) => a.strides.get(last.inner) === 1);
  if (!last || !quads || rows * LANES > MOST_COPIES) return axes.map((a) => a.name);
  steps.push(
    { kind: "split", axis: last.name, by: LANES, tail: "peel" },
    { kind: "bind", axis: `${last.name}.i`, to: "unroll" },
  );
  return axes.flatMap((a) => (a === last ? [`${a.name}.o`, `${a.name}.i`] : [a.name]));
}
