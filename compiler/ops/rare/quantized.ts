/**
 * Quantizing, and convolutions and products of integers. In: nothing. Out: the operators of this group, which a page downloads as one chunk when a model first uses
 * one of them. Invariant: the same operators are listed in `names.ts`, made by `npm run coverage`.
 */
import type { OpDefinition } from "../define.ts";
import { contractQuantizedOps } from "../contractQuantized.ts";
import { quantOps } from "../quant.ts";

export const operators: readonly OpDefinition[] = [...quantOps, ...contractQuantizedOps];
