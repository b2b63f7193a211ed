/** The printed form of a model at any stage, for `tilewright inspect`. In: a model. Out: text. */
import { didYouMean, fail } from "./diagnostic.ts";
import { openModel, typesOfInputs } from "./openModel.ts";
import type { CompileOptions, InspectStage } from "./options.ts";
import { guard, printTest } from "./passes/guards.ts";
import { bindGraph, enabled, optimize, StageClock } from "./pipeline.ts";
import { disassemble } from "./backend/wasm/disassemble.ts";
import { emitProgram, prepareNest } from "./backend/wasm/program.ts";
import type { Graph, OpNode } from "./ir/graph.ts";
import type { Program, ScheduledProgram } from "./ir/program.ts";
import { WGSL_SECTION } from "../runtime/format/gpu.ts";
import { placeProgram } from "./lower/place.ts";
import { WeightStore } from "./lower/weightStore.ts";
import { gpuBackend } from "./gpuBackend.ts";
import { buildForGpu, packForGpu, readGpuPlan } from "./pipelineGpu.ts";
import { lowerGraph } from "./lower/program.ts";
import { scheduleProgram } from "./tune/scheduleProgram.ts";
import { printGraph, printKernel, printNest, printSchedule } from "./ir/text/index.ts";
import { printProgram } from "./ir/text/program.ts";
import type { BoundGraph } from "./passes/bind.ts";

/**
 * Prints a model at a stage: `import` (the graph as imported), `graph` (bound: one call per node), `fused` (calls after the passes), `kernels` (with
 * layouts and schedules), `nest` (loops), `wat` (WebAssembly text), `wgsl` (shaders for WebGPU and the steps of a run).
 *
 * @param options.node only what belongs to nodes whose name contains this
 */
export function inspect(
  model: Uint8Array,
  stage: InspectStage,
  options: CompileOptions & { readonly node?: string } = {},
): string {
  const clock = new StageClock();
  const { graph } = openModel(model, options, clock);
  if (options.node !== undefined) checkNode(graph, options.node);
  if (stage === "import") return printGraph(options.node ? onlyNodes(graph, options.node) : graph);
  const types = typesOfInputs(graph, options);
  if (types.open.length) {
    fail(
      "dimension-unbound",
      `dimensions are open: ${types.open.map((o) => `${o.input} (${o.dims.join(", ")})`).join("; ")}`,
      {
        hint: "bind them with --dim NAME=N",
      },
    );
  }
  const bound = bindGraph(graph, types.bound, new Map(), options, true);
  const wanted = (nodes: readonly string[]): boolean =>
    !options.node || nodes.some((name) => name.includes(options.node!));
  const text = printBound(bound, stage, wanted, options, clock);
  if (!bound.rest) return text;
  const { graph: rest, demands } = bound.rest;
  const waiting = `${rest.nodes.length} nodes wait until a run tells ${demands.join(", ")}`;
  return `${text}\n\n${stage === "wat" ? ";;" : "//"} ${waiting}`;
}

function printBound(
  bound: BoundGraph,
  stage: Exclude<InspectStage, "import">,
  wanted: (nodes: readonly string[]) => boolean,
  options: CompileOptions,
  clock: StageClock,
): string {
  const target = stage === "wgsl" ? "webgpu" : "wasm";
  gpuBackend.add({ buildForGpu, packForGpu, readGpuPlan });
  const program = stage === "graph" ? lowerGraph(bound) : optimize(bound, options, clock, undefined, target);
  if (stage === "graph" || stage === "fused") {
    return printProgram({ ...program, calls: program.calls.filter((call) => wanted(call.nodes)) });
  }
  if (stage === "wgsl") return printShaders(program, wanted, options);
  const whole = scheduleProgram(program);
  const scheduled = enabled(options, "guards") ? guard(whole) : whole;
  if (stage === "wat") return printModule(scheduled, wanted, options);
  return [...scheduled.init, ...scheduled.run]
    .filter((call) => wanted(call.nodes))
    .map((call) => {
      const when = call.when ? `\n// runs where ${call.when.map(printTest).join(" and ")}` : "";
      const head = `// ${call.nodes.join(" + ")}${when}`;
      if (call.kind === "library") return `${head}\n// is the library kernel ${call.library.kernel.name}`;
      if (stage === "nest") return `${head}\n${printNest(prepareNest(call))}`;
      return `${head}\n${printKernel(call.kernel)}\n${printSchedule(call.schedule)}`;
    })
    .join("\n\n");
}

