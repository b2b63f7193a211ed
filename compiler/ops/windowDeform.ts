/**
 * DeformConv: a convolution whose window positions are moved by offsets from data. In: a call with static types.
 * Out: one contraction whose input is sampled multilinearly. Invariant: coordinates from data are limited to just
 * outside the input, where reads give 0, so no offset can reach other memory. Source: ONNX operator documentation,
 * DeformConv (22); layout of offsets [N, offset_group * window * dims, ...], one per dimension, innermost.
 */
import { add, cast, constant, floordiv, int, max, min, mul, sub, unary, type Expr } from "../ir/expr.ts";
import { computeType, type DType } from "../ir/dtype.ts";
import { coordinate, type Axis, type Kernel } from "../ir/kernel.ts";
import { contraction } from "./contract.ts";
import { flatten, KernelWriter, type OpCall, type OpDefinition } from "./define.ts";
import { expectShape } from "./operandShape.ts";
import { convolution } from "./window.ts";
import { windowCoordinate } from "./windowGeometry.ts";

function build(call: OpCall): Kernel {
  const { dims, axes, index, reduced, source, weight, channel } = convolution(call);
  const { dtype, shape } = call.input(0);
  const writer = new KernelWriter(call);
  const type = computeType(dtype);
  const wide: DType = type === "f64" ? "float64" : "float32";
  const real = (value: number): Expr => constant(type, value);
  const groups = call.int("offset_group", 1);
  const kernel = dims.map((d) => d.kernel);
  const tapAxes = dims.map((dim, d): Axis => ({ name: `k${d}`, extent: dim.kernel }));
  const tap = flatten(kernel, tapAxes.map(coordinate));
  const taps = kernel.reduce((product, k) => product * k, 1);
  const [batch, channelIn] = source as [Expr, Expr];
  const offsetGroup = floordiv(channelIn, shape[1]! / groups);
  const at = add(mul(offsetGroup, int(taps)), tap);
  const space = index.slice(2);
  // Along each dimension: the element before the sample, and the sample's distance from it.
  const samples = dims.map((dim, d) => {
    const moved = writer.load(2, [batch, add(mul(at, int(dims.length)), int(d)), ...space]);
    const position = add(cast(windowCoordinate(dim, space[d]!, coordinate(tapAxes[d]!)), wide), moved);
    const limited = min(max(position, real(-2)), real(dim.input + 1));
    const before = unary("floor", limited);
    return { before: cast(cast(before, "int32"), "index"), distance: sub(limited, before) };
  });
  let sample: Expr | undefined;
  for (let corner = 0; corner < 2 ** dims.length; corner++) {
    const after = dims.map((_, d) => (corner >> d) & 1);
    const element = writer.load(
      0,
      [batch, channelIn, ...samples.map((s, d) => add(s.before, int(after[d]!)))],
      0,
    );
    const share = samples
      .map((s, d) => (after[d] ? s.distance : sub(real(1), s.distance)))
      .reduce((product, part) => mul(product, part));
    sample = sample ? add(sample, mul(share, element)) : mul(share, element);
  }
  const masked = call.has(4) ? mul(sample!, writer.load(4, [batch, at, ...space])) : sample!;
  return contraction(writer, 0, axes, index, reduced, mul(masked, writer.load(1, weight)), (sum) =>
    call.has(3) ? add(sum, writer.load(3, [channel])) : sum,
  ).done();
}

const deformConv: OpDefinition = {
  op: "DeformConv",
  infer(call) {
    const { shape, dims } = convolution(call);
    const groups = call.int("offset_group", 1);
    const taps = dims.reduce((product, d) => product * d.kernel, 1);
    const expected = [shape[0], groups * taps * dims.length, ...shape.slice(2)];
    if (
      groups < 1 ||
      call.input(0).shape[1]! % groups !== 0 ||
      call.input(2).shape.join() !== expected.join()
    ) {
      call.fail("shape-mismatch", `offsets [${call.input(2).shape}] where [${expected}] is needed`);
    }
    expectShape(call, 3, "the bias", [shape[1]!]);
    expectShape(call, 4, "the mask", [shape[0]!, groups * taps, ...shape.slice(2)]);
    return [{ dtype: call.input(0).dtype, shape }];
  },
  implementation: { kind: "compute", build },
};

export const windowDeformOps: readonly OpDefinition[] = [deformConv];
