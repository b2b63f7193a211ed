/**
 * If: the branch that a known condition takes stands in its place. In: a node and its condition. Out: the branch's
 * nodes. Invariant: a branch that is not taken is never bound, so it may hold what could not be compiled.
 */
import { fail } from "../../diagnostic.ts";
import type { Graph, OpNode } from "../../ir/graph.ts";
import type { Vanishing, Walk } from "./walk.ts";

export const branchOps: readonly (readonly [string, Vanishing])[] = [["If", branch]];

function branch(walk: Walk, node: OpNode): void {
  const condition = walk.known(node.inputs[0] ?? "");
  const taken = bodyOf(node, Number(condition.data[0]) ? "then_branch" : "else_branch");
  const made = walk.instantiate(taken, []);
  node.outputs.forEach((id, i) => {
    if (id && made[i] !== undefined) walk.rename(id, made[i]);
  });
}

/** A graph among a node's attributes. */
export function bodyOf(node: OpNode, attribute: string): Graph {
  const found = node.attributes.get(attribute);
  if (found?.kind === "graph") return found.value;
  return fail("attribute-invalid", `${node.op} without its ${attribute}`, { node: node.name, op: node.op });
}
