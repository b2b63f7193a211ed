/**
 * Sums of a team: what several invocations have gathered of one result is joined by the first of them. In: the registers of
 * an invocation. Out: lines, and the memory of the workgroup that they go through. Invariant: terms are joined in an order
 * that the program says, so results do not depend on the device; barriers stand in uniform control flow.
 */
import { InternalError } from "../../diagnostic.ts";
import type { ComputeType } from "../../ir/dtype.ts";
import type { Reduction } from "../../ir/kernel.ts";
import type { Register } from "./expression.ts";
import { indented, type Frames } from "./frames.ts";
import type { Team } from "./grid.ts";
import { wgslType, wgslVector } from "./literal.ts";

/** Memory of a workgroup for sums on their way from one invocation to another. */
const MOST_BYTES = 8192;
/** Slices that the first one adds up by itself; more are joined by halves. */
const MOST_IN_LINE = 8;

export interface Gathered {
  readonly op: Reduction["op"];
  readonly register: Register;
}

/** Text of `name = name op text`. */
type Accumulate = (op: string, name: string, text: string, type: ComputeType, vector: boolean) => string;

/** The type of an accumulator in memory of a workgroup. */
export function sharedWord({ type, vector }: Register): string {
  return type === "bool" ? "u32" : vector ? wgslVector(type) : wgslType(type);
}

/**
 * Writes what joins the registers of a team's slices in those of the first slice.
 *
 * @param shared declarations of memory of a workgroup, to which the one that is needed is added
 */
export function joinSlices(
  all: readonly Gathered[],
  { points, slices }: Team,
  frames: Frames,
  shared: Map<string, string>,
  accumulate: Accumulate,
): void {
  if (slices === 1 || all.length === 0) return;
  const word = sharedWord(all[0]!.register);
  if (all.some(({ register }) => register.type === "bool" || sharedWord(register) !== word))
    throw new InternalError("slices gather sums of one type");
  const inLine = slices <= MOST_IN_LINE || !Number.isInteger(Math.log2(slices));
  // The first slice, or the first half, keeps its own in registers.
  const keeping = inLine ? 1 : slices / 2;
  const others = points * (slices - keeping);
  const bytes = others * (word.startsWith("vec4") ? 16 : word.startsWith("vec2") ? 8 : 4);
  const atOnce = Math.max(1, Math.floor(MOST_BYTES / bytes));
  const memory = `j_${word.replace(/\W/g, "")}`;
  const count = Math.min(atOnce, all.length) * others;
  const known = Number(/, (\d+)>;$/.exec(shared.get(memory) ?? "")?.[1] ?? 0);
  shared.set(memory, `var<workgroup> ${memory}: array<${word}, ${Math.max(known, count)}>;`);
  for (let first = 0; first < all.length; first += atOnce) {
    const some = all.slice(first, first + atOnce);
    const put = (i: number, back: string): string => `${memory}[lane + ${i * others} - ${back}] = ${some[i]!.register.name};`; // prettier-ignore
    const take = (at: string): string[] =>
      some.flatMap(({ op, register: { name, type, vector } }, i) => {
        frames.open();
        frames.line(`${accumulate(op, name, `${memory}[${at} + ${i * others}]`, type, vector)};`);
        return frames.close();
      });
    const block = (head: string, lines: readonly string[]): string[] => [head, ...indented(lines), "}"];
    const name = frames.fresh("h");
    const each = some.map((_, i) => i);
    const lines = inLine
      ? [
          ...block("if (slice > 0) {", each.map((i) => put(i, `${points}`))), // prettier-ignore
          "workgroupBarrier();",
          ...block(
            "if (slice == 0) {",
            block(
              `for (var ${name} = 0; ${name} < ${others}; ${name} += ${points}) {`,
              take(`lane + ${name}`),
            ),
          ),
          "workgroupBarrier();",
        ]
      : block(`for (var ${name} = ${slices / 2}; ${name} > 0; ${name} >>= 1u) {`, [
          ...block(`if (slice >= ${name} && slice < 2 * ${name}) {`, each.map((i) => put(i, `${name} * ${points}`))), // prettier-ignore
          "workgroupBarrier();",
          ...block(`if (slice < ${name}) {`, take("lane")),
          "workgroupBarrier();",
        ]);
    for (const line of lines) frames.line(line);
  }
}
