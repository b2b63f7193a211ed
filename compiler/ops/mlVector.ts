/**
 * SVMRegressor of ai.onnx.ml. In: a call whose attributes hold support vectors and coefficients. Out: the matrix of
 * kernel values between rows and support vectors as one contraction, then a product with the coefficients.
 * Invariant: the distance of the RBF kernel is a sum of squared differences, which cannot cancel below zero.
 * Source: ONNX operator documentation, ai.onnx.ml SVMRegressor.
 */
import { acc, add, binary, constant, mul, sub, unary, type Expr } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import { coordinate, type Axis } from "../ir/kernel.ts";
import { KernelWriter, type Expander, type OpCall, type OpDefinition } from "./define.ts";
import { postTransform } from "./mlTransform.ts";

/** K(x, v) for every row x and support vector v: [rows, vectors]. Inputs: rows, vectors. */
const kernelMatrix: OpDefinition = {
  op: "KernelMatrix",
  domain: "tilewright",
  infer: (call) => [{ dtype: "float32", shape: [call.input(0).shape[0]!, call.input(1).shape[0]!] }],
  implementation: {
    kind: "compute",
    build(call) {
      const row: Axis = { name: "m", extent: call.input(0).shape[0]! };
      const vector: Axis = { name: "n", extent: call.input(1).shape[0]! };
      const feature: Axis = { name: "k", extent: call.input(1).shape[1]! };
      const writer = new KernelWriter(call);
      const x = writer.load(0, [coordinate(row), coordinate(feature)]);
      const v = writer.load(1, [coordinate(vector), coordinate(feature)]);
      const real = (value: number): Expr => constant("f32", value);
      const [gamma = 0, shift = 0, degree = 0] = call.floats("kernel_params") ?? [];
      const sum = acc("f32");
      const affine = add(mul(real(gamma), sum), real(shift));
      const difference = sub(x, v);
      const type = call.string("kernel_type", "LINEAR");
      const forms: Readonly<Record<string, readonly [body: Expr, value: Expr]>> = {
        LINEAR: [mul(x, v), sum],
        POLY: [mul(x, v), binary("pow", affine, real(degree))],
        SIGMOID: [mul(x, v), unary("tanh", affine)],
        RBF: [mul(difference, difference), unary("exp", mul(real(-gamma), sum))],
      };
      const [body, value] = forms[type] ?? call.fail("attribute-invalid", `kernel_type "${type}"`);
      const index = [coordinate(row), coordinate(vector)];
      return writer.store(0, [row, vector], index, value, { op: "sum", axes: [feature], body }).done();
    },
  },
};

function expandRegressor(call: OpCall, to: Expander): readonly ValueId[] {
  const { dtype, shape } = call.input(0);
  const features = shape[shape.length - 1]!;
  const input = call.node.inputs[0]!;
  const typed = dtype === "float32" ? input : to.node("Cast", [input], { to: "float32" });
  const rows = shape.length === 2 ? typed : to.node("Reshape", [typed, to.integers([-1, features])]);
  const coefficients = call.floats("coefficients") ?? [];
  const vectors = call.floats("support_vectors") ?? [];
  const count = call.int("n_supports", 0);
  // Without support vectors the coefficients are those of the features themselves.
  const width = count > 0 ? count : features;
  if (coefficients.length !== width || (count > 0 && vectors.length !== count * features)) {
    call.fail(
      "attribute-invalid",
      `${coefficients.length} coefficients, ${vectors.length} numbers of support vectors`,
    );
  }
  const values =
    count > 0
      ? to.node(
          "tilewright:KernelMatrix",
          [
            rows,
            to.constant({ dtype: "float32", shape: [count, features], data: Float32Array.from(vectors) }),
          ],
          {
            kernel_type: call.string("kernel_type", "LINEAR"),
            kernel_params: { floats: call.floats("kernel_params") ?? [] },
          },
        )
      : rows;
  const column = to.constant({ dtype: "float32", shape: [width, 1], data: Float32Array.from(coefficients) });
  const bias = to.constant({
    dtype: "float32",
    shape: [1],
    data: Float32Array.of((call.floats("rho") ?? [0])[0] ?? 0),
  });
  const scores = to.node("Gemm", [values, column, bias]);
  if (!call.int("one_class", 0))
    return [postTransform(call, to, scores, call.string("post_transform", "NONE"))];
  const above = to.node("Greater", [scores, to.scalar("float32", 0)]);
  return [to.node("Where", [above, to.scalar("float32", 1), to.scalar("float32", -1)])];
}

const regressor: OpDefinition = {
  op: "SVMRegressor",
  domain: "ai.onnx.ml",
  implementation: { kind: "expand", expand: expandRegressor },
};

export const mlVectorOps: readonly OpDefinition[] = [kernelMatrix, regressor];
