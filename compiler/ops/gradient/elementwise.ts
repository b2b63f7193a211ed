/**
 * Derivatives of what is computed element by element: arithmetic, functions, activations, choices. In: uses of these
 * operators. Out: their gradients. Invariant: where a function has a kink, the derivative is that of the branch that
 * the definition takes there; equal candidates of a maximum share the gradient equally.
 */
import { isFloat } from "../../ir/dtype.ts";
import type { ValueId } from "../../ir/graph.ts";
import type { Differential, OperatorGradient, Rule } from "./differential.ts";

/** A rule for a function of one operand: dy times what `slope` gives. */
function slope(slope: (d: Differential, x: ValueId, y: ValueId) => ValueId): OperatorGradient {
  return { rule: (d) => [d.mul(d.dy(), slope(d, d.x(), d.y()))] };
}

/** The slope is `inside` where the condition holds and 0 elsewhere. */
function gate(condition: (d: Differential, x: ValueId, y: ValueId) => ValueId): OperatorGradient {
  return { rule: (d) => [d.where(condition(d, d.x(), d.y()), d.dy(), 0)] };
}

const one = (d: Differential, f: string, x: ValueId): ValueId => d.to.node(f, [x]);
/** 1 - v. */
const rest = (d: Differential, v: ValueId): ValueId => d.sub(1, v);
const positive = (d: Differential, x: ValueId): ValueId => d.op("Greater", [x, 0]);
const constant: OperatorGradient = { rule: () => [undefined] };
const attribute = (d: Differential, name: string, otherwise: number): number => d.call.float(name, otherwise);

const functions: Readonly<Record<string, OperatorGradient>> = {
  Neg: { rule: (d) => [one(d, "Neg", d.dy())] },
  Abs: slope((d, x) => one(d, "Sign", x)),
  Reciprocal: slope((d, _, y) => one(d, "Neg", d.square(y))),
  Sqrt: slope((d, _, y) => d.div(0.5, y)),
  Exp: slope((_, __, y) => y),
  Log: { rule: (d) => [d.div(d.dy(), d.x())] },
  Erf: slope((d, x) => d.mul(2 / Math.sqrt(Math.PI), one(d, "Exp", one(d, "Neg", d.square(x))))),
  Sin: slope((d, x) => one(d, "Cos", x)),
  Cos: slope((d, x) => one(d, "Neg", one(d, "Sin", x))),
  Tan: slope((d, _, y) => d.add(1, d.square(y))),
  Asin: slope((d, x) => d.div(1, one(d, "Sqrt", rest(d, d.square(x))))),
  Acos: slope((d, x) => d.div(-1, one(d, "Sqrt", rest(d, d.square(x))))),
  Atan: slope((d, x) => d.div(1, d.add(1, d.square(x)))),
  Sinh: slope((d, x) => one(d, "Cosh", x)),
  Cosh: slope((d, x) => one(d, "Sinh", x)),
  Tanh: slope((d, _, y) => rest(d, d.square(y))),
  Asinh: slope((d, x) => d.div(1, one(d, "Sqrt", d.add(1, d.square(x))))),
  Acosh: slope((d, x) => d.div(1, one(d, "Sqrt", d.sub(d.square(x), 1)))),
  Atanh: slope((d, x) => d.div(1, rest(d, d.square(x)))),
  Sign: constant,
  Floor: constant,
  Ceil: constant,
  Round: constant,
  EyeLike: constant,
  RandomNormalLike: constant,
  RandomUniformLike: constant,
  Identity: { rule: (d) => [d.dy()] },
  Dropout: { rule: (d) => [d.dy()] },
};

/** The slope of x * gate(x): gate + x * gate'. */
const gated = (d: Differential, x: ValueId, gate: ValueId, slope: ValueId): ValueId =>
  d.add(gate, d.mul(x, slope));

