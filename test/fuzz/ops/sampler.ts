/**
 * What samples of operators are written with. In: choices. Out: operands and nodes of one graph, evaluated as they
 * are added. Invariant: a sample may use every tensor that the graph has made so far, whose elements are known (the
 * interpreter computed them), so that samples can be chained without knowing each other; what a sample adds is taken
 * back when the interpreter refuses it, and the refusal is kept for a comparison with onnxruntime.
 */
import { CompileError, interpret } from "../../../compiler/whole.ts";
import type { OnnxAttributes, OnnxTypeSpec } from "../../../compiler/frontend/onnx/write.ts";
import { elementCount, type DType, type Tensor } from "../../../runtime/dtype.ts";
import type { Random } from "../random.ts";
import { tensorFrom, type Data, type DataKind, type Element } from "./data.ts";
import { feedsOf, modelOf, type Body, type FuzzGraph, type GraphNode, type Operand, type Result } from "./graph.ts"; // prettier-ignore

/** A tensor that nodes can use. */
export interface Ref {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly tensor: Tensor;
}

/** Thrown by a sample that cannot be made of what is there. */
class Declined extends Error {}

export const FLOATS: readonly DType[] = ["float32", "float32", "float32", "float32", "float16", "float64", "bfloat16"]; // prettier-ignore
export const SIGNED: readonly DType[] = ["int64", "int32", "int64", "int32", "int8", "int16"];
export const INTEGERS: readonly DType[] = [...SIGNED, "uint8", "uint16", "uint32", "uint64"];
export const NUMBERS: readonly DType[] = [...FLOATS, ...FLOATS, ...INTEGERS];
export const ANY: readonly DType[] = [...NUMBERS, "bool"];

/** Most elements of an operand, and of a result. */
const MOST = 600;
const MOST_RESULT = 6000;

const DIMS = [1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9, 11, 13, 16, 17, 31, 33];

export interface Wanted {
  readonly ranks?: readonly [least: number, most: number];
  readonly shape?: readonly number[];
  readonly data?: DataKind;
  /** Only a new operand will do. */
  readonly fresh?: boolean;
  /** Extents of 0 are not wanted, whatever the graph's flavour. */
  readonly filled?: boolean;
}

export interface NodeOptions {
  readonly domain?: string;
  /** Which outputs are wanted; one if not said. */
  readonly outputs?: number | readonly boolean[];
  readonly bodies?: Readonly<Record<string, Body>>;
}

export interface Flavour {
  readonly opset: number;
  /** NaN, infinities, subnormals and extreme integers among the elements. */
  readonly wild: boolean;
  /** One kind of them: what infinity times something tiny is depends on what is multiplied first. */
  readonly wildKind: DataKind;
  /** The ends of the types, too. */
  readonly edges: boolean;
  /** Extents of 0. */
  readonly empty: boolean;
  /** How often an operand is a weight. */
  readonly constants: number;
  /** How often axes, shapes and the like are fed when the model runs. */
  readonly fedParameters: number;
}

export class Sampler {
  readonly random: Random;
  readonly flavour: Flavour;
  readonly pool: Ref[] = [];
  private operands: Operand[] = [];
  private nodes: GraphNode[] = [];
  private results: Result[] = [];
  private names = 0;
  /** Of the sample being made. */
  private pending: { node: GraphNode; wanted: readonly string[] }[] = [];
  private containers: Result[] = [];
  /** Why the last sample was refused by the interpreter, and the graph with it. */
  refused: { error: unknown; graph: FuzzGraph } | undefined;

  constructor(random: Random, flavour: Flavour) {
    this.random = random;
    this.flavour = flavour;
  }

  get opset(): number {
    return this.flavour.opset;
  }

  decline(when = true): void {
    if (when) throw new Declined();
  }

  /** For operators that came with a version. */
  since(version: number): void {
    if (this.opset < version) throw new Declined();
  }

  pick<T>(items: readonly T[]): T {
    return this.random.pick(items);
  }

  chance(probability: number): boolean {
    return this.random.chance(probability);
  }

  /** One of the values, or undefined, so that the attribute is left out. */
  maybe<T>(...items: readonly T[]): T | undefined {
    return this.random.chance(0.4) ? undefined : this.random.pick(items);
  }

  dim(most = 33): number {
    return this.random.pick(DIMS.filter((dim) => dim <= most));
  }

  shape(least = 0, most = 4, limit = MOST, filled = false): number[] {
    const rank = this.random.between(least, most);
    for (;;) {
      const shape = Array.from({ length: rank }, () =>
        this.flavour.empty && !filled && this.random.chance(0.2) ? 0 : this.random.pick(DIMS),
      );
      if (elementCount(shape) <= limit) return shape;
    }
  }

  /** A shape that broadcasts to `shape`. */
  partner(shape: readonly number[]): number[] {
    const skip = this.random.chance(0.4) ? this.random.between(0, shape.length) : 0;
    return shape.slice(skip).map((dim) => (this.random.chance(0.3) ? 1 : dim));
  }

