/**
 * Sums of products of bytes, four at a time. In: a Program before layout, and what a contraction must be for it to be worth
 * it. Out: the same program, where words of four bytes are multiplied by `dot4`. Invariant: integers are the same modulo
 * 2^32; sums that were kept in f32 are the same below 2^24, and beyond that rounded once instead of after every addition.
 *
 * A factor of a sum is a byte less a zero, `s - z`; see operand.ts. Over K steps,
 * `sum of (sa - za)(sb - zb) = sum of sa sb + za (K zb - sum of sb) - zb sum of sa`, where the sums on the right are over
 * one operand only: of weights they are constants, and with a zero of 0, as weights have it, there is none of the other.
 *
 * Words are made by a kernel of their own. What computed the bytes becomes part of it where nobody else reads them, which
 * is how a quantization stores words in the first place.
 */
import { elementCount } from "../../ir/dtype.ts";
import { acc, add, binary, cast, constant, int, loadTyped, lt, min, mul, select, sub, type Expr, type LoadExpr } from "../../ir/expr.ts"; // prettier-ignore
import type { ValueId } from "../../ir/graph.ts";
import { coordinate, type Assign, type Axis, type Reduction } from "../../ir/kernel.ts";
import type { Call, Program, ProgramValue } from "../../ir/program.ts";
import { axesOf, rewrite, substituteAxes, visit } from "../../ir/walk.ts";
import { asStored, closeCall, isIdentityIndex, loadedBy, openCall, soleAssign, ValueNumbers, type OpenCall, type OpenKernel } from "../open.ts"; // prettier-ignore
import { pruned } from "../simplify.ts";
import { BYTES, operandOf, position, wordsAlong, type Operand, type Words } from "./operand.ts";
import { rangeOfTensor, rangeOfType, Ranges, type Whole } from "./ranges.ts";

/** Which contractions are worth it. */
export interface DotLimits {
  /** Least products of elements. */
  readonly work: number;
  /** Least products that each element of an operand is in, where words of it are made in every run. */
  readonly uses: number;
}

interface Side extends Operand {
  readonly words: Words;
}

/** A contraction that becomes one of words. */
interface Plan {
  readonly assign: Assign & { readonly reduce: Reduction };
  readonly axis: Axis;
  readonly a: Side;
  readonly b: Side;
}

/** @param hit told the nodes of each contraction that is changed */
export function packDots(
  program: Program,
  limits: DotLimits,
  hit: (nodes: string) => void = () => undefined,
): Program {
  return new Packing(program, limits).run(hit);
}

class Packing {
  private readonly program: Program;
  private readonly limits: DotLimits;
  private readonly numbers: ValueNumbers;
  private readonly calls: readonly OpenCall[];
  /** By number: the one assignment that makes all elements, whatever it reads for each. */
  private readonly makers = new Map<number, { readonly assign: Assign; readonly nodes: readonly string[] }>();
  /** Numbers whose elements are known before a run. */
  private readonly fixed = new Set<number>();
  private readonly rangeOf = new Map<number, Whole>();
  private readonly ranges: Ranges;
  /** Values that were made here, by what is in them. */
  private readonly made = new Map<string, number>();
  private readonly values = new Map<ValueId, ProgramValue>();
  private pending: Call[] = [];
  private readonly plans = new Map<OpenCall, Plan>();

  constructor(program: Program, limits: DotLimits) {
    this.program = program;
    this.limits = limits;
    this.numbers = new ValueNumbers(program.values);
    this.calls = program.calls.map((call) => openCall(call, this.numbers));
    this.ranges = new Ranges((buffer) => this.rangeOfValue(buffer));
  }

  run(hit: (nodes: string) => void): Program {
    this.survey();
    for (const call of this.calls) {
      const plan = call.kind === "kernel" ? this.planOf(call) : undefined;
      if (plan) this.plans.set(call, plan);
    }
    if (this.plans.size === 0) return this.program;
    const inlined = this.inlined();
    const calls = this.calls.flatMap((call, i): Call[] => {
      const plan = this.plans.get(call);
      if (!plan || call.kind !== "kernel") return [this.program.calls[i]!];
      hit(call.nodes.join("+"));
      const closed = closeCall({ ...call, body: [this.changed(plan, call, inlined)] }, this.numbers);
      const before = this.pending;
      this.pending = [];
      return [...before, closed];
    });
    return pruned({ ...this.program, calls, values: new Map([...this.program.values, ...this.values]) });
  }

