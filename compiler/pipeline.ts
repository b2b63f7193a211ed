/**
 * The stages in order. Read this file first. In: a graph, shapes and options. Out: an artifact and a report. Each
 * stage is one pure function from one value to the next; this file only calls them, times them, and lets the trace
 * see what each made.
 */
import { VERSION } from "./version.ts";
import { writeArtifact, type BoundPlan, type SectionContent } from "../runtime/format.ts";
import { emitProgram, type EmittedModule, type Places } from "./backend/wasm/program.ts";
import { fail } from "./diagnostic.ts";
import { bytesPerElement, elementCount, type NumericData, type Tensor } from "./ir/dtype.ts";
import type { Graph, TensorType, ValueId } from "./ir/graph.ts";
import { workOf } from "./ir/kernel.ts";
import type { Nest } from "./ir/nest.ts";
import { storageElements, type Program, type ScheduledCall, type ScheduledProgram } from "./ir/program.ts";
import { lowerGraph } from "./lower/program.ts";
import { scheduleProgram } from "./tune/scheduleProgram.ts";
import { libraryModuleBytes, libraryKernels } from "./ops/library/index.ts";
import type { CompileOptions, CompileReport, KernelReport, PassName, VariantName } from "./options.ts";
import { fuse } from "./passes/fuse.ts";
import { chooseLayouts } from "./passes/layout.ts";
import { bind, type BoundGraph } from "./passes/bind.ts";
import { planMemory, type MemoryBlock } from "./passes/memory.ts";

/** Time spent per stage, in milliseconds. */
export class StageClock {
  readonly milliseconds: Record<string, number> = {};
  time<T>(stage: string, work: () => T): T {
    const start = performance.now();
    try {
      return work();
    } finally {
      this.milliseconds[stage] = (this.milliseconds[stage] ?? 0) + performance.now() - start;
    }
  }
}

export function enabled(options: CompileOptions, pass: PassName): boolean {
  return options.passes?.[pass] !== false;
}

/** Bytes of memory that 32-bit addresses reach, less a page. */
const MEMORY_LIMIT = 2 ** 32 - 2 ** 16;
const PAGE = 65536;

/** Stage 3: numbers for all shapes. */
export function bindGraph(
  graph: Graph,
  types: ReadonlyMap<ValueId, TensorType>,
  known: ReadonlyMap<ValueId, Tensor>,
  options: CompileOptions,
): BoundGraph {
  return bind(graph, types, known, { fold: enabled(options, "fold") });
}

/** Stages 4 to 6: what runs, as kernels with layouts. */
export function optimize(bound: BoundGraph, options: CompileOptions, clock: StageClock): Program {
  let program = clock.time("lower", () => lowerGraph(bound));
  const { trace } = options;
  if (enabled(options, "fuse")) {
    program = clock.time("fuse", () =>
      fuse(program, (rule, from, into) => trace?.("fuse", () => `${rule}: ${from} into ${into}`, from)),
    );
    trace?.("fuse", () => `${bound.nodes.length} nodes, ${program.calls.length} calls`);
  }
  const layout = { layout: enabled(options, "layout"), views: enabled(options, "views") };
  return clock.time("layout", () => chooseLayouts(program, layout, (line) => trace?.("layout", () => line)));
}

export interface Compiled {
  readonly artifact: Uint8Array;
  readonly report: CompileReport;
}

