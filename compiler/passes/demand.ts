/**
 * Elements that nobody reads. In: a Program before layouts. Out: the same, where a value of which all calls together
 * read only a range (a few bins of a spectrum, the middle of a picture that was cut out of it) has that range only, and
 * what makes it computes no more. Invariant: every element that is read is computed as before; outputs of the program,
 * and what a library kernel reads or writes, stay whole.
 */
import { elementCount } from "../ir/dtype.ts";
import { axis, int, loadTyped, sub, add, type Expr } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import { assignments, mapAssign, mapAssigns, type Assign, type Kernel } from "../ir/kernel.ts";
import { linear } from "../ir/linear.ts";
import type { Call, KernelCall, Program, ProgramValue } from "../ir/program.ts";
import { range } from "../ir/range.ts";
import { rewrite, substituteAxes, visit } from "../ir/walk.ts";

/** Share of the elements up to which it pays: a line less of a picture only makes its tiles uneven. */
const MOST_READ = 0.75;

/** First and last index along each dimension. */
type Box = readonly (readonly [first: number, last: number])[];

export function onlyWhatIsRead(program: Program): Program {
  const calls: Call[] = [...program.calls];
  const values = new Map(program.values);
  const whole = new Set<ValueId>(program.outputs.map(({ id }) => id));
  for (const { sizeOf } of values.values()) if (sizeOf !== undefined) whole.add(sizeOf);
  const readers = new Map<ValueId, number[]>();
  calls.forEach((call, at) => {
    if (call.kind === "library") for (const id of [...call.inputs, ...call.outputs]) whole.add(id);
    for (const id of new Set(call.inputs)) readers.set(id, [...(readers.get(id) ?? []), at]);
  });
  // From the last call to the first: what is computed no more reads less.
  for (let at = calls.length - 1; at >= 0; at--) {
    for (const id of calls[at]!.outputs) {
      const users = readers.get(id) ?? [];
      if (whole.has(id) || users.length === 0) continue;
      const { shape, dynamicDim } = values.get(id)!;
      if (dynamicDim !== undefined) continue;
      const box = users.map((user) => boxOf(calls[user] as KernelCall, id, shape)).reduce(around);
      const narrow = box.map(([first, last]) => last - first + 1);
      if (elementCount(narrow) > MOST_READ * elementCount(shape) || elementCount(narrow) < 1) continue;
      const maker = makingOnly(calls[at] as KernelCall, id, shape, box);
      if (!maker) continue;
      calls[at] = maker;
      for (const user of users) calls[user] = readingFrom(calls[user] as KernelCall, id, box);
      values.set(id, { ...values.get(id)!, shape: narrow } satisfies ProgramValue);
    }
  }
  return { ...program, values, calls };
}

/** What a call reads of a value. */
function boxOf({ kernel, inputs }: KernelCall, id: ValueId, shape: readonly number[]): Box {
  const box = shape.map((extent): [number, number] => [extent, -1]);
  const seen = new Set<Expr>();
  const see = (e: Expr): void => {
    if (e.kind !== "load" || inputs[e.buffer] !== id) return;
    e.index.forEach((index, d) => {
      const [first, last] = range(index);
      box[d]![0] = Math.min(box[d]![0], Math.max(0, first));
      box[d]![1] = Math.max(box[d]![1], Math.min(shape[d]! - 1, last));
    });
  };
  for (const { assign } of assignments(kernel)) for (const e of expressionsOf(assign)) visit(e, see, seen);
  return box;
}

function expressionsOf({ value, reduce, index }: Assign): readonly Expr[] {
  return [value, ...(reduce ? [reduce.body] : []), ...index];
}

function around(a: Box, b: Box): Box {
  return a.map(([first, last], d) => [Math.min(first, b[d]![0]), Math.max(last, b[d]![1])]);
}

/** The call that makes this part of one of its outputs; undefined where it may not be taken apart. */
function makingOnly(
  call: KernelCall,
  id: ValueId,
  shape: readonly number[],
  box: Box,
): KernelCall | undefined {
  const { kernel } = call;
  const buffer = call.inputs.length + call.outputs.indexOf(id);
  const moved = new Map<Assign, Assign>();
  for (const { assign } of assignments(kernel)) {
    let readsItself = false;
    for (const e of expressionsOf(assign))
      visit(e, (x) => void (readsItself ||= x.kind === "load" && x.buffer === buffer));
    const part = readsItself ? undefined : assign.out === buffer ? partOf(assign, shape, box) : assign;
    if (!part) return undefined;
    moved.set(assign, part);
  }
  const body = mapAssigns(kernel.body, (assign) => moved.get(assign)!);
  return { ...call, kernel: withShape({ ...kernel, body }, [buffer], box) };
}

/** An assignment to some of its points; undefined where a point is not one coordinate for each dimension. */
function partOf(assign: Assign, shape: readonly number[], box: Box): Assign | undefined {
  const places = new Map<string, Expr>();
  let { axes } = assign;
  for (const [d, [first, last]] of box.entries()) {
    if (first === 0 && last === shape[d]! - 1) continue;
    const { constant, terms } = linear(assign.index[d]!);
    const [[term, step] = [undefined, 0]] = terms;
    const line = terms.size === 1 && term?.kind === "axis" && step === 1 && axes.find((a) => a.name === term.name); // prettier-ignore
    if (!line || places.has(line.name)) return undefined;
    const from = Math.max(0, first - constant);
    const extent = Math.min(line.extent - 1, last - constant) - from + 1;
    if (extent < 1) return undefined;
    axes = axes.map((a) => (a === line ? { ...a, extent } : a));
    places.set(line.name, add(axis(line.name, extent), int(from)));
  }
  const memo = new Map<Expr, Expr>();
  const { index, ...moved } = mapAssign(assign, (e) => substituteAxes(e, places, memo));
  return { ...moved, axes, index: index.map((e, d) => sub(e, int(box[d]![0]))) };
}

/** The same call, of a value of which there is a part only. */
function readingFrom(call: KernelCall, id: ValueId, box: Box): KernelCall {
  const { kernel, inputs } = call;
  const memo = new Map<Expr, Expr>();
  const shifted = (e: Expr): Expr =>
    rewrite(
      e,
      (x) =>
        x.kind === "load" && inputs[x.buffer] === id
          ? loadTyped(
              x.buffer,
              x.type,
              x.index.map((index, d) => sub(index, int(box[d]![0]))),
              x.pad,
            )
          : undefined,
      memo,
    );
  const body = mapAssigns(kernel.body, (assign) => mapAssign(assign, shifted));
  const buffers = inputs.flatMap((input, i) => (input === id ? [i] : []));
  return { ...call, kernel: withShape({ ...kernel, body }, buffers, box) };
}

function withShape(kernel: Kernel, which: readonly number[], box: Box): Kernel {
  const shape = box.map(([first, last]) => last - first + 1);
  return { ...kernel, buffers: kernel.buffers.map((b, i) => (which.includes(i) ? { ...b, shape } : b)) };
}
