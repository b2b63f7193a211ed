/**
 * Transcendental functions as polynomials. In: an expression with exp, log, tanh, ... in f32. Out: the same in
 * additions, multiplications and bit operations, which every backend vectorises. Invariant: NaN gives NaN, the
 * infinities and signed zero are right, and the error against the exact value is at most the ULP named at each
 * function (measured over a million arguments by lower/math.test.ts). Functions without an entry stay, and
 * the backend calls the host's Math for them.
 *
 * The coefficients are the published minimax sets of the Cephes library (exp, log, tanh, sin, cos) and of
 * N. Juffa (erf).
 */
import {
  add,
  binary,
  bitcast,
  cast,
  constant,
  div,
  f32,
  lt,
  max,
  min,
  mul,
  neg,
  select,
  sub,
  unary,
  type Expr,
} from "../ir/expr.ts";
import { rewrite } from "../ir/walk.ts";

export const i32 = (value: number): Expr => constant("i32", value);
const asInt = (x: Expr): Expr => bitcast(x, "i32");
const asFloat = (x: Expr): Expr => bitcast(x, "f32");
export const abs = (x: Expr): Expr => unary("abs", x);

/** Horner's scheme, highest power first. */
export function polynomial(x: Expr, coefficients: readonly number[]): Expr {
  let sum = f32(coefficients[0]!);
  for (const c of coefficients.slice(1)) sum = add(mul(sum, x), f32(c));
  return sum;
}

/**
 * 1.5 * 2^23: a number of moderate size plus this is rounded to a whole one, which then is in the low bits of the sum.
 * No instruction converts to integers as cheaply.
 */
export const ROUNDER = 12582912;
const BITS_OF_ROUNDER = 0x4b400000;
const BITS_OF_ONE = 0x3f800000;

/** r and n with x = r + n ln 2, |r| <= ln 2 / 2 and n whole; n is told as the low bits of an integer. */
function reduced(x: Expr, log2e: number = Math.LOG2E): { r: Expr; bits: Expr } {
  const sum = add(mul(x, f32(log2e)), f32(ROUNDER));
  const n = sub(sum, f32(ROUNDER));
  // ln 2 in two pieces, of which the first has few bits: n times it is exact.
  const sign = Math.sign(log2e);
  const r = add(mul(n, f32(sign * 0.00021219444)), add(mul(n, f32(sign * -0.693359375)), x));
  return { r, bits: asInt(sum) };
}

/** (e^r - 1 - r) / r^2 for |r| <= ln 2 / 2: minimax for the relative error of e^r, which is 3e-9. */
const EXPONENTIAL = [1.38145394e-3, 8.36874545e-3, 4.1668389e-2, 0.166665211, 0.49999994];

/** 2^n, where n is the low bits of an integer: 0 for n = -127, infinite for n = 128. */
function powerOfTwo(bits: Expr): Expr {
  return asFloat(add(binary("shl", bits, i32(23)), i32(BITS_OF_ONE)));
}

/** e^x, 1.1 ULP; subnormal results included, but see {@link boundedExp}. */
function exp(x: Expr): Expr {
  const { r, bits } = reduced(max(min(x, f32(89)), f32(-104)));
  const value = add(add(mul(polynomial(r, EXPONENTIAL), mul(r, r)), r), f32(1));
  // 2^n in two halves, so that neither overflows before the product is rounded once.
  const whole = sub(bits, i32(BITS_OF_ROUNDER));
  const half = binary("shr", whole, i32(1));
  return mul(mul(value, powerOfTwo(half)), powerOfTwo(sub(whole, half)));
}

/** e^x for x from -88 to 89, 2 ULP: where the smallest numbers do not matter. 0 and infinite just beyond. */
function fastExp(x: Expr): Expr {
  const { r, bits } = reduced(x);
  return mul(polynomial(r, [...EXPONENTIAL, 1, 1]), powerOfTwo(bits));
}

/** e^-x for x from -89 to 88: as above, and without an instruction for the sign. */
function fastExpOfNegative(x: Expr): Expr {
  const { r, bits } = reduced(x, -Math.LOG2E);
  const mirrored = [...EXPONENTIAL, 1, 1].map((c, i) => (i % 2 === 0 ? c : -c));
  return mul(polynomial(r, mirrored), powerOfTwo(bits));
}

