/**
 * LiteRT.js in the measuring page. In: the URL of a `.tflite` file. Out: sessions on its WebAssembly backend. Its
 * converters rename tensors and keep images with the channels last, so inputs and outputs are matched by their number
 * of elements, in their order, and those of rank 4 are transposed; outside of what is timed. Invariant: a run takes
 * and gives ordinary arrays, as with the other runtimes, and frees what it took of the module's memory.
 */
import { elementCount, type Tensor } from "../../runtime/dtype.ts";
import type * as Litert from "../peers/litert.ts";
import { matchOutputs, matchPorts } from "./layouts.ts";
import { type PageRuntime, type PageSession } from "./runtime.ts";

/** Made by bench/runtimes/litert.ts. */
export interface LitertOptions {
  readonly model: string;
}

/** Where the driver serves the package, once per thread count. */
export const litertFolder = (threads: number): string => `/litert-${threads}/`;
export const LITERT_SCRIPT = "litert.mjs";

export async function startLitert(threads: number): Promise<PageRuntime> {
  const folder = new URL(litertFolder(threads), location.href).href;
  const litert = (await import(folder + LITERT_SCRIPT)) as typeof Litert;
  await litert.loadLiteRt(folder, { threads: threads > 1 });
  return { create: (options) => createSession(litert, options as unknown as LitertOptions, threads) };
}

async function createSession(
  litert: typeof Litert,
  options: LitertOptions,
  threads: number,
): Promise<PageSession> {
  const model = await litert.loadAndCompile(new URL(options.model, location.href).href, {
    accelerator: "wasm",
    cpuOptions: { numThreads: threads },
  });
  const inputDetails = model.getInputDetails();
  const outputDetails = model.getOutputDetails();
  let feeds: { readonly data: Float32Array; readonly shape: number[] }[] = [];
  return {
    prepare(inputs) {
      const ports = inputDetails.map(({ name, shape }) => ({ name, shape: [...shape] }));
      feeds = matchPorts(ports, inputs).map(({ tensor, port }) => ({
        data: tensor.data as Float32Array,
        shape: [...port.shape],
      }));
    },
    async run() {
      const tensors = feeds.map(({ data, shape }) => new litert.Tensor(data, shape));
      const results = await model.run(tensors);
      const arrays = results.map((result) => result.toTypedArray());
      for (const tensor of [...tensors, ...results]) tensor.delete();
      return arrays;
    },
    read(result, expected) {
      const arrays = result as readonly Float32Array[];
      const given = outputDetails.map(({ shape }, i): Tensor => {
        const data = arrays[i]!;
        const known = [...shape];
        return { dtype: "float32", shape: elementCount(known) === data.length ? known : [data.length], data };
      });
      return matchOutputs(given, expected);
    },
    dispose: async () => model.delete(),
    notes: { threads: String(threads) },
  };
}
