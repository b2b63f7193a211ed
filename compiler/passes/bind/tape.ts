/**
 * What is written down while a part of a graph is bound to be differentiated. In: calls of operators in the order in
 * which they are bound. Out: those that follow from the sources, with their rules. Invariant: control flow, sequences
 * and expansions are gone by then, so a tape is a list of single operators; a value is active when it is a float
 * that follows from a source.
 */
import { isFloat } from "../../ir/dtype.ts";
import type { OpNode, ValueId } from "../../ir/graph.ts";
import type { OpCall } from "../../ops/define.ts";
import type { Rule } from "../../ops/gradient/differential.ts";

export interface TapeEntry {
  readonly call: OpCall;
  /** Undefined where the operator has no derivative: an error only if one is asked for. */
  readonly rule: Rule | undefined;
}

export class Tape {
  readonly entries: TapeEntry[] = [];
  private readonly active: Set<ValueId>;

  constructor(sources: Iterable<ValueId>) {
    this.active = new Set(sources);
  }

  /** Whether something that the node reads follows from a source. */
  follows(node: OpNode): boolean {
    return node.inputs.some((id) => this.active.has(id));
  }

  isActive(id: ValueId): boolean {
    return this.active.has(id);
  }

  add(call: OpCall, rule: Rule | undefined): void {
    this.entries.push({ call, rule });
    call.node.outputs.forEach((id, i) => {
      const type = call.outputs[i];
      if (id !== "" && type && isFloat(type.dtype)) this.active.add(id);
    });
  }
}
