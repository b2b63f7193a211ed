/**
 * The peak module computes what its operation count says: every accumulator gains x * y = 0.375 at each step, so the
 * sum tells how many steps there were. Node 20 has no relaxed SIMD without a flag, so only the plain variant runs.
 */
import { expect, it } from "vitest";
import { peakModule } from "./peak.ts";

it("does the operations that it counts", async () => {
  const { bytes, variants } = peakModule(["simd"]);
  const memory = new WebAssembly.Memory({ initial: 1 });
  const { instance } = await WebAssembly.instantiate(bytes as Uint8Array<ArrayBuffer>, { env: { memory } });
  const burst = instance.exports["simd"] as (iterations: number) => void;
  const lanes = 4;
  const perMultiplyAdd = 2;
  for (const iterations of [1, 7, 1000]) {
    burst(iterations);
    const multiplyAdds = new Float32Array(memory.buffer)[0]! / 0.375;
    expect(multiplyAdds * lanes * perMultiplyAdd).toBe(variants[0]!.flopPerIteration * iterations);
  }
});

it("has both variants by default", () => {
  expect(peakModule().variants.map((variant) => variant.export)).toEqual(["relaxed-simd", "simd"]);
});
