/**
 * The compiler, for pages: bytes of a model in, bytes of an artifact out. In: an ONNX or TF.js model and options. Out: a
 * `.tile` file, bound to shapes or, where dimensions stay free or shapes depend on data, to be bound at run time.
 * Invariant: pure; neither the DOM nor Node is needed, so the same code runs in a page, a worker and Node. What most
 * models do not need (groups of rare operators, printing, interpreting) is downloaded when it is first needed, which
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
import { loadGraphModelFrontend, MissingFrontend } from "./frontend/graphModel.ts";
import { loadGpuBackend, MissingGpuBackend } from "./gpuBackend.ts";
import type { inspect as inspectNow } from "./inspect.ts";
import type { Tensor } from "./ir/dtype.ts";
import type { Graph } from "./ir/graph.ts";
import { openModel } from "./openModel.ts";
import { groupWith, loadGroups, MissingGroup, type Group } from "./ops/table.ts";
import type { CompileOptions } from "./options.ts";
import { StageClock } from "./pipeline.ts";
import { loadRangeBinder, MissingRangeBinder } from "./rangeBinder.ts";

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
  const opened = await whenReadable(() => openModel(model, options, clock));
  return whenLoaded(opened.graph, () => compileOpened(opened, options, clock));
}

/**
 * Opens a model for binding at run time: what a session needs when shapes are not known ahead.
 *
 * @param bytes an ONNX model, the `model.json` of a TF.js one, or a late `.tile` file
 * @throws CompileError when the model cannot be read or imported
 */
export function openSource(bytes: Uint8Array, options: CompileOptions = {}): Stage | Promise<Stage> {
  const open = (): Stage => openStage(bytes, options, whenLoaded);
  try {
    return open();
  } catch (error) {
    if (!(error instanceof MissingFrontend)) throw error;
    return whenReadable(open);
  }
}

/**
 * Reads a model's interface and counts its operators.
 *
 * @throws CompileError (the promise rejects) when the model cannot be read or imported
 */
export async function describe(bytes: Uint8Array, options: CompileOptions = {}): Promise<ModelDescription> {
  return whenReadable(() => describeNow(bytes, options));
}

/** The names of dimensions that `compile` would need to make a bound program, by input. */
export async function openDimensions(
  ...[bytes, options]: Parameters<typeof openDimensionsNow>
): Promise<ReturnType<typeof openDimensionsNow>> {
  return whenReadable(() => openDimensionsNow(bytes, options));
}

/**
 * Prints a model at a stage, as `tilewright inspect` does.
 *
 * @throws CompileError (the promise rejects) when the model cannot be read or imported, or dimensions are open
 */
export async function inspect(...args: Parameters<typeof inspectNow>): Promise<string> {
  const [bytes, , options = {}] = args;
  const { inspect } = await import("./inspect.ts");
  const { graph } = await whenReadable(() => openModel(bytes, options, new StageClock()));
  return whenLoaded(graph, () => inspect(...args));
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
  const { graph } = await whenReadable(() => openModel(bytes, options, new StageClock()));
  return whenLoaded(graph, () => interpret(bytes, inputs, options));
}

/** Reads a model, once the frontend for its kind is there. */
async function whenReadable<T>(read: () => T): Promise<T> {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof MissingFrontend)) throw error;
    await loadGraphModelFrontend();
    return read();
  }
}

/** Loads the groups that the operators of a graph are in, then those that `work` finds missing. */
async function whenLoaded<T>(graph: Graph, work: () => T): Promise<T> {
  await loadGroups(groupsIn(graph));
  for (;;) {
    try {
      return work();
    } catch (error) {
      // Operators of one group may expand into those of another.
      if (error instanceof MissingGroup) await loadGroups([error.group]);
      else if (error instanceof MissingGpuBackend) await loadGpuBackend();
      else if (error instanceof MissingRangeBinder) await loadRangeBinder();
      else throw error;
    }
  }
}

function groupsIn(graph: Graph, found = new Set<Group>()): Set<Group> {
  for (const { domain, op, attributes } of graph.nodes) {
    const group = groupWith(domain, op);
    if (group) found.add(group);
    for (const attribute of attributes.values())
      if (attribute.kind === "graph") groupsIn(attribute.value, found);
  }
  return found;
}
