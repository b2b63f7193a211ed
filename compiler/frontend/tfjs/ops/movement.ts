/**
 * Slicing, joining, reshaping and creating of TF.js. In: a call. Out: the operators of ai.onnx. Invariant: positions
 * and sizes may be computed while the model runs; shapes are int32 to TF and int64 to ai.onnx, so that every one is
 * converted where it goes in or out.
 */
import type { ValueId } from "../../../ir/graph.ts";
import type { Call } from "../call.ts";
import { same, type Conversions } from "./conversion.ts";

/** Beyond every extent, in either direction. */
const END = 2 ** 31 - 1;

/** A list of int64 that may be known. */
interface Ints {
  readonly known: readonly number[] | undefined;
  readonly id: () => ValueId;
}

function intsOf(call: Call, name: string): Ints {
  const tensor = call.knownOrNot(name);
  if (!tensor) return { known: undefined, id: () => call.intsOf(name) };
  const known = call.numbers(name);
  return { known, id: () => call.ints(known) };
}

/** The list with some entries replaced by numbers. */
function replaced(call: Call, list: Ints, length: number, by: (i: number) => number | undefined): ValueId {
  const values = Array.from({ length }, (_, i) => by(i));
  if (list.known) return call.ints(list.known.map((value, i) => values[i] ?? value));
  if (values.every((value) => value === undefined)) return list.id();
  const mask = Uint8Array.from(values, (value) => Number(value !== undefined));
  const which = call.constant({ dtype: "bool", shape: [length], data: mask });
  return call.emit("Where", [which, call.ints(values.map((value) => value ?? 0)), list.id()]);
}

/** One entry of a strided slice's description. */
type Part =
  | { readonly kind: "slice"; readonly at: number; readonly shrink: boolean }
  | { readonly kind: "new" }
  | { readonly kind: "ellipsis" };

/** x[begin:end:stride, ...] with the masks of TF's StridedSlice. */
function stridedSlice(call: Call): ValueId {
  const [begin, end] = [intsOf(call, "begin"), intsOf(call, "end")];
  const strides = call.numbers("strides");
  const count = strides.length;
  const mask = (name: string, i: number): boolean => ((call.number(name, 0) >> i) & 1) === 1;
  const parts = strides.map((_, i): Part => {
    if (mask("ellipsisMask", i)) return { kind: "ellipsis" };
    if (mask("newAxisMask", i)) return { kind: "new" };
    return { kind: "slice", at: i, shrink: mask("shrinkAxisMask", i) };
  });
  const ellipsis = parts.findIndex(({ kind }) => kind === "ellipsis");
  const isSlice = (part: Part): part is Part & { kind: "slice" } => part.kind === "slice";
  // Axes behind an ellipsis are counted from the end.
  const before = (ellipsis < 0 ? parts : parts.slice(0, ellipsis)).filter(isSlice);
  const after = ellipsis < 0 ? [] : parts.slice(ellipsis + 1).filter(isSlice);
  const slices = [...before.map((part, d) => ({ ...part, axis: d })), ...after.map((part, d) => ({ ...part, axis: d - after.length }))]; // prettier-ignore
  const from = replaced(call, begin, count, (i) => (mask("beginMask", i) && !mask("shrinkAxisMask", i) ? (strides[i]! < 0 ? END : 0) : undefined)); // prettier-ignore
  const masked = replaced(call, end, count, (i) =>
    mask("endMask", i) ? (strides[i]! < 0 ? -END : END) : undefined,
  );
  // A position that vanishes goes to the next one, which is beyond the end for the last.
  const shrunk = strides.map((_, i) => mask("shrinkAxisMask", i));
  const to = shrunk.some(Boolean) ? call.emit("Where", [constantBools(call, shrunk), next(call, from, begin), masked]) : masked; // prettier-ignore
  const whole = slices.every(({ at, shrink }) => !shrink && mask("beginMask", at) && mask("endMask", at) && strides[at] === 1); // prettier-ignore
  let y = call.input("x");
  if (!whole) {
    const pick = (list: ValueId): ValueId =>
      slices.length === count
        ? list
        : call.emit("Gather", [list, call.ints(slices.map(({ at }) => at))], { axis: 0 });
    const steps = call.ints(slices.map(({ at, shrink }) => (shrink ? 1 : strides[at]!)));
    y = call.emit("Slice", [y, pick(from), pick(to), call.ints(slices.map(({ axis }) => axis)), steps]);
  }
  const gone = slices.filter(({ shrink }) => shrink).map(({ axis }) => axis);
  if (gone.length > 0) y = call.emit("Squeeze", [y, call.ints(gone)]);
  // Where new axes stand among those of the result.
  const shown = parts.filter((part) => !(isSlice(part) && part.shrink));
  const split = shown.findIndex(({ kind }) => kind === "ellipsis");
  const added = shown.flatMap((part, d) => (part.kind !== "new" ? [] : split >= 0 && d > split ? [d - shown.length] : [d])); // prettier-ignore
  return added.length > 0 ? call.emit("Unsqueeze", [y, call.ints(added)]) : y;
}

