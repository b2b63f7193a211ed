/**
 * Loops that measure what a machine can do at most: multiply-adds that wait for nothing, and reads of a range of
 * memory. In: nothing. Out: code of two functions, for the benchmark and for modules that are made to be profiled.
 * Invariant: the accumulators depend on nothing but themselves, are more than latency times ports of any present core
 * (4 x 2 on x64) and, with the two factors, fit the 15 vector registers that V8 has on x64, so that neither latency
 * nor spills hide the peak; what they gather goes to address 0, which no value has, so that nothing is dead.
 */
import { LANES } from "../../ir/nest.ts";
import { Code, Locals, type FunctionType } from "./assembler.ts";

const ACCUMULATORS = 12;
/** Rounds over all accumulators in one iteration of the loop, so that its counter costs next to nothing. */
const UNROLL = 8;

/** Floating-point operations of one iteration of the first loop; a multiply-add is two. */
export const FLOP_PER_ITERATION = ACCUMULATORS * UNROLL * LANES * 2;

/** Bytes that one iteration of the second loop reads. */
export const BYTES_PER_ITERATION = 256;

export interface PeakFunction {
  readonly type: FunctionType;
  readonly code: Code;
}

/** Takes the number of iterations, at least 1. Linked with relaxed SIMD, a multiply-add is one instruction. */
export function multiplyAddLoop(): PeakFunction {
  const iterations = 0;
  const locals = new Locals(["i32"]);
  const code = new Code(locals);
  const [x, y] = [1.5, 0.25].map((value) => {
    const local = locals.take("v128");
    // Times the parameter over itself: a compiler that sees no constant can fold nothing.
    code.get(iterations).op("f32.convert_i32_s").get(iterations).op("f32.convert_i32_s").op("f32.div");
    code.f32(value).op("f32.mul").op("f32x4.splat").set(local);
    return local;
  });
  const accumulators = Array.from({ length: ACCUMULATORS }, () => locals.take("v128"));
  code.loop();
  for (let i = 0; i < UNROLL; i++) {
    for (const sum of accumulators) {
      code.beforeAccumulate(sum).get(x!).get(y!).accumulate(sum).set(sum);
    }
  }
  code.get(iterations).i32(1).op("i32.sub").tee(iterations).brIf(0).end();
  code.i32(0).get(accumulators[0]!);
  for (const sum of accumulators.slice(1)) code.get(sum).op("f32x4.add");
  code.lane("f32x4.extract_lane", 0).access("f32.store", 0);
  return { type: { takes: ["i32"], gives: [] }, code };
}

/** Takes an address, a multiple of {@link BYTES_PER_ITERATION} as bytes, and how often they are read; all above 0. */
export function loadLoop(): PeakFunction {
  const [address, bytes, rounds] = [0, 1, 2];
  const locals = new Locals(["i32", "i32", "i32"]);
  const code = new Code(locals);
  const pointer = locals.take("i32");
  const gathered = Array.from({ length: 4 }, () => locals.take("v128"));
  code.get(address).get(bytes).op("i32.add").set(bytes);
  code.loop().get(address).set(pointer).loop();
  for (let offset = 0; offset < BYTES_PER_ITERATION; offset += 16) {
    const local = gathered[(offset / 16) % gathered.length]!;
    code.get(local).get(pointer).access("v128.load", offset).op("v128.xor").set(local);
  }
  code.get(pointer).i32(BYTES_PER_ITERATION).op("i32.add").tee(pointer);
  code.get(bytes).op("i32.lt_u").brIf(0).end();
  code.get(rounds).i32(1).op("i32.sub").tee(rounds).brIf(0).end();
  code.i32(0).get(gathered[0]!);
  for (const local of gathered.slice(1)) code.get(local).op("v128.xor");
  code.lane("i32x4.extract_lane", 0).access("i32.store", 0);
  return { type: { takes: ["i32", "i32", "i32"], gives: [] }, code };
}
