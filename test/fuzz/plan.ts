/**
 * A model as a list of steps, the form in which the fuzzer makes, shrinks and prints its graphs. In: inputs,
 * constants and steps (one ONNX node each) with the types of everything. Out: ONNX bytes, input tensors, and the
 * source of a test that builds the same model. Invariant: a step uses only what stands before it, and whatever is
 * left after removing steps is again a whole model: a value that lost its step becomes an input.
 */
import { onnxModel, type OnnxAttributes } from "../../compiler/frontend/onnx/write.ts";
import { tensorOf } from "../../compiler/passes/evaluate.ts";
import { elementCount, type Tensor } from "../../runtime/dtype.ts";

export type PlanDType = "float32" | "float16" | "int64" | "int32" | "uint8" | "int8" | "bool";

export interface PlanValue {
  readonly name: string;
  readonly dtype: PlanDType;
  readonly shape: readonly number[];
  /** Most that a right implementation may be off by, given the roundings on the way here; 0: every bit counts. */
  readonly error: number;
}

/** Elements: given one by one, or as a pattern that a line of source can name. */
export type PlanData =
  | { readonly kind: "values"; readonly values: readonly number[] }
  | {
      readonly kind: "pattern";
      readonly seed: number;
      readonly least: number;
      readonly most: number;
      readonly step: number;
    };

export interface PlanSource {
  readonly value: PlanValue;
  readonly data: PlanData;
}

export interface PlanStep {
  readonly op: string;
  /** "" is an absent input. */
  readonly inputs: readonly string[];
  readonly attributes: OnnxAttributes;
  readonly outputs: readonly PlanValue[];
}

export interface GraphPlan {
  readonly opset: number;
  readonly inputs: readonly PlanSource[];
  readonly constants: readonly PlanSource[];
  readonly steps: readonly PlanStep[];
  readonly outputs: readonly string[];
}

/** `count` multiples of `step` from `least` to `most`, in an order that the seed decides. */
export function pattern(count: number, seed: number, least: number, most: number, step: number): number[] {
  const levels = Math.floor((most - least) / step) + 1;
  let state = (seed ^ 0x9e3779b9) >>> 0;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return least + step * ((state >>> 8) % levels);
  });
}

function elementsOf({ value, data }: PlanSource): readonly number[] {
  if (data.kind === "values") return data.values;
  return pattern(elementCount(value.shape), data.seed, data.least, data.most, data.step);
}

/** The ONNX file of a plan. */
export function modelOf(plan: GraphPlan): Uint8Array {
  const b = onnxModel("fuzz", { opset: plan.opset });
  const values = new Map<string, PlanValue>();
  for (const { value } of plan.inputs) b.input(value.name, value.dtype, value.shape);
  for (const source of plan.constants) {
    b.initializer(source.value.dtype, source.value.shape, elementsOf(source), source.value.name);
  }
  for (const { value } of [...plan.inputs, ...plan.constants]) values.set(value.name, value);
  for (const step of plan.steps) {
    b.nodeWithOutputs(step.op, step.inputs, step.outputs.map(({ name }) => name), step.attributes); // prettier-ignore
    for (const value of step.outputs) values.set(value.name, value);
  }
  for (const name of plan.outputs) {
    const { dtype, shape } = values.get(name)!;
    b.output(name, dtype, shape);
  }
  return b.toBytes();
}

export function inputsOf(plan: GraphPlan): Record<string, Tensor> {
  return Object.fromEntries(
    plan.inputs.map((source) => [
      source.value.name,
      tensorOf(source.value.dtype, source.value.shape, elementsOf(source)),
    ]),
  );
}

export function outputValues(plan: GraphPlan): PlanValue[] {
  const made = plan.steps.flatMap(({ outputs }) => outputs);
  return plan.outputs.map((name) => made.find((value) => value.name === name)!);
}

