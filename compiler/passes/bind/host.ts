/**
 * What is computed while binding and not by a program: strings, which have no place in its memory. In: a node whose
 * inputs are all known. Out: constants of the walk. Invariant: where the values come from a run and not from the
 * model, numbers that are made of them are left to the next program as its inputs, so that a program is compiled
 * for shapes and not for every text.
 */
import { CompileError, InternalError } from "../../diagnostic.ts";
import { allocate, elementCount, type DType, type Tensor } from "../../ir/dtype.ts";
import type { Graph, OpNode, ValueId } from "../../ir/graph.ts";
import { NeedsValue } from "../../ops/define.ts";
import { Walk } from "./walk.ts";

/** Operators of ai.onnx that only move or compare elements, of whatever type they are. */
const moving: ReadonlySet<string> = new Set(
  (
    "Identity Reshape Flatten Squeeze Unsqueeze Transpose Slice Split Concat Expand Tile DepthToSpace SpaceToDepth " +
    "Gather GatherElements GatherND ScatterElements ScatterND Where Compress ReverseSequence Equal Unique Shape Size"
  ).split(" "),
);

/** Those whose results follow from shapes alone. */
const measuring: ReadonlySet<string> = new Set(["Shape", "Size"]);

/** Whether a node moves strings. */
export function movesStrings(walk: Walk, { domain, op, inputs }: OpNode): boolean {
  return domain === "" && moving.has(op) && inputs.some((id) => walk.types.get(id)?.dtype === "string");
}

type Evaluate = (inputs: readonly (Tensor | undefined)[]) => readonly Tensor[];

/**
 * Evaluates a node now.
 *
 * @throws NeedsValue when an input is not known
 */
export function evaluateOnHost(walk: Walk, node: OpNode, evaluate: Evaluate): void {
  const given = node.inputs.filter((id) => id !== "");
  const unknown = given.find((id) => !walk.constants.has(id));
  if (unknown !== undefined) throw new NeedsValue(unknown);
  const results = evaluate(node.inputs.map((id) => walk.constants.get(id)));
  const told = !measuring.has(node.op) && given.some((id) => walk.told.has(id));
  node.outputs.forEach((id, i) => {
    if (id === "") return;
    const tensor = results[i] ?? missing(node, i);
    walk.addConstant(id, tensor);
    if (!told) return;
    walk.told.add(id);
    if (tensor.dtype !== "string") walk.madeOnHost.add(id);
  });
}

function missing(node: OpNode, position: number): never {
  throw new InternalError(`${node.op} did not compute its output ${position}`);
}

/** No operator makes numbers of this type by itself, so where they come out they stand for strings. */
const RANKS: DType = "uint32";

/**
 * Evaluates an operator that moves strings. Each string is replaced by its rank among all strings of the inputs, the
 * definition for numbers is evaluated, and ranks become strings again. Ranks follow the order of code points, which
 * is what sorting operators go by.
 */
export function moveStrings(node: OpNode, inputs: readonly (Tensor | undefined)[]): Tensor[] {
  const texts = inputs.flatMap((tensor) =>
    tensor?.dtype === "string" ? [...(tensor.data as readonly string[])] : [],
  );
  const words = [...new Set(texts)].sort(byCodePoint);
  const ranks = new Map(words.map((word, i) => [word, i]));
  const numbers = inputs.map((tensor) => {
    if (tensor?.dtype !== "string") return tensor;
    const data = Uint32Array.from(tensor.data as readonly string[], (text) => ranks.get(text)!);
    return { dtype: RANKS, shape: tensor.shape, data };
  });
  return evaluateAlone(node, numbers).map(({ dtype, shape, data }) => {
    if (dtype !== RANKS) return { dtype, shape, data };
    return { dtype: "string", shape, data: Array.from(data as Uint32Array, (rank) => words[rank] ?? "") };
  });
}

/** By Unicode code points: as UTF-16, but surrogates come after all other units. */
function byCodePoint(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [left, right] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (left !== right) return place(left) - place(right);
  }
  return a.length - b.length;
}

function place(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}

/** The outputs of one node, by a walk of its own that folds everything. */
function evaluateAlone(node: OpNode, inputs: readonly (Tensor | undefined)[]): Tensor[] {
  const graph: Graph = { name: node.name, inputs: [], outputs: [], nodes: [], constants: new Map() };
  const walk = new Walk(graph, { foldLimit: Infinity });
  const nameOf = (tensor: Tensor | undefined, i: number): ValueId => (tensor ? `in${i}` : "");
  inputs.forEach((tensor, i) => tensor && walk.addConstant(nameOf(tensor, i), tensor));
  const outputs = node.outputs.map((id, i) => id && `out${i}`);
  walk.process({ ...node, inputs: inputs.map(nameOf), outputs });
  if (walk.diagnostics.length > 0) throw new CompileError(walk.diagnostics);
  return outputs.map((id, i) => {
    if (id === "") return { dtype: "bool", shape: [0], data: allocate("bool", elementCount([0])) };
    return walk.constants.get(walk.resolve(id)) ?? missing(node, i);
  });
}
