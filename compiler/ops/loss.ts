/**
 * Losses: NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss. In: log probabilities [N, C, ...], targets
 * [N, ...], weights of classes. Out: the loss of each target, or their sum or weighted mean in one kernel.
 * Invariant: a target that is to be ignored weighs nothing, whatever its value; a class from data is kept within
 * the table before anything is read. Source: ONNX operator documentation.
 */
import { acc, cast, constant, div, eq, max, min, mul, neg, select, type Expr } from "../ir/expr.ts";
import { computeType } from "../ir/dtype.ts";
import type { ValueId } from "../ir/graph.ts";
import type { Kernel } from "../ir/kernel.ts";
import {
  axesOver,
  coordinates,
  KernelWriter,
  type Expander,
  type OpCall,
  type OpDefinition,
} from "./define.ts";
import { workingType } from "./normalise.ts";

function reductionOf(call: OpCall): "none" | "sum" | "mean" {
  const reduction = call.string("reduction", "mean");
  if (reduction !== "none" && reduction !== "sum" && reduction !== "mean") {
    call.fail("attribute-invalid", `reduction "${reduction}"`, "none, sum or mean");
  }
  return reduction;
}

function buildLikelihood(call: OpCall): Kernel {
  const { dtype, shape } = call.input(0);
  const reduction = reductionOf(call);
  const working = workingType(dtype);
  const type = computeType(working);
  const writer = new KernelWriter(
    call,
    reduction === "mean" ? [{ name: "total", dtype: working, shape: [] }] : [],
  );
  const targets = call.input(1);
  const axes = axesOver(targets.shape, "i");
  const index = coordinates(axes);
  const target = writer.load(1, index);
  const bound = (value: number): Expr => constant(target.type, value);
  const within = cast(min(max(target, bound(0)), bound(Math.max(0, shape[1]! - 1))), "index");
  let weight: Expr = call.has(2) ? writer.load(2, [within]) : constant(type, 1);
  const ignored = call.int("ignore_index");
  if (ignored !== undefined) weight = select(eq(target, bound(ignored)), constant(type, 0), weight);
  const [batch, ...space] = index as [Expr, ...Expr[]];
  const picked = neg(writer.load(0, [batch, within, ...space]));
  const weighted = mul(picked, weight);
  // An ignored target may stand at an infinite or NaN input, which times zero would not be zero.
  const loss =
    ignored === undefined ? weighted : select(eq(target, bound(ignored)), constant(type, 0), weighted);
  if (reduction === "none") return writer.store(0, axes, index, loss).done();
  if (reduction === "sum") return writer.store(0, [], [], acc(type), { op: "sum", axes, body: loss }).done();
  const total = writer.temp("total");
  writer.push(writer.assign(total, [], [], acc(type), { op: "sum", axes, body: weight }));
  return writer
    .store(0, [], [], div(acc(type), writer.loadFrom(total, [])), { op: "sum", axes, body: loss })
    .done();
}

function checkTargets(call: OpCall): void {
  const [input, targets] = [call.input(0).shape, call.input(1).shape];
  const space = [input[0], ...input.slice(2)];
  if (input.length < 2 || space.join() !== targets.join()) {
    call.fail("shape-mismatch", `targets [${targets}] for scores [${input}]`);
  }
  if (call.has(2) && call.input(2).shape.join() !== String(input[1])) {
    call.fail("shape-mismatch", `weights [${call.input(2).shape}] for ${input[1]} classes`);
  }
}

const likelihoodLoss: OpDefinition = {
  op: "NegativeLogLikelihoodLoss",
  infer(call) {
    checkTargets(call);
    return [{ dtype: call.input(0).dtype, shape: reductionOf(call) === "none" ? call.input(1).shape : [] }];
  },
  implementation: { kind: "compute", build: buildLikelihood },
};

function expandCrossEntropy(call: OpCall, to: Expander): readonly ValueId[] {
  const [scores, labels, weights] = call.node.inputs as [ValueId, ValueId, ValueId | undefined];
  const logarithms = to.node("LogSoftmax", [scores], { axis: 1 });
  const ignored = call.int("ignore_index");
  const loss = to.node("NegativeLogLikelihoodLoss", [logarithms, labels, ...(weights ? [weights] : [])], {
    reduction: reductionOf(call),
    ...(ignored === undefined ? {} : { ignore_index: ignored }),
  });
  return [loss, logarithms];
}

const crossEntropyLoss: OpDefinition = {
  op: "SoftmaxCrossEntropyLoss",
  implementation: { kind: "expand", expand: expandCrossEntropy },
};

export const lossOps: readonly OpDefinition[] = [likelihoodLoss, crossEntropyLoss];
