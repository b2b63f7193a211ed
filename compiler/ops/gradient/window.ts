/**
 * Derivatives of convolutions and pools. In: uses of these operators. Out: their gradients, which are convolutions
 * and scatters. Invariant: what the windows of the operator read is what its gradient writes; a window that reaches
 * into the padding gives nothing back for it.
 */
import { elementCount, type Tensor } from "../../ir/dtype.ts";
import type { ValueId } from "../../ir/graph.ts";
import type { Expander, OpCall } from "../define.ts";
import { convolution } from "../window.ts";
import { windowGeometry, type WindowDim } from "../windowGeometry.ts";
import { transposedGeometry } from "../windowTransposed.ts";
import type { Differential, OperatorGradient, Rule } from "./differential.ts";

/** What a window dimension of a convolution and of its transpose have in common. */
type Dim = Pick<WindowDim, "input" | "kernel" | "stride" | "dilation" | "padBefore" | "output">;

/** Spreads `small` by the windows of a convolution over its input: the transpose with respect to the input. */
function spread(
  d: Differential,
  small: ValueId,
  weight: ValueId,
  dims: readonly Dim[],
  group: number,
): ValueId {
  // prettier-ignore
  const after = dims.map(({ input, kernel, stride, dilation, padBefore, output }) => {
    const full = stride * (output - 1) + (kernel - 1) * dilation + 1;
    return full - padBefore - input; // negative where no window reaches the end
  });
  return d.to.node("ConvTranspose", [small, weight], {
    strides: dims.map((dim) => dim.stride),
    dilations: dims.map((dim) => dim.dilation),
    pads: [...dims.map((dim) => dim.padBefore), ...after],
    group,
  });
}

/**
 * What each tap of the windows has seen: the transpose of a convolution with respect to its weights.
 *
 * @param wide what the windows read, [N, G * A, input...]
 * @param narrow one element for each window, [N, G * B, output...]
 * @returns [G * B, A, kernel...]
 */
function gather(
  d: Differential,
  wide: ValueId,
  narrow: ValueId,
  dims: readonly Dim[],
  group: number,
): ValueId {
  // prettier-ignore
  const [batch, channels, ...space] = d.shapeOf(wide) as [number, number, ...number[]];
  const per = channels / group;
  const axes = space.map((_, i) => i);
  // Batches are summed as channels are, and the channels of a group stand where batches stood.
  const byGroup = d.reshape(wide, [batch, group, per, ...space]);
  const turned = d.transpose(byGroup, [2, 1, 0, ...axes.map((i) => i + 3)]);
  const input = d.reshape(turned, [per, group * batch, ...space]);
  const weight = d.transpose(narrow, [1, 0, ...axes.map((i) => i + 2)]);
  const after = dims.map(({ input, kernel, stride, dilation, padBefore, output }) => {
    return (kernel - 1) * dilation + (output - 1) * stride + 1 - input - padBefore;
  });
  const taps = d.to.node("Conv", [input, weight], {
    strides: dims.map((dim) => dim.dilation),
    dilations: dims.map((dim) => dim.stride),
    pads: [...dims.map((dim) => dim.padBefore), ...after],
    group,
  });
  return d.transpose(taps, [1, 0, ...axes.map((i) => i + 2)]);
}

/** Sums over all but the channels. */
const perChannel = (d: Differential, value: ValueId): ValueId =>
  d.sum(value, d.shapeOf(value).flatMap((_, i) => (i === 1 ? [] : [i])), 0); // prettier-ignore

const conv: Rule = (d) => {
  const { dims } = convolution(d.call);
  const group = d.call.int("group", 1);
  return d.each((i) => {
    if (i === 2) return perChannel(d, d.dy());
    return i === 0 ? spread(d, d.dy(), d.x(1), dims, group) : gather(d, d.x(), d.dy(), dims, group);
  });
};

const convTranspose: Rule = (d) => {
  // As a convolution it reads its output and writes its input.
  const dims = transposedGeometry(d.call).map((dim): Dim => ({ ...dim, input: dim.output, output: dim.input })); // prettier-ignore
  const group = d.call.int("group", 1);
  return d.each((i) => {
    if (i === 2) return perChannel(d, d.dy());
    if (i === 1) return gather(d, d.dy(), d.x(), dims, group);
    const after = dims.map(({ input, kernel, stride, dilation, padBefore, output }) => {
      return stride * (output - 1) + (kernel - 1) * dilation + 1 - input - padBefore;
    });
    return d.to.node("Conv", [d.dy(), d.x(1)], {
      strides: dims.map((dim) => dim.stride),
      dilations: dims.map((dim) => dim.dilation),
      pads: [...dims.map((dim) => dim.padBefore), ...after],
      group,
    });
  });
};

