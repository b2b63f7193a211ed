/**
 * Random valid models over the operator table. In: a seed. Out: a `GraphPlan` of up to a dozen nodes, which model
 * code patterns too: residual sums, chains that fuse, several readers of one value, weights that are inputs.
 * Invariant: the same seed gives the same plan; every plan is valid ONNX of opset 20 with static shapes.
 */
import * as elementwise from "./graphsElementwise.ts";
import { contractions, windows } from "./graphsContract.ts";
import { movements } from "./graphsMovement.ts";
import { reductions } from "./graphsReduce.ts";
import type { GraphPlan } from "./plan.ts";
import { PlanBuilder } from "./planBuilder.ts";
import { Random } from "./random.ts";

const OPSET = 20;

const { smooth, piecewise, jump, guarded, binary, comparison, logic, where, integer, cast, quantize } =
  elementwise;
const elementwises = [smooth, smooth, piecewise, piecewise, jump, guarded, binary, binary, binary, comparison, logic, where, integer, integer, cast, quantize]; // prettier-ignore
const families = [
  elementwises,
  elementwises,
  elementwises,
  movements,
  movements,
  reductions,
  contractions,
  windows,
] as const;

/** Flavours: mixed graphs, and graphs that are rich in one kind of operator. */
const flavours: readonly (readonly (readonly elementwise.Addition[])[])[] = [
  families,
  families,
  [elementwises, movements],
  [elementwises, windows],
  [elementwises, contractions, reductions],
  [movements, reductions],
];

/** The random model of a seed. */
export function randomGraph(seed: number): GraphPlan {
  const random = new Random(seed);
  const b = new PlanBuilder(random, OPSET, random.chance(0.08), random.chance(0.25) ? "large" : "small");
  const flavour = random.pick(flavours);
  const inputs = random.between(1, 3);
  for (let i = 0; i < inputs; i++) {
    const dtype =
      i > 0 && random.chance(0.25) ? random.pick(["int64", "int32", "uint8", "bool"] as const) : "float32";
    b.input(dtype, b.shape(1, 4));
  }
  const steps = random.between(2, 11);
  for (let attempts = 0; b.stepCount < steps && attempts < 300; attempts++) {
    b.attempt(random.pick(random.pick(flavour)));
  }
  // Every graph computes something, also where all that was tried was refused.
  while (b.stepCount === 0) b.attempt((builder) => builder.node("Identity", [builder.values[0]!], {}, builder.values[0]!.dtype, builder.values[0]!.shape, builder.values[0]!)); // prettier-ignore
  return b.finish();
}
