/**
 * Strings and texts. In: nothing. Out: the operators of this group, which a page downloads as one chunk when a model first uses
 * one of them. Invariant: the same operators are listed in `names.ts`, made by `npm run coverage`.
 */
import type { OpDefinition } from "../define.ts";
import { stringCastOps } from "../stringCast.ts";
import { stringLabelOps } from "../stringLabels.ts";
import { stringOps } from "../strings.ts";
import { textOps } from "../text.ts";

export const operators: readonly OpDefinition[] = [
  ...stringOps,
  ...stringCastOps,
  ...stringLabelOps,
  ...textOps,
];
