/**
 * A whole program as one WebAssembly module. In: scheduled calls and the address of every value. Out: module bytes
 * with `init` (once, at load) and `run` (one inference). Invariant: equal kernels are one function, whatever values
 * they are called on; what a call needs beyond its kernel is a list of constant addresses. A module that is made to be
 * profiled exports each call of `run` as well, and loops that measure the machine (see runtime/format/profile.ts).
 */
import { InternalError } from "../../diagnostic.ts";
import { mapAssigns, mapComputed, type Kernel } from "../../ir/kernel.ts";
import type { Nest } from "../../ir/nest.ts";
import { withoutStages } from "../../ir/schedule.ts";
import { apply } from "../../lower/apply.ts";
import { controlOf } from "../../lower/control.ts";
import { lowerMath } from "../../lower/math.ts";
import type { Together } from "../../lower/together.ts";
import { drawsAnew, type LibraryArgument, type LibraryRoutine, type Places, type ScheduledCall, type ScheduledKernel, type Test } from "../../ir/program.ts"; // prettier-ignore
import { nanosecondsOf } from "../../passes/time.ts";
import { Code, Locals, ModuleBuilder, type FunctionType } from "./assembler.ts";
import { limitsOf } from "../../lower/limits.ts";
import { emitNest } from "./emit.ts";
import type { ValueType } from "./opcodes.ts";
import { loadLoop, multiplyAddLoop } from "./peak.ts";
import {
  awaitHelper,
  claimHelper,
  finishHelper,
  MAY_WAIT,
  passHelper,
  RUN,
  THREAD,
  THREADS,
  TURN,
  type Helper,
} from "./threads.ts";
import { cutOf, unitsOf } from "./units.ts";
import { keyOf } from "../kernelKey.ts";
import { unlessWarming, warmFunction } from "./warm.ts";

/** Math.random */
const DRAW: FunctionType = { takes: [], gives: ["f64"] };

export interface EmittedModule {
  readonly bytes: Uint8Array;
  readonly math: readonly string[];
  /** Each library kernel that is called; the module imports it from "lib" by its name. */
  readonly libraries: readonly LibraryRoutine[];
  /** Bytes of code per distinct kernel, by the call that made it first. */
  readonly functions: readonly {
    readonly call: ScheduledKernel;
    readonly bytes: number;
    readonly calls: number;
  }[];
  /** The place in `functions` of each kernel call. */
  readonly functionOf: ReadonlyMap<ScheduledCall, number>;
}

export interface EmitOptions {
  readonly relaxed: boolean;
  readonly pages: number;
  readonly nests: Map<string, Nest>;
  /** Whether calls can be run one by one. */
  readonly profile?: boolean;
  /** Which calls of `run` threads need not wait between; without it they wait after each. */
  readonly together?: Together;
  /** How many calls of `init` each step of it has, for `init(step)`; left out for one that does all of it. */
  readonly steps?: readonly number[];
  /** How many calls of `run` each step of a first run has, for `begin(step)`; left out where there is no such function. */
  readonly opening?: readonly number[];
  /**
   * Stretches of `run`, each of which becomes an export `segment.<its number>` in place of `init` and `run`; `segment.init`
   * is what `init` would be.
   */
  readonly segments?: readonly (readonly ScheduledCall[])[];
}

export function prepareNest(call: ScheduledKernel): Nest {
  const memo = new Map();
  const lowered: Kernel = {
    ...call.kernel,
    body: mapAssigns(call.kernel.body, (assign) => mapComputed(assign, (e) => lowerMath(e, memo))),
  };
  return apply(lowered, withoutStages(call.schedule));
}

/** Code is the same for all variants until it is linked, so nests that are kept are emitted once. */
const emitted = new WeakMap<Nest, Code>();

/** The code of a kernel, not yet linked; nests are kept in `nests`, by what identifies a kernel with its schedule. */
export function kernelCode(call: ScheduledKernel, key: string, nests: Map<string, Nest>): Code {
  let nest = nests.get(key);
  if (!nest) {
    nest = prepareNest(call);
    nests.set(key, nest);
  }
  let code = emitted.get(nest);
  if (!code) {
    code = unlessWarming(emitNest(nest, call.parts.count > 1, call.ends && limitsOf(nest, call.ends.shapes)));
    emitted.set(nest, code);
  }
  return code;
}

