/**
 * What a run need not compute. In: calls in order, some of which choose between values by one bool (what an If with a
 * condition that only a run knows becomes). Out: the same calls, each with the tests under which anything that it
 * makes is read at all; the driver of a run leaves it out where one of them fails. Invariants: a call is left out only
 * if every later reader is left out as well, or chooses the other value; a test reads a value that is made before it,
 * whenever the tests before it in the list hold. What was left out keeps what lay there before, so nothing that an
 * address follows from is ever read of it.
 *
 * It is an analysis of the finished program, so no other pass has to know of branches: they may fuse, share and move as
 * they like, and only lose time if they join what one branch needs with what is always needed. To keep the two
 * apart, `choices` tells passes that fuse which selects have much work behind one side.
 */
import { elementCount } from "../ir/dtype.ts";
import type { Expr } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import { assignments, singleAssign, workOf, type Kernel } from "../ir/kernel.ts";
import {
  rootsOf,
  type Program,
  type ProgramValue,
  type ScheduledCall,
  type ScheduledProgram,
  type Test,
} from "../ir/program.ts";
import { operands, some } from "../ir/walk.ts";

/** Multiply-adds behind a side of a select that are worth a call of its own: a microsecond. */
const LEAST_WORK = 16384;

/** A call of a program, before or after it was scheduled. */
interface GuardedCall {
  readonly kind: "kernel" | "library";
  readonly kernel?: Kernel;
  readonly inputs: readonly ValueId[];
  readonly outputs: readonly ValueId[];
}

/** The run's calls with their tests. */
export function guard(
  scheduled: ScheduledProgram,
  trace?: (text: () => string, nodes: string) => void,
): ScheduledProgram {
  const { program, values, run } = scheduled;
  const tests = testsOf(run, values, program.outputs);
  if (tests.size === 0) return scheduled;
  const guarded = run.map((call): ScheduledCall => {
    const when = tests.get(call);
    if (!when) return call;
    trace?.(() => `runs where ${when.map(printTest).join(" and ")}`, call.nodes.join("+"));
    return { ...call, when };
  });
  return { ...scheduled, run: guarded };
}

export function printTest({ value, holds }: Test): string {
  return holds ? value : `not ${value}`;
}

/** Results of selects by one bool with so much work behind a side that they should stay calls of their own. */
export function choices({ calls, values, outputs }: Program): ReadonlySet<ValueId> {
  const found = new Set<ValueId>();
  const tests = testsOf(calls, values, outputs);
  if (tests.size === 0) return found;
  const work = new Map<ValueId, number>();
  for (const call of calls) {
    const own = call.kind === "library" ? Infinity : workOf(call.kernel);
    for (const { value } of tests.get(call) ?? []) work.set(value, (work.get(value) ?? 0) + own);
  }
  for (const call of calls) {
    const value = call.kind === "kernel" ? singleAssign(call.kernel)?.value : undefined;
    if (value?.kind !== "select") continue;
    const test = testIn(value.condition, call, values);
    if (test && (work.get(test.value) ?? 0) >= LEAST_WORK) found.add(call.outputs[0]!);
  }
  return found;
}

