/**
 * Binds a graph to numbers: the types of its inputs and whatever values are known. In: a Graph with symbolic
 * dimensions. Out: a BoundGraph whose every value has a static type. Shape arithmetic, branches whose condition is
 * known and operators that expand into others all disappear here, by one walk in topological order. Invariant:
 * where something depends on data (a condition, a shape), the walk leaves that node and all that follow from it as
 * `rest`: a Graph to be bound when the `demands` are known.
 */
import { CompileError, fail, type Diagnostic } from "../diagnostic.ts";
import { elementCount, type Tensor } from "../ir/dtype.ts";
import type { Attribute, Graph, GraphInput, GraphOutput, OpNode, TensorType, ValueId } from "../ir/graph.ts";
import { assignments, type Kernel } from "../ir/kernel.ts";
import { visit } from "../ir/expr.ts";
import { NeedsValue, OpCall, type AttributeLike, type Expander, type InferredType, type LibraryCall } from "../ops/define.ts"; // prettier-ignore
import { findOperator } from "../ops/table.ts";
import { evaluateKernel, evaluateLibrary, tensorOf } from "./evaluate.ts";

/** What a bound node computes. */
export type Computation =
  | { readonly kind: "kernel"; readonly kernel: Kernel }
  | { readonly kind: "library"; readonly library: LibraryCall };

export interface BoundNode {
  readonly name: string;
  readonly op: string;
  /** Given inputs only, in the order of the kernel's input buffers (library: by position, "" where absent). */
  readonly inputs: readonly ValueId[];
  /** Wanted outputs only, in the order of the kernel's output buffers (library: by position, "" where absent). */
  readonly outputs: readonly ValueId[];
  readonly computation: Computation;
}

export interface Rest {
  readonly graph: Graph;
  /** Values that must be known before `graph` can be bound; they are outputs of the bound part. */
  readonly demands: readonly ValueId[];
  /** Values that `graph` takes as inputs; outputs of the bound part or inputs of the whole. */
  readonly carried: readonly ValueId[];
}

export interface BoundGraph {
  readonly name: string;
  readonly inputs: readonly { readonly id: ValueId; readonly type: TensorType }[];
  readonly outputs: readonly GraphOutput[];
  readonly nodes: readonly BoundNode[];
  readonly types: ReadonlyMap<ValueId, InferredType>;
  readonly constants: ReadonlyMap<ValueId, Tensor>;
  readonly rest?: Rest;
}

export interface BindOptions {
  /** Largest result, in elements, that is computed at compile time; larger ones are computed when loading. */
  readonly foldLimit?: number;
  /** Fold constants at all (off only to debug; shapes are always folded). */
  readonly fold?: boolean;
}

const FOLD_LIMIT = 16384;

/** Offsets are 32-bit: no tensor has more elements than this. */
const MAX_ELEMENTS = 2 ** 31 - 1;

export function bind(
  graph: Graph,
  inputTypes: ReadonlyMap<ValueId, TensorType>,
  known: ReadonlyMap<ValueId, Tensor>,
  options: BindOptions = {},
): BoundGraph {
  return new Binding(graph, inputTypes, known, options).run();
}

class Binding {
  private readonly nodes: BoundNode[] = [];
  private readonly types = new Map<ValueId, InferredType>();
  private readonly constants = new Map<ValueId, Tensor>();
  private readonly alias = new Map<ValueId, ValueId>();
  private readonly deferred: OpNode[] = [];
  private readonly deferredValues = new Set<ValueId>();
  private readonly failedValues = new Set<ValueId>();
  private readonly demands = new Set<ValueId>();
  private readonly diagnostics: Diagnostic[] = [];
  private counter = 0;
  private readonly foldLimit: number;
  private readonly graph: Graph;
  private readonly inputs: readonly GraphInput[];

  constructor(
    graph: Graph,
    inputTypes: ReadonlyMap<ValueId, TensorType>,
    known: ReadonlyMap<ValueId, Tensor>,
    options: BindOptions,
  ) {
    this.graph = graph;
    this.foldLimit = options.fold === false ? 64 : (options.foldLimit ?? FOLD_LIMIT);
    this.addConstants(graph.constants);
    for (const [id, tensor] of known) this.addConstant(id, tensor);
    this.inputs = graph.inputs.filter((input) => !known.has(input.id));
    for (const input of this.inputs) {
      const type = inputTypes.get(input.id);
      if (!type) fail("dimension-unbound", `input ${input.id} has no bound shape`);
      this.types.set(input.id, type);
    }
  }

