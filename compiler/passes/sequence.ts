/**
 * Short kernels that follow each other, as one kernel of several assignments. In: calls of a GPU in the order of a run, and
 * how long one call may be. Out: the same, with neighbours joined. Invariant: assignments stand in the order of their calls
 * and see what those before have stored, so no value changes; what depends on constants only is left to itself, since it
 * runs once. A device runs the assignments of such a kernel one after the other in one workgroup (the schedule says so),
 * which takes less than a dispatch for each.
 */
import { axis, loadTyped, type Expr } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import type { Axis, Block, Buffer } from "../ir/kernel.ts";
import type { Call, KernelCall, ProgramValue } from "../ir/program.ts";
import { rewrite } from "../ir/walk.ts";
import { nanosecondsOf } from "./time.ts";

/** Buffers of a joined kernel: more have to share bindings. */
const MOST_BUFFERS = 12;

/**
 * @param fixed values that do not depend on inputs; what calls add to it is added
 * @param most nanoseconds of a joined kernel, in the measure of time.ts
 */
export function joinShort(
  calls: readonly Call[],
  values: ReadonlyMap<ValueId, ProgramValue>,
  fixed: Set<ValueId>,
  most: number,
): Call[] {
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
      const roots = new Set(call.outputs.map((id) => values.get(id)?.storage ?? id));
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

function touches(
  calls: readonly KernelCall[],
  roots: ReadonlySet<ValueId>,
  values: ReadonlyMap<ValueId, ProgramValue>,
): boolean {
  return calls.some(({ inputs, outputs }) =>
    [...inputs, ...outputs].some((id) => roots.has(values.get(id)?.storage ?? id)),
  );
}

/** Whether calls see each value in the same form, and not too many values. */
function canJoin(calls: readonly KernelCall[]): boolean {
  const shapes = new Map<ValueId, string>();
  for (const { kernel, inputs, outputs } of calls) {
    for (const [i, id] of [...inputs, ...outputs].entries()) {
      const { dtype, shape } = kernel.buffers[i]!;
      const form = `${dtype} ${shape.join()}`;
      if ((shapes.get(id) ?? form) !== form) return false;
      shapes.set(id, form);
    }
  }
  return shapes.size <= MOST_BUFFERS;
}

function joined(calls: readonly KernelCall[]): KernelCall {
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
