/**
 * Operators that library kernels compute, because no static loop nest can: TopK, NonZero, Unique, Compress,
 * NonMaxSuppression, Det and the scatters. In: a call with static types. Out: a LibraryCall with every argument of
 * the kernel in its order. Invariant: outputs whose size depends on data have their upper bound as type and say
 * which dimension it is; optional inputs and outputs that are not there are passed as `absent`.
 */
import { InternalError } from "../diagnostic.ts";
import { bytesPerElement, elementCount, type DType } from "../ir/dtype.ts";
import type { TensorType, ValueId } from "../ir/graph.ts";
import {
  normaliseAxis,
  type Expander,
  type LibraryArgument,
  type LibraryCall,
  type OpCall,
  type OpDefinition,
} from "./define.ts";
import { requireNumeric } from "./elementwise.ts";
import { typeAttribute } from "./elementwiseCast.ts";
import { absent, libraryDtypes, libraryKernels } from "./library/index.ts";

/** The code by which library kernels know a dtype; types of equal bits will do where only copies are made. */
export function libraryCode(call: OpCall, dtype: DType, onlyCopied = false): number {
  const code = (libraryDtypes as Partial<Record<DType, number>>)[dtype];
  if (code !== undefined) return code;
  if (onlyCopied && bytesPerElement(dtype) === 1) return libraryDtypes.uint8;
  return call.fail("dtype-unsupported", `elements of type ${dtype}`);
}

export const input = (position: number): LibraryArgument => ({ kind: "input", position });
export const output = (position: number): LibraryArgument => ({ kind: "output", position });

/** Small constants that a kernel reads, such as dims. */
export function integers(values: readonly number[]): LibraryArgument {
  return { kind: "data", tensor: { dtype: "int32", shape: [values.length], data: Int32Array.from(values) } };
}

/**
 * A call with its arguments by name: plain numbers are i32, `undefined` is an optional tensor that is not there.
 * The scratch argument and its size are filled in from the kernel's entry.
 */
export function libraryCall(
  kernel: string,
  named: Readonly<Record<string, LibraryArgument | number | undefined>>,
): LibraryCall {
  const routine = libraryKernels[kernel];
  if (!routine) throw new InternalError(`no library kernel ${kernel}`);
  const { parameters, scratchBytes, returns } = routine;
  const sizes = Object.fromEntries(
    Object.entries(named).filter((entry): entry is [string, number] => typeof entry[1] === "number"),
  );
  const args = parameters.map(({ name, kind }): LibraryArgument => {
    if (kind === "scratch") return { kind: "scratch", offset: 0 };
    const value = named[name] ?? absent;
    if (typeof value !== "number") return value;
    return kind === "real" ? { kind: "f64", value } : { kind: "i32", value };
  });
  return {
    kernel: routine,
    arguments: args,
    scratchBytes: scratchBytes(sizes),
    ...(returns === "count" ? { resultIsSize: true } : {}),
  };
}

/** A shape around one axis: [outer, axis, inner]. */
function around(shape: readonly number[], axis: number): { outer: number; axis: number; inner: number } {
  return {
    outer: elementCount(shape.slice(0, axis)),
    axis: shape[axis]!,
    inner: elementCount(shape.slice(axis + 1)),
  };
}

/** Around the axis attribute, or the flattened tensor without one. */
function aroundAttribute(call: OpCall): { outer: number; axis: number; inner: number; position?: number } {
  const { shape } = call.input(0);
  const axis = call.int("axis");
  if (axis === undefined) return { outer: 1, axis: elementCount(shape), inner: 1 };
  if (shape.length === 0) call.fail("attribute-invalid", `axis ${axis} of a scalar`);
  const position = normaliseAxis(call, axis, shape.length);
  return { ...around(shape, position), position };
}

function topkTypes(call: OpCall): TensorType[] {
  const { shape } = call.input(0);
  const axis = normaliseAxis(call, call.int("axis", -1), shape.length);
  const k = call.integers(1)[0] ?? 0;
  if (!(k >= 0 && k <= shape[axis]!)) call.fail("shape-mismatch", `k = ${k} of ${shape[axis]} elements`);
  const result = shape.map((dim, d) => (d === axis ? k : dim));
  return [
    { dtype: requireNumeric(call, 0), shape: result },
    { dtype: "int64", shape: result },
  ];
}

