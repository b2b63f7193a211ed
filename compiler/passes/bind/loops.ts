/**
 * Loop and Scan: one kernel for all iterations where the body is regular (`rolled.ts`), otherwise the body once per
 * iteration, each folding what it can before the next begins. In: a node whose trip count is known. Out: its nodes.
 * Invariant: iterations see each other only through values, so an unrolled loop is ordinary data flow; where the
 * condition of the next iteration follows from data, the loop is cut there and goes on in a later program.
 */
import { fail } from "../../diagnostic.ts";
import { allocate, elementCount } from "../../ir/dtype.ts";
import type { Attribute, OpNode, ValueId } from "../../ir/graph.ts";
import { integerAttribute, stack } from "./containers.ts";
import { roll } from "./rolled.ts";
import { bodyOf, type VanishingOps } from "./vanishing.ts";
import type { Walk } from "./walk.ts";

export const loopOps: VanishingOps = { Loop: loop, Scan: scan };

/** Attribute of a Loop that goes on: how many iterations earlier programs did. */
const DONE = "done";

/**
 * Loop: inputs are the trip count, the condition and the states. One that goes on in a later program has as further
 * inputs, for each scan output, the sequence of what the iterations so far gave.
 */
function loop(walk: Walk, node: OpNode): void {
  const body = bodyOf(node, "body");
  const where = { node: node.name, op: node.op };
  const [count = "", initial = "", ...operands] = node.inputs;
  const stateCount = body.inputs.length - 2;
  const scanCount = body.outputs.length - 1 - stateCount;
  if (stateCount < 0 || scanCount < 0 || operands.length < stateCount) {
    fail("graph-invalid", "the body's inputs and outputs do not fit the loop's", where);
  }
  const limit = count === "" ? Infinity : Number(walk.known(count).data[0]);
  if (initial !== "") walk.known(initial);
  const start = integerAttribute(node, DONE, 0);
  const slices: ValueId[][] = Array.from({ length: scanCount }, (_, k) => [...(walk.lists.get(operands[stateCount + k] ?? "") ?? [])]); // prettier-ignore
  let states = operands.slice(0, stateCount);
  const [finals, results] = [node.outputs.slice(0, stateCount), node.outputs.slice(stateCount)];
  if (start === 0 && limit < Infinity && (initial === "" || Number(walk.known(initial).data[0]))) {
    const forwards = results.map((id) => ({ id, axis: 0, backwards: false }));
    const iterations = {
      node,
      body,
      trips: limit,
      counted: true,
      states,
      finals,
      scanned: [],
      results: forwards,
    };
    if (roll(walk, iterations)) return;
  }
  let condition = initial === "" ? walk.boolean(true) : initial;
  let done = start;
  while (done < limit) {
    const value = walk.constants.get(condition);
    if (!value) {
      // What the body gives may be no tensor at all, which is told here.
      if (!walk.types.has(condition) && !walk.deferredValues.has(condition)) walk.known(condition);
      goOnLater(walk, node, [count, condition, ...states], slices, done);
      return;
    }
    if (!Number(value.data[0])) break;
    const made = walk.iterate(body, [walk.integers(done), condition, ...states], node);
    done++;
    condition = made[0]!;
    states = made.slice(1, 1 + stateCount);
    slices.forEach((list, k) => list.push(made[1 + stateCount + k]!));
    if (made.some((id) => walk.failed(id))) break;
  }
  const types = (): TypeList =>
    walk.typesOf(body, [walk.integers(0), condition, ...states]).slice(1 + stateCount);
  finish(walk, node, states, slices.map((list) => ({ list, axis: 0 })), types); // prettier-ignore
}

/** Leaves the iterations that remain to the program that knows the condition. */
function goOnLater(
  walk: Walk,
  node: OpNode,
  inputs: readonly ValueId[],
  slices: readonly ValueId[][],
  done: number,
): void {
  if (done > walk.maxIterations) {
    fail(
      "limit-exceeded",
      `the loop runs more than ${walk.maxIterations} iterations, each a program of its own`,
      {
        node: node.name,
        op: node.op,
        hint: "its condition follows from data; raise maxIterations",
      },
    );
  }
  const lists = slices.map((list) => {
    const id = walk.fresh();
    walk.lists.set(id, list);
    return id;
  });
  const attributes = new Map<string, Attribute>([...node.attributes, [DONE, { kind: "int", value: done }]]);
  walk.defer({ ...node, inputs: [...inputs, ...lists], attributes }, inputs[1]!);
}

