/**
 * Kernels whose loads name values of the program instead of buffers of the kernel. In: a Program. Out: the same with
 * every kernel opened, and back. Invariant: a number stands for one value (or temp) over the whole program, so one
 * kernel's expression can be put into another's without renumbering: this is the form in which kernels are fused.
 */
import { binary, cast, constant, loadTyped, select, type Expr } from "../ir/expr.ts";
import { decodeSmallFloat, encodeSmallFloat, isSmallFloat, type SmallFloat } from "../ir/numeric.ts";
import { rewrite, visit } from "../ir/walk.ts";
import type { DType } from "../ir/dtype.ts";
import type { ValueId } from "../ir/graph.ts";
import {
  coordinate,
  mapAssign,
  mapAssigns,
  type Assign,
  type Block,
  type Buffer,
  type Kernel,
} from "../ir/kernel.ts";
import type { Call, LibraryCallSite, ProgramValue } from "../ir/program.ts";

export interface OpenKernel {
  readonly kind: "kernel";
  readonly name: string;
  readonly nodes: readonly string[];
  /** Loads and outs are numbers of the {@link ValueNumbers}. */
  readonly body: readonly Block[];
  readonly outputs: readonly ValueId[];
}

export type OpenCall = OpenKernel | LibraryCallSite;

interface Numbered {
  readonly id: ValueId;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly temp: boolean;
}

/** Values of a program and temps of its kernels by number. */
export class ValueNumbers {
  private readonly entries: Numbered[] = [];
  private readonly byId = new Map<ValueId, number>();

  constructor(values: ReadonlyMap<ValueId, ProgramValue>) {
    for (const [id, { dtype, shape }] of values) this.add(id, dtype, shape, false);
  }
  add(id: ValueId, dtype: DType, shape: readonly number[], temp: boolean): number {
    this.entries.push({ id, dtype, shape, temp });
    this.byId.set(id, this.entries.length - 1);
    return this.entries.length - 1;
  }
  numberOf(id: ValueId): number {
    return this.byId.get(id)!;
  }
  at(number: number): Numbered {
    return this.entries[number]!;
  }
}

/** Rebuilds all expressions of a body. */
export function mapBody(body: readonly Block[], change: (e: Expr) => Expr): Block[] {
  return mapAssigns(body, (assign) => mapAssign(assign, change));
}

let tempCounter = 0;

export function openCall(call: Call, numbers: ValueNumbers): OpenCall {
  if (call.kind === "library") return call;
  const ids = [...call.inputs, ...call.outputs];
  const global = call.kernel.buffers.map((buffer, i) =>
    i < ids.length
      ? numbers.numberOf(ids[i]!)
      : numbers.add(`temp${tempCounter++}`, buffer.dtype, buffer.shape, true),
  );
  const memo = new Map<Expr, Expr>();
  const renumber = (e: Expr): Expr =>
    rewrite(
      e,
      (x) => (x.kind === "load" ? loadTyped(global[x.buffer]!, x.type, x.index, x.pad) : undefined),
      memo,
    );
  const body = mapAssigns(call.kernel.body, (a) => ({ ...mapAssign(a, renumber), out: global[a.out]! }));
  return { kind: "kernel", name: call.kernel.name, nodes: call.nodes, body, outputs: call.outputs };
}

/** Numbers that a body loads from. */
export function loadedBy(body: readonly Block[]): Set<number> {
  const found = new Set<number>();
  const seen = new Set<Expr>();
  const see = (x: Expr): void => {
    if (x.kind === "load") found.add(x.buffer);
  };
  eachAssign(body, ({ value, index, reduce }) => {
    visit(value, see, seen);
    for (const e of index) visit(e, see, seen);
    if (reduce) visit(reduce.body, see, seen);
  });
  return found;
}

function eachAssign(body: readonly Block[], see: (assign: Assign) => void): void {
  for (const block of body) {
    if (block.kind === "assign") see(block);
    else eachAssign(block.body, see);
  }
}

/** Values that a call reads. */
export function inputsOf(call: OpenCall, numbers: ValueNumbers): ValueId[] {
  if (call.kind === "library") return [...new Set(call.inputs.filter((id) => id !== ""))];
  return inputsAmong(loadedBy(call.body), call.outputs, numbers);
}

