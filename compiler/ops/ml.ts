/**
 * The operators of ai.onnx.ml besides trees: linear models, scalers, encoders, feature shuffling. In: a
 * call with static types. Out: ordinary operators on constants made from the attributes. Invariant: labels and
 * categories that are strings become integers, or come from them, on the host (`stringLabels.ts`); no other operator
 * sees them.
 * Source: ONNX operator documentation, ai.onnx.ml 1 to 5.
 */
import { acc, binary, cast, constant, eq, int, lt, max, select, type Expr } from "../ir/expr.ts";
import { computeType, isFloat, type DType, type Tensor } from "../ir/dtype.ts";
import type { ValueId } from "../ir/graph.ts";
import type { Axis } from "../ir/kernel.ts";
import { coordinate } from "../ir/kernel.ts";
import { axesOver, coordinates, KernelWriter, mapKernel, type Expander, type OpCall, type OpDefinition } from "./define.ts"; // prettier-ignore
import { postTransform } from "./mlTransform.ts";
import { labelsAt } from "./mlTree.ts";
import { encodingOf, integerTensor, lookUp, withDefault } from "./stringLabels.ts";
import { stringTensor } from "./stringForm.ts";

const DOMAIN = "ai.onnx.ml";

function floats(values: readonly number[], shape: readonly number[] = [values.length]): Tensor {
  return { dtype: "float32", shape, data: Float32Array.from(values) };
}

function asFloat(call: OpCall, to: Expander, position = 0): ValueId {
  const id = call.node.inputs[position]!;
  return call.input(position).dtype === "float32" ? id : to.node("Cast", [id], { to: "float32" });
}

/** A definition by ordinary operators with one output. */
function expanded(op: string, expand: (call: OpCall, to: Expander) => ValueId): OpDefinition {
  return { op, domain: DOMAIN, implementation: { kind: "expand", expand: (call, to) => [expand(call, to)] } };
}

// ---------------------------------------------------------------------------------------------------------------
// Linear models

/** X * coefficients' + intercepts: [rows, targets]. */
function linearScores(call: OpCall, to: Expander, targets: number): ValueId {
  const { shape } = call.input(0);
  const features = shape[shape.length - 1]!;
  const coefficients = call.floats("coefficients") ?? [];
  if (coefficients.length !== targets * features) {
    call.fail(
      "attribute-invalid",
      `${coefficients.length} coefficients for ${targets} targets of ${features} features`,
    );
  }
  const rows =
    shape.length === 2
      ? asFloat(call, to)
      : to.node("Reshape", [asFloat(call, to), to.integers([-1, features])]);
  const weights = to.constant(floats(coefficients, [targets, features]));
  const intercepts = call.floats("intercepts") ?? [];
  const bias = intercepts.length === targets ? [to.constant(floats(intercepts))] : [];
  return to.node("Gemm", [rows, weights, ...bias], { transB: 1 });
}

const linearRegressor = expanded("LinearRegressor", (call, to) =>
  postTransform(
    call,
    to,
    linearScores(call, to, call.int("targets", 1)),
    call.string("post_transform", "NONE"),
  ),
);

function expandLinearClassifier(call: OpCall, to: Expander): (ValueId | undefined)[] {
  const { shape } = call.input(0);
  const targets = (call.floats("coefficients") ?? []).length / shape[shape.length - 1]!;
  const labels = (call.ints("classlabels_ints") ?? call.strings("classlabels_strings") ?? []).length;
  const scores = linearScores(call, to, targets);
  const transform = call.string("post_transform", "NONE");
  const label = (best: ValueId): ValueId | undefined => {
    return call.wants(0) ? labelsAt(call, to, best, "classlabels_ints") : undefined;
  };
  if (targets !== 1 || labels !== 2) {
    const best = to.node("ArgMax", [scores], { axis: 1, keepdims: 0 });
    return [label(best), postTransform(call, to, scores, transform)];
  }
  // One row of coefficients for two classes: its score is that of the second, and the first gets the rest.
  const above = to.node("Greater", [scores, to.scalar("float32", 0)]);
  const best = to.node("Reshape", [to.node("Cast", [above], { to: "int64" }), to.integers([-1])]);
  const second = transform === "NONE" ? scores : postTransform(call, to, scores, transform);
  // What is left to 1 of a logistic function is that of the negative, without what cancels.
  const first =
    transform === "LOGISTIC"
      ? to.node("Sigmoid", [to.node("Neg", [scores])])
      : to.node("Sub", [to.scalar("float32", 1), second]);
  return [label(best), to.node("Concat", [first, second], { axis: 1 })];
}

