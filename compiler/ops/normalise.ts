/**
 * Normalisations by mean and variance; those along one axis are in normaliseRow.ts. In: a call with static types.
 * Out: a loop over blocks whose body reduces the block into two scalars and then maps it, while the block is still
 * in the first-level cache. Invariant: statistics are float32 or wider, and variance is that of differences from
 * the mean. Source: ONNX operator documentation.
 */
import { acc, add, cast, constant, div, int, mul, sub, unary, type Expr } from "../ir/expr.ts";
import { computeType, elementCount, type DType } from "../ir/dtype.ts";
import { coordinate, type Axis, type Block, type Kernel } from "../ir/kernel.ts";
import { axesOver, coordinates, KernelWriter, mapKernel, normaliseAxis, type OpCall, type OpDefinition } from "./define.ts"; // prettier-ignore
import { expectBroadcast, expectShape } from "./operandShape.ts";

/** The dtype of statistics over elements of `dtype`. */
export function workingType(dtype: DType): "float32" | "float64" {
  return computeType(dtype) === "f64" ? "float64" : "float32";
}

/** `body` once for each point of `axes`, the first outermost; axes of one iteration need no loop. */
export function loopOver(axes: readonly Axis[], body: readonly Block[]): readonly Block[] {
  return axes
    .filter((axis) => axis.extent !== 1)
    .reduceRight<readonly Block[]>(
      (inner, axis) => [{ kind: "loop", axis, carried: false, body: inner }],
      body,
    );
}

/** One output of the first input's type. */
export const sameType = (call: OpCall): { dtype: DType; shape: readonly number[] }[] => [call.input(0)];

/** A normalisation of blocks of the input, each by its own statistics. */
interface Statistics {
  readonly writer: KernelWriter;
  /** Loops around a block, and axes within it. */
  readonly outer: readonly Axis[];
  readonly inner: readonly Axis[];
  /** The point of the input at those axes. */
  readonly index: readonly Expr[];
  readonly epsilon: number;
  /** No mean is taken off (RMSNormalization). */
  readonly uncentred?: boolean;
  /** Ends with (x - mean) / (deviation + epsilon) rather than / sqrt(variance + epsilon). */
  readonly epsilonAfterRoot?: boolean;
  /** The output from the normalised element. */
  finish(normalised: Expr): Expr;
  /** Further assignments for each block, from its mean and inverse deviation. */
  also?(mean: Expr, inverse: Expr): readonly Block[];
}

const STATISTICS = ["mean", "inverse"] as const;

function statisticsTemps(dtype: DType): { name: string; dtype: DType; shape: readonly number[] }[] {
  return STATISTICS.map((name) => ({ name, dtype: workingType(dtype), shape: [] }));
}

/** Appends the loop: mean, inverse deviation, map. The writer must have {@link statisticsTemps}. */
function writeStatistics(form: Statistics): KernelWriter {
  const { writer, outer, inner, index } = form;
  const x = writer.load(0, index);
  const type = x.type;
  const count = constant(type, elementCount(inner.map((a) => a.extent)));
  const [mean, inverse] = [writer.temp("mean"), writer.temp("inverse")];
  const centre = form.uncentred ? x : sub(x, writer.loadFrom(mean, []));
  const epsilon = constant(type, form.epsilon);
  const variance = div(acc(type), count);
  const deviation = form.epsilonAfterRoot
    ? add(unary("sqrt", variance), epsilon)
    : unary("sqrt", add(variance, epsilon));
  const body: Block[] = [];
  if (!form.uncentred)
    body.push(writer.assign(mean, [], [], div(acc(type), count), { op: "sum", axes: inner, body: x }));
  body.push(
    writer.assign(inverse, [], [], div(constant(type, 1), deviation), {
      op: "sum",
      axes: inner,
      body: mul(centre, centre),
    }),
  );
  const scale = writer.loadFrom(inverse, []);
  body.push(...(form.also?.(writer.loadFrom(mean, []), scale) ?? []));
  if (writer.call.wants(0))
    body.push(writer.assign(writer.out(0), inner, index, form.finish(mul(centre, scale))));
  return writer.push(...loopOver(outer, body));
}

/** Axes before and from `axis` on. */
function splitAt(
  call: OpCall,
  otherwise: number,
): { axis: number; outer: Axis[]; inner: Axis[]; index: Expr[] } {
  const { shape } = call.input(0);
  const axis = normaliseAxis(call, call.int("axis", otherwise), shape.length);
  const axes = axesOver(shape, "i");
  return { axis, outer: axes.slice(0, axis), inner: axes.slice(axis), index: coordinates(axes) };
}

