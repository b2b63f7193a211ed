/**
 * Normalisations along one axis: Softmax, LogSoftmax, Hardmax, LpNormalization. In: a call with static types. Out:
 * a loop over rows whose body reduces the row into small temps and then maps it. Invariant: statistics are float32
 * or wider, and no exponential is taken of a positive number. Source: ONNX operator documentation.
 */
import { acc, cast, constant, div, eq, min, mul, select, sub, unary, type Expr } from "../ir/expr.ts";
import type { DType } from "../ir/dtype.ts";
import { coordinate, type Assign, type Axis, type Block, type Kernel } from "../ir/kernel.ts";
import {
  axesOver,
  coordinates,
  KernelWriter,
  normaliseAxis,
  type OpCall,
  type OpDefinition,
} from "./define.ts";
import { loopOver, sameType, workingType } from "./normalise.ts";
import { isExtreme, numberOrLeast } from "./reduce.ts";

/** What a row operator's body works with. */
interface Row {
  readonly writer: KernelWriter;
  /** The axis of the row. */
  readonly along: Axis;
  /** The axes of what lies side by side: the last dimension, unless the row itself runs along it. */
  readonly beside: readonly Axis[];
  /** x and the point at the row's coordinate. */
  readonly x: Expr;
  readonly index: readonly Expr[];
  /** Assigns a temp that has one element for each row side by side. */
  perRow(temp: string, value: Expr, reduce?: { op: "sum" | "max" | "min"; body: Expr }): Assign;
  /** That element. */
  ofRow(temp: string): Expr;
  /** Assigns, and loads, a temp that has all elements of the row. */
  elements(temp: string, value: Expr): Assign;
  element(temp: string): Expr;
  store(value: Expr): Assign;
}

/**
 * A kernel over the rows along one axis. Loops run over all dimensions but that axis and the last, so that rows
 * along an outer axis are worked on side by side, which is how they can be vectorised.
 */
function rowKernel(
  call: OpCall,
  temps: readonly { name: string; dtype?: DType; wholeRow?: boolean }[],
  body: (row: Row) => readonly Block[],
): Kernel {
  const { dtype, shape } = call.input(0);
  const working = workingType(dtype);
  const at = normaliseAxis(call, call.int("axis", -1), shape.length);
  const axes = axesOver(shape, "i");
  const index = coordinates(axes);
  const along = axes[at] ?? { name: "i0", extent: 1 };
  const last = shape.length - 1;
  const beside = at < last ? [axes[last]!] : [];
  const besideShape = beside.map((a) => a.extent);
  const writer = new KernelWriter(
    call,
    temps.map((t) => {
      return {
        name: t.name,
        dtype: t.dtype ?? working,
        shape: t.wholeRow ? [along.extent, ...besideShape] : besideShape,
      };
    }),
  );
  const besideIndex = beside.map(coordinate);
  const rowIndex = [coordinate(along), ...besideIndex];
  const row: Row = {
    writer,
    along,
    beside,
    x: writer.load(0, index),
    index,
    perRow: (temp, value, reduce) =>
      writer.assign(writer.temp(temp), beside, besideIndex, value, reduce && { ...reduce, axes: [along] }),
    ofRow: (temp) => writer.loadFrom(writer.temp(temp), besideIndex),
    elements: (temp, value) => writer.assign(writer.temp(temp), [along, ...beside], rowIndex, value),
    element: (temp) => writer.loadFrom(writer.temp(temp), rowIndex),
    store: (value) => writer.assign(writer.out(0), [along, ...beside], index, value),
  };
  const outer = axes.filter((a) => a !== along && !beside.includes(a));
  return writer.push(...loopOver(outer, body(row))).done();
}

/**
 * A difference from the maximum of the row, whose exponential is known not to overflow. A NaN in the row is passed
 * over by the maximum and comes back here.
 */
function belowZero(difference: Expr): Expr {
  return min(difference, constant(difference.type, 0));
}

