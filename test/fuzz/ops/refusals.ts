/**
 * Models that onnxruntime-web 1.30 refuses though they are valid. In: what it said, and the nodes. Out: why that does not
 * count, or nothing. Invariant: every refusal has its reason written down and is counted under it; one that is in no
 * row is reported.
 */

/** What a refusal may ask of a node. */
export interface RefusedNode {
  readonly op: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** What onnxruntime says of models that it does not run, what that means, and a node that must be there. */
const REFUSALS: readonly (readonly [pattern: RegExp, reason: string, node?: (node: RefusedNode) => boolean])[] = [
  [/Could not find an implementation|NOT_IMPLEMENTED|is not implemented|not supported yet|Failed to find kernel|does not support double yet|not implemented/i, "not implemented in onnxruntime-web"],
  [/Type Error: Type '.*' of (input|output) parameter/i, "an element type that this version of the operator does not list"],
  [/Type parameter \(.*\) of Optype/i, "operands of different element types"],
  [/is not a registered function\/op|No Op registered|Unrecognized attribute|No opset import/i, "unknown to onnxruntime-web"],
  [/only \*guarantees\* support|opset .* is under development|ValidateOpsetForDomain/i, "an operator set newer than onnxruntime-web"],
  [/unsupported data type: \d+|Unsupported tensor type|unsupported data type/i, "tensors of this element type do not cross onnxruntime-web's interface"],
  [/Reading data from non-tensor typed value/i, "sequences do not cross onnxruntime-web's interface"],
  [/X_shape.NumDimensions\(\) == 4/, "LRN of four dimensions only"],
  [/indices tensor must have rank >= 1/i, "OneHot of a scalar is refused; the specification does not exclude it"],
  [/layout_ == 0 was false/, "recurrent operators with batches first are not implemented"],
  [/FindDeviceForValue/, "a loop one of whose outputs has no name"],
  [/input count mismatch/, "an absent output shape that is written as an empty name"],
  [/DispatchStridedCopy|MLFloat16 data type is not supported/, "not implemented in onnxruntime-web"],
  [/pads\[dim\] < kernel_shape\[dim/, "pads as wide as a dilated kernel are refused; the specification does not"],
  [/unsupported type: u?int[24]/, "tensors of this element type do not cross onnxruntime-web's interface"],
  [/dimension size (is )?known/, "shape inference that needs the sizes of weights"],
  [/block_size must be 0 for per-tensor/, "blocks of a scale that has one element"],
  [/deprecated in domain_version/, "an operator that the newest version of ai.onnx.ml deprecates"],
  [/ComputeOutputShapeForAttention/, "a mask that broadcasts over queries or keys"],
  [/padding values must be non-negative/, "negative pads are refused"],
  [/Number of elements of input 'sizes'/, "shape inference of sizes that are fed"],
  [/zero points shape and scales shape do not match/, "shape inference of open dimensions"],
  [/but the computed output shape/, "reductions of tensors without elements give other shapes"],
  [/Axes input is null/, "an absent input that is written as an empty name"],
  [/matmul_helper.*cannot broadcast/, "products without elements whose leading dimensions broadcast"],
  [/Mismatch between number of inferred and declared dimensions/, "shape inference that gives another rank than the operator"],
  [/qlinear_where.cc/, "QLinearWhere whose scales and zero points are fed"],
  [/Input \d+ expected to have type but instead is null/, "types are not inferred through a function"],
  [/has (unsupported|inconsistent) type/, "types are not inferred through a function"],
  [/Can't merge shape info/, "shape inference that does not know the operator's last output shape"],
  [/Input data with index: \d+ is NaN/, "Binarizer refuses NaN; the specification does not"],
  // MeanVarianceNormalization is a function with default axes; within a function their reference is left unresolved.
  [/One and only one of the attributes 'value', 'value_\*' or 'sparse_value'/, "a function inside a function loses the defaults of its attributes"],
  [/'Linear' mode only supports|'Cubic' mode only support/, "Resize blends some pairs and triples of dimensions only"],
  // The specification wants less than "the corresponding stride/dilation dimension".
  [/output_padding \(\d+\) may be too large for stride/, "output_padding below the dilation, but not below the stride, is refused"],
  [/Input \d must have a non null shape/, "shape inference of open dimensions", ({ op }) => op === "EmbedLayerNormalization"],
  [/Input shape must have either \[C\]/, "shape inference of open dimensions", ({ op }) => op === "StringNormalizer"],
  [/Can't slice a tensor with a subbyte element type/, "Scan over elements of four bits and less"],
  [/\[ShapeInferenceError\] Incompatible dimensions/, "shape inference counts windows that start beyond the end, which running does not", ({ op, attributes }) => /Pool$/.test(op) && attributes["ceil_mode"] === 1],
  [/IsAxisInRange\(axis, tensor_rank\)/, "axes that are not in order, of a shape that is computed ahead", ({ op }) => op === "Unsqueeze"],
  // It computes float16 in float32 where it has no kernel, and takes a cast between two such for one that must stay.
  [/of output arg \(InsertedPrecisionFreeCast_/, "a cast of float16 to itself between operators that are computed wider", ({ op }) => /^Cast(Like)?$/.test(op)],
  [/Unexpected mode of 3/, "Pad in mode wrap of a tensor without elements"],
]; // prettier-ignore

/** Why it does not count that onnxruntime refuses a graph of these nodes. */
export function refusalOf(message: string, nodes: readonly RefusedNode[]): string | undefined {
  const [, reason] = REFUSALS.find(([pattern, , fits]) => pattern.test(message) && (!fits || nodes.some(fits))) ?? []; // prettier-ignore
  return reason;
}
