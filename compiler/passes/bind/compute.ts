/**
 * Binding of an ordinary node: one that has a definition. In: a node whose inputs all have static types. Out: a
 * bound node, constants where all inputs that matter are known and the result is small or has no place in a
 * program, or the nodes that it expands into. Invariant: an expansion that needs an unknown value leaves nothing behind.
 */
import { fail, InternalError } from "../../diagnostic.ts";
import { bytesPerElement, elementCount, type Tensor } from "../../ir/dtype.ts";
import { TypeConflict, type Expr } from "../../ir/expr.ts";
import { linear } from "../../ir/linear.ts";
import { range } from "../../ir/range.ts";
import { visit } from "../../ir/walk.ts";
import type { Attribute, OpNode, TensorType, ValueId } from "../../ir/graph.ts";
import { assignments, type Kernel } from "../../ir/kernel.ts";
import { drawsAnew } from "../../ir/program.ts";
import { verifyKernel } from "../../ir/verify.ts";
import { NeedsValue, OpCall, type AttributeLike, type Expander, type InferredType, type OpDefinition } from "../../ops/define.ts"; // prettier-ignore
import { findGradient, findOperator } from "../../ops/table.ts";
import { evaluateKernel, evaluateLibrary, tensorOf } from "../evaluate.ts";
import { wholeTimesScale } from "../integers.ts";
import type { Computation } from "./boundGraph.ts";
import { evaluateOnHost, movesStrings, moveStrings } from "./host.ts";
import { Postponed, type Walk } from "./walk.ts";

/** Offsets are 32-bit: no tensor has more elements than this. */
const MAX_ELEMENTS = 2 ** 31 - 1;

/**
 * Binds one node.
 *
 * @throws NeedsValue where an input must be known and is not
 * @throws CompileError where the node cannot be computed
 */
export function compute(walk: Walk, node: OpNode): void {
  const definition = findOperator(node.domain, node.op);
  if (!definition) {
    fail(
      "op-unsupported",
      `${node.domain || "ai.onnx"} ${node.op} (opset ${node.version}) has no definition`,
      {
        node: node.name,
        op: node.op,
      },
    );
  }
  if (node.op.startsWith("Random")) walk.draws++;
  try {
    define(walk, node, definition);
  } catch (error) {
    const where = { node: node.name, op: node.op };
    // The last line against operands of a form that a definition did not test; arrays that cannot be had are another matter.
    if (error instanceof TypeError || (error instanceof RangeError && !/alloc/i.test(error.message)))
      fail("graph-invalid", `its inputs or attributes do not fit together (${error.message})`, where);
    if (!(error instanceof TypeConflict)) throw error;
    // Definitions say what they compute, not for which element types: an expression that cannot be made tells.
    const types = node.inputs.map((id) => walk.types.get(id)?.dtype ?? "none").join(", ");
    fail("dtype-unsupported", `not defined for inputs of ${types} (${error.message})`, where);
  }
}

function define(walk: Walk, node: OpNode, definition: OpDefinition): void {
  if (movesStrings(walk, node)) {
    evaluateOnHost(walk, node, (inputs) => moveStrings(node, inputs));
    return;
  }
  const bare = callOf(walk, node);
  const outputs = definition.infer?.(bare) ?? [];
  if (outputs.length > 0 && node.outputs.some((id, i) => id !== "" && i >= outputs.length)) {
    bare.fail(
      "graph-invalid",
      `there are ${node.outputs.length} outputs where the operator has ${outputs.length}`,
    );
  }
  for (const { shape } of outputs) checkShape(node, shape);
  if (
    outputs.length > 0 &&
    outputs.every(({ dtype, shape }) => dtype !== "string" && elementCount(shape) === 0)
  ) {
    // Nothing to compute, and definitions need not think of dividing coordinates by an extent of 0.
    outputs.forEach(({ dtype, shape }, i) => store(walk, node.outputs[i], tensorOf(dtype, shape, [])));
    return;
  }
  const call = outputs.length ? callOf(walk, node, outputs) : bare;
  const tapes = walk.tapes.filter((tape) => tape.follows(node));
  const gradient = tapes.length > 0 ? findGradient(node.domain, node.op) : undefined;
  if (gradient && "expand" in gradient) {
    expand(walk, node, () => gradient.expand(call, expander(walk, node)));
    return;
  }
  const implementation =
    typeof definition.implementation === "function"
      ? definition.implementation(call)
      : definition.implementation;
  if (implementation.kind === "expand") {
    expand(walk, node, () => implementation.expand(call, expander(walk, node)));
    return;
  }
  for (const tape of tapes) tape.add(call, gradient?.rule);
  if (implementation.kind === "host") {
    evaluateOnHost(walk, node, (inputs) => implementation.evaluate(call, inputs));
    return;
  }
  if (implementation.kind === "library") {
    const library = implementation.call(call);
    for (const argument of library.arguments) if (argument.kind === "input") call.input(argument.position);
    if (call.inputs.some((type) => type?.dtype === "string")) call.fail("dtype-unsupported", "not defined for strings"); // prettier-ignore
    const constant = !drawsAnew(library) && node.inputs.every((id) => id === "" || walk.foldable(id));
    if (constant && outputs.every((type) => elementCount(type.shape) <= walk.foldLimit)) {
      const inputs = node.inputs.map((id) => walk.constants.get(id));
      evaluateLibrary(library, inputs, outputs).forEach((tensor, i) => store(walk, node.outputs[i], tensor));
      return;
    }
    emit(walk, node, node.inputs, node.outputs, outputs, { kind: "library", library });
    return;
  }
  const kernel = implementation.build(call);
  checkReach(node, kernel);
  checkKernel(call, kernel);
  const inputs = node.inputs.filter((id) => id !== "");
  const wanted = node.outputs.filter((id) => id !== "");
  const wantedTypes = outputs.filter((_, i) => Boolean(node.outputs[i]));
  const used = buffersRead(kernel);
  const small = wantedTypes.every((type) => elementCount(type.shape) <= walk.foldLimit);
  if (small && !writesOut(kernel) && inputs.every((id, i) => !used.has(i) || walk.foldable(id))) {
    const data = inputs.map((id) => walk.constants.get(id));
    evaluateKernel(kernel, data, wantedTypes).forEach((tensor, i) => store(walk, wanted[i], tensor));
    return;
  }
  emit(walk, node, inputs, wanted, wantedTypes, { kind: "kernel", kernel });
}