/** Stages 4 to 11: from a bound graph to an artifact. */
export function build(bound: BoundGraph, opsIn: number, options: CompileOptions, clock: StageClock): Compiled {
  const program = optimize(bound, options, clock);
  const scheduled = clock.time("schedule", () => scheduleProgram(program));
  const memory = clock.time("memory", () => placeProgram(scheduled, options));
  const pages = Math.ceil(memory.bytes / PAGE);
  if (memory.bytes > (options.memoryLimit ?? MEMORY_LIMIT)) {
    fail("limit-exceeded", `the program needs ${memory.bytes} bytes of memory`, { hint: "bind smaller dimensions or raise memoryLimit" });
  }
  const variants = options.variants ?? ["relaxed-simd", "simd"];
  const nests = new Map<string, Nest>();
  const modules = new Map<VariantName, EmittedModule>();
  clock.time("emit", () => {
    for (const variant of variants) {
      const relaxed = variant === "relaxed-simd";
      modules.set(variant, emitProgram(scheduled.init, scheduled.run, memory.places, { relaxed, pages, nests }));
    }
  });
  const [first] = modules.values();
  const weights = memory.weights;
  const sections: SectionContent[] = [...modules].map(([name, { bytes }]) => ({ name, data: bytes }));
  for (const name of first!.libraries) sections.push({ name: `lib.${name}`, data: libraryModuleBytes(name) });
  sections.push({ name: "weights", data: weights.parts });
  const math = [...new Set([...modules.values()].flatMap((m) => m.math))];
  const slot = (id: ValueId, name: string): BoundPlan["outputs"][number] => {
    const value = scheduled.values.get(id)!;
    const size = memory.places.sizeOf(id);
    return {
      name,
      dtype: value.dtype,
      shape: value.shape,
      address: memory.places.address(id),
      ...(value.dynamicDim !== undefined && size !== undefined ? { dynamicDim: value.dynamicDim, sizeAddress: size } : {}),
    };
  };
  const kernels = kernelReports(first!, scheduled);
  const report: CompileReport = {
    name: bound.name,
    kind: "bound",
    opsIn,
    kernelsOut: scheduled.run.length,
    fused: Math.max(0, bound.nodes.length - scheduled.run.length),
    codeBytes: Object.fromEntries([...modules].map(([name, m]) => [name, m.bytes.length])),
    weightBytes: weights.parts.reduce((sum, part) => sum + part.length, 0),
    arenaBytes: memory.arenaBytes,
    memoryBytes: pages * PAGE,
    milliseconds: clock.milliseconds,
    kernels,
  };
  const plan: BoundPlan = {
    kind: "bound",
    name: bound.name,
    compiler: VERSION,
    inputs: program.inputs.map((id) => slot(id, id)),
    outputs: program.outputs.map(({ id, name }) => slot(id, name)),
    memoryBytes: pages * PAGE,
    weights: weights.ranges,
    variants: [...modules.keys()].map((name) => ({ requires: name === "relaxed-simd" ? ["simd", "relaxed-simd"] : ["simd"], section: name })),
    libraries: first!.libraries.map((name) => ({ name, export: libraryKernels[name]!.export, section: `lib.${name}` })),
    math,
  };
  const artifact = clock.time("pack", () => writeArtifact(plan, sections, { unsealed: options.unsealed ?? false }));
  return { artifact, report };
}

function kernelReports(module: EmittedModule, scheduled: ScheduledProgram): KernelReport[] {
  const run = new Set<ScheduledCall>(scheduled.run);
  return module.functions.map(({ call, bytes, calls }) => ({
    name: run.has(call) ? call.kernel.name : `init: ${call.kernel.name}`,
    nodes: call.nodes,
    work: workOf(call.kernel),
    bytes,
    calls,
    schedule: JSON.stringify(call.schedule),
  }));
}

interface PlacedProgram {
  readonly places: Places;
  readonly bytes: number;
  readonly arenaBytes: number;
  readonly weights: {
    readonly parts: readonly Uint8Array[];
    readonly ranges: readonly { readonly offset: number; readonly bytes: number; readonly address: number }[];
  };
}

