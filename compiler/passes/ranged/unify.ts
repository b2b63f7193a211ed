/**
 * What kernels for several sizes have in common (anti-unification: Plotkin, 1970). In: one kernel as it is for some
 * values of a number n. Out: a kernel with room for the largest, which loads n and computes the same for each of them.
 * Invariant: within the sizes that n gives, every element is what the kernel for that n computes; beyond them,
 * anything that can be read without harm. So what is summed up along an axis that n bounds is masked, or multiplied by
 * zeros, and so is what a padded load finds beyond the end.
 */
import type { LinearSize } from "../../../runtime/binder.ts";
import { acc, add, and, axis, binary, bitcast, cast, constant, int, le, load, loadTyped, lt, max, min, mul, select, sub, TRUE, unary, type BitsType, type ConstExpr, type Expr, type LoadExpr } from "../../ir/expr.ts"; // prettier-ignore
import { holdingType } from "../../ir/dtype.ts";
import { assignments, coordinate, identityOf, mapAssign, mapAssigns, type Assign, type Axis, type Block, type Buffer, type Kernel, type Loop, type Reduction } from "../../ir/kernel.ts"; // prettier-ignore
import { linear } from "../../ir/linear.ts";
import { range } from "../../ir/range.ts";
import { rewrite, some, substituteAxes, visit } from "../../ir/walk.ts";
import { across, mostAlike, renewed, same } from "./alike.ts";
import { inBounds } from "./bounds.ts";
import { isSame, lineThrough, mostOf, sizeAt, NotRanged, shapeThrough, sizeThrough, type LinearShape, type Samples } from "./size.ts"; // prettier-ignore

/** A kernel for a range of sizes. */
export interface RangedKernel {
  readonly kernel: Kernel;
  /** Whether n is its last input. */
  readonly takesSize: boolean;
  /** What its inputs must hold beyond their ends for it to be right: zeros, along these dimensions. */
  readonly zeros: readonly Zeros[];
}

/** A dimension of an input beyond whose end zeros must lie. */
export interface Zeros {
  readonly input: number;
  readonly dim: number;
}

/**
 * @param zeroed dimensions of outputs beyond whose ends zeros are asked for, by output
 * @throws NotRanged
 */
export function unifyKernels(
  samples: Samples,
  kernels: readonly Kernel[],
  zeroed: ReadonlyMap<number, ReadonlySet<number>> = new Map(),
): RangedKernel {
  // Whether n is among the inputs decides how buffers are numbered, and shows only when all has been looked at.
  const without = new Unifier(samples, kernels, false, zeroed);
  const kernel = without.kernel();
  if (!without.needsSize) return { kernel, takesSize: false, zeros: without.zeros };
  const sized = new Unifier(samples, kernels, true, zeroed);
  return { kernel: sized.kernel(), takesSize: true, zeros: sized.zeros };
}

const SIZE = "size";
/** Fewer samples say too little of the others. */
const LEAST_ALIKE = 3;

class Unifier {
  needsSize = false;
  readonly zeros: Zeros[] = [];
  private readonly samples: Samples;
  private readonly kernels: readonly Kernel[];
  private readonly zeroed: ReadonlyMap<number, ReadonlySet<number>>;
  private readonly inputs: number;
  /** How much further outputs and temps are numbered. */
  private readonly shift: 0 | 1;
  /** Shapes of the buffers, as the kernels number them. */
  private readonly shapes: readonly LinearShape[];
  /** Values of n, one for each of the expressions that are looked at together. */
  private at: readonly number[];
  private readonly axes = new Map<string, LinearSize>();
  private readonly known = new Map<Expr, { readonly es: readonly Expr[]; readonly e: Expr }[]>();

  constructor(
    samples: Samples,
    kernels: readonly Kernel[],
    sized: boolean,
    zeroed: ReadonlyMap<number, ReadonlySet<number>>,
  ) {
    this.samples = samples;
    this.at = samples.at;
    this.kernels = kernels;
    this.zeroed = zeroed;
    this.shift = sized ? 1 : 0;
    const [{ buffers }] = kernels as [Kernel];
    this.inputs = buffers.filter(({ role }) => role === "in").length;
    same(kernels.map((kernel) => kernel.buffers.map(({ dtype, role }) => `${dtype} ${role}`).join()));
    this.shapes = buffers.map((_, b) => shapeThrough(samples, kernels.map((kernel) => kernel.buffers[b]!.shape))); // prettier-ignore
  }

