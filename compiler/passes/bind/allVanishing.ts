/**
 * All that dissolves operators at once, for where nothing is downloaded: the command line, tests and tools. In: nothing.
 * Out: what is behind the doors of vanishing.ts. Invariant: as there.
 */
import { controlFlowOps } from "./controlFlow.ts";
import { gradientOps } from "./gradient.ts";
import { addVanishing, type VanishingOps } from "./vanishing.ts";

/** Opens the doors; returns what is behind each. */
export function addAllVanishing(): readonly VanishingOps[] {
  addVanishing(controlFlowOps, gradientOps);
  return [controlFlowOps, gradientOps];
}