function topk(call: OpCall): LibraryCall {
  const { shape, dtype } = call.input(0);
  const axis = normaliseAxis(call, call.int("axis", -1), shape.length);
  const k = call.integers(1)[0]!;
  // An output that nobody wants is written into scratch, after the kernel's own.
  let scratch = 0;
  const room = (position: number): LibraryArgument => {
    if (call.wants(position)) return output(position);
    const offset = alignedTo8(12 * k) + scratch;
    const type = call.outputs[position]!;
    scratch += alignedTo8(elementCount(type.shape) * bytesPerElement(type.dtype));
    return { kind: "scratch", offset };
  };
  const made = libraryCall("topk", {
    dtype: libraryCode(call, dtype),
    input: input(0),
    values: room(0),
    indices: room(1),
    ...around(shape, axis),
    k,
    largest: call.int("largest", 1),
  });
  return scratch === 0 ? made : { ...made, scratchBytes: alignedTo8(12 * k) + scratch };
}

function alignedTo8(bytes: number): number {
  return (bytes + 7) & ~7;
}

const unique: OpDefinition = {
  op: "Unique",
  infer: (call) => {
    const { shape } = call.input(0);
    const dtype = requireNumeric(call, 0);
    const { axis, position } = aroundAttribute(call);
    const values = { dtype, shape: position === undefined ? [axis] : shape, dynamicDim: position ?? 0 };
    const counted = { dtype: "int64", shape: [axis], dynamicDim: 0 } as const;
    return [values, counted, { dtype: "int64", shape: [axis] }, counted];
  },
  implementation: {
    kind: "library",
    call: (call: OpCall) => {
      const { outer, axis, inner } = aroundAttribute(call);
      const optional = (position: number) => (call.wants(position) ? output(position) : undefined);
      return libraryCall("unique", {
        dtype: libraryCode(call, call.input(0).dtype),
        input: input(0),
        values: output(0),
        firstIndices: optional(1),
        inverse: optional(2),
        counts: optional(3),
        outer,
        axis,
        inner,
        sorted: call.int("sorted", 1),
      });
    },
  },
};

/** The places that a known condition keeps; a shorter one leaves the rest of the axis out. */
function keptPlaces(call: OpCall): number[] | undefined {
  const condition = call.peek(1);
  const { axis } = aroundAttribute(call);
  return condition && Array.from(condition.data as Uint8Array).flatMap((is, i) => (is && i < axis ? [i] : []));
} // prettier-ignore

const compress: OpDefinition = {
  op: "Compress",
  infer: (call) => {
    const { shape } = call.input(0);
    const dtype = requireNumeric(call, 0);
    const { axis, position } = aroundAttribute(call);
    const kept = keptPlaces(call)?.length;
    if (kept !== undefined)
      return [{ dtype, shape: position === undefined ? [kept] : shape.with(position, kept) }];
    const most = Math.min(axis, elementCount(call.input(1).shape));
    if (position === undefined) return [{ dtype, shape: [most], dynamicDim: 0 }];
    return [{ dtype, shape: shape.map((dim, d) => (d === position ? most : dim)), dynamicDim: position }];
  },
  implementation: (call) => {
    const kept = keptPlaces(call);
    if (kept) return { kind: "expand", expand: (_, to) => [gathered(call, to, kept)] };
    return {
      kind: "library",
      call: () => {
        const { outer, axis, inner } = aroundAttribute(call);
        return libraryCall("compress", {
          elementSize: bytesPerElement(call.input(0).dtype),
          input: input(0),
          condition: input(1),
          output: output(0),
          outer,
          axis,
          inner,
          conditionLength: elementCount(call.input(1).shape),
        });
      },
    };
  },
};

function gathered(call: OpCall, to: Expander, places: readonly number[]): ValueId {
  const x = call.node.inputs[0]!;
  const { position } = aroundAttribute(call);
  const from = position === undefined ? to.node("Reshape", [x, to.integers([-1])]) : x;
  return to.node("Gather", [from, to.integers(places)], { axis: position ?? 0 });
}