/** The tests of each call that some run can leave out. */
function testsOf<C extends GuardedCall>(
  calls: readonly C[],
  values: ReadonlyMap<ValueId, ProgramValue>,
  outputs: Program["outputs"],
): Map<C, readonly Test[]> {
  const found = new Map<C, readonly Test[]>();
  const chooses = calls.map((call) => hasTest(call, values));
  if (!chooses.includes(true)) return found;
  const rootOf = rootsOf(values);
  const lastWriter = new Map<ValueId, number>();
  calls.forEach((call, at) => {
    for (const id of call.outputs) if (id) lastWriter.set(rootOf(id), at);
  });
  /** By piece of memory, under which tests something later reads it. */
  const needs = new Map<ValueId, readonly Test[]>();
  const need = (id: ValueId, tests: readonly Test[]): void => {
    const root = rootOf(id);
    const before = needs.get(root);
    needs.set(root, before ? common(before, tests) : tests);
  };
  for (const { id } of outputs) need(id, []);
  for (let at = calls.length - 1; at >= 0; at--) {
    const call = calls[at]!;
    const wanted = call.outputs.flatMap((id) => {
      const tests = id ? needs.get(rootOf(id)) : undefined;
      return tests ? [tests] : [];
    });
    // What nobody reads is another pass's to drop.
    const all = wanted.length > 0 ? wanted.reduce(common) : [];
    const own = all.filter(({ value }) => (lastWriter.get(rootOf(value)) ?? -1) < at);
    own.forEach(({ value }, i) => need(value, own.slice(0, i)));
    if (own.length > 0) found.set(call, own);
    if (chooses[at]) eachRead(call, values, (id, tests) => need(id, [...own, ...tests]));
    else for (const id of call.inputs) if (id) need(id, own);
  }
  return found;
}

/** Those of `a` that are among `b`, in their order. */
function common(a: readonly Test[], b: readonly Test[]): readonly Test[] {
  return a.filter((x) => b.some((y) => x.value === y.value && x.holds === y.holds));
}

/** The test that a condition of a select is: one bool of memory, or that it is false. */
function testIn(
  condition: Expr,
  call: GuardedCall,
  values: ReadonlyMap<ValueId, ProgramValue>,
): Test | undefined {
  if (condition.kind === "unary" && condition.op === "not") {
    const inner = testIn(condition.a, call, values);
    return inner && { value: inner.value, holds: !inner.holds };
  }
  if (condition.kind !== "load" || condition.type !== "bool" || condition.pad !== undefined) return undefined;
  const id = call.inputs[condition.buffer];
  const value = id === undefined ? undefined : values.get(id);
  if (!value || value.dtype !== "bool" || value.storage !== undefined || elementCount(value.shape) !== 1)
    return undefined;
  // The driver reads the first byte of the value's memory.
  const first = (value.layout?.offset ?? 0) === 0 && value.dynamicDim === undefined;
  return first ? { value: id!, holds: true } : undefined;
}

function hasTest(call: GuardedCall, values: ReadonlyMap<ValueId, ProgramValue>): boolean {
  const isBool = (id: ValueId): boolean => values.get(id)?.dtype === "bool";
  if (!call.kernel || !call.inputs.some(isBool)) return false;
  const isTest = (e: Expr): boolean => e.kind === "select" && testIn(e.condition, call, values) !== undefined;
  return assignments(call.kernel).some(
    ({ assign }) =>
      some(assign.value, isTest) || (assign.reduce !== undefined && some(assign.reduce.body, isTest)),
  );
}

/** Tells of every value that a kernel reads, with the tests without which it makes nothing of what it read. */
function eachRead(
  call: GuardedCall,
  values: ReadonlyMap<ValueId, ProgramValue>,
  see: (id: ValueId, tests: readonly Test[]) => void,
): void {
  const seen = new Set<string>();
  const walk = (e: Expr, tests: readonly Test[]): void => {
    const key = `${e.id} ${tests.map(printTest).join(" ")}`;
    if (seen.has(key)) return;
    seen.add(key);
    const test = e.kind === "select" ? testIn(e.condition, call, values) : undefined;
    if (e.kind === "select" && test) {
      walk(e.condition, tests);
      walk(e.a, [...tests, test]);
      walk(e.b, [...tests, { ...test, holds: !test.holds }]);
      return;
    }
    if (e.kind === "load") {
      const id = call.inputs[e.buffer];
      if (id) see(id, tests);
      // An address is made whatever becomes of what is read there.
      for (const index of e.index) walk(index, []);
      return;
    }
    for (const operand of operands(e)) walk(operand, tests);
  };
  for (const { assign } of assignments(call.kernel!)) {
    for (const e of [assign.value, ...assign.index, ...(assign.reduce ? [assign.reduce.body] : [])])
      walk(e, []);
  }
}
