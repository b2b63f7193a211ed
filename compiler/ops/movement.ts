/**
 * Operators that only move elements: reshape, transpose, slice, concatenate, expand, tile and blocks to depth. In:
 * a tensor of any numeric type; shapes, axes and steps known at compile time. Out: kernels whose every element is
 * one load at an index linear in the output's coordinates wherever that is possible. Invariant: that form is what
 * the fusion and layout passes recognise as a strided view, so nothing here computes.
 */
import { elementCount } from "../ir/dtype.ts";
import { add, floordiv, floormod, int, mul, type Expr } from "../ir/expr.ts";
import type { Kernel } from "../ir/kernel.ts";
import { axesOver, broadcastIndex, broadcastShapes, coordinates, flatten, KernelWriter, mapKernel, normaliseAxis, unflatten, type Expander, type OpCall, type OpDefinition } from "./define.ts"; // prettier-ignore
import { requireNumeric } from "./elementwise.ts";

/** An operator whose output element is the input element at `source(call, index)`. */
function movementOperator(
  op: string,
  shape: (call: OpCall) => readonly number[],
  source: (call: OpCall, index: readonly Expr[]) => readonly Expr[],
): OpDefinition {
  return {
    op,
    infer: (call) => [{ dtype: requireNumeric(call, 0), shape: shape(call) }],
    implementation: {
      kind: "compute",
      build: (call) => mapKernel(call, (index, writer) => writer.load(0, source(call, index))),
    },
  };
}

/** An operator that keeps the row-major order of the elements. */
function reshaping(op: string, shape: (call: OpCall) => number[]): OpDefinition {
  return movementOperator(
    op,
    (call) => {
      const result = shape(call);
      if (elementCount(result) !== elementCount(call.input(0).shape)) {
        call.fail("shape-mismatch", `[${call.input(0).shape}] has not as many elements as [${result}]`);
      }
      return result;
    },
    (call, index) => unflatten(call.input(0).shape, flatten(call.outputs[0]!.shape, index)),
  );
}

/** Reshape: 0 keeps a dimension (unless `allowzero`), one -1 takes what is left. */
function reshapeTo(call: OpCall): number[] {
  const from = call.input(0).shape;
  const keepsZero = call.int("allowzero", 0) !== 0;
  const target = call.integers(1).map((dim, d) => (dim === 0 && !keepsZero ? (from[d] ?? 0) : dim));
  const free = target.indexOf(-1);
  if (target.some((dim) => dim < -1) || (target.indexOf(-1, free + 1) > free && free >= 0)) {
    call.fail("shape-mismatch", `[${target}] is not a shape`);
  }
  if (free < 0) return target;
  const rest = elementCount(target.filter((_, d) => d !== free));
  const total = elementCount(from);
  if (rest === 0 ? total !== 0 : total % rest !== 0) call.fail("shape-mismatch", `[${from}] as [${target}]`);
  target[free] = rest === 0 ? 0 : total / rest;
  return target;
}

function flattened(call: OpCall): number[] {
  const { shape } = call.input(0);
  const attribute = call.int("axis", 1);
  const axis = attribute < 0 ? attribute + shape.length : attribute;
  if (!(axis >= 0 && axis <= shape.length))
    call.fail("attribute-invalid", `axis ${attribute} of rank ${shape.length}`);
  return [elementCount(shape.slice(0, axis)), elementCount(shape.slice(axis))];
}

/** Axes from an input or an attribute (older forms keep it), as positions in 0..rank-1. */
function axesFrom(call: OpCall, position: number, rank: number): number[] | undefined {
  const axes = call.has(position) ? call.integers(position) : call.ints("axes");
  return axes?.map((axis) => normaliseAxis(call, axis, rank));
}

function squeezed(call: OpCall): number[] {
  const { shape } = call.input(0);
  const axes = axesFrom(call, 1, shape.length);
  for (const axis of axes ?? []) {
    if (shape[axis] !== 1) call.fail("shape-mismatch", `axis ${axis} of [${shape}] is not 1`);
  }
  return shape.filter((dim, d) => (axes ? !axes.includes(d) : dim !== 1));
}

function unsqueezed(call: OpCall): number[] {
  const { shape } = call.input(0);
  const count = call.has(1) ? (call.input(1).shape[0] ?? 1) : (call.ints("axes") ?? []).length;
  const rank = shape.length + count;
  const axes = new Set(axesFrom(call, 1, rank));
  if (axes.size !== count) call.fail("attribute-invalid", "axes repeat");
  const rest = shape.values();
  return Array.from({ length: rank }, (_, d) => (axes.has(d) ? 1 : rest.next().value!));
}

