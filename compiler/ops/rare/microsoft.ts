/**
 * The domain com.microsoft. In: nothing. Out: the operators of this group, which a page downloads as one chunk when a model first uses
 * one of them. Invariant: the same operators are listed in `names.ts`, made by `npm run coverage`.
 */
import type { OpDefinition } from "../define.ts";
import { microsoftOps } from "../microsoft.ts";
import { microsoftMoreOps } from "../microsoftMore.ts";
import { microsoftAttentionOps } from "../microsoftAttention.ts";
import { microsoftQuantizedOps } from "../microsoftQuantized.ts";

export const operators: readonly OpDefinition[] = [
  ...microsoftOps,
  ...microsoftMoreOps,
  ...microsoftAttentionOps,
  ...microsoftQuantizedOps,
];
