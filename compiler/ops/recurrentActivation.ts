/**
 * Activations of recurrent cells, by the names that RNN, GRU and LSTM use. In: names with their alpha and beta as
 * attributes. Out: functions over expressions. Invariant: parameters are taken in the order of the functions that
 * need them, and default as those functions do. Source: ONNX operator documentation, RNN.
 */
import { add, constant, div, lt, max, min, mul, select, sub, unary, type Expr } from "../ir/expr.ts";
import type { OpCall } from "./define.ts";

type Activation = (x: Expr) => Expr;

interface Named {
  /** Default alpha and beta; undefined where the function takes none. */
  readonly alpha?: number;
  readonly beta?: number;
  make(x: Expr, alpha: Expr, beta: Expr): Expr;
}

const zero = (x: Expr): Expr => constant(x.type, 0);
const one = (x: Expr): Expr => constant(x.type, 1);

const activations: Readonly<Record<string, Named>> = {
  relu: { make: (x) => max(x, zero(x)) },
  tanh: { make: (x) => unary("tanh", x) },
  sigmoid: { make: (x) => unary("sigmoid", x) },
  affine: { alpha: 1, beta: 0, make: (x, a, b) => add(mul(x, a), b) },
  leakyrelu: { alpha: 0.01, make: (x, a) => select(lt(x, zero(x)), mul(x, a), x) },
  thresholdedrelu: { alpha: 1, make: (x, a) => select(lt(a, x), x, zero(x)) },
  scaledtanh: { alpha: 1, beta: 1, make: (x, a, b) => mul(a, unary("tanh", mul(x, b))) },
  hardsigmoid: { alpha: 0.2, beta: 0.5, make: (x, a, b) => min(max(add(mul(x, a), b), zero(x)), one(x)) },
  elu: { alpha: 1, make: (x, a) => select(lt(x, zero(x)), mul(a, sub(unary("exp", x), one(x))), x) },
  softsign: { make: (x) => div(x, add(one(x), unary("abs", x))) },
  // log(1 + exp(x)) without overflow
  softplus: {
    make: (x) => add(max(x, zero(x)), unary("log", add(one(x), unary("exp", unary("neg", unary("abs", x)))))),
  },
};

/** The activations of one direction of a cell with the given defaults. */
export function cellActivations(call: OpCall, direction: number, defaults: readonly string[]): Activation[] {
  const names = call.strings("activations") ?? [...defaults, ...defaults];
  const alphas = [...(call.floats("activation_alpha") ?? [])];
  const betas = [...(call.floats("activation_beta") ?? [])];
  const made = names.map((name): Activation => {
    const known = activations[name.toLowerCase()];
    if (!known)
      call.fail("attribute-invalid", `activation "${name}"`, `one of ${Object.keys(activations).join(", ")}`);
    const alpha = known.alpha === undefined ? 0 : (alphas.shift() ?? known.alpha);
    const beta = known.beta === undefined ? 0 : (betas.shift() ?? known.beta);
    return (x) => known.make(x, constant(x.type, alpha), constant(x.type, beta));
  });
  const first = direction * defaults.length;
  if (made.length < first + defaults.length) {
    call.fail("attribute-invalid", `${names.length} activations where ${first + defaults.length} are needed`);
  }
  return made.slice(first, first + defaults.length);
}