  kernel(): Kernel {
    const [{ name, buffers }] = this.kernels as [Kernel];
    const roomy = buffers.map((buffer, b): Buffer => ({ ...buffer, shape: this.room(this.shapes[b]!) }));
    if (this.shift)
      roomy.splice(this.inputs, 0, { name: nameBeside(buffers), dtype: "int32", shape: [1], role: "in" });
    const blocks = this.gathered(this.blocks(this.kernels.map((kernel) => kernel.body)));
    // Without n where it is needed, this was only to find out that it is.
    if (this.shift === 1 || !this.needsSize)
      for (const { assign, loops } of assignments({ body: blocks })) this.checkStore(assign, loops);
    return { name, buffers: roomy, body: inBounds(blocks, roomy) };
  }

  private room(shape: LinearShape): number[] {
    return shape.map((size) => mostOf(size, this.samples.range));
  }

  // -------------------------------------------------------------------------------------------------------------
  // Sizes as expressions

  private n(): Expr {
    this.needsSize = true;
    const { low, high } = this.samples.range;
    const told = cast(load(this.inputs, "int32", [int(0)]), "index");
    return min(max(told, int(low)), int(high));
  }

  private size({ slope, offset }: LinearSize): Expr {
    return slope === 0 ? int(offset) : add(mul(this.n(), int(slope)), int(offset));
  }

  private numbered(buffer: number): number {
    return buffer < this.inputs ? buffer : buffer + this.shift;
  }

  // -------------------------------------------------------------------------------------------------------------
  // Blocks

  private blocks(bodies: readonly (readonly Block[])[]): Block[] {
    return across(bodies).map((blocks) => {
      same(blocks.map(({ kind }) => kind));
      return blocks[0]!.kind === "loop" ? this.loop(blocks as Loop[]) : this.assign(blocks as Assign[]);
    });
  }

  private loop(loops: readonly Loop[]): Loop {
    const [{ carried }] = loops as [Loop];
    const [line, axis] = this.axis(loops.map((loop) => loop.axis));
    const body = this.blocks(loops.map((loop) => loop.body));
    const stops = carried && line.slope !== 0;
    return { kind: "loop", axis, carried, body: stops ? this.stopped(body, loops[0]!, line, axis) : body };
  }

  /**
   * The body of a loop one step after the other, of which there are as many as n says: in the steps after the last, what
   * is seen when the loop is over stays as it is, and nothing else matters then. Where steps go from the end of a buffer
   * to its start, those that there are not come first, and what they could leave for the others stays as it is, too.
   */
  private stopped(body: readonly Block[], loop: Loop, line: LinearSize, axis: Axis): Block[] {
    const step = coordinate(axis);
    const along = (e: Expr): number => linear(e).terms.get(step) ?? 0;
    const isBackwards = assignments({ body }).some(({ assign }) => assign.index.some((e) => along(e) < 0));
    const missing = (): Expr => sub(int(axis.extent), this.size(line));
    const isThere = (): Expr => (isBackwards ? le(missing(), step) : lt(step, this.size(line)));
    const memo = new Map<Expr, Expr>();
    const shifted = (e: Expr): Expr => substituteAxes(e, new Map([[axis.name, sub(step, missing())]]), memo);
    // Where a step that is not there stores first: beyond this size.
    const past = isBackwards ? line.offset + 1 - axis.extent : line.offset;
    const isBeyond = ({ index }: Assign, shape: LinearShape): boolean =>
      index.some((e, d) => {
        const { constant, terms } = linear(e);
        const isAlong = terms.size === 1 && along(e) === (isBackwards ? -1 : 1);
        return isAlong && line.slope === shape[d]!.slope && constant + past >= shape[d]!.offset;
      });
    const { buffers } = this.kernels[0]!;
    const seen = this.usedOutside(loop, isBackwards);
    return mapAssigns(body, (moving) => {
      const assign = isBackwards ? mapAssign(moving, shifted) : moving;
      const { out, index, value } = assign;
      const buffer = out - this.shift;
      const { role, dtype } = buffers[buffer]!;
      if ((role !== "out" && !seen.has(buffer)) || isBeyond(assign, this.shapes[buffer]!)) return assign;
      return { ...assign, value: select(isThere(), value, load(out, dtype, index)) };
    });
  }

