/**
 * What is known of values while a model is being imported, before any shape inference. In: declared types,
 * constants, and nodes in topological order. Out: a value's dtype, rank and constant tensor where they follow
 * simply; `undefined` where they do not. Invariant: only a convenience for adapters, which must also have a form
 * that needs none of it: nothing here is relied on for safety.
 */
import type { DType, Tensor } from "../../ir/dtype.ts";
import type { OpNode, ValueId } from "../../ir/graph.ts";
import { knownDtype } from "./elements.ts";

/** Operators whose outputs have the first input's rank. */
const keepsRank = new Set(
  (
    "Abs Acos Acosh Asin Asinh Atan Atanh AveragePool BatchNormalization Bernoulli BitwiseNot Cast CastLike Ceil " +
    "Celu Clip Compress Concat Conv ConvInteger ConvTranspose Cos Cosh CumSum DepthToSpace DequantizeLinear " +
    "Dropout DynamicQuantizeLinear Elu Erf Exp Floor Gelu GlobalAveragePool GlobalLpPool GlobalMaxPool " +
    "GroupNormalization HardSigmoid HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LRN " +
    "LayerNormalization LeakyRelu Log LogSoftmax LpNormalization LpPool MaxPool MeanVarianceNormalization Mish Neg " +
    "Not PRelu Pad QLinearConv QuantizeLinear RMSNormalization Reciprocal Relu Resize ReverseSequence Round Selu " +
    "Scatter ScatterElements ScatterND Shrink Sigmoid Sign Sin Sinh Slice Softmax Softplus Softsign SpaceToDepth " +
    "Split Sqrt Swish Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu Upsample"
  ).split(" "),
);

/** Operators whose output has the rank of the highest-ranked input. */
const broadcasts = new Set(
  (
    "Add And BitShift BitwiseAnd BitwiseOr BitwiseXor Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean " +
    "Min Mod Mul Or Pow Sub Sum Where Xor"
  ).split(" "),
);

/** Operators whose first output has this dtype. */
const fixedDtype: Readonly<Record<string, DType>> = {
  And: "bool",
  ArgMax: "int64",
  ArgMin: "int64",
  ConvInteger: "int32",
  DynamicQuantizeLinear: "uint8",
  Equal: "bool",
  Greater: "bool",
  GreaterOrEqual: "bool",
  IsInf: "bool",
  IsNaN: "bool",
  Less: "bool",
  LessOrEqual: "bool",
  MatMulInteger: "int32",
  NonMaxSuppression: "int64",
  NonZero: "int64",
  Not: "bool",
  Or: "bool",
  Shape: "int64",
  Size: "int64",
  StringNormalizer: "string",
  Xor: "bool",
};

/** Operators whose first output has the dtype of an input other than the first. */
const dtypeFromInput: Readonly<Record<string, number>> = {
  CastLike: 1,
  DequantizeLinear: 1,
  OneHot: 2,
  QLinearConv: 7,
  QLinearMatMul: 7,
  QuantizeLinear: 2,
  Where: 1,
};

/** Operators whose output types do not follow from the inputs at hand. */
const opaque = new Set(
  (
    "Bernoulli EyeLike HammingWindow HannWindow BlackmanWindow If Loop Scan MelWeightMatrix Multinomial Optional " +
    "OptionalGetElement OptionalHasElement RandomNormal RandomNormalLike RandomUniform RandomUniformLike " +
    "SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength SequenceMap " +
    "SplitToSequence ConcatFromSequence StringSplit TfIdfVectorizer RegexFullMatch ImageDecoder BitCast"
  ).split(" "),
);

/** Dtypes, ranks and constants by value id. */
export class Facts {
  private readonly dtypes = new Map<ValueId, DType>();
  private readonly ranks = new Map<ValueId, number>();
  private readonly constants = new Map<ValueId, Tensor>();

  dtype(id: ValueId): DType | undefined {
    return this.dtypes.get(id);
  }

  rank(id: ValueId): number | undefined {
    return this.ranks.get(id);
  }

  constant(id: ValueId): Tensor | undefined {
    return this.constants.get(id);
  }

  declare(id: ValueId, dtype: DType | undefined, rank: number | undefined): void {
    if (dtype !== undefined) this.dtypes.set(id, dtype);
    if (rank !== undefined) this.ranks.set(id, rank);
  }

  declareConstant(id: ValueId, tensor: Tensor): void {
    this.constants.set(id, tensor);
    this.declare(id, tensor.dtype, tensor.shape.length);
  }

  /** Learns the outputs of a node (in the newest form) from its inputs; what was declared stays. */
  observe(node: OpNode): void {
    const first = node.outputs[0];
    if (node.domain !== "" || opaque.has(node.op) || !first) return;
    const dtype = this.outputDtype(node);
    const rank = this.outputRank(node);
    this.declare(first, this.dtype(first) ?? dtype, this.rank(first) ?? rank);
    if (node.op !== "Split") return;
    for (const output of node.outputs.slice(1))
      this.declare(output, this.dtype(output) ?? dtype, this.rank(output) ?? rank);
  }

  private outputDtype(node: OpNode): DType | undefined {
    const input = (position: number): DType | undefined => this.dtype(node.inputs[position] ?? "");
    if (node.op === "Cast") {
      const to = node.attributes.get("to");
      return to?.kind === "int" ? knownDtype(to.value) : undefined;
    }
    if (node.op === "ConstantOfShape") {
      const value = node.attributes.get("value");
      return value?.kind === "tensor" ? value.value.dtype : "float32";
    }
    const fixed = fixedDtype[node.op];
    if (fixed !== undefined) return fixed;
    return input(dtypeFromInput[node.op] ?? 0);
  }

  private outputRank(node: OpNode): number | undefined {
    const input = (position: number): number | undefined => this.rank(node.inputs[position] ?? "");
    if (keepsRank.has(node.op)) return input(0);
    if (broadcasts.has(node.op)) {
      const ranks = node.inputs.map((id) => this.rank(id));
      return ranks.some((rank) => rank === undefined) ? undefined : Math.max(...(ranks as number[]));
    }
    switch (node.op) {
      case "Flatten":
      case "Gemm":
        return 2;
      case "Shape":
      case "Range":
        return 1;
      case "Size":
        return 0;
      case "Reshape":
        return this.constant(node.inputs[1] ?? "")?.data.length;
      case "MatMul": {
        const [a, b] = [input(0), input(1)];
        return a !== undefined && b !== undefined && a >= 2 && b >= 2 ? Math.max(a, b) : undefined;
      }
      case "Gather": {
        const [data, indices] = [input(0), input(1)];
        return data !== undefined && indices !== undefined ? data + indices - 1 : undefined;
      }
      case "Unsqueeze":
      case "Squeeze": {
        const axes = this.constant(node.inputs[1] ?? "")?.data.length;
        const rank = input(0);
        if (axes === undefined || rank === undefined) return undefined;
        return node.op === "Squeeze" ? rank - axes : rank + axes;
      }
      default:
        if (!node.op.startsWith("Reduce")) return undefined;
        return node.attributes.get("keepdims")?.value === 0 ? undefined : input(0);
    }
  }
}
