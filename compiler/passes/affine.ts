/**
 * Affine forms: a chain of additions and multiplications by constants as `core * factor + term`. In: an f32
 * expression and a test for what is constant (a number, or an element of a constant tensor). Out: the form, and
 * expressions made from it. Invariant: equal to the chain within f32 rounding; chains whose rounding is their
 * purpose (adding and taking off a large number) or that would overflow are cut where that happens.
 */
import { add, div, f32, mul, neg, sub, type Expr } from "../ir/expr.ts";
import { parentsUnder } from "./operands.ts";

export interface Affine {
  readonly core: Expr;
  readonly factor: Expr;
  readonly term: Expr;
  /** Operations of the chain. */
  readonly steps: number;
}

export type IsConstant = (e: Expr) => boolean;

const SMALLEST_NORMAL = 2 ** -126;

/**
 * The form of the longest chain that ends in `e`; zero steps when `e` is no such operation. Below `e`, the chain does
 * not go beyond what `stop` holds for.
 */
export function affineOf(e: Expr, fixed: IsConstant, stop: (e: Expr) => boolean = () => false): Affine {
  const link = linkOf(e, fixed);
  if (!link) return unchanged(e);
  const inner = stop(link.inner) ? unchanged(link.inner) : affineOf(link.inner, fixed, stop);
  return step(e, link, inner) ?? step(e, link, unchanged(link.inner)) ?? unchanged(e);
}

function unchanged(core: Expr): Affine {
  return { core, factor: f32(1), term: f32(0), steps: 0 };
}

interface Link {
  readonly inner: Expr;
  readonly constant: Expr | undefined;
  readonly innerFirst: boolean;
}

/** The operand that is not constant, where one step of a chain has exactly one. */
function linkOf(e: Expr, fixed: IsConstant): Link | undefined {
  if (e.type !== "f32") return undefined;
  if (e.kind === "unary" && e.op === "neg")
    return fixed(e.a) ? undefined : { inner: e.a, constant: undefined, innerFirst: true };
  if (e.kind !== "binary" || !["add", "sub", "mul", "div"].includes(e.op)) return undefined;
  const [a, b] = [fixed(e.a), fixed(e.b)];
  if (a === b) return undefined;
  if (a) return e.op === "div" ? undefined : { inner: e.b, constant: e.a, innerFirst: false };
  return { inner: e.a, constant: e.b, innerFirst: true };
}

/** One more operation on a form; undefined where it must not be merged with what is there. */
function step(e: Expr, link: Link, { core, factor, term, steps }: Affine): Affine | undefined {
  const form = (f: Expr | undefined, t: Expr | undefined): Affine | undefined =>
    f && t && { core, factor: f, term: t, steps: steps + 1 };
  const c = link.constant;
  if (!c) return form(negated(factor), negated(term));
  switch (e.kind === "binary" ? e.op : "") {
    case "add":
      return form(factor, sum(term, c));
    case "sub":
      return link.innerFirst
        ? form(factor, sum(term, negated(c)))
        : form(negated(factor), sum(c, negated(term)));
    case "mul":
      return form(product(factor, c), product(term, c));
    case "div":
      return form(quotient(factor, c), quotient(term, c));
    default:
      return undefined;
  }
}

function negated(e: Expr): Expr {
  if (e.kind === "const") return f32(-Number(e.value));
  return isNegation(e) ? e.a : neg(e);
}

function isNegation(e: Expr): e is Expr & { kind: "unary" } {
  return e.kind === "unary" && e.op === "neg";
}

export function isZero(e: Expr): boolean {
  return e.kind === "const" && e.value === 0;
}

function sum(a: Expr, b: Expr): Expr | undefined {
  if (isZero(a)) return b;
  if (isZero(b)) return a;
  if (a.kind === "const" && b.kind === "const") {
    const [x, y] = [Number(a.value), Number(b.value)];
    const total = Math.fround(x + y);
    // x + 2^23 - 2^23 rounds x: such pairs stay.
    if (!Number.isFinite(total) || Math.abs(total) < Math.max(Math.abs(x), Math.abs(y)) / 2) return undefined;
    return f32(total);
  }
  if (isNegation(b)) return sub(a, b.a);
  return isNegation(a) ? sub(b, a.a) : add(a, b);
}

function product(a: Expr, b: Expr): Expr | undefined {
  if (isZero(a)) return a;
  if (a.kind === "const" && b.kind === "const") return normal(Number(a.value) * Number(b.value));
  return isNegation(a) ? neg(mul(a.a, b)) : mul(a, b);
}

function quotient(a: Expr, b: Expr): Expr | undefined {
  if (isZero(a)) return a;
  if (a.kind === "const" && b.kind === "const") return normal(Number(a.value) / Number(b.value));
  return isNegation(a) ? neg(div(a.a, b)) : div(a, b);
}

function normal(value: number): Expr | undefined {
  const rounded = Math.fround(value);
  return Number.isFinite(rounded) && Math.abs(rounded) >= SMALLEST_NORMAL ? f32(rounded) : undefined;
}

const isOne = (e: Expr): boolean => e.kind === "const" && e.value === 1;
const isMinusOne = (e: Expr): boolean => e.kind === "const" && e.value === -1;

/** Operations that {@link affineExpr} takes. */
export function affineSteps({ factor, term }: Affine): number {
  if (isMinusOne(factor)) return 1;
  return (isOne(factor) ? 0 : 1) + (isZero(term) ? 0 : 1);
}

export function affineExpr({ core, factor, term }: Affine): Expr {
  if (isMinusOne(factor)) return isZero(term) ? neg(core) : sub(term, core);
  const scaled = isOne(factor) ? core : mul(core, factor);
  return isZero(term) ? scaled : add(scaled, term);
}

/** The chain above the reduction's result that all of `value` goes through, from `acc` upwards (`acc` not included). */
export function chainAboveAcc(value: Expr, fixed: IsConstant): Expr[] {
  const parents = parentsUnder(value);
  const start = [...parents.keys()].find((e) => e.kind === "acc");
  const chain: Expr[] = [];
  for (let at: Expr | undefined = start; at && at !== value;) {
    const [parent, second]: Expr[] = [...parents.get(at)!];
    if (!parent || second || linkOf(parent, fixed)?.inner !== at) break;
    chain.push(parent);
    at = parent;
  }
  return chain;
}
