/**
 * What a profile needs to know of each call of a run. In: a scheduled program and its module. Out: the report that
 * `runtime/profile.ts` reads. Invariant: operations and bytes are what the definition of a kernel asks for, whatever
 * its schedule computes twice or reads again: time lost so shows as a smaller share of the roofline.
 */
import type { CallReport, ProfileReport } from "../runtime/format/profile.ts";
import { BYTES_PER_ITERATION, FLOP_PER_ITERATION } from "./backend/wasm/peak.ts";
import type { EmittedModule } from "./backend/wasm/program.ts";
import { workOf, type Kernel } from "./ir/kernel.ts";
import type { LibraryCallSite, ScheduledKernel, ScheduledProgram } from "./ir/program.ts";
import { printSchedule } from "./ir/text/index.ts";
import { bytesOfKernel, bytesOfLibraryCall, countedAssignments } from "./traffic.ts";

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

/**
 * The same for the calls of a run that a GPU makes, in the order that their dispatches are numbered.
 *
 * @param codeOf the bytes of a call's WGSL and how many calls of the run share it
 */
export function gpuCallReports(
  run: readonly ScheduledKernel[],
  codeOf: (call: ScheduledKernel) => { readonly bytes: number; readonly calls: number },
): CallReport[] {
  return run.map((call) => {
    const { bytes, calls } = codeOf(call);
    return { nodes: call.nodes, ...kernelFigures(call), parts: 1, codeBytes: bytes, sharedBy: calls };
  });
}

type Figures = Pick<CallReport, "name" | "work" | "operations" | "bytes" | "schedule">;

function kernelFigures({ kernel, schedule, inputs }: ScheduledKernel): Figures {
  return {
    name: kernel.name,
    work: workOf(kernel),
    operations: operationsOf(kernel),
    bytes: bytesOfKernel(kernel, inputs),
    schedule: printSchedule(schedule).split("\n").filter(Boolean).join("; "),
  };
}

function libraryFigures(call: LibraryCallSite, { values }: ScheduledProgram): Omit<CallReport, "nodes" | "sharedBy"> {
  const { kernel } = call.library;
  const [bytes, codeBytes] = [bytesOfLibraryCall(call, values), kernel.moduleBytes().length];
  return { name: kernel.name, work: 0, operations: 0, bytes, parts: 1, schedule: "", codeBytes };
} // prettier-ignore

/** Two operations for each product that is summed, one for any other point: functions count as one. */
function operationsOf(kernel: Kernel): number {
  return countedAssignments(kernel).reduce((sum, { assign: { reduce }, reduced }) => {
    const multiplies =
      reduce?.op === "sum" && reduce.body.kind === "binary" && reduce.body.op === "mul" ? 2 : 1;
    return sum + reduced * multiplies;
  }, 0);
}
