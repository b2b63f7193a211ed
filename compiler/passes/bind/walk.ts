/**
 * The walk that binds: what is known of every value so far, and the way from node to node. In: nodes in
 * topological order. Out: bound nodes, constants, and the nodes that must wait. Invariant: after `process` every
 * output of a node is exactly one of: typed (perhaps constant), another name of a value, a list of values, absent
 * (an optional without a value), deferred, or failed.
 */
import { CompileError, fail, type Diagnostic } from "../../diagnostic.ts";
import type { Tensor } from "../../ir/dtype.ts";
import type { Attribute, Graph, OpNode, ValueId } from "../../ir/graph.ts";
import { NeedsValue, type Expander, type InferredType } from "../../ops/define.ts";
import { tensorOf } from "../evaluate.ts";
import type { TraceSink } from "../../trace.ts";
import type { BindOptions, BoundNode } from "./boundGraph.ts";
import { compute, expander } from "./compute.ts";
import type { Tape } from "./tape.ts";
import { vanishingOf } from "./vanishing.ts";

const FOLD_LIMIT = 16384;
const MAX_UNROLLED_NODES = 10_000;
const MAX_ITERATIONS = 1_000;

/** Operators that draw: two of them with the same inputs are not the same value. */
const drawing = /^(Random|Bernoulli|Multinomial|Dropout)/;

/** Thrown by a node that can be bound but is left to the next program. */
export class Postponed extends Error {}

/** A branch that cannot be bound: a run in which `value` is true would have to take it. */
export interface Refusal {
  readonly value: ValueId;
  readonly message: string;
}

/** A subgraph that was bound on trial: what the walk would have more if it was accepted. */
export interface Trial {
  readonly outputs: readonly ValueId[];
  readonly nodes: readonly BoundNode[];
  readonly refusals: readonly Refusal[];
  readonly diagnostics: readonly Diagnostic[];
  /** Nothing failed, and nothing is left to a later program. */
  readonly complete: boolean;
  readonly unrolledNodes: number;
  readonly drawn: ReadonlyMap<string, number>;
}

export class Walk {
  readonly nodes: BoundNode[] = [];
  readonly types = new Map<ValueId, InferredType>();
  readonly constants = new Map<ValueId, Tensor>();
  /** Sequences: their elements, in order. */
  readonly lists = new Map<ValueId, readonly ValueId[]>();
  /** Optionals without a value. */
  readonly absent = new Set<ValueId>();
  /** Constants that follow from what a run told, by way of operators evaluated on the host. */
  readonly told = new Set<ValueId>();
  /** Those of them that are numbers: inputs of the next program. */
  readonly madeOnHost = new Set<ValueId>();
  /** A run told strings: nothing is left to a program here, as it would be compiled for those strings. */
  hostOnly = false;
  readonly deferred: OpNode[] = [];
  readonly deferredValues = new Set<ValueId>();
  readonly demands = new Set<ValueId>();
  readonly diagnostics: Diagnostic[] = [];
  readonly refusals: Refusal[] = [];
  /** Whether both branches of an If are bound where a run decides which one it takes. */
  readonly bothBranches: boolean;
  readonly foldLimit: number;
  readonly maxIterations: number;
  private readonly maxUnrolledNodes: number;
  private readonly trace: TraceSink | undefined;
  private readonly alias = new Map<ValueId, ValueId>();
  private readonly failedValues = new Set<ValueId>();
  /** Records of what is being differentiated; the innermost last. */
  readonly tapes: Tape[] = [];
  private unrolledNodes = 0;
  private counter: number;
  /** How often each node that draws was bound, by name: every iteration of a loop draws anew. */
  private drawn = new Map<string, number>();
  /** How many nodes of random numbers were bound: they may be constants by now. */
  draws = 0;
  /** Results of a body's nodes by inputs, so that what does not change from one iteration to the next is made once. */
  private memo = new WeakMap<OpNode, Map<string, readonly ValueId[]>>();

  constructor(graph: Graph, options: BindOptions) {
    this.foldLimit = options.fold === false ? 64 : (options.foldLimit ?? FOLD_LIMIT);
    this.maxUnrolledNodes = options.maxUnrolledNodes ?? MAX_UNROLLED_NODES;
    this.maxIterations = options.maxIterations ?? MAX_ITERATIONS;
    this.trace = options.trace;
    this.bothBranches = options.bothBranches ?? false;
    this.counter = firstUnused(graph);
  }

  // -------------------------------------------------------------------------------------------------------------
  // Values

