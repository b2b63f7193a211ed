/**
 * All operators of TF.js that have a conversion, and those that the importer treats itself. In: the families. Out: one
 * table. Invariant: an operator stands in one family; what is in none is reported, with all others, before anything
 * is converted.
 */
import { elementwiseOps } from "./elementwise.ts";
import { listOps } from "./lists.ts";
import { movementOps } from "./movement.ts";
import { reductionOps } from "./reduction.ts";
import { windowOps } from "./window.ts";
import type { Conversion } from "./conversion.ts";

export const conversions: ReadonlyMap<string, Conversion> = new Map(
  [elementwiseOps, windowOps, movementOps, reductionOps, listOps].flatMap((family) => Object.entries(family)),
);

/** What is no computation: inputs, weights, control flow, calls of functions, tables. */
export const structural: ReadonlySet<string> = new Set([
  "Placeholder",
  "PlaceholderWithDefault",
  "Const",
  "NoOp",
  "Switch",
  "Merge",
  "Enter",
  "Exit",
  "NextIteration",
  "LoopCond",
  "If",
  "StatelessIf",
  "While",
  "StatelessWhile",
  "PartitionedCall",
  "StatefulPartitionedCall",
  "HashTable",
  "HashTableV2",
  "LookupTableFind",
  "LookupTableFindV2",
  "LookupTableSize",
  "LookupTableSizeV2",
]);
