/**
 * What is alike among samples. In: values or expressions, one for each n. Out: which have the same form, or that not all
 * have. Invariant: an expression's form is all of it but its numbers.
 */
import { acc, axis, binary, bitcast, cast, constant, loadTyped, select, unary, type BitsType, type Expr } from "../../ir/expr.ts"; // prettier-ignore
import { operands } from "../../ir/walk.ts";
import { NotRanged } from "./size.ts";

/** Lists of the same length, turned: one list of what stands at each position. @throws NotRanged */
export function across<T>(lists: readonly (readonly T[])[]): T[][] {
  same(lists.map(({ length }) => length));
  return lists[0]!.map((_, i) => lists.map((list) => list[i]!));
}

/** @throws NotRanged unless all are the same */
export function same(values: readonly (string | number | boolean)[]): void {
  const other = values.find((value) => value !== values[0]);
  if (other !== undefined) throw new NotRanged(`${values[0]} | ${other}`);
}

/** Positions of most of the expressions that differ in numbers only. */
export function mostAlike(es: readonly Expr[]): readonly number[] {
  const groups = new Map<string, number[]>();
  es.forEach((e, i) => {
    const form = formOf(e);
    groups.set(form, [...(groups.get(form) ?? []), i]);
  });
  return [...groups.values()].reduce((most, group) => (group.length > most.length ? group : most));
}

/** An expression without its numbers, as text. */
function formOf(e: Expr): string {
  if (e.kind === "const") return "n";
  if (e.kind === "axis") return e.name;
  const op = e.kind === "unary" || e.kind === "binary" ? e.op : e.kind === "load" ? `b${e.buffer}` : e.kind;
  return `${op}(${operands(e).map(formOf).join()})`;
}

/** The same expression among those of this table. @param numbered the number of a buffer */
export function renewed(e: Expr, numbered: (buffer: number) => number): Expr {
  const again = (x: Expr): Expr => renewed(x, numbered);
  switch (e.kind) {
    case "const":
      return constant(e.type, e.value);
    case "axis":
      return axis(e.name, e.extent);
    case "load":
      return loadTyped(numbered(e.buffer), e.type, e.index.map(again), e.pad);
    case "acc":
      return acc(e.type);
    case "unary":
      return unary(e.op, again(e.a));
    case "binary":
      return binary(e.op, again(e.a), again(e.b));
    case "select":
      return select(again(e.condition), again(e.a), again(e.b));
    case "cast":
      return cast(again(e.a), e.to);
    case "bitcast":
      return bitcast(again(e.a), e.type as BitsType);
  }
}
