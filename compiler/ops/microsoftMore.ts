/**
 * Operators of com.microsoft that stand alone: normalizations of groups, distances, rows gathered from quantized
 * tables, and other names of operators of ai.onnx. In: a call with static types. Out: ordinary operators. Invariant:
 * nothing is computed here that ai.onnx cannot say. Source: onnxruntime, docs/ContribOperators.md.
 */
import { acc, mul, sub, unary } from "../ir/expr.ts";
import type { DType } from "../ir/dtype.ts";
import type { ValueId } from "../ir/graph.ts";
import { axesOver, coordinates, KernelWriter, normaliseAxis, type Expander, type OpCall, type OpDefinition } from "./define.ts"; // prettier-ignore
import { channelsLast, channelsSecond, DOMAIN, expanded, given, plus, same } from "./microsoftForm.ts";

/** GroupNormalization of float32 statistics, perhaps with channels last and with x * sigmoid(x) after it. */
function groupNormalised(call: OpCall, to: Expander, x: ValueId): ValueId {
  const last = call.int("channels_last", 1) !== 0;
  const { dtype } = to.typeOf(x);
  const wide = (id: ValueId): ValueId => to.node("Cast", [id], { to: "float32" });
  const inputs = [wide(last ? channelsSecond(to, x) : x), wide(given(call, 1)), wide(given(call, 2))];
  const attributes = { num_groups: call.int("groups", 1), epsilon: { float: call.float("epsilon", 1e-5) } };
  const y = to.node("GroupNormalization", inputs, attributes);
  const activated = call.int("activation", 0) ? to.node("Mul", [y, to.node("Sigmoid", [y])]) : y;
  const narrow = to.node("Cast", [activated], { to: dtype });
  return last ? channelsLast(to, narrow) : narrow;
}

const groupNorm = expanded("GroupNorm", (call, to) => [groupNormalised(call, to, given(call, 0))]);

const skipGroupNorm = expanded("SkipGroupNorm", (call, to) => {
  // A skip may be given for each channel only, [N, C], and there may be a bias.
  let skip = given(call, 3);
  const { shape } = to.typeOf(skip);
  if (shape.length === 2) skip = to.node("Reshape", [skip, to.integers([shape[0]!, 1, 1, shape[1]!])]);
  const total = plus(to, to.node("Add", [given(call, 0), skip]), given(call, 4));
  return [groupNormalised(call, to, total), total];
});

/** Distances between the rows of two matrices. */
const distances: OpDefinition = {
  op: "CDist",
  domain: DOMAIN,
  infer(call) {
    const [a, b] = [call.input(0), call.input(1)];
    if (a.shape.length !== 2 || b.shape.length !== 2 || a.shape[1] !== b.shape[1])
      call.fail("shape-mismatch", `distances between rows of [${a.shape}] and [${b.shape}]`);
    return [{ dtype: a.dtype, shape: [a.shape[0]!, b.shape[0]!] }];
  },
  implementation: {
    kind: "compute",
    build(call) {
      const metric = call.string("metric", "sqeuclidean");
      if (metric !== "sqeuclidean" && metric !== "euclidean")
        call.fail("attribute-invalid", `metric "${metric}"`);
      const writer = new KernelWriter(call);
      const axes = axesOver(call.outputs[0]!.shape, "i");
      const [m, n] = coordinates(axes);
      const features = axesOver([call.input(0).shape[1]!], "k");
      const [k] = coordinates(features);
      const difference = sub(writer.load(0, [m!, k!]), writer.load(1, [n!, k!]));
      const sum = acc(difference.type);
      const value = metric === "euclidean" ? unary("sqrt", sum) : sum;
      const body = mul(difference, difference);
      return writer.store(0, axes, [m!, n!], value, { op: "sum", axes: features, body }).done();
    },
  },
};

/** Bytes of two 4-bit numbers, the low one first, as twice as many numbers along the last dimension. */
function unpacked(to: Expander, id: ValueId): ValueId {
  const { shape } = to.typeOf(id);
  const low = to.node("BitwiseAnd", [id, to.scalar("uint8", 15)]);
  const high = to.node("BitShift", [id, to.scalar("uint8", 4)], { direction: "RIGHT" });
  const axes = to.integers([shape.length]);
  const both = to.node("Concat", [to.node("Unsqueeze", [low, axes]), to.node("Unsqueeze", [high, axes])], { axis: -1 }); // prettier-ignore
  return to.node("Reshape", [both, to.integers([...shape.slice(0, -1), 2 * shape.at(-1)!])]);
}

