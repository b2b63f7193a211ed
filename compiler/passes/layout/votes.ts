/**
 * Which dimension of a value should lie innermost. In: a program's calls. Out: a dimension for each value that has a
 * preference. Invariant: values that one map reads and writes at the same point decide together. Contractions and
 * windows vote with the weight of their work; nobody looks at operators, so convolutions vote for channels and
 * matrix products for columns by the same rule.
 */
import { elementCount } from "../../ir/dtype.ts";
import type { Expr, LoadExpr } from "../../ir/expr.ts";
import { linear } from "../../ir/linear.ts";
import { axesOf, visit } from "../../ir/walk.ts";
import type { ValueId } from "../../ir/graph.ts";
import { assignments, type Assign } from "../../ir/kernel.ts";
import type { Call, KernelCall, ProgramValue } from "../../ir/program.ts";
import { windowedReads } from "./windows.ts";

/** Groups of values that are laid out alike. */
class Groups {
  private readonly parents = new Map<ValueId, ValueId>();
  find(id: ValueId): ValueId {
    let at = id;
    for (let next = this.parents.get(at); next !== undefined; next = this.parents.get(at)) at = next;
    // Paths stay short, so that long chains cost no more than short ones.
    for (let walk = id; walk !== at;) {
      const next = this.parents.get(walk)!;
      this.parents.set(walk, at);
      walk = next;
    }
    return at;
  }
  join(a: ValueId, b: ValueId): void {
    const x = this.find(a);
    const y = this.find(b);
    if (x !== y) this.parents.set(x, y);
  }
}

/** The innermost dimension of every value that has a preference. */
export function innermostDimensions(
  calls: readonly Call[],
  values: ReadonlyMap<ValueId, ProgramValue>,
  constants: ReadonlyMap<ValueId, unknown>,
): Map<ValueId, number> {
  const groups = new Groups();
  const votes: Vote[] = [];
  const fixed = fixedValues(calls, constants);
  for (const call of calls) {
    if (call.kind !== "kernel") continue;
    unite(call, values, fixed, groups);
    for (const vote of votesOf(call, fixed)) votes.push(vote);
  }
  const tallies = new Map<ValueId, Map<number, number>>();
  for (const { id, dim, work } of votes) {
    const root = groups.find(id);
    let tally = tallies.get(root);
    if (!tally) tallies.set(root, (tally = new Map()));
    tally.set(dim, (tally.get(dim) ?? 0) + work);
  }
  const chosen = new Map<ValueId, number>();
  for (const [id, { shape }] of values) {
    const tally = tallies.get(groups.find(id));
    if (!tally || shape.length < 2) continue;
    const [best] = [...tally].sort((a, b) => b[1] - a[1])[0]!;
    if (best < shape.length) chosen.set(id, best);
  }
  return chosen;
}

/** What does not change from run to run: constants, and what is made of nothing else, such as weights of quantized ones. */
function fixedValues(calls: readonly Call[], constants: ReadonlyMap<ValueId, unknown>): ReadonlySet<ValueId> {
  const fixed = new Set<ValueId>(constants.keys());
  for (const call of calls)
    if (call.kind === "kernel" && call.inputs.length > 0 && call.inputs.every((id) => fixed.has(id)))
      for (const id of call.outputs) fixed.add(id);
  return fixed;
}

/** Values that one map reads and writes at the same point should lie alike. */
function unite(
  call: KernelCall,
  values: ReadonlyMap<ValueId, ProgramValue>,
  fixed: ReadonlySet<ValueId>,
  groups: Groups,
): void {
  for (const { assign } of assignments(call.kernel)) {
    const out = idOf(call, assign.out);
    if (out === undefined) continue;
    const see = (e: Expr): void =>
      visit(e, (x) => {
        if (x.kind !== "load") return;
        const from = idOf(call, x.buffer);
        if (from === undefined || from === out || fixed.has(from)) return;
        const a = values.get(from)!.shape;
        const b = values.get(out)!.shape;
        if (a.length !== b.length || a.length < 3) return;
        // Point for point, or shifted along some dimensions (concatenation, slices, pads, windows).
        const along = x.index.every(
          (e2, d) => sameAxis(e2, assign.index[d]!) || (e2.kind === "const" && a[d] === 1),
        );
        if (along) groups.join(from, out);
      });
    see(assign.value);
    if (assign.reduce) see(assign.reduce.body);
  }
}

/** The value behind a buffer of a call's kernel; undefined for a temp. */
export function idOf(call: KernelCall, buffer: number): ValueId | undefined {
  return buffer < call.inputs.length ? call.inputs[buffer] : call.outputs[buffer - call.inputs.length];
}

/** Whether two positions move along the same single axis, perhaps shifted or with a stride. */
function sameAxis(a: Expr, b: Expr): boolean {
  if (a === b) return true;
  const x = [...axesOf(a)];
  const y = [...axesOf(b)];
  return y.length === 1 && x.includes(y[0]!);
}

interface Vote {
  readonly id: ValueId;
  readonly dim: number;
  readonly work: number;
}

