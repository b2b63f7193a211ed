/**
 * If: the branch that a known condition takes stands in its place; where a run decides, both branches do, and a select
 * for each result. In: a node and its condition. Out: nodes of the branches. Invariants: a branch that no run takes is
 * never bound, so it may hold what could not be compiled; a branch that cannot be bound refuses the runs that take it,
 * as the model itself would. Everything here is total and without effects, so computing both branches is only a matter
 * of time, which `passes/guards.ts` saves again.
 */
import { formatDiagnostic } from "../../diagnostic.ts";
import { elementCount } from "../../ir/dtype.ts";
import type { OpNode, ValueId } from "../../ir/graph.ts";
import { bodyOf, type VanishingOps } from "./vanishing.ts";
import type { Trial, Walk } from "./walk.ts";

export const branchOps: VanishingOps = { If: branch };

function branch(walk: Walk, node: OpNode): void {
  const id = node.inputs[0] ?? "";
  if (decidedByRuns(walk, id) && bothWays(walk, node, id)) return;
  const condition = walk.known(id);
  const taken = bodyOf(node, Number(condition.data[0]) ? "then_branch" : "else_branch");
  name(walk, node, walk.instantiate(taken, []));
}

function name(walk: Walk, node: OpNode, made: readonly ValueId[]): void {
  node.outputs.forEach((id, i) => {
    if (id && made[i] !== undefined) walk.rename(id, made[i]);
  });
}

/** Whether a condition is an element of memory at every run. Derivatives and texts need to know the branch now. */
function decidedByRuns(walk: Walk, id: ValueId): boolean {
  if (!walk.bothBranches || walk.hostOnly || walk.tapes.length > 0 || walk.constants.has(id)) return false;
  const type = walk.types.get(id);
  return type?.dtype === "bool" && !walk.mustWait(id) && elementCount(type.shape) === 1;
}

/** Binds both branches, or the one that can be; false where that does not do, and then nothing was bound. */
function bothWays(walk: Walk, node: OpNode, id: ValueId): boolean {
  const [yes, no] = ["then_branch", "else_branch"].map((side) => walk.trial(bodyOf(node, side), [])) as [Trial, Trial]; // prettier-ignore
  const wrong = [yes, no].filter(({ diagnostics }) => diagnostics.length > 0);
  const complete = [yes, no].filter(({ complete }) => complete);
  if (complete.length === 0 || complete.length + wrong.length < 2) return false;
  if (wrong.length === 0 && !node.outputs.every((output, i) => !output || alike(walk, yes.outputs[i], no.outputs[i])))
    return false; // prettier-ignore

  const scalar = walk.types.get(id)!.shape.length > 0 ? walk.make(node, "Squeeze", [id]) : id;
  const when = (side: Trial): ValueId => (side === yes ? scalar : walk.make(node, "Not", [scalar]));
  for (const side of complete) {
    walk.accept({ ...side, refusals: [] });
    for (const { value, message } of side.refusals)
      walk.refusals.push({ value: walk.make(node, "And", [when(side), value]), message });
  }
  for (const side of wrong) {
    const message = side.diagnostics.map(formatDiagnostic).join("\n");
    walk.refusals.push({
      value: when(side),
      message: `a branch of If "${node.name}" that cannot run: ${message}`,
    });
    name(walk, node, complete[0]!.outputs);
  }
  if (wrong.length > 0) return true;
  const made = node.outputs.map((output, i) => {
    const [a, b] = [yes.outputs[i]!, no.outputs[i]!];
    return !output || a === b ? a : walk.make(node, "Where", [scalar, a, b]);
  });
  name(walk, node, made);
  return true;
}

/** Whether two values are the same, or tensors of one type, of which a program can choose. */
function alike(walk: Walk, a: ValueId | undefined, b: ValueId | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  if (a === b) return true;
  const [x, y] = [walk.types.get(a), walk.types.get(b)];
  if (!x || !y || [a, b].some((id) => walk.mustWait(id) || walk.madeOnHost.has(id))) return false;
  return x.dtype !== "string" && x.dtype === y.dtype && x.shape.join() === y.shape.join();
}
