/**
 * The post transforms that ai.onnx.ml operators end with. In: scores [rows, classes] and the transform's name.
 * Out: transformed scores, by ordinary operators. Source: ONNX operator documentation, ai.onnx.ml; PROBIT by
 * Winitzki's approximation of the inverse error function, as onnxruntime computes it.
 */
import { add, constant, div, lt, mul, select, sub, unary, type Expr } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import { mapKernel, type Expander, type OpCall, type OpDefinition } from "./define.ts";

/** Applies the transform to rows of scores. */
export function postTransform(call: OpCall, to: Expander, scores: ValueId, name: string): ValueId {
  switch (name) {
    case "NONE":
      return scores;
    case "LOGISTIC":
      return to.node("Sigmoid", [scores]);
    case "SOFTMAX":
      return to.node("Softmax", [scores], { axis: -1 });
    case "SOFTMAX_ZERO": {
      // Scores of zero stay zero; the others share what there is.
      const axes = to.integers([-1]);
      const { dtype } = to.typeOf(scores);
      const shifted = to.node("Sub", [scores, to.node("ReduceMax", [scores, axes])]);
      const zero = to.scalar(dtype, 0);
      const powers = to.node("Where", [to.node("Equal", [scores, zero]), zero, to.node("Exp", [shifted])]);
      return to.node("Div", [powers, to.node("ReduceSum", [powers, axes])]);
    }
    case "PROBIT":
      return to.node("tilewright:Probit", [scores]);
    default:
      return call.fail("attribute-invalid", `post_transform "${name}"`);
  }
}

/** sqrt(2) * inverse erf(2x - 1). */
function probit(p: Expr): Expr {
  const real = (value: number): Expr => constant(p.type, value);
  const x = sub(mul(p, real(2)), real(1));
  const logarithm = unary("log", mul(sub(real(1), x), add(real(1), x)));
  const v = add(real(2 / (Math.PI * 0.147)), mul(real(0.5), logarithm));
  const root = unary("sqrt", sub(mul(v, v), div(logarithm, real(0.147))));
  const size = mul(real(Math.SQRT2), unary("sqrt", sub(root, v)));
  return select(lt(x, real(0)), unary("neg", size), size);
}

const probitOp: OpDefinition = {
  op: "Probit",
  domain: "tilewright",
  infer: (call) => [call.input(0)],
  implementation: {
    kind: "compute",
    build: (call) => mapKernel(call, (index, writer) => probit(writer.load(0, index))),
  },
};

export const mlTransformOps: readonly OpDefinition[] = [probitOp];
