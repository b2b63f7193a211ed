/**
 * Activation functions. In: a float tensor (integers where ONNX allows them) and constant parameters. Out: maps.
 * Invariant: no formula overflows to NaN for finite input: exponentials are taken of non-positive numbers wherever
 * the function itself stays finite. Source of the formulas: the ONNX operator reference.
 */
import { add, binary, cast, div, max, min, mul, neg, select, sub, unary, type Expr } from "../ir/expr.ts";
import { elementCount } from "../ir/dtype.ts";
import type { Kernel } from "../ir/kernel.ts";
import { asFloat, broadcastOperator, clampTo, comparison, number, operand, plainUnary, requireNumeric, unaryOperator } from "./elementwise.ts"; // prettier-ignore
import { mapKernel, type OpCall, type OpDefinition } from "./define.ts";

const exp = (x: Expr): Expr => unary("exp", x);

/** exp(x) - 1. For small |x| its absolute error is that of 1, which is what these functions are used with. */
function expMinusOne(x: Expr): Expr {
  return sub(exp(x), number(x, 1));
}

/** x where positive, scale * (exp(x / scale) - 1) elsewhere; the exponent is kept at or below 0. */
function exponentialUnit(x: Expr, positive: Expr, negative: (x: Expr) => Expr, from: "gt" | "ge" = "gt"): Expr {
  return select(comparison(from, x, 0), positive, negative(min(x, number(x, 0))));
} // prettier-ignore

function elu(x: Expr, call: OpCall): Expr {
  const alpha = call.float("alpha", 1);
  // x itself from 0 on, and so is -0.
  return exponentialUnit(x, x, (low) => mul(expMinusOne(low), number(x, alpha)), "ge");
}

function celu(x: Expr, call: OpCall): Expr {
  const alpha = call.float("alpha", 1);
  return exponentialUnit(x, x, (low) => mul(expMinusOne(mul(low, number(x, 1 / alpha))), number(x, alpha)));
}

function selu(x: Expr, call: OpCall): Expr {
  const alpha = call.float("alpha", 1.67326319217681884765625);
  const gamma = call.float("gamma", 1.05070102214813232421875);
  return exponentialUnit(x, mul(x, number(x, gamma)), (low) =>
    mul(expMinusOne(low), number(x, gamma * alpha)),
  );
}

function gelu(x: Expr, call: OpCall): Expr {
  const half = mul(x, number(x, 0.5));
  if (call.string("approximate", "none") === "tanh") {
    const cubic = mul(mul(mul(x, x), x), number(x, 0.044715));
    return mul(half, add(unary("tanh", mul(add(x, cubic), number(x, Math.sqrt(2 / Math.PI)))), number(x, 1)));
  }
  return mul(half, add(unary("erf", mul(x, number(x, Math.SQRT1_2))), number(x, 1)));
}

/** log(1 + exp(x)) as max(x, 0) + log(1 + u), u = exp(-|x|); log1p by Kahan's quotient, exact for tiny u. */
export function softplus(x: Expr): Expr {
  const u = exp(neg(unary("abs", x)));
  const one = number(x, 1);
  const w = add(u, one);
  const same = binary("eq", w, one);
  const quotient = div(mul(unary("log", w), u), select(same, one, sub(w, one)));
  return add(max(x, number(x, 0)), select(same, u, quotient));
}

/** x tanh(softplus(x)) with one exponential: tanh(log(1 + n)) = n (n + 2) / (n (n + 2) + 2), which is 1 from n = e^20 on. */
function mish(x: Expr): Expr {
  const n = exp(min(x, number(x, 20)));
  const product = mul(n, add(n, number(x, 2)));
  return mul(x, div(product, add(product, number(x, 2))));
}

function swish(x: Expr, call: OpCall): Expr {
  return mul(x, unary("sigmoid", mul(x, number(x, call.float("alpha", 1)))));
}

function shrink(x: Expr, call: OpCall): Expr {
  const value = asFloat(x);
  const bias = number(value, call.float("bias", 0));
  const lambda = call.float("lambd", 0.5);
  const high = select(comparison("gt", value, lambda), sub(value, bias), number(value, 0));
  const result = select(comparison("lt", value, -lambda), add(value, bias), high);
  return value === x ? result : cast(result, call.input(0).dtype);
}

/** alpha * x + beta between 0 and 1. */
function hardSigmoid(x: Expr, alpha: number, beta: number): Expr {
  return clampTo(add(mul(x, number(x, alpha)), number(x, beta)), 0, 1);
}

/** Clip: a bound that is not given does not bound; where the bounds cross, the upper one wins. */
function clip(call: OpCall): Kernel {
  return mapKernel(call, (index, writer) => {
    let x = writer.load(0, index);
    if (call.has(1)) x = max(x, operand(writer, 1, []));
    if (call.has(2)) x = min(x, operand(writer, 2, []));
    return x;
  });
}

export const activationOps: readonly OpDefinition[] = [
  plainUnary("Sigmoid", "sigmoid"),
  plainUnary("Tanh", "tanh"),
  unaryOperator("Relu", (x) => max(x, number(x, 0))),
  unaryOperator("LeakyRelu", (x, call) =>
    select(comparison("lt", x, 0), mul(x, number(x, call.float("alpha", 0.01))), x),
  ),
  unaryOperator("Elu", elu),
  unaryOperator("Celu", celu),
  unaryOperator("Selu", selu),
  unaryOperator("Gelu", gelu),
  unaryOperator("Softplus", softplus),
  unaryOperator("Softsign", (x) => div(x, add(unary("abs", x), number(x, 1)))),
  unaryOperator("Mish", mish),
  unaryOperator("Shrink", shrink),
  unaryOperator("HardSigmoid", (x, call) =>
    hardSigmoid(x, call.float("alpha", 0.2), call.float("beta", 0.5)),
  ),
  unaryOperator("HardSwish", (x) => mul(x, hardSigmoid(x, 1 / 6, 0.5))),
  unaryOperator("Swish", swish),
  broadcastOperator("SwiGLU", ([x, gate], call) => mul(swish(x!, call), gate!), { inputs: 2 }),
  unaryOperator("ThresholdedRelu", (x, call) =>
    select(comparison("gt", x, call.float("alpha", 1)), x, number(x, 0)),
  ),
  broadcastOperator("PRelu", ([x, slope]) => select(comparison("lt", x!, 0), mul(x!, slope!), x!), {
    inputs: 2,
  }),
  {
    op: "Clip",
    infer: (call) => {
      for (const position of [1, 2]) {
        if (call.has(position) && elementCount(call.input(position).shape) !== 1) {
          call.fail("shape-mismatch", `the bound has shape [${call.input(position).shape}]`);
        }
      }
      return [{ dtype: requireNumeric(call, 0), shape: call.input(0).shape }];
    },
    implementation: { kind: "compute", build: clip },
  },
];