  addConstant(id: ValueId, tensor: Tensor): void {
    this.constants.set(id, tensor);
    this.types.set(id, { dtype: tensor.dtype, shape: tensor.shape });
  }

  /** Makes an input's value known, which a run tells. */
  tell(id: ValueId, tensor: Tensor): void {
    this.addConstant(id, tensor);
    this.told.add(id);
    if (tensor.dtype === "string") this.hostOnly = true;
  }

  /** A value that may become part of a program. */
  foldable(id: ValueId): Tensor | undefined {
    return this.madeOnHost.has(id) ? undefined : this.constants.get(id);
  }

  constant(tensor: Tensor): ValueId {
    const id = this.fresh();
    this.addConstant(id, tensor);
    return id;
  }

  /** A constant of int64 numbers: 1-D, or a scalar for a plain number. */
  integers(values: readonly number[] | number): ValueId {
    const list = typeof values === "number" ? [values] : values;
    const shape = typeof values === "number" ? [] : [values.length];
    return this.constant({ dtype: "int64", shape, data: BigInt64Array.from(list, BigInt) });
  }

  boolean(value: boolean): ValueId {
    return this.constant(tensorOf("bool", [], [Number(value)]));
  }

  /** What a value is called in the end. */
  resolve(id: ValueId): ValueId {
    let at = id;
    for (let next = this.alias.get(at); next !== undefined; next = this.alias.get(at)) at = next;
    return at;
  }

  /** Makes `id` another name of `from`. */
  rename(id: ValueId, from: ValueId): void {
    const target = this.resolve(from);
    if (this.failedValues.has(target)) this.failedValues.add(id);
    this.alias.set(id, target);
  }

  fresh(): ValueId {
    return `%${this.counter++}`;
  }

  /** A value whose type is not static yet: made by a deferred node, or of a size that only running tells. */
  mustWait(id: ValueId): boolean {
    return id !== "" && (this.deferredValues.has(id) || this.types.get(id)?.dynamicDim !== undefined);
  }

  private isContainer(id: ValueId | undefined): boolean {
    return id !== undefined && (this.lists.has(id) || this.absent.has(id));
  }

  /** Whether a kernel of this program tells the value's size: another name for it need not wait for that. */
  private isSized(id: ValueId | undefined): boolean {
    return id !== undefined && !this.deferredValues.has(id) && this.types.get(id)?.dynamicDim !== undefined;
  }

  failed(id: ValueId): boolean {
    return this.failedValues.has(id);
  }

  /** The value of a resolved id. @throws NeedsValue when it is not known yet */
  known(id: ValueId): Tensor {
    const tensor = this.constants.get(id);
    if (tensor) return tensor;
    if (this.types.has(id) || this.deferredValues.has(id)) throw new NeedsValue(id);
    return fail("graph-invalid", `the value ${id || "of an input"} is missing where a tensor is needed`);
  }

  // -------------------------------------------------------------------------------------------------------------
  // Nodes

  process(original: OpNode): void {
    // What has no name nobody reads.
    if (original.outputs.every((id) => id === "")) return;
    const node: OpNode = { ...original, inputs: original.inputs.map((id) => this.resolve(id)) };
    if (node.inputs.some((id) => this.failedValues.has(id))) {
      this.giveUp(node);
      return;
    }
    try {
      const special = vanishingOf(node);
      if (special) special(this, node);
      else if (node.op === "Identity" && (this.isContainer(node.inputs[0]) || this.isSized(node.inputs[0])))
        this.rename(node.outputs[0]!, node.inputs[0]!);
      else if (node.inputs.some((id) => this.mustWait(id))) this.defer(node);
      else compute(this, node);
      if (this.trace) this.traceFolded(node);
    } catch (error) {
      if (error instanceof NeedsValue) {
        this.defer(node, this.resolve(error.value));
      } else if (error instanceof Postponed) {
        this.defer(node);
      } else if (error instanceof CompileError) {
        this.diagnostics.push(...error.diagnostics);
        this.giveUp(node);
      } else throw error;
    }
  }

  private traceFolded(node: OpNode): void {
    const outputs = node.outputs.filter((id) => id !== "").map((id) => this.constants.get(this.resolve(id)));
    if (outputs.length === 0 || !outputs.every((tensor) => tensor !== undefined)) return;
    const types = outputs.map(({ dtype, shape }) => `${dtype}[${shape.join(", ")}]`).join(", ");
    this.trace?.("fold", () => `${node.op} computed while compiling: ${types}`, node.name);
  }

  private giveUp(node: OpNode): void {
    for (const id of node.outputs) if (id) this.failedValues.add(id);
  }

