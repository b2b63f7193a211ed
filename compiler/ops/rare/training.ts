/**
 * Losses and optimizers. In: nothing. Out: the operators of this group, which a page downloads as one chunk when a model first uses
 * one of them. Invariant: the same operators are listed in `names.ts`, made by `npm run coverage`.
 */
import type { OpDefinition } from "../define.ts";
import { lossOps } from "../loss.ts";
import { trainingOps } from "../training.ts";

export const operators: readonly OpDefinition[] = [...lossOps, ...trainingOps];
