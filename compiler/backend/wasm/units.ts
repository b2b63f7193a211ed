/**
 * What a nest can be cut into. In: statements. Out: how many units they are: stretches of work that are independent
 * of one another, numbered in the order in which the nest runs them. Invariant: only grid loops are cut, and those
 * inside one another only as deep as it takes to have enough units; a list that holds anything else is one unit.
 */
import type { ForStatement, Statement } from "../../ir/nest.ts";

/** Enough to share evenly among the threads of any device. */
const ENOUGH = 64;

export function isCut(statement: Statement): statement is ForStatement {
  return statement.kind === "for" && statement.mode === "grid";
}

/** Units of `list` when grid loops are cut, of which up to `levels` stand in one another; one iteration is no loop. */
export function unitsOf(list: readonly Statement[], levels: number): number {
  if (!list.every(isCut)) return 1;
  let units = 0;
  for (const { extent, body } of list) {
    if (extent === 1) units += unitsOf(body, levels);
    else units += levels === 0 ? 1 : extent * unitsOf(body, levels - 1);
  }
  return units;
}

/** How many grid loops inside one another are cut. */
export function levelsOf(list: readonly Statement[]): number {
  for (let levels = 0, units = 0; ; levels++) {
    const more = unitsOf(list, levels);
    if (more >= ENOUGH || more === units) return Math.max(0, more === units ? levels - 1 : levels);
    units = more;
  }
}
