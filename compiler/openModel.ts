/**
 * From bytes to a Graph with known or open input types. In: an ONNX model, the model.json of a TF.js one, or a late
 * artifact that holds either, and options. Out: the graph, the types of its inputs as far as they are known, and its inputs and outputs as users see
 * them. Invariant: nothing is bound here; what is open is told by name.
 */
import { isArtifact, readArtifact, SOURCE_SECTION, unknownShape, type Port } from "../runtime/format.ts";
import { didYouMean, fail } from "./diagnostic.ts";
import { importModel } from "./frontend/onnx/import.ts";
import { readModel, type OnnxModel, type OnnxValue } from "./frontend/onnx/model.ts";
import { contained } from "./frontend/onnx/valueType.ts";
import { graphModelFrontend, looksLikeJson } from "./frontend/graphModel.ts";
import type { Graph, GraphInput, TensorType, ValueId } from "./ir/graph.ts";
import { operatorNames, supports } from "./ops/table.ts";
import type { CompileOptions } from "./options.ts";
import { vanishingDoor } from "./passes/bind.ts";
import type { StageClock } from "./pipeline.ts";

export interface OpenedModel {
  readonly graph: Graph;
  readonly about: AboutModel;
  /** The bytes of the model's own file. */
  readonly source: Uint8Array;
  /** The files beside the model that its weights were read from, by location. */
  readonly external: ReadonlyMap<string, Uint8Array>;
}

/** What a model's file says of it beside the graph. */
export interface AboutModel {
  /** Outputs as they are declared, in the order of the graph's. */
  readonly outputs: readonly Port[];
  /** Versions of operator sets by domain. */
  readonly opset: Readonly<Record<string, number>>;
  /** Number of nodes by operator, as the file calls them; those of functions and subgraphs not counted. */
  readonly ops: Readonly<Record<string, number>>;
}

/** Before the location of a weights file in the name of its section of a late artifact. */
const EXTERNAL_SECTION = "external:";

/**
 * Stages 1 and 2: bytes to a Graph.
 *
 * @throws CompileError when the model cannot be read or imported, or options name what it does not have
 */
export function openModel(bytes: Uint8Array, options: CompileOptions, clock: StageClock): OpenedModel {
  const { source, fileBeside } = contentOf(bytes);
  const external = new Map<string, Uint8Array>();
  const externalData = (location: string): Uint8Array | undefined => {
    const file = external.get(location) ?? fileBeside(location) ?? options.externalData?.(location);
    if (file) external.set(location, file);
    return file;
  };
  const { graph, about } = looksLikeJson(source)
    ? graphModelFrontend.get().open(source, externalData, clock)
    : openOnnx(source, externalData, clock);
  checkNames(graph, options);
  options.trace?.("import", () => `${graph.nodes.length} nodes, ${graph.constants.size} constants`);
  return { graph, about, source, external };
}

function openOnnx(
  source: Uint8Array,
  externalData: (location: string) => Uint8Array | undefined,
  clock: StageClock,
): Pick<OpenedModel, "graph" | "about"> {
  const model = clock.time("read", () => readModel(source, { externalData }));
  const graph = clock.time("import", () => importModel(model, { supports: supported, operatorNames }));
  const ops: Record<string, number> = {};
  for (const node of model.graph.nodes) ops[node.op] = (ops[node.op] ?? 0) + 1;
  const opset = Object.fromEntries(
    [...model.opsetImports].map(([domain, version]) => [domain || "ai.onnx", version]),
  );
  return { graph, about: { outputs: declaredOutputs(graph, model), opset, ops } };
}

/** Control flow and containers are dissolved while binding and have no definitions of their own. */
function supported(domain: string, op: string): boolean {
  return supports(domain, op) || vanishingDoor({ domain, op }) !== undefined;
}

interface Content {
  readonly source: Uint8Array;
  readonly fileBeside: (location: string) => Uint8Array | undefined;
}