/** Each window's gradient goes to the element that was its maximum. */
const maxPool: Rule = (d) => {
  const { shape, dtype } = d.call.input(0);
  const attributes = Object.fromEntries(d.call.node.attributes);
  const [, places] = d.to.nodes("MaxPool", [d.x()], 2, { ...attributes, storage_order: 0 });
  const count = shape.reduce((product, dim) => product * dim, 1);
  const windows = d.call.outputs[0]!.shape.reduce((product, dim) => product * dim, 1);
  const flat = d.to.node(
    "ScatterElements",
    [d.fill([count], dtype, 0), d.reshape(places!, [windows]), d.reshape(d.dy(), [windows])],
    { reduction: "add" },
  );
  return [d.reshape(flat, shape)];
};

/** How many elements each window counts along one dimension. */
function counted(dim: WindowDim, withPadding: boolean): number[] {
  const low = withPadding ? -dim.padBefore : 0;
  const high = dim.input + (withPadding ? dim.padAfter : 0);
  return Array.from({ length: dim.output }, (_, o) => {
    let count = 0;
    for (let k = 0; k < dim.kernel; k++) {
      const at = o * dim.stride - dim.padBefore + k * dim.dilation;
      if (at >= low && at < high) count++;
    }
    return count;
  });
}

const averagePool: Rule = (d) => {
  const { shape, dtype } = d.call.input(0);
  const kernel = d.call.ints("kernel_shape")!;
  const dims = windowGeometry(d.call, shape.slice(2), kernel);
  const withPadding = d.call.int("count_include_pad", 0) !== 0;
  let share = d.dy();
  dims.forEach((dim, i) => {
    const data = Float32Array.from(counted(dim, withPadding));
    const along = dims.map((_, k) => (k === i ? data.length : 1));
    const counts: Tensor = { dtype: "float32", shape: [1, 1, ...along], data };
    share = d.div(share, d.to.node("CastLike", [d.to.constant(counts), share]));
  });
  return [spread(d, share, d.fill([shape[1]!, 1, ...kernel], dtype, 1), dims, shape[1]!)];
};

/** A pool over all of space, as the reduction that it is. */
function global(reduction: string): OperatorGradient {
  return {
    expand: (call, to) => {
      const axes = call.input(0).shape.flatMap((_, i) => (i < 2 ? [] : [i]));
      return [axes.length ? to.node(reduction, [call.node.inputs[0]!, to.integers(axes)]) : call.node.inputs[0]!];
    },
  };
} // prettier-ignore

/** The root of a sum of powers: over all of space, or over windows, as a convolution with ones. */
function rootOfPowers(sumOf: (call: OpCall, to: Expander, powers: ValueId) => ValueId): OperatorGradient {
  return {
    expand: (call, to) => {
      const { dtype } = call.input(0);
      const p = call.int("p", 2);
      const size = to.node("Abs", [call.node.inputs[0]!]);
      const sum = sumOf(call, to, to.node("Pow", [size, to.scalar(dtype, p)]));
      return [to.node("Pow", [sum, to.scalar(dtype, 1 / p)])];
    },
  };
}

const lpPool = rootOfPowers((call, to, powers) => {
  const { dtype, shape } = call.input(0);
  const kernel = call.ints("kernel_shape")!;
  const dims = windowGeometry(call, shape.slice(2), kernel);
  const ones = to.node("Expand", [to.scalar(dtype, 1), to.integers([shape[1]!, 1, ...kernel])]);
  const after = dims.map(({ input, kernel: taps, stride, dilation, padBefore, output }) => {
    return (taps - 1) * dilation + (output - 1) * stride + 1 - input - padBefore;
  });
  return to.node("Conv", [powers, ones], {
    strides: dims.map((dim) => dim.stride),
    dilations: dims.map((dim) => dim.dilation),
    pads: [...dims.map((dim) => dim.padBefore), ...after],
    group: shape[1]!,
  });
});

const globalLpPool = rootOfPowers((call, to, powers) => {
  const axes = call.input(0).shape.flatMap((_, i) => (i < 2 ? [] : [i]));
  return axes.length ? to.node("ReduceSum", [powers, to.integers(axes)]) : powers;
});

/** Each element went to the place that its index names. */
const maxUnpool: Rule = (d) => {
  const flat = d.reshape(d.dy(), [elementCount(d.call.outputs[0]!.shape)]);
  return [d.to.node("Gather", [flat, d.x(1)])];
};

export const windowGradients: Readonly<Record<string, OperatorGradient>> = {
  Conv: { rule: conv },
  ConvTranspose: { rule: convTranspose },
  MaxPool: { rule: maxPool },
  AveragePool: { rule: averagePool },
  LpPool: lpPool,
  MaxUnpool: { rule: maxUnpool },
  GlobalLpPool: globalLpPool,
  GlobalAveragePool: global("ReduceMean"),
  GlobalMaxPool: global("ReduceMax"),
};
