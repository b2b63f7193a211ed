/**
 * Whether a program means what its model says. In: a model, inputs, passes to switch off. Out: nothing, or a sentence
 * that says how the compiled program differs from the interpreter, which is the definition. Invariant: values that
 * no rounding touched must be equal to the last bit; others may be off by the error that their plan derives.
 */
import { setFlagsFromString } from "node:v8";
import { compile, interpret, passNames, type PassName, type VariantName } from "../../compiler/whole.ts";
import { compareTensors } from "../../compiler/tensors/compare.ts";
import { load } from "../../runtime/index.ts";
import { supports } from "../../runtime/features.ts";
import type { Tensor } from "../../runtime/dtype.ts";
import {
  inputsOf,
  minimise,
  modelOf,
  outputValues,
  sourceOf,
  type GraphPlan,
  type PlanValue,
} from "./plan.ts";

// Node 20 has relaxed SIMD behind a flag; later versions do without and ignore it.
setFlagsFromString("--experimental-wasm-relaxed-simd");

/** Ways to compile a model. */
export interface Setting {
  readonly off: readonly PassName[];
  readonly variant: VariantName;
}

export const BEST: VariantName = supports("relaxed-simd") ? "relaxed-simd" : "simd";

/**
 * All passes, none, and all but one; always without tiles of convolutions, which round where sums of exact products do
 * not (`ops/` compares with them).
 */
export function settingsOf(): Setting[] {
  return everySetting().map(({ off, variant }) => ({
    off: [...new Set<PassName>(["winograd", ...off])],
    variant,
  }));
}

function everySetting(): Setting[] {
  return [
    { off: [], variant: BEST },
    ...(BEST === "simd" ? [] : [{ off: [], variant: "simd" } as const]),
    { off: [...passNames], variant: BEST },
    ...passNames.map((pass): Setting => ({ off: [pass], variant: BEST })),
  ];
}

export function nameOf({ off, variant }: Setting): string {
  if (off.length === 0) return `all passes, ${variant}`;
  return off.length === passNames.length ? "no passes" : `without ${off.join(", ")}`;
}

/** What the interpreter says of a plan. */
export function expectedOf(plan: GraphPlan): Record<string, Tensor> {
  return interpret(modelOf(plan), inputsOf(plan));
}

/** The first way in which the compiled plan differs from `expected`, or undefined. Errors are sentences, too. */
export async function difference(
  plan: GraphPlan,
  expected: Readonly<Record<string, Tensor>>,
  setting: Setting,
): Promise<string | undefined> {
  try {
    return await differs(modelOf(plan), inputsOf(plan), expected, outputValues(plan), setting);
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message.split("\n")[0]}` : String(error);
  }
}

async function differs(
  model: Uint8Array,
  inputs: Readonly<Record<string, Tensor>>,
  expected: Readonly<Record<string, Tensor>>,
  outputs: readonly PlanValue[],
  { off, variant }: Setting,
): Promise<string | undefined> {
  const passes = Object.fromEntries(off.map((pass) => [pass, false]));
  // Shapes are given, since a declared extent of 0 stands for any.
  const inputShapes = Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, shape]));
  const { artifact } = compile(model, { passes, variants: [variant], inputShapes });
  const session = await load(artifact, { variant });
  const given = Object.fromEntries(session.inputs.map(({ name }) => [name, inputs[name]!]));
  // Twice: a run must not depend on what the one before left behind.
  await session.run(given);
  const actual = await session.run(given);
  session.dispose();
  for (const { name, dtype, shape, error } of outputs) {
    const want = expected[name]!;
    const typed = `${want.dtype} [${want.shape.join(", ")}]`;
    if (typed !== `${dtype} [${shape.join(", ")}]`)
      return `${name} is inferred as ${typed}, not ${dtype} [${shape.join(", ")}]`;
    const { passed, reason } = compareTensors(actual[name]!, want, { relative: 0, absolute: 2 * error });
    if (!passed) return `${name}: ${reason} (allowed: ${2 * error})`;
  }
  return undefined;
}

/** A failing plan made small, as text: what differs and a test to paste. */
export async function failureReport(plan: GraphPlan, setting: Setting, title: string): Promise<string> {
  const reasonOf = async (candidate: GraphPlan): Promise<string | undefined> => {
    let expected: Record<string, Tensor>;
    try {
      expected = expectedOf(candidate);
    } catch {
      return undefined;
    }
    return difference(candidate, expected, setting);
  };
  const whole = await reasonOf(plan);
  const small = await minimise(plan, async (candidate) => (await reasonOf(candidate)) !== undefined);
  const passes = JSON.stringify(Object.fromEntries(setting.off.map((pass) => [pass, false])));
  const call = `await expectAgreement(b.toBytes(), inputs, ${passes}, "${setting.variant}");`;
  return `${title}, ${nameOf(setting)}:\n  ${whole}\nsmallest case found: ${await reasonOf(small)}\n${sourceOf(small, call)}`;
}

/** What a pasted test calls: throws when the compiled model differs from the interpreter. */
export async function expectAgreement(
  model: Uint8Array,
  inputs: Readonly<Record<string, Tensor>>,
  passes: Readonly<Partial<Record<PassName, boolean>>>,
  variant: VariantName,
  absolute = 1e-4,
): Promise<void> {
  const expected = interpret(model, inputs);
  const outputs = Object.entries(expected).map(
    ([name, { dtype, shape }]) => ({ name, dtype, shape, error: absolute }) as PlanValue,
  );
  const off = passNames.filter((pass) => passes[pass] === false);
  const reason = await differs(model, inputs, expected, outputs, { off, variant });
  if (reason !== undefined) throw new Error(reason);
}
