/**
 * Constants computed ahead. In: expressions of kernels, and which values are constant. Out: the expressions with
 * subexpressions of constants read from values of their own, and those values: small ones as tensors, the others as
 * calls that run once at load. Invariant: neither the artifact nor the program's memory grows by more than a little:
 * a hoisted value is small, or no larger than a constant that it replaces.
 */
import { bytesPerElement, elementCount, holdingType, type DType, type Tensor } from "../ir/dtype.ts";
import { constant, loadTyped, type AxisExpr, type Expr, type LoadExpr } from "../ir/expr.ts";
import { linear } from "../ir/linear.ts";
import { operands, rewrite, visit } from "../ir/walk.ts";
import type { ValueId } from "../ir/graph.ts";
import { coordinate, type Axis, type Buffer, type Kernel } from "../ir/kernel.ts";
import type { KernelCall, ProgramValue } from "../ir/program.ts";
import { evaluateKernel } from "./evaluate.ts";
import { costOf } from "./cost.ts";
import type { ValueNumbers } from "./open.ts";
import { withOperands } from "./operands.ts";

/** Results up to this many elements are computed while compiling. */
const COMPILE_TIME = 16384;
/** Bytes by which a constant may be larger than what it is computed from, in the artifact. */
const GROWTH = 4096;
/** Elements that a hoisted value may have in memory without regard to what it replaces. */
const SMALL = 16384;
/** A function of this cost is worth a load from a larger table. */
const EXPENSIVE = 8;

/** Types whose elements are held as the numbers that they are. */
const plainTypes: ReadonlySet<DType> = new Set<DType>(["float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool"]); // prettier-ignore

interface Hoisted {
  readonly number: number;
  readonly axes: readonly Axis[];
  /** The value itself, where it is one element and known. */
  readonly literal: Expr | undefined;
}

/** Constant values of a program, known or to be computed at load. */
export class Constants {
  readonly tensors = new Map<ValueId, Tensor>();
  readonly values = new Map<ValueId, ProgramValue>();
  private readonly numbers: ValueNumbers;
  private readonly fixedNumbers = new Set<number>();
  private readonly data = new Map<number, Tensor>();
  private readonly users: ReadonlyMap<number, number>;
  private readonly known = new Map<Expr, Hoisted>();
  private readonly uniformMemo = new Map<number, number | bigint | null>();
  private readonly fixedMemo = new Map<Expr, boolean>();
  private pending: KernelCall[] = [];

  /** `users`: how many calls read each value. */
  constructor(numbers: ValueNumbers, users: ReadonlyMap<number, number>) {
    this.numbers = numbers;
    this.users = users;
  }

  /** Tells that a value is constant; with its elements where they are known now. */
  fix(number: number, tensor?: Tensor): void {
    this.fixedNumbers.add(number);
    if (tensor) this.data.set(number, tensor);
  }

  isFixedValue(number: number): boolean {
    return this.fixedNumbers.has(number);
  }

  /** Whether an expression depends on nothing but coordinates and constants. */
  readonly fixed = (e: Expr): boolean => {
    const known = this.fixedMemo.get(e);
    if (known !== undefined) return known;
    const own = e.kind === "load" ? this.fixedNumbers.has(e.buffer) : e.kind !== "acc";
    const result = own && operands(e).every(this.fixed);
    this.fixedMemo.set(e, result);
    return result;
  };

  /** Whether a constant expression costs nothing where it is used `points` times: see {@link hoist}. */
  isFree(e: Expr, points: number): boolean {
    if (e.kind === "const" || (e.kind === "load" && this.fixed(e))) return true;
    return this.fixed(e) && this.fits(e, points);
  }

  /** Elements of the value that `e` would become. */
  sizeOf(e: Expr): number {
    return elementCount(axesUnder(e).map((a) => a.extent));
  }

  /** Whether `e` becomes part of the artifact rather than a call at load. */
  knownNow(e: Expr): boolean {
    if (this.sizeOf(e) > COMPILE_TIME) return false;
    const loads = [...loadsUnder(e)];
    if (!loads.every((n) => this.data.has(n))) return false;
    const replaced = loads
      .filter((n) => (this.users.get(n) ?? 0) <= 1)
      .reduce((sum, n) => sum + this.bytes(n), 0);
    return this.sizeOf(e) * bytesPerElement(holdingType(e.type)!) <= replaced + GROWTH;
  }

  /** The number that a load gives wherever it reads, when it reads a constant of equal elements. */
  readonly uniform = (e: Expr): Expr | undefined => {
    if (e.kind !== "load") return undefined;
    const tensor = this.data.get(e.buffer);
    if (!tensor || !plainTypes.has(tensor.dtype)) return undefined;
    let value = this.uniformMemo.get(e.buffer);
    if (value === undefined) this.uniformMemo.set(e.buffer, (value = uniformValue(tensor) ?? null));
    if (value === null || (e.pad !== undefined && Number(value) !== e.pad)) return undefined;
    return constant(e.type, value);
  };

  private bytes(number: number): number {
    const { dtype, shape } = this.numbers.at(number);
    return elementCount(shape) * bytesPerElement(dtype);
  }

  private fits(e: Expr, points: number): boolean {
    const dtype = holdingType(e.type);
    const size = this.sizeOf(e);
    if (!dtype || size === 0) return false;
    const largest = Math.max(0, ...[...loadsUnder(e)].map((n) => this.bytes(n)));
    if (size * bytesPerElement(dtype) <= largest) return true;
    const expensive = costOf(e) >= EXPENSIVE;
    return size <= SMALL ? expensive || size * 4 <= points : expensive && size * 16 <= points;
  }

