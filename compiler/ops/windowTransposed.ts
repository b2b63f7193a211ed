/**
 * ConvTranspose in gather form. In: a call with static types. Out: one contraction for each phase, that is for
 * each residue of the output position modulo the stride. Invariant: output o gathers the inputs i and taps k with
 * stride * i + dilation * k = o + pad; for one residue of o + pad those taps are an arithmetic sequence, so within
 * a phase every index is affine and no product with an inserted zero is ever formed.
 * Source: ONNX operator documentation, ConvTranspose.
 */
import { add, constant, floordiv, floormod, int, mul, sub, type Expr } from "../ir/expr.ts";
import { computeType } from "../ir/dtype.ts";
import { coordinate, type Axis, type Kernel } from "../ir/kernel.ts";
import { contraction } from "./contract.ts";
import { axesOver, coordinates, KernelWriter, type OpCall, type OpDefinition } from "./define.ts";
import { expectShape } from "./operandShape.ts";
import { channelsByGroup, mayLeave, perDimension, type GroupedChannels } from "./windowGeometry.ts";

export interface TransposedDim {
  readonly input: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padBefore: number;
  readonly output: number;
}

export function transposedGeometry(call: OpCall): TransposedDim[] {
  const input = call.input(0).shape;
  const weights = call.input(1).shape;
  const group = call.int("group", 1);
  if (
    input.length < 3 ||
    group < 1 ||
    weights.length !== input.length ||
    input[1] !== weights[0] ||
    input[1]! % group !== 0
  ) {
    call.fail("shape-mismatch", `transposed convolution of [${input}] by [${weights}] in ${group} groups`);
  }
  expectShape(call, 2, "the bias", [weights[1]! * group]);
  const rank = input.length - 2;
  const strides = perDimension(call, "strides", rank, 1, 1);
  const dilations = perDimension(call, "dilations", rank, 1, 1);
  const extra = perDimension(call, "output_padding", rank, 0, 0);
  const pads = call.ints("pads") ?? new Array<number>(2 * rank).fill(0);
  const wanted = call.ints("output_shape");
  if (pads.length !== 2 * rank || (wanted && wanted.length < rank)) {
    call.fail(
      "attribute-invalid",
      `pads [${pads}] or output_shape [${wanted ?? []}] for ${rank} spatial dimensions`,
    );
  }
  const autoPad = call.string("auto_pad", "NOTSET");
  return Array.from({ length: rank }, (_, d) => {
    const size = input[d + 2]!;
    const kernel = weights[d + 2]!;
    const stride = strides[d]!;
    const dilation = dilations[d]!;
    const full = stride * (size - 1) + extra[d]! + (kernel - 1) * dilation + 1;
    let output: number;
    let padBefore: number;
    if (wanted || autoPad === "SAME_UPPER" || autoPad === "SAME_LOWER") {
      // output_shape may also list the batch and channel sizes.
      output = wanted ? wanted[d + wanted.length - rank]! : size * stride;
      const total = Math.max(0, full - output);
      // The odd element of the total goes after the data for SAME_UPPER, before it otherwise.
      padBefore = autoPad === "SAME_UPPER" ? Math.floor(total / 2) : Math.ceil(total / 2);
    } else {
      padBefore = autoPad === "VALID" ? 0 : pads[d]!;
      output = full - padBefore - (autoPad === "VALID" ? 0 : pads[d + rank]!);
    }
    return { input: size, kernel, stride, dilation, padBefore, output };
  });
}

/** One residue of output positions modulo the stride. */
interface Phase {
  /** Output positions are stride * q + offset for q in 0..count-1. */
  readonly count: number;
  readonly offset: number;
  /** Window positions are kernelStep * j + kernelFirst for j in 0..taps-1. */
  readonly taps: number;
  readonly kernelFirst: number;
  readonly kernelStep: number;
  /** They read input position q + sourceFirst - sourceStep * j. */
  readonly sourceFirst: number;
  readonly sourceStep: number;
}

function phasesOf(dim: TransposedDim): Phase[] {
  const { stride, dilation, kernel, padBefore, output } = dim;
  let common = stride;
  for (let b = dilation; b;) [common, b] = [b, common % b];
  const phases: Phase[] = [];
  for (let offset = 0; offset < Math.min(stride, output); offset++) {
    const kernelStep = stride / common;
    let kernelFirst = 0;
    while (
      kernelFirst < Math.min(kernelStep, kernel) &&
      (offset + padBefore - dilation * kernelFirst) % stride !== 0
    )
      kernelFirst++;
    const met = kernelFirst < kernelStep && kernelFirst < kernel;
    phases.push({
      count: Math.ceil((output - offset) / stride),
      offset,
      taps: met ? Math.ceil((kernel - kernelFirst) / kernelStep) : 0,
      kernelFirst,
      kernelStep,
      sourceFirst: (offset + padBefore - dilation * kernelFirst) / stride,
      sourceStep: dilation / common,
    });
  }
  return phases;
}

/** Past this many phases the code is not worth its size: one assignment finds its phase by index arithmetic. */
const MOST_PHASES = 64;