  /** Buffers that are read, or also those that are written, elsewhere than in this loop. */
  private usedOutside(loop: Loop, orWritten: boolean): ReadonlySet<number> {
    const found = new Set<number>();
    for (const { assign, loops } of assignments(this.kernels[0]!)) {
      if (loops.includes(loop)) continue;
      if (orWritten) found.add(assign.out);
      for (const e of [assign.value, ...assign.index, ...(assign.reduce ? [assign.reduce.body] : [])])
        visit(e, (x) => {
          if (x.kind === "load") found.add(x.buffer);
        });
    }
    return found;
  }

  private axis(axes: readonly Axis[]): [LinearSize, Axis] {
    const { name } = axes[0]!;
    same(axes.map((axis) => axis.name));
    const line = sizeThrough(this.samples, axes.map(({ extent }) => extent)); // prettier-ignore
    this.axes.set(name, line);
    return [line, { name, extent: mostOf(line, this.samples.range) }];
  }

  private assign(assigns: readonly Assign[]): Assign {
    const [{ out }] = assigns as [Assign];
    same(assigns.map((assign) => `${assign.out} ${assign.reduce?.op ?? ""}`));
    const axes = across(assigns.map((assign) => assign.axes)).map((each) => this.axis(each)[1]);
    const reduce = assigns[0]!.reduce && this.reduction(assigns.map((assign) => assign.reduce!));
    const index = across(assigns.map((assign) => assign.index)).map((each) => this.expr(each));
    const value = this.expr(assigns.map((assign) => assign.value));
    return {
      kind: "assign",
      axes,
      ...(reduce ? { reduce } : {}),
      value: this.zeroedBeyond(out, index, value),
      out: this.numbered(out),
      index,
    };
  }

  /** Zero where another kernel relies on zeros. */
  private zeroedBeyond(out: number, index: readonly Expr[], value: Expr): Expr {
    const shape = this.shapes[out]!;
    const dims = [...(this.zeroed.get(out - this.inputs) ?? [])].filter((d) => shape[d]!.slope !== 0);
    const inside = dims.map((d) => lt(index[d]!, this.size(shape[d]!)));
    return inside.length > 0
      ? select(inside.reduce(and), value, constant(value.type, identityOf("sum", value.type)))
      : value;
  }

  private reduction(reductions: readonly Reduction[]): Reduction {
    const [{ op }] = reductions as [Reduction];
    const lines = across(reductions.map(({ axes }) => axes)).map((each) => this.axis(each));
    const body = this.expr(reductions.map((reduction) => reduction.body));
    const axes = lines.map(([, axis]) => axis);
    const bounded = lines.filter(([{ slope }]) => slope !== 0);
    if (bounded.length === 0 || (op === "sum" && this.isProductOfZeros(body, bounded)))
      return { op, axes, body };
    const inside = bounded.map(([line, axis]) => lt(coordinate(axis), this.size(line))).reduce(and);
    return { op, axes, body: select(inside, body, constant(body.type, identityOf(op, body.type))) };
  }

  /**
   * Whether a product has only factors that depend on all these axes by a dimension each. A contraction must stay
   * one, so what it reads beyond the end is zero instead of being masked here.
   */
  private isProductOfZeros(body: Expr, bounded: readonly [LinearSize, Axis][]): boolean {
    if (body.kind !== "binary" || body.op !== "mul") return false;
    const zeros: Zeros[] = [];
    const isZero = (e: Expr): boolean => {
      if (e.kind === "binary" && e.op === "mul") return isZero(e.a) && isZero(e.b);
      if (e.kind !== "load" || e.buffer >= this.inputs || e.pad !== undefined) return false;
      const shape = this.shapes[e.buffer]!;
      return bounded.every(([line, axis]) => {
        const at = coordinate(axis);
        const dim = e.index.indexOf(at);
        if (dim < 0 || !isSame(shape[dim]!, line)) return false;
        zeros.push({ input: e.buffer, dim });
        return true;
      });
    };
    if (!isZero(body)) return false;
    this.zeros.push(...zeros);
    return true;
  }

  // -------------------------------------------------------------------------------------------------------------
  // Expressions

  private expr(es: readonly Expr[]): Expr {
    const [first] = es as [Expr];
    let known = this.known.get(first);
    const found = known?.find(
      (entry) => entry.es.length === es.length && entry.es.every((e, i) => e === es[i]),
    );
    if (found) return found.e;
    const e = first.type === "index" ? this.coordinate(es) : this.unified(es);
    if (!known) this.known.set(first, (known = []));
    known.push({ es, e });
    return e;
  }

