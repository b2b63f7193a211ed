/**
 * The page halves of the runtimes, by name; their halves in Node are in bench/runtimes/table.ts. Invariant: each is
 * behind a dynamic import, so that a page loads the code of those it measures and of no other.
 */
import { type StartRuntime } from "./runtime.ts";

const startTilewright: StartRuntime = async (threads) =>
  (await import("./tilewright.ts")).startTilewright(threads);

const gpu =
  (start: StartRuntime): StartRuntime =>
  async (threads) => {
    const [{ onWebgpu }, runtime] = [await import("./onWebgpu.ts"), await start(threads)];
    return onWebgpu(runtime);
  };

export const startRuntime: Readonly<Record<string, StartRuntime>> = {
  tilewright: startTilewright,
  "tilewright-simd": startTilewright,
  "tilewright-each-size": startTilewright,
  "ort-wasm": async (threads) => (await import("./ortWasm.ts")).startOrt(threads),
  litert: async (threads) => (await import("./litert.ts")).startLitert(threads),
  "tfjs-wasm": async (threads) => (await import("./tfjsWasm.ts")).startTfjs(threads),
  "tilewright-webgpu": gpu(startTilewright),
  "ort-webgpu": gpu(async (threads) => (await import("./ortWasm.ts")).startOrt(threads, "webgpu")),
  "tfjs-webgpu": gpu(async (threads) => (await import("./tfjsWasm.ts")).startTfjs(threads, "webgpu")),
  "jax-js": async () => (await import("./jaxJs.ts")).startJax(),
};