  run(): BoundGraph {
    for (const node of this.graph.nodes) this.process(node);
    if (this.diagnostics.length) throw new CompileError(this.diagnostics);
    const outputs: GraphOutput[] = [];
    const lateOutputs: GraphOutput[] = [];
    for (const output of this.graph.outputs) {
      const id = this.resolve(output.id);
      if (this.deferredValues.has(id)) lateOutputs.push({ ...output, id });
      else if (this.types.has(id)) outputs.push({ ...output, id });
      else fail("graph-invalid", `output ${output.name} is produced by no node`);
    }
    const rest = this.deferred.length ? this.cut(lateOutputs) : undefined;
    if (rest) {
      const present = new Set(outputs.map((o) => o.name));
      for (const id of [...rest.demands, ...rest.carried]) {
        if (!present.has(id)) outputs.push({ id, name: id });
        present.add(id);
      }
    }
    return pruned({
      name: this.graph.name,
      inputs: this.inputs.map((input) => ({ id: input.id, type: this.types.get(input.id)! })),
      outputs,
      nodes: this.nodes,
      types: this.types,
      constants: this.constants,
      ...(rest ? { rest } : {}),
    });
  }

  private addConstants(constants: ReadonlyMap<ValueId, Tensor>): void {
    for (const [id, tensor] of constants) this.addConstant(id, tensor);
  }

  private addConstant(id: ValueId, tensor: Tensor): void {
    this.constants.set(id, tensor);
    this.types.set(id, { dtype: tensor.dtype, shape: tensor.shape });
  }

  private resolve(id: ValueId): ValueId {
    let at = id;
    for (let next = this.alias.get(at); next !== undefined; next = this.alias.get(at)) at = next;
    return at;
  }

  private process(original: OpNode): void {
    const node: OpNode = { ...original, inputs: original.inputs.map((id) => this.resolve(id)) };
    if (node.inputs.some((id) => this.failedValues.has(id))) {
      for (const id of node.outputs) if (id) this.failedValues.add(id);
      return;
    }
    if (node.op === "If" && node.domain === "") {
      this.branch(node);
      return;
    }
    if (node.inputs.some((id) => this.mustWait(id))) {
      this.defer(node);
      return;
    }
    try {
      this.compute(node);
    } catch (error) {
      if (error instanceof NeedsValue) {
        this.demands.add(this.resolve(error.value));
        this.defer(node);
      } else if (error instanceof CompileError) {
        this.diagnostics.push(...error.diagnostics);
        for (const id of node.outputs) if (id) this.failedValues.add(id);
      } else throw error;
    }
  }

  /** A value whose type is not static yet: made by a deferred node, or of a size that only running tells. */
  private mustWait(id: ValueId): boolean {
    return id !== "" && (this.deferredValues.has(id) || this.types.get(id)?.dynamicDim !== undefined);
  }

  private defer(node: OpNode): void {
    this.deferred.push(node);
    for (const id of node.outputs) if (id) this.deferredValues.add(id);
  }

  private branch(node: OpNode): void {
    const condition = node.inputs[0]!;
    const value = this.constants.get(condition);
    if (!value) {
      if (!this.deferredValues.has(condition)) this.demands.add(condition);
      this.defer(node);
      return;
    }
    const taken = node.attributes.get(Number(value.data[0]) ? "then_branch" : "else_branch");
    if (taken?.kind !== "graph") fail("attribute-invalid", "If without its branch", { node: node.name, op: "If" });
    this.inline(taken.value, node.outputs);
  }

  private inline(graph: Graph, outputs: readonly ValueId[]): void {
    this.addConstants(graph.constants);
    for (const inner of graph.nodes) this.process(inner);
    outputs.forEach((id, i) => {
      const made = graph.outputs[i]?.id;
      if (!id || made === undefined) return;
      const from = this.resolve(made);
      if (this.failedValues.has(from)) this.failedValues.add(id);
      this.alias.set(id, from);
    });
  }