/** The ONNX bytes and weights files inside a late artifact, or the bytes themselves. */
function contentOf(bytes: Uint8Array): Content {
  if (!isArtifact(bytes)) return { source: bytes, fileBeside: () => undefined };
  const { plan, sections } = readArtifact(bytes, { verify: false });
  const source = sections.get(SOURCE_SECTION);
  if (plan.kind !== "late" || !source) fail("option-invalid", "this artifact is already bound to its shapes");
  return { source, fileBeside: (location) => sections.get(`${EXTERNAL_SECTION}${location}`) };
}

/** What a late artifact holds: all that is needed to open the model again. */
export function sectionsOf({ source, external }: OpenedModel): { name: string; data: Uint8Array }[] {
  const files = [...external].map(([location, data]) => ({ name: `${EXTERNAL_SECTION}${location}`, data }));
  return [{ name: SOURCE_SECTION, data: source }, ...files];
}

interface InputTypes {
  readonly bound: ReadonlyMap<ValueId, TensorType>;
  readonly open: readonly { readonly input: string; readonly dims: readonly string[] }[];
}

/** Concrete input types as far as options tell them. A declared dimension of 0 means "any", as exporters use it. */
export function typesOfInputs(graph: Graph, options: CompileOptions): InputTypes {
  const bound = new Map<ValueId, TensorType>();
  const open: { input: string; dims: readonly string[] }[] = [];
  for (const { id, type, container } of graph.inputs) {
    if (container) {
      // How many tensors it holds, or whether one, only a run tells.
      open.push({ input: id, dims: ["length"] });
      continue;
    }
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

/** Refuses options for inputs and dimensions that the model does not have: they are most likely misspelt. */
function checkNames(graph: Graph, options: CompileOptions): void {
  for (const name of Object.keys(options.inputShapes ?? {})) {
    if (!graph.inputs.some((input) => input.id === name)) {
      fail("option-invalid", `the model has no input ${name}`, {
        hint: `inputs: ${graph.inputs.map((i) => i.id).join(", ")}`,
      });
    }
  }
  const openNames = new Set(graph.inputs.flatMap(({ type }) => type.shape ?? []).filter(isName));
  for (const name of Object.keys(options.dims ?? {})) {
    if (openNames.has(name)) continue;
    const guess = didYouMean(name, openNames);
    fail("option-invalid", `no input of the model has a dimension ${name}`, {
      hint: guess
        ? `did you mean ${guess}?`
        : openNames.size > 0
          ? `dimensions: ${[...openNames].join(", ")}`
          : "no dimension is open",
    });
  }
}

function isName(dim: number | string): dim is string {
  return typeof dim === "string";
}

function checkedShape(id: string, type: GraphInput["type"], given: readonly number[]): readonly number[] {
  if (given.some((dim) => !Number.isInteger(dim) || dim < 0))
    fail("option-invalid", `shape [${given}] of input ${id}`);
  if (type.shape && type.shape.length !== given.length) {
    fail("shape-mismatch", `input ${id} has rank ${type.shape.length}, not ${given.length}`);
  }
  return given;
}

export function portsOf({ graph, about }: Pick<OpenedModel, "graph" | "about">): {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
} {
  const inputs = graph.inputs.map(({ id, type, container }, i): Port => {
    const shape = type.shape ?? [unknownShape(id)];
    return {
      name: id,
      dtype: type.dtype,
      shape: shape.map((dim, d) => (dim === 0 || dim === "" ? `${id || i}.${d}` : dim)),
      ...(container ? { container } : {}),
    };
  });
  return { inputs, outputs: about.outputs };
}

function declaredOutputs(graph: Graph, model: OnnxModel): Port[] {
  const declared = new Map(model.graph.outputs.map((o) => [o.name, o]));
  return graph.outputs.map(({ name }): Port => declaredPort(name, declared.get(name)));
}

function declaredPort(name: string, value: OnnxValue | undefined): Port {
  const { element: type, container } = contained(value?.type ?? { kind: "unknown" });
  const kind = container ? { container } : {};
  if (type.kind !== "tensor" || !type.dtype)
    return { name, dtype: "float32", shape: [unknownShape(name)], ...kind };
  const shape = type.shape ?? [unknownShape(name)];
  return {
    name,
    dtype: type.dtype,
    shape: shape.map((dim, d) => (dim === 0 || dim === "" ? `${name}.${d}` : dim)),
    ...kind,
  };
}
