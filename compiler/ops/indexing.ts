/**
 * Operators that read at positions which other data gives, and those that make tensors out of positions alone. In:
 * data, and indices that may only be known when the program runs. Out: maps. Invariant: a coordinate that comes
 * from data is wrapped and clamped into its dimension, so no model can read outside a buffer; indices that are
 * known are checked here instead, and those in arithmetic progression become strides.
 */
import { computeType, elementCount, holdingType, type DType, type Tensor } from "../ir/dtype.ts";
import {
  add,
  cast,
  constant,
  eq,
  ge,
  int,
  le,
  lt,
  max,
  min,
  mul,
  select,
  sub,
  type Expr,
} from "../ir/expr.ts";
import { flatten, mapKernel, normaliseAxis, type Expander, type OpCall, type OpDefinition } from "./define.ts"; // prettier-ignore
import { all, knownNumber, number, requireNumeric } from "./elementwise.ts";
import { typeAttribute } from "./elementwiseCast.ts";

/** A coordinate from data: negative counts from the end, and what is still outside goes to the nearest end. */
export function dataCoordinate(index: Expr, extent: number): Expr {
  const at = cast(index, "index");
  const wrapped = select(lt(at, int(0)), add(at, int(extent)), at);
  return min(max(wrapped, int(0)), int(extent - 1));
}

/** Whether known indices all lie within -extent..extent-1; fails the call if not. */
function checkIndices(call: OpCall, indices: readonly number[], extents: readonly number[]): void {
  indices.forEach((at, i) => {
    const extent = extents[i % extents.length]!;
    if (at < -extent || at >= extent)
      call.fail("shape-mismatch", `index ${at} is outside a dimension of ${extent}`);
  });
}

/** `start + step * i` when the numbers are that. */
function progression(
  values: readonly number[],
): { readonly start: number; readonly step: number } | undefined {
  const start = values[0];
  if (start === undefined) return undefined;
  const step = (values[1] ?? start) - start;
  return values.every((value, i) => value === start + i * step) ? { start, step } : undefined;
}

/**
 * The coordinate that element `at` of index input `position` names in a dimension of `extent`. Known indices are
 * checked and, in progression, need no load; `load` reads the element.
 */
function coordinateFrom(
  call: OpCall,
  position: number,
  at: readonly Expr[],
  extent: number,
  load: () => Expr,
): Expr {
  const known = call.peek(position);
  if (!known) return dataCoordinate(load(), extent);
  const values = Array.from(known.data as Iterable<number | bigint>, Number);
  checkIndices(call, values, [extent]);
  const linear = progression(values.map((value) => (value < 0 ? value + extent : value)));
  if (linear) return add(int(linear.start), mul(flatten(known.shape, at), int(linear.step)));
  // Checked above: the clamp would only cost.
  return values.every((value) => value >= 0) ? cast(load(), "index") : dataCoordinate(load(), extent);
}

function gatherAxis(call: OpCall): number {
  return normaliseAxis(call, call.int("axis", 0), call.input(0).shape.length);
}

const gather: OpDefinition = {
  op: "Gather",
  infer: (call) => {
    const axis = gatherAxis(call);
    const { shape } = call.input(0);
    const result = [...shape.slice(0, axis), ...call.input(1).shape, ...shape.slice(axis + 1)];
    if (shape[axis] === 0 && elementCount(result) > 0)
      call.fail("shape-mismatch", "indices into an empty dimension");
    return [{ dtype: requireNumeric(call, 0), shape: result }];
  },
  implementation: {
    kind: "compute",
    build: (call) => {
      const axis = gatherAxis(call);
      const { shape } = call.input(0);
      const rank = call.input(1).shape.length;
      return mapKernel(call, (index, writer) => {
        const at = index.slice(axis, axis + rank);
        const along = coordinateFrom(call, 1, at, shape[axis]!, () => writer.load(1, at));
        return writer.load(0, [...index.slice(0, axis), along, ...index.slice(axis + rank)]);
      });
    },
  },
};

const gatherElements: OpDefinition = {
  op: "GatherElements",
  infer: (call) => {
    gatherAxis(call);
    return [{ dtype: requireNumeric(call, 0), shape: call.input(1).shape }];
  },
  implementation: {
    kind: "compute",
    build: (call) => {
      const axis = gatherAxis(call);
      const extent = call.input(0).shape[axis]!;
      return mapKernel(call, (index, writer) => {
        const along = coordinateFrom(call, 1, index, extent, () => writer.load(1, index));
        return writer.load(0, index.map((at, d) => (d === axis ? along : at))); // prettier-ignore
      });
    },
  },
};