/** Scan: inputs are the states, then what is scanned; the trip count is a dimension. */
function scan(walk: Walk, node: OpNode): void {
  const body = bodyOf(node, "body");
  const where = { node: node.name, op: node.op };
  const scanCount = integerAttribute(node, "num_scan_inputs", 0);
  const stateCount = node.inputs.length - scanCount;
  const outputCount = body.outputs.length - stateCount;
  if (scanCount < 1 || stateCount < 0 || outputCount < 0 || body.inputs.length !== node.inputs.length) {
    fail("graph-invalid", "the body's inputs and outputs do not fit the scan's", where);
  }
  const scanned = node.inputs.slice(stateCount);
  if (scanned.some((id) => walk.mustWait(id))) {
    walk.defer(node);
    return;
  }
  const inputAxes = integersAttribute(node, "scan_input_axes");
  const inputs = scanned.map((id, k): ScanInput => {
    const shape =
      walk.types.get(id)?.shape ?? fail("dtype-unsupported", `input ${id} is not a tensor`, where);
    const given = inputAxes[k] ?? 0;
    const axis = given < 0 ? given + shape.length : given;
    const length =
      shape[axis] ?? fail("attribute-invalid", `axis ${given} of a tensor of rank ${shape.length}`, where);
    return { id, axis, length };
  });
  const length = inputs[0]!.length;
  if (inputs.some((input) => input.length !== length)) {
    fail(
      "shape-mismatch",
      `inputs of ${inputs.map((input) => input.length).join(", ")} elements are scanned together`,
      where,
    );
  }
  const backwards = integersAttribute(node, "scan_input_directions");
  const outputAxes = integersAttribute(node, "scan_output_axes");
  const reversed = integersAttribute(node, "scan_output_directions");
  const iterations = {
    node,
    body,
    trips: length,
    counted: false,
    states: node.inputs.slice(0, stateCount),
    finals: node.outputs.slice(0, stateCount),
    scanned: inputs.map(({ id, axis }, k) => ({ id, axis, backwards: Boolean(backwards[k]) })),
    results: node.outputs
      .slice(stateCount)
      .map((id, k) => ({ id, axis: outputAxes[k] ?? 0, backwards: Boolean(reversed[k]) })),
  };
  if (roll(walk, iterations)) return;
  const slices: ValueId[][] = Array.from({ length: outputCount }, () => []);
  let states = node.inputs.slice(0, stateCount);
  const argsAt = (i: number): ValueId[] => [
    ...states,
    ...inputs.map((input, k) => elementAt(walk, node, input, backwards[k] ? length - 1 - i : i)),
  ];
  for (let i = 0; i < length; i++) {
    const made = walk.iterate(body, argsAt(i), node);
    states = made.slice(0, stateCount);
    slices.forEach((list, k) => list.push(made[stateCount + k]!));
    if (made.some((id) => walk.failed(id))) break;
  }
  const outputs = slices.map((list, k) => ({
    list: reversed[k] ? list.toReversed() : list,
    axis: outputAxes[k] ?? 0,
  }));
  const types = (): TypeList => {
    // Nothing to scan: an element of the right type stands in for what the body would see.
    const elements = inputs.map(({ id, axis }) => {
      const { dtype, shape } = walk.types.get(id)!;
      const element = shape.toSpliced(axis, 1);
      return walk.constant({
        dtype,
        shape: element,
        data: dtype === "string" ? [] : allocate(dtype, elementCount(element)),
      });
    });
    return walk.typesOf(body, [...states, ...elements]).slice(stateCount);
  };
  finish(walk, node, states, outputs, types);
}

interface ScanInput {
  readonly id: ValueId;
  readonly axis: number;
  readonly length: number;
}

function elementAt(walk: Walk, node: OpNode, { id, axis }: ScanInput, i: number): ValueId {
  const axes = walk.integers([axis]);
  const slice = walk.make(node, "Slice", [id, walk.integers([i]), walk.integers([i + 1]), axes]);
  return walk.make(node, "Squeeze", [slice, axes]);
}

type TypeList = ReturnType<Walk["typesOf"]>;

interface ScanOutput {
  readonly list: readonly ValueId[];
  /** Where the new axis stands in the result. */
  readonly axis: number;
}

/** Names the outputs: states as the last iteration left them, then what all iterations gave, side by side. */
function finish(
  walk: Walk,
  node: OpNode,
  states: readonly ValueId[],
  scans: readonly ScanOutput[],
  typesOfElements: () => TypeList,
): void {
  const { outputs } = node;
  let types: TypeList | undefined;
  states.forEach((id, i) => outputs[i] && walk.rename(outputs[i], id));
  scans.forEach(({ list, axis }, k) => {
    const output = outputs[states.length + k];
    if (!output) return;
    if (list.length > 0) {
      walk.rename(output, stack(walk, node, list, axis));
      return;
    }
    types ??= typesOfElements();
    const type = types[k];
    if (!type) {
      const hint = "its body's result has a type that depends on data";
      fail("value-needed", `output ${output} of a loop without iterations has no known shape`, {
        node: node.name,
        op: node.op,
        hint,
      });
    }
    const at = axis < 0 ? axis + type.shape.length + 1 : axis;
    const data = type.dtype === "string" ? [] : allocate(type.dtype, 0);
    walk.addConstant(output, { dtype: type.dtype, shape: type.shape.toSpliced(at, 0, 0), data });
  });
}

function integersAttribute(node: OpNode, name: string): readonly number[] {
  const attribute = node.attributes.get(name);
  return attribute?.kind === "ints" ? attribute.value : [];
}
