/**
 * A schedule in words. In: a schedule as JSON, as compile reports carry it. Out: one short line for each step.
 * Invariant: a step of a kind that is not known here is still shown, as its JSON.
 */
import type { Step } from "../compiler/ir/schedule.ts";

/** @example scheduleLines('[{"kind":"bind","axis":"k0","to":"unroll"}]'); // ["unroll k0"] */
export function scheduleLines(json: string): string[] {
  const steps: unknown = json === "" ? [] : JSON.parse(json);
  return Array.isArray(steps) ? (steps as readonly Step[]).map(lineOf) : [];
}

const TAILS = { peel: "rest peeled", pad: "last tile padded", overlap: "last tile overlapping" } as const;

function lineOf(step: Step): string {
  switch (step.kind) {
    case "split":
      return `split ${step.axis} by ${step.by}, ${TAILS[step.tail]}`;
    case "merge":
      return `merge ${step.outer} and ${step.inner}`;
    case "order":
      return `order ${step.axes.join(" › ")}`;
    case "bind":
      return `${step.to} ${step.axis}`;
    case "stage":
      return `copy buffer ${step.buffer} into shared memory in each ${step.at}`;
    case "cut":
      return `cut ${step.axis} into parts of ${step.by}, joined afterwards`;
    case "workgroup":
      return `workgroups of ${step.size}`;
    case "sequence":
      return "one workgroup for all, in sequence";
    case "pack":
      return `pack buffer ${step.buffer} in panels of ${step.panels.map(([axis, by]) => `${axis}:${by}`).join(" × ")}`;
    default:
      step satisfies never;
      return JSON.stringify(step);
  }
}
