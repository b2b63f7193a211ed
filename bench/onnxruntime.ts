/**
 * onnxruntime-web in Node, as the one that knows what is right: for outputs of generated models and for tests. In: an
 * ONNX model and inputs. Out: its outputs, by name in the model's order. Invariant: the session is gone afterwards.
 */
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-web";
import { type DType, type NumericData, type Tensor } from "../runtime/dtype.ts";
import { type Tensors } from "./agreement.ts";

/** @throws Error (onnxruntime's) when it cannot load or run the model */
export async function runOnnxruntime(bytes: Uint8Array, inputs: Tensors): Promise<Tensors> {
  const session = await InferenceSession.create(bytes, { executionProviders: ["wasm"], logSeverityLevel: 3 });
  try {
    const feeds = Object.entries(inputs).map(([name, { dtype, shape, data }]) => [
      name,
      // The types of its constructor list each dtype by itself.
      new OrtTensor(dtype as "float32", data as Float32Array, shape),
    ]);
    const results = await session.run(Object.fromEntries(feeds) as Record<string, OrtTensor>);
    return Object.fromEntries(
      session.outputNames.map((name): [string, Tensor] => {
        const { type, dims, data } = results[name]!;
        return [name, { dtype: type as DType, shape: dims, data: data as NumericData }];
      }),
    );
  } finally {
    await session.release();
  }
}
