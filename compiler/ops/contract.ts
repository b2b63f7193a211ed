/**
 * Contractions: MatMul, Gemm, Einsum. In: a call with static types. Out: one assignment that sums products of
 * loads over the contracted axes; what follows the sum (bias, scale) is in its value. Invariant: every index is
 * affine in the axes, so the scheduler can tile any of these like any other.
 */
import { acc, add, constant, int, mul, type Expr } from "../ir/expr.ts";
import { computeType, isFloat } from "../ir/dtype.ts";
import { coordinate, type Axis, type Kernel } from "../ir/kernel.ts";
import {
  axesOver,
  broadcastShapes,
  coordinates,
  KernelWriter,
  type OpCall,
  type OpDefinition,
} from "./define.ts";
import { expectBroadcast } from "./operandShape.ts";

/**
 * Appends `out[position][index] = finish(sum over reduced of body)`. Reduced axes of one iteration are left out,
 * and with none left the sum is its only term, so that a 1x1 depthwise convolution is a plain map.
 */
export function contraction(
  writer: KernelWriter,
  position: number,
  axes: readonly Axis[],
  index: readonly Expr[],
  reduced: readonly Axis[],
  body: Expr,
  finish: (sum: Expr) => Expr = (sum) => sum,
): KernelWriter {
  const kept = reduced.filter((a) => a.extent !== 1);
  if (kept.length === 0) return writer.store(position, axes, index, finish(body));
  // A sum over nothing loads nothing, so there is no code to make for it.
  if (kept.some((a) => a.extent === 0))
    return writer.store(position, axes, index, finish(constant(body.type, 0)));
  return writer.store(position, axes, index, finish(acc(body.type)), { op: "sum", axes: kept, body });
}

/** The axes and indices of a numpy-style matrix product. */
export interface MatrixProduct {
  readonly shape: readonly number[];
  readonly axes: readonly Axis[];
  readonly index: readonly Expr[];
  readonly reduced: Axis;
  readonly left: readonly Expr[];
  readonly right: readonly Expr[];
  /** Coordinates of row and column; undefined for a 1-D operand. */
  readonly row: Expr | undefined;
  readonly column: Expr | undefined;
}

/** numpy.matmul over two shapes: 1-D operands are a row and a column, leading dimensions broadcast. */
export function matrixProduct(call: OpCall, a: readonly number[], b: readonly number[]): MatrixProduct {
  if (a.length === 0 || b.length === 0) call.fail("shape-mismatch", "a matrix product of a scalar");
  const rowExtent = a.length > 1 ? a[a.length - 2]! : undefined;
  const columnExtent = b.length > 1 ? b[b.length - 1]! : undefined;
  const depth = a[a.length - 1]!;
  const depthB = b.length > 1 ? b[b.length - 2]! : b[0]!;
  if (depth !== depthB)
    call.fail("shape-mismatch", `inner dimensions ${depth} and ${depthB} of [${a}] and [${b}]`);
  const batchA = a.slice(0, -2);
  const batchB = b.slice(0, -2);
  const batch = broadcastShapes(call, [batchA, batchB]);
  const batchAxes = axesOver(batch, "b");
  const batchIndex = coordinates(batchAxes);
  const rowAxis = rowExtent === undefined ? undefined : { name: "m", extent: rowExtent };
  const columnAxis = columnExtent === undefined ? undefined : { name: "n", extent: columnExtent };
  const reduced = { name: "k", extent: depth };
  const row = rowAxis && coordinate(rowAxis);
  const column = columnAxis && coordinate(columnAxis);
  const k = coordinate(reduced);
  const within = (shape: readonly number[]): Expr[] =>
    shape.map((dim, d) => (dim === 1 ? int(0) : batchIndex[d + batch.length - shape.length]!));
  const given = <T>(values: readonly (T | undefined)[]): T[] =>
    values.filter((v): v is T & {} => v !== undefined);
  return {
    shape: [...batch, ...given([rowExtent, columnExtent])],
    axes: [...batchAxes, ...given([rowAxis, columnAxis])],
    index: [...batchIndex, ...given([row, column])],
    reduced,
    left: [...within(batchA), ...given([row]), k],
    right: [...within(batchB), k, ...given([column])],
    row,
    column,
  };
}

const matMul: OpDefinition = {
  op: "MatMul",
  infer(call) {
    const a = call.input(0);
    return [{ dtype: a.dtype, shape: matrixProduct(call, a.shape, call.input(1).shape).shape }];
  },
  implementation: {
    kind: "compute",
    build(call) {
      const product = matrixProduct(call, call.input(0).shape, call.input(1).shape);
      const writer = new KernelWriter(call);
      const body = mul(writer.load(0, product.left), writer.load(1, product.right));
      return contraction(writer, 0, product.axes, product.index, [product.reduced], body).done();
    },
  },
};

/** alpha * A' * B' + beta * C; also com.microsoft's fused forms, which add an activation or batches elsewhere. */
const gemm: OpDefinition = {
  op: "Gemm",
  infer(call) {
    const [rows, columns] = gemmSizes(call);
    expectBroadcast(call, 2, "C", [rows, columns]);
    return [{ dtype: call.input(0).dtype, shape: [rows, columns] }];
  },
  implementation: { kind: "compute", build: buildGemm },
};

