/**
 * Optimizers of ai.onnx.preview.training: Adagrad, Adam, Momentum. In: learning rate R, update count T, and for
 * each of n tensors X its gradient and state, grouped by kind. Out: new tensors and states, in one kernel.
 * Invariant: all of a tensor's results are functions of its old values at the same point.
 * Source: ONNX operator documentation, ai.onnx.preview.training.
 */
import { add, binary, cast, constant, div, int, lt, mul, select, sub, unary, type Expr } from "../ir/expr.ts";
import { computeType, type DType } from "../ir/dtype.ts";
import type { Kernel } from "../ir/kernel.ts";
import { axesOver, coordinates, KernelWriter, type OpCall, type OpDefinition } from "./define.ts";
import { expectOneOr, expectShape } from "./operandShape.ts";

const DOMAIN = "ai.onnx.preview.training";

/** One tensor at one point. */
interface Point {
  /** x, its gradient, and its states in the operator's order. */
  readonly values: readonly Expr[];
  /** R and T in the tensor's compute type. */
  readonly rate: Expr;
  readonly count: Expr;
  real(value: number): Expr;
}

/** @param states tensors of state for each X */
function optimizer(
  op: string,
  states: number,
  update: (call: OpCall, point: Point) => readonly Expr[],
): OpDefinition {
  const kinds = 2 + states;
  const tensors = (call: OpCall): number => {
    const count = (call.inputs.length - 2) / kinds;
    if (!Number.isInteger(count) || count < 1) call.fail("graph-invalid", `${call.inputs.length} inputs`);
    return count;
  };
  return {
    op,
    domain: DOMAIN,
    infer(call) {
      const count = tensors(call);
      call.inputs.forEach((_, i) => {
        if (i >= 2) expectShape(call, i, "gradient or state", call.input(2 + ((i - 2) % count)).shape);
        else expectOneOr(call, i, i === 0 ? "R" : "T", 1);
      });
      // New X first, then the states, in the groups of the inputs without the gradients.
      const groups = [0, ...Array.from({ length: states }, (_, s) => 2 + s)];
      return groups.flatMap((group) =>
        Array.from({ length: count }, (_, i) => call.input(2 + group * count + i)),
      );
    },
    implementation: { kind: "compute", build: (call) => build(call, tensors(call)) },
  };

  function build(call: OpCall, count: number): Kernel {
    const writer = new KernelWriter(call);
    for (let i = 0; i < count; i++) {
      const { dtype, shape } = call.input(2 + i);
      const axes = axesOver(shape, `x${i}_`);
      const index = coordinates(axes);
      const type = computeType(dtype);
      const scalar = (position: number): Expr => {
        const value = writer.load(position, call.input(position).shape.map(() => int(0))); // prettier-ignore
        return value.type === type
          ? value
          : cast(value, type === "f64" ? "float64" : ("float32" satisfies DType));
      };
      const values = Array.from({ length: kinds }, (_, group) => writer.load(2 + group * count + i, index));
      const real = (value: number): Expr => constant(type, value);
      const results = update(call, { values, rate: scalar(0), count: scalar(1), real });
      results.forEach((value, kind) => {
        if (call.wants(kind * count + i)) writer.store(kind * count + i, axes, index, value);
      });
    }
    return writer.done();
  }
}

/** The gradient with that of the L2 penalty. */
function regularised(call: OpCall, { values, real }: Point): Expr {
  const [x, gradient] = values as [Expr, Expr];
  return add(mul(real(call.float("norm_coefficient", 0)), x), gradient);
}

const adagrad = optimizer("Adagrad", 1, (call, point) => {
  const { values, rate, count, real } = point;
  const [x, , squares] = values as [Expr, Expr, Expr];
  const gradient = regularised(call, point);
  const next = add(squares, mul(gradient, gradient));
  const slowed = div(rate, add(real(1), mul(count, real(call.float("decay_factor", 0)))));
  const size = add(unary("sqrt", next), real(call.float("epsilon", 1e-6)));
  return [sub(x, div(mul(slowed, gradient), size)), next];
});

const adam = optimizer("Adam", 2, (call, point) => {
  const { values, rate, count, real } = point;
  const [x, , mean, square] = values as [Expr, Expr, Expr, Expr];
  const [alpha, beta] = [call.float("alpha", 0.9), call.float("beta", 0.999)];
  const gradient = regularised(call, point);
  const nextMean = add(mul(real(alpha), mean), mul(real(1 - alpha), gradient));
  const nextSquare = add(mul(real(beta), square), mul(real(1 - beta), mul(gradient, gradient)));
  const remaining = (factor: number): Expr => sub(real(1), binary("pow", real(factor), count));
  const corrected = div(mul(rate, unary("sqrt", remaining(beta))), remaining(alpha));
  const step = select(lt(real(0), count), corrected, rate);
  const size = add(unary("sqrt", nextSquare), real(call.float("epsilon", 1e-6)));
  const moved = sub(x, div(mul(step, nextMean), size));
  return [mul(real(1 - call.float("norm_coefficient_post", 0)), moved), nextMean, nextSquare];
});

const momentum = optimizer("Momentum", 1, (call, point) => {
  const { values, rate, count, real } = point;
  const [x, , velocity] = values as [Expr, Expr, Expr];
  const alpha = real(call.float("alpha", 0));
  const gradient = regularised(call, point);
  // The first update takes the gradient as it is.
  const beta = select(lt(real(0), count), real(call.float("beta", 0)), real(1));
  const next = add(mul(alpha, velocity), mul(beta, gradient));
  const mode = call.string("mode", "standard");
  if (mode !== "standard" && mode !== "nesterov") call.fail("attribute-invalid", `mode "${mode}"`);
  const direction = mode === "nesterov" ? add(gradient, mul(alpha, next)) : next;
  return [sub(x, mul(rate, direction)), next];
});

export const trainingOps: readonly OpDefinition[] = [adagrad, adam, momentum];
