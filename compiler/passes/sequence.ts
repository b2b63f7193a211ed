/**
 * Fewer dispatches: calls as one kernel of several assignments. In: calls of a GPU in the order of a run. Out: the same, with
 * some joined. Invariant: assignments stand in an order in which each sees what it saw before, so no value changes; what
 * depends on constants only is left to itself, since it runs once.
 *
 * Siblings, calls that do not depend on one another such as the heads of a detector, are one dispatch whose workgroups are
 * dealt out to them (backend/wgsl/waves.ts). Short calls that follow each other are run by one workgroup, one after the
 * other (the step `sequence`), which takes less than a dispatch for each.
 */
import { elementCount } from "../ir/dtype.ts";
import { axis, loadTyped, type Expr } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import type { Axis, Block, Buffer } from "../ir/kernel.ts";
import { rootsOf, type Call, type KernelCall, type ProgramValue } from "../ir/program.ts";
import { rewrite } from "../ir/walk.ts";
import { nanosecondsOf } from "./time.ts";

/** Buffers of a joined kernel: more have to share bindings. */
const MOST_BUFFERS = 12;
/** Siblings in one kernel, and how far ahead they are looked for. */
const MOST_SIBLINGS = 12;
const AHEAD = 64;
/** Results below which an invocation each does not fill a device: such reductions have workgroups of their own. */
const FEW_POINTS = 2048;

type Values = ReadonlyMap<ValueId, ProgramValue>;

/**
 * Joins calls that may run at the same time.
 *
 * @param fixed values that do not depend on inputs; what calls add to it is added
 */
export function joinSiblings(calls: readonly Call[], values: Values, fixed: Set<ValueId>): Call[] {
  const rootOf = rootsOf(values);
  const constant = calls.filter((call) => {
    const isFixed = call.inputs.every((id) => id === "" || fixed.has(id));
    if (isFixed) for (const id of call.outputs) fixed.add(id);
    return isFixed;
  });
  const atLoad = new Set(constant);
  const varying = calls.filter((call) => !atLoad.has(call));
  const written = new Set(varying.flatMap(({ outputs }) => outputs.map(rootOf)));
  // Part of memory that runs write as well: their order is left alone.
  if (constant.some(({ outputs }) => outputs.some((id) => written.has(rootOf(id))))) return [...calls];
  const uses = new Map(varying.map((call) => [call, usesOf(call, rootOf)]));
  const left = [...varying];
  const result: Call[] = [...constant];
  for (let first = left.shift(); first; first = left.shift()) {
    const group: KernelCall[] = [];
    if (isWide(first)) {
      group.push(first);
      // What stands between, which a sibling has to pass, and must not depend on.
      const passed: Uses[] = [];
      for (let at = 0; at < Math.min(left.length, AHEAD) && group.length < MOST_SIBLINGS;) {
        const call = left[at]!;
        const own = uses.get(call)!;
        const free = isWide(call) && [...group.map((one) => uses.get(one)!), ...passed].every((one) => apart(one, own)); // prettier-ignore
        if (free && canJoin([...group, call], MOST_SIBLINGS * 3)) {
          group.push(call);
          left.splice(at, 1);
        } else {
          passed.push(own);
          at++;
        }
      }
    }
    result.push(group.length > 1 ? joined(group) : first);
  }
  return result;
}

/** Whether each invocation can have results of its own. */
function isWide(call: Call): call is KernelCall {
  if (call.kind !== "kernel") return false;
  return call.kernel.body.every((block) => {
    if (block.kind === "loop") return false;
    const points = elementCount(block.axes.map((a) => a.extent));
    return !block.reduce || points >= FEW_POINTS;
  });
}

interface Uses {
  readonly reads: ReadonlySet<ValueId>;
  readonly writes: ReadonlySet<ValueId>;
}

function usesOf({ inputs, outputs }: Call, rootOf: (id: ValueId) => ValueId): Uses {
  const roots = (ids: readonly ValueId[]): Set<ValueId> => new Set(ids.filter((id) => id !== "").map(rootOf));
  return { reads: roots(inputs), writes: roots(outputs) };
}

function apart(a: Uses, b: Uses): boolean {
  const meet = (one: ReadonlySet<ValueId>, other: ReadonlySet<ValueId>): boolean => [...one].some((id) => other.has(id)); // prettier-ignore
  return !meet(a.writes, b.reads) && !meet(a.reads, b.writes) && !meet(a.writes, b.writes);
}

/**
 * Joins short calls that follow each other.
 *
 * @param fixed values that do not depend on inputs; what calls add to it is added
 * @param most nanoseconds of a joined kernel, in the measure of time.ts
 */
