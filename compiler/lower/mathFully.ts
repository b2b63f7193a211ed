/**
 * Functions that WebAssembly leaves to the host's Math, for devices without one. In: an expression in f32. Out: the same
 * in functions that lower/math.ts has. Invariant: as there: NaN gives NaN, infinities and signed zeros are right, and
 * errors are at most those named at each function.
 *
 * Polynomials of asin and atan are those of the Cephes library.
 */
import {
  add,
  binary,
  bitcast,
  cast,
  div,
  f32,
  lt,
  mul,
  neg,
  select,
  sub,
  unary,
  type Expr,
} from "../ir/expr.ts";
import { rewrite } from "../ir/walk.ts";
import { abs, copySign, i32, polynomial, ROUNDER } from "./math.ts";

const lowered = (op: "exp" | "log" | "sin" | "cos", x: Expr): Expr => unary(op, x);

/** asin x for 0 <= x <= 1/2. */
function arcsineLow(x: Expr): Expr {
  const z = mul(x, x);
  const p = polynomial(
    z,
    [4.216319948e-2, 2.4181311049e-2, 4.5470025998e-2, 7.4953002686e-2, 1.6666752422e-1],
  );
  return add(mul(mul(p, z), x), x);
}

/** asin x, 3 ULP. */
function asin(x: Expr): Expr {
  const a = abs(x);
  const high = sub(f32(Math.PI / 2), mul(f32(2), arcsineLow(unary("sqrt", mul(sub(f32(1), a), f32(0.5))))));
  return copySign(select(lt(f32(0.5), a), high, arcsineLow(a)), x);
}

/** acos x, 3 ULP: near 1 by the half angle, so that digits are kept. */
function acos(x: Expr): Expr {
  const a = abs(x);
  const half = mul(f32(2), arcsineLow(unary("sqrt", mul(sub(f32(1), a), f32(0.5)))));
  const outer = select(lt(x, f32(0)), sub(f32(Math.PI), half), half);
  const inner = sub(f32(Math.PI / 2), select(lt(x, f32(0)), neg(arcsineLow(a)), arcsineLow(a)));
  return select(lt(f32(0.5), a), outer, inner);
}

/** atan x, 2 ULP. */
function atan(x: Expr): Expr {
  const a = abs(x);
  const large = lt(f32(2.414213562373095), a);
  const middle = lt(f32(0.4142135623730951), a);
  const reduced = select(large, div(f32(-1), a), select(middle, div(sub(a, f32(1)), add(a, f32(1))), a));
  const start = select(large, f32(Math.PI / 2), select(middle, f32(Math.PI / 4), f32(0)));
  const z = mul(reduced, reduced);
  const p = polynomial(z, [8.05374449538e-2, -1.38776856032e-1, 1.99777106478e-1, -3.33329491539e-1]);
  const value = add(start, add(mul(mul(p, z), reduced), reduced));
  const infinite = binary("eq", a, f32(Infinity));
  return copySign(select(infinite, f32(Math.PI / 2), value), x);
}

/** sinh x, 3 ULP. */
function sinh(x: Expr): Expr {
  const a = abs(x);
  const z = mul(x, x);
  const p = polynomial(z, [2.03721912945e-4, 8.33028376239e-3, 1.66667160211e-1]);
  const small = add(mul(mul(p, z), a), a);
  // e^(a/2) twice, so that the result overflows where it should and not before.
  const half = lowered("exp", mul(a, f32(0.5)));
  const large = sub(mul(mul(half, f32(0.5)), half), div(f32(0.5), mul(half, half)));
  return copySign(select(lt(a, f32(1)), small, large), x);
}

/** cosh x, 3 ULP. */
function cosh(x: Expr): Expr {
  const half = lowered("exp", mul(abs(x), f32(0.5)));
  return add(mul(mul(half, f32(0.5)), half), div(f32(0.5), mul(half, half)));
}

/** asinh x, 3 ULP. */
function asinh(x: Expr): Expr {
  const a = abs(x);
  const z = mul(x, x);
  const p = polynomial(z, [2.0122003309e-2, -4.2699340972e-2, 7.4847586088e-2, -1.6666288134e-1]);
  const small = add(mul(mul(p, z), a), a);
  const middle = lowered("log", add(a, unary("sqrt", add(mul(a, a), f32(1)))));
  const large = add(lowered("log", a), f32(Math.LN2));
  const value = select(lt(a, f32(0.5)), small, select(lt(a, f32(1500)), middle, large));
  return copySign(value, x);
}