const softmax: OpDefinition = {
  op: "Softmax",
  infer: sameType,
  implementation: {
    kind: "compute",
    // The exponentials are kept, because one costs as much as ten loads.
    build: (call) =>
      rowKernel(call, [{ name: "maximum" }, { name: "power", wholeRow: true }, { name: "scale" }], (row) => {
        const { x } = row;
        const power = row.element("power");
        return [
          row.perRow("maximum", acc(x.type), { op: "max", body: numberOrLeast(x) }),
          row.elements("power", unary("exp", belowZero(sub(x, row.ofRow("maximum"))))),
          row.perRow("scale", div(constant(x.type, 1), acc(x.type)), { op: "sum", body: power }),
          row.store(mul(power, row.ofRow("scale"))),
        ];
      }),
  },
};

/** Softmax of scores that a mask may have set to -Infinity: a row with nothing left gives zeros, not NaN. */
const maskedSoftmax: OpDefinition = {
  op: "MaskedSoftmax",
  domain: "tilewright",
  infer: sameType,
  implementation: {
    kind: "compute",
    build: (call) =>
      rowKernel(call, [{ name: "maximum" }, { name: "power", wholeRow: true }, { name: "scale" }], (row) => {
        const { x } = row;
        const power = row.element("power");
        const zero = constant(x.type, 0);
        const nothing = eq(acc(x.type), constant(x.type, -Infinity));
        const empty = eq(acc(x.type), zero);
        return [
          row.perRow("maximum", select(nothing, zero, acc(x.type)), { op: "max", body: numberOrLeast(x) }),
          row.elements("power", unary("exp", belowZero(sub(x, row.ofRow("maximum"))))),
          row.perRow("scale", select(empty, zero, div(constant(x.type, 1), acc(x.type))), {
            op: "sum",
            body: power,
          }),
          row.store(mul(power, row.ofRow("scale"))),
        ];
      }),
  },
};

const logSoftmax: OpDefinition = {
  op: "LogSoftmax",
  infer: sameType,
  implementation: {
    kind: "compute",
    build: (call) =>
      rowKernel(call, [{ name: "maximum" }, { name: "logarithm" }], (row) => {
        const { x } = row;
        const shifted = sub(x, row.ofRow("maximum"));
        return [
          row.perRow("maximum", acc(x.type), { op: "max", body: numberOrLeast(x) }),
          row.perRow("logarithm", unary("log", acc(x.type)), { op: "sum", body: unary("exp", shifted) }),
          row.store(sub(shifted, row.ofRow("logarithm"))),
        ];
      }),
  },
};

const hardmax: OpDefinition = {
  op: "Hardmax",
  infer: sameType,
  implementation: {
    kind: "compute",
    build: (call) =>
      rowKernel(call, [{ name: "maximum" }, { name: "position", dtype: "int32" }], (row) => {
        const { x } = row;
        const position = cast(coordinate(row.along), "int32");
        const candidate = select(isExtreme(x, row.ofRow("maximum")), position, constant("i32", 2 ** 31 - 1));
        return [
          row.perRow("maximum", acc(x.type), { op: "max", body: x }),
          row.perRow("position", acc("i32"), { op: "min", body: candidate }),
          row.store(select(eq(position, row.ofRow("position")), constant(x.type, 1), constant(x.type, 0))),
        ];
      }),
  },
};

const lpNormalization: OpDefinition = {
  op: "LpNormalization",
  infer: sameType,
  implementation: {
    kind: "compute",
    build: (call) =>
      rowKernel(call, [{ name: "norm" }], (row) => {
        const { x } = row;
        const p = call.int("p", 2);
        if (p !== 1 && p !== 2) call.fail("attribute-invalid", `p is ${p}: 1 or 2`);
        const norm = row.ofRow("norm");
        const zero = constant(x.type, 0);
        return [
          p === 1
            ? row.perRow("norm", acc(x.type), { op: "sum", body: unary("abs", x) })
            : row.perRow("norm", unary("sqrt", acc(x.type)), { op: "sum", body: mul(x, x) }),
          // A row of zeros has no direction and stays zero.
          row.store(select(eq(norm, zero), zero, div(x, norm))),
        ];
      }),
  },
};

export const normaliseRowOps: readonly OpDefinition[] = [
  softmax,
  maskedSoftmax,
  logSoftmax,
  hardmax,
  lpNormalization,
];
