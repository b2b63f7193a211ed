/**
 * One bound graph for a range of sizes. In: a graph as it was bound for some values of a number n. Out: one with room for
 * the largest, which takes n as an input of a run. Invariant: for every n in the range the outputs, as far as their sizes
 * for n go, are those of the graph bound for n: as far as samples tell, that is; how they are chosen says how far
 * (`samplesOf` in compiler/ranged.ts). So no program is compiled for each length of a sentence.
 */
import { allocate, elementCount, type Tensor } from "../ir/dtype.ts";
import type { ValueId } from "../ir/graph.ts";
import { add, cast, constant, load, mul, type Expr } from "../ir/expr.ts";
import { coordinate, rowMajorStrides, singleAssign, type Kernel } from "../ir/kernel.ts";
import type { ScheduledCall, ScheduledProgram } from "../ir/program.ts";
import type { BoundGraph, BoundNode } from "./bind.ts";
import { isSame, lineThrough, mostOf, NotRanged, shapeAt, shapeThrough, type LinearShape, type Samples } from "./ranged/size.ts"; // prettier-ignore
import { across, same } from "./ranged/alike.ts";
import { unifyKernels, type RangedKernel } from "./ranged/unify.ts";

export { NotRanged, shapeAt, type LinearShape, type Samples } from "./ranged/size.ts";

export interface RangedGraph {
  readonly graph: BoundGraph;
  /** The input that tells n: one int32. */
  readonly parameter: ValueId;
  /** Shapes of all values. */
  readonly shapes: ReadonlyMap<ValueId, LinearShape>;
  /** The same, for what need not be computed beyond its ends: there, anything will do. */
  readonly ends: ReadonlyMap<ValueId, LinearShape>;
}

/** A program whose calls know how far their results matter. */
export function endCalls(
  scheduled: ScheduledProgram,
  { parameter, ends, graph }: RangedGraph,
): ScheduledProgram {
  const shapeOf = (id: ValueId): LinearShape | undefined => {
    const shape = ends.get(id);
    // A pass may have given a value other dimensions.
    const asMade = graph.types.get(id)?.shape;
    const isSame = String(asMade) === String(scheduled.values.get(id)?.shape);
    return shape && isSame ? shape : undefined;
  };
  const run = scheduled.run.map((call): ScheduledCall => {
    if (call.kind !== "kernel") return call;
    const shapes = call.outputs.map(shapeOf);
    return shapes.some((shape) => shape !== undefined) ? { ...call, ends: { parameter, shapes } } : call;
  });
  return { ...scheduled, run };
}

/** Looks at sizes only, which is soon done and refuses most of what has no common form. @throws NotRanged */
export function checkShapes(samples: Samples, graphs: readonly BoundGraph[]): void {
  const [first] = graphs as [BoundGraph];
  same(graphs.map(({ nodes }) => nodes.length));
  for (const id of first.nodes.flatMap(({ outputs }) => outputs)) {
    if (id) shapeThrough(samples, graphs.map(({ types }) => types.get(id)?.shape ?? missing(id))); // prettier-ignore
  }
}

/** @throws NotRanged */
export function unifyGraphs(samples: Samples, graphs: readonly BoundGraph[]): RangedGraph {
  return new Join(samples, graphs).run();
}

class Join {
  private readonly samples: Samples;
  private readonly graphs: readonly BoundGraph[];
  private readonly parameter: ValueId;
  private readonly shapes = new Map<ValueId, LinearShape>();
  private readonly types: Map<ValueId, BoundGraph["types"] extends ReadonlyMap<ValueId, infer T> ? T : never>;
  private readonly constants = new Map<ValueId, Tensor>();
  private readonly nodes: BoundNode[] = [];
  /** Dimensions of values beyond whose ends zeros must lie. */
  private readonly zeroed = new Map<ValueId, Set<number>>();
  /** Those of them that have these zeros from what they are copies of. */
  private readonly handedOn = new Set<ValueId>();