  /** Leaves a node to a later program, which is told the value of `demand`. */
  defer(node: OpNode, demand?: ValueId): void {
    if (demand !== undefined && !this.deferredValues.has(demand)) this.demands.add(demand);
    this.deferred.push(node);
    for (const id of node.outputs) if (id) this.deferredValues.add(id);
    const waits = demand === undefined ? "waits for a node before it" : `waits for the value of ${demand}`;
    this.trace?.("bind", () => `${node.op} ${waits}`, node.name);
  }

  /** A node in the place of `parent`; `op` is "op" of ai.onnx in its newest form, or "domain:op". */
  nodeOf(
    parent: OpNode,
    op: string,
    inputs: readonly ValueId[],
    outputs: readonly ValueId[],
    attributes: ReadonlyMap<string, Attribute>,
  ): OpNode {
    const [domain, name] = op.includes(":") ? (op.split(":") as [string, string]) : ["", op];
    const version = domain === "" ? Number.MAX_SAFE_INTEGER : 1;
    return { name: parent.name, op: name, domain, inputs, outputs, attributes, version };
  }

  /** Binds a new node of one output, now or later, and returns what it makes. */
  make(
    parent: OpNode,
    op: string,
    inputs: readonly ValueId[],
    attributes: Readonly<Record<string, number>> = {},
  ): ValueId {
    const output = this.fresh();
    const entries = Object.entries(attributes).map(([key, value]): [string, Attribute] => [
      key,
      { kind: "int", value },
    ]);
    this.process(this.nodeOf(parent, op, inputs, [output], new Map(entries)));
    return this.resolve(output);
  }

  /** What writes nodes in the place of `parent`, as its expansion would. */
  expander(parent: OpNode): Expander {
    return expander(this, parent);
  }

  // -------------------------------------------------------------------------------------------------------------
  // Subgraphs

  /**
   * Binds the nodes of a subgraph once more, with new names for all that it makes, and returns its outputs. Its
   * constants keep their names, as they are the same every time.
   */
  instantiate(graph: Graph, args: readonly ValueId[]): ValueId[] {
    const names = new Map<ValueId, ValueId>();
    graph.inputs.forEach((input, i) => names.set(input.id, args[i] ?? ""));
    for (const [id, tensor] of graph.constants) if (!names.has(id)) this.addConstant(id, tensor);
    for (const node of graph.nodes) {
      const inputs = node.inputs.map((id) => this.resolve(names.get(id) ?? id));
      const key = memorable(node) ? inputs.join("\n") : undefined;
      const before = key === undefined ? undefined : this.memo.get(node)?.get(key);
      const outputs = before ?? node.outputs.map((id) => (id ? this.fresh() : ""));
      node.outputs.forEach((id, i) => id && names.set(id, outputs[i]!));
      if (before) continue;
      const attributes = substituted(node.attributes, names);
      this.process({ ...node, inputs, outputs, attributes: this.numbered(node, attributes) });
      if (key === undefined) continue;
      const results = this.memo.get(node) ?? new Map<string, readonly ValueId[]>();
      this.memo.set(node, results.set(key, outputs));
    }
    return graph.outputs.map(({ id }) => this.resolve(names.get(id) ?? id));
  }

  /** With the number of its draw, which the seed follows from; the first is 0 and is not told. */
  private numbered({ name, op }: OpNode, attributes: Attributes): Attributes {
    if (!drawing.test(op)) return attributes;
    const count = this.drawn.get(name) ?? 0;
    this.drawn.set(name, count + 1);
    return count === 0 ? attributes : new Map([...attributes, ["draw", { kind: "int", value: count }]]);
  }

  /** As `instantiate`, counted against the limit of what loops may become. */
  iterate(graph: Graph, args: readonly ValueId[], node: OpNode): ValueId[] {
    this.spend(node, Math.max(1, graph.nodes.length));
    return this.instantiate(graph, args);
  }

  /** Counts nodes that `node` becomes. @throws CompileError `limit-exceeded` */
  spend(node: OpNode, count: number): void {
    this.unrolledNodes += count;
    if (this.unrolledNodes <= this.maxUnrolledNodes) return;
    fail("limit-exceeded", `unrolled loops and sequences become more than ${this.maxUnrolledNodes} nodes`, {
      node: node.name,
      op: node.op,
      hint: "bind smaller dimensions, or raise maxUnrolledNodes",
    });
  }

