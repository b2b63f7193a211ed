/**
 * The module that measures the machine's multiply-add peak and read bandwidth. In: names of variants. Out:
 * WebAssembly bytes, and per exported function how many floating-point operations an iteration is. Invariant: the
 * loops are the compiler's own (compiler/backend/wasm/peak.ts), so that the benchmark and profiles mean the same.
 */
import { InternalError } from "../compiler/diagnostic.ts";
import { ModuleBuilder } from "../compiler/backend/wasm/assembler.ts";
import { FLOP_PER_ITERATION, loadLoop, multiplyAddLoop } from "../compiler/backend/wasm/peak.ts";
import { type PeakVariant } from "./protocol.ts";

/** The export that reads a range of memory. */
const LOADS = "loads";

export interface PeakModule {
  readonly bytes: Uint8Array;
  readonly variants: readonly PeakVariant[];
}

/** With fused multiply-add, and with a multiplication and an addition. */
const VARIANTS = ["relaxed-simd", "simd"];

/**
 * Each variant takes the number of iterations (at least 1) and writes the sum of its accumulators to address 0 of
 * `env.memory`, so that nothing of what it computes is dead. `loads` takes an address, bytes (a multiple of 256) and
 * how often they are read.
 *
 * @param names variants to put in; a module with "relaxed-simd" validates only where that is supported
 */
export function peakModule(names: readonly string[] = VARIANTS): PeakModule {
  const module = new ModuleBuilder();
  for (const name of names) {
    const { type, code } = multiplyAddLoop();
    module.function(type, code, name, {
      relaxed: name === "relaxed-simd",
      mathImport: (called) => {
        throw new InternalError(`the peak loop calls ${called}`);
      },
    });
  }
  const { type, code } = loadLoop();
  module.function(type, code, LOADS);
  return {
    bytes: module.build(1),
    variants: names.map((name) => ({ export: name, flopPerIteration: FLOP_PER_ITERATION })),
  };
}
