/**
 * Col2Im: overlapping patches summed back into an image. In: [N, C * patch, L] and the shapes of image and patch.
 * Out: one reduction over the positions in a patch. Invariant: it gathers (each image element sums the patches that
 * cover it), so nothing is written twice. Source: ONNX operator Col2Im (version 18).
 */
import { elementCount } from "../ir/dtype.ts";
import {
  acc,
  add,
  eq,
  floordiv,
  floormod,
  ge,
  int,
  lt,
  max,
  min,
  mul,
  select,
  sub,
  type Expr,
} from "../ir/expr.ts";
import { coordinate, type Kernel } from "../ir/kernel.ts";
import { axesOver, coordinates, flatten, KernelWriter, type OpCall, type OpDefinition } from "./define.ts";
import { all, number, requireNumeric } from "./elementwise.ts";

export interface Patches {
  readonly image: readonly number[];
  readonly patch: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly before: readonly number[];
  /** Patches along each image axis. */
  readonly counts: readonly number[];
}

/** The patches that a Col2Im adds up. */
export function patchesOf(call: OpCall): Patches {
  const image = call.integers(1);
  const patch = call.integers(2);
  const strides = call.ints("strides", new Array<number>(image.length).fill(1));
  const dilations = call.ints("dilations", new Array<number>(image.length).fill(1));
  const pads = call.ints("pads", new Array<number>(2 * image.length).fill(0));
  const counts = image.map((extent, d) => {
    const room = extent + pads[d]! + pads[d + image.length]! - dilations[d]! * (patch[d]! - 1) - 1;
    return Math.floor(room / strides[d]!) + 1;
  });
  return { image, patch, strides, dilations, before: pads.slice(0, image.length), counts };
}

function col2im(call: OpCall): Kernel {
  const { image, patch, strides, dilations, before, counts } = patchesOf(call);
  const writer = new KernelWriter(call);
  const axes = axesOver(call.outputs[0]!.shape, "i");
  const index = coordinates(axes);
  const patchAxes = axesOver(patch, "k");
  const within = patchAxes.map(coordinate);
  const covers: Expr[] = [];
  const origin = image.map((_, d) => {
    const at = add(sub(index[d + 2]!, mul(within[d]!, int(dilations[d]!))), int(before[d]!));
    const which = floordiv(at, strides[d]!);
    covers.push(eq(floormod(at, strides[d]!), int(0)), ge(which, int(0)), lt(which, int(counts[d]!)));
    return min(max(which, int(0)), int(counts[d]! - 1));
  });
  const channel = add(mul(index[1]!, int(elementCount(patch))), flatten(patch, within));
  const x = writer.load(0, [index[0]!, channel, flatten(counts, origin)]);
  const body = select(all(covers), x, number(x, 0));
  return writer.store(0, axes, index, acc(body.type), { op: "sum", axes: patchAxes, body }).done();
}

export const foldOps: readonly OpDefinition[] = [
  {
    op: "Col2Im",
    infer: (call) => {
      const [batch, rows, length] = call.input(0).shape as [number, number, number];
      const { image, patch, counts } = patchesOf(call);
      const channels = rows / elementCount(patch);
      if (!Number.isInteger(channels) || elementCount(counts) !== length || counts.some((n) => n < 1)) {
        call.fail(
          "shape-mismatch",
          `[${call.input(0).shape}] does not hold patches [${patch}] of an image [${image}]`,
        );
      }
      return [{ dtype: requireNumeric(call, 0), shape: [batch, channels, ...image] }];
    },
    implementation: { kind: "compute", build: col2im },
  },
];