/** e^x of an x that is at most a moderate constant, such as the differences of a softmax: nothing to overflow. */
function boundedExp(x: Expr): Expr | undefined {
  if (x.kind !== "binary" || x.op !== "min" || x.b.kind !== "const" || !(Number(x.b.value) <= 88)) return undefined;
  return fastExp(max(x, f32(-88)));
} // prettier-ignore

/** ln x, 1 ULP. */
function log(x: Expr): Expr {
  const tiny = lt(x, f32(1.17549435e-38));
  const scaled = select(tiny, mul(x, f32(8388608)), x);
  const bits = asInt(scaled);
  const exponent = sub(binary("and", binary("shr", bits, i32(23)), i32(255)), i32(126));
  const mantissa = asFloat(binary("or", binary("and", bits, i32(0x007fffff)), i32(0x3f000000)));
  const low = lt(mantissa, f32(Math.SQRT1_2));
  const e = sub(cast(sub(exponent, select(low, i32(1), i32(0))), "float32"), select(tiny, f32(23), f32(0)));
  const m = sub(select(low, add(mantissa, mantissa), mantissa), f32(1));
  const z = mul(m, m);
  const p = polynomial(m, [7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1]); // prettier-ignore
  const small = add(mul(mul(p, z), m), mul(e, f32(-2.1219444e-4)));
  const value = add(add(m, sub(small, mul(z, f32(0.5)))), mul(e, f32(0.693359375)));
  const isInfinite = binary("eq", x, f32(Infinity));
  const isZero = binary("eq", x, f32(0));
  const finite = select(isInfinite, x, select(isZero, f32(-Infinity), value));
  // Negative and NaN arguments: neither is >= 0.
  return select(binary("ge", x, f32(0)), finite, f32(NaN));
}

/** 1 / (1 + e^-x), 2.5 ULP; 0 where that would be subnormal. */
function sigmoid(x: Expr, scale = 1): Expr {
  const made = div(f32(scale), add(fastExpOfNegative(max(min(x, f32(88)), f32(-89))), f32(1)));
  scales.set(made, scale);
  return made;
}

/** What sigmoid() has made, and how many times a sigmoid it is. */
const scales = new WeakMap<Expr, number>();
/** What tanh() has made, and of what. */
const tangents = new WeakMap<Expr, Expr>();

/** x * sigmoid(y) with one operation less, and one rounding: x / (1 + e^-y). */
function timesSigmoid(a: Expr, b: Expr): Expr | undefined {
  const [x, s] = scales.has(b) ? [a, b] : [b, a];
  const scale = scales.get(s);
  return scale !== undefined && s.kind === "binary" ? div(scaled(x, scale), s.b) : undefined;
}

/** What erf() has made, and of what. */
const errors = new WeakMap<Expr, Expr>();

/**
 * 1 + tanh x = 2 sigmoid(2 x), which also keeps its digits where tanh x is nearly -1; and 1 + erf x: what both forms
 * of GELU are made of.
 */
function onePlus(a: Expr, b: Expr): Expr | undefined {
  const [x, one] = tangents.has(a) || errors.has(a) ? [a, b] : [b, a];
  if (one.kind !== "const" || one.value !== 1) return undefined;
  const tangent = tangents.get(x);
  if (tangent) return sigmoid(scaled(tangent, 2), 2);
  const error = errors.get(x);
  return error && onePlusErf(error);
}

/**
 * 1 + erf x, 4e-7 of absolute error, exact beyond 4: what GELU is made of. The bits of erf x itself are lost in the
 * sum, so one quotient of polynomials in x^2 serves for all x, fitted for the relative error (2.5e-8) on [0, 4]; at 4
 * it is a little above 1, and cut.
 */
function onePlusErf(x: Expr): Expr {
  const a = max(min(x, f32(4)), f32(-4));
  const z = mul(a, a);
  const p = polynomial(
    z,
    [1.98685743e-6, 2.8456043e-4, 3.8830298e-3, 5.31007573e-2, 0.193537503, 1.12837911],
  );
  const q = polynomial(z, [3.74206611e-5, 1.18549855e-3, 1.52066117e-2, 0.115346886, 0.504850686, 1]);
  return add(max(min(div(mul(p, a), q), f32(1)), f32(-1)), f32(1));
}

/** x * by, for a power of two. */
function scaled(x: Expr, by: number): Expr {
  if (x.kind === "binary" && x.op === "mul" && x.b.kind === "const")
    return mul(x.a, f32(Number(x.b.value) * by));
  if (x.kind === "binary" && x.op === "mul" && x.a.kind === "const")
    return mul(x.b, f32(Number(x.a.value) * by));
  return mul(x, f32(by));
}

