/**
 * What could not be bound, as a graph of its own. In: a walk that is over, and the outputs that wait. Out: the
 * deferred nodes with everything that they read: constants, values to carry over, values to be told, and
 * containers written out as the nodes that make them. Invariant: the rest needs something that this part did not
 * have, so a chain of programs comes to an end.
 */
import { InternalError } from "../../diagnostic.ts";
import type { Tensor } from "../../ir/dtype.ts";
import type { Graph, GraphInput, GraphOutput, OpNode, ValueId } from "../../ir/graph.ts";
import type { Rest } from "./boundGraph.ts";
import { mapGraphs, type Walk } from "./walk.ts";

export function cut(walk: Walk, name: string, lateOutputs: readonly GraphOutput[]): Rest {
  const nodes = withContainers(walk, walk.deferred.map((node) => renamed(walk, node))); // prettier-ignore
  const needed = new Set<ValueId>();
  for (const output of lateOutputs) needed.add(output.id);
  for (const node of nodes) for (const id of capturesOf(node)) needed.add(id);
  const constants = new Map<ValueId, Tensor>();
  const carried: ValueId[] = [];
  for (const id of needed) {
    const tensor = walk.constants.get(id);
    if (tensor && !walk.madeOnHost.has(id)) constants.set(id, tensor);
    else if (walk.types.has(id) && !walk.deferredValues.has(id)) carried.push(id);
  }
  const demands = [...walk.demands].filter((id) => walk.types.has(id) && !walk.deferredValues.has(id));
  const goesOn = carried.some((id) => walk.mustWait(id) || walk.madeOnHost.has(id));
  if (demands.length === 0 && !goesOn && !walk.hostOnly) {
    throw new InternalError(`${nodes[0]?.op} "${nodes[0]?.name}" waits for nothing`);
  }
  const inputs: GraphInput[] = [...new Set([...carried, ...demands])].map((id) => ({
    id,
    type: { dtype: walk.types.get(id)!.dtype, shape: undefined },
  }));
  const graph: Graph = { name, inputs, outputs: lateOutputs, nodes, constants };
  return { graph, demands, carried: carried.filter((id) => !demands.includes(id)) };
}

function renamed(walk: Walk, node: OpNode): OpNode {
  const resolve = (id: ValueId): ValueId => walk.resolve(id);
  return { ...node, inputs: node.inputs.map(resolve), attributes: mapGraphs(node.attributes, resolve) };
}

/** The nodes, each after those that make the sequences and empty optionals it reads. */
function withContainers(walk: Walk, nodes: readonly OpNode[]): OpNode[] {
  const all: OpNode[] = [];
  const written = new Set<ValueId>();
  const write = (parent: OpNode, op: string, inputs: readonly ValueId[], id: ValueId): void => {
    all.push(walk.nodeOf(parent, op, inputs, [id], new Map()));
    written.add(id);
  };
  for (const node of nodes) {
    for (const id of capturesOf(node)) {
      if (written.has(id)) continue;
      const list = walk.lists.get(id)?.map((element) => walk.resolve(element));
      if (list) write(node, list.length > 0 ? "SequenceConstruct" : "SequenceEmpty", list, id);
      else if (walk.absent.has(id)) write(node, "Optional", [], id);
    }
    all.push(node);
  }
  return all;
}

/** Every value that a node or its subgraphs read, without telling which are the subgraphs' own. */
function capturesOf(node: OpNode): Set<ValueId> {
  const ids = new Set(node.inputs.filter((id) => id !== ""));
  for (const attribute of node.attributes.values()) {
    if (attribute.kind !== "graph") continue;
    for (const inner of attribute.value.nodes) for (const id of capturesOf(inner)) ids.add(id);
    for (const output of attribute.value.outputs) ids.add(output.id);
  }
  return ids;
}
