/**
 * Resize and Upsample. In: a tensor and sizes, scales or a region known at compile time. Out: one resampling per
 * changed axis, each reading through small tables: which input elements an output element takes, and with what
 * weights. Invariant: every mode, coordinate transformation and rounding of ONNX ends in those tables, so there is
 * one kernel for all; positions are computed in f64 by the compiler and never at run time.
 * Source: ONNX operator Resize (version 19) and its reference implementation.
 */
import { elementCount, integerRange, isFloat, type DType, type Tensor } from "../ir/dtype.ts";
import { acc, add, cast, floordiv, int, mul, type Expr } from "../ir/expr.ts";
import { coordinate, type Kernel } from "../ir/kernel.ts";
import {
  axesOver,
  coordinates,
  KernelWriter,
  type Expander,
  type OpCall,
  type OpDefinition,
} from "./define.ts";
import { knownNumber, requireNumeric } from "./elementwise.ts";
import { typeNumber } from "../ir/dataType.ts";
import { axisTable, resizeMode, type AxisTable, type ResizeAxis } from "./resizeTable.ts";

/** Above this many taps the sum is a reduction loop; up to it the taps are written out, so that they fuse. */
const WRITTEN_TAPS = 4;

/** Longest axis that a table is made for. */
const MAX_LENGTH = 2 ** 20;

function floats(call: OpCall, position: number): number[] {
  const tensor = call.value(position);
  return Array.from({ length: elementCount(tensor.shape) }, (_, i) => Number(knownNumber(tensor, i)));
}

function given(call: OpCall, position: number): boolean {
  return call.has(position) && elementCount(call.input(position).shape) > 0;
}

/** The axes that a Resize names, with their sizes and scales. */
function resizedAxes(call: OpCall): ResizeAxis[] {
  const { shape } = call.input(0);
  const rank = shape.length;
  const axes = (call.ints("axes") ?? shape.map((_, d) => d)).map((axis) => (axis < 0 ? axis + rank : axis));
  const roi = given(call, 1) ? floats(call, 1) : undefined;
  const bySize = given(call, 3);
  const wanted = bySize ? call.integers(3) : floats(call, 2);
  if (wanted.length !== axes.length || axes.some((axis) => !(axis >= 0 && axis < rank))) {
    call.fail("shape-mismatch", `${wanted.length} sizes or scales for axes [${axes}] of [${shape}]`);
  }
  const crops = call.string("coordinate_transformation_mode") === "tf_crop_and_resize";
  const policy = call.string("keep_aspect_ratio_policy", "stretch");
  const ratios = wanted.map((size, i): readonly [number, number] => [size, shape[axes[i]!]!]);
  const scaleOf = ([size, from]: readonly [number, number]): number => size / from;
  const sign = policy === "not_larger" ? 1 : -1;
  const [common = [1, 1] as const] = ratios.filter(([, from]) => from > 0).sort((a, b) => sign * (scaleOf(a) - scaleOf(b))); // prettier-ignore
  return axes.map((axis, i): ResizeAxis => {
    const from = shape[axis]!;
    const region: readonly [number, number] = roi ? [roi[i]!, roi[i + axes.length]!] : [0, 1];
    if (bySize) {
      const ratio = policy === "stretch" ? ratios[i]! : common;
      // Half rounds up. Source: Resize, keep_aspect_ratio_policy.
      const to =
        policy === "stretch" ? wanted[i]! : Math.floor((2 * from * ratio[0] + ratio[1]) / (2 * ratio[1]));
      return { axis, from, to, scale: scaleOf(ratio), ratio, region };
    }
    const scale = wanted[i]!;
    if (!(scale > 0)) call.fail("attribute-invalid", `scale ${scale}`);
    const length = crops ? from * (region[1] - region[0]) : from;
    return { axis, from, to: Math.floor(length * scale), scale, region };
  });
}

/** Whether resizing an axis changes nothing. */
function isIdentity({ from, to, scale, region }: ResizeAxis): boolean {
  return from === to && scale === 1 && region[0] === 0 && region[1] === 1;
}

function resize(call: OpCall, to: Expander): string[] {
  const [x] = call.node.inputs as [string];
  const mode = resizeMode(call);
  const dtype = requireNumeric(call, 0);
  const axes = resizedAxes(call);
  for (const { to: length, from, axis } of axes) {
    if (!(length >= 0 && length <= MAX_LENGTH) || (from === 0 && length > 0)) {
      call.fail("limit-exceeded", `axis ${axis} of ${from} resized to ${length}`);
    }
  }
  const tables = axes
    .filter((axis) => !isIdentity(axis))
    // Axes that shrink most go first: the later ones then have less to do.
    .sort((a, b) => a.to / a.from - b.to / b.from)
    .map((axis) => ({ axis, table: axisTable(axis, mode) }));
  if (tables.length === 0) return [to.node("Identity", [x])];
  // Nearest takes elements as they are; the other modes blend in floats.
  const blends = mode.kind !== "nearest" && !isFloat(dtype);
  let value = blends ? to.node("Cast", [x], { to: typeNumber("float32") }) : x;
  for (const { axis, table } of tables) value = resample(to, value, axis, table, mode.kind === "nearest");
  for (const { axis, table } of tables) value = extrapolate(call, to, value, axis, table);
  return [blends ? backToIntegers(to, value, dtype, mode.antialias) : value];
}

