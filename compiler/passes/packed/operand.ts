/**
 * Factors of sums of products as bytes. In: a factor of a contraction's body. Out: the one tensor that it walks with the
 * sum, what a byte of it is, and the zero that makes the factor of the byte again. Invariant: for all elements that are
 * read, `factor = byte - zero` as integers, and the byte is from -128 to 127.
 */
import { add, axis, cast, constant, f32, int, loadTyped, mul, sub, type Expr, type LoadExpr } from "../../ir/expr.ts"; // prettier-ignore
import { linear } from "../../ir/linear.ts";
import { range } from "../../ir/range.ts";
import type { Axis } from "../../ir/kernel.ts";
import { axesOf, rewrite, substituteAxes, visit } from "../../ir/walk.ts";
import type { Ranges } from "./ranges.ts";

/** Bytes in a word. */
export const BYTES = 4;

export interface Operand {
  /** The load that moves with the sum. */
  readonly main: LoadExpr;
  /** An i32 from -128 to 127, at the {@link position}s of the main load's tensor. */
  readonly byte: Expr;
  /** The byte where the main load leaves its tensor; undefined where it never does. */
  readonly outside: number | undefined;
  /** An i32 that does not vary along the sum. */
  readonly zero: Expr;
  /** Largest magnitude of the factor. */
  readonly most: number;
}

/** The coordinate of an operand's tensor along dimension `d`. */
export function position(d: number, extent: number): Expr {
  return axis(`byte.${d}`, extent);
}

/** @param reduced names of the axes of the sum */
export function operandOf(
  factor: Expr,
  reduced: ReadonlySet<string>,
  shapeOf: (buffer: number) => readonly number[],
  ranges: Ranges,
): Operand | undefined {
  // An integer that became a float, as it is.
  if (factor.kind === "cast" && factor.to === "float32" && factor.a.type === "i32" && ranges.of(factor).whole)
    return operandOf(factor.a, reduced, shapeOf, ranges);
  if (factor.type !== "f32" && factor.type !== "i32") return undefined;
  const { low, high } = ranges.of(factor);
  const most = Math.max(-low, high);
  const whole = bytesOf(factor, reduced, shapeOf, ranges);
  if (whole) return { ...whole, most };
  // A byte less a zero point that only a run knows.
  if (factor.kind !== "binary" || factor.op !== "sub" || factor.type !== "i32") return undefined;
  const { a, b: zero } = factor;
  if ([...axesOf(zero)].some((name) => reduced.has(name))) return undefined;
  const bytes = bytesOf(a, reduced, shapeOf, ranges);
  return bytes && { ...bytes, zero: plus(zero, bytes.zero), most };
}

/** a + b, of which b is a constant that is often 0. */
function plus(a: Expr, b: Expr): Expr {
  return b.kind === "const" ? sub(a, constant("i32", -Number(b.value))) : a;
}

function bytesOf(
  factor: Expr,
  reduced: ReadonlySet<string>,
  shapeOf: (buffer: number) => readonly number[],
  ranges: Ranges,
): Omit<Operand, "most"> | undefined {
  const { low, high, whole } = ranges.of(factor);
  if (!whole || !(high - low <= 255)) return undefined;
  const loads: LoadExpr[] = [];
  visit(factor, (e) => e.kind === "load" && loads.push(e));
  const moving = loads.filter((e) => [...axesOf(e)].some((name) => reduced.has(name)));
  const [main] = moving;
  if (!main || moving.length > 1) return undefined;
  const shape = shapeOf(main.buffer);
  const places = new Map<string, Expr>();
  main.index.forEach((e, d) => e.kind === "axis" && e.extent === shape[d] && places.set(e.name, position(d, shape[d]!))); // prettier-ignore
  const own = withMain(factor, main, constant(main.type, 0));
  if ([...axesOf(own)].some((name) => !places.has(name))) return undefined;
  // What is added to the factor so that it is a signed byte: nothing where it is one.
  const offset = low >= -128 && high <= 127 ? 0 : -128 - low;
  let outside: number | undefined;
  if (main.pad !== undefined && leaves(main, shape)) {
    if (loads.length > 1) return undefined;
    const there = ranges.of(withMain(factor, main, constant(main.type, main.pad)));
    if (there.low !== there.high) return undefined;
    outside = there.low + offset;
  }
  const element = loadTyped(main.buffer, main.type, main.index.map((_, d) => position(d, shape[d]!))); // prettier-ignore
  const there = substituteAxes(withMain(factor, main, element), places);
  const byte = factor.type === "f32" ? cast(sub(there, f32(-offset)), "int32") : sub(there, constant("i32", -offset)); // prettier-ignore
  return { main, byte, outside, zero: constant("i32", offset) };
}

/** An expression where its main load is something else; positions are left out. */
function withMain(e: Expr, main: LoadExpr, by: Expr): Expr {
  return rewrite(e, (x) => (x === main ? by : undefined));
}

function leaves(load: LoadExpr, shape: readonly number[]): boolean {
  return load.index.some((e, d) => range(e)[0] < 0 || range(e)[1] >= shape[d]!);
}

/** The dimension of a load along which a sum's axis walks through whole words, and its words' coordinate. */
export interface Words {
  readonly dim: number;
  /** Coordinate of the word, over `axis(name, words)`. */
  readonly index: Expr;
}

/** How an operand's elements along an axis of the sum are words; undefined where they are not. */
export function wordsAlong(
  load: LoadExpr,
  shape: readonly number[],
  { name, extent }: Axis,
): Words | undefined {
  const dims = load.index.flatMap((e, d) => (axesOf(e).has(name) ? [d] : []));
  const [dim] = dims;
  if (dim === undefined || dims.length > 1) return undefined;
  const e = load.index[dim]!;
  const word = axis(name, Math.ceil(extent / BYTES));
  if (e.kind === "axis" && e.extent === shape[dim]) return { dim, index: word };
  if (extent % BYTES !== 0 || range(e)[0] < 0 || range(e)[1] >= shape[dim]!) return undefined;
  const { constant: start, terms } = linear(e);
  if (start % BYTES !== 0) return undefined;
  let index = int(start / BYTES);
  for (const [term, factor] of terms) {
    if (term.kind !== "axis" || (term.name === name ? factor !== 1 : factor % BYTES !== 0)) return undefined;
    index = add(index, term.name === name ? word : mul(term, int(factor / BYTES)));
  }
  return { dim, index };
}