  private callOf(node: OpNode, outputs: readonly TensorType[] = []): OpCall {
    const types = node.inputs.map((id) => {
      if (id === "") return undefined;
      const type = this.types.get(id);
      if (!type) fail("graph-invalid", `input ${id} is produced by no node before`, { node: node.name, op: node.op });
      return type;
    });
    return new OpCall(node, types, node.inputs.map((id) => this.constants.get(id)), outputs); // prettier-ignore
  }

  private compute(node: OpNode): void {
    const definition = findOperator(node.domain, node.op);
    if (!definition) {
      fail("op-unsupported", `${node.domain || "ai.onnx"} ${node.op} (opset ${node.version}) has no definition`, {
        node: node.name,
        op: node.op,
      });
    }
    const bare = this.callOf(node);
    const outputs = definition.infer?.(bare) ?? [];
    for (const { shape } of outputs) checkShape(node, shape);
    const call = outputs.length ? this.callOf(node, outputs) : bare;
    const implementation =
      typeof definition.implementation === "function" ? definition.implementation(call) : definition.implementation;
    if (implementation.kind === "expand") {
      this.expand(node, () => implementation.expand(call, this.expander(node)));
      return;
    }
    if (implementation.kind === "library") {
      const library = implementation.call(call);
      const constant = node.inputs.every((id) => id === "" || this.constants.has(id));
      if (constant && outputs.every((type) => elementCount(type.shape) <= this.foldLimit)) {
        const inputs = node.inputs.map((id) => this.constants.get(id));
        evaluateLibrary(library, inputs, outputs).forEach((tensor, i) => this.store(node.outputs[i], tensor));
        return;
      }
      this.emit(node, node.inputs, node.outputs, outputs, { kind: "library", library });
      return;
    }
    const kernel = implementation.build(call);
    const inputs = node.inputs.filter((id) => id !== "");
    const wanted = node.outputs.filter((id) => id !== "");
    const wantedTypes = outputs.filter((_, i) => Boolean(node.outputs[i]));
    const used = buffersRead(kernel);
    const small = wantedTypes.every((type) => elementCount(type.shape) <= this.foldLimit);
    if (small && inputs.every((id, i) => !used.has(i) || this.constants.has(id))) {
      const data = inputs.map((id) => this.constants.get(id));
      evaluateKernel(kernel, data, wantedTypes).forEach((tensor, i) => this.store(wanted[i], tensor));
      return;
    }
    this.emit(node, inputs, wanted, wantedTypes, { kind: "kernel", kernel });
  }

  private store(id: ValueId | undefined, tensor: Tensor): void {
    if (id) this.addConstant(id, tensor);
  }

  private emit(
    node: OpNode,
    inputs: readonly ValueId[],
    outputs: readonly ValueId[],
    types: readonly InferredType[],
    computation: Computation,
  ): void {
    outputs.forEach((id, i) => {
      if (id) this.types.set(id, types[i]!);
    });
    this.nodes.push({ name: node.name, op: node.op, inputs, outputs, computation });
  }

  /** Runs an expansion as one transaction: when it needs an unknown value, nothing of it stays. */
  private expand(node: OpNode, write: () => readonly ValueId[]): void {
    const mark = this.nodes.length;
    let made: readonly ValueId[];
    try {
      made = write();
    } catch (error) {
      this.nodes.length = mark;
      throw error;
    }
    node.outputs.forEach((id, i) => {
      if (!id) return;
      const from = made[i];
      if (from === undefined) fail("op-unsupported", `output ${i} is not computed`, { node: node.name, op: node.op });
      this.alias.set(id, this.resolve(from));
    });
  }

  private expander(parent: OpNode): Expander {
    const add = (op: string, inputs: readonly ValueId[], count: number, attributes: Record<string, AttributeLike> = {}): ValueId[] => {
      const [domain, name] = op.includes(":") ? (op.split(":") as [string, string]) : ["", op];
      const outputs = Array.from({ length: count }, () => this.fresh());
      const node: OpNode = {
        name: parent.name,
        op: name,
        domain,
        inputs: inputs.map((id) => this.resolve(id)),
        outputs,
        attributes: new Map(Object.entries(attributes).map(([key, value]) => [key, attributeOf(value)])),
        version: domain === "" ? Number.MAX_SAFE_INTEGER : 1,
      };
      this.compute(node);
      return outputs.map((id) => this.resolve(id));
    };
    const constant = (tensor: Tensor): ValueId => {
      const id = this.fresh();
      this.addConstant(id, tensor);
      return id;
    };
    return {
      node: (op, inputs, attributes) => add(op, inputs, 1, attributes)[0]!,
      nodes: (op, inputs, outputs, attributes) => add(op, inputs, outputs, attributes),
      constant,
      integers: (values) => {
        const list = typeof values === "number" ? [values] : values;
        const shape = typeof values === "number" ? [] : [values.length];
        return constant({ dtype: "int64", shape, data: BigInt64Array.from(list, BigInt) });
      },
      scalar: (dtype, value) => constant(scalarTensor(dtype, value)),
      typeOf: (id) => this.types.get(this.resolve(id))!,
    };
  }

