/**
 * Fourier transforms, windows and mel weights. In: nothing. Out: the operators of this group, which a page downloads as one chunk when a model first uses
 * one of them. Invariant: the same operators are listed in `names.ts`, made by `npm run coverage`.
 */
import type { OpDefinition } from "../define.ts";
import { spectralOps } from "../spectral.ts";

export const operators: readonly OpDefinition[] = [...spectralOps];