/** acosh x, 3 ULP. */
function acosh(x: Expr): Expr {
  const z = sub(x, f32(1));
  const p = polynomial(
    z,
    [1.7596881071e-3, -7.5272886713e-3, 2.6454905019e-2, -1.1784741703e-1, 1.4142135263],
  );
  const near = mul(p, unary("sqrt", z));
  const middle = lowered("log", add(x, unary("sqrt", mul(z, add(x, f32(1))))));
  const large = add(lowered("log", x), f32(Math.LN2));
  const value = select(lt(z, f32(0.5)), near, select(lt(x, f32(1500)), middle, large));
  return select(binary("ge", x, f32(1)), value, f32(NaN));
}

/** atanh x, 3 ULP. */
function atanh(x: Expr): Expr {
  const z = mul(x, x);
  const p = polynomial(
    z,
    [1.81740078349e-1, 8.24370301058e-2, 1.4669143173e-1, 1.997821645e-1, 3.33337300303e-1],
  );
  const small = add(mul(mul(p, z), x), x);
  const large = mul(f32(0.5), lowered("log", div(add(f32(1), x), sub(f32(1), x))));
  return select(lt(abs(x), f32(0.5)), small, large);
}

/** tan x, 6 ULP for |x| <= 8192; as a quotient it keeps the errors of both. */
function tan(x: Expr): Expr {
  return div(lowered("sin", x), lowered("cos", x));
}

/** ln 2 in two parts, of which the first has 9 bits. */
const LN2_HIGH = 0.693359375;
const LN2_LOW = -2.1219444e-4;

/**
 * x ** y for positive x, 4 ULP: the logarithm in two numbers, so that the product with a large y keeps its digits.
 * Exceptional cases are those of IEEE 754's pow, but that 1 ** NaN and (-1) ** Infinity are NaN, as JavaScript has them.
 */
function pow(x: Expr, y: Expr): Expr {
  const a = abs(x);
  const tiny = lt(a, f32(1.17549435e-38));
  const scaled = select(tiny, mul(a, f32(16777216)), a);
  const bits = bitcast(scaled, "i32");
  // a = m 2^e with m from sqrt(1/2) to sqrt(2).
  const shifted = sub(bits, i32(0x3f3504f3));
  const e = binary("shr", shifted, i32(23));
  const exponent = sub(wholeToFloat(e), select(tiny, f32(24), f32(0)));
  const m = bitcast(add(binary("and", shifted, i32(0x007fffff)), i32(0x3f3504f3)), "f32");
  // ln m = 2 atanh s, s = (m - 1) / (m + 1), in two numbers.
  const top = sub(m, f32(1));
  const bottom = add(m, f32(1));
  const s = div(top, bottom);
  const sHigh = clipped(s);
  const bottomHigh = clipped(bottom);
  const bottomLow = sub(m, sub(bottomHigh, f32(1)));
  const residue = sub(sub(top, mul(sHigh, bottomHigh)), mul(sHigh, bottomLow));
  const sLow = div(residue, bottom);
  const z = mul(s, s);
  const series = polynomial(z, [0.15384615, 0.18181818, 0.22222222, 0.2857143, 0.4]);
  // 2 s + s z (2/3 + series): the terms in order of size.
  const cube = mul(mul(s, z), add(mul(series, z), f32(2 / 3)));
  const lnHigh = mul(f32(2), sHigh);
  const lnLow = add(mul(f32(2), sLow), cube);
  const whole = mul(exponent, f32(LN2_HIGH));
  const high = add(whole, lnHigh);
  const carry = add(sub(whole, high), lnHigh);
  const low = add(add(carry, mul(exponent, f32(LN2_LOW))), lnLow);
  const lHigh = clipped(add(high, low));
  const lLow = add(sub(high, lHigh), low);
  // y ln a in two numbers.
  const yHigh = clipped(y);
  const yLow = sub(y, yHigh);
  const productHigh = mul(yHigh, lHigh);
  const productLow = add(mul(yLow, lHigh), mul(y, lLow));
  const product = add(productHigh, productLow);
  const rest = add(sub(productHigh, product), productLow);
  const limited = binary("min", binary("max", product, f32(-110)), f32(100));
  const grown = lowered("exp", limited);
  const inRange = binary("and", lt(f32(-110), product), lt(product, f32(88.8)));
  const finite = add(grown, mul(grown, select(inRange, rest, f32(0))));
  let size = select(inRange, finite, grown);
  const infinity = f32(Infinity);
  // Bases and exponents at the ends.
  const yPositive = lt(f32(0), y);
  const isInfinite = (v: Expr): Expr => binary("eq", abs(v), infinity);
  const isZero = (v: Expr): Expr => binary("eq", v, f32(0));
  size = select(isZero(x), select(yPositive, f32(0), infinity), size);
  size = select(isInfinite(x), select(yPositive, infinity, f32(0)), size);
  const above = lt(f32(1), a);
  const same = binary("eq", a, f32(1));
  const endless = select(same, f32(NaN), select(binary("eq", above, yPositive), infinity, f32(0)));
  size = select(isInfinite(y), endless, size);
  // Negative bases: whole exponents only, odd ones keep the sign.
  const isWhole = binary("eq", unary("floor", y), y);
  const halfY = mul(y, f32(0.5));
  const isOdd = binary("and", isWhole, binary("ne", unary("floor", halfY), halfY));
  const negative = lt(bitcast(x, "i32"), i32(0));
  const flips = binary("and", negative, binary("and", isOdd, unary("not", isInfinite(y))));
  let value = select(flips, neg(size), size);
  const undefinedPower = binary("and", lt(x, f32(0)), binary("and", unary("not", isWhole), unary("not", isInfinite(x)))); // prettier-ignore
  value = select(undefinedPower, f32(NaN), value);
  value = select(binary("ne", x, x), x, value);
  value = select(binary("ne", y, y), y, value);
  return select(isZero(y), f32(1), value);
}

