/**
 * The geometry of sliding windows: where the window of an output position reads its input. In: the spatial sizes
 * and the attributes that convolutions and pools share (kernel_shape, strides, pads, dilations, auto_pad,
 * ceil_mode). Out: one record per spatial dimension, and index expressions made from it. Invariant: `output` is
 * what the operator declares, so a window may reach outside the input only by the pads or by ceil_mode.
 * Source: ONNX operator documentation, Conv and MaxPool.
 */
import { add, and, binary, int, mul, sub, TRUE, type Expr } from "../ir/expr.ts";
import { range } from "../ir/range.ts";
import { coordinate, type Axis } from "../ir/kernel.ts";
import type { OpCall } from "./define.ts";

/** One spatial dimension of a window; all in elements. */
export interface WindowDim {
  readonly input: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padBefore: number;
  readonly padAfter: number;
  readonly output: number;
}

/** A per-dimension integer attribute, checked for length and sign. */
export function perDimension(
  call: OpCall,
  name: string,
  count: number,
  otherwise: number,
  least: number,
): number[] {
  const values = call.ints(name) ?? new Array<number>(count).fill(otherwise);
  if (values.length !== count || values.some((v) => !Number.isInteger(v) || v < least)) {
    call.fail(
      "attribute-invalid",
      `${name} is [${values}]: expected ${count} integers, each at least ${least}`,
    );
  }
  return [...values];
}

/**
 * The window of a convolution or pool.
 * @param spatial spatial sizes of the input
 * @param kernel window sizes, as many
 */
export function windowGeometry(
  call: OpCall,
  spatial: readonly number[],
  kernel: readonly number[],
): WindowDim[] {
  const rank = spatial.length;
  if (kernel.length !== rank || kernel.some((k) => k < 1)) {
    call.fail("attribute-invalid", `window [${kernel}] over ${rank} spatial dimensions`);
  }
  const strides = perDimension(call, "strides", rank, 1, 1);
  const dilations = perDimension(call, "dilations", rank, 1, 1);
  const pads = call.ints("pads") ?? new Array<number>(2 * rank).fill(0);
  if (pads.length !== 2 * rank)
    call.fail("attribute-invalid", `pads [${pads}] for ${rank} spatial dimensions`);
  const autoPad = call.string("auto_pad", "NOTSET");
  const ceil = call.int("ceil_mode", 0) !== 0;
  return spatial.map((input, d) => {
    const stride = strides[d]!;
    const dilation = dilations[d]!;
    const reach = dilation * (kernel[d]! - 1) + 1;
    let before = 0;
    let after = 0;
    let output: number;
    if (autoPad === "SAME_UPPER" || autoPad === "SAME_LOWER") {
      output = Math.ceil(input / stride);
      const total = Math.max(0, (output - 1) * stride + reach - input);
      before = autoPad === "SAME_UPPER" ? Math.floor(total / 2) : Math.ceil(total / 2);
      after = total - before;
    } else {
      if (autoPad !== "VALID") {
        before = pads[d]!;
        after = pads[d + rank]!;
      }
      const span = input + before + after - reach;
      output = (ceil ? Math.ceil(span / stride) : Math.floor(span / stride)) + 1;
      // A window that would start in the padding after the input is dropped (ONNX 1.16, as PyTorch does).
      if (ceil && (output - 1) * stride >= input + before) output--;
    }
    if (output < 0) output = 0;
    return { input, kernel: kernel[d]!, stride, dilation, padBefore: before, padAfter: after, output };
  });
}

/** Input coordinate along a dimension, for the output position `o` and window position `k`. */
export function windowCoordinate(dim: WindowDim, o: Expr, k: Expr): Expr {
  return sub(add(mul(o, int(dim.stride)), mul(k, int(dim.dilation))), int(dim.padBefore));
}

/** Whether some coordinate of `index` may fall outside `shape`. */
export function mayLeave(index: readonly Expr[], shape: readonly number[]): boolean {
  return index.some((e, d) => {
    const [low, high] = range(e);
    return low < 0 || high >= shape[d]!;
  });
}

/** The condition that `index` lies within `shape`. */
export function inBounds(index: readonly Expr[], shape: readonly number[]): Expr {
  let inside: Expr = TRUE();
  index.forEach((e, d) => {
    inside = and(inside, and(binary("ge", e, int(0)), binary("lt", e, int(shape[d]!))));
  });
  return inside;
}

/** The channel axes of a grouped convolution. */
export interface GroupedChannels {
  /** Over the output channels: no group axis for one group, no channel axis for one channel in each group. */
  readonly axes: readonly Axis[];
  /** The output channel, and its place within the group. */
  readonly channel: Expr;
  readonly channelInGroup: Expr;
  /** Over the input channels of a group, and the input channel. */
  readonly within: Axis;
  readonly source: Expr;
}

/** @param suffix keeps axis names apart where one kernel has several convolutions */
export function channelsByGroup(
  group: number,
  outputs: number,
  inputs: number,
  suffix = "",
): GroupedChannels {
  const g: Axis = { name: `g${suffix}`, extent: group };
  const co: Axis = { name: `co${suffix}`, extent: outputs };
  const within: Axis = { name: `ci${suffix}`, extent: inputs };
  return {
    axes: group === 1 ? [co] : outputs === 1 ? [g] : [g, co],
    channel: add(mul(coordinate(g), int(outputs)), coordinate(co)),
    channelInGroup: coordinate(co),
    within,
    source: add(mul(coordinate(g), int(inputs)), coordinate(within)),
  };
}