function geluSlope(d: Differential, x: ValueId): ValueId {
  if (d.call.string("approximate", "none") === "tanh") {
    const factor = Math.sqrt(2 / Math.PI);
    const square = d.square(x);
    const inner = d.mul(factor, d.mul(x, d.add(1, d.mul(0.044715, square))));
    const tanh = one(d, "Tanh", inner);
    const innerSlope = d.mul(factor, d.add(1, d.mul(3 * 0.044715, square)));
    return gated(d, x, d.mul(0.5, d.add(1, tanh)), d.mul(d.mul(0.5, rest(d, d.square(tanh))), innerSlope));
  }
  const distribution = d.mul(0.5, d.add(1, one(d, "Erf", d.mul(x, Math.SQRT1_2))));
  const density = d.mul(1 / Math.sqrt(2 * Math.PI), one(d, "Exp", d.mul(-0.5, d.square(x))));
  return gated(d, x, distribution, density);
}

function swishSlope(d: Differential, x: ValueId): ValueId {
  const alpha = attribute(d, "alpha", 1);
  const sigmoid = one(d, "Sigmoid", d.mul(alpha, x));
  return gated(d, x, sigmoid, d.mul(alpha, d.mul(sigmoid, rest(d, sigmoid))));
}

function mishSlope(d: Differential, x: ValueId): ValueId {
  const tanh = one(d, "Tanh", one(d, "Softplus", x));
  return gated(d, x, tanh, d.mul(rest(d, d.square(tanh)), one(d, "Sigmoid", x)));
}

/** 0 < alpha x + beta < 1. */
function isInside(d: Differential, x: ValueId, alpha: number, beta: number): ValueId {
  const line = d.add(d.mul(alpha, x), beta);
  return d.to.node("And", [d.op("Greater", [line, 0]), d.op("Less", [line, 1])]);
}

const activations: Readonly<Record<string, OperatorGradient>> = {
  Sigmoid: slope((d, _, y) => d.mul(y, rest(d, y))),
  Relu: gate(positive),
  ThresholdedRelu: gate((d, x) => d.op("Greater", [x, attribute(d, "alpha", 1)])),
  Shrink: gate((d, x) => d.op("Greater", [one(d, "Abs", x), attribute(d, "lambd", 0.5)])),
  LeakyRelu: {
    rule: (d) => [d.where(d.op("Less", [d.x(), 0]), d.mul(attribute(d, "alpha", 0.01), d.dy()), d.dy())],
  },
  Elu: slope((d, x, y) => d.where(positive(d, x), 1, d.add(y, attribute(d, "alpha", 1)))),
  Celu: slope((d, x, y) => d.where(positive(d, x), 1, d.add(d.div(y, attribute(d, "alpha", 1)), 1))),
  Selu: slope((d, x, y) => {
    const gamma = attribute(d, "gamma", 1.05070102214813232421875);
    const alpha = attribute(d, "alpha", 1.67326319217681884765625);
    return d.where(positive(d, x), gamma, d.add(y, gamma * alpha));
  }),
  HardSigmoid: slope((d, x) => {
    const alpha = attribute(d, "alpha", 0.2);
    return d.mul(alpha, d.indicator(isInside(d, x, alpha, attribute(d, "beta", 0.5)), x));
  }),
  HardSwish: slope((d, x) => {
    const gate = d.op("HardSigmoid", [x], { alpha: { float: 1 / 6 }, beta: { float: 0.5 } });
    return gated(d, x, gate, d.mul(1 / 6, d.indicator(isInside(d, x, 1 / 6, 0.5), x)));
  }),
  Softplus: slope((d, x) => one(d, "Sigmoid", x)),
  Softsign: slope((d, x) => d.div(1, d.square(d.add(1, one(d, "Abs", x))))),
  Gelu: slope(geluSlope),
  Swish: slope(swishSlope),
  Mish: slope(mishSlope),
};

const prelu: Rule = (d) => {
  const [x, slope] = [d.x(), d.x(1)];
  const negative = d.op("Less", [x, 0]);
  return [
    d.where(negative, d.mul(d.dy(), slope), d.dy()),
    d.wants(1) ? d.toInput(d.where(negative, d.mul(d.dy(), x), 0), 1) : undefined,
  ];
};