function constantBools(call: Call, values: readonly boolean[]): ValueId {
  return call.constant({ dtype: "bool", shape: [values.length], data: Uint8Array.from(values, Number) });
}

function next(call: Call, from: ValueId, begin: Ints): ValueId {
  if (begin.known) return call.ints(begin.known.map((value) => (value === -1 ? END : value + 1)));
  const last = call.emit("Equal", [from, call.ints([-1])]);
  return call.emit("Where", [last, call.ints([END]), call.emit("Add", [from, call.ints([1])])]);
}

/** Sizes of -1 go to the end. */
function slice(call: Call): ValueId {
  const [begin, size] = [intsOf(call, "begin"), intsOf(call, "size")];
  const length = begin.known?.length ?? size.known?.length;
  if (begin.known && size.known) {
    const ends = begin.known.map((from, d) => (size.known![d] === -1 ? END : from + size.known![d]!));
    return call.emit("Slice", [call.input("x"), call.ints(begin.known), call.ints(ends)]);
  }
  if (length === undefined) return call.fail("value-needed", "neither begin nor size is a constant");
  const [from, sizes] = [begin.id(), size.id()];
  const toEnd = call.emit("Equal", [sizes, call.ints([-1])]);
  const ends = call.emit("Where", [toEnd, call.ints([END]), call.emit("Add", [from, sizes])]);
  return call.emit("Slice", [call.input("x"), from, ends]);
}

function reversed(call: Call, axes: readonly number[]): ValueId {
  if (axes.length === 0) return call.input("x");
  const all = (value: number): ValueId => call.ints(axes.map(() => value));
  return call.emit("Slice", [call.input("x"), all(END), all(-END), call.ints(axes), all(-1)]);
}

/** Pairs of amounts per dimension, as ai.onnx wants them: all before, then all after. */
function padAmounts(call: Call): ValueId {
  const known = call.knownOrNot("padding");
  if (known) {
    const flat = call.numbers("padding");
    return call.ints([...flat.filter((_, i) => i % 2 === 0), ...flat.filter((_, i) => i % 2 === 1)]);
  }
  const turned = call.emit("Transpose", [call.cast(call.input("padding"), "int64")], { perm: [1, 0] });
  return call.emit("Reshape", [turned, call.ints([-1])]);
}

function pad(call: Call, value: ValueId | undefined): ValueId {
  return call.emit("Pad", [call.input("x"), padAmounts(call), ...(value === undefined ? [] : [value])]);
}

function gather(call: Call): ValueId {
  const batch = call.number("batchDims", 0);
  const axis = call.optional("axis") === undefined ? 0 : call.number("axis");
  const indices = call.input("indices");
  if (batch === 0) return call.emit("Gather", [call.input("x"), indices], { axis });
  if (axis !== batch)
    return call.fail("op-unsupported", `batch_dims ${batch} with axis ${axis} is not supported`);
  const deep = call.emit("Unsqueeze", [call.cast(indices, "int64"), call.ints([-1])]);
  return call.emit("GatherND", [call.input("x"), deep], { batch_dims: batch });
}

/** Indices below zero are off everywhere for TF; ai.onnx would count them from the end. */
function oneHot(call: Call): ValueId {
  const indices = call.cast(call.input("indices"), "int64");
  const depth = call.intOf("depth");
  const none = call.emit("Less", [indices, call.int(0)]);
  const safe = call.emit("Where", [none, depth, indices]);
  const one = (name: string): ValueId => call.emit("Reshape", [call.input(name), call.ints([1])]);
  const values = call.emit("Concat", [one("offValue"), one("onValue")], { axis: 0 });
  return call.emit("OneHot", [safe, depth, values], { axis: attributeNumber(call, "axis", -1) });
}

function attributeNumber(call: Call, name: string, otherwise: number): number {
  const attribute = call.node.attributes.get(name);
  return attribute?.kind === "number" ? attribute.value : otherwise;
}