/** The names of nodes and of those in their subgraphs. */
function namesOf(nodes: readonly OpNode[]): string[] {
  return nodes.flatMap(({ name, attributes }) => [
    name,
    ...[...attributes.values()].flatMap((a) => (a.kind === "graph" ? namesOf(a.value.nodes) : [])),
  ]);
}

/** @throws CompileError `option-invalid` where no node's name contains `wanted` */
function checkNode(graph: Graph, wanted: string): void {
  const names = namesOf(graph.nodes);
  if (names.some((name) => name.includes(wanted))) return;
  const guess = didYouMean(wanted, names);
  fail("option-invalid", `no node has a name with "${wanted}" in it`, {
    hint: guess === undefined ? "--stage import shows all nodes" : `did you mean ${guess}?`,
  });
}

/** A graph's nodes of these names (or with subgraphs in which they are), and the constants that they read. */
function onlyNodes(graph: Graph, wanted: string): Graph {
  const nodes = graph.nodes.filter((node) => namesOf([node]).some((name) => name.includes(wanted)));
  const read = new Set(nodes.flatMap(({ inputs }) => inputs));
  return { ...graph, nodes, constants: new Map([...graph.constants].filter(([id]) => read.has(id))) };
}

/** Each module once, with the dispatches that use it; what runs on the host by name. */
function printShaders(
  program: Program,
  wanted: (nodes: readonly string[]) => boolean,
  options: CompileOptions,
): string {
  const { plan, sections, scheduled } = buildForGpu(program, {
    reuse: enabled(options, "reuse"),
    weights: new WeightStore(4),
    device: options.gpu,
    floats: options.gpuFloats,
  });
  const { modules, pipelines, run } = plan.variants[0]!;
  const bytes = sections.find(({ name }) => name === WGSL_SECTION)!.data as Uint8Array;
  const shown = new Set<number>();
  const lines: string[] = [];
  for (const step of run) {
    if (step.kind !== "dispatch") {
      if (step.kind === "host") lines.push(`// host: ${step.segment}, ${step.reads.length} read, ${step.writes.length} written`); // prettier-ignore
      continue;
    }
    const nodes = scheduled.run[step.call!]!.nodes;
    if (!wanted(nodes)) continue;
    const { module, entry } = pipelines[step.pipeline]!;
    lines.push(`// ${nodes.join(" + ")}: module ${module}, ${entry}, ${step.groups.join(" x ")} workgroups`);
    if (shown.has(module)) continue;
    shown.add(module);
    const { offset, bytes: length } = modules[module]!;
    lines.push(new TextDecoder().decode(bytes.subarray(offset, offset + length)));
  }
  return lines.join("\n");
}

/** The module of the first variant asked for, relaxed SIMD if none is; `wanted` leaves other kernels' code out. */
function printModule(
  scheduled: ScheduledProgram,
  wanted: (nodes: readonly string[]) => boolean,
  options: CompileOptions,
): string {
  const { places, bytes, together } = placeProgram(scheduled, enabled(options, "reuse"));
  const { functions, bytes: module } = emitProgram(scheduled.init, scheduled.run, places, {
    relaxed: options.variants?.[0] !== "simd",
    pages: Math.ceil(bytes / 65536),
    nests: new Map(),
    together,
  });
  return disassemble(module, {
    name: (index) => functions[index]?.call.kernel.name,
    // Functions that are no kernel's are the driver: init and run.
    wanted: (index) => wanted(functions[index]?.call.nodes ?? []),
  });
}
