/**
 * The stages in order. Read this file first. In: a graph, shapes and options. Out: an artifact and a report. Each
 * stage is one pure function from one value to the next; this file only calls them, times them, and lets the trace
 * see what each made.
 */
import type { BoundStage, CommonPlace } from "../runtime/binder.ts";
import { VERSION } from "./version.ts";
import {
  DEFAULT_MEMORY_LIMIT,
  writeArtifact,
  type BoundPlan,
  type SectionContent,
} from "../runtime/format.ts";
import { packAhead } from "./ahead.ts";
import { emitProgram, type EmittedModule } from "./backend/wasm/program.ts";
import { fail } from "./diagnostic.ts";
import type { Tensor } from "./ir/dtype.ts";
import type { Graph, TensorType, ValueId } from "./ir/graph.ts";
import { workOf } from "./ir/kernel.ts";
import type { Nest } from "./ir/nest.ts";
import type { Program, ProgramValue, ScheduledCall, ScheduledProgram } from "./ir/program.ts";
import { printSchedule } from "./ir/text/index.ts";
import { placeProgram, type PlacedProgram } from "./lower/place.ts";
import { type ContentNumbers, settle } from "./lower/residents.ts";
import { WeightStore } from "./lower/weightStore.ts";
import type { GpuBuild } from "./pipelineGpu.ts";
import { gpuBackend } from "./gpuBackend.ts";
import { lowerGraph } from "./lower/program.ts";
import { scheduleProgram } from "./tune/scheduleProgram.ts";
import { compileStages, type CompileOptions, type CompileReport, type CompileStage, type CompileTarget, type KernelReport, type PassName, type VariantName } from "./options.ts"; // prettier-ignore
import { onlyWhatIsRead } from "./passes/demand.ts";
import { splitAtEdges } from "./passes/edges.ts";
import { fuse } from "./passes/fuse.ts";
import { guard } from "./passes/guards.ts";
import { chooseLayouts } from "./passes/layout.ts";
import { bind, type BoundGraph } from "./passes/bind.ts";
import { PRODUCT_LIMITS } from "./passes/rowProducts.ts";
import { mergeRows } from "./passes/rows.ts";
import { separate } from "./passes/separate.ts";
import { simplify } from "./passes/simplify.ts";
import { sumIntegers } from "./passes/integers.ts";
import { filterMinimally } from "./passes/winograd.ts";
import { profileReport } from "./profileReport.ts";
import { bytesOfCalls, bytesOfProgram } from "./traffic.ts";