/** The gradient goes to x between the bounds, and to a bound where it is what came out. */
const clip: Rule = (d) => {
  const [x, y] = [d.x(), d.y()];
  const outside = (position: number, comparison: string): ValueId | undefined =>
    d.call.has(position) ? d.to.node(comparison, [x, d.x(position)]) : undefined;
  const [below, above] = [outside(1, "Less"), outside(2, "Greater")];
  return d.each((i) => {
    if (i > 0) return d.toInput(d.where([below, above][i - 1]!, d.dy(), 0), i);
    return d.where(d.to.node("Equal", [x, y]), d.dy(), 0);
  });
};

const power: Rule = (d) => {
  const [base, exponent] = [d.x(), d.x(1)];
  const { dtype } = d.call.input(0);
  const by = d.call.input(1).dtype === dtype ? exponent : d.to.node("CastLike", [exponent, base]);
  return d.each((i) => {
    if (i === 0) return d.toInput(d.mul(d.dy(), d.mul(by, d.op("Pow", [base, d.sub(by, 1)]))), 0);
    // 0 to any power stays 0, though its logarithm is infinite.
    const logarithm = one(d, "Log", d.where(d.op("Equal", [base, 0]), 1, base));
    const gradient = d.toInput(d.mul(d.dy(), d.mul(d.y(), logarithm)), 1);
    return d.call.input(1).dtype === dtype ? gradient : d.to.node("CastLike", [gradient, exponent]);
  });
};

/** Each operand that is the extreme one gets its share. */
const extreme: Rule = (d) => {
  const hits = d.call.inputs.map((_, i) => d.indicator(d.to.node("Equal", [d.x(i), d.y()]), d.y()));
  const share = d.div(d.dy(), hits.length > 1 ? d.to.node("Sum", hits) : hits[0]!);
  return d.each((i) => d.toInput(d.mul(share, hits[i]!), i));
};

/** Only what is a float on both sides has a derivative. */
const cast: Rule = (d) => [
  isFloat(d.call.outputs[0]!.dtype) ? d.to.node("CastLike", [d.dy(), d.x()]) : undefined,
];

const arithmetic: Readonly<Record<string, OperatorGradient>> = {
  Add: { rule: (d) => d.each((i) => d.toInput(d.dy(), i)) },
  Sub: { rule: (d) => d.each((i) => d.toInput(i === 0 ? d.dy() : one(d, "Neg", d.dy()), i)) },
  Mul: { rule: (d) => d.each((i) => d.toInput(d.mul(d.dy(), d.x(1 - i)), i)) },
  Div: {
    rule: (d) => {
      const by = d.x(1);
      return d.each((i) => {
        const quotient = d.div(d.dy(), by);
        return d.toInput(i === 0 ? quotient : one(d, "Neg", d.mul(quotient, d.y())), i);
      });
    },
  },
  Mod: {
    rule: (d) => {
      const quotient = d.div(d.x(), d.x(1));
      const whole = d.call.int("fmod", 0)
        ? d.mul(one(d, "Sign", quotient), one(d, "Floor", one(d, "Abs", quotient)))
        : one(d, "Floor", quotient);
      return d.each((i) => d.toInput(i === 0 ? d.dy() : one(d, "Neg", d.mul(d.dy(), whole)), i));
    },
  },
  Pow: { rule: power },
  Sum: { rule: (d) => d.each((i) => d.toInput(d.dy(), i)) },
  Mean: { rule: (d) => d.each((i) => d.toInput(d.div(d.dy(), d.call.inputs.length), i)) },
  Max: { rule: extreme },
  Min: { rule: extreme },
  PRelu: { rule: prelu },
  Clip: { rule: clip },
  SwiGLU: {
    expand: (call, to) => {
      const [x, gate] = call.node.inputs as [ValueId, ValueId];
      return [to.node("Mul", [to.node("Swish", [x], { alpha: { float: call.float("alpha", 1) } }), gate])];
    },
  },
  Where: {
    rule: (d) => d.each((i) => d.toInput(i === 1 ? d.where(d.x(), d.dy(), 0) : d.where(d.x(), 0, d.dy()), i)),
  },
  Cast: { rule: cast },
  CastLike: { rule: cast },
};

export const elementwiseGradients = { ...functions, ...activations, ...arithmetic };
