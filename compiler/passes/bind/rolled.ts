/**
 * Loops that stay loops: one kernel that runs the body for all iterations in order. In: a body, its states, what it
 * scans and a trip count. Out: one bound node, beside nodes for what is the same in every iteration; or nothing, and
 * then the loop is unrolled. Invariant: only bodies whose every value has the same static type in each iteration
 * and is computed by kernels qualify; what the iterations compute is what unrolling would.
 */
import { fail } from "../../diagnostic.ts";
import { axis, cast, int, loadTyped, sub, load, type Expr } from "../../ir/expr.ts";
import { rewrite } from "../../ir/walk.ts";
import type { Graph, OpNode, TensorType, ValueId } from "../../ir/graph.ts";
import { coordinate, type Assign, type Axis, type Block, type Buffer, type Kernel } from "../../ir/kernel.ts";
import { axesOver, coordinates } from "../../ops/define.ts";
import type { BoundNode } from "./boundGraph.ts";
import type { Trial, Walk } from "./walk.ts";

/** Shorter loops are unrolled: then constants fold and neighbours fuse across iterations. */
const LEAST_TRIPS = 9;

export interface ScannedInput {
  readonly id: ValueId;
  readonly axis: number;
  readonly backwards: boolean;
}

export interface ScannedOutput {
  /** "" where nobody wants it. */
  readonly id: ValueId;
  /** Where the iterations' axis stands in the result; negative from its end. */
  readonly axis: number;
  readonly backwards: boolean;
}

export interface Iterations {
  readonly node: OpNode;
  readonly body: Graph;
  readonly trips: number;
  /** Whether the body takes the iteration's number and a condition first, and gives a condition, as Loop's does. */
  readonly counted: boolean;
  /** Initial states. */
  readonly states: readonly ValueId[];
  /** Final states; "" where nobody wants one. */
  readonly finals: readonly ValueId[];
  readonly scanned: readonly ScannedInput[];
  readonly results: readonly ScannedOutput[];
}

/** An iteration in a kernel takes so much less time than one that is a program. */
const ROLLED_PER_ITERATION = 1000;

/** Binds all iterations as one kernel; false when the body does not allow it, and then nothing was bound. */
export function roll(walk: Walk, loop: Iterations): boolean {
  const { trips, states, scanned, counted } = loop;
  const outer = [...states, ...scanned.map(({ id }) => id)];
  // Derivatives go from operator to operator, backwards through all iterations.
  if (trips < LEAST_TRIPS || walk.hostOnly || walk.tapes.length > 0) return false;
  if (outer.some((id) => walk.mustWait(id) || !walk.types.has(id))) return false;
  // A scan goes as far as what it scans; a count is only a number, and a wrong one would never come to an end.
  const most = walk.maxIterations * ROLLED_PER_ITERATION;
  if (counted && trips > most) {
    fail("limit-exceeded", `the loop goes around ${trips} times; at most ${most} are allowed`, {
      node: loop.node.name,
      op: loop.node.op,
      hint: "raise maxIterations",
    });
  }
  const typed = (type: TensorType): ValueId => {
    const id = walk.fresh();
    walk.types.set(id, { dtype: type.dtype, shape: type.shape });
    return id;
  };
  const inside: Inside = {
    number: counted ? typed({ dtype: "int64", shape: [] }) : undefined,
    states: states.map((id) => typed(walk.types.get(id)!)),
    elements: scanned.map(({ id, axis }) => {
      const { dtype, shape } = walk.types.get(id)!;
      return typed({ dtype, shape: shape.toSpliced(axis, 1) });
    }),
  };
  const first = inside.number === undefined ? [] : [inside.number, walk.boolean(true)];
  const args = [...first, ...inside.states, ...inside.elements];
  const { draws } = walk;
  const trial = walk.trial(loop.body, args);
  // A body that draws does so anew in each iteration, and what is refused may be in some of them only.
  if (!trial.complete || draws !== walk.draws || trial.refusals.length > 0) return false;
  const nodes = kept(walk, loop, inside, trial);
  if (nodes) walk.accept(trial, nodes);
  return nodes !== undefined;
}

/** What the body sees in place of values from outside. */
interface Inside {
  readonly number: ValueId | undefined;
  readonly states: readonly ValueId[];
  readonly elements: readonly ValueId[];
}

