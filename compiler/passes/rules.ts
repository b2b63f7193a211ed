/**
 * Simplifications of value expressions, as a table. In: an expression and what its surroundings say of it. Out: a
 * cheaper one. Invariant: an `exact` rule keeps every number bit for bit (NaN where a number is converted to an
 * integer aside); the others keep it within f32 rounding, and are not used in kernels that round, convert to integers
 * or test for equality, where the last bit decides. A rule that `losesZeroSign` may give 0 for -0, and is not used
 * where that decides more (see zeroSign.ts).
 */
import { add, f32, max, min, mul, select, sub, unary, type Expr } from "../ir/expr.ts";
import { operands } from "../ir/walk.ts";
import { holdingType, integerRange, type DType } from "../ir/dtype.ts";
import { affineExpr, affineOf, affineSteps, type IsConstant } from "./affine.ts";
import { boundsOf, isWhole } from "./bounds.ts";
import { parentsUnder, withOperands } from "./operands.ts";
import { signedZeros } from "./zeroSign.ts";

export interface Surroundings {
  readonly exactOnly: boolean;
  /** Whether the sign of a result that is zero decides something later. */
  readonly signedZero: boolean;
  /** Made of constants (numbers and elements of constant tensors) only. */
  readonly fixed: IsConstant;
  /** Constants that cost nothing per element: numbers, elements, and what will be computed ahead. */
  readonly free: IsConstant;
  readonly dtypeOf: (buffer: number) => DType;
  /** The number that every element of a load is, where that is known. */
  readonly uniform: (e: Expr) => Expr | undefined;
  /** Told the name of each rule that applies. */
  readonly hit: (rule: string) => void;
}

export interface RuleContext extends Surroundings {
  /** Needed for its own sake too: a chain that goes through it would compute it again. */
  readonly shared: (e: Expr) => boolean;
}

export interface Rule {
  readonly name: string;
  readonly exact: boolean;
  readonly losesZeroSign?: true;
  readonly apply: (e: Expr, context: RuleContext) => Expr | undefined;
}

const number = (e: Expr): number | undefined =>
  e.kind === "const" && typeof e.value === "number" ? e.value : undefined;

/** A binary expression of one of these operators whose right (or, for symmetric ones, either) operand is a number. */
function withNumber(e: Expr, ops: readonly string[]): { op: string; x: Expr; c: number } | undefined {
  if (e.kind !== "binary" || e.type !== "f32" || !ops.includes(e.op)) return undefined;
  const b = number(e.b);
  if (b !== undefined) return { op: e.op, x: e.a, c: b };
  const a = number(e.a);
  return a !== undefined && ["add", "mul", "min", "max"].includes(e.op)
    ? { op: e.op, x: e.b, c: a }
    : undefined;
}

const isNegation = (e: Expr): e is Expr & { kind: "unary" } =>
  e.kind === "unary" && e.op === "neg" && e.type === "f32";

/** Integers below this are all f32 numbers. */
const WHOLE_LIMIT = 2 ** 24;

/** A 32-bit integer expression that only converts and shifts whole floats, as floats. */
function wholeFloat(e: Expr): Expr | undefined {
  if (e.type !== "i32") return undefined;
  if (e.kind === "const") return f32(Number(e.value));
  if (e.kind === "cast" && e.to !== "index") {
    const range = integerRange(e.to);
    const inner = e.a.type === "f32" ? e.a : wholeFloat(e.a);
    if (!range || !inner || !isWhole(inner)) return undefined;
    return within(inner, Math.max(Number(range[0]), -WHOLE_LIMIT), Math.min(Number(range[1]), WHOLE_LIMIT))
      ? inner
      : undefined;
  }
  if (e.kind === "binary" && (e.op === "add" || e.op === "sub")) {
    const [a, b] = [wholeFloat(e.a), wholeFloat(e.b)];
    if (!a || !b) return undefined;
    const shifted =
      e.op === "sub" && b.kind === "const"
        ? add(a, f32(-Number(b.value)))
        : e.op === "add"
          ? add(a, b)
          : sub(a, b);
    return within(shifted, -WHOLE_LIMIT, WHOLE_LIMIT) ? shifted : undefined;
  }
  return undefined;
}

/** Bounds of `x + by`, for bounds (nested in any order) of a whole `x` and of whole numbers, moved by `-by`. */
function shiftedBounds(e: Expr, by: number): Expr | undefined {
  const m = withNumber(e, ["min", "max", "add"]);
  if (!m || !Number.isInteger(m.c)) return undefined;
  if (m.op === "add") return m.c === -by && isWhole(m.x) ? m.x : undefined;
  const inner = shiftedBounds(m.x, by);
  if (!inner || Math.abs(m.c) > WHOLE_LIMIT / 2 || Math.abs(by) > WHOLE_LIMIT / 2) return undefined;
  return m.op === "min" ? min(inner, f32(m.c + by)) : max(inner, f32(m.c + by));
}

