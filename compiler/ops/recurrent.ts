/**
 * RNN, GRU and LSTM. In: a call with static types. Out: for each direction one contraction of the input with its
 * weights over all steps at once, and one recurrence (recurrentCell.ts) over time; two directions are concatenated.
 * Invariant: the results of a direction already have the operator's shape with one direction, so a model with one
 * direction copies nothing. Source: ONNX operator documentation, RNN, GRU, LSTM.
 */
import { add, int, mul, type Expr } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import { coordinate, type Axis } from "../ir/kernel.ts";
import type { Attribute } from "../ir/graph.ts";
import { contraction } from "./contract.ts";
import { KernelWriter, type AttributeLike, type Expander, type InferredType, type OpCall, type OpDefinition } from "./define.ts"; // prettier-ignore
import { expectShape } from "./operandShape.ts";
import { recurrentCellOps } from "./recurrentCell.ts";

/** X * W[direction]' + bias for every step: [steps, batch, gates * hidden]. Inputs: X, W, B. */
const recurrentInput: OpDefinition = {
  op: "RecurrentInput",
  domain: "tilewright",
  infer(call) {
    const [steps, batch] = stepsAndBatch(call);
    return [{ dtype: call.input(0).dtype, shape: [steps, batch, call.input(1).shape[1]!] }];
  },
  implementation: {
    kind: "compute",
    build(call) {
      const [steps, batch] = stepsAndBatch(call);
      const [, rows, features] = call.input(1).shape as [number, number, number];
      const s: Axis = { name: "s", extent: steps };
      const b: Axis = { name: "b", extent: batch };
      const q: Axis = { name: "q", extent: rows };
      const i: Axis = { name: "i", extent: features };
      const direction = int(call.int("cell_direction", 0));
      const at = call.int("layout", 0) ? [coordinate(b), coordinate(s)] : [coordinate(s), coordinate(b)];
      const writer = new KernelWriter(call);
      const x = writer.load(0, [...at, coordinate(i)]);
      const w = writer.load(1, [direction, coordinate(q), coordinate(i)]);
      const bias = (first: number): Expr => writer.load(2, [direction, add(coordinate(q), int(first))]);
      const index = [coordinate(s), coordinate(b), coordinate(q)];
      return contraction(writer, 0, [s, b, q], index, [i], mul(x, w), (sum) => {
        if (!call.has(2)) return sum;
        // The recurrent bias is constant over time too, unless the cell applies it inside a product with a gate.
        return add(sum, call.int("linear_before_reset", 0) ? bias(0) : add(bias(0), bias(rows)));
      }).done();
    },
  },
};

function stepsAndBatch(call: OpCall): readonly [steps: number, batch: number] {
  const [a, b] = call.input(0).shape as [number, number, number];
  return call.int("layout", 0) ? [b, a] : [a, b];
}

/** Directions as indices into the weights, in output order. */
function directionsOf(call: OpCall): readonly { readonly index: number; readonly reverse: boolean }[] {
  const direction = call.string("direction", "forward");
  switch (direction) {
    case "forward":
      return [{ index: 0, reverse: false }];
    case "reverse":
      return [{ index: 0, reverse: true }];
    case "bidirectional":
      return [
        { index: 0, reverse: false },
        { index: 1, reverse: true },
      ];
    default:
      call.fail("attribute-invalid", `direction "${direction}"`, "forward, reverse or bidirectional");
  }
}

function check(call: OpCall, gates: number, directions: number): void {
  const [x, w, r] = [call.input(0).shape, call.input(1).shape, call.input(2).shape];
  const hidden = r[2] ?? 0;
  const fits =
    x.length === 3 &&
    w.length === 3 &&
    r.length === 3 &&
    w[0] === directions &&
    r[0] === directions &&
    w[1] === gates * hidden &&
    r[1] === gates * hidden &&
    w[2] === x[2] &&
    (!call.has(3) || call.input(3).shape.join() === `${directions},${2 * gates * hidden}`);
  if (!fits) {
    call.fail(
      "shape-mismatch",
      `X [${x}], W [${w}], R [${r}] for ${directions} directions of ${gates} gates`,
    );
  }
  const [, batch] = stepsAndBatch(call);
  const state = call.int("layout", 0) ? [batch, directions, hidden] : [directions, batch, hidden];
  expectShape(call, 4, "sequence_lens", [batch]);
  expectShape(call, 5, "initial_h", state);
  if (gates !== 4) return;
  expectShape(call, 6, "initial_c", state);
  expectShape(call, 7, "P", [directions, 3 * hidden]);
}

/** @param states how many outputs follow Y: the last hidden state, and for LSTM the last cell state */
function expandRecurrent(
  call: OpCall,
  to: Expander,
  cell: string,
  gates: number,
  states: number,
): readonly ValueId[] {
  const directions = directionsOf(call);
  check(call, gates, directions.length);
  const input = (position: number): ValueId => call.node.inputs[position] ?? "";
  const layout = call.int("layout", 0);
  const results = directions.map(({ index, reverse }) => {
    const attributes: Record<string, AttributeLike> = Object.fromEntries(call.node.attributes) as Record<
      string,
      Attribute
    >;
    Object.assign(attributes, { cell_direction: index, cell_reverse: reverse ? 1 : 0 });
    const projected = to.node("tilewright:RecurrentInput", [input(0), input(1), input(3)], attributes);
    return to.nodes(cell, [projected, input(2), ...[3, 4, 5, 6, 7].map(input)], 1 + states, attributes);
  });
  if (results.length === 1) return results[0]!;
  return results[0]!.map((_, output) => {
    const axis = output === 0 ? (layout ? 2 : 1) : layout ? 1 : 0;
    return to.node(
      "Concat",
      results.map((outputs) => outputs[output]!),
      { axis },
    );
  });
}

function recurrent(op: string, cell: string, gates: number, states: number): OpDefinition {
  return {
    op,
    infer: (): readonly InferredType[] => [],
    implementation: { kind: "expand", expand: (call, to) => expandRecurrent(call, to, cell, gates, states) },
  };
}

export const recurrentOps: readonly OpDefinition[] = [
  recurrentInput,
  ...recurrentCellOps,
  recurrent("RNN", "tilewright:RnnRecurrence", 1, 1),
  recurrent("GRU", "tilewright:GruRecurrence", 3, 1),
  recurrent("LSTM", "tilewright:LstmRecurrence", 4, 2),
];
