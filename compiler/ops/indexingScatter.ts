/**
 * ScatterElements, ScatterND and MaxUnpool. In: data (or zeros), indices and updates. Out: a call of a library
 * kernel that starts from the data and stores one update after another; or, where ScatterND's indices are known
 * and form a rectangle (how exporters write `x[:, a:b] = y`), two plain assignments: the data, then the updates at
 * strides. Invariant: of equal indices the last update wins, and an index out of range stores nothing.
 */
import { bytesPerElement, elementCount, type DType } from "../ir/dtype.ts";
import { add, int, mul, type Expr } from "../ir/expr.ts";
import type { TensorType } from "../ir/graph.ts";
import { rowMajorStrides, type Kernel } from "../ir/kernel.ts";
import { axesOver, coordinates, KernelWriter, normaliseAxis, type LibraryCall, type OpCall, type OpDefinition, type OpImplementation } from "./define.ts"; // prettier-ignore
import { requireNumeric } from "./elementwise.ts";
import { input, integers, libraryCall, libraryCode, output } from "./indexingLibrary.ts";

const reductions = ["none", "add", "mul", "min", "max"];

function reductionOf(call: OpCall): number {
  const name = call.string("reduction", "none");
  const at = reductions.indexOf(name);
  return at >= 0 ? at : call.fail("attribute-invalid", `reduction ${name}`);
}

/** Indices that library kernels read are int32 or int64. */
function indexCode(call: OpCall): number {
  const { dtype } = call.input(1);
  if (dtype !== "int32" && dtype !== "int64") call.fail("dtype-unsupported", `indices of type ${dtype}`);
  return libraryCode(call, dtype);
}

function scatterElements(call: OpCall): LibraryCall {
  const { shape, dtype } = call.input(0);
  const reduction = reductionOf(call);
  return libraryCall("scatterElements", {
    dtype: libraryCode(call, dtype, reduction === 0),
    data: input(0),
    output: output(0),
    dims: integers(shape),
    indices: input(1),
    indexDtype: indexCode(call),
    indexDims: integers(call.input(1).shape),
    updates: input(2),
    rank: shape.length,
    axis: normaliseAxis(call, call.int("axis", 0), shape.length),
    reduction,
  });
}

function scatterND(call: OpCall): LibraryCall {
  const { shape, dtype } = call.input(0);
  const indices = call.input(1).shape;
  const reduction = reductionOf(call);
  return libraryCall("scatterND", {
    dtype: libraryCode(call, dtype, reduction === 0),
    data: input(0),
    output: output(0),
    dims: integers(shape),
    rank: shape.length,
    indices: input(1),
    indexDtype: indexCode(call),
    tuples: elementCount(indices.slice(0, -1)),
    tupleLength: indices.at(-1)!,
    updates: input(2),
    reduction,
  });
}

/** Coordinate j of the tuples as start + sum of step * tuple coordinate. */
interface Affine {
  readonly start: number;
  readonly steps: readonly number[];
}

/**
 * The tuples of known indices as affine functions of their own coordinates, when they are, stay inside and name
 * each place once; undefined otherwise.
 */
function affineTuples(call: OpCall): Affine[] | undefined {
  if (!call.peek(1) || reductionOf(call) !== 0) return undefined;
  const { shape } = call.input(0);
  const dims = call.input(1).shape.slice(0, -1);
  const length = call.input(1).shape.at(-1)!;
  const values = call.integers(1);
  const strides = rowMajorStrides(dims);
  const tuples = elementCount(dims);
  if (tuples === 0) return undefined;
  const made: Affine[] = [];
  for (let j = 0; j < length; j++) {
    const at = (tuple: number): number => {
      const value = values[tuple * length + j]!;
      return value < 0 ? value + shape[j]! : value;
    };
    const start = at(0);
    const steps = dims.map((dim, d) => (dim > 1 ? at(strides[d]!) - start : 0));
    for (let tuple = 0; tuple < tuples; tuple++) {
      const expected = dims.reduce(
        (sum, dim, d) => sum + (Math.floor(tuple / strides[d]!) % dim) * steps[d]!,
        start,
      );
      if (at(tuple) !== expected || expected < 0 || expected >= shape[j]!) return undefined;
    }
    made.push({ start, steps });
  }
  // Each tuple coordinate must move exactly one data coordinate of its own: then no two tuples meet.
  const movers = dims.map((dim, d) => (dim > 1 ? made.filter(({ steps }) => steps[d] !== 0).length : 1));
  const moved = made.every(({ steps }) => steps.filter((step) => step !== 0).length <= 1);
  return moved && movers.every((count) => count === 1) ? made : undefined;
}

