/**
 * The compiler: bytes of a model in, bytes of an artifact out. In: an ONNX model and options. Out: a `.tile` file,
 * bound to shapes or, where dimensions stay free or shapes depend on data, to be bound at run time. Invariant: pure;
 * neither the DOM nor Node is needed, so the same code runs in a page, a worker and on the command line.
 */
import { isArtifact, readArtifact, SOURCE_SECTION, writeArtifact, type Port } from "../runtime/format.ts";
import type { BoundStage, Stage, TensorShape } from "../runtime/binder.ts";
import { fail } from "./diagnostic.ts";
import { importModel } from "./frontend/onnx/import.ts";
import { readModel, type OnnxModel, type OnnxValue } from "./frontend/onnx/model.ts";
import type { Tensor } from "./ir/dtype.ts";
import { clearInternTable } from "./ir/expr.ts";
import type { Graph, GraphInput, TensorType, ValueId } from "./ir/graph.ts";
import { operatorNames, supports } from "./ops/table.ts";
import type { CompileOptions, CompileReport, PortDescription } from "./options.ts";
import { vanishes } from "./passes/bind.ts";
import { bindGraph, build, StageClock, type Compiled } from "./pipeline.ts";
import { VERSION } from "./version.ts";

export {
  CompileError,
  formatDiagnostic,
  InternalError,
  type Diagnostic,
  type DiagnosticCode,
} from "./diagnostic.ts";
export { readTensor } from "./frontend/onnx/tensor.ts";
export { inspect, inspectStages, type InspectStage } from "./inspect.ts";
export { interpret } from "./interpret.ts";
export { passNames, type CompileOptions, type CompileReport, type KernelReport, type PassName, type PortDescription, type VariantName } from "./options.ts"; // prettier-ignore
export { traceFilter, type TraceSink } from "./trace.ts";
export { VERSION as version } from "./version.ts";

/** A compiled model. */
export interface CompileResult {
  /** The bytes of a `.tile` file. */
  readonly artifact: Uint8Array;
  readonly report: CompileReport;
}

/**
 * Compiles an ONNX model.
 *
 * When every dimension is known (from the model, `dims` or `inputShapes`) the artifact is a bound program.
 * Otherwise it holds the model itself, and a session binds it with the shapes of its first run.
 *
 * @throws CompileError with everything that the user can act on
 * @example
 * const { artifact, report } = compile(modelBytes, { dims: { batch: 1 } });
 */
export function compile(model: Uint8Array, options: CompileOptions = {}): CompileResult {
  const clock = new StageClock();
  clearInternTable();
  const opened = openModel(model, options, clock);
  const types = typesOfInputs(opened.graph, options);
  if (types.open.length === 0) {
    const bound = clock.time("bind", () => bindGraph(opened.graph, types.bound, new Map(), options));
    options.trace?.("bind", () => `${opened.graph.nodes.length} nodes, ${bound.nodes.length} after binding`);
    if (!bound.rest) return build(bound, opened.graph.nodes.length, options, clock);
  }
  return lateArtifact(model, opened, options, clock);
}

/** The names of dimensions that `compile` would need to make a bound program, by input. */
export function openDimensions(
  model: Uint8Array,
  options: CompileOptions = {},
): readonly { input: string; dims: readonly string[] }[] {
  const opened = openModel(model, options, new StageClock());
  return typesOfInputs(opened.graph, options).open;
}

export interface OpenedModel {
  readonly graph: Graph;
  readonly model: OnnxModel;
}

/** Stages 1 and 2: bytes to a Graph. */
export function openModel(bytes: Uint8Array, options: CompileOptions, clock: StageClock): OpenedModel {
  const source = sourceOf(bytes);
  const model = clock.time("read", () =>
    readModel(source, options.externalData ? { externalData: options.externalData } : {}),
  );
  const graph = clock.time("import", () => importModel(model, { supports: supported, operatorNames }));
  options.trace?.("import", () => `${graph.nodes.length} nodes, ${graph.constants.size} constants`);
  return { graph, model };
}

/** Control flow and containers are dissolved while binding and have no definitions of their own. */
function supported(domain: string, op: string): boolean {
  return supports(domain, op) || (domain === "" && vanishes(op));
}

/** The ONNX bytes inside a late artifact, or the bytes themselves. */
function sourceOf(bytes: Uint8Array): Uint8Array {
  if (!isArtifact(bytes)) return bytes;
  const { plan, sections } = readArtifact(bytes, { verify: false });
  const source = sections.get(SOURCE_SECTION);
  if (plan.kind !== "late" || !source) fail("option-invalid", "this artifact is already bound to its shapes");
  return source;
}

interface InputTypes {
  readonly bound: ReadonlyMap<ValueId, TensorType>;
  readonly open: readonly { readonly input: string; readonly dims: readonly string[] }[];
}

/** Concrete input types as far as options tell them. A declared dimension of 0 means "any", as exporters use it. */
export function typesOfInputs(graph: Graph, options: CompileOptions): InputTypes {
  const bound = new Map<ValueId, TensorType>();
  const open: { input: string; dims: readonly string[] }[] = [];
  for (const name of Object.keys(options.inputShapes ?? {})) {
    if (!graph.inputs.some((input) => input.id === name)) {
      fail("option-invalid", `the model has no input ${name}`, {
        hint: `inputs: ${graph.inputs.map((i) => i.id).join(", ")}`,
      });
    }
  }
  for (const { id, type } of graph.inputs) {
    const given = options.inputShapes?.[id];
    if (given) {
      bound.set(id, { dtype: type.dtype, shape: checkedShape(id, type, given) });
      continue;
    }
    if (!type.shape) {
      open.push({ input: id, dims: ["shape"] });
      continue;
    }
    const shape = type.shape.map((dim) => (typeof dim === "number" ? dim : options.dims?.[dim]));
    const missing = type.shape
      .filter((dim, d) => shape[d] === undefined || dim === 0)
      .map((dim) => (dim === 0 ? "?" : String(dim)));
    if (missing.length) open.push({ input: id, dims: missing });
    else bound.set(id, { dtype: type.dtype, shape: shape as number[] });
  }
  return { bound, open };
}