  /**
   * Arithmetic of coordinates is simpler for some sizes: a length that is a multiple of a row's, an axis of one step. So
   * where it has no common form, most samples give one, and the others must be what it simplifies to for them.
   */
  private coordinate(es: readonly Expr[]): Expr {
    try {
      return this.unified(es);
    } catch (error) {
      const { at } = this;
      if (!(error instanceof NotRanged) || es.length < at.length) throw error;
      const alike = mostAlike(es);
      if (alike.length < Math.min(LEAST_ALIKE, es.length - 1)) throw error;
      let e: Expr;
      try {
        this.at = alike.map((i) => at[i]!);
        e = this.unified(alike.map((i) => es[i]!));
      } finally {
        this.at = at;
      }
      if (
        es.some(
          (other, i) =>
            !alike.includes(i) &&
            this.ofSize(e, at[i]!) !== renewed(other, (buffer) => this.numbered(buffer)),
        )
      )
        throw error;
      return e;
    }
  }

  /** A common form for one n. */
  private ofSize(e: Expr, n: number): Expr {
    const told = this.needsSize ? this.n() : undefined;
    return rewrite(e, (x) => {
      if (x === told) return int(n);
      const line = x.kind === "axis" ? this.axes.get(x.name) : undefined;
      return x.kind === "axis" && line ? axis(x.name, sizeAt(line, n)) : undefined;
    });
  }

  private unified(es: readonly Expr[]): Expr {
    const [first] = es as [Expr];
    same(es.map(({ kind, type }) => `${kind} ${type}`));
    const operand = (of: (e: never) => Expr): Expr => this.expr(es.map((e) => of(e as never)));
    switch (first.kind) {
      case "const":
        return this.constant(es as ConstExpr[]);
      case "axis": {
        same(es.map((e) => (e as typeof first).name));
        const line = this.axes.get(first.name);
        if (!line) throw new NotRanged(`axis ${first.name}`);
        return axis(first.name, mostOf(line, this.samples.range));
      }
      case "load":
        return this.load(es as LoadExpr[]);
      case "acc":
        return acc(first.type);
      case "unary":
        same(es.map((e) => (e as typeof first).op));
        return unary(first.op, operand((e: typeof first) => e.a)); // prettier-ignore
      case "binary": {
        const { op, type, b } = first;
        same(es.map((e) => (e as typeof first).op));
        // A step or a divisor that n decides would leave no stride that is known.
        if (
          type === "index" &&
          (op === "mul" || op === "floordiv" || op === "floormod") &&
          b.kind === "const"
        )
          same(es.map((e) => String(((e as typeof first).b as ConstExpr).value)));
        return binary(op, operand((e: typeof first) => e.a), operand((e: typeof first) => e.b)); // prettier-ignore
      }
      case "select":
        return select(
          operand((e: typeof first) => e.condition),
          operand((e: typeof first) => e.a),
          operand((e: typeof first) => e.b),
        );
      case "cast":
        same(es.map((e) => (e as typeof first).to));
        return cast(operand((e: typeof first) => e.a), first.to); // prettier-ignore
      case "bitcast":
        return bitcast(operand((e: typeof first) => e.a), first.type as BitsType); // prettier-ignore
    }
  }

  private constant(es: readonly ConstExpr[]): Expr {
    const [{ type, value }] = es as [ConstExpr];
    if (es.every((e) => Object.is(e.value, value))) return constant(type, value);
    const line = lineThrough(this.at, es.map((e) => Number(e.value))); // prettier-ignore
    const { low, high } = this.samples.range;
    const isExact = line && [low, high].every((n) => Math.abs(line.slope * n + line.offset) < 2 ** 24);
    if (!isExact || type === "bool") throw new NotRanged(`numbers ${es.map((e) => e.value).join(", ")}`);
    const e = add(mul(this.n(), int(line.slope)), int(line.offset));
    return type === "index" ? e : cast(e, holdingType(type)!);
  }

