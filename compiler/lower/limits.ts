/**
 * How far loops of a nest need to go where the sizes that matter are told by a run. In: a nest, and shapes of what it
 * stores as lines through a number n. Out: for loops, from which iteration on nothing that matters is stored. Invariant: an
 * iteration that is left out stores only elements beyond an end, and nothing but itself reads what it leaves in scratch.
 * A loop that is not among them goes all the way.
 */
import type { LinearShape, LinearSize } from "../../runtime/binder.ts";
import { sub, mul, int, type Expr } from "../ir/expr.ts";
import { linear } from "../ir/linear.ts";
import type { ForStatement, Nest, Statement } from "../ir/nest.ts";
import { range } from "../ir/range.ts";
import { visit } from "../ir/walk.ts";

/** Iterations of a loop that count: those below `size / step`, rounded up. */
export interface Limit {
  readonly size: LinearSize;
  readonly step: number;
}

/** @param shapes of the outputs, by position; undefined where not known */
export function limitsOf(
  nest: Nest,
  shapes: readonly (LinearShape | undefined)[],
): ReadonlyMap<ForStatement, Limit> {
  const found = new Map<ForStatement, Limit>();
  const inputs = nest.buffers.filter(({ role }) => role === "in").length;
  const readers = readersOfTemps(nest);
  const limitOf = (loop: ForStatement): Limit | undefined => {
    const inside = [...leaves(loop.body)];
    const begun = new Set(inside.flatMap((s) => (s.kind === "init" ? [s.accumulator] : [])));
    let limit: Limit | undefined;
    for (const s of inside) {
      if ((s.kind === "update" || s.kind === "combine") && !begun.has(s.accumulator)) return undefined;
      if (s.kind !== "store") continue;
      if (nest.buffers[s.buffer]!.role === "temp") {
        const own = new Set<Statement>(inside);
        if ([...(readers.get(s.buffer) ?? [])].some((reader) => !own.has(reader))) return undefined;
        continue;
      }
      const shape = shapes[s.buffer - inputs];
      const next = shape && limitAlong(s.index, shape, loop);
      if (!next || (limit && (limit.step !== next.step || !isSame(limit.size, next.size)))) return undefined;
      limit = next;
    }
    return limit;
  };
  const walk = (statements: readonly Statement[]): void => {
    for (const s of statements) {
      if (s.kind !== "for" || (s.mode !== "grid" && s.mode !== "serial")) continue;
      const limit = s.extent > 1 ? limitOf(s) : undefined;
      if (limit) found.set(s, limit);
      walk(s.body);
    }
  };
  walk(nest.body);
  return found;
}

/** The limit of a loop that steps along a dimension which n bounds. */
function limitAlong(
  index: readonly Expr[],
  shape: LinearShape,
  { variable }: ForStatement,
): Limit | undefined {
  for (const [d, size] of shape.entries()) {
    if (size.slope === 0) continue;
    const place = index[d]!;
    const term = [...linear(place).terms].find(([e]) => e.kind === "axis" && e.name === variable);
    if (!term || term[1] < 1) continue;
    const [e, step] = term;
    // What is added to the loop's own step is never below nothing.
    if (range(sub(place, mul(e, int(step))))[0] >= 0) return { size, step };
  }
  return undefined;
}

/** Whether two sizes are the same for every n. */
export function isSame(a: LinearSize, b: LinearSize): boolean {
  return a.slope === b.slope && a.offset === b.offset;
}

function* leaves(statements: readonly Statement[]): Generator<Exclude<Statement, ForStatement>> {
  for (const s of statements) {
    if (s.kind === "for") yield* leaves(s.body);
    else yield s;
  }
}

/** Statements that load from each temp. */
function readersOfTemps({ body, buffers }: Nest): ReadonlyMap<number, ReadonlySet<Statement>> {
  const readers = new Map<number, Set<Statement>>();
  for (const s of leaves(body)) {
    const see = (x: Expr): void => {
      if (x.kind === "load" && buffers[x.buffer]!.role === "temp")
        readers.set(x.buffer, (readers.get(x.buffer) ?? new Set()).add(s));
    };
    if (s.kind === "update") visit(s.body, see);
    else if (s.kind === "store") {
      visit(s.value, see);
      for (const e of s.index) visit(e, see);
    }
  }
  return readers;
}
