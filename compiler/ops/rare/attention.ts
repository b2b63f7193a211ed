/**
 * Attention in all its forms and rotary embeddings. In: nothing. Out: the operators of this group, which a page downloads as one chunk when a model first uses
 * one of them. Invariant: the same operators are listed in `names.ts`, made by `npm run coverage`.
 */
import type { OpDefinition } from "../define.ts";
import { attentionOps } from "../attention.ts";
import { attentionLinearOps } from "../attentionLinear.ts";

export const operators: readonly OpDefinition[] = [...attentionOps, ...attentionLinearOps];