  private survey(): void {
    for (const id of this.program.constants.keys()) this.fixed.add(this.numbers.numberOf(id));
    const times = new Map<ValueId, number>();
    for (const call of this.calls) for (const id of call.outputs) times.set(id, (times.get(id) ?? 0) + 1);
    for (const call of this.calls) {
      if (call.kind !== "kernel") continue;
      const [id] = call.outputs;
      const assign = soleAssign(call);
      const sole = assign && call.outputs.length === 1 && times.get(id!) === 1 && isIdentityIndex(assign);
      const out = sole ? assign.out : undefined;
      if (out !== undefined) this.makers.set(out, { assign: assign!, nodes: call.nodes });
      if ([...loadedBy(call.body)].every((n) => this.fixed.has(n) || this.numbers.at(n).temp))
        for (const output of call.outputs) this.fixed.add(this.numbers.numberOf(output));
    }
  }

  private rangeOfValue(buffer: number): Whole {
    let range = this.rangeOf.get(buffer);
    if (!range) this.rangeOf.set(buffer, (range = this.findRange(buffer)));
    return range;
  }

  private findRange(buffer: number): Whole {
    const { id, dtype } = this.numbers.at(buffer);
    const tensor = this.program.constants.get(id);
    if (tensor) return rangeOfTensor(tensor);
    const maker = this.makers.get(buffer);
    if (maker) return this.ranges.of(asStored(maker.assign.value, dtype));
    return rangeOfType(dtype);
  }

  // -------------------------------------------------------------------------------------------------------------
  // What to change

  private planOf(call: OpenKernel): Plan | undefined {
    const assign = soleAssign(call);
    const reduce = assign?.reduce;
    if (!assign || !reduce || reduce.op !== "sum") return undefined;
    const { body } = reduce;
    if (body.kind !== "binary" || body.op !== "mul" || (body.type !== "f32" && body.type !== "i32")) return undefined; // prettier-ignore
    const depth = elementCount(reduce.axes.map((a) => a.extent));
    const work = depth * elementCount(assign.axes.map((a) => a.extent));
    if (work === 0 || work < this.limits.work) return undefined;
    const reduced = new Set(reduce.axes.map(({ name }) => name));
    const shapeOf = (buffer: number): readonly number[] => this.numbers.at(buffer).shape;
    const a = operandOf(body.a, reduced, shapeOf, this.ranges);
    const b = a && operandOf(body.b, reduced, shapeOf, this.ranges);
    if (!a || !b) return undefined;
    // What f32 holds as a number of any size, an i32 must have room for.
    if (body.type === "f32" && !(depth * a.most * b.most < 2 ** 31)) return undefined;
    const [fixedA, fixedB] = [a, b].map(({ main }) => this.fixed.has(main.buffer));
    if (fixedA && fixedB) return undefined;
    for (const { main } of [a, b]) {
      const { id, shape, temp } = this.numbers.at(main.buffer);
      if (temp || this.program.values.get(id)?.dynamicDim !== undefined) return undefined;
      if (!this.fixed.has(main.buffer) && work < this.limits.uses * elementCount(shape)) return undefined;
    }
    let best: Plan | undefined;
    for (const axis of reduce.axes) {
      const words = [a, b].map(({ main }) => wordsAlong(main, shapeOf(main.buffer), axis));
      const [ofA, ofB] = words;
      if (!ofA || !ofB || axis.extent < BYTES || (best && best.axis.extent >= axis.extent)) continue;
      // Bytes that only fill a word are 0, outside of the tensor too.
      const ragged = axis.extent % BYTES !== 0;
      if (ragged && (a.outside || b.outside)) continue;
      best = { assign: { ...assign, reduce }, axis, a: { ...a, words: ofA }, b: { ...b, words: ofB } };
    }
    return best;
  }

