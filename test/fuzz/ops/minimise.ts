/**
 * Makes a failing graph small. In: a graph and whether a graph still fails. Out: the smallest one found: nodes taken
 * away (what they made becomes an input with the elements it had), wrapping and unused outputs dropped, extents cut,
 * elements made simple, operands fed or constant as is simpler to read. Invariant: `fails` holds for the result; it is
 * asked a limited number of times.
 */
import { elementCount } from "../../../runtime/dtype.ts";
import { readerOf, tensorFrom, type Data, type Element } from "./data.ts";
import type { FuzzGraph, GraphNode, Operand, Result } from "./graph.ts";
import { namesUsed } from "./sampler.ts";
import { valuesOf } from "./tolerance.ts";

type Fails = (graph: FuzzGraph) => Promise<boolean>;

/** Most elements that are kept one by one. */
const LISTED = 400;

/** The graph with only these nodes and what they need. */
export function withNodes(graph: FuzzGraph, nodes: readonly GraphNode[]): FuzzGraph {
  const used = new Set(namesUsed(nodes));
  const made = new Set(nodes.flatMap(({ outputs }) => outputs));
  const operands = graph.operands.filter(({ name }) => used.has(name));
  const lost = graph.nodes
    .flatMap(({ outputs }) => outputs)
    .filter(
      (name) => used.has(name) && !made.has(name) && !operands.some((operand) => operand.name === name),
    );
  if (lost.length > 0) {
    const values = valuesOf(graph);
    for (const name of lost) {
      const tensor = values.get(name);
      if (!tensor) throw new RangeError(`${name} is not a tensor`);
      const read = readerOf(tensor.dtype);
      const elements = Array.from(tensor.data as Iterable<Element>, read);
      operands.push({ name, dtype: tensor.dtype, shape: tensor.shape, data: { kind: "values", values: elements }, constant: false }); // prettier-ignore
    }
  }
  const kept = graph.outputs.filter(({ name }) => made.has(name));
  const known = new Set(kept.map(({ name }) => name));
  const sinks = [...made].filter((name) => name !== "" && !used.has(name) && !known.has(name));
  return { ...graph, nodes, operands, outputs: [...kept, ...sinks.map((name) => resultOf(graph, name))] };
}

/** The type of a value in the middle. */
function resultOf(graph: FuzzGraph, name: string): Result {
  const tensor = valuesOf(graph).get(name);
  if (!tensor) throw new RangeError(`${name} is not a tensor`);
  return { name, type: { kind: "tensor", dtype: tensor.dtype as "float32", shape: tensor.shape } };
}

/** Simpler elements for an operand, the simplest first. */
function simplerData({ dtype, shape, data }: Operand): Data[] {
  if (data.kind === "zeros") return [];
  const count = elementCount(shape);
  const tries: Data[] = [{ kind: "zeros", seed: 0 }];
  if (data.kind !== "ones") tries.push({ kind: "ones", seed: 0 });
  if (count > LISTED || dtype === "string") return tries;
  const read = readerOf(dtype);
  const values = Array.from(tensorFrom(dtype, shape, data).data as Iterable<Element>, read);
  const zero = dtype === "int64" || dtype === "uint64" ? 0n : 0;
  const isZero = (value: Element): boolean => Object.is(value, zero);
  const alive = values.flatMap((value, i) => (isZero(value) ? [] : [i]));
  // Halves, then quarters, then single elements to zero.
  for (let size = Math.ceil(alive.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < alive.length && tries.length < 24; at += size) {
      const gone = new Set(alive.slice(at, at + size));
      tries.push({ kind: "values", values: values.map((value, i) => (gone.has(i) ? zero : value)) });
    }
  }
  return tries;
}