/** Stage 7: lifetimes to addresses, for weights, panels, activations and scratch alike. */
function placeProgram(scheduled: ScheduledProgram, options: CompileOptions): PlacedProgram {
  const { program, values, init, run } = scheduled;
  const calls: readonly ScheduledCall[] = [...init, ...run];
  const end = calls.length;
  const firstRun = init.length;
  const rootOf = (id: ValueId): ValueId => values.get(id)?.storage ?? id;
  const from = new Map<ValueId, number>();
  const to = new Map<ValueId, number>();
  const data = new Map<Tensor, string>();
  const see = (id: ValueId, step: number): void => {
    const root = rootOf(id);
    if (!from.has(root)) from.set(root, step);
    to.set(root, Math.max(to.get(root) ?? step, step));
  };
  const fixed = new Set<ValueId>(program.constants.keys());
  calls.forEach((call, step) => {
    for (const id of call.outputs) {
      if (!id) continue;
      see(id, step);
      if (step < firstRun) fixed.add(rootOf(id));
    }
    for (const id of call.inputs) if (id) see(id, step);
    if (call.kind === "library") {
      for (const a of call.library.arguments) if (a.kind === "data" && !data.has(a.tensor)) data.set(a.tensor, `data:${data.size}`);
    }
  });
  for (const id of program.inputs) {
    see(id, firstRun);
    from.set(rootOf(id), firstRun);
  }
  for (const { id } of program.outputs) {
    see(id, end);
  }
  for (const id of fixed) {
    const root = rootOf(id);
    if (program.constants.has(id)) from.set(root, -1);
    // What a run reads must still be there for the next run.
    if ((to.get(root) ?? -1) >= firstRun) to.set(root, end);
  }
  const blocks: MemoryBlock[] = [];
  const bytesOf = new Map<ValueId, number>();
  for (const [id, value] of values) {
    const root = rootOf(id);
    if (!from.has(root)) continue;
    const bytes = storageElements(value) * bytesPerElement(value.dtype);
    bytesOf.set(root, Math.max(bytesOf.get(root) ?? 0, bytes));
  }
  for (const [root, bytes] of bytesOf) blocks.push({ id: root, bytes, from: from.get(root)!, to: to.get(root)! });
  const scratchId = (step: number, buffer: number): string => `scratch:${step}:${buffer}`;
  const steps = new Map<ScheduledCall, number>();
  calls.forEach((call, step) => {
    steps.set(call, step);
    if (call.kind === "library") {
      if (call.library.scratchBytes) blocks.push({ id: scratchId(step, -1), bytes: call.library.scratchBytes, from: step, to: step });
      return;
    }
    call.kernel.buffers.forEach((buffer, i) => {
      if (buffer.role !== "temp") return;
      const bytes = elementCount(buffer.shape) * bytesPerElement(buffer.dtype);
      blocks.push({ id: scratchId(step, i), bytes, from: step, to: step });
    });
  });
  for (const [tensor, id] of data) {
    blocks.push({ id, bytes: (tensor.data as NumericData).byteLength, from: -1, to: end });
  }
  const sizes = new Map<ValueId, string>();
  for (const { id } of program.outputs) {
    if (values.get(id)?.dynamicDim === undefined) continue;
    // Outputs of one call share the size that it returns.
    const call = calls.find((c) => c.outputs.includes(id))!;
    const cell = `size:${steps.get(call)}`;
    if (![...sizes.values()].includes(cell)) blocks.push({ id: cell, bytes: 4, from: firstRun, to: end });
    for (const other of call.outputs) if (other) sizes.set(other, cell);
  }
  const plan = planMemory(blocks, { reuse: enabled(options, "reuse") });
  const address = (id: string): number => {
    const found = plan.addresses.get(id);
    if (found === undefined) throw new RangeError(`no place for ${id}`);
    return found;
  };
  const parts: Uint8Array[] = [];
  const ranges: { offset: number; bytes: number; address: number }[] = [];
  let offset = 0;
  const store = (tensor: Tensor, id: string): void => {
    const view = tensor.data as NumericData;
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    if (bytes.length === 0) return;
    parts.push(bytes);
    ranges.push({ offset, bytes: bytes.length, address: address(id) });
    offset += bytes.length;
  };
  for (const [id, tensor] of program.constants) if (from.has(id) && (to.get(id) ?? -1) >= 0) store(tensor, id);
  for (const [tensor, id] of data) store(tensor, id);
  const constantBytes = blocks.filter((b) => b.to === end && b.from < firstRun).reduce((sum, b) => sum + b.bytes, 0);
  return {
    places: {
      address: (id) => address(rootOf(id)),
      scratch: (call, buffer) => plan.addresses.get(scratchId(steps.get(call)!, buffer)) ?? 0,
      data: (tensor) => address(data.get(tensor)!),
      sizeOf: (id) => {
        const cell = sizes.get(id);
        return cell === undefined ? undefined : address(cell);
      },
    },
    bytes: plan.end,
    arenaBytes: Math.max(0, plan.end - constantBytes),
    weights: { parts, ranges },
  };
}
