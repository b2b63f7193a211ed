/**
 * The form of an operator definition: how its output types follow from its inputs, and what it computes. In: one
 * node with static input types and whatever inputs are known at compile time. Out: types, and a Kernel, a few
 * simpler operators, a call of a library kernel, or tensors made while binding. Invariant: definitions see the newest
 * ONNX form only (the frontend has rewritten older ones) and numbers only, never symbolic dimensions.
 */
import { CompileError, InternalError, type DiagnosticCode } from "../diagnostic.ts";
import { isInteger, type DType, type Tensor } from "../ir/dtype.ts";
import { add, floordiv, floormod, int, load, mul, type Expr } from "../ir/expr.ts";
import type { Attribute, Graph, OpNode, TensorType, ValueId } from "../ir/graph.ts";
import type { LibraryArgument, LibraryCall } from "../ir/program.ts";
import { coordinate, rowMajorStrides, type Assign, type Axis, type Block, type Buffer, type Kernel, type Reduction } from "../ir/kernel.ts"; // prettier-ignore

/** A type whose dimension `dynamicDim` is an upper bound: the kernel tells the size when it has run. */
export interface InferredType extends TensorType {
  readonly dynamicDim?: number;
}

/** Thrown by {@link OpCall.value}: the program must be cut here until the value is known. */
export class NeedsValue extends Error {
  readonly value: ValueId;
  constructor(value: ValueId) {
    super(`the value of ${value} is needed to go on`);
    this.value = value;
  }
}

/** One use of an operator, with everything that is known about it at compile time. */
export class OpCall {
  readonly node: OpNode;
  readonly inputs: readonly (TensorType | undefined)[];
  /** Inputs known at compile time, by position. */
  private readonly known: readonly (Tensor | undefined)[];
  /** Set once inferred. */
  readonly outputs: readonly TensorType[];

  constructor(
    node: OpNode,
    inputs: readonly (TensorType | undefined)[],
    known: readonly (Tensor | undefined)[],
    outputs: readonly TensorType[] = [],
  ) {
    this.node = node;
    this.inputs = inputs;
    this.known = known;
    this.outputs = outputs;
  }

  /** Whether the optional input is given. */
  has(position: number): boolean {
    return this.inputs[position] !== undefined;
  }

  /** Type of a required input. */
  input(position: number): TensorType {
    const type = this.inputs[position];
    if (!type) this.fail("graph-invalid", `input ${position} is missing`);
    return type;
  }

  /** Whether output `position` is wanted by anyone. */
  wants(position: number): boolean {
    return Boolean(this.node.outputs[position]);
  }

  /** Input `position` if it is known now; never throws. */
  peek(position: number): Tensor | undefined {
    return this.known[position];
  }

  /** The value of an input that must be known; throws {@link NeedsValue} when it is not yet. */
  value(position: number): Tensor {
    const tensor = this.known[position];
    if (tensor) return tensor;
    const id = this.node.inputs[position];
    if (!id) this.fail("graph-invalid", `input ${position} is missing`);
    throw new NeedsValue(id);
  }

  /** An integer input that must be known, as numbers: sizes, axes and the like. */
  integers(position: number): number[] {
    const { dtype } = this.value(position);
    if (!isInteger(dtype))
      this.fail("dtype-unsupported", `input ${position} is ${dtype}, where integers say how`);
    return Array.from(this.value(position).data as Iterable<number | bigint>, Number);
  }

  /** One such integer. */
  integer(position: number): number {
    const [value] = this.integers(position);
    return value ?? this.fail("shape-mismatch", `input ${position} is empty`);
  }

  private attribute<K extends Attribute["kind"]>(
    name: string,
    kind: K,
  ): Extract<Attribute, { kind: K }> | undefined {
    const attribute = this.node.attributes.get(name);
    if (!attribute) return undefined;
    if (attribute.kind !== kind)
      this.fail("attribute-invalid", `attribute ${name} is ${attribute.kind}, not ${kind}`);
    return attribute as Extract<Attribute, { kind: K }>;
  }