  constructor(samples: Samples, graphs: readonly BoundGraph[]) {
    this.samples = samples;
    this.graphs = graphs;
    const [first] = graphs as [BoundGraph];
    this.types = new Map(first.types);
    this.parameter = this.fresh("n");
  }

  run(): RangedGraph {
    const [first] = this.graphs as [BoundGraph];
    for (const { rest, known, refusals } of this.graphs)
      if (rest || known.size > 0 || refusals.length > 0) throw new NotRanged("more than one program");
    same(this.graphs.map(({ inputs, outputs }) => JSON.stringify([inputs.map(({ id }) => id), outputs])));
    for (const { id } of first.inputs) this.typed(id);
    this.types.set(this.parameter, { dtype: "int32", shape: [1] });
    this.joinConstants();
    const joined = across(this.graphs.map(({ nodes }) => nodes)).map((nodes) => {
      same(nodes.map(({ op, inputs, outputs }) => JSON.stringify([op, inputs, outputs])));
      for (const id of nodes[0]!.outputs) if (id) this.typed(id);
      return { nodes, ranged: naming(nodes, () => this.unified(nodes)) };
    });
    // From consumers to producers: who must leave zeros behind, and who only hands them on.
    for (const { nodes, ranged } of joined.toReversed()) this.passOn(nodes[0]!, ranged);
    const masked = [...this.zeroed.keys()]
      .filter((id) => this.constants.has(id))
      .map((id) => this.masked(id));
    const renamed = new Map(masked);
    for (const { nodes, ranged } of joined) {
      const [node] = nodes as [BoundNode];
      const zeroed = this.zeroedOutputs(node);
      const again = ranged && zeroed.size > 0 ? naming(nodes, () => this.unified(nodes, zeroed)) : ranged;
      const inputs = node.inputs.map((id) => renamed.get(id) ?? id);
      this.nodes.push(again ? this.ofKernel({ ...node, inputs }, again) : { ...node, inputs });
    }
    const inputs = first.inputs.map(({ id }) => ({ id, type: this.types.get(id)! }));
    const parameter = { id: this.parameter, type: this.types.get(this.parameter)! };
    const graph: BoundGraph = {
      ...first,
      inputs: [...inputs, parameter],
      nodes: this.nodes,
      types: this.types,
      constants: this.constants,
    };
    return { graph, parameter: this.parameter, shapes: this.shapes, ends: this.ends() };
  }

  private ends(): Map<ValueId, LinearShape> {
    const ends = new Map<ValueId, LinearShape>();
    for (const [id, shape] of this.shapes) {
      const zeroed = this.zeroed.get(id);
      const open = shape.map((size, d) =>
        zeroed?.has(d) ? { slope: 0, offset: mostOf(size, this.samples.range) } : size,
      );
      if (open.some(({ slope }) => slope > 0)) ends.set(id, open);
    }
    return ends;
  }

  private fresh(name: string): ValueId {
    let id = name;
    while (this.types.has(id)) id += "'";
    return id;
  }

  private typed(id: ValueId): void {
    const types = this.graphs.map((graph) => graph.types.get(id)!);
    same(types.map(({ dtype, dynamicDim }) => `${dtype} ${dynamicDim ?? ""}`));
    const shape = shapeThrough(this.samples, types.map((type) => type.shape)); // prettier-ignore
    this.put(id, shape);
  }

  private put(id: ValueId, shape: LinearShape): void {
    this.shapes.set(id, shape);
    const room = shape.map((size) => mostOf(size, this.samples.range));
    this.types.set(id, { ...this.types.get(id)!, shape: room });
  }

  private unified(
    nodes: readonly BoundNode[],
    zeroed?: ReadonlyMap<number, ReadonlySet<number>>,
  ): RangedKernel | undefined {
    const [{ computation, inputs, outputs }] = nodes as [BoundNode];
    same(nodes.map((node) => node.computation.kind));
    if (computation.kind === "kernel")
      return unifyKernels(this.samples, nodes.map(({ computation }) => (computation as { kernel: Kernel }).kernel), zeroed); // prettier-ignore
    const isFixed = [...inputs, ...outputs].every((id) => this.shapes.get(id)?.every(({ slope }) => slope === 0) ?? true); // prettier-ignore
    if (!isFixed || this.types.get(outputs[0]!)?.dynamicDim !== undefined)
      throw new NotRanged(`${nodes[0]!.op} of a size that n decides`);
    // Everything but what the definition brings along is plain data; that must be the same tensors' contents.
    same(nodes.map((node) => textOf(node.computation)));
    return undefined;
  }