/** LayerNormalization, and with `simplified` the com.microsoft form without mean and bias. */
function layerNormalization(call: OpCall, simplified: boolean): Kernel {
  const { dtype } = call.input(0);
  const { axis, outer, inner, index } = splitAt(call, -1);
  const writer = new KernelWriter(call, statisticsTemps(dtype));
  // Shape of the statistics as outputs: the leading dimensions, then ones.
  const block = index.map((e, d) => (d < axis ? e : int(0)));
  const inverseOutput = simplified ? 1 : 2;
  return writeStatistics({
    writer,
    outer,
    inner,
    index,
    epsilon: call.float("epsilon", 1e-5),
    uncentred: simplified,
    finish(normalised) {
      const scaled = mul(normalised, writer.broadcast(1, index));
      return !simplified && call.has(2) ? add(scaled, writer.broadcast(2, index)) : scaled;
    },
    also: (mean, inverse) => [
      ...(!simplified && call.wants(1)
        ? [writer.assign(writer.out(1), [], block, statistic(call, 1, mean))]
        : []),
      ...(call.wants(inverseOutput)
        ? [writer.assign(writer.out(inverseOutput), [], block, statistic(call, inverseOutput, inverse))]
        : []),
    ],
  }).done();
}

/** A statistic in the compute type of the output that takes it (float32 for stash_type 1). */
function statistic(call: OpCall, position: number, value: Expr): Expr {
  const { dtype } = call.outputs[position]!;
  return computeType(dtype) === value.type ? value : cast(value, dtype);
}

function layerTypes(call: OpCall, statistics: number): { dtype: DType; shape: readonly number[] }[] {
  const { dtype, shape } = call.input(0);
  const axis = normaliseAxis(call, call.int("axis", -1), shape.length);
  const stash: DType = call.int("stash_type", 1) === 16 ? "bfloat16" : "float32";
  const block = shape.map((dim, d) => (d < axis ? dim : 1));
  return [{ dtype, shape }, ...Array.from({ length: statistics }, () => ({ dtype: stash, shape: block }))];
}

const layerNorm: OpDefinition = {
  op: "LayerNormalization",
  infer(call) {
    expectBroadcast(call, 1, "the scale", call.input(0).shape);
    expectBroadcast(call, 2, "the bias", call.input(0).shape);
    return layerTypes(call, 2);
  },
  implementation: { kind: "compute", build: (call) => layerNormalization(call, false) },
};

const rmsNorm: OpDefinition = {
  op: "RMSNormalization",
  infer(call) {
    expectBroadcast(call, 1, "the scale", call.input(0).shape);
    return layerTypes(call, 1);
  },
  implementation: { kind: "compute", build: (call) => layerNormalization(call, true) },
};

/** The form that onnxruntime's exporters write; it lives in ai.onnx by accident of history. */
const simplifiedLayerNorm: OpDefinition = { ...rmsNorm, op: "SimplifiedLayerNormalization" };

/** The input's type; with one scale and bias for each channel. */
function channelType(call: OpCall): { dtype: DType; shape: readonly number[] }[] {
  const { shape } = call.input(0);
  if (shape.length < 2) call.fail("shape-mismatch", `[${shape}] has no channels`);
  expectShape(call, 1, "the scale", [shape[1]!]);
  expectShape(call, 2, "the bias", [shape[1]!]);
  return sameType(call);
}

const instanceNorm: OpDefinition = {
  op: "InstanceNormalization",
  infer: channelType,
  implementation: {
    kind: "compute",
    build(call) {
      const axes = axesOver(call.input(0).shape, "i");
      const index = coordinates(axes);
      const writer = new KernelWriter(call, statisticsTemps(call.input(0).dtype));
      return writeStatistics({
        writer,
        outer: axes.slice(0, 2),
        inner: axes.slice(2),
        index,
        epsilon: call.float("epsilon", 1e-5),
        finish: (x) => add(mul(x, writer.load(1, [index[1]!])), writer.load(2, [index[1]!])),
      }).done();
    },
  },
};

const groupNorm: OpDefinition = {
  op: "GroupNormalization",
  infer: channelType,
  implementation: {
    kind: "compute",
    build(call: OpCall) {
      const { shape, dtype } = call.input(0);
      const groups = call.int("num_groups", 1);
      const channels = shape[1]!;
      if (groups < 1 || channels % groups !== 0)
        call.fail("attribute-invalid", `${channels} channels in ${groups} groups`);
      const batch: Axis = { name: "n", extent: shape[0]! };
      const group: Axis = { name: "g", extent: groups };
      const within: Axis = { name: "c", extent: channels / groups };
      const space = axesOver(shape.slice(2), "i");
      const channel = add(mul(coordinate(group), int(channels / groups)), coordinate(within));
      const index = [coordinate(batch), channel, ...coordinates(space)];
      const writer = new KernelWriter(call, statisticsTemps(dtype));
      return writeStatistics({
        writer,
        outer: [batch, group],
        inner: [within, ...space],
        index,
        epsilon: call.float("epsilon", 1e-5),
        finish: (x) => add(mul(x, writer.load(1, [channel])), writer.load(2, [channel])),
      }).done();
    },
  },
};

