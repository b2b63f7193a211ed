/**
 * From old operator forms to the newest ones, so that operator definitions see one form only. In: one imported node
 * of some opset version. Out: the nodes that compute the same in the newest ONNX form, or the node itself when its
 * form is still in force. Invariant: one table entry per old form, keyed by operator; an entry holds for versions
 * below its `until`, and the nearest such entry applies. Source: the ONNX operator changelog.
 */
import type { OpNode } from "../../ir/graph.ts";
import { controlForms } from "./adaptControl.ts";
import { OldNode, type AdaptContext, type OldForm } from "./adaptForm.ts";
import { mathForms } from "./adaptMath.ts";
import { movementForms } from "./adaptMovement.ts";
import { windowForms } from "./adaptWindow.ts";

/** Old forms by operator; operators of other domains would be keyed "domain:op". */
const forms = new Map<string, readonly OldForm[]>(
  [mathForms, movementForms, windowForms, controlForms].flatMap((table) => Object.entries(table)),
);

/** Operators with old forms, and the versions in which each form ended; Infinity where no newer one came. */
export function formChanges(): ReadonlyMap<string, readonly number[]> {
  return new Map([...forms].map(([op, list]) => [op, list.map(({ until }) => until)]));
}

/** The newest form of `node`: itself, or its replacement in topological order. */
export function adapt(node: OpNode, context: AdaptContext): readonly OpNode[] {
  const key = node.domain === "" ? node.op : `${node.domain}:${node.op}`;
  const form = forms.get(key)?.find((candidate) => node.version < candidate.until);
  if (form === undefined) return [node];
  const old = new OldNode(node, context);
  form.adapt(old);
  return old.replacement;
}
