/**
 * jax-js in the measuring page. In: the URL of an ONNX model. Out: sessions on its WebAssembly device, the whole model
 * under its `jit`. Invariant: only inputs and outputs that its arrays can hold (float32 and int32) pass; it has one
 * thread.
 */
import type * as Jax from "../peers/jaxJs.ts";
import { type Tensor } from "../../runtime/dtype.ts";
import { type PageRuntime, type PageSession } from "./runtime.ts";

/** Made by bench/runtimes/jaxJs.ts. */
export interface JaxOptions {
  readonly model: string;
}

export const JAX_SCRIPT = "/jax-js/jax.mjs";

export async function startJax(): Promise<PageRuntime> {
  const jax = (await import(new URL(JAX_SCRIPT, location.href).href)) as typeof Jax;
  const ready = await jax.init("wasm");
  if (!ready.includes("wasm")) throw new Error("jax-js cannot start its wasm device");
  jax.defaultDevice("wasm");
  return { create: (options) => createSession(jax, options as unknown as JaxOptions) };
}

type Arrays = Record<string, Jax.numpy.Array>;

async function createSession(jax: typeof Jax, { model: url }: JaxOptions): Promise<PageSession> {
  const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
  const model = new jax.ONNXModel(bytes);
  const apply = jax.jit((inputs: Arrays) => model.run(inputs));
  let feeds: readonly (readonly [string, Tensor])[] = [];
  return {
    prepare: (inputs) => void (feeds = Object.entries(inputs)),
    async run() {
      const inputs = Object.fromEntries(feeds.map(([name, tensor]) => [name, toJax(jax, tensor)]));
      const outputs = apply(inputs) as Arrays;
      const tensors: Record<string, Tensor> = {};
      for (const [name, array] of Object.entries(outputs)) {
        const shape = [...array.shape];
        const dtype = array.dtype === jax.numpy.int32 ? "int32" : "float32";
        tensors[name] = { dtype, shape, data: (await array.data()) as Float32Array | Int32Array };
      }
      return tensors;
    },
    read: (result) => result as Record<string, Tensor>,
    dispose: async () => model.dispose(),
    notes: { threads: "1" },
  };
}

function toJax(jax: typeof Jax, { dtype, shape, data }: Tensor): Jax.numpy.Array {
  if (dtype !== "float32" && dtype !== "int32") throw new Error(`jax-js has no arrays of ${dtype}`);
  return jax.numpy.array(data as Float32Array, { shape: [...shape] });
}