  /** Values whose elements nobody reads but as words: they are computed where words are made. */
  private inlined(): Set<number> {
    const kept = new Set(this.program.outputs.map(({ id }) => this.numbers.numberOf(id)));
    for (const call of this.calls) {
      if (call.kind === "library") {
        for (const id of call.inputs) if (id) kept.add(this.numbers.numberOf(id));
        continue;
      }
      const plan = this.plans.get(call);
      const mains = plan ? [plan.a.main.buffer, plan.b.main.buffer] : [];
      const body = plan ? [{ ...plan.assign, reduce: { ...plan.assign.reduce, body: constant("i32", 0) } }] : call.body; // prettier-ignore
      const read = loadedBy(body);
      if (plan)
        for (const { zero, byte } of [plan.a, plan.b])
          for (const e of [zero, byte]) visit(e, (x) => x.kind === "load" && !mains.includes(x.buffer) && read.add(x.buffer)); // prettier-ignore
      for (const n of read) kept.add(n);
    }
    const own = [...this.makers].filter(([n, { assign }]) => !assign.reduce && (this.fixed.has(n) || !kept.has(n))); // prettier-ignore
    return new Set(own.map(([n]) => n));
  }

  // -------------------------------------------------------------------------------------------------------------
  // The change

  private changed(
    { assign, axis: along, a, b }: Plan,
    call: OpenKernel,
    inlined: ReadonlySet<number>,
  ): Assign {
    const { reduce } = assign;
    const whole = constant("i32", elementCount(reduce.axes.map(({ extent }) => extent)));
    const axes = reduce.axes.map((x): Axis => (x === along ? { ...x, extent: Math.ceil(x.extent / BYTES) } : x)); // prettier-ignore
    const [wordsA, wordsB] = [a, b].map((side) => this.words(side, call, inlined)) as [LoadExpr, LoadExpr];
    // za (K zb - sum of sb) - zb sum of sa; what is a constant is part of the kernel that adds up.
    const constantZero = ({ zero }: Side): boolean => zero.kind === "const";
    const parts: Expr[] = [acc("i32")];
    if (!isZero(a.zero)) {
      const own = axesOf(wordsB);
      const inside = constantZero(a) && [...axesOf(b.zero)].every((name) => own.has(name));
      const rest = (sum: Expr): Expr => {
        const less = isZero(b.zero) ? mul(sum, constant("i32", -1)) : sub(mul(whole, b.zero), sum);
        return mul(a.zero, less);
      };
      const sum = this.sumOf(wordsB, assign, axes, inside ? rest : undefined, call);
      parts.push(inside ? sum : rest(sum));
    }
    if (!isZero(b.zero)) {
      const rest = (sum: Expr): Expr => mul(mul(b.zero, constant("i32", -1)), sum);
      const inside = constantZero(b);
      const sum = this.sumOf(wordsA, assign, axes, inside ? rest : undefined, call);
      parts.push(inside ? sum : rest(sum));
    }
    const total = parts.reduce((x, y) => add(x, y));
    const old = acc(reduce.body.type);
    const result = old.type === "f32" ? cast(total, "float32") : total;
    const value = rewrite(assign.value, (e) => (e === old ? result : undefined));
    return { ...assign, value, reduce: { op: "sum", axes, body: binary("dot4", wordsA, wordsB) } };
  }

