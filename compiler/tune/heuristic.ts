/**
 * A good schedule without measuring. In: a kernel with layouts and the numbers of its constant buffers. Out: steps
 * per assignment. Invariant: any choice is legal; only speed depends on it. The model behind the choices is a core
 * that starts two multiply-adds and two loads a cycle with a latency of four, and 15 vector registers (what V8
 * leaves on x64): measured peak on such cores needs eight or more independent accumulators. The choices for each form of
 * assignment are in maps.ts, window.ts, streams.ts, contraction.ts and rows.ts.
 */
import { assignments, mapAssigns, type Assign, type Kernel } from "../ir/kernel.ts";
import type { Schedule, Step } from "../ir/schedule.ts";
import { accessesOf, byStride, type Access, type AssignAccesses } from "../lower/access.ts";
import { planReduction } from "./contraction.ts";
import { scheduleMap } from "./maps.ts";
import { mergeAxes } from "./merge.ts";
import { canPack, vectorTypes, type SchedulingContext } from "./operands.ts";
import { deepReduction, rowReduction } from "./rows.ts";
import { scheduleStreams } from "./streams.ts";
import { scheduleWindow } from "./window.ts";

/** Orders the axes of every assignment by how they walk through memory: the form in which schedules are chosen. */
export function orderAxes(kernel: Kernel): Kernel {
  const change = (assign: Assign): Assign => {
    const accesses = accessesOf(kernel, assign);
    const axes = byStride(assign.axes, accesses.store);
    if (!assign.reduce) return { ...assign, axes };
    // The operand that is read most often from memory leads the order of the reduction.
    const lead = leadingLoad(accesses);
    return {
      ...assign,
      axes,
      reduce: { ...assign.reduce, axes: lead ? byStride(assign.reduce.axes, lead) : assign.reduce.axes },
    };
  };
  return { ...kernel, body: mapAssigns(kernel.body, change) };
}

function leadingLoad(accesses: AssignAccesses): Access | undefined {
  const inside = accesses.loads.filter((a) => a.inReduction);
  return inside.find((a) => a.opaque.size === 0) ?? inside[0];
}

export function chooseSchedule(kernel: Kernel, context: SchedulingContext): Schedule {
  return assignments(kernel).flatMap(({ assign }) => scheduleAssign(kernel, assign, context));
}

function scheduleAssign(kernel: Kernel, assign: Assign, context: SchedulingContext): Step[] {
  const accesses = accessesOf(kernel, assign);
  if (!assign.reduce) return scheduleMap(kernel, assign, accesses);
  if (!vectorTypes(assign)) return [];
  const packable = (a: Access): boolean => context.constants.has(a.buffer) && canPack(kernel, assign, a);
  const plan =
    scheduleWindow(kernel, assign, accesses, packable) ??
    streams(assign, accesses, context) ??
    deepReduction(kernel, assign, accesses, context) ??
    planReduction(kernel, assign, accesses, context);
  return plan ?? rowReduction(assign, accesses) ?? [];
}

function streams(assign: Assign, accesses: AssignAccesses, context: SchedulingContext): Step[] | undefined {
  const results = mergeAxes(assign.axes, accesses, new Set(), new Set());
  const reduced = mergeAxes(assign.reduce!.axes, accesses, new Set(), new Set());
  const merged = {
    steps: [...results.steps, ...reduced.steps],
    results: results.axes,
    reduced: reduced.axes,
  };
  return scheduleStreams(assign, accesses, merged, (a) => context.constants.has(a.buffer));
}
