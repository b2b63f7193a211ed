/**
 * What the inputs and attributes of each TF operator are called, from the op mapping of the TF.js converter: the one
 * place that knows that the axis of a ConcatV2 is its last input. In: an operator's name. Out: its parameters.
 * Invariant: parameters are data; what they mean is in `ops/`.
 */
import { json as arithmetic } from "@tensorflow/tfjs-converter/dist/operations/op_list/arithmetic.js";
import { json as basicMath } from "@tensorflow/tfjs-converter/dist/operations/op_list/basic_math.js";
import { json as control } from "@tensorflow/tfjs-converter/dist/operations/op_list/control.js";
import { json as convolution } from "@tensorflow/tfjs-converter/dist/operations/op_list/convolution.js";
import { json as creation } from "@tensorflow/tfjs-converter/dist/operations/op_list/creation.js";
import { json as dynamic } from "@tensorflow/tfjs-converter/dist/operations/op_list/dynamic.js";
import { json as evaluation } from "@tensorflow/tfjs-converter/dist/operations/op_list/evaluation.js";
import { json as graph } from "@tensorflow/tfjs-converter/dist/operations/op_list/graph.js";
import { json as hashTable } from "@tensorflow/tfjs-converter/dist/operations/op_list/hash_table.js";
import { json as image } from "@tensorflow/tfjs-converter/dist/operations/op_list/image.js";
import { json as logical } from "@tensorflow/tfjs-converter/dist/operations/op_list/logical.js";
import { json as matrices } from "@tensorflow/tfjs-converter/dist/operations/op_list/matrices.js";
import { json as normalization } from "@tensorflow/tfjs-converter/dist/operations/op_list/normalization.js";
import { json as reduction } from "@tensorflow/tfjs-converter/dist/operations/op_list/reduction.js";
import { json as sliceJoin } from "@tensorflow/tfjs-converter/dist/operations/op_list/slice_join.js";
import { json as spectral } from "@tensorflow/tfjs-converter/dist/operations/op_list/spectral.js";
import { json as transformation } from "@tensorflow/tfjs-converter/dist/operations/op_list/transformation.js";
import { SPACE_CROP, SPACE_PAD } from "./dilation.ts";

/** The inputs from `start` up to, without, `end`: 0 is the end of the list, -1 one before it. One input without `end`. */
export interface InputParameter {
  readonly start: number;
  readonly end?: number;
}

export interface AttributeParameter {
  readonly tfName: string;
  readonly defaultValue?: unknown;
}

export interface Parameters {
  readonly inputs: ReadonlyMap<string, InputParameter>;
  readonly attributes: ReadonlyMap<string, AttributeParameter>;
  /** Names of the outputs, where a function may refer to them by name. */
  readonly outputs: readonly string[];
}

const lists = [
  arithmetic,
  basicMath,
  control,
  convolution,
  creation,
  dynamic,
  evaluation,
  graph,
  hashTable,
  image,
  logical,
  matrices,
  normalization,
  reduction,
  sliceJoin,
  spectral,
  transformation,
];

const table = new Map<string, Parameters>();
for (const { tfOpName, inputs, attrs, outputs } of lists.flat()) {
  table.set(tfOpName, {
    inputs: new Map(
      (inputs ?? []).map(({ name, start, end }) => [name, { start, ...(end === undefined ? {} : { end }) }]),
    ),
    attributes: new Map(
      (attrs ?? []).map(({ name, tfName, defaultValue }) => [name, { tfName: tfName ?? name, defaultValue }]),
    ),
    outputs: outputs ?? [],
  });
}

// What is left of the block movements around a dilated convolution has their parameters.
table.set(SPACE_PAD, table.get("SpaceToBatchND")!);
table.set(SPACE_CROP, table.get("BatchToSpaceND")!);

const none: Parameters = { inputs: new Map(), attributes: new Map(), outputs: [] };

/** Operators without parameters of their own in the mapping (calls of functions, NoOp) have none. */
export function parametersOf(op: string): Parameters {
  return table.get(op) ?? none;
}
