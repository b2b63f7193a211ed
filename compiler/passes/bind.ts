/**
 * Binds a graph to numbers: the types of its inputs and whatever values are known. In: a Graph with symbolic
 * dimensions. Out: a BoundGraph whose every value has a static type. Shape arithmetic, branches, loops, sequences
 * and operators that expand into others all disappear here, by one walk in topological order (`bind/walk.ts`).
 * Invariant: where something depends on data (a condition, a shape), the walk leaves that node and all that follow
 * from it as `rest`: a Graph to be bound when the `demands` are known.
 */
import { CompileError, fail } from "../diagnostic.ts";
import type { Tensor } from "../ir/dtype.ts";
import { elementName, namesOf } from "../../runtime/format.ts";
import type { Graph, GraphInput, GraphOutput, TensorType, ValueId } from "../ir/graph.ts";
import type { BindOptions, BoundGraph, BoundNode } from "./bind/boundGraph.ts";
import { cut } from "./bind/cut.ts";
import { Walk } from "./bind/walk.ts";

export type { BindOptions, BoundGraph, BoundNode, Computation, Rest } from "./bind/boundGraph.ts";
export { buffersRead } from "./bind/compute.ts";
export { vanishingDoor, vanishingOperators } from "./bind/vanishing.ts";

/**
 * @param inputTypes types of the inputs by id; of a sequence, those of its elements (`elementName`)
 * @param known inputs whose values a run told; they are inputs of the result no more
 * @throws CompileError with everything that keeps the graph from being bound
 */
export function bind(
  graph: Graph,
  inputTypes: ReadonlyMap<ValueId, TensorType>,
  known: ReadonlyMap<ValueId, Tensor>,
  options: BindOptions = {},
): BoundGraph {
  const walk = new Walk(graph, options);
  for (const [id, tensor] of graph.constants) walk.addConstant(id, tensor);
  for (const [id, tensor] of known) walk.tell(id, tensor);
  const inputs = graph.inputs
    .filter((input) => !known.has(input.id))
    .flatMap((input) => addInput(walk, input, inputTypes))
    .filter((id) => !known.has(id));
  for (const node of graph.nodes) walk.process(node);
  if (walk.diagnostics.length) throw new CompileError(walk.diagnostics);

  const outputs: GraphOutput[] = [];
  const lateOutputs: GraphOutput[] = [];
  for (const output of graph.outputs) {
    for (const { id, name } of tensorsOf(walk, output)) {
      if (walk.deferredValues.has(id)) lateOutputs.push({ id, name });
      else if (walk.types.has(id)) outputs.push({ id, name });
      else fail("graph-invalid", `output ${name} is produced by no node`);
    }
  }
  const rest = walk.deferred.length ? cut(walk, graph.name, lateOutputs) : undefined;
  if (rest) {
    const present = new Set([...outputs.map((output) => output.name), ...inputs]);
    for (const id of [...rest.demands, ...rest.carried]) {
      if (!present.has(id)) outputs.push({ id, name: id });
      present.add(id);
    }
  }
  const told = walk.nodes.length === 0 && walk.told.size > 0;
  const isKnown = ({ id }: GraphOutput): boolean =>
    walk.constants.get(id)?.dtype === "string" || walk.madeOnHost.has(id) || (told && walk.constants.has(id));
  return pruned({
    name: graph.name,
    known: new Map(outputs.filter(isKnown).map(({ id, name }) => [name, walk.constants.get(id)!])),
    inputs: inputs.map((id) => ({ id, type: walk.types.get(id)! })),
    outputs: outputs.filter((output) => !isKnown(output)),
    refusals: walk.refusals,
    nodes: walk.nodes,
    types: walk.types,
    constants: walk.constants,
    ...(rest ? { rest } : {}),
  });
}

/** Makes an input known to the walk, and returns the tensors that it is: any number for a sequence. */
function addInput(
  walk: Walk,
  { id, container }: GraphInput,
  types: ReadonlyMap<ValueId, TensorType>,
): readonly ValueId[] {
  const names = namesOf(id, container, types);
  for (const name of names) walk.types.set(name, types.get(name)!);
  const isList = container === "sequence" || (container === "optional sequence" && names.length > 0);
  if (isList) walk.lists.set(id, names);
  else if (names.length === 0 && container) walk.absent.add(id);
  else if (names.length === 0) fail("dimension-unbound", `input ${id} has no bound shape`);
  return names;
}

/** The tensors that an output consists of. */
function tensorsOf(walk: Walk, { id, name }: GraphOutput): readonly GraphOutput[] {
  const made = walk.resolve(id);
  if (walk.absent.has(made)) return [];
  const list = walk.lists.get(made);
  return list
    ? list.map((element, i) => ({ id: walk.resolve(element), name: elementName(name, i) }))
    : [{ id: made, name }];
}

/** Drops nodes and constants that no output needs. */
function pruned(graph: BoundGraph): BoundGraph {
  const needed = new Set([...graph.outputs.map(({ id }) => id), ...graph.refusals.map(({ value }) => value)]);
  const kept: BoundNode[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((id) => needed.has(id))) continue;
    kept.push(node);
    for (const id of node.inputs) needed.add(id);
  }
  const constants = new Map([...graph.constants].filter(([id]) => needed.has(id)));
  return { ...graph, nodes: kept.reverse(), constants };
}
