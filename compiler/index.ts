/**
 * The compiler, for pages: bytes of a model in, bytes of an artifact out. In: an ONNX or TF.js model and options. Out: a
 * `.tile` file, bound to shapes or, where dimensions stay free or shapes depend on data, to be bound at run time.
 * Invariant: pure; neither the DOM nor Node is needed, so the same code runs in a page, a worker and Node. What most
 * models do not need (rare operators, control flow, printing, interpreting) is downloaded when it is first needed, which
 * is why functions return promises; `whole.ts` is the same compiler all at once.
 */
import type { Stage } from "../runtime/binder.ts";
import {
  compileOpened,
  describe as describeNow,
  openDimensions as openDimensionsNow,
  openStage,
  type CompileResult,
  type ModelDescription,
} from "./compile.ts";
import { MissingPart } from "./door.ts";
import type { inspect as inspectNow } from "./inspect.ts";
import type { Tensor } from "./ir/dtype.ts";
import type { Graph, OpNode } from "./ir/graph.ts";
import { openModel } from "./openModel.ts";
import { groupWith, loadGroups } from "./ops/table.ts";
import type { CompileOptions } from "./options.ts";
import { vanishingDoor } from "./passes/bind.ts";
import { StageClock } from "./pipeline.ts";

export {
  CompileError,
  formatDiagnostic,
  InternalError,
  type Diagnostic,
  type DiagnosticCode,
} from "./diagnostic.ts";
export { readTensor } from "./frontend/onnx/tensor.ts";
export { inspectStages, passNames, compileStages, type CompileOptions, type CompileProgress, type CompileReport, type CompileStage, type InspectStage, type KernelReport, type PassName, type PortDescription, type VariantName } from "./options.ts"; // prettier-ignore
export { traceFilter, type TraceSink } from "./trace.ts";
export { VERSION as version } from "./version.ts";
export { type CompileResult, type ModelDescription } from "./compile.ts";

/**
 * Compiles an ONNX model, or the `model.json` of a TF.js GraphModel, whose weight files `externalData` gives.
 *
 * When every dimension is known (from the model, `dims` or `inputShapes`) the artifact is a bound program.
 * Otherwise it holds the model itself, and a session binds it with the shapes of its first run.
 *
 * @throws CompileError (the promise rejects) with everything that the user can act on
 * @example
 * const { artifact, report } = await compile(modelBytes, { dims: { batch: 1 } });
 */
export async function compile(model: Uint8Array, options: CompileOptions = {}): Promise<CompileResult> {
  const clock = new StageClock(options);
  const opened = await whenLoaded(() => openModel(model, options, clock));
  return whenBindable(opened.graph, () => compileOpened(opened, options, clock));
}

/**
 * Opens a model for binding at run time: what a session needs when shapes are not known ahead.
 *
 * @param bytes an ONNX model, the `model.json` of a TF.js one, or a late `.tile` file
 * @throws CompileError when the model cannot be read or imported
 */
export function openSource(bytes: Uint8Array, options: CompileOptions = {}): Stage | Promise<Stage> {
  const open = (): Stage => openStage(bytes, options, whenBindable);
  try {
    return open();
  } catch (error) {
    if (!(error instanceof MissingPart)) throw error;
    return whenLoaded(open);
  }
}

/**
 * Reads a model's interface and counts its operators.
 *
 * @throws CompileError (the promise rejects) when the model cannot be read or imported
 */
export async function describe(bytes: Uint8Array, options: CompileOptions = {}): Promise<ModelDescription> {
  return whenLoaded(() => describeNow(bytes, options));
}

/** The names of dimensions that `compile` would need to make a bound program, by input. */
export async function openDimensions(
  ...[bytes, options]: Parameters<typeof openDimensionsNow>
): Promise<ReturnType<typeof openDimensionsNow>> {
  return whenLoaded(() => openDimensionsNow(bytes, options));
}

/**
 * Prints a model at a stage, as `tilewright inspect` does.
 *
 * @throws CompileError (the promise rejects) when the model cannot be read or imported, or dimensions are open
 */
export async function inspect(...args: Parameters<typeof inspectNow>): Promise<string> {
  const [bytes, , options = {}] = args;
  const { inspect } = await import("./inspect.ts");
  const { graph } = await whenLoaded(() => openModel(bytes, options, new StageClock()));
  return whenBindable(graph, () => inspect(...args));
}

/**
 * Computes a model's outputs from its inputs by name, slowly: device "interp". Those of a sequence "s" are "s[0]",
 * "s[1]" and so on.
 *
 * @throws CompileError (the promise rejects) when the model cannot be bound to these inputs
 */
export async function interpret(
  bytes: Uint8Array,
  inputs: Readonly<Record<string, Tensor>>,
  options: CompileOptions = {},
): Promise<Record<string, Tensor>> {
  const { interpret } = await import("./interpret.ts");
  const { graph } = await whenLoaded(() => openModel(bytes, options, new StageClock()));
  return whenBindable(graph, () => interpret(bytes, inputs, options));
}

/** Does work for a graph: what its operators need is loaded first, and at once. */
async function whenBindable<T>(graph: Graph, work: () => T): Promise<T> {
  const nodes = nodesIn(graph);
  await Promise.all([
    loadGroups(nodes.flatMap(({ domain, op }) => groupWith(domain, op) ?? [])),
    ...nodes.map((node) => vanishingDoor(node)?.load()),
  ]);
  return whenLoaded(work);
}

/** Does work, once everything is there that it finds missing. */
async function whenLoaded<T>(work: () => T): Promise<T> {
  for (;;) {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof MissingPart)) throw error;
      await error.load();
    }
  }
}

/** The nodes of a graph and of all graphs in it. */
function nodesIn({ nodes }: Graph): OpNode[] {
  return nodes.flatMap((node) => [
    node,
    ...[...node.attributes.values()].flatMap((attribute) =>
      attribute.kind === "graph" ? nodesIn(attribute.value) : [],
    ),
  ]);
}
