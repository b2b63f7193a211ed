/**
 * From bytes to a Graph with known or open input types. In: ONNX bytes, or a late artifact that holds them, and
 * options. Out: the graph, the types of its inputs as far as they are known, and its inputs and outputs as users see
 * them. Invariant: nothing is bound here; what is open is told by name.
 */
import { isArtifact, readArtifact, SOURCE_SECTION, unknownShape, type Port } from "../runtime/format.ts";
import { fail } from "./diagnostic.ts";
import { importModel } from "./frontend/onnx/import.ts";
import { readModel, type OnnxModel, type OnnxValue } from "./frontend/onnx/model.ts";
import { contained } from "./frontend/onnx/valueType.ts";
import type { Graph, GraphInput, TensorType, ValueId } from "./ir/graph.ts";
import { operatorNames, supports } from "./ops/table.ts";
import type { CompileOptions } from "./options.ts";
import { vanishes } from "./passes/bind.ts";
import type { StageClock } from "./pipeline.ts";

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
export function sourceOf(bytes: Uint8Array): Uint8Array {
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

function checkedShape(id: string, type: GraphInput["type"], given: readonly number[]): readonly number[] {
  if (given.some((dim) => !Number.isInteger(dim) || dim < 0))
    fail("option-invalid", `shape [${given}] of input ${id}`);
  if (type.shape && type.shape.length !== given.length) {
    fail("shape-mismatch", `input ${id} has rank ${type.shape.length}, not ${given.length}`);
  }
  return given;
}

export function portsOf(graph: Graph, model: OnnxModel): { inputs: Port[]; outputs: Port[] } {
  const inputs = graph.inputs.map(({ id, type, container }, i): Port => {
    const shape = type.shape ?? [unknownShape(id)];
    return {
      name: id,
      dtype: type.dtype,
      shape: shape.map((dim, d) => (dim === 0 || dim === "" ? `${id || i}.${d}` : dim)),
      ...(container ? { container } : {}),
    };
  });
  const declared = new Map(model.graph.outputs.map((o) => [o.name, o]));
  const outputs = graph.outputs.map(({ name }): Port => declaredPort(name, declared.get(name)));
  return { inputs, outputs };
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
