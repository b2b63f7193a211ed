/**
 * The text forms of all IRs: what traces and `inspect` show, what snapshots of tests hold, what a bug report
 * pastes. In: a value of an IR, or its text. Out: the other. Invariant: print and parse are inverse.
 */
export { emptyScope, parseExpr, printExpr, type TextScope } from "./expr.ts";
export {
  hashOf,
  parseGraph,
  printGraph,
  symbolicTypeText,
  type FindTensor,
  type GraphTextOptions,
} from "./graph.ts";
export { parseKernel, printKernel } from "./kernel.ts";
export { parseNest, printNest } from "./nest.ts";
export { parseSchedule, printSchedule } from "./schedule.ts";