function gemmSizes(call: OpCall): readonly [rows: number, columns: number, depth: number] {
  const a = call.input(0).shape;
  const b = call.input(1).shape;
  if (a.length !== 2 || b.length !== 2)
    call.fail("shape-mismatch", `Gemm of [${a}] and [${b}]: both must be matrices`);
  const [rows, depth] = call.int("transA", 0) ? [a[1]!, a[0]!] : [a[0]!, a[1]!];
  const [columns, depthB] = call.int("transB", 0) ? [b[0]!, b[1]!] : [b[1]!, b[0]!];
  if (depth !== depthB)
    call.fail("shape-mismatch", `inner dimensions ${depth} and ${depthB} of [${a}] and [${b}]`);
  return [rows, columns, depth];
}

function buildGemm(call: OpCall): Kernel {
  const [rows, columns, depth] = gemmSizes(call);
  const m = { name: "m", extent: rows };
  const n = { name: "n", extent: columns };
  const k = { name: "k", extent: depth };
  const [row, column, inner] = [coordinate(m), coordinate(n), coordinate(k)];
  const writer = new KernelWriter(call);
  const left = writer.load(0, call.int("transA", 0) ? [inner, row] : [row, inner]);
  const right = writer.load(1, call.int("transB", 0) ? [column, inner] : [inner, column]);
  const type = computeType(call.input(0).dtype);
  const scaled = (factor: number, x: Expr): Expr =>
    factor === 1 ? x : mul(x, constant(type, whole(call, factor)));
  return contraction(writer, 0, [m, n], [row, column], [k], mul(left, right), (sum) => {
    const product = scaled(call.float("alpha", 1), sum);
    const beta = call.float("beta", 1);
    if (!call.has(2) || beta === 0) return product;
    return add(product, scaled(beta, writer.broadcast(2, [row, column])));
  }).done();
}

/** A factor of an integer product must itself be one. */
function whole(call: OpCall, factor: number): number {
  if (!isFloat(call.input(0).dtype) && !Number.isInteger(factor)) {
    call.fail("attribute-invalid", `factor ${factor} of an integer product`);
  }
  return factor;
}

// ---------------------------------------------------------------------------------------------------------------
// Einsum

export interface Equation {
  /** Labels of each input dimension and of the output; ellipsis dimensions are "0", "1", ... from the right. */
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
  readonly extents: ReadonlyMap<string, number>;
}

/** Parses "ij,jk->ik", implicit outputs and ellipses included; checks it against the input shapes. */
export function parseEquation(call: OpCall): Equation {
  const equation = call.string("equation")?.replace(/\s+/g, "");
  if (equation === undefined) call.fail("attribute-invalid", "no equation");
  const [left, right, ...more] = equation.split("->");
  const terms = left!.split(",");
  if (more.length || terms.length !== call.inputs.length) {
    call.fail("attribute-invalid", `equation "${equation}" for ${call.inputs.length} inputs`);
  }
  const extents = new Map<string, number>();
  const ellipsisRank = Math.max(
    0,
    ...terms.map((term, i) => (term.includes("...") ? call.input(i).shape.length - (term.length - 3) : 0)),
  );
  // An ellipsis of `count` dimensions stands for the last ones of the widest ellipsis.
  const ellipsis = (count: number): string[] =>
    Array.from({ length: count }, (_, d) => String(ellipsisRank - count + d));
  const labelsOf = (term: string, count: number): string[] => {
    const at = term.indexOf("...");
    const plain = (text: string): string[] => {
      if (/[^A-Za-z]/.test(text)) call.fail("attribute-invalid", `equation "${equation}"`);
      return [...text];
    };
    return at < 0
      ? plain(term)
      : [...plain(term.slice(0, at)), ...ellipsis(count), ...plain(term.slice(at + 3))];
  };
  const inputs = terms.map((term, i) => {
    const { shape } = call.input(i);
    const labels = labelsOf(term, Math.max(0, shape.length - (term.length - 3)));
    if (labels.length !== shape.length) {
      call.fail("shape-mismatch", `term "${term}" of the equation for a tensor of rank ${shape.length}`);
    }
    labels.forEach((label, d) => {
      const known = extents.get(label) ?? 1;
      if (known !== 1 && shape[d] !== 1 && known !== shape[d]) {
        call.fail("shape-mismatch", `axis "${label}" of the equation is both ${known} and ${shape[d]}`);
      }
      extents.set(label, known === 1 ? shape[d]! : known);
    });
    return labels;
  });
  const all = inputs.flat();
  const once = [...new Set(all)]
    .filter((l) => /[A-Za-z]/.test(l) && all.filter((x) => x === l).length === 1)
    .sort();
  const output = right === undefined ? [...ellipsis(ellipsisRank), ...once] : labelsOf(right, ellipsisRank);
  for (const label of output) {
    if (!extents.has(label))
      call.fail("attribute-invalid", `output axis "${label}" of the equation has no input`);
  }
  return { inputs, output, extents };
}

const einsum: OpDefinition = {
  op: "Einsum",
  infer(call) {
    const { output, extents } = parseEquation(call);
    return [{ dtype: call.input(0).dtype, shape: output.map((label) => extents.get(label)!) }];
  },
  implementation: {
    kind: "compute",
    build(call) {
      const { inputs, output, extents } = parseEquation(call);
      const axisOf = (label: string): Axis => ({ name: `e${label}`, extent: extents.get(label)! });
      const writer = new KernelWriter(call);
      const factors = inputs.map((labels, i) =>
        writer.load(
          i,
          labels.map((label, d) => (call.input(i).shape[d] === 1 ? int(0) : coordinate(axisOf(label)))),
        ),
      );
      const reduced = [...extents.keys()].filter((label) => !output.includes(label)).map(axisOf);
      const axes = output.map(axisOf);
      return contraction(writer, 0, axes, axes.map(coordinate), reduced, factors.reduce(mul)).done();
    },
  },
};

export const contractOps: readonly OpDefinition[] = [matMul, gemm, einsum];