function within(e: Expr, low: number, high: number): boolean {
  const [l, h] = boundsOf(e);
  return l >= low && h <= high;
}

/** Types that hold every value of these compute types. */
const widening: Partial<Record<DType, readonly DType[]>> = {
  float64: ["float32", "int32", "uint32"],
  int64: ["int32", "uint32"],
  uint64: ["uint32"],
};

export const rules: readonly Rule[] = [
  {
    name: "uniform constant",
    exact: true,
    apply: (e, { uniform }) => uniform(e),
  },
  {
    name: "negation of a negation",
    exact: true,
    apply: (e) => (isNegation(e) && isNegation(e.a) ? e.a.a : undefined),
  },
  {
    name: "sum with a negation",
    exact: true,
    apply: (e) => {
      if (e.kind !== "binary" || e.type !== "f32") return undefined;
      if (e.op === "add" && isNegation(e.b)) return sub(e.a, e.b.a);
      if (e.op === "add" && isNegation(e.a)) return sub(e.b, e.a.a);
      return e.op === "sub" && isNegation(e.b) ? add(e.a, e.b.a) : undefined;
    },
  },
  {
    name: "product with a negation",
    exact: true,
    apply: (e) => {
      const m = withNumber(e, ["mul"]);
      return m && isNegation(m.x) ? mul(m.x.a, f32(-m.c)) : undefined;
    },
  },
  {
    name: "product with -1",
    exact: true,
    apply: (e) => {
      const m = withNumber(e, ["mul", "div"]);
      return m?.c === -1 ? unary("neg", m.x) : undefined;
    },
  },
  {
    name: "quotient by a power of two",
    exact: true,
    apply: (e) => {
      const m = withNumber(e, ["div"]);
      if (!m || !Number.isFinite(m.c) || m.c === 0) return undefined;
      const power = Math.log2(Math.abs(m.c));
      return Number.isInteger(power) && Math.abs(power) <= 126 ? mul(m.x, f32(1 / m.c)) : undefined;
    },
  },
  {
    name: "sum with zero",
    exact: true,
    losesZeroSign: true,
    apply: (e) => {
      const m = withNumber(e, ["add", "sub"]);
      return m?.c === 0 ? m.x : undefined;
    },
  },
  {
    name: "absolute value of a sign",
    exact: true,
    apply: (e) => {
      if (e.kind !== "unary" || e.op !== "abs" || e.type !== "f32" || e.a.kind !== "unary") return undefined;
      return e.a.op === "abs" ? e.a : e.a.op === "neg" ? unary("abs", e.a.a) : undefined;
    },
  },
  {
    name: "rounding of a whole number",
    exact: true,
    apply: (e) =>
      e.kind === "unary" &&
      e.type === "f32" &&
      ["round", "floor", "ceil", "trunc"].includes(e.op) &&
      isWhole(e.a)
        ? e.a
        : undefined,
  },
  {
    name: "bound within bounds",
    exact: true,
    losesZeroSign: true,
    apply: (e) => {
      const m = withNumber(e, ["min", "max"]);
      if (!m || Number.isNaN(m.c) || m.x.kind === "const") return undefined;
      const [low, high] = boundsOf(m.x);
      return (m.op === "min" ? high <= m.c : low >= m.c) ? m.x : undefined;
    },
  },
  {
    name: "bound of a bound",
    exact: true,
    apply: (e) => {
      const outer = withNumber(e, ["min", "max"]);
      const inner = outer && withNumber(outer.x, [outer.op]);
      if (!outer || !inner || Number.isNaN(outer.c) || Number.isNaN(inner.c)) return undefined;
      return outer.op === "min"
        ? min(inner.x, f32(Math.min(outer.c, inner.c)))
        : max(inner.x, f32(Math.max(outer.c, inner.c)));
    },
  },
  {
    name: "bound of equals",
    exact: true,
    apply: (e) =>
      e.kind === "binary" && ["min", "max", "and", "or"].includes(e.op) && e.a === e.b ? e.a : undefined,
  },
  {
    name: "select on a negation",
    exact: true,
    apply: (e) =>
      e.kind === "select" && e.condition.kind === "unary" && e.condition.op === "not"
        ? select(e.condition.a, e.b, e.a)
        : undefined,
  },
  {
    name: "select within its own arm",
    exact: true,
    apply: (e) => {
      if (e.kind !== "select") return undefined;
      if (e.a.kind === "select" && e.a.condition === e.condition) return select(e.condition, e.a.a, e.b);
      return e.b.kind === "select" && e.b.condition === e.condition
        ? select(e.condition, e.a, e.b.b)
        : undefined;
    },
  },
  {
    name: "cast of the same cast",
    exact: true,
    apply: (e) => (e.kind === "cast" && e.a.kind === "cast" && e.to === e.a.to ? e.a : undefined),
  },
  {
    name: "cast to the stored type",
    exact: true,
    apply: (e, { dtypeOf }) => {
      if (e.kind !== "cast" || e.a.kind !== "load" || e.to !== dtypeOf(e.a.buffer)) return undefined;
      // What a padded load gives outside is a number of the compute type.
      return e.a.pad === undefined || e.a.pad === 0 ? e.a : undefined;
    },
  },
  {
    name: "cast there and back",
    exact: true,
    apply: (e) => {
      if (e.kind !== "cast" || e.a.kind !== "cast" || e.to === "index" || e.a.to === "index")
        return undefined;
      const from = holdingType(e.a.a.type);
      return from === e.to && (from === "bool" || widening[e.a.to]?.includes(from)) ? e.a.a : undefined;
    },
  },
  {
    name: "whole number through an integer",
    exact: true,
    losesZeroSign: true,
    apply: (e) => {
      if (e.kind !== "cast" || e.to !== "float32" || e.a.type !== "i32" || e.a.kind === "load")
        return undefined;
      return wholeFloat(e.a);
    },
  },
  {
    name: "shift of bounds",
    exact: true,
    losesZeroSign: true,
    apply: (e) => {
      const m = withNumber(e, ["add"]);
      // Bounded on both sides, no sum that counts is large enough to be rounded.
      return m && within(m.x, -WHOLE_LIMIT, WHOLE_LIMIT) ? shiftedBounds(m.x, m.c) : undefined;
    },
  },
  {
    name: "square of a root",
    exact: false,
    apply: (e) => {
      if (e.kind !== "binary" || e.op !== "mul" || e.a !== e.b || e.type !== "f32") return undefined;
      return e.a.kind === "unary" && e.a.op === "sqrt" && boundsOf(e.a.a)[0] >= 0 ? e.a.a : undefined;
    },
  },
  {
    name: "affine chain",
    exact: false,
    losesZeroSign: true,
    apply: (e, { fixed, free, shared }) => {
      const form = affineOf(e, fixed, shared);
      if (form.steps <= affineSteps(form) || !free(form.factor) || !free(form.term)) return undefined;
      return affineExpr(form);
    },
  },
];