  private ofKernel(node: BoundNode, { kernel, takesSize }: RangedKernel): BoundNode {
    const inputs = takesSize ? [...node.inputs, this.parameter] : node.inputs;
    return { ...node, inputs, computation: { kind: "kernel", kernel } };
  }

  // -------------------------------------------------------------------------------------------------------------
  // Zeros

  private ask(id: ValueId, dim: number): void {
    const dims = this.zeroed.get(id) ?? new Set();
    this.zeroed.set(id, dims.add(dim));
  }

  private zeroedOutputs(node: BoundNode): Map<number, ReadonlySet<number>> {
    return new Map(
      node.outputs.flatMap((id, i) => {
        const dims = this.zeroed.get(id);
        return dims && !this.handedOn.has(id) ? [[i, dims] as const] : [];
      }),
    );
  }

  /** What a node's inputs must be zero beyond: for its own sums, and where it only moves elements, for those of others. */
  private passOn(node: BoundNode, ranged: RangedKernel | undefined): void {
    if (!ranged) return;
    for (const { input, dim } of ranged.zeros) this.ask(node.inputs[input]!, dim);
    const [output] = node.outputs as [ValueId];
    const dims = this.zeroed.get(output);
    const assign = singleAssign(ranged.kernel);
    if (!dims || node.outputs.length !== 1 || !assign || assign.reduce) return;
    const { value } = assign;
    if (value.kind !== "load" || value.pad !== undefined) return;
    const source = node.inputs[value.buffer];
    if (source === undefined) return;
    const moved = [...dims].map((d) => {
      const at = assign.index[d]!;
      const to = at.kind === "axis" ? value.index.indexOf(at) : -1;
      return to >= 0 && isSame(this.shapes.get(source)![to]!, this.shapes.get(output)![d]!) ? to : undefined;
    });
    if (moved.includes(undefined)) return;
    for (const dim of moved) this.ask(source, dim!);
    this.handedOn.add(output);
  }

  /** A copy of a constant with zeros beyond its end. */
  private masked(id: ValueId): [ValueId, ValueId] {
    const copy = this.fresh(`${id} to n`);
    const { dtype } = this.types.get(id)!;
    this.types.set(copy, this.types.get(id)!);
    this.put(copy, this.shapes.get(id)!);
    this.zeroed.set(copy, this.zeroed.get(id)!);
    const kernels = this.samples.at.map((n): Kernel => {
      const shape = shapeAt(this.shapes.get(id)!, n);
      return mapOf(dtype, shape, [shape], (index) => load(0, dtype, index));
    });
    const ranged = unifyKernels(this.samples, kernels, new Map([[0, this.zeroed.get(id)!]]));
    const node = { name: copy, op: "Identity", inputs: [id], outputs: [copy] };
    this.nodes.push(this.ofKernel({ ...node, computation: { kind: "kernel", kernel: ranged.kernel } }, ranged)); // prettier-ignore
    return [id, copy];
  }

  // -------------------------------------------------------------------------------------------------------------
  // Constants

  private joinConstants(): void {
    const [first] = this.graphs as [BoundGraph];
    same(this.graphs.map(({ constants }) => [...constants.keys()].join("\n")));
    for (const id of first.constants.keys()) {
      this.typed(id);
      const tensors = this.graphs.map(({ constants }) => constants.get(id)!);
      const largest = tensors[this.samples.at.indexOf(Math.max(...this.samples.at))]!;
      if (tensors.every((tensor) => tensor === largest || beginsWith(largest, tensor)))
        this.constants.set(id, largest);
      else this.computed(id, tensors);
    }
  }