function typeOf({ kernel, parts, ends }: ScheduledKernel): FunctionType {
  const more = (ends ? 1 : 0) + (parts.count > 1 ? 2 : 0);
  const takes = new Array<ValueType>(kernel.buffers.length + more).fill("i32");
  return { takes, gives: [] };
}

export function emitProgram(
  init: readonly ScheduledCall[],
  run: readonly ScheduledCall[],
  places: Places,
  options: EmitOptions,
): EmittedModule {
  const all = [...init, ...run];
  const module = new ModuleBuilder();
  const called = new Set(all.flatMap((c) => (c.kind === "library" ? [c.library.kernel] : [])));
  const libraries = [...called].sort((a, b) => (a.name < b.name ? -1 : 1));
  const libraryIndex = new Map<LibraryRoutine, { index: number; type: FunctionType }>();
  for (const kernel of libraries) {
    const takes = kernel.parameters.map((p): ValueType => (p.kind === "real" ? "f64" : "i32"));
    const type: FunctionType = { takes, gives: ["i32"] };
    libraryIndex.set(kernel, { index: module.import("lib", kernel.name, type), type });
  }

  // Imports come before functions, so the bodies are written first and their calls of Math are found on the way.
  const mathNames: string[] = [];
  const bodies: { key: string; call: ScheduledKernel; code: Code; calls: number }[] = [];
  const known = new Map<string, number>();
  const mathImport = (name: string): number => {
    const at = mathNames.indexOf(name);
    if (at >= 0) return libraries.length + at;
    mathNames.push(name);
    return libraries.length + mathNames.length - 1;
  };
  const keys = new Map<ScheduledCall, string>();
  for (const call of all) {
    if (call.kind !== "kernel") continue;
    const key = keyOf(call);
    keys.set(call, key);
    const at = known.get(key);
    if (at !== undefined) {
      bodies[at]!.calls++;
      continue;
    }
    known.set(key, bodies.length);
    const code = kernelCode(call, key, options.nests);
    for (const name of code.mathNames) mathImport(name);
    bodies.push({ key, call, code, calls: 1 });
  }
  // What is drawn without a seed is another in each run: `run` begins by drawing a number for all of it.
  const draws = run.some((call) => call.kind === "library" && drawsAnew(call.library));
  const drawIndex = draws ? mathImport("random") : 0;
  for (const name of mathNames) {
    if (name === "random") {
      module.import("math", name, DRAW);
      continue;
    }
    const takes: ValueType[] = name === "pow" || name === "fmod" ? ["f64", "f64"] : ["f64"];
    module.import("math", name, { takes, gives: ["f64"] });
  }
  const linking = { relaxed: options.relaxed, mathImport };
  const indices = bodies.map(({ call, code }) => module.function(typeOf(call), code, undefined, linking));

  const indexOf = (call: ScheduledKernel): number => indices[known.get(keys.get(call)!)!]!;
  const nestOf = (call: ScheduledKernel): Nest => options.nests.get(keys.get(call)!)!;
  /** Calls a kernel for all of it, or for the part whose number is in a local, with the scratch of a thread. */
  const emitKernel = (code: Code, call: ScheduledKernel, part?: number, thread?: number): void => {
    const ids = [...call.inputs, ...call.outputs];
    call.kernel.buffers.forEach((_, i) => {
      code.i32(i < ids.length ? places.address(ids[i]!) : places.scratch(call, i));
      const stride = i < ids.length ? 0 : places.scratchStride(call, i);
      if (thread !== undefined && stride) code.get(thread).i32(stride).op("i32.mul").op("i32.add");
    });
    if (call.ends) code.i32(places.address(call.ends.parameter));
    if (part !== undefined) {
      const { count } = call.parts;
      const units = unitsOf(nestOf(call).body, cutOf(nestOf(call)));
      code.get(part).i32(units).op("i32.mul").i32(count).op("i32.div_u");
      code.get(part).i32(1).op("i32.add").i32(units).op("i32.mul").i32(count).op("i32.div_u");
    }
    code.call(indexOf(call), typeOf(call));
  };
  /** Whether all tests turn out well. What they read may be anything where one of them does not. */
  const emitTests = (code: Code, when: readonly Test[]): void => {
    when.forEach(({ value, holds }, i) => {
      code.i32(places.address(value)).access("i32.load8_u", 0).op("i32.eqz");
      if (holds) code.op("i32.eqz");
      if (i > 0) code.op("i32.and");
    });
  };
  const emitCalls = (code: Code, calls: readonly ScheduledCall[], seed?: number): void => {
    let open: readonly Test[] = [];
    for (const call of [...calls, undefined]) {
      const when = call?.when ?? [];
      if (!areSame(when, open)) {
        if (open.length > 0) code.end();
        emitTests(code, when);
        if (when.length > 0) code.if();
        open = when;
      }
      if (call === undefined) break;
      if (call.kind === "kernel") {
        if (call.parts.count === 1) emitKernel(code, call);
        else {
          const part = code.locals.take("i32");
          code.i32(0).set(part).loop();
          emitKernel(code, call, part);
          code.get(part).i32(1).op("i32.add").tee(part).i32(call.parts.count).op("i32.lt_u").brIf(0).end();
          code.locals.release(part);
        }
        continue;
      }
      const size = call.outputs.map((id) => (id && call.library.resultIsSize ? places.sizeOf(id) : undefined)).find((s) => s !== undefined); // prettier-ignore
      if (size !== undefined) code.i32(size);
      const { index, type } = libraryIndex.get(call.library.kernel)!;
      if (call.library.arguments.length !== type.takes.length) {
        throw new InternalError(
          `${call.library.kernel.name} takes ${type.takes.length} arguments, not ${call.library.arguments.length}`,
        );
      }
      call.library.arguments.forEach((argument, i) => {
        const value = argumentValue(argument, call, places);
        if (type.takes[i] === "f64") code.f64(value);
        else code.i32(value);
        if (argument.kind === "draw" && seed !== undefined) code.get(seed).op("i32.xor");
      });
      code.call(index, type);
      if (size !== undefined) code.access("i32.store", 0);
      else code.drop();
    }
  };
  /** A function that makes all calls, or those of the step that it is given. */
  const emitStepwise = (name: string, calls: readonly ScheduledCall[], steps?: readonly number[]): void => {
    const type: FunctionType = { takes: steps ? ["i32"] : [], gives: [] };
    const code = new Code(new Locals(type.takes));
    let at = 0;
    (steps ?? [calls.length]).forEach((count, number) => {
      if (steps) code.get(0).i32(number).op("i32.eq").if();
      emitCalls(code, calls.slice(at, (at += count)));
      if (steps) code.end();
    });
    module.function(type, code, name);
  };
  emitStepwise(options.segments ? "segment.init" : "init", init, options.steps);

  const drawSeed = (code: Code): number => {
    const seed = code.locals.fresh("i32");
    code
      .call(drawIndex, DRAW)
      .f64(2 ** 32)
      .op("f64.mul")
      .op("i32.trunc_sat_f64_u")
      .set(seed);
    return seed;
  };
  const emitSegments = (segments: readonly (readonly ScheduledCall[])[]): void => {
    segments.forEach((calls, i) => {
      const code = new Code(new Locals([]));
      const draws = calls.some((call) => call.kind === "library" && drawsAnew(call.library));
      emitCalls(code, calls, draws ? drawSeed(code) : undefined);
      module.function({ takes: [], gives: [] }, code, `segment.${i}`);
    });
  };
  const emitRun = (): void => {
    const { segments, doneInRun, bytes: controlBytes } = controlOf(run, options.together);
    const code = new Code(new Locals(RUN.takes));
    const taken = code.locals.fresh("i32");
    const seed = draws ? drawSeed(code) : undefined;
    if (controlBytes === 0) emitCalls(code, run, seed);
    else {
      const add = ({ type, code }: Helper): ((into: Code) => void) => {
        const index = module.function(type, code);
        return (into) => into.call(index, type);
      };
      const [claim, finish, awaitDone] = [claimHelper(), finishHelper(places.control), awaitHelper(places.control)].map(add) as [(into: Code) => void, (into: Code) => void, (into: Code) => void]; // prettier-ignore
      const leavesOut = segments.some((segment) => segment.kind === "shared" && segment.call.when);
      const pass = leavesOut ? add(passHelper(places.control)) : () => undefined;
      const before = code.locals.take("i32");
      const [part, first, tried, done] = [
        code.locals.take("i32"),
        code.locals.take("i32"),
        code.locals.take("i32"),
        code.locals.take("i32"),
      ];
      const runs = leavesOut ? code.locals.take("i32") : 0;
      code.get(TURN).i32(1).op("i32.sub").i32(doneInRun).op("i32.mul").set(before);
      const meet = (done: number): void => {
        code.get(before).i32(done).op("i32.add").get(TURN).get(MAY_WAIT);
        awaitDone(code);
      };
      for (const segment of segments) {
        if (segment.kind === "alone") {
          code.get(THREAD).op("i32.eqz").if();
          if (segment.doneBefore > 0) meet(segment.doneBefore);
          emitCalls(code, segment.calls, seed);
          code.get(TURN).i32(1);
          finish(code);
          code.end();
          continue;
        }
        const { call, claims } = segment;
        const { count } = call.parts;
        // A thread without scratch of its own leaves this one to the others.
        const limited = call.kernel.buffers.some(({ role }) => role === "temp");
        if (limited) code.get(THREAD).i32(call.parts.threads).op("i32.lt_u").if();
        if (segment.doneBefore > 0) meet(segment.doneBefore);
        const { when = [] } = call;
        if (when.length > 0) {
          emitTests(code, when);
          code.tee(runs).if();
        }
        code.get(THREAD).i32(count).op("i32.mul").get(THREADS).op("i32.div_u").set(first);
        code.i32(0).tee(done).set(tried).loop();
        code.get(first).get(tried).op("i32.add").tee(part).i32(count).op("i32.sub").get(part);
        code.get(part).i32(count).op("i32.ge_u").select("i32").set(part);
        code
          .get(part)
          .i32(4)
          .op("i32.mul")
          .i32(places.control + claims)
          .op("i32.add")
          .get(TURN);
        claim(code);
        code.if();
        emitKernel(code, call, part, THREAD);
        code.get(done).i32(1).op("i32.add").set(done);
        code.end();
        code.get(tried).i32(1).op("i32.add").tee(tried).i32(count).op("i32.lt_u").brIf(0).end();
        code.get(done).if();
        code.get(taken).get(done).op("i32.add").set(taken).get(TURN).get(done);
        finish(code);
        code.end();
        if (when.length > 0) {
          code.end().get(runs).get(THREAD).op("i32.or").op("i32.eqz").if();
          code
            .i32(places.control + claims)
            .i32(count)
            .get(TURN);
          pass(code);
          code.end();
        }
        if (limited) code.end();
      }
      code.get(THREAD).op("i32.eqz").if();
      meet(doneInRun);
      code.end();
    }
    module.function(RUN, code.get(taken), "run");
  };
  const emitWarm = (): void => {
    const inRun = new Set<ScheduledCall>(run);
    const kernels = bodies.map(({ calls, call }, i) => ({
      index: indices[i]!,
      type: typeOf(call),
      bytes: module.size(indices[i]!),
      nanoseconds: inRun.has(call) ? calls * nanosecondsOf(call.kernel.body) : 0,
    }));
    const warm = warmFunction(kernels);
    if (warm) module.function(warm.type, warm.code, "warm");
  };
  if (options.segments) emitSegments(options.segments);
  else {
    emitRun();
    if (options.opening) emitStepwise("begin", run, options.opening);
    emitWarm();
  }
  if (options.profile === true) {
    run.forEach((call, i) => {
      const rounds = 0;
      const code = new Code(new Locals(["i32"]));
      code.loop();
      emitCalls(code, [call]);
      code.get(rounds).i32(1).op("i32.sub").tee(rounds).brIf(0).end();
      module.function({ takes: ["i32"], gives: [] }, code, `step.${i}`);
    });
    const peak = { multiplyAdds: multiplyAddLoop(), loads: loadLoop() };
    for (const [name, { type, code }] of Object.entries(peak)) module.function(type, code, name, linking);
  }
  return {
    bytes: module.build(options.pages),
    math: mathNames,
    libraries,
    functions: bodies.map(({ call, calls }, i) => ({ call, bytes: module.size(indices[i]!), calls })),
    functionOf: new Map([...keys].map(([call, key]) => [call, known.get(key)!])),
  };
}

function areSame(a: readonly Test[], b: readonly Test[]): boolean {
  return (
    a.length === b.length && a.every(({ value, holds }, i) => value === b[i]!.value && holds === b[i]!.holds)
  );
}

function argumentValue(
  argument: LibraryArgument,
  call: ScheduledCall & { kind: "library" },
  places: Places,
): number {
  switch (argument.kind) {
    case "input":
      return places.address(call.inputs[argument.position]!);
    case "output": {
      const id = call.outputs[argument.position];
      if (!id)
        throw new InternalError(
          `${call.library.kernel.name} writes output ${argument.position}, which nobody wants`,
        );
      return places.address(id);
    }
    case "scratch":
      return places.scratch(call, -1) + argument.offset;
    case "data":
      return places.data(argument.tensor);
    default:
      return argument.value;
  }
}
