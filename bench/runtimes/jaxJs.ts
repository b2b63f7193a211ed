/**
 * jax-js, which compiles array programs to WebAssembly in the page, with its loader of ONNX models. In: a model. Out:
 * the model's own file and the package as downloads. Invariant: the `.onnx` is what the page gets.
 */
import { sizeOf } from "../bundleSize.ts";
import { JAX_SCRIPT, type JaxOptions } from "../page/jaxJs.ts";
import { packageVersion, peerBundle } from "./peerBundle.ts";
import { type BenchRuntime } from "./runtime.ts";

export async function jaxJs(): Promise<BenchRuntime> {
  const script = await peerBundle("jaxJs");
  return {
    version: packageVersion("@jax-js/jax"),
    description: "jax-js, WebAssembly device, jit",
    mostThreads: 1,
    files: () => new Map([[JAX_SCRIPT, script]]),
    async prepare(model, { serve }) {
      if (model.external.size > 0) throw new Error("its loader takes no external data");
      const create: JaxOptions = { model: serve("model.onnx", model.bytes) };
      return {
        create: { ...create },
        downloads: [
          { name: "jax-js", size: sizeOf(script) },
          { name: "model.onnx", size: sizeOf(model.bytes) },
        ],
        notes: {},
      };
    },
  };
}