/** Of the numbers that a body loads from, those that are neither its temps nor its own outputs. */
function inputsAmong(
  loaded: Iterable<number>,
  outputs: readonly ValueId[],
  numbers: ValueNumbers,
): ValueId[] {
  const own = new Set(outputs);
  return [...loaded].map((n) => numbers.at(n)).filter((v) => !v.temp && !own.has(v.id)).map((v) => v.id); // prettier-ignore
}

export function closeCall(call: OpenCall, numbers: ValueNumbers): Call {
  if (call.kind === "library") return call;
  const used = loadedBy(call.body);
  const inputs = inputsAmong(used, call.outputs, numbers);
  eachAssign(call.body, ({ out }) => used.add(out));
  const temps = [...used].filter((n) => numbers.at(n).temp);
  const order = [
    ...inputs.map((id) => numbers.numberOf(id)),
    ...call.outputs.map((id) => numbers.numberOf(id)),
    ...temps,
  ];
  const local = new Map(order.map((n, i) => [n, i]));
  const buffers = order.map((n, i): Buffer => {
    const { dtype, shape, temp } = numbers.at(n);
    return { name: `b${i}`, dtype, shape, role: temp ? "temp" : i < inputs.length ? "in" : "out" };
  });
  const memo = new Map<Expr, Expr>();
  const renumber = (e: Expr): Expr =>
    rewrite(
      e,
      (x) => (x.kind === "load" ? loadTyped(local.get(x.buffer)!, x.type, x.index, x.pad) : undefined),
      memo,
    );
  const body = mapAssigns(call.body, (a) => ({ ...mapAssign(a, renumber), out: local.get(a.out)! }));
  const kernel: Kernel = { name: call.name, buffers, body };
  return { kind: "kernel", nodes: call.nodes, kernel, inputs, outputs: call.outputs };
}

/** The only assignment of a call without loops. */
export function soleAssign(call: OpenCall): Assign | undefined {
  if (call.kind !== "kernel" || call.body.length !== 1) return undefined;
  const [block] = call.body;
  return block?.kind === "assign" ? block : undefined;
}

/** The assignment of a call that computes each element of its one output by coordinates, without reduction. */
export function mapAssignment(call: OpenCall): Assign | undefined {
  const assign = soleAssign(call);
  return assign && !assign.reduce && isIdentityIndex(assign) ? assign : undefined;
}

/** Whether an assignment stores at exactly the coordinates of its axes, in order. */
export function isIdentityIndex(assign: Assign): boolean {
  let next = 0;
  for (const e of assign.index) {
    if (e.kind === "const" && e.value === 0) continue;
    while (next < assign.axes.length && assign.axes[next]!.extent === 1) next++;
    const a = assign.axes[next++];
    if (!a || e !== coordinate(a)) return false;
  }
  return assign.axes.slice(next).every((a) => a.extent === 1);
}

/** What a load of the stored value gives: the value converted to the buffer's dtype and back. */
export function asStored(value: Expr, dtype: DType): Expr {
  const stored = cast(value, dtype);
  const isCast = value.kind === "cast" && value.to === dtype;
  if (isCast || !isSmallFloat(dtype) || !dtype.startsWith("float8")) return stored;
  // A cast saturates, storing does not.
  const { last, past } = endOf(dtype);
  const x = cast(value, "float32");
  const f32 = (number: number): Expr => constant("f32", number);
  const below = select(binary("lt", x, f32(-last)), f32(-past), stored);
  return select(binary("gt", x, f32(last)), f32(past), below);
}

/** The last float that rounds to a finite number of the type, and what becomes of greater ones. */
function endOf(dtype: SmallFloat): { readonly last: number; readonly past: number } {
  const stored = (value: number): number => decodeSmallFloat(dtype, encodeSmallFloat(dtype, value, false));
  let [last, beyond] = [1, 2 ** 20];
  for (
    let middle = Math.fround((last + beyond) / 2);
    middle > last && middle < beyond;
    middle = Math.fround((last + beyond) / 2)
  ) {
    // prettier-ignore
    if (Number.isFinite(stored(middle))) last = middle;
    else beyond = middle;
  }
  return { last, past: stored(beyond) };
}
