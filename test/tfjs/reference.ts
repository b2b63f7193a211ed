/**
 * TF.js itself (cpu backend), as the definition of what a GraphModel computes. In: a model as a test built it or as it
 * lies in a folder, and inputs by the names that the model has for them. Out: its outputs by the name of their node.
 * Invariant: nothing of ours takes part.
 */
import "@tensorflow/tfjs-backend-cpu";
import { loadGraphModel } from "@tensorflow/tfjs-converter";
import * as tf from "@tensorflow/tfjs-core";
import { type NumericData, type Tensor } from "../../runtime/dtype.ts";

export interface ReferenceModel {
  readonly json: Readonly<Record<string, unknown>>;
  readonly weightBytes: Uint8Array<ArrayBuffer>;
}

interface Manifest {
  readonly weightsManifest: readonly { readonly weights: tf.io.WeightsManifestEntry[] }[];
}

/** Outputs by "node" or "node:1". */
export async function referenceOutputs(
  { json, weightBytes }: ReferenceModel,
  inputs: Readonly<Record<string, Tensor>>,
  outputs?: readonly string[],
): Promise<ReadonlyMap<string, Tensor>> {
  await tf.setBackend("cpu");
  const artifacts = {
    ...json,
    weightSpecs: (json as unknown as Manifest).weightsManifest.flatMap(({ weights }) => weights),
    weightData: weightBytes.buffer.slice(
      weightBytes.byteOffset,
      weightBytes.byteOffset + weightBytes.byteLength,
    ),
  };
  const model = await loadGraphModel({ load: async () => artifacts as tf.io.ModelArtifacts });
  const given = Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, toTf(tensor)]));
  const names = outputs ?? model.outputNodes;
  const quiet = console.warn;
  // It warns of every model that could be run in another way.
  console.warn = () => {};
  try {
    const made = [await model.executeAsync(given, [...names])].flat();
    const results = await Promise.all(made.map(async (result) => fromTf(result)));
    tf.dispose([...made, ...Object.values(given)]);
    return new Map(names.map((name, i) => [name.replace(/:0$/, ""), results[i]!]));
  } finally {
    console.warn = quiet;
    model.dispose();
  }
}

function toTf({ dtype, shape, data }: Tensor): tf.Tensor {
  if (dtype === "string") return tf.tensor(data as string[], [...shape], "string");
  if (dtype === "bool") return tf.tensor(Uint8Array.from(data as Uint8Array), [...shape], "bool");
  if (dtype === "float32") return tf.tensor(data as Float32Array, [...shape], "float32");
  return tf.tensor(Int32Array.from(data as NumericData as Int32Array), [...shape], "int32");
}

async function fromTf(result: tf.Tensor): Promise<Tensor> {
  const data = await result.data();
  const dtype = result.dtype as "float32" | "int32" | "bool" | "string";
  if (dtype === "string") return { dtype, shape: result.shape, data: data as unknown as string[] };
  // Some of its operators give the elements of a tensor in the array of another type.
  const numbers = data as Float32Array;
  const own = dtype === "float32" ? Float32Array.from(numbers) : dtype === "bool" ? Uint8Array.from(numbers) : Int32Array.from(numbers); // prettier-ignore
  return { dtype, shape: result.shape, data: own };
}