/** tanh x, 1.5 ULP. */
function tanh(x: Expr): Expr {
  const a = abs(x);
  const z = mul(x, x);
  const p = polynomial(
    z,
    [-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1],
  );
  const small = add(mul(mul(p, z), a), a);
  const large = sub(f32(1), div(f32(2), add(fastExp(min(add(a, a), f32(88))), f32(1))));
  const made = copySign(select(lt(a, f32(0.625)), small, large), x);
  tangents.set(made, x);
  return made;
}

/** The size of a number with the sign of another. `magnitude` is not negative. */
export function copySign(magnitude: Expr, sign: Expr): Expr {
  return asFloat(binary("or", asInt(magnitude), binary("and", asInt(sign), i32(-0x80000000))));
}

/** erf x, 1.5 ULP. */
function erf(x: Expr): Expr {
  const t = abs(x);
  const s = mul(x, x);
  const low = polynomial(
    s,
    [-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1],
  );
  const small = add(mul(low, x), x);
  const r = add(mul(f32(-1.7285347e-5), t), f32(3.83197126e-4));
  const u = add(mul(f32(-3.88396438e-3), t), f32(2.42546219e-2));
  let q = add(mul(r, s), u);
  for (const c of [-1.06777877e-1, -6.34846687e-1, -1.28717512e-1]) q = add(mul(q, t), f32(c));
  q = sub(mul(q, t), t);
  // Beyond 4 the result is 1; the clamp keeps inf - inf out of the polynomial.
  const clamped = select(lt(t, f32(4)), q, select(binary("eq", x, x), f32(-88), x));
  const large = copySign(sub(f32(1), fastExp(clamped)), x);
  const made = select(binary("le", t, f32(0.921875)), small, large);
  errors.set(made, x);
  return made;
}

/** Terms of the series and levels of the fraction below: enough for double precision where they are used. */
const ERF_TERMS = 40;
/** Where one takes over from the other: below, the terms are enough; above, the levels are. */
const ERF_TURN = 2.5;

/** erf in f64: a series of positive terms below 2.5, a continued fraction of the rest above; exp is the host's. */
function erfDouble(x: Expr): Expr {
  const f64 = (value: number): Expr => constant("f64", value);
  const a = min(abs(x), f64(6));
  const square = mul(a, a);
  const decay = unary("exp", neg(square));
  let sum = f64(1);
  let fraction = a;
  for (let n = ERF_TERMS; n > 0; n--) {
    sum = add(mul(mul(square, f64(2 / (2 * n + 1))), sum), f64(1));
    fraction = add(div(f64(n / 2), fraction), a);
  }
  const small = mul(mul(mul(x, f64(2 / Math.sqrt(Math.PI))), decay), sum);
  const large = sub(f64(1), div(mul(decay, f64(1 / Math.sqrt(Math.PI))), fraction));
  return select(lt(a, f64(ERF_TURN)), small, select(lt(x, f64(0)), neg(large), large));
}

/**
 * pi/4 in pieces of eight bits, so that products with even numbers up to 2^17, and with those of sixteen bits more, are
 * exact, and a last one with the rest: the difference from the nearest multiple keeps all its bits, however small it is.
 */
const QUARTER_PI = [0.78515625, 0.00024127960205078125, 6.332993507385254e-7, 4.94765117764473e-10, 1.2816720757972595e-12]; // prettier-ignore

/**
 * sin and cos, 8 ULP for |x| <= 2^22, which is further than positions of a text are counted (4 up to 65536, 2 below
 * 10). Far beyond, the result is only known to lie within [-1, 1].
 */