export async function minimise(graph: FuzzGraph, fails: Fails, budget = 250): Promise<FuzzGraph> {
  let best = graph;
  let left = budget;
  const tried = async (make: () => FuzzGraph): Promise<boolean> => {
    if (left <= 0) return false;
    let candidate: FuzzGraph;
    try {
      candidate = make();
    } catch {
      return false;
    }
    if (candidate.nodes.length === 0 || candidate.outputs.length === 0) return false;
    left--;
    if (!(await fails(candidate))) return false;
    best = candidate;
    return true;
  };
  if (best.wrapping !== "none") await tried(() => ({ ...best, wrapping: "none" }));
  for (let shrunk = true; shrunk && left > 0;) {
    shrunk = false;
    for (let size = Math.max(1, best.nodes.length >> 1); size >= 1; size >>= 1) {
      for (let at = best.nodes.length - size; at >= 0; at--) {
        if (
          await tried(() =>
            withNodes(
              best,
              best.nodes.filter((_, i) => i < at || i >= at + size),
            ),
          )
        )
          shrunk = true;
      }
    }
    for (const { name } of best.outputs) {
      if (best.outputs.length > 1 && (await tried(() => ({ ...best, outputs: best.outputs.filter((output) => output.name !== name) })))) shrunk = true; // prettier-ignore
    }
  }
  await shrinkShapes();
  for (const { name } of best.operands) await simplify(name);
  for (const { name } of best.operands) {
    const operand = best.operands.find((one) => one.name === name)!;
    if (operand.constant && !operand.dtype.startsWith("string")) await tried(() => replaced(best, { ...operand, constant: false })); // prettier-ignore
  }
  return best;

  async function simplify(name: string): Promise<void> {
    for (let again = true; again && left > 0;) {
      again = false;
      const operand = best.operands.find((one) => one.name === name);
      if (!operand) return;
      for (const data of simplerData(operand)) {
        if (!(await tried(() => replaced(best, { ...operand, data })))) continue;
        again = data.kind === "values";
        break;
      }
    }
  }

  /** Cuts one extent wherever operands have it: a dimension is shared by name only in our heads. */
  async function shrinkShapes(): Promise<void> {
    for (let again = true; again && left > 0;) {
      again = false;
      const extents = [...new Set(best.operands.flatMap(({ shape }) => shape))].filter((dim) => dim > 1).sort((a, b) => b - a); // prettier-ignore
      for (const dim of extents) {
        for (const to of [1, dim >> 1, dim - 1].filter(
          (value, i, all) => value < dim && all.indexOf(value) === i,
        )) {
          const done = await tried(() => resized(best, dim, to));
          if (done) {
            again = true;
            break;
          }
        }
        if (again) break;
      }
    }
  }
}

function replaced(graph: FuzzGraph, operand: Operand): FuzzGraph {
  return { ...graph, operands: graph.operands.map((one) => (one.name === operand.name ? operand : one)) };
}

/** Every extent `from` becomes `to`; listed elements are cut accordingly, types of outputs are worked out again. */
function resized(graph: FuzzGraph, from: number, to: number): FuzzGraph {
  const operands = graph.operands.map((operand): Operand => {
    if (!operand.shape.includes(from)) return operand;
    const shape = operand.shape.map((dim) => (dim === from ? to : dim));
    if (operand.data.kind !== "values") return { ...operand, shape };
    const values = operand.data.values.filter((_, i) => inside(i, operand.shape, shape));
    return { ...operand, shape, data: { kind: "values", values } };
  });
  const smaller = { ...graph, operands };
  const values = valuesOf(smaller);
  const outputs = graph.outputs.map((output): Result => {
    const tensor = values.get(output.name);
    return tensor ? { name: output.name, type: { kind: "tensor", dtype: tensor.dtype as "float32", shape: tensor.shape } } : output; // prettier-ignore
  });
  return { ...smaller, outputs };
}

/** Whether element `i` of a shape is among those of a smaller one. */
function inside(i: number, shape: readonly number[], within: readonly number[]): boolean {
  let rest = i;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (rest % shape[axis]! >= within[axis]!) return false;
    rest = Math.floor(rest / shape[axis]!);
  }
  return true;
}