/** Applies rules to `e` and all under it, operands first, until none matches. */
export function applyRules(e: Expr, surroundings: Surroundings, table: readonly Rule[] = rules): Expr {
  const usable = table.filter((rule) => rule.exact || !surroundings.exactOnly);
  const shared = new Set<Expr>();
  for (const [node, parents] of parentsUnder(e)) if (parents.size > 1) shared.add(node);
  const context: RuleContext = { ...surroundings, shared: (x) => shared.has(x) };
  const signed = signedZeros(e, surroundings.signedZero);
  const unsigned = usable.filter((rule) => !rule.losesZeroSign);
  const memo = new Map<Expr, Expr>();
  const walk = (x: Expr): Expr => {
    const done = memo.get(x);
    if (done) return done;
    let at = withOperands(x, walk);
    // Each application takes an operation away or turns one into a cheaper one; the limit only stops bad rules.
    for (let round = 0; round < 64; round++) {
      const next = once(at, signed.has(x) ? unsigned : usable, context);
      if (!next) break;
      at = next;
    }
    if (shared.has(x)) shared.add(at);
    memo.set(x, at);
    return at;
  };
  return walk(e);
}

function once(e: Expr, table: readonly Rule[], context: RuleContext): Expr | undefined {
  if (e.type === "index") return undefined;
  for (const rule of table) {
    const made = rule.apply(e, context);
    if (!made || made === e) continue;
    context.hit(rule.name);
    return made;
  }
  return undefined;
}

/** Whether the last bit of some float decides more than the last bit of the result: rounding, integers, equality. */
export function lastBitMatters(e: Expr, seen: Set<Expr> = new Set()): boolean {
  if (seen.has(e)) return false;
  seen.add(e);
  const float = (x: Expr): boolean => x.type === "f32" || x.type === "f64";
  if (e.kind === "unary" && float(e.a) && ["round", "floor", "ceil", "trunc"].includes(e.op)) return true;
  if (e.kind === "binary" && float(e.a) && ["rem", "eq", "ne"].includes(e.op)) return true;
  if (e.kind === "cast" && float(e.a) && e.to !== "float32" && e.to !== "float64") return true;
  if (e.kind === "bitcast" && float(e.a)) return true;
  return operands(e).some((operand) => lastBitMatters(operand, seen));
}
