/**
 * Any legal schedule keeps the result: random kernels, each under a random schedule of tiles, unrolled loops and
 * vectors, run as nests and compared with the kernels themselves. fast-check prints seed and counterexample.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { runKernel } from "../compiler/ir/interp.ts";
import { allocateBuffer } from "../compiler/ir/interpExpr.ts";
import { runNest } from "../compiler/ir/interpNest.ts";
import { assignments, type Assign, type Buffer, type Kernel } from "../compiler/ir/kernel.ts";
import type { NumericData } from "../compiler/ir/dtype.ts";
import type { Schedule, Step } from "../compiler/ir/schedule.ts";
import { printKernel, printNest, printSchedule } from "../compiler/ir/text/index.ts";
import { verifyNest, verifySchedule } from "../compiler/ir/verify.ts";
import { apply } from "../compiler/lower/apply.ts";
import { randomKernel } from "./randomIr.ts";

type Treatment = "none" | "unroll" | "split" | "tile" | "vector";

/** A legal schedule of one assignment: outer loops, then reduced ones, then the tile with its vector innermost. */
function scheduleOf(assign: Assign): fc.Arbitrary<Step[]> {
  const axes = assign.axes.map(({ name }) => ({ name, reduced: false }));
  const reduced = (assign.reduce?.axes ?? []).map(({ name }) => ({ name, reduced: true }));
  const all = [...axes, ...reduced];
  const treatment = fc.constantFrom<Treatment>("none", "unroll", "split", "tile", "vector");
  const choices = fc.tuple(...all.map(() => fc.tuple(treatment, fc.integer({ min: 2, max: 3 }))));
  return choices.map((chosen) => {
    const steps: Step[] = [];
    const [outer, middle, tile, vector]: [string[], string[], string[], string[]] = [[], [], [], []];
    chosen.forEach(([wanted, by], n) => {
      const { name, reduced } = all[n]!;
      // Vectors cannot nest; a second one becomes a tile.
      const how = wanted === "vector" && vector.length ? "tile" : wanted;
      const serial = reduced ? middle : outer;
      if (how === "vector") steps.push({ kind: "split", axis: name, by: 4, tail: "pad" });
      else if (how === "tile" || how === "split") steps.push({ kind: "split", axis: name, by, tail: "peel" });
      else if (how === "unroll") steps.push({ kind: "bind", axis: name, to: "unroll" });
      if (how === "none" || how === "unroll") serial.push(name);
      else serial.push(`${name}.o`);
      if (how === "split") serial.push(`${name}.i`);
      if (how === "tile" || how === "vector") {
        steps.push({ kind: "bind", axis: `${name}.i`, to: how === "tile" ? "unroll" : "vector" });
        (how === "tile" ? tile : vector).push(`${name}.i`);
      }
    });
    const order = [...outer, ...middle, ...tile, ...vector];
    if (order.length) steps.push({ kind: "order", axes: order });
    return steps;
  });
}

const kernelAndSchedule: fc.Arbitrary<[Kernel, Schedule]> = randomKernel.chain((kernel) =>
  fc
    .tuple(...assignments(kernel).map(({ assign }) => scheduleOf(assign)))
    .map((steps): [Kernel, Schedule] => [kernel, steps.flat()]),
);

function filled(buffer: Buffer, seed: number): NumericData {
  const data = allocateBuffer(buffer);
  const big = data instanceof BigInt64Array || data instanceof BigUint64Array;
  for (let n = 0; buffer.role === "in" && n < data.length; n++) {
    const value = (n * 7 + seed) % 5;
    data[n] = big ? BigInt(value) : value;
  }
  return data;
}

it("any legal schedule keeps the result", () => {
  const property = fc.property(kernelAndSchedule, fc.nat(4), ([kernel, schedule], seed) => {
    verifySchedule(schedule, kernel);
    const nest = apply(kernel, schedule);
    verifyNest(nest);
    const expected = kernel.buffers.map((buffer) => filled(buffer, seed));
    const actual = kernel.buffers.map((buffer) => filled(buffer, seed));
    runKernel(kernel, expected);
    runNest(nest, actual);
    const shown = (): string => [printKernel(kernel), printSchedule(schedule), printNest(nest)].join("\n");
    expected.forEach((data, n) => {
      const differs = Array.from<number | bigint>(data).findIndex((value, at) => !near(value, actual[n]![at]!, kernel.buffers[n]!)); // prettier-ignore
      expect(differs, `${kernel.buffers[n]!.name} differs at ${differs}\n${shown()}`).toBe(-1);
    });
  });
  fc.assert(property, { numRuns: 400 });
});

/** Equal but for the order of floating-point additions; small floats are compared by their bits. */
function near(a: number | bigint, b: number | bigint, { dtype }: Buffer): boolean {
  if (typeof a === "bigint" || typeof b === "bigint" || !(dtype === "float32" || dtype === "float64"))
    return a === b;
  return Object.is(a, b) || a === b || Math.abs(a - b) <= 1e-5 * Math.max(Math.abs(a), Math.abs(b));
}