function assignND(call: OpCall, tuples: readonly Affine[]): Kernel {
  const writer = new KernelWriter(call);
  const { shape } = call.input(0);
  const all = axesOver(shape, "i");
  writer.store(0, all, coordinates(all), writer.load(0, coordinates(all)));
  const tupleAxes = axesOver(call.input(1).shape.slice(0, -1), "t");
  const sliceAxes = axesOver(shape.slice(tuples.length), "s");
  const tuple = coordinates(tupleAxes);
  const slice = coordinates(sliceAxes);
  const target = tuples.map(({ start, steps }) =>
    steps.reduce<Expr>((sum, step, d) => add(sum, mul(tuple[d]!, int(step))), int(start)),
  );
  return writer
    .store(0, [...tupleAxes, ...sliceAxes], [...target, ...slice], writer.load(2, [...tuple, ...slice]))
    .done();
}

function scatterNDImplementation(call: OpCall): OpImplementation {
  const tuples = affineTuples(call);
  if (!tuples) return { kind: "library", call: scatterND };
  return { kind: "compute", build: () => assignND(call, tuples) };
}

/** The shape that pooling with these attributes would come from. */
function unpooledShape(call: OpCall): number[] {
  const { shape } = call.input(0);
  const kernel =
    call.ints("kernel_shape") ?? call.fail("attribute-invalid", "attribute kernel_shape is missing");
  const strides = call.ints("strides", new Array<number>(kernel.length).fill(1));
  const pads = call.ints("pads", new Array<number>(2 * kernel.length).fill(0));
  const spatial = shape
    .slice(2)
    .map((dim, d) => (dim - 1) * strides[d]! + kernel[d]! - pads[d]! - pads[d + kernel.length]!);
  return [...shape.slice(0, 2), ...spatial];
}

/**
 * MaxUnpool: indices are row-major positions in the inferred output, which starts as zeros. An explicit output shape
 * adds zeros after it (or cuts it): so the reference implementation reads the indices.
 */
function maxUnpool(call: OpCall): OpImplementation {
  const inferred = unpooledShape(call);
  const shape = call.has(2) ? call.integers(2) : inferred;
  if (shape.length !== inferred.length) call.fail("shape-mismatch", `an output [${shape}] for [${inferred}]`);
  if (shape.join() === inferred.join()) return { kind: "library", call: unpool };
  return {
    kind: "expand",
    expand: (_, to) => {
      const [x, indices] = call.node.inputs as [string, string];
      const attributes = Object.fromEntries(call.node.attributes);
      const pads = [...shape.map(() => 0), ...shape.map((dim, d) => dim - inferred[d]!)];
      return [to.node("Pad", [to.node("MaxUnpool", [x, indices], attributes), to.integers(pads)])];
    },
  };
}

function unpool(call: OpCall): LibraryCall {
  return libraryCall("scatterFlat", {
    elementSize: bytesPerElement(call.input(0).dtype),
    data: undefined,
    output: output(0),
    outputCount: elementCount(call.outputs[0]!.shape),
    indices: input(1),
    source: input(0),
    count: elementCount(call.input(0).shape),
  });
}

function dataType(call: OpCall): TensorType[] {
  const dtype: DType = requireNumeric(call, 0);
  const updates = call.input(2).dtype;
  if (dtype !== updates) call.fail("dtype-unsupported", `updates of type ${updates} into ${dtype}`);
  return [{ dtype, shape: call.input(0).shape }];
}

function inferScatterElements(call: OpCall): TensorType[] {
  const [data, indices, updates] = [call.input(0).shape, call.input(1).shape, call.input(2).shape];
  const axis = normaliseAxis(call, call.int("axis", 0), data.length);
  const fits = indices.length === data.length && indices.every((dim, d) => d === axis || dim <= data[d]!);
  if (data.length === 0 || !fits || indices.join() !== updates.join()) {
    call.fail("shape-mismatch", `indices [${indices}] and updates [${updates}] into [${data}]`);
  }
  return dataType(call);
}

function inferScatterND(call: OpCall): TensorType[] {
  const [data, indices, updates] = [call.input(0).shape, call.input(1).shape, call.input(2).shape];
  const length = indices.at(-1) ?? Infinity;
  const expected = [...indices.slice(0, -1), ...data.slice(length)];
  if (length > data.length || expected.join() !== updates.join()) {
    call.fail("shape-mismatch", `indices [${indices}] and updates [${updates}] into [${data}]`);
  }
  return dataType(call);
}

export const scatterOps: readonly OpDefinition[] = [
  {
    op: "ScatterElements",
    infer: inferScatterElements,
    implementation: { kind: "library", call: scatterElements },
  },
  { op: "ScatterND", infer: inferScatterND, implementation: scatterNDImplementation },
  {
    op: "MaxUnpool",
    infer: (call) => {
      const [x, indices] = [call.input(0), call.input(1)];
      if (indices.dtype !== "int64") call.fail("dtype-unsupported", `indices of type ${indices.dtype}`);
      if (indices.shape.join() !== x.shape.join())
        call.fail("shape-mismatch", `indices [${indices.shape}] for [${x.shape}]`);
      return [
        { dtype: requireNumeric(call, 0), shape: call.has(2) ? call.integers(2) : unpooledShape(call) },
      ];
    },
    implementation: maxUnpool,
  },
];