  /** An axis of a rank, now and then counted from the end. */
  axis(rank: number): { at: number; written: number } {
    this.decline(rank === 0);
    const at = this.random.below(rank);
    return { at, written: this.random.chance(0.35) ? at - rank : at };
  }

  /** Some distinct axes, in any order. */
  axes(rank: number, least = 0): number[] {
    const count = this.random.between(Math.min(least, rank), rank);
    return this.random
      .shuffled(Array.from({ length: rank }, (_, i) => i))
      .slice(0, count)
      .map((axis) => (this.random.chance(0.3) ? axis - rank : axis));
  }

  /** A tensor of one of the types: one that the graph has, or a new one. */
  any(dtypes: readonly DType[], wanted: Wanted = {}): Ref {
    const { ranks = [0, 4], shape, fresh, filled } = wanted;
    if (!fresh && this.random.chance(0.75)) {
      const fits = this.pool.filter(
        (ref) =>
          dtypes.includes(ref.dtype) &&
          (shape ? String(ref.shape) === String(shape) && ref.shape.length === shape.length : ref.shape.length >= ranks[0] && ref.shape.length <= ranks[1]) &&
          elementCount(ref.shape) <= MOST * 2 &&
          !(filled && ref.shape.includes(0)),
      ); // prettier-ignore
      if (fits.length > 0) return this.random.pick(fits.slice(-4));
    }
    return this.tensor(this.random.pick(dtypes), shape ?? this.shape(ranks[0], ranks[1], MOST, filled), wanted.data); // prettier-ignore
  }

  /** A new operand, fed or constant. */
  tensor(dtype: DType, shape: readonly number[], data?: DataKind | Data): Ref {
    this.decline(elementCount(shape) > MOST * 4);
    const seed = this.random.word() >>> 12;
    const { wild } = this.flavour;
    const usual = (): DataKind => (wild ? this.random.pick(this.flavour.edges ? ["edge", "special"] : [this.flavour.wildKind, "small"]) : this.random.pick(["small", "small", "normal"])); // prettier-ignore
    const made: Data = data === undefined ? { kind: usual(), seed } : typeof data === "string" ? { kind: data, seed } : data; // prettier-ignore
    const ref = this.operand(dtype, shape, made, this.mayBeConstant(dtype) && this.random.chance(this.flavour.constants)); // prettier-ignore
    this.made.push(ref);
    return ref;
  }

  private mayBeConstant(dtype: DType): boolean {
    return !dtype.startsWith("float8") && dtype !== "float4e2m1";
  }

  /** Onnxruntime holds two of these in a byte: not fed. */
  private mustBeConstant(dtype: DType): boolean {
    return dtype === "int4" || dtype === "uint4" || dtype === "int2" || dtype === "uint2";
  }

  /** Whole numbers from `least` to `most`. */
  range(dtype: DType, shape: readonly number[], least: number, most: number): Ref {
    return this.tensor(dtype, shape, { kind: "range", seed: this.random.word() >>> 12, least, most });
  }

  /** An operand whose elements matter (axes, shapes, indices): mostly a constant. */
  param(dtype: DType, shape: readonly number[], values: readonly Element[], constant?: boolean): Ref {
    const fixed = constant ?? !this.random.chance(this.flavour.fedParameters);
    return this.operand(dtype, shape, { kind: "values", values }, fixed);
  }

  ints(values: readonly number[], constant?: boolean): Ref {
    return this.param("int64", [values.length], values, constant);
  }

  scalar(dtype: DType, value: Element, constant?: boolean): Ref {
    return this.param(dtype, this.random.chance(0.2) && constant === undefined ? [1] : [], [value], constant);
  }

  strictScalar(dtype: DType, value: Element, constant?: boolean): Ref {
    return this.param(dtype, [], [value], constant);
  }

  private operand(dtype: DType, shape: readonly number[], data: Data, constant: boolean): Ref {
    const fixed = constant || this.mustBeConstant(dtype);
    const name = `${fixed ? "c" : "x"}${this.names++}`;
    this.operands.push({ name, dtype, shape, data, constant: fixed });
    return { name, dtype, shape, tensor: tensorFrom(dtype, shape, data) };
  }

  /** Operands of this sample; they join the pool when it succeeds. */
  private made: Ref[] = [];

