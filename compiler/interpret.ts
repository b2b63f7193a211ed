/**
 * Device "interp": runs a model by evaluating each node with the kernel interpreter. In: a model and inputs. Out:
 * outputs. It is slow and is the definition: no pass but binding takes part, so a wrong pass shows as a difference.
 */
import { namesOf } from "../runtime/format.ts";
import { fail, InternalError } from "./diagnostic.ts";
import { bytesPerElement, elementCount, type Tensor } from "./ir/dtype.ts";
import type { Graph, TensorType, ValueId } from "./ir/graph.ts";
import { openModel, portsOf } from "./openModel.ts";
import type { CompileOptions } from "./options.ts";
import { bindGraph, StageClock } from "./pipeline.ts";
import { evaluateKernel, evaluateLibrary } from "./passes/evaluate.ts";

/**
 * Computes a model's outputs from its inputs by name; those of a sequence "s" are "s[0]", "s[1]" and so on.
 *
 * @throws CompileError when the model cannot be bound to these inputs
 */
export function interpret(
  bytes: Uint8Array,
  inputs: Readonly<Record<string, Tensor>>,
  options: CompileOptions = {},
): Record<string, Tensor> {
  const opened = openModel(bytes, options, new StageClock());
  const { graph } = opened;
  const values = new Map<ValueId, Tensor>();
  const given = new Map(Object.entries(inputs));
  for (const { id, container } of graph.inputs) {
    const names = namesOf(id, container, given);
    if (names.length === 0 && !container) fail("option-invalid", `input ${id} is missing`);
    for (const name of names) values.set(name, given.get(name)!);
  }
  const results: Record<string, Tensor> = {};
  const strings = [...values].filter(([, { dtype }]) => dtype === "string");
  const draw = Math.floor(Math.random() * 2 ** 32) | 0;
  interpretGraph(graph, values, new Map(strings), options, results, draw);
  const { outputs } = portsOf(opened);
  const made = new Map(Object.entries(results));
  const names = outputs.flatMap((output) => namesOf(output.name, output.container, made));
  return Object.fromEntries(names.map((name) => [name, results[name]!]));
}

/** No single value may need more than a whole program. @throws CompileError `limit-exceeded` */
function checkMemory(
  types: readonly TensorType[],
  node: string,
  { memoryLimit = 2 ** 32 }: CompileOptions,
): void {
  const bytes = types.reduce(
    (sum, { dtype, shape }) => sum + bytesPerElement(dtype) * elementCount(shape),
    0,
  );
  if (bytes <= memoryLimit) return;
  fail("limit-exceeded", `the node needs ${bytes} bytes of memory`, {
    node,
    hint: "bind smaller dimensions or raise memoryLimit",
  });
}

function interpretGraph(
  graph: Graph,
  values: ReadonlyMap<ValueId, Tensor>,
  known: ReadonlyMap<ValueId, Tensor>,
  options: CompileOptions,
  results: Record<string, Tensor>,
  draw: number,
): void {
  const types = new Map<ValueId, TensorType>();
  for (const [id, { dtype, shape }] of values) types.set(id, { dtype, shape });
  const bound = bindGraph(graph, types, known, options);
  const at = new Map<ValueId, Tensor>([...values, ...known, ...bound.constants, ...bound.known]);
  for (const node of bound.nodes) {
    const given = node.inputs.map((id) => (id === "" ? undefined : at.get(id)));
    const outputTypes = node.outputs.map((id) =>
      id === "" ? { dtype: "bool" as const, shape: [0] } : bound.types.get(id)!,
    );
    checkMemory(outputTypes, node.name, options);
    const made =
      node.computation.kind === "kernel"
        ? evaluateKernel(node.computation.kernel, given, outputTypes)
        : evaluateLibrary(node.computation.library, given, outputTypes, draw);
    node.outputs.forEach((id, i) => {
      if (id) at.set(id, made[i]!);
    });
  }
  for (const { id, name } of bound.outputs) {
    const tensor = at.get(id);
    if (!tensor) throw new InternalError(`output ${name} was not computed`);
    results[name] = tensor;
  }
  for (const [name, tensor] of bound.known) results[name] = tensor;
  if (!bound.rest) return;
  const { graph: rest, demands, carried } = bound.rest;
  const taken = (ids: readonly ValueId[]): Map<ValueId, Tensor> =>
    new Map(ids.map((id) => [id, at.get(id)!]));
  interpretGraph(rest, taken(carried), taken(demands), options, results, draw);
}