function wholeToFloat(e: Expr): Expr {
  return cast(e, "float32");
}

/** x with its last twelve bits cleared: products of two such numbers are exact. */
function clipped(x: Expr): Expr {
  return bitcast(binary("and", bitcast(x, "i32"), i32(-4096)), "f32");
}

const functions: Readonly<Record<string, (x: Expr) => Expr>> = {
  asin,
  acos,
  atan,
  sinh,
  cosh,
  asinh,
  acosh,
  atanh,
  tan,
};

/** Replaces functions that lower/math.ts has no polynomial for. */
export function lowerMathFully(e: Expr, memo?: Map<Expr, Expr>): Expr {
  return rewrite(
    e,
    (x) => {
      if (x.kind === "unary" && x.type === "f32") return functions[x.op]?.(x.a);
      if (x.kind === "binary" && x.op === "pow" && x.type === "f32")
        return x.b.kind === "const" && [1, 2, 3, -1].includes(Number(x.b.value))
          ? undefined
          : power(x.a, x.b);
      return undefined;
    },
    memo,
  );
}

/**
 * Rounding by adding and subtracting a large number, as lower/math.ts has it, as what it is: compilers of shaders take
 * (x + c) - c for x.
 */
export function roundPlainly(e: Expr, memo?: Map<Expr, Expr>): Expr {
  const isRounder = (x: Expr): boolean => x.kind === "const" && x.type === "f32" && x.value === ROUNDER;
  return rewrite(
    e,
    (x) => {
      if (x.kind !== "binary" || !isRounder(x.b)) return undefined;
      if (x.op === "add" && !(x.a.kind === "unary" && x.a.op === "round"))
        return add(unary("round", x.a), x.b);
      if (x.op === "sub" && x.a.kind === "binary" && x.a.op === "add" && isRounder(x.a.b)) return x.a.a;
      return undefined;
    },
    memo,
  );
}

/** Powers that have a way of their own. */
function power(x: Expr, y: Expr): Expr {
  if (y.kind === "const" && y.value === 0.5) return rooted(x);
  if (y.kind === "const" && y.value === 0) return f32(1);
  return pow(x, y);
}

/** The square root, but for -Infinity, whose power is Infinity, and -0, whose power is 0. */
function rooted(x: Expr): Expr {
  return select(binary("eq", x, f32(-Infinity)), f32(Infinity), unary("sqrt", add(x, f32(0))));
}