  /** Reads an operand's words in place of its bytes, and makes them if that has not been done. */
  private words(
    { main, byte, outside, words }: Side,
    call: OpenKernel,
    inlined: ReadonlySet<number>,
  ): LoadExpr {
    const key = `${byte.id} ${words.dim}`;
    const { shape } = this.numbers.at(main.buffer);
    const extents = shape.map((extent, d) => (d === words.dim ? Math.ceil(extent / BYTES) : extent));
    let number = this.made.get(key);
    if (number === undefined) {
      const maker = inlined.has(main.buffer) ? this.makers.get(main.buffer) : undefined;
      const axes = extents.map((extent, d): Axis => ({ name: `word.${d}`, extent }));
      const at = axes.map(coordinate);
      const last = shape[words.dim]!;
      const parts = [0, 1, 2, 3].map((n) => {
        const place = add(mul(at[words.dim]!, int(BYTES)), int(n));
        const ragged = last % BYTES !== 0;
        const by = new Map(axes.map((_, d): [Expr, Expr] => [position(d, shape[d]!), d !== words.dim ? at[d]! : ragged ? min(place, int(last - 1)) : place])); // prettier-ignore
        const there = rewrite(byte, (e) => (e.kind === "axis" ? by.get(e) : undefined));
        const own = maker ? this.computed(there, main.buffer, maker.assign) : there;
        const low = n === 3 ? own : binary("and", own, constant("i32", 255));
        const filled = ragged ? select(lt(place, int(last)), low, constant("i32", 0)) : low;
        return n === 0 ? filled : binary("shl", filled, constant("i32", 8 * n));
      });
      const value = parts.reduce((x, y) => binary("or", x, y));
      const nodes = maker?.nodes ?? [`words of ${call.nodes[0] ?? ""}`];
      number = this.make("words", nodes, extents, axes, value);
      if (this.fixed.has(main.buffer)) this.fixed.add(number);
      this.made.set(key, number);
    }
    const index = main.index.map((e, d) => (d === words.dim ? words.index : e));
    const pad = outside === undefined ? undefined : Math.imul(outside & 255, ONES);
    return loadTyped(number, "i32", index, pad) as LoadExpr;
  }

  /** An expression with the elements of a value computed as its maker does. */
  private computed(e: Expr, buffer: number, { value, index }: Assign): Expr {
    const { dtype } = this.numbers.at(buffer);
    const stored = asStored(value, dtype);
    return rewrite(e, (x) => {
      if (x.kind !== "load" || x.buffer !== buffer) return undefined;
      const by = new Map<string, Expr>();
      index.forEach((i, d) => i.kind === "axis" && by.set(i.name, x.index[d]!));
      return substituteAxes(stored, by);
    });
  }

  /** What an operand's bytes come to over a sum, by those axes of the result along which it moves. */
  private sumOf(
    words: LoadExpr,
    { axes: results }: Assign,
    reduced: readonly Axis[],
    finish: ((sum: Expr) => Expr) | undefined,
    call: OpenKernel,
  ): Expr {
    const own = axesOf(words);
    const axes = results.filter(({ name }) => own.has(name));
    const body = binary("dot4", words, constant("i32", ONES));
    const value = finish ? finish(acc("i32")) : acc("i32");
    const key = `sum ${body.id} ${value.id} ${[...axes, ...reduced].map(({ name, extent }) => `${name}:${extent}`).join()}`;
    let number = this.made.get(key);
    if (number === undefined) {
      const nodes = [`sums of ${call.nodes[0] ?? ""}`];
      const extents = axes.map(({ extent }) => extent);
      number = this.make("sums", nodes, extents, axes, value, { op: "sum", axes: reduced, body });
      this.made.set(key, number);
    }
    return loadTyped(number, "i32", axes.map(coordinate));
  }

  /** A value of its own, by a call that stands before what is being changed. */
  private make(
    name: string,
    nodes: readonly string[],
    shape: readonly number[],
    axes: readonly Axis[],
    value: Expr,
    reduce?: Reduction,
  ): number {
    let n = this.values.size;
    while (this.program.values.has(`${name}:${n}`)) n++;
    const id = `${name}:${n}`;
    const number = this.numbers.add(id, "int32", shape, false);
    this.values.set(id, { dtype: "int32", shape });
    const assign: Assign = { kind: "assign", axes, value, out: number, index: axes.map(coordinate), ...(reduce ? { reduce } : {}) }; // prettier-ignore
    this.pending.push(
      closeCall({ kind: "kernel", name, nodes, body: [assign], outputs: [id] }, this.numbers),
    );
    return number;
  }
}

/** Four bytes that are 1. */
const ONES = 0x01010101;

function isZero(e: Expr): boolean {
  return e.kind === "const" && e.value === 0;
}
