/**
 * onnxruntime-web in a thread of its own. In: a model and inputs. Out: outputs, or what it said. Invariant: one answer
 * per question, by number; a thread that never answers can be ended without harm to anyone.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { parentPort } from "node:worker_threads";
import { env, InferenceSession, Tensor as OrtTensor } from "onnxruntime-web";
import type { DType, Tensor, TensorData } from "../../../runtime/dtype.ts";

export interface OrtQuestion {
  readonly id: number;
  readonly model: Uint8Array;
  readonly feeds: Readonly<Record<string, Tensor>>;
}

export type OrtAnswer =
  | { readonly kind: "outputs"; readonly outputs: Readonly<Record<string, Tensor>> }
  | { readonly kind: "error"; readonly message: string };

/** What the ONNX library inside prints about old operators, whatever the log level, straight to the descriptors. */
const CHATTER = /^Warning: Model contains experimental ops/;
const writeSync = fs.writeSync.bind(fs) as (descriptor: number, text: string) => number;
Object.assign(fs, { writeSync: (descriptor: number, text: string): number => (CHATTER.test(text) ? text.length : writeSync(descriptor, text)) }); // prettier-ignore
syncBuiltinESMExports();

env.wasm.numThreads = 1;
env.logLevel = "fatal";
const port = parentPort!;

port.on("message", (question: OrtQuestion) => {
  void answer(question).then((result) => port.postMessage({ id: question.id, ...result }));
});

async function answer({ model, feeds }: OrtQuestion): Promise<OrtAnswer> {
  let session: InferenceSession | undefined;
  try {
    session = await InferenceSession.create(model, { executionProviders: ["wasm"], graphOptimizationLevel: "disabled", logSeverityLevel: 4 }); // prettier-ignore
    const inputs: Record<string, OrtTensor> = {};
    for (const [name, { dtype, shape, data }] of Object.entries(feeds)) {
      if (session.inputNames.includes(name)) inputs[name] = new OrtTensor(dtype as "float32", data as Float32Array, shape); // prettier-ignore
    }
    const results = await session.run(inputs, { logSeverityLevel: 4 });
    const outputs: Record<string, Tensor> = {};
    for (const [name, value] of Object.entries(results)) {
      const { type, dims, data } = value as OrtTensor;
      outputs[name] = { dtype: type as DType, shape: dims, data: unpacked(type as DType, dims, data as unknown as TensorData) }; // prettier-ignore
    }
    return { kind: "outputs", outputs };
  } catch (error) {
    return { kind: "error", message: error instanceof Error ? error.message : String(error) };
  } finally {
    await session?.release().catch(() => undefined);
  }
}

/** Elements of four bits come two to a byte, the first one low. */
function unpacked(dtype: DType, shape: readonly number[], data: TensorData): TensorData {
  if (dtype !== "int4" && dtype !== "uint4") return data;
  const bytes = data as Uint8Array;
  const count = shape.reduce((a, b) => a * b, 1);
  const halves = Array.from({ length: count }, (_, i) => (bytes[i >> 1]! >> (4 * (i & 1))) & 15);
  return dtype === "uint4"
    ? Uint8Array.from(halves)
    : Int8Array.from(halves, (half) => (half > 7 ? half - 16 : half));
}