const gatherND: OpDefinition = {
  op: "GatherND",
  infer: (call) => {
    const batch = call.int("batch_dims", 0);
    const { shape } = call.input(0);
    const indices = call.input(1).shape;
    const length = indices.at(-1) ?? Infinity;
    if (batch + length > shape.length || batch >= indices.length) {
      call.fail("shape-mismatch", `indices [${indices}] into [${shape}] with ${batch} batch dimensions`);
    }
    return [
      { dtype: requireNumeric(call, 0), shape: [...indices.slice(0, -1), ...shape.slice(batch + length)] },
    ];
  },
  implementation: {
    kind: "compute",
    build: (call) => {
      const batch = call.int("batch_dims", 0);
      const { shape } = call.input(0);
      const indices = call.input(1).shape;
      const length = indices.at(-1)!;
      const known = call.peek(1);
      if (known) checkIndices(call, call.integers(1), shape.slice(batch, batch + length));
      return mapKernel(call, (index, writer) => {
        const tuple = index.slice(0, indices.length - 1);
        const coordinates = Array.from({ length }, (_, j) =>
          dataCoordinate(writer.load(1, [...tuple, int(j)]), shape[batch + j]!),
        );
        return writer.load(0, [...index.slice(0, batch), ...coordinates, ...index.slice(indices.length - 1)]);
      });
    },
  },
};

// ---------------------------------------------------------------------------------------------------------------
// Tensors made of positions

/** Element of a known scalar input; cuts the program until it is known. */
function scalar(call: OpCall, position: number): number | bigint {
  return knownNumber(call.value(position)) ?? call.fail("shape-mismatch", `input ${position} is empty`);
}

const range: OpDefinition = {
  op: "Range",
  infer: (call) => {
    const [start, limit, delta] = [scalar(call, 0), scalar(call, 1), scalar(call, 2)];
    if (Number(delta) === 0) call.fail("attribute-invalid", "delta is 0");
    const count = Math.ceil((Number(limit) - Number(start)) / Number(delta));
    return [{ dtype: requireNumeric(call, 0), shape: [Math.max(0, count)] }];
  },
  implementation: {
    kind: "compute",
    build: (call) => {
      const type = computeType(call.input(0).dtype);
      const word = wordOf(call.input(0).dtype);
      return mapKernel(call, ([i]) =>
        add(constant(type, scalar(call, 0)), mul(cast(i!, word), constant(type, scalar(call, 2)))),
      );
    },
  },
};

/** The dtype that holds a compute type as it is. */
function wordOf(dtype: DType): DType {
  return holdingType(computeType(dtype)) ?? "int32";
}

function constantTensor(call: OpCall): Tensor {
  const value = call.tensor("value");
  if (value) return value;
  const float = call.float("value_float");
  if (float !== undefined) return { dtype: "float32", shape: [], data: Float32Array.of(float) };
  const floats = call.floats("value_floats");
  if (floats) return { dtype: "float32", shape: [floats.length], data: Float32Array.from(floats) };
  const whole = call.int("value_int");
  if (whole !== undefined) return { dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(whole)) };
  const wholes = call.ints("value_ints");
  if (wholes) return { dtype: "int64", shape: [wholes.length], data: BigInt64Array.from(wholes, BigInt) };
  return call.fail("dtype-unsupported", "a constant that is neither a dense tensor nor numbers");
}

/** Shape between `start` and `end`, both clamped like a slice. */
function shapeOf(call: OpCall, to: Expander): string[] {
  const { shape } = call.input(0);
  const within = (at: number): number => Math.min(Math.max(at < 0 ? at + shape.length : at, 0), shape.length);
  return [to.integers(shape.slice(within(call.int("start", 0)), within(call.int("end", shape.length))))];
}

const constantOfShape: OpDefinition = {
  op: "ConstantOfShape",
  infer: (call) => [{ dtype: call.tensor("value")?.dtype ?? "float32", shape: call.integers(0) }],
  implementation: (call) => {
    const filler = call.tensor("value");
    if (filler?.dtype === "string") {
      const shape = call.integers(0);
      const data = new Array<string>(elementCount(shape)).fill(String(filler.data[0]));
      return { kind: "host", evaluate: () => [{ dtype: "string", shape, data }] };
    }
    return {
      kind: "compute",
      build: () =>
        mapKernel(call, () => constant(computeType(call.outputs[0]!.dtype), knownNumber(filler) ?? 0)),
    };
  },
};

const eyeLike: OpDefinition = {
  op: "EyeLike",
  infer: (call) => {
    const { shape, dtype } = call.input(0);
    if (shape.length !== 2) call.fail("shape-mismatch", `[${shape}] is not a matrix`);
    return [{ dtype: typeAttribute(call, "dtype") ?? dtype, shape }];
  },
  implementation: {
    kind: "compute",
    build: (call) => {
      const type = computeType(call.outputs[0]!.dtype);
      return mapKernel(call, ([i, j]) =>
        select(eq(j!, add(i!, int(call.int("k", 0)))), constant(type, 1), constant(type, 0)),
      );
    },
  },
};

