/**
 * The domain ai.onnx.ml. In: nothing. Out: the operators of this group, which a page downloads as one chunk when a model first uses
 * one of them. Invariant: the same operators are listed in `names.ts`, made by `npm run coverage`.
 */
import type { OpDefinition } from "../define.ts";
import { mlOps } from "../ml.ts";
import { mlMapOps } from "../mlMap.ts";
import { mlTransformOps } from "../mlTransform.ts";
import { mlTreeOps } from "../mlTree.ts";
import { mlClassOps } from "../mlVectorClasses.ts";
import { mlVectorOps } from "../mlVector.ts";

export const operators: readonly OpDefinition[] = [
  ...mlOps,
  ...mlTransformOps,
  ...mlTreeOps,
  ...mlVectorOps,
  ...mlClassOps,
  ...mlMapOps,
];
