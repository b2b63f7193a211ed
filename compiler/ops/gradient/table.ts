/**
 * The derivatives of all operators that have one. In: nothing. Out: how to differentiate an operator, by its name
 * ("op" of ai.onnx, or "domain:op"). Invariant: an operator that is not here is differentiated through what it
 * expands into, or else refused by its name.
 */
import { compoundGradients } from "./compound.ts";
import { contractGradients } from "./contract.ts";
import type { OperatorGradient } from "./differential.ts";
import { elementwiseGradients } from "./elementwise.ts";
import { linearAttentionGradients } from "./linearAttention.ts";
import { linearGradients } from "./linear.ts";
import { movementGradients } from "./movement.ts";
import { normaliseGradients } from "./normalise.ts";
import { reduceGradients } from "./reduce.ts";
import { regionGradients } from "./regions.ts";
import { samplingGradients } from "./sampling.ts";
import { windowGradients } from "./window.ts";

export const gradients: ReadonlyMap<string, OperatorGradient> = new Map(
  Object.entries<OperatorGradient>({
    ...elementwiseGradients,
    ...reduceGradients,
    ...contractGradients,
    ...windowGradients,
    ...movementGradients,
    ...linearGradients,
    ...linearAttentionGradients,
    ...normaliseGradients,
    ...compoundGradients,
    ...samplingGradients,
    ...regionGradients,
  }),
);