const meanVarianceNorm: OpDefinition = {
  op: "MeanVarianceNormalization",
  infer: sameType,
  implementation: {
    kind: "compute",
    build(call) {
      const { shape, dtype } = call.input(0);
      const over = new Set((call.ints("axes") ?? [0, 2, 3]).map((a) => normaliseAxis(call, a, shape.length)));
      const axes = axesOver(shape, "i");
      const writer = new KernelWriter(call, statisticsTemps(dtype));
      return writeStatistics({
        writer,
        outer: axes.filter((_, d) => !over.has(d)),
        inner: axes.filter((_, d) => over.has(d)),
        index: coordinates(axes),
        epsilon: 1e-9,
        epsilonAfterRoot: true,
        finish: (x) => x,
      }).done();
    },
  },
};

// ---------------------------------------------------------------------------------------------------------------
// BatchNormalization

/** Index of the channel of a point: dimension 1, or none for a tensor of rank 1. */
function channelOf(index: readonly Expr[]): Expr {
  return index.length > 1 ? index[1]! : int(0);
}

/** x * scale[channel] + shift[channel]: what is left of a batch normalisation once its statistics are known. */
const scaleShift: OpDefinition = {
  op: "ScaleShift",
  domain: "tilewright",
  infer: sameType,
  implementation: {
    kind: "compute",
    build: (call) =>
      mapKernel(call, (index, writer) => {
        const channel = [channelOf(index)];
        return add(mul(writer.load(0, index), writer.load(1, channel)), writer.load(2, channel));
      }),
  },
};

/** Training: statistics of this batch, and running ones moved towards them. */
function batchNormTraining(call: OpCall): Kernel {
  const { shape, dtype } = call.input(0);
  const axes = axesOver(shape, "i");
  const index = coordinates(axes);
  const channel = [channelOf(index)];
  const writer = new KernelWriter(call, statisticsTemps(dtype));
  const type = computeType(dtype);
  const momentum = call.float("momentum", 0.9);
  const epsilon = call.float("epsilon", 1e-5);
  const blend = (position: number, now: Expr): Expr =>
    add(
      mul(writer.load(position, channel), constant(type, momentum)),
      mul(now, constant(type, 1 - momentum)),
    );
  return writeStatistics({
    writer,
    outer: axes.filter((_, d) => d === 1),
    inner: axes.filter((_, d) => d !== 1),
    index,
    epsilon,
    finish: (x) => add(mul(x, writer.load(1, channel)), writer.load(2, channel)),
    also(mean) {
      const inner = axes.filter((_, d) => d !== 1);
      const centre = sub(writer.load(0, index), mean);
      const variance = div(acc(type), constant(type, elementCount(inner.map((a) => a.extent))));
      const squares = { op: "sum", axes: inner, body: mul(centre, centre) } as const;
      return [
        ...(call.wants(1) ? [writer.assign(writer.out(1), [], channel, blend(3, mean))] : []),
        ...(call.wants(2) ? [writer.assign(writer.out(2), [], channel, blend(4, variance), squares)] : []),
      ];
    },
  }).done();
}

const batchNorm: OpDefinition = {
  op: "BatchNormalization",
  infer(call) {
    const { shape } = call.input(0);
    const channels = shape.length > 1 ? shape[1]! : 1;
    for (const [i, what] of ["scale", "bias", "mean", "variance"].entries()) {
      expectShape(call, i + 1, `the ${what}`, [channels]);
    }
    const types: { dtype: DType; shape: readonly number[] }[] = [call.input(0)];
    if (call.int("training_mode", 0)) types.push(call.input(3), call.input(4));
    return types;
  },
  implementation: (call) =>
    call.int("training_mode", 0)
      ? { kind: "compute", build: batchNormTraining }
      : {
          kind: "expand",
          // The statistics become one factor and one term for each channel; with constants they fold away.
          expand(call, to) {
            const [x, scale, bias, mean, variance] = call.node.inputs as [
              string,
              string,
              string,
              string,
              string,
            ];
            const working = workingType(call.input(3).dtype);
            const wide = (id: string): string =>
              to.node("Cast", [id], { to: working === "float64" ? 11 : 1 });
            const epsilon = to.scalar(working, call.float("epsilon", 1e-5));
            const deviation = to.node("Sqrt", [to.node("Add", [wide(variance), epsilon])]);
            const factor = to.node("Div", [wide(scale), deviation]);
            const shift = to.node("Sub", [wide(bias), to.node("Mul", [wide(mean), factor])]);
            return [to.node("tilewright:ScaleShift", [x, factor, shift])];
          },
        },
};

export const normaliseOps: readonly OpDefinition[] = [
  layerNorm,
  rmsNorm,
  simplifiedLayerNorm,
  instanceNorm,
  groupNorm,
  meanVarianceNorm,
  scaleShift,
  batchNorm,
];