  private load(es: readonly LoadExpr[]): Expr {
    const [{ buffer, type, pad }] = es as [LoadExpr];
    same(es.map((e) => `${e.buffer} ${Object.is(e.pad, -0) ? "-0" : String(e.pad)}`));
    const index = across(es.map((e) => e.index)).map((each) => this.expr(each));
    const read = loadTyped(this.numbered(buffer), type, index, pad);
    if (pad === undefined) return read;
    const inside = this.shapes[buffer]!.flatMap((size, d) => {
      const at = index[d]!;
      const line = at.kind === "axis" ? this.axes.get(at.name) : undefined;
      return size.slope === 0 || (line && isSame(line, size)) ? [] : [lt(at, this.size(size))];
    });
    if (inside.length === 0) return read;
    const wide = type === "i64" || type === "u64";
    return select(inside.reduce(and), read, constant(type, wide ? BigInt(pad) : pad));
  }

  // -------------------------------------------------------------------------------------------------------------
  // Stores

  /**
   * What is computed beyond the end of an axis must not be stored before the end of a dimension. Scratch of a loop is
   * what its last iteration left there, so the loop itself need not show in it; loops of one step after the other have
   * been stopped.
   *
   * @throws NotRanged
   */
  private checkStore({ axes, index, out }: Assign, loops: readonly Loop[]): void {
    const { range: span } = this.samples;
    const shape = this.shapes[out - this.shift]!;
    const isTemp = this.kernels[0]!.buffers[out - this.shift]!.role === "temp";
    const around = loops.flatMap((loop) => (isTemp || loop.carried ? [] : [loop.axis]));
    for (const { name, extent } of [...around, ...axes]) {
      const size = this.axes.get(name);
      if (!size || size.slope === 0) continue;
      const at = axis(name, extent);
      const leadsBeyond = index.some((e, d) => {
        const step = linear(e).terms.get(at) ?? 0;
        const [least] = range(sub(e, mul(at, int(step))));
        const isBeyond = (n: number): boolean => step * sizeAt(size, n) + least >= sizeAt(shape[d]!, n);
        return step > 0 && isBeyond(span.low) && isBeyond(span.high);
      });
      if (!leadsBeyond) throw new NotRanged(`stores along ${name}`);
    }
  }

  /**
   * Parts that are stored one behind the other, where n says where each begins, as one map that asks for each
   * element which part it is of: memory is written in one order, and an element once.
   */
  private gathered(blocks: readonly Block[]): readonly Block[] {
    const n = (e: Expr): boolean => e.kind === "load" && e.buffer === this.inputs;
    const isPlaced = (block: Block): boolean =>
      block.kind === "loop" ? block.body.some(isPlaced) : block.index.some((e) => some(e, n));
    if (this.shift === 0 || !blocks.some(isPlaced)) return blocks;
    const [first] = blocks;
    if (first?.kind !== "assign") throw new NotRanged("places within loops");
    const { out } = first;
    const shape = this.shapes[out - this.shift]!;
    const points = shape.map((size, d) => ({ name: `to${d}`, extent: mostOf(size, this.samples.range) }));
    const at = points.map(coordinate);
    const values = blocks.map((block): { readonly inside: Expr; readonly value: Expr } => {
      if (block.kind !== "assign" || block.reduce || block.out !== out)
        throw new NotRanged("places of what is no map");
      const by = new Map<string, Expr>();
      let inside = TRUE();
      block.index.forEach((e, d) => {
        const along = [...linear(e).terms].filter(([term]) => term.kind === "axis");
        const [term] = along[0] ?? [];
        const isScattered = some(e, (x) => x.kind === "load" && !n(x));
        if (along.length > 1 || (along[0] && along[0][1] !== 1) || isScattered)
          throw new NotRanged("places in steps");
        const from = term ? sub(e, term) : e;
        const size = term?.kind === "axis" ? this.axes.get(term.name)! : { slope: 0, offset: 1 };
        if (term?.kind === "axis") by.set(term.name, sub(at[d]!, from));
        const end = add(from, this.size(size));
        if (from !== int(0)) inside = both(inside, le(from, at[d]!));
        if (end !== this.size(shape[d]!)) inside = both(inside, lt(at[d]!, end));
      });
      return { inside, value: substituteAxes(block.value, by) };
    });
    const [start, ...later] = values;
    const value = later.reduce((e, part) => select(part.inside, part.value, e), start!.value);
    return [{ kind: "assign", axes: points, value, out, index: at }];
  }
}

function both(a: Expr, b: Expr): Expr {
  return a === TRUE() ? b : and(a, b);
}

function nameBeside(buffers: readonly Buffer[]): string {
  let name = SIZE;
  while (buffers.some((buffer) => buffer.name === name)) name += "'";
  return name;
}
