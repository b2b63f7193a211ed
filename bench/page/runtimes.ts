/**
 * The page halves of the runtimes, by name; their halves in Node are in bench/runtimes/table.ts. Invariant: each is
 * behind a dynamic import, so that a page loads the code of those it measures and of no other.
 */
import { type StartRuntime } from "./runtime.ts";

const startTilewright: StartRuntime = async (threads) =>
  (await import("./tilewright.ts")).startTilewright(threads);

export const startRuntime: Readonly<Record<string, StartRuntime>> = {
  tilewright: startTilewright,
  "tilewright-simd": startTilewright,
  "ort-wasm": async (threads) => (await import("./ortWasm.ts")).startOrt(threads),
  litert: async (threads) => (await import("./litert.ts")).startLitert(threads),
  "tfjs-wasm": async (threads) => (await import("./tfjsWasm.ts")).startTfjs(threads),
  "jax-js": async () => (await import("./jaxJs.ts")).startJax(),
};