/** Slices of a table in blocks that share a scale, gathered before they become real. */
const gatherQuantized = expanded("GatherBlockQuantized", (call, to) => {
  const { dtype, shape } = call.input(0);
  const bits = call.int("bits", 4);
  const size = call.int("block_size", 128);
  const gathered = normaliseAxis(call, call.int("gather_axis", 0), shape.length);
  const quantized = normaliseAxis(call, call.int("quantize_axis", 1), shape.length);
  if (gathered === quantized) call.fail("attribute-invalid", "gather_axis is quantize_axis");
  const isPacked = dtype === "uint8" && bits === 4;
  if (isPacked && quantized !== shape.length - 1)
    call.fail("op-unsupported", "packed weights in blocks along another axis than the last");
  const rows = (position: number): ValueId => to.node("Gather", [given(call, position), given(call, 1)], { axis: gathered }); // prettier-ignore
  // Indices of another rank than 1 move the axes behind the gathered one.
  const axis = quantized + (gathered < quantized ? call.input(1).shape.length - 1 : 0);
  const blocks = (id: ValueId): ValueId => {
    // Each parameter as often as its block has elements.
    const { shape: small } = to.typeOf(id);
    const apart = to.node("Unsqueeze", [id, to.integers([axis + 1])]);
    const repeated = to.node("Expand", [apart, to.integers([...small.slice(0, axis + 1), size, ...small.slice(axis + 1)])]); // prettier-ignore
    const flat = to.node("Reshape", [repeated, to.integers(small.map((dim, d) => (d === axis ? dim * size : dim)))]); // prettier-ignore
    return to.node("Slice", [flat, to.integers([0]), to.integers([length]), to.integers([axis])]);
  };
  const data = isPacked ? unpacked(to, rows(0)) : rows(0);
  const length = to.typeOf(data).shape[axis]!;
  const type: DType = call.input(2).dtype;
  const real = (id: ValueId): ValueId => to.node("Cast", [id], { to: type });
  let zero: ValueId;
  if (given(call, 3)) {
    const points = isPacked ? unpacked(to, rows(3)) : rows(3);
    const count = to.typeOf(rows(2)).shape[axis]!;
    zero = blocks(
      real(to.node("Slice", [points, to.integers([0]), to.integers([count]), to.integers([axis])])),
    );
  } else zero = to.scalar(type, dtype === "uint8" ? 2 ** (bits - 1) : 0);
  return [to.node("Mul", [to.node("Sub", [real(data), zero]), blocks(rows(2))])];
});

/** FusedMatMul under its old name. */
const transposeMatMul = expanded("TransposeMatMul", (call, to) => [
  to.node("com.microsoft:FusedMatMul", call.node.inputs, Object.fromEntries(call.node.attributes)),
]);

const expandDims = expanded("ExpandDims", (call, to) => {
  const axis = to.node("Reshape", [given(call, 1), to.integers([1])]);
  return [to.node("Unsqueeze", [given(call, 0), to.node("Cast", [axis], { to: "int64" })])];
});

const biasAdd = expanded("BiasAdd", (call, to) => [
  to.node("Add", [to.node("Add", [given(call, 0), given(call, 1)]), given(call, 2)]),
]);

/** A softmax over all dimensions from an axis on, of scores with a term that may be broadcast. */
const biasSoftmax = expanded("BiasSoftmax", (call, to) => {
  const { shape } = call.input(0);
  const axis = normaliseAxis(call, call.int("axis", 1), shape.length);
  let bias = given(call, 1);
  const term = to.typeOf(bias).shape;
  if (call.int("is_inner_broadcast", 1) === 0 && term.length < shape.length) {
    const ones = new Array<number>(shape.length - term.length).fill(1);
    bias = to.node("Reshape", [bias, to.integers([...term.slice(0, axis), ...ones, ...term.slice(axis)])]);
  }
  const total = to.node("Add", [given(call, 0), bias]);
  const flat = to.node("Flatten", [total], { axis });
  return [to.node("Reshape", [to.node("Softmax", [flat], { axis: -1 }), to.integers(shape)])];
});

export const microsoftMoreOps: readonly OpDefinition[] = [
  groupNorm,
  skipGroupNorm,
  distances,
  gatherQuantized,
  transposeMatMul,
  expandDims,
  biasAdd,
  biasSoftmax,
  same("Range", []),
  same("Pad", ["mode"]),
];
