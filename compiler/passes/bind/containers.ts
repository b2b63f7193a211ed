/**
 * Sequences and optionals, which exist while binding only: a sequence is a list of values, an optional is its value
 * or nothing. In: nodes of the ai.onnx sequence and optional families. Out: lists, other names, and for those that
 * make tensors, ordinary nodes. Invariant: the length of a sequence is a number here; where it or a position
 * follows from data, the node waits for that data.
 */
import { fail } from "../../diagnostic.ts";
import type { Tensor } from "../../ir/dtype.ts";
import type { OpNode, ValueId } from "../../ir/graph.ts";
import { NeedsValue } from "../../ops/define.ts";
import { bodyOf, type VanishingOps } from "./vanishing.ts";
import type { Walk } from "./walk.ts";

export const containerOps: VanishingOps = {
  SequenceConstruct: sequenceConstruct,
  SequenceEmpty: sequenceEmpty,
  SequenceInsert: sequenceInsert,
  SequenceErase: sequenceErase,
  SequenceAt: sequenceAt,
  SequenceLength: sequenceLength,
  SequenceMap: sequenceMap,
  SplitToSequence: splitToSequence,
  ConcatFromSequence: concatFromSequence,
  Optional: optional,
  OptionalHasElement: optionalHasElement,
  OptionalGetElement: optionalGetElement,
};

function sequenceConstruct(walk: Walk, node: OpNode): void {
  walk.lists.set(node.outputs[0]!, node.inputs);
}

function sequenceEmpty(walk: Walk, node: OpNode): void {
  walk.lists.set(node.outputs[0]!, []);
}

function sequenceInsert(walk: Walk, node: OpNode): void {
  const list = listOf(walk, node, 0);
  const at = positionOf(walk, node, 2, list.length, list.length);
  walk.lists.set(node.outputs[0]!, list.toSpliced(at, 0, inputOf(node, 1)));
}

function sequenceErase(walk: Walk, node: OpNode): void {
  const list = listOf(walk, node, 0);
  const at = positionOf(walk, node, 1, list.length, list.length - 1);
  walk.lists.set(node.outputs[0]!, list.toSpliced(at, 1));
}

function sequenceAt(walk: Walk, node: OpNode): void {
  const list = listOf(walk, node, 0);
  walk.rename(node.outputs[0]!, list[positionOf(walk, node, 1, list.length)]!);
}

function sequenceLength(walk: Walk, node: OpNode): void {
  walk.rename(node.outputs[0]!, walk.integers(listOf(walk, node, 0).length));
}

/** The body once for each element of the first input; further sequences go along with it. */
function sequenceMap(walk: Walk, node: OpNode): void {
  const body = bodyOf(node, "body");
  const list = listOf(walk, node, 0);
  if (node.inputs.some((id) => walk.deferredValues.has(id) && !walk.types.has(id))) {
    // Whether it is a sequence or a tensor is not known yet.
    walk.defer(node);
    return;
  }
  const results = list.map((_, i) => {
    const args = node.inputs.map((id) => {
      const elements = walk.lists.get(id);
      if (!elements) return id;
      return (
        elements[i] ??
        refuse(node, "shape-mismatch", `sequences of ${list.length} and ${elements.length} elements`)
      );
    });
    return walk.iterate(body, args, node);
  });
  node.outputs.forEach((id, k) => id && walk.lists.set(id, results.map((made) => made[k]!))); // prettier-ignore
}

function splitToSequence(walk: Walk, node: OpNode): void {
  const input = inputOf(node, 0);
  if (walk.mustWait(input)) {
    walk.defer(node);
    return;
  }
  const type = walk.types.get(input);
  if (!type) refuse(node, "dtype-unsupported", `input ${input} is not a tensor`);
  const rank = type.shape.length;
  const given = integerAttribute(node, "axis", 0);
  const axis = given < 0 ? given + rank : given;
  const size = type.shape[axis];
  if (size === undefined)
    return refuse(node, "attribute-invalid", `axis ${given} of a tensor of rank ${rank}`);
  const split = node.inputs[1] ? walk.known(node.inputs[1]) : undefined;
  const sizes = pieceLengths(walk, node, size, split);
  const squeeze = !split && integerAttribute(node, "keepdims", 1) === 0;
  const axes = walk.integers([axis]);
  let start = 0;
  const pieces = sizes.map((length) => {
    const bounds = [walk.integers([start]), walk.integers([start + length])];
    start += length;
    const piece = walk.make(node, "Slice", [input, ...bounds, axes]);
    return squeeze ? walk.make(node, "Squeeze", [piece, axes]) : piece;
  });
  walk.lists.set(node.outputs[0]!, pieces);
}

