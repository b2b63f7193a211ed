/**
 * Stages of a nest that one dispatch runs side by side. In: a nest. Out: its stages in lists: those of a list do not depend
 * on one another, those of later lists may depend on any before. Invariant: within a list nobody reads what another stage
 * writes, or writes where it does; and no stage needs workgroups of its own size.
 */
import type { Expr } from "../../ir/expr.ts";
import { range } from "../../ir/range.ts";
import type { Nest, Statement } from "../../ir/nest.ts";
import { visit } from "../../ir/walk.ts";
import { WORKGROUP_LIMITS } from "../../lower/workgroup.ts";
import { chainOf, groupsOf, isAlone, stagesOf } from "./grid.ts";

type Stage = readonly Statement[];

/** Functions of one entry point. */
const MOST_STAGES = 16;

/** @param memory numbers by buffer, equal where buffers lie in the same memory; of its own each where left out */
export function wavesOf(nest: Nest, memory: readonly number[] = nest.buffers.map((_, i) => i)): Stage[][] {
  const waves: { readonly stages: Stage[]; groups: number; readonly uses: Uses[] }[] = [];
  for (const stage of stagesOf(nest.body)) {
    const chain = chainOf(stage, nest.workgroup);
    const uses = usesOf(stage, memory);
    const groups = groupsOf(chain);
    const last = waves.at(-1);
    const joins =
      last !== undefined &&
      last.stages.length < MOST_STAGES &&
      // They are numbered along one dimension.
      last.groups + groups <= WORKGROUP_LIMITS.groups &&
      isAlone(chain) &&
      last.stages.every((other) => isAlone(chainOf(other, nest.workgroup))) &&
      last.uses.every((other) => apart(uses, other));
    if (joins) {
      last.stages.push(stage);
      last.uses.push(uses);
      last.groups += groups;
    } else waves.push({ stages: [stage], groups, uses: [uses] });
  }
  return waves.map(({ stages }) => stages);
}

interface Uses {
  /** Memory that is read. */
  readonly reads: Set<number>;
  /** By memory: what may be written, as a buffer and bounds of each index. */
  readonly writes: Map<number, Written[]>;
}

interface Written {
  readonly buffer: number;
  readonly bounds: readonly (readonly [number, number])[];
}

function usesOf(
  body: readonly Statement[],
  memory: readonly number[],
  uses: Uses = { reads: new Set(), writes: new Map() },
): Uses {
  const read = (e: Expr): void => visit(e, (x) => x.kind === "load" && uses.reads.add(memory[x.buffer]!));
  for (const s of body) {
    if (s.kind === "for") usesOf(s.body, memory, uses);
    else if (s.kind === "update") read(s.body);
    else if (s.kind === "store") {
      read(s.value);
      s.index.forEach(read);
      const bounds = s.index.map((e) => range(e));
      const place = memory[s.buffer]!;
      uses.writes.set(place, [...(uses.writes.get(place) ?? []), { buffer: s.buffer, bounds }]);
    }
  }
  return uses;
}

function apart(a: Uses, b: Uses): boolean {
  for (const place of a.writes.keys()) if (b.reads.has(place)) return false;
  for (const place of b.writes.keys()) if (a.reads.has(place)) return false;
  for (const [place, written] of a.writes) {
    const others = b.writes.get(place) ?? [];
    if (!written.every((one) => others.every((other) => disjoint(one, other)))) return false;
  }
  return true;
}

/** Two buffers of one memory see it in different coordinates. */
function disjoint(a: Written, b: Written): boolean {
  return (
    a.buffer === b.buffer &&
    a.bounds.some(([low, high], d) => high < b.bounds[d]![0] || low > b.bounds[d]![1])
  );
}