function checkedShape(id: string, type: GraphInput["type"], given: readonly number[]): readonly number[] {
  if (given.some((dim) => !Number.isInteger(dim) || dim < 0))
    fail("option-invalid", `shape [${given}] of input ${id}`);
  if (type.shape && type.shape.length !== given.length) {
    fail("shape-mismatch", `input ${id} has rank ${type.shape.length}, not ${given.length}`);
  }
  return given;
}

function portsOf(graph: Graph, model: OnnxModel): { inputs: Port[]; outputs: Port[] } {
  const inputs = graph.inputs.map(({ id, type }, i): Port => {
    const shape = type.shape ?? [`${id}.shape`];
    return {
      name: id,
      dtype: type.dtype,
      shape: shape.map((dim, d) => (dim === 0 || dim === "" ? `${id || i}.${d}` : dim)),
    };
  });
  const declared = new Map(model.graph.outputs.map((o) => [o.name, o]));
  const outputs = graph.outputs.map(({ name }): Port => declaredPort(name, declared.get(name)));
  return { inputs, outputs };
}

function declaredPort(name: string, value: OnnxValue | undefined): Port {
  const type = value?.type;
  if (type?.kind !== "tensor" || !type.dtype) return { name, dtype: "float32", shape: [`${name}.shape`] };
  const shape = type.shape ?? [`${name}.shape`];
  return {
    name,
    dtype: type.dtype,
    shape: shape.map((dim, d) => (dim === 0 || dim === "" ? `${name}.${d}` : dim)),
  };
}

function lateArtifact(
  bytes: Uint8Array,
  opened: OpenedModel,
  options: CompileOptions,
  clock: StageClock,
): Compiled {
  const ports = portsOf(opened.graph, opened.model);
  const source = sourceOf(bytes);
  const plan = { kind: "late", name: opened.graph.name, compiler: VERSION, ...ports } as const;
  const artifact = clock.time("pack", () => writeArtifact(plan, [{ name: SOURCE_SECTION, data: source }], { unsealed: options.unsealed ?? false })); // prettier-ignore
  return {
    artifact,
    report: {
      name: opened.graph.name,
      kind: "late",
      opsIn: opened.graph.nodes.length,
      kernelsOut: 0,
      fused: 0,
      codeBytes: {},
      weightBytes: source.length,
      arenaBytes: 0,
      memoryBytes: 0,
      milliseconds: clock.milliseconds,
      kernels: [],
    },
  };
}

/**
 * Opens a model for binding at run time: what a session needs when shapes are not known ahead.
 *
 * @param bytes an ONNX model, or a late `.tile` file
 */
export function openSource(bytes: Uint8Array, options: CompileOptions = {}): Stage {
  const clock = new StageClock();
  const opened = openModel(bytes, options, clock);
  return stageOf(opened.graph, portsOf(opened.graph, opened.model), options);
}

function stageOf(graph: Graph, ports: { inputs: Port[]; outputs: Port[] }, options: CompileOptions): Stage {
  return {
    inputs: ports.inputs,
    outputs: ports.outputs,
    bind(
      inputs: Readonly<Record<string, TensorShape>>,
      values: Readonly<Record<string, Tensor>>,
    ): BoundStage {
      clearInternTable();
      const clock = new StageClock();
      const known = new Map(Object.entries(values));
      const types = new Map(
        Object.entries(inputs).map(([id, { dtype, shape }]): [ValueId, TensorType] => [id, { dtype, shape }]),
      );
      const bound = clock.time("bind", () => bindGraph(graph, types, known, options));
      const { artifact } = build(bound, graph.nodes.length, { ...options, unsealed: true }, clock);
      if (!bound.rest) return { artifact };
      const { graph: rest, demands, carried } = bound.rest;
      return { artifact, next: { stage: stageOf(rest, ports, options), demands, carried } };
    },
  };
}

/** What a model is, without compiling it. */
export interface ModelDescription {
  readonly name: string;
  readonly inputs: readonly PortDescription[];
  readonly outputs: readonly PortDescription[];
  readonly opset: Readonly<Record<string, number>>;
  readonly nodes: number;
  /** Number of nodes by operator. */
  readonly ops: Readonly<Record<string, number>>;
}

/** Reads a model's interface and counts its operators. */
export function describe(bytes: Uint8Array, options: CompileOptions = {}): ModelDescription {
  const { graph, model } = openModel(bytes, options, new StageClock());
  const ops: Record<string, number> = {};
  for (const node of model.graph.nodes) ops[node.op] = (ops[node.op] ?? 0) + 1;
  return {
    name: graph.name,
    ...portsOf(graph, model),
    opset: Object.fromEntries(
      [...model.opsetImports].map(([domain, version]) => [domain || "ai.onnx", version]),
    ),
    nodes: model.graph.nodes.length,
    ops,
  };
}
