/**
 * One model on three devices, for tests of what has no definition of its own. In: a model and inputs. Out: the
 * outputs, once onnxruntime-web, the interpreter and the compiled program agree on them. Invariant: dtypes, shapes
 * and the names of outputs agree exactly, elements to five decimals.
 */
import { afterAll, expect } from "vitest";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-web";
import { elementCount, type Tensor } from "../compiler/ir/dtype.ts";
import { compile, interpret, openSource, type CompileOptions } from "../compiler/whole.ts";
import type { OnnxModelBuilder } from "../compiler/frontend/onnx/write.ts";
import { tensorOf } from "../compiler/passes/evaluate.ts";
import { load } from "../runtime/index.ts";

const sessions: InferenceSession[] = [];

afterAll(async () => {
  for (const session of sessions) await session.release();
});

export type Tensors = Readonly<Record<string, Tensor>>;

/** float32 elements: those given, or some of no simple pattern. */
export function floats(shape: readonly number[], values?: readonly number[]): Tensor {
  return tensorOf("float32", shape, values ?? Array.from({ length: elementCount(shape) }, (_, i) => Math.sin(i * 1.7) + 0.3)); // prettier-ignore
}

/** A list of int64, or a scalar. */
export function int64(values: readonly number[] | number): Tensor {
  return typeof values === "number"
    ? tensorOf("int64", [], [values])
    : tensorOf("int64", [values.length], values);
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

async function reference(bytes: Uint8Array, inputs: Tensors): Promise<Tensors> {
  const session = await InferenceSession.create(bytes, { executionProviders: ["wasm"], logSeverityLevel: 3 });
  sessions.push(session);
  const feeds = Object.fromEntries(
    Object.entries(inputs).map(([name, { dtype, shape, data }]) => [
      name,
      new OrtTensor(dtype as "float32", data as Float32Array, shape),
    ]),
  );
  const outputs = await session.run(feeds);
  return Object.fromEntries(
    Object.entries(outputs).map(([name, value]) => {
      const { type, dims, data } = value as OrtTensor;
      return [name, { dtype: type, shape: dims, data } as unknown as Tensor];
    }),
  );
}

export function expectSame(actual: Tensors, expected: Tensors): void {
  expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, { dtype, shape, data }] of Object.entries(expected)) {
    const made = actual[name]!;
    expect([name, made.dtype, ...made.shape]).toEqual([name, dtype, ...shape]);
    Array.from(data as Iterable<number | bigint>, Number).forEach((value, i) => {
      expect(Number(made.data[i]), `${name}[${i}]`).toBeCloseTo(value, 5);
    });
  }
}

/** Checks a model on all three, and returns what came out. */
export async function agree(model: OnnxModelBuilder, inputs: Tensors): Promise<Tensors> {
  const bytes = model.toBytes();
  const expected = await reference(bytes, inputs);
  expectSame(interpret(bytes, inputs), expected);
  expectSame(await compiled(bytes, inputs), expected);
  return expected;
}

/** Whether the model becomes one program, without waiting for values. */
export function isBound(model: OnnxModelBuilder): boolean {
  return compile(model.toBytes()).report.kind === "bound";
}
