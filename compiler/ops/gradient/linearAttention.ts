/**
 * LinearAttention as the simpler operators that it stands for. In: a call. Out: its outputs. Invariant: the same
 * function as the kernel of ops/attentionLinear.ts, which is used wherever nobody asks for a gradient; the recurrence
 * is written out step by step, as what is differentiated needs every state. Source: ONNX operator LinearAttention (27).
 */
import { typeNumber } from "../../ir/dataType.ts";
import type { DType } from "../../ir/dtype.ts";
import type { ValueId } from "../../ir/graph.ts";
import { linearSizes } from "../attentionLinear.ts";
import type { Expander, OpCall } from "../define.ts";
import { workingType } from "../normalise.ts";
import type { OperatorGradient } from "./differential.ts";

function linearAttention(call: OpCall, to: Expander): ValueId[] {
  const { batch, steps, queryHeads, heads, keySize, valueSize } = linearSizes(call);
  const rule = call.string("update_rule", "gated_delta");
  const working = workingType(call.input(0).dtype);
  const as = (id: ValueId, dtype: DType): ValueId =>
    to.typeOf(id).dtype === dtype ? id : to.node("Cast", [id], { to: typeNumber(dtype) });
  const op = (name: string, ...terms: readonly ValueId[]): ValueId => to.node(name, terms);
  const wide = call.node.inputs.map((id) => (id === "" ? "" : as(id, working)));
  /** What an operand has at a time, by head. */
  const at = (position: number, t: number, shape: readonly number[]): ValueId => {
    const row = to.node("Gather", [wide[position]!, to.integers(t)], { axis: 1 });
    return to.node("Reshape", [row, to.integers(shape)], { allowzero: 1 });
  };
  const scale = to.scalar(working, call.float("scale", 0) || 1 / Math.sqrt(keySize));
  const perHead = call.inputs[4]?.shape[2] === heads && keySize > 1;
  const shared = call.inputs[5]?.shape[2] === 1;
  const empty = to.integers([batch, heads, keySize, valueSize]);
  let state = call.has(3) ? wide[3]! : op("Expand", to.scalar(working, 0), empty);
  const rows: ValueId[] = [];
  for (let t = 0; t < steps; t++) {
    const k = at(1, t, [batch, heads, keySize, 1]);
    let written = at(2, t, [batch, heads, 1, valueSize]);
    if (rule.includes("gated") && call.has(4)) {
      const decay = at(4, t, [batch, heads, perHead ? 1 : keySize, 1]);
      state = op("Mul", state, op("Exp", decay));
    }
    if (rule.includes("delta") && call.has(5)) {
      const retrieved = op("ReduceSum", op("Mul", state, k), to.integers([2]));
      const share = at(5, t, [batch, shared ? 1 : heads, 1, 1]);
      written = op("Mul", share, op("Sub", written, retrieved));
    }
    state = op("Add", state, op("Mul", k, written));
    const q = at(0, t, [batch, heads, queryHeads / heads, keySize]);
    const read = op("Mul", op("MatMul", q, state), scale);
    rows.push(op("Reshape", read, to.integers([batch, 1, queryHeads * valueSize])));
  }
  const nothing = (): ValueId => op("Expand", to.scalar(working, 0), to.integers(call.outputs[0]!.shape));
  const all = rows.length > 0 ? to.node("Concat", rows, { axis: 1 }) : nothing();
  return [as(all, call.outputs[0]!.dtype), as(state, call.outputs[1]!.dtype)];
}

export const linearAttentionGradients: Readonly<Record<string, OperatorGradient>> = {
  LinearAttention: { expand: linearAttention },
};