  /** Binds a subgraph on trial: the walk goes on without it unless it is accepted. */
  trial(graph: Graph, args: readonly ValueId[]): Trial {
    const { memo, unrolledNodes, drawn } = this;
    const demands = [...this.demands];
    const marks = [this.nodes, this.refusals, this.deferred, this.diagnostics].map((list) => list.length);
    const [nodes, refusals, deferred, diagnostics] = marks as [number, number, number, number];
    this.memo = new WeakMap();
    this.drawn = new Map(drawn);
    const outputs = this.instantiate(graph, args);
    const complete = this.deferred.length === deferred && this.diagnostics.length === diagnostics;
    const trial: Trial = {
      outputs,
      nodes: this.nodes.splice(nodes),
      refusals: this.refusals.splice(refusals),
      diagnostics: this.diagnostics.splice(diagnostics),
      complete,
      unrolledNodes: this.unrolledNodes - unrolledNodes,
      drawn: this.drawn,
    };
    this.deferred.length = deferred;
    this.demands.clear();
    for (const id of demands) this.demands.add(id);
    this.unrolledNodes = unrolledNodes;
    this.memo = memo;
    this.drawn = drawn;
    return trial;
  }

  /** Makes what was bound on trial part of the walk; `nodes` stand for the trial's own. */
  accept(trial: Trial, nodes: readonly BoundNode[] = trial.nodes): void {
    for (const node of nodes) this.nodes.push(node);
    for (const refusal of trial.refusals) this.refusals.push(refusal);
    this.unrolledNodes += trial.unrolledNodes;
    for (const [name, count] of trial.drawn) this.drawn.set(name, Math.max(count, this.drawn.get(name) ?? 0));
  }

  /**
   * Binds a subgraph while everything that follows from `sources` is written on a tape. Returns the subgraph's
   * outputs; none of it may be left to a later program.
   */
  record(graph: Graph, args: readonly ValueId[], tape: Tape): ValueId[] {
    const { memo, drawn } = this;
    // What was made before is not on the tape. What is drawn in it is what the graph itself draws there.
    this.memo = new WeakMap();
    this.drawn = new Map();
    this.tapes.push(tape);
    try {
      return this.instantiate(graph, args);
    } finally {
      this.tapes.pop();
      this.memo = memo;
      this.drawn = drawn;
    }
  }

  /** Types that a subgraph's outputs would have; nothing of it stays. Undefined where one cannot be told. */
  typesOf(graph: Graph, args: readonly ValueId[]): (InferredType | undefined)[] {
    const { outputs, complete } = this.trial(graph, args);
    return outputs.map((id) => (complete && !this.mustWait(id) ? this.types.get(id) : undefined));
  }
}

function memorable(node: OpNode): boolean {
  if (drawing.test(node.op)) return false;
  for (const attribute of node.attributes.values()) if (attribute.kind === "graph") return false;
  return true;
}

type Attributes = OpNode["attributes"];

/** Attributes whose graphs capture values under new names. What a graph makes itself is never in `names`. */
function substituted(attributes: Attributes, names: ReadonlyMap<ValueId, ValueId>): Attributes {
  return mapGraphs(attributes, (id) => names.get(id) ?? id);
}

/** The same attributes, every value that their graphs read or return under the name that `rename` gives it. */
export function mapGraphs(attributes: Attributes, rename: (id: ValueId) => ValueId): Attributes {
  const graphOf = (graph: Graph): Graph => ({
    ...graph,
    nodes: graph.nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map(rename),
      attributes: mapGraphs(node.attributes, rename),
    })),
    outputs: graph.outputs.map((output) => ({ ...output, id: rename(output.id) })),
  });
  if (![...attributes.values()].some((attribute) => attribute.kind === "graph")) return attributes;
  return new Map(
    [...attributes].map(([key, attribute]) => [
      key,
      attribute.kind === "graph" ? { kind: "graph", value: graphOf(attribute.value) } : attribute,
    ]),
  );
}

/** A number that no name like `%12` in the graph reaches: what an earlier part made may be named so. */
function firstUnused(graph: Graph): number {
  let next = 0;
  const see = (id: ValueId): void => {
    const number = /^%(\d{1,15})$/.exec(id)?.[1];
    if (number !== undefined) next = Math.max(next, Number(number) + 1);
  };
  const visit = ({ inputs, constants, nodes }: Graph): void => {
    for (const { id } of inputs) see(id);
    for (const id of constants.keys()) see(id);
    for (const node of nodes) {
      node.outputs.forEach(see);
      for (const attribute of node.attributes.values())
        if (attribute.kind === "graph") visit(attribute.value);
    }
  };
  visit(graph);
  return next;
}
