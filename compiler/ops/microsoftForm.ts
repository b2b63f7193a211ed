/**
 * What definitions of com.microsoft share. In: a call of such an operator. Out: its definition as an expansion, and
 * helpers to write one. Invariant: none; absent inputs are "" here, as in a node.
 */
import type { ValueId } from "../ir/graph.ts";
import type { AttributeLike, Expander, OpCall, OpDefinition } from "./define.ts";

export const DOMAIN = "com.microsoft";

/** A definition that consists of other operators. */
export function expanded(
  op: string,
  expand: (call: OpCall, to: Expander) => readonly (ValueId | undefined)[],
): OpDefinition {
  return {
    op,
    domain: DOMAIN,
    implementation: { kind: "expand", expand: (call, to) => expand(call, to) as readonly ValueId[] },
  };
}

/** The input, or "" where it is not given. */
export const given = (call: OpCall, position: number): ValueId => call.node.inputs[position] ?? "";

/** Attributes of the call that `names` lists, for the operator it stands for. */
export function only(call: OpCall, names: readonly string[]): Record<string, AttributeLike> {
  const kept: Record<string, AttributeLike> = {};
  for (const name of names) {
    const attribute = call.node.attributes.get(name);
    if (attribute) kept[name] = attribute;
  }
  return kept;
}

/** The operator of ai.onnx of the same name, which says the same. */
export function same(op: string, attributes: readonly string[]): OpDefinition {
  return expanded(op, (call, to) => [to.node(op, call.node.inputs, only(call, attributes))]);
}

/** `id` plus a further term, where there is one. */
export function plus(to: Expander, id: ValueId, term: ValueId): ValueId {
  return term === "" ? id : to.node("Add", [id, term]);
}

/** Elements `from` up to, without, `until` along an axis. */
export function part(to: Expander, id: ValueId, from: number, until: number, axis: number): ValueId {
  return to.node("Slice", [id, to.integers([from]), to.integers([until]), to.integers([axis])]);
}

/** Channels last as channels second, and back. */
export function channelsSecond(to: Expander, id: ValueId): ValueId {
  const rank = to.typeOf(id).shape.length;
  return to.node("Transpose", [id], {
    perm: [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, d) => d + 1)],
  });
}
export function channelsLast(to: Expander, id: ValueId): ValueId {
  const rank = to.typeOf(id).shape.length;
  return to.node("Transpose", [id], { perm: [0, ...Array.from({ length: rank - 2 }, (_, d) => d + 2), 1] });
}