function permutation(call: OpCall): readonly number[] {
  const rank = call.input(0).shape.length;
  const order = call.ints("perm") ?? Array.from({ length: rank }, (_, d) => rank - 1 - d);
  if (order.length !== rank || new Set(order).size !== rank || order.some((d) => !(d >= 0 && d < rank))) {
    call.fail("attribute-invalid", `[${order}] is no permutation of ${rank} axes`);
  }
  return order;
}

// ---------------------------------------------------------------------------------------------------------------
// Slice and Split

export interface Range {
  readonly start: number;
  readonly step: number;
  readonly length: number;
}

/** What Slice takes along every axis; numpy's clamping of starts and ends. */
export function sliceRanges(call: OpCall): Range[] {
  const { shape } = call.input(0);
  const ranges: Range[] = shape.map((length) => ({ start: 0, step: 1, length }));
  const starts = call.integers(1);
  const ends = call.integers(2);
  const axes = call.has(3) ? call.integers(3) : starts.map((_, i) => i);
  const steps = call.has(4) ? call.integers(4) : starts.map(() => 1);
  axes.forEach((axis, i) => {
    const d = normaliseAxis(call, axis, shape.length);
    const dim = shape[d]!;
    const step = steps[i] ?? 1;
    if (step === 0) call.fail("attribute-invalid", "a step is 0");
    const within = (at: number, low: number, high: number): number =>
      Math.min(Math.max(at < 0 ? at + dim : at, low), high);
    const start = step > 0 ? within(starts[i]!, 0, dim) : within(starts[i]!, 0, dim - 1);
    const end = step > 0 ? within(ends[i]!, 0, dim) : within(ends[i]!, -1, dim - 1);
    ranges[d] = { start, step, length: Math.max(0, Math.ceil((end - start) / step)) };
  });
  return ranges;
}

function split(call: OpCall, to: Expander): string[] {
  const { shape } = call.input(0);
  const axis = normaliseAxis(call, call.int("axis", 0), shape.length);
  const dim = shape[axis]!;
  const count = call.int("num_outputs") ?? call.node.outputs.length;
  if (count < 1 || count > Math.max(dim, call.node.outputs.length))
    call.fail(
      "attribute-invalid",
      `num_outputs is ${count}, of ${dim} elements and ${call.node.outputs.length} outputs`,
    );
  const chunk = Math.ceil(dim / count);
  const sizes = call.has(1)
    ? call.integers(1)
    : (call.ints("split") ??
      Array.from({ length: count }, (_, i) => Math.max(0, Math.min(chunk, dim - i * chunk))));
  if (sizes.reduce((a, b) => a + b, 0) !== dim || sizes.some((size) => size < 0)) {
    call.fail("shape-mismatch", `[${sizes}] does not split ${dim}`);
  }
  let start = 0;
  return sizes.slice(0, call.node.outputs.length).map((size) => {
    const from = start;
    start += size;
    return to.node("Slice", [
      call.node.inputs[0]!,
      to.integers([from]),
      to.integers([from + size]),
      to.integers([axis]),
    ]);
  });
}

// ---------------------------------------------------------------------------------------------------------------
// Concat

function concatAxis(call: OpCall): number {
  const axis = call.int("axis") ?? call.fail("attribute-invalid", "attribute axis is missing");
  return normaliseAxis(call, axis, call.input(0).shape.length);
}

function concatShape(call: OpCall): number[] {
  const shape = [...call.input(0).shape];
  const axis = concatAxis(call);
  shape[axis] = 0;
  call.inputs.forEach((_, i) => {
    const type = call.input(i);
    if (type.dtype !== call.input(0).dtype) call.fail("dtype-unsupported", `inputs of types ${call.input(0).dtype} and ${type.dtype}`); // prettier-ignore
    if (type.shape.length !== shape.length || type.shape.some((dim, d) => d !== axis && dim !== shape[d])) {
      call.fail(
        "shape-mismatch",
        `[${type.shape}] does not continue [${call.input(0).shape}] along axis ${axis}`,
      );
    }
    shape[axis]! += type.shape[axis]!;
  });
  return shape;
}