  int(name: string): number | undefined;
  int(name: string, otherwise: number): number;
  int(name: string, otherwise?: number): number | undefined {
    return this.attribute(name, "int")?.value ?? otherwise;
  }
  float(name: string): number | undefined;
  float(name: string, otherwise: number): number;
  float(name: string, otherwise?: number): number | undefined {
    // A default is what the attribute would hold: a float32.
    return (
      this.attribute(name, "float")?.value ?? (otherwise === undefined ? undefined : Math.fround(otherwise))
    );
  }
  string(name: string): string | undefined;
  string(name: string, otherwise: string): string;
  string(name: string, otherwise?: string): string | undefined {
    return this.attribute(name, "string")?.value ?? otherwise;
  }
  ints(name: string): readonly number[] | undefined;
  ints(name: string, otherwise: readonly number[]): readonly number[];
  ints(name: string, otherwise?: readonly number[]): readonly number[] | undefined {
    return this.attribute(name, "ints")?.value ?? otherwise;
  }
  floats(name: string): readonly number[] | undefined {
    return this.attribute(name, "floats")?.value;
  }
  strings(name: string): readonly string[] | undefined {
    return this.attribute(name, "strings")?.value;
  }
  tensor(name: string): Tensor | undefined {
    return this.attribute(name, "tensor")?.value;
  }
  graph(name: string): Graph | undefined {
    return this.attribute(name, "graph")?.value;
  }

  /** Refuses the node with a diagnostic that names it. */
  fail(code: DiagnosticCode, message: string, hint?: string): never {
    throw new CompileError([
      { code, message, node: this.node.name, op: this.node.op, ...(hint ? { hint } : {}) },
    ]);
  }
}

export type { LibraryArgument, LibraryCall };

/** What an `expand` definition writes its simpler nodes into; each node is inferred as it is added. */
export interface Expander {
  /** Adds a node of `ai.onnx` (newest form) and returns its first output. */
  node(op: string, inputs: readonly ValueId[], attributes?: Record<string, AttributeLike>): ValueId;
  /** Adds a node with several outputs. */
  nodes(
    op: string,
    inputs: readonly ValueId[],
    outputs: number,
    attributes?: Record<string, AttributeLike>,
  ): ValueId[];
  constant(tensor: Tensor): ValueId;
  /** A constant of int64 numbers: 1-D, or a scalar for a plain number. */
  integers(values: readonly number[] | number): ValueId;
  /** A scalar constant of a float or integer dtype. */
  scalar(dtype: DType, value: number): ValueId;
  typeOf(value: ValueId): TensorType;
}

/** Attributes as an expander writes them: numbers become int unless wrapped in `{ float }`. */
export type AttributeLike =
  | number
  | string
  | readonly number[]
  | readonly string[]
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | Attribute;

export type OpImplementation =
  | { readonly kind: "compute"; build(call: OpCall): Kernel }
  | { readonly kind: "expand"; expand(call: OpCall, to: Expander): readonly ValueId[] }
  | { readonly kind: "library"; call(call: OpCall): LibraryCall }
  | {
      /**
       * Computed while binding, from inputs that are all known then: what has no place in a program's memory, such
       * as strings. What is not known is demanded. No `infer` is needed: the results tell their types.
       */
      readonly kind: "host";
      evaluate(call: OpCall, inputs: readonly (Tensor | undefined)[]): readonly Tensor[];
    };

/**
 * A definition. With `kind: "expand"` or "host" no `infer` is needed. Some operators choose their implementation by call
 * (a constant axis, a dtype): `implementation` may be a function of the call.
 */
export interface OpDefinition {
  readonly op: string;
  readonly domain?: string;
  /** Types of all outputs (also of those nobody wants, where that is simple). */
  infer?(call: OpCall): readonly InferredType[];
  readonly implementation: OpImplementation | ((call: OpCall) => OpImplementation);
}

// ---------------------------------------------------------------------------------------------------------------
// Helpers for definitions

/** Axes over a shape: names are `prefix0`, `prefix1`, ... */
export function axesOver(shape: readonly number[], prefix: string): Axis[] {
  return shape.map((extent, d) => ({ name: `${prefix}${d}`, extent }));
}

export function coordinates(axes: readonly Axis[]): Expr[] {
  return axes.map(coordinate);
}

/** Coordinates into `shape` for a point of the broadcast result. */
export function broadcastIndex(shape: readonly number[], index: readonly Expr[]): Expr[] {
  const skip = index.length - shape.length;
  return shape.map((dim, d) => (dim === 1 ? int(0) : index[d + skip]!));
}

/** Row-major position of a point. */
export function flatten(shape: readonly number[], index: readonly Expr[]): Expr {
  const strides = rowMajorStrides(shape);
  let flat: Expr = int(0);
  for (let d = 0; d < shape.length; d++) flat = add(flat, mul(index[d]!, int(strides[d]!)));
  return flat;
}

