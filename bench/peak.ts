/**
 * The module that measures the machine's multiply-add peak. In: names of variants. Out: WebAssembly bytes, and per
 * exported function how many floating-point operations an iteration is. Invariant: the loop is the compiler's own
 * (compiler/backend/wasm/peak.ts), so that the benchmark and profiles mean the same peak.
 */
import { InternalError } from "../compiler/diagnostic.ts";
import { ModuleBuilder } from "../compiler/backend/wasm/assembler.ts";
import { FLOP_PER_ITERATION, multiplyAddLoop } from "../compiler/backend/wasm/peak.ts";
import { type PeakVariant } from "./protocol.ts";

export interface PeakModule {
  readonly bytes: Uint8Array;
  readonly variants: readonly PeakVariant[];
}

/** With fused multiply-add, and with a multiplication and an addition. */
const VARIANTS = ["relaxed-simd", "simd"];

/**
 * Each export takes the number of iterations (at least 1) and writes the sum of its accumulators to address 0 of
 * `env.memory`, so that nothing of what it computes is dead.
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
  return {
    bytes: module.build(1),
    variants: names.map((name) => ({ export: name, flopPerIteration: FLOP_PER_ITERATION })),
  };
}
