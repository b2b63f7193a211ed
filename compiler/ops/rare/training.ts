/**
 * Losses, optimizers and gradients. In: nothing. Out: the operators of this group and all derivatives, which a page downloads as one chunk when a model first uses
 * one of them. Invariant: the same operators are listed in `names.ts`, made by `npm run coverage`.
 */
import type { OpDefinition } from "../define.ts";
import { lossOps } from "../loss.ts";
import { gradients } from "../gradient/table.ts";
import { trainingOps } from "../training.ts";

export { gradients };
export const operators: readonly OpDefinition[] = [...lossOps, ...trainingOps];