/** The nodes that the loop becomes, if it can be one kernel. */
function kept(walk: Walk, loop: Iterations, inside: Inside, trial: Trial): BoundNode[] | undefined {
  const { states } = loop;
  const made = trial.outputs;
  if (loop.counted && !Number(walk.constants.get(made[0]!)?.data[0] ?? 0)) return undefined;
  const [next, slices] = splitAt(loop.counted ? made.slice(1) : made, states.length);
  if ([...next, ...slices].some((id) => walk.mustWait(id) || !walk.types.has(id))) return undefined;
  const same = (a: ValueId, b: ValueId): boolean => {
    const [x, y] = [walk.types.get(a)!, walk.types.get(b)!];
    return x.dtype === y.dtype && x.shape.join() === y.shape.join();
  };
  // A state that becomes another one would have to be kept aside first.
  const moves = next.some((id, i) => inside.states.includes(id) && id !== inside.states[i]);
  if (moves || next.some((id, i) => !same(id, states[i]!))) return undefined;
  // Texts, and what a run made of them, must not become part of a program.
  const unfit = (id: ValueId): boolean =>
    walk.types.get(id)!.dtype === "string" || walk.madeOnHost.has(id) || isEmpty(walk, id);
  if ([...states, ...next, ...slices, ...loop.scanned.map(({ id }) => id), ...inside.elements].some(unfit))
    return undefined;

  const changing = new Set<ValueId>([...inside.states, ...inside.elements]);
  if (inside.number !== undefined) changing.add(inside.number);
  const invariant: BoundNode[] = [];
  const repeated: BoundNode[] = [];
  for (const node of trial.nodes) {
    if (!node.inputs.some((id) => changing.has(id))) {
      invariant.push(node);
      continue;
    }
    if (node.computation.kind !== "kernel" || node.outputs.some((id) => isEmpty(walk, id))) return undefined;
    for (const id of node.outputs) changing.add(id);
    repeated.push(node);
  }
  return [...invariant, loopNode(walk, loop, inside, repeated, next, slices)];
}

/** Loops over nothing are left to those who know how to do without them. */
function isEmpty(walk: Walk, id: ValueId): boolean {
  return walk.types.get(id)!.shape.includes(0);
}

function splitAt<T>(list: readonly T[], at: number): [readonly T[], readonly T[]] {
  return [list.slice(0, at), list.slice(at)];
}

