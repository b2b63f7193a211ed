/**
 * What a profile needs to know of each call of a run. In: a scheduled program and its module. Out: the report that
 * `runtime/profile.ts` reads. Invariant: operations and bytes are what the definition of a kernel asks for, whatever
 * its schedule computes twice or reads again: time lost so shows as a smaller share of the roofline.
 */
import type { CallReport, ProfileReport } from "../runtime/format/profile.ts";
import { BYTES_PER_ITERATION, FLOP_PER_ITERATION } from "./backend/wasm/peak.ts";
import type { EmittedModule } from "./backend/wasm/program.ts";
import { bytesPerElement, elementCount } from "./ir/dtype.ts";
import type { Expr } from "./ir/expr.ts";
import { visit } from "./ir/walk.ts";
import { assignments, workOf, type Assign, type Kernel } from "./ir/kernel.ts";
import {
  storageElements,
  type LibraryCallSite,
  type ScheduledKernel,
  type ScheduledProgram,
} from "./ir/program.ts";
import { printSchedule } from "./ir/text/index.ts";

export function profileReport(scheduled: ScheduledProgram, module: EmittedModule): ProfileReport {
  const shared = new Map<number | string, number>();
  const codeOf = (call: ScheduledProgram["run"][number]): number | string =>
    call.kind === "kernel" ? module.functionOf.get(call)! : call.library.kernel.name;
  for (const call of scheduled.run) shared.set(codeOf(call), (shared.get(codeOf(call)) ?? 0) + 1);
  const calls = scheduled.run.map((call): CallReport => {
    const common = { nodes: call.nodes, sharedBy: shared.get(codeOf(call))! };
    return call.kind === "kernel"
      ? {
          ...common,
          ...kernelFigures(call),
          parts: call.parts.threads > 1 ? call.parts.count : 1,
          codeBytes: module.functions[module.functionOf.get(call)!]!.bytes,
        }
      : { ...common, ...libraryFigures(call, scheduled) };
  });
  return {
    calls,
    peak: { flopPerIteration: FLOP_PER_ITERATION, bytesPerIteration: BYTES_PER_ITERATION },
  };
}

type Figures = Pick<CallReport, "name" | "work" | "operations" | "bytes" | "schedule">;

function kernelFigures({ kernel, schedule, inputs }: ScheduledKernel): Figures {
  return {
    name: kernel.name,
    work: workOf(kernel),
    operations: operationsOf(kernel),
    bytes: bytesOf(kernel, inputs),
    schedule: printSchedule(schedule).split("\n").filter(Boolean).join("; "),
  };
}

function libraryFigures({ library, inputs, outputs }: LibraryCallSite, { values }: ScheduledProgram): Omit<CallReport, "nodes" | "sharedBy"> {
  const ids = new Set([...inputs, ...outputs].filter(Boolean));
  const bytes = [...ids].reduce((sum, id) => {
    const value = values.get(id);
    return value ? sum + storageElements(value) * bytesPerElement(value.dtype) : sum;
  }, 0);
  const codeBytes = library.kernel.moduleBytes().length;
  return { name: library.kernel.name, work: 0, operations: 0, bytes, parts: 1, schedule: "", codeBytes };
} // prettier-ignore

interface Counted {
  readonly assign: Assign;
  /** How many elements it stores in one run. */
  readonly results: number;
  /** The same times the points that each is reduced over. */
  readonly reduced: number;
}

function countedAssignments(kernel: Kernel): readonly Counted[] {
  return assignments(kernel).map(({ assign, loops }) => {
    const axes = [...loops.map(({ axis }) => axis), ...assign.axes];
    const results = elementCount(axes.map(({ extent }) => extent));
    const terms = elementCount(assign.reduce?.axes.map(({ extent }) => extent) ?? []);
    return { assign, results, reduced: results * terms };
  });
}

/** Two operations for each product that is summed, one for any other point: functions count as one. */
function operationsOf(kernel: Kernel): number {
  return countedAssignments(kernel).reduce((sum, { assign: { reduce }, reduced }) => {
    const multiplies =
      reduce?.op === "sum" && reduce.body.kind === "binary" && reduce.body.op === "mul" ? 2 : 1;
    return sum + reduced * multiplies;
  }, 0);
}

/** Every operand's bytes once, but no more than its loads can be: a lookup does not read the whole table. */
function bytesOf(kernel: Kernel, inputs: readonly string[]): number {
  const reads = kernel.buffers.map(() => 0);
  for (const { assign, results, reduced } of countedAssignments(kernel)) {
    const count = (times: number) => (e: Expr) => {
      if (e.kind === "load") reads[e.buffer]! += times;
    };
    visit(assign.value, count(results));
    for (const index of assign.index) visit(index, count(results));
    if (assign.reduce) visit(assign.reduce.body, count(reduced));
  }
  const seen = new Set<string>();
  return kernel.buffers.reduce((sum, { role, shape, dtype }, i) => {
    const id = inputs[i];
    if (role === "temp" || (role === "in" && id !== undefined && seen.has(id))) return sum;
    if (role === "in" && id !== undefined) seen.add(id);
    const size = elementCount(shape);
    return sum + (role === "in" ? Math.min(size, reads[i]!) : size) * bytesPerElement(dtype);
  }, 0);
}