const linearClassifier: OpDefinition = {
  op: "LinearClassifier",
  domain: DOMAIN,
  implementation: {
    kind: "expand",
    expand: (call, to) => expandLinearClassifier(call, to) as readonly ValueId[],
  },
};

// ---------------------------------------------------------------------------------------------------------------
// Features

const scaler = expanded("Scaler", (call, to) => {
  const offset = call.floats("offset") ?? [0];
  const scale = call.floats("scale") ?? [1];
  const centred = to.node("Sub", [asFloat(call, to), to.constant(floats(offset))]);
  return to.node("Mul", [centred, to.constant(floats(scale))]);
});

const normalizer = expanded("Normalizer", (call, to) => {
  const x = asFloat(call, to);
  const axes = to.integers([-1]);
  const norm = call.string("norm", "MAX");
  const operators: Readonly<Record<string, string>> = { MAX: "ReduceMax", L1: "ReduceL1", L2: "ReduceL2" };
  const size = to.node(operators[norm] ?? call.fail("attribute-invalid", `norm "${norm}"`), [x, axes]);
  const zero = to.node("Equal", [size, to.scalar("float32", 0)]);
  return to.node("Div", [x, to.node("Where", [zero, to.scalar("float32", 1), size])]);
});

const binarizer: OpDefinition = {
  op: "Binarizer",
  domain: DOMAIN,
  infer: (call) => [call.input(0)],
  implementation: {
    kind: "compute",
    build: (call) =>
      mapKernel(call, (index, writer) => {
        const x = writer.load(0, index);
        const threshold = constant(isFloat(call.input(0).dtype) ? x.type : "f64", call.float("threshold", 0));
        const value = isFloat(call.input(0).dtype) ? x : cast(x, "float64");
        return select(binary("gt", value, threshold), constant(x.type, 1), constant(x.type, 0));
      }),
  },
};

const arrayFeatureExtractor = expanded("ArrayFeatureExtractor", (call, to) => {
  const [x, y] = call.node.inputs as [ValueId, ValueId];
  const rank = call.input(0).shape.length;
  const rows = rank === 1 ? to.node("Unsqueeze", [x, to.integers([0])]) : x;
  return to.node("Gather", [rows, to.node("Reshape", [y, to.integers([-1])])], {
    axis: Math.max(rank, 2) - 1,
  });
});

const imputer = expanded("Imputer", (call, to) => {
  const x = call.node.inputs[0]!;
  const { dtype } = call.input(0);
  if (!isFloat(dtype)) {
    const values =
      call.ints("imputed_value_int64s") ?? call.fail("attribute-invalid", "imputed_value_int64s is missing");
    const missing = to.node("Equal", [x, to.scalar(dtype, call.int("replaced_value_int64", 0))]);
    return to.node("Where", [missing, to.node("Cast", [to.integers(values)], { to: dtype }), x]);
  }
  const values =
    call.floats("imputed_value_floats") ?? call.fail("attribute-invalid", "imputed_value_floats is missing");
  const replaced = call.float("replaced_value_float", 0);
  const missing = Number.isNaN(replaced)
    ? to.node("IsNaN", [x])
    : to.node("Equal", [x, to.scalar(dtype, replaced)]);
  const constants = to.constant(floats(values));
  return to.node("Where", [
    missing,
    dtype === "float32" ? constants : to.node("Cast", [constants], { to: dtype }),
    x,
  ]);
});

const featureVectorizer = expanded("FeatureVectorizer", (call, to) => {
  const parts = call.inputs.map((type, i) => {
    const x = asFloat(call, to, i);
    return type!.shape.length === 1 ? to.node("Unsqueeze", [x, to.integers([0])]) : x;
  });
  return to.node("Concat", parts, { axis: 1 });
});

const oneHotEncoder = expanded("OneHotEncoder", (call, to) => {
  const x = call.node.inputs[0]!;
  const names = call.strings("cats_strings") ?? [];
  const [codes, categories] =
    call.input(0).dtype === "string"
      ? [to.node("ai.onnx.ml:LabelEncoder", [x], encodingOf(names)), names.map((_, i) => i)]
      : [
          to.node("Cast", [x], { to: "int64" }),
          call.ints("cats_int64s") ?? call.fail("attribute-invalid", "attribute cats_int64s is missing"),
        ];
  const column = to.node("Unsqueeze", [codes, to.integers([-1])]);
  return to.node("Cast", [to.node("Equal", [column, to.integers(categories)])], { to: "float32" });
});

