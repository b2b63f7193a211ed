/**
 * One operator here and in onnxruntime-web, for tests of operators that it defines. In: a model of one node, its
 * inputs as data or as weights. Out: nothing; the test fails where the interpreter or the compiled program differs
 * from onnxruntime. Invariant: the same bytes and the same inputs go to all three.
 */
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-web";
import { expect } from "vitest";
import { onnxModel, type OnnxAttributes } from "../compiler/frontend/onnx/write.ts";
import { compile, interpret, openSource } from "../compiler/whole.ts";
import { elementCount, type DType, type NumericData, type Tensor } from "../compiler/ir/dtype.ts";
import { tensorOf } from "../compiler/passes/evaluate.ts";
import { compareTensors } from "../compiler/tensors/compare.ts";
import { load } from "../runtime/index.ts";

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

export async function besideOnnxruntime(use: NodeCase): Promise<void> {
  const build = (beside: boolean): Uint8Array => {
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
  };
  const bytes = build(false);
  const feeds = Object.fromEntries(
    use.inputs.flatMap((o, i) => (o && !o.weight ? [[`x${i}`, o.tensor]] : [])),
  );
  const expected = await reference(build(true), feeds);
  const { artifact } = compile(bytes);
  const session = await load(artifact, { compiler: () => ({ openSource }) });
  const compiled = await session.run(feeds);
  session.dispose();
  const tolerance = { relative: 2e-5, absolute: use.absolute ?? 2e-5, integer: use.steps ?? 0 };
  const interpreted = interpret(bytes, feeds);
  for (const [name, tensor] of Object.entries(expected)) {
    expect(
      compareTensors(interpreted[name]!, tensor, tolerance).reason,
      `interpreted ${name}`,
    ).toBeUndefined();
    expect(compareTensors(compiled[name]!, tensor, tolerance).reason, `compiled ${name}`).toBeUndefined();
  }
}

async function reference(
  bytes: Uint8Array,
  feeds: Readonly<Record<string, Tensor>>,
): Promise<Record<string, Tensor>> {
  const session = await InferenceSession.create(bytes, { executionProviders: ["wasm"], logSeverityLevel: 3 });
  const inputs = Object.entries(feeds).map(([name, { dtype, shape, data }]) => [name, new OrtTensor(dtype as Dtype, data as Float32Array, [...shape])]); // prettier-ignore
  const results = await session.run(Object.fromEntries(inputs) as Record<string, OrtTensor>);
  await session.release();
  const tensors = Object.entries(results).map(([name, { type, dims, data }]): [string, Tensor] => [name, { dtype: type as DType, shape: dims, data: data as NumericData }]); // prettier-ignore
  return Object.fromEntries(tensors);
}