/** Time spent per stage, in milliseconds. */
export class StageClock {
  readonly milliseconds: Record<string, number> = {};
  readonly #progress: CompileOptions["progress"];
  constructor({ progress }: Pick<CompileOptions, "progress"> = {}) {
    this.#progress = progress;
  }
  time<T>(stage: CompileStage, work: () => T): T {
    if (!(stage in this.milliseconds))
      this.#progress?.({ stage, done: compileStages.indexOf(stage), total: compileStages.length });
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

const PAGE = 65536;

/** Stage 3: numbers for all shapes. `bothBranches`: of an If whose condition only a run knows. */
export function bindGraph(
  graph: Graph,
  types: ReadonlyMap<ValueId, TensorType>,
  known: ReadonlyMap<ValueId, Tensor>,
  options: CompileOptions,
  bothBranches = false,
): BoundGraph {
  const { maxUnrolledNodes, maxIterations } = options;
  return bind(graph, types, known, {
    fold: enabled(options, "fold"),
    bothBranches,
    ...(options.trace ? { trace: options.trace } : {}),
    ...(maxUnrolledNodes === undefined ? {} : { maxUnrolledNodes }),
    ...(maxIterations === undefined ? {} : { maxIterations }),
  });
}

/**
 * A dispatch, and a way of the results through memory, cost a GPU more than a function for each result: SiLU, GELU and
 * their like stay with what they follow.
 */
const GPU_EPILOGUE_COST = 60;

/** Stages 4 to 6: what runs, as kernels with layouts. */
export function optimize(
  bound: BoundGraph,
  options: CompileOptions,
  clock: StageClock,
  lowered: (program: Program) => unknown = () => undefined,
  target: CompileTarget = "wasm",
): Program {
  let program = clock.time("lower", () => lowerGraph(bound));
  lowered(program);
  const { trace } = options;
  if (enabled(options, "fuse")) {
    program = clock.time("fuse", () =>
      fuse(
        program,
        (rule, from, into) => trace?.("fuse", () => `${rule}: ${from} into ${into}`, `${from}+${into}`),
        target === "webgpu" ? GPU_EPILOGUE_COST : undefined,
      ),
    );
    trace?.("fuse", () => `${bound.nodes.length} nodes, ${program.calls.length} calls`);
  }
  if (enabled(options, "simplify")) {
    const hits = new Map<string, Map<string, number>>();
    program = clock.time("simplify", () =>
      simplify(program, (rule, nodes) => {
        const ofNodes = hits.get(nodes) ?? new Map<string, number>();
        hits.set(nodes, ofNodes.set(rule, (ofNodes.get(rule) ?? 0) + 1));
      }),
    );
    program = clock.time("simplify", () =>
      sumIntegers(program, (nodes) => trace?.("simplify", () => "integers are added up", nodes)),
    );
    for (const [nodes, rules] of hits) {
      const text = (): string => [...rules].map(([rule, count]) => `${rule}: ${count}`).join(", ");
      trace?.("simplify", text, nodes);
    }
  }
  if (enabled(options, "rows")) {
    program = clock.time("rows", () =>
      mergeRows(
        program,
        (rule, from, into) => trace?.("rows", () => `${rule}: ${from} into ${into}`, `${from}+${into}`),
        target === "wasm" ? PRODUCT_LIMITS : undefined,
      ),
    );
    trace?.("rows", () => `${program.calls.length} calls`);
  }
  if (enabled(options, "simplify")) program = clock.time("simplify", () => onlyWhatIsRead(program));
  // Fewer multiplications, but three dispatches for one: on a GPU that has not paid.
  if (enabled(options, "winograd") && target === "wasm") {
    program = clock.time("winograd", () =>
      filterMinimally(program, options.winograd, (text, nodes) => trace?.("winograd", text, nodes)),
    );
  }
  if (enabled(options, "simplify") && target === "webgpu") {
    program = clock.time("simplify", () =>
      gpuBackend
        .get()
        .packForGpu(program, options.gpu ?? "software", (nodes) =>
          trace?.("simplify", () => "bytes are multiplied four at a time", nodes),
        ),
    );
  }
  if (target === "wasm") program = clock.time("layout", () => splitAtEdges(program));
  const layout = { layout: enabled(options, "layout"), views: enabled(options, "views") };
  // Threads meet between calls; a GPU's invocations cannot meet at all, and parts of a call become dispatches.
  const parted = target === "wasm" ? separate : (whole: Program): Program => whole;
  program = clock.time("layout", () => parted(chooseLayouts(program, layout, trace)));
  trace?.("layout", () => `${program.calls.length} calls`);
  return program;
}

export interface Compiled {
  readonly artifact: Uint8Array;
  readonly report: CompileReport;
  /** See {@link BoundStage}; given where the program was made for a place. */
  readonly residents?: BoundStage["residents"];
}

/** A place in a memory that a program shares with others of its model. */
export interface SharedPlace extends CommonPlace {
  readonly numbering: ContentNumbers;
}

/** Stages 4 to 11: from a bound graph to an artifact; `change` may choose other schedules, for tests. */
export function build(
  bound: BoundGraph,
  opsIn: number,
  options: CompileOptions,
  clock: StageClock,
  change = (scheduled: ScheduledProgram): ScheduledProgram => scheduled,
  place?: SharedPlace,
): Compiled {
  let unfused = 0;
  const targets = options.targets ?? ["wasm"];
  const forTheGpu = targets.includes("webgpu") ? gpuBackend.get() : undefined;
  const weightStore = new WeightStore(forTheGpu ? 4 : 1);
  const reuse = enabled(options, "reuse");
  const lowered = (program: Program): unknown => (unfused = bytesOfProgram(program));
  const forGpu = forTheGpu ? optimize(bound, options, clock, lowered, "webgpu") : undefined;
  const gpu =
    forGpu &&
    clock.time("gpu", () =>
      forTheGpu!.buildForGpu(forGpu, {
        reuse,
        weights: weightStore,
        device: options.gpu,
        floats: options.gpuFloats,
      }),
    );
  if (gpu && !targets.includes("wasm"))
    return gpuOnly(bound, forGpu, gpu, opsIn, unfused, weightStore, options, clock);
  const program = optimize(bound, options, clock, lowered);
  const nests = new Map<string, Nest>();
  let scheduled = change(clock.time("schedule", () => scheduleProgram(program)));
  traceSchedules(scheduled, options);
  // A program that runs here and once prepares its weights when it is loaded: there is nothing to gain. One for two
  // targets keeps weights in a form that both understand.
  if (enabled(options, "ahead") && options.unsealed !== true && gpu === undefined) {
    const { trace } = options;
    scheduled = clock.time("ahead", () =>
      packAhead(scheduled, nests, (text, nodes) => trace?.("ahead", text, nodes)),
    );
    trace?.("ahead", () => `${scheduled.init.length} calls stay at load`);
  }
  if (enabled(options, "guards")) {
    const { trace } = options;
    scheduled = clock.time("guards", () => guard(scheduled, (text, nodes) => trace?.("guards", text, nodes)));
  }
  const settled = place && !gpu ? settle(scheduled, place.residents, place.numbering) : undefined;
  if (settled) ({ scheduled } = settled);
  const taken = settled && { base: place!.base, known: settled.known };
  const memory = clock.time("memory", () => placeProgram(scheduled, reuse, weightStore, taken));
  traceMemory(memory, options);
  const pages = Math.ceil(memory.bytes / PAGE);
  if (memory.bytes > (options.memoryLimit ?? DEFAULT_MEMORY_LIMIT)) {
    fail("limit-exceeded", `the program needs ${memory.bytes} bytes of memory`, {
      hint: "bind smaller dimensions or raise memoryLimit",
    });
  }
  const variants = options.variants ?? ["relaxed-simd"];
  const modules = new Map<VariantName, EmittedModule>();
  const profile = options.profile === true;
  const { preparation, opening } = memory;
  const steps = {
    ...(preparation.length > 1 ? { steps: preparation.map(({ calls }) => calls) } : {}),
    ...(opening.length > 0 ? { opening: opening.map(({ calls }) => calls) } : {}),
  };
  clock.time("emit", () => {
    for (const variant of variants) {
      const relaxed = variant === "relaxed-simd";
      modules.set(
        variant,
        emitProgram(scheduled.init, scheduled.run, memory.places, {
          relaxed,
          pages,
          nests,
          profile,
          together: memory.together,
          ...steps,
        }),
      );
    }
  });
  const [first] = modules.values();
  for (const { call, bytes, calls } of first!.functions)
    options.trace?.(
      "emit",
      () => `${call.kernel.name}: ${bytes} bytes, calls: ${calls}`,
      call.nodes.join("+"),
    );
  const weights = memory.weights;
  const sections: SectionContent[] = [...modules].map(([name, { bytes }]) => ({ name, data: bytes }));
  for (const library of first!.libraries)
    sections.push({ name: `lib.${library.name}`, data: library.moduleBytes() });
  if (gpu) sections.push(...gpu.sections.filter(({ name }) => !sections.some((s) => s.name === name)));
  sections.push({ name: "weights", data: weights.parts });
  const math = [...new Set([...modules.values()].flatMap((m) => m.math))];
  const slot = (id: ValueId, name: string): Slot =>
    slotOf(name, scheduled.values.get(id)!, memory.places.address(id), memory.places.sizeOf(id));
  const refusals = program.outputs.flatMap(({ id, refusal }) =>
    refusal === undefined ? [] : [{ address: memory.places.address(id), message: refusal }],
  );
  const report: CompileReport = {
    ...commonReport(bound, opsIn, scheduled, unfused, weights.parts, clock),
    codeBytes: Object.fromEntries([...modules].map(([name, m]) => [name, m.bytes.length])),
    arenaBytes: memory.arenaBytes,
    memoryBytes: pages * PAGE,
    memoryBoundBytes: memory.boundBytes,
    kernels: kernelReports(first!, scheduled),
    ...(gpu ? { gpu: gpu.report } : {}),
  };
  const plan: BoundPlan = {
    kind: "bound",
    name: bound.name,
    compiler: VERSION,
    inputs: program.inputs.map((id) => slot(id, id)),
    outputs: program.outputs.flatMap(({ id, name, refusal }) =>
      refusal === undefined ? [slot(id, name)] : [],
    ),
    ...(refusals.length > 0 ? { refusals } : {}),
    memoryBytes: pages * PAGE,
    weights: weights.ranges,
    preparation: preparation.map(({ needs }) => needs),
    ...(opening.length > 0 ? { opening: opening.map(({ needs }) => needs) } : {}),
    variants: [...modules.keys()].map((name) => ({
      requires: name === "relaxed-simd" ? ["simd", "relaxed-simd"] : ["simd"],
      section: name,
    })),
    libraries: distinct([
      ...first!.libraries.map(({ name, export: exported }) => ({
        name,
        export: exported,
        section: `lib.${name}`,
      })),
      ...(gpu?.libraries ?? []),
    ]),
    math: [...new Set([...math, ...(gpu?.math ?? [])])],
    ...(memory.places.control > 0 ? { control: memory.places.control } : {}),
    ...(gpu ? { gpu: gpu.plan } : {}),
    ...(profile
      ? { report: { ...profileReport(scheduled, first!), ...(gpu ? { gpu: { calls: gpu.calls() } } : {}) } }
      : {}),
  };
  const artifact = clock.time("pack", () =>
    writeArtifact(plan, sections, { unsealed: options.unsealed ?? false, gpuPlan: forTheGpu?.readGpuPlan }),
  );
  if (!settled) return { artifact, report };
  const residents = memory.blocks.flatMap(({ id, address, bytes, lasts }) => {
    const number = settled.numbers.get(id);
    return number === undefined || !lasts ? [] : [{ number, address, bytes }];
  });
  return { artifact, report, residents };
}

type Slot = BoundPlan["outputs"][number];

/** Where a tensor of the interface lies, and, of one whose size is known after a run only, where its size is. */
function slotOf(
  name: string,
  { dtype, shape, dynamicDim }: ProgramValue,
  address: number,
  sizeAddress: number | undefined,
): Slot {
  const sized = dynamicDim !== undefined && sizeAddress !== undefined;
  return { name, dtype, shape, address, ...(sized ? { dynamicDim, sizeAddress } : {}) };
}

/** What a report says of a program on whatever device. */
function commonReport(
  bound: BoundGraph,
  opsIn: number,
  { run, values }: ScheduledProgram,
  unfused: number,
  weights: readonly Uint8Array[],
  { milliseconds }: StageClock,
): Pick<
  CompileReport,
  "name" | "kind" | "opsIn" | "kernelsOut" | "fused" | "weightBytes" | "movedBytes" | "milliseconds"
> {
  return {
    name: bound.name,
    kind: "bound",
    opsIn,
    kernelsOut: run.length,
    fused: Math.max(0, bound.nodes.length - run.length),
    weightBytes: weights.reduce((sum, part) => sum + part.length, 0),
    movedBytes: { fused: bytesOfCalls(run, values), unfused },
    milliseconds,
  };
}

/** Each library once. */
function distinct(libraries: BoundPlan["libraries"]): BoundPlan["libraries"] {
  return libraries.filter(({ name }, i) => libraries.findIndex((other) => other.name === name) === i);
}

/** An artifact for WebGPU alone. */
function gpuOnly(
  bound: BoundGraph,
  program: Program,
  gpu: GpuBuild,
  opsIn: number,
  unfused: number,
  weights: WeightStore,
  options: CompileOptions,
  clock: StageClock,
): Compiled {
  const slot = (id: ValueId, name: string): Slot => slotOf(name, program.values.get(id)!, 0, 0);
  const plan: BoundPlan = {
    kind: "bound",
    name: bound.name,
    compiler: VERSION,
    inputs: program.inputs.map((id) => slot(id, id)),
    outputs: program.outputs.map(({ id, name }) => slot(id, name)),
    memoryBytes: 0,
    weights: [],
    variants: [],
    libraries: gpu.libraries,
    math: gpu.math,
    gpu: gpu.plan,
    ...(options.profile === true ? { report: { gpu: { calls: gpu.calls() } } } : {}),
  };
  const sections = [...gpu.sections, { name: "weights", data: weights.parts }];
  const artifact = clock.time("pack", () =>
    writeArtifact(plan, sections, {
      unsealed: options.unsealed ?? false,
      gpuPlan: gpuBackend.get().readGpuPlan,
    }),
  );
  const report: CompileReport = {
    ...commonReport(bound, opsIn, gpu.scheduled, unfused, weights.parts, clock),
    codeBytes: {},
    arenaBytes: gpu.report.arenaBytes,
    memoryBytes: 0,
    memoryBoundBytes: 0,
    kernels: gpu.kernels,
    gpu: gpu.report,
  };
  return { artifact, report };
}

function traceSchedules(scheduled: ScheduledProgram, { trace }: CompileOptions): void {
  if (!trace) return;
  for (const [when, calls] of [
    ["at load", scheduled.init],
    ["per run", scheduled.run],
  ] as const)
    // prettier-ignore
    for (const call of calls)
      if (call.kind === "kernel")
        trace("schedule", () => `${when}, ${call.kernel.name}\n${printSchedule(call.schedule)}`, call.nodes.join("+"));
  trace("schedule", () => `${scheduled.init.length} calls at load, ${scheduled.run.length} per run`);
}

function traceMemory({ blocks, bytes }: PlacedProgram, { trace }: CompileOptions): void {
  if (!trace) return;
  for (const { id, address, bytes, from, to } of blocks)
    trace("reuse", () => `${id}: ${bytes} bytes at ${address}, steps ${from} to ${to}`, id);
  const sum = blocks.reduce((total, block) => total + block.bytes, 0);
  trace("reuse", () => `${blocks.length} blocks, together ${sum} bytes, in ${bytes} bytes of memory`);
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