function filled(call: Call, value: number): ValueId {
  const type = call.type("dtype");
  return call.emit("Expand", [call.scalar(value, type), call.intsOf("shape")]);
}

function like(call: Call, value: number): ValueId {
  const shape = call.emit("Shape", [call.input("x")]);
  return call.emit("Expand", [call.scalar(value, call.type("T")), shape]);
}

function pack(call: Call): ValueId {
  const axis = call.number("axis", 0);
  const parts = call.all("tensors").map((part) => call.emit("Unsqueeze", [part, call.ints([axis])]));
  return parts.length === 1 ? parts[0]! : call.emit("Concat", parts, { axis });
}

function unpack(call: Call): ValueId[] {
  const axis = call.number("axis", 0);
  const count = attributeNumber(call, "num", -1);
  if (count < 0)
    return call.fail("attribute-invalid", "attribute num says into how many parts, and is missing");
  const parts = count === 1 ? [call.input("tensor")] : call.emitAll("Split", [call.input("tensor")], { axis, num_outputs: count }, count); // prettier-ignore
  return parts.map((part) => call.emit("Squeeze", [part, call.ints([axis])]));
}

function splitBySizes(call: Call): ValueId[] {
  const sizes = call.numbers("numOrSizeSplits");
  const axis = call.number("axis");
  const x = call.input("x");
  const rest = sizes.indexOf(-1);
  if (rest < 0) return call.emitAll("Split", [x, call.ints(sizes)], { axis }, sizes.length);
  const known = sizes.reduce((sum, size) => sum + Math.max(size, 0), 0);
  const whole = call.emit("Gather", [call.emit("Shape", [x]), call.ints([axis])], { axis: 0 });
  const open = call.emit("Sub", [whole, call.ints([known])]);
  const lengths = call.emit(
    "Concat",
    sizes.map((size, i) => (i === rest ? open : call.ints([size]))),
    { axis: 0 },
  );
  return call.emitAll("Split", [x, lengths], { axis }, sizes.length);
}

function concat(call: Call): ValueId {
  const parts = call.all("tensors");
  return parts.length === 1 ? parts[0]! : call.emit("Concat", parts, { axis: call.number("axis") });
}

function shapeOf(call: Call, x: ValueId): ValueId {
  return call.cast(call.emit("Shape", [x]), "int32");
}

/** Numbers from start to stop, both included. */
function linearSpace(call: Call): ValueId {
  const count = call.number("num");
  const steps = Float32Array.from({ length: count }, (_, i) => (count > 1 ? i / (count - 1) : 0));
  const along = call.constant({ dtype: "float32", shape: [count], data: steps });
  const [start, stop] = [call.input("start"), call.input("stop")];
  return call.emit("Add", [start, call.emit("Mul", [call.emit("Sub", [stop, start]), along])]);
}

function bandPart(call: Call): ValueId {
  // Both limits are inputs 1 and 2; the mapping of the converter names input 1 twice.
  const [lower, upper] = [call.numberAt(1), call.numberAt(2)];
  let y = call.input("a");
  if (lower >= 0) y = call.emit("Trilu", [y, call.int(-lower)], { upper: 1 });
  if (upper >= 0) y = call.emit("Trilu", [y, call.int(upper)], { upper: 0 });
  return y;
}

/** Positions in rows of coordinates; one of a single dimension may be told without its row. */
function sparseToDense(call: Call): ValueId {
  const shape = call.knownOrNot("outputShape");
  if (!shape) return call.fail("value-needed", "the shape must be a constant of the model here");
  const rank = call.numbers("outputShape").length;
  const base = call.emit("Expand", [call.input("defaultValue"), call.intsOf("outputShape")]);
  const rows = call.emit("Reshape", [call.cast(call.input("sparseIndices"), "int64"), call.ints([-1, rank])]);
  const count = call.emit("Slice", [call.emit("Shape", [rows]), call.ints([0]), call.ints([1])]);
  const values = call.emit("Expand", [call.input("sparseValues"), count]);
  return call.emit("ScatterND", [base, rows, values]);
}

