/**
 * Gradient: the derivative of one value with respect to others, in reverse mode. In: a node with the body between
 * them (made by `frontend/onnx/gradientBody.ts`). Out: the body's nodes, then those that compute the gradients, which
 * are ordinary nodes. Invariant: gradients have the type of what they belong to; where y does not follow from x they
 * are zeros. The body is bound once more here: nodes that are equal to ones of the graph become one when fusing.
 */
import { fail, InternalError } from "../../diagnostic.ts";
import { isFloat } from "../../ir/dtype.ts";
import type { OpNode, TensorType, ValueId } from "../../ir/graph.ts";
import { Differential } from "../../ops/gradient/differential.ts";
import { Tape, type TapeEntry } from "./tape.ts";
import { bodyOf, type VanishingOps } from "./vanishing.ts";
import type { Walk } from "./walk.ts";

export const gradientOps: VanishingOps = { "ai.onnx.preview.training:Gradient": gradient };

function gradient(walk: Walk, node: OpNode): void {
  const where = { node: node.name, op: node.op };
  const body = bodyOf(node, "body");
  const names = node.attributes.get("xs");
  const count = names?.kind === "strings" ? names.value.length : 0;
  if (node.inputs.some((id) => walk.mustWait(id))) {
    walk.defer(node);
    return;
  }
  // Each input under a name of its own, since the same value may come in as several.
  const to = walk.expander(node);
  const args = node.inputs.map((id) => {
    const own = walk.fresh();
    const constant = walk.constants.get(id);
    if (constant) walk.addConstant(own, constant);
    else walk.process(walk.nodeOf(node, "Identity", [id], [own], new Map()));
    return own;
  });
  const xs = args.slice(0, count);
  for (const id of xs) {
    if (!isFloat(typeOf(walk, id).dtype))
      fail("dtype-unsupported", `a gradient with respect to ${typeOf(walk, id).dtype}`, where);
  }
  const tape = new Tape(xs);
  const waiting = walk.deferred.length;
  const [y] = walk.record(body, args, tape) as [ValueId];
  if (walk.failed(y)) {
    for (const id of node.outputs) if (id) walk.rename(id, y);
    return;
  }
  if (walk.deferred.length > waiting || walk.mustWait(y)) {
    fail("op-unsupported", "a gradient through shapes or conditions that follow from data", {
      ...where,
      hint: "bind the sizes, or differentiate a part of the graph without them",
    });
  }
  const type = typeOf(walk, y);
  if (!isFloat(type.dtype)) fail("dtype-unsupported", `a gradient of ${type.dtype}`, where);

  const given = new Map<ValueId, ValueId[]>();
  const fill = ({ dtype, shape }: TensorType, value: number): ValueId =>
    to.node("Expand", [to.scalar(dtype, value), to.integers(shape)]);
  const total = (id: ValueId): ValueId | undefined => {
    const parts = given.get(id);
    if (!parts || parts.length === 1) return parts?.[0];
    const sum = to.node("Sum", parts);
    given.set(id, [sum]);
    return sum;
  };
  if (tape.isActive(y)) given.set(y, [fill(type, 1)]);
  for (const entry of tape.entries.toReversed()) {
    const dy = entry.call.node.outputs.map((id) => (id === "" ? undefined : total(id)));
    if (dy.every((id) => id === undefined)) continue;
    backwards(walk, node, tape, entry, dy, given);
  }
  node.outputs.forEach((id, i) => {
    const x = xs[i];
    if (id === "") return;
    if (x === undefined) fail("graph-invalid", `there is no name in xs for output ${i}`, where);
    walk.rename(id, total(x) ?? fill(typeOf(walk, x), 0));
  });
}

/** Adds what one operator gives to the gradients of its inputs. */
function backwards(
  walk: Walk,
  node: OpNode,
  tape: Tape,
  { call, rule }: TapeEntry,
  dy: readonly (ValueId | undefined)[],
  given: Map<ValueId, ValueId[]>,
): void {
  const { op, name, domain, inputs } = call.node;
  if (!rule) {
    fail("op-unsupported", `no derivative of ${domain ? `${domain}.` : ""}${op} ("${name}") is known`, {
      node: node.name,
      op: node.op,
      hint: "name values in xs and y between which it does not stand, or replace it by operators that have one",
    });
  }
  const wanted = inputs.map((id) => tape.isActive(id));
  const made = rule(new Differential(call, walk.expander(call.node), dy, wanted));
  inputs.forEach((id, i) => {
    const part = made[i];
    if (!wanted[i] || part === undefined) return;
    const [a, b] = [typeOf(walk, part), typeOf(walk, id)];
    if (a.dtype !== b.dtype || a.shape.join() !== b.shape.join()) {
      throw new InternalError(
        `the derivative of ${op} by its input ${i} is ${a.dtype}[${a.shape}], not ${b.dtype}[${b.shape}]`,
      );
    }
    given.set(id, [...(given.get(id) ?? []), part]);
  });
}

function typeOf(walk: Walk, id: ValueId): TensorType {
  const type = walk.types.get(walk.resolve(id));
  if (!type) throw new InternalError(`the value ${id} has no type`);
  return type;
}