/** Elements of a quantized constant from which it stays one. */
const LEAST_QUANTIZED = 64;

/** Whether a kernel makes floats of quantized weights: they stay what they are, which is smaller, and exact in sums. */
function writesOut({ buffers, body: [assign, ...others] }: Kernel): boolean {
  if (!buffers.some(({ role, dtype }) => role === "in" && bytesPerElement(dtype) < 4)) return false;
  if (assign?.kind !== "assign" || others.length > 0 || assign.reduce) return false;
  return elementCount(assign.axes.map((a) => a.extent)) >= LEAST_QUANTIZED && wholeTimesScale(assign.value) !== undefined; // prettier-ignore
}

/**
 * The last line against models whose operands do not fit together where a definition did not test it: a kernel that
 * would read outside an operand, or at another rank than its own, is refused as the model's fault.
 */
function checkKernel(call: OpCall, kernel: Kernel): void {
  try {
    verifyKernel(kernel);
  } catch (error) {
    if (!(error instanceof InternalError)) throw error;
    call.fail("shape-mismatch", `its operands do not fit together (${error.message})`);
  }
}

function callOf(walk: Walk, node: OpNode, outputs: readonly TensorType[] = []): OpCall {
  const where = { node: node.name, op: node.op };
  const types = node.inputs.map((id) => {
    if (id === "") return undefined;
    const type = walk.types.get(id);
    if (type) return type;
    if (walk.lists.has(id)) fail("dtype-unsupported", `input ${id} is a sequence, not a tensor`, where);
    if (walk.absent.has(id)) fail("graph-invalid", `input ${id} is an optional without a value`, where);
    return fail("graph-invalid", `input ${id} is produced by no node before`, where);
  });
  return new OpCall(node, types, node.inputs.map((id) => walk.foldable(id)), outputs); // prettier-ignore
}

function store(walk: Walk, id: ValueId | undefined, tensor: Tensor): void {
  if (id) walk.addConstant(id, tensor);
}

function emit(
  walk: Walk,
  node: OpNode,
  inputs: readonly ValueId[],
  outputs: readonly ValueId[],
  types: readonly InferredType[],
  computation: Computation,
): void {
  if (walk.hostOnly || inputs.some((id) => walk.madeOnHost.has(id))) throw new Postponed();
  outputs.forEach((id, i) => {
    if (id) walk.types.set(id, types[i]!);
  });
  walk.nodes.push({ name: node.name, op: node.op, inputs, outputs, computation });
}

/**
 * Runs an expansion as one transaction: when it needs an unknown value, nothing of it stays. Nodes that it makes may
 * be left to a later program, though.
 */
function expand(walk: Walk, node: OpNode, write: () => readonly ValueId[]): void {
  const marks = [walk.nodes.length, walk.deferred.length] as const;
  const demands = [...walk.demands];
  let made: readonly ValueId[];
  try {
    made = write();
  } catch (error) {
    [walk.nodes.length, walk.deferred.length] = marks;
    walk.demands.clear();
    for (const id of demands) walk.demands.add(id);
    throw error;
  }
  node.outputs.forEach((id, i) => {
    if (!id) return;
    const from = made[i];
    if (from === undefined)
      fail("op-unsupported", `output ${i} is not computed`, { node: node.name, op: node.op });
    walk.rename(id, from);
  });
}