/** The bytes of a tensor as one of another type of the same size, NaN and all. Attribute `to` as for BitCast. */
const sameBytes: OpDefinition = {
  op: "SameBytes",
  domain: "tilewright",
  infer: (call) => [{ dtype: typeAttribute(call, "to") ?? call.input(0).dtype, shape: call.input(0).shape }],
  implementation: {
    kind: "library",
    call: (call: OpCall) => {
      const { dtype, shape } = call.input(0);
      // One slice, which is kept.
      return libraryCall("compress", {
        elementSize: bytesPerElement(dtype),
        input: input(0),
        condition: { kind: "data", tensor: { dtype: "uint8", shape: [1], data: Uint8Array.of(1) } },
        output: output(0),
        outer: 1,
        axis: 1,
        inner: elementCount(shape),
        conditionLength: 1,
      });
    },
  },
};

const nonZero: OpDefinition = {
  op: "NonZero",
  infer: (call) => {
    const { shape } = call.input(0);
    requireNumeric(call, 0);
    return [{ dtype: "int64", shape: [shape.length, elementCount(shape)], dynamicDim: 1 }];
  },
  implementation: {
    kind: "library",
    call: (call: OpCall) => {
      const { shape, dtype } = call.input(0);
      return libraryCall("nonZero", {
        dtype: libraryCode(call, dtype),
        input: input(0),
        output: output(0),
        rank: shape.length,
        dims: integers(shape),
      });
    },
  },
};

/** Most rows that NonMaxSuppression can give: all boxes of all classes, or what its limit says when known. */
function selectionCapacity(call: OpCall): number {
  const [batches, boxes] = call.input(0).shape as [number, number];
  const classes = call.input(1).shape[1]!;
  const limit = call.has(2) ? call.peek(2) : undefined;
  const perClass = limit ? Math.min(Math.max(0, Number(limit.data[0])), boxes) : call.has(2) ? boxes : 0;
  return batches * classes * perClass;
}

const nonMaxSuppression: OpDefinition = {
  op: "NonMaxSuppression",
  infer: (call) => {
    const [boxes, scores] = [call.input(0), call.input(1)];
    if (boxes.dtype !== "float32" || scores.dtype !== "float32") call.fail("dtype-unsupported", "boxes and scores must be float32"); // prettier-ignore
    if (
      boxes.shape.length !== 3 ||
      boxes.shape[2] !== 4 ||
      scores.shape.length !== 3 ||
      scores.shape[2] !== boxes.shape[1]
    ) {
      call.fail("shape-mismatch", `boxes [${boxes.shape}] with scores [${scores.shape}]`);
    }
    return [{ dtype: "int64", shape: [selectionCapacity(call), 3], dynamicDim: 0 }];
  },
  implementation: {
    kind: "library",
    call: (call: OpCall) => {
      const [batches, boxCount] = call.input(0).shape as [number, number];
      const optional = (position: number) => (call.has(position) ? input(position) : undefined);
      return libraryCall("nonMaxSuppression", {
        boxes: input(0),
        scores: input(1),
        output: output(0),
        batches,
        classes: call.input(1).shape[1]!,
        boxCount,
        maxOutputPerClass: optional(2),
        iouThreshold: optional(3),
        scoreThreshold: optional(4),
        centerPointBox: call.int("center_point_box", 0),
        capacity: selectionCapacity(call),
      });
    },
  },
};

const det: OpDefinition = {
  op: "Det",
  infer: (call) => {
    const { shape } = call.input(0);
    if (shape.length < 2 || shape.at(-1) !== shape.at(-2))
      call.fail("shape-mismatch", `[${shape}] is not square`);
    return [{ dtype: requireNumeric(call, 0), shape: shape.slice(0, -2) }];
  },
  implementation: {
    kind: "library",
    call: (call: OpCall) => {
      const { shape, dtype } = call.input(0);
      return libraryCall("det", {
        dtype: libraryCode(call, dtype),
        input: input(0),
        output: output(0),
        batches: elementCount(shape.slice(0, -2)),
        n: shape.at(-1)!,
      });
    },
  },
};

export const libraryOps: readonly OpDefinition[] = [
  { op: "TopK", infer: topkTypes, implementation: { kind: "library", call: topk } },
  unique,
  compress,
  sameBytes,
  nonZero,
  nonMaxSuppression,
  det,
];