function loopNode(
  walk: Walk,
  loop: Iterations,
  inside: Inside,
  nodes: readonly BoundNode[],
  next: readonly ValueId[],
  slices: readonly ValueId[],
): BoundNode {
  const step: Axis = { name: "step", extent: loop.trips };
  const at = (backwards: boolean): Expr =>
    backwards ? sub(int(loop.trips - 1), coordinate(step)) : coordinate(step);
  const local = new Set([...inside.states, ...nodes.flatMap((node) => node.outputs)]);
  const notLocal = (id: ValueId): boolean =>
    !local.has(id) && !inside.elements.includes(id) && id !== inside.number;
  const read = [...nodes.flatMap((node) => node.inputs), ...next, ...slices].filter(notLocal);
  const inputs = [...new Set([...loop.states, ...loop.scanned.map(({ id }) => id), ...read])];

  for (const [i, id] of loop.finals.entries()) if (id) walk.types.set(id, walk.types.get(loop.states[i]!)!);
  loop.results.forEach(({ id, axis }, k) => {
    if (!id) return;
    const { dtype, shape } = walk.types.get(slices[k]!)!;
    walk.types.set(id, {
      dtype,
      shape: shape.toSpliced(axis < 0 ? axis + shape.length + 1 : axis, 0, loop.trips),
    });
  });
  const outputs = [...loop.finals, ...loop.results.map(({ id }) => id)].filter(Boolean);

  const buffers: Buffer[] = [];
  const numbers = new Map<ValueId, number>();
  const declare = (id: ValueId, role: Buffer["role"]): void => {
    const { dtype, shape } = walk.types.get(id)!;
    numbers.set(id, buffers.length);
    buffers.push({ name: `${role}${buffers.length}`, dtype, shape, role });
  };
  for (const id of inputs) declare(id, "in");
  for (const id of outputs) declare(id, "out");
  for (const id of local) declare(id, "temp");
  const numberOf = (id: ValueId): number => numbers.get(id)!;

  /** An element of a value as the body sees it. */
  const element = (id: ValueId, type: Expr["type"], index: readonly Expr[], pad?: number): Expr => {
    if (id === inside.number) return cast(coordinate(step), "int64");
    const k = inside.elements.indexOf(id);
    if (k < 0) return loadTyped(numberOf(id), type, index, pad);
    const { id: whole, axis, backwards } = loop.scanned[k]!;
    return loadTyped(numberOf(whole), type, index.toSpliced(axis, 0, at(backwards)), pad);
  };
  const value = (id: ValueId, index: readonly Expr[]): Expr =>
    element(id, load(0, walk.types.get(id)!.dtype, []).type, index);
  /** An assignment of a whole value: `to` at what `place` makes of its coordinates. */
  let copies = 0;
  const copy = (
    to: ValueId,
    id: ValueId,
    place = (index: readonly Expr[]): readonly Expr[] => index,
  ): Assign => {
    const axes = axesOver(walk.types.get(id)!.shape, `c${copies++}_`);
    const index = coordinates(axes);
    return { kind: "assign", axes, out: numberOf(to), index: place(index), value: value(id, index) };
  };

  const body: Block[] = nodes.flatMap((node, n) => inlined(node, `n${n}_`, buffers, numberOf, element));
  loop.results.forEach(({ id, axis, backwards }, k) => {
    if (!id) return;
    const rank = walk.types.get(id)!.shape.length;
    const where = axis < 0 ? axis + rank : axis;
    body.push(copy(id, slices[k]!, (index) => index.toSpliced(where, 0, at(backwards))));
  });
  next.forEach((id, i) => {
    if (id !== inside.states[i]) body.push(copy(inside.states[i]!, id));
  });
  const kernel: Kernel = {
    name: loop.node.op.toLowerCase(),
    buffers,
    body: [
      ...loop.states.map((id, i) => copy(inside.states[i]!, id)),
      { kind: "loop", axis: step, carried: true, body },
      ...loop.finals.flatMap((id, i) => (id ? [copy(id, inside.states[i]!)] : [])),
    ],
  };
  const { name, op } = loop.node;
  return { name, op, inputs, outputs, computation: { kind: "kernel", kernel } };
}

type Element = (id: ValueId, type: Expr["type"], index: readonly Expr[], pad?: number) => Expr;

/** A node's kernel as blocks of the loop; adds its temps to the buffers. */
function inlined(
  node: BoundNode,
  prefix: string,
  buffers: Buffer[],
  numberOf: (id: ValueId) => number,
  element: Element,
): Block[] {
  if (node.computation.kind !== "kernel") return [];
  const { kernel } = node.computation;
  const ids = [...node.inputs, ...node.outputs];
  const temps = new Map<number, number>();
  kernel.buffers.forEach((buffer, i) => {
    if (i < ids.length) return;
    temps.set(i, buffers.length);
    buffers.push({ ...buffer, name: `${prefix}${buffer.name}` });
  });
  const placed = renaming(prefix, (x) => {
    if (x.kind !== "load") return undefined;
    const temp = temps.get(x.buffer);
    if (temp !== undefined) return loadTyped(temp, x.type, x.index, x.pad);
    return element(ids[x.buffer]!, x.type, x.index, x.pad);
  });
  const change = (block: Block): Block => {
    if (block.kind === "loop")
      return { ...block, axis: named(block.axis, prefix), body: block.body.map(change) };
    const { reduce } = block;
    return {
      ...block,
      axes: block.axes.map((a) => named(a, prefix)),
      out: temps.get(block.out) ?? numberOf(ids[block.out]!),
      index: block.index.map(placed),
      value: placed(block.value),
      ...(reduce
        ? { reduce: { ...reduce, axes: reduce.axes.map((a) => named(a, prefix)), body: placed(reduce.body) } }
        : {}),
    };
  };
  return kernel.body.map(change);
}

function named(a: Axis, prefix: string): Axis {
  return { ...a, name: `${prefix}${a.name}` };
}

/** Rewrites expressions: axes get a prefix, and `replace` sees everything else. */
function renaming(prefix: string, replace: (e: Expr) => Expr | undefined): (e: Expr) => Expr {
  const memo = new Map<Expr, Expr>();
  return (e) =>
    rewrite(e, (x) => (x.kind === "axis" ? axis(`${prefix}${x.name}`, x.extent) : replace(x)), memo);
}
