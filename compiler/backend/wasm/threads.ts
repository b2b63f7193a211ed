/**
 * The driver of a run: the same function on every thread. In: segments of calls. Out: code of
 * `run(thread, threads, turn, mayWait)`. Invariant: thread 0 returns when everything is done, whether the others help,
 * come late or never come; which thread runs a part changes nothing in its result.
 *
 * A shared kernel is a number of parts. Each part is claimed by one thread, by writing the number of the run (`turn`,
 * from 1) over that of the last run in which it was taken; a thread first takes the parts that are its share, which
 * its cache knows best, and then what others have left. DONE counts the parts of all runs: a thread adds those that it
 * took when it finds no more of that call, once, as every addition fetches the counter from another core and waits for
 * all that was stored before. A call may start when DONE has reached what stands before the call. A thread that was put
 * to sleep in the middle of a run and wakes in a later one finds nothing to claim, as all parts bear a number that is
 * not below its own. With turn 0 nothing is claimed, counted or waited for: the run of a thread that is alone.
 *
 * A call that a run leaves out (its tests are in the program's memory, made before it) is done at once: thread 0 claims
 * all its parts and counts them. A late thread may read such a test when its memory holds something else by then; it
 * finds every part of its run claimed, whatever it reads.
 *
 * Who has nothing to do looks at DONE for a while, then sleeps on it; a page's main thread may not sleep.
 */
import { DONE, FAILED, SLEEPERS } from "../../lower/control.ts";
import { Code, Locals, type FunctionType } from "./assembler.ts";

/** Looks at DONE before sleeping: nearly a hundred microseconds, more than sleeping and waking up cost. */
const LOOKS = 65536;
/** A sleeper looks up now and then, in case the thread that it waits for is gone. */
const SLEEP_NANOSECONDS = 20_000_000n;

/** `run` gives the number of parts that this thread took. */
export const RUN: FunctionType = { takes: ["i32", "i32", "i32", "i32"], gives: ["i32"] };
export const [THREAD, THREADS, TURN, MAY_WAIT] = [0, 1, 2, 3] as const;

export interface Helper {
  readonly type: FunctionType;
  readonly code: Code;
}

/** claim(address, turn): whether this thread is the one to run the part. */
export function claimHelper(): Helper {
  const type: FunctionType = { takes: ["i32", "i32"], gives: ["i32"] };
  const [address, turn] = [0, 1];
  const code = new Code(new Locals(type.takes));
  const seen = code.locals.take("i32");
  const taken = code.locals.take("i32");
  code.get(turn).op("i32.eqz").set(taken);
  code.get(turn).if();
  code.get(address).access("i32.atomic.load", 0).tee(seen).get(turn).op("i32.sub").i32(0).op("i32.lt_s").if();
  code.get(address).get(seen).get(turn).access("i32.atomic.rmw.cmpxchg", 0).get(seen).op("i32.eq").set(taken);
  code.end().end().get(taken);
  return { type, code };
}

/** finish(turn, count): so many parts more are done. */
export function finishHelper(control: number): Helper {
  const type: FunctionType = { takes: ["i32", "i32"], gives: [] };
  const [turn, count] = [0, 1];
  const code = new Code(new Locals(type.takes));
  code.get(turn).if();
  code.i32(control).get(count).access("i32.atomic.rmw.add", DONE).drop();
  code.i32(control).access("i32.atomic.load", SLEEPERS).if();
  code.i32(control).i32(-1).access("memory.atomic.notify", DONE).drop();
  code.end().end();
  return { type, code };
}

/** pass(claims, count, turn): the parts of a call that is left out are claimed and done. */
export function passHelper(control: number): Helper {
  const type: FunctionType = { takes: ["i32", "i32", "i32"], gives: [] };
  const [claims, count, turn] = [0, 1, 2];
  const code = new Code(new Locals(type.takes));
  const left = code.locals.take("i32");
  code.get(turn).if();
  code.get(count).set(left).loop();
  code.get(claims).get(turn).access("i32.atomic.store", 0);
  code.get(claims).i32(4).op("i32.add").set(claims);
  code.get(left).i32(1).op("i32.sub").tee(left).brIf(0).end();
  code.i32(control).get(count).access("i32.atomic.rmw.add", DONE).drop();
  code.i32(control).access("i32.atomic.load", SLEEPERS).if();
  code.i32(control).i32(-1).access("memory.atomic.notify", DONE).drop();
  code.end().end();
  return { type, code };
}

/** await(target, turn, mayWait): until DONE has reached `target`. */
export function awaitHelper(control: number): Helper {
  const type: FunctionType = { takes: ["i32", "i32", "i32"], gives: [] };
  const [target, turn, mayWait] = [0, 1, 2];
  const code = new Code(new Locals(type.takes));
  const seen = code.locals.take("i32");
  const looks = code.locals.take("i32");
  code.get(turn).if().loop();
  code.i32(control).access("i32.atomic.load", DONE).tee(seen);
  code.get(target).op("i32.sub").i32(0).op("i32.lt_s").if();
  code.i32(control).access("i32.atomic.load", FAILED).if().unreachable().end();
  code.get(looks).i32(1).op("i32.add").tee(looks).i32(LOOKS).op("i32.lt_u");
  code.get(mayWait).op("i32.eqz").op("i32.or").brIf(1);
  code.i32(control).i32(1).access("i32.atomic.rmw.add", SLEEPERS).drop();
  code.i32(control).get(seen).i64(SLEEP_NANOSECONDS).access("memory.atomic.wait32", DONE).drop();
  code.i32(control).i32(-1).access("i32.atomic.rmw.add", SLEEPERS).drop();
  code.br(1).end().end().end();
  return { type, code };
}
