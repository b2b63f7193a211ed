/**
 * Kernels that an engine compiles well before they are first run. In: the functions of kernels, with how long each may
 * take in a run. Out: `warm(i)`, which calls the kernel with number `i` often and with nothing to do, and gives 1, or 0
 * if there is none with that number. Invariant: warming reads and writes no memory; it changes nothing but what the
 * engine knows.
 *
 * Engines begin with code that is compiled fast and runs a third as fast as it could (V8's Liftoff), and compile a
 * function again, in the background, when it has been executed for some time. A first run of a network is over before
 * most of its kernels get there. What is counted is cheap to give, though: V8 takes the size of a function's code off a
 * budget of 13 million bytes whenever the function returns (`--wasm-tiering-budget`, V8 15.6), whether it did anything
 * or not; JavaScriptCore and SpiderMonkey count calls as well. So kernels that are called with the address 0, where
 * nothing ever lies, return at once, and some thousands of such calls, a tenth of a millisecond, are enough.
 */
import { Code, Locals, type FunctionType } from "./assembler.ts";

/** Bytes of fast-compiled code that are executed before V8 compiles a function again. */
const BUDGET = 13e6;
/** Bytes of that code for one of WebAssembly, at the least (measured over the kernels of mobilenetv2 and yolox). */
const EXPANSION = 2;
const MOST_CALLS = 32_768;

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

/** A kernel's function that does nothing where its first buffer is at address 0. */
export function unlessWarming(body: Code): Code {
  return new Code(body.locals, body.mathNames).get(0).if().append(body).end();
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
  const [left, found] = [code.locals.take("i32"), code.locals.take("i32")];
  worthwhile.forEach(({ index, type: kernel, bytes }, number) => {
    code.get(which).i32(number).op("i32.eq").if();
    code.i32(Math.min(MOST_CALLS, Math.ceil(BUDGET / (EXPANSION * bytes)))).set(left);
    code.loop();
    for (const _ of kernel.takes) code.i32(0);
    code.call(index, kernel);
    code.get(left).i32(1).op("i32.sub").tee(left).brIf(0).end();
    code.i32(1).set(found).end();
  });
  return { type, code: code.get(found) };
}