/** Lengths of the pieces: each 1 without `split`, all the same (but the last) for a scalar, else as listed. */
function pieceLengths(walk: Walk, node: OpNode, size: number, split: Tensor | undefined): readonly number[] {
  const given = split ? Array.from(split.data as Iterable<number | bigint>, Number) : [1];
  if (split && split.shape.length > 0) {
    const sum = given.reduce((total, length) => total + length, 0);
    if (sum === size && given.every((length) => length >= 0)) return given;
    refuse(node, "shape-mismatch", `pieces of ${given.join(", ")} from a dimension of ${size}`);
  }
  const each = given[0]!;
  if (!(each > 0)) refuse(node, "attribute-invalid", `pieces of ${each}`);
  walk.spend(node, Math.ceil(size / each));
  return Array.from({ length: Math.ceil(size / each) }, (_, i) => Math.min(each, size - i * each));
}

function concatFromSequence(walk: Walk, node: OpNode): void {
  const list = listOf(walk, node, 0);
  const axis = integerAttribute(node, "axis", 0);
  if (list.length === 0) refuse(node, "shape-mismatch", "there is nothing in the sequence to concatenate");
  const joined =
    integerAttribute(node, "new_axis", 0) === 1
      ? stack(walk, node, list, axis)
      : concatenated(walk, node, list, axis);
  walk.rename(node.outputs[0]!, joined);
}

/** Values of one shape side by side along a new axis; `axis` counts in the result's shape. */
export function stack(walk: Walk, node: OpNode, list: readonly ValueId[], axis: number): ValueId {
  const axes = walk.integers([axis]);
  return concatenated(walk, node, list.map((id) => walk.make(node, "Unsqueeze", [id, axes])), axis); // prettier-ignore
}

/** Concat takes only so many at once: every input is a buffer of the kernel. */
const MAX_CONCAT_INPUTS = 64;

function concatenated(walk: Walk, node: OpNode, list: readonly ValueId[], axis: number): ValueId {
  let parts = list;
  while (parts.length > 1) {
    const groups: ValueId[] = [];
    for (let at = 0; at < parts.length; at += MAX_CONCAT_INPUTS) {
      const group = parts.slice(at, at + MAX_CONCAT_INPUTS);
      groups.push(group.length === 1 ? group[0]! : walk.make(node, "Concat", group, { axis }));
    }
    parts = groups;
  }
  return parts[0]!;
}

function optional(walk: Walk, node: OpNode): void {
  const value = node.inputs[0];
  if (value) walk.rename(node.outputs[0]!, value);
  else walk.absent.add(node.outputs[0]!);
}

function optionalHasElement(walk: Walk, node: OpNode): void {
  const value = node.inputs[0] ?? "";
  if (walk.deferredValues.has(value)) walk.defer(node);
  else walk.rename(node.outputs[0]!, walk.boolean(value !== "" && !walk.absent.has(value)));
}

function optionalGetElement(walk: Walk, node: OpNode): void {
  const value = inputOf(node, 0);
  if (walk.deferredValues.has(value)) walk.defer(node);
  else if (walk.absent.has(value)) refuse(node, "graph-invalid", `the optional ${value} has no value`);
  else walk.rename(node.outputs[0]!, value);
}

function refuse(node: OpNode, code: Parameters<typeof fail>[0], message: string): never {
  return fail(code, message, { node: node.name, op: node.op });
}

function inputOf(node: OpNode, position: number): ValueId {
  return node.inputs[position] || refuse(node, "graph-invalid", `input ${position} is missing`);
}

/** Elements of a sequence input. @throws NeedsValue when a deferred node makes it */
function listOf(walk: Walk, node: OpNode, position: number): readonly ValueId[] {
  const id = inputOf(node, position);
  const list = walk.lists.get(id);
  if (list) return list;
  if (walk.deferredValues.has(id)) throw new NeedsValue(id);
  return refuse(node, "dtype-unsupported", `input ${id} is not a sequence`);
}

/** A position in a sequence, counted from the end when negative. */
function positionOf(walk: Walk, node: OpNode, input: number, end: number, otherwise?: number): number {
  const id = node.inputs[input];
  const given = id ? Number(walk.known(id).data[0]) : otherwise;
  if (given === undefined) return refuse(node, "graph-invalid", `input ${input} is missing`);
  const at = given < 0 ? given + end : given;
  const last = node.op === "SequenceInsert" ? end : end - 1;
  if (!(at >= 0 && at <= last))
    refuse(node, "attribute-invalid", `position ${given} of a sequence of ${end} elements`);
  return at;
}

export function integerAttribute(node: OpNode, name: string, otherwise: number): number {
  const attribute = node.attributes.get(name);
  return attribute?.kind === "int" ? attribute.value : otherwise;
}
