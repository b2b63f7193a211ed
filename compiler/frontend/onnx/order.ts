/**
 * Topological order of nodes. In: the nodes of one graph or function body in file order. Out: the same nodes, each
 * after those that it takes values from, itself or inside its subgraphs. Invariant: nodes that stand in order
 * already are given back as they are, and the order of independent nodes is that of the file.
 */
import { fail } from "../../diagnostic.ts";
import type { OnnxGraph, OnnxNode } from "./model.ts";

/** Sorts `nodes`; throws `graph-invalid` when they form a cycle. */
export function inTopologicalOrder(nodes: readonly OnnxNode[]): readonly OnnxNode[] {
  const producer = new Map<string, number>();
  nodes.forEach((node, position) => {
    for (const output of node.outputs)
      if (output !== "" && !producer.has(output)) producer.set(output, position);
  });
  const needs = nodes.map((node, position) =>
    // A node may read an outer value that it then shadows; it does not wait for itself.
    Array.from(namesUsedBy(node), (name) => producer.get(name)).filter(
      (other): other is number => other !== undefined && other !== position,
    ),
  );
  if (needs.every((others, position) => others.every((other) => other < position))) return nodes;

  const order: OnnxNode[] = [];
  const state = new Uint8Array(nodes.length);
  const [waiting, done] = [1, 2];
  for (let start = 0; start < nodes.length; start++) {
    if (state[start] === done) continue;
    // Depth first, with a stack of our own: files come with chains longer than the call stack.
    const stack = [{ node: start, next: 0 }];
    state[start] = waiting;
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      const other = needs[top.node]![top.next++];
      if (other === undefined) {
        state[top.node] = done;
        order.push(nodes[top.node]!);
        stack.pop();
      } else if (state[other] === waiting) {
        const { name, op, outputs } = nodes[other]!;
        fail("graph-invalid", "the node needs its own result: the graph has a cycle", {
          node: name || (outputs[0] ?? ""),
          op,
        });
      } else if (state[other] !== done) {
        state[other] = waiting;
        stack.push({ node: other, next: 0 });
      }
    }
  }
  return order;
}

/** Names that a node reads, in itself and, from around them, in its subgraphs. */
function namesUsedBy(node: OnnxNode): Set<string> {
  const names = new Set<string>();
  for (const input of node.inputs) if (input !== "") names.add(input);
  for (const attribute of node.attributes.values()) {
    if (attribute.kind === "graph") addFreeNames(attribute.value, names);
    else if (attribute.kind === "graphs") for (const graph of attribute.value) addFreeNames(graph, names);
  }
  return names;
}

function addFreeNames(graph: OnnxGraph, into: Set<string>): void {
  const own = new Set<string>();
  for (const { name } of graph.initializers) own.add(name);
  for (const { name } of graph.inputs) own.add(name);
  for (const node of graph.nodes) for (const output of node.outputs) own.add(output);
  for (const node of graph.nodes) for (const name of namesUsedBy(node)) if (!own.has(name)) into.add(name);
  for (const { name } of graph.outputs) if (name !== "" && !own.has(name)) into.add(name);
}