  /** A constant whose every element follows from n. */
  private computed(id: ValueId, tensors: readonly Tensor[]): void {
    const [{ dtype, shape }] = tensors as [Tensor];
    if (dtype !== "int64" && dtype !== "int32") throw new NotRanged(`constants of ${dtype}`);
    if (this.shapes.get(id)!.some(({ slope }) => slope !== 0))
      throw new NotRanged("a constant of another size");
    const count = elementCount(shape);
    const lines = Array.from({ length: count }, (_, i) =>
      lineThrough(this.samples.at, tensors.map(({ data }) => Number(data[i]!))) ?? missing(id)); // prettier-ignore
    const put = (name: string, values: readonly number[]): ValueId => {
      const part = this.fresh(`${id} ${name}`);
      const data = allocate(dtype, count);
      values.forEach((value, i) => (data[i] = dtype === "int64" ? BigInt(value) : value));
      this.constants.set(part, { dtype, shape, data });
      this.types.set(part, { dtype, shape });
      this.put(part, this.shapes.get(id)!);
      return part;
    };
    const slopes = put("per n", lines.map(({ slope }) => slope)); // prettier-ignore
    const offsets = put("at 0", lines.map(({ offset }) => offset)); // prettier-ignore
    const kernel = mapOf(
      dtype,
      shape,
      [shape, shape, [1]],
      (index) =>
      add(mul(load(0, dtype, index), cast(load(2, "int32", [constant("index", 0)]), dtype)), load(1, dtype, index)), // prettier-ignore
    );
    const buffers = kernel.buffers.map((buffer, b) => (b === 2 ? { ...buffer, dtype: "int32" as const } : buffer)); // prettier-ignore
    this.nodes.push({
      name: id,
      op: "Range",
      inputs: [slopes, offsets, this.parameter],
      outputs: [id],
      computation: { kind: "kernel", kernel: { ...kernel, buffers } },
    });
  }
}

/** What is refused tells of which operator. */
function naming<T>([node]: readonly BoundNode[], unify: () => T): T {
  try {
    return unify();
  } catch (error) {
    throw error instanceof NotRanged ? new NotRanged(`${node!.op}: ${error.message}`) : error;
  }
}

function missing(id: ValueId): never {
  throw new NotRanged(`the value ${id}`);
}

/** A kernel of one map. */
function mapOf(
  dtype: Tensor["dtype"],
  shape: readonly number[],
  inputs: readonly (readonly number[])[],
  value: (index: readonly Expr[]) => Expr,
): Kernel {
  const axes = shape.map((extent, d) => ({ name: `i${d}`, extent }));
  const index = axes.map(coordinate);
  return {
    name: "copy",
    buffers: [
      ...inputs.map((shape, i) => ({ name: `x${i}`, dtype, shape, role: "in" as const })),
      { name: "y", dtype, shape, role: "out" as const },
    ],
    body: [{ kind: "assign", axes, value: value(index), out: inputs.length, index }],
  };
}

/** Whether `part` is what `whole` holds up to the ends of `part`. */
function beginsWith(whole: Tensor, part: Tensor): boolean {
  if (part.shape.some((size, d) => size > whole.shape[d]!)) return false;
  const strides = rowMajorStrides(whole.shape);
  const count = elementCount(part.shape);
  for (let i = 0; i < count; i++) {
    let rest = i;
    let at = 0;
    for (let d = part.shape.length - 1; d >= 0; d--) {
      at += (rest % part.shape[d]!) * strides[d]!;
      rest = Math.floor(rest / part.shape[d]!);
    }
    if (!Object.is(part.data[i], whole.data[at])) return false;
  }
  return true;
}

/** All that decides what a library call does. */
function textOf(computation: BoundNode["computation"]): string {
  return JSON.stringify(computation, (_, value: unknown) => {
    if (typeof value === "bigint") return `${value}n`;
    if (ArrayBuffer.isView(value)) return Array.from(value as unknown as Iterable<unknown>, String);
    return typeof value === "number" ? String(value) : value;
  });
}