  /** Adds a node; returns the names of its outputs ("" where not wanted). */
  node(op: string, inputs: readonly (Ref | string | undefined)[], attributes: OnnxAttributes = {}, options: NodeOptions = {}): string[] {
    const { outputs = 1, domain, bodies } = options;
    const wanted = typeof outputs === "number" ? new Array<boolean>(outputs).fill(true) : outputs;
    const names = wanted.map((want) => (want ? `v${this.names++}` : ""));
    const ids = inputs.map((input) => (input === undefined ? "" : typeof input === "string" ? input : input.name));
    while (ids.length > 0 && ids.at(-1) === "" && this.random.chance(0.7)) ids.pop();
    const present = Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined));
    const node: GraphNode = { op, ...(domain ? { domain } : {}), inputs: ids, outputs: names, attributes: present, ...(bodies ? { bodies } : {}) };
    this.pending.push({ node, wanted: names.filter(Boolean) });
    return names;
  } // prettier-ignore

  /** A node whose results nobody may look at but the nodes after it: random numbers. */
  hidden(op: string, inputs: readonly Ref[], attributes: OnnxAttributes): string[] {
    const names = this.node(op, inputs, attributes);
    for (const name of names) this.secret.add(name);
    return names;
  }

  private readonly secret = new Set<string>();

  fresh(): string {
    return `v${this.names++}`;
  }

  /** Says that a name is not a tensor; it may be an output of the graph. */
  container(name: string, type: OnnxTypeSpec): void {
    this.containers.push({ name, type });
  }

  /** Makes one sample and evaluates it. Returns whether it is part of the graph now. */
  attempt(sample: (s: Sampler) => void): boolean {
    const mark = [this.operands.length, this.nodes.length, this.results.length] as const;
    this.pending = [];
    this.containers = [];
    this.made = [];
    const undo = (): void => {
      this.operands.length = mark[0];
      this.nodes.length = mark[1];
      this.results.length = mark[2];
    };
    try {
      sample(this);
      const nodes = this.pending.map(({ node }) => node);
      if (nodes.length === 0) throw new Declined();
      this.nodes.push(...nodes);
      const inside = new Set(this.containers.map(({ name }) => name));
      const names = this.pending.flatMap(({ wanted }) => wanted).filter((name) => !inside.has(name));
      const tensors = this.evaluate(nodes, names);
      for (const name of names) {
        const tensor = tensors[name]!;
        if (tensor.data.length > MOST_RESULT || tensor.shape.length > 8) throw new Declined();
        if (this.secret.has(name)) continue;
        this.results.push({ name, type: { kind: "tensor", dtype: tensor.dtype, shape: tensor.shape } });
        this.pool.push({ name, dtype: tensor.dtype, shape: tensor.shape, tensor });
      }
      this.results.push(...this.containers);
      this.pool.push(...this.made);
      return true;
    } catch (error) {
      if (!(error instanceof Declined)) {
        const graph = this.finish("none", this.pending.flatMap(({ wanted }) => wanted));
        this.refused = { error, graph };
      }
      undo();
      return false;
    } // prettier-ignore
  }

  /** Values of some nodes, from those that the graph has. */
  private evaluate(nodes: readonly GraphNode[], names: readonly string[]): Record<string, Tensor> {
    const used = new Set(namesUsed(nodes));
    const made = new Set(nodes.flatMap(({ outputs }) => outputs));
    const fed = this.pool.filter(({ name }) => used.has(name) && !made.has(name));
    const operands = this.operands.filter(({ name }) => used.has(name));
    const taken = fed.filter(({ name }) => !operands.some((own) => own.name === name));
    const graph: FuzzGraph = {
      opset: this.opset,
      wrapping: "none",
      operands: [
        ...operands,
        ...taken.map(({ name, dtype, shape }): Operand => ({ name, dtype, shape, data: { kind: "zeros", seed: 0 }, constant: false })),
      ],
      nodes,
      outputs: names.map((name) => ({ name, type: { kind: "tensor", dtype: "float32" } })),
    }; // prettier-ignore
    const feeds = {
      ...feedsOf(graph),
      ...Object.fromEntries(taken.map(({ name, tensor }) => [name, tensor])),
    };
    return interpret(modelOf(graph), feeds, { memoryLimit: 2 ** 26 });
  }

  get size(): number {
    return this.nodes.length;
  }

  /** The graph. Outputs: what nobody reads, and sometimes what somebody does. */
  finish(wrapping: FuzzGraph["wrapping"], unevaluated: readonly string[] = []): FuzzGraph {
    const used = new Set(namesUsed(this.nodes));
    const outputs = this.results.filter(({ name }) => !used.has(name) || this.random.chance(0.12));
    const read = this.operands.filter(({ name }) => used.has(name));
    const open = unevaluated
      .filter((name) => !used.has(name))
      .map((name): Result => ({ name, type: { kind: "tensor", dtype: "float32" } }));
    return {
      opset: this.opset,
      wrapping,
      operands: read,
      nodes: [...this.nodes],
      outputs: [...outputs, ...open],
    };
  }
}

/** Everything that nodes and their bodies read. */
export function namesUsed(nodes: readonly GraphNode[]): string[] {
  return nodes.flatMap(({ inputs, bodies }) => [
    ...inputs,
    ...Object.values(bodies ?? {}).flatMap((body) => [
      ...namesUsed(body.nodes),
      ...body.outputs.map(({ name }) => name),
    ]),
  ]);
}

export { CompileError };
