/**
 * The module that measures the machine's multiply-add peak. In: nothing. Out: WebAssembly bytes, and per exported
 * function how many floating-point operations an iteration is. Invariant: the accumulators depend on nothing but
 * themselves, are more than latency times ports of any present core (4 x 2 on x64) and, with the two factors, fit
 * the 15 vector registers that V8 has on x64, so that neither latency nor spills hide the peak.
 */
import { Code, Locals, ModuleBuilder } from "../compiler/backend/wasm/assembler.ts";
import { type PeakVariant } from "./protocol.ts";

const ACCUMULATORS = 12;
/** Rounds over all accumulators in one iteration of the loop, so that its counter costs next to nothing. */
const UNROLL = 8;
const LANES = 4;
/** A multiply-add counts as two operations. */
const FLOP_PER_ITERATION = ACCUMULATORS * UNROLL * LANES * 2;

export interface PeakModule {
  readonly bytes: Uint8Array;
  readonly variants: readonly PeakVariant[];
}

/** Steps of `accumulator = x * y + accumulator`, given code that gets the accumulator. */
type MultiplyAdd = (code: Code, x: number, y: number, accumulator: number) => Code;

const relaxed: MultiplyAdd = (code, x, y, accumulator) =>
  code.get(x).get(y).get(accumulator).op("f32x4.relaxed_madd");
const plain: MultiplyAdd = (code, x, y, accumulator) =>
  code.get(x).get(y).op("f32x4.mul").get(accumulator).op("f32x4.add");

/** What a module measures: with fused multiply-add, and with a multiplication and an addition. */
const VARIANTS: Readonly<Record<string, MultiplyAdd>> = { "relaxed-simd": relaxed, simd: plain };

/**
 * Each export takes the number of iterations (at least 1) and writes the sum of its accumulators to address 0 of
 * `env.memory`, so that nothing of what it computes is dead.
 *
 * @param names variants to put in; a module with "relaxed-simd" validates only where that is supported
 */
export function peakModule(names: readonly string[] = Object.keys(VARIANTS)): PeakModule {
  const module = new ModuleBuilder();
  for (const name of names) addVariant(module, name, VARIANTS[name]!);
  return {
    bytes: module.build(1),
    variants: names.map((name) => ({ export: name, flopPerIteration: FLOP_PER_ITERATION })),
  };
}

function addVariant(module: ModuleBuilder, name: string, multiplyAdd: MultiplyAdd): void {
  const iterations = 0;
  const locals = new Locals(["i32"]);
  const code = new Code(locals);
  const factors = [1.5, 0.25].map((value) => {
    const local = locals.take("v128");
    // Times the parameter over itself: a compiler that sees no constant can fold nothing.
    code.get(iterations).op("f32.convert_i32_s").get(iterations).op("f32.convert_i32_s").op("f32.div");
    code.f32(value).op("f32.mul").op("f32x4.splat").set(local);
    return local;
  });
  const accumulators = Array.from({ length: ACCUMULATORS }, () => locals.take("v128"));
  code.loop();
  for (let i = 0; i < UNROLL; i++) {
    for (const accumulator of accumulators) {
      multiplyAdd(code, factors[0]!, factors[1]!, accumulator).set(accumulator);
    }
  }
  code.get(iterations).i32(1).op("i32.sub").tee(iterations).brIf(0).end();
  code.i32(0).get(accumulators[0]!);
  for (const accumulator of accumulators.slice(1)) code.get(accumulator).op("f32x4.add");
  code.lane("f32x4.extract_lane", 0).access("f32.store", 0);
  module.function({ takes: ["i32"], gives: [] }, code, name);
}