export function expander(walk: Walk, parent: OpNode): Expander {
  const made = new Set<ValueId>();
  const add = (
    op: string,
    inputs: readonly ValueId[],
    count: number,
    attributes: Record<string, AttributeLike> = {},
  ): ValueId[] => {
    const outputs = Array.from({ length: count }, () => walk.fresh());
    const node = walk.nodeOf(parent, op, inputs.map((id) => walk.resolve(id)), outputs, attributesOf(attributes)); // prettier-ignore
    try {
      if (node.inputs.some((id) => walk.deferredValues.has(id))) throw new Postponed();
      compute(walk, node);
    } catch (error) {
      // What the expansion made itself cannot be told to it: only the node that needs it waits.
      if (error instanceof NeedsValue && made.has(walk.resolve(error.value)))
        walk.defer(node, walk.resolve(error.value));
      else if (error instanceof Postponed) walk.defer(node);
      else throw error;
    }
    const results = outputs.map((id) => walk.resolve(id));
    for (const id of results) made.add(id);
    return results;
  };
  const typeOf = (id: ValueId): TensorType => {
    if (id === "")
      fail("graph-invalid", "an input that it needs is missing", { node: parent.name, op: parent.op });
    const type = walk.types.get(walk.resolve(id));
    if (!type) throw new Postponed();
    return type;
  };
  return {
    // Expansions write extents, of which a 0 is none to be copied from the operand.
    node: (op, inputs, attributes) => add(op, inputs, 1, op === "Reshape" ? { allowzero: 1, ...attributes } : attributes)[0]!, // prettier-ignore
    nodes: (op, inputs, outputs, attributes) => add(op, inputs, outputs, attributes),
    constant: (tensor) => walk.constant(tensor),
    integers: (values) => walk.integers(values),
    scalar: (dtype, value) => walk.constant(tensorOf(dtype, [], [value])),
    typeOf,
  };
}

function attributesOf(attributes: Readonly<Record<string, AttributeLike>>): Map<string, Attribute> {
  return new Map(Object.entries(attributes).map(([key, value]) => [key, attributeOf(value)]));
}

function attributeOf(value: AttributeLike): Attribute {
  if (typeof value === "number") return { kind: "int", value };
  if (typeof value === "string") return { kind: "string", value };
  if (Array.isArray(value)) {
    return typeof value[0] === "string"
      ? { kind: "strings", value: value as readonly string[] }
      : { kind: "ints", value: value as readonly number[] };
  }
  if (typeof value === "object" && "float" in value) return { kind: "float", value: value.float };
  if (typeof value === "object" && "floats" in value) return { kind: "floats", value: value.floats };
  return value as Attribute;
}

/** Refuses sizes that no memory holds, before anything is allocated for them. */
function checkShape(node: OpNode, shape: readonly number[]): void {
  const where = { node: node.name, op: node.op };
  if (shape.some((dim) => !Number.isSafeInteger(dim) || dim < 0)) fail("shape-mismatch", `the result has the shape [${shape}]`, where); // prettier-ignore
  if (elementCount(shape) > MAX_ELEMENTS)
    fail("limit-exceeded", `the result has the shape [${shape}]`, where);
}

/** Refuses coordinates that 32 bits do not hold, as windows with absurd strides, dilations or pads have them. */
function checkReach(node: OpNode, kernel: Kernel): void {
  const check = (e: Expr): void => {
    const { constant, terms } = linear(e);
    let low = constant;
    let high = constant;
    for (const [term, factor] of terms) {
      // What depends on data is clamped where it is read, and its range tells nothing.
      if (term.kind !== "axis") return;
      const last = range(term)[1] * factor;
      low += Math.min(0, last);
      high += Math.max(0, last);
    }
    if (low >= -MAX_ELEMENTS && high <= MAX_ELEMENTS) return;
    fail("limit-exceeded", `coordinates reach from ${low} to ${high}`, { node: node.name, op: node.op });
  };
  const seen = new Set<Expr>();
  for (const { assign } of assignments(kernel)) {
    assign.index.forEach(check);
    for (const e of [assign.value, ...(assign.reduce ? [assign.reduce.body] : [])]) {
      visit(e, (x) => x.kind === "load" && x.index.forEach(check), seen);
    }
  }
}

/** Numbers of the input buffers that a kernel loads from. */
export function buffersRead(kernel: Kernel): Set<number> {
  const read = new Set<number>();
  for (const { assign } of assignments(kernel)) {
    for (const e of [assign.value, ...assign.index, ...(assign.reduce ? [assign.reduce.body] : [])]) {
      visit(e, (x) => {
        if (x.kind === "load") read.add(x.buffer);
      });
    }
  }
  return read;
}
