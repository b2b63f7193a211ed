/**
 * The table of all operators. In: a domain and an operator's name. Out: its definition, if we have one. Invariant:
 * one entry per operator and domain (a second one is our bug and is refused at start-up); the table is only the
 * concatenation of the families, so adding an operator is one entry in one family file.
 */
import { InternalError } from "../diagnostic.ts";
import { attentionOps } from "./attention.ts";
import { attentionLinearOps } from "./attentionLinear.ts";
import { contractOps } from "./contract.ts";
import { contractQuantizedOps } from "./contractQuantized.ts";
import type { OpDefinition } from "./define.ts";
import { normaliseOps } from "./normalise.ts";
import { normaliseRowOps } from "./normaliseRow.ts";
import { recurrentOps } from "./recurrent.ts";
import { reduceOps } from "./reduce.ts";
import { activationOps } from "./elementwiseActivation.ts";
import { arithmeticOps } from "./elementwiseArithmetic.ts";
import { castOps } from "./elementwiseCast.ts";
import { stringLabelOps } from "./stringLabels.ts";
import { stringOps } from "./strings.ts";
import { scanOps } from "./elementwiseScan.ts";
import { indexingOps } from "./indexing.ts";
import { libraryOps } from "./indexingLibrary.ts";
import { scatterOps } from "./indexingScatter.ts";
import { movementOps } from "./movement.ts";
import { foldOps } from "./movementFold.ts";
import { padOps } from "./movementPad.ts";
import { quantOps } from "./quant.ts";
import { randomOps } from "./random.ts";
import { resizeOps } from "./resize.ts";
import { gridOps } from "./resizeGrid.ts";
import { textOps } from "./text.ts";
import { spectralOps } from "./spectral.ts";
import { lossOps } from "./loss.ts";
import { trainingOps } from "./training.ts";
import { windowDeformOps } from "./windowDeform.ts";
import { microsoftOps } from "./microsoft.ts";
import { microsoftAttentionOps } from "./microsoftAttention.ts";
import { microsoftQuantizedOps } from "./microsoftQuantized.ts";
import { mlOps } from "./ml.ts";
import { mlTransformOps } from "./mlTransform.ts";
import { mlTreeOps } from "./mlTree.ts";
import { mlVectorOps } from "./mlVector.ts";
import { windowOps } from "./window.ts";

const families: readonly (readonly OpDefinition[])[] = [
  arithmeticOps,
  activationOps,
  castOps,
  scanOps,
  movementOps,
  padOps,
  foldOps,
  indexingOps,
  scatterOps,
  libraryOps,
  randomOps,
  quantOps,
  resizeOps,
  gridOps,
  textOps,
  stringOps,
  stringLabelOps,
  contractOps,
  contractQuantizedOps,
  windowOps,
  reduceOps,
  normaliseOps,
  normaliseRowOps,
  recurrentOps,
  attentionOps,
  attentionLinearOps,
  spectralOps,
  windowDeformOps,
  lossOps,
  trainingOps,
  microsoftOps,
  microsoftAttentionOps,
  microsoftQuantizedOps,
  mlOps,
  mlTransformOps,
  mlTreeOps,
  mlVectorOps,
];

function key(domain: string, op: string): string {
  return `${domain === "ai.onnx" ? "" : domain}:${op}`;
}

const table = new Map<string, OpDefinition>();
for (const definition of families.flat()) {
  const at = key(definition.domain ?? "", definition.op);
  if (table.has(at)) throw new InternalError(`operator ${definition.op} is defined twice`);
  table.set(at, definition);
}

/** The definition of an operator; `domain` "" and "ai.onnx" are the same. */
export function findOperator(domain: string, op: string): OpDefinition | undefined {
  return table.get(key(domain, op));
}

export function supports(domain: string, op: string): boolean {
  return table.has(key(domain, op));
}

/** Names of all operators of a domain, for "did you mean". */
export function operatorNames(domain: string): string[] {
  const prefix = key(domain, "");
  return [...table.keys()].filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
}