/** One assignment per input: each is a copy into its part of the output, which a planner may spare. */
function concat(call: OpCall): Kernel {
  const writer = new KernelWriter(call);
  const axis = concatAxis(call);
  let offset = 0;
  call.inputs.forEach((_, i) => {
    const { shape } = call.input(i);
    const from = offset;
    offset += shape[axis]!;
    if (elementCount(shape) === 0) return;
    const axes = axesOver(shape, `p${i}_`);
    const index = coordinates(axes);
    const target = index.map((at, d) => (d === axis ? add(at, int(from)) : at));
    writer.store(0, axes, target, writer.load(i, index));
  });
  return writer.done();
}

// ---------------------------------------------------------------------------------------------------------------
// Blocks

/** DepthToSpace: DCR takes the block's position from the slow end of the channels, CRD from the fast end. */
function depthToSpaceIndex(call: OpCall, [n, c, h, w]: readonly Expr[]): Expr[] {
  const block = call.int("blocksize")!;
  const channels = call.outputs[0]!.shape[1]!;
  const within = add(mul(floormod(h!, block), int(block)), floormod(w!, block));
  const channel =
    call.string("mode", "DCR") === "CRD"
      ? add(mul(c!, int(block * block)), within)
      : add(mul(within, int(channels)), c!);
  return [n!, channel, floordiv(h!, block), floordiv(w!, block)];
}

function spaceToDepthIndex(call: OpCall, [n, c, h, w]: readonly Expr[]): Expr[] {
  const block = call.int("blocksize")!;
  const channels = call.input(0).shape[1]!;
  const within = floordiv(c!, channels);
  return [
    n!,
    floormod(c!, channels),
    add(mul(h!, int(block)), floordiv(within, block)),
    add(mul(w!, int(block)), floormod(within, block)),
  ];
}

function blocked(call: OpCall, change: (dims: readonly number[], block: number) => number[]): number[] {
  const { shape } = call.input(0);
  const block = call.int("blocksize") ?? 0;
  if (shape.length !== 4) call.fail("shape-mismatch", `[${shape}] is not of rank 4`);
  if (!(block > 0)) call.fail("attribute-invalid", `blocksize ${block}`);
  const result = change(shape, block);
  if (!result.every(Number.isInteger))
    call.fail("shape-mismatch", `[${shape}] does not divide into blocks of ${block}`);
  return result;
}

export const movementOps: readonly OpDefinition[] = [
  reshaping("Reshape", reshapeTo),
  reshaping("Flatten", flattened),
  reshaping("Squeeze", squeezed),
  reshaping("Unsqueeze", unsqueezed),
  movementOperator(
    "Transpose",
    (call) => permutation(call).map((d) => call.input(0).shape[d]!),
    (call, index) => {
      const source = new Array<Expr>(index.length);
      permutation(call).forEach((from, to) => (source[from] = index[to]!));
      return source;
    },
  ),
  movementOperator(
    "Slice",
    (call) => sliceRanges(call).map((range) => range.length),
    (call, index) =>
      sliceRanges(call).map((range, d) => add(int(range.start), mul(index[d]!, int(range.step)))),
  ),
  { op: "Split", implementation: { kind: "expand", expand: split } },
  {
    op: "Concat",
    infer: (call) => [{ dtype: requireNumeric(call, 0), shape: concatShape(call) }],
    implementation: { kind: "compute", build: concat },
  },
  movementOperator(
    "Expand",
    (call) => broadcastShapes(call, [call.input(0).shape, call.integers(1)]),
    (call, index) => broadcastIndex(call.input(0).shape, index),
  ),
  movementOperator(
    "Tile",
    (call) => {
      const { shape } = call.input(0);
      const repeats = call.integers(1);
      if (repeats.length !== shape.length || repeats.some((r) => r < 0)) call.fail("shape-mismatch", `repeats [${repeats}] of [${shape}]`); // prettier-ignore
      return shape.map((dim, d) => dim * repeats[d]!);
    },
    (call, index) => call.input(0).shape.map((dim, d) => (dim > 0 ? floormod(index[d]!, dim) : int(0))),
  ),
  movementOperator(
    "DepthToSpace",
    (call) => blocked(call, ([n, c, h, w], by) => [n!, c! / (by * by), h! * by, w! * by]),
    depthToSpaceIndex,
  ),
  movementOperator(
    "SpaceToDepth",
    (call) => blocked(call, ([n, c, h, w], by) => [n!, c! * by * by, h! / by, w! / by]),
    spaceToDepthIndex,
  ),
];