  private fresh(): ValueId {
    for (;;) {
      const id = `%${this.counter++}`;
      // Values carried over from an earlier part of the program may have such names already.
      if (!this.types.has(id) && !this.deferredValues.has(id)) return id;
    }
  }

  /** What is left to bind later, as a graph of its own. */
  private cut(lateOutputs: readonly GraphOutput[]): Rest {
    const nodes = this.deferred.map((node) => this.renamed(node));
    const needed = new Set<ValueId>();
    for (const output of lateOutputs) needed.add(output.id);
    for (const node of nodes) for (const id of capturesOf(node)) needed.add(id);
    const constants = new Map<ValueId, Tensor>();
    const carried: ValueId[] = [];
    for (const id of needed) {
      const tensor = this.constants.get(id);
      if (tensor) constants.set(id, tensor);
      else if (this.types.has(id) && !this.deferredValues.has(id)) carried.push(id);
    }
    const demands = [...this.demands].filter((id) => this.types.has(id) && !this.deferredValues.has(id));
    const inputs: GraphInput[] = [...new Set([...carried, ...demands])].map((id) => ({
      id,
      type: { dtype: this.types.get(id)!.dtype, shape: undefined },
    }));
    const graph: Graph = { name: this.graph.name, inputs, outputs: lateOutputs, nodes, constants };
    return { graph, demands, carried: carried.filter((id) => !demands.includes(id)) };
  }

  private renamed(node: OpNode): OpNode {
    const attributes = new Map<string, Attribute>();
    for (const [key, attribute] of node.attributes) {
      attributes.set(key, attribute.kind === "graph" ? { kind: "graph", value: this.renamedGraph(attribute.value) } : attribute);
    }
    return { ...node, inputs: node.inputs.map((id) => this.resolve(id)), attributes };
  }

  private renamedGraph(graph: Graph): Graph {
    return {
      ...graph,
      nodes: graph.nodes.map((node) => this.renamed(node)),
      outputs: graph.outputs.map((output) => ({ ...output, id: this.resolve(output.id) })),
    };
  }
}

/** Every value that a node or its subgraphs read, without telling which are the subgraphs' own. */
function capturesOf(node: OpNode): Set<ValueId> {
  const ids = new Set(node.inputs.filter((id) => id !== ""));
  for (const attribute of node.attributes.values()) {
    if (attribute.kind !== "graph") continue;
    for (const inner of attribute.value.nodes) for (const id of capturesOf(inner)) ids.add(id);
    for (const output of attribute.value.outputs) ids.add(output.id);
  }
  return ids;
}

/** Refuses sizes that no memory holds, before anything is allocated for them. */
function checkShape(node: OpNode, shape: readonly number[]): void {
  const where = { node: node.name, op: node.op };
  if (shape.some((dim) => !Number.isSafeInteger(dim) || dim < 0)) fail("shape-mismatch", `the result has the shape [${shape}]`, where); // prettier-ignore
  if (elementCount(shape) > MAX_ELEMENTS) fail("limit-exceeded", `the result has the shape [${shape}]`, where);
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

/** Drops nodes and constants that no output needs. */
function pruned(graph: BoundGraph): BoundGraph {
  const needed = new Set(graph.outputs.map((output) => output.id));
  const kept: BoundNode[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((id) => needed.has(id))) continue;
    kept.push(node);
    for (const id of node.inputs) needed.add(id);
  }
  const constants = new Map([...graph.constants].filter(([id]) => needed.has(id)));
  return { ...graph, nodes: kept.reverse(), constants };
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

function scalarTensor(dtype: Tensor["dtype"], value: number): Tensor {
  return tensorOf(dtype, [], [value]);
}