function build(call: OpCall): Kernel {
  const dims = transposedGeometry(call);
  const writer = new KernelWriter(call);
  const perDim = dims.map(phasesOf);
  const combinations = perDim.reduce((count, phases) => count * phases.length, 1);
  if (combinations > MOST_PHASES && dims.every((d) => d.dilation === 1))
    return buildGuarded(call, dims, writer);
  for (let combination = 0; combination < combinations; combination++) {
    let rest = combination;
    const phases = perDim.map((options) => {
      const phase = options[rest % options.length]!;
      rest = Math.floor(rest / options.length);
      return phase;
    });
    writePhase(call, dims, writer, phases, combinations === 1 ? "" : `_${combination}`);
  }
  return writer.done();
}

function channelsOf(call: OpCall, suffix: string): GroupedChannels {
  const group = call.int("group", 1);
  return channelsByGroup(group, call.input(1).shape[1]!, call.input(0).shape[1]! / group, suffix);
}

function writePhase(
  call: OpCall,
  dims: readonly TransposedDim[],
  writer: KernelWriter,
  phases: readonly Phase[],
  suffix: string,
): void {
  const { axes: channelAxes, channel, channelInGroup, within, source } = channelsOf(call, suffix);
  const batch: Axis = { name: `n${suffix}`, extent: call.input(0).shape[0]! };
  const outAxes = phases.map((phase, d) => ({ name: `o${d}${suffix}`, extent: phase.count }));
  const tapAxes = phases.map((phase, d) => ({ name: `k${d}${suffix}`, extent: phase.taps }));
  const affine = (axis: Axis, step: number, first: number): Expr =>
    add(mul(coordinate(axis), int(step)), int(first));
  const axes = [batch, ...channelAxes, ...outAxes];
  const position = phases.map((phase, d) => affine(outAxes[d]!, dims[d]!.stride, phase.offset));
  const index = [coordinate(batch), channel, ...position];
  const biased = (sum: Expr): Expr => (call.has(2) ? add(sum, writer.load(2, [channel])) : sum);
  if (phases.some((phase) => phase.taps === 0)) {
    writer.store(0, axes, index, biased(constant(computeType(call.input(0).dtype), 0)));
    return;
  }
  // Taps run from last to first, so that the input is read forwards, as by an ordinary convolution.
  const from = [
    coordinate(batch),
    source,
    ...phases.map(({ taps, sourceFirst, sourceStep }, d) =>
      add(coordinate(outAxes[d]!), affine(tapAxes[d]!, sourceStep, sourceFirst - sourceStep * (taps - 1))),
    ),
  ];
  const weight = [
    source,
    channelInGroup,
    ...phases.map(({ taps, kernelFirst, kernelStep }, d) =>
      affine(tapAxes[d]!, -kernelStep, kernelFirst + kernelStep * (taps - 1)),
    ),
  ];
  const pad = mayLeave(from, call.input(0).shape) ? 0 : undefined;
  const reduced = within.extent === 1 ? tapAxes : [within, ...tapAxes];
  contraction(
    writer,
    0,
    axes,
    index,
    reduced,
    mul(writer.load(0, from, pad), writer.load(1, weight)),
    biased,
  );
}

/** All phases at once, for wide strides: the phase is (o + pad) mod stride, taps past the window read 0. */
function buildGuarded(call: OpCall, dims: readonly TransposedDim[], writer: KernelWriter): Kernel {
  const { axes: channelAxes, channel, channelInGroup, within, source } = channelsOf(call, "");
  const batch: Axis = { name: "n", extent: call.input(0).shape[0]! };
  const outAxes = axesOver(dims.map((d) => d.output), "o"); // prettier-ignore
  const tapAxes = axesOver(dims.map((d) => Math.ceil(d.kernel / d.stride)), "k"); // prettier-ignore
  const shifted = dims.map((dim, d) => add(coordinate(outAxes[d]!), int(dim.padBefore)));
  const from = dims.map((dim, d) => sub(floordiv(shifted[d]!, dim.stride), coordinate(tapAxes[d]!)));
  const taps = dims.map((dim, d) =>
    add(floormod(shifted[d]!, dim.stride), mul(coordinate(tapAxes[d]!), int(dim.stride))),
  );
  const body = mul(
    writer.load(0, [coordinate(batch), source, ...from], 0),
    writer.load(1, [source, channelInGroup, ...taps], 0),
  );
  const index = [coordinate(batch), channel, ...coordinates(outAxes)];
  const axes = [batch, ...channelAxes, ...outAxes];
  return contraction(writer, 0, axes, index, [within, ...tapAxes], body, (sum) =>
    call.has(2) ? add(sum, writer.load(2, [channel])) : sum,
  ).done();
}

const convTranspose: OpDefinition = {
  op: "ConvTranspose",
  infer(call) {
    const spatial = transposedGeometry(call).map((d) => d.output);
    const channels = call.input(1).shape[1]! * call.int("group", 1);
    return [{ dtype: call.input(0).dtype, shape: [call.input(0).shape[0]!, channels, ...spatial] }];
  },
  implementation: { kind: "compute", build },
};

export const windowTransposedOps: readonly OpDefinition[] = [convTranspose];
