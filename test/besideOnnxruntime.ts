/**
 * Models here and in onnxruntime-web, for tests of operators and of passes that have no other definition to compare
 * with. In: a model of any size, or one node with its inputs as data or as weights. Out: the outputs; the test fails
 * where the interpreter or the compiled program differs from onnxruntime. Invariant: the same bytes and the same inputs
 * go to all three; names, dtypes and shapes agree exactly, elements within a tolerance.
 */
import { expect } from "vitest";
import { type Tensors } from "../bench/agreement.ts";
import { runOnnxruntime } from "../bench/onnxruntime.ts";
import { onnxModel, type OnnxAttributes, type OnnxModelBuilder } from "../compiler/frontend/onnx/write.ts";
import { compile, interpret, openSource, type CompileOptions } from "../compiler/whole.ts";
import { elementCount, type DType, type NumericData, type Tensor } from "../compiler/ir/dtype.ts";
import { tensorOf } from "../compiler/passes/evaluate.ts";
import { compareTensors, type Tolerance } from "../compiler/tensors/compare.ts";
import { load } from "../runtime/index.ts";

export type { Tensors };

type Dtype = "float32" | "int32" | "int64" | "uint8" | "int8" | "bool";

export interface Operand {
  readonly tensor: Tensor;
  /** A weight of the model instead of an input. */
  readonly weight: boolean;
}

export interface NodeCase {
  readonly op: string;
  readonly domain?: string;
  readonly inputs: readonly (Operand | undefined)[];
  readonly attributes?: OnnxAttributes;
  /** Element types of the outputs; "" for one that is not wanted. */
  readonly outputs: readonly (Dtype | "")[];
  readonly absolute?: number;
  /** Steps by which integers may differ: where a real number lies between two, rounding decides. */
  readonly steps?: number;
  /** Inputs for onnxruntime, if it knows the operator under another form only. */
  readonly beside?: (model: ReturnType<typeof onnxModel>, inputs: readonly string[]) => string;
}

/** Seeded real numbers in -1..1. */
export function reals(shape: readonly number[], seed = 1, scale = 1): Tensor {
  return tensorOf("float32", shape, Array.from({ length: elementCount(shape) }, (_, i) => scale * Math.sin(i * 12.9898 + seed * 78.233 + (i * i) / 7))); // prettier-ignore
}

/** Seeded whole numbers from `low` to `high`. */
export function wholes(dtype: DType, shape: readonly number[], low: number, high: number, seed = 1): Tensor {
  const spread = reals(shape, seed).data as Float32Array;
  const values = Array.from(spread, (x) => low + Math.min(high - low, Math.floor(((x + 1) / 2) * (high - low + 1)))); // prettier-ignore
  return tensorOf(dtype, shape, values);
}

export function whole(dtype: DType, value: number, shape: readonly number[] = []): Tensor {
  return tensorOf(dtype, shape, new Array<number>(elementCount(shape)).fill(value));
}

export function list(dtype: DType, values: readonly number[]): Tensor {
  return tensorOf(dtype, [values.length], values);
}

export const fed = (tensor: Tensor): Operand => ({ tensor, weight: false });
export const weight = (tensor: Tensor): Operand => ({ tensor, weight: true });

/** Seeded real numbers of no simple pattern, or those given. */
export function floats(shape: readonly number[], values?: readonly number[]): Tensor {
  const made = values ?? Array.from({ length: elementCount(shape) }, (_, i) => Math.sin(i * 1.7) + 0.3);
  return tensorOf("float32", shape, made);
}

/** A list of int64, or a scalar. */
export function int64(values: readonly number[] | number): Tensor {
  return typeof values === "number"
    ? tensorOf("int64", [], [values])
    : tensorOf("int64", [values.length], values);
}

/** Checks one node on all three. */
export async function besideOnnxruntime(use: NodeCase): Promise<void> {
  const inputs = Object.fromEntries(
    use.inputs.flatMap((o, i) => (o && !o.weight ? [[`x${i}`, o.tensor]] : [])),
  );
  const tolerance = { relative: 2e-5, absolute: use.absolute ?? 2e-5, integer: use.steps ?? 0 };
  await agreeOn(nodeModel(use, false), inputs, tolerance, nodeModel(use, true));
}

/** The node as a model; `beside`: in the form that onnxruntime knows. */
function nodeModel(use: NodeCase, beside: boolean): Uint8Array {
  const model = onnxModel("one", { opset: 17 });
  model.importOpset("com.microsoft", 1);
  const names = use.inputs.map((operand, i) => {
    if (!operand) return "";
    const { tensor } = operand;
    const dtype = tensor.dtype as Dtype;
    if (!operand.weight) return model.input(`x${i}`, dtype, tensor.shape);
    return model.initializer(dtype, tensor.shape, [...(tensor.data as NumericData)] as number[]);
  });
  const domain = use.domain ?? "com.microsoft";
  const ids = use.outputs.map((dtype, i) => (dtype === "" ? "" : `y${i}`));
  const first = beside ? use.beside?.(model, names) : undefined;
  if (first === undefined) model.nodeWithOutputs(use.op, names, ids, use.attributes, { domain });
  else model.node("Identity", [first], {}, { output: "y0" });
  use.outputs.forEach((dtype, i) => dtype !== "" && model.output(`y${i}`, dtype));
  return model.toBytes();
}

/** To five decimals. */
const FIVE_DECIMALS: Tolerance = { relative: 0, absolute: 5e-6, integer: 0 };

/** Checks a model on all three, and returns what came out. */
export async function agree(model: OnnxModelBuilder, inputs: Tensors): Promise<Tensors> {
  return agreeOn(model.toBytes(), inputs, FIVE_DECIMALS);
}

/** `beside`: the same model in the form that onnxruntime knows. */
async function agreeOn(
  bytes: Uint8Array,
  inputs: Tensors,
  tolerance: Tolerance,
  beside: Uint8Array = bytes,
): Promise<Tensors> {
  const expected = await runOnnxruntime(beside, inputs);
  expectSame(interpret(bytes, inputs), expected, tolerance, "interpreted");
  expectSame(await compiled(bytes, inputs), expected, tolerance, "compiled");
  return expected;
}

/** What the compiled program gives, through the runtime. */
export async function compiled(
  bytes: Uint8Array,
  inputs: Tensors,
  options: CompileOptions = {},
): Promise<Tensors> {
  const session = await load(bytes, {
    compiler: () => ({ openSource: (source) => openSource(source, options) }),
  });
  const outputs = await session.run(inputs);
  session.dispose();
  return outputs;
}

export function expectSame(
  actual: Tensors,
  expected: Tensors,
  tolerance = FIVE_DECIMALS,
  what = "made",
): void {
  expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, tensor] of Object.entries(expected)) {
    expect(compareTensors(actual[name]!, tensor, tolerance).reason, `${what} ${name}`).toBeUndefined();
  }
}

/** Whether the model becomes one program, without waiting for values. */
export function isBound(model: OnnxModelBuilder): boolean {
  return compile(model.toBytes()).report.kind === "bound";
}
