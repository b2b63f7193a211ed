/**
 * Cases of derivatives: small graphs between operands and one value, in float64. In: a formula that writes such a graph,
 * and the shapes and ranges of its operands. Out: a model of it, with the operator Gradient where that is wanted, and its
 * inputs. Invariant: inputs are the same in every run; elements of the value are weighted so that their derivatives differ.
 */
import { onnxModel, type OnnxAttributes, type OnnxModelBuilder } from "../../compiler/frontend/onnx/write.ts";
import type { Tensor } from "../../compiler/ir/dtype.ts";
import { seededRandom } from "../kernelArena.ts";

export const DOMAIN = "ai.onnx.preview.training";

export interface Built {
  readonly model: OnnxModelBuilder;
  readonly inputs: Readonly<Record<string, Tensor>>;
}

export interface Operand {
  readonly shape: readonly number[];
  /** Numbers lie in [low, high); -1 to 1 if not said. */
  readonly range?: readonly [low: number, high: number];
  /** All different by more than finite differences reach: for maxima and kinks. */
  readonly apart?: boolean;
}

/** y from the operands; what it makes must be float64. */
export type Formula = (b: OnnxModelBuilder, operands: readonly string[]) => string;

function numbers({ shape, range = [-1, 1], apart = false }: Operand, seed: number): Tensor {
  const count = shape.reduce((product, dim) => product * dim, 1);
  const random = seededRandom(seed);
  const [low, high] = range;
  const data = Float64Array.from({ length: count }, () => low + random() * (high - low));
  if (apart) {
    const order = Float64Array.from({ length: count }, (_, i) => i).sort(() => random() - 0.5);
    order.forEach((rank, i) => (data[i] = low + ((rank + 0.3 + 0.2 * random()) / count) * (high - low)));
  }
  return { dtype: "float64", shape, data };
}

/** A model with y, weighted so that its elements differ, and, if wanted, the gradients of the sum of it. */
export function modelOf(
  formula: Formula,
  operands: readonly Operand[],
  opset = 22,
  differentiated = true,
): Built {
  const model = onnxModel("gradient", { opset });
  model.importOpset(DOMAIN, 1);
  const names = operands.map(({ shape }, i) => model.input(`x${i}`, "float64", shape));
  const made = formula(model, names);
  // As many weights as y may have elements, by their place.
  const flat = model.node("Reshape", [made, model.int64s([-1])]);
  const count = model.node("Cast", [model.node("Size", [flat])], { to: 11 });
  const places = model.node("Range", [model.scalar("float64", 0), count, model.scalar("float64", 1)]);
  const weights = model.node("Add", [model.node("Sin", [places]), model.scalar("float64", 0.4)]);
  const y = model.node("ReduceSum", [model.node("Mul", [flat, weights])], { keepdims: 0 });
  model.output(y, "float64", [], "y");
  const outputs = differentiated ? model.nodeWithOutputs("Gradient", names, names.length, { xs: names, y }, { domain: DOMAIN }) : []; // prettier-ignore
  outputs.forEach((value, i) => model.output(value, "float64", operands[i]!.shape, `d${i}`));
  return { model, inputs: Object.fromEntries(operands.map((o, i) => [`x${i}`, numbers(o, 17 * i + 5)])) };
}

/** One operator on its operands. */
export function op(
  name: string,
  attributes: OnnxAttributes = {},
  more: (b: OnnxModelBuilder) => string[] = () => [],
): Formula {
  // prettier-ignore
  return (b, operands) => b.node(name, [...operands, ...more(b)], attributes);
}

export const any: Operand = { shape: [2, 3], apart: true };
export const above = (low: number, high: number): Operand => ({ shape: [2, 3], range: [low, high] });
export const wide: Operand = { shape: [3, 4], range: [-5, 5], apart: true };

/** What is differentiated, under what name; `opset` is 22 if not said. */
export type Case = readonly [name: string, formula: Formula, operands: readonly Operand[], opset?: number];

/** Constant inputs after the operands. */
export const int64s =
  (...lists: readonly (readonly number[])[]) =>
  (b: OnnxModelBuilder) =>
    lists.map((l) => b.int64s(l));
