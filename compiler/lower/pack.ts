/**
 * Operands in panels. In: a kernel and one of its input buffers. Out: the kernel reading a packed copy instead, and
 * the kernel that makes the copy. Invariant: for every point the same element is read; in the packed buffer, the
 * panel of the vector axis is innermost and the reduced axes follow in loop order, so that the inner loop reads it
 * from end to end. The copy is an ordinary kernel: at load time for weights, before the call for activations.
 */
import { InternalError } from "../diagnostic.ts";
import { add, floordiv, floormod, int, loadTyped, min, mul, type Expr, type LoadExpr } from "../ir/expr.ts";
import { axesOf, rewrite, some, substituteAxes, visit } from "../ir/walk.ts";
import {
  assignments,
  coordinate,
  mapAssigns,
  type Assign,
  type Axis,
  type Buffer,
  type Kernel,
} from "../ir/kernel.ts";

export interface Packed {
  readonly kernel: Kernel;
  /** Reads buffer 0 (the original), writes buffer 1 (the panels). */
  readonly packer: Kernel;
  /** The panels are a further input, the last one, because another assignment still reads the original. */
  readonly added: boolean;
}

/** The only load of `buffer` in an assignment, when there is exactly one and it has no guard of its own. */
export function soleLoad(assign: Assign, buffer: number): LoadExpr | undefined {
  const found = new Set<LoadExpr>();
  for (const e of [assign.value, ...(assign.reduce ? [assign.reduce.body] : [])]) {
    visit(e, (x) => {
      if (x.kind === "load" && x.buffer === buffer) found.add(x);
    });
  }
  const [only] = found;
  return found.size === 1 ? only : undefined;
}

export function packOperand(
  kernel: Kernel,
  assign: Assign,
  buffer: number,
  axis: string,
  by: number,
): Packed {
  const load = soleLoad(assign, buffer);
  if (!load) throw new InternalError(`buffer ${buffer} is not read by exactly one load`);
  for (const e of load.index) {
    visit(e, (x) => {
      if (x.kind === "load")
        throw new InternalError(`buffer ${buffer} is read where buffer ${x.buffer} says`);
    });
  }
  const used = axesOf(load);
  // The load may also move with loops around the assignment, blocks of rows say.
  const around = assignments(kernel).find((found) => found.assign === assign)?.loops ?? [];
  const spatial = [...around.map((loop) => loop.axis), ...assign.axes].filter(
    (a) => used.has(a.name) && a.name !== axis,
  );
  const reduced = (assign.reduce?.axes ?? []).filter((a) => used.has(a.name) && a.name !== axis);
  const vector = [...assign.axes, ...(assign.reduce?.axes ?? [])].find((a) => a.name === axis);
  if (!vector) throw new InternalError(`no axis ${axis} to pack by`);
  const panel: Axis = { name: `${axis}.panel`, extent: Math.ceil(vector.extent / by) };
  const lane: Axis = { name: `${axis}.lane`, extent: by };
  // A panel along the reduction itself follows the other reduced axes, as its loop does.
  const along = (assign.reduce?.axes ?? []).some((a) => a.name === axis);
  const middle = along ? [...reduced, panel] : [panel, ...reduced];
  const axes = [...spatial, ...middle, lane];
  const original = kernel.buffers[buffer]!;
  const packedBuffer: Buffer = {
    name: original.name,
    dtype: original.dtype,
    shape: axes.map((a) => a.extent),
    role: "in",
  };

  const position = add(mul(coordinate(panel), int(by)), coordinate(lane));
  const whole = vector.extent % by === 0;
  // A load that finds its padding in a border has none of its own: zeros must not take the place of that border.
  const isBordered = load.pad === undefined && !Object.is(original.layout?.halo?.value ?? 0, 0);
  const place = whole || !isBordered ? position : min(position, int(vector.extent - 1));
  const index = load.index.map((e) => substituteAxes(e, new Map([[axis, place]])));
  const source = loadTyped(0, load.type, index, whole || isBordered ? load.pad : (load.pad ?? 0));
  const packer: Kernel = {
    name: `pack ${original.name}`,
    buffers: [
      { ...original, name: "in0", role: "in" },
      { ...packedBuffer, name: "out0", role: "out" },
    ],
    body: [{ kind: "assign", axes, out: 1, index: axes.map(coordinate), value: source }],
  };

  const at = coordinate(vector);
  const part = (a: Axis): Expr => (a === panel ? floordiv(at, by) : coordinate(a));
  const packedIndex = [...spatial.map(coordinate), ...middle.map(part), floormod(at, by)];
  const inputs = kernel.buffers.filter((b) => b.role === "in").length;
  const added = assignments(kernel).some((other) => other.assign !== assign && loads(other.assign, buffer));
  const target = added ? inputs : buffer;
  const memo = new Map<Expr, Expr>();
  const shift = (number: number): number => (added && number >= inputs ? number + 1 : number);
  const renumbered = (e: Expr): Expr =>
    rewrite(
      e,
      (x) => (x.kind === "load" && added ? loadTyped(shift(x.buffer), x.type, x.index, x.pad) : undefined),
      memo,
    );
  const replacement = loadTyped(target, load.type, packedIndex);
  const change = (a: Assign, e: Expr): Expr => {
    if (a !== assign) return renumbered(e);
    // The load itself goes first: renumbering could make another one look like it.
    const parts = rewrite(e, (x) => (x === load ? loadTyped(HOLE, load.type, []) : undefined));
    return rewrite(renumbered(parts), (x) =>
      x.kind === "load" && x.buffer === HOLE ? replacement : undefined,
    );
  };
  const body = mapAssigns(kernel.body, (a) => ({
    ...a,
    out: shift(a.out),
    index: a.index.map((e) => change(a, e)),
    value: change(a, a.value),
    ...(a.reduce ? { reduce: { ...a.reduce, body: change(a, a.reduce.body) } } : {}),
  }));
  const buffers = added
    ? [...kernel.buffers.slice(0, inputs), packedBuffer, ...kernel.buffers.slice(inputs)]
    : kernel.buffers.map((b, i) => (i === buffer ? packedBuffer : b));
  return { kernel: { ...kernel, buffers, body }, packer, added };
}

/** Stands for the packed operand while buffers are renumbered. */
const HOLE = -1;

function loads(assign: Assign, buffer: number): boolean {
  return [assign.value, ...assign.index, ...(assign.reduce ? [assign.reduce.body] : [])].some((e) =>
    some(e, (x) => x.kind === "load" && x.buffer === buffer),
  );
}
