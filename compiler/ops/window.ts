/**
 * Convolutions by a sliding window. In: a call with static types. Out: contractions over channels and
 * window positions (see contract.ts). Invariant: the input's index is affine in the axes; what lies outside the
 * input is read as 0, so the body has no test. Layouts are NC(D)(H)W and OI(D)(H)W, as in ONNX.
 */
import { add, mul, type Expr } from "../ir/expr.ts";
import { coordinate, type Axis } from "../ir/kernel.ts";
import { contraction } from "./contract.ts";
import { axesOver, coordinates, KernelWriter, type OpCall, type OpDefinition } from "./define.ts";
import { expectShape } from "./operandShape.ts";
import {
  channelsByGroup,
  mayLeave,
  windowCoordinate,
  windowGeometry,
  type WindowDim,
} from "./windowGeometry.ts";
import { windowPoolOps } from "./windowPool.ts";
import { windowTransposedOps } from "./windowTransposed.ts";

/** The axes and indices of a convolution by groups. */
export interface Convolution {
  readonly shape: readonly number[];
  readonly dims: readonly WindowDim[];
  readonly axes: readonly Axis[];
  readonly index: readonly Expr[];
  readonly reduced: readonly Axis[];
  /** Where the input is read; may leave its shape. */
  readonly source: readonly Expr[];
  readonly weight: readonly Expr[];
  /** The output channel. */
  readonly channel: Expr;
}

/** Geometry of a Conv-like call with input at `x` and weights at `w` (positions of inputs). */
export function convolution(call: OpCall, x = 0, w = 1): Convolution {
  const input = call.input(x).shape;
  const weights = call.input(w).shape;
  const group = call.int("group", 1);
  if (input.length < 3 || weights.length !== input.length) {
    call.fail("shape-mismatch", `convolution of [${input}] by [${weights}]`);
  }
  const channels = weights[0]!;
  const perGroup = weights[1]!;
  if (group < 1 || input[1] !== perGroup * group || channels % group !== 0) {
    call.fail("shape-mismatch", `${input[1]} channels by weights [${weights}] in ${group} groups`);
  }
  const kernel = call.ints("kernel_shape");
  if (kernel && kernel.join() !== weights.slice(2).join()) {
    call.fail("shape-mismatch", `kernel_shape [${kernel}] with weights [${weights}]`);
  }
  const dims = windowGeometry(call, input.slice(2), weights.slice(2));
  const batch: Axis = { name: "n", extent: input[0]! };
  const outAxes = axesOver(
    dims.map((d) => d.output),
    "o",
  );
  const windowAxes = axesOver(
    dims.map((d) => d.kernel),
    "k",
  );
  const { axes: channelAxes, channel, source, within } = channelsByGroup(group, channels / group, perGroup);
  const reduced = perGroup === 1 ? windowAxes : [within, ...windowAxes];
  return {
    shape: [input[0]!, channels, ...dims.map((d) => d.output)],
    dims,
    axes: [batch, ...channelAxes, ...outAxes],
    index: [coordinate(batch), channel, ...coordinates(outAxes)],
    reduced,
    source: [
      coordinate(batch),
      source,
      ...dims.map((dim, d) => windowCoordinate(dim, coordinate(outAxes[d]!), coordinate(windowAxes[d]!))),
    ],
    weight: [channel, coordinate(within), ...coordinates(windowAxes)],
    channel,
  };
}

const conv: OpDefinition = {
  op: "Conv",
  infer: (call) => [{ dtype: call.input(0).dtype, shape: convolution(call).shape }],
  implementation: {
    kind: "compute",
    build(call) {
      const { shape, axes, index, reduced, source, weight, channel } = convolution(call);
      expectShape(call, 2, "the bias", [shape[1]!]);
      const writer = new KernelWriter(call);
      const pad = mayLeave(source, call.input(0).shape) ? 0 : undefined;
      const body = mul(writer.load(0, source, pad), writer.load(1, weight));
      return contraction(writer, 0, axes, index, reduced, body, (sum) =>
        call.has(2) ? add(sum, writer.load(2, [channel])) : sum,
      ).done();
    },
  },
};

export const windowOps: readonly OpDefinition[] = [conv, ...windowTransposedOps, ...windowPoolOps];
