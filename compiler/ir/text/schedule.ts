/**
 * Schedules as text and back. In: a list of steps. Out: one step a line, in the words of the Step type. Invariant:
 * parsing a printed schedule gives an equal one.
 */
import type { Schedule, Step } from "../schedule.ts";
import { nameText } from "./name.ts";
import { parseAll, type Reader } from "./token.ts";

export function printSchedule(schedule: Schedule): string {
  return schedule.map((step) => `${stepText(step)}\n`).join("");
}

function stepText(step: Step): string {
  switch (step.kind) {
    case "split":
      return `split ${nameText(step.axis)} by ${step.by} ${step.tail}`;
    case "merge":
      return `merge ${nameText(step.outer)} with ${nameText(step.inner)}`;
    case "order":
      return `order [${step.axes.map(nameText).join(", ")}]`;
    case "bind":
      return `bind ${nameText(step.axis)} to ${step.to}`;
    case "stage":
      return `stage ${step.buffer} at ${nameText(step.at)}`;
    case "cut":
      return `cut ${nameText(step.axis)} by ${step.by}`;
    case "workgroup":
      return `workgroup ${step.size}`;
    case "sequence":
      return "sequence";
    case "pack":
      return `pack ${step.buffer} in [${step.panels.map(([axis, by]) => `${nameText(axis)} by ${by}`).join(", ")}]`;
    default:
      return step satisfies never;
  }
}

/** Parses what {@link printSchedule} printed. Throws CompileError where the text is malformed. */
export function parseSchedule(text: string): Schedule {
  return parseAll(text, (reader) => {
    const steps: Step[] = [];
    while (reader.peek().kind !== "end") steps.push(readStep(reader));
    return steps;
  });
}

function readStep(reader: Reader): Step {
  const kind = reader.choice([
    "split",
    "merge",
    "order",
    "bind",
    "stage",
    "cut",
    "workgroup",
    "sequence",
    "pack",
  ] as const);
  switch (kind) {
    case "split": {
      const axis = reader.name();
      reader.expect("by");
      return { kind, axis, by: reader.integer(), tail: reader.choice(["peel", "pad", "overlap"] as const) };
    }
    case "merge": {
      const outer = reader.name();
      reader.expect("with");
      return { kind, outer, inner: reader.name() };
    }
    case "order":
      return { kind, axes: reader.list("[", "]", () => reader.name()) };
    case "bind": {
      const axis = reader.name();
      reader.expect("to");
      return { kind, axis, to: reader.choice(["grid", "group", "subgroup", "vector", "unroll"] as const) };
    }
    case "stage": {
      const buffer = reader.integer();
      reader.expect("at");
      return { kind, buffer, at: reader.name() };
    }
    case "cut": {
      const axis = reader.name();
      reader.expect("by");
      return { kind, axis, by: reader.integer() };
    }
    case "workgroup":
      return { kind, size: reader.integer() };
    case "sequence":
      return { kind };
    case "pack": {
      const buffer = reader.integer();
      reader.expect("in");
      const panels = reader.list("[", "]", () => {
        const axis = reader.name();
        reader.expect("by");
        return [axis, reader.integer()] as const;
      });
      return { kind, buffer, panels };
    }
    default:
      return kind satisfies never;
  }
}
