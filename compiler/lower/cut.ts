/**
 * Reductions in parts. In: a kernel and an axis that one of its assignments reduces over. Out: the kernel with two
 * assignments in place of that one: the first makes the reduction of each part and stores it, the second joins the parts
 * and does what follows. Invariant: the same terms are joined, in another order that does not depend on the device.
 */
import { InternalError } from "../diagnostic.ts";
import { holdingType } from "../ir/dtype.ts";
import { acc, add, int, load, mul, type Expr } from "../ir/expr.ts";
import { coordinate, type Assign, type Axis, type Buffer, type Kernel } from "../ir/kernel.ts";
import type { Schedule, Step } from "../ir/schedule.ts";
import { substituteAxes } from "../ir/walk.ts";

/** Takes the steps of a schedule that change what a kernel's assignments are; the others name axes of the result. */
export function takeCuts(kernel: Kernel, schedule: Schedule): Kernel {
  return schedule.reduce((taken, step) => (step.kind === "cut" ? cutReduction(taken, step) : taken), kernel);
}

/** Axes of the parts, and of the points in each, that a step makes. */
function cutNames(axis: string): { readonly part: string; readonly rest: string } {
  return { part: `${axis}.p`, rest: `${axis}.r` };
}

/** The name that an axis has where parts are joined. */
function joinedName(axis: string): string {
  return `${axis}.s`;
}

function cutReduction(kernel: Kernel, { axis: name, by }: Step & { kind: "cut" }): Kernel {
  const at = kernel.body.findIndex((b) => b.kind === "assign" && b.reduce?.axes.some((a) => a.name === name));
  const assign = kernel.body[at] as Assign | undefined;
  const reduced = assign?.reduce?.axes.find((a) => a.name === name);
  if (!assign?.reduce || !reduced) throw new InternalError(`cut of ${name}, which no assignment reduces`);
  const { op, body, axes } = assign.reduce;
  const dtype = holdingType(body.type);
  if (reduced.extent % by !== 0 || dtype === undefined)
    throw new InternalError(`cut of ${name}, ${reduced.extent} long, by ${by}: ${op} of ${body.type}`);
  const names = cutNames(name);
  const part: Axis = { name: names.part, extent: reduced.extent / by };
  const rest: Axis = { name: names.rest, extent: by };
  const parts: Buffer = {
    name: `parts${kernel.buffers.length}`,
    role: "temp",
    dtype,
    shape: [part, ...assign.axes].map((a) => a.extent),
  };
  const position = add(mul(coordinate(part), int(by)), coordinate(rest));
  const first: Assign = {
    kind: "assign",
    axes: [part, ...assign.axes],
    reduce: {
      op,
      axes: axes.map((a) => (a === reduced ? rest : a)),
      body: substituteAxes(body, new Map([[name, position]])),
    },
    value: acc(body.type),
    out: kernel.buffers.length,
    index: [part, ...assign.axes].map(coordinate),
  };
  const joined = (a: Axis): Axis => ({ name: joinedName(a.name), extent: a.extent });
  const own = new Map<string, Expr>(assign.axes.map((a) => [a.name, coordinate(joined(a))]));
  const moved = (e: Expr): Expr => substituteAxes(e, own);
  const second: Assign = {
    ...assign,
    axes: assign.axes.map(joined),
    reduce: {
      op,
      axes: [joined(part)],
      body: load(
        kernel.buffers.length,
        dtype,
        [part, ...assign.axes].map((a) => coordinate(joined(a))),
      ),
    },
    value: moved(assign.value),
    index: assign.index.map(moved),
  };
  return {
    ...kernel,
    buffers: [...kernel.buffers, parts],
    body: kernel.body.flatMap((block, i) => (i === at ? [first, second] : [block])),
  };
}
