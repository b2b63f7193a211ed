/**
 * Pad in every mode, and CenterCropPad. In: a tensor; amounts known at compile time, negative ones crop. Out: maps
 * of one load: constant padding by the load's own pad value, the other modes by index arithmetic that stays inside.
 * Invariant: `edge`, `reflect` and `wrap` use no division while the padding is shorter than the tensor.
 */
import { add, floormod, ge, int, lt, max, min, mul, select, sub, type Expr } from "../ir/expr.ts";
import type { Kernel } from "../ir/kernel.ts";
import { mapKernel, normaliseAxis, type OpCall, type OpDefinition } from "./define.ts";
import { all, knownNumber, operand, requireNumeric } from "./elementwise.ts";

/** Elements added before and after each dimension. */
interface Amounts {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

export function padAmounts(call: OpCall): Amounts {
  const rank = call.input(0).shape.length;
  const pads = call.integers(1);
  const axes = call.has(3)
    ? call.integers(3).map((axis) => normaliseAxis(call, axis, rank))
    : Array.from({ length: rank }, (_, d) => d);
  if (pads.length !== 2 * axes.length)
    call.fail("shape-mismatch", `${pads.length} pads for ${axes.length} axes`);
  const before = new Array<number>(rank).fill(0);
  const after = new Array<number>(rank).fill(0);
  axes.forEach((axis, i) => {
    before[axis] = pads[i]!;
    after[axis] = pads[i + axes.length]!;
  });
  return { before, after };
}

function paddedShape(call: OpCall): number[] {
  const { before, after } = padAmounts(call);
  return call.input(0).shape.map((dim, d) => {
    const padded = dim + before[d]! + after[d]!;
    if (padded < 0) call.fail("shape-mismatch", `axis ${d} of ${dim} is cropped to ${padded}`);
    return padded;
  });
}

/** Position `at`, which may lie outside 0..extent-1, mirrored at both ends without repeating them. */
function reflected(at: Expr, extent: number, reach: number): Expr {
  if (extent === 1) return int(0);
  const period = 2 * (extent - 1);
  // Within one period, folding at 0 and then at the far end is enough.
  const folded = reach < extent ? max(at, mul(at, int(-1))) : floormod(at, period);
  return min(folded, sub(int(period), folded));
}

function wrapped(at: Expr, extent: number, reach: number): Expr {
  if (reach > extent) return floormod(at, extent);
  const high = select(ge(at, int(extent)), sub(at, int(extent)), at);
  return select(lt(at, int(0)), add(at, int(extent)), high);
}

function pad(call: OpCall): Kernel {
  const { shape } = call.input(0);
  const { before, after } = padAmounts(call);
  const mode = call.string("mode", "constant");
  return mapKernel(call, (index, writer) => {
    const shifted = index.map((at, d) => sub(at, int(before[d]!)));
    if (mode === "constant") {
      if (before.every((n) => n <= 0) && after.every((n) => n <= 0)) return writer.load(0, shifted);
      const value = call.has(2) ? knownNumber(call.peek(2)) : 0;
      // A load's pad is a plain number; a value that is not known, or not exact as one, is chosen by a test.
      if (typeof value === "number" || (value !== undefined && BigInt(Number(value)) === value)) {
        return writer.load(0, shifted, Number(value));
      }
      const inside = all(shifted.flatMap((at, d) => [ge(at, int(0)), lt(at, int(shape[d]!))]));
      return select(inside, writer.load(0, shifted, 0), operand(writer, 2, []));
    }
    const source = shifted.map((at, d) => {
      const reach = Math.max(before[d]!, after[d]!);
      if (reach <= 0) return at;
      if (shape[d] === 0) call.fail("shape-mismatch", `mode ${mode} on an empty axis`);
      if (mode === "edge") return min(max(at, int(0)), int(shape[d]! - 1));
      if (mode === "reflect") return reflected(at, shape[d]!, reach);
      if (mode === "wrap") return wrapped(at, shape[d]!, reach);
      return call.fail("attribute-invalid", `mode ${mode}`);
    });
    return writer.load(0, source);
  });
}

/** Where the output's first element lies in the input, per dimension; before it when padding. */
export function centreOffsets(call: OpCall, target: readonly number[]): number[] {
  return call.input(0).shape.map((dim, d) => {
    const size = target[d]!;
    return dim > size ? Math.floor((dim - size) / 2) : -Math.floor((size - dim) / 2);
  });
}

function centreShape(call: OpCall): number[] {
  const { shape } = call.input(0);
  const sizes = call.integers(1);
  const axes =
    call.ints("axes")?.map((axis) => normaliseAxis(call, axis, shape.length)) ?? shape.map((_, d) => d);
  if (axes.length !== sizes.length)
    call.fail("shape-mismatch", `${sizes.length} sizes for ${axes.length} axes`);
  const target = [...shape];
  axes.forEach((axis, i) => (target[axis] = sizes[i]!));
  return target;
}

export const padOps: readonly OpDefinition[] = [
  {
    op: "Pad",
    infer: (call) => [{ dtype: requireNumeric(call, 0), shape: paddedShape(call) }],
    implementation: { kind: "compute", build: pad },
  },
  {
    op: "CenterCropPad",
    infer: (call) => [{ dtype: requireNumeric(call, 0), shape: centreShape(call) }],
    implementation: {
      kind: "compute",
      build: (call) => {
        const target = call.outputs[0]!.shape;
        const offsets = centreOffsets(call, target);
        const pads = target.some((size, d) => size > call.input(0).shape[d]!);
        return mapKernel(
          call,
          (index, writer) =>
          writer.load(0, index.map((at, d) => add(at, int(offsets[d]!))), pads ? 0 : undefined), // prettier-ignore
        );
      },
    },
  },
];
