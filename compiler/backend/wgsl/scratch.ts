/**
 * Where a kernel's scratch is kept on a GPU. In: a nest. Out: for each of its temps, variables of an invocation or of a
 * workgroup, or memory with a copy for each that needs its own. Invariant: whoever reads a temp finds what was stored
 * there: scratch that several entry points use is memory that all of them see.
 */
import { bytesPerElement, elementCount } from "../../ir/dtype.ts";
import type { Nest, Statement } from "../../ir/nest.ts";
import type { Expr } from "../../ir/expr.ts";
import { axesOf, visit } from "../../ir/walk.ts";
import { WORKGROUP_SCRATCH } from "../../lower/workgroup.ts";
import { chainOf, stagesOf, unitsOf } from "./grid.ts";

/** What fits the registers, or the fast memory, of an invocation. */
const MOST_PRIVATE_BYTES = 512;

export type Scratch =
  | { readonly kind: "private" | "workgroup" }
  /** So many copies, `stride` elements apart (0: one for all). */
  | { readonly kind: "memory"; readonly copies: number; readonly stride: number };

/** By buffer; undefined for what is no temp. */
export function scratchOf(nest: Nest): (Scratch | undefined)[] {
  const stages = stagesOf(nest.body);
  const used = stages.map((stage) => buffersOf(stage));
  let shared = 0;
  return nest.buffers.map(({ role, dtype, shape }, buffer): Scratch | undefined => {
    if (role !== "temp") return undefined;
    const at = used.flatMap((buffers, i) => (buffers.has(buffer) ? [i] : []));
    if (at.length !== 1) {
      // Several entry points: what each iteration uses for itself has a copy for each, all else is one for all.
      const own = at.map((i) => copiesOf(stages[i]!, buffer, nest.workgroup));
      const copies = Math.max(1, ...own);
      return { kind: "memory", copies, stride: copies > 1 ? elementCount(shape) : 0 };
    }
    const chain = chainOf(stages[at[0]!]!, nest.workgroup);
    const elements = elementCount(shape);
    const bytes = elements * Math.max(4, bytesPerElement(dtype));
    // A copy of an operand, which the schedule makes no larger than a workgroup has room for.
    if (chain.team) return { kind: "workgroup" };
    if (chain.own || chain.size === 1) {
      if (bytes <= MOST_PRIVATE_BYTES) return { kind: "private" };
    } else if (shared + bytes <= WORKGROUP_SCRATCH) {
      shared += bytes;
      return { kind: "workgroup" };
    }
    const copies = unitsOf(chain);
    return { kind: "memory", copies, stride: copies > 1 ? elements : 0 };
  });
}

/** Whether the units of a stage have copies of their own of a temp that is in memory. */
export function hasOwnCopies(nest: Nest, stage: readonly Statement[], buffer: number): boolean {
  const users = stagesOf(nest.body).filter((other) => buffersOf(other).has(buffer));
  return users.length <= 1 || copiesOf(stage, buffer, nest.workgroup) > 1;
}

/** How many iterations of a stage, each its own unit, store to one and the same place of a buffer. */
function copiesOf(stage: readonly Statement[], buffer: number, workgroup: number | undefined): number {
  const chain = chainOf(stage, workgroup);
  const loops = [...chain.grid, ...chain.group].filter(({ extent }) => extent > 1);
  let shared = false;
  const walk = (body: readonly Statement[]): void => {
    for (const s of body) {
      if (s.kind === "for") walk(s.body);
      else if (s.kind === "store" && s.buffer === buffer) {
        const names = new Set(s.index.flatMap((e) => [...axesOf(e)]));
        shared ||= loops.some(({ variable }) => !names.has(variable));
      }
    }
  };
  walk(stage);
  return shared ? unitsOf(chain) : 1;
}

/** Buffers that statements read or write. */
function buffersOf(body: readonly Statement[], found: Set<number> = new Set()): Set<number> {
  const read = (e: Expr): void => visit(e, (x) => x.kind === "load" && found.add(x.buffer));
  for (const s of body) {
    if (s.kind === "for") buffersOf(s.body, found);
    else if (s.kind === "update") read(s.body);
    else if (s.kind === "store") {
      found.add(s.buffer);
      read(s.value);
      for (const e of s.index) read(e);
    }
  }
  return found;
}