/** Which dimension each operand of a contraction or pool wants innermost. */
function votesOf(
  call: KernelCall,
  fixed: ReadonlySet<ValueId>,
): { id: ValueId; dim: number; work: number }[] {
  const votes: { id: ValueId; dim: number; work: number }[] = [];
  for (const { assign, loops } of assignments(call.kernel)) {
    const { reduce } = assign;
    if (!reduce) {
      for (const vote of transformVotes(call, assign)) votes.push(vote);
      continue;
    }
    const depth = elementCount(reduce.axes.map((a) => a.extent));
    const work = depth * elementCount([...assign.axes, ...loops.map((l) => l.axis)].map((a) => a.extent));
    const loads: LoadExpr[] = [];
    visit(reduce.body, (x) => {
      if (x.kind === "load") loads.push(x);
    });
    const reduced = new Set(reduce.axes.map((a) => a.name));
    const out = idOf(call, assign.out);
    const product =
      reduce.op === "sum" && reduce.body.kind === "binary" && (reduce.body.op === "mul" || reduce.body.op === "dot4") && loads.length === 2; // prettier-ignore
    const vote = (id: ValueId | undefined, dim: number, weight: number): void => {
      if (id !== undefined && dim >= 0) votes.push({ id, dim, work: weight });
    };
    const plainDim = (index: readonly Expr[], name: string): number =>
      index.findIndex((e) => e.kind === "axis" && e.name === name);
    if (product && depth >= 2) {
      const isConstant = (l: LoadExpr): boolean => fixed.has(idOf(call, l.buffer) ?? "");
      const innermost = assign.index.findLast((e) => e.kind === "axis") as
        (Expr & { kind: "axis" }) | undefined;
      const [x, y] = loads as [LoadExpr, LoadExpr];
      // b carries the vector axis: the weights, or else the operand that the innermost result axis runs over.
      const b =
        isConstant(x) !== isConstant(y)
          ? isConstant(x)
            ? x
            : y
          : innermost && axesOf(x).has(innermost.name)
            ? x
            : y;
      const a = b === x ? y : x;
      const result = assign.axes.filter((axis) => plainDim(assign.index, axis.name) >= 0);
      const own = result
        .filter((axis) => axesOf(b).has(axis.name) && !axesOf(a).has(axis.name))
        .sort((p, q) => q.extent - p.extent)[0];
      const shared = result
        .filter((axis) => plainDim(a.index, axis.name) >= 0 && axesOf(b).has(axis.name))
        .sort((p, q) => q.extent - p.extent)[0];
      const deep = reduce.axes
        .filter((axis) => plainDim(a.index, axis.name) >= 0)
        .sort((p, q) => q.extent - p.extent)[0];
      const vector = own ?? shared;
      if (vector) {
        vote(out, plainDim(assign.index, vector.name), work);
        vote(idOf(call, b.buffer), plainDim(b.index, vector.name), work);
      }
      if (own && deep) vote(idOf(call, a.buffer), plainDim(a.index, deep.name), work);
      else if (!own && shared) vote(idOf(call, a.buffer), plainDim(a.index, shared.name), work);
    } else if (loads.length >= 1) {
      // Windows: a dimension that only the result moves along is the one to vectorise.
      for (const l of loads) {
        const windowed = l.index.some((e) => e.kind !== "axis" && [...axesOf(e)].some((n) => reduced.has(n)) && [...axesOf(e)].some((n) => !reduced.has(n))); // prettier-ignore
        if (!windowed) continue;
        const along = assign.axes.filter((axis) => plainDim(l.index, axis.name) >= 0 && plainDim(assign.index, axis.name) >= 0).sort((p, q) => q.extent - p.extent)[0]; // prettier-ignore
        if (!along) continue;
        vote(idOf(call, l.buffer), plainDim(l.index, along.name), work / 4);
        vote(out, plainDim(assign.index, along.name), work / 4);
      }
    }
  }
  return votes;
}

/**
 * A map that reads windows into scratch, or writes results from it, wants the dimension innermost along which the
 * scratch lies.
 */
function transformVotes(call: KernelCall, assign: Assign): Vote[] {
  const reads = windowedReads(assign);
  if (!reads) return [];
  const votes: Vote[] = [];
  const loads: LoadExpr[] = [];
  visit(reads, (x) => x.kind === "load" && loads.push(x));
  const points = elementCount(assign.axes.map((a) => a.extent));
  const innermost = (index: readonly Expr[]): string | undefined => {
    const terms = index.length ? [...linear(index.at(-1)!).terms] : [];
    const next = terms.find(([term, c]) => term.kind === "axis" && c === 1)?.[0];
    return next?.kind === "axis" ? next.name : undefined;
  };
  const plainDim = (index: readonly Expr[], name: string): number =>
    index.findIndex((e) => e.kind === "axis" && e.name === name);
  const buffers = new Set(loads.map((l) => l.buffer));
  for (const buffer of buffers) {
    const same = loads.filter((l) => l.buffer === buffer);
    if (same.length < 4) continue;
    const work = points * same.length;
    const [from, to] = [idOf(call, buffer), idOf(call, assign.out)];
    const stored = innermost(assign.index);
    const read = innermost(same[0]!.index);
    const fromDim = stored === undefined ? -1 : plainDim(same[0]!.index, stored);
    if (from !== undefined && fromDim >= 0) votes.push({ id: from, dim: fromDim, work });
    const toDim = read === undefined ? -1 : plainDim(assign.index, read);
    if (to !== undefined && toDim >= 0) votes.push({ id: to, dim: toDim, work });
  }
  return votes;
}
