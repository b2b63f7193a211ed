/**
 * Every TF.js operator against TF.js itself (cpu backend). In: the cases. Out: a test per case. Invariant: an operator
 * with a conversion and without a case fails the first test.
 */
import { describe, expect, it } from "vitest";
import { conversions } from "../../compiler/frontend/tfjs/ops/table.ts";
import { interpret } from "../../compiler/whole.ts";
import { compareTensors } from "../../compiler/tensors/compare.ts";
import { type Tensor } from "../../runtime/dtype.ts";
import { inGraphs, operatorCases, type OperatorCase } from "./cases.ts";
import { attribute, buildModel, tensor, type NodeSpec, type Weight } from "./graphModel.ts";
import { referenceOutputs } from "./reference.ts";

const types = { float32: "DT_FLOAT", int32: "DT_INT32", bool: "DT_BOOL" } as const;

interface Graph {
  readonly model: ReturnType<typeof buildModel>;
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly outputs: readonly string[];
}

function graphOf({ op, operands, attr = {}, outputs = 1 }: OperatorCase): Graph {
  const nodes: NodeSpec[] = [];
  const weights: Record<string, Weight> = {};
  const inputs: Record<string, Tensor> = {};
  operands.forEach((operand, k) => {
    const name = `x${k}`;
    if (operand.kind === "weight") {
      weights[name] = operand.weight;
      nodes.push({
        name,
        op: "Const",
        attr: { dtype: attribute.type(types[operand.weight.dtype as "float32"]) },
      });
      return;
    }
    const { dtype, shape, values } = operand;
    inputs[name] = tensor(dtype, shape, values);
    nodes.push({
      name,
      op: "Placeholder",
      attr: { dtype: attribute.type(types[dtype]), shape: attribute.shape(shape) },
    });
  });
  nodes.push({ name: "y", op, input: operands.map((_, k) => `x${k}`), attr });
  const refs = Array.from({ length: outputs }, (_, k) => (k === 0 ? "y" : `y:${k}`));
  const signature = {
    inputs: Object.fromEntries(Object.keys(inputs).map((name) => [name, { name: `${name}:0` }])),
    outputs: Object.fromEntries(refs.map((ref, k) => [`out${k}`, { name: k === 0 ? "y:0" : ref }])),
  };
  return { model: buildModel({ nodes, weights, signature }), inputs, outputs: refs };
}

describe("operators of TF.js", () => {
  it("have a case each", () => {
    const tested = new Set(operatorCases.map(({ op }) => op));
    expect([...conversions.keys()].filter((op) => !tested.has(op) && !inGraphs.has(op))).toEqual([]);
    expect([...tested, ...inGraphs].filter((op) => !conversions.has(op))).toEqual([]);
  });

  it.each(operatorCases.map((operator, k) => [`${operator.op} (${k})`, operator] as const))(
    "%s",
    async (_, operator) => {
      const { model, inputs, outputs } = graphOf(operator);
      if (operator.expected) {
        const { out0 } = interpret(model.modelBytes, inputs, { externalData: () => model.weightBytes });
        expect(Array.from(out0!.data as Float32Array)).toEqual(operator.expected);
        return;
      }
      const expected = await referenceOutputs(model, inputs, outputs);
      const actual = interpret(model.modelBytes, inputs, { externalData: () => model.weightBytes });
      outputs.forEach((ref, k) => {
        const want = expected.get(ref)!;
        const have = actual[`out${k}`]!;
        if (operator.random) {
          expect([have.dtype, have.shape]).toEqual([want.dtype, want.shape]);
          return;
        }
        if (operator.valuesOnly) {
          expect(Array.from(have.data as Float32Array)).toEqual(Array.from(want.data as Float32Array));
          return;
        }
        expect(compareTensors(have, want, { relative: 2e-5, absolute: 2e-6 }).reason).toBeUndefined();
      });
    },
  );
});
