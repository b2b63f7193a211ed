/**
 * What library kernels compute: selection, sorting, scattering, random numbers; with the kernels themselves. In: nothing. Out: the operators of this group, which a page downloads as one chunk when a model first uses
 * one of them. Invariant: the same operators are listed in `names.ts`, made by `npm run coverage`.
 */
import type { OpDefinition } from "../define.ts";
import { libraryOps } from "../indexingLibrary.ts";
import { scatterOps } from "../indexingScatter.ts";
import { randomOps } from "../random.ts";

export const operators: readonly OpDefinition[] = [...libraryOps, ...scatterOps, ...randomOps];
