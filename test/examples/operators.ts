/**
 * The operators that `docs/adding-an-operator.md` adds, region by region. In: nothing. Out: their definitions and a
 * derivative. Invariant: the page shows these very lines, and a test runs them as entries of the table.
 */
import { acc, add, div, mul, unary } from "../../compiler/ir/expr.ts";
import {
  axesOver,
  coordinates,
  KernelWriter,
  mapKernel,
  type OpDefinition,
} from "../../compiler/ops/define.ts";
import { number, requireNumeric } from "../../compiler/ops/elementwise.ts";
import type { OperatorGradient } from "../../compiler/ops/gradient/differential.ts";

// #region snake
/** Snake: x + sin(alpha x)^2 / alpha. */
export const snake: OpDefinition = {
  op: "Snake",
  domain: "com.example",
  infer: (call) => [{ dtype: requireNumeric(call, 0), shape: call.input(0).shape }],
  implementation: {
    kind: "compute",
    build: (call) =>
      mapKernel(call, (index, writer) => {
        const x = writer.load(0, index);
        const alpha = number(x, call.float("alpha", 1));
        const wave = unary("sin", mul(x, alpha));
        return add(x, div(mul(wave, wave), alpha));
      }),
  },
};
// #endregion

// #region rowEnergy
/** RowEnergy: of each row of x the sum of squares, each times the weight of its column. */
export const rowEnergy: OpDefinition = {
  op: "RowEnergy",
  domain: "com.example",
  infer(call) {
    const { dtype, shape } = call.input(0);
    const columns = shape.at(-1);
    if (columns === undefined || call.input(1).shape.join() !== String(columns)) {
      call.fail("shape-mismatch", `weights [${call.input(1).shape}] for rows of [${shape}]`);
    }
    return [{ dtype, shape: shape.slice(0, -1) }];
  },
  implementation: {
    kind: "compute",
    build(call) {
      const { shape } = call.input(0);
      const writer = new KernelWriter(call);
      const rows = axesOver(shape.slice(0, -1), "i");
      const columns = axesOver(shape.slice(-1), "k");
      const x = writer.load(0, [...coordinates(rows), ...coordinates(columns)]);
      const weight = writer.load(1, coordinates(columns));
      const sum = { op: "sum", axes: columns, body: mul(weight, mul(x, x)) } as const;
      // What is stored is a function of the reduction's result, acc; here just that.
      return writer.store(0, rows, coordinates(rows), acc(x.type), sum).done();
    },
  },
};
// #endregion

// #region gatedSnake
/** GatedSnake: Snake(x) times Sigmoid(gate). */
export const gatedSnake: OpDefinition = {
  op: "GatedSnake",
  domain: "com.example",
  implementation: {
    kind: "expand",
    expand(call, to) {
      const [x, gate] = call.node.inputs as [string, string];
      const wave = to.node("com.example:Snake", [x], { alpha: { float: call.float("alpha", 1) } });
      return [to.node("Mul", [wave, to.node("Sigmoid", [gate])])];
    },
  },
};
// #endregion

// #region derivative
/** The slope of Snake is 1 + sin(2 alpha x). */
export const snakeGradient: OperatorGradient = {
  rule: (d) => {
    const twice = d.mul(2 * d.call.float("alpha", 1), d.x());
    return [d.mul(d.dy(), d.add(1, d.op("Sin", [twice])))];
  },
};
// #endregion