  private worth(e: Expr): boolean {
    const cost = costOf(e);
    if (cost === 0) return false;
    return cost >= EXPENSIVE || loadsUnder(e).size > 0 || axesUnder(e).length === 0;
  }

  /**
   * Replaces the largest constant subexpressions of `e`, which is evaluated `points` times, by loads of values of
   * their own. `nodes` are the names of the nodes that the kernel computes.
   */
  hoist(e: Expr, points: number, nodes: readonly string[], hit: () => void): Expr {
    const memo = new Map<Expr, Expr>();
    const walk = (x: Expr): Expr => {
      const done = memo.get(x);
      if (done) return done;
      let result: Expr;
      if (x.kind === "load" || x.type === "index") result = x;
      else if (this.fixed(x) && this.worth(x) && this.fits(x, points)) {
        hit();
        result = this.read(x, nodes);
      } else result = withOperands(x, walk);
      memo.set(x, result);
      return result;
    };
    return walk(e);
  }

  /** A load of another constant where `like` loads one. */
  given(like: LoadExpr, tensor: Tensor): Expr {
    const id = this.fresh();
    const number = this.numbers.add(id, tensor.dtype, tensor.shape, false);
    this.fix(number, tensor);
    this.values.set(id, { dtype: tensor.dtype, shape: tensor.shape });
    this.tensors.set(id, tensor);
    return loadTyped(number, like.type, like.index);
  }

  private read(e: Expr, nodes: readonly string[]): Expr {
    let found = this.known.get(e);
    if (!found) this.known.set(e, (found = this.made(e, nodes)));
    return found.literal ?? loadTyped(found.number, e.type, found.axes.map(coordinate));
  }

  private made(e: Expr, nodes: readonly string[]): Hoisted {
    const axes = this.axesInOrder(e);
    const dtype = holdingType(e.type)!;
    const shape = axes.map((a) => a.extent);
    const inputs = [...loadsUnder(e)];
    const local = new Map(inputs.map((n, i) => [n, i]));
    const buffers = inputs.map((n, i): Buffer => ({ name: `b${i}`, role: "in", ...this.type(n) }));
    const value = rewrite(e, (x) => (x.kind === "load" ? loadTyped(local.get(x.buffer)!, x.type, x.index, x.pad) : undefined)); // prettier-ignore
    const kernel: Kernel = {
      name: "constant",
      buffers: [...buffers, { name: `b${inputs.length}`, role: "out", dtype, shape }],
      body: [{ kind: "assign", axes, out: inputs.length, index: axes.map(coordinate), value }],
    };
    const now = this.knownNow(e);
    const tensor = now ? evaluateKernel(kernel, inputs.map((n) => this.data.get(n)), [{ dtype, shape }])[0]! : undefined; // prettier-ignore
    if (tensor && axes.length === 0) {
      return { number: -1, axes, literal: constant(e.type, tensor.data[0] as number | bigint) };
    }
    const id = this.fresh();
    const number = this.numbers.add(id, dtype, shape, false);
    this.fix(number, tensor);
    this.values.set(id, { dtype, shape });
    if (tensor) this.tensors.set(id, tensor);
    else this.pending.push({ kind: "kernel", nodes: [`constants of ${nodes[0] ?? ""}`], kernel, inputs: inputs.map((n) => this.numbers.at(n).id), outputs: [id] }); // prettier-ignore
    return { number, axes, literal: undefined };
  }

  /** The calls made since this was last asked; they must stand before the one that is being changed. */
  takeCalls(): KernelCall[] {
    const calls = this.pending;
    this.pending = [];
    return calls;
  }

  private type(number: number): { dtype: DType; shape: readonly number[] } {
    const { dtype, shape } = this.numbers.at(number);
    return { dtype, shape };
  }

  private fresh(): ValueId {
    for (let n = this.values.size; ; n++) {
      const id = `constant:${n}`;
      if (!this.values.has(id) && this.numbers.numberOf(id) === undefined) return id;
    }
  }

  /** Axes of an expression, in the order in which its largest operand lies in memory. */
  private axesInOrder(e: Expr): Axis[] {
    const loads: LoadExpr[] = [];
    visit(e, (x) => x.kind === "load" && loads.push(x));
    const largest = loads.sort((a, b) => this.bytes(b.buffer) - this.bytes(a.buffer))[0];
    const order: string[] = [];
    for (const index of largest?.index ?? []) {
      const terms = [...linear(index).terms].filter(([term]) => term.kind === "axis");
      for (const [term] of terms.sort(([, a], [, b]) => Math.abs(b) - Math.abs(a)))
        order.push((term as AxisExpr).name);
    }
    const rank = (a: Axis): number => (order.includes(a.name) ? order.indexOf(a.name) : -1);
    return axesUnder(e).sort((a, b) => rank(a) - rank(b));
  }
}

/** The element that all others equal, bit for bit. */
function uniformValue({ data }: Tensor): number | bigint | undefined {
  const [first] = data as ArrayLike<number | bigint> & Iterable<number | bigint>;
  for (let i = 1; i < data.length; i++) if (!Object.is(data[i], first)) return undefined;
  return first;
}

function axesUnder(e: Expr): Axis[] {
  const found = new Map<string, Axis>();
  visit(e, (x) => {
    if (x.kind === "axis") found.set(x.name, { name: x.name, extent: x.extent });
  });
  return [...found.values()];
}

function loadsUnder(e: Expr): Set<number> {
  const found = new Set<number>();
  visit(e, (x) => x.kind === "load" && found.add(x.buffer));
  return found;
}