export const movementOps: Conversions = {
  StridedSlice: stridedSlice,
  Slice: slice,
  Reverse: (call) =>
    reversed(
      call,
      call.numbers("dims").flatMap((turned, d) => (turned ? [d] : [])),
    ),
  ReverseV2: (call) => reversed(call, call.numbers("axis")),
  Pad: (call) => pad(call, undefined),
  PadV2: (call) => pad(call, call.input("constantValue")),
  MirrorPad: (call) =>
    call.string("mode", "REFLECT") === "SYMMETRIC"
      ? symmetric(call)
      : call.emit("Pad", [call.input("x"), padAmounts(call)], { mode: "reflect" }),
  GatherV2: gather,
  Gather: gather,
  GatherNd: (call) => call.emit("GatherND", [call.input("x"), call.cast(call.input("indices"), "int64")]),
  ScatterNd: (call) => {
    const values = call.input("values");
    const zero = call.emit("CastLike", [call.scalar(0), values]);
    const base = call.emit("Expand", [zero, call.intsOf("shape")]);
    const rows = call.cast(call.input("indices"), "int64");
    return call.emit("ScatterND", [base, rows, values], { reduction: "add" });
  },
  TensorScatterUpdate: (call) =>
    call.emit("ScatterND", [
      call.input("tensor"),
      call.cast(call.input("indices"), "int64"),
      call.input("values"),
    ]),
  SparseToDense: sparseToDense,
  ConcatV2: concat,
  Concat: concat,
  Pack: pack,
  Unpack: unpack,
  Split: (call) => {
    const count = call.number("numOrSizeSplits");
    if (count === 1) return call.input("x");
    return call.emitAll("Split", [call.input("x")], { axis: call.number("axis"), num_outputs: count }, count);
  },
  SplitV: splitBySizes,
  Tile: (call) => call.emit("Tile", [call.input("x"), call.intsOf("reps")]),
  Reshape: (call) => call.emit("Reshape", [call.input("x"), call.intsOf("shape")], { allowzero: 1 }),
  EnsureShape: same("x"),
  ExpandDims: (call) => call.emit("Unsqueeze", [call.input("x"), call.intsOf("axis")]),
  Squeeze: (call) => {
    const axes = call.numbers("axis", call.numbers("squeeze_dims", []));
    return call.emit("Squeeze", [call.input("x"), ...(axes.length > 0 ? [call.ints(axes)] : [])]);
  },
  Transpose: (call) => call.emit("Transpose", [call.input("x")], { perm: call.numbers("perm") }),
  BroadcastTo: (call) => call.emit("Expand", [call.input("x"), call.intsOf("shape")]),
  BroadcastArgs: (call) => {
    const ones = (name: string): ValueId =>
      call.emit("ConstantOfShape", [call.intsOf(name)], {
        value: { dtype: "int32", shape: [1], data: Int32Array.of(1) },
      });
    return shapeOf(call, call.emit("Mul", [ones("s0"), ones("s1")]));
  },

  Shape: (call) => shapeOf(call, call.input("x")),
  ShapeN: (call) => call.all("x").map((x) => shapeOf(call, x)),
  Size: (call) => call.cast(call.emit("Size", [call.input("x")]), "int32"),
  Rank: (call) => {
    const length = call.emit("Shape", [call.emit("Shape", [call.input("x")])]);
    return call.cast(call.emit("Squeeze", [length, call.ints([0])]), "int32");
  },
  Fill: (call) => call.emit("Expand", [call.input("value"), call.intsOf("shape")]),
  Ones: (call) => filled(call, 1),
  Zeros: (call) => filled(call, 0),
  OnesLike: (call) => like(call, 1),
  ZerosLike: (call) => like(call, 0),
  OneHot: oneHot,
  Range: (call) => call.emit("Range", [call.input("start"), call.input("stop"), call.input("step")]),
  LinSpace: linearSpace,
  MatrixBandPart: bandPart,
};

/** A border that repeats the edge itself, which ai.onnx has no mode for: both ends are joined to it, turned around. */
function symmetric(call: Call): ValueId {
  const flat = call.numbers("padding");
  let y = call.input("x");
  for (let axis = 0; 2 * axis < flat.length; axis++) {
    const [before, after] = [flat[2 * axis]!, flat[2 * axis + 1]!];
    if (before === 0 && after === 0) continue;
    const turned = (from: number, to: number): ValueId =>
      call.emit("Slice", [y, call.ints([from]), call.ints([to]), call.ints([axis]), call.ints([-1])]);
    const parts = [
      ...(before > 0 ? [turned(before - 1, -END)] : []),
      y,
      ...(after > 0 ? [turned(END, -after - 1)] : []),
    ];
    y = call.emit("Concat", parts, { axis });
  }
  return y;
}
