/**
 * One call per block of a kernel. In: a Program with layouts. Out: the same, where a kernel of several blocks at its
 * outermost level, long enough to be shared among threads, is one call for each. Invariant: threads meet between
 * calls and nowhere else, so a kernel that is cut into parts holds one block only; what a later block reads of an
 * earlier one is a value of the program.
 */
import { loadTyped, type Expr } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import { assignments, mapAssigns, type Block } from "../ir/kernel.ts";
import type { Call, Program, ProgramValue } from "../ir/program.ts";
import { rewrite } from "../ir/walk.ts";
import { closeCall, loadedBy, mapBody, openCall, ValueNumbers } from "./open.ts";
import { LEAST_SHARED, nanosecondsOf } from "./time.ts";

export function separate(program: Program): Program {
  if (!program.calls.some(isLong)) return program;
  const values = new Map(program.values);
  const calls = program.calls.flatMap((call) => (isLong(call) ? split(call, values) : [call]));
  return { ...program, values, calls };
}

function isLong(call: Call): boolean {
  return (
    call.kind === "kernel" &&
    call.kernel.body.length > 1 &&
    call.kernel.body.some((block) => nanosecondsOf([block]) >= LEAST_SHARED)
  );
}

function storedBy(body: readonly Block[]): Set<number> {
  return new Set(assignments({ body }).map(({ assign }) => assign.out));
}

function split(call: Call, values: Map<ValueId, ProgramValue>): Call[] {
  const numbers = new ValueNumbers(values);
  const open = openCall(call, numbers);
  if (open.kind !== "kernel") return [call];
  // Long blocks each by itself, short ones between them together.
  const groups: Block[][] = [];
  let short = false;
  for (const block of open.body) {
    const long = nanosecondsOf([block]) >= LEAST_SHARED;
    if (!long && short) groups.at(-1)!.push(block);
    else groups.push([block]);
    short = !long;
  }
  if (groups.length < 2) return [call];
  const users = groups.map((body) => new Set([...loadedBy(body), ...storedBy(body)]));
  const shared = new Map<number, number>();
  for (const number of new Set(users.flatMap((numbers) => [...numbers]))) {
    const { dtype, shape, temp } = numbers.at(number);
    if (!temp || users.filter((numbers) => numbers.has(number)).length < 2) continue;
    const id = `${open.outputs[0]}/between${shared.size}`;
    values.set(id, { dtype, shape });
    shared.set(number, numbers.add(id, dtype, shape, false));
  }
  const memo = new Map<Expr, Expr>();
  const renumber = (e: Expr): Expr =>
    rewrite(
      e,
      (x) => {
        const to = x.kind === "load" ? shared.get(x.buffer) : undefined;
        return x.kind === "load" && to !== undefined ? loadTyped(to, x.type, x.index, x.pad) : undefined;
      },
      memo,
    );
  return groups.map((group, i) => {
    const body = mapAssigns(mapBody(group, renumber), (a) => ({ ...a, out: shared.get(a.out) ?? a.out }));
    const outputs = [...storedBy(body)].map((n) => numbers.at(n)).filter((v) => !v.temp);
    const part = { ...open, name: `${open.name}.${i}`, body, outputs: outputs.map(({ id }) => id) };
    return closeCall(part, numbers);
  });
}