/** Integers take the truncated blend (rounded when antialiased), as onnxruntime does; what overshoots saturates. */
function backToIntegers(to: Expander, value: string, dtype: DType, rounds: boolean): string {
  const [low, high] = integerRange(dtype)!;
  const bounds = [to.scalar("float32", Number(low)), to.scalar("float32", Number(high))];
  const within = to.node("Clip", [rounds ? to.node("Round", [value]) : value, ...bounds]);
  return to.node("Cast", [within], { to: typeNumber(dtype) });
}

function resample(to: Expander, x: string, axis: ResizeAxis, table: AxisTable, nearest: boolean): string {
  const shape = [table.positions.length, axis.to];
  const [positions, weights] = [new Int32Array(shape[0]! * axis.to), new Float32Array(shape[0]! * axis.to)];
  table.positions.forEach((row, tap) => positions.set(row, tap * axis.to));
  table.weights.forEach((row, tap) => weights.set(row, tap * axis.to));
  const inputs = [x, to.constant({ dtype: "int32", shape, data: positions })];
  if (!nearest) inputs.push(to.constant({ dtype: "float32", shape, data: weights }));
  return to.node("tilewright:Resample", inputs, { axis: axis.axis });
}

/** Sets what lies outside the region to the extrapolation value. */
function extrapolate(call: OpCall, to: Expander, x: string, axis: ResizeAxis, table: AxisTable): string {
  if (!table.outside.includes(true)) return x;
  const { dtype, shape } = to.typeOf(x);
  const mask = to.constant({
    dtype: "bool",
    shape: shape.slice(axis.axis).map((_, d) => (d === 0 ? axis.to : 1)),
    data: Uint8Array.from(table.outside, Number),
  });
  return to.node("Where", [mask, to.scalar(dtype, call.float("extrapolation_value", 0)), x]);
}

// ---------------------------------------------------------------------------------------------------------------
// The kernel of one axis

/** Row `tap` of a table of positions as arithmetic, when it is a stride or a repetition. */
function closedForm(table: Tensor, tap: number, at: Expr): Expr | undefined {
  const length = table.shape[1]!;
  const row = Array.from({ length }, (_, i) => Number(table.data[tap * length + i]));
  const start = row[0] ?? 0;
  const step = (row[1] ?? start) - start;
  if (row.every((value, i) => value === start + i * step)) return add(int(start), mul(at, int(step)));
  const repeat = row.findIndex((value) => value !== start);
  if (start === 0 && row.every((value, i) => value === Math.floor(i / repeat))) return floordiv(at, repeat);
  return undefined;
}

function resampleKernel(call: OpCall): Kernel {
  const axis = call.int("axis")!;
  const table = call.value(1);
  const taps = table.shape[0]!;
  const writer = new KernelWriter(call);
  const axes = axesOver(call.outputs[0]!.shape, "i");
  const index = coordinates(axes);
  const at = index[axis]!;
  const element = (tap: Expr, position: Expr): Expr => {
    const x = writer.load(0, index.map((here, d) => (d === axis ? position : here))); // prettier-ignore
    return call.has(2)
      ? mul(x, cast(writer.load(2, [tap, at]), x.type === "f64" ? "float64" : "float32"))
      : x;
  };
  // The table's positions are inside by construction, so they need no clamp.
  const tabulated = (tap: Expr): Expr => cast(writer.load(1, [tap, at]), "index");
  if (taps <= WRITTEN_TAPS) {
    const terms = Array.from({ length: taps }, (_, tap) =>
      element(int(tap), closedForm(table, tap, at) ?? tabulated(int(tap))),
    );
    return writer.store(0, axes, index, terms.reduce(add)).done();
  }
  const tapAxis = { name: "tap", extent: taps };
  const tap = coordinate(tapAxis);
  const body = element(tap, tabulated(tap));
  return writer.store(0, axes, index, acc(body.type), { op: "sum", axes: [tapAxis], body }).done();
}

/** Upsample (removed in opset 10): Resize by scales without an offset. */
function upsample(call: OpCall, to: Expander): string[] {
  const [x, scales] = call.node.inputs as [string, string?];
  const list = call.floats("scales");
  const input =
    scales ??
    to.constant({ dtype: "float32", shape: [list?.length ?? 0], data: Float32Array.from(list ?? []) });
  const attributes = { mode: call.string("mode", "nearest"), coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" }; // prettier-ignore
  return [to.node("Resize", [x, "", input], attributes)];
}

export const resizeOps: readonly OpDefinition[] = [
  { op: "Resize", implementation: { kind: "expand", expand: resize } },
  { op: "Upsample", implementation: { kind: "expand", expand: upsample } },
  {
    op: "Resample",
    domain: "tilewright",
    infer: (call) => {
      const { dtype, shape } = call.input(0);
      const axis = call.int("axis");
      const extent = shape[axis ?? -1] ?? call.fail("attribute-invalid", `axis ${axis}`);
      // The kernel reads without clamping, so what a model could have written here is checked.
      if (call.integers(1).some((at) => !(at >= 0 && at < extent)))
        call.fail("shape-mismatch", "a position is outside");
      return [{ dtype, shape: shape.map((dim, d) => (d === axis ? call.input(1).shape[1]! : dim)) }];
    },
    implementation: { kind: "compute", build: resampleKernel },
  },
];