function sineOrCosine(x: Expr, cosine: boolean): Expr {
  const a = abs(x);
  // The octant, rounded up to even: a lies within pi/4 of octant * pi/4.
  const truncated = cast(mul(a, f32(4 / Math.PI)), "int32");
  const octant = binary("and", add(truncated, i32(1)), i32(-2));
  const parts = [i32(-65536), i32(65535)].map((bits) => cast(binary("and", octant, bits), "float32"));
  let reduced = a;
  for (const piece of QUARTER_PI) for (const part of parts) reduced = sub(reduced, mul(part, f32(piece)));
  const r = min(max(reduced, f32(-1)), f32(1));
  const z = mul(r, r);
  const sine = add(mul(mul(polynomial(z, [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1]), z), r), r);
  const cos = add(sub(mul(mul(polynomial(z, [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2]), z), z), mul(z, f32(0.5))), f32(1)); // prettier-ignore
  const quadrant = binary("and", octant, i32(2));
  const odd = binary("ne", quadrant, i32(0));
  const value = cosine ? select(odd, sine, cos) : select(odd, cos, sine);
  // sin changes sign every four octants and with x; cos two octants earlier and never with x.
  const turn = cosine ? add(octant, i32(2)) : octant;
  const flipped = binary("shl", binary("and", turn, i32(4)), i32(29));
  const sign = cosine ? flipped : binary("xor", flipped, binary("and", asInt(x), i32(-0x80000000)));
  const result = asFloat(binary("xor", asInt(value), sign));
  return select(lt(a, f32(Infinity)), result, f32(NaN));
}

const functions: Readonly<Record<string, (x: Expr) => Expr>> = {
  exp,
  log,
  sigmoid: (x) => sigmoid(x),
  tanh,
  erf,
  sin: (x) => sineOrCosine(x, false),
  cos: (x) => sineOrCosine(x, true),
};

/** Powers with a constant exponent that need no function. */
function power(x: Expr, exponent: Expr): Expr | undefined {
  if (exponent.kind !== "const" || (x.type !== "f32" && x.type !== "f64")) return undefined;
  switch (exponent.value) {
    case 1:
      return x;
    case 2:
      return mul(x, x);
    case 3:
      return mul(mul(x, x), x);
    case -1:
      return div(constant(x.type, 1), x);
    default:
      return undefined;
  }
}

/** a^b of integers by squaring, modulo what the type holds; a negative exponent gives the truncated reciprocal. */
function integerPower(a: Expr, b: Expr): Expr {
  const whole = (value: number): Expr => constant(a.type, value);
  const bits = a.type === "i64" || a.type === "u64" ? 64 : 32;
  const signed = a.type === "i64" || a.type === "i32";
  let result = whole(1);
  let square = a;
  for (let k = 0; k < (signed ? bits - 1 : bits); k++) {
    const isSet = binary("ne", binary("and", binary("shr", b, whole(k)), whole(1)), whole(0));
    result = select(isSet, mul(result, square), result);
    square = mul(square, square);
  }
  if (!signed) return result;
  const isOdd = binary("ne", binary("and", b, whole(1)), whole(0));
  const ofMinusOne = select(binary("eq", a, whole(-1)), select(isOdd, whole(-1), whole(1)), whole(0));
  return select(lt(b, whole(0)), select(binary("eq", a, whole(1)), whole(1), ofMinusOne), result);
}

/** `dot4` byte by byte. */
function dotOfBytes(a: Expr, b: Expr): Expr {
  const byte = (word: Expr, n: number): Expr => binary("shr", binary("shl", word, i32(24 - 8 * n)), i32(24));
  return [0, 1, 2, 3].map((n) => mul(byte(a, n), byte(b, n))).reduce((sum, product) => add(sum, product));
}

/**
 * Replaces functions by polynomials where there is one; the rest is for the host. Powers of integers and dot products of
 * bytes become products, unless `keepsIntegers`.
 */
export function lowerMath(e: Expr, memo?: Map<Expr, Expr>, keepsIntegers = false): Expr {
  return rewrite(
    e,
    (x) => {
      if (x.kind === "unary" && x.type === "f32")
        return (x.op === "exp" ? boundedExp(x.a) : undefined) ?? functions[x.op]?.(x.a);
      if (x.kind === "unary" && x.type === "f64" && x.op === "sigmoid") {
        const one = constant("f64", 1);
        return div(one, add(one, unary("exp", neg(x.a))));
      }
      if (x.kind === "unary" && x.type === "f64" && x.op === "erf") {
        return erfDouble(x.a);
      }
      if (x.kind === "binary" && x.op === "mul") return timesSigmoid(x.a, x.b);
      if (x.kind === "binary" && x.op === "add") return onePlus(x.a, x.b);
      if (x.kind === "binary" && x.op === "dot4" && !keepsIntegers) return dotOfBytes(x.a, x.b);
      if (x.kind === "binary" && x.op === "pow") {
        if (x.type === "f32" || x.type === "f64") return power(x.a, x.b);
        if (keepsIntegers) return undefined;
        return integerPower(x.a, x.b);
      }
      return undefined;
    },
    memo,
  );
}