// ---------------------------------------------------------------------------------------------------------------
// LabelEncoder

/** values[i] for the last i with keys[i] = x, or the default. Inputs: x, keys, values, default [1]. */
const labelLookup: OpDefinition = {
  op: "LabelLookup",
  domain: "tilewright",
  infer: (call) => [{ dtype: call.input(2).dtype, shape: call.input(0).shape }],
  implementation: {
    kind: "compute",
    build(call) {
      const axes = axesOver(call.input(0).shape, "i");
      const index = coordinates(axes);
      const entry: Axis = { name: "entry", extent: call.input(1).shape[0]! };
      const writer = new KernelWriter(call);
      const x = writer.load(0, index);
      const key = writer.load(1, [coordinate(entry)]);
      const nan = (e: Expr): Expr => binary("ne", e, e);
      const same = isFloat(call.input(0).dtype)
        ? binary("or", eq(x, key), binary("and", nan(x), nan(key)))
        : eq(x, key);
      const body = select(same, cast(coordinate(entry), "int32"), constant("i32", -1));
      const found = acc("i32");
      const at = cast(max(found, constant("i32", 0)), "index");
      const missing = lt(found, constant("i32", 0));
      const value = select(missing, writer.load(3, [int(0)]), writer.load(2, [at]));
      return writer.store(0, axes, index, value, { op: "max", axes: [entry], body }).done();
    },
  },
};

/** Keys or values of a LabelEncoder, in whichever of its forms they come. */
function encoderTable(call: OpCall, part: "keys" | "values"): Tensor {
  const given = call.tensor(`${part}_tensor`);
  if (given) return given;
  const integers = call.ints(`${part}_int64s`);
  if (integers) return integerTensor(integers);
  const reals = call.floats(`${part}_floats`);
  if (reals) return floats(reals);
  const strings = call.strings(`${part}_strings`);
  if (strings) return stringTensor([strings.length], strings);
  return call.fail("attribute-invalid", `the ${part} are missing`);
}

function encoderDefault(call: OpCall, dtype: DType): Tensor {
  const given = call.tensor("default_tensor");
  if (given) return given;
  if (dtype === "string") return stringTensor([1], [call.string("default_string", "_Unused")]);
  return dtype === "int64"
    ? integerTensor([call.int("default_int64", -1)])
    : floats([call.float("default_float", -0)]);
}

function expandEncoder(call: OpCall, to: Expander): ValueId {
  const keys = encoderTable(call, "keys");
  const values = encoderTable(call, "values");
  const fallback = encoderDefault(call, values.dtype);
  const x = call.node.inputs[0]!;
  const typed =
    computeType(call.input(0).dtype) === computeType(keys.dtype)
      ? x
      : to.node("Cast", [x], { to: keys.dtype });
  const flat: Tensor = { ...fallback, shape: [1] };
  return to.node("tilewright:LabelLookup", [
    typed,
    to.constant(keys),
    to.constant(values),
    to.constant(flat),
  ]);
}

const labelEncoder: OpDefinition = {
  op: "LabelEncoder",
  domain: DOMAIN,
  implementation: (call) => {
    const keys = encoderTable(call, "keys");
    const values = encoderTable(call, "values");
    if ((keys.dtype === "string") !== (call.input(0).dtype === "string"))
      call.fail(
        "dtype-unsupported",
        `keys of type ${keys.dtype} for an input of type ${call.input(0).dtype}`,
      );
    if (keys.dtype !== "string" && values.dtype !== "string")
      return { kind: "expand", expand: (_, to) => [expandEncoder(call, to)] };
    const all = withDefault(call, values, encoderDefault(call, values.dtype));
    return { kind: "host", evaluate: (_, [input]) => [lookUp(input!, keys, all)] };
  },
};

export const mlOps: readonly OpDefinition[] = [
  linearRegressor,
  linearClassifier,
  scaler,
  normalizer,
  binarizer,
  arrayFeatureExtractor,
  imputer,
  featureVectorizer,
  oneHotEncoder,
  labelLookup,
  labelEncoder,
];
