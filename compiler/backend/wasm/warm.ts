/**
 * Kernels that an engine compiles well before they are first run. In: the functions of kernels, with how long each may
 * take in a run. Out: `warm(i)`, which calls the kernel with number `i` often and with nothing to do, and gives 1, or 0
 * if there is none with that number. Invariant: warming reads and writes no memory; it changes nothing but what the
 * engine knows.
 *
 * Engines begin with code that is compiled fast and runs a third as fast as it could (V8's Liftoff), and compile a
 * function again, in the background, when it has been executed for some time. A first run of a network is over before
 * most of its kernels get there. What is counted is cheap to give, though: V8 takes the bytes of code that a branch back
 * leaps over off a budget of 13 million (`--wasm-tiering-budget`, V8 15.6), whether they did anything or not;
 * JavaScriptCore and SpiderMonkey count turns of loops as well. So a kernel that is called with the address 0, where
 * nothing ever lies, goes round a loop that holds its code and leaves it out: some thousand turns, 5 microseconds.
 * (As many calls take 100, since each makes room for all variables and clears it; yolox-nano is warmed in 6 ms, not 11,
 * the rest of which is the engine's first code.)
 */
import { Code, Locals, type FunctionType } from "./assembler.ts";

/** Bytes of fast-compiled code that are executed before V8 compiles a function again. */
const BUDGET = 13e6;
/** Bytes of that code for one of WebAssembly, at the least (measured over the kernels of mobilenetv2 and yolox). */
const EXPANSION = 2;
const MOST_TIMES = 32_768;

/**
 * What runs shorter than this in all its calls loses little: compiling it again costs a thread some milliseconds, in which
 * it neither hashes nor reads what is still on its way. First answers (`npm run bench -- --cold 7`) are much the same for
 * bounds from 200 to 600 microseconds; without one, models of many kernels give theirs later.
 */
const LEAST_NANOSECONDS = 200_000;

export interface WarmedKernel {
  readonly index: number;
  readonly type: FunctionType;
  /** Of code. */
  readonly bytes: number;
  /** Of all its calls in one run, about. */
  readonly nanoseconds: number;
}

/**
 * A kernel's function that does nothing where its first buffer is at address 0: as often as its second argument says,
 * in a loop around all of it, since that is what counts and is much faster than calls.
 */
export function unlessWarming(body: Code): Code {
  const code = new Code(body.locals, body.mathNames);
  if (body.locals.parameters < 2) return code.get(0).if().append(body).end();
  code.loop().get(0).if().append(body).return().end();
  return code.get(1).i32(1).op("i32.sub").tee(1).brIf(0).end();
}

/** `warm(number) -> whether there is one`; undefined where no kernel is worth it. */
export function warmFunction(
  kernels: readonly WarmedKernel[],
): { readonly type: FunctionType; readonly code: Code } | undefined {
  const worthwhile = kernels.filter(({ nanoseconds }) => nanoseconds >= LEAST_NANOSECONDS);
  if (worthwhile.length === 0) return undefined;
  const type: FunctionType = { takes: ["i32"], gives: ["i32"] };
  const which = 0;
  const code = new Code(new Locals(type.takes));
  const found = code.locals.take("i32");
  worthwhile.forEach(({ index, type: kernel, bytes }, number) => {
    code.get(which).i32(number).op("i32.eq").if();
    const times = Math.min(MOST_TIMES, Math.ceil(BUDGET / (EXPANSION * bytes)));
    kernel.takes.forEach((_, i) => code.i32(i === 1 ? times : 0));
    code.call(index, kernel).i32(1).set(found).end();
  });
  return { type, code: code.get(found) };
}
