/**
 * Random legal schedules. In: a kernel. Out: steps per assignment: merges, tiles with peeled or padded ends, loop
 * orders, unrolled loops and at most one vector. Invariant: apply() takes every one of them; what a schedule may
 * not do (a padded tile without a vector, a result loop inside a reduction that is neither unrolled nor a vector)
 * does not occur.
 */
import fc from "fast-check";
import type { ComputeType } from "../compiler/ir/dtype.ts";
import { assignments, type Assign, type Axis, type Kernel } from "../compiler/ir/kernel.ts";
import type { Schedule, Step } from "../compiler/ir/schedule.ts";
import { LANES } from "../compiler/ir/nest.ts";

/** What becomes of one axis. */
type Treatment = "serial" | "unroll" | "split" | "tile" | "vector" | "vectors";

interface Choice {
  readonly merge: boolean;
  readonly treatment: Treatment;
  readonly by: number;
  readonly rank: number;
}

const choice: fc.Arbitrary<Choice> = fc.record({
  merge: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
  treatment: fc.constantFrom<Treatment>("serial", "unroll", "split", "tile", "vector", "vectors", "vector"),
  by: fc.integer({ min: 2, max: 5 }),
  rank: fc.nat(100),
});

/** Whether accumulators of a type fit the lanes of a vector. */
function fitsLanes(type: ComputeType): boolean {
  return type === "f32" || type === "i32" || type === "u32";
}

/** Legal schedules of all assignments of a kernel whose axis names are unique. */
export function randomLegalSchedule(kernel: Kernel): fc.Arbitrary<Schedule> {
  const parts = assignments(kernel).map(({ assign }) => {
    const axes = [...assign.axes, ...(assign.reduce?.axes ?? [])];
    return fc.tuple(...axes.map(() => choice)).map((choices) => stepsOf(assign, choices));
  });
  return fc.tuple(...parts).map((all) => all.flat());
}

interface Chosen extends Choice {
  readonly name: string;
  readonly reduced: boolean;
}

function stepsOf(assign: Assign, choices: readonly Choice[]): Step[] {
  const steps: Step[] = [];
  const { reduce } = assign;
  const spatial = merged(assign.axes, choices, false, steps);
  const reduced = merged(reduce?.axes ?? [], choices.slice(assign.axes.length), true, steps);
  const mayVector = reduce === undefined || fitsLanes(reduce.body.type);
  const outer: [string, number][] = [];
  const inner: [string, number][] = [];
  const tile: string[] = [];
  let vector: string | undefined;
  for (const { name, treatment, by, rank, reduced: isReduced } of [...spatial, ...reduced]) {
    const wanted = (treatment === "vector" || treatment === "vectors") && (vector !== undefined || !mayVector) ? "tile" : treatment; // prettier-ignore
    const serial = isReduced ? inner : outer;
    switch (wanted) {
      case "serial":
        serial.push([name, rank]);
        break;
      case "unroll":
        steps.push({ kind: "bind", axis: name, to: "unroll" });
        serial.push([name, rank]);
        break;
      case "split":
        steps.push({ kind: "split", axis: name, by, tail: "peel" });
        serial.push([`${name}.o`, rank], [`${name}.i`, rank + 0.5]);
        break;
      case "tile":
        steps.push(
          { kind: "split", axis: name, by, tail: "peel" },
          { kind: "bind", axis: `${name}.i`, to: "unroll" },
        );
        serial.push([`${name}.o`, rank]);
        tile.push(`${name}.i`);
        break;
      case "vector":
        steps.push(
          { kind: "split", axis: name, by: LANES, tail: "pad" },
          { kind: "bind", axis: `${name}.i`, to: "vector" },
        );
        serial.push([`${name}.o`, rank]);
        vector = `${name}.i`;
        break;
      case "vectors":
        steps.push(
          { kind: "split", axis: name, by: 2 * LANES, tail: "peel" },
          { kind: "split", axis: `${name}.i`, by: LANES, tail: "pad" },
          { kind: "bind", axis: `${name}.i.o`, to: "unroll" },
          { kind: "bind", axis: `${name}.i.i`, to: "vector" },
        );
        serial.push([`${name}.o`, rank]);
        tile.push(`${name}.i.o`);
        vector = `${name}.i.i`;
        break;
      default:
        wanted satisfies never;
    }
  }
  const sorted = (list: readonly [string, number][]): string[] => list.toSorted((a, b) => a[1] - b[1]).map(([name]) => name); // prettier-ignore
  const order = [...sorted(outer), ...sorted(inner), ...tile, ...(vector === undefined ? [] : [vector])];
  if (order.length > 0) steps.push({ kind: "order", axes: order });
  return steps;
}

/** Merges some neighbours; a merged axis is treated as its first one was to be. */
function merged(
  axes: readonly Axis[],
  choices: readonly Choice[],
  reduced: boolean,
  steps: Step[],
): Chosen[] {
  const out: Chosen[] = [];
  axes.forEach(({ name }, i) => {
    const last = out.at(-1);
    const choice = choices[i]!;
    if (last && choice.merge) {
      steps.push({ kind: "merge", outer: last.name, inner: name });
      out[out.length - 1] = { ...last, name: `${last.name}*${name}` };
    } else out.push({ ...choice, name, reduced });
  });
  return out;
}