/** The point of `shape` at a row-major position. */
export function unflatten(shape: readonly number[], flat: Expr): Expr[] {
  const strides = rowMajorStrides(shape);
  return shape.map((dim, d) => {
    if (dim === 1) return int(0);
    const quotient = floordiv(flat, Math.max(1, strides[d]!));
    return d === 0 ? quotient : floormod(quotient, Math.max(1, dim));
  });
}

/** Result shape of numpy-style broadcasting. */
export function broadcastShapes(call: OpCall, shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  const result = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    shape.forEach((dim, d) => {
      const at = d + rank - shape.length;
      if (dim === 1 || result[at] === dim) return;
      if (result[at] !== 1) call.fail("shape-mismatch", `shapes ${shapes.map((s) => `[${s}]`).join(" and ")} do not broadcast`); // prettier-ignore
      result[at] = dim;
    });
  }
  return result;
}

/** A possibly negative axis as a position in 0..rank-1. */
export function normaliseAxis(call: OpCall, axis: number, rank: number): number {
  const at = axis < 0 ? axis + rank : axis;
  if (!(at >= 0 && at < Math.max(rank, 1)))
    call.fail("attribute-invalid", `axis ${axis} of a tensor of rank ${rank}`);
  return at;
}

/** The buffers of a call's kernel: given inputs in order, then outputs, then temps. */
function callBuffers(call: OpCall, temps: readonly Omit<Buffer, "role">[] = []): Buffer[] {
  const buffers: Buffer[] = [];
  call.inputs.forEach((type, i) => {
    if (type) buffers.push({ name: `in${i}`, dtype: type.dtype, shape: type.shape, role: "in" });
  });
  call.outputs.forEach((type, i) => {
    if (call.wants(i)) buffers.push({ name: `out${i}`, dtype: type.dtype, shape: type.shape, role: "out" });
  });
  for (const temp of temps) buffers.push({ ...temp, role: "temp" });
  return buffers;
}

/** What a definition's build() uses to write a kernel: buffers by the op's positions. */
export class KernelWriter {
  readonly call: OpCall;
  readonly buffers: readonly Buffer[];
  private readonly blocks: Block[] = [];

  constructor(call: OpCall, temps: readonly Omit<Buffer, "role">[] = []) {
    this.call = call;
    this.buffers = callBuffers(call, temps);
  }

  private find(name: string): number {
    const at = this.buffers.findIndex((b) => b.name === name);
    if (at < 0) throw new InternalError(`${this.call.node.op}: no buffer ${name}`);
    return at;
  }

  /** Buffer number of output `position`. */
  out(position: number): number {
    return this.find(`out${position}`);
  }
  temp(name: string): number {
    return this.find(name);
  }

  /** An element of input `position`; with `pad`, reads outside the shape give it. */
  load(position: number, index: readonly Expr[], pad?: number): Expr {
    this.call.input(position); // a model may leave out what is required
    const buffer = this.find(`in${position}`);
    return load(buffer, this.buffers[buffer]!.dtype, index, pad);
  }
  /** An element of input `position` broadcast to the point `index`. */
  broadcast(position: number, index: readonly Expr[]): Expr {
    return this.load(position, broadcastIndex(this.call.input(position).shape, index));
  }
  /** An element of a temp or output that an earlier assignment stored. */
  loadFrom(buffer: number, index: readonly Expr[]): Expr {
    return load(buffer, this.buffers[buffer]!.dtype, index);
  }

  /** An assignment to append to a loop body. */
  assign(
    out: number,
    axes: readonly Axis[],
    index: readonly Expr[],
    value: Expr,
    reduce?: Reduction,
  ): Assign {
    return { kind: "assign", axes, out, index, value, ...(reduce ? { reduce } : {}) };
  }

  /** Appends a block to the kernel. */
  push(...blocks: Block[]): this {
    this.blocks.push(...blocks);
    return this;
  }

  /** out[position][index] = value over `axes`, appended to the kernel. */
  store(
    position: number,
    axes: readonly Axis[],
    index: readonly Expr[],
    value: Expr,
    reduce?: Reduction,
  ): this {
    return this.push(this.assign(this.out(position), axes, index, value, reduce));
  }

  done(): Kernel {
    return { name: this.call.node.op.toLowerCase(), buffers: this.buffers, body: this.blocks };
  }
}

/** A kernel whose every output element is a function of its coordinates: the form of most operators. */
export function mapKernel(
  call: OpCall,
  value: (index: readonly Expr[], writer: KernelWriter) => Expr,
): Kernel {
  const writer = new KernelWriter(call);
  const axes = axesOver(call.outputs[0]!.shape, "i");
  const index = coordinates(axes);
  return writer.store(0, axes, index, value(index, writer)).done();
}
