/**
 * Which whole numbers a value may be. In: an expression over the values of a program. Out: bounds, and whether it is a whole
 * number for certain. Invariant: what is said holds for every input but NaN.
 *
 * Beyond bounds.ts this knows integers, what constants hold, and how the values of other kernels are computed.
 */
import { integerRange, type DType, type Tensor } from "../../ir/dtype.ts";
import type { BinaryExpr, CastExpr, Expr, LoadExpr, UnaryExpr } from "../../ir/expr.ts";

export interface Whole {
  /** Inclusive; infinite where nothing is known. */
  readonly low: number;
  readonly high: number;
  readonly whole: boolean;
}

const ANY: Whole = { low: -Infinity, high: Infinity, whole: false };

/** Ranges of expressions, each found once. */
export class Ranges {
  private readonly known = new Map<Expr, Whole>();
  private readonly ofValue: (buffer: number) => Whole;

  /** `ofValue`: the range of a value's elements. */
  constructor(ofValue: (buffer: number) => Whole) {
    this.ofValue = ofValue;
  }

  of(e: Expr): Whole {
    let range = this.known.get(e);
    if (!range) this.known.set(e, (range = this.find(e)));
    return range;
  }

  private find(e: Expr): Whole {
    const integer = e.type === "i32" || e.type === "u32" || e.type === "bool";
    if (!integer && e.type !== "f32") return ANY;
    const range = this.compute(e);
    return integer ? wrapped({ ...range, whole: true }, e) : range;
  }

  private compute(e: Expr): Whole {
    switch (e.kind) {
      case "const": {
        const value = Number(e.value);
        return { low: value, high: value, whole: Number.isInteger(value) };
      }
      case "load":
        return this.load(e);
      case "unary":
        return this.unary(e);
      case "binary":
        return this.binary(e);
      case "select":
        return union(this.of(e.a), this.of(e.b));
      case "cast":
        return this.cast(e);
      default:
        return ANY;
    }
  }

  private load({ buffer, pad }: LoadExpr): Whole {
    const range = this.ofValue(buffer);
    return pad === undefined ? range : union(range, { low: pad, high: pad, whole: Number.isInteger(pad) });
  }

  private unary({ op, a }: UnaryExpr): Whole {
    const { low, high, whole } = this.of(a);
    switch (op) {
      case "neg":
        return { low: -high, high: -low, whole };
      // All of them keep the order of numbers, and none leaves the whole numbers around its operand.
      case "round":
      case "floor":
      case "ceil":
      case "trunc":
        return { low: Math.floor(low), high: Math.ceil(high), whole: true };
      default:
        return ANY;
    }
  }

  private binary({ op, a, b, type }: BinaryExpr): Whole {
    const [x, y] = [this.of(a), this.of(b)];
    const whole = x.whole && y.whole;
    const made = (low: number, high: number): Whole => {
      if (Number.isNaN(low) || Number.isNaN(high)) return { ...ANY, whole };
      // Rounding keeps the order of numbers: rounded sums of bounds bound the rounded sum.
      return type === "f32"
        ? { low: Math.fround(low), high: Math.fround(high), whole }
        : { low, high, whole };
    };
    switch (op) {
      case "add":
        return made(x.low + y.low, x.high + y.high);
      case "sub":
        return made(x.low - y.high, x.high - y.low);
      case "min":
        return { low: Math.min(x.low, y.low), high: Math.min(x.high, y.high), whole };
      case "max":
        return { low: Math.max(x.low, y.low), high: Math.max(x.high, y.high), whole };
      default:
        return ANY;
    }
  }

  private cast({ a, to }: CastExpr): Whole {
    const range = this.of(a);
    if (to === "float32")
      return Math.max(-range.low, range.high) < 2 ** 24 ? range : { ...ANY, whole: range.whole };
    const ends = to === "index" ? undefined : integerRange(to);
    if (!ends) return ANY;
    const [low, high] = ends.map(Number) as [number, number];
    const fits = to !== "bool" && range.low >= low && range.high <= high;
    return fits ? { low: Math.trunc(range.low), high: Math.trunc(range.high), whole: true } : { low, high, whole: true }; // prettier-ignore
  }
}

/** What may wrap may be anything that the type holds. */
function wrapped(range: Whole, { type }: Expr): Whole {
  const [low, high] = type === "i32" ? [-(2 ** 31), 2 ** 31 - 1] : [0, type === "u32" ? 2 ** 32 - 1 : 1];
  return range.low >= low && range.high <= high ? range : { low, high, whole: true };
}

function union(a: Whole, b: Whole): Whole {
  return { low: Math.min(a.low, b.low), high: Math.max(a.high, b.high), whole: a.whole && b.whole };
}

/** The range of a value's elements when nothing but their type is known. */
export function rangeOfType(dtype: DType): Whole {
  const ends = dtype === "int64" || dtype === "uint64" ? undefined : integerRange(dtype);
  return ends ? { low: Number(ends[0]), high: Number(ends[1]), whole: true } : ANY;
}

/** The range of a tensor's elements. */
export function rangeOfTensor({ data, dtype }: Tensor): Whole {
  if (dtype === "int64" || dtype === "uint64" || dtype === "string" || dtype === "float64") return ANY;
  if (dtype !== "float32" && integerRange(dtype) === undefined) return ANY;
  let [low, high, whole] = [Infinity, -Infinity, true];
  for (const value of data as ArrayLike<number> & Iterable<number>) {
    if (!(value >= low)) low = value;
    if (!(value <= high)) high = value;
    whole &&= Number.isInteger(value);
  }
  return whole ? { low, high, whole } : ANY;
}