const oneHot: OpDefinition = {
  op: "OneHot",
  infer: (call) => {
    const { shape } = call.input(0);
    const axis = normaliseAxis(call, call.int("axis", -1), shape.length + 1);
    const depth = Number(scalar(call, 1));
    return [
      { dtype: requireNumeric(call, 2), shape: [...shape.slice(0, axis), depth, ...shape.slice(axis)] },
    ];
  },
  implementation: {
    kind: "compute",
    build: (call) => {
      const axis = normaliseAxis(call, call.int("axis", -1), call.input(0).shape.length + 1);
      const depth = Number(scalar(call, 1));
      return mapKernel(call, (index, writer) => {
        const at = writer.load(0, [...index.slice(0, axis), ...index.slice(axis + 1)]);
        const hot = select(lt(at, number(at, 0)), add(at, number(at, depth)), at);
        const here = cast(index[axis]!, wordOf(call.input(0).dtype));
        return select(eq(hot, here), writer.load(2, [int(1)]), writer.load(2, [int(0)]));
      });
    },
  },
};

const trilu: OpDefinition = {
  op: "Trilu",
  infer: (call) => {
    if (call.input(0).shape.length < 2)
      call.fail("shape-mismatch", `[${call.input(0).shape}] is not a matrix`);
    return [{ dtype: requireNumeric(call, 0), shape: call.input(0).shape }];
  },
  implementation: {
    kind: "compute",
    build: (call) =>
      mapKernel(call, (index, writer) => {
        const [row, column] = index.slice(-2) as [Expr, Expr];
        const known = call.has(1) ? knownNumber(call.peek(1)) : 0;
        const keep = call.int("upper", 1) !== 0 ? ge : le;
        const x = writer.load(0, index);
        const diagonal =
          known !== undefined
            ? keep(column, add(row, int(Number(known))))
            : keep(cast(column, "int64"), add(cast(row, "int64"), cast(writer.broadcast(1, []), "int64")));
        return select(diagonal, x, number(x, 0));
      }),
  },
};

const reverseSequence: OpDefinition = sameTypeOperator("ReverseSequence", (call) => {
  const time = call.int("time_axis", 0);
  const batch = call.int("batch_axis", 1);
  const extent = call.input(0).shape[time] ?? call.fail("attribute-invalid", `time_axis ${time}`);
  return mapKernel(call, (index, writer) => {
    const length = cast(writer.load(1, [index[batch]!]), "index");
    const at = index[time]!;
    const source = select(lt(at, length), sub(sub(length, int(1)), at), at);
    const inside = min(max(source, int(0)), int(extent - 1));
    return writer.load(0, index.map((here, d) => (d === time ? inside : here))); // prettier-ignore
  });
});

/** A compute operator whose output has the type of input 0. */
function sameTypeOperator(op: string, build: (call: OpCall) => ReturnType<typeof mapKernel>): OpDefinition {
  return {
    op,
    infer: (call) => [{ dtype: requireNumeric(call, 0), shape: call.input(0).shape }],
    implementation: { kind: "compute", build },
  };
}

/** TensorScatter: writes `update` into a cache at a position per batch row; "circular" goes on at the front. */
const tensorScatter: OpDefinition = sameTypeOperator("TensorScatter", (call) => {
  const { shape } = call.input(0);
  const axis = normaliseAxis(call, call.int("axis", -2), shape.length);
  const extent = shape[axis]!;
  const length = call.input(1).shape[axis]!;
  const circular = call.string("mode", "linear") === "circular";
  return mapKernel(call, (index, writer) => {
    const start = call.has(2) ? dataCoordinate(writer.load(2, [index[0]!]), extent) : int(0);
    const distance = sub(index[axis]!, start);
    const step = circular ? select(lt(distance, int(0)), add(distance, int(extent)), distance) : distance;
    const inside = all([ge(step, int(0)), lt(step, int(length))]);
    const source = min(max(step, int(0)), int(length - 1));
    const update = writer.load(1, index.map((at, d) => (d === axis ? source : at))); // prettier-ignore
    return select(inside, update, writer.load(0, index));
  });
});

export const indexingOps: readonly OpDefinition[] = [
  gather,
  gatherElements,
  gatherND,
  range,
  {
    op: "Constant",
    implementation: { kind: "expand", expand: (call, to) => [to.constant(constantTensor(call))] },
  },
  { op: "Shape", implementation: { kind: "expand", expand: shapeOf } },
  { op: "Size", implementation: { kind: "expand", expand: (call, to) => [to.integers(elementCount(call.input(0).shape))] } }, // prettier-ignore
  constantOfShape,
  eyeLike,
  oneHot,
  trilu,
  reverseSequence,
  tensorScatter,
];