export function joinShort(calls: readonly Call[], values: Values, fixed: Set<ValueId>, most: number): Call[] {
  const result: Call[] = [];
  let waiting: KernelCall[] = [];
  let sum = 0;
  const flush = (): void => {
    const [only] = waiting;
    if (waiting.length === 1) result.push(only!);
    else if (waiting.length > 1) result.push(joined(waiting));
    waiting = [];
    sum = 0;
  };
  for (const call of calls) {
    if (call.inputs.every((id) => id === "" || fixed.has(id))) {
      // Ahead of what waits, which it does not depend on; unless it is part of memory that this works on.
      const roots = new Set(call.outputs.map(rootsOf(values)));
      if (touches(waiting, roots, values)) flush();
      for (const id of call.outputs) fixed.add(id);
      result.push(call);
      continue;
    }
    const time = call.kind === "kernel" ? nanosecondsOf(call.kernel.body) : Infinity;
    if (call.kind !== "kernel" || time > most) {
      flush();
      result.push(call);
      continue;
    }
    if (sum + time > most || !canJoin([...waiting, call])) flush();
    waiting.push(call);
    sum += time;
  }
  flush();
  return result;
}

function touches(calls: readonly KernelCall[], roots: ReadonlySet<ValueId>, values: Values): boolean {
  const rootOf = rootsOf(values);
  return calls.some(({ inputs, outputs }) => [...inputs, ...outputs].some((id) => roots.has(rootOf(id))));
}

/** Whether calls see each value in the same form, and not too many values. */
function canJoin(calls: readonly KernelCall[], most = MOST_BUFFERS): boolean {
  const shapes = new Map<ValueId, string>();
  for (const { kernel, inputs, outputs } of calls) {
    for (const [i, id] of [...inputs, ...outputs].entries()) {
      const { dtype, shape } = kernel.buffers[i]!;
      const form = `${dtype} ${shape.join()}`;
      if ((shapes.get(id) ?? form) !== form) return false;
      shapes.set(id, form);
    }
  }
  return shapes.size <= most;
}

/** Calls as one kernel of all their assignments. */
export function joined(calls: readonly KernelCall[]): KernelCall {
  const made = new Set(calls.flatMap(({ outputs }) => outputs));
  const inputs = [...new Set(calls.flatMap((call) => call.inputs))].filter((id) => !made.has(id));
  const outputs = [...made];
  const numbers = new Map([...inputs, ...outputs].map((id, i) => [id, i]));
  const shared = new Map<number, Buffer>();
  const temps: Buffer[] = [];
  const body: Block[] = [];
  calls.forEach((call, n) => {
    const ids = [...call.inputs, ...call.outputs];
    const place = call.kernel.buffers.map((buffer, i) => {
      const id = ids[i];
      if (id === undefined) return numbers.size + temps.push({ ...buffer, name: `${buffer.name}.${n}` }) - 1;
      const number = numbers.get(id)!;
      shared.set(number, { ...buffer, name: `b${number}`, role: made.has(id) ? "out" : "in" });
      return number;
    });
    const moved = (axes: readonly Axis[]): Axis[] => axes.map(({ name, extent }) => ({ name: `${name}.${n}`, extent })); // prettier-ignore
    const memo = new Map<Expr, Expr>();
    const change = (e: Expr): Expr =>
      rewrite(
        e,
        (x) => {
          if (x.kind === "axis") return axis(`${x.name}.${n}`, x.extent);
          return x.kind === "load" ? loadTyped(place[x.buffer]!, x.type, x.index, x.pad) : undefined;
        },
        memo,
      );
    const walk = (blocks: readonly Block[]): Block[] =>
      blocks.map((block) => {
        if (block.kind === "loop") return { ...block, axis: moved([block.axis])[0]!, body: walk(block.body) };
        const { reduce } = block;
        return {
          ...block,
          axes: moved(block.axes),
          out: place[block.out]!,
          index: block.index.map(change),
          value: change(block.value),
          ...(reduce ? { reduce: { ...reduce, axes: moved(reduce.axes), body: change(reduce.body) } } : {}),
        };
      });
    body.push(...walk(call.kernel.body));
  });
  const buffers = [...shared].toSorted(([a], [b]) => a - b).map(([, buffer]) => buffer);
  const names = [...new Set(calls.map(({ kernel }) => kernel.name))];
  return {
    kind: "kernel",
    nodes: calls.flatMap(({ nodes }) => nodes),
    kernel: { name: names.join("+"), buffers: [...buffers, ...temps], body },
    inputs,
    outputs,
  };
}
