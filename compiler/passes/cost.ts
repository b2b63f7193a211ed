/** What evaluating an expression once costs, roughly: the measure by which fusion and hoisting decide. */
import type { Expr } from "../ir/expr.ts";
import { visit } from "../ir/walk.ts";

/** How much work one evaluation is: 0 for pure movement, 1 for an operation, many for a function. */
export function costOf(e: Expr): number {
  let cost = 0;
  visit(e, (x) => {
    if (x.type === "index") return;
    if (x.kind === "unary")
      cost += ["neg", "abs", "not"].includes(x.op)
        ? 1
        : ["floor", "ceil", "trunc", "round", "sqrt"].includes(x.op)
          ? 3
          : 12;
    else if (x.kind === "binary" && x.a.type !== "index")
      cost += x.op === "div" || x.op === "rem" ? 4 : x.op === "pow" ? 12 : 1;
    else if (x.kind === "select" || x.kind === "cast") cost += 1;
  });
  return cost;
}