/** The plan with only the given steps; values that lose their step become inputs with the given data. */
function withSteps(
  plan: GraphPlan,
  steps: readonly PlanStep[],
  lost: (value: PlanValue) => PlanData,
): GraphPlan {
  const made = new Set(steps.flatMap(({ outputs }) => outputs.map(({ name }) => name)));
  const used = new Set(steps.flatMap(({ inputs }) => inputs));
  const inputs = plan.inputs.filter(({ value }) => used.has(value.name));
  for (const value of plan.steps.flatMap(({ outputs }) => outputs)) {
    if (used.has(value.name) && !made.has(value.name)) inputs.push({ value, data: lost(value) });
  }
  const kept = plan.outputs.filter((name) => made.has(name));
  const sinks = [...made].filter((name) => !used.has(name) && !kept.includes(name));
  return {
    opset: plan.opset,
    inputs,
    constants: plan.constants.filter(({ value }) => used.has(value.name)),
    steps,
    outputs: [...kept, ...sinks],
  };
}

/**
 * The smallest plan found for which `fails` still holds: steps are taken away from the end and from the middle,
 * then outputs. `fails` is called at most `budget` times.
 */
export async function minimise(
  plan: GraphPlan,
  fails: (plan: GraphPlan) => Promise<boolean>,
  budget = 120,
): Promise<GraphPlan> {
  const lost = (value: PlanValue): PlanData =>
    value.dtype === "bool"
      ? { kind: "pattern", seed: 1, least: 0, most: 1, step: 1 }
      : { kind: "pattern", seed: 1, least: value.dtype === "uint8" ? 0 : -4, most: 4, step: 1 };
  let best = plan;
  let left = budget;
  const tried = async (candidate: GraphPlan): Promise<boolean> => {
    if (candidate.outputs.length === 0 || left-- <= 0) return false;
    if (!(await fails(candidate))) return false;
    best = candidate;
    return true;
  };
  for (let shrunk = true; shrunk && left > 0;) {
    shrunk = false;
    for (let size = Math.max(1, best.steps.length >> 1); size >= 1 && left > 0; size >>= 1) {
      for (let at = best.steps.length - size; at >= 0; at--) {
        if (at + size > best.steps.length) continue;
        const steps = best.steps.filter((_, i) => i < at || i >= at + size);
        if (await tried(withSteps(best, steps, lost))) shrunk = true;
      }
    }
    for (const name of best.outputs) {
      if (best.outputs.length === 1) break;
      const others = best.outputs.filter((other) => other !== name);
      const consumed = best.steps.some(({ inputs }) => inputs.includes(name));
      if (consumed && (await tried({ ...best, outputs: others }))) shrunk = true;
    }
  }
  return best;
}

/** Source that builds the plan with the ONNX writer, to be pasted into a test. */
export function sourceOf(plan: GraphPlan, call: string): string {
  const lines = [
    `it("keeps its result", async () => {`,
    `  const b = onnxModel("case", { opset: ${plan.opset} });`,
  ];
  const shapeOf = (shape: readonly number[]): string => `[${shape.join(", ")}]`;
  for (const { value } of plan.inputs)
    lines.push(`  b.input("${value.name}", "${value.dtype}", ${shapeOf(value.shape)});`);
  for (const source of plan.constants) {
    const { name, dtype, shape } = source.value;
    lines.push(`  b.initializer("${dtype}", ${shapeOf(shape)}, ${dataSource(source)}, "${name}");`);
  }
  for (const step of plan.steps) {
    const attributes = JSON.stringify(step.attributes);
    const inputs = JSON.stringify(step.inputs);
    const [only] = step.outputs;
    if (step.outputs.length === 1)
      lines.push(`  b.node("${step.op}", ${inputs}, ${attributes}, { output: "${only!.name}" });`);
    else
      lines.push(
        `  b.nodeWithOutputs("${step.op}", ${inputs}, ${JSON.stringify(step.outputs.map((o) => o.name))}, ${attributes});`,
      );
  }
  for (const { name, dtype, shape, error } of outputValues(plan)) {
    lines.push(
      `  b.output("${name}", "${dtype}", ${shapeOf(shape)}); // may be off by ${error.toPrecision(2)}`,
    );
  }
  const inputs = plan.inputs.map((source) => {
    const { name, dtype, shape } = source.value;
    return `    ${name}: tensorOf("${dtype}", ${shapeOf(shape)}, ${dataSource(source)}),`;
  });
  lines.push(`  const inputs = {`, ...inputs, `  };`, `  ${call}`, `});`);
  return lines.join("\n");
}

function dataSource({ value, data }: PlanSource): string {
  if (data.kind === "values") return `[${data.values.join(", ")}]`;
  return `pattern(${elementCount(value.shape)}, ${data.seed}, ${data.least}, ${data.most}, ${data.step})`;
}
