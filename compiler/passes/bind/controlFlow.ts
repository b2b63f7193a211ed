/**
 * Control flow, sequences and optionals behind one door (vanishing.ts). In: nothing. Out: what dissolves each of these
 * operators. Invariant: that file has the same names.
 */
import { branchOps } from "./branch.ts";
import { containerOps } from "./containers.ts";
import { loopOps } from "./loops.ts";
import type { VanishingOps } from "./vanishing.ts";

export const controlFlowOps: VanishingOps = { ...branchOps, ...loopOps, ...containerOps };
