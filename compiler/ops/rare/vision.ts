/**
 * Sampling of images at computed places. In: nothing. Out: the operators of this group, which a page downloads as one chunk when a model first uses
 * one of them. Invariant: the same operators are listed in `names.ts`, made by `npm run coverage`.
 */
import type { OpDefinition } from "../define.ts";
import { foldOps } from "../movementFold.ts";
import { roiOps } from "../resizeRoi.ts";
import { gridOps } from "../resizeGrid.ts";
import { windowDeformOps } from "../windowDeform.ts";

export const operators: readonly OpDefinition[] = [...gridOps, ...roiOps, ...windowDeformOps, ...foldOps];
